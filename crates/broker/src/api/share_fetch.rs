//! ShareFetch (KIP-932, 1206, 1222): records for a member of a share group, as far as no other member holds them, and what it says of those
//! that it has. The session says which partitions; the answer names those that have something to tell.

use std::collections::BTreeMap;

use coordinator::share_partition::{AcknowledgementBatch, AcquireMode, Refused};
use wire::messages::share_fetch::{
    AcquiredRecords, LeaderIdAndEpoch, NodeEndpoint, PartitionData, ShareFetchRequest, ShareFetchResponse,
    ShareFetchableTopicResponse,
};
use wire::{ErrorCode, Uuid};

use crate::call::{Call, UnlessGone};
use crate::endpoints::current_leader;
use crate::limits::PARTITIONS_PER_FETCH_SESSION;
use crate::share::acknowledging::{Said, Speaker, cell_for, member_of, without_silent};
use crate::share::fetching::{Got, ShareFetch, ShareTarget};
use crate::share::sessions::{FINAL_EPOCH, INITIAL_EPOCH, MemberKey, Partition};
use crate::share::settings::read_limit;

pub(super) async fn handle(call: Call, request: ShareFetchRequest) -> UnlessGone<ShareFetchResponse> {
    let key = match entered(&call, &request) {
        Ok(key) => key,
        Err(why) => return UnlessGone(Some(refuse(why))),
    };
    let epoch = request.share_session_epoch;
    let partitions = match session(&call, &key, &request) {
        Ok(partitions) => partitions,
        Err(ErrorCode::ShareSessionLimitReached) => {
            // Whoever comes again at once would only be told the same.
            let now_ms = call.node.latest_ms();
            let until_ms = now_ms.saturating_add(i64::from(request.max_wait_ms.max(0)));
            if call.node.at(now_ms, until_ms).await.is_err() {
                return UnlessGone(None);
            }
            return UnlessGone(Some(refuse(ErrorCode::ShareSessionLimitReached)));
        }
        Err(error) => return UnlessGone(Some(refuse(error))),
    };
    let said = say(&call, &key, &request);
    let mut lines = match request.is_renew_ack {
        true => BTreeMap::new(),
        false => match fetch(&call, &key, &request, partitions).await {
            Some(lines) => lines,
            None => return UnlessGone(None),
        },
    };
    let mut error = ErrorCode::None;
    if !matches!(epoch, INITIAL_EPOCH | FINAL_EPOCH) {
        match told(&call, &key, epoch, lines) {
            Ok(told) => lines = told,
            Err(why) => (lines, error) = (BTreeMap::new(), why),
        }
    }
    for said in said {
        let (partition, outcome) = said.heard().await;
        let line = lines.entry(partition).or_insert_with(|| PartitionData {
            partition_index: partition.1,
            records: None,
            ..PartitionData::default()
        });
        if let Err(Refused { error, why }) = outcome {
            line.acknowledge_error_code = error.code();
            line.acknowledge_error_message = (!why.is_empty()).then(|| why.into());
        }
    }
    if epoch == FINAL_EPOCH {
        call.node.end_share_session(call.node.latest_ms(), &key, None);
    }
    UnlessGone(Some(answer(&call, &key.0, error, lines)))
}

/// Who asks, if it may.
fn entered(call: &Call, request: &ShareFetchRequest) -> Result<MemberKey, ErrorCode> {
    let key = member_of(call, request.group_id.as_ref(), request.member_id.as_ref())?;
    if request.is_renew_ack {
        // Who renews gets no records.
        let wants = [request.max_bytes, request.min_bytes, request.max_records, request.max_wait_ms];
        if wants.iter().any(|number| *number != 0) {
            return Err(ErrorCode::InvalidRequest);
        }
    }
    if AcquireMode::of_code(request.share_acquire_mode).is_none() {
        // DIVERGES: Kafka falls over it with UNKNOWN_SERVER_ERROR.
        return Err(ErrorCode::InvalidRequest);
    }
    Ok(key)
}

/// The partitions that the session is about from now on.
fn session(call: &Call, key: &MemberKey, request: &ShareFetchRequest) -> Result<Vec<Partition>, ErrorCode> {
    let sessions = call.node.share_sessions();
    let named = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (topic.topic_id, partition.partition_index))
    });
    let named: Vec<Partition> = named.collect();
    if named.len() > PARTITIONS_PER_FETCH_SESSION {
        return Err(ErrorCode::InvalidRequest);
    }
    match request.share_session_epoch {
        FINAL_EPOCH if sessions.is_known(key) => Ok(Vec::new()),
        FINAL_EPOCH => Err(ErrorCode::ShareSessionNotFound),
        INITIAL_EPOCH => {
            if has_acknowledgements(request) {
                return Err(ErrorCode::InvalidRequest);
            }
            let serial = sessions.begin(key.clone(), &named)?;
            let (node, gone) = (call.node.clone(), key.clone());
            call.connection.when_gone(move || node.end_share_session(node.latest_ms(), &gone, Some(serial)));
            Ok(named)
        }
        epoch => {
            let forgotten = request
                .forgotten_topics_data
                .iter()
                .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic_id, *partition)));
            let forgotten: Vec<Partition> = forgotten.collect();
            sessions.resume(key, epoch, &named, &forgotten)
        }
    }
}

fn has_acknowledgements(request: &ShareFetchRequest) -> bool {
    let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.into_iter().any(|partition| !partition.acknowledgement_batches.is_empty())
}

/// What the request says of records. Where it says anything of one partition, it is answered for all that it names.
fn say(call: &Call, (group, member): &MemberKey, request: &ShareFetchRequest) -> Vec<Said> {
    if !has_acknowledgements(request) {
        return Vec::new();
    }
    let speaker = Speaker { call, group, member, is_renewal: request.is_renew_ack };
    let mut said = Vec::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            let batch = |batch: &wire::messages::share_fetch::AcknowledgementBatch| AcknowledgementBatch {
                first_offset: batch.first_offset,
                last_offset: batch.last_offset,
                types: batch.acknowledge_types.clone(),
            };
            let batches = partition.acknowledgement_batches.iter().map(batch).collect();
            said.push(speaker.say((topic.topic_id, partition.partition_index), batches));
        }
    }
    without_silent(said)
}

/// Records, or why there are none; `None` if the node goes away.
async fn fetch(
    call: &Call,
    (group, member): &MemberKey,
    request: &ShareFetchRequest,
    mut partitions: Vec<Partition>,
) -> Option<BTreeMap<Partition, PartitionData>> {
    let mut lines = BTreeMap::new();
    let mut targets = Vec::new();
    // Each request begins with another partition, so that none goes short.
    let turns = usize::try_from(request.share_session_epoch).unwrap_or(0).checked_rem(partitions.len());
    partitions.rotate_left(turns.unwrap_or(0));
    for partition in partitions {
        match target(call, partition) {
            Ok(target) => targets.push(target),
            Err(error) => {
                lines.insert(partition, refused(call, partition, error));
            }
        }
    }
    if targets.is_empty() {
        return Some(lines);
    }
    let max_bytes = request.max_bytes.min(call.node.config().fetch_max_bytes);
    let named: Vec<Partition> = targets.iter().map(|target| target.partition).collect();
    let fetch = ShareFetch {
        call: call.clone(),
        group: group.clone(),
        member: member.clone(),
        mode: AcquireMode::of_code(request.share_acquire_mode).unwrap_or(AcquireMode::BatchOptimized),
        batch_size: i64::from(request.batch_size),
        max_records: i64::from(request.max_records),
        min_bytes: i64::from(request.min_bytes.min(max_bytes)),
        max_bytes: i64::from(max_bytes),
        deadline_ms: call.now_ms.saturating_add(i64::from(request.max_wait_ms.max(0))),
        limit: read_limit(&call.node.image(), group),
        targets,
    };
    for (partition, got) in named.into_iter().zip(fetch.run().await.ok()?) {
        let line = match got {
            None => continue,
            Some(Got { error: Some(error), .. }) => refused(call, partition, error),
            Some(Got { error: None, records, acquired }) => PartitionData {
                partition_index: partition.1,
                records: Some(records),
                acquired_records: acquired
                    .into_iter()
                    .map(|range| AcquiredRecords {
                        first_offset: range.first_offset,
                        last_offset: range.last_offset,
                        delivery_count: range.delivery_count,
                    })
                    .collect(),
                ..PartitionData::default()
            },
        };
        lines.insert(partition, line);
    }
    Some(lines)
}

fn target(call: &Call, partition: Partition) -> Result<ShareTarget, ErrorCode> {
    let topic = call.node.views().by_id(partition.0).ok_or(ErrorCode::UnknownTopicId)?;
    let cell = cell_for(call, &topic, partition.1)?;
    Ok(ShareTarget { partition, topic: topic.name.clone(), cell })
}

fn refused(call: &Call, (topic_id, partition_index): Partition, error: ErrorCode) -> PartitionData {
    let mut data = PartitionData {
        partition_index,
        error_code: error.code(),
        records: Some(bytes::Bytes::new()),
        ..PartitionData::default()
    };
    if matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch) {
        let listener = &call.connection.peer().listener;
        if let Some(leader) = current_leader(&call.node.image(), topic_id, partition_index, listener) {
            data.current_leader =
                LeaderIdAndEpoch { leader_id: leader.leader_id, leader_epoch: leader.leader_epoch };
        }
    }
    data
}

/// Those lines that a session that goes on has to hear.
fn told(
    call: &Call,
    key: &MemberKey,
    epoch: i32,
    lines: BTreeMap<Partition, PartitionData>,
) -> Result<BTreeMap<Partition, PartitionData>, ErrorCode> {
    let result = |(partition, data): (&Partition, &PartitionData)| {
        let has_records = data.records.as_ref().is_some_and(|records| !records.is_empty());
        (*partition, has_records, data.error_code != ErrorCode::None.code())
    };
    let results: Vec<_> = lines.iter().map(result).collect();
    let tell = call.node.share_sessions().to_tell(key, epoch, &results)?;
    Ok(lines.into_iter().zip(tell).filter(|(_, tell)| *tell).map(|(line, _)| line).collect())
}

/// Kafka has texts for some of these and never sends them.
fn refuse(error: ErrorCode) -> ShareFetchResponse {
    ShareFetchResponse { error_code: error.code(), ..ShareFetchResponse::default() }
}

fn answer(
    call: &Call,
    group: &str,
    error: ErrorCode,
    lines: BTreeMap<Partition, PartitionData>,
) -> ShareFetchResponse {
    let image = call.node.image();
    let mut topics: BTreeMap<Uuid, Vec<PartitionData>> = BTreeMap::new();
    let mut endpoints: BTreeMap<i32, NodeEndpoint> = BTreeMap::new();
    for ((topic_id, partition), data) in lines {
        if data.current_leader != LeaderIdAndEpoch::default() {
            let listener = &call.connection.peer().listener;
            let leader = current_leader(&image, topic_id, partition, listener);
            if let Some(node) = leader.and_then(|leader| leader.endpoint) {
                let endpoint =
                    NodeEndpoint { node_id: node.node_id, host: node.host, port: node.port, rack: node.rack };
                endpoints.insert(endpoint.node_id, endpoint);
            }
        }
        topics.entry(topic_id).or_default().push(data);
    }
    let lock_ms = call.node.config().share.settings(&image, group).lock_duration_ms;
    let topic = |(topic_id, partitions)| ShareFetchableTopicResponse { topic_id, partitions };
    ShareFetchResponse {
        error_code: error.code(),
        acquisition_lock_timeout_ms: i32::try_from(lock_ms).unwrap_or(i32::MAX),
        responses: topics.into_iter().map(topic).collect(),
        node_endpoints: endpoints.into_values().collect(),
        ..ShareFetchResponse::default()
    }
}
