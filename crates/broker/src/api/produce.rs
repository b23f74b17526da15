//! Produce (KIP-98, KIP-467, KIP-516, KIP-951): validate on the connection's thread, append in the shards, join their answers. The
//! request is read in place and its answer written as it is read; a shard that is free appends within the call.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;
use wire::codec::DecodeError;
use wire::compress::Compression;
use wire::messages::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, ProduceResponse,
};
use wire::produce::{PartitionView, ProduceAnswer, ProduceView, TopicView};
use wire::record_batch::{BatchHeader, InvalidBatch, ValidBatches, validate_produce};
use wire::{ErrorCode, Str};

use super::Call;
use crate::command::{Append, AppendEntry, AppendResults, Appending};
use crate::endpoints::current_leader;
use crate::mailbox::{Answer, Dropped};
use crate::rim::{CloseReason, Handling, Outcome};
use crate::views::{FoundTopic, PartitionCell};

/// The client id under which an administrator may write to internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";

pub(super) fn handle(call: Call, body: &Bytes) -> Result<Handling, DecodeError> {
    let request = ProduceView::parse(body, call.api_version)?;
    let records = |topic: &TopicView<'_>| topic.partitions.iter().all(|p| p.records.is_some());
    if !request.topics.iter().all(records) {
        let malformed = CloseReason::Malformed("a partition without records".into());
        return Ok(Handling::ready(Outcome::Close(malformed)));
    }
    let mut plan = Plan::new(&call, body, &request);
    for topic in &request.topics {
        plan.topic(topic);
    }
    plan.response.answer.end();
    let deadline_ms = call.now_ms.saturating_add(i64::from(request.timeout_ms.max(0)));
    // All is dispatched before anything is awaited: the next request of this connection may begin.
    let Plan { mut response, shares, .. } = plan;
    let mut answers = SmallVec::new();
    for entries in shares {
        let Some(shard) = entries.first().map(|entry| entry.cell.shard) else { continue };
        let append = Append { entries, all: request.acks == -1, deadline_ms };
        match call.node.append(call.now_ms, shard, append) {
            Appending::Done(results) => response.fill(Ok(results)),
            Appending::Parked(answer) => answers.push(answer),
        }
    }
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

/// What one shard is asked.
type Share = SmallVec<[AppendEntry; 1]>;

/// A request taken apart.
struct Plan<'a> {
    call: &'a Call,
    body: &'a Bytes,
    acks: i16,
    may_write_internal: bool,
    response: Response,
    shares: SmallVec<[Share; 1]>,
}

impl<'a> Plan<'a> {
    fn new(call: &'a Call, body: &'a Bytes, request: &ProduceView<'_>) -> Plan<'a> {
        let answer = ProduceAnswer::new(call.api_version, call.correlation_id, request.topics.len());
        Plan {
            call,
            body,
            acks: request.acks,
            may_write_internal: call.client_id.as_deref() == Some(ADMIN_CLIENT_ID),
            response: Response { answer, acks: request.acks, bad: 0 },
            shares: SmallVec::new(),
        }
    }

    fn topic(&mut self, topic: &TopicView<'_>) {
        let by_id = self.call.api_version >= 13;
        let unknown = if by_id { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
        let mut last = self.call.connection.last_topic();
        let found = last.find(self.call.node.views(), by_id.then_some(topic.id), topic.name);
        self.response.answer.topic(topic);
        for partition in &topic.partitions {
            let checked = match found {
                Some(found) => self.check(found, partition),
                None => Err(Refused::from(unknown)),
            };
            self.partition(partition.index, topic.partitions.len(), checked);
        }
        self.response.answer.end_topic();
    }

    /// Everything that can be told without the partition's shard.
    fn check(
        &self,
        FoundTopic { views: topic, settings }: &FoundTopic,
        partition: &PartitionView<'_>,
    ) -> Result<(Arc<PartitionCell>, ValidBatches), Refused> {
        let cell = topic.partition(partition.index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let records = partition.records.unwrap_or_default();
        self.check_format(records)?;
        if !matches!(self.acks, -1..=1) {
            return Err(ErrorCode::InvalidRequiredAcks.into());
        }
        if topic.internal && !self.may_write_internal {
            return Err(ErrorCode::InvalidTopicException.into());
        }
        match validate_produce(self.body.slice_ref(records), &settings.rules, self.call.now_ms) {
            Ok(batches) => Ok((Arc::clone(cell), batches)),
            Err(invalid) => Err(Refused::invalid(&invalid, cell, &topic.name)),
        }
    }

    /// What the version of the request allows.
    fn check_format(&self, records: &[u8]) -> Result<(), Refused> {
        let version = self.call.api_version;
        if records.is_empty() {
            return Err(ErrorCode::InvalidRecord.into());
        }
        if version < 7 && BatchHeader::parse(records).is_ok_and(|b| b.compression() == Ok(Compression::Zstd))
        {
            return Err(ErrorCode::UnsupportedCompressionType.into());
        }
        Ok(())
    }

    /// Writes the partition's line; what was not refused goes to its shard, and is led elsewhere until that answers.
    fn partition(
        &mut self,
        index: i32,
        partitions: usize,
        checked: Result<(Arc<PartitionCell>, ValidBatches), Refused>,
    ) {
        self.response.bad += 1;
        let mut line = PartitionProduceResponse { index, base_offset: -1, ..Default::default() };
        match checked {
            Ok((cell, batches)) => {
                line.error_code = ErrorCode::NotLeaderOrFollower.code();
                let place = self.response.answer.partition(&line);
                self.share(cell.shard, partitions).push(AppendEntry { cell, batches, place });
            }
            Err(refused) => {
                line.error_code = refused.error.code();
                line.error_message = refused.message;
                line.record_errors = refused.record_errors;
                line.log_start_offset = refused.log_start_offset;
                self.response.answer.partition(&line);
            }
        }
    }

    /// What the shard is asked; room for `partitions`, if it is the only one.
    fn share(&mut self, shard: usize, partitions: usize) -> &mut Share {
        let of = |share: &Share| share.first().is_some_and(|entry| entry.cell.shard == shard);
        let at = self.shares.iter().position(of).unwrap_or_else(|| {
            let room = if self.shares.is_empty() { partitions } else { 1 };
            self.shares.push(Share::with_capacity(room));
            self.shares.len() - 1
        });
        &mut self.shares[at]
    }
}

/// Why a partition's batch went no further.
struct Refused {
    error: ErrorCode,
    message: Option<Str>,
    record_errors: Vec<BatchIndexAndErrorMessage>,
    /// -1 unless the records themselves were looked at.
    log_start_offset: i64,
}

impl From<ErrorCode> for Refused {
    fn from(error: ErrorCode) -> Refused {
        Refused { error, message: None, record_errors: Vec::new(), log_start_offset: -1 }
    }
}

impl Refused {
    /// KIP-467: which records are bad, and why; other refusals say no more than their code.
    fn invalid(invalid: &InvalidBatch, cell: &PartitionCell, topic: &str) -> Refused {
        let partition = format!("{topic}-{}", cell.key.partition);
        let Some(message) = invalid.answer(&partition) else { return invalid.error_code().into() };
        let record_error = |error: &wire::record_batch::RecordError| BatchIndexAndErrorMessage {
            batch_index: error.batch_index,
            batch_index_error_message: Some(Str::from(error.answer(&partition))),
        };
        Refused {
            error: invalid.error_code(),
            message: Some(Str::from(message)),
            record_errors: invalid.record_errors.iter().map(record_error).collect(),
            log_start_offset: cell.view().map_or(-1, |view| view.log_start_offset),
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
