//! `LogView`: what readers see of a log, immutable and cheap to publish. Reading never enters the shard and never re-encodes
//! records; it locates whole batches, checks their CRC and hands out bytes.

use crate::buffers::ReadMemory;
use crate::disk::Disk;
use crate::epochs::EpochCache;
use crate::fetched::{Fetched, ReadRefused};
use crate::read::{Readable, Stop, Wanted};
use crate::read_ahead::ReadAhead;
use crate::segment_list::SegmentList;
use crate::source::{Reach, Source};
use crate::transactions::AbortedTransaction;
use std::sync::Arc;

/// Up to where a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadLimit {
    /// read_uncommitted consumers.
    HighWatermark,
    /// read_committed consumers.
    LastStable,
    /// Followers and the coordinators' own loading.
    LogEnd,
}

/// How much to read, and how.
#[derive(Clone, Copy, Debug)]
pub struct ReadTerms<'a> {
    /// Whole batches up to so many bytes.
    pub max_bytes: u32,
    /// Up to where.
    pub limit: ReadLimit,
    /// The first batch comes whatever its size.
    pub at_least_one: bool,
    /// How far it may go for them.
    pub reach: Reach,
    /// Who counts the memory until the last reference to the bytes is gone.
    pub memory: Option<&'a Arc<ReadMemory>>,
}

/// Timestamps asked of ListOffsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// -2
    Earliest,
    /// -1: high watermark or last stable offset by isolation.
    Latest,
    /// -3 (KIP-734)
    MaxTimestamp,
    /// -4 (KIP-405)
    EarliestLocal,
    /// -5 (KIP-1005): last offset in remote storage; none until tiering exists.
    LatestTiered,
    /// -6 (KIP-1023): first offset not yet in remote storage; none until tiering exists.
    EarliestPendingUpload,
    /// First offset whose timestamp is at least this.
    Timestamp(i64),
}

/// An answer of `offset_for_timestamp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// -1 where Kafka answers none.
    pub timestamp: i64,
    /// -1 where Kafka answers none.
    pub offset: i64,
    /// Leader epoch of that offset, if known.
    pub leader_epoch: Option<i32>,
}

/// One producer as DescribeProducers shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// As InitProducerId gave it.
    pub producer_id: i64,
    /// Grows with each incarnation.
    pub producer_epoch: i16,
    /// Of its last batch; -1 if it has none here.
    pub last_sequence: i32,
    /// Of its last batch; milliseconds.
    pub last_timestamp: i64,
    /// Of the coordinator that ended its last transaction here; -1 without one.
    pub coordinator_epoch: i32,
    /// -1 if no transaction is open.
    pub current_transaction_start_offset: i64,
}

/// A log at one instant. All offsets are consistent with each other; bytes below `log_end_offset` are readable.
#[derive(Clone, Debug)]
pub struct LogView {
    /// The first offset that may be read.
    pub log_start_offset: i64,
    /// Below it all in-sync replicas have everything; consumers read up to it.
    pub high_watermark: i64,
    /// No transaction is open below it; read_committed consumers read up to it.
    pub last_stable_offset: i64,
    /// The offset the next record will get.
    pub log_end_offset: i64,
    /// Everything below was flushed (fdatasync returned).
    pub recovery_point: i64,
    pub(crate) segments: Arc<SegmentList>,
    /// Bytes of the last segment that belong to this view.
    pub(crate) active_bytes: u32,
    /// Bytes of all segments of this view.
    pub(crate) total_bytes: u64,
    pub(crate) epochs: Arc<EpochCache>,
}

impl LogView {
    /// What readers see of a log that was never written, led in an epoch.
    pub fn unwritten(disk: Arc<dyn Disk>, leader_epoch: i32) -> LogView {
        let mut epochs = EpochCache::default();
        epochs.assign(leader_epoch, 0);
        LogView {
            log_start_offset: 0,
            high_watermark: 0,
            last_stable_offset: 0,
            log_end_offset: 0,
            recovery_point: 0,
            segments: Arc::new(SegmentList::new(disk, Vec::new())),
            active_bytes: 0,
            total_bytes: 0,
            epochs: Arc::new(epochs),
        }
    }

    /// The offset readers with `limit` may not reach.
    pub fn upper_bound(&self, limit: ReadLimit) -> i64 {
        match limit {
            ReadLimit::HighWatermark => self.high_watermark,
            ReadLimit::LastStable => self.last_stable_offset,
            ReadLimit::LogEnd => self.log_end_offset,
        }
    }

    /// Whole batches from the one holding `from`, at most `max_bytes` of them; with `at_least_one` the first batch comes
    /// whatever its size. Empty (not refused) from the limit up to the log's end. Waits for the platter if need be.
    pub fn read(
        &self,
        from: i64,
        max_bytes: u32,
        limit: ReadLimit,
        at_least_one: bool,
    ) -> Result<Fetched, ReadRefused> {
        let terms = ReadTerms { max_bytes, limit, at_least_one, reach: Reach::Platter, memory: None };
        let fetched = self.read_within(from, &terms)?;
        Ok(fetched.unwrap_or_else(|| Fetched::nothing(from)))
    }

    /// As [`LogView::read`]; `None` if the bytes are there, but out of the read's reach.
    pub fn read_within(&self, from: i64, terms: &ReadTerms<'_>) -> Result<Option<Fetched>, ReadRefused> {
        self.check_range(from)?;
        let &ReadTerms { max_bytes, limit, at_least_one, reach, memory } = terms;
        let wanted = Wanted { from, upto: self.upper_bound(limit), max_bytes, at_least_one };
        if from < wanted.upto && (max_bytes > 0 || at_least_one) {
            let source = Source { disk: &*self.segments.disk, reach, memory };
            for segment in self.readable_through(source, from) {
                match segment.read(wanted) {
                    Ok(Some(served)) => {
                        let ahead = served.window.map(|bytes| ReadAhead {
                            disk: Arc::clone(&self.segments.disk),
                            segment: Arc::clone(segment.segment),
                            bytes,
                        });
                        let ahead = match reach {
                            Reach::Memory => ahead,
                            Reach::Platter => {
                                ahead.iter().for_each(ReadAhead::ask);
                                None
                            }
                        };
                        return Ok(Some(Fetched { ahead, ..served.fetched }));
                    }
                    Ok(None) => {}
                    Err(Stop::Disk(fault)) if fault.is_would_block() => return Ok(None),
                    Err(stop) => return Err(segment.refused(stop)),
                }
            }
        }
        Ok(Some(Fetched::nothing(from)))
    }

    /// How many bytes a reader at `from` could have now, counted up to `enough`: what fetch.min.bytes is compared with. Reads
    /// a few headers, no records.
    pub fn available_bytes(&self, from: i64, limit: ReadLimit, enough: u32) -> Result<u32, ReadRefused> {
        self.check_range(from)?;
        let upto = self.upper_bound(limit);
        let mut available = 0u32;
        if from >= upto {
            return Ok(0);
        }
        for readable in self.readable_from(from) {
            if available >= enough || readable.segment.base_offset >= upto {
                break;
            }
            let start = match readable.find(from)? {
                Some(place) => place.position,
                None => continue,
            };
            let end = match upto < self.log_end_offset {
                true => readable.find(upto)?.map_or(readable.bytes, |limit| limit.position),
                false => readable.bytes,
            };
            available = available.saturating_add(end.saturating_sub(start));
        }
        Ok(available)
    }

    /// How many bytes a reader at `from` has before it, if it goes on from where it was and that can be told without a look at the disk.
    pub fn bytes_before(&self, from: i64, limit: ReadLimit) -> Option<u32> {
        let last = self.segments.segments.last().filter(|last| from >= last.base_offset)?;
        if self.upper_bound(limit) < self.log_end_offset {
            return None;
        }
        self.active_bytes.checked_sub(self.segments.trails.position(last, from)?)
    }

    /// OffsetForLeaderEpoch (KIP-101, KIP-279): the epoch answered for `epoch` and its end offset.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        self.epochs.end_offset(epoch, self.log_end_offset)
    }

    /// The leader epoch under which `offset` was appended.
    pub fn epoch_for_offset(&self, offset: i64) -> Option<i32> {
        self.epochs.epoch_for_offset(offset)
    }

    /// The newest leader epoch in the log.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.epochs.latest().map(|latest| latest.epoch)
    }

    /// All leader epochs of the log.
    pub fn epochs(&self) -> &EpochCache {
        &self.epochs
    }

    /// Aborted transactions that overlap `[from, upto)`, for read_committed consumers.
    pub fn aborted_transactions(&self, from: i64, upto: i64) -> Result<Vec<AbortedTransaction>, ReadRefused> {
        let mut overlapping = Vec::new();
        for readable in self.readable_from(from) {
            let entries = readable.segment.read_indexes(|indexes| match indexes.transactions.is_empty() {
                true => Ok(Vec::new()),
                false => indexes.transactions.entries(readable.source.disk),
            });
            for entry in entries.map_err(ReadRefused::Storage)? {
                if entry.last_offset >= from && entry.first_offset < upto {
                    overlapping.push(entry);
                }
                // Nothing written later can reach below this entry's last stable offset, which ends with its marker at the latest. Kafka's
                // followers write one that lies further where they took several transactions at once.
                if entry.last_stable_offset.min(entry.last_offset + 1) >= upto {
                    return Ok(overlapping);
                }
            }
        }
        Ok(overlapping)
    }

    /// Bytes of all segments of this view.
    pub fn size_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Segments of this view.
    pub fn segment_count(&self) -> usize {
        self.segments.segments.len()
    }

    fn check_range(&self, from: i64) -> Result<(), ReadRefused> {
        if from < self.log_start_offset || from > self.log_end_offset {
            let (log_start_offset, upto) = (self.log_start_offset, self.log_end_offset);
            return Err(ReadRefused::OffsetOutOfRange { log_start_offset, upto });
        }
        Ok(())
    }

    /// The segments from the one that holds `from` on, each with the bytes this view may read.
    pub(crate) fn readable_from(&self, from: i64) -> impl Iterator<Item = Readable<'_>> {
        self.readable_through(Source::of(&*self.segments.disk), from)
    }

    fn readable_through<'a>(&'a self, source: Source<'a>, from: i64) -> impl Iterator<Item = Readable<'a>> {
        let list = &self.segments;
        let first = list.floor(from).unwrap_or(0);
        list.segments.iter().enumerate().skip(first).map(move |(at, segment)| {
            let next = list.segments.get(at + 1);
            Readable {
                source,
                trails: Some(&list.trails),
                segment,
                bytes: if next.is_some() { segment.size() } else { self.active_bytes },
                end_offset: next.map_or(self.log_end_offset, |next| next.base_offset),
            }
        })
    }
}
