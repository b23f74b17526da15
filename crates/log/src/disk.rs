//! The only file-system trait and its real implementation. Owns descriptors (a bounded set: an idle partition holds none) and
//! system calls; never interprets bytes, never retries a failed sync. No mmap (SIGBUS on a full disk, one map per partition).

use crate::fault::{Fault, Operation};
use bytes::Bytes;
use parking_lot::Mutex;
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::collections::VecDeque;
use std::fmt::Debug;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// A file by name; opening it happens when it is used. Cheap to clone; follows renames made through it.
#[derive(Clone, Debug)]
pub struct FileHandle(Arc<FileEntry>);

#[derive(Debug)]
struct FileEntry {
    state: Mutex<FileState>,
    /// Set on use, cleared by the eviction clock.
    touched: AtomicBool,
}

#[derive(Debug)]
struct FileState {
    path: PathBuf,
    descriptor: Option<Arc<OwnedFd>>,
    /// The descriptor has been read from, and the kernel was told how.
    is_read: bool,
}

impl FileState {
    /// Before the first read. No reading ahead by the kernel: it would bring bytes from the platter that nobody asked for, behind the
    /// back of `read_cached`. Who wants to read on says so (`will_need`). A file system without a page cache refuses, and has nothing
    /// to read ahead. Not when it is opened: of the files that a first write makes most are never read, and each call counts there.
    fn tell_kernel(&mut self, operation: Operation) {
        if operation == Operation::Read
            && !self.is_read
            && let Some(descriptor) = &self.descriptor
        {
            let _ = rustix::fs::fadvise(descriptor, 0, None, rustix::fs::Advice::Random);
            self.is_read = true;
        }
    }

    fn close(&mut self) {
        self.descriptor = None;
        self.is_read = false;
    }
}

impl FileHandle {
    /// A file by its name; nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>) -> FileHandle {
        let state = FileState { path: path.into(), descriptor: None, is_read: false };
        FileHandle(Arc::new(FileEntry { state: Mutex::new(state), touched: AtomicBool::new(false) }))
    }

    /// Its name now.
    pub fn path(&self) -> PathBuf {
        self.0.state.lock().path.clone()
    }

    /// Whether two handles are one.
    pub fn is_same(&self, other: &FileHandle) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The file's directory was renamed; an open descriptor stays good.
    pub fn moved_to(&self, path: PathBuf) {
        self.0.state.lock().path = path;
    }
}

/// Room on the file system of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// All that there is.
    pub total_bytes: u64,
    /// What we may still use.
    pub available_bytes: u64,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// Its last part.
    pub name: String,
    /// Whether it is one.
    pub is_directory: bool,
    /// Of a file; a directory has none to speak of.
    pub length: u64,
}

/// What a read found that waits for no platter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cached {
    /// All of it, in the page cache.
    All,
    /// So many bytes of it, from its beginning on, were read; what follows is not there, or the file ends before.
    Part(usize),
    /// The file system does not say what is where, and nothing was read.
    Unknown,
}

/// All that the log asks of a file system. Writes reach the page cache; only `sync` and `sync_directory` make them durable.
pub trait Disk: Send + Sync + Debug {
    /// Creates the file if absent (its name is durable only after `sync_directory`).
    fn create(&self, file: &FileHandle) -> Result<(), Fault>;
    /// Creates the file if absent, and leaves it empty.
    fn create_empty(&self, file: &FileHandle) -> Result<(), Fault> {
        self.create(file)?;
        self.set_length(file, 0)
    }
    /// Writes all slices one after the other at `position`, growing the file if needed.
    fn write_at(&self, file: &FileHandle, position: u64, slices: &mut [IoSlice<'_>]) -> Result<(), Fault>;
    /// Appends to `into` up to `length` bytes from `position`; fewer only at the end of the file. Answers how many.
    fn read_at(
        &self,
        file: &FileHandle,
        position: u64,
        length: usize,
        into: &mut Vec<u8>,
    ) -> Result<usize, Fault>;
    /// Fills `into` from `position` if all of that is in the page cache, without waiting for a platter. Where it is not, `into` may hold
    /// a beginning of it, and the kernel may have begun to fetch what was asked for, but no more than that: what a file's cache holds
    /// comes from writes, from reads that said so, or from `will_need`.
    fn read_cached(&self, file: &FileHandle, position: u64, into: &mut [u8]) -> Result<Cached, Fault>;
    /// Has these bytes brought into the page cache and does not wait for them. When it returns, all that will come is on its way, and
    /// what is read before it is there waits or is missing; nothing beside it comes. An advice: a disk that cannot take it does
    /// nothing, and the read that follows tells of faults.
    fn will_need(&self, file: &FileHandle, position: u64, bytes: u64);
    /// Bytes of the file.
    fn length(&self, file: &FileHandle) -> Result<u64, Fault>;
    /// When the file was last written, by the wall clock, in ms.
    fn modified_ms(&self, file: &FileHandle) -> Result<i64, Fault>;
    /// Cuts the file, or makes it longer with zeros.
    fn set_length(&self, file: &FileHandle, length: u64) -> Result<(), Fault>;
    /// fdatasync.
    fn sync(&self, file: &FileHandle) -> Result<(), Fault>;
    /// Whether several threads that sync at once wait less than one that does it all; else there is nothing to win but disorder.
    fn syncs_side_by_side(&self) -> bool {
        false
    }
    /// Drops the file's pages that the kernel takes for clean, so that the next read comes from the platter: after a failed sync
    /// such pages hold what the platter never got. Pages that wait to be written stay.
    fn forget_cached(&self, file: &FileHandle) -> Result<(), Fault>;
    /// Renames a file, replacing the target; the handle follows.
    fn rename(&self, file: &FileHandle, to: &Path) -> Result<(), Fault>;
    /// Removes a file; one that is absent is no fault.
    fn remove(&self, file: &FileHandle) -> Result<(), Fault>;
    /// Lets go of the descriptor, if one is held.
    fn release(&self, file: &FileHandle);

    /// Creates a directory and its parents.
    fn create_directory(&self, path: &Path) -> Result<(), Fault>;
    /// Names in a directory, sorted.
    fn list(&self, path: &Path) -> Result<Vec<DirectoryEntry>, Fault>;
    /// Whether there is a file or directory of that name.
    fn exists(&self, path: &Path) -> bool;
    /// Makes the names in a directory durable.
    fn sync_directory(&self, path: &Path) -> Result<(), Fault>;
    /// Renames a directory; handles of files inside are told by their owner (`FileHandle::moved_to`).
    fn rename_directory(&self, from: &Path, to: &Path) -> Result<(), Fault>;
    /// Removes a directory with all it holds; an absent one is no fault.
    fn remove_directory(&self, path: &Path) -> Result<(), Fault>;
    /// How large the file system is, and how full.
    fn space(&self, path: &Path) -> Result<DiskSpace, Fault>;
    /// A name for the page cache that lies over a directory. While it is the same, the kernel has all that processes wrote there, also
    /// those that were killed; after a power cut, a reboot or another mount it is another. `None` where nobody can tell.
    fn page_cache(&self, path: &Path) -> Option<String>;
    /// Takes Kafka's advisory lock (`.lock`, a POSIX record lock as Java takes it) for the life of this disk; false if another
    /// process holds it.
    fn lock(&self, path: &Path) -> Result<bool, Fault>;

    /// A whole small file.
    fn read_file(&self, path: &Path) -> Result<Bytes, Fault> {
        let file = FileHandle::new(path);
        let length = self.length(&file)?;
        let mut contents = Vec::new();
        self.read_at(&file, 0, usize::try_from(length).unwrap_or(usize::MAX), &mut contents)?;
        self.release(&file);
        Ok(Bytes::from(contents))
    }

    /// Replaces a small file atomically: temporary name, sync, rename, directory sync.
    fn replace_file(&self, path: &Path, contents: &[u8]) -> Result<(), Fault> {
        self.swap_file(path, contents)?;
        self.sync_directory(path.parent().unwrap_or(Path::new(".")))
    }

    /// As `replace_file`, but the new name becomes durable with the next directory sync.
    fn swap_file(&self, path: &Path, contents: &[u8]) -> Result<(), Fault> {
        let file = self.write_aside(path, contents)?;
        self.sync(&file)?;
        self.rename(&file, path)?;
        self.release(&file);
        Ok(())
    }

    /// The beginning of `swap_file`: a file under a temporary name, to be synced and renamed.
    fn write_aside(&self, path: &Path, contents: &[u8]) -> Result<FileHandle, Fault> {
        let mut temporary = path.as_os_str().to_os_string();
        temporary.push(".tmp");
        let file = FileHandle::new(temporary);
        self.create_empty(&file)?;
        self.write_at(&file, 0, &mut [IoSlice::new(contents)])?;
        Ok(file)
    }
}

/// Real files. Descriptors are opened on use and at most `capacity` stay open, the least recently used go first (a clock).
#[derive(Debug)]
pub struct RealDisk {
    capacity: usize,
    /// Who opened a descriptor, oldest first, at most `capacity`. Who let go of his own before keeps his place until it comes to the
    /// front: looking for it here would cost every small file that is read or written once a walk over all.
    open: Mutex<VecDeque<Weak<FileEntry>>>,
    locks: Mutex<Vec<OwnedFd>>,
}

/// Descriptors kept for log files; sockets need the rest (100,000 partitions share these).
pub const DEFAULT_DESCRIPTORS: usize = 8192;

/// How often half of the descriptors are given back for one that is missing.
const GIVING_BACK: u32 = 8;

/// Linux takes no more of an advice than the device's read-ahead or its largest request; 128 KiB is the least that is usual.
const ADVICE_BYTES: usize = 128 << 10;

impl Default for RealDisk {
    fn default() -> RealDisk {
        RealDisk::new(DEFAULT_DESCRIPTORS)
    }
}

impl RealDisk {
    /// Keeps at most so many descriptors open.
    pub fn new(capacity: usize) -> RealDisk {
        RealDisk {
            capacity: capacity.max(1),
            open: Mutex::new(VecDeque::new()),
            locks: Mutex::new(Vec::new()),
        }
    }

    /// Descriptors open now.
    pub fn open_descriptors(&self) -> usize {
        let open = self.open.lock();
        open.iter().filter_map(Weak::upgrade).filter(|entry| entry.state.lock().descriptor.is_some()).count()
    }

    fn descriptor_of(
        &self,
        file: &FileHandle,
        flags: OFlags,
        operation: Operation,
    ) -> Result<Arc<OwnedFd>, Fault> {
        let entry = &file.0;
        let mut state = entry.state.lock();
        entry.touched.store(true, Ordering::Relaxed);
        state.tell_kernel(operation);
        if let Some(descriptor) = &state.descriptor {
            return Ok(descriptor.clone());
        }
        let mode = Mode::from_raw_mode(0o644);
        let opened = self.with_room(Some(entry), || {
            Ok(rustix::fs::open(&state.path, flags | OFlags::RDWR | OFlags::CLOEXEC, mode)?)
        });
        let descriptor = Arc::new(opened.map_err(|error| Fault::io(operation, &state.path, &error))?);
        state.descriptor = Some(descriptor.clone());
        state.tell_kernel(operation);
        drop(state);
        self.open.lock().push_back(Arc::downgrade(entry));
        self.evict(self.capacity, Some(entry));
        Ok(descriptor)
    }

    /// A call that needs a descriptor of its own. Where none is left others took our share, and half of what we have is given back.
    fn with_room<T>(
        &self,
        caller: Option<&Arc<FileEntry>>,
        mut call: impl FnMut() -> std::io::Result<T>,
    ) -> std::io::Result<T> {
        for _ in 0..GIVING_BACK {
            match call() {
                Err(error) if is_short_of_descriptors(&error) => {
                    let open = self.open.lock().len();
                    self.evict(open / 2, caller);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
        call()
    }

    /// Closes descriptors until at most `keep` are open. The entry of the caller is left alone.
    fn evict(&self, keep: usize, caller: Option<&Arc<FileEntry>>) {
        let mut open = self.open.lock();
        // Two rounds: the first may only clear the marks.
        let mut turns = open.len() * 2;
        while open.len() > keep && turns > 0 {
            turns -= 1;
            let Some(weak) = open.pop_front() else { break };
            let Some(entry) = weak.upgrade() else { continue };
            let spared = caller.is_some_and(|caller| Arc::ptr_eq(caller, &entry));
            if spared || entry.touched.swap(false, Ordering::Relaxed) {
                open.push_back(weak);
                continue;
            }
            // A locked entry is in use by another thread: spare it.
            match entry.state.try_lock() {
                Some(mut state) => state.close(),
                None => open.push_back(weak),
            }
        }
    }

    fn close(&self, file: &FileHandle) {
        file.0.state.lock().close();
    }
}

fn io_fault(operation: Operation, path: &Path, error: rustix::io::Errno) -> Fault {
    Fault::io(operation, path, &std::io::Error::from(error))
}

fn is_short_of_descriptors(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Runs a system call again when a signal cut it short.
fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            other => return other,
        }
    }
}

impl Disk for RealDisk {
    fn create(&self, file: &FileHandle) -> Result<(), Fault> {
        self.descriptor_of(file, OFlags::CREATE, Operation::Open).map(drop)
    }

    fn create_empty(&self, file: &FileHandle) -> Result<(), Fault> {
        let is_open = file.0.state.lock().descriptor.is_some();
        self.descriptor_of(file, OFlags::CREATE | OFlags::TRUNC, Operation::Open)?;
        if is_open { self.set_length(file, 0) } else { Ok(()) }
    }

    fn write_at(
        &self,
        file: &FileHandle,
        mut position: u64,
        slices: &mut [IoSlice<'_>],
    ) -> Result<(), Fault> {
        let descriptor = self.descriptor_of(file, OFlags::empty(), Operation::Write)?;
        let mut rest = slices;
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let written = retry(|| rustix::io::pwritev(&descriptor, rest, position))
                .map_err(|error| io_fault(Operation::Write, &file.path(), error))?;
            if written == 0 {
                let error = std::io::Error::from(std::io::ErrorKind::WriteZero);
                return Err(Fault::io(Operation::Write, &file.path(), &error));
            }
            position += written as u64;
            IoSlice::advance_slices(&mut rest, written);
        }
        Ok(())
    }

    fn read_at(
        &self,
        file: &FileHandle,
        mut position: u64,
        length: usize,
        into: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        if length == 0 {
            return Ok(0);
        }
        let descriptor = self.descriptor_of(file, OFlags::empty(), Operation::Read)?;
        let start = into.len();
        let end = start.saturating_add(length);
        into.reserve_exact(length);
        while into.len() < end {
            let read =
                retry(|| rustix::io::pread(&descriptor, rustix::buffer::spare_capacity(into), position))
                    .map_err(|error| io_fault(Operation::Read, &file.path(), error))?;
            if read == 0 {
                break;
            }
            position += read as u64;
        }
        // The allocator may have given more room than was asked for.
        into.truncate(end);
        Ok(into.len() - start)
    }

    fn read_cached(&self, file: &FileHandle, position: u64, into: &mut [u8]) -> Result<Cached, Fault> {
        use rustix::io::{Errno, ReadWriteFlags};
        let descriptor = self.descriptor_of(file, OFlags::empty(), Operation::Read)?;
        let length = into.len();
        let read = retry(|| {
            let mut pieces = [IoSliceMut::new(into)];
            rustix::io::preadv2(&descriptor, &mut pieces, position, ReadWriteFlags::NOWAIT)
        });
        match read {
            Ok(read) if read == length => Ok(Cached::All),
            Ok(read) => Ok(Cached::Part(read)),
            Err(Errno::AGAIN) => Ok(Cached::Part(0)),
            // tmpfs, network file systems, old kernels.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(Cached::Unknown),
            Err(error) => Err(io_fault(Operation::Read, &file.path(), error)),
        }
    }

    fn will_need(&self, file: &FileHandle, position: u64, bytes: u64) {
        let Ok(descriptor) = self.descriptor_of(file, OFlags::empty(), Operation::Read) else { return };
        let end = position.saturating_add(bytes);
        let pieces = (position..end).step_by(ADVICE_BYTES);
        for piece in pieces {
            let length = std::num::NonZeroU64::new((end - piece).min(ADVICE_BYTES as u64));
            if rustix::fs::fadvise(&descriptor, piece, length, rustix::fs::Advice::WillNeed).is_err() {
                return;
            }
        }
    }

    fn length(&self, file: &FileHandle) -> Result<u64, Fault> {
        let path = file.path();
        let status = rustix::fs::stat(&path).map_err(|error| io_fault(Operation::Read, &path, error))?;
        Ok(u64::try_from(status.st_size).unwrap_or(0))
    }

    fn modified_ms(&self, file: &FileHandle) -> Result<i64, Fault> {
        let path = file.path();
        let status = rustix::fs::stat(&path).map_err(|error| io_fault(Operation::Read, &path, error))?;
        let nanoseconds = i64::try_from(status.st_mtime_nsec).unwrap_or(0);
        Ok(status.st_mtime.saturating_mul(1_000).saturating_add(nanoseconds / 1_000_000))
    }

    fn set_length(&self, file: &FileHandle, length: u64) -> Result<(), Fault> {
        let descriptor = self.descriptor_of(file, OFlags::empty(), Operation::Truncate)?;
        retry(|| rustix::fs::ftruncate(&descriptor, length))
            .map_err(|error| io_fault(Operation::Truncate, &file.path(), error))
    }

    fn sync(&self, file: &FileHandle) -> Result<(), Fault> {
        let descriptor = self.descriptor_of(file, OFlags::empty(), Operation::Sync)?;
        // Not retried on any error of the disk: after a failure the kernel has forgotten the pages (fsyncgate). A signal is none: the
        // wait for the pages was cut short, and they are written all the same.
        retry(|| rustix::fs::fdatasync(&descriptor))
            .map_err(|error| io_fault(Operation::Sync, &file.path(), error))
    }

    fn syncs_side_by_side(&self) -> bool {
        true
    }

    fn forget_cached(&self, file: &FileHandle) -> Result<(), Fault> {
        let descriptor = self.descriptor_of(file, OFlags::empty(), Operation::Read)?;
        // A file system without a page cache refuses the advice, and has nothing to forget.
        let _ = rustix::fs::fadvise(&descriptor, 0, None, rustix::fs::Advice::DontNeed);
        Ok(())
    }

    fn rename(&self, file: &FileHandle, to: &Path) -> Result<(), Fault> {
        let mut state = file.0.state.lock();
        rustix::fs::rename(&state.path, to)
            .map_err(|error| io_fault(Operation::Rename, &state.path, error))?;
        state.path = to.to_path_buf();
        Ok(())
    }

    fn remove(&self, file: &FileHandle) -> Result<(), Fault> {
        self.close(file);
        let path = file.path();
        match rustix::fs::unlink(&path) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(io_fault(Operation::Remove, &path, error)),
        }
    }

    fn release(&self, file: &FileHandle) {
        self.close(file);
    }

    fn create_directory(&self, path: &Path) -> Result<(), Fault> {
        std::fs::create_dir_all(path).map_err(|error| Fault::io(Operation::CreateDirectory, path, &error))
    }

    fn list(&self, path: &Path) -> Result<Vec<DirectoryEntry>, Fault> {
        let fault = |error: std::io::Error| Fault::io(Operation::List, path, &error);
        let mut names = Vec::new();
        for entry in self.with_room(None, || std::fs::read_dir(path)).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            // The listing itself says what is a directory: a log directory holds one a partition, and to look at each of them was nearly
            // all that a start asked of the kernel. A file that vanishes between listing and looking (a janitor's deletion) is not there.
            let Ok(kind) = entry.file_type() else { continue };
            let length = match kind.is_dir() {
                true => Ok(0),
                false => entry.metadata().map(|status| status.len()),
            };
            let (Ok(length), Ok(name)) = (length, entry.file_name().into_string()) else { continue };
            names.push(DirectoryEntry { name, is_directory: kind.is_dir(), length });
        }
        names.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(names)
    }

    fn exists(&self, path: &Path) -> bool {
        rustix::fs::stat(path).is_ok()
    }

    fn sync_directory(&self, path: &Path) -> Result<(), Fault> {
        let fault = |error: std::io::Error| Fault::io(Operation::SyncDirectory, path, &error);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = || Ok(rustix::fs::open(path, flags, Mode::empty())?);
        let descriptor = self.with_room(None, open).map_err(fault)?;
        retry(|| rustix::fs::fsync(&descriptor)).map_err(|error| fault(error.into()))
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> Result<(), Fault> {
        rustix::fs::rename(from, to).map_err(|error| io_fault(Operation::Rename, from, error))
    }

    fn remove_directory(&self, path: &Path) -> Result<(), Fault> {
        match self.with_room(None, || std::fs::remove_dir_all(path)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Fault::io(Operation::Remove, path, &error)),
        }
    }

    fn space(&self, path: &Path) -> Result<DiskSpace, Fault> {
        let status = rustix::fs::statvfs(path).map_err(|error| io_fault(Operation::Space, path, error))?;
        Ok(DiskSpace {
            total_bytes: status.f_blocks.saturating_mul(status.f_frsize),
            available_bytes: status.f_bavail.saturating_mul(status.f_frsize),
        })
    }

    fn page_cache(&self, path: &Path) -> Option<String> {
        use rustix::fs::{AtFlags, CWD, StatxFlags};
        // Since Linux 6.8; ids of mounts before that may come again after an unmount.
        const UNIQUE_MOUNT_ID: StatxFlags = StatxFlags::from_bits_retain(0x4000);
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let status = rustix::fs::statx(CWD, path, AtFlags::empty(), UNIQUE_MOUNT_ID).ok()?;
        let is_unique = status.stx_mask & UNIQUE_MOUNT_ID.bits() != 0;
        let (major, minor, mount) = (status.stx_dev_major, status.stx_dev_minor, status.stx_mnt_id);
        is_unique.then(|| format!("{}/{major}:{minor}/{mount}", boot.trim()))
    }

    fn lock(&self, path: &Path) -> Result<bool, Fault> {
        let fault = |error| io_fault(Operation::Open, path, error);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let open = || Ok(rustix::fs::open(path, flags, Mode::from_raw_mode(0o644))?);
        let descriptor =
            self.with_room(None, open).map_err(|error| Fault::io(Operation::Open, path, &error))?;
        match rustix::fs::fcntl_lock(&descriptor, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                self.locks.lock().push(descriptor);
                Ok(true)
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => Ok(false),
            Err(error) => Err(fault(error)),
        }
    }
}

#[cfg(test)]
mod tests;
