//! The producer's own task: asks the accumulator what is due, sends it, and tells it what became of each batch. All
//! waiting (connecting, metadata, answers) happens in small tasks that report back, so that nothing here blocks.

use super::accumulator::{Drained, Route};
use super::batch::Batch;
use super::delivery::Stored;
use super::options::Acks;
use super::shared::SharedProducer;
use crate::cluster::connection::Connection;
use crate::cluster::metadata::Metadata;
use crate::cluster::pool::Pool;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use wire::messages::init_producer_id::InitProducerIdRequest;
use wire::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
};
use wire::topic::TopicPartition;
use wire::{ApiKey, ErrorCode, Str, Uuid};

/// The first Produce version that names topics by id (KIP-516).
const TOPIC_IDS_FROM: i16 = 13;
/// The first that adds partitions to the transaction by itself (KIP-890).
const ADDS_PARTITIONS_FROM: i16 = 12;
const _: () = assert!(ADDS_PARTITIONS_FROM < TOPIC_IDS_FROM, "transactions go without topic ids, too");
const _: () = assert!(TOPIC_IDS_FROM > *ApiKey::Produce.versions().start(), "there is a version before it");
const _: () = assert!(TOPIC_IDS_FROM <= *ApiKey::Produce.versions().end(), "and it is spoken");

/// Runs until the producer is closed and everything is decided.
pub(super) async fn run(shared: Arc<SharedProducer>) {
    let (reports, mut inbox) = mpsc::unbounded_channel();
    let mut sender = Sender {
        shared: shared.clone(),
        pool: Arc::default(),
        reports,
        nodes: BTreeMap::new(),
        asking_for_metadata: false,
        asking_for_identity: false,
    };
    loop {
        let deadline_ms = sender.send_what_is_due();
        if shared.is_closing() && shared.buffer.lock().accumulator.is_empty() {
            return;
        }
        let wait = deadline_ms.map(|at| Duration::from_millis((at - shared.now_ms()).max(0) as u64));
        tokio::select! {
            report = inbox.recv() => {
                if let Some(report) = report {
                    sender.hear(report);
                }
                // Whatever else has come in meanwhile, before looking at the queues again.
                while let Ok(report) = inbox.try_recv() {
                    sender.hear(report);
                }
            }
            () = shared.wake.notified() => {}
            () = tokio::time::sleep(wait.unwrap_or(Duration::MAX)), if wait.is_some() => {}
        }
    }
}

/// What a small task reports.
enum SendReport {
    Answered { node: i32, batches: Vec<Batch>, answer: Result<ProduceResponse> },
    Connected { node: i32, connection: Result<Connection> },
    Metadata(Result<Arc<Metadata>>),
    Identity(Result<(i64, i16)>),
}

struct Sender {
    shared: Arc<SharedProducer>,
    pool: Arc<Pool>,
    reports: mpsc::UnboundedSender<SendReport>,
    nodes: BTreeMap<i32, Node>,
    asking_for_metadata: bool,
    asking_for_identity: bool,
}

#[derive(Default)]
struct Node {
    connection: Option<Connection>,
    connecting: bool,
    in_flight: usize,
}

impl Sender {
    /// Sends until nothing more can go now. Returns when something comes due by time.
    fn send_what_is_due(&mut self) -> Option<i64> {
        let shared = self.shared.clone();
        loop {
            let metadata = shared.cluster.metadata();
            let mut to_connect = BTreeSet::new();
            let now_ms = shared.now_ms();
            let (mut drained, expiry) = {
                let mut buffer = shared.buffer.lock();
                let expiry = buffer.accumulator.expire(now_ms);
                let close_early = buffer.waiting_for_space > 0 || shared.is_closing();
                let mut route = |target: &TopicPartition| self.route(&metadata, target, &mut to_connect);
                (buffer.accumulator.drain(now_ms, close_early, &mut route), expiry)
            };
            for node in to_connect {
                self.connect(node);
            }
            if drained.unknown_leader {
                shared.progress.failed(Error::refused(ErrorCode::LeaderNotAvailable, "find the leader"));
            }
            if drained.unknown_leader || shared.cluster.is_stale() {
                self.ask_for_metadata();
            }
            if drained.needs_identity {
                self.ask_for_identity();
            }
            let Drained { requests, deadline_ms, .. } = &mut drained;
            if requests.is_empty() {
                shared.space.notify_waiters();
                return [*deadline_ms, expiry].into_iter().flatten().min();
            }
            for (node, batches) in std::mem::take(requests) {
                self.send(&metadata, node, batches);
            }
        }
    }

    fn route(&self, metadata: &Metadata, target: &TopicPartition, to_connect: &mut BTreeSet<i32>) -> Route {
        let Some((node, _epoch)) = metadata.leader(&target.topic, target.partition) else {
            return Route::Unknown;
        };
        match self.nodes.get(&node) {
            Some(known) if known.connecting => Route::Wait,
            Some(Node { connection: Some(connection), in_flight, .. }) if connection.is_alive() => {
                let has_room = *in_flight < self.shared.options.max_in_flight;
                if has_room { Route::Node(node) } else { Route::Wait }
            }
            Some(_) | None => {
                to_connect.insert(node);
                Route::Wait
            }
        }
    }

    fn send(&mut self, metadata: &Metadata, node: i32, mut batches: Vec<Batch>) {
        let options = &self.shared.options;
        let request_timeout = self.shared.cluster.options().request_timeout;
        let (request, has_ids) = self.request(metadata, &mut batches);
        let Some(connection) = self.nodes.get(&node).and_then(|known| known.connection.clone()) else {
            return self.answered(batches, Err(Error::Closed));
        };
        let transactional = options.transactional_id.is_some();
        let cap = if has_ids { i16::MAX } else { TOPIC_IDS_FROM - 1 };
        let version = match connection.version(ApiKey::Produce, cap) {
            Ok(version) if transactional && version < ADDS_PARTITIONS_FROM => {
                let why = "it does not add partitions to transactions by itself".to_owned();
                let address = connection.address().to_owned();
                let error = Error::Unsupported { api: ApiKey::Produce, address, why };
                return self.answered(batches, Err(error));
            }
            Ok(version) => version,
            Err(error) => return self.answered(batches, Err(error)),
        };
        if options.acks == Acks::None {
            let sent = connection.send_one_way(&request, version, request_timeout);
            return self.fired(batches, sent);
        }
        let pending = connection.send(&request, version, request_timeout);
        let known = self.nodes.entry(node).or_default();
        known.in_flight += 1;
        assert!(known.in_flight <= options.max_in_flight, "in flight: more requests than the options allow");
        let reports = self.reports.clone();
        tokio::spawn(async move {
            let answer = pending.await;
            let _ = reports.send(SendReport::Answered { node, batches, answer });
        });
    }

    fn request(&self, metadata: &Metadata, batches: &mut [Batch]) -> (ProduceRequest, bool) {
        let mut topics: BTreeMap<Str, TopicProduceData> = BTreeMap::new();
        let mut has_ids = true;
        for batch in batches {
            let name = &batch.partition.topic;
            let topic = topics.entry(name.clone()).or_insert_with(|| TopicProduceData {
                name: name.clone(),
                topic_id: metadata.topics.get(name).map_or(Uuid::ZERO, |topic| topic.id),
                ..TopicProduceData::default()
            });
            has_ids &= !topic.topic_id.is_zero();
            topic.partition_data.push(PartitionProduceData {
                index: batch.partition.partition,
                records: Some(batch.encode()),
            });
        }
        let request = ProduceRequest {
            transactional_id: self.shared.options.transactional_id.clone(),
            acks: self.shared.options.acks.code(),
            timeout_ms: self.shared.cluster.options().request_timeout.as_millis() as i32,
            topic_data: topics.into_values().collect(),
        };
        (request, has_ids)
    }

    /// acks=0: sent is done.
    fn fired(&mut self, batches: Vec<Batch>, sent: Result<()>) {
        if let Err(error) = sent {
            return self.answered(batches, Err(error));
        }
        let mut buffer = self.shared.buffer.lock();
        for batch in batches {
            buffer.accumulator.stored(batch, Stored { base_offset: -1, log_append_time_ms: -1 });
        }
    }

    fn hear(&mut self, report: SendReport) {
        match report {
            SendReport::Answered { node, batches, answer } => {
                let known = self.nodes.entry(node).or_default();
                assert!(known.in_flight > 0, "in flight: an answer to nothing");
                known.in_flight -= 1;
                self.answered(batches, answer);
            }
            SendReport::Connected { node, connection } => {
                let known = self.nodes.entry(node).or_default();
                assert!(known.connecting, "a connection that nobody asked for");
                known.connecting = false;
                match connection {
                    Ok(connection) => known.connection = Some(connection),
                    Err(error) => {
                        tracing::debug!(node, %error, "no connection for producing");
                        self.shared.progress.failed(error);
                        self.ask_for_metadata();
                    }
                }
            }
            SendReport::Metadata(outcome) => {
                self.asking_for_metadata = false;
                if let Err(error) = outcome {
                    tracing::debug!(%error, "no metadata");
                    self.shared.progress.failed(error);
                }
            }
            SendReport::Identity(outcome) => {
                self.asking_for_identity = false;
                let mut buffer = self.shared.buffer.lock();
                match outcome {
                    Ok((producer_id, epoch)) => buffer.accumulator.set_identity(producer_id, epoch),
                    Err(error) => buffer.accumulator.fail_all(&error),
                }
            }
        }
    }

    fn answered(&mut self, batches: Vec<Batch>, answer: Result<ProduceResponse>) {
        let metadata = self.shared.cluster.metadata();
        let mut answers = answer.map(|answer| by_partition(&metadata, answer));
        let now_ms = self.shared.now_ms();
        let mut wants_metadata = false;
        {
            let mut buffer = self.shared.buffer.lock();
            for batch in batches {
                let outcome = match &mut answers {
                    Ok(answers) => read_answer(&batch, answers.remove(&batch.partition)),
                    Err(error) => Err(error.clone()),
                };
                match outcome {
                    Ok(stored) => {
                        self.shared.progress.succeeded();
                        buffer.accumulator.stored(batch, stored);
                    }
                    Err(error) => {
                        self.shared.progress.failed(error.clone());
                        wants_metadata |= buffer.accumulator.refused(now_ms, batch, error);
                    }
                }
            }
        }
        if wants_metadata {
            self.ask_for_metadata();
        }
    }

    fn connect(&mut self, node: i32) {
        let known = self.nodes.entry(node).or_default();
        known.connecting = true;
        known.connection = None;
        let (cluster, pool, reports) = (self.shared.cluster.clone(), self.pool.clone(), self.reports.clone());
        tokio::spawn(async move {
            let connection = cluster.connection(&pool, node).await;
            let _ = reports.send(SendReport::Connected { node, connection });
        });
    }

    fn ask_for_metadata(&mut self) {
        if std::mem::replace(&mut self.asking_for_metadata, true) {
            return;
        }
        let (cluster, reports) = (self.shared.cluster.clone(), self.reports.clone());
        tokio::spawn(async move {
            let known = cluster.metadata();
            // A snapshot that has just come is as good as it gets: give the cluster time to change.
            let backoff = cluster.options().retry_backoff;
            tokio::time::sleep(backoff.saturating_sub(known.received.elapsed())).await;
            let outcome = cluster.refresh(known.version).await;
            if outcome.is_err() {
                tokio::time::sleep(backoff).await;
            }
            let _ = reports.send(SendReport::Metadata(outcome));
        });
    }

    fn ask_for_identity(&mut self) {
        if std::mem::replace(&mut self.asking_for_identity, true) {
            return;
        }
        let (shared, reports) = (self.shared.clone(), self.reports.clone());
        tokio::spawn(async move {
            let _ = reports.send(SendReport::Identity(ask_for_identity(&shared).await));
        });
    }
}

async fn ask_for_identity(shared: &SharedProducer) -> Result<(i64, i16)> {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        ..InitProducerIdRequest::default()
    };
    let mut attempts = shared.cluster.attempts(shared.options.delivery_timeout, "get a producer id");
    loop {
        let answer = shared.cluster.call_any(&request).await.and_then(|answer| {
            Error::check(answer.error_code, None, || "get a producer id".to_owned())?;
            Ok((answer.producer_id, answer.producer_epoch))
        });
        match answer {
            Ok(identity) => return Ok(identity),
            Err(error) => {
                shared.progress.failed(error.clone());
                attempts.failed(error).await?;
            }
        }
    }
}

fn by_partition(
    metadata: &Metadata,
    answer: ProduceResponse,
) -> BTreeMap<TopicPartition, PartitionProduceResponse> {
    let mut found = BTreeMap::new();
    for topic in answer.responses {
        let name = match metadata.topic_by_id(topic.topic_id) {
            Some(known) if !topic.topic_id.is_zero() => known.name.clone(),
            Some(_) | None => topic.name.clone(),
        };
        for partition in topic.partition_responses {
            found.insert(TopicPartition::new(name.clone(), partition.index), partition);
        }
    }
    found
}

fn read_answer(batch: &Batch, answer: Option<PartitionProduceResponse>) -> Result<Stored> {
    let doing = || format!("produce to {}", batch.partition);
    let Some(answer) = answer else {
        // Topic ids change when a topic is made anew: the answer may name the old one.
        return Err(Error::refused(ErrorCode::UnknownTopicId, doing()));
    };
    Error::check(answer.error_code, answer.error_message.as_deref(), doing)?;
    Ok(Stored { base_offset: answer.base_offset, log_append_time_ms: answer.log_append_time_ms })
}
