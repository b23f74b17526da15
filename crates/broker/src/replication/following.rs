//! What passes between a fetcher and the shards whose replicas it fetches for. Plain data.

use std::sync::Arc;

use bytes::Bytes;
use wire::topic::TopicIdPartition;

use crate::replica::follower::Position;
use crate::views::PartitionCell;

/// One of the fetchers that fetch from a leader (`num.replica.fetchers` of them).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FetcherId {
    pub leader: i32,
    pub index: usize,
}

/// A replica of this node follows a leader in an epoch.
#[derive(Debug, Clone)]
pub(crate) struct Following {
    pub cell: Arc<PartitionCell>,
    /// The shard's turn that wished it.
    pub turn: u64,
    pub leader: i32,
    pub leader_epoch: i32,
    pub position: Position,
}

/// What the leader said of one partition.
#[derive(Debug, Clone)]
pub(crate) struct Fetched {
    pub cell: Arc<PartitionCell>,
    /// That was asked in.
    pub leader_epoch: i32,
    /// That was asked for.
    pub fetch_offset: i64,
    pub said: LeaderSaid,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeaderSaid {
    /// These batches, if any, and how far it is itself.
    Records { records: Bytes, high_watermark: i64, log_start_offset: i64 },
    /// The follower has something else: the last epoch that the leader knows of those up to the follower's, and where it ended.
    Diverging { epoch: i32, end_offset: i64 },
    /// Its log does not reach to what was asked for: where it begins and ends.
    OutOfRange { log_start_offset: i64, log_end_offset: i64 },
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The next fetch goes on there.
    At(Position),
    /// There, too, but nothing was taken of what the leader said: it was asked from elsewhere.
    Missed(Position),
    /// Not now: the leader's answer was of no use, or there is no room.
    Later,
    /// When what was appended is flushed; a [`Following`] says so.
    WhenFlushed,
    /// The replica follows in that epoch no longer.
    NotFollowed,
}

/// What became of what a fetcher got for one shard.
#[derive(Debug)]
pub(crate) struct Replicated {
    pub fetcher: FetcherId,
    pub round: u64,
    /// With the epochs that were asked in.
    pub outcomes: Vec<(TopicIdPartition, i32, Outcome)>,
}
