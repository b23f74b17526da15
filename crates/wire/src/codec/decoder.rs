//! `Decoder`: a cursor over one frame. Every length is checked against the bytes that are left before it is believed,
//! and arrays are paid from a budget before they are allocated (the class of CVE-2022-34917 and its successors).

use std::fmt;

use bytes::{Buf, Bytes};

use crate::{Str, Uuid};

/// What one frame may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Elements of one array; Kafka 4.4 refuses more than a million.
    pub max_array_elements: usize,
    /// Tagged fields of one struct; Kafka 4.4 refuses more than ten thousand.
    pub max_tagged_fields: usize,
    /// Bytes of memory that all arrays of the frame may take together, beside the frame itself.
    pub max_allocation_bytes: usize,
}

impl DecodeLimits {
    /// The limits for a frame of this many bytes. Honest messages need up to a few times their wire size (a partition of
    /// 40 bytes becomes a struct of 150); the rest is room for small frames.
    pub const fn for_frame(frame_bytes: usize) -> DecodeLimits {
        DecodeLimits {
            max_array_elements: 1_000_000,
            max_tagged_fields: 10_000,
            max_allocation_bytes: (1 << 20) + frame_bytes.saturating_mul(16),
        }
    }
}

/// Why bytes are not the message they claim to be. All of them mean: close the connection, or refuse the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end inside a value, or a length reaches behind them.
    Truncated,
    /// A length is not one that its type can have.
    InvalidLength,
    /// Null where this version knows no null.
    UnexpectedNull,
    /// A string that is read where it lies is not UTF-8.
    InvalidUtf8,
    /// A varint of more than five bytes.
    InvalidVarint,
    /// An array, or the arrays of the frame together, ask for more than the limits give.
    TooLarge,
    /// More tagged fields than the limits give.
    TooManyTags,
    /// A tagged field is longer or shorter than its declared size.
    InvalidTagSize,
    /// The message has no such version.
    UnsupportedVersion,
    /// A record of a type that this build does not know.
    UnknownRecord {
        /// The record type's number.
        api_key: i16,
        /// The version it was written in.
        version: i16,
    },
    /// Bytes are left after a record that must fill its value.
    TrailingBytes,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecodeError::Truncated => "the bytes end inside a value",
            DecodeError::InvalidLength => "a length is invalid",
            DecodeError::UnexpectedNull => "a value that cannot be null is null",
            DecodeError::InvalidUtf8 => "a string is not UTF-8",
            DecodeError::InvalidVarint => "a varint is too long",
            DecodeError::TooLarge => "an array is larger than the limit",
            DecodeError::TooManyTags => "more tagged fields than the limit",
            DecodeError::InvalidTagSize => "a tagged field has another size than it declares",
            DecodeError::UnsupportedVersion => "the version is not supported",
            DecodeError::UnknownRecord { api_key, version } => {
                return write!(f, "unknown record type {api_key}, version {version}");
            }
            DecodeError::TrailingBytes => "bytes are left after the value",
        })
    }
}

impl std::error::Error for DecodeError {}

/// What an element of an array costs.
#[derive(Clone, Copy, Debug)]
pub struct ElementSize {
    /// The fewest bytes of the frame that one takes.
    pub frame_bytes_min: usize,
    /// Bytes of memory that one takes.
    pub memory_bytes: usize,
}

/// A struct's tagged section while it is being read.
#[derive(Debug)]
pub struct Tags {
    /// Tags that are still to come.
    left: u32,
    /// How many bytes of the frame must be left when the field announced last ends.
    remaining_after: usize,
}

/// A cursor over one frame.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// What has not been read yet. Moving its start is cheaper than an index: one check per read.
    rest: Bytes,
    flexible: bool,
    limits: DecodeLimits,
}

impl Decoder {
    /// A cursor at the start of `frame`.
    pub fn new(frame: Bytes, limits: DecodeLimits) -> Decoder {
        Decoder { rest: frame, flexible: false, limits }
    }

    /// A cursor with the usual limits for a frame of this size.
    pub fn of(frame: Bytes) -> Decoder {
        let limits = DecodeLimits::for_frame(frame.len());
        Decoder::new(frame, limits)
    }

    /// Whether strings and arrays are compact and structs carry tagged fields.
    #[inline]
    pub fn flexible(&self) -> bool {
        self.flexible
    }

    /// Chooses between the flexible encoding and the old one.
    #[inline]
    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// How many bytes are left.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Fails unless everything has been read.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.remaining() == 0 { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = *self.rest.first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest.advance(N);
        Ok(bytes)
    }

    /// One byte, signed.
    #[inline]
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    /// Two bytes, signed.
    #[inline]
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    /// Two bytes, unsigned.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// Four bytes, signed.
    #[inline]
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// Four bytes, unsigned.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// Eight bytes, signed.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// Eight bytes, IEEE 754.
    #[inline]
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from_be_bytes(self.array()?))
    }

    /// One byte; anything but zero is true, as Kafka reads it.
    #[inline]
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    /// Sixteen bytes.
    #[inline]
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        Ok(Uuid(self.array()?))
    }

    /// An unsigned varint of at most five bytes. Padded forms are read and high bits of the fifth byte dropped, as
    /// Kafka does.
    #[inline]
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        match self.rest.first() {
            Some(&byte) if byte < 0x80 => {
                self.rest.advance(1);
                Ok(u32::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u32, DecodeError> {
        if let [first, second @ 0..0x80, ..] = *self.rest {
            self.rest.advance(2);
            return Ok(u32::from(first & 0x7f) | u32::from(second) << 7);
        }
        let mut number = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            number |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(DecodeError::InvalidVarint)
    }

    /// The next `length` bytes, sharing the frame's buffer.
    #[inline]
    pub fn take(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        if length > self.remaining() {
            return Err(DecodeError::Truncated);
        }
        let taken = self.rest.slice(..length);
        self.rest.advance(length);
        Ok(taken)
    }

    /// A declared length: `None` for null. Any negative one is null, as Kafka reads it.
    #[inline]
    fn length(&mut self) -> Result<Option<usize>, DecodeError> {
        let length =
            if self.flexible { (self.unsigned_varint()? as i32).wrapping_sub(1) } else { self.i32()? };
        Ok(usize::try_from(length).ok())
    }

    /// What is no text is read as Java reads it: with U+FFFD in the place of what is not UTF-8.
    #[cold]
    fn no_text(&mut self, length: usize) -> Result<Str, DecodeError> {
        let bytes = self.take(length)?;
        Ok(Str::from(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// A string, or null.
    #[inline]
    pub fn nullable_string(&mut self) -> Result<Option<Str>, DecodeError> {
        let length = if self.flexible {
            (self.unsigned_varint()? as i32).wrapping_sub(1)
        } else {
            i32::from(self.i16()?)
        };
        match usize::try_from(length) {
            Err(_) => Ok(None),
            Ok(0) => Ok(Some(Str::new())),
            Ok(length) if length > 0x7fff => Err(DecodeError::InvalidLength),
            Ok(length) => {
                if length > self.remaining() {
                    return Err(DecodeError::Truncated);
                }
                match Str::from_utf8(self.rest.slice(..length)) {
                    Some(text) => {
                        self.rest.advance(length);
                        Ok(Some(text))
                    }
                    None => self.no_text(length).map(Some),
                }
            }
        }
    }

    /// Bytes, or null: a slice of the frame.
    #[inline]
    pub fn nullable_bytes(&mut self) -> Result<Option<Bytes>, DecodeError> {
        match self.length()? {
            Some(length) => Ok(Some(self.take(length)?)),
            None => Ok(None),
        }
    }

    /// The declared element count of an array, or `None` for null. When this succeeds, the elements fit into what is left of
    /// the frame and their memory has been taken from the budget.
    #[inline]
    pub fn array_length(&mut self, element: ElementSize) -> Result<Option<usize>, DecodeError> {
        let Some(count) = self.length()? else { return Ok(None) };
        if count.saturating_mul(element.frame_bytes_min.max(1)) > self.remaining() {
            return Err(DecodeError::Truncated);
        }
        let memory = count.saturating_mul(element.memory_bytes);
        if count > self.limits.max_array_elements || memory > self.limits.max_allocation_bytes {
            return Err(DecodeError::TooLarge);
        }
        self.limits.max_allocation_bytes -= memory;
        Ok(Some(count))
    }

    /// Opens a struct's tagged section; `None` when it is empty, as nearly all are.
    #[inline]
    pub fn tags(&mut self) -> Result<Option<Tags>, DecodeError> {
        let left = self.unsigned_varint()?;
        if left == 0 {
            return Ok(None);
        }
        if left as usize > self.limits.max_tagged_fields {
            return Err(DecodeError::TooManyTags);
        }
        Ok(Some(Tags { left, remaining_after: self.remaining() }))
    }

    /// The next tag; first makes sure that the field before it was read to its end.
    pub fn next_tag(&mut self, tags: &mut Tags) -> Result<Option<u32>, DecodeError> {
        if self.remaining() != tags.remaining_after {
            return Err(DecodeError::InvalidTagSize);
        }
        if tags.left == 0 {
            return Ok(None);
        }
        tags.left -= 1;
        let tag = self.unsigned_varint()?;
        let size = self.unsigned_varint()? as usize;
        tags.remaining_after = self.remaining().checked_sub(size).ok_or(DecodeError::Truncated)?;
        Ok(Some(tag))
    }

    /// Passes over a field of an unknown tag.
    pub fn skip_tag(&mut self, tags: &Tags) -> Result<(), DecodeError> {
        let size = self.remaining().checked_sub(tags.remaining_after).ok_or(DecodeError::InvalidTagSize)?;
        self.rest.advance(size);
        Ok(())
    }
}
