//! AssignReplicasToDirs (KIP-858): a broker says in which log directory each of its replicas lies.

use super::decider::Decider;
use super::leadership::BrokerChange;
use super::refusal::Refusal;
use crate::image::TopicImage;
use std::sync::Arc;
use wire::messages::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, AssignReplicasToDirsResponseDirectoryData,
    AssignReplicasToDirsResponsePartitionData, AssignReplicasToDirsResponseTopicData,
};
use wire::{ErrorCode, Uuid};

impl Decider<'_> {
    pub(super) fn assign_replicas_to_dirs(
        &mut self,
        request: &AssignReplicasToDirsRequest,
    ) -> Result<AssignReplicasToDirsResponse, Refusal> {
        if !self.metadata_version.has_directories() {
            return Err(Refusal::new(
                ErrorCode::UnsupportedVersion,
                "Directory assignment is not supported yet.",
            ));
        }
        self.check_broker_epoch(request.broker_id, request.broker_epoch)?;
        let broker = self.image().cluster.broker(request.broker_id);
        let mut response = AssignReplicasToDirsResponse::default();
        let mut offline: Vec<(Arc<TopicImage>, i32)> = Vec::new();
        for directory in &request.directories {
            let is_online = broker.is_some_and(|broker| broker.has_online_directory(directory.id));
            let mut topics = Vec::new();
            for topic_data in &directory.topics {
                let topic = self.image().topics.by_id(topic_data.topic_id);
                let mut partitions = Vec::new();
                for partition in &topic_data.partitions {
                    let index = partition.partition_index;
                    let outcome = match topic {
                        Some(topic) => self.assign_replica(request.broker_id, directory.id, topic, index),
                        None => Err(ErrorCode::UnknownTopicId),
                    };
                    if let (Ok(()), Some(topic), false) = (outcome, topic, is_online) {
                        offline.push((Arc::clone(topic), index));
                    }
                    let error_code = outcome.err().map_or(0, ErrorCode::code);
                    partitions.push(AssignReplicasToDirsResponsePartitionData {
                        partition_index: index,
                        error_code,
                    });
                }
                topics.push(AssignReplicasToDirsResponseTopicData {
                    topic_id: topic_data.topic_id,
                    partitions,
                });
            }
            response.directories.push(AssignReplicasToDirsResponseDirectoryData { id: directory.id, topics });
        }
        let change = BrokerChange { removed: Some(request.broker_id), ..Default::default() };
        for (topic, index) in offline {
            if let Some(partition) = topic.partition(index) {
                self.update_leader(change, &topic, index, partition);
            }
        }
        Ok(response)
    }

    fn assign_replica(
        &mut self,
        broker_id: i32,
        directory: Uuid,
        topic: &Arc<TopicImage>,
        index: i32,
    ) -> Result<(), ErrorCode> {
        let partition = topic.partition(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        if !partition.replicas.contains(&broker_id) {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        // A replica that moved brought what it had; one whose directory is not there any more has nothing.
        let before = partition.directory(broker_id).filter(|before| *before != directory);
        let broker = self.image().cluster.broker(broker_id);
        let is_anew = before.zip(broker).is_some_and(|(before, broker)| !broker.has_online_directory(before));
        self.change_directory(topic, index, partition, (broker_id, directory), is_anew);
        Ok(())
    }
}
