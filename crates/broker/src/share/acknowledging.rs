//! What a request says of the records that its member holds, partition by partition: looked at here, decided by the share partitions, told
//! when it is stored (ShareAcknowledge, and ShareFetch, which may bring acknowledgements along).

use std::sync::Arc;

use coordinator::share_partition::{AcknowledgementBatch, Refused};
use wire::{ErrorCode, Str};

use super::question::{ShareQuestion, refused};
use super::sessions::{MemberKey, Partition};
use super::settings::{is_enabled, is_member_id};
use crate::call::Call;
use crate::mailbox::{Answer, reply};
use crate::security::authorizer::{Operation, Resource};
use crate::views::{PartitionCell, TopicViews};

/// The highest type of an acknowledgement, before renewal and since (KIP-1222).
const REJECT: i8 = 3;
const RENEW: i8 = 4;

/// Who speaks, and what the version of the request allows.
pub(crate) struct Speaker<'a> {
    pub call: &'a Call,
    pub group: &'a Str,
    pub member: &'a Str,
    /// The request says that it renews.
    pub is_renewal: bool,
}

/// What was said of one partition, and what comes of it.
pub(crate) struct Said {
    pub partition: Partition,
    outcome: Outcome,
}

enum Outcome {
    Known(Result<(), Refused>),
    Waits(Answer<Result<(), Refused>>),
}

impl Said {
    /// What comes of it; `None` if the node goes away.
    pub async fn heard(self) -> (Partition, Result<(), Refused>) {
        let outcome = match self.outcome {
            Outcome::Known(outcome) => outcome,
            Outcome::Waits(answer) => match answer.await {
                Ok(outcome) => outcome,
                Err(_) => Err(refused(ErrorCode::NotLeaderOrFollower)),
            },
        };
        (self.partition, outcome)
    }
}

impl Speaker<'_> {
    /// Passes on what is said of a partition.
    pub fn say(&self, partition: Partition, batches: Vec<AcknowledgementBatch>) -> Said {
        let outcome = match self.target(partition, &batches) {
            // No text of it is sent, as in Kafka.
            Err(error) => Outcome::Known(Err(Refused { error, why: "" })),
            Ok(_) if batches.is_empty() => Outcome::Known(Ok(())),
            Ok(cell) => {
                let (reply, answer) = reply();
                let question = ShareQuestion::Acknowledge { member: self.member.clone(), batches, reply };
                self.call.node.ask_share(self.call.now_ms, &cell, self.group, question);
                Outcome::Waits(answer)
            }
        };
        Said { partition, outcome }
    }

    fn target(
        &self,
        (topic_id, partition): Partition,
        batches: &[AcknowledgementBatch],
    ) -> Result<Arc<PartitionCell>, ErrorCode> {
        let topic = self.call.node.views().by_id(topic_id).ok_or(ErrorCode::UnknownTopicId)?;
        if !self.is_sound(batches) {
            return Err(ErrorCode::InvalidRequest);
        }
        cell_for(self.call, &topic, partition)
    }

    /// In order, each with a type for all of it or for each of its offsets.
    fn is_sound(&self, batches: &[AcknowledgementBatch]) -> bool {
        let most = if self.call.api_version >= 2 { RENEW } else { REJECT };
        let mut before = -1;
        batches.iter().all(|batch| {
            let records =
                batch.last_offset.checked_sub(batch.first_offset).and_then(|span| span.checked_add(1));
            let types = i64::try_from(batch.types.len()).unwrap_or(i64::MAX);
            let is_in_order = batch.first_offset <= batch.last_offset && batch.first_offset >= before;
            before = batch.last_offset;
            let is_known = |kind: &i8| (0..=most).contains(kind) && (*kind != RENEW || self.is_renewal);
            is_in_order
                && (types == 1 || (types > 0 && records == Some(types)))
                && batch.types.iter().all(is_known)
        })
    }
}

/// Partitions of which nothing was said are told of beside others only, as in Kafka.
pub(crate) fn without_silent(mut said: Vec<Said>) -> Vec<Said> {
    if !said.iter().any(|said| matches!(said.outcome, Outcome::Waits(_))) {
        said.retain(|said| !matches!(said.outcome, Outcome::Known(Ok(()))));
    }
    said
}

/// Whose session a request is about, if share groups are switched on and the client may read as this group.
pub(crate) fn member_of(
    call: &Call,
    group: Option<&Str>,
    member: Option<&Str>,
) -> Result<MemberKey, ErrorCode> {
    if !is_enabled(&call.node.image()) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let group = group.ok_or(ErrorCode::InvalidRequest)?;
    call.authorize(Operation::Read, Resource::Group(group))?;
    let member = member.filter(|member| is_member_id(member)).ok_or(ErrorCode::InvalidRequest)?;
    Ok((group.detached(), member.detached()))
}

/// A partition that the client may read.
pub(crate) fn cell_for(
    call: &Call,
    topic: &TopicViews,
    partition: i32,
) -> Result<Arc<PartitionCell>, ErrorCode> {
    call.authorize(Operation::Read, Resource::Topic(&topic.name))?;
    topic.partition(partition).cloned().ok_or(ErrorCode::UnknownTopicOrPartition)
}
