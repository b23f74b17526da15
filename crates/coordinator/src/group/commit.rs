//! OffsetCommit, TxnOffsetCommit and OffsetDelete: what may be committed, and the records it becomes.
//!
//! Handlers have dropped topics that do not exist or may not be read, and filled in both name and id of the rest.

use super::classic::{ClassicGroup, ClassicState};
use super::command::{Caller, DeletedTopic, GroupAnswer};
use super::config::GroupConfig;
use super::consumer::ConsumerGroup;
use super::records::{self, GroupRecord, OffsetToCommit};
use super::refuse;
use super::state::{Group, GroupMachine, GroupSoft};
use super::streams::StreamsGroup;
use super::turn::Turn;
use crate::machine::ProducerIdentity;
use std::collections::BTreeSet;
use wire::codec::Message;
use wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use wire::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestTopic, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};
use wire::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
};
use wire::{ErrorCode, Str, Uuid};

/// From this version of OffsetCommit on an unknown group is told apart from an old generation (KIP-848).
const GROUP_ID_NOT_FOUND_SINCE: i16 = 9;
/// From this version of OffsetCommit on its generation may be a member's epoch (KIP-848).
const MEMBER_EPOCH_SINCE: i16 = 9;
/// The same of TxnOffsetCommit (KIP-1319).
const TXN_GROUP_ID_NOT_FOUND_SINCE: i16 = 6;

const _: () = assert!(GROUP_ID_NOT_FOUND_SINCE <= OffsetCommitRequest::MAX_VERSION);
const _: () = assert!(TXN_GROUP_ID_NOT_FOUND_SINCE <= TxnOffsetCommitRequest::MAX_VERSION);

/// Whether a member may commit for a partition of a topic with this name and id.
type MayCommit<'a> = dyn Fn(&Str, Uuid, i32) -> bool + 'a;

/// Who commits: the fields that both kinds of commit share.
struct Committer<'a> {
    member_id: &'a Str,
    instance_id: Option<&'a Str>,
    generation: i32,
    transactional: bool,
    api_version: i16,
    /// Whether this holds of all that is committed: by a topic's name and id, and the partition.
    all: &'a dyn Fn(&MayCommit<'_>) -> bool,
}

impl GroupMachine {
    pub(super) fn commit_offsets(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        caller: &Caller,
        request: &OffsetCommitRequest,
    ) {
        let committer = Committer {
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_ref(),
            generation: request.generation_id_or_member_epoch,
            transactional: false,
            api_version: caller.api_version,
            all: &|may| {
                request.topics.iter().all(|topic| {
                    let mut partitions = topic.partitions.iter();
                    partitions.all(|one| may(&topic.name, topic.topic_id, one.partition_index))
                })
            },
        };
        let not_found = caller.api_version >= GROUP_ID_NOT_FOUND_SINCE;
        if let Err(error) = self.validate_commit(soft, turn, &request.group_id, &committer, not_found) {
            return turn.refuse(GroupAnswer::CommitOffsets(refuse::offset_commit(request, error)));
        }
        let expire_timestamp_ms = match request.retention_time_ms {
            -1 => -1,
            retention_ms => turn.wall_ms.saturating_add(retention_ms),
        };
        let group = request.group_id.detached();
        let mut response = OffsetCommitResponse::default();
        for topic in &request.topics {
            let name = topic.name.detached();
            let mut topic_response = OffsetCommitResponseTopic {
                topic_id: topic.topic_id,
                name: name.clone(),
                ..OffsetCommitResponseTopic::default()
            };
            for partition in &topic.partitions {
                let committed = OffsetToCommit {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition.committed_metadata.as_ref(),
                    wall_ms: turn.wall_ms,
                    expire_timestamp_ms,
                    topic_id: topic.topic_id,
                };
                let error =
                    write_offset(turn, &soft.config, &group, &name, partition.partition_index, &committed);
                topic_response.partitions.push(OffsetCommitResponsePartition {
                    partition_index: partition.partition_index,
                    error_code: error.code(),
                });
            }
            response.topics.push(topic_response);
        }
        if records::size_in_batch(&turn.decision.records) > soft.config.max_batch_bytes {
            turn.decision.records.clear();
            let error = ErrorCode::UnknownServerError;
            return turn.refuse(GroupAnswer::CommitOffsets(refuse::offset_commit(request, error)));
        }
        turn.answer(GroupAnswer::CommitOffsets(response));
    }

    pub(super) fn commit_transactional_offsets(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        caller: &Caller,
        request: &TxnOffsetCommitRequest,
    ) {
        let committer = Committer {
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_ref(),
            generation: request.generation_id_or_member_epoch,
            transactional: true,
            api_version: caller.api_version,
            all: &|may| {
                request.topics.iter().all(|topic| {
                    let mut partitions = topic.partitions.iter();
                    partitions.all(|one| may(&topic.name, topic.topic_id, one.partition_index))
                })
            },
        };
        let not_found = caller.api_version >= TXN_GROUP_ID_NOT_FOUND_SINCE;
        let valid = match request.group_id.is_empty() {
            true => Err(ErrorCode::InvalidGroupId),
            false => self.validate_commit(soft, turn, &request.group_id, &committer, not_found),
        };
        if let Err(error) = valid {
            let response = refuse::txn_offset_commit(request, error);
            return turn.refuse(GroupAnswer::CommitTransactionalOffsets(response));
        }
        let group = request.group_id.detached();
        let mut response = TxnOffsetCommitResponse::default();
        for topic in &request.topics {
            let name = topic.name.detached();
            let mut topic_response = TxnOffsetCommitResponseTopic {
                topic_id: topic.topic_id,
                name: name.clone(),
                ..TxnOffsetCommitResponseTopic::default()
            };
            for partition in &topic.partitions {
                let committed = OffsetToCommit {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition.committed_metadata.as_ref(),
                    wall_ms: turn.wall_ms,
                    expire_timestamp_ms: -1,
                    topic_id: topic.topic_id,
                };
                let error =
                    write_offset(turn, &soft.config, &group, &name, partition.partition_index, &committed);
                topic_response.partitions.push(TxnOffsetCommitResponsePartition {
                    partition_index: partition.partition_index,
                    error_code: error.code(),
                });
            }
            response.topics.push(topic_response);
        }
        if records::size_in_batch(&turn.decision.records) > soft.config.max_batch_bytes {
            turn.decision.records.clear();
            let response = refuse::txn_offset_commit(request, ErrorCode::UnknownServerError);
            return turn.refuse(GroupAnswer::CommitTransactionalOffsets(response));
        }
        turn.decision.producer = Some(ProducerIdentity {
            producer_id: request.producer_id,
            producer_epoch: request.producer_epoch,
        });
        turn.answer(GroupAnswer::CommitTransactionalOffsets(response));
    }

    fn validate_commit(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        committer: &Committer<'_>,
        group_id_not_found: bool,
    ) -> Result<(), ErrorCode> {
        let in_version = |error: ErrorCode| match error {
            // Older versions have no such code.
            ErrorCode::StaleMemberEpoch if committer.transactional && !group_id_not_found => {
                ErrorCode::IllegalGeneration
            }
            other => other,
        };
        if !soft.classic.contains_key(group_id) {
            match self.groups.get(group_id) {
                Some(Group::Classic(_)) => {}
                Some(Group::Consumer(group)) => {
                    return group.validate_commit(committer).map_err(in_version);
                }
                Some(Group::Streams(group)) => return group.validate_commit(committer).map_err(in_version),
                // What a share group has read is no offset of a group.
                Some(Group::Share(_)) => return Err(ErrorCode::GroupIdNotFound),
                // A simple consumer makes its group by committing to it.
                None if committer.generation < 0 => return Ok(()),
                None if group_id_not_found => return Err(ErrorCode::GroupIdNotFound),
                None => return Err(ErrorCode::IllegalGeneration),
            }
        }
        self.look(soft, group_id, |group| group.validate_commit(committer)).unwrap_or(Ok(()))?;
        if committer.transactional {
            return Ok(());
        }
        // A commit is a sign of life.
        if let Some(group) = soft.classic.get(group_id)
            && matches!(group.state(), ClassicState::Stable | ClassicState::PreparingRebalance)
        {
            group.renew_session(turn, committer.member_id);
        }
        Ok(())
    }

    pub(super) fn delete_offsets(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        request: &OffsetDeleteRequest,
    ) {
        let refuse = |error: ErrorCode| {
            GroupAnswer::DeleteOffsets(OffsetDeleteResponse {
                error_code: error.code(),
                ..Default::default()
            })
        };
        if request.group_id.is_empty() {
            return turn.refuse(refuse(ErrorCode::InvalidGroupId));
        }
        let names = request.topics.iter().map(|topic| &topic.name);
        let of_consumers = match self.groups.get(&request.group_id) {
            Some(Group::Consumer(group)) => {
                let subscribed = names.filter(|name| group.is_subscribed_to(name)).cloned();
                Some(Ok(subscribed.collect::<BTreeSet<Str>>()))
            }
            Some(Group::Streams(group)) => {
                let subscribed = names.filter(|name| group.is_subscribed_to(name)).cloned();
                Some(Ok(subscribed.collect::<BTreeSet<Str>>()))
            }
            Some(Group::Classic(_) | Group::Share(_)) | None => None,
        };
        let of_classic = || {
            self.look(soft, &request.group_id, |group| {
                // Members of other protocols have no subscriptions that the coordinator could read.
                if !group.is_empty() && !group.uses_consumer_protocol() {
                    return Err(ErrorCode::NonEmptyGroup);
                }
                let names = request.topics.iter().map(|topic| &topic.name);
                Ok(names.filter(|name| group.is_subscribed_to(name)).cloned().collect::<BTreeSet<Str>>())
            })
        };
        let subscribed = match of_consumers.or_else(of_classic) {
            None => return turn.refuse(refuse(ErrorCode::GroupIdNotFound)),
            Some(Err(error)) => return turn.refuse(refuse(error)),
            Some(Ok(subscribed)) => subscribed,
        };
        let topics = request.topics.iter().map(|topic| {
            self.delete_topic_offsets(turn, &request.group_id, topic, subscribed.contains(&topic.name))
        });
        let response = OffsetDeleteResponse { topics: topics.collect(), ..OffsetDeleteResponse::default() };
        turn.decision.may_split = true;
        turn.answer(GroupAnswer::DeleteOffsets(response));
    }

    fn delete_topic_offsets(
        &self,
        turn: &mut Turn,
        group_id: &Str,
        topic: &OffsetDeleteRequestTopic,
        subscribed: bool,
    ) -> OffsetDeleteResponseTopic {
        let error = if subscribed { ErrorCode::GroupSubscribedToTopic } else { ErrorCode::None };
        let mut response =
            OffsetDeleteResponseTopic { name: topic.name.clone(), ..OffsetDeleteResponseTopic::default() };
        for partition in &topic.partitions {
            let index = partition.partition_index;
            let has_offset = self.offsets.get(group_id, &topic.name, index).is_some()
                || self.offsets.is_unstable(group_id, &topic.name, index);
            if !subscribed && has_offset {
                turn.write(GroupRecord::offset_tombstone(
                    &group_id.detached(),
                    &topic.name.detached(),
                    index,
                ));
            }
            response
                .partitions
                .push(OffsetDeleteResponsePartition { partition_index: index, error_code: error.code() });
        }
        response
    }

    /// Offsets of deleted topics go, whoever committed them. A topic of the same name but another id keeps its own.
    pub(super) fn topics_deleted(&self, turn: &mut Turn, topics: &[DeletedTopic]) {
        let mut gone = BTreeSet::new();
        for topic in topics {
            for (group, offset) in self.offsets.of_topic(&topic.name) {
                if offset.topic_id.is_zero() || offset.topic_id == topic.id {
                    gone.insert((group.clone(), topic.name.clone(), offset.partition));
                }
            }
        }
        for (group, topic, partition) in gone {
            turn.write(GroupRecord::offset_tombstone(&group, &topic, partition));
        }
        self.share_topics_deleted(turn, &topics.iter().map(|topic| topic.id).collect());
        turn.decision.may_split = true;
        turn.answer(GroupAnswer::Done);
    }
}

/// Writes one offset, unless what the client says about it is too long.
fn write_offset(
    turn: &mut Turn,
    config: &GroupConfig,
    group: &Str,
    topic: &Str,
    partition: i32,
    committed: &OffsetToCommit<'_>,
) -> ErrorCode {
    let limit = usize::try_from(config.offset_metadata_max_bytes).unwrap_or(0);
    // Kafka counts UTF-16 units.
    if committed.metadata.is_some_and(|text| text.encode_utf16().count() > limit) {
        return ErrorCode::OffsetMetadataTooLarge;
    }
    turn.write(GroupRecord::OffsetCommit {
        group: group.clone(),
        topic: topic.clone(),
        partition,
        value: Some(committed.value()),
    });
    ErrorCode::None
}

impl ConsumerGroup {
    fn validate_commit(&self, committer: &Committer<'_>) -> Result<(), ErrorCode> {
        let epoch = committer.generation;
        if epoch < 0 && self.is_empty() {
            return Ok(());
        }
        let anonymous = epoch == -1 && committer.member_id.is_empty() && committer.instance_id.is_none();
        if committer.transactional && anonymous {
            return Ok(());
        }
        let member = self.members.get(committer.member_id).ok_or(ErrorCode::UnknownMemberId)?;
        if !committer.transactional
            && !member.uses_classic_protocol()
            && committer.api_version < MEMBER_EPOCH_SINCE
        {
            return Err(ErrorCode::UnsupportedVersion);
        }
        if epoch > member.epoch {
            return Err(member.stale_epoch());
        }
        match (committer.all)(&|_, topic_id, partition| member.may_commit(epoch, topic_id, partition)) {
            true => Ok(()),
            false => Err(member.stale_epoch()),
        }
    }
}

impl StreamsGroup {
    fn validate_commit(&self, committer: &Committer<'_>) -> Result<(), ErrorCode> {
        let epoch = committer.generation;
        if epoch < 0 && self.is_empty() {
            return Ok(());
        }
        let anonymous = epoch == -1 && committer.member_id.is_empty() && committer.instance_id.is_none();
        if committer.transactional && anonymous {
            return Ok(());
        }
        let member = self.members.get(committer.member_id).ok_or(ErrorCode::UnknownMemberId)?;
        if !committer.transactional && committer.api_version < MEMBER_EPOCH_SINCE {
            return Err(ErrorCode::UnsupportedVersion);
        }
        if epoch == member.epoch {
            return Ok(());
        }
        // An older epoch will do for a task that the member has had since then.
        let had_then = |topic: &Str, _: Uuid, partition: i32| {
            let reader = self.topology.as_ref().and_then(|topology| topology.reader_of(topic));
            let since = reader.and_then(|subtopology| member.has_since(subtopology, partition));
            since.is_some_and(|since| epoch >= since)
        };
        match epoch < member.epoch && (committer.all)(&had_then) {
            true => Ok(()),
            false => Err(ErrorCode::StaleMemberEpoch),
        }
    }
}

impl ClassicGroup {
    fn validate_commit(&self, committer: &Committer<'_>) -> Result<(), ErrorCode> {
        let anonymous =
            committer.generation < 0 && committer.member_id.is_empty() && committer.instance_id.is_none();
        if committer.generation < 0 && self.is_empty() {
            // A simple consumer, or a tool that resets offsets.
            return Ok(());
        }
        if anonymous {
            // Old transactional producers do not say for whom they commit.
            if !committer.transactional {
                return Err(ErrorCode::UnknownMemberId);
            }
        } else {
            self.validate_member(committer.member_id, committer.instance_id)?;
            if committer.generation != self.generation {
                return Err(ErrorCode::IllegalGeneration);
            }
        }
        if !committer.transactional && self.state() == ClassicState::CompletingRebalance {
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }
}
