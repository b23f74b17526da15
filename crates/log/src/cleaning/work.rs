//! One cleaning as data: build the map of the newest offsets, copy what stays of each group of segments, offer the copy to the log,
//! go on. Runs in slices on any thread; between slices whoever runs it may wait (throttling, other work). Never changes the log.

use super::choice::CleanCandidate;
use super::copying::{CleanedGroup, Copying};
use super::filter::{LastWritten, Rules};
use super::guard::CleanGuard;
use super::mapping::Mapping;
use super::offset_map::{MapBounds, OffsetMap};
use super::transactions::CleanedTransactions;
use crate::config::LogConfig;
use crate::disk::Disk;
use crate::fault::{Cause, Fault};
use crate::log::Log;
use crate::read::Stop;
use crate::segment::Segment;
use crate::view::{LogView, ReadRefused};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use wire::record_batch::BatchError;

/// A cleaning under way.
#[derive(Debug)]
pub struct CleanWork {
    pub(super) guard: Arc<CleanGuard>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) directory: PathBuf,
    pub(super) config: Arc<LogConfig>,
    /// The log when the cleaning began.
    pub(super) view: LogView,
    pub(super) candidate: CleanCandidate,
    pub(super) rules: Rules,
    pub(super) map: OffsetMap,
    pub(super) transactions: CleanedTransactions,
    stage: Stage,
    groups: VecDeque<Vec<Arc<Segment>>>,
    figures: CleanFigures,
}

#[derive(Debug)]
enum Stage {
    Mapping(Mapping),
    Copying(Box<Copying>),
    /// Waits for the log to take it in.
    Ready(Box<CleanedGroup>),
    /// The log took a group in; its new names are not on the platter yet.
    TakenIn,
    Finished,
}

/// What a slice of work came to.
#[derive(Debug)]
pub enum CleanStep {
    /// Run it again, when you like.
    More,
    /// [`Log::take_in`] is next, then run it again.
    TakeIn,
    /// [`Log::cleaning_done`] is next.
    Done,
    /// [`Log::cleaning_stopped`] is next.
    Stopped(CleanStop),
}

/// Why a cleaning ended early. Nothing is lost: the log is as it was, or as far as it had come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CleanStop {
    /// The log was truncated, deleted or closed, or its oldest segments went.
    CalledOff,
    /// No room for the copy; worth another try when there is.
    DiskFull(Fault),
    /// A batch that cannot be read, or that fits no segment: another try would end the same way.
    Unreadable(String),
    /// The disk failed.
    Fault(Fault),
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanFigures {
    /// Bytes read to build the map.
    pub mapped_bytes: u64,
    /// Bytes read to be copied.
    pub read_bytes: u64,
    pub written_bytes: u64,
    pub records_read: u64,
    pub records_kept: u64,
    /// Keys in the map.
    pub keys: u64,
    pub segments_before: u64,
    pub segments_after: u64,
}

impl CleanFigures {
    /// All bytes that the disk moved: what a throttle counts.
    pub fn moved_bytes(&self) -> u64 {
        self.mapped_bytes + self.read_bytes + self.written_bytes
    }
}

impl From<Fault> for CleanStop {
    fn from(fault: Fault) -> CleanStop {
        match fault.cause {
            // What was to be read or written went with a deletion.
            _ if fault.is_not_found() => CleanStop::CalledOff,
            _ if fault.is_passing() => CleanStop::DiskFull(fault),
            Cause::Corrupt(_) => CleanStop::Unreadable(fault.to_string()),
            Cause::Io { .. } | Cause::Poisoned => CleanStop::Fault(fault),
        }
    }
}

impl From<BatchError> for CleanStop {
    fn from(error: BatchError) -> CleanStop {
        CleanStop::Unreadable(error.to_string())
    }
}

impl From<ReadRefused> for CleanStop {
    fn from(refused: ReadRefused) -> CleanStop {
        match refused {
            ReadRefused::Storage(fault) => fault.into(),
            ReadRefused::OffsetOutOfRange { .. } | ReadRefused::Corrupt { .. } => {
                CleanStop::Unreadable(refused.to_string())
            }
        }
    }
}

impl From<Stop> for CleanStop {
    fn from(stop: Stop) -> CleanStop {
        match stop {
            Stop::Disk(fault) => fault.into(),
            Stop::Bad { offset, what, .. } => CleanStop::Unreadable(format!("offset {offset}: {what}")),
            Stop::Damaged { range, what, .. } => {
                CleanStop::Unreadable(format!("offset {}: {what}", range.offset))
            }
        }
    }
}

impl Log {
    /// Begins a cleaning of what is flushed; at most one at a time. `secret` keys the hashes of the map.
    pub fn begin_cleaning(
        &mut self,
        candidate: CleanCandidate,
        bounds: MapBounds,
        secret: u128,
        now_ms: i64,
    ) -> CleanWork {
        assert!(candidate.flushed && self.cleaning.is_none(), "a cleaning that must not begin");
        let guard = Arc::new(CleanGuard::default());
        self.cleaning = Some(Arc::clone(&guard));
        let view = self.view();
        let last_written = |entry: &crate::producers::ProducerEntry| match entry.last_batch() {
            Some(batch) => LastWritten::Data(batch.last_offset),
            None => LastWritten::Marker(entry.epoch),
        };
        let producers = self.producers.iter().flat_map(|producers| producers.entries());
        let rules = Rules {
            now_ms,
            delete_retention_ms: self.config.delete_retention_ms,
            high_watermark: self.high_watermark,
            producers: producers.map(|(id, entry)| (id, last_written(entry))).collect(),
        };
        let mapping = Mapping::new(&view, &candidate);
        CleanWork {
            guard,
            disk: Arc::clone(&self.disk),
            directory: self.directory.clone(),
            config: Arc::clone(&self.config),
            // Twice the room for a key per eight hundred bytes, or for one of which every eighth record tells: more is seldom needed, and
            // memory that is never looked at is slower all the same.
            map: OffsetMap::new(
                bounds,
                secret,
                candidate.cleanable_bytes / 400,
                candidate.first_dirty_offset,
            ),
            view,
            candidate,
            rules,
            transactions: CleanedTransactions::default(),
            stage: Stage::Mapping(mapping),
            groups: VecDeque::new(),
            figures: CleanFigures::default(),
        }
    }
}

impl CleanWork {
    /// First offset that this cleaning leaves dirty; known once the map is built.
    pub fn end_offset(&self) -> i64 {
        self.map.latest_offset + 1
    }

    pub fn figures(&self) -> CleanFigures {
        CleanFigures { keys: self.map.entries(), ..self.figures }
    }

    /// The first dirty offset and the first that must stay as it is.
    pub fn candidate(&self) -> &CleanCandidate {
        &self.candidate
    }

    /// Works until about `slice_bytes` were read, or the log has to be asked. Blocking.
    pub fn run(&mut self, slice_bytes: u64) -> CleanStep {
        match self.try_run(slice_bytes) {
            Ok(step) => step,
            Err(_) if self.guard.is_off() => CleanStep::Stopped(CleanStop::CalledOff),
            Err(stop @ CleanStop::Fault(_)) => CleanStep::Stopped(stop),
            Err(stop @ (CleanStop::CalledOff | CleanStop::DiskFull(_) | CleanStop::Unreadable(_))) => {
                match self.discard() {
                    Ok(()) => CleanStep::Stopped(stop),
                    Err(fault) => CleanStep::Stopped(CleanStop::Fault(fault)),
                }
            }
        }
    }

    fn try_run(&mut self, slice_bytes: u64) -> Result<CleanStep, CleanStop> {
        let mut left = slice_bytes.max(1);
        while left > 0 {
            if self.guard.is_off() {
                return Err(CleanStop::CalledOff);
            }
            self.stage = match std::mem::replace(&mut self.stage, Stage::Finished) {
                Stage::Mapping(mut mapping) => {
                    if self.map_slice(&mut mapping, &mut left)? {
                        self.groups = self.group();
                        self.next_group()?
                    } else {
                        Stage::Mapping(mapping)
                    }
                }
                Stage::Copying(mut copying) => {
                    if self.copy_slice(&mut copying, &mut left)? {
                        self.stage = Stage::Ready(Box::new(copying.into_group()));
                        return Ok(CleanStep::TakeIn);
                    }
                    Stage::Copying(copying)
                }
                ready @ Stage::Ready(_) => {
                    self.stage = ready;
                    return Ok(CleanStep::TakeIn);
                }
                Stage::TakenIn => {
                    self.disk.sync_directory(&self.directory)?;
                    self.next_group()?
                }
                Stage::Finished => return Ok(CleanStep::Done),
            };
        }
        Ok(CleanStep::More)
    }

    fn next_group(&mut self) -> Result<Stage, CleanStop> {
        Ok(match self.groups.pop_front() {
            Some(group) => {
                self.figures.segments_before += group.len() as u64;
                self.figures.segments_after += 1;
                Stage::Copying(Box::new(self.begin_copying(group)?))
            }
            None => Stage::Finished,
        })
    }

    /// What the log shall take in, if that is what it waits for.
    pub(super) fn take_ready(&mut self) -> Option<CleanedGroup> {
        match std::mem::replace(&mut self.stage, Stage::TakenIn) {
            Stage::Ready(group) => Some(*group),
            other @ (Stage::Mapping(_) | Stage::Copying(_) | Stage::TakenIn | Stage::Finished) => {
                self.stage = other;
                None
            }
        }
    }

    /// Segments that become one: their sizes, their indexes and their offsets must fit (KIP-58, KAFKA-6264).
    fn group(&self) -> VecDeque<Vec<Arc<Segment>>> {
        let all = &self.view.segments.segments;
        let end = self.end_offset();
        let cleanable =
            all.get(..all.partition_point(|segment| segment.base_offset < end)).unwrap_or_default();
        let most_bytes = u64::from(self.config.segment_bytes);
        let most_index = u64::from(self.config.segment_index_bytes);
        let mut groups: VecDeque<Vec<Arc<Segment>>> = VecDeque::new();
        let (mut bytes, mut offsets, mut times) = (0u64, 0u64, 0u64);
        for (at, segment) in cleanable.iter().enumerate() {
            let size = u64::from(segment.size());
            let (index, time_index) = segment.read_indexes(|indexes| indexes.bytes());
            let last_offset = match cleanable.get(at + 1) {
                Some(next) => next.base_offset - 1,
                None => self.candidate.first_uncleanable_offset - 1,
            };
            let fits = |first: &Arc<Segment>| {
                bytes + size <= most_bytes
                    && offsets + index <= most_index
                    && times + time_index <= most_index
                    && (size == 0 || last_offset - first.base_offset <= i64::from(i32::MAX))
            };
            match groups.back_mut() {
                Some(group) if group.first().is_some_and(fits) => group.push(Arc::clone(segment)),
                Some(_) | None => {
                    groups.push_back(vec![Arc::clone(segment)]);
                    (bytes, offsets, times) = (0, 0, 0);
                }
            }
            (bytes, offsets, times) = (bytes + size, offsets + index, times + time_index);
        }
        groups
    }

    /// Where the segment after one of the view begins.
    pub(super) fn base_after(&self, segment: &Segment) -> i64 {
        let all = &self.view.segments.segments;
        let next = all.partition_point(|other| other.base_offset <= segment.base_offset);
        all.get(next).map_or(self.view.log_end_offset, |next| next.base_offset)
    }

    pub(super) fn figures_mut(&mut self) -> &mut CleanFigures {
        &mut self.figures
    }

    /// Removes the copy and makes sure that it does not come back: a start would take it for a swap to be completed.
    fn discard(&self) -> Result<(), Fault> {
        self.guard.remove_files(&*self.disk)?;
        match self.disk.sync_directory(&self.directory) {
            Err(fault) if fault.is_not_found() => Ok(()),
            other => other,
        }
    }
}
