//! OffsetFetch: the committed offsets of one group, by topic or all of them (KIP-447 require-stable).
//!
//! Plain reads are asked of the committed twin; stable ones of the pending twin, and their answers wait.

use super::answers::no_offset;
use super::offsets::CommittedOffset;
use super::state::{Group, GroupMachine};
use wire::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchResponseGroup, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
};
use wire::{ErrorCode, Str, Uuid};

impl GroupMachine {
    pub(super) fn fetch_offsets(
        &self,
        group: &OffsetFetchRequestGroup,
        require_stable: bool,
    ) -> OffsetFetchResponseGroup {
        if let Err(error) = self.validate_fetch(group) {
            return OffsetFetchResponseGroup {
                group_id: group.group_id.clone(),
                error_code: error.code(),
                ..OffsetFetchResponseGroup::default()
            };
        }
        let topics = match &group.topics {
            Some(topics) => topics
                .iter()
                .map(|topic| OffsetFetchResponseTopics {
                    name: topic.name.clone(),
                    topic_id: topic.topic_id,
                    partitions: topic
                        .partition_indexes
                        .iter()
                        .map(|partition| {
                            let id = topic.topic_id;
                            self.fetch_one(&group.group_id, &topic.name, *partition, id, require_stable)
                        })
                        .collect(),
                })
                .collect(),
            None => self.fetch_all(&group.group_id, require_stable),
        };
        OffsetFetchResponseGroup {
            group_id: group.group_id.clone(),
            topics,
            ..OffsetFetchResponseGroup::default()
        }
    }

    /// A member of a consumer or streams group is told of offsets in its epoch only.
    fn validate_fetch(&self, group: &OffsetFetchRequestGroup) -> Result<(), ErrorCode> {
        match self.groups.get(&group.group_id) {
            Some(Group::Consumer(consumer)) if group.member_id.is_some() || group.member_epoch >= 0 => {
                let member_id = group.member_id.clone().unwrap_or_default();
                let member = consumer.members.get(&member_id).ok_or(ErrorCode::UnknownMemberId)?;
                match group.member_epoch == member.epoch {
                    true => Ok(()),
                    false => Err(member.stale_epoch()),
                }
            }
            Some(Group::Streams(streams)) if group.member_id.is_some() || group.member_epoch >= 0 => {
                let member_id = group.member_id.clone().unwrap_or_default();
                let member = streams.members.get(&member_id).ok_or(ErrorCode::UnknownMemberId)?;
                match group.member_epoch == member.epoch {
                    true => Ok(()),
                    false => Err(ErrorCode::StaleMemberEpoch),
                }
            }
            Some(Group::Consumer(_) | Group::Classic(_) | Group::Share(_) | Group::Streams(_)) | None => {
                Ok(())
            }
        }
    }

    fn fetch_one(
        &self,
        group_id: &Str,
        topic: &Str,
        partition: i32,
        expected_id: Uuid,
        require_stable: bool,
    ) -> OffsetFetchResponsePartitions {
        // Offsets may outlive their group's record; without a group there are none.
        let exists = self.groups.contains_key(group_id);
        if require_stable && self.offsets.is_unstable(group_id, topic, partition) {
            return no_offset(partition, ErrorCode::UnstableOffsetCommit);
        }
        let committed = self.offsets.get(group_id, topic, partition).filter(|_| exists);
        match committed {
            Some(offset) if is_of_topic(offset, expected_id) => fetched(offset),
            Some(_) | None => no_offset(partition, ErrorCode::None),
        }
    }

    fn fetch_all(&self, group_id: &Str, require_stable: bool) -> Vec<OffsetFetchResponseTopics> {
        if !self.groups.contains_key(group_id) {
            return Vec::new();
        }
        let topics = self.offsets.of_group(group_id).into_iter().flatten();
        let topics = topics.map(|(topic, partitions)| OffsetFetchResponseTopics {
            name: topic.clone(),
            partitions: partitions
                .iter()
                .map(|offset| {
                    match require_stable && self.offsets.is_unstable(group_id, topic, offset.partition) {
                        true => no_offset(offset.partition, ErrorCode::UnstableOffsetCommit),
                        false => fetched(offset),
                    }
                })
                .collect(),
            ..OffsetFetchResponseTopics::default()
        });
        topics.collect()
    }
}

/// An offset of a topic that was deleted and made anew under the same name is not one of the new topic.
fn is_of_topic(offset: &CommittedOffset, expected: Uuid) -> bool {
    offset.topic_id.is_zero() || expected.is_zero() || offset.topic_id == expected
}

fn fetched(offset: &CommittedOffset) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index: offset.partition,
        committed_offset: offset.offset,
        committed_leader_epoch: offset.leader_epoch,
        metadata: Some(offset.metadata()),
        ..OffsetFetchResponsePartitions::default()
    }
}
