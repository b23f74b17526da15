//! One segment: its log batch by batch (framing, CRC, order of offsets and epochs, every record), its indexes on the way. Holds one
//! batch at a time.

use super::bounds::{Bounds, Seen};
use super::index::{OffsetIndex, TimeIndex, look_at_aborted};
use super::look::{Kind, Look};
use super::window::Window;
use bytes::Bytes;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use wire::compress::{DecompressError, DecompressLimit};
use wire::record_batch::{BatchError, BatchHeader, HEADER_BYTES, RecordBatch, batch_crc};

/// The largest batch that is read into memory: more than `socket.request.max.bytes` lets a producer send.
const BATCH_BYTES_MAX: usize = 128 << 20;

/// Bytes whose CRC is computed in the search behind one bad batch. Format, offsets and size rule nearly every place out, so only a
/// file made to cost time comes near it.
const SEARCH_BYTES_MAX: u64 = 4 << 30;

/// A segment with its indexes; `next_base`: where the next one begins, `None` for the one that is written to.
pub(super) fn look(directory: &Path, base: i64, next_base: Option<i64>) -> Look {
    let mut look = Look::default();
    let named = |kind: &str| directory.join(format!("{base:020}.{kind}"));
    let bounds = Bounds { base, next_base, is_log: true };
    // Before the log: all that an index says then is in the log.
    let offsets = OffsetIndex::open(named("index"), bounds, &mut look);
    let times = TimeIndex::open(named("timeindex"), bounds, &mut look);
    look_at_aborted(&named("txnindex"), bounds, &mut look);
    let log = named("log");
    match Window::open(&log) {
        Ok(window) => Walk::new(log, window, bounds, offsets, times).run(&mut look),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let path = named("index");
            if path.exists() {
                look.damage(&path, None, Some(base), "there is no log beside it");
            }
        }
        Err(error) => look.damage(&log, None, Some(base), format!("cannot be read: {error}")),
    }
    look
}

/// A snapshot of the metadata: a log of one file that is never written to again.
pub(super) fn look_at_snapshot(path: &Path) -> Look {
    let mut look = Look::default();
    let opened = Window::open(path);
    if let Some(window) = look.unless_gone(path, opened) {
        let bounds = Bounds { base: 0, next_base: None, is_log: false };
        Walk::new(path.to_owned(), window, bounds, None, None).run(&mut look);
    }
    look
}

struct Walk {
    path: PathBuf,
    window: Window,
    bounds: Bounds,
    position: u64,
    /// Offsets must not fall below this.
    next_offset: i64,
    leader_epoch: i32,
    offsets: Option<OffsetIndex>,
    times: Option<TimeIndex>,
}

impl Walk {
    fn new(
        path: PathBuf,
        window: Window,
        bounds: Bounds,
        offsets: Option<OffsetIndex>,
        times: Option<TimeIndex>,
    ) -> Walk {
        Walk { path, window, bounds, position: 0, next_offset: bounds.base, leader_epoch: -1, offsets, times }
    }

    fn run(mut self, look: &mut Look) {
        look.counts.files += 1;
        look.counts.bytes += self.window.size;
        if let Err(error) = self.walk(look) {
            let what = format!("cannot be read: {error}");
            look.damage(&self.path, Some(self.position), Some(self.next_offset), what);
            return;
        }
        // The node went on writing: what the indexes say of that was not walked over.
        let has_grown = fs::metadata(&self.path).map_or(true, |now| now.len() != self.window.size);
        if let Some(offsets) = &mut self.offsets {
            offsets.end(self.position, has_grown, look);
        }
        if let Some(times) = &mut self.times {
            times.end(self.next_offset, has_grown, look);
        }
    }

    fn walk(&mut self, look: &mut Look) -> io::Result<()> {
        while self.position < self.window.size {
            match self.batch_at(self.position)? {
                Ok(batch) => self.take(&batch, look),
                Err(what) => {
                    if !self.step_over(what, look)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The good batch at a position, or why there is none.
    fn batch_at(&mut self, position: u64) -> io::Result<Result<RecordBatch, String>> {
        let header = match self.header_at(position)? {
            Ok(header) => header,
            Err(what) => return Ok(Err(what)),
        };
        let size = header.size_in_bytes();
        let bytes = Bytes::copy_from_slice(self.window.at(position, size)?);
        if bytes.len() < size || batch_crc(&bytes) != header.crc {
            return Ok(Err("the CRC does not match".to_owned()));
        }
        // The base offset is not under the CRC: a leap that the next batch takes back is none.
        if header.base_offset > self.next_offset {
            let behind = BatchHeader::parse(self.window.at(position + size as u64, HEADER_BYTES)?);
            if behind.is_ok_and(|next| (self.next_offset..header.next_offset()).contains(&next.base_offset)) {
                return Ok(Err(format!("its base offset {} is not its own", header.base_offset)));
            }
        }
        Ok(RecordBatch::parse(bytes).map_err(|error| error.to_string()))
    }

    /// The header at a position if a batch of this segment can begin there.
    fn header_at(&mut self, position: u64) -> io::Result<Result<BatchHeader, String>> {
        let left = self.window.size - position;
        let header = match BatchHeader::parse(self.window.at(position, HEADER_BYTES)?) {
            Ok(header) => header,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let (size, first, last) = (header.size_in_bytes(), header.base_offset, header.last_offset());
        if size as u64 > left {
            return Ok(Err(format!("a batch of {size} bytes where {left} are left")));
        }
        if size > BATCH_BYTES_MAX {
            return Ok(Err(format!("a batch of {size} bytes, more than any request holds")));
        }
        let is_ours = self.bounds.hold(first) && self.bounds.hold(last);
        if header.last_offset_delta < 0 || first < self.next_offset || !is_ours {
            return Ok(Err(format!("offsets {first} to {last} do not follow {}", self.next_offset)));
        }
        Ok(Ok(header))
    }

    fn take(&mut self, batch: &RecordBatch, look: &mut Look) {
        let header = batch.header();
        let seen = Seen {
            position: self.position,
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            max_timestamp: header.max_timestamp,
        };
        let (position, offset) = (Some(seen.position), Some(seen.base_offset));
        look.counts.batches += 1;
        match walk_records(batch) {
            Ok(count) => look.counts.records += count,
            Err(BatchError::Compression(error @ DecompressError::TooLarge { .. })) => {
                look.find(&self.path, Kind::Unchecked, position, offset, error.to_string());
            }
            Err(error) => look.damage(&self.path, position, offset, error.to_string()),
        }
        // Not under the CRC either.
        if self.bounds.is_log && header.partition_leader_epoch < self.leader_epoch {
            let what = format!("leader epoch {} behind {}", header.partition_leader_epoch, self.leader_epoch);
            look.damage(&self.path, position, offset, what);
        }
        self.leader_epoch = header.partition_leader_epoch;
        if let Some(offsets) = &mut self.offsets {
            offsets.see(seen, look);
        }
        if let Some(times) = &mut self.times {
            times.see(seen, look);
        }
        self.position += header.size_in_bytes() as u64;
        self.next_offset = header.next_offset();
    }

    /// Tells of a bad batch and goes on behind it; false if there is nothing more.
    fn step_over(&mut self, what: String, look: &mut Look) -> io::Result<bool> {
        let (bad, offset) = (self.position, self.next_offset);
        let is_active = self.bounds.is_active();
        if is_active && self.window.has_only_zeros_from(bad)? {
            return Ok(false);
        }
        let left = self.window.size - bad;
        if let Some(next) = self.search(bad)? {
            let (position, first) = next;
            let what = format!("{what}; good again at position {position}, offset {first}");
            look.damage(&self.path, Some(bad), Some(offset), what);
            self.position = position;
            self.skip_indexes(Some((position, first)));
            self.next_offset = first;
            return Ok(true);
        }
        self.skip_indexes(None);
        if is_active && self.is_begun(bad)? {
            let what = format!(
                "{left} bytes are no whole batch: being written, or left by a crash and cut at the next start"
            );
            look.find(&self.path, Kind::TornTail, Some(bad), Some(offset), what);
        } else {
            let what = format!("{what}; no good batch in the {left} bytes to the end");
            look.damage(&self.path, Some(bad), Some(offset), what);
        }
        Ok(false)
    }

    /// Whether what is left is how a batch begins.
    fn is_begun(&mut self, position: u64) -> io::Result<bool> {
        let left = self.window.size - position;
        let header = BatchHeader::parse(self.window.at(position, HEADER_BYTES)?);
        Ok(left < HEADER_BYTES as u64 || header.is_ok_and(|header| header.size_in_bytes() as u64 > left))
    }

    /// The next good batch: position and base offset. Where the bad one says that it ends, else byte by byte.
    fn search(&mut self, bad: u64) -> io::Result<Option<(u64, i64)>> {
        let claimed = BatchHeader::parse(self.window.at(bad, HEADER_BYTES)?).ok();
        let end = claimed.map(|header| bad + header.size_in_bytes() as u64);
        let mut budget = SEARCH_BYTES_MAX;
        for position in end.into_iter().chain(bad + 1..self.window.size) {
            // The format byte rules nearly everything out.
            if position >= self.window.size || self.window.at(position, HEADER_BYTES)?.get(16) != Some(&2) {
                continue;
            }
            let Ok(header) = self.header_at(position)? else { continue };
            budget = budget.saturating_sub(header.size_in_bytes() as u64);
            if budget == 0 {
                break;
            }
            if self.batch_at(position)?.is_ok() {
                return Ok(Some((position, header.base_offset)));
            }
        }
        Ok(None)
    }

    fn skip_indexes(&mut self, to: Option<(u64, i64)>) {
        let (position, offset) = to.unwrap_or((u64::MAX, i64::MAX));
        if let Some(offsets) = &mut self.offsets {
            offsets.skip(position);
        }
        if let Some(times) = &mut self.times {
            times.skip(offset);
        }
    }
}

/// Every record: its lengths, and its offset between the batch's. The number of them.
fn walk_records(batch: &RecordBatch) -> Result<u64, BatchError> {
    let header = batch.header();
    let (mut count, mut next) = (0, header.base_offset);
    for record in batch.records(DecompressLimit::default())? {
        let record = record?;
        if record.offset < next || record.offset > header.last_offset() {
            return Err(BatchError::Record("record whose offset is not in order"));
        }
        next = record.offset + 1;
        count += 1;
    }
    Ok(count)
}
