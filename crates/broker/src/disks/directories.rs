//! The log directories of this node: identity, health, room, what they held when the node started, which of them are cordoned
//! (KIP-112, KIP-858, KIP-1066). Owns no partition; where a replica goes is decided in `placement.rs`. A directory that failed once
//! stays dead until the process restarts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

use log::directory::{Checkpoint, Listing, Offsets};
use log::future::FutureState;
use log::{Closed, Disk, Fault, LogDirectory, OpenMode};
use parking_lot::Mutex;
use wire::Uuid;
use wire::topic::TopicIdPartition;

use super::amendments::Amendments;
use super::flusher::Flusher;
use super::found::Found;
use super::offsets::DirectoryOffsets;
use super::recovered::Recovered;
use crate::limits::{DISK_RESERVE_BYTES, DISK_RESERVE_SHARE, DISK_UNCHECKED_BYTES, DISK_UNCHECKED_MS};

/// All log directories, in the order of `log.dirs`.
pub(crate) struct Directories {
    pub(super) list: Vec<Directory>,
    /// Where replicas shall be that this node does not have yet (AlterReplicaLogDirs, KIP-113). Cold: administrators, new topics.
    pub(super) preferred: Mutex<BTreeMap<(String, i32), usize>>,
    /// The broker was unfenced once: what the image gains from here on is new, and lies in no directory that cannot be read.
    pub(super) is_settled: AtomicBool,
    /// Of the last registration that the directories were told of.
    broker_epoch: AtomicI64,
    /// What was read again after an unclean stop.
    pub recovered: Recovered,
}

/// What all log directories hold, read before anything in them is touched.
pub(crate) struct Listed(Vec<(PathBuf, Result<Listing, Fault>)>);

/// What mkfs leaves at the top of a file system.
// DIVERGES: Kafka refuses it with every other name; a volume of one's own is what log directories are made for.
const LOST_AND_FOUND: &str = "lost+found";

/// What Kafka's tiered storage keeps beside the partitions.
const REMOTE_INDEXES: &str = "remote-log-index-cache";

impl Listed {
    /// Lists the directories. One that holds a directory of an unknown kind is refused, as by Kafka: it may be anybody's, and a
    /// partition under a name that nobody finds would be missing in silence.
    pub fn look(disk: &Arc<dyn Disk>, paths: &[PathBuf]) -> Result<Listed, String> {
        let mut all = Vec::with_capacity(paths.len());
        for path in paths {
            let listing = LogDirectory::new(Arc::clone(disk), path).list();
            let others = listing.iter().flat_map(|listing| &listing.other);
            let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
            let known = |name: &String| {
                [LOST_AND_FOUND, REMOTE_INDEXES].contains(&name.as_str())
                    || log::names::is_stray_directory(name)
            };
            if let Some(name) = others.filter_map(name).find(|name| !known(name)) {
                return Err(format!(
                    "Found directory {}, '{name}' is not in the form of topic-partition or \
                     topic-partition.uniqueId-delete (if marked for deletion). Kafka's log directories (and children) \
                     should only contain Kafka topic data.",
                    path.join(&name).display()
                ));
            }
            all.push((path.clone(), listing));
        }
        Ok(Listed(all))
    }
}

/// Wishes for replicas that do not exist (yet); each is a name and a number.
const PREFERENCES_MAX: usize = 10_000;

/// One log directory.
pub(crate) struct Directory {
    pub log: LogDirectory,
    /// `directory.id` of meta.properties.
    pub id: Uuid,
    pub flusher: Flusher,
    /// The last stop was clean, and wrote this broker epoch.
    pub clean_shutdown: Option<i64>,
    /// The last broker here was killed, had this epoch, and all that it wrote is in the page cache.
    survived_life: Option<i64>,
    /// The metadata log is here: the node cannot be without this directory.
    pub holds_metadata: bool,
    failed: AtomicBool,
    /// Takes no new replicas.
    cordoned: AtomicBool,
    /// Less than the reserve is left: appends are refused, everything else goes on.
    full: AtomicBool,
    /// People were told that it is full, and not yet that it is over.
    told_full: AtomicBool,
    /// Bytes that may be appended before the room is looked at again.
    unchecked_bytes: AtomicI64,
    /// When the room is looked at again, however little was appended: others write, too.
    look_again_ms: AtomicI64,
    pub(super) replicas: AtomicUsize,
    /// Something was appended since the checkpoints were last written.
    changed: AtomicBool,
    /// The cleaner's checkpoint has, or had, something to say.
    cleaned: AtomicBool,
    /// Partitions found at the start, until the image claims them. Cold: locked at start-up and for new topics only.
    pub(super) found: Mutex<BTreeMap<String, BTreeMap<i32, Found>>>,
    /// Replicas on their way here, as last seen. Cold: written by moves, read by DescribeLogDirs.
    futures: Mutex<BTreeMap<TopicIdPartition, FutureState>>,
    /// Rounds of checkpoints begun.
    rounds: AtomicU64,
    /// Held while checkpoint files are written: the latest round that wrote them. Cold: every few seconds, and at the start.
    pub(super) writing_checkpoints: Mutex<u64>,
    /// What the checkpoints must say before the next round. Cold: deletions of records and of logs.
    pub(super) amendments: Mutex<Amendments>,
    lowerings: AtomicU64,
    /// Serial number of renamed directories.
    deletions: AtomicU64,
}

impl Directories {
    /// Reads identity, checkpoints and listing of every directory. One that cannot be read is dead from the start, unless the
    /// node cannot be without it.
    pub fn open(disk: &Arc<dyn Disk>, listed: Listed, metadata: &Path) -> Result<Directories, Fault> {
        let mut list = Vec::with_capacity(listed.0.len());
        for (path, listing) in listed.0 {
            let (path, is_metadata) = (path.as_path(), path == metadata);
            let directory = Directory::empty(disk, path, is_metadata);
            list.push(match listing.and_then(|listing| Directory::open(disk, path, is_metadata, listing)) {
                Ok(directory) => directory,
                Err(fault) if directory.holds_metadata => return Err(fault),
                Err(fault) => {
                    tracing::error!(%fault, directory = %path.display(), "the log directory cannot be read: its replicas are offline");
                    directory.fail();
                    directory
                }
            });
        }
        Ok(Directories {
            list,
            preferred: Mutex::default(),
            is_settled: AtomicBool::new(false),
            broker_epoch: AtomicI64::new(-1),
            recovered: Recovered::default(),
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Directory> {
        self.list.iter()
    }

    pub fn get(&self, index: usize) -> Option<&Directory> {
        self.list.get(index)
    }

    /// Ids of the directories that still work, as registration and heartbeats tell them.
    pub fn online(&self) -> Vec<Uuid> {
        self.list.iter().filter(|directory| !directory.is_failed()).map(|directory| directory.id).collect()
    }

    /// Ids of the dead ones.
    pub fn offline(&self) -> Vec<Uuid> {
        let told = |directory: &&Directory| directory.is_failed() && !directory.id.is_zero();
        self.list.iter().filter(told).map(|directory| directory.id).collect()
    }

    /// One or more are dead.
    pub fn any_failed(&self) -> bool {
        self.list.iter().any(Directory::is_failed)
    }

    /// The directory of that path, as configured.
    pub fn by_path(&self, path: &str) -> Option<usize> {
        self.list.iter().position(|directory| directory.log.path().as_os_str() == path)
    }

    /// The directory in which a file lies.
    pub fn of_path(&self, file: &Path) -> Option<usize> {
        let holds = |(_, directory): &(usize, &Directory)| file.starts_with(directory.log.path());
        let deepest = |(_, directory): &(usize, &Directory)| directory.log.path().components().count();
        self.list.iter().enumerate().filter(holds).max_by_key(deepest).map(|(index, _)| index)
    }

    /// `cordoned.log.dirs`, as it stands now; answers the ids of those that are.
    pub fn cordon(&self, paths: &[String]) -> Vec<Uuid> {
        let all = paths.iter().any(|path| path == "*");
        for directory in &self.list {
            let named = paths.iter().any(|path| directory.log.path().as_os_str() == path.as_str());
            directory.cordoned.store(all || named, Ordering::Release);
        }
        let cordoned = |directory: &&Directory| directory.is_cordoned() && !directory.is_failed();
        self.list.iter().filter(cordoned).map(|directory| directory.id).collect()
    }

    /// A replica that is not here yet shall be in that directory.
    pub fn prefer(&self, topic: &str, partition: i32, directory: usize) {
        let mut preferred = self.preferred.lock();
        if preferred.len() < PREFERENCES_MAX {
            preferred.insert((topic.to_owned(), partition), directory);
        }
    }

    /// The broker was unfenced once.
    pub fn is_settled(&self) -> bool {
        self.is_settled.load(Ordering::Acquire)
    }

    /// The broker has been registered with this epoch. Who is killed from here on and finds the same page cache has lost nothing.
    pub fn registered(&self, broker_epoch: i64) {
        if broker_epoch < 0 || self.broker_epoch.swap(broker_epoch, Ordering::AcqRel) == broker_epoch {
            return;
        }
        for directory in self.iter().filter(|directory| !directory.is_failed()) {
            note_life(&directory.log, broker_epoch);
        }
    }

    /// The broker is unfenced: the image holds all that there was before this life of the process.
    pub fn settled(&self) {
        if !self.is_settled.load(Ordering::Relaxed) {
            self.is_settled.store(true, Ordering::Release);
        }
    }
}

/// Whoever is killed from here on and finds the same page cache has lost nothing of what the broker of this epoch had.
fn note_life(log: &LogDirectory, broker_epoch: i64) {
    if let Err(fault) = log.write_life(broker_epoch) {
        let path = log.path().display();
        tracing::warn!(%path, %fault, "should this process be killed, the controller will take its replicas for incomplete");
    }
}

impl Directory {
    fn open(
        disk: &Arc<dyn Disk>,
        path: &Path,
        holds_metadata: bool,
        listing: Listing,
    ) -> Result<Directory, Fault> {
        let directory = Directory::empty(disk, path, holds_metadata);
        let log = &directory.log;
        let id = log.meta_properties()?.and_then(|meta| meta.directory_id).unwrap_or(Uuid::ZERO);
        let clean_shutdown = log.take_clean_shutdown()?;
        let survived_life = log.survived_life()?;
        if let Some(broker_epoch) = clean_shutdown.filter(|epoch| *epoch >= 0) {
            // The marker is gone now, and who is killed before it is registered has lost nothing either.
            note_life(log, broker_epoch);
        }
        let (recovery_points, _) = log.read_checkpoint(Checkpoint::RecoveryPoint)?;
        let (log_starts, _) = log.read_checkpoint(Checkpoint::LogStart)?;
        let (high_watermarks, _) = log.read_checkpoint(Checkpoint::Replication)?;
        let (cleaned, _) = log.read_checkpoint(Checkpoint::Cleaner)?;
        let of = |offsets: &Offsets, name: &(String, i32)| offsets.get(name).copied().unwrap_or(0);
        let mut found: BTreeMap<String, BTreeMap<i32, Found>> = BTreeMap::new();
        let futures = listing.futures.into_iter().map(|future| (future, true));
        for (partition, is_future) in
            listing.partitions.into_iter().map(|partition| (partition, false)).chain(futures)
        {
            let name = (partition.topic, partition.partition);
            let mode = OpenMode {
                clean_shutdown: clean_shutdown.is_some(),
                recovery_point: of(&recovery_points, &name),
                log_start_offset: of(&log_starts, &name),
                high_watermark: of(&high_watermarks, &name),
                topic_id: None,
                cleaned_offset: cleaned.get(&name).copied(),
            };
            let there = found.entry(name.0).or_default().entry(name.1).or_default();
            if is_future {
                there.futures.push((partition.path, mode));
            } else {
                there.current = Some(mode);
            }
        }
        let is_there = |topic: &str, partition| {
            found.get(topic).is_some_and(|partitions| partitions.contains_key(&partition))
        };
        let mut amendments = Amendments::default();
        amendments.lines_without_log(&[&recovery_points, &log_starts, &high_watermarks, &cleaned], is_there);
        for path in &listing.deleted {
            // What a deletion left behind when the process ended; nobody knows these names any more.
            disk.remove_directory(path)?;
        }
        let (found, cleaned) = (Mutex::new(found), AtomicBool::new(!cleaned.is_empty()));
        let amendments = Mutex::new(amendments);
        Ok(Directory { id, clean_shutdown, survived_life, found, cleaned, amendments, ..directory })
    }

    /// One of which nothing is known.
    fn empty(disk: &Arc<dyn Disk>, path: &Path, holds_metadata: bool) -> Directory {
        Directory {
            log: LogDirectory::new(Arc::clone(disk), path),
            id: Uuid::ZERO,
            flusher: Flusher::default(),
            clean_shutdown: None,
            survived_life: None,
            holds_metadata,
            failed: AtomicBool::new(false),
            cordoned: AtomicBool::new(false),
            full: AtomicBool::new(false),
            told_full: AtomicBool::new(false),
            unchecked_bytes: AtomicI64::new(0),
            look_again_ms: AtomicI64::new(i64::MIN),
            replicas: AtomicUsize::new(0),
            changed: AtomicBool::new(false),
            cleaned: AtomicBool::new(false),
            found: Mutex::default(),
            futures: Mutex::default(),
            rounds: AtomicU64::new(0),
            writing_checkpoints: Mutex::new(0),
            amendments: Mutex::default(),
            lowerings: AtomicU64::new(0),
            deletions: AtomicU64::new(0),
        }
    }

    /// The epoch of the last broker that lived here, if nothing of what it wrote can be lost (KIP-966). Kafka knows of clean stops alone.
    pub fn kept_epoch(&self) -> Option<i64> {
        self.clean_shutdown.or(self.survived_life)
    }

    /// What a clean stop writes down. A broker that was never registered in this life, as no controller was found, leaves what it has met: had
    /// the one before lost nothing, nothing is lost yet, and had it lost something, this stop has not brought it back.
    // DIVERGES: Kafka leaves -1 then, and who has everything is taken for one that has not. If all stop like that, anyone may be elected.
    pub fn epoch_to_leave(&self, broker_epoch: i64) -> i64 {
        if broker_epoch >= 0 { broker_epoch } else { self.kept_epoch().unwrap_or(-1) }
    }

    /// Adds what the checkpoints said at the start of partitions that no image has claimed yet. True if the stop before was a clean one for all
    /// of them: who stops before it has read them again cannot vouch for them.
    pub fn keep_unclaimed(&self, offsets: &mut DirectoryOffsets) -> bool {
        let mut is_sound = true;
        for (topic, partitions) in &*self.found.lock() {
            for (partition, found) in partitions {
                let modes = found.current.iter().chain(found.futures.iter().map(|(_, mode)| mode));
                is_sound &= modes.clone().all(|mode| mode.clean_shutdown);
                // The checkpoints have one line for a name.
                for mode in modes.take(1) {
                    offsets.add((topic.clone(), *partition), Closed::from(mode));
                }
            }
        }
        is_sound
    }

    /// Takes no new replicas (KIP-1066).
    pub fn is_cordoned(&self) -> bool {
        self.cordoned.load(Ordering::Acquire)
    }

    /// A replica on its way here, as it stands now; `None` when it arrived or the move was called off.
    pub fn note_future(&self, key: TopicIdPartition, state: Option<FutureState>) {
        let mut futures = self.futures.lock();
        match state {
            Some(state) => drop(futures.insert(key, state)),
            None => drop(futures.remove(&key)),
        }
    }

    /// Replicas on their way here.
    pub fn futures(&self) -> BTreeMap<TopicIdPartition, FutureState> {
        self.futures.lock().clone()
    }

    pub fn is_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Marks it dead; true the first time.
    pub fn fail(&self) -> bool {
        !self.failed.swap(true, Ordering::AcqRel)
    }

    /// An append met the end of the disk: refused from now on, until room is seen.
    pub fn note_full(&self) {
        self.full.store(true, Ordering::Release);
    }

    /// Whether `bytes` may be appended: false below the reserve, until room is free again.
    pub fn has_room_for(&self, bytes: usize, now_ms: i64) -> bool {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let left = self.unchecked_bytes.fetch_sub(bytes, Ordering::AcqRel).saturating_sub(bytes);
        let is_old = now_ms >= self.look_again_ms.load(Ordering::Relaxed);
        if left < 0 || is_old || self.full.load(Ordering::Acquire) {
            self.look_again_ms.store(now_ms.saturating_add(DISK_UNCHECKED_MS), Ordering::Relaxed);
            self.measure(bytes);
        }
        !self.full.load(Ordering::Acquire)
    }

    /// Says that something was refused for want of room. True where that is news: then somebody looks soon whether it is over.
    pub fn tell_full(&self) -> bool {
        let is_news = !self.told_full.swap(true, Ordering::AcqRel);
        if is_news {
            let available_bytes = self.log.space().map_or(0, |space| space.available_bytes);
            tracing::error!(directory = %self.log.path().display(), available_bytes, "the disk is full: what would be written there is refused with KAFKA_STORAGE_ERROR, reading goes on; make room, or let retention do it");
        }
        is_news
    }

    /// Looks whether there is room again, and says so.
    pub fn is_full_still(&self) -> bool {
        self.measure(1);
        let still = self.full.load(Ordering::Acquire);
        if !still && self.told_full.swap(false, Ordering::AcqRel) {
            tracing::info!(directory = %self.log.path().display(), "the disk has room again: writing goes on");
        }
        still
    }

    /// Looks at the file system: one system call per tenth of the room that is left, or per quarter of the reserve; others write,
    /// too.
    fn measure(&self, wanted: i64) {
        let Ok(space) = self.log.space() else { return };
        let reserve = DISK_RESERVE_BYTES.min(space.total_bytes / DISK_RESERVE_SHARE);
        let room = space.available_bytes.saturating_sub(reserve);
        self.full.store(room < wanted.unsigned_abs(), Ordering::Release);
        let unchecked = (room / 10).min(DISK_UNCHECKED_BYTES).min(reserve / 4);
        self.unchecked_bytes.store(i64::try_from(unchecked).unwrap_or(i64::MAX), Ordering::Release);
    }

    /// A log ends below what its recovery-point checkpoint says (the disk lost it, or it was truncated). The file must say so before
    /// anything is appended: the next crash would take what it tears for damage below the durable point.
    pub fn lower_recovery_point(&self, topic: &str, partition: i32, offset: i64) -> Result<(), Fault> {
        let _writing = self.writing_checkpoints.lock();
        self.lowerings.fetch_add(1, Ordering::AcqRel);
        let (mut offsets, _) = self.log.read_checkpoint(Checkpoint::RecoveryPoint)?;
        offsets.insert((topic.to_owned(), partition), offset);
        self.log.write_checkpoint(Checkpoint::RecoveryPoint, &offsets)
    }

    /// The number of a round of checkpoints that begins: of two the later one has the newer offsets, whichever is written first.
    pub fn begin_round(&self) -> u64 {
        self.rounds.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// How often a recovery point was lowered: offsets gathered before the last time are too high.
    pub fn lowerings(&self) -> u64 {
        self.lowerings.load(Ordering::Acquire)
    }

    /// A replica came.
    pub fn replica_here(&self) {
        self.replicas.fetch_add(1, Ordering::Relaxed);
    }

    /// Replicas here.
    pub fn replicas(&self) -> usize {
        self.replicas.load(Ordering::Relaxed)
    }

    /// A replica left.
    pub fn replica_gone(&self) {
        self.replicas.fetch_sub(1, Ordering::Relaxed);
    }

    /// Something was appended.
    pub fn note_change(&self) {
        if !self.changed.load(Ordering::Relaxed) {
            self.changed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the cleaner's checkpoint is to be written: once there was something in it, always.
    pub fn note_cleaned(&self, any: bool) -> bool {
        self.cleaned.fetch_or(any, Ordering::Relaxed) || any
    }

    /// Whether something was appended since the last time this was asked.
    pub fn take_change(&self) -> bool {
        self.changed.swap(false, Ordering::Relaxed)
    }

    /// A name for the next directory that is renamed for deletion.
    pub fn deletion_name(&self) -> Uuid {
        let serial = self.deletions.fetch_add(1, Ordering::Relaxed);
        let id = u128::from_be_bytes(self.id.0) ^ (u128::from(serial) << 96);
        Uuid(id.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use log::SimDisk;
    use log::sim_disk::Survival;

    use super::*;

    /// The directory as a start finds it.
    fn start(disk: &SimDisk) -> Directories {
        let (disk, path): (Arc<dyn Disk>, _) = (Arc::new(disk.clone()), PathBuf::from("/data"));
        let listed = Listed::look(&disk, std::slice::from_ref(&path)).unwrap();
        Directories::open(&disk, listed, &path).unwrap()
    }

    fn kept(directories: &Directories) -> Option<i64> {
        directories.get(0).unwrap().kept_epoch()
    }

    /// A clean stop of a broker that knows of this epoch; -1: it was not registered.
    fn stop(directories: &Directories, broker_epoch: i64) {
        let directory = directories.get(0).unwrap();
        directory.log.write_clean_shutdown(directory.epoch_to_leave(broker_epoch)).unwrap();
    }

    #[test]
    fn a_life_without_a_registration_leaves_what_it_met() {
        let disk = SimDisk::new(1);
        LogDirectory::new(Arc::new(disk.clone()), "/data").claim().unwrap();
        let first = start(&disk);
        assert_eq!(kept(&first), None);
        first.registered(7);
        let killed = start(&disk);
        assert_eq!(kept(&killed), Some(7), "the page cache has everything");
        stop(&killed, -1);
        disk.restart(Survival::Nothing);
        let stopped = start(&disk);
        assert_eq!(kept(&stopped), Some(7), "a clean stop that no controller heard of");
        assert_eq!(kept(&start(&disk)), Some(7), "killed before anybody heard of it");
        disk.restart(Survival::Nothing);
        let powerless = start(&disk);
        assert_eq!(kept(&powerless), None);
        stop(&powerless, -1);
        assert_eq!(kept(&start(&disk)), Some(-1), "a clean stop brings nothing back");
        powerless.registered(9);
        stop(&powerless, 9);
        assert_eq!(kept(&start(&disk)), Some(9));
    }

    #[test]
    fn what_was_not_read_again_is_not_vouched_for_and_keeps_its_lines() {
        let disk = SimDisk::new(1);
        let log = LogDirectory::new(Arc::new(disk.clone()), "/data");
        log.claim().unwrap();
        disk.create_directory(&log.path().join("t-0")).unwrap();
        let line = |offset| Offsets::from([(("t".to_owned(), 0), offset)]);
        log.write_checkpoint(Checkpoint::RecoveryPoint, &line(7)).unwrap();
        log.write_checkpoint(Checkpoint::LogStart, &line(3)).unwrap();
        let stop = |after_a_clean_one: bool| {
            if after_a_clean_one {
                log.write_clean_shutdown(5).unwrap();
            }
            let (directories, mut offsets) = (start(&disk), DirectoryOffsets::default());
            let is_sound = directories.get(0).unwrap().keep_unclaimed(&mut offsets);
            assert_eq!((offsets.recovery_points, offsets.log_starts), (line(7), line(3)));
            is_sound
        };
        assert!(stop(true));
        assert!(!stop(false), "its logs were not looked at since a crash");
    }
}
