//! Finding and reading whole batches in a segment: index hint, header chain, CRC. An index is only a hint: what it points to
//! must be a batch that fits, or the chain is walked from the segment's beginning. Base offsets are not under the CRC: each must
//! fit between its neighbours. Corrupt bytes are reported, never handed out, and damage elsewhere hides nothing. Bytes that passed
//! once and have not left the page cache since (`verified.rs`) are not checked again. Damage that was found is remembered (`damage.rs`).

use crate::ahead::Ahead;
use crate::buffers::{self, Buffer};
use crate::damage::DamagedRange;
use crate::disk::Cached;
use crate::fault::{Fault, Operation};
use crate::fetched::{Fetched, ReadRefused};
use crate::index::OffsetEntry;
use crate::scan::{Scanner, Step};
use crate::segment::Segment;
use crate::source::{Reach, Source};
use crate::trails::{TrailEnd, Trails};
use crate::verified::Age;
use bytes::{Buf, Bytes};
use std::ops::Range;
use std::sync::Arc;
use wire::record_batch::{BatchExtent, BatchHeader, HEADER_BYTES, batch_crc};

/// Bytes read beyond what was asked, so that an index hint up to an interval early needs no second read.
const SLACK_BYTES: u32 = 8 << 10;

const _: () = assert!(SLACK_BYTES as usize >= HEADER_BYTES, "a walk reads a header at once");

/// The readable part of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readable<'a> {
    pub source: Source<'a>,
    pub trails: Option<&'a Trails>,
    pub segment: &'a Arc<Segment>,
    /// Bytes that belong to the view.
    pub bytes: u32,
    /// First offset that is not in them: where the next segment begins, or the log's end.
    pub end_offset: i64,
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

/// What a read found, and what the platter is to be asked for next.
#[derive(Debug)]
pub(crate) struct Served {
    pub fetched: Fetched,
    pub window: Option<Range<u32>>,
}

/// A batch's header, and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocatedBatch {
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
    /// The same, and the whole segment was asked how far it reaches.
    Damaged {
        range: DamagedRange,
        /// A reader of records meets it for the first time.
        is_news: bool,
        what: String,
    },
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Disk(fault)
    }
}

/// What a walk finds that looks at every batch.
enum Past {
    Batch(LocatedBatch),
    Damage(DamagedRange, String),
    Nothing,
}

/// Where a walk is: the position of the next batch and the least offset it may have.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    position: u32,
    expected: i64,
    /// The index entry that led here, until it is confirmed.
    entry: Option<OffsetEntry>,
    /// Since when it is known that a batch begins here: as long as the segment's `verified` is of that age.
    since: Option<Age>,
}

impl Cursor {
    /// Behind a batch.
    fn behind(position: u32, expected: i64) -> Cursor {
        Cursor { position, expected, entry: None, since: None }
    }
}

/// A reader as it came: how far ahead of it the platter was asked, and whether it has shown that it goes on.
#[derive(Clone, Copy, Debug, Default)]
struct Reader {
    ahead: Ahead,
    goes_on: bool,
    /// Where it goes on, if that is known: to be left again where it gets no further.
    trail: Option<TrailEnd>,
}

/// Bytes of the segment.
struct Piece {
    buffer: Buffer,
    /// Taken before they were read, but for the first few.
    age: Age,
    /// So many were read before `age`: nobody can vouch for them.
    early: u32,
    /// Up to there they came out of the page cache and were known to be good just after: their beginning if nobody knows.
    good_until: u32,
    /// They came out of the page cache, so that they are good where the segment says so.
    cached: bool,
}

impl Readable<'_> {
    /// Whole batches from the one holding `from` (or the next there is); `None` if this segment has none.
    pub fn read(&self, wanted: Wanted) -> Result<Option<Served>, Stop> {
        if let Some(trail) = self.trails.and_then(|trails| trails.take(self.segment, wanted.from)) {
            let here = Cursor { since: Some(trail.age), ..Cursor::behind(trail.position, wanted.from) };
            let reader = Reader { ahead: trail.ahead, goes_on: true, trail: Some(trail) };
            match self.read_at(here, wanted, 0, reader) {
                Ok(Some(served)) => return Ok(Some(served)),
                Ok(None) | Err(Stop::Bad { .. } | Stop::Damaged { .. }) => {}
                Err(stop @ Stop::Disk(_)) => return Err(stop),
            }
        }
        // Who begins where the segment begins comes from the one before.
        let goes_on = wanted.from == self.segment.base_offset;
        let reader = Reader { goes_on, ..Reader::default() };
        let hint = self.hint(wanted.from)?;
        let first = match hint {
            Some(hint) => self.read_at(hint, wanted, SLACK_BYTES, reader),
            None => self.read_at(self.beginning(), wanted, SLACK_BYTES, reader),
        };
        match first {
            Ok(Some(served)) => return Ok(Some(served)),
            Ok(None) if hint.is_none() => return Ok(None),
            Ok(None) | Err(Stop::Bad { .. } | Stop::Damaged { .. }) => {}
            Err(stop @ Stop::Disk(_)) => return Err(stop),
        }
        if let Some(known) = self.segment.damage.holding(wanted.from)
            && let Some(served) = self.read_damaged(known, wanted)?
        {
            return Ok(Some(served));
        }
        // The hint may be to blame; the chain from the beginning is not.
        match self.read_at(self.beginning(), wanted, SLACK_BYTES, Reader::default()) {
            // Every batch is looked at, wherever it lies: nothing for a thread that must not wait.
            Err(Stop::Bad { .. }) if self.source.reach == Reach::Memory => {
                Err(Fault::would_block(&self.segment.log.path()).into())
            }
            Err(bad @ Stop::Bad { .. }) => self.read_past_damage(wanted, bad),
            other => other,
        }
    }

    /// The first batch whose last offset is at least `from`.
    pub fn find(&self, from: i64) -> Result<Option<LocatedBatch>, ReadRefused> {
        let hint = self.hint(from).map_err(|fault| self.refused(Stop::Disk(fault)))?;
        if let Some(hint) = hint {
            match self.walk(hint, from) {
                Ok(Some(place)) => return Ok(Some(place)),
                Ok(None) | Err(Stop::Bad { .. } | Stop::Damaged { .. }) => {}
                Err(stop @ Stop::Disk(_)) => return Err(self.refused(stop)),
            }
        }
        self.walk_past_damage(self.beginning(), from, None)
    }

    /// The whole batch at a place, CRC checked.
    pub fn batch(&self, place: &LocatedBatch) -> Result<Bytes, ReadRefused> {
        let size = place.header.size_in_bytes();
        let bytes = self
            .segment
            .read(self.source.disk, place.position, size)
            .map_err(|fault| self.refused(Stop::Disk(fault)))?;
        if bytes.len() < size || batch_crc(&bytes) != place.header.crc {
            return Err(self.bad_batch(place, "CRC does not match".to_owned()));
        }
        Ok(bytes)
    }

    /// The batch at a place is not what its header promises.
    pub fn bad_batch(&self, place: &LocatedBatch, what: String) -> ReadRefused {
        let (offset, next_offset) = (place.header.base_offset, place.header.next_offset());
        let range = DamagedRange { offset, next_offset, position: place.position };
        self.refused(Stop::Damaged { range, is_news: false, what })
    }

    /// The batch after a place.
    pub fn next(&self, place: &LocatedBatch) -> Result<Option<LocatedBatch>, ReadRefused> {
        let size = u32::try_from(place.header.size_in_bytes()).unwrap_or(u32::MAX);
        let position = place.position.saturating_add(size);
        let cursor = Cursor::behind(position, place.header.next_offset());
        self.walk_past_damage(cursor, cursor.expected, Some(place.position))
    }

    pub fn refused(&self, stop: Stop) -> ReadRefused {
        match stop {
            // Removed by retention while a view still knew it: the offset is gone, the disk is well.
            Stop::Disk(fault) if fault.is_not_found() => ReadRefused::OffsetOutOfRange {
                log_start_offset: self.segment.base_offset,
                upto: self.segment.base_offset,
            },
            Stop::Disk(fault) => ReadRefused::Storage(fault),
            // How far it reaches is not known: at least over the offset itself.
            Stop::Bad { offset, position, what } => {
                let range = DamagedRange { offset, next_offset: offset.saturating_add(1), position };
                self.refused(Stop::Damaged { range, is_news: false, what })
            }
            Stop::Damaged { range: DamagedRange { offset, next_offset, position }, is_news, what } => {
                let what = format!("{what} at position {position}");
                let fault = Fault::corrupt(Operation::Read, &self.segment.log.path(), what);
                ReadRefused::Corrupt { offset, next_offset, is_news, fault }
            }
        }
    }

    fn beginning(&self) -> Cursor {
        Cursor::behind(0, self.segment.base_offset)
    }

    /// Where the offset index says to begin. An index may be ahead of a view, or wrong: the walk confirms it.
    fn hint(&self, from: i64) -> Result<Option<Cursor>, Fault> {
        let entry = self.segment.position_hint(from, self.source)?;
        let within = entry.filter(|entry| entry.position > 0 && entry.position < self.bytes);
        Ok(within.map(|entry| Cursor {
            entry: Some(entry),
            ..Cursor::behind(entry.position, self.segment.base_offset)
        }))
    }

    /// The reader got no further; where it goes on is remembered.
    fn stays(&self, from: i64, reader: &Reader) {
        if let (Some(trails), Some(trail)) = (self.trails, reader.trail) {
            trails.leave(self.segment, from, TrailEnd { ahead: reader.ahead, ..trail });
        }
    }

    fn read_at(
        &self,
        mut cursor: Cursor,
        wanted: Wanted,
        slack: u32,
        mut reader: Reader,
    ) -> Result<Option<Served>, Stop> {
        let mut ask = wanted.max_bytes.saturating_add(slack.max(HEADER_BYTES as u32));
        loop {
            let left = self.bytes.saturating_sub(cursor.position);
            if left == 0 {
                self.stays(wanted.from, &reader);
                return Ok(None);
            }
            let piece = self.piece_ahead(cursor.position, ask.min(left), wanted.from, &mut reader)?;
            let start = cursor.position;
            let first = match self.known_batch(&piece, start, &cursor) {
                Some(first) if first.last_offset() >= wanted.from => first,
                Some(_) | None => match self.skip(piece.buffer.bytes(), &mut cursor, wanted.from)? {
                    Some(header) => header.extent(),
                    None => continue,
                },
            };
            let left = self.bytes.saturating_sub(cursor.position);
            let size = first.size_in_bytes as u32;
            if size > left {
                return Err(bad(first.base_offset, cursor.position, "a batch is longer than the log"));
            }
            if first.base_offset >= wanted.upto || (size > wanted.max_bytes && !wanted.at_least_one) {
                self.check_beside(&first, &cursor, &[])?;
                self.stays(wanted.from, &reader);
                return Ok(Some(Served { fetched: Fetched::nothing(wanted.from), window: None }));
            }
            // With the header behind the last batch, which has to fit too.
            let want = size.max(wanted.max_bytes).saturating_add(HEADER_BYTES as u32).min(left);
            let skipped = cursor.position - start;
            let have = piece.buffer.bytes().len() as u32 - skipped;
            if have < want {
                ask = want;
                continue;
            }
            return self.serve(piece, start, cursor, wanted, reader).map(Some);
        }
    }

    /// Passes over batches that end before `from`, moving the cursor. Answers the first batch wanted, if its header is in the buffer.
    fn skip(&self, buffer: &[u8], cursor: &mut Cursor, from: i64) -> Result<Option<BatchHeader>, Stop> {
        let start = cursor.position;
        loop {
            let passed = cursor.position - start;
            let rest = buffer.get(passed as usize..).unwrap_or_default();
            if rest.len() < HEADER_BYTES {
                if !rest.is_empty() && cursor.position + rest.len() as u32 >= self.bytes {
                    return Err(bad(from, cursor.position, "a batch is cut short"));
                }
                return Ok(None);
            }
            let header = self.header(rest, cursor)?;
            if header.last_offset() >= from {
                return Ok(Some(header));
            }
            let size = header.size_in_bytes();
            if size as u64 > u64::from(self.bytes - cursor.position) {
                return Err(bad(from, cursor.position, "a batch is longer than the log"));
            }
            *cursor = Cursor::behind(cursor.position + size as u32, header.next_offset());
        }
    }

    /// The extent of the batch at the cursor, if it is known to begin there and to be good. `start` is where the piece begins.
    fn known_batch(&self, piece: &Piece, start: u32, cursor: &Cursor) -> Option<BatchExtent> {
        let known = cursor.since == Some(piece.age) && piece.cached;
        let rest = piece.buffer.bytes().get((cursor.position - start) as usize..).filter(|_| known)?;
        let extent = BatchExtent::of(rest)?;
        let end = cursor.position.checked_add(u32::try_from(extent.size_in_bytes).ok()?)?;
        (end <= piece.good_until).then_some(extent)
    }

    /// Cuts at the limit; what is not known to be good is checked, CRC and neighbours.
    fn serve(
        &self,
        piece: Piece,
        start: u32,
        first: Cursor,
        wanted: Wanted,
        reader: Reader,
    ) -> Result<Served, Stop> {
        let bytes = piece.buffer.bytes().get((first.position - start) as usize..).unwrap_or_default();
        let mut cursor = first;
        let mut next_offset = wanted.from;
        let mut good_until = piece.good_until;
        if piece.cached && good_until <= cursor.position {
            good_until = self.good_until(cursor.position, piece.age);
        }
        if cursor.since == Some(piece.age) {
            let good = (good_until.saturating_sub(first.position) as usize).min(bytes.len());
            if let Some((length, next)) = known_run(bytes.get(..good).unwrap_or_default(), &wanted) {
                next_offset = next;
                cursor = Cursor { position: first.position + length as u32, expected: next, ..cursor };
            }
        }
        let mut checked_bytes = 0u32;
        loop {
            let end = (cursor.position - first.position) as usize;
            let rest = bytes.get(end..).unwrap_or_default();
            let known = BatchExtent::of(rest).filter(|batch| {
                cursor.since == Some(piece.age)
                    && batch.size_in_bytes <= good_until.saturating_sub(cursor.position) as usize
            });
            let batch = match known {
                Some(batch) => batch,
                None => match self.good_batch(rest, &cursor, wanted.upto) {
                    Ok(Some(header)) => {
                        checked_bytes = checked_bytes.saturating_add(header.size_in_bytes() as u32);
                        header.extent()
                    }
                    Ok(None) => break,
                    // What comes before is good; the next read meets the bad batch first.
                    Err(Stop::Bad { .. }) if end > 0 => break,
                    Err(stop) => return Err(stop),
                },
            };
            let whole = end + batch.size_in_bytes;
            let fits = whole <= wanted.max_bytes as usize || (end == 0 && wanted.at_least_one);
            if batch.base_offset >= wanted.upto || !fits || whole > bytes.len() {
                break;
            }
            next_offset = batch.next_offset();
            let position = cursor.position + batch.size_in_bytes as u32;
            cursor = Cursor { since: Some(piece.age), ..Cursor::behind(position, next_offset) };
            if known.is_none() && piece.cached {
                good_until = self.good_until(cursor.position, piece.age);
            }
        }
        let length = cursor.position - first.position;
        if checked_bytes > 0 {
            let from = first.position.max(start.saturating_add(piece.early));
            self.segment.verified.add(from..cursor.position.max(from), piece.age);
        }
        let window =
            self.leave_trail(wanted.from, next_offset, first.position..cursor.position, &piece, reader);
        let mut records = piece.buffer.share(self.source.memory.filter(|_| length > 0));
        records.advance((first.position - start) as usize);
        records.truncate(length as usize);
        Ok(Served { fetched: Fetched { records, next_offset, ahead: None, checked_bytes }, window })
    }

    /// Leaves a trail where the reader goes on; answers what is to be asked for ahead of it by then.
    fn leave_trail(
        &self,
        from: i64,
        next_offset: i64,
        taken: Range<u32>,
        piece: &Piece,
        reader: Reader,
    ) -> Option<Range<u32>> {
        let trails = self.trails?;
        if taken.is_empty() {
            self.stays(from, &reader);
            return None;
        }
        let (ahead, window) = match piece.cached {
            true => self.segment.window_behind(self.source.disk, reader.ahead, &taken, self.bytes),
            // What comes next was asked for together with this.
            false => (reader.ahead, None),
        };
        trails.leave(self.segment, next_offset, TrailEnd { position: taken.end, age: piece.age, ahead });
        window
    }

    fn good_until(&self, position: u32, age: Age) -> u32 {
        self.segment.verified.good_until(position, age)
    }

    /// The batch at the beginning of `rest`, if all of it is there and it is good in itself and beside its neighbours. One that
    /// begins at `upto` or later is not wanted: its header is enough.
    fn good_batch(&self, rest: &[u8], cursor: &Cursor, upto: i64) -> Result<Option<BatchHeader>, Stop> {
        if rest.len() < HEADER_BYTES {
            return Ok(None);
        }
        let header = self.header(rest, cursor)?;
        let size = header.size_in_bytes();
        let Some(batch) = rest.get(..size).filter(|_| header.base_offset < upto) else { return Ok(None) };
        if batch_crc(batch) != header.crc {
            return Err(bad(header.base_offset, cursor.position, "CRC does not match"));
        }
        self.check_beside(&header.extent(), cursor, rest.get(size..).unwrap_or_default())?;
        Ok(Some(header))
    }

    /// A batch ends before the next one begins; its header is in `behind` or is read.
    fn check_beside(&self, batch: &BatchExtent, cursor: &Cursor, behind: &[u8]) -> Result<(), Stop> {
        let next_base = match cursor.position + batch.size_in_bytes as u32 {
            end if end >= self.bytes => self.end_offset,
            end if behind.len() < HEADER_BYTES => {
                let length = (HEADER_BYTES as u32).min(self.bytes - end);
                next_base(self.piece(end, length, cursor.expected)?.buffer.bytes())
            }
            _ => next_base(behind),
        };
        if batch.next_offset() > next_base {
            return Err(bad(batch.base_offset, cursor.position, "offsets overlap what follows"));
        }
        Ok(())
    }

    /// Looks again at a place that was damaged when it was read before.
    fn read_damaged(&self, known: DamagedRange, wanted: Wanted) -> Result<Option<Served>, Stop> {
        let cursor = Cursor::behind(known.position, known.offset);
        match self.read_at(cursor, wanted, SLACK_BYTES, Reader::default()) {
            Err(Stop::Bad { what, .. }) => Err(Stop::Damaged { range: known, is_news: false, what }),
            Ok(served) => {
                self.segment.damage.healed(known);
                Ok(served)
            }
            Err(stop) => Err(stop),
        }
    }

    /// The chain is broken somewhere before the wanted offset, or at it: damage elsewhere in the segment is no reason to refuse it.
    fn read_past_damage(&self, wanted: Wanted, broken: Stop) -> Result<Option<Served>, Stop> {
        match self.find_past_damage(wanted.from, None)? {
            Past::Batch(place) => {
                let cursor = Cursor::behind(place.position, place.header.base_offset);
                self.read_at(cursor, wanted, SLACK_BYTES, Reader::default())
            }
            Past::Damage(range, what) => {
                Err(Stop::Damaged { range, is_news: self.segment.damage.note(range), what })
            }
            Past::Nothing => Err(broken),
        }
    }

    /// The first good batch behind a position whose last offset is at least `from`, or the damage that lies in its place. Slow, and
    /// only where the chain is broken: every batch before it is checked.
    fn find_past_damage(&self, from: i64, behind: Option<u32>) -> Result<Past, Fault> {
        let is_before = |position| behind.is_some_and(|behind| position <= behind);
        let mut scanner =
            Scanner::new(self.source.disk, self.segment, 0, self.segment.base_offset).up_to(self.end_offset);
        let mut bad: Option<(DamagedRange, String)> = None;
        loop {
            match scanner.step()? {
                Step::Batch { position, header, .. }
                    if header.last_offset() < from || is_before(position) =>
                {
                    bad = None;
                }
                Step::Batch { position, header, .. } => {
                    let bad = bad.filter(|(bad, _)| header.base_offset > from && !is_before(bad.position));
                    return Ok(match bad {
                        Some((range, what)) => {
                            Past::Damage(DamagedRange { next_offset: header.base_offset, ..range }, what)
                        }
                        None => Past::Batch(LocatedBatch { position, header }),
                    });
                }
                Step::End => return Ok(bad.map_or(Past::Nothing, |(range, what)| Past::Damage(range, what))),
                Step::Bad { what } => {
                    let (offset, position) = (scanner.next_offset, scanner.position());
                    bad.get_or_insert((
                        DamagedRange { offset, next_offset: self.end_offset, position },
                        what,
                    ));
                    scanner.resync()?;
                }
            }
        }
    }

    /// A walk from a cursor; `behind` is where the batch before it begins, whose header may have led astray.
    fn walk_past_damage(
        &self,
        cursor: Cursor,
        from: i64,
        behind: Option<u32>,
    ) -> Result<Option<LocatedBatch>, ReadRefused> {
        let walked = match cursor.position > self.bytes {
            true => Err(bad(from, cursor.position, "a batch is longer than the log")),
            false => self.walk(cursor, from),
        };
        let broken = match walked {
            Err(broken @ Stop::Bad { .. }) => broken,
            other => return other.map_err(|stop| self.refused(stop)),
        };
        let least = if behind.is_some() { i64::MIN } else { from };
        match self.find_past_damage(least, behind) {
            Ok(Past::Batch(place)) => Ok(Some(place)),
            Ok(Past::Damage(range, what)) => Err(self.refused(Stop::Damaged { range, is_news: false, what })),
            Ok(Past::Nothing) => Err(self.refused(broken)),
            Err(fault) => Err(self.refused(Stop::Disk(fault))),
        }
    }

    /// Walks headers alone, for questions that need no record bytes.
    fn walk(&self, mut cursor: Cursor, from: i64) -> Result<Option<LocatedBatch>, Stop> {
        while cursor.position < self.bytes {
            let length = SLACK_BYTES.min(self.bytes - cursor.position);
            let piece = self.piece(cursor.position, length, from)?;
            if let Some(header) = self.skip(piece.buffer.bytes(), &mut cursor, from)? {
                return Ok(Some(LocatedBatch { position: cursor.position, header }));
            }
        }
        Ok(None)
    }

    /// Bytes of the view, from memory if they are there, and only from there if the read reaches no further.
    fn piece(&self, position: u32, length: u32, offset: i64) -> Result<Piece, Stop> {
        self.piece_missed(position, length, offset, || {})
    }

    /// The same for a reader: what is missing is asked for together with what comes behind.
    fn piece_ahead(
        &self,
        position: u32,
        length: u32,
        offset: i64,
        reader: &mut Reader,
    ) -> Result<Piece, Stop> {
        self.piece_missed(position, length, offset, || match self.source.reach {
            Reach::Memory => {
                reader.ahead = reader.ahead.noted(position, length);
                self.stays(offset, reader);
            }
            Reach::Platter => {
                reader.ahead = reader.ahead.missed(position, length, reader.goes_on);
                let until = reader.ahead.until().min(self.bytes);
                if until > position.saturating_add(length) {
                    self.segment.bring_in(self.source.disk, position..until);
                }
            }
        })
    }

    /// `missed` is called before what is not in the page cache is read or refused.
    fn piece_missed(
        &self,
        position: u32,
        length: u32,
        offset: i64,
        missed: impl FnOnce(),
    ) -> Result<Piece, Stop> {
        let (disk, segment) = (self.source.disk, self.segment);
        let mut buffer = buffers::take(length as usize);
        let age = segment.verified.age();
        let read = match disk.read_cached(&segment.log, u64::from(position), buffer.room())? {
            Cached::All => {
                let good_until = self.good_until(position, age);
                return Ok(Piece { buffer, age, early: 0, good_until, cached: true });
            }
            Cached::Part(read) => {
                segment.verified.forget();
                missed();
                if self.source.reach == Reach::Memory {
                    return Err(Fault::would_block(&segment.log.path()).into());
                }
                read
            }
            Cached::Unknown => 0,
        };
        // What was read before it was found missing is checked like the rest.
        let age = segment.verified.age();
        if !buffer.read_on(read, disk, &segment.log, u64::from(position))? {
            return Err(bad(offset, position, "the file is shorter than the log"));
        }
        Ok(Piece { buffer, age, early: read as u32, good_until: position, cached: false })
    }

    /// The header at the cursor, if it fits there.
    fn header(&self, bytes: &[u8], cursor: &Cursor) -> Result<BatchHeader, Stop> {
        let refuse = |what: &str| bad(cursor.expected, cursor.position, what);
        let header = BatchHeader::parse(bytes).map_err(|error| refuse(&error.to_string()))?;
        let inside = self.segment.holds(header.base_offset) && self.segment.holds(header.last_offset());
        if header.last_offset_delta < 0 || !inside || header.base_offset < cursor.expected {
            return Err(refuse("offsets do not follow"));
        }
        if let Some(entry) = cursor.entry
            && !self.is_confirmed(entry, &header)?
        {
            return Err(refuse("the index does not fit"));
        }
        Ok(header)
    }

    /// An entry names the last offset of the batch at its position. Older Kafka wrote one entry for several batches appended
    /// together: then the batch must at least lie behind the entry before.
    fn is_confirmed(&self, entry: OffsetEntry, header: &BatchHeader) -> Result<bool, Fault> {
        let named = self.segment.base_offset + i64::from(entry.relative);
        if header.last_offset() >= named {
            return Ok(header.last_offset() == named);
        }
        let before = self.segment.position_hint(named - 1, self.source)?;
        Ok(before
            .is_none_or(|before| header.base_offset > self.segment.base_offset + i64::from(before.relative)))
    }
}

/// How far the wanted batches reach of bytes that are known to be good, and the first offset behind them; `None` without one.
fn known_run(good: &[u8], wanted: &Wanted) -> Option<(usize, i64)> {
    let mut run = None;
    loop {
        let end = run.map_or(0, |(end, _)| end);
        let Some(batch) = good.get(end..).and_then(BatchExtent::of) else { return run };
        let whole = end + batch.size_in_bytes;
        let fits = whole <= wanted.max_bytes as usize || (end == 0 && wanted.at_least_one);
        if whole > good.len() || batch.base_offset >= wanted.upto || !fits {
            return run;
        }
        run = Some((whole, batch.next_offset()));
    }
}

fn bad(offset: i64, position: u32, what: &str) -> Stop {
    Stop::Bad { offset, position, what: what.to_owned() }
}

/// Where the batch behind begins; no bound if there is no readable header (its own reading will tell).
fn next_base(behind: &[u8]) -> i64 {
    BatchHeader::parse(behind).map_or(i64::MAX, |header| header.base_offset)
}

#[cfg(test)]
mod ahead_tests;
#[cfg(test)]
mod tests;
