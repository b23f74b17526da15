//! Partitions: who leads them (KIP-183, 460), where their replicas are and will be (KIP-455).

use super::{Admin, Each, Whom, item};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use wire::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use wire::messages::list_partition_reassignments::ListPartitionReassignmentsRequest;
use wire::topic::TopicPartition;
use wire::{ErrorCode, Str};

/// Which leader is elected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionKind {
    /// The first replica of the assignment, if it is in sync.
    Preferred,
    /// Any replica that is alive, where none in sync is: records may be lost.
    Unclean,
}

/// A partition's replicas on their way elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassignment {
    /// All replicas, those that come and those that go among them.
    pub replicas: Vec<i32>,
    /// Those that come.
    pub adding: Vec<i32>,
    /// Those that go.
    pub removing: Vec<i32>,
}

impl Admin {
    /// Elects leaders of these partitions, or of all. An item's error is `ELECTION_NOT_NEEDED`, `PREFERRED_LEADER_NOT_AVAILABLE`,
    /// `ELIGIBLE_LEADERS_NOT_AVAILABLE` and the like; without a list only those are told that had an election. Cancel-safe: a
    /// dropped call may still be carried out.
    pub async fn elect_leaders(
        &self,
        kind: ElectionKind,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<Each<TopicPartition, ()>> {
        let by_topic = |partitions: &[TopicPartition]| {
            let mut topics: BTreeMap<Str, Vec<i32>> = BTreeMap::new();
            for target in partitions {
                topics.entry(target.topic.clone()).or_default().push(target.partition);
            }
            topics.into_iter().map(|(topic, partitions)| TopicPartitions { topic, partitions }).collect()
        };
        let request = ElectLeadersRequest {
            election_type: match kind {
                ElectionKind::Preferred => 0,
                ElectionKind::Unclean => 1,
            },
            topic_partitions: partitions.map(by_topic),
            timeout_ms: self.request_timeout_ms(),
        };
        self.ask(Whom::Controller, &request, "elect leaders", |answer| {
            Error::check(answer.error_code, None, || "elect leaders".to_owned())?;
            let mut each = Each::new();
            for topic in answer.replica_election_results {
                for one in topic.partition_result {
                    let target = TopicPartition::new(topic.topic.detached(), one.partition_id);
                    let doing = || format!("elect a leader of {target}");
                    let elected = Error::check(one.error_code, one.error_message.as_deref(), doing);
                    // None of these passes by itself while one waits.
                    each.insert(target, elected);
                }
            }
            Ok(each)
        })
        .await
    }

    /// Moves partitions to these replicas, the preferred leader first; `None` calls a move off (`NO_REASSIGNMENT_IN_PROGRESS` where
    /// there is none). Cancel-safe: a dropped call may still be carried out.
    pub async fn reassign(
        &self,
        targets: &BTreeMap<TopicPartition, Option<Vec<i32>>>,
    ) -> Result<Each<TopicPartition, ()>> {
        let mut topics: BTreeMap<Str, Vec<ReassignablePartition>> = BTreeMap::new();
        for (target, replicas) in targets {
            let one = ReassignablePartition { partition_index: target.partition, replicas: replicas.clone() };
            topics.entry(target.topic.clone()).or_default().push(one);
        }
        let request = AlterPartitionReassignmentsRequest {
            timeout_ms: self.request_timeout_ms(),
            topics: topics
                .into_iter()
                .map(|(name, partitions)| ReassignableTopic { name, partitions })
                .collect(),
            ..AlterPartitionReassignmentsRequest::default()
        };
        self.ask(Whom::Controller, &request, "reassign partitions", |answer| {
            let doing = || "reassign partitions".to_owned();
            Error::check(answer.error_code, answer.error_message.as_deref(), doing)?;
            let mut each = Each::new();
            for topic in answer.responses {
                for one in topic.partitions {
                    let target = TopicPartition::new(topic.name.detached(), one.partition_index);
                    let doing = || format!("reassign {target}");
                    let moved = Error::check(one.error_code, one.error_message.as_deref(), doing);
                    if ErrorCode::from_code(one.error_code) == ErrorCode::UnknownTopicOrPartition {
                        each.insert(target, moved);
                    } else {
                        item(&mut each, target, moved)?;
                    }
                }
            }
            Ok(each)
        })
        .await
    }

    /// The partitions whose replicas are on their way. Cancel-safe.
    pub async fn reassignments(&self) -> Result<BTreeMap<TopicPartition, Reassignment>> {
        let request =
            ListPartitionReassignmentsRequest { timeout_ms: self.request_timeout_ms(), topics: None };
        self.ask(Whom::Controller, &request, "list reassignments", |answer| {
            let doing = || "list reassignments".to_owned();
            Error::check(answer.error_code, answer.error_message.as_deref(), doing)?;
            let all = answer.topics.into_iter().flat_map(|topic| {
                let name = topic.name.detached();
                topic.partitions.into_iter().map(move |one| {
                    let moving = Reassignment {
                        replicas: one.replicas,
                        adding: one.adding_replicas,
                        removing: one.removing_replicas,
                    };
                    (TopicPartition::new(name.clone(), one.partition_index), moving)
                })
            });
            Ok(all.collect())
        })
        .await
    }
}
