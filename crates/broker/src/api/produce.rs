//! Produce (KIP-98, KIP-467, KIP-516, KIP-951): validate on the connection's thread, append in the shards, join their answers.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;
use wire::codec::Message;
use wire::compress::Compression;
use wire::messages::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, TopicProduceData, TopicProduceResponse,
};
use wire::record_batch::{BatchHeader, InvalidBatch, ValidBatches, validate_produce};
use wire::{ErrorCode, Str};

use super::{Answer as Answered, Call, IntoAnswer};
use crate::command::{Append, AppendEntry, AppendResults, Command, Place};
use crate::endpoints::current_leader;
use crate::mailbox::{self, Answer, Dropped};
use crate::rim::{CloseReason, Handling, Outcome};
use crate::views::{PartitionCell, TopicViews};

/// The client id under which an administrator may write to internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";

pub(super) fn handle(call: Call, request: ProduceRequest) -> Handling {
    let records = |topic: &TopicProduceData| topic.partition_data.iter().all(|p| p.records.is_some());
    if !request.topic_data.iter().all(records) {
        let malformed = CloseReason::Malformed("a partition without records".into());
        return Handling::ready(Outcome::Close(malformed));
    }
    let (acks, timeout_ms) = (request.acks, request.timeout_ms);
    let mut plan = Plan::new(&call, &request);
    for topic in request.topic_data {
        plan.topic(topic);
    }
    // All is dispatched before anything is awaited: the next request of this connection may begin.
    let Plan { response, shares, .. } = plan;
    let mut answers = SmallVec::with_capacity(shares.len());
    for entries in shares {
        let Some(shard) = entries.first().map(|entry| entry.cell.shard) else { continue };
        let (reply, answer) = mailbox::reply();
        let deadline_ms = call.now_ms.saturating_add(i64::from(timeout_ms.max(0)));
        let append = Append { entries, all: acks == -1, deadline_ms, reply };
        call.node.submit_to(call.now_ms, shard, Command::Append(append));
        answers.push(answer);
    }
    Dispatched { call, acks, response, answers }.handling()
}

/// A produce that lies with its shards.
struct Dispatched {
    call: Call,
    acks: i16,
    /// Says NOT_LEADER_OR_FOLLOWER wherever a shard has not answered: one that goes away has lost its partitions.
    response: ProduceResponse,
    answers: SmallVec<[Answer<AppendResults>; 1]>,
}

impl Dispatched {
    /// Whoever found its shard free has the answer already.
    fn handling(mut self) -> Handling {
        while let Some(answer) = self.answers.last_mut() {
            let Some(results) = answer.now() else {
                return Handling::running(self.wait());
            };
            self.answers.pop();
            self.fill(results);
        }
        Handling::ready(self.outcome())
    }

    async fn wait(mut self) -> Outcome {
        while let Some(answer) = self.answers.pop() {
            let results = answer.await;
            self.fill(results);
        }
        self.outcome()
    }

    fn fill(&mut self, results: Result<AppendResults, Dropped>) {
        for (place, result) in results.into_iter().flatten() {
            let topic = self.response.responses.get_mut(place.topic as usize);
            let partition =
                topic.and_then(|topic| topic.partition_responses.get_mut(place.partition as usize));
            if let Some(partition) = partition {
                partition.error_code = result.error.code();
                partition.base_offset = result.base_offset;
                partition.log_append_time_ms = result.log_append_time;
                partition.log_start_offset = result.log_start_offset;
            }
        }
    }

    fn outcome(self) -> Outcome {
        let Dispatched { call, acks, response, .. } = self;
        let (key, version, correlation_id) = (call.api_key, call.api_version, call.correlation_id);
        finish(&call, acks, response).outcome(key, version, correlation_id)
    }
}

/// What one shard is asked.
type Share = SmallVec<[AppendEntry; 1]>;

/// A request taken apart.
struct Plan<'a> {
    call: &'a Call,
    acks: i16,
    may_write_internal: bool,
    response: ProduceResponse,
    shares: SmallVec<[Share; 1]>,
}

impl<'a> Plan<'a> {
    fn new(call: &'a Call, request: &ProduceRequest) -> Plan<'a> {
        Plan {
            call,
            acks: request.acks,
            may_write_internal: call.client_id.as_deref() == Some(ADMIN_CLIENT_ID),
            response: ProduceResponse {
                responses: Vec::with_capacity(request.topic_data.len()),
                ..ProduceResponse::default()
            },
            shares: SmallVec::new(),
        }
    }

    fn topic(&mut self, topic: TopicProduceData) {
        let views = self.call.node.views();
        let by_id = self.call.api_version >= 13;
        let found = if by_id { views.by_id(topic.topic_id) } else { views.by_name(&topic.name) };
        let unknown = if by_id { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
        self.response.responses.push(TopicProduceResponse {
            name: topic.name,
            topic_id: topic.topic_id,
            partition_responses: Vec::with_capacity(topic.partition_data.len()),
        });
        let partitions = topic.partition_data.len();
        for partition in topic.partition_data {
            let checked = match &found {
                Some(views) => self.check(views, partition.index, partition.records),
                None => Err(Refused::from(unknown)),
            };
            self.partition(partition.index, partitions, checked);
        }
    }

    /// Everything that can be told without the partition's shard.
    fn check(
        &self,
        topic: &TopicViews,
        index: i32,
        records: Option<Bytes>,
    ) -> Result<(Arc<PartitionCell>, ValidBatches), Refused> {
        let cell = topic.partition(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let records = records.unwrap_or_default();
        self.check_format(&records)?;
        if !matches!(self.acks, -1..=1) {
            return Err(ErrorCode::InvalidRequiredAcks.into());
        }
        if topic.internal && !self.may_write_internal {
            return Err(ErrorCode::InvalidTopicException.into());
        }
        let settings = topic.settings.load();
        match validate_produce(records, &settings.rules, self.call.now_ms) {
            Ok(batches) => Ok((Arc::clone(cell), batches)),
            Err(invalid) => Err(Refused::invalid(&invalid, cell, &topic.name)),
        }
    }

    /// What the version of the request allows.
    fn check_format(&self, records: &Bytes) -> Result<(), Refused> {
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

    fn partition(
        &mut self,
        index: i32,
        partitions: usize,
        checked: Result<(Arc<PartitionCell>, ValidBatches), Refused>,
    ) {
        let Some(topic) = self.response.responses.len().checked_sub(1) else { return };
        let mut response = PartitionProduceResponse { index, base_offset: -1, ..Default::default() };
        match checked {
            Ok((cell, batches)) => {
                response.error_code = ErrorCode::NotLeaderOrFollower.code();
                let partition = self.response.responses[topic].partition_responses.len();
                let place = Place { topic: topic as u32, partition: partition as u32 };
                self.share(cell.shard, partitions).push(AppendEntry { cell, batches, place });
            }
            Err(refused) => {
                response.error_code = refused.error.code();
                response.error_message = refused.message;
                response.record_errors = refused.record_errors;
                response.log_start_offset = refused.log_start_offset;
            }
        }
        self.response.responses[topic].partition_responses.push(response);
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

/// The last touches: where the real leaders are, and what acks=0 makes of an error.
fn finish(call: &Call, acks: i16, mut response: ProduceResponse) -> Answered<ProduceResponse> {
    if acks == 0 {
        let mut partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        let refused = partitions.any(|partition| partition.error_code != ErrorCode::None.code());
        // Nothing tells such a producer of an error but a connection that closes.
        return if refused { Answered::Close(CloseReason::ProduceRefused) } else { Answered::Nothing };
    }
    if call.api_version >= 10 {
        name_leaders(call, &mut response);
    }
    debug_assert!(call.api_version >= ProduceRequest::MIN_VERSION);
    Answered::Message(response)
}

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
