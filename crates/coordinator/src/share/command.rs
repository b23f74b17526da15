//! Everything a share coordinator can be asked, and every answer. Closed enums: a new command asks every room.

use super::partition::SharePartition;
use wire::Uuid;
use wire::messages::delete_share_group_state::PartitionResult as Deleted;
use wire::messages::initialize_share_group_state::{
    PartitionData as ToInitialize, PartitionResult as Initialized,
};
use wire::messages::read_share_group_state::PartitionResult as State;
use wire::messages::read_share_group_state_summary::PartitionResult as Summary;
use wire::messages::write_share_group_state::{PartitionData as ToWrite, PartitionResult as Written};

/// What a share coordinator is asked, by brokers and by itself (inner). Every one is about one share partition of this partition of the
/// topic; handlers take requests apart.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the fields are the partition, and what the request says of it
pub enum ShareCommand {
    /// InitializeShareGroupState: from this offset on, in this state epoch.
    Initialize { of: SharePartition, data: ToInitialize },
    /// ReadShareGroupState: the leader of the partition wants to go on; a new one fences those before it.
    Read { of: SharePartition, leader_epoch: i32 },
    /// ReadShareGroupStateSummary: how far the group is.
    Summary { of: SharePartition },
    /// WriteShareGroupState: the leader of the partition tells what is new.
    Write { of: SharePartition, data: ToWrite },
    /// DeleteShareGroupState.
    Delete { of: SharePartition },
    /// Topics were deleted: their state goes. Answered with [`ShareAnswer::Done`].
    TopicsDeleted { topics: Vec<Uuid> },
    /// Inner: what lies before this offset is redundant, and what makes it so is committed.
    Prune { before: i64 },
    /// Inner: a deadline has come.
    Fired(ShareTimer),
}

/// What a share coordinator answers; the variant is the command's.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // each is called as the command it answers
pub enum ShareAnswer {
    Initialize(Initialized),
    Read(State),
    Summary(Summary),
    Write(Written),
    Delete(Deleted),
    Done,
}

/// Deadlines of the whole partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShareTimer {
    /// Share partitions whose last snapshot is old are written again.
    ColdSnapshots,
    /// What is redundant may go.
    Prune,
}
