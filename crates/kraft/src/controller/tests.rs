//! Decisions as dialogue: each script is a cluster, what it is asked, what it answers, and the records that it writes.

mod quotas;
mod random;
mod security;
mod shown;

use crate::controller::{
    AlterPartition, ControllerCommand, CreatePartitions, CreateTopics, DeleteTopics, RegisterBroker,
    UpdateFeatures,
};
use crate::hosted::QuorumOptions;
use crate::raft::SharedLog;
use crate::testing::{One, controller_options, id, quorum_options, registration};
use shown::{shown_answer, shown_batches, shown_partition};
use std::path::Path;
use wire::messages::allocate_producer_ids::AllocateProducerIdsRequest;
use wire::messages::alter_configs;
use wire::messages::alter_partition::{self, AlterPartitionRequest, BrokerState};
use wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use wire::messages::assign_replicas_to_dirs::{self, AssignReplicasToDirsRequest};
use wire::messages::broker_heartbeat::BrokerHeartbeatRequest;
use wire::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use wire::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use wire::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use wire::messages::incremental_alter_configs as incremental;
use wire::messages::unregister_broker::UnregisterBrokerRequest;
use wire::messages::update_features::{FeatureUpdateKey, UpdateFeaturesRequest};
use wire::testing::{Command, check_scripts, numbers, replay};
use wire::{Str, Uuid};

const START_MS: i64 = 1_000_000;

/// A cluster with a controller of one voter; its brokers exist only as far as they speak.
struct Stage {
    one: One,
    /// Bytes of the log that have been shown.
    shown: usize,
}

impl Stage {
    fn new() -> Self {
        Self::with(quorum_options(100, &[100], 7))
    }

    fn with(mut options: QuorumOptions) -> Self {
        let controller = controller_options(100);
        options.controller = Some(super::ControllerOptions { max_idle_interval_ms: 0, ..controller });
        let one =
            One::open_with(SharedLog::default(), START_MS, options).unwrap_or_else(|error| panic!("{error}"));
        let mut stage = Stage { one, shown: 0 };
        stage.one.turn();
        stage.shown = stage.one.log.get().content().len();
        stage
    }

    /// What was written since the last time.
    fn news(&mut self) -> String {
        let content = self.one.log.get().content();
        let news = content.slice(self.shown..);
        self.shown = content.len();
        shown_batches(news, &self.one.image())
    }

    fn execute(&mut self, command: &Command<'_>) -> String {
        let wanted = match command.verb {
            "broker" => {
                for word in &command.words {
                    self.one.add_broker(word.parse().unwrap_or(0), command.text("rack"));
                }
                self.shown = self.one.log.get().content().len();
                return String::new();
            }
            "time" => {
                self.one.now_ms += command.word(0).trim_start_matches('+').parse::<i64>().unwrap_or(0);
                self.one.turn();
                return self.news();
            }
            "show" => return self.show(command.word(0)),
            "register" => self.register(command),
            "heartbeat" => self.heartbeat(command),
            "create" => create(command),
            "delete" => self.delete(command),
            "partitions" => partitions(command),
            "config" => change_config(command),
            "replace-config" => replace_config(command),
            "isr" => self.isr(command),
            "elect" => elect(command),
            "assign" => self.assign(command),
            "reassign" => reassign(command),
            "unregister" => {
                let broker_id = command.word(0).parse().unwrap_or(0);
                ControllerCommand::UnregisterBroker(UnregisterBrokerRequest { broker_id })
            }
            "producer-ids" => {
                let broker_id = command.word(0).parse().unwrap_or(0);
                let broker_epoch = command.number("epoch").unwrap_or(self.epoch_of(broker_id));
                ControllerCommand::AllocateProducerIds(AllocateProducerIdsRequest { broker_id, broker_epoch })
            }
            "feature" => update_feature(command),
            other => panic!("unknown command {other}"),
        };
        let answer = self.one.ask(wanted);
        format!("{}{}", shown_answer(&answer), self.news())
    }

    fn epoch_of(&self, broker: i32) -> i64 {
        self.one.image().cluster.broker(broker).map_or(-1, |broker| broker.epoch)
    }

    fn topic_id(&self, name: &str) -> Uuid {
        self.one.image().topics.by_name(name).map_or(id(99), |topic| topic.id)
    }

    fn show(&self, name: &str) -> String {
        let image = self.one.image();
        let Some(topic) = image.topics.by_name(name) else { return "no such topic\n".to_owned() };
        topic
            .partitions
            .iter()
            .map(|(index, partition)| format!("{name}-{index} {}\n", shown_partition(partition)))
            .collect()
    }

    fn register(&self, command: &Command<'_>) -> ControllerCommand {
        let broker_id = command.word(0).parse().unwrap_or(0);
        let incarnation = u8::try_from(command.number("incarnation").unwrap_or(1)).unwrap_or(1);
        let mut request = registration(broker_id, incarnation, command.text("rack"));
        if let Some(directories) = command.text("dirs") {
            request.log_dirs = numbers(directories).into_iter().map(|number| id(number as u8)).collect();
        }
        if let Some(cluster_id) = command.text("cluster") {
            request.cluster_id = Str::from(cluster_id);
        }
        for (feature, max) in command.prefixed("max:") {
            request.features.retain(|known| known.name != *feature || max != "none");
            for known in request.features.iter_mut().filter(|known| known.name == *feature) {
                known.max_supported_version = max.parse().unwrap_or(0);
            }
        }
        request.previous_broker_epoch = match command.text("previous") {
            Some("same") => self.epoch_of(broker_id),
            Some(epoch) => epoch.parse().unwrap_or(-1),
            None => -1,
        };
        ControllerCommand::RegisterBroker(RegisterBroker { request, api_version: 4 })
    }

    fn heartbeat(&self, command: &Command<'_>) -> ControllerCommand {
        let broker_id = command.word(0).parse().unwrap_or(0);
        let directories = |list: &str| numbers(list).into_iter().map(|number| id(number as u8)).collect();
        ControllerCommand::BrokerHeartbeat(BrokerHeartbeatRequest {
            broker_id,
            broker_epoch: command.number("epoch").unwrap_or(self.epoch_of(broker_id)),
            current_metadata_offset: command
                .number("offset")
                .unwrap_or(self.one.image().provenance.last_offset),
            want_fence: command.has("fence"),
            want_shut_down: command.has("leave"),
            offline_log_dirs: command.text("offline").map(directories).unwrap_or_default(),
            cordoned_log_dirs: command.text("cordoned").map(directories),
        })
    }

    fn delete(&self, command: &Command<'_>) -> ControllerCommand {
        let state = |word: &&str| match word.strip_prefix("id:") {
            Some(name) => DeleteTopicState { name: None, topic_id: self.topic_id(name) },
            None => DeleteTopicState { name: Some(Str::from(*word)), topic_id: Uuid::ZERO },
        };
        let topics = command.words.iter().map(state).collect();
        let timeout_ms = timeout_ms(command);
        ControllerCommand::DeleteTopics(DeleteTopics {
            request: DeleteTopicsRequest { topics, timeout_ms, ..Default::default() },
            quota: None,
        })
    }

    fn isr(&self, command: &Command<'_>) -> ControllerCommand {
        let (name, index) = topic_partition(command.word(0));
        let image = self.one.image();
        let partition = image.topics.by_name(name).and_then(|topic| topic.partition(index).cloned());
        let partition = partition.map(|partition| (*partition).clone()).unwrap_or_default();
        let broker_id = command.number("from").unwrap_or(partition.leader);
        let offset = |key: &str| command.number(key).unwrap_or(0);
        let state = |broker_id: i32| BrokerState {
            broker_id,
            broker_epoch: self.epoch_of(broker_id) + command.number("stale").unwrap_or(0),
        };
        let data = alter_partition::PartitionData {
            partition_index: index,
            leader_epoch: partition.leader_epoch + offset("leader-epoch"),
            partition_epoch: partition.partition_epoch + offset("partition-epoch"),
            new_isr_with_epochs: numbers(command.text("isr").unwrap_or_default())
                .into_iter()
                .map(state)
                .collect(),
            leader_recovery_state: offset("recovery") as i8,
            ..Default::default()
        };
        let topic = alter_partition::TopicData { topic_id: self.topic_id(name), partitions: vec![data] };
        let request =
            AlterPartitionRequest { broker_id, broker_epoch: self.epoch_of(broker_id), topics: vec![topic] };
        ControllerCommand::AlterPartition(AlterPartition { request, api_version: 3 })
    }

    fn assign(&self, command: &Command<'_>) -> ControllerCommand {
        let (name, partition_index) = topic_partition(command.word(0));
        let broker_id = command.number("broker").unwrap_or(1);
        let partition = assign_replicas_to_dirs::PartitionData { partition_index };
        let topic =
            assign_replicas_to_dirs::TopicData { topic_id: self.topic_id(name), partitions: vec![partition] };
        let directory = id(command.number("dir").unwrap_or(0) as u8);
        ControllerCommand::AssignReplicasToDirs(AssignReplicasToDirsRequest {
            broker_id,
            broker_epoch: self.epoch_of(broker_id),
            directories: vec![assign_replicas_to_dirs::DirectoryData { id: directory, topics: vec![topic] }],
        })
    }
}

fn topic_partition(text: &str) -> (&str, i32) {
    let (name, index) = text.rsplit_once('-').unwrap_or((text, "0"));
    (name, index.parse().unwrap_or(0))
}

/// `0:1,2/1:2,1`
fn assignments(text: &str) -> Vec<(i32, Vec<i32>)> {
    let parse = |part: &str| {
        let (index, ids) = part.split_once(':').unwrap_or((part, ""));
        (index.parse().unwrap_or(-1), numbers(ids))
    };
    text.split('/').map(parse).collect()
}

/// Dots and spaces would end a word: `_.` stands for nothing, `~` for a space.
fn name_of(word: &str) -> Str {
    Str::from(word.replace("<empty>", "").replace('~', " "))
}

fn create(command: &Command<'_>) -> ControllerCommand {
    let assigned = command.text("assign").map(assignments).unwrap_or_default();
    let default = if assigned.is_empty() { 1 } else { -1 };
    let topic = |name: &&str| CreatableTopic {
        name: name_of(name),
        num_partitions: command.number("partitions").unwrap_or(default),
        replication_factor: command.number("rf").unwrap_or(default) as i16,
        assignments: assigned
            .iter()
            .map(|(partition_index, ids)| CreatableReplicaAssignment {
                partition_index: *partition_index,
                broker_ids: ids.clone(),
            })
            .collect(),
        configs: command
            .prefixed("set:")
            .map(|(name, value)| CreatableTopicConfig {
                name: Str::from(name),
                value: (value != "null").then(|| Str::from(value)),
            })
            .collect(),
    };
    let names = command.words.iter().filter(|word| !matches!(**word, "validate" | "hidden"));
    let request = CreateTopicsRequest {
        topics: names.map(topic).collect(),
        validate_only: command.has("validate"),
        timeout_ms: timeout_ms(command),
    };
    ControllerCommand::CreateTopics(CreateTopics {
        request,
        describable: command.has("hidden").then(Default::default),
        quota: None,
    })
}

fn partitions(command: &Command<'_>) -> ControllerCommand {
    let assignment = |(_, broker_ids): (i32, Vec<i32>)| CreatePartitionsAssignment { broker_ids };
    let assigned = command.text("assign").map(|text| assignments(text).into_iter().map(assignment).collect());
    let names = command.words.iter().filter(|word| **word != "validate");
    let topic = |name: &&str| CreatePartitionsTopic {
        name: Str::from(*name),
        count: command.number("count").unwrap_or(0),
        assignments: assigned.clone(),
    };
    let request = CreatePartitionsRequest {
        topics: names.map(topic).collect(),
        validate_only: command.has("validate"),
        timeout_ms: timeout_ms(command),
    };
    ControllerCommand::CreatePartitions(CreatePartitions { request, quota: None })
}

/// What the client gives the controller for its answer.
fn timeout_ms(command: &Command<'_>) -> i32 {
    command.number("timeout").unwrap_or(1_000)
}

/// `topic:a`, `broker:1`, `broker:` (all brokers), `group:g`, `client-metrics:m`, or a number for the type.
fn resource(text: &str) -> (i8, Str) {
    let (kind, name) = text.split_once(':').unwrap_or((text, ""));
    let kind = match kind {
        "topic" => 2,
        "broker" => 4,
        "client-metrics" => 16,
        "group" => 32,
        number => number.parse().unwrap_or(-1),
    };
    (kind, Str::from(name))
}

fn change_config(command: &Command<'_>) -> ControllerCommand {
    let mut configs = Vec::new();
    for (config_operation, prefix) in
        [(0, "set:"), (1, "delete:"), (2, "append:"), (3, "subtract:"), (9, "unknown:")]
    {
        configs.extend(command.prefixed(prefix).map(|(name, value)| incremental::AlterableConfig {
            name: Str::from(name),
            config_operation,
            value: (config_operation != 1).then(|| Str::from(value)),
        }));
    }
    let resources = command.words.iter().filter(|word| **word != "validate").map(|word| {
        let (resource_type, resource_name) = resource(word);
        incremental::AlterConfigsResource { resource_type, resource_name, configs: configs.clone() }
    });
    ControllerCommand::IncrementalAlterConfigs(incremental::IncrementalAlterConfigsRequest {
        resources: resources.collect(),
        validate_only: command.has("validate"),
    })
}

fn replace_config(command: &Command<'_>) -> ControllerCommand {
    let (resource_type, resource_name) = resource(command.word(0));
    let config = |(name, value): (&str, &str)| alter_configs::AlterableConfig {
        name: Str::from(name),
        value: Some(Str::from(value)),
    };
    let resource = alter_configs::AlterConfigsResource {
        resource_type,
        resource_name,
        configs: command.prefixed("set:").map(config).collect(),
    };
    ControllerCommand::AlterConfigs(alter_configs::AlterConfigsRequest {
        resources: vec![resource],
        validate_only: command.has("validate"),
    })
}

fn elect(command: &Command<'_>) -> ControllerCommand {
    let election_type = match command.word(0) {
        "preferred" => 0,
        "unclean" => 1,
        other => other.parse().unwrap_or(-1),
    };
    let wanted = |word: &&str| {
        let (topic, partition) = topic_partition(word);
        TopicPartitions { topic: Str::from(topic), partitions: vec![partition] }
    };
    let topic_partitions: Vec<_> = command.words.iter().skip(1).map(wanted).collect();
    ControllerCommand::ElectLeaders(ElectLeadersRequest {
        election_type,
        topic_partitions: (!topic_partitions.is_empty()).then_some(topic_partitions),
        timeout_ms: timeout_ms(command),
    })
}

/// `reassign a-0 to=1,2`, or without a target: cancel.
fn reassign(command: &Command<'_>) -> ControllerCommand {
    let wanted = |word: &&str| {
        let (name, partition_index) = topic_partition(word);
        let replicas = command.text("to").map(numbers);
        ReassignableTopic {
            name: Str::from(name),
            partitions: vec![ReassignablePartition { partition_index, replicas }],
        }
    };
    let names = command.words.iter().filter(|word| **word != "same-factor");
    ControllerCommand::AlterPartitionReassignments(AlterPartitionReassignmentsRequest {
        topics: names.map(wanted).collect(),
        allow_replication_factor_change: !command.has("same-factor"),
        timeout_ms: timeout_ms(command),
    })
}

fn update_feature(command: &Command<'_>) -> ControllerCommand {
    let upgrade_type = match (command.has("safe"), command.has("unsafe"), command.has("strange")) {
        (true, ..) => 2,
        (_, true, _) => 3,
        (.., true) => 9,
        _ => 1,
    };
    let update = |(feature, level): (&str, &str)| FeatureUpdateKey {
        feature: Str::from(feature),
        max_version_level: level.parse().unwrap_or(0),
        upgrade_type,
        ..Default::default()
    };
    let request = UpdateFeaturesRequest {
        feature_updates: command.prefixed("").map(update).collect(),
        validate_only: command.has("validate"),
        ..Default::default()
    };
    ControllerCommand::UpdateFeatures(UpdateFeatures { request, api_version: 2 })
}

#[test]
fn every_script_is_answered_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/controller/testscripts");
    check_scripts(&folder, |script| {
        let mut stage = Stage::new();
        replay(script, |said| stage.execute(&Command::parse(said)).lines().map(str::to_owned).collect())
    });
}
