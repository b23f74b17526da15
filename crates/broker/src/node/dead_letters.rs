//! Dead letters of share partitions of this node, written to the queue of their group (KIP-1191): here if this node leads the partition,
//! by Produce to its leader otherwise; the topic is made where it may be. Ends when they are there, or never will be.
//!
//! DIVERGES: Kafka gives up after five attempts and has the records done with, whether they were written or not. Here what may pass is tried
//! again for as long as this node leads the partition: they stay where they are, and nobody gets them. Only what is refused for good is
//! given up, and told.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use coordinator::share_partition::DeadLetters;
use log::{AppendOrigin, LogView, ReadLimit};
use wire::compress::DecompressLimit;
use wire::messages::produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use wire::produce::AnswerLine;
use wire::record_batch::{Record, RecordBatch, validate_produce};
use wire::{ApiKey, ErrorCode, Str};

use super::Node;
use super::asking::PATIENCE_MS;
use crate::command::{Append, AppendEntry, Command};
use crate::mailbox::reply;
use crate::peers::{NoAnswer, Purpose};
use crate::share::dead_letters::{self, Origin};
use crate::share::settings::{Queue, queue_of};
use crate::telling::Shown;
use crate::views::{PartitionCell, TopicViews};

/// Between attempts, as Kafka's: each is twice the one before.
const PAUSE_MS: i64 = 1_000;
const MOST_PAUSE_MS: i64 = 30_000;
/// A topic that is on its way is looked for sooner.
const CREATION_PAUSE_MS: i64 = 100;

/// Of records that are copied, read and kept at a time; a single one may be larger.
const COPIED_BYTES: usize = 1 << 20;

/// Why dead letters are not written.
enum Refused {
    /// It may pass.
    Passes(ErrorCode),
    /// They never will be.
    ForGood(String),
    /// Nobody waits for them any more: another node leads the partition, or this one goes away.
    Gone,
}

/// Waits between attempts.
struct Patience {
    pause_ms: i64,
}

impl Patience {
    async fn wait(&mut self, node: &Node) -> Result<(), Refused> {
        let now_ms = node.latest_ms();
        node.at(now_ms, now_ms.saturating_add(self.pause_ms)).await.map_err(|_| Refused::Gone)?;
        self.pause_ms = (self.pause_ms * 2).min(MOST_PAUSE_MS);
        Ok(())
    }
}

/// Writes all of them; false if nobody waits for them any more.
pub(super) async fn write(
    node: &Node,
    cell: &Arc<PartitionCell>,
    group: &Str,
    letters: &[DeadLetters],
) -> bool {
    for one in letters {
        match write_range(node, cell, group, one).await {
            Ok(()) => {}
            Err(Refused::Gone | Refused::Passes(_)) => return false,
            Err(Refused::ForGood(why)) => {
                let DeadLetters { first_offset, last_offset, .. } = one;
                tracing::error!(
                    group = %Shown(group), topic_id = %cell.key.topic_id, partition = cell.key.partition, first_offset, last_offset, why = %Shown(&why),
                    "records that a share group cannot process are not in its dead-letter queue, and are done with"
                );
            }
        }
    }
    true
}

async fn write_range(
    node: &Node,
    cell: &Arc<PartitionCell>,
    group: &Str,
    letters: &DeadLetters,
) -> Result<(), Refused> {
    let mut next = letters.first_offset;
    let mut patience = Patience { pause_ms: PAUSE_MS };
    let (mut is_told, mut is_too_large) = (false, false);
    while next <= letters.last_offset {
        let view = node.leader_view(node.latest_ms(), cell, -1).map_err(|_| Refused::Gone)?;
        let (queue, target) = place(node, cell, group).await?;
        // What was trimmed or compacted meanwhile is told without its bytes, as Kafka does.
        let (known, last) = if queue.copies && !is_too_large {
            read(node, LogView::clone(&view), (next, letters.last_offset)).await?
        } else {
            (BTreeMap::new(), letters.last_offset)
        };
        drop(view);
        let image = node.image();
        let topic = image.topics.by_id(cell.key.topic_id).map(|topic| topic.name.clone());
        let topic = topic.unwrap_or_else(|| Str::from(cell.key.topic_id.to_string()));
        let origin = Origin { group, topic: &topic, partition: cell.key.partition };
        let max_bytes = target.topic.settings.load().rules.max_message_bytes;
        let wall_ms = node.wall_ms(node.latest_ms());
        let max_bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        let (records, included) =
            dead_letters::batch(&origin, letters, (next, last), &known, max_bytes, wall_ms);
        match produce(node, &target, records).await {
            Ok(()) => {
                next = included.saturating_add(1);
                (patience.pause_ms, is_too_large) = (PAUSE_MS, false);
            }
            // Its bytes and what is told of it do not fit together.
            Err(Refused::Passes(ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge))
                if !known.is_empty() =>
            {
                is_too_large = true;
            }
            Err(Refused::Passes(error)) if error.is_retriable() => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(group = %Shown(group), queue = %Shown(&queue.topic), ?error, "a dead-letter queue cannot be written now; trying again");
                }
                patience.wait(node).await?;
            }
            Err(Refused::Passes(error)) => {
                return Err(Refused::ForGood(format!("{}: {}", queue.topic, error.message())));
            }
            Err(refused) => return Err(refused),
        }
    }
    Ok(())
}

/// A partition of a queue.
struct Target {
    topic: Arc<TopicViews>,
    partition: i32,
}

/// Where the letters of a partition go. Waits for a topic that has to be made first.
async fn place(node: &Node, cell: &PartitionCell, group: &Str) -> Result<(Queue, Target), Refused> {
    let mut patience = Patience { pause_ms: CREATION_PAUSE_MS };
    loop {
        let image = node.image();
        let Some(queue) = queue_of(&image, group) else {
            return Err(Refused::ForGood(format!(
                "Configured DLQ topic name in share group: {group} is empty."
            )));
        };
        if let Some(why) = dead_letters::refusal(&image, (node.node_id(), node.config()), group, &queue.topic)
        {
            return Err(Refused::ForGood(why));
        }
        if let Some(topic) = node.views().by_name(&queue.topic) {
            let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
            let partition = cell.key.partition % partitions.max(1);
            return Ok((queue, Target { topic, partition }));
        }
        if image.topics.by_name(&queue.topic).is_none() {
            node.create_unasked(vec![dead_letters::creation_of(&queue.topic, node.config())]);
        }
        drop(image);
        if node.leader_view(node.latest_ms(), cell, -1).is_err() {
            return Err(Refused::Gone);
        }
        patience.wait(node).await?;
    }
}

/// Records of a range as far as they are there, and up to where that is known.
async fn read(
    node: &Node,
    view: LogView,
    range: (i64, i64),
) -> Result<(BTreeMap<i64, Record>, i64), Refused> {
    let (reply, answer) = reply();
    node.read_cold(move || reply.send(read_of(&view, range)));
    answer.await.map_err(|_| Refused::Gone)
}

fn read_of(view: &LogView, (first, last): (i64, i64)) -> (BTreeMap<i64, Record>, i64) {
    let mut known = BTreeMap::new();
    let mut from = first.max(view.log_start_offset);
    let mut kept = 0;
    while from <= last {
        let most = u32::try_from(COPIED_BYTES).unwrap_or(u32::MAX);
        // What cannot be read is told of without its bytes.
        let Ok(fetched) = view.read(from, most, ReadLimit::HighWatermark, true) else { break };
        let mut records = fetched.records;
        if records.is_empty() {
            break;
        }
        while !records.is_empty() {
            let Ok(batch) = RecordBatch::take(&mut records) else { break };
            let next = batch.header().next_offset();
            if batch.header().is_control() || next <= from {
                from = from.max(next);
                continue;
            }
            let Ok(each) = batch.records(DecompressLimit::default()) else {
                from = next;
                continue;
            };
            for record in each.map_while(Result::ok).filter(|record| (first..=last).contains(&record.offset))
            {
                if kept >= COPIED_BYTES {
                    return (known, record.offset - 1);
                }
                let bytes = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
                kept += bytes(&record.key) + bytes(&record.value);
                known.insert(record.offset, record);
            }
            from = next;
        }
    }
    (known, last)
}

async fn produce(node: &Node, target: &Target, records: Bytes) -> Result<(), Refused> {
    let image = node.image();
    let known = image.topics.by_id(target.topic.id).and_then(|topic| topic.partition(target.partition));
    let leader = known.map(|partition| partition.leader).filter(|leader| *leader >= 0);
    drop(image);
    let error = match leader {
        None => ErrorCode::LeaderNotAvailable,
        Some(leader) if leader == node.node_id() => produce_here(node, target, records).await?,
        Some(leader) => produce_there(node, leader, target, records).await,
    };
    if error == ErrorCode::None { Ok(()) } else { Err(Refused::Passes(error)) }
}

async fn produce_here(node: &Node, target: &Target, records: Bytes) -> Result<ErrorCode, Refused> {
    let Some(cell) = target.topic.partition(target.partition).cloned() else {
        return Ok(ErrorCode::UnknownTopicOrPartition);
    };
    let now_ms = node.latest_ms();
    let batches = match validate_produce(records, &target.topic.settings.load().rules, node.wall_ms(now_ms)) {
        Ok(batches) => batches,
        Err(invalid) => return Ok(invalid.error_code()),
    };
    let append = Append {
        entries: vec![AppendEntry { cell: Arc::clone(&cell), batches, place: AnswerLine::default() }],
        origin: AppendOrigin::Client,
        all: true,
        deadline_ms: now_ms.saturating_add(PATIENCE_MS),
    };
    let (reply, answer) = reply();
    node.submit(now_ms, &cell, Command::Append(append, reply));
    let results = answer.await.map_err(|_| Refused::Gone)?;
    Ok(results.first().map_or(ErrorCode::UnknownServerError, |(_, produced)| produced.error))
}

async fn produce_there(node: &Node, leader: i32, target: &Target, records: Bytes) -> ErrorCode {
    let partition = PartitionProduceData { index: target.partition, records: Some(records) };
    let request = ProduceRequest {
        transactional_id: None,
        acks: -1,
        timeout_ms: i32::try_from(PATIENCE_MS).unwrap_or(i32::MAX),
        topic_data: vec![TopicProduceData {
            name: target.topic.name.clone(),
            topic_id: target.topic.id,
            partition_data: vec![partition],
        }],
    };
    let now_ms = node.latest_ms();
    let answer = node.question_broker::<ProduceResponse>(
        now_ms,
        leader,
        Purpose::ShareState,
        ApiKey::Produce,
        request,
    );
    match answer.await {
        Ok(Ok(response)) => {
            let topic = response.responses.into_iter().next();
            let partitions = topic.into_iter().flat_map(|topic| topic.partition_responses);
            let said = partitions.into_iter().find(|one| one.index == target.partition);
            said.map_or(ErrorCode::UnknownServerError, |one| ErrorCode::from_code(one.error_code))
        }
        Ok(Err(NoAnswer::Unsupported)) => ErrorCode::UnsupportedVersion,
        Ok(Err(
            NoAnswer::Unreachable
            | NoAnswer::Refused
            | NoAnswer::Lost
            | NoAnswer::TimedOut
            | NoAnswer::Malformed,
        ))
        | Err(_) => ErrorCode::NetworkException,
    }
}
