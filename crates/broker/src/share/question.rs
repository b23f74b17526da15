//! What a share partition is asked, and what it wants of its node. Plain data.

use std::sync::Arc;

use coordinator::share_partition::{
    AcknowledgementBatch, AcquireMode, Acquired, DeadLetters, Refused, StateWrite, Stored,
};
use wire::{ErrorCode, Str};

use crate::fetch::watch::Watch;
use crate::mailbox::Reply;
use crate::views::PartitionCell;

/// Something for the share partition of a group, in the shard of the replica that it reads from.
pub(crate) struct ShareAsk {
    pub cell: Arc<PartitionCell>,
    pub group: Str,
    pub question: ShareQuestion,
}

pub(crate) enum ShareQuestion {
    /// Where may be read? `None`: nothing may be had now. The watch hears when that may have changed, whatever the answer is.
    Begin { watch: Option<Arc<Watch>>, reply: Reply<Result<Option<i64>, ErrorCode>> },
    /// This was read.
    Acquire { read: Box<ReadFor>, reply: Reply<Vec<Acquired>> },
    /// A member says what became of records.
    Acknowledge { member: Str, batches: Vec<AcknowledgementBatch>, reply: Reply<Result<(), Refused>> },
    /// A member goes. Nobody needs to hear how that ends.
    Release { member: Str },
    /// No member of the group is connected to this node any more.
    GroupLeft,
    /// The state that a load has read, or why there is none.
    Loaded { generation: u64, state: Result<Stored, ErrorCode> },
    /// How a write ended.
    Written { generation: u64, write: u64, outcome: Result<(), ErrorCode> },
    /// All that went to the dead-letter queue is there, or never will be.
    DeadLettered { generation: u64 },
}

/// What was read for a member: see [`coordinator::share_partition::Acquisition`].
pub(crate) struct ReadFor {
    pub member: Str,
    pub mode: AcquireMode,
    pub batch_size: i64,
    pub max_records: i64,
    pub fetch_offset: i64,
    pub batches: Vec<(i64, i64)>,
    pub aborted: Vec<(i64, i64)>,
}

/// What a share partition wants of its node.
pub(crate) struct ShareWish {
    pub cell: Arc<PartitionCell>,
    pub group: Str,
    /// Of the host that wishes it: what is said to an earlier one is heard by nobody.
    pub generation: u64,
    /// In which this node leads the partition.
    pub leader_epoch: i32,
    pub errand: ShareErrand,
}

pub(crate) enum ShareErrand {
    Load,
    Write(StateWrite),
    /// To the dead-letter queue of the group (KIP-1191).
    DeadLetters(Vec<DeadLetters>),
}

impl ShareQuestion {
    /// Nobody here has the share partition.
    pub fn refuse(self, error: ErrorCode) {
        match self {
            ShareQuestion::Begin { reply, .. } => reply.send(Err(error)),
            ShareQuestion::Acquire { reply, .. } => reply.send(Vec::new()),
            ShareQuestion::Acknowledge { reply, .. } => reply.send(Err(refused(error))),
            ShareQuestion::Release { .. }
            | ShareQuestion::GroupLeft
            | ShareQuestion::Loaded { .. }
            | ShareQuestion::Written { .. }
            | ShareQuestion::DeadLettered { .. } => {}
        }
    }
}

/// An error in the shape of a refusal.
pub(crate) fn refused(error: ErrorCode) -> Refused {
    Refused { error, why: error.message() }
}
