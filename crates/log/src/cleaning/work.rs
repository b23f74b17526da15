//! One cleaning as data: build the map of the newest offsets, copy what stays of each group of segments, offer the copy to the log,
//! go on. Runs in slices on any thread; between slices whoever runs it may wait (throttling, other work). Never changes the log.

use super::choice::CleanCandidate;
use super::copying::{CleanedGroup, Copying};
use super::filter::{LastWritten, Rules};
use super::guard::CleanGuard;
use super::mapping::Mapping;
use super::offset_map::{MapBounds, OffsetMap};
use super::outcome::{CleanFigures, CleanStep, CleanStop};
use super::round::Round;
use super::transactions::CleanedTransactions;
use crate::log::Log;
use crate::segment::Segment;
use std::collections::VecDeque;
use std::sync::Arc;

/// A cleaning under way.
#[derive(Debug)]
pub struct CleanWork {
    round: Round,
    stage: Stage,
    /// What is to become one segment each, and was not begun yet.
    groups: VecDeque<Vec<Arc<Segment>>>,
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
        let round = Round {
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
            figures: CleanFigures::default(),
        };
        CleanWork { round, stage: Stage::Mapping(mapping), groups: VecDeque::new() }
    }
}

impl CleanWork {
    /// First offset that this cleaning leaves dirty; known once the map is built.
    pub fn end_offset(&self) -> i64 {
        self.round.end_offset()
    }

    /// What was done so far.
    pub fn figures(&self) -> CleanFigures {
        CleanFigures { keys: self.round.map.entries(), ..self.round.figures }
    }

    /// The first dirty offset and the first that must stay as it is.
    pub fn candidate(&self) -> &CleanCandidate {
        &self.round.candidate
    }

    /// Shared with the log that is cleaned.
    pub(super) fn guard(&self) -> &Arc<CleanGuard> {
        &self.round.guard
    }

    /// Works until about `slice_bytes` were read, or the log has to be asked. Blocking.
    pub fn run(&mut self, slice_bytes: u64) -> CleanStep {
        match self.try_run(slice_bytes) {
            Ok(step) => step,
            Err(_) if self.round.guard.is_off() => CleanStep::Stopped(CleanStop::CalledOff),
            Err(stop @ CleanStop::Fault(_)) => CleanStep::Stopped(stop),
            Err(stop @ (CleanStop::CalledOff | CleanStop::DiskFull(_) | CleanStop::Unreadable(_))) => {
                match self.round.discard() {
                    Ok(()) => CleanStep::Stopped(stop),
                    Err(fault) => CleanStep::Stopped(CleanStop::Fault(fault)),
                }
            }
        }
    }

    fn try_run(&mut self, slice_bytes: u64) -> Result<CleanStep, CleanStop> {
        let mut left = slice_bytes.max(1);
        while left > 0 {
            if self.round.guard.is_off() {
                return Err(CleanStop::CalledOff);
            }
            self.stage = match std::mem::replace(&mut self.stage, Stage::Finished) {
                Stage::Mapping(mut mapping) => {
                    if mapping.run(&mut self.round, &mut left)? {
                        self.groups = self.group();
                        self.next_group()?
                    } else {
                        Stage::Mapping(mapping)
                    }
                }
                Stage::Copying(mut copying) => {
                    if copying.run(&mut self.round, &mut left)? {
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
                    self.round.disk.sync_directory(&self.round.directory)?;
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
                self.round.figures.segments_before += group.len() as u64;
                self.round.figures.segments_after += 1;
                Stage::Copying(Box::new(Copying::begin(&self.round, group)?))
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
        let all = &self.round.view.segments.segments;
        let end = self.end_offset();
        let cleanable =
            all.get(..all.partition_point(|segment| segment.base_offset < end)).unwrap_or_default();
        let most_bytes = u64::from(self.round.config.segment_bytes);
        let most_index = u64::from(self.round.config.segment_index_bytes);
        let mut groups: VecDeque<Vec<Arc<Segment>>> = VecDeque::new();
        let (mut bytes, mut offsets, mut times) = (0u64, 0u64, 0u64);
        for (at, segment) in cleanable.iter().enumerate() {
            let size = u64::from(segment.size());
            let (index, time_index) = segment.read_indexes(|indexes| indexes.bytes());
            let last_offset = match cleanable.get(at + 1) {
                Some(next) => next.base_offset - 1,
                None => self.round.candidate.first_uncleanable_offset - 1,
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
}
