//! AlterPartition (KIP-497, 704, 841, 903): a leader proposes its ISR. Refused where the leader is not the one the controller
//! knows, or a replica is fenced, leaving, or of another incarnation.

use super::decider::Decider;
use super::partition_change::Election;
use super::refusal::Refusal;
use crate::image::{LeaderRecoveryState, PartitionImage, TopicImage};
use std::sync::Arc;
use wire::ErrorCode;
use wire::messages::alter_partition::{
    AlterPartitionRequest, AlterPartitionResponse, AlterPartitionResponsePartitionData,
    AlterPartitionResponseTopicData, BrokerState, PartitionData,
};
use wire::planted::{self, Bug};
use wire::records::metadata::MetadataRecord;

impl Decider<'_> {
    pub(super) fn alter_partition(
        &mut self,
        request: &AlterPartitionRequest,
        api_version: i16,
    ) -> Result<AlterPartitionResponse, Refusal> {
        if request.topics.is_empty() {
            return Ok(AlterPartitionResponse::default());
        }
        self.check_broker_epoch(request.broker_id, request.broker_epoch)?;
        let mut response = AlterPartitionResponse::default();
        for topic_data in &request.topics {
            let topic =
                self.image().topics.by_id(topic_data.topic_id).filter(|_| !topic_data.topic_id.is_zero());
            let result = |partition: &PartitionData| match topic {
                Some(topic) => self.alter_one(request.broker_id, topic, partition, api_version),
                None => Err(ErrorCode::UnknownTopicId),
            };
            let partitions: Vec<_> = topic_data.partitions.iter().map(with_index(result)).collect();
            response
                .topics
                .push(AlterPartitionResponseTopicData { topic_id: topic_data.topic_id, partitions });
        }
        Ok(response)
    }

    fn alter_one(
        &mut self,
        broker_id: i32,
        topic: &Arc<TopicImage>,
        wanted: &PartitionData,
        api_version: i16,
    ) -> Result<PartitionImage, ErrorCode> {
        let isr: Vec<BrokerState> = if api_version < 3 {
            wanted.new_isr.iter().map(|id| BrokerState { broker_id: *id, broker_epoch: -1 }).collect()
        } else {
            wanted.new_isr_with_epochs.clone()
        };
        let partition = topic.partition(wanted.partition_index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let recovery = self.check_proposal(broker_id, partition, wanted, &isr)?;
        let cluster = &self.image().cluster;
        let alive = |id: i32| cluster.is_active(id);
        let election =
            if self.unclean_election_enabled(topic) { Election::Unclean } else { Election::Online };
        let before = self.records.len();
        self.change_partition(topic, wanted.partition_index, partition, &alive, |change| {
            change.election = election;
            change.isr = isr.iter().map(|broker| broker.broker_id).collect();
            change.recovery = recovery;
        });
        let Some(MetadataRecord::PartitionChange(record)) =
            self.records.get(before).map(|record| &record.record)
        else {
            return Ok((**partition).clone());
        };
        let moved = record.leader != broker_id && record.leader != crate::image::NO_LEADER_CHANGE;
        let merged = partition.merged(record).map_err(|_| ErrorCode::UnknownServerError)?;
        if moved { Err(ErrorCode::NewLeaderElected) } else { Ok(merged) }
    }

    fn check_proposal(
        &self,
        broker_id: i32,
        partition: &PartitionImage,
        wanted: &PartitionData,
        isr: &[BrokerState],
    ) -> Result<LeaderRecoveryState, ErrorCode> {
        // Ahead of this controller: then there is a newer one.
        if wanted.leader_epoch > partition.leader_epoch || wanted.partition_epoch > partition.partition_epoch
        {
            return Err(ErrorCode::NotController);
        }
        if wanted.leader_epoch < partition.leader_epoch {
            return Err(ErrorCode::FencedLeaderEpoch);
        }
        if broker_id != partition.leader {
            return Err(ErrorCode::InvalidRequest);
        }
        if wanted.partition_epoch < partition.partition_epoch {
            return Err(ErrorCode::InvalidUpdateVersion);
        }
        let mut ids: Vec<i32> = isr.iter().map(|broker| broker.broker_id).collect();
        let has_leader = ids.contains(&partition.leader);
        ids.sort_unstable();
        let distinct = ids.windows(2).all(|pair| pair.first() != pair.last());
        if !distinct || !has_leader || !ids.iter().all(|id| partition.replicas.contains(id)) {
            return Err(ErrorCode::InvalidRequest);
        }
        let recovery =
            LeaderRecoveryState::from_id(wanted.leader_recovery_state).ok_or(ErrorCode::InvalidRequest)?;
        let recovering = recovery == LeaderRecoveryState::Recovering;
        let recovered = partition.leader_recovery_state == LeaderRecoveryState::Recovered;
        if recovering && (ids.len() > 1 || recovered) {
            return Err(ErrorCode::InvalidRequest);
        }
        let eligible = |state: &BrokerState| {
            let broker = self.image().cluster.broker(state.broker_id);
            let any = state.broker_epoch == -1 || planted::has(Bug::TakesStaleBrokerEpochs);
            broker.is_some_and(|b| b.is_active() && (any || state.broker_epoch == b.epoch))
        };
        if isr.iter().all(eligible) { Ok(recovery) } else { Err(ErrorCode::IneligibleReplica) }
    }
}

/// Turns an outcome into a result of its partition.
fn with_index(
    mut outcome: impl FnMut(&PartitionData) -> Result<PartitionImage, ErrorCode>,
) -> impl FnMut(&PartitionData) -> AlterPartitionResponsePartitionData {
    move |wanted| match outcome(wanted) {
        Ok(partition) => AlterPartitionResponsePartitionData {
            partition_index: wanted.partition_index,
            error_code: 0,
            leader_id: partition.leader,
            leader_epoch: partition.leader_epoch,
            isr: partition.isr,
            leader_recovery_state: partition.leader_recovery_state.id(),
            partition_epoch: partition.partition_epoch,
        },
        Err(error) => AlterPartitionResponsePartitionData {
            partition_index: wanted.partition_index,
            error_code: error.code(),
            ..Default::default()
        },
    }
}
