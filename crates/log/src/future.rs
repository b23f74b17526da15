//! A replica on its way to another log directory of its broker (KIP-113): the future log. Owns copying whole batches out of the
//! current log's views, in slices, and the moment at which it becomes the current one. Who runs the slices, when the move is
//! agreed upon and what becomes of the old log are the broker's.
//!
//! ```text
//! copy, copy, … (pool) ── takes_over (the shard's turn): the last batches, names ── flushed ── the old log may be deleted
//! ```
//! Until the new log is flushed, the old one holds everything that was acknowledged: whoever finds both after a crash takes the
//! one that reaches further.

use crate::config::LogConfig;
use crate::disk::Disk;
use crate::epochs::EpochCache;
use crate::fault::Fault;
use crate::fetched::ReadRefused;
use crate::log::Log;
use crate::open::OpenMode;
use crate::view::{LogView, ReadLimit};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::Uuid;
use wire::record_batch::BatchHeader;

/// A log that is being filled from another one.
#[derive(Debug)]
pub struct FutureLog {
    log: Log,
    /// Its end was compared with the current log's: what it holds was a part of that.
    is_aligned: bool,
}

/// Why a copy cannot go on.
#[derive(Clone, Debug)]
pub enum CopyStop {
    /// The disk that is read from.
    Source(Fault),
    /// The disk that is written to. A full one is no reason to give up.
    Target(Fault),
    /// A batch of the current log is damaged: it can be neither copied nor left out.
    Unreadable(String),
}

/// Where a future log stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FutureState {
    /// Where it begins.
    pub log_start_offset: i64,
    /// The offset the next record will get.
    pub log_end_offset: i64,
    /// Everything below is on the platter.
    pub recovery_point: i64,
    /// Bytes of its segments.
    pub size_bytes: u64,
}

/// What one read of a copy brings; the log's largest batch, if that is more.
const READ_BYTES: u32 = 1 << 20;

impl FutureLog {
    /// A new one, with a directory that says whose it is: a start after a crash finds it and goes on.
    pub fn create(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        config: Arc<LogConfig>,
        topic_id: Uuid,
    ) -> Result<FutureLog, Fault> {
        let mut log = Log::unwritten(disk, directory, config, topic_id);
        log.disk.create_directory(&log.directory)?;
        log.dirty.parent();
        log.dirty.directory();
        log.write_partition_metadata(topic_id)?;
        Ok(FutureLog { log, is_aligned: false })
    }

    /// One that an earlier life of the process began. It was never closed, whatever its log directory says.
    pub fn resume(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        config: Arc<LogConfig>,
        mode: OpenMode,
        now_ms: i64,
    ) -> Result<FutureLog, Fault> {
        let mode = OpenMode { clean_shutdown: false, cleaned_offset: None, ..mode };
        let log = Log::open(disk, directory, config, mode, now_ms)?;
        Ok(FutureLog { log, is_aligned: false })
    }

    /// Where it is filled.
    pub fn directory(&self) -> &Path {
        &self.log.directory
    }

    /// Where it stands.
    pub fn state(&self) -> FutureState {
        FutureState {
            log_start_offset: self.log.log_start_offset,
            log_end_offset: self.log.log_end_offset,
            recovery_point: self.log.recovery_point,
            size_bytes: self.log.size_bytes(),
        }
    }

    /// Copies up to `max_bytes` of what the current log has more; answers how many. Nothing is copied once the ends meet.
    pub fn copy(&mut self, source: &LogView, max_bytes: u64, now_ms: i64) -> Result<u64, CopyStop> {
        // Each time: the current log may have been truncated since, and have been written to again (a follower of another leader).
        if !self.is_aligned || !self.still_fits(source) {
            self.align(source)?;
            self.is_aligned = true;
        }
        let mut copied = 0;
        while copied < max_bytes && self.log.log_end_offset < source.log_end_offset {
            if self.log.log_end_offset < source.log_start_offset {
                self.start_anew(source)?;
                continue;
            }
            let from = self.log.log_end_offset;
            let most = u32::try_from(max_bytes - copied).unwrap_or(READ_BYTES).min(READ_BYTES);
            let fetched = source.read(from, most, ReadLimit::LogEnd, true).map_err(stop)?;
            if fetched.records.is_empty() {
                // Compaction took the last batches: the log ends there nevertheless.
                self.end_at(source.log_end_offset, now_ms).map_err(CopyStop::Target)?;
                break;
            }
            copied += fetched.records.len() as u64;
            self.append(fetched.records, now_ms)?;
        }
        Ok(copied)
    }

    /// Makes what was copied durable.
    pub fn flush(&mut self) -> Result<(), Fault> {
        self.log.flush()
    }

    fn still_fits(&self, source: &LogView) -> bool {
        let end = self.log.log_end_offset;
        end <= source.log_end_offset && (end == self.log.log_start_offset || self.log.is_part_of(source))
    }

    /// What it has beyond the current log, or otherwise than that, goes: after a crash either may have lost what it did not flush.
    fn align(&mut self, source: &LogView) -> Result<(), CopyStop> {
        let end = common_end(&self.log.epochs, self.log.log_end_offset, source);
        if end <= self.log.log_start_offset || end < source.log_start_offset {
            return self.start_anew(source);
        }
        self.log.truncate_to(end).map_err(CopyStop::Target)
    }

    /// The current log begins later by now, or nothing was copied yet: begins with its first batch.
    fn start_anew(&mut self, source: &LogView) -> Result<(), CopyStop> {
        let from = source.log_start_offset;
        let first = source.read(from, 0, ReadLimit::LogEnd, true).map_err(stop)?;
        let begins =
            BatchHeader::parse(&first.records).map_or(source.log_end_offset, |batch| batch.base_offset);
        self.log.truncate_fully_and_start_at(begins, None).map_err(CopyStop::Target)?;
        if begins < from && !first.records.is_empty() {
            // The batch that holds the log start offset; it is hidden up to there when the log takes over.
            self.append(first.records, 0)?;
        }
        Ok(())
    }

    /// Appends whole batches.
    fn append(&mut self, records: Bytes, now_ms: i64) -> Result<(), CopyStop> {
        let (from, most) = (self.log.log_end_offset, records.len());
        match self.log.append_replicated(records, i32::MAX, now_ms).map_err(CopyStop::Target)? {
            Some(refused) => Err(CopyStop::Unreadable(refused.to_string())),
            None if self.log.log_end_offset == from && most > 0 => {
                Err(CopyStop::Unreadable("a batch is cut short".to_owned()))
            }
            None => Ok(()),
        }
    }

    fn end_at(&mut self, offset: i64, now_ms: i64) -> Result<(), Fault> {
        assert!(offset >= self.log.log_end_offset, "a copy that has more ends no earlier");
        if self.log.has_files() {
            self.log.roll(offset, now_ms)?;
            self.log.log_end_offset = offset;
            Ok(())
        } else {
            self.log.truncate_fully_and_start_at(offset, None)
        }
    }

    /// The future log becomes the current one, in `directory`: takes the last batches, and all that the other knows besides them.
    /// Nothing is synced; the next flush proves bytes and names together. If it fails, the other one is as it was.
    pub fn take_over(mut self, source: &mut Log, directory: PathBuf, now_ms: i64) -> Result<Log, CopyStop> {
        source.call_off_cleaning().map_err(CopyStop::Source)?;
        self.copy(&source.view(), u64::MAX, now_ms)?;
        let mut log = self.log;
        // One that had more would give out again what was never acknowledged.
        assert_eq!(
            log.log_end_offset, source.log_end_offset,
            "a log that takes over ends where the other does"
        );
        log.advance_high_watermark(source.high_watermark);
        if source.log_start_offset > log.log_start_offset {
            log.delete_records_before(source.log_start_offset).map_err(CopyStop::Target)?;
        }
        log.disk.rename_directory(&log.directory, &directory).map_err(CopyStop::Target)?;
        for segment in &log.segments.segments {
            segment.moved_to(&directory);
        }
        for file in log.removals.iter().flat_map(|removal| &removal.files) {
            if let Some(name) = file.path().file_name() {
                file.moved_to(directory.join(name));
            }
        }
        log.dirty.moved_to(&directory);
        log.dirty.supersede(&source.dirty);
        log.directory = directory;
        log.epochs = Arc::clone(&source.epochs);
        log.dirty.epochs();
        log.cleaned_offset = source.cleaned_offset;
        log.producers = source.producers.take();
        // What retention took from the log is still known of its producers: a snapshot says so where the batches cannot.
        if log.producers.is_some()
            && let Err(fault) = log.renew_snapshot()
        {
            log.poison(&fault);
        }
        log.check();
        Ok(log)
    }
}

impl Log {
    /// As `take_snapshot`, over one that may be there.
    fn renew_snapshot(&mut self) -> Result<(), Fault> {
        self.snapshots.remove(&self.log_end_offset);
        self.take_snapshot()
    }

    /// A log without a file begins again in another directory: there is nothing to copy.
    pub fn is_unwritten(&self) -> bool {
        !self.has_files() && self.log_end_offset == 0
    }

    /// Whether all that it holds is in another one, too: the same epochs up to its end.
    pub fn is_part_of(&self, other: &LogView) -> bool {
        common_end(&self.epochs, self.log_end_offset, other) == self.log_end_offset
    }

    /// How far it reaches: a log with a later epoch, or with the same one and a later end, holds more of what was acknowledged.
    pub fn reach(&self) -> (Option<i32>, i64) {
        (self.latest_epoch(), self.log_end_offset)
    }

    /// Puts a log that is unwritten elsewhere.
    pub fn relocate_unwritten(&mut self, directory: PathBuf) {
        self.directory = directory;
    }
}

/// The first offset at which two logs may differ: leader epochs tell (KIP-101), as between a follower and its leader.
fn common_end(epochs: &EpochCache, end_offset: i64, source: &LogView) -> i64 {
    let mut end = end_offset.min(source.log_end_offset);
    for entry in epochs.entries().iter().rev() {
        if entry.start_offset >= end {
            continue;
        }
        match source.end_offset_for_epoch(entry.epoch) {
            Some((epoch, ends)) if epoch == entry.epoch => return end.min(ends),
            Some(_) | None => end = entry.start_offset,
        }
    }
    // Without a common epoch nothing is known to be the same.
    epochs.entries().first().map_or(0, |first| first.start_offset.min(end))
}

fn stop(refused: ReadRefused) -> CopyStop {
    match refused {
        ReadRefused::Storage(fault) => CopyStop::Source(fault),
        ReadRefused::Corrupt { .. } | ReadRefused::OffsetOutOfRange { .. } => {
            CopyStop::Unreadable(refused.to_string())
        }
    }
}

#[cfg(test)]
mod tests;
