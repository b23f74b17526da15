//! A member of a share group: what it wants and what it reads from. Plain data, and its form in records.

use super::super::assignor::Assignment;
use super::super::records::GroupRecord;
use super::records::{ShareGroupChange, ShareGroupRecord};
use std::collections::BTreeSet;
use std::sync::Arc;
use wire::records::group::{
    ShareGroupCurrentMemberAssignmentValue, ShareGroupCurrentMemberAssignmentValueTopicPartitions,
    ShareGroupMemberMetadataValue,
};
use wire::{Str, Uuid};

/// A member.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShareMember {
    /// Chosen by itself.
    pub id: Str,
    /// That of the target it has; 0 before the first.
    pub epoch: i32,
    /// The one before.
    pub previous_epoch: i32,
    /// Of its client.
    pub rack_id: Option<Str>,
    /// What its client calls itself.
    pub client_id: Str,
    /// Where it is.
    pub client_host: Str,
    /// What it subscribes to.
    pub topic_names: BTreeSet<Str>,
    /// What it reads from.
    pub assigned: Assignment,
}

impl ShareMember {
    /// One that nothing is known of.
    pub fn new(id: Str) -> ShareMember {
        ShareMember { id, previous_epoch: -1, ..ShareMember::default() }
    }

    pub(super) fn take_metadata(&mut self, value: &ShareGroupMemberMetadataValue) {
        self.rack_id = value.rack_id.clone();
        self.client_id = value.client_id.clone();
        self.client_host = value.client_host.clone();
        self.topic_names = value.subscribed_topic_names.iter().cloned().collect();
    }

    /// `None`: it is about to go.
    pub(super) fn take_current(&mut self, value: Option<&ShareGroupCurrentMemberAssignmentValue>) {
        let Some(value) = value else {
            (self.epoch, self.previous_epoch) = (-1, -1);
            self.assigned.clear();
            return;
        };
        (self.epoch, self.previous_epoch) = (value.member_epoch, value.previous_member_epoch);
        let topics = value.assigned_partitions.iter().filter(|topic| !topic.partitions.is_empty());
        self.assigned =
            topics.map(|topic| (topic.topic_id, topic.partitions.iter().copied().collect())).collect();
    }

    pub(super) fn metadata_record(&self, group: &Str) -> GroupRecord {
        let value = ShareGroupMemberMetadataValue {
            rack_id: self.rack_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            subscribed_topic_names: self.topic_names.iter().cloned().collect(),
        };
        record(group, ShareGroupChange::Member { member_id: self.id.clone(), value: Some(Arc::new(value)) })
    }

    pub(super) fn current_record(&self, group: &Str) -> GroupRecord {
        let topic = |(topic_id, partitions): (&Uuid, &BTreeSet<i32>)| {
            ShareGroupCurrentMemberAssignmentValueTopicPartitions {
                topic_id: *topic_id,
                partitions: partitions.iter().copied().collect(),
            }
        };
        let value = ShareGroupCurrentMemberAssignmentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            // Nobody gives anything back here: a member is always where it shall be.
            state: 0,
            assigned_partitions: self.assigned.iter().map(topic).collect(),
        };
        record(group, ShareGroupChange::Current { member_id: self.id.clone(), value: Some(Arc::new(value)) })
    }
}

pub(super) fn record(group: &Str, of: ShareGroupChange) -> GroupRecord {
    GroupRecord::Share(ShareGroupRecord { group: group.clone(), of })
}
