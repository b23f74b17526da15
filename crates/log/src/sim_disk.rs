//! A disk in memory that forgets what was not synced. Per file a durable image and the list of unsynced operations; a crash
//! keeps any subset of them at sector granularity, names become durable with their directory. Pages may leave the page cache: on
//! request, with a bit that turns on the platter, or as the seed draws it. Deterministic from its seed.
//! Compiled for tests only (feature `testing`): the simulator and the crash tests of the crates above are its readers.

mod faults;
mod rng;
mod strain;

pub use self::faults::SimFault;
use self::rng::Rng;
use crate::disk::{Cached, DirectoryEntry, Disk, DiskSpace, FileHandle};
use crate::fault::{Fault, Operation};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, IoSlice};
use std::ops::{Bound, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a real device writes at once.
const SECTOR_BYTES: usize = 512;

/// What a page cache keeps or lets go of at once.
const PAGE_BYTES: usize = 4096;

/// How much of the unsynced operations a crash keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// Only what was synced.
    Nothing,
    /// All of it, as after a kill -9.
    Everything,
    /// Any subset, sector by sector.
    Random,
}

/// The simulated disk; clones share it.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<Device>>,
}

/// Files and names as a program sees them, and as the platter has them.
#[derive(Debug)]
struct Device {
    rng: Rng,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    /// What a program sees now.
    names: BTreeMap<PathBuf, Node>,
    /// What the platter knows.
    durable_names: BTreeMap<PathBuf, Node>,
    /// Unsynced changes of names, in order.
    name_operations: Vec<NameOperation>,
    /// Mutating operations so far; faults are told by this count.
    operations: u64,
    faults: BTreeMap<u64, SimFault>,
    crashed: bool,
    capacity: u64,
    /// How many in a thousand reads of the cache find that its pages have just gone.
    misses_per_mille: u64,
    /// What files are stamped with: without a clock nothing is ever old.
    clock_ms: i64,
    /// Directories whose device is broken.
    broken: Vec<PathBuf>,
    /// How often the page cache was lost.
    boots: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Directory,
    File(u64),
}

#[derive(Clone, Debug)]
enum NameOperation {
    Set { path: PathBuf, node: Node },
    Remove { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf, node: Node },
    RenameDirectory { from: PathBuf, to: PathBuf },
}

#[derive(Debug, Default)]
struct Inode {
    durable: Vec<u8>,
    current: Vec<u8>,
    pending: Vec<Pending>,
    modified_ms: i64,
    /// Pages that are on the platter alone.
    evicted: BTreeSet<usize>,
}

#[derive(Debug)]
enum Pending {
    Write { position: usize, bytes: Vec<u8> },
    Length(usize),
}

impl SimDisk {
    /// An empty disk of unlimited size; the seed decides what a crash keeps.
    pub fn new(seed: u64) -> SimDisk {
        SimDisk {
            state: Arc::new(Mutex::new(Device {
                rng: Rng::new(seed),
                inodes: BTreeMap::new(),
                next_inode: 1,
                names: BTreeMap::new(),
                durable_names: BTreeMap::new(),
                name_operations: Vec::new(),
                operations: 0,
                faults: BTreeMap::new(),
                crashed: false,
                capacity: u64::MAX,
                misses_per_mille: 0,
                clock_ms: i64::MAX,
                broken: Vec::new(),
                boots: 0,
            })),
        }
    }

    /// Mutating operations (create, write, truncate, sync, rename, remove, directories) so far.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// Lets the `nth` mutating operation from now (0 is the next) meet a fault.
    pub fn fail_at(&self, nth: u64, fault: SimFault) {
        let mut state = self.state.lock();
        let at = state.operations + nth;
        state.faults.insert(at, fault);
    }

    /// Lets the page cache lose pages by itself, so often.
    pub fn set_misses_per_mille(&self, misses: u64) {
        self.state.lock().misses_per_mille = misses;
    }

    /// The time with which files are stamped from now on.
    pub fn set_clock(&self, clock_ms: i64) {
        self.state.lock().clock_ms = clock_ms;
    }

    /// The page cache loses all of a file that it has written back, and the next read finds what is on the platter.
    pub fn evict(&self, path: &Path) -> bool {
        let mut state = self.state.lock();
        let Some(inode) = state.inode(path) else { return false };
        inode.evict(0..inode.current.len());
        true
    }

    /// Pages of a file that are in the page cache.
    pub fn cached_pages(&self, path: &Path) -> usize {
        let mut state = self.state.lock();
        state.inode(path).map_or(0, |inode| pages(0..inode.current.len()).len() - inode.evicted.len())
    }

    /// Turns one bit of a file on the platter; its page is not in the cache.
    pub fn flip_bit(&self, path: &Path, byte: usize, bit: u8) -> bool {
        self.flip(path, byte, bit, true)
    }

    /// Turns one bit of a file in the page cache, where no check can be expected to find it.
    pub fn flip_bit_in_memory(&self, path: &Path, byte: usize, bit: u8) -> bool {
        self.flip(path, byte, bit, false)
    }

    fn flip(&self, path: &Path, byte: usize, bit: u8, evicts: bool) -> bool {
        let mut state = self.state.lock();
        let Some(inode) = state.inode(path) else { return false };
        if evicts {
            inode.evict(byte..byte + 1);
        }
        let flip = |image: &mut Vec<u8>| match image.get_mut(byte) {
            Some(found) => {
                *found ^= 1 << (bit & 7);
                true
            }
            None => false,
        };
        flip(&mut inode.durable);
        flip(&mut inode.current)
    }

    /// True after a `Crash` fault, until `restart`.
    pub fn is_crashed(&self) -> bool {
        self.state.lock().crashed
    }

    /// Power loss and reboot: unsynced bytes and names survive as told.
    pub fn restart(&self, survival: Survival) {
        let mut state = self.state.lock();
        state.crashed = false;
        state.faults.clear();
        state.boots += u64::from(survival != Survival::Everything);
        state.settle_names(survival);
        state.settle_files(survival);
    }

    /// The process ends and the machine goes on: what the page cache holds stays, faults to come do not.
    pub fn end_process(&self) {
        self.state.lock().faults.clear();
    }

    /// A copy of the whole disk, to try several crash states from one point.
    pub fn fork(&self, seed: u64) -> SimDisk {
        let state = self.state.lock();
        let inodes = state
            .inodes
            .iter()
            .map(|(id, inode)| {
                let pending = inode.pending.iter().map(Pending::copy).collect();
                let (durable, current) = (inode.durable.clone(), inode.current.clone());
                let (evicted, modified_ms) = (inode.evicted.clone(), inode.modified_ms);
                (*id, Inode { durable, current, pending, modified_ms, evicted })
            })
            .collect();
        SimDisk {
            state: Arc::new(Mutex::new(Device {
                rng: Rng::new(seed),
                inodes,
                next_inode: state.next_inode,
                names: state.names.clone(),
                durable_names: state.durable_names.clone(),
                name_operations: state.name_operations.clone(),
                operations: state.operations,
                faults: state.faults.clone(),
                crashed: state.crashed,
                capacity: state.capacity,
                misses_per_mille: state.misses_per_mille,
                clock_ms: state.clock_ms,
                broken: state.broken.clone(),
                boots: state.boots,
            })),
        }
    }
}

/// The pages of a range of bytes.
fn pages(bytes: Range<usize>) -> Range<usize> {
    bytes.start / PAGE_BYTES..bytes.end.div_ceil(PAGE_BYTES)
}

impl Inode {
    fn evict(&mut self, bytes: Range<usize>) {
        self.evicted.extend(pages(bytes));
    }

    /// The pages of a range are in the cache from now on.
    fn bring_in(&mut self, bytes: Range<usize>) {
        if !self.evicted.is_empty() {
            pages(bytes).for_each(|page| {
                self.evicted.remove(&page);
            });
        }
    }
}

impl Pending {
    fn copy(&self) -> Pending {
        match self {
            Pending::Write { position, bytes } => {
                Pending::Write { position: *position, bytes: bytes.clone() }
            }
            Pending::Length(length) => Pending::Length(*length),
        }
    }
}

impl Device {
    fn inode(&mut self, path: &Path) -> Option<&mut Inode> {
        match self.names.get(path) {
            Some(Node::File(id)) => self.inodes.get_mut(id),
            Some(Node::Directory) | None => None,
        }
    }

    fn found(&mut self, path: &Path, operation: Operation) -> Result<&mut Inode, Fault> {
        self.inode(path).ok_or_else(|| Fault::io(operation, path, &ErrorKind::NotFound.into()))
    }

    fn read_allowed(&self, path: &Path, operation: Operation) -> Result<(), Fault> {
        if self.crashed {
            return Err(gone(operation, path));
        }
        self.working(path, operation)
    }

    fn working(&self, path: &Path, operation: Operation) -> Result<(), Fault> {
        if self.broken.iter().any(|directory| path.starts_with(directory)) {
            return Err(Fault::io(operation, path, &std::io::Error::other("the simulated device is broken")));
        }
        Ok(())
    }

    /// Counts a mutating operation and meets its fault. `Ok(Some(fault))` asks the caller to do what the fault says.
    fn begin(&mut self, path: &Path, operation: Operation) -> Result<Option<SimFault>, Fault> {
        if self.crashed {
            return Err(gone(operation, path));
        }
        self.working(path, operation)?;
        let fault = self.faults.remove(&self.operations);
        self.operations += 1;
        match fault {
            Some(SimFault::Io) => Err(Fault::io(operation, path, &std::io::Error::other("simulated EIO"))),
            Some(fault @ (SimFault::NoSpace | SimFault::SyncForgets | SimFault::Crash)) => Ok(Some(fault)),
            None => Ok(None),
        }
    }

    /// Ends an operation that has just happened: a crash takes the machine down now.
    fn end(&mut self, fault: Option<SimFault>, path: &Path, operation: Operation) -> Result<(), Fault> {
        match fault {
            None => Ok(()),
            Some(SimFault::Crash) => {
                self.crashed = true;
                Err(gone(operation, path))
            }
            Some(SimFault::NoSpace) => Err(Fault::io(operation, path, &ErrorKind::StorageFull.into())),
            Some(SimFault::Io | SimFault::SyncForgets) => {
                Err(Fault::io(operation, path, &std::io::Error::other("simulated EIO")))
            }
        }
    }

    /// Of a disk without bounds nobody asks.
    fn used(&self) -> u64 {
        if self.capacity == u64::MAX {
            return 0;
        }
        self.names
            .values()
            .map(|node| match node {
                Node::File(id) => self.inodes.get(id).map_or(0, |inode| inode.current.len() as u64),
                Node::Directory => 0,
            })
            .sum()
    }

    fn name(&mut self, operation: NameOperation) {
        apply_name(&mut self.names, &operation);
        self.name_operations.push(operation);
    }

    /// The directory's own entries become durable (as on ext4, the directory itself must be synced in its parent). What was made in
    /// it while it had another name is among them.
    fn sync_names(&mut self, directory: &Path) {
        let mut known_as = vec![directory.to_path_buf()];
        for operation in self.name_operations.iter().rev() {
            let NameOperation::RenameDirectory { from, to } = operation else { continue };
            let earlier: Vec<PathBuf> = known_as.iter().filter_map(|name| moved(name, to, from)).collect();
            known_as.extend(earlier);
        }
        let mut rest: Vec<NameOperation> = Vec::new();
        for operation in std::mem::take(&mut self.name_operations) {
            if !known_as.iter().any(|name| operation.touches(name)) {
                rest.push(operation);
                continue;
            }
            if let NameOperation::RenameDirectory { from, to } = &operation {
                // What is not durable yet of the directory's own entries goes with it.
                rest.iter_mut().for_each(|earlier| earlier.follow(from, to));
            }
            apply_name(&mut self.durable_names, &operation);
        }
        self.name_operations = rest;
    }

    fn settle_names(&mut self, survival: Survival) {
        for operation in std::mem::take(&mut self.name_operations) {
            let keep = match survival {
                Survival::Nothing => false,
                Survival::Everything => true,
                Survival::Random => self.rng.coin(),
            };
            if keep {
                apply_name(&mut self.durable_names, &operation);
            }
        }
        // A name in a directory that did not survive is not reachable.
        let directories = self.durable_names.clone();
        self.durable_names.retain(|path, _| {
            path.ancestors().skip(1).all(|above| {
                above.as_os_str().is_empty()
                    || above.parent().is_none()
                    || directories.get(above) == Some(&Node::Directory)
            })
        });
        self.names = self.durable_names.clone();
    }

    fn settle_files(&mut self, survival: Survival) {
        for inode in self.inodes.values_mut() {
            for pending in std::mem::take(&mut inode.pending) {
                match (pending, survival) {
                    (_, Survival::Nothing) => {}
                    (pending, Survival::Everything) => pending.apply(&mut inode.durable),
                    (Pending::Length(length), Survival::Random) => {
                        if self.rng.coin() {
                            Pending::Length(length).apply(&mut inode.durable);
                        }
                    }
                    (Pending::Write { position, bytes }, Survival::Random) => {
                        keep_sectors(&mut self.rng, position, &bytes, &mut inode.durable);
                    }
                }
            }
            inode.current.clone_from(&inode.durable);
            inode.evict(0..inode.current.len());
        }
        let alive: BTreeSet<u64> = self
            .names
            .values()
            .filter_map(|node| match node {
                Node::File(id) => Some(*id),
                Node::Directory => None,
            })
            .collect();
        self.inodes.retain(|id, _| alive.contains(id));
    }
}

impl Pending {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Pending::Write { position, bytes } => overwrite(image, *position, bytes),
            Pending::Length(length) => image.resize(*length, 0),
        }
    }
}

/// A path below `from`, below `to` instead.
fn moved(path: &Path, from: &Path, to: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix(from).ok()?;
    Some(if rest.as_os_str().is_empty() { to.to_path_buf() } else { to.join(rest) })
}

impl NameOperation {
    /// A directory above was renamed.
    fn follow(&mut self, old: &Path, new: &Path) {
        let go = |path: &mut PathBuf| {
            if let Some(there) = moved(path, old, new) {
                *path = there;
            }
        };
        match self {
            NameOperation::Set { path, .. } | NameOperation::Remove { path } => go(path),
            NameOperation::Rename { from, to, .. } | NameOperation::RenameDirectory { from, to } => {
                go(from);
                go(to);
            }
        }
    }

    fn touches(&self, directory: &Path) -> bool {
        let within = |path: &Path| path.parent() == Some(directory);
        match self {
            NameOperation::Set { path, .. } | NameOperation::Remove { path } => within(path),
            NameOperation::Rename { from, to, .. } | NameOperation::RenameDirectory { from, to } => {
                within(from) || within(to)
            }
        }
    }
}

/// Keeps a random choice of a write's sectors: all, none, a prefix, or each by itself.
fn keep_sectors(rng: &mut Rng, position: usize, bytes: &[u8], image: &mut Vec<u8>) {
    let mode = rng.next() % 4;
    let cut = rng.next() as usize % (bytes.len() + 1);
    let mut done = 0;
    while done < bytes.len() {
        let at = position + done;
        let length = (SECTOR_BYTES - at % SECTOR_BYTES).min(bytes.len() - done);
        let keep = match mode {
            0 => true,
            1 => false,
            2 => done + length <= cut,
            _ => rng.coin(),
        };
        if keep {
            overwrite(image, at, bytes.get(done..done + length).unwrap_or_default());
        }
        done += length;
    }
}

fn overwrite(image: &mut Vec<u8>, position: usize, bytes: &[u8]) {
    let end = position + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    if let Some(target) = image.get_mut(position..end) {
        target.copy_from_slice(bytes);
    }
}

fn apply_name(names: &mut BTreeMap<PathBuf, Node>, operation: &NameOperation) {
    match operation {
        NameOperation::Set { path, node } => {
            names.insert(path.clone(), *node);
        }
        NameOperation::Remove { path } => {
            names.remove(path);
        }
        NameOperation::Rename { from, to, node } => {
            names.remove(from);
            names.insert(to.clone(), *node);
        }
        NameOperation::RenameDirectory { from, to } => {
            let moved: Vec<PathBuf> = names.keys().filter(|path| path.starts_with(from)).cloned().collect();
            for path in moved {
                let (Some(node), Ok(rest)) = (names.remove(&path), path.strip_prefix(from)) else { continue };
                let target = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                names.insert(target, node);
            }
        }
    }
}

fn gone(operation: Operation, path: &Path) -> Fault {
    Fault::io(operation, path, &std::io::Error::other("the machine is off"))
}

impl Disk for SimDisk {
    fn create(&self, file: &FileHandle) -> Result<(), Fault> {
        let path = file.path();
        let mut state = self.state.lock();
        if state.names.contains_key(&path) && !state.crashed {
            return Ok(());
        }
        let fault = state.begin(&path, Operation::Open)?;
        if fault != Some(SimFault::NoSpace) {
            let parent = path.parent().unwrap_or(Path::new("/"));
            if parent.parent().is_some() && state.names.get(parent) != Some(&Node::Directory) {
                return Err(Fault::io(Operation::Open, &path, &ErrorKind::NotFound.into()));
            }
            let id = state.next_inode;
            state.next_inode += 1;
            state.inodes.insert(id, Inode::default());
            state.name(NameOperation::Set { path: path.clone(), node: Node::File(id) });
        }
        state.end(fault, &path, Operation::Open)
    }

    fn write_at(&self, file: &FileHandle, position: u64, slices: &mut [IoSlice<'_>]) -> Result<(), Fault> {
        let path = file.path();
        let mut state = self.state.lock();
        let mut fault = state.begin(&path, Operation::Write)?;
        let mut bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let (used, capacity) = (state.used(), state.capacity);
        let position = usize::try_from(position).unwrap_or(usize::MAX);
        let cut = state.rng.next() as usize % (bytes.len() + 1);
        let clock_ms = state.clock_ms;
        let inode = state.found(&path, Operation::Write)?;
        inode.modified_ms = clock_ms;
        let grows = (position + bytes.len()).saturating_sub(inode.current.len()) as u64;
        if used + grows > capacity {
            fault = Some(SimFault::NoSpace);
        }
        if fault == Some(SimFault::NoSpace) {
            bytes.truncate(cut.min(usize::try_from(capacity.saturating_sub(used)).unwrap_or(usize::MAX)));
        }
        // A page that is written in part is brought in first.
        inode.bring_in(position..position + bytes.len());
        let pending = Pending::Write { position, bytes };
        pending.apply(&mut inode.current);
        inode.pending.push(pending);
        state.end(fault, &path, Operation::Write)
    }

    fn read_at(
        &self,
        file: &FileHandle,
        position: u64,
        length: usize,
        into: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        let path = file.path();
        let mut state = self.state.lock();
        state.read_allowed(&path, Operation::Read)?;
        let inode = state.found(&path, Operation::Read)?;
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(inode.current.len());
        let end = start.saturating_add(length).min(inode.current.len());
        into.extend_from_slice(inode.current.get(start..end).unwrap_or_default());
        inode.bring_in(start..end);
        Ok(end - start)
    }

    fn read_cached(&self, file: &FileHandle, position: u64, into: &mut [u8]) -> Result<Cached, Fault> {
        let path = file.path();
        let mut state = self.state.lock();
        state.read_allowed(&path, Operation::Read)?;
        let goes = state.misses_per_mille > 0 && state.rng.next() % 1_000 < state.misses_per_mille;
        let inode = state.found(&path, Operation::Read)?;
        let start = usize::try_from(position).unwrap_or(usize::MAX);
        let range = start..start.saturating_add(into.len());
        let Some(bytes) = inode.current.get(range.clone()) else { return Ok(Cached::Part(0)) };
        into.copy_from_slice(bytes);
        if goes {
            inode.evict(range.clone());
        }
        let missing = pages(range.clone()).find(|page| inode.evicted.contains(page));
        Ok(missing.map_or(Cached::All, |page| Cached::Part((page * PAGE_BYTES).saturating_sub(range.start))))
    }

    fn will_need(&self, file: &FileHandle, position: u64, bytes: u64) {
        let mut state = self.state.lock();
        let path = file.path();
        if state.read_allowed(&path, Operation::Read).is_err() {
            return;
        }
        let Some(inode) = state.inode(&path) else { return };
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(inode.current.len());
        let end = start.saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX)).min(inode.current.len());
        inode.bring_in(start..end);
    }

    fn length(&self, file: &FileHandle) -> Result<u64, Fault> {
        let path = file.path();
        let mut state = self.state.lock();
        state.read_allowed(&path, Operation::Read)?;
        Ok(state.found(&path, Operation::Read)?.current.len() as u64)
    }

    fn modified_ms(&self, file: &FileHandle) -> Result<i64, Fault> {
        let path = file.path();
        let mut state = self.state.lock();
        state.read_allowed(&path, Operation::Read)?;
        Ok(state.found(&path, Operation::Read)?.modified_ms)
    }

    fn set_length(&self, file: &FileHandle, length: u64) -> Result<(), Fault> {
        let path = file.path();
        let mut state = self.state.lock();
        let (fault, clock_ms) = (state.begin(&path, Operation::Truncate)?, state.clock_ms);
        let inode = state.found(&path, Operation::Truncate)?;
        inode.modified_ms = clock_ms;
        let pending = Pending::Length(usize::try_from(length).unwrap_or(usize::MAX));
        pending.apply(&mut inode.current);
        inode.pending.push(pending);
        state.end(fault, &path, Operation::Truncate)
    }

    fn sync(&self, file: &FileHandle) -> Result<(), Fault> {
        let path = file.path();
        let mut state = self.state.lock();
        let fault = state.begin(&path, Operation::Sync)?;
        let happens = fault.is_none() || (fault == Some(SimFault::Crash) && state.rng.coin());
        let inode = state.found(&path, Operation::Sync)?;
        if fault == Some(SimFault::SyncForgets) {
            // Pages are forgotten; that the file was cut is metadata, which the next sync brings to the platter.
            inode.pending.retain(|pending| matches!(pending, Pending::Length(_)));
        }
        if happens {
            for pending in std::mem::take(&mut inode.pending) {
                pending.apply(&mut inode.durable);
            }
        }
        state.end(fault, &path, Operation::Sync)
    }

    fn forget_cached(&self, file: &FileHandle) -> Result<(), Fault> {
        let path = file.path();
        let mut state = self.state.lock();
        state.read_allowed(&path, Operation::Read)?;
        let inode = state.found(&path, Operation::Read)?;
        // Lengths are the file system's own and stay as they are; bytes that were never written read as zeros.
        let length = inode.current.len();
        inode.current.clone_from(&inode.durable);
        inode.pending.iter().for_each(|pending| pending.apply(&mut inode.current));
        inode.current.resize(length, 0);
        inode.evict(0..length);
        Ok(())
    }

    fn rename(&self, file: &FileHandle, to: &Path) -> Result<(), Fault> {
        let path = file.path();
        let mut state = self.state.lock();
        let fault = state.begin(&path, Operation::Rename)?;
        let Some(node) = state.names.get(&path).copied() else {
            return Err(Fault::io(Operation::Rename, &path, &ErrorKind::NotFound.into()));
        };
        state.name(NameOperation::Rename { from: path.clone(), to: to.to_path_buf(), node });
        file.moved_to(to.to_path_buf());
        state.end(fault, &path, Operation::Rename)
    }

    fn remove(&self, file: &FileHandle) -> Result<(), Fault> {
        let path = file.path();
        let mut state = self.state.lock();
        let fault = state.begin(&path, Operation::Remove)?;
        if state.names.contains_key(&path) {
            state.name(NameOperation::Remove { path: path.clone() });
        }
        state.end(fault, &path, Operation::Remove)
    }

    fn release(&self, _file: &FileHandle) {}

    fn create_directory(&self, path: &Path) -> Result<(), Fault> {
        let mut state = self.state.lock();
        if state.names.get(path) == Some(&Node::Directory) && !state.crashed {
            return Ok(());
        }
        let fault = state.begin(path, Operation::CreateDirectory)?;
        let missing: Vec<PathBuf> = path
            .ancestors()
            .filter(|above| above.parent().is_some() && !state.names.contains_key(*above))
            .map(Path::to_path_buf)
            .collect();
        for above in missing.into_iter().rev() {
            state.name(NameOperation::Set { path: above, node: Node::Directory });
        }
        state.end(fault, path, Operation::CreateDirectory)
    }

    fn list(&self, path: &Path) -> Result<Vec<DirectoryEntry>, Fault> {
        let state = self.state.lock();
        state.read_allowed(path, Operation::List)?;
        if path.parent().is_some() && state.names.get(path) != Some(&Node::Directory) {
            return Err(Fault::io(Operation::List, path, &ErrorKind::NotFound.into()));
        }
        // Paths are ordered by their components: what is below stands behind.
        let below = state.names.range::<Path, _>((Bound::Excluded(path), Bound::Unbounded));
        let below = below.take_while(|(name, _)| name.starts_with(path));
        let children = below.filter(|(name, _)| name.parent() == Some(path));
        let entry = |(name, node): (&PathBuf, &Node)| {
            let name = name.file_name()?.to_str()?.to_owned();
            Some(match node {
                Node::Directory => DirectoryEntry { name, is_directory: true, length: 0 },
                Node::File(id) => {
                    let length = state.inodes.get(id).map_or(0, |inode| inode.current.len() as u64);
                    DirectoryEntry { name, is_directory: false, length }
                }
            })
        };
        Ok(children.filter_map(entry).collect())
    }

    fn exists(&self, path: &Path) -> bool {
        self.state.lock().names.contains_key(path)
    }

    fn sync_directory(&self, path: &Path) -> Result<(), Fault> {
        let mut state = self.state.lock();
        let fault = state.begin(path, Operation::SyncDirectory)?;
        if path.parent().is_some() && state.names.get(path) != Some(&Node::Directory) {
            return Err(Fault::io(Operation::SyncDirectory, path, &ErrorKind::NotFound.into()));
        }
        if fault.is_none() || (fault == Some(SimFault::Crash) && state.rng.coin()) {
            state.sync_names(path);
        }
        state.end(fault, path, Operation::SyncDirectory)
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> Result<(), Fault> {
        let mut state = self.state.lock();
        let fault = state.begin(from, Operation::Rename)?;
        if state.names.get(from) != Some(&Node::Directory) {
            return Err(Fault::io(Operation::Rename, from, &ErrorKind::NotFound.into()));
        }
        state.name(NameOperation::RenameDirectory { from: from.to_path_buf(), to: to.to_path_buf() });
        state.end(fault, from, Operation::Rename)
    }

    fn remove_directory(&self, path: &Path) -> Result<(), Fault> {
        let mut state = self.state.lock();
        let fault = state.begin(path, Operation::Remove)?;
        let inside: Vec<PathBuf> =
            state.names.keys().rev().filter(|name| name.starts_with(path)).cloned().collect();
        for name in inside {
            state.name(NameOperation::Remove { path: name });
        }
        state.end(fault, path, Operation::Remove)
    }

    fn space(&self, path: &Path) -> Result<DiskSpace, Fault> {
        let state = self.state.lock();
        state.read_allowed(path, Operation::Space)?;
        Ok(DiskSpace {
            total_bytes: state.capacity,
            available_bytes: state.capacity.saturating_sub(state.used()),
        })
    }

    fn page_cache(&self, _path: &Path) -> Option<String> {
        Some(self.state.lock().boots.to_string())
    }

    fn lock(&self, _path: &Path) -> Result<bool, Fault> {
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
