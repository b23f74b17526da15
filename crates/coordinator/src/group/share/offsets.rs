//! Where a share group without members is: AlterShareGroupOffsets, DeleteShareGroupOffsets and the first half of a group's end. Each writes
//! what it is about to do; the share state itself is changed by whoever asked, who then says how that ended.

use super::super::command::GroupAnswer;
use super::super::consumer::refusal::Refusal;
use super::super::state::{Group, GroupMachine, GroupSoft};
use super::super::turn::Turn;
use super::group::{ShareGroup, SharedTopic, SharedTopics};
use super::heard::{ToDelete, ToInitialize};
use super::heartbeat::is_no_share_group;
use super::topics::{all_of, topics_record};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::messages::alter_share_group_offsets::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsRequestTopic, AlterShareGroupOffsetsResponse,
    AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
};
use wire::messages::delete_share_group_offsets::{
    DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponseTopic,
};
use wire::{ErrorCode, Str, Uuid};

impl GroupMachine {
    /// The group shall go on somewhere else; one that is not there is made.
    pub(crate) fn alter_share_offsets(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        request: &AlterShareGroupOffsetsRequest,
    ) {
        let group_id = request.group_id.detached();
        let group = match self.share_group_for(soft, &group_id, true) {
            Ok(group) if group.is_empty() => group,
            Ok(_) => return turn.refuse(GroupAnswer::AlterShareOffsets(Box::new(Err(not_empty())))),
            Err(refusal) => return turn.refuse(GroupAnswer::AlterShareOffsets(Box::new(Err(refusal)))),
        };
        let mut initialize =
            ToInitialize { group: group_id.clone(), state_epoch: group.epoch, ..ToInitialize::default() };
        let mut wanted: BTreeMap<Uuid, SharedTopic> = BTreeMap::new();
        let mut response = AlterShareGroupOffsetsResponse::default();
        for topic in &request.topics {
            let (known, answer) = alter(soft, topic, &mut initialize);
            if let Some((id, shared)) = known {
                wanted.insert(id, shared);
            }
            response.responses.push(answer);
        }
        group.initializing(soft, turn, &group_id, wanted);
        turn.answer(GroupAnswer::AlterShareOffsets(Box::new(Ok((response, initialize)))));
    }

    /// Topics of which the group shall know nothing any more.
    pub(crate) fn begin_deleting_share_offsets(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        request: &DeleteShareGroupOffsetsRequest,
    ) {
        let group_id = request.group_id.detached();
        let group = match self.empty_share_group(soft, &group_id) {
            Ok(group) => group,
            Err(refusal) => return turn.refuse(GroupAnswer::DeletingShareState(Box::new(Err(refusal)))),
        };
        let mut deleting = ToDelete { group: group_id.clone(), ..ToDelete::default() };
        if let Some(known) = group.topics.as_deref() {
            let mut topics = known.clone();
            for asked in &request.topics {
                let name = asked.topic_name.detached();
                let Some(topic) = soft.view.topic(&name) else {
                    let message = ErrorCode::UnknownTopicOrPartition.message();
                    deleting.refused.push(refused_topic(name, message));
                    continue;
                };
                if let Some(shared) = topics.initialized.remove(&topic.id) {
                    topics.deleting.insert(topic.id, name.clone());
                    deleting.topics.insert(topic.id, (name, shared.partitions));
                } else if topics.deleting.contains_key(&topic.id) {
                    deleting.topics.insert(topic.id, (name, (0..topic.partitions).collect()));
                } else {
                    deleting.refused.push(refused_topic(name, "There is no offset information to delete."));
                }
            }
            turn.write(topics_record(&group_id, &topics));
        }
        turn.answer(GroupAnswer::DeletingShareState(Box::new(Ok(deleting))));
    }

    /// The group is about to be deleted: first its share state goes. Nothing of a group of another type.
    pub(crate) fn begin_deleting_share_group(&self, soft: &mut GroupSoft, turn: &mut Turn, group_id: &Str) {
        let group_id = group_id.detached();
        let mut deleting = ToDelete { group: group_id.clone(), ..ToDelete::default() };
        if let Some(Group::Share(group)) = self.groups.get(&group_id) {
            if !group.is_empty() {
                return turn.refuse(GroupAnswer::DeletingShareState(Box::new(Err(not_empty()))));
            }
            if let Some(known) = group.topics.as_deref() {
                deleting.topics = all_of(known, &*soft.view);
                let names = deleting.topics.iter().map(|(id, (name, _))| (*id, name.clone()));
                let topics = SharedTopics { deleting: names.collect(), ..SharedTopics::default() };
                turn.write(topics_record(&group_id, &topics));
                soft.share.remove(&group_id);
            }
        }
        turn.answer(GroupAnswer::DeletingShareState(Box::new(Ok(deleting))));
    }

    /// The share state of these topics is gone.
    pub(crate) fn share_state_deleted(&self, turn: &mut Turn, group_id: &Str, deleted: &BTreeSet<Uuid>) {
        if let Some(Group::Share(group)) = self.groups.get(group_id)
            && let Some(known) = group.topics.as_deref()
        {
            let mut topics = known.clone();
            topics.deleting.retain(|id, _| !deleted.contains(id));
            turn.write(topics_record(group_id, &topics));
        }
        turn.answer(GroupAnswer::Done);
    }

    fn empty_share_group(&self, soft: &GroupSoft, group_id: &Str) -> Result<&Arc<ShareGroup>, Refusal> {
        match self.groups.get(group_id) {
            Some(Group::Share(group)) if group.is_empty() => Ok(group),
            Some(Group::Share(_)) => Err(not_empty()),
            None if !self.exists(soft, group_id) => Err(Refusal::group_not_found(group_id)),
            Some(Group::Classic(_) | Group::Consumer(_) | Group::Streams(_)) | None => {
                Err(is_no_share_group(group_id))
            }
        }
    }
}

fn not_empty() -> Refusal {
    Refusal::new(ErrorCode::NonEmptyGroup, ErrorCode::NonEmptyGroup.message())
}

fn refused_topic(topic_name: Str, message: &'static str) -> DeleteShareGroupOffsetsResponseTopic {
    DeleteShareGroupOffsetsResponseTopic {
        topic_name,
        error_code: ErrorCode::UnknownTopicOrPartition.code(),
        error_message: Some(Str::from_static(message)),
        ..DeleteShareGroupOffsetsResponseTopic::default()
    }
}

/// One topic of an alteration: what of it is there, and the answer.
fn alter(
    soft: &GroupSoft,
    asked: &AlterShareGroupOffsetsRequestTopic,
    initialize: &mut ToInitialize,
) -> (Option<(Uuid, SharedTopic)>, AlterShareGroupOffsetsResponseTopic) {
    let topic_name = asked.topic_name.detached();
    let known = soft.view.topic(&topic_name);
    let mut shared = SharedTopic { name: topic_name.clone(), ..SharedTopic::default() };
    let mut partitions = Vec::new();
    for partition in &asked.partitions {
        let partition_index = partition.partition_index;
        let is_there =
            known.as_ref().filter(|topic| partition_index >= 0 && partition_index < topic.partitions);
        partitions.push(match is_there {
            Some(topic) => {
                initialize.start_offsets.insert((topic.id, partition_index), partition.start_offset);
                shared.partitions.insert(partition_index);
                AlterShareGroupOffsetsResponsePartition { partition_index, ..Default::default() }
            }
            None => AlterShareGroupOffsetsResponsePartition {
                partition_index,
                error_code: ErrorCode::UnknownTopicOrPartition.code(),
                error_message: Some(Str::from_static(ErrorCode::UnknownTopicOrPartition.message())),
            },
        });
    }
    let topic_id = known.as_ref().map(|topic| topic.id).unwrap_or_default();
    let answer = AlterShareGroupOffsetsResponseTopic { topic_name, topic_id, partitions };
    (known.map(|topic| (topic.id, shared)), answer)
}
