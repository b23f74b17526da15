//! What a heartbeat comes to, and what passes between a share group and whoever carries out its wishes. Plain data.

use std::collections::{BTreeMap, BTreeSet};
use wire::messages::delete_share_group_offsets::DeleteShareGroupOffsetsResponseTopic;
use wire::messages::share_group_heartbeat::ShareGroupHeartbeatResponse;
use wire::{Str, Uuid};

/// Partitions by topic.
pub type Partitions = BTreeMap<Uuid, BTreeSet<i32>>;

/// What a heartbeat comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareHeartbeatAnswer {
    /// For the member.
    pub response: ShareGroupHeartbeatResponse,
    /// For whoever asked in its name.
    pub initialize: Option<ToInitialize>,
}

/// Share state that is to be made, and the group to be told of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToInitialize {
    /// Whose.
    pub group: Str,
    /// Older state is fenced.
    pub state_epoch: i32,
    /// Where the group begins; −1 is for the partition's leader to say.
    pub start_offsets: BTreeMap<(Uuid, i32), i64>,
}

/// Share state that is to be deleted, and the group to be told of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToDelete {
    /// Whose.
    pub group: Str,
    /// All of these; a topic is gone once all of its partitions are.
    pub topics: BTreeMap<Uuid, (Str, BTreeSet<i32>)>,
    /// Topics of the request of which nothing can be deleted.
    pub refused: Vec<DeleteShareGroupOffsetsResponseTopic>,
}
