//! Finding and reading whole batches in a segment: index hint, header chain, CRC. An index is only a hint: what it points to
//! must be a batch that fits, or the chain is walked from the segment's beginning. Corrupt bytes are reported, never handed out.

use crate::disk::Disk;
use crate::fault::{Fault, Operation};
use crate::segment::Segment;
use crate::view::{Fetched, ReadRefused};
use bytes::Bytes;
use wire::record_batch::{BatchHeader, HEADER_BYTES, batch_crc};

/// Bytes read beyond what was asked, so that an index hint up to an interval early needs no second read.
const SLACK_BYTES: u32 = 8 << 10;

/// The readable part of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readable<'a> {
    pub disk: &'a dyn Disk,
    pub segment: &'a Segment,
    /// Bytes that belong to the view.
    pub bytes: u32,
}

/// What to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub from: i64,
    /// Offsets from here on are not shown.
    pub upto: i64,
    pub max_bytes: u32,
    pub at_least_one: bool,
}

/// A batch's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub position: u32,
    pub header: BatchHeader,
}

/// Why a walk stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    Disk(Fault),
    /// No batch where one must be.
    Bad {
        offset: i64,
        position: u32,
        what: String,
    },
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Disk(fault)
    }
}

impl Readable<'_> {
    /// Whole batches from the one holding `from` (or the next there is); `None` if this segment has none.
    pub fn read(&self, wanted: Wanted) -> Result<Option<Fetched>, ReadRefused> {
        let Some(hint) = self.hint(wanted.from)? else {
            return self.read_at(0, wanted).map_err(|stop| self.refused(stop));
        };
        match self.read_at(hint, wanted) {
            Ok(Some(fetched)) => Ok(Some(fetched)),
            // The hint may be to blame; the chain from the beginning is not.
            Ok(None) | Err(Stop::Bad { .. }) => {
                let again = self.read_at(0, wanted).map_err(|stop| self.refused(stop))?;
                if again.is_some() {
                    self.segment.set_suspect(true);
                }
                Ok(again)
            }
            Err(stop @ Stop::Disk(_)) => Err(self.refused(stop)),
        }
    }

    /// The first batch whose last offset is at least `from`.
    pub fn find(&self, from: i64) -> Result<Option<Place>, ReadRefused> {
        let hint = self.hint(from)?.unwrap_or(0);
        match self.walk(hint, from) {
            Ok(Some(place)) => Ok(Some(place)),
            Ok(None) | Err(Stop::Bad { .. }) if hint > 0 => {
                self.walk(0, from).map_err(|stop| self.refused(stop))
            }
            Ok(None) => Ok(None),
            Err(stop) => Err(self.refused(stop)),
        }
    }

    /// The whole batch at a place, CRC checked.
    pub fn batch(&self, place: &Place) -> Result<Bytes, ReadRefused> {
        let mut bytes = Vec::new();
        let size = place.header.size_in_bytes();
        self.disk
            .read_at(&self.segment.log, u64::from(place.position), size, &mut bytes)
            .map_err(|fault| self.refused(Stop::Disk(fault)))?;
        if bytes.len() < size || batch_crc(&bytes) != place.header.crc {
            let stop = self.bad(place.header.base_offset, place.position, "CRC does not match");
            return Err(self.refused(stop));
        }
        Ok(Bytes::from(bytes))
    }

    /// The batch after a place.
    pub fn next(&self, place: &Place) -> Result<Option<Place>, ReadRefused> {
        let position = place.position + place.header.size_in_bytes() as u32;
        self.walk(position, place.header.next_offset()).map_err(|stop| self.refused(stop))
    }

    /// A position that the offset index gives and the log confirms.
    fn hint(&self, from: i64) -> Result<Option<u32>, ReadRefused> {
        let entry =
            self.segment.position_hint(from, self.disk).map_err(|fault| self.refused(Stop::Disk(fault)))?;
        let Some(entry) = entry else { return Ok(None) };
        if entry.position >= self.bytes {
            // An index may be ahead of a view, or wrong; both ways the beginning is right.
            return Ok(None);
        }
        Ok((entry.position > 0).then_some(entry.position))
    }

    fn read_at(&self, start: u32, wanted: Wanted) -> Result<Option<Fetched>, Stop> {
        let mut position = start;
        let mut ask = wanted.max_bytes.saturating_add(SLACK_BYTES).max(HEADER_BYTES as u32);
        loop {
            let length = ask.min(self.bytes.saturating_sub(position)) as usize;
            if length == 0 {
                return Ok(None);
            }
            let mut buffer = Vec::new();
            self.disk.read_at(&self.segment.log, u64::from(position), length, &mut buffer)?;
            if buffer.len() < length {
                return Err(self.bad(wanted.from, position, "the file is shorter than the log"));
            }
            let (skipped, first) = self.skip(&buffer, position, wanted.from)?;
            position += skipped;
            let Some(first) = first else { continue };
            let size = first.size_in_bytes() as u32;
            if first.base_offset >= wanted.upto || (size > wanted.max_bytes && !wanted.at_least_one) {
                return Ok(Some(Fetched { records: Bytes::new(), next_offset: wanted.from }));
            }
            let have = buffer.len() as u32 - skipped;
            let want = size.max(wanted.max_bytes).min(self.bytes.saturating_sub(position));
            if have < want && skipped > 0 || have < size {
                // Too much was skipped (or the first batch is larger than asked): read again from where it begins.
                if have < size && size > self.bytes.saturating_sub(position) {
                    return Err(self.bad(first.base_offset, position, "a batch is longer than the log"));
                }
                ask = want;
                continue;
            }
            let mut bytes = Bytes::from(buffer);
            bytes::Buf::advance(&mut bytes, skipped as usize);
            return self.serve(bytes, position, wanted).map(Some);
        }
    }

    /// Passes over batches that end before `from`. Answers the bytes passed and the first batch wanted, if its header is in
    /// the buffer.
    fn skip(&self, buffer: &[u8], position: u32, from: i64) -> Result<(u32, Option<BatchHeader>), Stop> {
        let mut at = 0usize;
        loop {
            let rest = buffer.get(at..).unwrap_or_default();
            let here = position + at as u32;
            if rest.len() < HEADER_BYTES {
                if here + rest.len() as u32 >= self.bytes && !rest.is_empty() {
                    return Err(self.bad(from, here, "a batch is cut short"));
                }
                return Ok((at as u32, None));
            }
            let header = self.header(rest, here, from)?;
            if header.last_offset() >= from {
                return Ok((at as u32, Some(header)));
            }
            let size = header.size_in_bytes();
            if u64::from(here) + size as u64 > u64::from(self.bytes) {
                return Err(self.bad(from, here, "a batch is longer than the log"));
            }
            at += size;
            if at > buffer.len() {
                return Ok((at as u32, None));
            }
        }
    }

    /// Cuts at the limit, checks CRCs and continuity.
    fn serve(&self, mut bytes: Bytes, position: u32, wanted: Wanted) -> Result<Fetched, Stop> {
        let mut end = 0usize;
        let mut next_offset = wanted.from;
        loop {
            let rest = bytes.get(end..).unwrap_or_default();
            if rest.len() < HEADER_BYTES {
                break;
            }
            let here = position + end as u32;
            let header = match self.header(rest, here, next_offset) {
                Ok(header) => header,
                // What comes before is good; the next read meets the bad batch first.
                Err(_) if end > 0 => break,
                Err(stop) => return Err(stop),
            };
            let size = header.size_in_bytes();
            let fits = end + size <= wanted.max_bytes as usize || (end == 0 && wanted.at_least_one);
            if header.base_offset >= wanted.upto || !fits {
                break;
            }
            let Some(batch) = rest.get(..size) else { break };
            let in_order = end == 0 || header.base_offset >= next_offset;
            if !in_order || batch_crc(batch) != header.crc {
                if end > 0 {
                    break;
                }
                return Err(self.bad(header.base_offset, here, "CRC does not match"));
            }
            end += size;
            next_offset = header.next_offset();
        }
        bytes.truncate(end);
        Ok(Fetched { records: bytes, next_offset })
    }

    /// Walks headers alone, for questions that need no record bytes.
    fn walk(&self, start: u32, from: i64) -> Result<Option<Place>, Stop> {
        let mut position = start;
        while position < self.bytes {
            let length = SLACK_BYTES.min(self.bytes - position) as usize;
            let mut buffer = Vec::new();
            self.disk.read_at(&self.segment.log, u64::from(position), length, &mut buffer)?;
            if buffer.len() < HEADER_BYTES {
                return Err(self.bad(from, position, "a batch is cut short"));
            }
            let (skipped, found) = self.skip(&buffer, position, from)?;
            position += skipped;
            if let Some(header) = found {
                return Ok(Some(Place { position, header }));
            }
        }
        Ok(None)
    }

    fn header(&self, bytes: &[u8], position: u32, offset: i64) -> Result<BatchHeader, Stop> {
        let header =
            BatchHeader::parse(bytes).map_err(|error| self.bad(offset, position, &error.to_string()))?;
        if header.last_offset_delta < 0
            || !self.segment.holds(header.base_offset)
            || !self.segment.holds(header.last_offset())
        {
            return Err(self.bad(offset, position, "offsets outside the segment"));
        }
        Ok(header)
    }

    fn bad(&self, offset: i64, position: u32, what: &str) -> Stop {
        Stop::Bad { offset, position, what: what.to_owned() }
    }

    pub fn refused(&self, stop: Stop) -> ReadRefused {
        match stop {
            // Removed by retention while a view still knew it: the offset is gone, the disk is well.
            Stop::Disk(fault) if fault.is_not_found() => ReadRefused::OffsetOutOfRange {
                log_start_offset: self.segment.base_offset,
                upto: self.segment.base_offset,
            },
            Stop::Disk(fault) => ReadRefused::Storage(fault),
            Stop::Bad { offset, position, what } => {
                let what = format!("{what} at position {position}");
                ReadRefused::Corrupt {
                    offset,
                    fault: Fault::corrupt(Operation::Read, &self.segment.log.path(), what),
                }
            }
        }
    }
}
