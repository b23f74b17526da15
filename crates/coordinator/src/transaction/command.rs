//! Everything a transaction coordinator can be asked, and every answer. Closed enums: a new command asks every room.

use crate::machine::ProducerIdentity;
use std::ops::Range;
use wire::messages::add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use wire::messages::add_partitions_to_txn::{AddPartitionsToTxnResult, AddPartitionsToTxnTransaction};
use wire::messages::describe_transactions::TransactionState as DescribedTransaction;
use wire::messages::end_txn::{EndTxnRequest, EndTxnResponse};
use wire::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use wire::messages::list_transactions::ListTransactionsResponse;
use wire::{ErrorCode, Str};

/// What became of a marker at one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkerOutcome {
    /// Its leader said this.
    Answered(ErrorCode),
    /// Nobody said anything: there is no leader, it could not be reached, or it did not answer in time.
    NotReached,
    /// The topic or the partition was deleted: there is nothing left to end.
    Gone,
}

/// Markers that were sent, and what became of them.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkersAnswer {
    /// As it stood in the wish.
    pub transactional_id: Str,
    /// As it stood in the wish.
    pub producer: ProducerIdentity,
    /// As it stood in the wish: answers to a coordinator of an earlier term are passed over.
    pub coordinator_epoch: i32,
    /// Each partition that the wish named, once; several answers may share them.
    pub outcomes: Vec<(Str, i32, MarkerOutcome)>,
}

/// What a transaction coordinator is asked, by clients and other brokers (the requests as they came, where not said otherwise), by its
/// host and by itself (inner). Every one names transactional ids of this partition only, and the topics in them exist and may be written.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the fields are the version, what came, and what the line above names
pub enum TransactionCommand {
    /// InitProducerId with a transactional id: a producer begins, or goes on after an error (KIP-98, KIP-360).
    InitProducerId { api_version: i16, request: InitProducerIdRequest },
    /// One transaction of an AddPartitionsToTxn; below version 4 the handler makes the one transaction of the request's own fields.
    /// `verify_only` asks what is committed and changes nothing (KIP-890).
    AddPartitions { api_version: i16, transaction: AddPartitionsToTxnTransaction },
    /// AddOffsetsToTxn; `partition` of `__consumer_offsets` is the group's.
    AddOffsets { api_version: i16, request: AddOffsetsToTxnRequest, partition: i32 },
    /// EndTxn: from version 5 on by protocol 2.
    EndTxn { api_version: i16, request: EndTxnRequest },
    /// DescribeTransactions: distinct ids of this partition.
    Describe { transactional_ids: Vec<Str> },
    /// ListTransactions: filters as they came, but for the pattern, which is matched by the handler, off the turn
    /// ([`super::pattern_of`], [`super::keep_matching`]).
    List { states: Vec<Str>, producer_ids: Vec<i64>, duration_ms: i64 },
    /// The host answers a wish for producer ids; nobody else has these.
    ProducerIdsGranted { ids: Range<i64> },
    /// The host answers a wish for markers. Should it not be heard, nothing is lost: it may be said again, and after a while the markers
    /// are wished for again.
    MarkersAnswered(MarkersAnswer),
    /// Inner: the outcome of a transaction is committed, its markers may go.
    OutcomeCommitted { transactional_id: Str },
    /// Inner: a deadline has come.
    Fired(TransactionTimer),
}

/// What a transaction coordinator answers; the variant is the command's.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // each is called as the command it answers
pub enum TransactionAnswer {
    InitProducerId(InitProducerIdResponse),
    AddPartitions(AddPartitionsToTxnResult),
    AddOffsets(AddOffsetsToTxnResponse),
    EndTxn(EndTxnResponse),
    Describe(Vec<DescribedTransaction>),
    List(ListTransactionsResponse),
    /// To the end of somebody's transaction on this very partition (WriteTxnMarkers).
    Marker(ErrorCode),
    /// To the host: NONE, or why it was not heard, in which case it may say the same again.
    Done(ErrorCode),
}

/// Deadlines; a transactional id has at most one of each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the fields say whose it is
pub enum TransactionTimer {
    /// An open transaction has its timeout.
    Timeout { transactional_id: Str },
    /// Markers are to be sent again, or have been answered and what follows is to be written.
    Markers { transactional_id: Str },
    /// Transactional ids that nobody uses, scanned in pieces: those after `after`.
    Expiry { after: Option<Str> },
}
