//! Which replicas the controller is still to be told the log directory of (AssignReplicasToDirs, KIP-858). Pure: keeps what was not
//! confirmed yet, says what to send next. The newest word about a replica counts.

use std::collections::BTreeMap;

use wire::messages::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, DirectoryData, PartitionData, TopicData,
};
use wire::topic::TopicIdPartition;
use wire::{ErrorCode, Uuid};

/// A replica of this broker lies in that directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub key: TopicIdPartition,
    pub directory: Uuid,
}

/// What the controller does not know yet.
#[derive(Debug, Default)]
pub(crate) struct Assignments {
    open: BTreeMap<TopicIdPartition, Uuid>,
    is_waiting: bool,
    next_send_ms: i64,
}

/// Replicas in one request, as in Kafka.
const MOST: usize = 2_250;
/// Before what was refused is sent again.
const RETRY_MS: i64 = 100;

impl Assignments {
    pub fn add(&mut self, assignment: Assignment) {
        self.open.insert(assignment.key, assignment.directory);
    }

    /// When [`Assignments::step`] has something to do.
    pub fn next_deadline(&self) -> Option<i64> {
        (!self.is_waiting && !self.open.is_empty()).then_some(self.next_send_ms)
    }

    /// What is to be sent now by the broker of this epoch.
    pub fn step(
        &mut self,
        now_ms: i64,
        broker_id: i32,
        broker_epoch: i64,
    ) -> Option<AssignReplicasToDirsRequest> {
        if broker_epoch < 0 || self.next_deadline().is_none_or(|due_ms| now_ms < due_ms) {
            return None;
        }
        self.is_waiting = true;
        let mut by_directory: BTreeMap<Uuid, BTreeMap<Uuid, Vec<i32>>> = BTreeMap::new();
        for (key, directory) in self.open.iter().take(MOST) {
            by_directory.entry(*directory).or_default().entry(key.topic_id).or_default().push(key.partition);
        }
        let partition = |partition_index| PartitionData { partition_index };
        let topic = |(topic_id, partitions): (Uuid, Vec<i32>)| TopicData {
            topic_id,
            partitions: partitions.into_iter().map(partition).collect(),
        };
        let directory = |(id, topics): (Uuid, BTreeMap<Uuid, Vec<i32>>)| DirectoryData {
            id,
            topics: topics.into_iter().map(topic).collect(),
        };
        let directories = by_directory.into_iter().map(directory).collect();
        Some(AssignReplicasToDirsRequest { broker_id, broker_epoch, directories })
    }

    /// What was taken, or can never be, is done with; the rest is sent again.
    pub fn answered(&mut self, now_ms: i64, response: &AssignReplicasToDirsResponse) {
        self.is_waiting = false;
        self.next_send_ms = now_ms;
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {}
            // The metadata is older than directories: nobody asks where a replica lies.
            ErrorCode::UnsupportedVersion => return self.open.clear(),
            _ => {
                self.next_send_ms = now_ms.saturating_add(RETRY_MS);
                return;
            }
        }
        for directory in &response.directories {
            for (topic_id, partition) in directory
                .topics
                .iter()
                .flat_map(|topic| topic.partitions.iter().map(|one| (topic.topic_id, one)))
            {
                let is_final = matches!(
                    ErrorCode::from_code(partition.error_code),
                    ErrorCode::None
                        | ErrorCode::UnknownTopicId
                        | ErrorCode::UnknownTopicOrPartition
                        | ErrorCode::NotLeaderOrFollower
                );
                let key = TopicIdPartition::new(topic_id, partition.partition_index);
                if !is_final {
                    self.next_send_ms = now_ms.saturating_add(RETRY_MS);
                } else if self.open.get(&key) == Some(&directory.id) {
                    self.open.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::messages::assign_replicas_to_dirs::{
        AssignReplicasToDirsResponseDirectoryData, AssignReplicasToDirsResponsePartitionData,
        AssignReplicasToDirsResponseTopicData,
    };

    const TOPIC: Uuid = Uuid::from_halves(1, 1);
    const A: Uuid = Uuid::from_halves(7, 7);
    const B: Uuid = Uuid::from_halves(8, 8);

    fn assignment(partition: i32, directory: Uuid) -> Assignment {
        Assignment { key: TopicIdPartition::new(TOPIC, partition), directory }
    }

    fn answer(id: Uuid, codes: &[(i32, ErrorCode)]) -> AssignReplicasToDirsResponse {
        let partition =
            |(partition_index, error): &(i32, ErrorCode)| AssignReplicasToDirsResponsePartitionData {
                partition_index: *partition_index,
                error_code: error.code(),
            };
        let partitions = codes.iter().map(partition).collect();
        let topics = vec![AssignReplicasToDirsResponseTopicData { topic_id: TOPIC, partitions }];
        let directories = vec![AssignReplicasToDirsResponseDirectoryData { id, topics }];
        AssignReplicasToDirsResponse { directories, ..Default::default() }
    }

    #[test]
    fn what_is_not_confirmed_is_told_again_and_the_newest_word_counts() {
        let mut assignments = Assignments::default();
        assert_eq!(assignments.step(0, 1, 5), None);
        assignments.add(assignment(0, A));
        assignments.add(assignment(1, A));
        assert_eq!(assignments.step(0, 1, -1), None, "not registered yet");
        let request = assignments.step(0, 1, 5).unwrap();
        assert_eq!(request.directories.len(), 1);
        assert_eq!(request.directories[0].topics[0].partitions.len(), 2);
        assert_eq!(assignments.step(0, 1, 5), None, "one at a time");
        assignments.add(assignment(1, B));
        assignments.answered(10, &answer(A, &[(0, ErrorCode::None), (1, ErrorCode::None)]));
        let request = assignments.step(10, 1, 5).unwrap();
        assert_eq!((request.directories[0].id, request.directories[0].topics[0].partitions.len()), (B, 1));
        let refused = AssignReplicasToDirsResponse {
            error_code: ErrorCode::StaleBrokerEpoch.code(),
            ..Default::default()
        };
        assignments.answered(20, &refused);
        assert_eq!(assignments.step(20, 1, 6), None);
        assert!(assignments.step(20 + RETRY_MS, 1, 6).is_some());
        assignments.answered(200, &answer(B, &[(1, ErrorCode::UnknownTopicId)]));
        assert_eq!(assignments.next_deadline(), None, "a topic that is gone is nobody's concern");
    }
}
