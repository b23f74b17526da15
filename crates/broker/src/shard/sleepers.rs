//! What a shard knows of its partitions that sleep (`asleep.rs`): a few words each.

use std::sync::Arc;

use log::{Fault, LogView, OpenMode};

use crate::views::{PartitionCell, TopicViews};

/// A partition without a replica in memory. Its leader epoch is in the cell's role.
pub(super) struct Asleep {
    pub cell: Arc<PartitionCell>,
    pub topic: Arc<TopicViews>,
    /// Index of the log directory where its log will be.
    pub directory: u32,
    pub partition_epoch: i32,
    /// How to open what was found on disk; nothing if nothing is there.
    pub found: Option<Box<OpenMode>>,
}

/// All of a shard, by place; a cell of `views` says which place is its.
#[derive(Default)]
pub(super) struct Sleepers {
    pub list: Vec<Option<Asleep>>,
    pub free: Vec<usize>,
    /// The shared view of the newest epoch; topics that were made together share their epochs.
    pub view: Option<(i32, Arc<LogView>)>,
    /// Those before this place were opened; nothing when all were.
    pub opening_at: Option<usize>,
    /// What happened to logs that were opened; carried out at the end of the turn.
    pub faults: Vec<(usize, Fault)>,
}
