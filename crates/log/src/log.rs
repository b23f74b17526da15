//! `Log`: one partition's log, owned by one shard (or the quorum). Appends, rolls, truncates, advances; readers use
//! [`LogView`]. Never reads a clock, never decides retention (see `retention`), never retries a failed write.

use crate::append::{AppendOrigin, AppendRefused, Appended};
use crate::config::LogConfig;
use crate::disk::Disk;
use crate::fault::Fault;
use crate::flush::{FlushOutcome, FlushWork};
use crate::recovery::{OpenMode, RecoveryReport};
use crate::retention::Removal;
use crate::view::{ActiveProducer, LogView};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::record_batch::ValidBatches;

/// One partition's log.
#[derive(Debug)]
pub struct Log {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    config: Arc<LogConfig>,
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
        let _ = (mode, now_ms);
        Ok(Log { disk, directory, config })
    }

    /// What opening found and did.
    pub fn recovery_report(&self) -> Option<&RecoveryReport> {
        unimplemented!("landing next")
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub fn config(&self) -> &Arc<LogConfig> {
        &self.config
    }

    pub fn set_config(&mut self, config: Arc<LogConfig>) {
        self.config = config;
    }

    /// The current state for readers; call once per turn and publish. Cheap: one small allocation when something changed.
    pub fn view(&mut self) -> Arc<LogView> {
        unimplemented!("landing next")
    }

    pub fn log_start_offset(&self) -> i64 {
        unimplemented!("landing next")
    }

    pub fn high_watermark(&self) -> i64 {
        unimplemented!("landing next")
    }

    pub fn last_stable_offset(&self) -> i64 {
        unimplemented!("landing next")
    }

    pub fn log_end_offset(&self) -> i64 {
        unimplemented!("landing next")
    }

    /// Everything below is on the platter: what acks wait for in `group` mode and what `recovery-point-offset-checkpoint` gets.
    pub fn recovery_point(&self) -> i64 {
        unimplemented!("landing next")
    }

    /// Appends validated batches: checks producer state, assigns offsets, patches base offset and leader epoch on the way to
    /// the file (one pwritev, the received bytes are not copied), updates producer state and indexes.
    pub fn append_as_leader(
        &mut self,
        batches: &ValidBatches,
        leader_epoch: i32,
        origin: AppendOrigin,
        now_ms: i64,
    ) -> Result<Appended, AppendRefused> {
        let _ = (batches, leader_epoch, origin, now_ms);
        unimplemented!("landing next")
    }

    /// Appends replicated batches as they are; their offsets must continue the log.
    pub fn append_as_follower(&mut self, batches: Bytes, now_ms: i64) -> Result<Appended, AppendRefused> {
        let _ = (batches, now_ms);
        unimplemented!("landing next")
    }

    /// Records that `leader_epoch` begins at the log end (becoming leader, KIP-101).
    pub fn start_leader_epoch(&mut self, leader_epoch: i32) -> Result<(), Fault> {
        let _ = leader_epoch;
        unimplemented!("landing next")
    }

    /// Drops everything from `offset` on (follower divergence). Nothing happens if the log ends before it.
    pub fn truncate_to(&mut self, offset: i64) -> Result<(), Fault> {
        let _ = offset;
        unimplemented!("landing next")
    }

    /// Drops everything and starts anew at `offset`.
    pub fn truncate_fully_and_start_at(
        &mut self,
        offset: i64,
        log_start_offset: Option<i64>,
    ) -> Result<(), Fault> {
        let _ = (offset, log_start_offset);
        unimplemented!("landing next")
    }

    /// Moves the high watermark (clamped to `[log start, log end]`); answers whether it moved. Never goes back.
    pub fn advance_high_watermark(&mut self, offset: i64) -> bool {
        let _ = offset;
        unimplemented!("landing next")
    }

    /// DeleteRecords: moves the log start offset (at most to the high watermark) and schedules what lies wholly below.
    /// Answers the log start offset; `OffsetOutOfRange` is the caller's check against `high_watermark`.
    pub fn delete_records_before(&mut self, offset: i64, now_ms: i64) -> Result<i64, Fault> {
        let _ = (offset, now_ms);
        unimplemented!("landing next")
    }

    /// Applies retention (time, size, log start) as `retention::choose` decides; answers how many segments left the log.
    pub fn apply_retention(&mut self, now_ms: i64) -> Result<usize, Fault> {
        let _ = now_ms;
        unimplemented!("landing next")
    }

    /// Rolls the active segment if its age demands it (also called on a timer, so that idle logs age out).
    pub fn roll_if_due(&mut self, now_ms: i64) -> Result<bool, Fault> {
        let _ = now_ms;
        unimplemented!("landing next")
    }

    /// Files whose deletion delay has passed (or will): jobs for the janitor, each carries its due time.
    pub fn take_removals(&mut self) -> Vec<Removal> {
        unimplemented!("landing next")
    }

    /// What has to be synced for everything appended so far to be durable; `None` if nothing. Run it on any thread, then hand
    /// the outcome to [`Log::flushed`]. Appends may go on meanwhile.
    pub fn dirty(&self) -> Option<FlushWork> {
        unimplemented!("landing next")
    }

    /// Takes note of a flush. A failed one poisons the log: nothing is appended or acknowledged after it.
    pub fn flushed(&mut self, outcome: &FlushOutcome) -> Result<(), Fault> {
        let _ = outcome;
        unimplemented!("landing next")
    }

    /// `dirty` + run + `flushed` on this thread.
    pub fn flush(&mut self) -> Result<(), Fault> {
        unimplemented!("landing next")
    }

    /// The fault after which nothing is accepted any more.
    pub fn poisoned(&self) -> Option<&Fault> {
        unimplemented!("landing next")
    }

    /// Producers for DescribeProducers.
    pub fn producers(&self) -> Vec<ActiveProducer> {
        unimplemented!("landing next")
    }

    /// Forgets producers idle for longer than `producer.id.expiration.ms`.
    pub fn expire_producers(&mut self, now_ms: i64) {
        let _ = now_ms;
        unimplemented!("landing next")
    }

    /// Clean stop: flush, producer snapshot, trimmed indexes. After it the directory needs no recovery.
    pub fn close(self) -> Result<Closed, Fault> {
        unimplemented!("landing next")
    }

    /// Renames the directory to `<topic>-<partition>.<uuid>-delete` and answers the job that removes it after the delay.
    pub fn delete(self, unique: wire::Uuid, now_ms: i64) -> Result<Option<Removal>, Fault> {
        let _ = (unique, now_ms);
        unimplemented!("landing next")
    }
}

/// What a cleanly closed log leaves for the directory's checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    pub recovery_point: i64,
    pub log_start_offset: i64,
    pub high_watermark: i64,
}
