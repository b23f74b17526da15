//! Produce (KIP-98, KIP-467, KIP-516, KIP-951): validate on the connection's thread, append in the shards, join their answers. The
//! request is read in place and its answer written as it is read; a shard that is free appends within the call.

use std::sync::Arc;

use bytes::Bytes;
use coordinator::ProducerIdentity;
use log::{AppendOrigin, FirstWrite};
use smallvec::SmallVec;
use wire::codec::DecodeError;
use wire::compress::Compression;
use wire::hash::{StableMap, StableSet};
use wire::messages::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, ProduceResponse,
};
use wire::produce::{AnswerLine, PartitionView, ProduceAnswer, ProduceView, Produced, TopicView};
use wire::record_batch::{
    BatchHeader, InvalidBatch, ValidBatch, ValidBatches, claims_transaction, validate_produce,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::command::{Append, AppendEntry, Appending, BeginVerification, Command};
use crate::coordinators::verification::{Operation, Patience, verify};
use crate::endpoints::current_leader;
use crate::mailbox::{Answer, Dropped, reply};
use crate::replica::pending::AppendResults;
use crate::rim::{CloseReason, Handling, Outcome};
use crate::security::authorizer::{self, Resource};
use crate::views::{FoundTopic, LastTopic, PartitionCell};

pub(super) fn handle(call: Call, body: &Bytes) -> Result<Handling, DecodeError> {
    let mut request = ProduceView::parse(body, call.api_version)?;
    let records = |topic: &TopicView<'_>| topic.partitions.iter().all(|p| p.records.is_some());
    if !request.topics.iter().all(records) {
        let malformed = CloseReason::Malformed("a partition without records".into());
        return Ok(Handling::ready(Outcome::Close(malformed)));
    }
    once_each(&mut request.topics);
    let (mut last_topic, mut spare) = (call.connection.last_topic(), call.connection.spare_entries());
    let mut plan = Plan::new(&call, body, spare.take(), &request);
    for topic in &request.topics {
        plan.topic(&mut last_topic, topic);
    }
    plan.response.answer.end();
    let deadline_ms = call.now_ms.saturating_add(i64::from(request.timeout_ms.max(0)));
    // All is dispatched before anything is awaited: the next request of this connection may begin.
    let Plan { mut response, shares, transaction, acks, .. } = plan;
    if let Some(transaction) = transaction {
        drop((last_topic, spare));
        let terms = AppendTerms { all: acks == -1, deadline_ms };
        return Ok(Handling::running(produce_transaction(call, response, transaction, shares, terms)));
    }
    let mut answers = SmallVec::new();
    for entries in shares {
        let Some(shard) = entries.first().map(|entry| entry.cell.shard) else { continue };
        let append = Append { entries, origin: AppendOrigin::Client, all: acks == -1, deadline_ms };
        match call.node.append(call.now_ms, shard, append) {
            Appending::Done(results, entries) => {
                response.fill(Ok(results));
                spare.give_back(entries);
            }
            Appending::Parked(answer) => answers.push(answer),
        }
    }
    drop((last_topic, spare));
    if answers.is_empty() {
        return Ok(Handling::ready(response.outcome(&call)));
    }
    Ok(Handling::running(wait(call, response, answers)))
}

/// A produce that lies with its shards.
async fn wait(call: Call, mut response: Response, answers: SmallVec<[Answer<AppendResults>; 1]>) -> Outcome {
    for answer in answers {
        response.fill(answer.await);
    }
    response.outcome(&call)
}

/// How all of a produce is appended.
#[derive(Clone, Copy)]
struct AppendTerms {
    all: bool,
    deadline_ms: i64,
}

/// What of a produce is of a transaction.
struct Transaction {
    id: Str,
    written: Vec<Written>,
}

/// A partition's batches, kept until it is known whether the transaction may write there.
struct Written {
    name: (Str, i32),
    cell: Arc<PartitionCell>,
    batches: ValidBatches,
    place: AnswerLine,
    /// The log asks by itself (`transaction.partition.verification.enable`).
    is_guarded: bool,
}

impl Transaction {
    fn new(id: &str) -> Transaction {
        Transaction { id: Str::from(id), written: Vec::new() }
    }

    fn keep(
        &mut self,
        name: (Str, i32),
        cell: &Arc<PartitionCell>,
        batches: &ValidBatches,
        place: AnswerLine,
        is_guarded: bool,
    ) {
        let (cell, batches) = (Arc::clone(cell), batches.clone());
        self.written.push(Written { name, cell, batches, place, is_guarded });
    }
}

/// A produce of a transaction. It is appended as any other; what the log does not take, for it does not know of the transaction yet, waits
/// for the word of its coordinator and is appended again (KIP-890).
async fn produce_transaction(
    call: Call,
    mut response: Response,
    transaction: Transaction,
    shares: SmallVec<[Share; 1]>,
    terms: AppendTerms,
) -> Outcome {
    let operation = Operation::of_produce(call.api_version);
    let unguarded = |written: &Written| operation == Operation::Add && !written.is_guarded;
    let mut results = AppendResults::new();
    let Transaction { id, written } = transaction;
    // Where the log does not ask, a transaction of protocol 2 has to be told of its partition all the same, and before.
    let (early, usual): (Vec<_>, Vec<_>) = written.into_iter().partition(unguarded);
    let of_usual = |entry: &AppendEntry| usual.iter().any(|written| written.place == entry.place);
    let shares = shares.into_iter().map(|share| share.into_iter().filter(of_usual).collect()).collect();
    results.extend(append_all(&call, shares, terms).await);
    let refused = |written: &Written| {
        let of = |(place, produced): &(AnswerLine, Produced)| {
            *place == written.place && produced.error == ErrorCode::InvalidTxnState
        };
        results.iter().any(of)
    };
    let waiting = early.into_iter().chain(usual.into_iter().filter(refused)).collect();
    response.fill(Ok(results.clone()));
    let again = verify_and_append(&call, operation, &id, waiting, terms).await;
    response.fill(Ok(again));
    response.outcome(&call)
}

/// Appends in all shards, then waits for all of them.
async fn append_all(call: &Call, shares: SmallVec<[Share; 1]>, terms: AppendTerms) -> AppendResults {
    let (mut results, mut answers) = (AppendResults::new(), Vec::new());
    let AppendTerms { all, deadline_ms } = terms;
    for entries in shares {
        let Some(shard) = entries.first().map(|entry| entry.cell.shard) else { continue };
        let append = Append { entries, origin: AppendOrigin::Client, all, deadline_ms };
        match call.node.append(call.node.latest_ms(), shard, append) {
            Appending::Done(done, _) => results.extend(done),
            Appending::Parked(answer) => answers.push(answer),
        }
    }
    for answer in answers {
        results.extend(answer.await.into_iter().flatten());
    }
    results
}

/// As often as the end of the transaction before asks for it.
async fn verify_and_append(
    call: &Call,
    operation: Operation,
    transactional_id: &Str,
    mut waiting: Vec<Written>,
    terms: AppendTerms,
) -> AppendResults {
    let mut patience = Patience::of(call, operation);
    let mut results = AppendResults::new();
    loop {
        let round = verify_and_append_once(call, operation, transactional_id, &waiting, terms).await;
        // The log knows nothing of what was confirmed if a marker, on its way till then, came between the word and the records.
        let is_early = |(_, produced): &(AnswerLine, Produced)| {
            matches!(produced.error, ErrorCode::ConcurrentTransactions | ErrorCode::InvalidTxnState)
        };
        if !round.iter().any(is_early) || !patience.pause(call).await {
            results.extend(round);
            return results;
        }
        let (early, done): (AppendResults, AppendResults) = round.into_iter().partition(is_early);
        results.extend(done);
        waiting.retain(|written| early.iter().any(|(place, _)| *place == written.place));
    }
}

async fn verify_and_append_once(
    call: &Call,
    operation: Operation,
    transactional_id: &Str,
    waiting: &[Written],
    terms: AppendTerms,
) -> AppendResults {
    let mut results = AppendResults::new();
    let mut guarded: Vec<(&Written, BatchHeader, Option<u64>)> = Vec::new();
    for written in waiting {
        let is_of_one = |batch: &&ValidBatch| batch.header().is_transactional();
        let Some(header) = written.batches.batches().iter().find(is_of_one).map(|batch| *batch.header())
        else {
            continue;
        };
        match begin_verification(call, written, header, operation == Operation::Add).await {
            Ok(guard) => guarded.push((written, header, guard)),
            Err(error) => results.push((written.place, refused(error))),
        }
    }
    let Some(producer) = guarded.first().map(|(_, header, _)| identity(header)) else { return results };
    if guarded.iter().any(|(_, header, _)| identity(header) != producer) {
        let error = refused(ErrorCode::InvalidProducerIdMapping);
        results.extend(guarded.iter().map(|(written, _, _)| (written.place, error)));
        return results;
    }
    let asked = guarded.iter().filter(|(_, _, guard)| guard.is_some());
    let asked: Vec<(Str, i32)> = asked.map(|(written, _, _)| written.name.clone()).collect();
    let mut unverified = match asked.is_empty() {
        true => Default::default(),
        false => verify(call, operation, transactional_id, producer, &asked).await,
    };
    let mut shares: SmallVec<[Share; 1]> = SmallVec::new();
    for (Written { name, cell, batches, place, .. }, header, guard) in guarded {
        if let Some(error) = unverified.remove(name) {
            results.push((*place, refused(told(operation, error))));
            continue;
        }
        if let Some(guard) = guard {
            let (cell, producer_id) = (Arc::clone(cell), header.producer_id);
            let shard = cell.shard;
            call.node.submit_to(call.node.latest_ms(), shard, Command::Verified { cell, producer_id, guard });
        }
        let (cell, batches) = (Arc::clone(cell), batches.clone());
        shares.push(vec![AppendEntry { cell, batches, place: *place }]);
    }
    results.extend(append_all(call, shares, terms).await);
    results
}

async fn begin_verification(
    call: &Call,
    written: &Written,
    header: BatchHeader,
    always: bool,
) -> Result<Option<u64>, ErrorCode> {
    let ((reply, answer), cell) = (reply(), Arc::clone(&written.cell));
    let first = FirstWrite {
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
    };
    let begin = BeginVerification { cell, first, always, reply };
    call.node.submit(call.node.latest_ms(), &written.cell, Command::BeginVerification(begin));
    answer.await.unwrap_or(Err(ErrorCode::NotLeaderOrFollower))
}

fn identity(header: &BatchHeader) -> ProducerIdentity {
    ProducerIdentity { producer_id: header.producer_id, producer_epoch: header.producer_epoch }
}

fn refused(error: ErrorCode) -> Produced {
    Produced { error, base_offset: -1, log_append_time_ms: -1, log_start_offset: -1 }
}

/// What the client is told of a coordinator that has not confirmed. Older clients do not try again after all that may be tried again:
/// they hear of replicas, which makes them do it and not look for another leader.
fn told(operation: Operation, error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::NetworkException
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator => ErrorCode::NotEnoughReplicas,
        ErrorCode::ConcurrentTransactions if operation != Operation::Add => ErrorCode::NotEnoughReplicas,
        error => error,
    }
}

type Topics<'a> = SmallVec<[TopicView<'a>; 1]>;

/// A partition that stands in a request twice is produced to once, as named last, and answered once; topics without partitions are not
/// answered at all. Nearly all requests are as they should be, and this is found out without memory.
fn once_each(topics: &mut Topics<'_>) {
    if topics.iter().any(|topic| topic.partitions.is_empty() || is_twice(&topic.partitions))
        || are_twice(topics)
    {
        merge(topics);
    }
}

/// Whether an index stands there twice.
fn is_twice(partitions: &[PartitionView<'_>]) -> bool {
    if partitions.is_sorted_by(|one, next| one.index < next.index) {
        return false;
    }
    let mut seen = [0u64; 64];
    let mut beyond = StableSet::default();
    partitions.iter().any(|partition| {
        let index = usize::try_from(partition.index).unwrap_or(usize::MAX);
        let Some(bits) = seen.get_mut(index / 64) else { return !beyond.insert(partition.index) };
        let before = *bits;
        *bits |= 1 << (index % 64);
        *bits == before
    })
}

/// Topics that are looked for one by one.
const TOPICS_COMPARED: usize = 16;

/// Whether a topic stands there twice.
fn are_twice(topics: &[TopicView<'_>]) -> bool {
    if topics.len() > TOPICS_COMPARED {
        let mut seen = StableSet::with_capacity_and_hasher(topics.len(), Default::default());
        return topics.iter().any(|topic| !seen.insert((topic.id, topic.name)));
    }
    let is_before = |(at, topic): (usize, &TopicView<'_>)| {
        topics.iter().take(at).any(|other| other.id == topic.id && other.name == topic.name)
    };
    topics.iter().enumerate().any(is_before)
}

#[cold]
fn merge(topics: &mut Topics<'_>) {
    let mut places = StableMap::default();
    let mut partitions = StableMap::default();
    let mut once = Topics::new();
    for mut topic in topics.drain(..).filter(|topic| !topic.partitions.is_empty()) {
        let asked = std::mem::take(&mut topic.partitions);
        let at = *places.entry((topic.id, topic.name)).or_insert(once.len());
        if at == once.len() {
            once.push(topic);
        }
        let merged = &mut once[at].partitions;
        for partition in asked {
            let place = *partitions.entry((at, partition.index)).or_insert(merged.len());
            match merged.get_mut(place) {
                Some(named_before) => *named_before = partition,
                None => merged.push(partition),
            }
        }
    }
    *topics = once;
}

/// What is answered, and what must be known of it at the end.
struct Response {
    answer: ProduceAnswer,
    acks: i16,
    /// Partitions that have no good result yet.
    bad: usize,
}

impl Response {
    /// A shard that went away has lost its partitions: their lines keep saying NOT_LEADER_OR_FOLLOWER.
    fn fill(&mut self, results: Result<AppendResults, Dropped>) {
        for (place, produced) in results.iter().flatten() {
            self.bad -= usize::from(produced.error == ErrorCode::None);
            self.answer.fill(*place, produced);
        }
    }

    fn outcome(self, call: &Call) -> Outcome {
        match self.acks {
            // Nothing tells such a producer of an error but a connection that closes.
            0 if self.bad > 0 => Outcome::Close(CloseReason::ProduceRefused),
            0 => Outcome::NoAnswer,
            _ if self.bad > 0 && call.api_version >= 10 => {
                Outcome::Answer(self.answer.amended(|response| name_leaders(call, response)))
            }
            _ => Outcome::Answer(self.answer.finish()),
        }
    }
}

/// Partitions of a topic for which each shard's share has room at once; more are uncommon, and only make it grow.
const SHARE_ROOM: usize = 64;

/// What one shard is asked.
type Share = Vec<AppendEntry>;

/// A request taken apart.
struct Plan<'a> {
    call: &'a Call,
    body: &'a Bytes,
    acks: i16,
    may_write_internal: bool,
    /// What all of it hears: a transaction without an id.
    refused: Option<ErrorCode>,
    /// What the records' times are held against.
    wall_ms: i64,
    response: Response,
    shares: SmallVec<[Share; 1]>,
    /// For the first share: empty, but with memory.
    spare: Share,
    transaction: Option<Transaction>,
}

impl<'a> Plan<'a> {
    fn new(call: &'a Call, body: &'a Bytes, spare: Share, request: &ProduceView<'_>) -> Plan<'a> {
        let answer = ProduceAnswer::new(call.api_version, call.correlation_id, &request.topics);
        let mut partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
        let transactional = partitions.any(|p| p.records.is_some_and(claims_transaction));
        Plan {
            call,
            body,
            refused: if transactional { not_its_transaction(call, request.transactional_id) } else { None },
            acks: request.acks,
            may_write_internal: call.is_admin_client,
            wall_ms: call.node.wall_ms(call.now_ms),
            response: Response { answer, acks: request.acks, bad: 0 },
            shares: SmallVec::new(),
            spare,
            transaction: request.transactional_id.filter(|_| transactional).map(Transaction::new),
        }
    }

    fn topic(&mut self, last: &mut LastTopic, topic: &TopicView<'_>) {
        let call = self.call;
        let by_id = call.api_version >= 13;
        let unknown = if by_id { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
        let found = last.find(call.node.views(), by_id.then_some(topic.id), topic.name);
        self.response.answer.topic(topic);
        let forbidden = if call.is_guarded() { may_not_write(call, by_id, found, topic.name) } else { None };
        let refused = self.refused.or(forbidden);
        for partition in &topic.partitions {
            self.response.bad += 1;
            let allowed = refused.map_or(Ok(()), |error| Err(RefusedPartition::from(error)));
            let known = allowed.and_then(|()| found.ok_or_else(|| RefusedPartition::from(unknown)));
            let checked = known.and_then(|found| {
                let cell = self.check(found, partition)?;
                let records = self.body.slice_ref(partition.records.unwrap_or_default());
                match validate_produce(records, &found.settings.rules, self.wall_ms) {
                    Ok(batches) => {
                        // Led elsewhere, until the shard answers.
                        let place =
                            self.response.answer.numbers(partition.index, ErrorCode::NotLeaderOrFollower);
                        if let Some(transaction) = &mut self.transaction {
                            let name = (found.views.name.clone(), partition.index);
                            transaction.keep(
                                name,
                                cell,
                                &batches,
                                place,
                                found.settings.log.verify_transactions,
                            );
                        }
                        let share = self.share(cell.shard, topic.partitions.len());
                        share.push(AppendEntry { cell: Arc::clone(cell), batches, place });
                        Ok(())
                    }
                    Err(invalid) => Err(RefusedPartition::invalid(&invalid, cell, &found.views.name)),
                }
            });
            if let Err(refused) = checked {
                self.response.answer.partition(&refused.line(partition.index));
            }
        }
        self.response.answer.end_topic();
    }

    /// Everything that can be told without the records and without the partition's shard.
    fn check<'f>(
        &self,
        FoundTopic { views: topic, .. }: &'f FoundTopic,
        partition: &PartitionView<'_>,
    ) -> Result<&'f Arc<PartitionCell>, ErrorCode> {
        let cell = topic.partition(partition.index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        self.check_format(partition.records.unwrap_or_default())?;
        if !matches!(self.acks, -1..=1) {
            return Err(ErrorCode::InvalidRequiredAcks);
        }
        if topic.internal && !self.may_write_internal {
            return Err(ErrorCode::InvalidTopicException);
        }
        Ok(cell)
    }

    /// What the version of the request allows.
    fn check_format(&self, records: &[u8]) -> Result<(), ErrorCode> {
        let version = self.call.api_version;
        if records.is_empty() {
            return Err(ErrorCode::InvalidRecord);
        }
        if version < 7 && BatchHeader::parse(records).is_ok_and(|b| b.compression() == Ok(Compression::Zstd))
        {
            return Err(ErrorCode::UnsupportedCompressionType);
        }
        Ok(())
    }

    /// What the shard is asked; at first with room for `partitions`, up to a bound.
    fn share(&mut self, shard: usize, partitions: usize) -> &mut Share {
        let of = |share: &Share| share.first().is_some_and(|entry| entry.cell.shard == shard);
        let at = self.shares.iter().position(of).unwrap_or_else(|| {
            let mut share = std::mem::take(&mut self.spare);
            share.reserve(partitions.min(SHARE_ROOM));
            self.shares.push(share);
            self.shares.len() - 1
        });
        &mut self.shares[at]
    }
}

/// Why a transaction may not be written to: it has no id, or it is not the client's.
#[cold]
fn not_its_transaction(call: &Call, id: Option<&str>) -> Option<ErrorCode> {
    match id {
        None => Some(ErrorCode::TransactionalIdAuthorizationFailed),
        Some(id) => call.authorize(authorizer::Operation::Write, Resource::TransactionalId(id)).err(),
    }
}

/// Why the client may not write to a topic, whether there is one of that name or not; nothing is known of an id that nobody bears.
#[inline(never)]
fn may_not_write(call: &Call, by_id: bool, found: Option<&FoundTopic>, name: &str) -> Option<ErrorCode> {
    let name = if by_id { found?.views.name.as_str() } else { name };
    call.authorize(authorizer::Operation::Write, Resource::Topic(name)).err()
}

/// Why a partition's batch went no further.
struct RefusedPartition {
    error: ErrorCode,
    message: Option<Str>,
    record_errors: Vec<BatchIndexAndErrorMessage>,
    /// -1 unless the records themselves were looked at.
    log_start_offset: i64,
}

impl From<ErrorCode> for RefusedPartition {
    fn from(error: ErrorCode) -> RefusedPartition {
        RefusedPartition { error, message: None, record_errors: Vec::new(), log_start_offset: -1 }
    }
}

impl RefusedPartition {
    #[cold]
    fn line(self, index: i32) -> PartitionProduceResponse {
        PartitionProduceResponse {
            index,
            error_code: self.error.code(),
            error_message: self.message,
            record_errors: self.record_errors,
            base_offset: -1,
            log_start_offset: self.log_start_offset,
            ..PartitionProduceResponse::default()
        }
    }

    /// KIP-467: which records are bad, and why; most other refusals say no more than their code.
    fn invalid(invalid: &InvalidBatch, cell: &PartitionCell, topic: &str) -> RefusedPartition {
        let partition = format!("{topic}-{}", cell.key.partition);
        let record_error = |error: &wire::record_batch::RecordError| BatchIndexAndErrorMessage {
            batch_index: error.batch_index,
            batch_index_error_message: Some(Str::from(error.answer(&partition))),
        };
        RefusedPartition {
            error: invalid.error_code(),
            message: invalid.answer(&partition).map(Str::from),
            record_errors: invalid.record_errors.iter().map(record_error).collect(),
            log_start_offset: cell
                .view()
                .filter(|_| invalid.saw_log())
                .map_or(-1, |view| view.log_start_offset),
        }
    }
}

/// KIP-951: where the real leaders are.
fn name_leaders(call: &Call, response: &mut ProduceResponse) {
    for topic in &mut response.responses {
        for partition in &mut topic.partition_responses {
            if partition.error_code != ErrorCode::NotLeaderOrFollower.code() {
                continue;
            }
            let image = call.node.image();
            let id = match topic.topic_id {
                id if !id.is_zero() => Some(id),
                _ => image.topics.by_name(&topic.name).map(|topic| topic.id),
            };
            let listener = &call.connection.peer().listener;
            let leader = id.and_then(|id| current_leader(&image, id, partition.index, listener));
            let Some(leader) = leader else { continue };
            partition.current_leader =
                LeaderIdAndEpoch { leader_id: leader.leader_id, leader_epoch: leader.leader_epoch };
            let known = |id| response.node_endpoints.iter().any(|node: &NodeEndpoint| node.node_id == id);
            if let Some(endpoint) = leader.endpoint.filter(|endpoint| !known(endpoint.node_id)) {
                response.node_endpoints.push(NodeEndpoint {
                    node_id: endpoint.node_id,
                    host: endpoint.host,
                    port: endpoint.port,
                    rack: endpoint.rack,
                });
            }
        }
    }
}
