//! What the stages of one cleaning share: what is cleaned and by which rules, the map of the newest offsets, and the figures.

use super::choice::CleanCandidate;
use super::filter::Rules;
use super::guard::CleanGuard;
use super::offset_map::OffsetMap;
use super::outcome::CleanFigures;
use super::transactions::CleanedTransactions;
use crate::config::LogConfig;
use crate::disk::Disk;
use crate::fault::Fault;
use crate::segment::Segment;
use crate::view::LogView;
use std::path::PathBuf;
use std::sync::Arc;

/// One cleaning, but for the stage it is in.
#[derive(Debug)]
pub(super) struct Round {
    pub guard: Arc<CleanGuard>,
    pub disk: Arc<dyn Disk>,
    pub directory: PathBuf,
    pub config: Arc<LogConfig>,
    /// The log when the cleaning began.
    pub view: LogView,
    pub candidate: CleanCandidate,
    pub rules: Rules,
    pub map: OffsetMap,
    /// Of the batches that are copied; those that are mapped have their own.
    pub transactions: CleanedTransactions,
    pub figures: CleanFigures,
}

impl Round {
    /// First offset that this cleaning leaves dirty; known once the map is built.
    pub fn end_offset(&self) -> i64 {
        self.map.latest_offset + 1
    }

    /// Where the segment after one of the view begins.
    pub fn base_after(&self, segment: &Segment) -> i64 {
        let all = &self.view.segments.segments;
        let next = all.partition_point(|other| other.base_offset <= segment.base_offset);
        all.get(next).map_or(self.view.log_end_offset, |next| next.base_offset)
    }

    /// Removes the copy and makes sure that it does not come back: a start would take it for a swap to be completed.
    pub fn discard(&self) -> Result<(), Fault> {
        self.guard.remove_files(&*self.disk)?;
        match self.disk.sync_directory(&self.directory) {
            Err(fault) if fault.is_not_found() => Ok(()),
            other => other,
        }
    }
}
