//! Decisions as a dialogue: a small cluster, commands, the image that follows from the records.

use super::rules_for_tests::OneKey;
use super::*;
use crate::features::{FEATURES, METADATA_VERSION, MetadataVersion};
use crate::image::{MetadataImage, ResourceType, VersionedRecord};
use wire::messages::allocate_producer_ids::AllocateProducerIdsRequest;
use wire::messages::broker_heartbeat::BrokerHeartbeatRequest;
use wire::messages::broker_registration::{BrokerRegistrationRequest, Feature};
use wire::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use wire::messages::create_topics::{CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest};
use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use wire::records::metadata::{FeatureLevelRecord, MetadataRecord};
use wire::{ErrorCode, Uuid};

struct Cluster {
    image: MetadataImage,
    options: ControllerOptions,
    soft: Soft,
    next_offset: i64,
    now_ms: i64,
}

impl Cluster {
    /// Bootstrapped at the newest metadata version, `brokers` brokers registered and unfenced.
    fn new(brokers: i32) -> Cluster {
        let image = MetadataImage::default();
        let options = ControllerOptions {
            node_id: 100,
            cluster_id: Str::from("cluster"),
            default_replication_factor: 1,
            default_num_partitions: 1,
            session_timeout_ms: 9000,
            max_idle_interval_ms: 500,
            leader_imbalance_check_interval_ms: None,
            unclean_election_check_interval_ms: 300_000,
        };
        let soft = Soft::activate(&image, 0, 7);
        let mut cluster = Cluster { image, options, soft, next_offset: 0, now_ms: 0 };
        let level = MetadataVersion::LATEST_PRODUCTION.level();
        cluster.apply(&[VersionedRecord::v0(MetadataRecord::FeatureLevel(FeatureLevelRecord {
            name: Str::from(METADATA_VERSION),
            feature_level: level,
        }))]);
        for id in 1..=brokers {
            let epoch = cluster.register(id);
            cluster.beat(id, epoch);
        }
        cluster
    }

    fn apply(&mut self, records: &[VersionedRecord]) {
        for record in records {
            self.image.apply(&record.record).unwrap();
            self.next_offset += 1;
        }
    }

    fn ask(&mut self, command: ControllerCommand) -> ControllerAnswer {
        let context = Context {
            image: &self.image,
            options: &self.options,
            rules: &OneKey,
            next_offset: self.next_offset,
            now_ms: self.now_ms,
        };
        let decision = decide(&context, &mut self.soft, command);
        self.apply(&decision.records);
        decision.answer
    }

    fn tick(&mut self) -> usize {
        let context = Context {
            image: &self.image,
            options: &self.options,
            rules: &OneKey,
            next_offset: self.next_offset,
            now_ms: self.now_ms,
        };
        let records = tick(&context, &mut self.soft);
        self.apply(&records);
        records.len()
    }

    fn register(&mut self, id: i32) -> i64 {
        let metadata = Feature {
            name: Str::from(METADATA_VERSION),
            min_supported_version: 7,
            max_supported_version: MetadataVersion::LATEST_PRODUCTION.level(),
        };
        let others = FEATURES.iter().map(|feature| Feature {
            name: Str::from(feature.name),
            min_supported_version: 0,
            max_supported_version: feature.latest(),
        });
        let request = BrokerRegistrationRequest {
            broker_id: id,
            cluster_id: Str::from("cluster"),
            incarnation_id: self.soft.new_uuid(),
            features: std::iter::once(metadata).chain(others).collect(),
            log_dirs: vec![self.soft.new_uuid()],
            ..BrokerRegistrationRequest::default()
        };
        match self.ask(ControllerCommand::RegisterBroker { request, api_version: 4 }) {
            ControllerAnswer::RegisterBroker(answer) => {
                assert_eq!(answer.error_code, 0);
                answer.broker_epoch
            }
            other => panic!("{other:?}"),
        }
    }

    /// A heartbeat of a broker that has seen everything; true if it is unfenced after it.
    fn beat(&mut self, id: i32, epoch: i64) -> bool {
        let request = BrokerHeartbeatRequest {
            broker_id: id,
            broker_epoch: epoch,
            current_metadata_offset: self.next_offset,
            ..BrokerHeartbeatRequest::default()
        };
        match self.ask(ControllerCommand::BrokerHeartbeat(request)) {
            ControllerAnswer::BrokerHeartbeat(answer) => !answer.is_fenced,
            other => panic!("{other:?}"),
        }
    }

    fn create(&mut self, topic: CreatableTopic) -> (i16, Option<String>) {
        let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
        match self.ask(ControllerCommand::CreateTopics { request, describable: None }) {
            ControllerAnswer::CreateTopics(answer) => {
                let result = &answer.topics[0];
                (result.error_code, result.error_message.as_ref().map(|text| text.to_string()))
            }
            other => panic!("{other:?}"),
        }
    }
}

fn topic(name: &str, partitions: i32, factor: i16) -> CreatableTopic {
    CreatableTopic {
        name: Str::from(name),
        num_partitions: partitions,
        replication_factor: factor,
        ..CreatableTopic::default()
    }
}

#[test]
fn refusals_of_new_topics_are_in_kafkas_words() {
    let mut cluster = Cluster::new(1);
    assert_eq!(cluster.create(topic("a.b", 1, 1)), (0, None));
    let by_hand = CreatableTopic {
        assignments: vec![CreatableReplicaAssignment { partition_index: 0, broker_ids: vec![9] }],
        ..topic("hand", -1, -1)
    };
    let cases = [
        (topic("a.b", 1, 1), 36, "Topic 'a.b' already exists."),
        (topic("a_b", 1, 1), 17, "Topic 'a_b' collides with existing topic: a.b"),
        (topic("", 1, 1), 17, "Topic name is invalid: the empty string is not allowed"),
        (topic("n", 0, 1), 37, "Number of partitions was set to an invalid non-positive value."),
        (topic("n", 1, 0), 38, "Replication factor must be larger than 0, or -1 to use the default value."),
        (
            topic("n", 1, 3),
            38,
            "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because only 1 broker(s) are registered or some brokers have all their log directories cordoned.",
        ),
        (by_hand, 39, "The manual partition assignment includes broker 9, but no such broker is registered."),
    ];
    for (wanted, code, message) in cases {
        assert_eq!(cluster.create(wanted), (code, Some(message.to_owned())));
    }
    assert_eq!(cluster.image.topics.len(), 1);
}

#[test]
fn replicas_are_spread_and_the_first_one_leads() {
    let mut cluster = Cluster::new(3);
    assert_eq!(cluster.create(topic("t", 30, 2)), (0, None));
    let created = cluster.image.topics.by_name("t").unwrap();
    let mut led = [0; 3];
    for partition in created.partitions.values() {
        assert_eq!(partition.replicas.len(), 2);
        assert_ne!(partition.replicas[0], partition.replicas[1]);
        assert_eq!(partition.leader, partition.replicas[0]);
        assert_eq!(partition.isr, partition.replicas);
        led[usize::try_from(partition.leader - 1).unwrap()] += 1;
    }
    assert_eq!(led, [10, 10, 10]);
}

#[test]
fn a_silent_broker_is_fenced_and_leads_again_when_it_returns() {
    let mut cluster = Cluster::new(1);
    cluster.create(topic("t", 1, 1));
    let leader = |cluster: &Cluster| {
        let topic = cluster.image.topics.by_name("t").unwrap();
        let partition = topic.partition(0).unwrap();
        (partition.leader, partition.leader_epoch, partition.isr.clone())
    };
    assert_eq!(leader(&cluster), (1, 0, vec![1]));
    cluster.now_ms = 9000;
    assert_eq!(cluster.tick(), 2);
    assert_eq!(leader(&cluster), (-1, 1, vec![1]));
    let epoch = cluster.image.cluster.broker(1).unwrap().epoch;
    assert!(cluster.beat(1, epoch));
    assert_eq!(leader(&cluster), (1, 2, vec![1]));
}

#[test]
fn an_idle_controller_writes_a_no_op_at_its_interval() {
    let mut cluster = Cluster::new(0);
    assert_eq!(cluster.tick(), 0);
    cluster.now_ms = 500;
    assert_eq!(cluster.tick(), 1);
    assert_eq!(cluster.tick(), 0);
}

#[test]
fn partitions_only_grow_and_topics_go_by_id_or_name() {
    let mut cluster = Cluster::new(1);
    cluster.create(topic("t", 2, 1));
    let mut grow = |count| {
        let wanted = CreatePartitionsTopic { name: Str::from("t"), count, assignments: None };
        let request = CreatePartitionsRequest { topics: vec![wanted], ..CreatePartitionsRequest::default() };
        match cluster.ask(ControllerCommand::CreatePartitions(request)) {
            ControllerAnswer::CreatePartitions(answer) => answer.results[0].error_message.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(grow(2).as_deref(), Some("Topic already has 2 partition(s)."));
    assert_eq!(
        grow(1).as_deref(),
        Some("The topic t currently has 2 partition(s); 1 would not be an increase.")
    );
    assert_eq!(grow(5), None);
    let id = cluster.image.topics.by_name("t").unwrap().id;
    assert_eq!(cluster.image.topics.by_id(id).unwrap().partitions.len(), 5);
    let request = |topic_id| DeleteTopicsRequest {
        topics: vec![DeleteTopicState { name: None, topic_id }],
        ..DeleteTopicsRequest::default()
    };
    for (wanted, code) in [(id, 0), (Uuid::METADATA_TOPIC_ID, ErrorCode::UnknownTopicId.code())] {
        match cluster.ask(ControllerCommand::DeleteTopics(request(wanted))) {
            ControllerAnswer::DeleteTopics(answer) => assert_eq!(answer.responses[0].error_code, code),
            other => panic!("{other:?}"),
        }
    }
    assert!(cluster.image.topics.is_empty());
}

#[test]
fn list_values_are_appended_to_and_subtracted_from_what_is_in_force() {
    let mut cluster = Cluster::new(1);
    cluster.create(topic("t", 1, 1));
    let mut alter = |config_operation, value: &str| {
        let config = AlterableConfig {
            name: Str::from("cleanup.policy"),
            config_operation,
            value: Some(Str::from(value)),
        };
        let resource = AlterConfigsResource {
            resource_type: ResourceType::Topic.id(),
            resource_name: Str::from("t"),
            configs: vec![config],
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        cluster.ask(ControllerCommand::IncrementalAlterConfigs(request));
        cluster.image.configs.of_topic("t").get("cleanup.policy").map(|value| value.to_string())
    };
    assert_eq!(alter(2, "compact").as_deref(), Some("delete,compact"));
    assert_eq!(alter(3, "delete").as_deref(), Some("compact"));
    assert_eq!(alter(1, ""), None);
}

#[test]
fn producer_ids_come_in_blocks_of_a_thousand_for_registered_brokers() {
    let mut cluster = Cluster::new(1);
    let epoch = cluster.image.cluster.broker(1).unwrap().epoch;
    let mut allocate = |broker_epoch| {
        let request = AllocateProducerIdsRequest { broker_id: 1, broker_epoch };
        match cluster.ask(ControllerCommand::AllocateProducerIds(request)) {
            ControllerAnswer::AllocateProducerIds(answer) => {
                (answer.error_code, answer.producer_id_start, answer.producer_id_len)
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(allocate(epoch), (0, 0, 1000));
    assert_eq!(allocate(epoch), (0, 1000, 1000));
    assert_eq!(allocate(epoch + 1).0, ErrorCode::StaleBrokerEpoch.code());
}
