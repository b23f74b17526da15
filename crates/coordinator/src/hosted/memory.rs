//! A log in memory for tests of what is hosted; it can be made to refuse.

use super::Journal;
use bytes::Bytes;
use wire::ErrorCode;
use wire::record_batch::{BatchHeader, RecordBatch};

/// The log.
#[derive(Default)]
pub(crate) struct Memory {
    pub batches: Vec<RecordBatch>,
    pub end: i64,
    pub not_ready: Option<ErrorCode>,
    /// Although it is ready.
    pub fails: Option<ErrorCode>,
}

impl Journal for Memory {
    fn ready(&self) -> Result<(), ErrorCode> {
        self.not_ready.map_or(Ok(()), Err)
    }

    fn append(&mut self, batch: Bytes) -> Result<i64, ErrorCode> {
        // As the log of a partition does it: what `ready` promises is only that it was not so when it was asked.
        if let Some(error) = self.fails.or(self.not_ready) {
            return Err(error);
        }
        let base_offset = self.end;
        let header = BatchHeader::parse(&batch).unwrap();
        let mut bytes = batch.to_vec();
        bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
        self.end += i64::from(header.last_offset_delta) + 1;
        self.batches.extend(RecordBatch::split(Bytes::from(bytes)).unwrap());
        Ok(base_offset)
    }
}
