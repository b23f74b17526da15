//! Everything that a shard may want from outside itself. A turn collects effects; whoever ran the turn carries them out
//! afterwards, in the order in which it wished them. Views are published within the turn; what has to wait for a flush or for
//! replicas is parked and becomes an effect when it has waited, so that no order among effects keeps a promise.

use std::sync::Arc;

use coordinator::transaction::TransactionWish;
use log::{Fault, Removal};
use wire::topic::TopicIdPartition;

use crate::coordinators::kinds::Answers;
use crate::disks::checkpoints::CheckpointRound;
use crate::disks::cleaners::Cleaning;
use crate::disks::flusher::DirtyLog;
use crate::disks::moving::{Moving, Retirement};
use crate::mailbox::Reply;
use crate::quorum::assignments::Assignment;
use crate::quorum::isr_proposals::IsrProposal;
use crate::replica::pending::AppendResults;
use crate::replication::following::{Following, Replicated};
use crate::share::question::ShareWish;
use crate::views::PartitionCell;

/// One wish.
pub(crate) enum Effect {
    /// Acks wait for this log to be flushed.
    Flush(DirtyLog),
    /// Log starts wait in that directory for its checkpoint to say them; the answers to DeleteRecords come with it.
    WriteMovedStarts { directory: usize },
    /// Files to delete when due.
    Remove(Removal),
    /// The disk failed: the directory takes no more writes.
    DirectoryFailed { directory: usize, fault: Fault },
    /// The answer to a produce.
    Appended(Reply<AppendResults>, AppendResults),
    /// Answers of a coordinator.
    Answers(Answers),
    /// What the coordinator of transactions on that partition wants.
    Transactions(Arc<PartitionCell>, Vec<TransactionWish>),
    /// What a share partition wants to have loaded or stored.
    Share(Box<ShareWish>),
    /// The next slice of a cleaning.
    Clean(Box<Cleaning>),
    /// The next slice of a move.
    Move(Box<Moving>),
    /// A copy that nobody needs any more.
    DiscardFuture(Box<Moving>),
    /// The log that a replica left.
    Retire(Box<Retirement>),
    /// The controller is to know where a replica lies.
    Assign(Assignment),
    /// A cleaner's place is free for that shard.
    LookForCleaning { shard: usize },
    /// What the checkpoint files say is worth more than its turn: a cleaning is over.
    CheckpointSoon,
    /// Every shard has told its offsets: the checkpoint files can be written.
    WriteCheckpoints(Arc<CheckpointRound>),
    /// A leader wants another ISR.
    ProposeIsr(IsrProposal),
    /// A replica follows a leader from now on, or goes on after a flush.
    Follow(Following),
    /// A replica follows nobody any more, as of the shard's turn of this number.
    Unfollow(TopicIdPartition, u64),
    /// What became of what a fetcher got.
    Replicated(Box<Replicated>),
}
