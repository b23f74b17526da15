//! The controller of the model: the real one, asked on the real image, its records applied at once. What it remembers of heartbeats is made
//! anew for each question, so that a question's outcome depends on the image alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use kraft::controller::{
    AlterPartition, ConfigRules, Controller, ControllerAnswer, ControllerCommand, ControllerOptions,
    Decision, EffectiveConfig, Refusal, RegisterBroker, Situation, Soft, bootstrap_records,
};
use kraft::features::{MetadataVersion, supported};
use kraft::image::{ConfigResource, ConfigsImage, MetadataImage, ResourceConfigs, ResourceType};
use wire::messages::alter_partition::{AlterPartitionRequest, AlterPartitionResponse};
use wire::messages::broker_heartbeat::BrokerHeartbeatRequest;
use wire::messages::broker_registration::{BrokerRegistrationRequest, Feature, Listener};
use wire::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use wire::records::metadata::{MetadataRecord, PartitionRecord, TopicRecord};
use wire::topic::TopicIdPartition;
use wire::{ErrorCode, Str, Uuid};

use super::bounds::{Bounds, Plant};
use super::state::{BROKERS, TOPIC, id};

const TOPIC_ID: Uuid = Uuid::from_halves(0x4000_0000_0000_0001, 1);
/// The partition.
pub const KEY: TopicIdPartition = TopicIdPartition { topic_id: TOPIC_ID, partition: 0 };

const CLUSTER_ID: &str = "explored";
const SESSION_MS: i64 = 9_000;
/// All that speak have spoken here.
const HEARD_MS: i64 = 1_000_000;
/// Sessions of those that seem gone are over here, those of the others are not.
const SOON_MS: i64 = HEARD_MS + 1_000;
/// All sessions are over here.
const LATE_MS: i64 = HEARD_MS + 2 * SESSION_MS;

/// Two keys of a topic, the same for all.
struct Rules {
    min_insync_replicas: String,
    unclean: bool,
}

impl ConfigRules for Rules {
    fn validate(&self, _: &ConfigResource, _: &ResourceConfigs, _: &ConfigsImage) -> Result<(), Refusal> {
        Ok(())
    }

    fn list_default(&self, _: ResourceType, _: &str, _: &str) -> Result<Str, Refusal> {
        Err(Refusal::new(ErrorCode::InvalidConfig, "no key is a list"))
    }

    fn topic_value(&self, key: &str, _: &ResourceConfigs, _: &ConfigsImage) -> Option<Str> {
        match key {
            "min.insync.replicas" => Some(Str::from(self.min_insync_replicas.as_str())),
            "unclean.leader.election.enable" => Some(Str::from(if self.unclean { "true" } else { "false" })),
            _ => None,
        }
    }

    fn topic_values(&self, _: &ResourceConfigs, _: &ConfigsImage) -> Vec<EffectiveConfig> {
        Vec::new()
    }

    fn static_min_insync_replicas(&self) -> i32 {
        1
    }
}

/// The controller.
pub struct Asked {
    controller: Controller,
    plant: Plant,
}

impl Asked {
    pub fn new(bounds: &Bounds) -> Asked {
        let options = ControllerOptions {
            node_id: 100,
            cluster_id: Str::from_static(CLUSTER_ID),
            default_replication_factor: 3,
            default_num_partitions: 1,
            session_timeout_ms: SESSION_MS,
            stall_timeout_ms: SESSION_MS,
            max_idle_interval_ms: 0,
            leader_imbalance_check_interval_ms: None,
            unclean_election_check_interval_ms: i64::MAX / 2,
        };
        let min_insync_replicas = bounds.min_insync_replicas.to_string();
        let rules = Rules { min_insync_replicas, unclean: bounds.unclean };
        Asked { controller: Controller::new(options, Arc::new(rules)), plant: bounds.plant }
    }

    /// A cluster of three, unfenced, and the topic with all of them in sync; broker 1 leads.
    pub fn first_image(&self) -> MetadataImage {
        let mut image = MetadataImage::default();
        for record in bootstrap_records(MetadataVersion::LATEST_PRODUCTION, &BTreeMap::new()) {
            self.apply(&mut image, &record.record);
        }
        for index in 0..BROKERS {
            let epoch = self.register(&mut image, index, None);
            self.unfence(&mut image, index, epoch);
        }
        let ids: Vec<i32> = (0..BROKERS).map(id).collect();
        self.apply(&mut image, &TopicRecord { name: Str::from_static(TOPIC), topic_id: TOPIC_ID }.into());
        let partition = PartitionRecord {
            partition_id: 0,
            topic_id: TOPIC_ID,
            directories: (0..BROKERS).map(directory).collect(),
            replicas: ids.clone(),
            isr: ids,
            leader: 1,
            leader_epoch: 0,
            partition_epoch: 0,
            ..PartitionRecord::default()
        };
        self.apply(&mut image, &partition.into());
        image
    }

    /// A new incarnation registers, with the epoch of a clean stop if it has one; answers its epoch.
    pub fn register(&self, image: &mut MetadataImage, index: usize, previous: Option<i64>) -> i64 {
        let feature = |(name, range): (&'static str, kraft::features::VersionRange)| Feature {
            name: Str::from_static(name),
            min_supported_version: range.min,
            max_supported_version: range.max,
        };
        let request = BrokerRegistrationRequest {
            broker_id: id(index),
            cluster_id: Str::from_static(CLUSTER_ID),
            incarnation_id: Uuid::from_halves(0x4000_0000_0000_0002, next_offset(image) as u64 + 1),
            listeners: vec![Listener {
                name: Str::from_static("PLAINTEXT"),
                host: Str::from_static("node"),
                port: 9092,
                security_protocol: 0,
            }],
            features: supported().into_iter().map(feature).collect(),
            log_dirs: vec![directory(index)],
            previous_broker_epoch: previous.unwrap_or(-1),
            ..BrokerRegistrationRequest::default()
        };
        let command = ControllerCommand::RegisterBroker(RegisterBroker { request, api_version: 4 });
        let mut decision = self.decide(image, LATE_MS, &command);
        if self.plant == Plant::UncleanMemberStaysEligible && previous.is_none() {
            keep_eligible(&mut decision, id(index));
        }
        self.take(image, &decision);
        match decision.answer {
            Some(ControllerAnswer::RegisterBroker(answer)) => answer.broker_epoch,
            other => unreachable!("a registration is answered as one: {other:?}"),
        }
    }

    /// A heartbeat of one that has read everything.
    pub fn unfence(&self, image: &mut MetadataImage, index: usize, broker_epoch: i64) {
        let request = BrokerHeartbeatRequest {
            broker_id: id(index),
            broker_epoch,
            current_metadata_offset: i64::MAX,
            ..BrokerHeartbeatRequest::default()
        };
        let decision = self.decide(image, HEARD_MS, &ControllerCommand::BrokerHeartbeat(request));
        self.take(image, &decision);
    }

    /// The broker's session ends.
    pub fn fence(&self, image: &mut MetadataImage, index: usize) {
        let offsets = registration_offsets(image);
        let mut soft = Soft::activate(image, 1, HEARD_MS);
        soft.seems_gone(id(index), None, HEARD_MS);
        let decision = self.controller.due(situation(image, &offsets, SOON_MS), &mut soft);
        self.take(image, &decision.unwrap_or_default());
    }

    /// What a leader proposes.
    pub fn alter(
        &self,
        image: &mut MetadataImage,
        request: &AlterPartitionRequest,
    ) -> AlterPartitionResponse {
        let command =
            ControllerCommand::AlterPartition(AlterPartition { request: request.clone(), api_version: 3 });
        let decision = self.decide(image, HEARD_MS, &command);
        self.take(image, &decision);
        match decision.answer {
            Some(ControllerAnswer::AlterPartition(answer)) => answer,
            other => unreachable!("AlterPartition is answered as one: {other:?}"),
        }
    }

    /// Of the preferred leader, or unclean.
    pub fn elect(&self, image: &mut MetadataImage, unclean: bool) {
        let topic = TopicPartitions { topic: Str::from_static(TOPIC), partitions: vec![0] };
        let request = ElectLeadersRequest {
            election_type: i8::from(unclean),
            topic_partitions: Some(vec![topic]),
            timeout_ms: 1_000,
        };
        let decision = self.decide(image, HEARD_MS, &ControllerCommand::ElectLeaders(request));
        self.take(image, &decision);
    }

    fn take(&self, image: &mut MetadataImage, decision: &Decision) {
        decision.records.iter().for_each(|record| self.apply(image, &record.record));
    }

    fn apply(&self, image: &mut MetadataImage, record: &MetadataRecord) {
        if let Err(contradiction) = image.apply(record) {
            panic!("the controller's record contradicts its image: {contradiction:?}");
        }
        // A planted fault is the rules' to find.
        if self.plant == Plant::Nothing {
            image.check_decided(record);
        }
    }

    /// A refusal of all is an answer like any other.
    fn decide(&self, image: &MetadataImage, now_ms: i64, command: &ControllerCommand) -> Decision {
        let offsets = registration_offsets(image);
        let mut soft = Soft::activate(image, 1, HEARD_MS);
        match self.controller.decide(situation(image, &offsets, now_ms), &mut soft, command) {
            Ok(decision) => decision,
            Err(refusal) => Decision { answer: Some(command.refused(&refusal)), ..Decision::default() },
        }
    }
}

fn situation<'a>(
    image: &'a MetadataImage,
    registration_offsets: &'a BTreeMap<i32, i64>,
    now_ms: i64,
) -> Situation<'a> {
    Situation {
        image,
        registration_offsets,
        now_ms,
        next_offset: next_offset(image),
        kraft_version: 1,
        highest_kraft_version: 1,
        voter_ids: &[100],
    }
}

/// A broker's epoch is the offset of its registration; no others are needed.
fn next_offset(image: &MetadataImage) -> i64 {
    image.cluster.brokers().map(|broker| broker.epoch + 1).max().unwrap_or(0)
}

fn registration_offsets(image: &MetadataImage) -> BTreeMap<i32, i64> {
    image.cluster.brokers().map(|broker| (broker.id, broker.epoch)).collect()
}

fn directory(index: usize) -> Uuid {
    Uuid::from_halves(0x4000_0000_0000_0003, index as u64 + 1)
}

/// The planted fault: the partition's change leaves it in the ELR.
fn keep_eligible(decision: &mut Decision, broker_id: i32) {
    for record in &mut decision.records {
        if let MetadataRecord::PartitionChange(change) = &mut record.record {
            change.eligible_leader_replicas.get_or_insert_default().push(broker_id);
        }
    }
}
