//! The header of a v2 batch: its fields, what its bits say, where its CRC begins, and why bytes are none. Reads and writes nothing
//! behind it.

use crate::compress::{Compression, DecompressError};
use std::fmt;

/// Bytes of a v2 header, up to and including the record count.
pub const HEADER_BYTES: usize = 61;
/// Base offset and batch length: what `batch_length` does not count.
pub const LENGTH_PREFIX_BYTES: usize = 12;
/// The part of the header that an append may patch without touching the CRC: base offset, length, leader epoch.
pub const PATCHED_BYTES: usize = 16;
/// Where the CRC's coverage begins (the attributes).
pub const CRC_START: usize = 21;
/// "No timestamp", "no producer", "no sequence", "no epoch".
pub const NO_TIMESTAMP: i64 = -1;
/// No producer with an id.
pub const NO_PRODUCER_ID: i64 = -1;
/// No producer's epoch.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// No producer's sequence.
pub const NO_SEQUENCE: i32 = -1;
/// No leader's epoch, or none yet.
pub const NO_LEADER_EPOCH: i32 = -1;

pub(super) const TIMESTAMP_TYPE_BIT: i16 = 0x08;
pub(super) const TRANSACTIONAL_BIT: i16 = 0x10;
pub(super) const CONTROL_BIT: i16 = 0x20;
pub(super) const DELETE_HORIZON_BIT: i16 = 0x40;
/// The bits of the codec's number.
pub(super) const COMPRESSION_MASK: i16 = 0x07;

// Offset and length; then the leader's epoch; then format and CRC, which nothing before is under; attributes, counts, numbers.
const _: () = assert!(LENGTH_PREFIX_BYTES == 8 + 4 && PATCHED_BYTES == LENGTH_PREFIX_BYTES + 4);
const _: () = assert!(CRC_START == PATCHED_BYTES + 1 + 4);
const _: () = assert!(HEADER_BYTES == CRC_START + 2 + 4 + 8 + 8 + 8 + 2 + 4 + 4);
const _: () = {
    let bits = TIMESTAMP_TYPE_BIT | TRANSACTIONAL_BIT | CONTROL_BIT | DELETE_HORIZON_BIT;
    assert!((bits | COMPRESSION_MASK).count_ones() == 4 + 3, "no bit says two things");
};

/// Who set a batch's timestamps (KIP-32).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// The producer.
    #[default]
    CreateTime,
    /// The broker, when it appended them.
    LogAppendTime,
}

/// Why bytes are not a usable batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// Fewer bytes than the header or its length says.
    #[allow(missing_docs)] // its fields are what the line above says
    Truncated { needed: usize, available: usize },
    /// A length no batch can have.
    BadLength(i32),
    /// A legacy or unknown format.
    Magic(i8),
    /// The CRC does not match.
    #[allow(missing_docs)] // its fields are what the line above says
    Crc { stored: u32, computed: u32 },
    /// A codec number that does not exist.
    Codec(u8),
    /// The records do not decompress within bounds.
    Compression(DecompressError),
    /// A record's fields do not fit its length, or the batch its count.
    Record(&'static str),
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchError::Truncated { needed, available } => {
                write!(f, "batch needs {needed} bytes, {available} are there")
            }
            BatchError::BadLength(length) => write!(f, "batch length {length} is impossible"),
            BatchError::Magic(magic) => write!(f, "record format v{magic} is not supported"),
            BatchError::Crc { stored, computed } => {
                write!(f, "CRC is {computed:#010x}, the batch says {stored:#010x}")
            }
            BatchError::Codec(id) => write!(f, "unknown compression codec {id}"),
            BatchError::Compression(error) => write!(f, "{error}"),
            BatchError::Record(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for BatchError {}

/// The 61 header bytes, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The first record's offset.
    pub base_offset: i64,
    /// Bytes after this field.
    pub batch_length: i32,
    /// Of the leader that appended it; -1 before.
    pub partition_leader_epoch: i32,
    /// The format: 2.
    pub magic: i8,
    /// CRC-32C of everything behind it.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: i16,
    /// The last record's offset, less the first one's.
    pub last_offset_delta: i32,
    /// The first record's time, or the delete horizon; milliseconds.
    pub base_timestamp: i64,
    /// The largest time; milliseconds.
    pub max_timestamp: i64,
    /// -1 without one.
    pub producer_id: i64,
    /// -1 without one.
    pub producer_epoch: i16,
    /// The first record's sequence; -1 without one.
    pub base_sequence: i32,
    /// Records in it.
    pub record_count: i32,
}

/// Whether what may be a batch says of itself that it belongs to a transaction.
pub fn claims_transaction(batch: &[u8]) -> bool {
    let Some([magic, .., attributes]) = batch.get(16..23) else { return false };
    *magic == 2 && i16::from(*attributes) & TRANSACTIONAL_BIT != 0
}

/// Where a batch begins and ends, in offsets and in bytes: all that a walk over good batches asks of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchExtent {
    /// The first record's offset.
    pub base_offset: i64,
    /// The last record's offset, less the first one's.
    pub last_offset_delta: i32,
    /// Length prefix included.
    pub size_in_bytes: usize,
}

impl BatchExtent {
    /// Reads it from the start of a batch that was checked before; `None` where no batch can be.
    pub fn of(bytes: &[u8]) -> Option<BatchExtent> {
        let raw = bytes.first_chunk::<HEADER_BYTES>()?;
        let batch_length = u32::from_be_bytes(field(raw, 8)) as usize;
        Some(BatchExtent {
            base_offset: i64::from_be_bytes(field(raw, 0)),
            last_offset_delta: i32::from_be_bytes(field(raw, 23)),
            size_in_bytes: batch_length
                .checked_add(LENGTH_PREFIX_BYTES)
                .filter(|size| *size >= HEADER_BYTES)?,
        })
    }

    /// The last record's offset.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    /// What comes behind it has this offset at least.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }
}

impl BatchHeader {
    /// Reads the header at the start of `bytes` and checks its length, format and codec; the records need not be there.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let Some(raw) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(BatchHeader::explain_short(bytes));
        };
        let header = BatchHeader {
            base_offset: i64::from_be_bytes(field(raw, 0)),
            batch_length: i32::from_be_bytes(field(raw, 8)),
            partition_leader_epoch: i32::from_be_bytes(field(raw, 12)),
            magic: i8::from_be_bytes(field(raw, 16)),
            crc: u32::from_be_bytes(field(raw, 17)),
            attributes: i16::from_be_bytes(field(raw, 21)),
            last_offset_delta: i32::from_be_bytes(field(raw, 23)),
            base_timestamp: i64::from_be_bytes(field(raw, 27)),
            max_timestamp: i64::from_be_bytes(field(raw, 35)),
            producer_id: i64::from_be_bytes(field(raw, 43)),
            producer_epoch: i16::from_be_bytes(field(raw, 51)),
            base_sequence: i32::from_be_bytes(field(raw, 53)),
            record_count: i32::from_be_bytes(field(raw, 57)),
        };
        if header.magic != 2 {
            return Err(BatchError::Magic(header.magic));
        }
        if header.batch_length < (HEADER_BYTES - LENGTH_PREFIX_BYTES) as i32 {
            return Err(BatchError::BadLength(header.batch_length));
        }
        Ok(header)
    }

    /// A legacy message may be shorter than a v2 header: say so instead of "truncated".
    fn explain_short(bytes: &[u8]) -> BatchError {
        match bytes.get(16) {
            Some(&magic) if magic != 2 => BatchError::Magic(magic as i8),
            Some(_) | None => BatchError::Truncated { needed: HEADER_BYTES, available: bytes.len() },
        }
    }

    /// Where it begins and ends.
    pub fn extent(&self) -> BatchExtent {
        let (base_offset, last_offset_delta) = (self.base_offset, self.last_offset_delta);
        BatchExtent { base_offset, last_offset_delta, size_in_bytes: self.size_in_bytes() }
    }

    /// Bytes of the whole batch, length prefix included.
    pub fn size_in_bytes(&self) -> usize {
        // `parse` has seen to it that the length is positive.
        self.batch_length as usize + LENGTH_PREFIX_BYTES
    }

    /// The last record's offset.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    /// What comes behind it has this offset at least.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// Sequence of the last record; wraps at `i32::MAX` as producers do.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            NO_SEQUENCE
        } else {
            increment_sequence(self.base_sequence, self.last_offset_delta)
        }
    }

    /// The records' codec; an error for a number that no codec has.
    pub fn compression(&self) -> Result<Compression, BatchError> {
        let id = (self.attributes & COMPRESSION_MASK) as u8;
        Compression::from_id(id).ok_or(BatchError::Codec(id))
    }

    /// Who set its times.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & TIMESTAMP_TYPE_BIT == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// It belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    /// Its records are markers.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL_BIT != 0
    }

    /// It says when its tombstones may go (KIP-534).
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes & DELETE_HORIZON_BIT != 0
    }

    /// KIP-534: set by the cleaner, the base timestamp field then holds it.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.has_delete_horizon().then_some(self.base_timestamp)
    }

    /// Its producer has an id: it is checked for duplicates.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// The header as it goes to disk or wire.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut raw = [0u8; HEADER_BYTES];
        put(&mut raw, 0, &self.base_offset.to_be_bytes());
        put(&mut raw, 8, &self.batch_length.to_be_bytes());
        put(&mut raw, 12, &self.partition_leader_epoch.to_be_bytes());
        put(&mut raw, 16, &self.magic.to_be_bytes());
        put(&mut raw, 17, &self.crc.to_be_bytes());
        put(&mut raw, 21, &self.attributes.to_be_bytes());
        put(&mut raw, 23, &self.last_offset_delta.to_be_bytes());
        put(&mut raw, 27, &self.base_timestamp.to_be_bytes());
        put(&mut raw, 35, &self.max_timestamp.to_be_bytes());
        put(&mut raw, 43, &self.producer_id.to_be_bytes());
        put(&mut raw, 51, &self.producer_epoch.to_be_bytes());
        put(&mut raw, 53, &self.base_sequence.to_be_bytes());
        put(&mut raw, 57, &self.record_count.to_be_bytes());
        raw
    }

    /// The first [`PATCHED_BYTES`] with a new base offset and leader epoch; the CRC does not cover them.
    pub fn patched(&self, base_offset: i64, leader_epoch: i32) -> [u8; PATCHED_BYTES] {
        let mut raw = [0u8; PATCHED_BYTES];
        put(&mut raw, 0, &base_offset.to_be_bytes());
        put(&mut raw, 8, &self.batch_length.to_be_bytes());
        put(&mut raw, 12, &leader_epoch.to_be_bytes());
        raw
    }

    pub(super) fn set_timestamps(&mut self, kind: TimestampType, max_timestamp: i64) {
        self.max_timestamp = max_timestamp;
        match kind {
            TimestampType::CreateTime => self.attributes &= !TIMESTAMP_TYPE_BIT,
            TimestampType::LogAppendTime => self.attributes |= TIMESTAMP_TYPE_BIT,
        }
    }
}

/// Kafka's sequence arithmetic: after `i32::MAX` comes 0.
pub fn increment_sequence(sequence: i32, increment: i32) -> i32 {
    if sequence > i32::MAX - increment { increment - (i32::MAX - sequence) - 1 } else { sequence + increment }
}

/// The inverse of [`increment_sequence`].
pub fn decrement_sequence(sequence: i32, decrement: i32) -> i32 {
    if sequence < decrement { i32::MAX - (decrement - sequence) + 1 } else { sequence - decrement }
}

/// CRC-32C over everything from the attributes on, as the header's `crc` field has it.
pub fn batch_crc(batch: &[u8]) -> u32 {
    crate::checksum::crc32c(batch.get(CRC_START..).unwrap_or_default())
}

/// A fixed-size field of the header; `AT + N` is always inside it.
fn field<const N: usize>(raw: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut out = [0u8; N];
    out.copy_from_slice(&raw[at..at + N]);
    out
}

fn put<const N: usize>(raw: &mut [u8; N], at: usize, value: &[u8]) {
    raw[at..at + value.len()].copy_from_slice(value);
}
