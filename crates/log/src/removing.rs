//! Taking away: truncation, DeleteRecords, retention, deletion of the whole log. Names change at once, bytes go later (readers
//! may hold a view). Truncation is never decided here: the replica's leader epochs decide it.

use crate::disk::FileHandle;
use crate::fault::Fault;
use crate::fetched::ReadRefused;
use crate::log::{Active, Log};
use crate::names;
use crate::read::Readable;
use crate::retention::{LogFacts, Removal, SegmentFacts, choose};
use crate::segment::Segment;
use crate::source::Source;
use std::path::PathBuf;
use std::sync::Arc;
use wire::Uuid;

impl Log {
    /// Drops everything from `offset` on, and the batch that holds it (follower divergence). Where the log ends there, or before, it keeps
    /// its records and loses the epochs in which it was led without being written (KAFKA-10706). If the recovery
    /// point goes back, the caller writes the directory's checkpoint before it appends again: otherwise a crash would take what is
    /// appended next for corruption below the durable point.
    pub fn truncate_to(&mut self, offset: i64) -> Result<(), Fault> {
        self.check_poison()?;
        if offset >= self.log_end_offset {
            if self.epochs.latest().is_some_and(|latest| latest.start_offset >= offset) {
                Arc::make_mut(&mut self.epochs).truncate_end(offset);
                self.epochs_changed();
            }
            return Ok(());
        }
        self.call_off_cleaning().inspect_err(|fault| self.poison(fault))?;
        let first = self.segments.segments.first().map(|segment| segment.base_offset);
        if first.is_none_or(|first| offset <= first) {
            return self.truncate_fully_and_start_at(offset, None);
        }
        self.truncate_inside(offset).inspect_err(|fault| self.poison(fault))?;
        self.check();
        Ok(())
    }

    fn truncate_inside(&mut self, offset: i64) -> Result<(), Fault> {
        let keep = self.segments.floor(offset).unwrap_or(0) + 1;
        let mut segments = self.segments.segments.clone();
        let gone = segments.split_off(keep.min(segments.len()));
        for segment in gone.iter().rev() {
            self.remove_now(segment)?;
        }
        let mut end_offset = offset;
        if let Some(last) = segments.last() {
            end_offset = self.cut(last, offset)?;
            self.active = Active { first_timestamp: None, unsealed: true, ..self.active };
        }
        self.dirty.truncated(|dirty| segments.iter().any(|kept| Arc::ptr_eq(kept, dirty)));
        self.dirty.directory();
        if let Some(last) = segments.last() {
            self.dirty.wrote(last);
        }
        self.set_segments(segments);
        self.ends_at(end_offset)?;
        self.load_first_timestamp()
    }

    /// Cuts one segment before the first batch that reaches `offset`; answers the offset that batch began with, so that no
    /// hole stays where a batch was cut in its middle.
    fn cut(&mut self, segment: &Arc<Segment>, offset: i64) -> Result<i64, Fault> {
        let end_offset = self.log_end_offset;
        let readable = Readable {
            source: Source::of(&*self.disk),
            trails: None,
            segment,
            bytes: segment.size(),
            end_offset,
        };
        let (position, end_offset) = match readable.find(offset) {
            Ok(Some(place)) => (place.position, place.header.base_offset.min(offset)),
            Ok(None) | Err(ReadRefused::OffsetOutOfRange { .. }) => (segment.size(), offset),
            Err(ReadRefused::Storage(fault) | ReadRefused::Corrupt { fault, .. }) => return Err(fault),
        };
        // The index first: after a crash it must not point beyond the data.
        segment
            .with_indexes(|indexes| indexes.truncate(segment.base_offset, offset, position, &*self.disk))?;
        segment.cut(position, &*self.disk)?;
        // Now, not with the next flush: what was cut must not come back behind what is appended next.
        self.disk.sync(&segment.log)?;
        Ok(end_offset)
    }

    /// The log's end went back to `offset`: everything that knows more forgets it.
    fn ends_at(&mut self, offset: i64) -> Result<(), Fault> {
        self.log_end_offset = offset;
        self.cleaned_offset = self.cleaned_offset.map(|cleaned| cleaned.min(offset));
        self.recovery_point = self.recovery_point.min(offset);
        self.high_watermark = self.high_watermark.min(offset);
        self.log_start_offset = self.log_start_offset.min(offset);
        if self.epochs.latest().is_some_and(|latest| latest.start_offset >= offset) {
            Arc::make_mut(&mut self.epochs).truncate_end(offset);
            self.epochs_changed();
        }
        for stale in self.snapshots.split_off(&(offset + 1)) {
            self.remove_snapshot(stale)?;
        }
        self.reload_producers()
    }

    /// Drops everything and starts anew at `offset` (a follower whose leader's log begins later, a snapshot).
    pub fn truncate_fully_and_start_at(
        &mut self,
        offset: i64,
        log_start_offset: Option<i64>,
    ) -> Result<(), Fault> {
        self.check_poison()?;
        self.call_off_cleaning().inspect_err(|fault| self.poison(fault))?;
        self.cleaned_offset = None;
        let segments = self.segments.segments.clone();
        for segment in segments.iter().rev() {
            self.remove_now(segment).inspect_err(|fault| self.poison(fault))?;
        }
        for stale in std::mem::take(&mut self.snapshots) {
            self.remove_snapshot(stale).inspect_err(|fault| self.poison(fault))?;
        }
        let had_files = self.has_files();
        self.dirty.truncated(|_| false);
        self.set_segments(Vec::new());
        self.producers = None;
        if self.epochs.latest().is_some() {
            Arc::make_mut(&mut self.epochs).clear();
        }
        if had_files {
            self.dirty.epochs();
            self.dirty.directory();
        }
        self.log_end_offset = offset;
        self.log_start_offset = log_start_offset.unwrap_or(offset).min(offset);
        self.recovery_point = offset;
        self.high_watermark = self.high_watermark.clamp(self.log_start_offset, offset);
        self.check();
        Ok(())
    }

    /// DeleteRecords: moves the log start offset (at most to the high watermark) and takes out the segments wholly below it.
    /// Answers the log start offset. The caller writes the directory's log-start checkpoint.
    pub fn delete_records_before(&mut self, offset: i64) -> Result<i64, Fault> {
        self.check_poison()?;
        let offset = offset.min(self.high_watermark);
        if offset > self.log_start_offset {
            self.starts_at(offset);
            let below = self.segments.floor(offset).unwrap_or(0);
            if below > 0 {
                self.remove_oldest(below).inspect_err(|fault| self.poison(fault))?;
            }
            self.check();
        }
        Ok(self.log_start_offset)
    }

    pub(crate) fn starts_at(&mut self, offset: i64) {
        self.log_start_offset = offset;
        if Arc::make_mut(&mut self.epochs).truncate_start(offset) {
            self.epochs_changed();
        }
        if let Some(producers) = &mut self.producers {
            producers.replicated_to(offset);
        }
    }

    /// Applies retention (time, size, log start) as `retention::choose` decides; answers how many segments left the log.
    pub fn apply_retention(&mut self, now_ms: i64) -> Result<usize, Fault> {
        self.check_poison()?;
        let facts: Vec<SegmentFacts> = self.segment_facts();
        let log = LogFacts { log_start_offset: self.log_start_offset, high_watermark: self.high_watermark };
        let count = choose(&facts, log, &self.config, now_ms);
        if count == 0 {
            return Ok(0);
        }
        if count == facts.len() {
            self.roll(self.log_end_offset, now_ms).map_err(|fault| self.fail(fault))?;
            // Its name alone says where the log ends: it may not be lost while the others go.
            self.disk.sync_directory(&self.directory).map_err(|fault| self.fail(fault))?;
        }
        self.remove_oldest(count).inspect_err(|fault| self.poison(fault))?;
        self.check();
        Ok(count)
    }

    fn segment_facts(&self) -> Vec<SegmentFacts> {
        let segments = &self.segments.segments;
        let next = segments.iter().skip(1).map(|segment| segment.base_offset).chain([self.log_end_offset]);
        segments
            .iter()
            .zip(next)
            .map(|(segment, next_offset)| SegmentFacts {
                next_offset,
                bytes: u64::from(segment.size()),
                max_timestamp: self.newest_time(segment),
            })
            .collect()
    }

    /// Of a segment's records, or when its file was written where none of them has a time; -1 if nothing tells.
    fn newest_time(&self, segment: &Segment) -> i64 {
        let timestamp = segment.max_timestamp().timestamp;
        let is_asked = self.config.delete && self.config.retention_ms >= 0 && segment.size() > 0;
        if timestamp >= 0 || !is_asked {
            return timestamp;
        }
        self.disk.modified_ms(&segment.log).unwrap_or(timestamp)
    }

    /// Takes the oldest segments out of the log. Their files get `.deleted` names now and go when the delay is over.
    fn remove_oldest(&mut self, count: usize) -> Result<(), Fault> {
        let mut gone = self.segments.segments.clone();
        assert!(count < gone.len(), "the active segment stays");
        let kept = gone.split_off(count);
        let start = kept.first().map_or(self.log_end_offset, |segment| segment.base_offset);
        let mut files = Vec::new();
        for segment in &gone {
            self.dirty.removed(segment);
            for file in segment.files() {
                self.dirty.forget_file(&file);
                files.push(file);
            }
            if self.snapshots.remove(&segment.base_offset) {
                let file = FileHandle::new(names::segment_file(
                    &self.directory,
                    segment.base_offset,
                    names::SNAPSHOT,
                ));
                self.dirty.forget_file(&file);
                files.push(file);
            }
        }
        let renamed = self.mark_deleted(files)?;
        let delay_ms = self.config.file_delete_delay_ms;
        self.removals.push(Removal { disk: self.disk.clone(), delay_ms, files: renamed, directory: None });
        self.set_segments(kept);
        if start > self.log_start_offset {
            self.starts_at(start);
        }
        Ok(())
    }

    /// Gives files their `.deleted` name; those that were never made are left out.
    fn mark_deleted(&self, files: Vec<FileHandle>) -> Result<Vec<FileHandle>, Fault> {
        let mut renamed = Vec::with_capacity(files.len());
        for file in files {
            let mut name = file.path().into_os_string();
            name.push(names::DELETED_SUFFIX);
            match self.disk.rename(&file, &PathBuf::from(name)) {
                Ok(()) => renamed.push(file),
                Err(fault) if fault.is_not_found() => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(renamed)
    }

    /// A truncated segment goes for good: the data file first, so that its companions are orphans rather than lies. Called from
    /// the log's end backwards and synced each time, so that a crash leaves no hole and nothing comes back behind new data.
    fn remove_now(&mut self, segment: &Segment) -> Result<(), Fault> {
        segment.close_room();
        for file in segment.files() {
            self.dirty.forget_file(&file);
            self.disk.remove(&file)?;
        }
        if self.snapshots.remove(&segment.base_offset) {
            self.remove_snapshot(segment.base_offset)?;
        }
        self.disk.sync_directory(&self.directory)
    }

    fn remove_snapshot(&mut self, offset: i64) -> Result<(), Fault> {
        let file = FileHandle::new(names::segment_file(&self.directory, offset, names::SNAPSHOT));
        self.dirty.forget_file(&file);
        self.disk.remove(&file)
    }

    /// Files whose deletion delay runs: jobs for the janitor, each carries its delay.
    pub fn take_removals(&mut self) -> Vec<Removal> {
        std::mem::take(&mut self.removals)
    }

    /// Renames the directory to `<topic>-<partition>.<unique>-delete` and answers the job that removes it after the delay;
    /// `None` if there never was a directory.
    pub fn delete(self, unique: Uuid) -> Result<Option<Removal>, Fault> {
        if let Some(cleaning) = &self.cleaning {
            // Its files go with the directory.
            cleaning.call_off();
        }
        if !self.disk.exists(&self.directory) {
            return Ok(None);
        }
        let name = self.directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let unique = crate::directory::hex(unique);
        let target = self.directory.with_file_name(names::delete_directory(name, &unique));
        self.disk.rename_directory(&self.directory, &target)?;
        if let Some(parent) = target.parent() {
            self.disk.sync_directory(parent)?;
        }
        let mut files: Vec<FileHandle> =
            self.removals.into_iter().flat_map(|removal| removal.files).collect();
        for file in &files {
            if let Some(name) = file.path().file_name() {
                file.moved_to(target.join(name));
            }
        }
        for segment in &self.segments.segments {
            segment.moved_to(&target);
            files.extend(segment.files());
        }
        let delay_ms = self.config.file_delete_delay_ms;
        Ok(Some(Removal { disk: self.disk, delay_ms, files, directory: Some(target) }))
    }
}
