//! Walking a segment's batches one after the other, CRC and all: what recovery, index rebuilding and producer replay read with.
//! Reads in large pieces, holds one, and has the platter asked for the next.

use crate::disk::Disk;
use crate::fault::Fault;
use crate::segment::Segment;
use bytes::{Buf, Bytes};
use wire::planted::{self, Bug};
use wire::record_batch::{BatchHeader, HEADER_BYTES, batch_crc};

const PIECE_BYTES: usize = 1 << 20;

const _: () = assert!(PIECE_BYTES >= HEADER_BYTES, "a walk reads a header at once");

/// One step of a walk.
#[derive(Debug)]
pub(crate) enum Step {
    Batch {
        position: u32,
        header: BatchHeader,
        bytes: Bytes,
    },
    /// The file ends right here.
    End,
    /// No good batch begins here.
    Bad {
        what: String,
    },
}

/// A walk over one segment.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    disk: &'a dyn Disk,
    segment: &'a Segment,
    /// Bytes to look at.
    end: u32,
    position: u32,
    /// Bytes from `position` on that were read already.
    ahead: Bytes,
    /// Offsets must not fall below this.
    pub next_offset: i64,
    /// Offsets must not reach this: where the next segment begins.
    limit: i64,
    /// A gap before the last batch is damage (nothing behind it could show that its base offset is right).
    dense_end: bool,
    pub scanned_bytes: u64,
}

impl<'a> Scanner<'a> {
    pub fn new(disk: &'a dyn Disk, segment: &'a Segment, position: u32, next_offset: i64) -> Scanner<'a> {
        let end = segment.size();
        let ahead = Bytes::new();
        Scanner {
            disk,
            segment,
            end,
            position,
            ahead,
            next_offset,
            limit: i64::MAX,
            dense_end: false,
            scanned_bytes: 0,
        }
    }

    /// The log was never compacted: there is no gap before its last batch.
    pub fn dense_end(self, dense_end: bool) -> Scanner<'a> {
        Scanner { dense_end, ..self }
    }

    /// Offsets must stay below `limit`.
    pub fn up_to(self, limit: i64) -> Scanner<'a> {
        Scanner { limit, ..self }
    }

    /// Goes on with what a walk that stopped here had read already ([`Scanner::into_ahead`]).
    pub fn with_ahead(self, ahead: Bytes) -> Scanner<'a> {
        Scanner { ahead, ..self }
    }

    /// Bytes from the position on that were read and not walked over.
    pub fn into_ahead(self) -> Bytes {
        self.ahead
    }

    pub fn position(&self) -> u32 {
        self.position
    }

    /// Whether a bad step found zeros where a header should be: written ahead, and never overwritten.
    pub fn is_at_zeros(&self) -> bool {
        let header = self.ahead.get(..HEADER_BYTES).unwrap_or(&self.ahead);
        header.iter().all(|&byte| byte == 0)
    }

    /// The next batch, or why there is none. A bad one is not passed over; see `resync`.
    pub fn step(&mut self) -> Result<Step, Fault> {
        let left = (self.end - self.position) as usize;
        if left == 0 {
            return Ok(Step::End);
        }
        self.fill(HEADER_BYTES.min(left))?;
        let header = match BatchHeader::parse(&self.ahead) {
            Ok(header) => header,
            Err(error) => return Ok(Step::Bad { what: error.to_string() }),
        };
        let size = header.size_in_bytes();
        if size > left {
            return Ok(Step::Bad { what: format!("a batch of {size} bytes where {left} are left") });
        }
        let in_segment = self.segment.holds(header.base_offset) && self.segment.holds(header.last_offset());
        let in_order = header.base_offset >= self.next_offset && header.next_offset() <= self.limit;
        if header.last_offset_delta < 0 || !in_order || !in_segment {
            let what = format!(
                "offsets {} to {} do not follow {}",
                header.base_offset,
                header.last_offset(),
                self.next_offset
            );
            return Ok(Step::Bad { what });
        }
        self.fill(size)?;
        let bytes = self.ahead.slice(..size.min(self.ahead.len()));
        let trusts = planted::has(Bug::TrustsTheTail);
        if bytes.len() < size || (batch_crc(&bytes) != header.crc && !trusts) {
            return Ok(Step::Bad { what: "CRC does not match".into() });
        }
        if header.base_offset > self.next_offset && !self.fits_behind_gap(&header)? {
            let what = format!("offsets {} to {} do not fit", header.base_offset, header.last_offset());
            return Ok(Step::Bad { what });
        }
        let position = self.position;
        self.advance(size);
        self.scanned_bytes += size as u64;
        self.next_offset = header.next_offset();
        Ok(Step::Batch { position, header, bytes })
    }

    /// The base offset is not under the CRC. A gap before a batch is compaction's right, but not with an overlap behind it.
    fn fits_behind_gap(&mut self, header: &BatchHeader) -> Result<bool, Fault> {
        let size = header.size_in_bytes();
        let left = (self.end - self.position) as usize;
        self.fill((size + HEADER_BYTES).min(left))?;
        let behind = self.ahead.get(size..).unwrap_or_default();
        Ok(match BatchHeader::parse(behind) {
            Ok(next) => next.base_offset >= header.next_offset(),
            Err(_) => !self.dense_end,
        })
    }

    /// Whether there is nothing but zeros from here to the end.
    pub fn has_only_zeros_left(&mut self) -> Result<bool, Fault> {
        let at = self.position;
        let mut only_zeros = true;
        while only_zeros && self.position < self.end {
            self.fill(1)?;
            only_zeros = !self.ahead.is_empty() && self.ahead.iter().all(|&byte| byte == 0);
            self.advance(self.ahead.len());
        }
        self.seek(at);
        Ok(only_zeros)
    }

    /// Looks for the next good batch behind a bad one: where the bad header says it ends, or else byte by byte. False if there
    /// is none; the walk is then at its end.
    pub fn resync(&mut self) -> Result<bool, Fault> {
        let bad = self.position;
        if let Ok(header) = BatchHeader::parse(&self.ahead)
            && let Some(after) = bad.checked_add(u32::try_from(header.size_in_bytes()).unwrap_or(u32::MAX))
            && after < self.end
            && self.is_good_at(after)?
        {
            return Ok(true);
        }
        let mut at = bad + 1;
        while at < self.end {
            if self.is_good_at(at)? {
                return Ok(true);
            }
            at += 1;
        }
        self.seek(self.end);
        Ok(false)
    }

    /// Whether a good batch begins at a position; if so the walk goes on there.
    fn is_good_at(&mut self, position: u32) -> Result<bool, Fault> {
        self.seek(position);
        let left = (self.end - position) as usize;
        self.fill(HEADER_BYTES.min(left))?;
        // The format byte rules nearly everything out.
        if self.ahead.get(16) != Some(&2) {
            return Ok(false);
        }
        let (next_offset, scanned) = (self.next_offset, self.scanned_bytes);
        let good = matches!(self.step()?, Step::Batch { .. });
        self.next_offset = next_offset;
        self.scanned_bytes = scanned;
        self.seek(position);
        Ok(good)
    }

    fn seek(&mut self, position: u32) {
        match position.checked_sub(self.position) {
            Some(forward) if (forward as usize) < self.ahead.len() => self.ahead.advance(forward as usize),
            Some(_) | None => self.ahead = Bytes::new(),
        }
        self.position = position;
    }

    fn advance(&mut self, bytes: usize) {
        self.ahead.advance(bytes.min(self.ahead.len()));
        self.position += bytes as u32;
    }

    /// Makes sure that so many bytes are at hand, if the file has them.
    fn fill(&mut self, needed: usize) -> Result<(), Fault> {
        if self.ahead.len() >= needed {
            return Ok(());
        }
        let left = (self.end - self.position) as usize;
        let length = needed.max(PIECE_BYTES).min(left);
        self.ahead = self.segment.walk(self.disk, self.position, length, self.end)?;
        Ok(())
    }
}
