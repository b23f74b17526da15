//! What several tests share: rules without a table of keys, options with Kafka's defaults, a node of one.

use crate::controller::{
    ConfigRules, ControllerAnswer, ControllerCommand, ControllerOptions, EffectiveConfig, Refusal,
    RegisterBroker,
};
use crate::features;
use crate::hosted::{MetadataQuorum, OpenError, QuorumOptions, SnapshotPolicy, Turn};
use crate::image::{ConfigResource, ConfigsImage, MetadataImage, ResourceConfigs, ResourceType};
use crate::raft::{Endpoints, RaftOptions, SharedLog, VoterSet};
use std::sync::Arc;
use wire::messages::broker_heartbeat::BrokerHeartbeatRequest;
use wire::messages::broker_registration::{BrokerRegistrationRequest, Feature, Listener};
use wire::{ErrorCode, Str, Uuid};

/// A handful of topic keys with Kafka's defaults.
const TOPIC_KEYS: [(&str, &str, bool); 5] = [
    ("cleanup.policy", "delete", true),
    ("min.insync.replicas", "1", false),
    ("retention.ms", "604800000", false),
    ("segment.bytes", "1073741824", false),
    ("unclean.leader.election.enable", "false", false),
];

/// Rules that know five topic keys; any other topic key is invalid, everything is allowed elsewhere.
pub(crate) struct FewRules;

impl ConfigRules for FewRules {
    fn validate(
        &self,
        resource: &ConfigResource,
        configs: &ResourceConfigs,
        _: &ConfigsImage,
    ) -> Result<(), Refusal> {
        let known = |key: &Str| TOPIC_KEYS.iter().any(|(name, ..)| *key == *name);
        match configs.keys().find(|key| resource.resource_type == ResourceType::Topic && !known(key)) {
            Some(key) => {
                Err(Refusal::new(ErrorCode::InvalidConfig, format!("Unknown topic config name: {key}")))
            }
            None => Ok(()),
        }
    }

    fn list_default(&self, _: ResourceType, key: &str, operation: &str) -> Result<Str, Refusal> {
        let list = TOPIC_KEYS.iter().find(|(name, _, list)| *name == key && *list);
        let what = || format!("Can't {operation} to key {key} because its type is not LIST.");
        list.map(|(_, default, _)| Str::from(*default))
            .ok_or_else(|| Refusal::new(ErrorCode::InvalidConfig, what()))
    }

    fn topic_value(&self, key: &str, topic: &ResourceConfigs, configs: &ConfigsImage) -> Option<Str> {
        let own = topic.get(key).or_else(|| configs.of_cluster().get(key));
        let default =
            || TOPIC_KEYS.iter().find(|(name, ..)| *name == key).map(|(_, value, _)| Str::from(*value));
        own.cloned().or_else(default)
    }

    fn topic_values(&self, topic: &ResourceConfigs, configs: &ConfigsImage) -> Vec<EffectiveConfig> {
        let entry = |(name, ..): &(&str, &str, bool)| EffectiveConfig {
            name: Str::from(*name),
            value: self.topic_value(name, topic, configs),
            read_only: false,
            source: if topic.contains_key(*name) { 1 } else { 5 },
            sensitive: false,
        };
        TOPIC_KEYS.iter().map(entry).collect()
    }

    fn static_min_insync_replicas(&self) -> i32 {
        1
    }
}

pub(crate) const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";

/// A recognisable id.
pub(crate) fn id(number: u8) -> Uuid {
    let mut bytes = [number; 16];
    bytes[0] = 0x40;
    Uuid(bytes)
}

pub(crate) fn raft_options(node_id: i32, voters: &[i32]) -> RaftOptions {
    let listener = Str::from("CONTROLLER");
    let address = |id: i32| (Str::from(format!("node{id}")), 9093);
    let fixed = voters.iter().map(|id| (*id, address(*id).0, address(*id).1));
    RaftOptions {
        node_id,
        directory_id: id(node_id as u8),
        cluster_id: Str::from(CLUSTER_ID),
        listener_name: listener.clone(),
        local_endpoints: Endpoints::from([(listener.clone(), address(node_id))]),
        fixed_voters: VoterSet::fixed(&listener, fixed),
        bootstrap_servers: Vec::new(),
        auto_join: false,
        election_timeout_ms: 1000,
        fetch_timeout_ms: 2000,
        election_backoff_max_ms: 1000,
        request_timeout_ms: 2000,
        retry_backoff_ms: 20,
        wall: Default::default(),
    }
}

pub(crate) fn controller_options(node_id: i32) -> ControllerOptions {
    ControllerOptions {
        node_id,
        cluster_id: Str::from(CLUSTER_ID),
        default_replication_factor: 1,
        default_num_partitions: 1,
        session_timeout_ms: 9000,
        stall_timeout_ms: 0,
        max_idle_interval_ms: 500,
        leader_imbalance_check_interval_ms: Some(300_000),
        unclean_election_check_interval_ms: 300_000,
        delegation_tokens: None,
    }
}

pub(crate) fn policy() -> SnapshotPolicy {
    SnapshotPolicy {
        max_bytes_between: 20 << 20,
        max_interval_ms: 3_600_000,
        retention_bytes: 100 << 20,
        retention_ms: 604_800_000,
    }
}

pub(crate) fn quorum_options(node_id: i32, voters: &[i32], seed: u64) -> QuorumOptions {
    QuorumOptions {
        raft: raft_options(node_id, voters),
        controller: Some(controller_options(node_id)),
        snapshots: policy(),
        bootstrap: Vec::new(),
        read: None,
        seed,
    }
}

/// A quorum of one and its disk.
pub(crate) struct One {
    pub log: SharedLog,
    pub quorum: MetadataQuorum,
    pub now_ms: i64,
    next_token: u64,
}

impl One {
    /// Node 1 on a disk.
    pub(crate) fn open(log: SharedLog, now_ms: i64) -> Result<One, OpenError> {
        Self::open_with(log, now_ms, quorum_options(1, &[1], 7))
    }

    pub(crate) fn open_with(log: SharedLog, now_ms: i64, options: QuorumOptions) -> Result<One, OpenError> {
        let quorum = MetadataQuorum::open(options, Box::new(log.clone()), Arc::new(FewRules), now_ms)?;
        Ok(One { log, quorum, now_ms, next_token: 0 })
    }

    /// One turn, now.
    pub(crate) fn turn(&mut self) -> Turn {
        match self.quorum.turn(self.now_ms) {
            Ok(turn) => turn,
            Err(fault) => panic!("{fault}"),
        }
    }

    /// Proposes, takes a turn, and returns the answer, which must be there.
    pub(crate) fn ask(&mut self, command: ControllerCommand) -> ControllerAnswer {
        self.next_token += 1;
        self.quorum.propose(self.now_ms, self.next_token, command);
        let mut answers = self.turn().answers;
        let position = answers.iter().position(|(token, _)| *token == self.next_token);
        match position {
            Some(position) => answers.swap_remove(position).1,
            None => panic!("the answer did not come with its turn"),
        }
    }

    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(self.quorum.image())
    }

    /// Registers a broker and lets it be unfenced; returns its epoch.
    pub(crate) fn add_broker(&mut self, broker_id: i32, rack: Option<&str>) -> i64 {
        let answer = self.ask(ControllerCommand::RegisterBroker(RegisterBroker {
            request: registration(broker_id, 1, rack),
            api_version: 4,
        }));
        let ControllerAnswer::RegisterBroker(response) = answer else { panic!("{answer:?}") };
        assert_eq!(response.error_code, 0);
        self.heartbeat(broker_id, response.broker_epoch);
        response.broker_epoch
    }

    /// A heartbeat of a broker that has read everything.
    pub(crate) fn heartbeat(&mut self, broker_id: i32, broker_epoch: i64) -> ControllerAnswer {
        self.ask(ControllerCommand::BrokerHeartbeat(BrokerHeartbeatRequest {
            broker_id,
            broker_epoch,
            current_metadata_offset: self.image().provenance.last_offset,
            ..Default::default()
        }))
    }
}

/// The registration of an incarnation of a broker with one directory.
pub(crate) fn registration(broker_id: i32, incarnation: u8, rack: Option<&str>) -> BrokerRegistrationRequest {
    let feature = |(name, range): (&str, features::VersionRange)| Feature {
        name: Str::from(name),
        min_supported_version: range.min,
        max_supported_version: range.max,
    };
    BrokerRegistrationRequest {
        broker_id,
        cluster_id: Str::from(CLUSTER_ID),
        incarnation_id: id(100 + incarnation),
        listeners: vec![Listener {
            name: Str::from("PLAINTEXT"),
            host: Str::from(format!("node{broker_id}")),
            port: 9092,
            security_protocol: 0,
        }],
        features: features::supported().into_iter().map(feature).collect(),
        rack: rack.map(Str::from),
        log_dirs: vec![id(broker_id as u8)],
        ..Default::default()
    }
}
