//! One segment: a data file and its companions. Owns its size, indexes and largest timestamp; knows nothing of offsets beyond its
//! own, of epochs or of producers. Written by the log alone; readers look positions up under a short read lock.

use crate::ahead::{Ahead, Walk};
use crate::buffers;
use crate::damage::Damage;
use crate::disk::{Cached, Disk, FileHandle};
use crate::fault::Fault;
use crate::index::{Entry, OffsetEntry, SparseIndex, TimeEntry};
use crate::names;
use crate::source::Source;
use crate::transactions::TransactionIndex;
use crate::verified::{PAGE_BYTES_MAX, Verified};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::io::IoSlice;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use wire::record_batch::{BatchHeader, NO_TIMESTAMP};

/// A timestamp and the last offset of the first batch that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MaxTimestamp {
    pub timestamp: i64,
    pub offset: i64,
}

/// Zeros that are written at once.
const PIECE_BYTES: usize = 128 << 10;

/// In so many slices of the same memory.
const PIECE_SLICES: usize = 8;

const _: () = assert!(PIECE_BYTES.is_multiple_of(PIECE_SLICES), "the slices are a whole piece");

/// One segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub base_offset: i64,
    pub log: FileHandle,
    /// Bytes of whole batches in the data file.
    size: AtomicU32,
    room: Mutex<Room>,
    /// What of them needs no second check.
    pub verified: Verified,
    /// What of them cannot be read.
    pub damage: Damage,
    /// How far ahead of our own walks the platter was asked.
    walk: Mutex<Walk>,
    indexes: RwLock<Indexes>,
}

/// What of the data file lies behind the batches. The log and its flusher both write there, never at once.
#[derive(Debug, Default)]
struct Room {
    /// Zeros are written up to here; below `size` it says nothing.
    zeroed: u64,
    /// The file's length, where it may be more than `size` and `zeroed`.
    length: u64,
    /// Nothing may be written ahead any more: the segment was sealed or removed, and its name may be another's.
    closed: bool,
    /// Something was cut off the file.
    shortened: bool,
}

/// A segment's companions.
#[derive(Debug)]
pub(crate) struct Indexes {
    pub offsets: SparseIndex<OffsetEntry>,
    pub times: SparseIndex<TimeEntry>,
    pub transactions: TransactionIndex,
    pub max_timestamp: MaxTimestamp,
    /// Bytes since the last index entry.
    bytes_since_entry: u32,
}

/// Sizes of the companion files that were found on disk; `None` is absent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FoundFiles {
    pub log: u64,
    pub offsets: Option<u64>,
    pub times: Option<u64>,
    pub transactions: Option<u64>,
}

impl Segment {
    /// A segment without a byte; its data file is made by the caller, the indexes when they are first written.
    pub fn new(directory: &Path, base_offset: i64) -> Segment {
        Segment::with_suffix(directory, base_offset, "")
    }

    /// As `new`, all file names ended by a suffix (`.cleaned`).
    pub fn with_suffix(directory: &Path, base_offset: i64, suffix: &str) -> Segment {
        let file = |kind| {
            let mut name = names::segment_file(directory, base_offset, kind).into_os_string();
            name.push(suffix);
            FileHandle::new(name)
        };
        Segment {
            base_offset,
            log: file(names::LOG),
            size: AtomicU32::new(0),
            room: Mutex::default(),
            verified: Verified::default(),
            damage: Damage::default(),
            walk: Mutex::default(),
            indexes: RwLock::new(Indexes {
                offsets: SparseIndex::new(file(names::OFFSET_INDEX)),
                times: SparseIndex::new(file(names::TIME_INDEX)),
                transactions: TransactionIndex::new(file(names::TRANSACTION_INDEX)),
                max_timestamp: MaxTimestamp { timestamp: NO_TIMESTAMP, offset: base_offset },
                bytes_since_entry: 0,
            }),
        }
    }

    /// A segment found on disk, companions taken as they are.
    pub fn found(
        directory: &Path,
        base_offset: i64,
        files: FoundFiles,
        disk: &dyn Disk,
    ) -> Result<Segment, Fault> {
        let segment = Segment::new(directory, base_offset);
        segment.size.store(u32::try_from(files.log).unwrap_or(u32::MAX), Ordering::Relaxed);
        let mut indexes = segment.indexes.write();
        if let Some(bytes) = files.offsets {
            indexes.offsets = SparseIndex::trust(indexes.offsets.file.clone(), bytes, disk)?;
        }
        if let Some(bytes) = files.times {
            indexes.times = SparseIndex::trust(indexes.times.file.clone(), bytes, disk)?;
        }
        if let Some(bytes) = files.transactions {
            indexes.transactions = TransactionIndex::trust(indexes.transactions.file.clone(), bytes);
        }
        if let Some(last) = indexes.times.last() {
            indexes.max_timestamp =
                MaxTimestamp { timestamp: last.timestamp, offset: base_offset + i64::from(last.relative) };
        }
        drop(indexes);
        Ok(segment)
    }

    pub fn size(&self) -> u32 {
        self.size.load(Ordering::Acquire)
    }

    pub fn set_size(&self, size: u32) {
        if self.size.swap(size, Ordering::AcqRel) > size {
            self.verified.forget();
            self.damage.forget();
        }
    }

    /// Bytes of the data file, wherever they are; fewer only at its end. For walks that check all they see: bytes that come from the
    /// platter are not the ones that were checked before.
    pub fn read(&self, disk: &dyn Disk, position: u32, length: usize) -> Result<Bytes, Fault> {
        let mut buffer = buffers::take(length);
        let position = u64::from(position);
        let read = match disk.read_cached(&self.log, position, buffer.room())? {
            Cached::All => return Ok(buffer.share(None)),
            Cached::Part(read) => {
                self.verified.forget();
                read
            }
            Cached::Unknown => 0,
        };
        buffer.read_on(read, disk, &self.log, position)?;
        Ok(buffer.share(None))
    }

    /// As `read`, for a walk that goes on piece by piece to `end`: what comes next is asked for while this piece is looked at.
    pub fn walk(&self, disk: &dyn Disk, position: u32, length: usize, end: u32) -> Result<Bytes, Fault> {
        let mut buffer = buffers::take(length);
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let piece = position..position.saturating_add(length);
        let cached = disk.read_cached(&self.log, u64::from(position), buffer.room())?;
        let mut walk = self.walk.lock();
        let goes_on = walk.step(&piece);
        let read = match cached {
            Cached::All => {
                let (ahead, window) = self.window_behind(disk, walk.ahead, &piece, end);
                walk.ahead = ahead;
                drop(walk);
                window.into_iter().for_each(|window| self.bring_in(disk, window));
                return Ok(buffer.share(None));
            }
            Cached::Part(read) => {
                walk.ahead = walk.ahead.missed(position, length, goes_on);
                let until = walk.ahead.until().min(end);
                drop(walk);
                self.verified.forget();
                if until > piece.end {
                    self.bring_in(disk, position..until);
                }
                read
            }
            Cached::Unknown => {
                drop(walk);
                0
            }
        };
        buffer.read_on(read, disk, &self.log, u64::from(position))?;
        Ok(buffer.share(None))
    }

    /// Has bytes brought into the page cache and does not wait for them; each of them will be checked before it is served.
    pub fn bring_in(&self, disk: &dyn Disk, bytes: Range<u32>) {
        let (start, end) = (u64::from(bytes.start), u64::from(bytes.end));
        self.verified.bring_in(bytes, || {
            disk.will_need(&self.log, start, end.saturating_sub(start));
            true
        });
    }

    /// What to ask for now that a reader found all of `taken` in the page cache. Where the next window is there already, the reader has
    /// come to where it is hot.
    pub fn window_behind(
        &self,
        disk: &dyn Disk,
        ahead: Ahead,
        taken: &Range<u32>,
        end: u32,
    ) -> (Ahead, Option<Range<u32>>) {
        let Some(begins) = ahead.due(taken.end, end) else { return (ahead, None) };
        // The first page that came with nothing before it; looking has it fetched if it is missing.
        let look = begins.checked_next_multiple_of(PAGE_BYTES_MAX).filter(|&look| look < end);
        let is_hot = look.is_some_and(|look| {
            !self.verified.bring_in(look..look + 1, || {
                matches!(disk.read_cached(&self.log, u64::from(look), &mut [0]), Ok(Cached::Part(_)))
            })
        });
        if is_hot {
            return (Ahead::default(), None);
        }
        let next = ahead.next(begins, taken.end.saturating_sub(taken.start));
        (next, Some(begins..next.until().min(end)))
    }

    /// Makes the file `bytes` long before anything is in it (`preallocate`).
    pub fn preallocate(&self, bytes: u32, disk: &dyn Disk) -> Result<(), Fault> {
        let mut room = self.room.lock();
        disk.set_length(&self.log, u64::from(bytes))?;
        room.length = u64::from(bytes);
        Ok(())
    }

    /// Writes checked batches behind the others; nobody writes zeros there meanwhile. `pause`: the last append was long ago.
    pub fn append(&self, pause: bool, write: impl FnOnce(u64) -> Result<u64, Fault>) -> Result<(), Fault> {
        let _room = self.room.lock();
        let (start, age) = (self.size(), self.verified.age());
        let end = u64::from(start).saturating_add(write(u64::from(start))?);
        let end = u32::try_from(end).expect("a segment is no longer than its positions can say");
        self.verified.appended(start..end, age, pause);
        self.set_size(end);
        Ok(())
    }

    /// Bytes behind the batches that a sync need not find a place for.
    pub fn room_bytes(&self) -> u64 {
        self.room.lock().zeroed.saturating_sub(u64::from(self.size()))
    }

    /// Writes zeros behind the batches and what was zeroed before, up to `limit`. The file system gives the blocks and the length
    /// now, so that the syncs of what is appended there have nothing but data to bring to the platter.
    pub fn write_ahead(&self, bytes: u64, limit: u32, disk: &dyn Disk) -> Result<(), Fault> {
        static ZEROS: [u8; PIECE_BYTES / PIECE_SLICES] = [0; PIECE_BYTES / PIECE_SLICES];
        let mut left = bytes;
        while left > 0 {
            // An append waits for one piece at most.
            let mut room = self.room.lock();
            let from = room.zeroed.max(u64::from(self.size()));
            let to_boundary = PIECE_BYTES as u64 - from % PIECE_BYTES as u64;
            let piece = left.min(to_boundary).min(u64::from(limit).saturating_sub(from));
            if room.closed || piece == 0 {
                return Ok(());
            }
            let mut slices = [IoSlice::new(&[]); PIECE_SLICES];
            let mut missing = piece as usize;
            for slice in &mut slices {
                let zeros = ZEROS.get(..missing).unwrap_or(&ZEROS);
                missing -= zeros.len();
                *slice = IoSlice::new(zeros);
            }
            // A full disk may take a part of them.
            room.length = room.length.max(from + piece);
            disk.write_at(&self.log, from, &mut slices)?;
            room.zeroed = from + piece;
            left -= piece;
        }
        Ok(())
    }

    /// Cuts the file behind `size` bytes of batches.
    pub fn cut(&self, size: u32, disk: &dyn Disk) -> Result<(), Fault> {
        assert!(size <= self.size(), "a cut makes no segment longer");
        let mut room = self.room.lock();
        disk.set_length(&self.log, u64::from(size))?;
        self.set_size(size);
        *room = Room { shortened: true, ..Room::default() };
        Ok(())
    }

    /// Takes away what was written ahead of the batches; answers whether the file was ever made shorter.
    pub fn trim(&self, disk: &dyn Disk) -> Result<bool, Fault> {
        let mut room = self.room.lock();
        let size = u64::from(self.size());
        let longer = room.zeroed.max(room.length) > size;
        if longer {
            disk.set_length(&self.log, size)?;
        }
        let shortened = room.shortened || longer;
        *room = Room { closed: room.closed, shortened, ..Room::default() };
        Ok(shortened)
    }

    /// From now on nothing is written ahead.
    pub fn close_room(&self) {
        self.room.lock().closed = true;
    }

    pub fn max_timestamp(&self) -> MaxTimestamp {
        self.indexes.read().max_timestamp
    }

    pub fn with_indexes<T>(&self, change: impl FnOnce(&mut Indexes) -> T) -> T {
        change(&mut self.indexes.write())
    }

    /// Runs with the indexes under a read lock.
    pub fn read_indexes<T>(&self, look: impl FnOnce(&Indexes) -> T) -> T {
        look(&self.indexes.read())
    }

    /// Where to begin looking for `offset`, and the entry that says so.
    pub fn position_hint(&self, offset: i64, source: Source<'_>) -> Result<Option<OffsetEntry>, Fault> {
        self.indexes.read().offsets.floor(offset - self.base_offset, source)
    }

    /// Whether an offset fits the indexes' 32 bits.
    pub fn holds(&self, offset: i64) -> bool {
        (0..=i64::from(i32::MAX)).contains(&(offset - self.base_offset))
    }

    /// Every file of the segment.
    pub fn files(&self) -> Vec<FileHandle> {
        let indexes = self.indexes.read();
        vec![
            self.log.clone(),
            indexes.offsets.file.clone(),
            indexes.times.file.clone(),
            indexes.transactions.file.clone(),
        ]
    }

    /// The directory was renamed.
    pub fn moved_to(&self, directory: &Path) {
        for file in self.files() {
            if let Some(name) = file.path().file_name() {
                file.moved_to(directory.join(name));
            }
        }
    }

    /// The segment takes no more batches: the last timestamp is noted, indexes go to their files, memory and descriptors go.
    pub fn seal(&self, disk: &dyn Disk) -> Result<(), Fault> {
        let mut indexes = self.indexes.write();
        indexes.note_timestamp(self.base_offset, disk)?;
        indexes.offsets.seal(disk)?;
        indexes.times.seal(disk)?;
        disk.release(&indexes.offsets.file);
        disk.release(&indexes.times.file);
        disk.release(&indexes.transactions.file);
        Ok(())
    }
}

impl Indexes {
    /// Notes a batch that was appended at `position`; offsets are final.
    pub fn appended(
        &mut self,
        base_offset: i64,
        last_offset: i64,
        batch: &BatchHeader,
        position: u32,
        interval: u32,
        disk: &dyn Disk,
    ) -> Result<(), Fault> {
        if batch.max_timestamp > self.max_timestamp.timestamp {
            self.max_timestamp = MaxTimestamp { timestamp: batch.max_timestamp, offset: last_offset };
        }
        if self.bytes_since_entry > interval {
            let relative = u32::try_from(last_offset - base_offset).unwrap_or(u32::MAX);
            self.offsets.push(OffsetEntry { relative, position }, disk)?;
            self.note_timestamp(base_offset, disk)?;
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry = self.bytes_since_entry.saturating_add(batch.size_in_bytes() as u32);
        Ok(())
    }

    /// Adds the largest timestamp so far to the time index, unless it is there.
    fn note_timestamp(&mut self, base_offset: i64, disk: &dyn Disk) -> Result<(), Fault> {
        let last = self.times.last().map_or(NO_TIMESTAMP, |entry| entry.timestamp);
        if self.max_timestamp.timestamp > last {
            let relative = u32::try_from(self.max_timestamp.offset - base_offset).unwrap_or(u32::MAX);
            self.times.push(TimeEntry { timestamp: self.max_timestamp.timestamp, relative }, disk)?;
        }
        Ok(())
    }

    /// Bytes of both indexes' entries.
    pub fn bytes(&self) -> (u64, u64) {
        ((self.offsets.len() * OffsetEntry::BYTES) as u64, (self.times.len() * TimeEntry::BYTES) as u64)
    }

    /// Either index would pass its size bound with one more entry.
    pub fn are_full(&self, max_bytes: u32) -> bool {
        // The time index keeps room for the entry that sealing adds.
        self.offsets.is_full(max_bytes)
            || self.times.is_full(max_bytes.saturating_sub(TimeEntry::BYTES as u32))
    }

    /// Keeps what is up to and including `entry`: a scan that begins at its batch makes the rest again.
    pub fn restart_at(
        &mut self,
        base_offset: i64,
        entry: Option<OffsetEntry>,
        disk: &dyn Disk,
    ) -> Result<(), Fault> {
        let Some(entry) = entry else {
            self.offsets.reset(disk)?;
            self.times.reset(disk)?;
            self.max_timestamp = MaxTimestamp { timestamp: NO_TIMESTAMP, offset: base_offset };
            self.bytes_since_entry = 0;
            return Ok(());
        };
        self.offsets
            .truncate(|kept| kept.relative <= entry.relative && kept.position <= entry.position, disk)?;
        self.times.truncate(|kept| kept.relative <= entry.relative, disk)?;
        self.largest_so_far(base_offset);
        self.bytes_since_entry = 0;
        Ok(())
    }

    fn largest_so_far(&mut self, base_offset: i64) {
        let last = self.times.last();
        self.max_timestamp = MaxTimestamp {
            timestamp: last.map_or(NO_TIMESTAMP, |entry| entry.timestamp),
            offset: base_offset + last.map_or(0, |entry| i64::from(entry.relative)),
        };
    }

    /// Drops what says anything about offsets from `offset` (at `position`) on.
    pub fn truncate(
        &mut self,
        base_offset: i64,
        offset: i64,
        position: u32,
        disk: &dyn Disk,
    ) -> Result<(), Fault> {
        let relative = offset - base_offset;
        self.offsets
            .truncate(|entry| i64::from(entry.relative) < relative && entry.position < position, disk)?;
        self.times.truncate(|entry| i64::from(entry.relative) < relative, disk)?;
        self.transactions.truncate(offset, disk)?;
        self.largest_so_far(base_offset);
        self.bytes_since_entry = 0;
        Ok(())
    }
}
