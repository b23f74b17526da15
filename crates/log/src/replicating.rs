//! Batches of another replica, taken as they are: checked one by one, and as far as they are right. A follower takes from its leader what
//! comes before the first batch that is damaged, does not follow the log's end or is of a later epoch than the leader it follows, and
//! nothing behind it (KAFKA-18723). Never decides what to truncate.

use crate::append::AppendRefused;
use crate::config::LogConfig;
use crate::fault::Fault;
use crate::log::Log;
use bytes::Bytes;
use std::sync::Arc;
use wire::planted::{self, Bug};
use wire::record_batch::{BatchError, RecordBatch};

/// Takes the next batch out of `records`, which must begin at `next_offset` or after it; `None` at the end and before a torn one.
pub(crate) fn take_batch(
    records: &mut Bytes,
    next_offset: &mut i64,
) -> Result<Option<RecordBatch>, AppendRefused> {
    if records.is_empty() {
        return Ok(None);
    }
    let batch = match RecordBatch::take(records) {
        Ok(batch) => batch,
        Err(BatchError::Truncated { .. }) => return Ok(None),
        Err(error) => return Err(AppendRefused::Invalid(error)),
    };
    if !planted::has(Bug::SpoilsWhatItTakes) {
        batch.verify_crc().map_err(AppendRefused::Invalid)?;
    }
    // Offsets end where their numbers do: a batch that reaches beyond has none.
    if batch.base_offset < *next_offset || batch.next_offset() <= batch.base_offset {
        return Err(AppendRefused::OffsetsOutOfOrder { expected: *next_offset, found: batch.base_offset });
    }
    *next_offset = batch.next_offset();
    Ok(Some(batch))
}

impl Log {
    /// Appends replicated batches in order, up to the first that may not be: what was wrong with that is answered, and what came
    /// before it is in the log. A torn batch at the end is left out, for the other replica cut it there.
    pub fn append_replicated(
        &mut self,
        mut records: Bytes,
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<Option<AppendRefused>, Fault> {
        let (mut fits, mut size, mut refused) = (Vec::new(), 0, None);
        let mut next_offset = self.log_end_offset;
        if planted::has(Bug::SpoilsWhatItTakes) {
            records = planted::spoiled(&records);
        }
        loop {
            let batch = match take_batch(&mut records, &mut next_offset) {
                Ok(Some(batch)) if batch.partition_leader_epoch > leader_epoch => {
                    let found = batch.partition_leader_epoch;
                    refused = Some(AppendRefused::EpochOfAnother { current: leader_epoch, found });
                    None
                }
                Ok(batch) => batch,
                Err(wrong) => {
                    refused = Some(wrong);
                    None
                }
            };
            // As many at once as a segment takes.
            let bytes = batch.as_ref().map_or(0, |batch| batch.size_in_bytes());
            let is_full = size > 0 && size + bytes > self.config.segment_bytes as usize;
            if (batch.is_none() || is_full) && !fits.is_empty() {
                match self.append_whole(&std::mem::take(&mut fits), size, now_ms) {
                    Ok(()) => size = 0,
                    Err(AppendRefused::Storage(fault)) => return Err(fault),
                    Err(wrong) => return Ok(Some(wrong)),
                }
            }
            let Some(batch) = batch else { return Ok(refused) };
            size += bytes;
            fits.push(batch);
        }
    }

    /// Where one batch is larger than a segment may be, it was written when segments were allowed to be larger.
    fn append_whole(
        &mut self,
        batches: &[RecordBatch],
        size: usize,
        now_ms: i64,
    ) -> Result<(), AppendRefused> {
        if size <= self.config.segment_bytes as usize {
            return self.append_batches(batches, now_ms).map(drop);
        }
        let segment_bytes = u32::try_from(size).unwrap_or(u32::MAX);
        let larger = Arc::new(LogConfig { segment_bytes, ..LogConfig::clone(&self.config) });
        let configured = std::mem::replace(&mut self.config, larger);
        let appended = self.append_batches(batches, now_ms);
        self.config = configured;
        appended.map(drop)
    }
}

#[cfg(test)]
mod tests;
