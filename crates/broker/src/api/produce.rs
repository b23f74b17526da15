//! Produce (KIP-98, KIP-467, KIP-516, KIP-951): validate on the connection's thread, append in the shards, join their answers.

use std::sync::Arc;

use bytes::Bytes;
use wire::codec::Message;
use wire::compress::Compression;
use wire::messages::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, TopicProduceData, TopicProduceResponse,
};
use wire::record_batch::{BatchHeader, InvalidBatch, ValidBatches, validate_produce};
use wire::{ErrorCode, Str};

use super::{Answer, Call};
use crate::command::{Append, AppendEntry, AppendResult, AppendResults, Command};
use crate::endpoints::current_leader;
use crate::mailbox;
use crate::rim::CloseReason;
use crate::views::{PartitionCell, TopicViews};

/// The client id under which an administrator may write to internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";

pub(super) async fn handle(call: Call, request: ProduceRequest) -> Answer<ProduceResponse> {
    let acks = request.acks;
    let records = |topic: &TopicProduceData| topic.partition_data.iter().all(|p| p.records.is_some());
    if !request.topic_data.iter().all(records) {
        return Answer::Close(CloseReason::Malformed("a partition without records".into()));
    }
    let mut plan = Plan::new(&call, &request);
    for topic in request.topic_data {
        plan.topic(topic);
    }
    // All is dispatched before anything is awaited: the next request of this connection may begin.
    let Plan { mut response, shares, .. } = plan;
    let mut pending = Vec::with_capacity(shares.len());
    for share in shares {
        let Some(shard) = share.entries.first().map(|entry| entry.cell.shard) else { continue };
        let (reply, answer) = mailbox::reply();
        let deadline_ms = call.now_ms.saturating_add(i64::from(request.timeout_ms.max(0)));
        let append = Append { entries: share.entries, all: acks == -1, deadline_ms, reply };
        call.node.submit_to(call.now_ms, shard, Command::Append(append));
        pending.push((share.places, answer));
    }
    for (places, answer) in pending {
        // A shard that goes away has lost its partitions.
        let results = answer.await.unwrap_or_else(|_| gone(places.len()));
        for (place, result) in places.into_iter().zip(results) {
            place.fill(&mut response, result);
        }
    }
    finish(&call, acks, response)
}

fn gone(count: usize) -> AppendResults {
    vec![AppendResult::refused(ErrorCode::NotLeaderOrFollower); count]
}

/// Where a result belongs in the response.
#[derive(Clone, Copy)]
struct Place {
    topic: usize,
    partition: usize,
}

impl Place {
    fn fill(self, response: &mut ProduceResponse, result: AppendResult) {
        let partition = response
            .responses
            .get_mut(self.topic)
            .and_then(|topic| topic.partition_responses.get_mut(self.partition));
        if let Some(partition) = partition {
            partition.error_code = result.error.code();
            partition.base_offset = result.base_offset;
            partition.log_append_time_ms = result.log_append_time;
            partition.log_start_offset = result.log_start_offset;
        }
    }
}

/// What one shard is asked.
#[derive(Default)]
struct Share {
    entries: Vec<AppendEntry>,
    places: Vec<Place>,
}

/// A request taken apart.
struct Plan<'a> {
    call: &'a Call,
    acks: i16,
    may_write_internal: bool,
    response: ProduceResponse,
    shares: Vec<Share>,
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
            shares: Vec::new(),
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
        for partition in topic.partition_data {
            let checked = match &found {
                Some(views) => self.check(views, partition.index, partition.records),
                None => Err(Refused::from(unknown)),
            };
            self.partition(partition.index, checked);
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
            Err(invalid) => Err(Refused::invalid(invalid, cell)),
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

    fn partition(&mut self, index: i32, checked: Result<(Arc<PartitionCell>, ValidBatches), Refused>) {
        let place = Place {
            topic: self.response.responses.len().saturating_sub(1),
            partition: self.response.responses.last().map_or(0, |topic| topic.partition_responses.len()),
        };
        let mut response = PartitionProduceResponse { index, base_offset: -1, ..Default::default() };
        match checked {
            Ok((cell, batches)) => {
                let share = self.share(cell.shard);
                share.entries.push(AppendEntry { cell, batches });
                share.places.push(place);
            }
            Err(refused) => {
                response.error_code = refused.error.code();
                response.error_message = refused.message;
                response.record_errors = refused.record_errors;
                response.log_start_offset = refused.log_start_offset;
            }
        }
        if let Some(topic) = self.response.responses.last_mut() {
            topic.partition_responses.push(response);
        }
    }

    fn share(&mut self, shard: usize) -> &mut Share {
        let found = self
            .shares
            .iter()
            .position(|share| share.entries.first().is_some_and(|entry| entry.cell.shard == shard));
        let at = found.unwrap_or_else(|| {
            self.shares.push(Share::default());
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
    fn invalid(invalid: InvalidBatch, cell: &PartitionCell) -> Refused {
        if invalid.record_errors.is_empty() {
            return invalid.error_code().into();
        }
        let record_error = |error: wire::record_batch::RecordError| BatchIndexAndErrorMessage {
            batch_index: error.batch_index,
            batch_index_error_message: Some(Str::from(error.message)),
        };
        Refused {
            error: invalid.error_code(),
            message: Some(Str::from(invalid.message)),
            record_errors: invalid.record_errors.into_iter().map(record_error).collect(),
            log_start_offset: cell.view().map_or(-1, |view| view.log_start_offset),
        }
    }
}

/// The last touches: where the real leaders are, and what acks=0 makes of an error.
fn finish(call: &Call, acks: i16, mut response: ProduceResponse) -> Answer<ProduceResponse> {
    if acks == 0 {
        let mut partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        let refused = partitions.any(|partition| partition.error_code != ErrorCode::None.code());
        // Nothing tells such a producer of an error but a connection that closes.
        return if refused { Answer::Close(CloseReason::ProduceRefused) } else { Answer::Nothing };
    }
    if call.api_version >= 10 {
        name_leaders(call, &mut response);
    }
    debug_assert!(call.api_version >= ProduceRequest::MIN_VERSION);
    Answer::Message(response)
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
