//! What share partitions of this node want, carried out: their state is loaded from the share coordinator, wherever it is, and stored there.
//! Where a group begins that was never here before is found in the log. Decides nothing about records.

use std::sync::Arc;

use coordinator::share_partition::{StateWrite, Stored, StoredBatch, StoredState, UNINITIALIZED};
use log::{OffsetSpec, ReadLimit, ReadRefused};
use wire::messages::read_share_group_state::PartitionResult;
use wire::messages::write_share_group_state::{PartitionData, StateBatch};
use wire::{ErrorCode, Str};

use super::Node;
use crate::command::Command;
use crate::node::dead_letters;
use crate::node::share_state::{self, SharePartition};
use crate::share::hosting::told;
use crate::share::question::{ShareAsk, ShareErrand, ShareQuestion, ShareWish};
use crate::share::sessions::{Ended, MemberKey, ShareSessions};
use crate::share::settings::{OffsetReset, offset_reset};
use crate::views::PartitionCell;

impl Node {
    /// Members of share groups that are connected to this node.
    pub(crate) fn share_sessions(&self) -> &ShareSessions {
        &self.0.share_sessions
    }

    /// Asks a share partition.
    pub(crate) fn ask_share(
        &self,
        now_ms: i64,
        cell: &Arc<PartitionCell>,
        group: &Str,
        question: ShareQuestion,
    ) {
        let ask = ShareAsk { cell: Arc::clone(cell), group: group.clone(), question };
        self.submit(now_ms, cell, Command::Share(Box::new(ask)));
    }

    /// A member's session ends, by its own wish or with the connection that began it: what it holds is for others.
    pub(crate) fn end_share_session(&self, now_ms: i64, key: &MemberKey, serial: Option<u64>) {
        let Some(Ended { partitions, is_last_of_group }) = self.0.share_sessions.end(key, serial) else {
            return;
        };
        let (group, member) = key;
        for (topic_id, partition) in partitions {
            let topic = self.views().by_id(topic_id);
            let Some(cell) = topic.and_then(|topic| topic.partition(partition).cloned()) else { continue };
            self.ask_share(now_ms, &cell, group, ShareQuestion::Release { member: member.clone() });
            if is_last_of_group {
                self.ask_share(now_ms, &cell, group, ShareQuestion::GroupLeft);
            }
        }
    }

    pub(super) fn share(&self, wish: ShareWish) {
        let node = self.clone();
        self.in_background(async move {
            let ShareWish { cell, group, generation, leader_epoch, errand } = wish;
            let of = SharePartition {
                group: group.clone(),
                topic_id: cell.key.topic_id,
                partition: cell.key.partition,
            };
            let question = match errand {
                ShareErrand::Load => {
                    let state = node.load_share(&cell, &of, leader_epoch).await.map_err(told);
                    ShareQuestion::Loaded { generation, state }
                }
                ShareErrand::Write(write) => {
                    let id = write.id;
                    let state = to_store(&cell, leader_epoch, write);
                    let outcome = share_state::write(&node, &of, state).await.map_err(told);
                    ShareQuestion::Written { generation, write: id, outcome }
                }
                ShareErrand::DeadLetters(letters) => {
                    if !dead_letters::write(&node, &cell, &group, &letters).await {
                        return;
                    }
                    ShareQuestion::DeadLettered { generation }
                }
            };
            node.ask_share(node.latest_ms(), &cell, &group, question);
        });
    }

    async fn load_share(
        &self,
        cell: &Arc<PartitionCell>,
        of: &SharePartition,
        leader_epoch: i32,
    ) -> Result<Stored, ErrorCode> {
        let read = share_state::read(self, of, leader_epoch).await?;
        if read.start_offset != UNINITIALIZED {
            return stored(read);
        }
        let start_offset = self.first_offset(cell, &of.group)?;
        // DIVERGES: Kafka keeps it to itself until the first acknowledgement. Whoever leads after a fall of this node would begin anew, at
        // the end of the log perhaps, and pass over what was handed out and never acknowledged.
        let state = PartitionData {
            partition: of.partition,
            state_epoch: read.state_epoch,
            leader_epoch,
            start_offset,
            delivery_complete_count: 0,
            state_batches: Vec::new(),
        };
        share_state::write(self, of, state).await?;
        Ok(Stored { state_epoch: read.state_epoch, start_offset, batches: Vec::new() })
    }

    /// Where a group begins.
    fn first_offset(&self, cell: &PartitionCell, group: &str) -> Result<i64, ErrorCode> {
        let now_ms = self.latest_ms();
        let view = self.leader_view(now_ms, cell, -1)?;
        let spec = match offset_reset(&self.image(), group) {
            OffsetReset::Earliest => return Ok(view.log_start_offset),
            OffsetReset::Latest => return Ok(view.high_watermark),
            OffsetReset::ByDuration(duration_ms) => {
                OffsetSpec::Timestamp(self.wall_ms(now_ms).saturating_sub(duration_ms).max(0))
            }
        };
        match view.offset_for_timestamp(spec, ReadLimit::HighWatermark) {
            Ok(found) => Ok(found.map_or(view.high_watermark, |found| found.offset)),
            Err(ReadRefused::Storage(fault)) => {
                self.read_failed(now_ms, &fault);
                Err(ErrorCode::KafkaStorageError)
            }
            Err(ReadRefused::OffsetOutOfRange { .. } | ReadRefused::Corrupt { .. }) => {
                Err(ErrorCode::UnknownServerError)
            }
        }
    }
}

fn to_store(cell: &PartitionCell, leader_epoch: i32, write: StateWrite) -> PartitionData {
    let batch = |batch: StoredBatch| StateBatch {
        first_offset: batch.first_offset,
        last_offset: batch.last_offset,
        delivery_state: batch.state.code(),
        delivery_count: batch.delivery_count,
    };
    PartitionData {
        partition: cell.key.partition,
        state_epoch: write.state_epoch,
        leader_epoch,
        start_offset: write.start_offset,
        delivery_complete_count: write.delivery_complete_count,
        state_batches: write.batches.into_iter().map(batch).collect(),
    }
}

/// State as a coordinator tells it: what is below its start is past.
fn stored(read: PartitionResult) -> Result<Stored, ErrorCode> {
    let start_offset = read.start_offset;
    let mut batches = Vec::with_capacity(read.state_batches.len());
    for batch in read.state_batches {
        let state = StoredState::of_code(batch.delivery_state).ok_or(ErrorCode::UnknownServerError)?;
        if batch.last_offset >= start_offset {
            batches.push(StoredBatch {
                first_offset: batch.first_offset.max(start_offset),
                last_offset: batch.last_offset,
                state,
                delivery_count: batch.delivery_count,
            });
        }
    }
    batches.sort_unstable_by_key(|batch| batch.first_offset);
    Ok(Stored { state_epoch: read.state_epoch, start_offset, batches })
}
