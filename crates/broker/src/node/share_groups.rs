//! What share groups want of share state, carried out: made where a group begins to share, deleted where it is done with it, and how far it is
//! (KIP-932). The group's coordinator hears how it ended. Decides nothing: what is wanted, and what an end means, is the coordinator's.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use coordinator::group::share::{Partitions, ToDelete, ToInitialize};
use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use wire::messages::read_share_group_state_summary::PartitionResult as Summary;
use wire::{ApiKey, ErrorCode, Str, Uuid};

use super::Node;
use super::share_state::{self, SharePartition};
use crate::command::Ask;
use crate::coordinators::kinds::{Asked, Question};
use crate::coordinators::routing::coordinator_at;
use crate::mailbox::reply;
use crate::peers::Purpose;

/// A partition of a topic.
type Partition = (Uuid, i32);

/// ListOffsets: where the log ends.
const LATEST: i64 = -1;

/// Questions that are under way at once for one group: a topic may have thousands of partitions.
const AT_ONCE: usize = 100;

/// Makes share state, and tells the group's coordinator which is there and which is not. Why not, by partition.
pub(crate) async fn initialize(node: &Node, wanted: ToInitialize) -> BTreeMap<Partition, ErrorCode> {
    let asked = wanted.start_offsets.into_iter().map(|((topic_id, partition), start_offset)| {
        let (node, group) = (node.clone(), wanted.group.clone());
        async move {
            let of = SharePartition { group, topic_id, partition };
            let made = share_state::initialize(&node, &of, wanted.state_epoch, start_offset).await;
            ((topic_id, partition), made)
        }
    });
    let (mut there, mut not_there, mut errors) = (Partitions::new(), Partitions::new(), BTreeMap::new());
    for ((topic_id, partition), made) in all(asked).await {
        let outcome = if made.is_ok() { &mut there } else { &mut not_there };
        outcome.entry(topic_id).or_default().insert(partition);
        if let Err(error) = made {
            errors.insert((topic_id, partition), error);
        }
    }
    if let Some(error) = errors.values().next() {
        tracing::warn!(
            group = %wanted.group, partitions = errors.len(), ?error,
            "share state could not be made: the group gets these partitions later; check that __share_group_state has a leader"
        );
    }
    for (partitions, is_there) in [(there, true), (not_there, false)] {
        if !partitions.is_empty() {
            let group = wanted.group.clone();
            let command = GroupCommand::ShareTopicsInitialized { group, partitions, is_there };
            tell(node, &wanted.group, command).await;
        }
    }
    errors
}

/// Deletes share state, and tells the group's coordinator of the topics that have none any more. Why not, by topic.
pub(crate) async fn delete(node: &Node, unwanted: &ToDelete) -> BTreeMap<Uuid, ErrorCode> {
    let mut partitions = Vec::new();
    for (topic_id, (_, numbers)) in &unwanted.topics {
        partitions.extend(numbers.iter().map(|number| (*topic_id, *number)));
    }
    let asked = partitions.into_iter().map(|(topic_id, partition)| {
        let (node, group) = (node.clone(), unwanted.group.clone());
        async move {
            let of = SharePartition { group, topic_id, partition };
            (topic_id, share_state::delete(&node, &of).await)
        }
    });
    let mut errors = BTreeMap::new();
    for (topic_id, deleted) in all(asked).await {
        if let Err(error) = deleted {
            errors.insert(topic_id, error);
        }
    }
    let gone = unwanted.topics.keys().filter(|topic_id| !errors.contains_key(topic_id));
    let topics: BTreeSet<Uuid> = gone.copied().collect();
    if !topics.is_empty() {
        let command = GroupCommand::ShareStateDeleted { group: unwanted.group.clone(), topics };
        tell(node, &unwanted.group, command).await;
    }
    errors
}

/// How far a group is in a partition.
pub(crate) struct HowFar {
    pub topic_id: Uuid,
    pub partition: i32,
    pub summary: Result<Summary, ErrorCode>,
    /// Where the log ends, where that is of use.
    pub end: Option<Result<i64, ErrorCode>>,
}

/// How far a group is in each of these.
pub(crate) async fn how_far(node: &Node, group: &Str, partitions: Vec<(Str, Partition)>) -> Vec<HowFar> {
    let asked = partitions.into_iter().map(|(name, (topic_id, partition))| {
        let (node, group) = (node.clone(), group.clone());
        async move {
            let of = SharePartition { group, topic_id, partition };
            let summary = share_state::summary(&node, &of).await;
            let counts =
                |summary: &Summary| summary.start_offset != -1 && summary.delivery_complete_count != -1;
            let end = match summary.as_ref().is_ok_and(counts) {
                true => Some(end_offset(&node, &name, partition).await),
                false => None,
            };
            HowFar { topic_id, partition, summary, end }
        }
    });
    all(asked).await
}

/// The high watermark of a partition, from its leader.
async fn end_offset(node: &Node, topic: &Str, partition: i32) -> Result<i64, ErrorCode> {
    let known = node.image().topics.by_name(topic).and_then(|topic| topic.partition(partition).cloned());
    let leader = known.map(|known| known.leader).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let now_ms = node.latest_ms();
    if leader == node.node_id() {
        let views = node.views().by_name(topic);
        let cell = views.and_then(|views| views.partition(partition).cloned());
        let cell = cell.ok_or(ErrorCode::UnknownTopicOrPartition)?;
        return node.leader_view(now_ms, &cell, -1).map(|view| view.high_watermark);
    }
    let asked =
        ListOffsetsPartition { partition_index: partition, current_leader_epoch: -1, timestamp: LATEST };
    let topics = vec![ListOffsetsTopic { name: topic.clone(), partitions: vec![asked] }];
    let request = ListOffsetsRequest { replica_id: -1, topics, ..ListOffsetsRequest::default() };
    let answer = node.question_broker::<ListOffsetsResponse>(
        now_ms,
        leader,
        Purpose::ShareState,
        ApiKey::ListOffsets,
        request,
    );
    let Ok(Ok(response)) = answer.await else { return Err(ErrorCode::NetworkException) };
    let mut said =
        response.topics.into_iter().filter(|said| said.name == *topic).flat_map(|topic| topic.partitions);
    let said = said.find(|said| said.partition_index == partition).ok_or(ErrorCode::UnknownServerError)?;
    match ErrorCode::from_code(said.error_code) {
        ErrorCode::None => Ok(said.offset),
        error => Err(error),
    }
}

/// Should it not be heard, the coordinator wishes again.
async fn tell(node: &Node, group: &Str, command: GroupCommand) {
    let Some(cell) = coordinator_at::<GroupMachine>(node.views(), group) else { return };
    let (reply, answer) = reply::<GroupAnswer>();
    node.ask(node.latest_ms(), Ask { cell, question: Question::Group(Asked { command, reply }) });
    drop(answer.await);
}

/// The results of all, in their order; so many are under way at once.
async fn all<F: Future<Output: Send> + Send + 'static>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let futures: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut results = Vec::with_capacity(futures.len());
    let mut waiting = futures.into_iter();
    loop {
        let mut some: Vec<(_, Option<F::Output>)> =
            waiting.by_ref().take(AT_ONCE).map(|future| (future, None)).collect();
        if some.is_empty() {
            return results;
        }
        std::future::poll_fn(|context| {
            let mut is_over = true;
            for (future, result) in some.iter_mut().filter(|(_, result)| result.is_none()) {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *result = Some(output),
                    Poll::Pending => is_over = false,
                }
            }
            if is_over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        results.extend(some.into_iter().filter_map(|(_, result)| result));
    }
}
