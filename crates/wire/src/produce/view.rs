//! A Produce request read where it lies: names and records are borrowed from the frame, and the lists of the usual request, one
//! partition of one topic, need no memory of their own. Says exactly what the generated `ProduceRequest` says; the tests
//! hold both against each other in every version, whole, cut short and damaged.

use smallvec::SmallVec;

use crate::Uuid;
use crate::codec::{Cursor, Decode, DecodeError};
use crate::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};

/// A whole request; nothing of it is left to be checked but the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceView<'a> {
    /// Who must have it before the answer: 0 nobody, 1 the leader, -1 all in-sync replicas.
    pub acks: i16,
    /// How long the answer may wait for them.
    pub timeout_ms: i32,
    /// The transaction's name, for records of one.
    pub transactional_id: Option<&'a str>,
    /// In the request's order.
    pub topics: SmallVec<[TopicView<'a>; 1]>,
}

/// The partitions of one topic; the name up to version 12, the id from 13 on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicView<'a> {
    /// Empty from version 13 on.
    pub name: &'a str,
    /// Zeros up to version 12.
    pub id: Uuid,
    /// In the request's order.
    pub partitions: SmallVec<[PartitionView<'a>; 1]>,
}

/// What is to be appended to one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionView<'a> {
    /// Its number in the topic.
    pub index: i32,
    /// The batch; `None` is refused later.
    pub records: Option<&'a [u8]>,
}

impl<'a> ProduceView<'a> {
    /// Reads a body of this version; bytes after it are ignored, as with every request.
    pub fn parse(body: &'a [u8], version: i16) -> Result<ProduceView<'a>, DecodeError> {
        let mut from = Cursor::of::<ProduceRequest>(body, version)?;
        let transactional_id = from.nullable_string()?;
        let (acks, timeout_ms) = (from.i16()?, from.i32()?);
        let count = from.count(TopicProduceData::MIN_SIZE, size_of::<TopicView<'_>>())?;
        let mut topics = SmallVec::with_capacity(count);
        for _ in 0..count {
            topics.push(topic(&mut from, version)?);
        }
        from.tags(|_, _| Ok(false))?;
        Ok(ProduceView { acks, timeout_ms, transactional_id, topics })
    }
}

#[inline]
fn topic<'a>(from: &mut Cursor<'a>, version: i16) -> Result<TopicView<'a>, DecodeError> {
    let (name, id) = from.topic(version <= 12)?;
    let count = from.count(PartitionProduceData::MIN_SIZE, size_of::<PartitionView<'_>>())?;
    let mut partitions = SmallVec::with_capacity(count);
    for _ in 0..count {
        let (index, records) = (from.i32()?, from.nullable_bytes()?);
        from.tags(|_, _| Ok(false))?;
        partitions.push(PartitionView { index, records });
    }
    from.tags(|_, _| Ok(false))?;
    Ok(TopicView { name, id, partitions })
}

#[cfg(test)]
mod tests;
