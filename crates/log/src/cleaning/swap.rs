//! The log's side of a cleaning: taking a new segment in for those it replaces, noting how far the log is clean, calling a cleaning
//! off. Readers that hold a view go on with the old segments until `file.delete.delay.ms` is over.

use super::copying::{CleanedGroup, if_there, renamed};
use super::guard::CleanGuard;
use super::work::CleanWork;
use crate::disk::FileHandle;
use crate::fault::Fault;
use crate::log::Log;
use crate::names;
use crate::retention::Removal;
use crate::segment::Segment;
use std::sync::Arc;

impl Log {
    /// Puts a finished copy in the place of its sources; false (and the cleaning is over) if those are not there any more.
    /// Their files get `.deleted` names, durably, before the copy gets its final ones: at no moment could a start see both.
    pub fn take_in(&mut self, work: &mut CleanWork) -> Result<bool, Fault> {
        self.check_poison()?;
        let group = work.take_ready();
        let Some(CleanedGroup { sources, cleaned }) = group else { return Ok(self.is_cleaned_by(work)) };
        if !self.is_cleaned_by(work) {
            return Ok(false);
        }
        let Some(at) = self.place_of(&sources) else {
            self.call_off_cleaning()?;
            return Ok(false);
        };
        work.guard().writes(None);
        self.exchange(at, &sources, &cleaned).inspect_err(|fault| self.poison(fault))?;
        self.check();
        Ok(true)
    }

    fn exchange(&mut self, at: usize, sources: &[Arc<Segment>], cleaned: &Arc<Segment>) -> Result<(), Fault> {
        // Its name says where its offsets begin.
        let begins = sources.first().map(|first| first.base_offset);
        assert!(begins == Some(cleaned.base_offset), "a copy begins where its sources did");
        let mut files = Vec::new();
        for segment in sources {
            self.dirty.removed(segment);
            files.extend(segment.files());
            // The producers' state at the first one's beginning is as true as it was.
            if segment.base_offset != cleaned.base_offset && self.snapshots.remove(&segment.base_offset) {
                let name = names::segment_file(&self.directory, segment.base_offset, names::SNAPSHOT);
                files.push(FileHandle::new(name));
            }
        }
        self.exchanges += 1;
        // A name of its own: two cleanings within the deletion delay must not delete each other's files.
        let ending = format!(".{}{}", self.exchanges, names::DELETED_SUFFIX);
        let mut gone = Vec::with_capacity(files.len());
        for file in files {
            self.dirty.forget_file(&file);
            let name = renamed(&file, "", &ending);
            match self.disk.rename(&file, &name) {
                Ok(()) => gone.push(file),
                Err(fault) if fault.is_not_found() => {}
                Err(fault) => return Err(fault),
            }
        }
        self.disk.sync_directory(&self.directory)?;
        for file in cleaned.files() {
            if_there(self.disk.rename(&file, &renamed(&file, names::SWAP_SUFFIX, "")))?;
        }
        let mut segments = self.segments.segments.clone();
        segments.splice(at..at + sources.len(), [Arc::clone(cleaned)]);
        self.set_segments(segments);
        let delay_ms = self.config.file_delete_delay_ms;
        self.removals.push(Removal { disk: Arc::clone(&self.disk), delay_ms, files: gone, directory: None });
        Ok(())
    }

    /// Where these segments are in the log, one after the other; the last one of the log is never among them.
    fn place_of(&self, sources: &[Arc<Segment>]) -> Option<usize> {
        let first = sources.first()?;
        let all = &self.segments.segments;
        let at = all.iter().position(|segment| Arc::ptr_eq(segment, first))?;
        let there = all.get(at..at + sources.len())?;
        let same = there.iter().zip(sources).all(|(a, b)| Arc::ptr_eq(a, b));
        (same && at + sources.len() < all.len()).then_some(at)
    }

    /// The cleaning came to its end: the log is clean up to there.
    pub fn cleaning_done(&mut self, work: &CleanWork) {
        if self.is_cleaned_by(work) {
            // A truncation would have called it off.
            assert!(work.end_offset() <= self.log_end_offset, "a cleaning goes no further than the log");
            self.cleaned_offset = Some(work.end_offset());
            self.cleaning = None;
        }
    }

    /// The cleaning ended early. False if it was none of this log, or called off: what stopped it says nothing about the log.
    pub fn cleaning_stopped(&mut self, work: &CleanWork) -> bool {
        let own = self.is_cleaned_by(work);
        if own {
            self.cleaning = None;
        }
        own
    }

    fn is_cleaned_by(&self, work: &CleanWork) -> bool {
        let same = |guard: &Arc<CleanGuard>| Arc::ptr_eq(guard, work.guard()) && !guard.is_off();
        self.cleaning.as_ref().is_some_and(same)
    }

    /// Ends a cleaning for good before the log changes under it: its files are gone from the platter when this returns.
    pub fn call_off_cleaning(&mut self) -> Result<(), Fault> {
        let Some(guard) = self.cleaning.take() else { return Ok(()) };
        if guard.call_off() {
            guard.remove_files(&*self.disk)?;
            self.disk.sync_directory(&self.directory)?;
        }
        Ok(())
    }

    /// Gaps between offsets are compaction's right in this log, not damage.
    pub(crate) fn may_have_gaps(&self) -> bool {
        self.config.compact || self.cleaned_offset.is_some()
    }
}
