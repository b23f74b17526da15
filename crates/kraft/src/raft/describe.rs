//! DescribeQuorum (KIP-595, 853): what the leader knows of every replica.

use super::leader_and_epoch::is_metadata;
use super::quorum::Quorum;
use super::role::{Progress, Role};
use wire::messages::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, DescribeQuorumResponsePartitionData,
    DescribeQuorumResponseTopicData, Listener, Node, ReplicaState,
};
use wire::topic::CLUSTER_METADATA;
use wire::wall::Wall;
use wire::{ErrorCode, Str};

impl Quorum {
    pub(super) fn describe(
        &mut self,
        request: &DescribeQuorumRequest,
        now_ms: i64,
    ) -> DescribeQuorumResponse {
        let asks_for_the_log = match request.topics.as_slice() {
            [topic] => {
                let only_the_first =
                    matches!(topic.partitions.as_slice(), [only] if only.partition_index == 0);
                only_the_first && is_metadata(Some(&topic.topic_name))
            }
            _ => false,
        };
        if !asks_for_the_log {
            return unknown_partitions(request);
        }
        let (local_id, wall) = (self.options.node_id, self.options.wall.clone());
        let (epoch, high_watermark) = (self.epoch, self.high_watermark.unwrap_or(-1));
        let Role::Leader(leader) = &mut self.role else {
            return one_partition(error_partition(0, ErrorCode::NotLeaderOrFollower), Vec::new());
        };
        leader.expire_observers(now_ms);
        let state = |progress: &Progress| replica_state(progress, local_id, &wall, now_ms);
        let partition = DescribeQuorumResponsePartitionData {
            partition_index: 0,
            leader_id: local_id,
            leader_epoch: epoch,
            high_watermark,
            current_voters: leader.voters.values().map(state).collect(),
            observers: leader.observers.values().map(state).collect(),
            ..Default::default()
        };
        let listener = |(name, (host, port)): (&Str, &(Str, u16))| Listener {
            name: name.clone(),
            host: host.clone(),
            port: *port,
        };
        let node = |progress: &Progress| Node {
            node_id: progress.key.id,
            listeners: progress.endpoints.iter().map(listener).collect(),
        };
        let nodes = leader.voters.values().map(node).collect();
        one_partition(partition, nodes)
    }
}

fn replica_state(progress: &Progress, local_id: i32, wall: &Wall, now_ms: i64) -> ReplicaState {
    // -1 is never.
    let told = |at_ms: i64| if at_ms < 0 { at_ms } else { wall.at(at_ms) };
    // The leader is always up to date with itself.
    let local = progress.key.id == local_id;
    ReplicaState {
        replica_id: progress.key.id,
        replica_directory_id: progress.key.directory_or_zero(),
        log_end_offset: progress.end_offset.unwrap_or(-1),
        last_fetch_timestamp: told(if local { now_ms } else { progress.last_fetch_ms }),
        last_caught_up_timestamp: told(if local { now_ms } else { progress.last_caught_up_ms }),
    }
}

fn one_partition(partition: DescribeQuorumResponsePartitionData, nodes: Vec<Node>) -> DescribeQuorumResponse {
    DescribeQuorumResponse {
        topics: vec![DescribeQuorumResponseTopicData {
            topic_name: Str::from(CLUSTER_METADATA),
            partitions: vec![partition],
        }],
        nodes,
        ..Default::default()
    }
}

fn error_partition(partition_index: i32, error: ErrorCode) -> DescribeQuorumResponsePartitionData {
    DescribeQuorumResponsePartitionData {
        partition_index,
        error_code: error.code(),
        error_message: Some(Str::from(error.message())),
        ..Default::default()
    }
}

fn unknown_partitions(request: &DescribeQuorumRequest) -> DescribeQuorumResponse {
    let topic = |t: &wire::messages::describe_quorum::TopicData| DescribeQuorumResponseTopicData {
        topic_name: t.topic_name.clone(),
        partitions: t
            .partitions
            .iter()
            .map(|p| error_partition(p.partition_index, ErrorCode::UnknownTopicOrPartition))
            .collect(),
    };
    DescribeQuorumResponse { topics: request.topics.iter().map(topic).collect(), ..Default::default() }
}
