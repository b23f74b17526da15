//! From a partition's fetched batches to records: checks, decompresses and reads one batch at a time, skips what the
//! reader must not see (control records, aborted transactions, offsets before the position). Pure.

use super::positions::Cursor;
use crate::error::{Error, Result};
use crate::offsets::IsolationLevel;
use crate::record::{ConsumerRecord, Header};
use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use wire::Str;
use wire::compress::DecompressLimit;
use wire::record_batch::{BatchError, BatchHeader, ControlType, RecordBatch, Records};
use wire::topic::TopicPartition;

/// One partition's part of a fetch answer.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) target: TopicPartition,
    pub(crate) cursor: Arc<Cursor>,
    pub(crate) batches: VecDeque<RecordBatch>,
    /// (producer id, first offset) of aborted transactions in this range, in order of first offset.
    pub(crate) aborted: VecDeque<(i64, i64)>,
}

/// How to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadRules {
    pub(crate) check_crcs: bool,
    pub(crate) isolation: IsolationLevel,
}

/// Reads the records of one [`Fetched`] in order.
#[derive(Debug)]
pub(crate) struct Reader {
    fetched: Fetched,
    rules: ReadRules,
    /// Producers inside an aborted transaction at this point.
    aborting: BTreeSet<i64>,
    open: Option<OpenBatch>,
}

#[derive(Debug)]
struct OpenBatch {
    header: BatchHeader,
    records: Records,
}

impl Reader {
    pub(crate) fn new(fetched: Fetched, rules: ReadRules) -> Reader {
        Reader { fetched, rules, aborting: BTreeSet::new(), open: None }
    }

    /// Whose records these are.
    pub(crate) fn target(&self) -> &TopicPartition {
        &self.fetched.target
    }

    /// The next record, and the position moves behind it. `None`: all read, or overtaken by a seek.
    pub(crate) fn next_record(&mut self) -> Option<Result<ConsumerRecord>> {
        loop {
            if !self.fetched.cursor.is_live() {
                return None;
            }
            let Some(open) = &mut self.open else {
                match self.open_next() {
                    Ok(true) => continue,
                    Ok(false) => return None,
                    Err(error) => return Some(Err(self.malformed(&error))),
                }
            };
            let header = open.header;
            match open.records.next() {
                None => {
                    self.open = None;
                    self.fetched.cursor.advance(header.next_offset(), header.partition_leader_epoch);
                }
                Some(Ok(record)) if record.offset < self.fetched.cursor.offset() => {}
                Some(Ok(record)) => {
                    self.fetched.cursor.advance(record.offset + 1, header.partition_leader_epoch);
                    return Some(self.convert(&header, record));
                }
                Some(Err(error)) => {
                    self.open = None;
                    self.fetched.batches.clear();
                    return Some(Err(self.malformed(&error)));
                }
            }
        }
    }

    /// Opens the next batch that the reader may see. False: there is none.
    fn open_next(&mut self) -> std::result::Result<bool, BatchError> {
        while let Some(batch) = self.fetched.batches.pop_front() {
            let header = *batch.header();
            if header.next_offset() <= self.fetched.cursor.offset() {
                continue;
            }
            if self.rules.check_crcs {
                batch.verify_crc().inspect_err(|_| self.fetched.batches.clear())?;
            }
            if self.is_hidden(&batch)? {
                self.fetched.cursor.advance(header.next_offset(), header.partition_leader_epoch);
                continue;
            }
            let records =
                batch.records(DecompressLimit::default()).inspect_err(|_| self.fetched.batches.clear())?;
            self.open = Some(OpenBatch { header, records });
            return Ok(true);
        }
        Ok(false)
    }

    /// Control batches always; with read_committed also batches of aborted transactions (KIP-98).
    fn is_hidden(&mut self, batch: &RecordBatch) -> std::result::Result<bool, BatchError> {
        let header = batch.header();
        if self.rules.isolation == IsolationLevel::ReadCommitted && header.has_producer_id() {
            while let Some((producer_id, _)) =
                self.fetched.aborted.pop_front_if(|(_, first_offset)| *first_offset <= header.last_offset())
            {
                self.aborting.insert(producer_id);
            }
            if header.is_control() {
                let records = batch.control_records()?;
                if records.iter().any(|record| record.kind == ControlType::Abort) {
                    self.aborting.remove(&header.producer_id);
                }
            } else if header.is_transactional() && self.aborting.contains(&header.producer_id) {
                return Ok(true);
            }
        }
        Ok(header.is_control())
    }

    fn convert(&self, header: &BatchHeader, record: wire::record_batch::Record) -> Result<ConsumerRecord> {
        let headers = record.headers.into_iter().map(|one| {
            let key = Str::from_utf8(one.key).ok_or_else(|| Error::Malformed {
                what: format!("a header of {} at offset {}", self.fetched.target, record.offset),
                why: "its name is not UTF-8".to_owned(),
            })?;
            Ok(Header { key, value: one.value })
        });
        Ok(ConsumerRecord {
            topic: self.fetched.target.topic.clone(),
            partition: self.fetched.target.partition,
            offset: record.offset,
            leader_epoch: header.partition_leader_epoch,
            timestamp_ms: record.timestamp,
            timestamp_type: header.timestamp_type(),
            key: record.key,
            value: record.value,
            headers: headers.collect::<Result<_>>()?,
        })
    }

    fn malformed(&self, error: &BatchError) -> Error {
        Error::Malformed {
            what: format!("a batch of {} at offset {}", self.fetched.target, self.fetched.cursor.offset()),
            why: error.to_string(),
        }
    }
}

/// The whole batches at the front; the broker may cut the last one off where the answer was full.
pub(crate) fn split_batches(
    mut records: Bytes,
    target: &TopicPartition,
    offset: i64,
) -> Result<VecDeque<RecordBatch>> {
    let mut batches = VecDeque::new();
    while !records.is_empty() {
        match RecordBatch::take(&mut records) {
            Ok(batch) => batches.push_back(batch),
            Err(BatchError::Truncated { .. }) => break,
            Err(error) => {
                return Err(Error::Malformed {
                    what: format!("what was fetched from {target} at offset {offset}"),
                    why: error.to_string(),
                });
            }
        }
    }
    Ok(batches)
}

#[cfg(test)]
mod tests;
