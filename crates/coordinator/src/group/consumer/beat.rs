//! A heartbeat on its way through the rooms, and the records that several of them write.

use super::super::assignor::Assignment;
use super::super::command::Caller;
use super::super::records::GroupRecord;
use std::collections::BTreeSet;
use std::sync::Arc;
use wire::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use wire::records::group::{
    ConsumerGroupMetadataValue, ConsumerGroupTargetAssignmentMemberValue, TopicPartition,
};
use wire::{Str, Uuid};

/// A heartbeat on its way through the rooms.
pub(super) struct Beat<'a> {
    pub caller: &'a Caller,
    pub request: &'a ConsumerGroupHeartbeatRequest,
    pub group_id: Str,
    pub member_id: Str,
    /// The topics and patterns of the member are not those it had.
    pub subscription_changed: bool,
}

impl Beat<'_> {
    pub fn joins(&self) -> bool {
        self.request.member_epoch == 0
    }
}

pub(super) fn epoch_record(group: &Str, epoch: i32, metadata_hash: i64) -> GroupRecord {
    let value = ConsumerGroupMetadataValue { epoch, metadata_hash };
    GroupRecord::ConsumerGroupMetadata { group: group.clone(), value: Some(value) }
}

pub(super) fn target_record(group: &Str, member_id: &Str, target: &Assignment) -> GroupRecord {
    let topic = |(topic_id, partitions): (&Uuid, &BTreeSet<i32>)| TopicPartition {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
    };
    let value =
        ConsumerGroupTargetAssignmentMemberValue { topic_partitions: target.iter().map(topic).collect() };
    GroupRecord::ConsumerTarget {
        group: group.clone(),
        member_id: member_id.clone(),
        value: Some(Arc::new(value)),
    }
}
