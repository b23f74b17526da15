//! `Cursor`: reads a body where it lies, for the requests that are made so often that their structs would cost more than their work.
//! Takes and refuses what the [`Decoder`](super::Decoder) takes and refuses; what it hands out is borrowed.

use super::{DecodeError, DecodeLimits, Message};
use crate::Uuid;

/// What has not been read yet.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    flexible: bool,
    limits: DecodeLimits,
}

impl<'a> Cursor<'a> {
    pub fn new(body: &'a [u8], flexible: bool) -> Cursor<'a> {
        Cursor { rest: body, flexible, limits: DecodeLimits::for_frame(body.len()) }
    }

    /// At the beginning of a message's body in this version.
    #[inline]
    pub fn of<M: Message>(body: &'a [u8], version: i16) -> Result<Cursor<'a>, DecodeError> {
        if !(M::MIN_VERSION..=M::MAX_VERSION).contains(&version) {
            return Err(DecodeError::UnsupportedVersion);
        }
        Ok(Cursor::new(body, version >= M::FLEXIBLE_FROM))
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

    #[inline]
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    #[inline]
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    #[inline]
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    #[inline]
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    #[inline]
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// As Kafka reads it: padded forms are taken, and high bits of the fifth byte dropped.
    #[inline]
    fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
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

    /// The length of a list or of bytes; any negative one is null.
    #[inline]
    fn length(&mut self) -> Result<i32, DecodeError> {
        if self.flexible { Ok((self.unsigned_varint()? as i32).wrapping_sub(1)) } else { self.i32() }
    }

    /// Bytes that may be null.
    #[inline]
    pub fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        match usize::try_from(self.length()?) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Elements of a list, each of so many bytes at least and of so many in memory: not believed beyond the bytes that follow, and
    /// their memory paid from the budget.
    #[inline]
    pub fn count(&mut self, least_bytes: usize, memory_bytes: usize) -> Result<usize, DecodeError> {
        self.nullable_count(least_bytes, memory_bytes)?.ok_or(DecodeError::UnexpectedNull)
    }

    /// The same of a list that may be null.
    #[inline]
    pub fn nullable_count(
        &mut self,
        least_bytes: usize,
        memory_bytes: usize,
    ) -> Result<Option<usize>, DecodeError> {
        let Ok(count) = usize::try_from(self.length()?) else { return Ok(None) };
        if count.saturating_mul(least_bytes) > self.rest.len() {
            return Err(DecodeError::Truncated);
        }
        let memory = count.saturating_mul(memory_bytes);
        if count > self.limits.max_array_elements || memory > self.limits.max_allocation_bytes {
            return Err(DecodeError::TooLarge);
        }
        self.limits.max_allocation_bytes -= memory;
        Ok(Some(count))
    }

    /// A string that may be null.
    #[inline]
    pub fn nullable_string(&mut self) -> Result<Option<&'a str>, DecodeError> {
        let length = if self.flexible { self.length()? } else { i32::from(self.i16()?) };
        match usize::try_from(length) {
            Err(_) => Ok(None),
            Ok(0) => Ok(Some("")),
            Ok(length) if length > 0x7fff => Err(DecodeError::InvalidLength),
            Ok(length) => {
                let text = std::str::from_utf8(self.take(length)?);
                text.map(Some).map_err(|_| DecodeError::InvalidUtf8)
            }
        }
    }

    #[inline]
    pub fn string(&mut self) -> Result<&'a str, DecodeError> {
        self.nullable_string()?.ok_or(DecodeError::UnexpectedNull)
    }

    /// A topic, by its name or by its id.
    #[inline]
    pub fn topic(&mut self, by_name: bool) -> Result<(&'a str, Uuid), DecodeError> {
        if by_name { Ok((self.string()?, Uuid::ZERO)) } else { Ok(("", Uuid(self.array()?))) }
    }

    /// The tagged section of a struct, if this version has one. `known` reads the tags that it knows, and answers whether it did.
    #[inline]
    pub fn tags(
        &mut self,
        known: impl FnMut(u32, &mut Cursor<'a>) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        match self.flexible {
            false => Ok(()),
            true => match self.unsigned_varint()? {
                0 => Ok(()),
                count => self.some_tags(count, known),
            },
        }
    }

    #[cold]
    fn some_tags(
        &mut self,
        count: u32,
        mut known: impl FnMut(u32, &mut Cursor<'a>) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        if count as usize > self.limits.max_tagged_fields {
            return Err(DecodeError::TooManyTags);
        }
        for _ in 0..count {
            let tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()?;
            let content = self.take(size as usize)?;
            let mut content = Cursor { rest: content, flexible: self.flexible, limits: self.limits };
            if known(tag, &mut content)? && !content.rest.is_empty() {
                return Err(DecodeError::InvalidTagSize);
            }
        }
        Ok(())
    }
}
