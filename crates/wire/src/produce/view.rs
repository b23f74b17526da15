//! A Produce request read where it lies: names and records are borrowed from the frame, and the lists of the usual request, one
//! partition of one topic, need no memory of their own. Says exactly what the generated `ProduceRequest` says; the tests
//! hold both against each other in every version, whole, cut short and damaged.

use smallvec::SmallVec;

use crate::Uuid;
use crate::codec::{Decode, DecodeError, DecodeLimits, Message};
use crate::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};

/// A whole request; nothing of it is left to be checked but the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceView<'a> {
    pub acks: i16,
    pub timeout_ms: i32,
    pub transactional_id: Option<&'a str>,
    pub topics: SmallVec<[TopicView<'a>; 1]>,
}

/// The partitions of one topic; the name up to version 12, the id from 13 on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicView<'a> {
    pub name: &'a str,
    pub id: Uuid,
    pub partitions: SmallVec<[PartitionView<'a>; 1]>,
}

/// What is to be appended to one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionView<'a> {
    pub index: i32,
    pub records: Option<&'a [u8]>,
}

impl<'a> ProduceView<'a> {
    /// Reads a body of this version; bytes after it are ignored, as with every request.
    pub fn parse(body: &'a [u8], version: i16) -> Result<ProduceView<'a>, DecodeError> {
        if !(ProduceRequest::MIN_VERSION..=ProduceRequest::MAX_VERSION).contains(&version) {
            return Err(DecodeError::UnsupportedVersion);
        }
        let flexible = version >= ProduceRequest::FLEXIBLE_FROM;
        let mut from = Reader { rest: body, flexible, limits: DecodeLimits::for_frame(body.len()) };
        let transactional_id = from.string()?;
        let acks = i16::from_be_bytes(from.array()?);
        let timeout_ms = i32::from_be_bytes(from.array()?);
        let count = from.count::<TopicView<'_>>(TopicProduceData::MIN_SIZE)?;
        let mut topics = SmallVec::with_capacity(count);
        for _ in 0..count {
            topics.push(from.topic(version)?);
        }
        from.tags()?;
        Ok(ProduceView { acks, timeout_ms, transactional_id, topics })
    }
}

/// What has not been read yet.
struct Reader<'a> {
    rest: &'a [u8],
    flexible: bool,
    limits: DecodeLimits,
}

impl<'a> Reader<'a> {
    #[inline]
    fn topic(&mut self, version: i16) -> Result<TopicView<'a>, DecodeError> {
        let (mut name, mut id) = ("", Uuid::ZERO);
        if version <= 12 {
            name = self.string()?.ok_or(DecodeError::UnexpectedNull)?;
        } else {
            id = Uuid(self.array()?);
        }
        let count = self.count::<PartitionView<'_>>(PartitionProduceData::MIN_SIZE)?;
        let mut partitions = SmallVec::with_capacity(count);
        for _ in 0..count {
            let index = i32::from_be_bytes(self.array()?);
            let records = match usize::try_from(self.length()?) {
                Ok(length) => Some(self.take(length)?),
                Err(_) => None,
            };
            self.tags()?;
            partitions.push(PartitionView { index, records });
        }
        self.tags()?;
        Ok(TopicView { name, id, partitions })
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
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

    /// Any negative length is null.
    #[inline]
    fn length(&mut self) -> Result<i32, DecodeError> {
        if self.flexible {
            Ok((self.unsigned_varint()? as i32).wrapping_sub(1))
        } else {
            Ok(i32::from_be_bytes(self.array()?))
        }
    }

    /// Elements of a list: not believed beyond the bytes that follow, and their memory paid from the budget.
    #[inline]
    fn count<T>(&mut self, least_bytes: usize) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.length()?).map_err(|_| DecodeError::UnexpectedNull)?;
        if count.saturating_mul(least_bytes) > self.rest.len() {
            return Err(DecodeError::Truncated);
        }
        let memory = count.saturating_mul(size_of::<T>());
        if count > self.limits.max_array_elements || memory > self.limits.max_allocation_bytes {
            return Err(DecodeError::TooLarge);
        }
        self.limits.max_allocation_bytes -= memory;
        Ok(count)
    }

    #[inline]
    fn string(&mut self) -> Result<Option<&'a str>, DecodeError> {
        let length =
            if self.flexible { self.length()? } else { i32::from(i16::from_be_bytes(self.array()?)) };
        match usize::try_from(length) {
            Err(_) => Ok(None),
            Ok(length) if length > 0x7fff => Err(DecodeError::InvalidLength),
            Ok(length) => {
                let text = std::str::from_utf8(self.take(length)?);
                text.map(Some).map_err(|_| DecodeError::InvalidUtf8)
            }
        }
    }

    /// None is known: all are passed over.
    #[inline]
    fn tags(&mut self) -> Result<(), DecodeError> {
        if !self.flexible {
            return Ok(());
        }
        match self.unsigned_varint()? {
            0 => Ok(()),
            count => self.skip_tags(count),
        }
    }

    #[cold]
    fn skip_tags(&mut self, count: u32) -> Result<(), DecodeError> {
        if count as usize > self.limits.max_tagged_fields {
            return Err(DecodeError::TooManyTags);
        }
        for _ in 0..count {
            let _tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()?;
            self.take(size as usize)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
