//! ListOffsets: offsets by timestamp, and the special ones (KIP-79, KIP-405, KIP-734, KIP-1005, KIP-1023). The only place of
//! this crate that decodes records, and only of the one batch that holds the answer.

use crate::fetched::ReadRefused;
use crate::read::{LocatedBatch, Readable};
use crate::view::{LogView, OffsetSpec, ReadLimit, TimestampOffset};
use bytes::Bytes;
use wire::compress::DecompressLimit;
use wire::record_batch::{BatchError, NO_TIMESTAMP, RecordBatch};

impl LogView {
    /// ListOffsets. `limit` is the reader's isolation: `Latest` answers it, a search by timestamp stays below it. `None` where
    /// Kafka answers offset -1.
    pub fn offset_for_timestamp(
        &self,
        spec: OffsetSpec,
        limit: ReadLimit,
    ) -> Result<Option<TimestampOffset>, ReadRefused> {
        let at = |offset| Ok(Some(self.answer(NO_TIMESTAMP, offset)));
        match spec {
            OffsetSpec::Earliest | OffsetSpec::EarliestLocal => at(self.log_start_offset),
            OffsetSpec::Latest => {
                let leader_epoch = self.latest_epoch();
                let offset = self.upper_bound(limit);
                Ok(Some(TimestampOffset { timestamp: NO_TIMESTAMP, offset, leader_epoch }))
            }
            OffsetSpec::LatestTiered | OffsetSpec::EarliestPendingUpload => Ok(None),
            OffsetSpec::MaxTimestamp => self.max_timestamp(limit),
            OffsetSpec::Timestamp(timestamp) => self.first_at_or_after(timestamp, limit),
        }
    }

    /// When the record at an offset was written, or the first one behind it where it is no more: by its own timestamp. `None` where there
    /// is none yet, or none that can be read. One batch is decoded, if its header does not tell.
    pub fn timestamp_at(&self, offset: i64, limit: ReadLimit) -> Result<Option<i64>, ReadRefused> {
        let from = offset.max(self.log_start_offset);
        if from >= self.upper_bound(limit) {
            return Ok(None);
        }
        for readable in self.readable_from(from) {
            let Some(place) = readable.find(from)? else { continue };
            if place.header.base_offset >= self.upper_bound(limit) {
                return Ok(None);
            }
            if place.header.base_timestamp == place.header.max_timestamp {
                return Ok(Some(place.header.max_timestamp));
            }
            // A batch whose last records a compaction has removed may have none so late.
            if let Some(found) = self.in_batch(&readable, &place, i64::MIN, from)? {
                return Ok(Some(found.timestamp));
            }
            return Ok(Some(place.header.max_timestamp));
        }
        Ok(None)
    }

    fn answer(&self, timestamp: i64, offset: i64) -> TimestampOffset {
        TimestampOffset { timestamp, offset, leader_epoch: self.epoch_for_offset(offset) }
    }

    fn max_timestamp(&self, limit: ReadLimit) -> Result<Option<TimestampOffset>, ReadRefused> {
        // The first of the segments with the largest timestamp, as the earliest such record is asked for.
        let mut best: Option<(Readable<'_>, i64, i64)> = None;
        for readable in self.readable_from(self.log_start_offset) {
            let largest = readable.segment.max_timestamp();
            let better = best.as_ref().is_none_or(|(_, timestamp, _)| largest.timestamp > *timestamp);
            if largest.timestamp > NO_TIMESTAMP && better {
                best = Some((readable, largest.timestamp, largest.offset));
            }
        }
        let Some((readable, timestamp, offset)) = best else { return Ok(None) };
        let found = match readable.find(offset) {
            Ok(Some(place)) => self.in_batch(&readable, &place, timestamp, i64::MIN)?,
            Ok(None) => None,
            Err(refused) => Some(self.at_damage(timestamp, refused)?),
        };
        Ok(found.filter(|found| found.offset < self.upper_bound(limit)))
    }

    fn first_at_or_after(
        &self,
        timestamp: i64,
        limit: ReadLimit,
    ) -> Result<Option<TimestampOffset>, ReadRefused> {
        let upto = self.upper_bound(limit);
        for readable in self.readable_from(self.log_start_offset) {
            if readable.segment.max_timestamp().timestamp < timestamp {
                continue;
            }
            let before = readable
                .segment
                .read_indexes(|indexes| indexes.times.floor(timestamp.saturating_sub(1), readable.source))
                .map_err(ReadRefused::Storage)?;
            // Everything up to that entry is older than what is asked for.
            let start = before.map_or(readable.segment.base_offset, |entry| {
                readable.segment.base_offset + i64::from(entry.relative)
            });
            let mut place = readable.find(start.max(self.log_start_offset));
            loop {
                let here = match place {
                    Ok(Some(here)) => here,
                    Ok(None) => break,
                    Err(refused) => {
                        let found = self.at_damage(timestamp, refused)?;
                        return Ok((found.offset < upto).then_some(found));
                    }
                };
                if here.header.base_offset >= upto {
                    return Ok(None);
                }
                if here.header.max_timestamp >= timestamp
                    && let Some(found) = self.in_batch(&readable, &here, timestamp, self.log_start_offset)?
                {
                    return Ok((found.offset < upto).then_some(found));
                }
                place = readable.next(&here);
            }
        }
        Ok(None)
    }

    /// The first record of a batch that is late enough.
    fn in_batch(
        &self,
        readable: &Readable<'_>,
        place: &LocatedBatch,
        timestamp: i64,
        from: i64,
    ) -> Result<Option<TimestampOffset>, ReadRefused> {
        let bytes = match readable.batch(place) {
            Ok(bytes) => bytes,
            Err(refused) => return self.at_damage(place.header.max_timestamp, refused).map(Some),
        };
        match first_in(bytes, timestamp, from) {
            Ok(found) => Ok(found.map(|(timestamp, offset)| self.answer(timestamp, offset))),
            Err(error) => {
                let refused = readable.bad_batch(place, error.to_string());
                self.at_damage(place.header.max_timestamp, refused).map(Some)
            }
        }
    }

    /// The search comes to what cannot be read: that is where the answer may be, and whoever reads there hears that it is damaged.
    /// DIVERGES: Kafka answers what it makes of the bytes, or an error that clients try again until their time is over.
    fn at_damage(&self, timestamp: i64, refused: ReadRefused) -> Result<TimestampOffset, ReadRefused> {
        match refused {
            ReadRefused::Corrupt { offset, .. } => {
                Ok(self.answer(timestamp, offset.max(self.log_start_offset)))
            }
            other @ (ReadRefused::OffsetOutOfRange { .. } | ReadRefused::Storage(_)) => Err(other),
        }
    }
}

/// Time and offset of the first record of a batch that is late enough and not below `from`.
fn first_in(batch: Bytes, timestamp: i64, from: i64) -> Result<Option<(i64, i64)>, BatchError> {
    let batch = RecordBatch::parse(batch)?;
    for record in batch.records(DecompressLimit::default())? {
        let record = record?;
        if record.timestamp >= timestamp && record.offset >= from {
            return Ok(Some((record.timestamp, record.offset)));
        }
    }
    Ok(None)
}
