//! The topics of a commit, whichever of the two commits it is: who may read each, which are there, and the refusals of those that are
//! not. Stores nothing and asks no coordinator.

use wire::messages::offset_commit::{
    OffsetCommitRequestTopic, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use wire::messages::txn_offset_commit::{
    TxnOffsetCommitRequestTopic, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use wire::{ErrorCode, Str, Uuid};

use crate::call::Call;
use crate::security::authorizer::{Operation, Resource};

/// A topic of a commit, with its offsets.
pub(crate) trait CommittedTopic: Sized {
    /// What its answer is made of.
    type Answer: AnsweredTopic;

    /// Its name and id, of which the version has one.
    fn identity(&mut self) -> (&mut Str, &mut Uuid);
    /// Every partition is there.
    fn is_whole(&self, exists: &dyn Fn(i32) -> bool) -> bool;
    /// Takes those out that are not there, under the same name and id.
    fn take_missing(&mut self, exists: &dyn Fn(i32) -> bool) -> Self;
    /// No partition is left.
    fn is_empty(&self) -> bool;
    /// This error for every partition.
    fn failed(&self, error: ErrorCode) -> Self::Answer;
}

/// A topic of the answer.
pub(crate) trait AnsweredTopic {
    /// Both name the same topic.
    fn is_of(&self, other: &Self) -> bool;
    /// Takes over the other's partitions.
    fn extend(&mut self, other: Self);
}

macro_rules! committed_topic {
    ($asked:ident => $answered:ident of $partition:ident) => {
        impl CommittedTopic for $asked {
            type Answer = $answered;

            fn identity(&mut self) -> (&mut Str, &mut Uuid) {
                (&mut self.name, &mut self.topic_id)
            }

            fn is_whole(&self, exists: &dyn Fn(i32) -> bool) -> bool {
                self.partitions.iter().all(|partition| exists(partition.partition_index))
            }

            fn take_missing(&mut self, exists: &dyn Fn(i32) -> bool) -> Self {
                let all = std::mem::take(&mut self.partitions);
                let (there, missing) = all.into_iter().partition(|one| exists(one.partition_index));
                self.partitions = there;
                Self { name: self.name.clone(), topic_id: self.topic_id, partitions: missing }
            }

            fn is_empty(&self) -> bool {
                self.partitions.is_empty()
            }

            fn failed(&self, error: ErrorCode) -> $answered {
                let one = |partition_index| $partition { partition_index, error_code: error.code() };
                $answered {
                    name: self.name.clone(),
                    topic_id: self.topic_id,
                    partitions: self.partitions.iter().map(|asked| one(asked.partition_index)).collect(),
                }
            }
        }

        impl AnsweredTopic for $answered {
            fn is_of(&self, other: &Self) -> bool {
                self.name == other.name && self.topic_id == other.topic_id
            }

            fn extend(&mut self, other: Self) {
                self.partitions.extend(other.partitions);
            }
        }
    };
}

committed_topic!(OffsetCommitRequestTopic => OffsetCommitResponseTopic of OffsetCommitResponsePartition);
committed_topic!(TxnOffsetCommitRequestTopic => TxnOffsetCommitResponseTopic of TxnOffsetCommitResponsePartition);

/// Fills in names and ids of what is there and may be read; the rest goes to `refused`.
pub(crate) fn resolve<T: CommittedTopic>(
    call: &Call,
    topics: Vec<T>,
    by_id: bool,
    refused: &mut Vec<T::Answer>,
) -> Vec<T> {
    topics.into_iter().filter_map(|topic| resolve_one(call, topic, by_id, refused)).collect()
}

fn resolve_one<T: CommittedTopic>(
    call: &Call,
    mut topic: T,
    by_id: bool,
    refused: &mut Vec<T::Answer>,
) -> Option<T> {
    let image = call.node.image();
    let (name, topic_id) = topic.identity();
    let known = if by_id { image.topics.by_id(*topic_id) } else { image.topics.by_name(name) };
    // A name that may not be read is not told to be there; an id has a name only where it is there.
    let readable = match (by_id, known) {
        (false, _) => call.authorize(Operation::Read, Resource::Topic(name)),
        (true, Some(known)) => call.authorize(Operation::Read, Resource::Topic(&known.name)),
        (true, None) => Err(ErrorCode::UnknownTopicId),
    };
    let known = match readable.and_then(|()| known.ok_or(ErrorCode::UnknownTopicOrPartition)) {
        Ok(known) => known,
        Err(error) => {
            refused.push(topic.failed(error));
            return None;
        }
    };
    (*name, *topic_id) = (known.name.clone(), known.id);
    let exists = |index: i32| known.partition(index).is_some();
    if !topic.is_whole(&exists) {
        let missing = topic.take_missing(&exists);
        refused.push(missing.failed(ErrorCode::UnknownTopicOrPartition));
    }
    (!topic.is_empty()).then_some(topic)
}

/// The answer in Kafka's order: what was refused here first, partitions of one topic under one entry.
pub(crate) fn answer<A: AnsweredTopic>(mut refused: Vec<A>, committed: Vec<A>) -> Vec<A> {
    if refused.is_empty() {
        return committed;
    }
    for topic in committed {
        match refused.iter_mut().find(|known| known.is_of(&topic)) {
            Some(known) => known.extend(topic),
            None => refused.push(topic),
        }
    }
    refused
}
