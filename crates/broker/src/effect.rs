//! Everything that a shard may want from outside itself. A turn collects effects; whoever ran the turn carries them out
//! afterwards, in the order in which it wished them. Views are published within the turn; what has to wait for a flush or for
//! replicas is parked and becomes an effect when it has waited, so that no order among effects keeps a promise.

use std::sync::Arc;

use log::{Fault, FlushWork, Removal};

use crate::amendments::MovedStart;
use crate::assignments::Assignment;
use crate::checkpoints::CheckpointRound;
use crate::command::AppendResults;
use crate::coordinators::Answers;
use crate::mailbox::Reply;
use crate::shard::{Cleaning, Moving, Retirement};
use crate::views::PartitionCell;

/// One wish.
pub(crate) enum Effect {
    /// Acks wait for this log to be flushed.
    Flush(DirtyLog),
    /// A log start that the directory's checkpoint has to say; the answer to DeleteRecords comes with it.
    StartMoved { directory: usize, moved: MovedStart },
    /// Files to delete when due.
    Remove(Removal),
    /// The disk failed: the directory takes no more writes.
    DirectoryFailed { directory: usize, fault: Fault },
    /// The answer to a produce.
    Appended(Reply<AppendResults>, AppendResults),
    /// Answers of a group coordinator.
    Group(Answers),
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
}

/// A log whose tail is not on the platter.
pub(crate) struct DirtyLog {
    pub directory: usize,
    pub cell: Arc<PartitionCell>,
    pub work: FlushWork,
}
