//! Flushing as data: what must be synced for a log to be durable up to an offset, runnable on another thread. Decides nothing
//! about when (the broker's flusher does). One flusher per log at a time.

use crate::checkpoint;
use crate::disk::{Disk, FileHandle};
use crate::epochs::EpochCache;
use crate::fault::Fault;
use crate::segment::Segment;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files and directories to sync, in the right order, for everything below `upto` to be durable.
#[derive(Clone, Debug)]
pub struct FlushWork {
    disk: Arc<dyn Disk>,
    /// Log end offset when the work was taken.
    pub upto: i64,
    files: Vec<FileHandle>,
    /// Small files to be replaced whole (the leader epochs).
    replacements: Vec<(PathBuf, Vec<u8>)>,
    /// Directories with new names in them: synced after the files, innermost first.
    directories: Vec<PathBuf>,
    ahead: Option<WriteAhead>,
    owed_bytes: u64,
    stamp: Stamp,
}

/// Zeros to be written behind a segment's batches.
#[derive(Clone, Debug)]
pub(crate) struct WriteAhead {
    pub segment: Arc<Segment>,
    pub bytes: u64,
    /// The file may not become longer.
    pub limit: u32,
}

/// A flush that ran.
#[derive(Clone, Debug)]
pub struct FlushOutcome {
    upto: i64,
    stamp: Stamp,
    /// What the disk said.
    pub result: Result<(), Fault>,
}

/// Tells a work's state of the log from later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    /// Which log of its partition: see [`Log::begin_life`](crate::log::Log::begin_life).
    life: u64,
    generation: u64,
    truncations: u64,
}

impl FlushWork {
    /// Blocks until the disk confirms. The first failure ends it; nothing is retried (a second fsync would lie).
    pub fn run(&self) -> FlushOutcome {
        FlushOutcome { upto: self.upto, stamp: self.stamp, result: self.sync_all() }
    }

    /// Runs the works of several logs. A directory that more than one of them names (the one their directories lie in) is synced
    /// once, after all files; if that fails, all of those have failed.
    pub fn run_all(works: &[FlushWork]) -> Vec<FlushOutcome> {
        let mut named: BTreeMap<&Path, usize> = BTreeMap::new();
        for directory in works.iter().flat_map(|work| &work.directories) {
            *named.entry(directory).or_default() += 1;
        }
        named.retain(|_, works| *works > 1);
        let own = |work: &FlushWork| {
            work.sync_files()?;
            work.sync_directories(|directory| !named.contains_key(directory))
        };
        let mut results: Vec<Result<(), Fault>> = works.iter().map(own).collect();
        for directory in named.keys() {
            let names_it = |work: &FlushWork| work.directories.iter().any(|named| named == directory);
            let Some(first) = works.iter().find(|work| names_it(work)) else { continue };
            if let Err(fault) = first.disk.sync_directory(directory) {
                for (work, result) in works.iter().zip(&mut results) {
                    if names_it(work) && result.is_ok() {
                        *result = Err(fault.clone());
                    }
                }
            }
        }
        let outcome =
            |(work, result): (&FlushWork, _)| FlushOutcome { upto: work.upto, stamp: work.stamp, result };
        works.iter().zip(results).map(outcome).collect()
    }

    /// About as many bytes of batches as nobody has asked the disk to keep before; for those who choose an order.
    pub fn owed_bytes(&self) -> u64 {
        self.owed_bytes
    }

    /// Whether names have to become durable, and not only bytes.
    pub fn makes_names(&self) -> bool {
        !self.directories.is_empty()
    }

    /// Whether this work of the same log was taken later, or is of a later log of the same partition.
    pub fn is_newer_than(&self, other: &FlushWork) -> bool {
        let order = |work: &FlushWork| (work.stamp.life, work.stamp.generation);
        order(self) > order(other)
    }

    /// An older work of the same log is not run, because this one covers it.
    pub fn replaces(&mut self, older: &FlushWork) {
        self.owed_bytes = self.owed_bytes.saturating_add(older.owed_bytes);
    }

    fn sync_all(&self) -> Result<(), Fault> {
        self.sync_files()?;
        self.sync_directories(|_| true)
    }

    pub(crate) fn write_ahead(&mut self, ahead: WriteAhead) {
        self.ahead = Some(ahead);
    }

    fn sync_files(&self) -> Result<(), Fault> {
        if let Some(WriteAhead { segment, bytes, limit }) = &self.ahead {
            match segment.write_ahead(*bytes, *limit, &*self.disk) {
                // It goes without: there is no need for them.
                Err(fault) if fault.is_passing() || fault.is_not_found() => {}
                other => other?,
            }
        }
        for file in &self.files {
            match self.disk.sync(file) {
                // Removed by truncation or retention since the work was taken: nobody needs it on the platter.
                Err(fault) if fault.is_not_found() => {}
                other => other?,
            }
        }
        for (path, contents) in &self.replacements {
            self.disk.swap_file(path, contents)?;
        }
        Ok(())
    }

    fn sync_directories(&self, wanted: impl Fn(&Path) -> bool) -> Result<(), Fault> {
        let mut directories = self.directories.iter().filter(|directory| wanted(directory));
        directories.try_for_each(|directory| self.disk.sync_directory(directory))
    }
}

/// What of a log is not on the platter yet. Every item carries the generation in which it became dirty; a flush clears what was
/// dirty when its work was taken and nothing later.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    life: u64,
    generation: u64,
    truncations: u64,
    /// Segments with unsynced bytes and where they end; the active one has no end yet.
    segments: Vec<(Arc<Segment>, Option<i64>)>,
    /// The newest segment of the last work, and its size then.
    taken: Option<(i64, u32)>,
    files: Vec<(u64, FileHandle)>,
    /// Written, and made anew if a crash tears them: synced when the log is closed, and no ack waits for it.
    caches: Vec<FileHandle>,
    epochs: Option<u64>,
    /// The epochs' file is such a cache, too.
    epochs_are_cache: bool,
    directory: Option<u64>,
    parent: Option<u64>,
}

impl Dirty {
    pub fn wrote(&mut self, segment: &Arc<Segment>) {
        match self.segments.last_mut() {
            Some((last, end)) if Arc::ptr_eq(last, segment) => *end = None,
            Some(_) | None => self.segments.push((segment.clone(), None)),
        }
    }

    /// The active segment was sealed.
    pub fn sealed(&mut self, end_offset: i64) {
        if let Some((_, end @ None)) = self.segments.last_mut() {
            *end = Some(end_offset);
        }
    }

    /// A companion file (snapshot, partition metadata, index of a sealed segment) was written.
    pub fn file(&mut self, file: &FileHandle) {
        match self.files.iter_mut().find(|(_, dirty)| dirty.is_same(file)) {
            Some((generation, _)) => *generation = self.generation,
            None => self.files.push((self.generation, file.clone())),
        }
    }

    /// A file that a start can make anew was written.
    pub fn cache(&mut self, file: &FileHandle) {
        self.caches.push(file.clone());
    }

    /// The next flush is the last one: it leaves nothing behind.
    pub fn caches_too(&mut self) {
        self.epochs_are_cache = false;
        for file in std::mem::take(&mut self.caches) {
            self.file(&file);
        }
    }

    pub fn epochs_are_found_again(&mut self) {
        self.epochs_are_cache = true;
    }

    pub fn epochs(&mut self) {
        self.epochs = Some(self.generation);
    }

    /// A name changed in the partition's directory.
    pub fn directory(&mut self) {
        self.directory = Some(self.generation);
    }

    /// The partition's directory itself is new.
    pub fn parent(&mut self) {
        self.parent = Some(self.generation);
    }

    /// The log's directory was renamed: files that only this list knows follow.
    pub fn moved_to(&mut self, directory: &Path) {
        for file in self.files.iter().map(|(_, file)| file).chain(&self.caches) {
            if let Some(name) = file.path().file_name() {
                file.moved_to(directory.join(name));
            }
        }
        self.directory();
        self.parent();
    }

    /// The log takes another one's place: a flush of that one that is still under way proves nothing about this one.
    pub fn supersede(&mut self, other: &Dirty) {
        self.life = self.life.max(other.life);
        self.generation = self.generation.max(other.generation) + 1;
        self.truncations = self.truncations.max(other.truncations) + 1;
    }

    pub fn begin_life(&mut self, life: u64) {
        self.life = life;
    }

    /// Whether the flush was of this log, and not of one that was here before it.
    pub fn is_own(&self, outcome: &FlushOutcome) -> bool {
        outcome.stamp.life == self.life
    }

    /// Bytes were cut: works under way no longer prove anything.
    pub fn truncated(&mut self, keep: impl Fn(&Arc<Segment>) -> bool) {
        self.truncations += 1;
        self.segments.retain(|(segment, _)| keep(segment));
    }

    /// Segments and their snapshots were removed: nobody needs them on the platter.
    pub fn removed(&mut self, segment: &Arc<Segment>) {
        self.segments.retain(|(dirty, _)| !Arc::ptr_eq(dirty, segment));
    }

    pub fn forget_file(&mut self, file: &FileHandle) {
        let path = file.path();
        self.files.retain(|(_, dirty)| !dirty.is_same(file) && dirty.path() != path);
    }

    pub fn is_clean(&self) -> bool {
        self.segments.is_empty()
            && self.files.is_empty()
            && !self.epochs_are_due()
            && self.directory.is_none()
            && self.parent.is_none()
    }

    /// Where the newest segment with unsynced bytes begins.
    pub fn newest_segment(&self) -> Option<i64> {
        self.segments.last().map(|(segment, _)| segment.base_offset)
    }

    fn epochs_are_due(&self) -> bool {
        self.epochs.is_some() && !self.epochs_are_cache
    }

    /// Bytes of batches that no work has covered yet.
    fn take_owed_bytes(&mut self) -> u64 {
        let taken = self.taken;
        let covered = |segment: &Segment| match taken {
            Some((base_offset, size)) if base_offset == segment.base_offset => size,
            Some((base_offset, _)) if base_offset > segment.base_offset => segment.size(),
            Some(_) | None => 0,
        };
        let owed = |segment: &Segment| u64::from(segment.size().saturating_sub(covered(segment)));
        let bytes = self.segments.iter().map(|(segment, _)| owed(segment)).sum();
        if let Some((newest, _)) = self.segments.last() {
            self.taken = Some((newest.base_offset, newest.size()));
        }
        bytes
    }

    /// Takes the work of now; later changes belong to the next generation.
    pub fn work(&mut self, from: &Flushable<'_>) -> FlushWork {
        let stamp = Stamp { life: self.life, generation: self.generation, truncations: self.truncations };
        self.generation += 1;
        let mut files: Vec<FileHandle> =
            self.segments.iter().map(|(segment, _)| segment.log.clone()).collect();
        files.extend(self.files.iter().map(|(_, file)| file.clone()));
        let mut replacements = Vec::new();
        let mut directories = Vec::new();
        let epochs = self.epochs_are_due();
        if epochs {
            let path = from.directory.join(crate::names::LEADER_EPOCHS);
            replacements.push((path, checkpoint::write_epochs(from.epochs).into_bytes()));
        }
        if self.directory.is_some() || epochs {
            directories.push(from.directory.clone());
        }
        if self.parent.is_some()
            && let Some(parent) = from.directory.parent()
        {
            directories.push(parent.to_path_buf());
        }
        let (disk, upto, owed_bytes) = (from.disk.clone(), from.upto, self.take_owed_bytes());
        FlushWork { disk, upto, files, replacements, directories, ahead: None, owed_bytes, stamp }
    }

    /// Takes note of a flush that succeeded; answers the offset it proves, if any.
    pub fn done(&mut self, outcome: &FlushOutcome, log_end_offset: i64) -> Option<i64> {
        let FlushOutcome { upto, stamp, .. } = outcome;
        let later = |generation: &mut Option<u64>| {
            if generation.is_some_and(|dirty| dirty <= stamp.generation) {
                *generation = None;
            }
        };
        if !self.epochs_are_cache {
            later(&mut self.epochs);
        }
        later(&mut self.directory);
        later(&mut self.parent);
        self.files.retain(|(generation, _)| *generation > stamp.generation);
        if stamp.truncations != self.truncations {
            return None;
        }
        self.segments.retain(|(_, end)| end.unwrap_or(log_end_offset) > *upto);
        Some(*upto)
    }
}

/// What a work needs to know of its log.
#[derive(Debug)]
pub(crate) struct Flushable<'a> {
    pub disk: &'a Arc<dyn Disk>,
    pub directory: &'a PathBuf,
    pub epochs: &'a EpochCache,
    pub upto: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Log;
    use crate::sim_disk::{SimDisk, SimFault};
    use crate::testing;

    fn written(disk: &SimDisk, partition: i32) -> Log {
        let directory = PathBuf::from(format!("/data/topic-{partition}"));
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut log = Log::unwritten(disk, directory, Arc::new(testing::small()), wire::Uuid([7; 16]));
        testing::append(&mut log, 1, &["a"]);
        log
    }

    #[test]
    fn logs_that_are_flushed_together_sync_the_directory_they_lie_in_once_and_fail_together_with_it() {
        let disk = SimDisk::new(1);
        testing::prepare(&disk);
        let mut logs: Vec<Log> = (0..3).map(|partition| written(&disk, partition)).collect();
        let works: Vec<FlushWork> = logs.iter_mut().filter_map(Log::dirty).collect();
        assert!(works.len() == 3 && works.iter().all(|work| work.run().result.is_ok()));
        let before = disk.operations();
        assert!(FlushWork::run_all(&works).iter().all(|outcome| outcome.result.is_ok()));
        let together = disk.operations() - before;
        let before = disk.operations();
        works.iter().for_each(|work| drop(work.run()));
        assert_eq!(disk.operations() - before, together + 2);
        disk.fail_at(together - 1, SimFault::Io);
        assert!(FlushWork::run_all(&works).iter().all(|outcome| outcome.result.is_err()));
    }

    #[test]
    fn a_flush_of_a_deleted_log_says_nothing_about_the_one_that_has_its_name_now() {
        let disk = SimDisk::new(1);
        testing::prepare(&disk);
        let mut first = written(&disk, 0);
        first.begin_life(1);
        testing::append(&mut first, 1, &["b"]);
        let works: Vec<FlushWork> = (0..2).map(|_| first.dirty().unwrap()).collect();
        let outcome = works[1].run();
        assert!(first.is_own(&outcome));
        drop(first.delete(wire::Uuid([9; 16])).unwrap());
        let mut second = written(&disk, 0);
        second.begin_life(2);
        let work = second.dirty().unwrap();
        assert!(work.is_newer_than(&works[1]) && !works[1].is_newer_than(&work), "however many came before");
        // Shorter, and as long: it proves neither, and takes nothing off the list of what is dirty.
        for _ in 0..2 {
            assert!(!second.is_own(&outcome));
            second.flushed(&outcome).unwrap();
            assert!(second.recovery_point() == 0 && second.is_dirty());
            testing::append(&mut second, 1, &["c"]);
        }
        let failed = FlushOutcome { result: Err(Fault::would_block("/data".as_ref())), ..outcome };
        second.flushed(&failed).unwrap();
        assert!(second.poisoned().is_none());
        second.flushed(&work.run()).unwrap();
        assert_eq!(second.recovery_point(), 1);
    }
}
