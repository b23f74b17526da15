//! The metadata quorum (KIP-595, 836, 853): who votes, who follows, how far each is; voters that come and go.

use super::{Admin, Whom};
use crate::error::{Error, Result};
use wire::messages::add_raft_voter::{AddRaftVoterRequest, Listener};
use wire::messages::describe_quorum::{DescribeQuorumRequest, PartitionData, ReplicaState, TopicData};
use wire::messages::remove_raft_voter::RemoveRaftVoterRequest;
use wire::topic::CLUSTER_METADATA;
use wire::{ErrorCode, Str, Uuid};

/// The metadata quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumDescription {
    /// The active controller.
    pub leader_id: i32,
    /// Its epoch.
    pub leader_epoch: i32,
    /// Everything before this is committed.
    pub high_watermark: i64,
    /// Those who vote.
    pub voters: Vec<QuorumReplica>,
    /// Those who only follow.
    pub observers: Vec<QuorumReplica>,
}

/// One follower or voter of the metadata quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumReplica {
    /// Its node id.
    pub id: i32,
    /// Its directory; zero if unknown.
    pub directory_id: Uuid,
    /// The offset that it writes next: it has everything below.
    pub log_end_offset: i64,
    /// When it fetched last, in milliseconds since the epoch; -1 if unknown.
    pub last_fetch_ms: i64,
    /// When it was caught up last, in milliseconds since the epoch; -1 if unknown.
    pub last_caught_up_ms: i64,
}

/// A controller that is to vote: its node and directory, and where its controller listeners are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVoter {
    /// `node.id`
    pub id: i32,
    /// The directory of its metadata log, as its meta.properties has it.
    pub directory_id: Uuid,
    /// Listener name, host and port, as other controllers reach it.
    pub listeners: Vec<(Str, Str, u16)>,
}

impl Admin {
    /// The metadata quorum, as its leader knows it. Cancel-safe.
    pub async fn describe_quorum(&self) -> Result<QuorumDescription> {
        let partition = PartitionData { partition_index: 0 };
        let topic = TopicData { topic_name: CLUSTER_METADATA.into(), partitions: vec![partition] };
        let request = DescribeQuorumRequest { topics: vec![topic] };
        let doing = || "describe the metadata quorum".to_owned();
        self.ask(Whom::Anybody, &request, "describe the metadata quorum", |answer| {
            Error::check(answer.error_code, answer.error_message.as_deref(), doing)?;
            let partition = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
            let partition =
                partition.ok_or_else(|| Error::refused(ErrorCode::UnknownServerError, doing()))?;
            Error::check(partition.error_code, partition.error_message.as_deref(), doing)?;
            Ok(QuorumDescription {
                leader_id: partition.leader_id,
                leader_epoch: partition.leader_epoch,
                high_watermark: partition.high_watermark,
                voters: partition.current_voters.into_iter().map(quorum_replica).collect(),
                observers: partition.observers.into_iter().map(quorum_replica).collect(),
            })
        })
        .await
    }

    /// Lets a controller vote that so far only follows (AddRaftVoter). Cancel-safe: a dropped call may still be carried out.
    pub async fn add_voter(&self, voter: &NewVoter) -> Result<()> {
        let listener = |(name, host, port): &(Str, Str, u16)| Listener {
            name: name.clone(),
            host: host.clone(),
            port: *port,
        };
        let request = AddRaftVoterRequest {
            cluster_id: None,
            timeout_ms: self.request_timeout_ms(),
            voter_id: voter.id,
            voter_directory_id: voter.directory_id,
            listeners: voter.listeners.iter().map(listener).collect(),
            ..AddRaftVoterRequest::default()
        };
        self.ask(Whom::Controller, &request, "add the voter", |answer| {
            let doing = || format!("add voter {}", voter.id);
            Error::check(answer.error_code, answer.error_message.as_deref(), doing)
        })
        .await
    }

    /// Takes a voter's vote away (RemoveRaftVoter). Cancel-safe: a dropped call may still be carried out.
    pub async fn remove_voter(&self, id: i32, directory_id: Uuid) -> Result<()> {
        let request =
            RemoveRaftVoterRequest { cluster_id: None, voter_id: id, voter_directory_id: directory_id };
        self.ask(Whom::Controller, &request, "remove the voter", |answer| {
            let doing = || format!("remove voter {id}");
            Error::check(answer.error_code, answer.error_message.as_deref(), doing)
        })
        .await
    }
}

fn quorum_replica(replica: ReplicaState) -> QuorumReplica {
    QuorumReplica {
        id: replica.replica_id,
        directory_id: replica.replica_directory_id,
        log_end_offset: replica.log_end_offset,
        last_fetch_ms: replica.last_fetch_timestamp,
        last_caught_up_ms: replica.last_caught_up_timestamp,
    }
}
