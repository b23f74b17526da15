//! A Fetch request read where it lies: names are borrowed from the frame, and the usual request, one partition of one topic, needs no
//! memory of its own. Topics are not kept as lists of lists: each partition names its own. Says what the generated
//! `FetchRequest` says of it; the tests hold both against each other in every version, whole, cut short and damaged.

use smallvec::SmallVec;

use crate::Uuid;
use crate::codec::{Cursor, Decode, DecodeError};
use crate::messages::fetch::{FetchPartition, FetchRequest, FetchTopic, ForgottenTopic};

/// A whole request, but for what a broker does not ask: which cluster it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchView<'a> {
    /// -1 for consumers, wherever the version says it.
    pub replica_id: i32,
    /// The broker epoch of the replica (KIP-903); -1 for consumers and before version 15.
    pub replica_epoch: i64,
    /// How long it may wait for `min_bytes`.
    pub max_wait_ms: i32,
    /// Fewer are worth waiting for more.
    pub min_bytes: i32,
    /// Of all partitions together.
    pub max_bytes: i32,
    /// 0: up to the high watermark; 1: up to the last stable offset.
    pub isolation_level: i8,
    /// The fetch session (KIP-227); 0 without one.
    pub session_id: i32,
    /// -1 ends the session, 0 begins one, others count its requests.
    pub session_epoch: i32,
    /// Where the client is (KIP-392); empty where it does not say, and before version 11.
    pub rack_id: &'a str,
    /// In the request's order.
    pub partitions: SmallVec<[WantedView<'a>; 1]>,
    /// In the request's order; only of a session.
    pub forgotten: Vec<ForgottenView<'a>>,
}

/// What is wanted of one partition. The topic's name up to version 12, its id from 13 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedView<'a> {
    /// Its name; empty from version 13 on.
    pub topic: &'a str,
    /// Its id; zeros up to version 12.
    pub topic_id: Uuid,
    /// Its number in the topic.
    pub partition: i32,
    /// The leader epoch the client knows; -1 without one.
    pub current_leader_epoch: i32,
    /// The first offset wanted.
    pub fetch_offset: i64,
    /// The epoch of the last record it has (KIP-595); -1 without one.
    pub last_fetched_epoch: i32,
    /// Where a follower's log begins; -1 for consumers.
    pub log_start_offset: i64,
    /// Of this partition alone.
    pub max_bytes: i32,
}

/// A partition that leaves the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForgottenView<'a> {
    /// Its name; empty from version 13 on.
    pub topic: &'a str,
    /// Its id; zeros up to version 12.
    pub topic_id: Uuid,
    /// Its number in the topic.
    pub partition: i32,
}

impl<'a> FetchView<'a> {
    /// Reads a body of this version; bytes after it are ignored, as with every request.
    pub fn parse(body: &'a [u8], version: i16) -> Result<FetchView<'a>, DecodeError> {
        let mut from = Cursor::of::<FetchRequest>(body, version)?;
        let mut view = FetchView {
            replica_id: if version <= 14 { from.i32()? } else { -1 },
            replica_epoch: -1,
            max_wait_ms: from.i32()?,
            min_bytes: from.i32()?,
            max_bytes: from.i32()?,
            isolation_level: from.i8()?,
            session_id: if version >= 7 { from.i32()? } else { 0 },
            session_epoch: if version >= 7 { from.i32()? } else { -1 },
            rack_id: "",
            partitions: SmallVec::new(),
            forgotten: Vec::new(),
        };
        for _ in 0..from.count(FetchTopic::MIN_SIZE, 0)? {
            topic(&mut from, version, &mut view.partitions)?;
        }
        if version >= 7 {
            for _ in 0..from.count(ForgottenTopic::MIN_SIZE, 0)? {
                forgotten(&mut from, version, &mut view.forgotten)?;
            }
        }
        if version >= 11 {
            view.rack_id = from.string()?;
        }
        from.tags(|tag, content| match tag {
            0 => content.nullable_string().map(|_cluster_id| true),
            1 if version >= 15 => {
                view.replica_id = content.i32()?;
                view.replica_epoch = content.i64()?;
                content.tags(|_, _| Ok(false))?;
                Ok(true)
            }
            _ => Ok(false),
        })?;
        Ok(view)
    }
}

#[inline]
fn topic<'a>(
    from: &mut Cursor<'a>,
    version: i16,
    partitions: &mut SmallVec<[WantedView<'a>; 1]>,
) -> Result<(), DecodeError> {
    let (topic, topic_id) = from.topic(version <= 12)?;
    let count = from.count(FetchPartition::MIN_SIZE, size_of::<WantedView<'_>>())?;
    partitions.reserve(count);
    for _ in 0..count {
        let partition = from.i32()?;
        let current_leader_epoch = if version >= 9 { from.i32()? } else { -1 };
        let fetch_offset = from.i64()?;
        let last_fetched_epoch = if version >= 12 { from.i32()? } else { -1 };
        let log_start_offset = if version >= 5 { from.i64()? } else { -1 };
        let max_bytes = from.i32()?;
        from.tags(|tag, content| match tag {
            // The directory of a replica, and the high watermark that it knows.
            0 if version >= 17 => content.array::<16>().map(|_| true),
            1 if version >= 18 => content.i64().map(|_| true),
            _ => Ok(false),
        })?;
        partitions.push(WantedView {
            topic,
            topic_id,
            partition,
            current_leader_epoch,
            fetch_offset,
            last_fetched_epoch,
            log_start_offset,
            max_bytes,
        });
    }
    from.tags(|_, _| Ok(false))
}

fn forgotten<'a>(
    from: &mut Cursor<'a>,
    version: i16,
    partitions: &mut Vec<ForgottenView<'a>>,
) -> Result<(), DecodeError> {
    let (topic, topic_id) = from.topic(version <= 12)?;
    let count = from.count(size_of::<i32>(), size_of::<ForgottenView<'_>>())?;
    partitions.reserve(count);
    for _ in 0..count {
        partitions.push(ForgottenView { topic, topic_id, partition: from.i32()? });
    }
    from.tags(|_, _| Ok(false))
}

#[cfg(test)]
mod tests;
