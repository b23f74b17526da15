//! A damaged place of a replica here is made good: another replica in sync is asked for its batches, as a consumer would, and the shard
//! writes them over the damage. Decides who is asked; how often is `replication/repairs.rs`'s, whether what comes is what was there is the log's business
//! (`log/src/repair.rs`); with a sole copy there is nobody to ask.

use std::ops::Range;

use bytes::Bytes;
use kraft::image::NO_LEADER;
use wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use wire::{ApiKey, Str};

use super::Node;
use crate::command::{Command, Repair};
use crate::mailbox::call_back;
use crate::peers::{NoAnswer, Purpose};

/// Bytes that are asked for; damage that is larger stays.
const MAX_BYTES: i32 = 16 << 20;

impl Node {
    /// A reader was told of damage at these offsets.
    pub(crate) fn repair(&self, now_ms: i64, topic: &str, partition: i32, damaged: Range<i64>) {
        let views = self.views().by_name(topic);
        let Some(cell) = views.and_then(|views| views.partition(partition).cloned()) else { return };
        let Some(broker) = self.another_in_sync(topic, partition) else { return };
        if !self.0.repairs.begin(now_ms, cell.key) {
            return;
        }
        let wanted = FetchPartition {
            partition,
            fetch_offset: damaged.start,
            partition_max_bytes: MAX_BYTES,
            ..FetchPartition::default()
        };
        let request = FetchRequest {
            min_bytes: 1,
            max_bytes: MAX_BYTES,
            topics: vec![FetchTopic {
                topic: Str::from(topic),
                topic_id: cell.key.topic_id,
                partitions: vec![wanted],
            }],
            ..FetchRequest::default()
        };
        let node = self.clone();
        let reply = call_back(move |answer: Result<Result<FetchResponse, NoAnswer>, _>| {
            let response = answer.ok().and_then(Result::ok);
            let Some(records) = response.and_then(|response| committed(response, damaged.end)) else {
                return;
            };
            let repair = Repair { cell: cell.clone(), damaged, records, broker };
            node.submit(node.latest_ms(), &cell, Command::Repair(Box::new(repair)));
        });
        self.ask_broker(now_ms, broker, Purpose::Repairs, ApiKey::Fetch, request, reply);
    }

    /// Who else has all that is committed: the leader rather than another one.
    fn another_in_sync(&self, topic: &str, partition: i32) -> Option<i32> {
        let image = self.image();
        let partition = image.topics.by_name(topic)?.partition(partition)?;
        let other = |id: &i32| *id != self.node_id() && *id != NO_LEADER;
        let leader = Some(partition.leader).filter(|leader| other(leader));
        leader.or_else(|| partition.isr.iter().copied().find(|id| other(id) && image.cluster.is_active(*id)))
    }
}

/// What a replica has, if all of it up to `end` is committed there.
fn committed(response: FetchResponse, end: i64) -> Option<Bytes> {
    let partition = response.responses.into_iter().next()?.partitions.into_iter().next()?;
    let good = partition.error_code == 0 && partition.high_watermark >= end;
    partition.records.filter(|records| good && !records.is_empty())
}
