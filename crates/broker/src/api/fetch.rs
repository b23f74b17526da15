//! Fetch (KIP-41, KIP-227, KIP-516): resolve the session, read what is in memory, and if there is too little, wait once for
//! the shards' call; then the answer is written partition by partition. The request is read in place, and nothing of it is kept: a
//! fetch may wait for minutes. How partitions are read is `fetch/pass.rs`'s business. A follower's fetch goes to the shards first
//! (`Command::FollowerFetch`): where it fetches is what it acknowledges, and who is no follower is told so. A consumer that may have a
//! replica nearer than this leader is sent there (KIP-392): the shards are asked who has what it wants.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use log::ReadLimit;
use smallvec::SmallVec;
use wire::codec::{DecodeError, Rope};
use wire::fetch::{FetchAnswer, FetchView, ForgottenView, WantedView};
use wire::hash::StableMap;
use wire::messages::fetch::{NodeEndpoint, PartitionData};
use wire::planted::{self, Bug};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::command::{Command, FollowerFetch, InSyncReplicasOf, WatchPartition, WatchPartitions};
use crate::fetch::exceptions::{Exceptions, near, nearest, throttled};
use crate::fetch::pass::{Pass, Reading, Terms, read_cold, refusal};
use crate::fetch::session::{Answered, FetchAsked, Plan, Wanted, WantedList};
use crate::fetch::watch::{Watch, watch};
use crate::limits::PARTITIONS_PER_FETCH_SESSION;
use crate::mailbox::{Answer, reply};
use crate::replica::FollowerAt;
use crate::replica::isr::ReplicaInSync;
use crate::rim::{CloseReason, Handling, Outcome};
use crate::security::authorizer::{Operation, Resource};
use crate::views::{PartitionCell, Role, Views};

/// Consumers read what is replicated, or only what is also committed (KIP-98).
const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;

pub(super) fn handle(call: Call, body: &Bytes) -> Result<Handling, DecodeError> {
    let mut request = FetchView::parse(body, call.api_version)?;
    let asked = FetchAsked {
        session_id: request.session_id,
        epoch: if call.api_version >= 7 { request.session_epoch } else { -1 },
        uses_topic_ids: call.api_version >= 13,
    };
    let terms = terms(&call, &request);
    once_each(&mut request.partitions);
    let mut wanted = WantedList::new();
    wanted.reserve(request.partitions.len());
    request.partitions.iter().for_each(|view| wanted.push(as_wanted(&call, view)));
    if !matches!(request.isolation_level, READ_UNCOMMITTED | READ_COMMITTED) {
        // DIVERGES: Kafka falls over it with UNKNOWN_SERVER_ERROR.
        return Ok(Handling::ready(refuse(&call, ErrorCode::InvalidRequest, &wanted)));
    }
    let (session, wanted) = match plan(&call, asked, wanted, &request.forgotten) {
        Plan::Elsewhere(_) => {
            return Ok(Handling::ready(refuse(&call, ErrorCode::FetchSessionIdNotFound, &[])));
        }
        Plan::Refused(error) => return Ok(Handling::ready(refuse(&call, error, &[]))),
        Plan::Sessionless(wanted) => (SessionStep::None, wanted),
        Plan::Full(wanted) => (SessionStep::Begins(asked), wanted),
        Plan::Incremental { session_id, wanted } => (SessionStep::GoesOn(session_id), wanted),
    };
    let fetch = Fetch::resolve(call, terms, session, wanted);
    if terms.is_replica {
        let replica = (request.replica_id, request.replica_epoch);
        let is_broker = || fetch.reading.call.may(Operation::ClusterAction, Resource::Cluster);
        if matches!(session, SessionStep::None) && request.partitions.is_empty() && is_broker() {
            // It has more to ask of this leader than what it waits for.
            fetch.reading.call.node.call_back(replica.0);
        }
        return Ok(Handling::running(fetch.follow(replica)).by_follower());
    }
    if !request.rack_id.is_empty() && fetch.reading.call.node.config().reads_from_near_replicas {
        let near = fetch.near(request.rack_id);
        if !near.is_empty() {
            return Ok(Handling::running(fetch.send_near(near)));
        }
    }
    // Filled where it stays: a pass is large.
    let mut pass = fetch.reading.begin();
    fetch.reading.read_memory(&mut pass);
    if fetch.reading.is_cold(&pass) || fetch.reading.must_wait(&pass) {
        return Ok(Handling::running(fetch.go_on(pass, None)));
    }
    Ok(Handling::ready(fetch.end.outcome(&fetch.reading, &pass)))
}

/// What the fetch is about. A session that another connection began comes over to the one that goes on with it.
fn plan(call: &Call, asked: FetchAsked, wanted: WantedList, forgotten: &[ForgottenView<'_>]) -> Plan {
    let held = call.connection.fetch_sessions();
    let cache = held.cache();
    let own = |wanted| held.with(|sessions| sessions.plan(asked, wanted, forgotten));
    let plan = match own(wanted) {
        Plan::Elsewhere(wanted) => match cache.take(asked.session_id, held) {
            Some(session) => {
                let gone = held.with(|sessions| sessions.adopt(session));
                gone.into_iter().for_each(|gone| cache.ended(gone.id()));
                own(wanted)
            }
            None => Plan::Elsewhere(wanted),
        },
        plan => plan,
    };
    // It was ended, by this request or by what it forgot, wherever it was.
    if asked.session_id != 0 && matches!(plan, Plan::Sessionless(_) | Plan::Full(_)) {
        cache.ended(asked.session_id);
    }
    plan
}

/// Nothing is fetched. Versions before sessions have no place for an error but beside their partitions.
fn refuse(call: &Call, error: ErrorCode, wanted: &[Wanted]) -> Outcome {
    let refused: Vec<_> = wanted.iter().map(|wanted| (wanted, refusal(wanted.partition, error))).collect();
    let lines: Vec<Line<'_>> = refused.iter().map(|(wanted, data)| (*wanted, data)).collect();
    answer(call, error, 0, &lines)
}

fn terms(call: &Call, request: &FetchView<'_>) -> Terms {
    let is_replica = request.replica_id >= 0;
    let max_bytes = match is_replica {
        true => request.max_bytes,
        false => request.max_bytes.min(call.node.config().fetch_max_bytes),
    };
    // More would hold the client back whatever it did before, and it would never get any further.
    let max_bytes = match &call.metered {
        Some(metered) if !is_replica => {
            max_bytes.min(i32::try_from(metered.most_fetched()).unwrap_or(i32::MAX))
        }
        Some(_) | None => max_bytes,
    };
    let limit = match request.isolation_level {
        _ if is_replica => ReadLimit::LogEnd,
        READ_COMMITTED => ReadLimit::LastStable,
        _ if planted::has(Bug::ServesUncommitted) => ReadLimit::LogEnd,
        _ => ReadLimit::HighWatermark,
    };
    Terms {
        is_replica,
        limit,
        max_bytes: i64::from(max_bytes),
        min_bytes: i64::from(request.min_bytes.min(max_bytes)),
        deadline_ms: call.now_ms.saturating_add(i64::from(request.max_wait_ms.max(0))),
        waits: request.max_wait_ms > 0,
    }
}

/// A partition that is named twice is fetched once, as named last.
fn once_each<'a>(partitions: &mut SmallVec<[WantedView<'a>; 1]>) {
    if partitions.len() < 2 {
        return;
    }
    let mut places = StableMap::with_capacity_and_hasher(partitions.len(), Default::default());
    let mut once: SmallVec<[WantedView<'a>; 1]> = SmallVec::with_capacity(partitions.len());
    for partition in partitions.drain(..) {
        match places.entry((partition.topic_id, partition.topic, partition.partition)) {
            Entry::Vacant(place) => {
                place.insert(once.len());
                once.push(partition);
            }
            Entry::Occupied(place) => once[*place.get()] = partition,
        }
    }
    *partitions = once;
}

/// What is wanted, without anything of the request's buffer: a topic that there is lends its own name.
fn as_wanted(call: &Call, view: &WantedView<'_>) -> Wanted {
    let topic = match view.topic {
        "" => Str::new(),
        name => match call.connection.last_topic().find(call.node.views(), None, name) {
            Some(found) => found.views.name.clone(),
            None => Str::from(name),
        },
    };
    Wanted {
        topic,
        topic_id: view.topic_id,
        partition: view.partition,
        fetch_offset: view.fetch_offset,
        // Any negative one says nothing.
        current_leader_epoch: view.current_leader_epoch.max(-1),
        last_fetched_epoch: view.last_fetched_epoch,
        log_start_offset: view.log_start_offset,
        max_bytes: view.max_bytes,
        place: 0,
    }
}

/// What an answer has to do with a session.
#[derive(Clone, Copy)]
enum SessionStep {
    None,
    Begins(FetchAsked),
    GoesOn(i32),
}

/// What may be fetched.
enum Permission {
    /// Everything: nobody decides, or another broker asks.
    Everything,
    /// Somebody calls itself a broker and is none.
    Nothing,
    /// What the client may read; of the topic that was looked at last it is known.
    Read(Option<(Str, bool)>),
}

impl Permission {
    fn of(call: &Call, is_replica: bool) -> Permission {
        if !call.is_guarded() {
            return Permission::Everything;
        }
        if !is_replica {
            return Permission::Read(None);
        }
        match call.authorize(Operation::ClusterAction, Resource::Cluster) {
            Ok(()) => Permission::Everything,
            Err(_) => Permission::Nothing,
        }
    }

    fn covers(&mut self, call: &Call, topic: &Str) -> bool {
        match self {
            Permission::Everything => true,
            Permission::Nothing => false,
            Permission::Read(Some((known, may))) if known == topic => *may,
            Permission::Read(last) => {
                let may = call.authorize(Operation::Read, Resource::Topic(topic)).is_ok();
                *last = Some((topic.clone(), may));
                may
            }
        }
    }
}

struct Fetch {
    reading: Reading,
    end: End,
}

/// What the answer needs beside what was read.
struct End {
    session: SessionStep,
    /// What is refused by its name: after all that can be read, as Kafka answers.
    refused: Vec<(Wanted, PartitionData)>,
}

/// What is answered of one partition.
type Line<'a> = (&'a Wanted, &'a PartitionData);

impl Fetch {
    fn resolve(call: Call, terms: Terms, session: SessionStep, wanted: WantedList) -> Fetch {
        let by_id = call.api_version >= 13;
        let unknown = if by_id { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
        let mut targets = SmallVec::new();
        targets.reserve(wanted.len());
        let mut refused = Vec::new();
        let mut last = call.connection.last_topic();
        let views = call.node.views();
        let mut permission = Permission::of(&call, terms.is_replica);
        for mut wanted in wanted {
            let topic = last.find(views, by_id.then_some(wanted.topic_id), &wanted.topic);
            if let Some(topic) = topic
                && wanted.topic.is_empty()
            {
                wanted.topic = topic.views.name.clone();
            }
            if !wanted.topic.is_empty() && !permission.covers(&call, &wanted.topic) {
                let data = refusal(wanted.partition, ErrorCode::TopicAuthorizationFailed);
                refused.push((wanted, data));
                continue;
            }
            let found = topic.map(|topic| topic.views.partition(wanted.partition).cloned());
            match found.or_else(|| namesake(views, &wanted)) {
                Some(Some(cell)) => targets.push((wanted, cell)),
                Some(None) => {
                    let data = refusal(wanted.partition, ErrorCode::UnknownTopicOrPartition);
                    refused.push((wanted, data));
                }
                None => {
                    let data = refusal(wanted.partition, unknown);
                    refused.push((wanted, data));
                }
            }
        }
        drop(last);
        let reading = Reading { call, terms, targets, exceptions: None };
        Fetch { reading, end: End { session, refused } }
    }

    /// Another broker's replicas fetch: what they acknowledge is noted, then they are answered like anybody.
    async fn follow(mut self, replica: (i32, i64)) -> Outcome {
        let mut refused = Vec::new();
        for (positions, answer) in acknowledge(&self.reading, replica) {
            let Ok(answers) = answer.await else { return Outcome::Close(CloseReason::Stopping) };
            let said_no = |(at, answer): (usize, Result<(), ErrorCode>)| Some((at, answer.err()?));
            refused.extend(positions.into_iter().zip(answers).filter_map(said_no));
        }
        refused.sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (at, error) in refused {
            let (wanted, cell) = self.reading.targets.remove(at);
            let data = self.reading.refused_data(&wanted, &cell, error);
            self.end.refused.push((wanted, data));
        }
        self.throttle(replica.0);
        let mut pass = self.reading.begin();
        self.reading.read_memory(&mut pass);
        self.go_on(pass, Some(replica.0)).await
    }

    /// Which of a follower's replicas the throttle is meant for.
    fn throttle(&mut self, follower: i32) {
        let node = &self.reading.call.node;
        if !node.leader_throttle().is_on() {
            return;
        }
        let (image, views, both) = (node.image(), node.views(), (node.node_id(), follower));
        let keys = self.reading.targets.iter().map(|(_, cell)| cell.key);
        let of = |key| Some((key, throttled(&image, views, key, both)?));
        let throttled: BTreeMap<_, _> = keys.filter_map(of).collect();
        if !throttled.is_empty() {
            self.reading.exceptions = Some(Box::new(Exceptions { throttled, ..Exceptions::default() }));
        }
    }

    /// Targets that others in that rack have as well, and not this leader: which brokers.
    fn near(&self, rack: &str) -> Near {
        let (call, image) = (&self.reading.call, self.reading.call.node.image());
        let listener = &call.connection.peer().listener;
        let leads = |cell: &PartitionCell| matches!(cell.role(), Role::Leader { .. });
        let targets = self.reading.targets.iter().enumerate().filter(|(_, (_, cell))| leads(cell));
        let near = targets.map(|(at, (_, cell))| (at, near(&image, cell.key, rack, listener)));
        near.filter(|(_, brokers)| !brokers.is_empty()).collect()
    }

    /// Sends the consumer to those of them that have what it wants.
    async fn send_near(mut self, near: Near) -> Outcome {
        let mut exceptions = Exceptions::default();
        for (asked, answer) in ask_in_sync(&self.reading, near) {
            let Ok(answers) = answer.await else { return Outcome::Close(CloseReason::Stopping) };
            for ((at, near), replicas) in asked.iter().zip(answers) {
                let Some((wanted, cell)) = self.reading.targets.get(*at) else { continue };
                if let Some(broker) = nearest(near, &replicas, wanted) {
                    exceptions.preferred.insert(cell.key, broker);
                }
            }
        }
        self.reading.exceptions = (!exceptions.preferred.is_empty()).then(|| Box::new(exceptions));
        let mut pass = self.reading.begin();
        self.reading.read_memory(&mut pass);
        self.go_on(pass, None).await
    }

    /// Ends a pass in the pool if it has to be; waits for more and reads again, until there is enough or the time is over, or
    /// the replica that waits has more to ask.
    async fn go_on(self, pass: Pass, replica: Option<i32>) -> Outcome {
        let Fetch { reading, end } = self;
        let (reading, mut pass) = (Arc::new(reading), pass);
        let mut is_called_back = false;
        loop {
            while reading.is_cold(&pass) {
                if !read_cold(&reading, &mut pass).await {
                    return Outcome::Close(CloseReason::Stopping);
                }
            }
            if is_called_back || !reading.must_wait(&pass) {
                return end.outcome(&reading, &pass);
            }
            let (watch, waiting) = watch(reading.terms.min_bytes.saturating_sub(pass.bytes));
            set_watch(&reading, &watch, &pass);
            if let Some(broker_id) = replica {
                reading.call.node.park(broker_id, &watch);
            }
            // A fetch that waits keeps no memory.
            drop(pass);
            let waits = Waits::begin(&reading);
            waiting.await;
            drop(waits);
            is_called_back = watch.is_called_back();
            pass = reading.begin();
            reading.read_memory(&mut pass);
        }
    }
}

/// A fetch that waits, until it does no more: also where its connection goes away meanwhile.
struct Waits<'a>(&'a Reading);

impl<'a> Waits<'a> {
    fn begin(reading: &'a Reading) -> Waits<'a> {
        reading.call.node.figures().waiting_fetches.fetch_add(1, Ordering::Relaxed);
        Waits(reading)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.call.node.figures().waiting_fetches.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Which targets a shard is asked about, with the brokers near the consumer, and its answer to each.
type AskedInSync = (Near, Answer<Vec<Vec<ReplicaInSync>>>);

/// Targets by their place, with the brokers near the consumer that have them as well.
type Near = Vec<(usize, Vec<i32>)>;

/// One command per shard concerned.
fn ask_in_sync(reading: &Reading, near: Near) -> Vec<AskedInSync> {
    let mut shards: BTreeMap<usize, (Near, Vec<Arc<PartitionCell>>)> = BTreeMap::new();
    for (at, brokers) in near {
        let Some((_, cell)) = reading.targets.get(at) else { continue };
        let (asked, cells) = shards.entry(cell.shard).or_default();
        asked.push((at, brokers));
        cells.push(Arc::clone(cell));
    }
    let call = &reading.call;
    let ask = |(shard, (asked, partitions))| {
        let (reply, answer) = reply();
        let command = Command::InSyncReplicasOf(InSyncReplicasOf { partitions, reply });
        call.node.submit_to(call.now_ms, shard, command);
        (asked, answer)
    };
    shards.into_iter().map(ask).collect()
}

/// Which targets a shard is asked about, and its answer to each.
type Asked = (Vec<usize>, Answer<Vec<Result<(), ErrorCode>>>);

/// Where partitions are fetched.
type Positions = Vec<(Arc<PartitionCell>, FollowerAt)>;

/// One command per shard concerned.
fn acknowledge(reading: &Reading, (broker_id, broker_epoch): (i32, i64)) -> Vec<Asked> {
    let mut shards: BTreeMap<usize, (Vec<usize>, Positions)> = BTreeMap::new();
    for (at, (wanted, cell)) in reading.targets.iter().enumerate() {
        let (positions, partitions) = shards.entry(cell.shard).or_default();
        positions.push(at);
        let leader_epoch = wanted.current_leader_epoch;
        let &Wanted { fetch_offset, last_fetched_epoch, log_start_offset, .. } = wanted;
        let at = FollowerAt { leader_epoch, fetch_offset, last_fetched_epoch, log_start_offset };
        partitions.push((Arc::clone(cell), at));
    }
    let call = &reading.call;
    let ask = |(shard, (positions, partitions))| {
        let (reply, answer) = reply();
        let fetch = FollowerFetch { broker_id, broker_epoch, partitions, reply };
        call.node.submit_to(call.now_ms, shard, Command::FollowerFetch(fetch));
        (positions, answer)
    };
    shards.into_iter().map(ask).collect()
}

/// One command per shard concerned; the first one also keeps the deadline.
fn set_watch(reading: &Reading, watch: &Arc<Watch>, pass: &Pass) {
    let mut shards: SmallVec<[(usize, WatchPartitions); 1]> = SmallVec::new();
    let is_replica = reading.terms.is_replica;
    for (at, ((_, cell), data)) in reading.targets.iter().zip(&pass.answers).enumerate() {
        let log_end_offset = pass.log_ends.get(at).copied().unwrap_or_default();
        let at = shards.iter().position(|(shard, _)| *shard == cell.shard).unwrap_or_else(|| {
            let deadline_ms = shards.is_empty().then_some(reading.terms.deadline_ms);
            let (watch, partitions) = (Arc::clone(watch), Vec::new());
            let asked = WatchPartitions { watch, is_replica, partitions, deadline_ms };
            shards.push((cell.shard, asked));
            shards.len() - 1
        });
        shards[at].1.partitions.push(WatchPartition {
            cell: Arc::clone(cell),
            high_watermark: data.high_watermark,
            last_stable_offset: data.last_stable_offset,
            log_end_offset,
        });
    }
    let node = &reading.call.node;
    let now_ms = node.latest_ms();
    for (shard, command) in shards {
        node.submit_to(now_ms, shard, Command::Watch(command));
    }
}

impl End {
    /// Nothing, if the client has had more than its quota: what it asked for waits for its next fetch. Its session, if it has one, goes on.
    fn held_back(&self, reading: &Reading, pass: &Pass) -> Option<Outcome> {
        let call = &reading.call;
        let metered = call.metered.as_ref().filter(|_| !reading.terms.is_replica)?;
        let goes_on = match self.session {
            SessionStep::GoesOn(session_id) => Some(session_id),
            SessionStep::None | SessionStep::Begins(_) => None,
        };
        let read = reading.targets.iter().map(|(wanted, _)| wanted).zip(&pass.answers);
        let lines = read.chain(self.refused.iter().map(|(wanted, data)| (wanted, data)));
        let is_told = |(_, data): &Line<'_>| {
            let Answered { has_records, is_error, .. } = answered(data);
            goes_on.is_none() || has_records || is_error
        };
        let lines: Vec<Line<'_>> = lines.filter(is_told).collect();
        let session_id = goes_on.unwrap_or(0);
        let whole = write(call, ErrorCode::None, session_id, &lines);
        let throttle_ms = metered.fetched(&call.node, whole.length());
        (throttle_ms > 0).then(|| answer(call, ErrorCode::None, session_id, &[]))
    }

    fn outcome(&self, reading: &Reading, pass: &Pass) -> Outcome {
        if reading.call.metered.is_some()
            && let Some(nothing) = self.held_back(reading, pass)
        {
            return nothing;
        }
        reading.record_throttled(pass);
        reading.count(pass);
        let call = &reading.call;
        let refused = || self.refused.iter().map(|(wanted, data)| (wanted, data));
        let read = || reading.targets.iter().map(|(wanted, _)| wanted).zip(&pass.answers);
        let mut lines: SmallVec<[Line<'_>; 1]> = SmallVec::new();
        let session_id = match self.session {
            SessionStep::GoesOn(session_id) => {
                call.connection.fetch_sessions().with(|sessions| {
                    let mut tells = |wanted, data| lines.push((wanted, data));
                    sessions.tell(session_id, read(), |data| answered(data), &mut tells);
                    sessions.tell(session_id, refused(), |data| answered(data), &mut tells);
                });
                session_id
            }
            SessionStep::None | SessionStep::Begins(_) => {
                read().chain(refused()).for_each(|line| lines.push(line));
                match self.session {
                    SessionStep::Begins(asked) => begin_session(call, asked, &lines),
                    SessionStep::None | SessionStep::GoesOn(_) => 0,
                }
            }
        };
        answer(call, ErrorCode::None, session_id, &lines)
    }
}

fn answer(call: &Call, error: ErrorCode, session_id: i32, lines: &[Line<'_>]) -> Outcome {
    Outcome::Answer(write(call, error, session_id, lines))
}

/// Neighbours of one topic share an entry.
fn write(call: &Call, error: ErrorCode, session_id: i32, lines: &[Line<'_>]) -> Rope {
    let is_same = |a: &Line<'_>, b: &Line<'_>| a.0.topic_id == b.0.topic_id && a.0.topic == b.0.topic;
    let topics = lines.chunk_by(is_same).count();
    let mut answer = FetchAnswer::new(call.api_version, call.correlation_id, error, session_id, topics);
    for topic in lines.chunk_by(is_same) {
        let Some((first, _)) = topic.first() else { continue };
        answer.topic(&first.topic, first.topic_id, topic.len());
        topic.iter().for_each(|(_, data)| answer.partition(data));
        answer.end_topic();
    }
    answer.finish(leaders(call, lines))
}

/// The partition that bears the name of one whose topic is no more, `Some(None)` if there is none; `None` where no session knows a name.
fn namesake(views: &Views, wanted: &Wanted) -> Option<Option<Arc<PartitionCell>>> {
    if wanted.topic.is_empty() {
        return None;
    }
    Some(views.by_name(&wanted.topic).and_then(|topic| topic.partition(wanted.partition).cloned()))
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

fn begin_session(call: &Call, asked: FetchAsked, lines: &[Line<'_>]) -> i32 {
    if call.api_version < 7 {
        return 0;
    }
    let (new_id, held) = (call.node.new_fetch_session_id(), call.connection.fetch_sessions());
    let cache = held.cache();
    if lines.len() > PARTITIONS_PER_FETCH_SESSION || !cache.begin(new_id, held) {
        return 0;
    }
    let partitions = lines.iter().map(|&(wanted, data)| (wanted.clone(), answered(data)));
    let gone = held.with(|sessions| sessions.begin(new_id, asked.uses_topic_ids, partitions));
    gone.into_iter().for_each(|gone| cache.ended(gone.id()));
    new_id
}

/// Where the leaders are that the lines name (KIP-951).
fn leaders(call: &Call, lines: &[Line<'_>]) -> Vec<NodeEndpoint> {
    let mut endpoints: Vec<NodeEndpoint> = Vec::new();
    for (_, data) in lines {
        let id = data.current_leader.leader_id;
        if id == -1 || endpoints.iter().any(|node| node.node_id == id) {
            continue;
        }
        let listener = &call.connection.peer().listener;
        if let Some(broker) = crate::endpoints::alive_broker(&call.node.image(), id, listener) {
            endpoints.push(NodeEndpoint {
                node_id: broker.node_id,
                host: broker.host,
                port: broker.port,
                rack: broker.rack,
            });
        }
    }
    endpoints
}
