//! Fetch by consumers (KIP-41, KIP-74, KIP-227, KIP-320, KIP-516): resolve the session, read the views, and if there is too
//! little, wait once for the shards' call. What is in the page cache is read on the connection's thread; a pass that meets the
//! platter goes on in the pool. Record bytes are located and passed on, never decoded. A follower's fetch is another journey
//! (`Command::FollowerFetch`), not built yet.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use log::{LogView, Reach, ReadAhead, ReadLimit, ReadRefused, ReadTerms};
use wire::hash::StableMap;
use wire::messages::fetch::{
    AbortedTransaction, EpochEndOffset, FetchRequest, FetchResponse, FetchableTopicResponse,
    LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use wire::{ErrorCode, Str};

use super::{Call, IntoAnswer};
use crate::command::{Command, WatchPartition, WatchPartitions};
use crate::endpoints::current_leader;
use crate::fetch_session::{Answered, Asked, Plan, Wanted};
use crate::limits::FETCH_BYTES_MIN;
use crate::mailbox::reply;
use crate::rim::{CloseReason, Handling, Outcome};
use crate::views::{LeaderView, PartitionCell, Views};
use crate::watch::watch;

/// Consumers read what is replicated, or only what is also committed (KIP-98).
const READ_COMMITTED: i8 = 1;

pub(super) fn handle(call: Call, request: FetchRequest) -> Handling {
    let asked = Asked {
        session_id: request.session_id,
        epoch: if call.api_version >= 7 { request.session_epoch } else { -1 },
        uses_topic_ids: call.api_version >= 13,
    };
    let terms = Terms::of(&call, &request);
    let (wanted, forgotten) = flatten(request);
    let wanted = once_each(wanted);
    let plan = call.connection.with_fetch_sessions(|sessions| sessions.plan(asked, wanted, &forgotten));
    let (session, wanted) = match plan {
        Plan::Refused(error) => {
            let refused = FetchResponse { error_code: error.code(), ..FetchResponse::default() };
            return Handling::ready(refused.outcome(call.api_key, call.api_version, call.correlation_id));
        }
        Plan::Sessionless(wanted) => (Session::None, wanted),
        Plan::Full(wanted) => (Session::Begins(asked), wanted),
        Plan::Incremental { session_id, wanted } => (Session::GoesOn(session_id), wanted),
    };
    let fetch = Fetch::resolve(call, terms, session, wanted);
    let mut pass = fetch.begin();
    fetch.read(&mut pass, Reach::Memory);
    if fetch.is_cold(&pass) || fetch.must_wait(&pass) {
        return Handling::running(fetch.go_on(pass));
    }
    Handling::ready(fetch.outcome(pass))
}

/// What an answer has to do with a session.
#[derive(Clone, Copy)]
enum Session {
    None,
    Begins(Asked),
    GoesOn(i32),
}

/// What a request says of all its partitions.
#[derive(Debug, Clone, Copy)]
struct Terms {
    limit: ReadLimit,
    /// A replica asks, not a consumer; no other broker has one of ours yet.
    is_replica: bool,
    max_bytes: i64,
    min_bytes: i64,
    /// When waiting ends.
    deadline_ms: i64,
    waits: bool,
}

impl Terms {
    fn of(call: &Call, request: &FetchRequest) -> Terms {
        let max_bytes = request.max_bytes.min(call.node.config().fetch_max_bytes);
        let committed = request.isolation_level == READ_COMMITTED;
        Terms {
            is_replica: request.replica_id.max(request.replica_state.replica_id) >= 0,
            limit: if committed { ReadLimit::LastStable } else { ReadLimit::HighWatermark },
            max_bytes: i64::from(max_bytes.max(0)),
            min_bytes: i64::from(request.min_bytes.min(max_bytes)),
            deadline_ms: call.now_ms.saturating_add(i64::from(request.max_wait_ms.max(0))),
            waits: request.max_wait_ms > 0,
        }
    }
}

type Forgotten = Vec<(Str, wire::Uuid, i32)>;

fn flatten(request: FetchRequest) -> (Vec<Wanted>, Forgotten) {
    let partitions = request.topics.iter().map(|topic| topic.partitions.len()).sum();
    let mut wanted = Vec::with_capacity(partitions);
    for topic in request.topics {
        for partition in topic.partitions {
            wanted.push(Wanted {
                topic: topic.topic.clone(),
                topic_id: topic.topic_id,
                partition: partition.partition,
                fetch_offset: partition.fetch_offset,
                current_leader_epoch: partition.current_leader_epoch,
                last_fetched_epoch: partition.last_fetched_epoch,
                max_bytes: partition.partition_max_bytes,
            });
        }
    }
    let mut forgotten = Vec::new();
    for topic in request.forgotten_topics_data {
        forgotten
            .extend(topic.partitions.into_iter().map(|index| (topic.topic.clone(), topic.topic_id, index)));
    }
    (wanted, forgotten)
}

/// A partition that is named twice is fetched once, as named last.
fn once_each(wanted: Vec<Wanted>) -> Vec<Wanted> {
    if wanted.len() < 2 {
        return wanted;
    }
    let mut places = StableMap::with_capacity_and_hasher(wanted.len(), Default::default());
    let mut once: Vec<Wanted> = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        match places.entry((wanted.topic_id, wanted.topic.clone(), wanted.partition)) {
            Entry::Vacant(place) => {
                place.insert(once.len());
                once.push(wanted);
            }
            Entry::Occupied(place) => once[*place.get()] = wanted,
        }
    }
    once
}

/// A fetch whose partitions were looked up.
struct Fetch {
    call: Call,
    terms: Terms,
    session: Session,
    /// In the order of service: what can be read first, what is refused by its name last, as Kafka answers.
    targets: Vec<(Wanted, Arc<PartitionCell>)>,
    refused: Vec<(Wanted, ErrorCode)>,
}

type Answers = Vec<(Wanted, PartitionData)>;

/// What one pass over the views found so far.
struct Pass {
    /// Of the first targets; where one needs the platter, the pass stands still.
    answers: Vec<PartitionData>,
    bytes: i64,
    /// What the rest may still have.
    left: i64,
    /// Memory is short, and the answer has less than it might.
    is_cut: bool,
    /// Something that the client has to hear at once.
    is_urgent: bool,
    /// The high watermark and the last stable offset that were seen, for the watch.
    seen: Vec<(i64, i64)>,
    /// What the platter is to be asked for before the client comes again.
    ahead: Vec<ReadAhead>,
}

impl Fetch {
    fn resolve(call: Call, terms: Terms, session: Session, wanted: Vec<Wanted>) -> Fetch {
        let node = call.node.clone();
        let views = node.views();
        let by_id = call.api_version >= 13;
        let targets = Vec::with_capacity(wanted.len());
        let mut fetch = Fetch { call, terms, session, targets, refused: Vec::new() };
        let mut last: Option<Arc<crate::views::TopicViews>> = None;
        for mut wanted in wanted {
            let is_last = |topic: &Arc<crate::views::TopicViews>| {
                if by_id { topic.id == wanted.topic_id } else { topic.name == wanted.topic }
            };
            if !last.as_ref().is_some_and(is_last) {
                last = if by_id { views.by_id(wanted.topic_id) } else { views.by_name(&wanted.topic) };
            }
            if let Some(topic) = &last
                && wanted.topic.is_empty()
            {
                wanted.topic = topic.name.clone();
            }
            let found = last.as_ref().map(|topic| topic.partition(wanted.partition).cloned());
            match found.or_else(|| namesake(views, &wanted)) {
                Some(Some(cell)) => fetch.targets.push((wanted, cell)),
                Some(None) => fetch.refused.push((wanted, ErrorCode::UnknownTopicOrPartition)),
                None if by_id => fetch.refused.push((wanted, ErrorCode::UnknownTopicId)),
                None => fetch.refused.push((wanted, ErrorCode::UnknownTopicOrPartition)),
            }
        }
        fetch
    }

    /// Ends a pass in the pool if it has to be; waits for more and reads again, until there is enough or the time is over.
    async fn go_on(self, pass: Pass) -> Outcome {
        let (mut fetch, mut pass) = (self, pass);
        loop {
            if fetch.is_cold(&pass) {
                match fetch.read_cold(pass).await {
                    Some(done) => (fetch, pass) = done,
                    None => return Outcome::Close(CloseReason::Stopping),
                }
            }
            if !fetch.must_wait(&pass) {
                return fetch.outcome(pass);
            }
            let (watch, waiting) = watch(fetch.terms.min_bytes.saturating_sub(pass.bytes));
            fetch.watch(&watch, &pass);
            // What was read is read again: a fetch that waits keeps no memory.
            drop(pass);
            waiting.await;
            pass = fetch.begin();
            fetch.read(&mut pass, Reach::Memory);
        }
    }

    /// Goes on with a pass on a thread that may wait for the platter; `None` if the node stops.
    async fn read_cold(self, mut pass: Pass) -> Option<(Fetch, Pass)> {
        let (reply, answer) = reply();
        let node = self.call.node.clone();
        node.read_cold(move || {
            self.read(&mut pass, Reach::Platter);
            reply.send((self, pass));
        });
        answer.await.ok()
    }

    /// The pass stands before bytes that are on the platter alone.
    fn is_cold(&self, pass: &Pass) -> bool {
        pass.answers.len() < self.targets.len()
    }

    fn outcome(self, pass: Pass) -> Outcome {
        let Fetch { call, session, targets, refused, .. } = self;
        let refused = refused.into_iter().map(|(wanted, error)| {
            let data = refusal(wanted.partition, error);
            (wanted, data)
        });
        let answers = targets.into_iter().map(|(wanted, _)| wanted).zip(pass.answers).chain(refused);
        let mut response = FetchResponse::default();
        match session {
            Session::None => answers.for_each(|(wanted, data)| add(&call, &mut response, wanted, data)),
            Session::Begins(asked) => {
                let answers: Answers = answers.collect();
                response.session_id = begin_session(&call, asked, &answers);
                answers.into_iter().for_each(|(wanted, data)| add(&call, &mut response, wanted, data));
            }
            Session::GoesOn(session_id) => {
                response.session_id = session_id;
                call.connection.with_fetch_sessions(|sessions| {
                    for (wanted, data) in answers {
                        if sessions.tells(session_id, &wanted, answered(&data)) {
                            add(&call, &mut response, wanted, data);
                        }
                    }
                });
            }
        }
        response.outcome(call.api_key, call.api_version, call.correlation_id)
    }

    fn must_wait(&self, pass: &Pass) -> bool {
        self.terms.waits
            && !self.targets.is_empty()
            && pass.bytes < self.terms.min_bytes
            && !pass.is_urgent
            && !(pass.is_cut && pass.bytes > 0)
            && self.call.node.latest_ms() < self.terms.deadline_ms
    }

    /// One command per shard concerned; the first one also keeps the deadline.
    fn watch(&self, watch: &Arc<crate::watch::Watch>, pass: &Pass) {
        let mut shards: Vec<WatchPartitions> = Vec::new();
        let mut owners: Vec<usize> = Vec::new();
        for ((_, cell), &(high_watermark, last_stable_offset)) in self.targets.iter().zip(&pass.seen) {
            let at = owners.iter().position(|&shard| shard == cell.shard).unwrap_or_else(|| {
                owners.push(cell.shard);
                let deadline_ms = shards.is_empty().then_some(self.terms.deadline_ms);
                shards.push(WatchPartitions {
                    watch: Arc::clone(watch),
                    partitions: Vec::new(),
                    deadline_ms,
                });
                shards.len() - 1
            });
            let cell = Arc::clone(cell);
            shards[at].partitions.push(WatchPartition { cell, high_watermark, last_stable_offset });
        }
        let now_ms = self.call.node.latest_ms();
        for (shard, command) in owners.into_iter().zip(shards) {
            self.call.node.submit_to(now_ms, shard, Command::Watch(command));
        }
    }

    /// A pass before its first partition.
    fn begin(&self) -> Pass {
        let count = self.targets.len();
        Pass {
            answers: Vec::with_capacity(count),
            bytes: 0,
            left: self.terms.max_bytes,
            is_cut: false,
            is_urgent: false,
            seen: Vec::with_capacity(count),
            ahead: Vec::new(),
        }
    }

    /// Goes on in the order of service, to the end or to the first partition that is out of reach. The first one that has
    /// anything gives at least one batch, whatever its size; after that the limits hold (KIP-74). Where many wait for sockets to
    /// take what they read, it may have less: as it is now, not as it was when a pass that waited for the pool began.
    fn read(&self, pass: &mut Pass, reach: Reach) {
        self.read_through(pass, reach);
        let ahead = std::mem::take(&mut pass.ahead);
        if !ahead.is_empty() {
            // The platter works while the socket is served.
            self.call.node.read_cold(move || ahead.iter().for_each(ReadAhead::ask));
        }
    }

    fn read_through(&self, pass: &mut Pass, reach: Reach) {
        let share = self.call.node.fetch_memory().share().max(FETCH_BYTES_MIN);
        let share = i64::try_from(share).unwrap_or(i64::MAX);
        if share < pass.left {
            pass.left = share;
            pass.is_cut = true;
        }
        for (wanted, cell) in self.targets.iter().skip(pass.answers.len()) {
            let data = match self.read_partition(wanted, cell, pass, reach) {
                Ok(Some(data)) => data,
                Ok(None) => return,
                Err(error) => self.refused_data(wanted, cell, error),
            };
            let bytes = data.records.as_ref().map_or(0, |records| records.len() as i64);
            pass.left = pass.left.saturating_sub(bytes).max(0);
            pass.bytes = pass.bytes.saturating_add(bytes);
            pass.is_urgent |= data.error_code != ErrorCode::None.code() || data.diverging_epoch.epoch != -1;
            pass.seen.push((data.high_watermark, data.last_stable_offset));
            pass.answers.push(data);
        }
    }

    /// One partition's answer; `None` if it is out of reach.
    fn read_partition(
        &self,
        wanted: &Wanted,
        cell: &PartitionCell,
        pass: &mut Pass,
        reach: Reach,
    ) -> Result<Option<PartitionData>, ErrorCode> {
        if !wanted.topic_id.is_zero() && wanted.topic_id != cell.key.topic_id {
            return Err(ErrorCode::InconsistentTopicId);
        }
        let view = self.call.node.leader_view(self.call.now_ms, cell, wanted.current_leader_epoch)?;
        if self.terms.is_replica {
            return Err(match wanted.current_leader_epoch {
                -1 => ErrorCode::NotLeaderOrFollower,
                _ => ErrorCode::UnknownLeaderEpoch,
            });
        }
        let mut data = PartitionData {
            partition_index: wanted.partition,
            high_watermark: view.high_watermark,
            last_stable_offset: view.last_stable_offset,
            log_start_offset: view.log_start_offset,
            records: Some(bytes::Bytes::new()),
            // Null says that nobody looked; an empty list, that there are none.
            aborted_transactions: (self.terms.limit == ReadLimit::LastStable).then(Vec::new),
            ..PartitionData::default()
        };
        if wanted.last_fetched_epoch >= 0
            && let Some(diverging) = divergence(wanted, &view)?
        {
            data.diverging_epoch = diverging;
            return Ok(Some(data));
        }
        let offset = wanted.fetch_offset;
        if offset < view.log_start_offset || offset > view.log_end_offset {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        // Between the limit and the end of the log there is nothing to see yet.
        if offset < view.upper_bound(self.terms.limit) {
            let most = i64::from(wanted.max_bytes).min(pass.left).clamp(0, i64::from(u32::MAX));
            let terms = ReadTerms {
                max_bytes: u32::try_from(most).unwrap_or(u32::MAX),
                limit: self.terms.limit,
                at_least_one: pass.bytes == 0,
                reach,
                memory: Some(self.call.node.fetch_memory()),
            };
            let Some(fetched) =
                view.read_within(offset, &terms).map_err(|refused| read_error(&self.call, refused))?
            else {
                return Ok(None);
            };
            pass.ahead.extend(fetched.ahead);
            if self.terms.limit == ReadLimit::LastStable {
                let aborted = view
                    .aborted_transactions(offset, fetched.next_offset)
                    .map_err(|refused| read_error(&self.call, refused))?;
                data.aborted_transactions = Some(aborted.iter().map(aborted_transaction).collect());
            }
            data.records = Some(fetched.records);
        }
        Ok(Some(data))
    }

    fn refused_data(&self, wanted: &Wanted, cell: &PartitionCell, error: ErrorCode) -> PartitionData {
        // Clients of version 5 and below do not know that this error passes.
        let told = match error {
            ErrorCode::KafkaStorageError if self.call.api_version <= 5 => ErrorCode::NotLeaderOrFollower,
            error => error,
        };
        let mut data = PartitionData { aborted_transactions: None, ..refusal(wanted.partition, told) };
        if self.call.api_version >= 16
            && matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch)
            && let Some(leader) = current_leader(
                &self.call.node.image(),
                cell.key.topic_id,
                wanted.partition,
                &self.call.connection.peer().listener,
            )
        {
            data.current_leader =
                LeaderIdAndEpoch { leader_id: leader.leader_id, leader_epoch: leader.leader_epoch };
        }
        data
    }
}

/// The partition that bears the name of one whose topic is no more, `Some(None)` if there is none; `None` where no session knows a name.
fn namesake(views: &Views, wanted: &Wanted) -> Option<Option<Arc<PartitionCell>>> {
    if wanted.topic.is_empty() {
        return None;
    }
    Some(views.by_name(&wanted.topic).and_then(|topic| topic.partition(wanted.partition).cloned()))
}

fn read_error(call: &Call, refused: ReadRefused) -> ErrorCode {
    match refused {
        ReadRefused::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadRefused::Corrupt { offset, fault } => {
            tracing::error!(offset, %fault, "a batch on disk is damaged and is not served");
            ErrorCode::KafkaStorageError
        }
        ReadRefused::Storage(fault) => {
            tracing::error!(%fault, "cannot read");
            call.node.read_failed(call.now_ms, &fault);
            ErrorCode::KafkaStorageError
        }
    }
}

/// KIP-320, KIP-595: a reader whose last epoch ended earlier here than where it reads has seen what was truncated.
fn divergence(wanted: &Wanted, view: &LeaderView) -> Result<Option<EpochEndOffset>, ErrorCode> {
    let known = epoch_end(view, wanted.last_fetched_epoch);
    let Some((epoch, end_offset)) = known else { return Err(ErrorCode::OffsetOutOfRange) };
    if wanted.fetch_offset < view.log_start_offset {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    let diverges = epoch < wanted.last_fetched_epoch || end_offset < wanted.fetch_offset;
    Ok(diverges.then_some(EpochEndOffset { epoch, end_offset }))
}

fn epoch_end(view: &LogView, epoch: i32) -> Option<(i32, i64)> {
    view.end_offset_for_epoch(epoch)
}

fn aborted_transaction(aborted: &log::transactions::AbortedTransaction) -> AbortedTransaction {
    AbortedTransaction { producer_id: aborted.producer_id, first_offset: aborted.first_offset }
}

/// An answer without data.
fn refusal(partition: i32, error: ErrorCode) -> PartitionData {
    PartitionData {
        partition_index: partition,
        error_code: error.code(),
        high_watermark: -1,
        records: Some(bytes::Bytes::new()),
        ..PartitionData::default()
    }
}

fn answered(data: &PartitionData) -> Answered {
    Answered {
        has_records: data.records.as_ref().is_some_and(|records| !records.is_empty()),
        high_watermark: data.high_watermark,
        log_start_offset: data.log_start_offset,
        is_error: data.error_code != ErrorCode::None.code(),
        must_tell: data.diverging_epoch.epoch != -1 || data.preferred_read_replica != -1,
    }
}

fn begin_session(call: &Call, asked: Asked, answers: &Answers) -> i32 {
    if call.api_version < 7 {
        return 0;
    }
    let partitions = answers.iter().map(|(wanted, data)| (wanted.clone(), answered(data)));
    let new_id = call.node.new_fetch_session_id();
    call.connection.with_fetch_sessions(|sessions| sessions.begin(new_id, asked.uses_topic_ids, partitions))
}

/// Neighbours of one topic share an entry.
fn add(call: &Call, response: &mut FetchResponse, wanted: Wanted, data: PartitionData) {
    name_leader(call, response, &data);
    match response.responses.last_mut() {
        Some(topic) if topic.topic == wanted.topic && topic.topic_id == wanted.topic_id => {
            topic.partitions.push(data);
        }
        Some(_) | None => response.responses.push(FetchableTopicResponse {
            topic: wanted.topic,
            topic_id: wanted.topic_id,
            partitions: vec![data],
        }),
    }
}

fn name_leader(call: &Call, response: &mut FetchResponse, data: &PartitionData) {
    let id = data.current_leader.leader_id;
    if id == -1 || response.node_endpoints.iter().any(|node| node.node_id == id) {
        return;
    }
    let listener = &call.connection.peer().listener;
    if let Some(broker) = crate::endpoints::alive_broker(&call.node.image(), id, listener) {
        response.node_endpoints.push(NodeEndpoint {
            node_id: broker.node_id,
            host: broker.host,
            port: broker.port,
            rack: broker.rack,
        });
    }
}
