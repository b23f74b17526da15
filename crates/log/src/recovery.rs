//! Opening a partition directory: what a crash may have left is told apart from what it may not. Above the durable point the
//! first bad batch ends the log; below it a bad batch is corruption, reported and never cut. Indexes, snapshots and checkpoints
//! are caches: checked, and rebuilt from the log where they do not hold. Work is proportional to the tail, not to the log.

use crate::checkpoint;
use crate::config::LogConfig;
use crate::disk::Disk;
use crate::fault::{Fault, Operation};
use crate::index::{Entry, OffsetEntry};
use crate::leftovers::{self, Found};
use crate::log::Log;
use crate::names;
use crate::open::{Corruption, OpenMode, RecoveryReport};
use crate::scan::{Scanner, Step};
use crate::segment::{FoundFiles, Segment};
use crate::source::Source;
use std::path::PathBuf;
use std::sync::Arc;
use wire::Uuid;
use wire::planted::{self, Bug};

/// All segments after scanning.
#[derive(Debug)]
struct Scanned {
    segments: Vec<Arc<Segment>>,
    /// Of the last one.
    end: SegmentEnd,
    /// First offset that was scanned anew; `i64::MAX` if none was.
    replay_from: i64,
}

/// How a segment's bytes end.
#[derive(Clone, Copy, Debug)]
struct SegmentEnd {
    /// First offset after the last good batch (or the durable point, if bad bytes reach to the end).
    next_offset: i64,
    /// First offset that was scanned.
    scanned_from: i64,
    /// Bytes were cut: nothing after them counts.
    cut: bool,
    /// Bad bytes are kept at the end: nothing may be appended behind them.
    closed: bool,
}

impl Log {
    /// Opens (and after a crash recovers) the partition directory; one that does not exist yet is an empty log and is
    /// created by the first append. Only what lies above the durable point is ever cut.
    pub fn open(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        config: Arc<LogConfig>,
        mode: OpenMode,
        now_ms: i64,
    ) -> Result<Log, Fault> {
        let mut log = Log::empty(disk, directory, config, &mode, now_ms);
        if !log.disk.exists(&log.directory) {
            return Ok(log);
        }
        let found = leftovers::tidy(&*log.disk, &log.directory, !log.may_have_gaps())?;
        let mut report = RecoveryReport::default();
        log.check_topic_id(&found, &mode)?;
        log.load_epochs(&found, &mut report)?;
        log.snapshots = found.snapshots.iter().copied().collect();
        if !mode.clean_shutdown {
            // Names may be in the page cache only, after a kill or a failed sync: the next flush proves them, too.
            log.dirty.directory();
            log.dirty.parent();
        }
        if !found.segments.is_empty() {
            let rebuild_all = !report.rebuilt.is_empty();
            log.load(found.segments.into_iter().collect(), rebuild_all, &mode, &mut report)?;
        }
        log.settle_offsets(&mode)?;
        if report != RecoveryReport::default() {
            log.report = Some(Box::new(report));
        }
        log.check();
        Ok(log)
    }

    /// A directory of another topic of the same name (deleted and made again) is a fault the caller must settle.
    fn check_topic_id(&mut self, found: &Found, mode: &OpenMode) -> Result<(), Fault> {
        if !found.has_partition_metadata {
            return Ok(());
        }
        let path = self.directory.join(names::PARTITION_METADATA);
        // A torn file says nothing: it was never flushed, the image knows better.
        let Some(there) = checkpoint::read_partition_metadata(&self.disk.read_file(&path)?) else {
            return match mode.topic_id {
                Some(topic_id) => self.write_partition_metadata(topic_id),
                None => Ok(()),
            };
        };
        match mode.topic_id {
            Some(expected) if expected != there && is_nearly(expected, there) => {
                self.write_partition_metadata(expected)
            }
            Some(expected) if expected != there => {
                let what = format!("the directory belongs to topic id {there}, not {expected}");
                Err(Fault::corrupt(Operation::Open, &path, what))
            }
            Some(_) => Ok(()),
            None => {
                self.topic_id = Some(there);
                Ok(())
            }
        }
    }

    fn load_epochs(&mut self, found: &Found, report: &mut RecoveryReport) -> Result<(), Fault> {
        if found.has_epochs {
            let text = self.disk.read_file(&self.directory.join(names::LEADER_EPOCHS))?;
            match checkpoint::read_epochs(&text) {
                Some(epochs) => self.epochs = Arc::new(epochs),
                // Kafka makes the file empty before it first writes it.
                None if text.is_empty() => {}
                None => report.rebuilt.push(names::LEADER_EPOCHS.to_owned()),
            }
        }
        Ok(())
    }

    fn load(
        &mut self,
        files: Vec<(i64, FoundFiles)>,
        rebuild_all: bool,
        mode: &OpenMode,
        report: &mut RecoveryReport,
    ) -> Result<(), Fault> {
        let mut kept: Vec<FoundFiles> = Vec::with_capacity(files.len());
        let mut segments: Vec<Arc<Segment>> = Vec::with_capacity(files.len());
        for (at, (base_offset, found)) in files.iter().enumerate() {
            let stray = found.log == 0 && at + 1 < files.len();
            if stray && self.reaches_beyond(segments.last(), *base_offset)? {
                report.rebuilt.push(format!("{base_offset:020}.log: empty, removed"));
                for file in Segment::new(&self.directory, *base_offset).files() {
                    self.disk.remove(&file)?;
                }
                continue;
            }
            segments.push(Arc::new(Segment::found(&self.directory, *base_offset, *found, &*self.disk)?));
            kept.push(*found);
        }
        let sound = kept.iter().map(|found| !rebuild_all && has_sound_indexes(found)).collect();
        let scanned = self.scan_segments(segments, sound, mode, report)?;
        let beyond = scanned.segments.last().map_or(0, |last| last.base_offset + 1);
        self.set_segments(scanned.segments);
        self.log_end_offset = match scanned.end.closed {
            false => scanned.end.next_offset,
            // No offset that was acknowledged is given out again, and the next segment needs a name of its own.
            true => scanned.end.next_offset.max(mode.recovery_point).max(beyond),
        };
        self.load_producers(scanned.replay_from, report)?;
        if scanned.end.closed {
            // Bad bytes reach to the end of the log: they stay, appends go to a new segment behind them.
            self.roll(self.log_end_offset, self.active.created_ms)?;
        }
        Ok(())
    }

    /// Whether a segment's batches pass an offset: an empty file of that name then belongs to a roll that came to nothing.
    fn reaches_beyond(&self, segment: Option<&Arc<Segment>>, offset: i64) -> Result<bool, Fault> {
        let Some(segment) = segment else { return Ok(false) };
        let mut scanner = Scanner::new(&*self.disk, segment, 0, segment.base_offset);
        while matches!(scanner.step()?, Step::Batch { .. }) {}
        Ok(scanner.next_offset > offset)
    }

    /// Scans what has to be: after a crash the segments from the recovery point on, after a clean stop the last one's tail, and
    /// any whose indexes are missing.
    fn scan_segments(
        &mut self,
        mut segments: Vec<Arc<Segment>>,
        sound: Vec<bool>,
        mode: &OpenMode,
        report: &mut RecoveryReport,
    ) -> Result<Scanned, Fault> {
        // A segment that ends right at the recovery point may have been flushed before it was sealed: the room that was preallocated
        // for it may have come back behind it.
        let flushed = segments.partition_point(|segment| segment.base_offset < mode.recovery_point);
        let first_unflushed = if mode.clean_shutdown { segments.len() } else { flushed }.saturating_sub(1);
        let durable = if mode.clean_shutdown { i64::MAX } else { mode.recovery_point };
        // A clean stop has written down where the log ends.
        let known_end = match segments.last() {
            Some(last) if mode.clean_shutdown && mode.recovery_point > last.base_offset => {
                mode.recovery_point
            }
            Some(_) | None => i64::MAX,
        };
        let mut replay_from = i64::MAX;
        for (at, segment) in segments.clone().iter().enumerate() {
            let sound = sound.get(at).copied().unwrap_or(false);
            let unflushed = at >= first_unflushed;
            if sound && !unflushed {
                continue;
            }
            let start = match (sound, mode.clean_shutdown) {
                (true, true) => Start::LastEntry,
                (true, false) => Start::Below(mode.recovery_point),
                (false, true | false) => Start::Beginning,
            };
            let next_base = segments.get(at + 1).map(|next| next.base_offset);
            let limits = Limits {
                durable: if unflushed { durable } else { i64::MAX },
                next_base: next_base.unwrap_or(known_end),
            };
            if unflushed && !mode.clean_shutdown {
                // A sync may have failed in an earlier life of this process: then the page cache tells more than the platter has.
                self.disk.forget_cached(&segment.log)?;
            }
            let mut end = self.scan(segment, start, limits, report)?;
            if !sound {
                report.rebuilt.push(format!("{:020}.{}", segment.base_offset, names::OFFSET_INDEX));
            }
            if !sound || !mode.clean_shutdown {
                replay_from = replay_from.min(end.scanned_from);
            }
            if unflushed && !mode.clean_shutdown {
                self.note_unflushed(&segments, at);
            }
            self.check_end(segment, &mut end, next_base, durable, mode, report);
            if end.cut {
                self.drop_after(&segments, at, report)?;
                segments.truncate(at + 1);
            }
            if at + 1 == segments.len() {
                return Ok(Scanned { segments, end, replay_from });
            }
            self.seal(segment)?;
        }
        Err(Fault::corrupt(Operation::Recover, &self.directory, "no segment was looked at"))
    }

    /// A segment that ends before the next one begins, or before the durable point, has lost its tail at a batch boundary. Above
    /// the durable point the log ends there; below it that is corruption. Compacted logs have such gaps by right.
    fn check_end(
        &self,
        segment: &Segment,
        end: &mut SegmentEnd,
        next_base: Option<i64>,
        durable: i64,
        mode: &OpenMode,
        report: &mut RecoveryReport,
    ) {
        let must_reach = match next_base {
            // What lies below the log start was deleted; a crash may bring a part of it back.
            Some(next_base) if !self.may_have_gaps() && next_base > mode.log_start_offset => next_base,
            Some(_) => return,
            None => mode.recovery_point,
        };
        if end.cut || end.closed || end.next_offset >= must_reach {
            return;
        }
        if next_base.is_none() {
            report.ends_before = Some(must_reach);
            return;
        }
        if end.next_offset >= durable {
            end.cut = true;
            return;
        }
        report.corrupt.push(Corruption {
            segment_base_offset: segment.base_offset,
            position: u64::from(segment.size()),
            offset: end.next_offset,
            what: format!("offsets {} to {} are missing", end.next_offset, must_reach - 1),
        });
    }

    /// What survived is good, but nothing proves it flushed.
    fn note_unflushed(&mut self, segments: &[Arc<Segment>], at: usize) {
        if let Some(segment) = segments.get(at) {
            self.dirty.wrote(segment);
        }
        if let Some(next) = segments.get(at + 1) {
            self.dirty.sealed(next.base_offset);
        }
    }

    /// Walks one segment from `start` to its end, rebuilding indexes and epochs as it goes, and decides about the first bad
    /// batch by the durable point.
    fn scan(
        &mut self,
        segment: &Arc<Segment>,
        start: Start,
        limits: Limits,
        report: &mut RecoveryReport,
    ) -> Result<SegmentEnd, Fault> {
        let disk = self.disk.clone();
        let (position, next_offset) = prepare_scan(segment, start, &*disk)?;
        let mut scanner = Scanner::new(&*disk, segment, position, next_offset)
            .up_to(limits.next_base)
            .dense_end(!self.may_have_gaps());
        let base_offset = segment.base_offset;
        let mut end =
            SegmentEnd { next_offset: base_offset, scanned_from: base_offset, cut: false, closed: false };
        let mut first = true;
        loop {
            match scanner.step()? {
                Step::Batch { position, header, .. } => {
                    if std::mem::take(&mut first) {
                        end.scanned_from = header.base_offset;
                    }
                    let noted = segment.with_indexes(|indexes| {
                        let interval = self.config.index_interval_bytes;
                        let (base, last) = (segment.base_offset, header.last_offset());
                        indexes.appended(base, last, &header, position, interval, &*disk)
                    });
                    // On a full disk the entries stay in memory, as when they are made by an append.
                    if let Err(fault) = noted
                        && !fault.is_passing()
                    {
                        return Err(fault);
                    }
                    self.recover_epoch(header.partition_leader_epoch, header.base_offset);
                    end.next_offset = header.next_offset();
                }
                Step::End => break,
                // What was written ahead, or preallocated: the file ends here, as if it were no longer.
                Step::Bad { what }
                    if scanner.is_at_zeros() && self.may_end(&end, limits, &mut scanner)? =>
                {
                    self.cut_tail(segment, (scanner.position(), true), &what, report)?;
                    break;
                }
                Step::Bad { what } if end.next_offset >= limits.durable => {
                    let tail = (scanner.position(), scanner.is_at_zeros());
                    self.cut_tail(segment, tail, &what, report)?;
                    end.cut = true;
                    break;
                }
                Step::Bad { what } => {
                    let bad = Corruption {
                        segment_base_offset: segment.base_offset,
                        position: u64::from(scanner.position()),
                        offset: end.next_offset,
                        what,
                    };
                    report.corrupt.push(bad);
                    if !scanner.resync()? {
                        end.closed = true;
                        break;
                    }
                }
            }
        }
        if !matches!(start, Start::LastEntry) {
            report.scanned_bytes += scanner.scanned_bytes;
        }
        Ok(end)
    }

    /// Whether a segment may end where zeros begin: where the next one begins, or, if it is the last, before its durable point, for
    /// that may be too high after a truncation.
    fn may_end(&self, end: &SegmentEnd, limits: Limits, scanner: &mut Scanner<'_>) -> Result<bool, Fault> {
        let is_last = limits.next_base == i64::MAX && end.next_offset < limits.durable;
        Ok(end.next_offset == limits.next_base || (is_last && scanner.has_only_zeros_left()?))
    }

    fn recover_epoch(&mut self, epoch: i32, base_offset: i64) {
        if self.epochs.latest().is_none_or(|latest| epoch > latest.epoch) {
            self.assign_epoch(epoch, base_offset);
            self.dirty.epochs();
        }
    }

    /// The tail above the durable point: cut and synced at once, so that what follows it now cannot come back behind what is
    /// appended next.
    fn cut_tail(
        &mut self,
        segment: &Segment,
        scanner: (u32, bool),
        what: &str,
        report: &mut RecoveryReport,
    ) -> Result<(), Fault> {
        let (position, zeros) = scanner;
        // Zeros are what a log with a steady flow has there by right.
        if !zeros {
            report.cut_bytes += u64::from(segment.size() - position);
            report.rebuilt.push(format!("{:020}.log: {what}, cut at {position}", segment.base_offset));
        }
        segment.cut(position, &*self.disk)?;
        self.disk.sync(&segment.log)
    }

    /// Segments behind a cut go.
    fn drop_after(
        &mut self,
        segments: &[Arc<Segment>],
        at: usize,
        report: &mut RecoveryReport,
    ) -> Result<(), Fault> {
        let gone = segments.get(at + 1..).unwrap_or_default();
        for segment in gone.iter().rev() {
            report.cut_bytes += u64::from(segment.size());
            for file in segment.files() {
                self.disk.remove(&file)?;
            }
        }
        if gone.is_empty() { Ok(()) } else { self.disk.sync_directory(&self.directory) }
    }

    /// Log start, high watermark and recovery point between each other's bounds.
    fn settle_offsets(&mut self, mode: &OpenMode) -> Result<(), Fault> {
        let start = mode.log_start_offset.max(0);
        if start > self.log_end_offset && self.has_files() {
            // The log was deleted up to beyond its end: nothing of it counts.
            self.truncate_fully_and_start_at(start, None)?;
        }
        let first = self.segments.segments.first().map_or(self.log_end_offset, |segment| segment.base_offset);
        let deleted = if planted::has(Bug::ForgetsDeletions) { 0 } else { start };
        self.log_start_offset = deleted.max(first).min(self.log_end_offset);
        self.high_watermark = mode.high_watermark.clamp(self.log_start_offset, self.log_end_offset);
        self.recovery_point = match mode.clean_shutdown {
            true => self.log_end_offset,
            // Not lifted to the log start: what was deleted need not have been flushed, and what is said to be durable may not be cut
            // after the next crash.
            false => mode.recovery_point.clamp(first, self.log_end_offset),
        };
        let epochs = Arc::make_mut(&mut self.epochs);
        // A crash may have kept epochs of bytes it lost, or of a truncation it forgot.
        if epochs.truncate_end(self.log_end_offset) | epochs.truncate_start(self.log_start_offset) {
            self.epochs_changed();
        }
        if let Some(producers) = &mut self.producers {
            producers.replicated_to(self.high_watermark);
        }
        self.load_first_timestamp()
    }

    /// The first append's timestamp decides when the active segment rolls by age.
    pub(crate) fn load_first_timestamp(&mut self) -> Result<(), Fault> {
        if let Some(active) = self.segments.segments.last()
            && let Step::Batch { header, .. } =
                Scanner::new(&*self.disk, active, 0, active.base_offset).step()?
        {
            self.active.first_timestamp = Some(header.max_timestamp);
        }
        Ok(())
    }
}

/// Ids are random: two that differ in a few bits are one of them and a bit that turned on the disk (one character of the file holds six).
fn is_nearly(expected: Uuid, there: Uuid) -> bool {
    let bits = u128::from_be_bytes(expected.0) ^ u128::from_be_bytes(there.0);
    bits.count_ones() <= 6
}

/// What bounds a scan of a segment.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Below this a bad batch is corruption.
    durable: i64,
    /// Where the next segment begins.
    next_base: i64,
}

/// Where a scan of a segment begins.
#[derive(Clone, Copy, Debug)]
enum Start {
    Beginning,
    /// At the last index entry that is sound and at or below an offset.
    Below(i64),
    /// At the last index entry.
    LastEntry,
}

/// Where the scan begins and with which offset, after looking whether a good batch really is where the index says. Entries
/// that the scan will make again are dropped; a clean segment's are left as they are.
fn prepare_scan(segment: &Segment, start: Start, disk: &dyn Disk) -> Result<(u32, i64), Fault> {
    let limit = match start {
        Start::Beginning => {
            segment.with_indexes(|indexes| indexes.restart_at(segment.base_offset, None, disk))?;
            return Ok((0, segment.base_offset));
        }
        Start::Below(offset) => offset.saturating_sub(segment.base_offset),
        Start::LastEntry => i64::MAX,
    };
    let hint = segment.read_indexes(|indexes| indexes.offsets.floor(limit, Source::of(disk)))?;
    let confirmed = match hint {
        Some(entry) => first_offset_at(segment, entry, disk)?,
        None => None,
    };
    let untouched = matches!(start, Start::LastEntry) && hint.is_some() == confirmed.is_some();
    let entry = hint.filter(|_| confirmed.is_some());
    if !untouched {
        segment.with_indexes(|indexes| indexes.restart_at(segment.base_offset, entry, disk))?;
    }
    Ok((entry.map_or(0, |entry| entry.position), confirmed.unwrap_or(segment.base_offset)))
}

/// The first offset of the batch an index entry names, if it is there and ends with the offset the entry says.
fn first_offset_at(segment: &Segment, entry: OffsetEntry, disk: &dyn Disk) -> Result<Option<i64>, Fault> {
    if entry.position >= segment.size() {
        return Ok(None);
    }
    let mut scanner = Scanner::new(disk, segment, entry.position, segment.base_offset);
    Ok(match scanner.step()? {
        Step::Batch { header, .. } if header.last_offset() - segment.base_offset == entry.key() => {
            Some(header.base_offset)
        }
        Step::Batch { .. } | Step::End | Step::Bad { .. } => None,
    })
}

/// Whether both indexes are there and made of whole entries. Kafka preallocates them while a segment is active: such a file's
/// rest is zeros, which the size alone does not tell; the scan of an unflushed segment does.
fn has_sound_indexes(found: &FoundFiles) -> bool {
    let whole = |bytes: Option<u64>, entry: usize| bytes.is_some_and(|bytes| bytes % entry as u64 == 0);
    whole(found.offsets, OffsetEntry::BYTES) && whole(found.times, crate::index::TimeEntry::BYTES)
}

#[cfg(test)]
mod tests;
