//! `Log`: one partition's log, owned by one shard (or the quorum). This file holds what a log is and what is asked of it; adding
//! is `appending.rs`, taking away `removing.rs`, opening `recovery.rs`. Never reads a clock, never retries a failed write.

use crate::cleaning::CleanGuard;
use crate::config::LogConfig;
use crate::disk::{Disk, FileHandle};
use crate::epochs::EpochCache;
use crate::fault::{Fault, Operation};
use crate::flush::{Dirty, FlushOutcome, FlushWork, Flushable, WriteAhead};
use crate::names;
use crate::open::{OpenMode, RecoveryReport};
use crate::producers::{FirstWrite, Producers};
use crate::retention::Removal;
use crate::segment::Segment;
use crate::segment_list::SegmentList;
use crate::snapshot;
use crate::view::{ActiveProducer, LogView};
use std::collections::BTreeSet;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::Uuid;

/// Zeros written ahead of a log at once: a flush that does it takes some milliseconds longer, one of a hundred.
const WRITE_AHEAD_MAX_BYTES: u64 = 4 << 20;

/// One partition's log. Until its first append it has no directory, no file and no index memory.
///
/// What holds whenever a change of it has ended, unless it is poisoned; [`Log::check`] asserts it, under these names:
/// - `log start`: at most the high watermark. It may be above the recovery point: what was deleted need not be durable;
/// - `high watermark`, `recovery point`: at most the log's end; the last stable offset lies between it and the log start by its making;
/// - `epochs`: the newest begins at the log's end or before it; both their numbers grow;
/// - `segments`: in order and under names of their own, the active one last; it begins at the log's end at the latest, and its bytes
///   have offsets;
/// - `flush`: what waits for one is a part of the log;
/// - `producers`, `transactions`: of batches in the log only.
#[derive(Debug)]
pub struct Log {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    pub(crate) config: Arc<LogConfig>,
    pub(crate) topic_id: Option<Uuid>,
    /// Oldest first; the last takes the appends. Empty until the first append.
    pub(crate) segments: Arc<SegmentList>,
    /// Bytes of all segments but the last.
    pub(crate) sealed_bytes: u64,
    /// The last segment's own state.
    pub(crate) active: Active,
    /// ≤ high watermark.
    pub(crate) log_start_offset: i64,
    /// Between log start and log end.
    pub(crate) high_watermark: i64,
    pub(crate) log_end_offset: i64,
    /// ≤ log end offset.
    pub(crate) recovery_point: i64,
    pub(crate) epochs: Arc<EpochCache>,
    /// Absent until a producer with an id appends (or a snapshot is loaded).
    pub(crate) producers: Option<Box<Producers>>,
    /// Offsets of the snapshot files in the directory.
    pub(crate) snapshots: BTreeSet<i64>,
    pub(crate) dirty: Dirty,
    pub(crate) poisoned: Option<Box<Fault>>,
    pub(crate) report: Option<Box<RecoveryReport>>,
    pub(crate) removals: Vec<Removal>,
    /// Everything below was compacted once; `None` if nothing ever was.
    pub(crate) cleaned_offset: Option<i64>,
    /// The cleaning under way.
    pub(crate) cleaning: Option<Arc<CleanGuard>>,
    /// Exchanges of segments so far: makes the names of what they replace unique.
    pub(crate) exchanges: u64,
}

/// What only the segment that takes appends has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Active {
    /// Largest timestamp of its first append; decides when it rolls by age.
    pub first_timestamp: Option<i64>,
    pub created_ms: i64,
    /// When it was appended to last; 0 before.
    pub last_append_ms: i64,
    /// Something was appended since it was last sealed or opened.
    pub unsealed: bool,
}

/// What a cleanly closed log leaves for the directory's checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Everything below is on the platter.
    pub recovery_point: i64,
    /// The first offset that may be read.
    pub log_start_offset: i64,
    /// Below it all in-sync replicas have everything.
    pub high_watermark: i64,
    /// See [`Log::cleaned_offset`].
    pub cleaned_offset: Option<i64>,
}

impl From<&OpenMode> for Closed {
    /// Of a log that was never opened: what the checkpoints said before.
    fn from(mode: &OpenMode) -> Closed {
        let OpenMode { recovery_point, log_start_offset, high_watermark, cleaned_offset, .. } = *mode;
        Closed { recovery_point, log_start_offset, high_watermark, cleaned_offset }
    }
}

impl Log {
    /// The log of a partition that has nothing on disk.
    pub fn unwritten(disk: Arc<dyn Disk>, directory: PathBuf, config: Arc<LogConfig>, topic_id: Uuid) -> Log {
        let mode = OpenMode { topic_id: Some(topic_id), clean_shutdown: true, ..OpenMode::default() };
        Log::empty(disk, directory, config, &mode, 0)
    }

    /// A log without a file, its offsets at the start that the checkpoints tell.
    pub(crate) fn empty(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        config: Arc<LogConfig>,
        mode: &OpenMode,
        now_ms: i64,
    ) -> Log {
        let start = mode.log_start_offset.max(0);
        Log {
            segments: Arc::new(SegmentList::new(disk.clone(), Vec::new())),
            disk,
            directory,
            config,
            topic_id: mode.topic_id,
            sealed_bytes: 0,
            active: Active { created_ms: now_ms, ..Active::default() },
            log_start_offset: start,
            high_watermark: start,
            log_end_offset: start,
            recovery_point: start,
            epochs: Arc::new(EpochCache::default()),
            producers: None,
            snapshots: BTreeSet::new(),
            dirty: Dirty::default(),
            poisoned: None,
            report: None,
            removals: Vec::new(),
            cleaned_offset: mode.cleaned_offset,
            cleaning: None,
            exchanges: 0,
        }
    }

    /// What opening found and did; `None` if it found nothing to do.
    pub fn recovery_report(&self) -> Option<&RecoveryReport> {
        self.report.as_deref()
    }

    /// Where its files are, or will be.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What it lies on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// The topic's rules for it.
    pub fn config(&self) -> &Arc<LogConfig> {
        &self.config
    }

    /// Takes effect with the next append, roll, retention round or cleaning; one that is under way ends if there is to be none.
    pub fn set_config(&mut self, config: Arc<LogConfig>) {
        self.config = config;
        if !self.config.compact
            && let Err(fault) = self.call_off_cleaning()
        {
            self.poison(&fault);
        }
    }

    /// From `partition.metadata` or as opened.
    pub fn topic_id(&self) -> Option<Uuid> {
        self.topic_id
    }

    /// The first offset that may be read.
    pub fn log_start_offset(&self) -> i64 {
        self.log_start_offset
    }

    /// Below it all in-sync replicas have everything; consumers read up to it.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// The high watermark, or the first offset of an undecided transaction below it (KIP-98).
    pub fn last_stable_offset(&self) -> i64 {
        let unstable = self.producers.as_ref().and_then(|producers| producers.first_unstable_offset());
        // The first records of a transaction may have been deleted while it goes on.
        unstable.map_or(self.high_watermark, |unstable| {
            unstable.max(self.log_start_offset).min(self.high_watermark)
        })
    }

    /// The offset the next record will get.
    pub fn log_end_offset(&self) -> i64 {
        self.log_end_offset
    }

    /// Everything below is on the platter: what acks wait for in `group` mode and what `recovery-point-offset-checkpoint` gets.
    pub fn recovery_point(&self) -> i64 {
        self.recovery_point
    }

    /// What the directory's checkpoints say of a log that goes on.
    pub fn offsets(&self) -> Closed {
        Closed {
            recovery_point: self.recovery_point,
            log_start_offset: self.log_start_offset,
            high_watermark: self.high_watermark,
            cleaned_offset: self.cleaned_offset,
        }
    }

    /// The newest leader epoch in the log.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.epochs.latest().map(|latest| latest.epoch)
    }

    /// OffsetForLeaderEpoch (KIP-101, KIP-279): the epoch answered for `epoch` and its end offset.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        self.epochs.end_offset(epoch, self.log_end_offset)
    }

    /// Bytes of all segments.
    pub fn size_bytes(&self) -> u64 {
        self.sealed_bytes + self.segments.segments.last().map_or(0, |active| u64::from(active.size()))
    }

    /// Segments in the log.
    pub fn segment_count(&self) -> usize {
        self.segments.segments.len()
    }

    /// The fault after which nothing is accepted any more.
    pub fn poisoned(&self) -> Option<&Fault> {
        self.poisoned.as_deref()
    }

    /// The current state for readers; call once per turn and publish. A few numbers and two references: no allocation.
    pub fn view(&self) -> LogView {
        let active_bytes = self.segments.segments.last().map_or(0, |active| active.size());
        LogView {
            log_start_offset: self.log_start_offset,
            high_watermark: self.high_watermark,
            last_stable_offset: self.last_stable_offset(),
            log_end_offset: self.log_end_offset,
            recovery_point: self.recovery_point,
            segments: self.segments.clone(),
            active_bytes,
            total_bytes: self.sealed_bytes + u64::from(active_bytes),
            epochs: self.epochs.clone(),
        }
    }

    /// Brings a view of this log up to date. Nearly always only numbers have changed; answers the old view if there was more to it,
    /// because the last reference to removed segments may be in there.
    pub fn refresh(&self, view: &mut LogView) -> Option<LogView> {
        if !Arc::ptr_eq(&view.segments, &self.segments) || !Arc::ptr_eq(&view.epochs, &self.epochs) {
            return Some(std::mem::replace(view, self.view()));
        }
        view.log_start_offset = self.log_start_offset;
        view.high_watermark = self.high_watermark;
        view.last_stable_offset = self.last_stable_offset();
        view.log_end_offset = self.log_end_offset;
        view.recovery_point = self.recovery_point;
        view.active_bytes = self.segments.segments.last().map_or(0, |active| active.size());
        view.total_bytes = self.sealed_bytes + u64::from(view.active_bytes);
        None
    }

    /// Moves the high watermark (clamped to the log); answers whether it moved. Never goes back.
    pub fn advance_high_watermark(&mut self, offset: i64) -> bool {
        let offset = offset.min(self.log_end_offset);
        if offset <= self.high_watermark {
            return false;
        }
        self.high_watermark = offset;
        if let Some(producers) = &mut self.producers {
            producers.replicated_to(offset);
        }
        true
    }

    /// Records that `leader_epoch` begins at the log end (becoming leader, KIP-101).
    pub fn start_leader_epoch(&mut self, leader_epoch: i32) -> Result<(), Fault> {
        self.check_poison()?;
        self.begin_epoch(leader_epoch);
        Ok(())
    }

    /// The same for a log that nothing has happened to yet.
    pub fn begin_epoch(&mut self, leader_epoch: i32) {
        self.assign_epoch(leader_epoch, self.log_end_offset);
        self.check();
    }

    pub(crate) fn assign_epoch(&mut self, epoch: i32, start_offset: i64) {
        if self.epochs.needs(epoch, start_offset) {
            Arc::make_mut(&mut self.epochs).assign(epoch, start_offset);
            self.epochs_changed();
        }
    }

    /// The file follows with the next flush: until then the epochs can be read back from the log itself.
    pub(crate) fn epochs_changed(&mut self) {
        if self.has_files() {
            self.dirty.epochs();
        }
    }

    /// What has to be confirmed before a batch is appended: the guard of a transaction's first write here; `None` where it may be
    /// appended as it is (KIP-890). `always`: whatever `transaction.partition.verification.enable` says.
    pub fn begin_verification(&mut self, first: FirstWrite, always: bool, now_ms: i64) -> Option<u64> {
        if !self.config.verify_transactions && !always {
            return None;
        }
        let end = self.log_end_offset;
        let producers = self.producers.get_or_insert_with(|| Box::new(Producers::starting_at(end)));
        producers.begin_verification(first, now_ms)
    }

    /// The coordinator confirmed a transaction (KIP-890); false if the guard is stale and the append must be asked again.
    pub fn confirm_verification(&mut self, producer_id: i64, guard: u64) -> bool {
        self.producers.as_mut().is_some_and(|producers| producers.confirm_verification(producer_id, guard))
    }

    /// Whether a producer has a transaction open in this log.
    pub fn has_open_transaction(&self, producer_id: i64) -> bool {
        self.producers.as_ref().is_some_and(|producers| producers.has_open_transaction(producer_id))
    }

    /// Producers for DescribeProducers.
    pub fn producers(&self) -> Vec<ActiveProducer> {
        self.producers.as_ref().map(|producers| producers.describe()).unwrap_or_default()
    }

    /// Forgets producers idle for longer than `producer.id.expiration.ms`.
    pub fn expire_producers(&mut self, now_ms: i64) {
        if let Some(producers) = &mut self.producers {
            producers.expire(now_ms, self.config.producer_id_expiration_ms);
        }
    }

    /// What has to be synced for everything appended so far to be durable; `None` if nothing. Run it on any thread, then hand
    /// the outcome to [`Log::flushed`]. Appends may go on meanwhile; one flush of a log at a time.
    pub fn dirty(&mut self) -> Option<FlushWork> {
        if self.poisoned.is_some() || self.dirty.is_clean() {
            return None;
        }
        let from = Flushable {
            disk: &self.disk,
            directory: &self.directory,
            epochs: &self.epochs,
            upto: self.log_end_offset,
        };
        Some(self.dirty.work(&from))
    }

    /// As `dirty`, for a log whose acks wait for the disk: where there is a steady flow the flush also writes zeros ahead of it
    /// (decision 0013), the more the longer the segment is, so that they never take more than a fourth of it.
    pub fn dirty_and_ahead(&mut self) -> Option<FlushWork> {
        let mut work = self.dirty()?;
        let limit = self.config.segment_bytes;
        let most = WRITE_AHEAD_MAX_BYTES.min(u64::from(limit / 16));
        if let Some(active) = self.segments.segments.last()
            && self.active.unsealed
        {
            let bytes = (u64::from(active.size()) / 4).min(most);
            let room = active.room_bytes();
            if bytes >= (most / 32).max(1) && room < bytes / 2 {
                work.write_ahead(WriteAhead { segment: active.clone(), bytes: bytes - room, limit });
            }
        }
        Some(work)
    }

    /// Gives back what was written ahead of a flow that ended. It need not be durable: zeros that come back are cut at the next start.
    pub fn trim(&self) -> Result<(), Fault> {
        match self.segments.segments.last() {
            Some(active) if !self.config.preallocate => active.trim(&*self.disk).map(drop),
            Some(_) | None => Ok(()),
        }
    }

    /// The owner has this log looked through as a whole after a crash, which finds the epochs again: their file need not be
    /// synced before the log is closed.
    pub fn epochs_are_found_again(&mut self) {
        self.dirty.epochs_are_found_again();
    }

    /// The owner put a file of its own into the directory: the next flush makes its name durable, too.
    pub fn names_changed(&mut self) {
        self.dirty.directory();
    }

    /// Whether anything appended waits for a flush.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_clean()
    }

    /// Tells this log from others that the same partition had before it in this process (a replica that goes and comes again
    /// begins with nothing): `life` is higher than theirs, and a flush of theirs proves nothing about this one.
    pub fn begin_life(&mut self, life: u64) {
        self.dirty.begin_life(life);
    }

    /// Whether the flush was of this log, and not of one that the partition had before it.
    pub fn is_own(&self, outcome: &FlushOutcome) -> bool {
        self.dirty.is_own(outcome)
    }

    /// Takes note of a flush. One of another log says nothing. A failed one poisons the log: nothing is appended or acknowledged after it. Only a disk too full
    /// for the leader epochs' new file leaves it as it was: nothing is proven, and the next flush tries again.
    pub fn flushed(&mut self, outcome: &FlushOutcome) -> Result<(), Fault> {
        if !self.is_own(outcome) {
            return Ok(());
        }
        if let Err(fault) = &outcome.result {
            // For want of a descriptor nothing was even tried.
            let synced = matches!(fault.operation, Operation::Sync | Operation::SyncDirectory);
            if (synced && !fault.is_shortage()) || !fault.is_passing() {
                self.poison(fault);
            }
            return Err(fault.clone());
        }
        if let Some(proven) = self.dirty.done(outcome, self.log_end_offset)
            && proven > self.recovery_point
        {
            // A truncation since would have made the proof void.
            assert!(proven <= self.log_end_offset, "flush: it proves more than the log has");
            self.recovery_point = proven;
        }
        self.check();
        Ok(())
    }

    /// `dirty`, run and `flushed` on this thread.
    pub fn flush(&mut self) -> Result<(), Fault> {
        self.check_poison()?;
        match self.dirty() {
            Some(work) => self.flushed(&work.run()),
            None => {
                self.recovery_point = self.log_end_offset;
                Ok(())
            }
        }
    }

    /// Lets go of the descriptors that reading and appending left open; the next use opens them again.
    pub fn release_descriptors(&self) {
        for segment in &self.segments.segments {
            self.disk.release(&segment.log);
            segment.read_indexes(|indexes| {
                self.disk.release(&indexes.offsets.file);
                self.disk.release(&indexes.times.file);
                self.disk.release(&indexes.transactions.file);
            });
        }
    }

    /// Clean stop: flush, producer snapshot, trimmed indexes. After it the directory needs no recovery.
    pub fn close(mut self) -> Result<Closed, Fault> {
        self.check_poison()?;
        self.call_off_cleaning()?;
        if let Some(active) = self.segments.segments.last().cloned() {
            self.take_snapshot()?;
            if self.active.unsealed {
                self.seal(&active)?;
            }
            self.dirty.caches_too();
            self.flush()?;
            for segment in &self.segments.segments {
                self.disk.release(&segment.log);
            }
        }
        Ok(Closed { recovery_point: self.log_end_offset, ..self.offsets() })
    }

    /// Files exist on disk (or are being written).
    pub(crate) fn has_files(&self) -> bool {
        !self.segments.segments.is_empty()
    }

    pub(crate) fn check_poison(&self) -> Result<(), Fault> {
        match &self.poisoned {
            Some(_) => Err(Fault::poisoned(&self.directory)),
            None => Ok(()),
        }
    }

    pub(crate) fn poison(&mut self, fault: &Fault) {
        if self.poisoned.is_none() {
            self.poisoned = Some(Box::new(fault.clone()));
        }
    }

    pub(crate) fn set_segments(&mut self, segments: Vec<Arc<Segment>>) {
        let sealed = segments.split_last().map_or(&[][..], |(_, sealed)| sealed);
        self.sealed_bytes = sealed.iter().map(|segment| u64::from(segment.size())).sum();
        self.segments = Arc::new(SegmentList::new(self.disk.clone(), segments));
        self.check_segments();
    }

    /// Seals a segment; its indexes become durable with the next flush, so that below the recovery point they can be trusted.
    /// So does the end of its data file. Answers whether that file was ever made shorter, now or before.
    pub(crate) fn seal(&mut self, segment: &Segment) -> Result<bool, Fault> {
        segment.close_room();
        let shortened = segment.trim(&*self.disk)?;
        if shortened {
            self.dirty.file(&segment.log);
        }
        segment.seal(&*self.disk)?;
        segment.read_indexes(|indexes| {
            self.dirty.file(&indexes.offsets.file);
            self.dirty.file(&indexes.times.file);
        });
        self.dirty.directory();
        Ok(shortened)
    }

    /// Writes a producer snapshot at the log's end, if there is none there yet. It is a cache: the next flush syncs it.
    pub(crate) fn take_snapshot(&mut self) -> Result<(), Fault> {
        let offset = self.log_end_offset;
        if self.snapshots.contains(&offset) {
            return Ok(());
        }
        let bytes = match &self.producers {
            Some(producers) => {
                assert!(producers.end_offset <= offset, "a snapshot knows no more than its name says");
                snapshot::write(producers)
            }
            None => snapshot::write(&Producers::starting_at(offset)),
        };
        let file = FileHandle::new(names::segment_file(&self.directory, offset, names::SNAPSHOT));
        self.disk.create(&file)?;
        self.disk.set_length(&file, 0)?;
        self.disk.write_at(&file, 0, &mut [IoSlice::new(&bytes)])?;
        self.snapshots.insert(offset);
        self.dirty.file(&file);
        self.dirty.directory();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
