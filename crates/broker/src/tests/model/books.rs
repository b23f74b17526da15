//! The controller of the model: the real one, asked about a real image, its records applied at once. An image goes by a number, for few
//! are ever seen and each is asked the same over and over: what was decided once is remembered. Epochs of leaders and partitions are left
//! out of what is compared: the numbers of an image begin at [`BASE`] again after each decision.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use kraft::controller::{
    AlterPartition, Controller, ControllerAnswer, ControllerCommand, ControllerOptions, Decision,
    RegisterBroker, Situation, Soft, bootstrap_records,
};
use kraft::features::{MetadataVersion, VersionRange, supported};
use kraft::image::{ClusterImage, MetadataImage, PartitionImage};
use wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use wire::messages::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, DirectoryData, PartitionData, TopicData,
};
use wire::messages::broker_heartbeat::BrokerHeartbeatRequest;
use wire::messages::broker_registration::{BrokerRegistrationRequest, Feature, Listener};
use wire::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use wire::records::metadata::{ConfigRecord, MetadataRecord, PartitionRecord, TopicRecord};
use wire::topic::TopicIdPartition;
use wire::{Str, Uuid};

use super::bounds::{Bounds, Mutation};
use super::state::BROKERS;
use crate::config::Values;
use crate::quorum::isr_proposals::{IsrOutcome, IsrProposal, IsrProposals};
use crate::quorum::rules::Rules;

/// The partition.
pub(super) const KEY: TopicIdPartition =
    TopicIdPartition { topic_id: Uuid::from_halves(0x4000_0000_0000_0001, 1), partition: 0 };
/// Leader and partition epoch of every image here.
pub(super) const BASE: i32 = 1_000;

const TOPIC: &str = "t";
const CLUSTER_ID: &str = "modelled";
const SESSION_MS: i64 = 9_000;
/// Who seems gone since 0 is so by now; nobody's session is over.
const SOON_MS: i64 = 1_000;

/// What the controller is asked, or notices.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A new incarnation, which says what its last clean stop's epoch was (-1: none), on the disk of this number.
    Register { broker: i32, previous: i64, disk: u8 },
    /// Its session is over.
    Fence(i32),
    /// It says that it has read everything.
    Unfence(i32),
    /// It asks to go (controlled shutdown).
    Leave(i32),
    /// Its replica lies on the disk of this number.
    Assign { broker: i32, disk: u8 },
    /// A leader proposes; the epochs as the image's would be.
    Alter { broker: i32, epoch: i64, leader_epoch: i32, partition_epoch: i32, isr: Vec<(i32, i64)> },
    /// To these replicas, or back again.
    Reassign(Option<Vec<i32>>),
    /// Of the preferred leader, or of any.
    Elect { unclean: bool },
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Turned {
    pub books: u32,
    /// By how much the epochs have grown.
    pub leader_epochs: i32,
    pub partition_epochs: i32,
    /// To a proposal; `None` where it is made again.
    pub outcome: Option<IsrOutcome>,
    /// The new incarnation's.
    pub broker_epoch: Option<i64>,
}

/// Every image that was ever seen, and every decision.
pub(super) struct Library {
    controller: Controller,
    mutation: Mutation,
    min_isr: usize,
    images: Vec<MetadataImage>,
    numbers: BTreeMap<Vec<i64>, u32>,
    turned: BTreeMap<(u32, Event), Rc<Turned>>,
}

impl Library {
    /// The number of the first image is 0: three brokers of epoch 1, all unfenced, all replicas in sync.
    pub fn new(bounds: &Bounds) -> Library {
        let options = ControllerOptions {
            node_id: 100,
            cluster_id: Str::from_static(CLUSTER_ID),
            default_replication_factor: 3,
            default_num_partitions: 1,
            session_timeout_ms: SESSION_MS,
            stall_timeout_ms: 0,
            max_idle_interval_ms: 0,
            leader_imbalance_check_interval_ms: None,
            unclean_election_check_interval_ms: i64::MAX / 2,
            delegation_tokens: None,
        };
        let rules = Rules::new(100, Values::default());
        let mut library = Library {
            controller: Controller::new(options, Arc::new(rules)),
            mutation: bounds.mutation,
            min_isr: bounds.min_isr,
            images: Vec::new(),
            numbers: BTreeMap::new(),
            turned: BTreeMap::new(),
        };
        let first = library.first(bounds);
        library.number(first);
        library
    }

    fn first(&self, bounds: &Bounds) -> MetadataImage {
        let mut image = MetadataImage::default();
        for record in bootstrap_records(MetadataVersion::LATEST_PRODUCTION, &BTreeMap::new()) {
            image.apply(&record.record).unwrap();
        }
        let config = |name: &'static str, value: String| ConfigRecord {
            resource_type: 2,
            resource_name: Str::from_static(TOPIC),
            name: Str::from_static(name),
            value: Some(Str::from(value)),
        };
        let topic = TopicRecord { name: Str::from_static(TOPIC), topic_id: KEY.topic_id };
        let min_isr = config("min.insync.replicas", bounds.min_isr.to_string());
        let records: [MetadataRecord; 2] = [topic.into(), min_isr.into()];
        records.iter().for_each(|record| image.apply(record).unwrap());
        for broker in 1..=BROKERS as i32 {
            let register = Event::Register { broker, previous: -1, disk: 0 };
            for event in [register, Event::Unfence(broker)] {
                let decision = self.decide(&image, &event);
                decision.records.iter().for_each(|record| image.apply(&record.record).unwrap());
            }
        }
        let partition = PartitionImage {
            replicas: bounds.replicas.to_vec(),
            isr: bounds.replicas.to_vec(),
            directories: bounds.replicas.iter().map(|&broker| directory(broker, 0)).collect(),
            leader: bounds.replicas[0],
            ..PartitionImage::default()
        };
        set(&mut image, &partition);
        image
    }

    /// The partition in an image.
    pub fn partition(&self, books: u32) -> &PartitionImage {
        of(&self.images[books as usize])
    }

    /// The brokers in an image.
    pub fn cluster(&self, books: u32) -> &ClusterImage {
        &self.images[books as usize].cluster
    }

    /// Images and decisions so far.
    pub fn len(&self) -> (usize, usize) {
        (self.images.len(), self.turned.len())
    }

    /// What comes of an event.
    pub fn turn(&mut self, books: u32, event: Event) -> Rc<Turned> {
        let asked = (books, event);
        if let Some(turned) = self.turned.get(&asked) {
            return Rc::clone(turned);
        }
        let turned = Rc::new(self.turn_anew(books, &asked.1));
        self.turned.insert(asked, Rc::clone(&turned));
        turned
    }

    fn turn_anew(&mut self, books: u32, event: &Event) -> Turned {
        let before = self.images[books as usize].clone();
        let (decision, outcome) = match event {
            Event::Alter { .. } => self.alter(&before, event),
            _ => (self.decide(&before, event), None),
        };
        let mut image = before.clone();
        for record in &decision.records {
            image.apply(&record.record).unwrap();
            if self.mutation == Mutation::None {
                image.check_decided(&record.record);
            }
        }
        let mut partition = of(&image).clone();
        self.mutate(of(&before), &mut partition);
        set(&mut image, &partition);
        let broker_epoch = match decision.answer {
            Some(ControllerAnswer::RegisterBroker(answer)) if answer.error_code == 0 => {
                Some(answer.broker_epoch)
            }
            _ => None,
        };
        Turned {
            books: self.number(image),
            leader_epochs: partition.leader_epoch - BASE,
            partition_epochs: partition.partition_epoch - BASE,
            outcome,
            broker_epoch,
        }
    }

    /// What the model's own fault makes of a partition.
    fn mutate(&self, before: &PartitionImage, after: &mut PartitionImage) {
        let min_isr = self.min_isr.min(after.replicas.len());
        if self.mutation == Mutation::RemovedStaysEligible && after.isr.len() < min_isr {
            let was = before.isr.iter().chain(&before.elr);
            let removed: Vec<i32> = was.copied().filter(|id| !after.replicas.contains(id)).collect();
            after.elr.extend(removed);
        }
    }

    /// A refusal of all is an answer like any other.
    fn decide(&self, image: &MetadataImage, event: &Event) -> Decision {
        let offsets = image.cluster.brokers().map(|broker| (broker.id, broker.epoch)).collect();
        let mut soft = Soft::activate(image, 1, 0);
        let epoch = |broker: i32| image.cluster.broker(broker).map_or(0, |broker| broker.epoch);
        let mut at = Situation {
            image,
            registration_offsets: &offsets,
            now_ms: SOON_MS,
            wall_ms: SOON_MS,
            next_offset: 1_000_000,
            kraft_version: 1,
            highest_kraft_version: 1,
            voter_ids: &[100],
        };
        if let Event::Fence(broker) = event {
            soft.seems_gone(*broker, None, 0);
            return self.controller.due(at, &mut soft).unwrap();
        }
        if let Event::Register { broker, .. } = event {
            // Another incarnation is not taken while there may be one before it.
            soft.seems_gone(*broker, None, 0);
            at.next_offset = epoch(*broker) + 1;
        }
        let command = command(event, epoch);
        match self.controller.decide(at, &mut soft, &command) {
            Ok(decision) => decision,
            Err(refusal) => Decision { answer: Some(command.refused(&refusal)), ..Decision::default() },
        }
    }

    /// A proposal goes and its answer comes by way of what the broker keeps of it.
    fn alter(&self, image: &MetadataImage, event: &Event) -> (Decision, Option<IsrOutcome>) {
        let Event::Alter { broker, epoch, leader_epoch, partition_epoch, isr } = event else {
            unreachable!("only a proposal is altered")
        };
        let mut proposals = IsrProposals::default();
        let (leader_epoch, partition_epoch, isr) = (*leader_epoch, *partition_epoch, isr.clone());
        proposals.add(IsrProposal { key: KEY, leader_epoch, partition_epoch, isr });
        let request = proposals.step(0, *broker, *epoch).unwrap();
        let command = ControllerCommand::AlterPartition(AlterPartition { request, api_version: 3 });
        let offsets = BTreeMap::new();
        let at = Situation {
            image,
            registration_offsets: &offsets,
            now_ms: SOON_MS,
            wall_ms: SOON_MS,
            next_offset: 1_000_000,
            kraft_version: 1,
            highest_kraft_version: 1,
            voter_ids: &[100],
        };
        let decision = match self.controller.decide(at, &mut Soft::activate(image, 1, 0), &command) {
            Ok(decision) => decision,
            Err(refusal) => Decision { answer: Some(command.refused(&refusal)), ..Decision::default() },
        };
        let Some(ControllerAnswer::AlterPartition(response)) = &decision.answer else {
            unreachable!("AlterPartition is answered as such")
        };
        let outcome = proposals.answered(0, response).pop().map(|answer| answer.outcome);
        (decision, outcome)
    }

    fn number(&mut self, mut image: MetadataImage) -> u32 {
        let mut partition = of(&image).clone();
        (partition.leader_epoch, partition.partition_epoch) = (BASE, BASE);
        set(&mut image, &partition);
        let mut words = Vec::new();
        let lists = [
            &partition.replicas,
            &partition.isr,
            &partition.elr,
            &partition.last_known_elr,
            &partition.removing_replicas,
            &partition.adding_replicas,
        ];
        for list in lists {
            words.push(list.len() as i64);
            words.extend(list.iter().map(|&id| i64::from(id)));
        }
        words.extend(partition.directories.iter().copied().map(word_of));
        words.extend([i64::from(partition.leader), i64::from(partition.leader_recovery_state.id())]);
        for broker in image.cluster.brokers() {
            words.extend([
                broker.epoch,
                i64::from(broker.fenced),
                i64::from(broker.in_controlled_shutdown),
                word_of(broker.directories[0]),
            ]);
        }
        let next = self.images.len() as u32;
        let number = *self.numbers.entry(words).or_insert(next);
        if number == next {
            self.images.push(image);
        }
        number
    }
}

fn command(event: &Event, epoch: impl Fn(i32) -> i64) -> ControllerCommand {
    let heartbeat = |broker_id: i32, want_shut_down: bool| {
        ControllerCommand::BrokerHeartbeat(BrokerHeartbeatRequest {
            broker_id,
            broker_epoch: epoch(broker_id),
            current_metadata_offset: i64::MAX,
            want_shut_down,
            ..BrokerHeartbeatRequest::default()
        })
    };
    match event {
        Event::Register { broker, previous, disk } => {
            let request = registration(*broker, *previous, *disk, epoch(*broker));
            ControllerCommand::RegisterBroker(RegisterBroker { request, api_version: 4 })
        }
        Event::Unfence(broker) => heartbeat(*broker, false),
        Event::Leave(broker) => heartbeat(*broker, true),
        Event::Assign { broker, disk } => {
            let topic =
                TopicData { topic_id: KEY.topic_id, partitions: vec![PartitionData { partition_index: 0 }] };
            let directories = vec![DirectoryData { id: directory(*broker, *disk), topics: vec![topic] }];
            ControllerCommand::AssignReplicasToDirs(AssignReplicasToDirsRequest {
                broker_id: *broker,
                broker_epoch: epoch(*broker),
                directories,
            })
        }
        Event::Reassign(replicas) => {
            let partition = ReassignablePartition { partition_index: 0, replicas: replicas.clone() };
            let topic = ReassignableTopic { name: Str::from_static(TOPIC), partitions: vec![partition] };
            ControllerCommand::AlterPartitionReassignments(AlterPartitionReassignmentsRequest {
                topics: vec![topic],
                allow_replication_factor_change: true,
                timeout_ms: 1_000,
            })
        }
        Event::Elect { unclean } => {
            let topic = TopicPartitions { topic: Str::from_static(TOPIC), partitions: vec![0] };
            ControllerCommand::ElectLeaders(ElectLeadersRequest {
                election_type: i8::from(*unclean),
                topic_partitions: Some(vec![topic]),
                timeout_ms: 1_000,
            })
        }
        Event::Fence(_) | Event::Alter { .. } => unreachable!("these are no such commands"),
    }
}

fn registration(broker_id: i32, previous: i64, disk: u8, last_epoch: i64) -> BrokerRegistrationRequest {
    let feature = |(name, range): (&'static str, VersionRange)| Feature {
        name: Str::from_static(name),
        min_supported_version: range.min,
        max_supported_version: range.max,
    };
    BrokerRegistrationRequest {
        broker_id,
        cluster_id: Str::from_static(CLUSTER_ID),
        incarnation_id: Uuid::from_halves(0x4000_0000_0000_0002, last_epoch as u64 + 1),
        listeners: vec![Listener {
            name: Str::from_static("PLAINTEXT"),
            host: Str::from_static("node"),
            port: 9092,
            security_protocol: 0,
        }],
        features: supported().into_iter().map(feature).collect(),
        log_dirs: vec![directory(broker_id, disk)],
        previous_broker_epoch: previous,
        ..BrokerRegistrationRequest::default()
    }
}

/// The log directory on a broker's disk of this number.
pub(super) fn directory(broker: i32, disk: u8) -> Uuid {
    Uuid::from_halves(0x4000_0000_0000_0003, broker as u64 * 256 + u64::from(disk))
}

fn word_of(id: Uuid) -> i64 {
    i64::from_be_bytes(id.0[8..].try_into().unwrap())
}

fn of(image: &MetadataImage) -> &PartitionImage {
    image.topics.by_id(KEY.topic_id).unwrap().partition(0).unwrap()
}

/// The partition is this.
fn set(image: &mut MetadataImage, partition: &PartitionImage) {
    let record = PartitionRecord {
        partition_id: 0,
        topic_id: KEY.topic_id,
        replicas: partition.replicas.clone(),
        isr: partition.isr.clone(),
        removing_replicas: partition.removing_replicas.clone(),
        adding_replicas: partition.adding_replicas.clone(),
        leader: partition.leader,
        leader_recovery_state: partition.leader_recovery_state.id(),
        leader_epoch: partition.leader_epoch,
        partition_epoch: partition.partition_epoch,
        directories: partition.directories.clone(),
        eligible_leader_replicas: Some(partition.elr.clone()),
        last_known_elr: Some(partition.last_known_elr.clone()),
    };
    image.apply(&record.into()).unwrap();
}
