//! The hot loop of a produce: one pass over the records of a batch that stays as it is, with every check of [`RecordRef::take`] and
//! nothing kept of a record but what the leader asks of all of them.

use super::header::BatchError;
use super::record::{RecordRef, varint, zigzag};

/// What the records of a batch have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Skimmed {
    /// Timestamps, in ms since the epoch.
    pub earliest: i64,
    pub latest: i64,
    /// All have keys.
    pub keyed: bool,
    /// Their offset deltas are 0, 1, 2, …
    pub contiguous: bool,
}

/// Passes over exactly `count` records, which must be all that `payload` holds.
#[inline(never)]
pub(super) fn skim(payload: &[u8], base_timestamp: i64, count: i32) -> Result<Skimmed, BatchError> {
    let mut skimmed = Skimmed { earliest: i64::MAX, latest: i64::MIN, keyed: true, contiguous: true };
    let mut at = 0;
    for index in 0..count {
        let record = match usual(payload, at) {
            Some(record) => record,
            None => unusual(payload, at)?,
        };
        let timestamp = base_timestamp.wrapping_add(record.timestamp_delta);
        skimmed.earliest = skimmed.earliest.min(timestamp);
        skimmed.latest = skimmed.latest.max(timestamp);
        skimmed.keyed &= record.has_key;
        skimmed.contiguous &= record.offset_delta == index;
        at = record.end;
    }
    if at < payload.len() {
        return Err(BatchError::Record("batch holds more records than it counts"));
    }
    Ok(skimmed)
}

/// One record that is as it should be.
struct Passed {
    timestamp_delta: i64,
    offset_delta: i32,
    has_key: bool,
    /// Where the next one starts.
    end: usize,
}

#[inline(never)]
fn unusual(payload: &[u8], at: usize) -> Result<Passed, BatchError> {
    let mut rest = payload.get(at..).unwrap_or_default();
    let record = RecordRef::take(&mut rest)?;
    Ok(Passed {
        timestamp_delta: record.timestamp_delta,
        offset_delta: record.offset_delta,
        has_key: record.key.is_some(),
        end: payload.len() - rest.len(),
    })
}

/// The record at `start`, if it is of the usual kind: numbers of two bytes at most, nothing wrong.
#[inline(always)]
fn usual(payload: &[u8], start: usize) -> Option<Passed> {
    let head: &[u8; 10] = payload.get(start..)?.first_chunk()?;
    let mut length = ShortNumbers::of(u64::from(u16::from_le_bytes([head[0], head[1]])));
    let bytes = length.next()?;
    let at = start.wrapping_add(length.taken);
    let end = at.wrapping_add((bytes >> 1) as usize);
    // Attributes, which mean nothing, both deltas and the key's length are seven bytes at most.
    let [_, one @ .., _] = head;
    let [_, _, two @ ..] = head;
    let mut numbers = ShortNumbers::of(u64::from_le_bytes(if length.taken == 1 { *one } else { *two }));
    numbers.pass_over_one();
    let (timestamp_delta, offset_delta, key) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let has_key = key & 1 == 0;
    let at = at.wrapping_add(numbers.taken).wrapping_add(if has_key { (key >> 1) as usize } else { 0 });
    let value: &[u8; 2] = payload.get(at..)?.first_chunk()?;
    let mut numbers = ShortNumbers::of(u64::from(u16::from_le_bytes(*value)));
    let value = numbers.next()?;
    let at =
        at.wrapping_add(numbers.taken).wrapping_add(if value & 1 == 0 { (value >> 1) as usize } else { 0 });
    // Nearly all records end with this one byte: no headers.
    if payload.get(at) != Some(&0) || at.wrapping_add(1) != end {
        headers(payload.get(at..end)?)?;
    }
    (bytes & 1 == 0).then(|| Passed {
        timestamp_delta: i64::from(zigzag(timestamp_delta)),
        offset_delta: zigzag(offset_delta),
        has_key,
        end,
    })
}

/// Passes over the headers of a record, from their number on; nothing may be behind them.
#[inline(never)]
fn headers(mut bytes: &[u8]) -> Option<()> {
    let count = u32::try_from(varint(&mut bytes).ok()?).ok()?;
    for _ in 0..count {
        let key = usize::try_from(varint(&mut bytes).ok()?).ok()?;
        bytes = bytes.get(key..)?;
        let value = usize::try_from(varint(&mut bytes).ok()?).unwrap_or(0);
        bytes = bytes.get(value..)?;
    }
    bytes.is_empty().then_some(())
}

/// ShortNumbers of one or two bytes, in one machine word.
struct ShortNumbers {
    word: u64,
    taken: usize,
}

impl ShortNumbers {
    #[inline(always)]
    fn of(word: u64) -> ShortNumbers {
        ShortNumbers { word, taken: 0 }
    }

    #[inline(always)]
    fn pass_over_one(&mut self) {
        self.word >>= 8;
        self.taken += 1;
    }

    /// The next number as it stands.
    #[inline(always)]
    fn next(&mut self) -> Option<u32> {
        let word = self.word as u32;
        if word & 0x80 == 0 {
            self.pass_over_one();
            return Some(word & 0x7f);
        }
        self.word >>= 16;
        self.taken += 2;
        (word & 0x8000 == 0).then_some(word & 0x7f | word >> 1 & 0x3f80)
    }
}
