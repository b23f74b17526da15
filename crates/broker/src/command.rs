//! Everything that a shard can be asked, and what it answers. A closed list: a new command is a new variant here and a
//! new arm in `shard.rs`.

use std::sync::Arc;

use bytes::Bytes;
use log::{AppendOrigin, CleanStep, FirstWrite, FlushOutcome, Removal};
use wire::ErrorCode;
use wire::produce::AnswerLine;
use wire::record_batch::ValidBatches;
use wire::topic::TopicIdPartition;

use crate::coordinators::kinds::Question;
use crate::disks::checkpoints::CheckpointRound;
use crate::disks::cleaners::Cleaning;
use crate::disks::moving::{MoveStep, Moving};
use crate::fetch::watch::Watch;
use crate::mailbox::{Answer, Reply};
use crate::quorum::image_delta::ImageChange;
use crate::quorum::isr_proposals::IsrAnswer;
use crate::replica::FollowerAt;
use crate::replica::isr::ReplicaInSync;
use crate::replica::pending::AppendResults;
use crate::replication::following::{Fetched, FetcherId};
use crate::share::question::ShareAsk;
use crate::views::{PartitionCell, TopicViews};

/// What is put into a shard's mailbox.
pub(crate) enum Command {
    /// A reader needs the view of a partition that was asleep at `place`.
    Open { place: usize, key: TopicIdPartition },
    /// Produce: append to partitions of this shard.
    Append(Append, Reply<AppendResults>),
    /// A fetch waits for bytes.
    Watch(WatchPartitions),
    /// A question for the coordinator on a partition of this shard.
    Ask(Box<Ask>),
    /// DeleteRecords: move a log start offset.
    DeleteRecords(DeleteRecords),
    /// DeleteRecords: when have all live replicas let go?
    LowWatermark(LowWatermark),
    /// A transaction that has not written to a partition yet is about to (KIP-890).
    BeginVerification(BeginVerification),
    /// Its coordinator knows of it.
    Verified { cell: Arc<PartitionCell>, producer_id: i64, guard: u64 },
    /// Somebody waits for this time.
    Remind { deadline_ms: i64, reply: Reply<()> },
    /// DescribeProducers: who produces to a partition.
    DescribeProducers(DescribeProducers),
    /// What another replica has where one here is damaged.
    Repair(Box<Repair>),
    /// A new image was committed; the shard brings its own replicas in line.
    Image(Arc<ImageChange>),
    /// A flush round of one log directory ended.
    Flushed { directory: usize, outcomes: Vec<(Arc<PartitionCell>, FlushOutcome)> },
    /// A log directory failed elsewhere.
    DirectoryFailed { directory: usize },
    /// A slice of a cleaning was worked.
    Cleaning(Box<Cleaning>, CleanStep),
    /// AlterReplicaLogDirs: a replica shall lie in another directory.
    Move(MoveReplica),
    /// A slice of a move was copied.
    Moving(Box<Moving>, MoveStep),
    /// The log that a replica left has been renamed; what is to be deleted later, if anything.
    Retired(Option<Removal>),
    /// A cleaner's place is free.
    LookForCleaning,
    /// The checkpoint files are due: what are your offsets?
    Checkpoint(Arc<CheckpointRound>),
    /// Another broker's replicas fetch: what do they acknowledge?
    FollowerFetch(FollowerFetch),
    /// Which replicas are in sync with those that this node leads?
    InSyncReplicasOf(InSyncReplicasOf),
    /// What the controller says to the in-sync sets that it was proposed.
    IsrAnswered(Vec<(Arc<PartitionCell>, IsrAnswer)>),
    /// Something for a share partition of this shard.
    Share(Box<ShareAsk>),
    /// A leader's answer to a fetch of this node's replicas.
    Replicate(Box<Replicate>),
}

/// A fetch of another broker's replicas, before it is read from the views.
pub(crate) struct FollowerFetch {
    pub broker_id: i32,
    /// Of its registration; -1 where the request does not say.
    pub broker_epoch: i64,
    pub partitions: Vec<(Arc<PartitionCell>, FollowerAt)>,
    /// In the order of the partitions: why one may not fetch.
    pub reply: Reply<Vec<Result<(), ErrorCode>>>,
}

/// Asks for the followers in sync.
pub(crate) struct InSyncReplicasOf {
    pub partitions: Vec<Arc<PartitionCell>>,
    /// In the order of the partitions; nobody where this node does not lead.
    pub reply: Reply<Vec<Vec<ReplicaInSync>>>,
}

/// What one fetcher got for the replicas of one shard.
pub(crate) struct Replicate {
    pub fetcher: FetcherId,
    /// Of the fetcher's rounds.
    pub round: u64,
    pub partitions: Vec<Fetched>,
}

/// One produce's batches for one shard.
pub(crate) struct Append {
    pub entries: Vec<AppendEntry>,
    pub origin: AppendOrigin,
    /// True for acks=all.
    pub all: bool,
    /// When a parked ack gives up; of no use otherwise.
    pub deadline_ms: i64,
}

/// How far a shard came with an append.
pub(crate) enum Appending {
    /// Nothing is left to wait for. The list of entries comes back: a connection's next produce has use for its memory.
    Done(AppendResults, Vec<AppendEntry>),
    /// The results come later: acks=all waits, or the shard was busy.
    Parked(Answer<AppendResults>),
}

/// One partition's batches.
pub(crate) struct AppendEntry {
    pub cell: Arc<PartitionCell>,
    pub batches: ValidBatches,
    pub place: AnswerLine,
}

/// The partitions of this shard that a waiting fetch watches.
pub(crate) struct WatchPartitions {
    pub watch: Arc<Watch>,
    /// Whether a replica waits, which reads up to the log's end.
    pub is_replica: bool,
    pub partitions: Vec<WatchPartition>,
    /// Given to one shard only, whatever the number of shards.
    pub deadline_ms: Option<i64>,
}

/// What the fetch saw: if there is more by now, the watch fires at once.
pub(crate) struct WatchPartition {
    pub cell: Arc<PartitionCell>,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    /// What a replica has.
    pub log_end_offset: i64,
}

/// Something for a coordinator.
pub(crate) struct Ask {
    /// The partition that it lives on.
    pub cell: Arc<PartitionCell>,
    pub question: Question,
}

/// Moves a log start offset up.
pub(crate) struct DeleteRecords {
    /// The offset wanted; -1 is the high watermark.
    pub offset: i64,
    pub cell: Arc<PartitionCell>,
    /// The new low watermark.
    pub reply: Reply<Result<i64, ErrorCode>>,
}

/// Waits until no live replica of a partition begins below an offset.
pub(crate) struct LowWatermark {
    pub cell: Arc<PartitionCell>,
    pub offset: i64,
    pub deadline_ms: i64,
    /// Where the last of them begins.
    pub reply: Reply<Result<i64, ErrorCode>>,
}

/// Moves a replica to another log directory.
pub(crate) struct MoveReplica {
    pub cell: Arc<PartitionCell>,
    pub topic: Arc<TopicViews>,
    /// Index of the directory.
    pub target: usize,
    pub reply: Reply<ErrorCode>,
}

/// Asks whether a transaction's first records in a partition may be appended, or what has to be confirmed before they are.
pub(crate) struct BeginVerification {
    pub cell: Arc<PartitionCell>,
    pub first: FirstWrite,
    /// Whatever `transaction.partition.verification.enable` says: the partition has to become one of the transaction's.
    pub always: bool,
    /// The guard to be given with the coordinator's word; `None`: nothing has to be confirmed.
    pub reply: Reply<Result<Option<u64>, ErrorCode>>,
}

/// Batches of another replica, to be written where this one is damaged.
pub(crate) struct Repair {
    pub cell: Arc<PartitionCell>,
    /// From the first offset that cannot be read to the first behind it that can.
    pub damaged: std::ops::Range<i64>,
    pub records: Bytes,
    /// Whose they are.
    pub broker: i32,
}

/// Asks for the producers of a partition.
pub(crate) struct DescribeProducers {
    pub cell: Arc<PartitionCell>,
    pub reply: Reply<Result<Vec<log::ActiveProducer>, ErrorCode>>,
}
