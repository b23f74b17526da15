//! Records inside a v2 batch: parsing (borrowed and owned), sizes, writing. Checks every length against what is there; headers
//! keep their order and their duplicates (KIP-82).

use super::batch::RecordBatch;
use super::header::{BatchError, TimestampType};
use crate::compress::Compression;
use crate::compress::{DecompressLimit, decompress};
use bytes::Bytes;

/// What is wrong with a record. As small as can be: parsing one returns it seven times.
type Flaw = &'static str;

/// One record, owning slices of the batch (or of its decompressed records).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset in the log.
    pub offset: i64,
    /// Milliseconds; the broker's, where it stamps.
    pub timestamp: i64,
    /// Null is no key.
    pub key: Option<Bytes>,
    /// Null is a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// In order, duplicates kept.
    pub headers: Vec<RecordHeader>,
}

/// One record header; the key is UTF-8 by convention and not checked here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// Any bytes.
    pub key: Bytes,
    /// Any bytes, or null.
    pub value: Option<Bytes>,
}

/// One record, borrowed: what validation looks at. Nothing is allocated.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// Its time, less the batch's first; milliseconds.
    pub timestamp_delta: i64,
    /// Its offset, less the batch's first.
    pub offset_delta: i32,
    /// Null is no key.
    pub key: Option<&'a [u8]>,
    /// Null is a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// How many headers follow.
    pub header_count: i32,
    headers: &'a [u8],
    /// Key, value and headers as they lie there: all that does not depend on the batch.
    pub(super) content: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// Takes the record at the start of `rest` off it; every inner length is checked.
    #[inline]
    pub fn take(rest: &mut &'a [u8]) -> Result<RecordRef<'a>, BatchError> {
        RecordRef::parse(rest).map_err(BatchError::Record)
    }

    #[inline]
    fn parse(rest: &mut &'a [u8]) -> Result<RecordRef<'a>, Flaw> {
        let length = usize::try_from(varint(rest)?).map_err(|_| "record with a negative length")?;
        let (mut body, after) = rest.split_at_checked(length).ok_or("record longer than its batch")?;
        *rest = after;
        let record = RecordRef::body(&mut body)?;
        if !body.is_empty() {
            return Err("record shorter than its length");
        }
        Ok(record)
    }

    #[inline]
    fn body(body: &mut &'a [u8]) -> Result<RecordRef<'a>, Flaw> {
        let (_attributes, rest) = body.split_first().ok_or("record without attributes")?;
        *body = rest;
        let timestamp_delta = varlong(body)?;
        let offset_delta = varint(body)?;
        let content = *body;
        let key = nullable(body)?;
        let value = nullable(body)?;
        let header_count = varint(body)?;
        let headers = *body;
        // A header is two bytes at least: the count is checked before anything is looped over.
        if header_count < 0 || header_count as usize > headers.len() {
            return Err("record with an impossible number of headers");
        }
        for _ in 0..header_count {
            take_header(body)?;
        }
        Ok(RecordRef { timestamp_delta, offset_delta, key, value, header_count, headers, content })
    }

    /// The headers in order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let mut rest = self.headers;
        // `body` has walked them once, so none fails here.
        std::iter::from_fn(move || if rest.is_empty() { None } else { take_header(&mut rest).ok() })
    }
}

fn take_header<'a>(body: &mut &'a [u8]) -> Result<(&'a [u8], Option<&'a [u8]>), Flaw> {
    let key = nullable(body)?.ok_or("record header with a negative key length")?;
    let value = nullable(body)?;
    Ok((key, value))
}

/// The records of one batch, decompressed within bounds. Ends after the first error.
#[derive(Debug)]
pub struct Records {
    data: Bytes,
    position: usize,
    remaining: i32,
    base_offset: i64,
    base_timestamp: i64,
    log_append_time: Option<i64>,
}

impl RecordBatch {
    /// Owned records in order; decompresses at once, bounded by `limit`.
    pub fn records(&self, limit: DecompressLimit) -> Result<Records, BatchError> {
        let data = self.decompressed(limit)?;
        let log_append_time = match self.timestamp_type() {
            TimestampType::CreateTime => None,
            TimestampType::LogAppendTime => Some(self.max_timestamp),
        };
        Ok(Records {
            data,
            position: 0,
            remaining: self.record_count,
            base_offset: self.base_offset,
            base_timestamp: self.base_timestamp,
            log_append_time,
        })
    }

    /// The records' bytes, decompressed within bounds.
    pub fn decompressed(&self, limit: DecompressLimit) -> Result<Bytes, BatchError> {
        match self.compression()? {
            Compression::None => Ok(self.payload()),
            codec @ (Compression::Gzip | Compression::Snappy | Compression::Lz4 | Compression::Zstd) => {
                decompress(codec, &self.payload(), limit).map_err(BatchError::Compression)
            }
        }
    }
}

impl Records {
    fn parse_next(&mut self) -> Result<Record, BatchError> {
        let start = self.data.get(self.position..).unwrap_or_default();
        let mut rest = start;
        let record = RecordRef::take(&mut rest)?;
        let slice = |part: &[u8]| self.data.slice_ref(part);
        let owned = Record {
            offset: self.base_offset.wrapping_add(i64::from(record.offset_delta)),
            timestamp: self
                .log_append_time
                .unwrap_or(self.base_timestamp.wrapping_add(record.timestamp_delta)),
            key: record.key.map(slice),
            value: record.value.map(slice),
            headers: record
                .headers()
                .map(|(key, value)| RecordHeader { key: slice(key), value: value.map(slice) })
                .collect(),
        };
        self.position += start.len() - rest.len();
        Ok(owned)
    }
}

impl Iterator for Records {
    type Item = Result<Record, BatchError>;

    fn next(&mut self) -> Option<Result<Record, BatchError>> {
        if self.remaining <= 0 {
            let leftover = self.remaining == 0 && self.position < self.data.len();
            self.remaining = -1;
            return leftover.then_some(Err(BatchError::Record("batch holds more records than it counts")));
        }
        let record = self.parse_next();
        self.remaining = if record.is_ok() { self.remaining - 1 } else { -1 };
        Some(record)
    }
}

/// Bytes of a record with its length prefix.
pub fn record_size(
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[RecordHeader],
) -> usize {
    let body = body_size(timestamp_delta, offset_delta, key, value, headers);
    varint_size(body as i64) + body
}

fn body_size(
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[RecordHeader],
) -> usize {
    let fields: usize = headers
        .iter()
        .map(|header| nullable_size(Some(&header.key)) + nullable_size(header.value.as_deref()))
        .sum();
    1 + varint_size(timestamp_delta)
        + varint_size(i64::from(offset_delta))
        + nullable_size(key)
        + nullable_size(value)
        + varint_size(headers.len() as i64)
        + fields
}

/// Of the length that stands before a record.
const MOST_VARINT_BYTES: usize = 5;

const _: () = assert!(MOST_VARINT_BYTES as u32 * 7 >= i32::BITS);

pub(super) fn write_record(
    out: &mut Vec<u8>,
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[RecordHeader],
) {
    let body = body_size(timestamp_delta, offset_delta, key, value, headers);
    out.reserve(body + MOST_VARINT_BYTES);
    put_varint(out, body as i64);
    out.push(0);
    put_varint(out, timestamp_delta);
    put_varint(out, i64::from(offset_delta));
    put_nullable(out, key);
    put_nullable(out, value);
    put_varint(out, headers.len() as i64);
    for header in headers {
        put_nullable(out, Some(&header.key));
        put_nullable(out, header.value.as_deref());
    }
}

#[inline]
fn nullable<'a>(body: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Flaw> {
    let Ok(length) = usize::try_from(varint(body)?) else { return Ok(None) };
    let (bytes, rest) = body.split_at_checked(length).ok_or("record field longer than its record")?;
    *body = rest;
    Ok(Some(bytes))
}

#[inline(always)]
pub(super) fn zigzag(raw: u32) -> i32 {
    (raw >> 1) as i32 ^ -((raw & 1) as i32)
}

#[inline]
pub(super) fn varint(body: &mut &[u8]) -> Result<i32, Flaw> {
    let raw = match **body {
        [byte @ 0..0x80, ref rest @ ..] => {
            *body = rest;
            u32::from(byte)
        }
        [first, second @ 0..0x80, ref rest @ ..] => {
            *body = rest;
            u32::from(first & 0x7f) | u32::from(second) << 7
        }
        _ => u32::try_from(unsigned(body, 5)?).map_err(|_| "varint of more than 32 bits")?,
    };
    Ok(zigzag(raw))
}

#[inline]
fn varlong(body: &mut &[u8]) -> Result<i64, Flaw> {
    let raw = match **body {
        [byte @ 0..0x80, ref rest @ ..] => {
            *body = rest;
            u64::from(byte)
        }
        _ => unsigned(body, 10)?,
    };
    Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

#[inline(never)]
fn unsigned(body: &mut &[u8], most: usize) -> Result<u64, Flaw> {
    let mut value = 0u64;
    for (at, &byte) in body.iter().take(most).enumerate() {
        let part = u64::from(byte & 0x7f);
        let shift = 7 * at as u32;
        if shift == 63 && part > 1 {
            return Err("varint of more than 64 bits");
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            *body = body.get(at + 1..).unwrap_or_default();
            return Ok(value);
        }
    }
    Err("varint without an end")
}

pub(super) fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_varint(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
        None => put_varint(out, -1),
    }
}

pub(super) fn varint_size(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    (64 - (zigzag | 1).leading_zeros() as usize).div_ceil(7)
}

fn nullable_size(bytes: Option<&[u8]>) -> usize {
    match bytes {
        Some(bytes) => varint_size(bytes.len() as i64) + bytes.len(),
        None => 1,
    }
}
