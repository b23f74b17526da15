//! The three indexes of a segment, held against the batches as these come by. An index may say less than it could; what it says must
//! lead a reader to the right place: an offset entry names where a batch begins and an offset with which one at or behind it ends, a
//! time entry the largest timestamp up to its offset. Holds one entry at a time.

use super::bounds::{Bounds, Seen};
use super::look::Look;
use super::window::Window;
use std::io;
use std::path::{Path, PathBuf};
use wire::record_batch::NO_TIMESTAMP;

/// The entries of an index, one after the other.
struct Entries<const BYTES: usize> {
    path: PathBuf,
    window: Window,
    position: u64,
}

impl<const BYTES: usize> Entries<BYTES> {
    /// `None` if there is no such file: a start makes it anew.
    fn open(path: PathBuf, bounds: Bounds, look: &mut Look) -> Option<Self> {
        let opened = Window::open(&path);
        let window = look.unless_gone(&path, opened)?;
        look.counts.files += 1;
        look.counts.bytes += window.size;
        let odd = window.size % BYTES as u64;
        if odd > 0 && !bounds.is_active() {
            let what = format!("{odd} bytes are no whole entry of {BYTES}");
            look.damage(&path, Some(window.size - odd), None, what);
        }
        Some(Entries { path, window, position: 0 })
    }

    /// The next entry and where it lies; the rest of a file that was made larger than its entries is zeros.
    fn next(&mut self, look: &mut Look) -> Option<(u64, [u8; BYTES])> {
        loop {
            let position = self.position;
            let entry = match self.window.at(position, BYTES) {
                Ok(bytes) => *bytes.first_chunk::<BYTES>()?,
                Err(error) => {
                    self.unreadable(&error, look);
                    return None;
                }
            };
            self.position += BYTES as u64;
            if entry.iter().any(|byte| *byte != 0) {
                return Some((position, entry));
            }
            // Only the first entry can be of zeros and true.
            if position > 0 {
                match self.window.has_only_zeros_from(position) {
                    Ok(true) => {}
                    Ok(false) => look.damage(&self.path, Some(position), None, "zeros before more entries"),
                    Err(error) => self.unreadable(&error, look),
                }
                self.position = self.window.size;
                return None;
            }
        }
    }

    fn unreadable(&mut self, error: &io::Error, look: &mut Look) {
        look.damage(&self.path, Some(self.position), None, format!("cannot be read: {error}"));
        self.position = self.window.size;
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}

/// `.index`
pub(super) struct OffsetIndex {
    entries: Entries<8>,
    base: i64,
    entry: Option<OffsetEntry>,
    last: Option<(i64, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct OffsetEntry {
    at: u64,
    offset: i64,
    position: u64,
    /// A batch begins where it says; one that ends as it says is looked for.
    begun: bool,
}

impl OffsetIndex {
    pub(super) fn open(path: PathBuf, bounds: Bounds, look: &mut Look) -> Option<OffsetIndex> {
        let entries = Entries::open(path, bounds, look)?;
        let mut index = OffsetIndex { entries, base: bounds.base, entry: None, last: None };
        index.advance(look);
        Some(index)
    }

    /// The next entry that grows as it must.
    fn advance(&mut self, look: &mut Look) {
        self.entry = None;
        while let Some((at, bytes)) = self.entries.next(look) {
            let offset = self.base + i64::from(u32::from_be_bytes(number(&bytes, 0)));
            let position = u64::from(u32::from_be_bytes(number(&bytes, 4)));
            if self.last.is_some_and(|(last, place)| offset <= last || position <= place) {
                let what = format!("the entry {offset}, {position} does not grow");
                look.damage(&self.entries.path, Some(at), Some(offset), what);
                continue;
            }
            self.last = Some((offset, position));
            self.entry = Some(OffsetEntry { at, offset, position, begun: false });
            return;
        }
    }

    pub(super) fn see(&mut self, batch: Seen, look: &mut Look) {
        while let Some(entry) = &mut self.entry {
            if !entry.begun {
                if batch.position < entry.position {
                    return;
                }
                entry.begun = batch.position == entry.position && batch.base_offset <= entry.offset;
            }
            let entry = *entry;
            if !entry.begun {
                let what =
                    format!("no batch for offset {} begins at position {}", entry.offset, entry.position);
                look.damage(&self.entries.path, Some(entry.at), Some(entry.offset), what);
            } else if batch.last_offset < entry.offset {
                return;
            } else if batch.last_offset > entry.offset {
                let what = format!("no batch ends with offset {}", entry.offset);
                look.damage(&self.entries.path, Some(entry.at), Some(entry.offset), what);
            }
            self.advance(look);
        }
    }

    /// Nothing is known of the log up to a position.
    pub(super) fn skip(&mut self, position: u64) {
        // What does not grow was told or is within the damage.
        let mut untold = Look::default();
        while self.entry.is_some_and(|entry| entry.position < position) {
            self.advance(&mut untold);
        }
    }

    /// The log ends here; `has_grown`: it went on meanwhile.
    pub(super) fn end(&mut self, position: u64, has_grown: bool, look: &mut Look) {
        while let Some(entry) = self.entry.filter(|_| !has_grown) {
            let what = format!(
                "offset {} at position {} is not in the log, which ends at {position}",
                entry.offset, entry.position
            );
            look.damage(&self.entries.path, Some(entry.at), Some(entry.offset), what);
            self.advance(look);
        }
    }
}

/// `.timeindex`
pub(super) struct TimeIndex {
    entries: Entries<12>,
    base: i64,
    entry: Option<TimeEntry>,
    last: Option<(i64, i64)>,
    /// The largest timestamp of the batches that came by.
    largest: i64,
    /// Some were damaged: there may have been a larger one.
    is_partial: bool,
}

#[derive(Debug, Clone, Copy)]
struct TimeEntry {
    at: u64,
    timestamp: i64,
    offset: i64,
}

impl TimeIndex {
    pub(super) fn open(path: PathBuf, bounds: Bounds, look: &mut Look) -> Option<TimeIndex> {
        let entries = Entries::open(path, bounds, look)?;
        let (largest, is_partial) = (NO_TIMESTAMP, false);
        let mut index =
            TimeIndex { entries, base: bounds.base, entry: None, last: None, largest, is_partial };
        index.advance(look);
        Some(index)
    }

    fn advance(&mut self, look: &mut Look) {
        self.entry = None;
        while let Some((at, bytes)) = self.entries.next(look) {
            let timestamp = i64::from_be_bytes(number(&bytes, 0));
            let offset = self.base + i64::from(u32::from_be_bytes(number(&bytes, 8)));
            if self.last.is_some_and(|(time, last)| timestamp <= time || offset < last) {
                let what = format!("the entry {timestamp}, {offset} does not grow");
                look.damage(&self.entries.path, Some(at), Some(offset), what);
                continue;
            }
            self.last = Some((timestamp, offset));
            self.entry = Some(TimeEntry { at, timestamp, offset });
            return;
        }
    }

    pub(super) fn see(&mut self, batch: Seen, look: &mut Look) {
        let with = self.largest.max(batch.max_timestamp);
        while let Some(entry) = self.entry.filter(|entry| entry.offset <= batch.last_offset) {
            // The offset may be that of a record in the batch: later ones may have larger timestamps.
            let least = if entry.offset == batch.last_offset { with } else { self.largest };
            let most = if entry.offset >= batch.base_offset { with } else { self.largest };
            if entry.timestamp < least || (entry.timestamp > most && !self.is_partial) {
                let what = format!(
                    "timestamp {} is not the largest up to offset {}, which is {most}",
                    entry.timestamp, entry.offset
                );
                look.damage(&self.entries.path, Some(entry.at), Some(entry.offset), what);
            }
            self.advance(look);
        }
        self.largest = with;
    }

    /// Nothing is known of the log up to an offset.
    pub(super) fn skip(&mut self, offset: i64) {
        self.is_partial = true;
        let mut untold = Look::default();
        while self.entry.is_some_and(|entry| entry.offset < offset) {
            self.advance(&mut untold);
        }
    }

    pub(super) fn end(&mut self, next_offset: i64, has_grown: bool, look: &mut Look) {
        while let Some(entry) = self.entry.filter(|_| !has_grown) {
            let what = format!("offset {} is not in the log, which ends before {next_offset}", entry.offset);
            look.damage(&self.entries.path, Some(entry.at), Some(entry.offset), what);
            self.advance(look);
        }
    }
}

/// `.txnindex`: aborted transactions in the order of their markers, within the segment.
pub(super) fn look_at_aborted(path: &Path, bounds: Bounds, look: &mut Look) {
    let Some(mut window) = ({
        let opened = Window::open(path);
        look.unless_gone(path, opened)
    }) else {
        return;
    };
    look.counts.files += 1;
    look.counts.bytes += window.size;
    let (mut position, mut last_marker) = (0, -1);
    while position < window.size {
        let entry = match window.at(position, ABORTED_BYTES) {
            Ok(bytes) => bytes,
            Err(error) => return look.damage(path, Some(position), None, format!("cannot be read: {error}")),
        };
        if entry.len() < ABORTED_BYTES {
            if !bounds.is_active() {
                look.damage(path, Some(position), None, "its last entry is cut off");
            }
            return;
        }
        let version = i16::from_be_bytes(number(entry, 0));
        let first = i64::from_be_bytes(number(entry, 10));
        let marker = i64::from_be_bytes(number(entry, 18));
        if version != 0 || first > marker || marker <= last_marker || !bounds.hold(marker) {
            let what = format!("no aborted transaction: version {version}, offsets {first} to {marker}");
            look.damage(path, Some(position), Some(marker), what);
        } else {
            last_marker = marker;
        }
        position += ABORTED_BYTES as u64;
    }
}

/// Version, producer id, first, last and last stable offset.
const ABORTED_BYTES: usize = 34;
