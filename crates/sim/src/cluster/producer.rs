//! A producer of a cluster. An idempotent one keeps sequences and tries again until every batch has its ack, whoever leads meanwhile; a
//! plain one sends each batch once and never learns what became of it if the answer is lost. What both do goes into the history.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use wire::compress::Compression;
use wire::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use wire::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
};
use wire::record_batch::RecordBatchBuilder;
use wire::topic::TopicPartition;
use wire::{ApiKey, ErrorCode};

use super::audit;
use super::router::{Router, is_passing};
use crate::clients::admin::all_partitions;
use crate::clients::code;
use crate::history::ops::{Kind, Op, Outcome, Step};
use crate::invariants;
use crate::shape::Plant;
use crate::socket::{Asked, Lost, Socket};
use crate::world::World;

/// The probe's number among the producers.
const PROBE: usize = 999;

/// A batch that has no ack yet; its bytes never change.
#[derive(Clone)]
struct Batch {
    values: Vec<Bytes>,
    created_ms: i64,
    base_sequence: i32,
    /// When it was sent first.
    invoked_ms: Option<i64>,
}

#[derive(Default)]
struct Lane {
    queue: VecDeque<Batch>,
    next_sequence: i32,
    next_number: u64,
}

/// What goes into one request.
type Batches = Vec<(TopicPartition, Batch)>;
/// A request that has no answer yet.
type Begun = (Rc<Socket>, Asked, Batches);

/// One producer.
pub struct Producer {
    world: World,
    router: Router,
    index: usize,
    life: u32,
    acks: i16,
    idempotent: bool,
    /// Batches of one partition in flight.
    window: usize,
    timeout_ms: i32,
    producer_id: Option<(i64, i16)>,
    lanes: BTreeMap<TopicPartition, Lane>,
}

impl Producer {
    pub fn draw(world: &World, index: usize) -> Producer {
        let must = world.shape.plant != Plant::Nothing;
        let idempotent = world.draw(|random| random.per_mille(700)) || must;
        let acks = if idempotent { -1 } else { world.draw(|random| random.pick(&[0, 1, -1], -1)) };
        let window = world.draw(|random| random.between(1, 5)) as usize;
        Producer {
            world: world.clone(),
            router: Router::new(world, &format!("producer{index}")),
            index,
            life: 0,
            acks,
            idempotent,
            window: if idempotent { window } else { 1 },
            timeout_ms: world.draw(|random| random.pick(&[80, 1_000, 5_000], 1_000)),
            producer_id: None,
            lanes: all_partitions(world).into_iter().map(|partition| (partition, Lane::default())).collect(),
        }
    }

    /// One that has a record for every partition, to see who takes it.
    pub fn probe(world: &World) -> Producer {
        let mut probe = Producer {
            world: world.clone(),
            router: Router::new(world, "probe"),
            index: PROBE,
            life: 0,
            acks: -1,
            idempotent: true,
            window: 1,
            timeout_ms: 1_000,
            producer_id: None,
            lanes: all_partitions(world).into_iter().map(|partition| (partition, Lane::default())).collect(),
        };
        for place in 0..probe.lanes.len() {
            probe.make_batch_for(place, 1);
        }
        probe
    }

    /// Sends what has no ack yet to everybody once more; who has not taken it.
    pub async fn try_all(&mut self) -> Vec<TopicPartition> {
        self.router.look(&self.open_lanes()).await;
        self.round().await;
        self.open_lanes()
    }

    fn name(&self) -> String {
        let kind = if self.idempotent { 'i' } else { 'p' };
        format!("{kind}{}.{}", self.index, self.life)
    }

    /// Sends all its batches, then ends.
    pub async fn run(mut self) {
        let mut left = self.world.shape.batches;
        loop {
            let fresh = self.world.draw(|random| random.between(0, 4)).min(left);
            left -= fresh;
            (0..fresh).for_each(|_| self.make_batch());
            let open: Vec<TopicPartition> = self.open_lanes();
            if left == 0 && open.is_empty() {
                break;
            }
            self.router.look(&open).await;
            let calm = self.round().await;
            let pause_ms = self.world.draw(|random| random.between(0, 25));
            self.world.sleep(if calm { pause_ms } else { 30 + pause_ms }).await;
        }
        self.world.producing.set(self.world.producing.get() - 1);
    }

    fn open_lanes(&self) -> Vec<TopicPartition> {
        let open = self.lanes.iter().filter(|(_, lane)| !lane.queue.is_empty());
        open.map(|(partition, _)| partition.clone()).collect()
    }

    fn make_batch(&mut self) {
        let place = self.world.draw(|random| random.index(self.lanes.len()));
        let records = self.world.draw(|random| random.between(1, 5));
        self.make_batch_for(place, records);
    }

    fn make_batch_for(&mut self, place: usize, records: i64) {
        let created_ms = self.world.wall_ms();
        let name = self.name();
        let Some((partition, lane)) = self.lanes.iter_mut().nth(place) else { return };
        let values = (0..records).map(|_| {
            let filler = self.world.draw(|random| random.pick(&[0, 10, 100, 300], 10));
            let number = lane.next_number;
            lane.next_number += 1;
            let (topic, index) = (&partition.topic, partition.partition);
            Bytes::from(format!("{name}/{topic}-{index}/{number}~{:filler$}", ""))
        });
        let values: Vec<Bytes> = values.collect();
        let base_sequence = lane.next_sequence;
        lane.next_sequence += values.len() as i32;
        lane.queue.push_back(Batch { values, created_ms, base_sequence, invoked_ms: None });
    }

    /// One round: to every leader the next batches, then all answers. False if something has to be tried again.
    async fn round(&mut self) -> bool {
        if self.idempotent && self.producer_id.is_none() && !self.init().await {
            return false;
        }
        let mut begun: Vec<Begun> = Vec::new();
        let mut calm = true;
        for depth in 0..self.window {
            let by_leader = self.batches_at(depth);
            for (socket, batches) in by_leader.into_values() {
                let request = self.request(&batches);
                if self.acks == 0 {
                    socket.send(ApiKey::Produce, 9, &request);
                    batches.iter().for_each(|(partition, batch)| self.never_known(partition, batch));
                } else {
                    begun.push((Rc::clone(&socket), socket.begin(ApiKey::Produce, 9, &request), batches));
                }
            }
        }
        let mut stumbled = Vec::new();
        for (socket, asked, batches) in begun {
            calm &= self.hear(&socket, asked, &batches, &mut stumbled).await;
        }
        calm
    }

    /// The batch at this place of every lane's queue, by the machine that leads.
    fn batches_at(&mut self, depth: usize) -> BTreeMap<usize, (Rc<Socket>, Batches)> {
        let now_ms = self.world.now_ms();
        let mut by_leader = BTreeMap::new();
        for (partition, lane) in &mut self.lanes {
            let Some(batch) = lane.queue.get_mut(depth) else { continue };
            let Some((machine, socket)) = self.router.leader_of(partition) else { continue };
            batch.invoked_ms.get_or_insert(now_ms);
            let (_, batches) = by_leader.entry(machine).or_insert_with(|| (socket, Vec::new()));
            batches.push((partition.clone(), batch.clone()));
        }
        by_leader
    }

    fn request(&self, batches: &[(TopicPartition, Batch)]) -> ProduceRequest {
        // One entry per topic, as clients send it.
        let mut topics: Vec<TopicProduceData> = Vec::new();
        for (partition, batch) in batches {
            let mut builder = RecordBatchBuilder::with_compression(Compression::None);
            if let Some((id, epoch)) = self.producer_id {
                builder.set_producer(id, epoch, batch.base_sequence);
            }
            for value in &batch.values {
                builder.append(batch.created_ms, None, Some(value), &[]);
            }
            let data = PartitionProduceData { index: partition.partition, records: Some(builder.build()) };
            match topics.last_mut() {
                Some(last) if last.name == partition.topic => last.partition_data.push(data),
                Some(_) | None => topics.push(TopicProduceData {
                    name: partition.topic.clone(),
                    partition_data: vec![data],
                    ..TopicProduceData::default()
                }),
            }
        }
        let is_planted = self.world.shape.lies(Plant::AcksBeforeReplication);
        ProduceRequest {
            acks: if is_planted { 1 } else { self.acks },
            timeout_ms: self.timeout_ms,
            topic_data: topics,
            ..ProduceRequest::default()
        }
    }

    async fn hear(
        &mut self,
        socket: &Socket,
        asked: Asked,
        batches: &[(TopicPartition, Batch)],
        stumbled: &mut Vec<TopicPartition>,
    ) -> bool {
        let answer: Result<ProduceResponse, Lost> = socket.answer(asked).await;
        let mut calm = true;
        for (partition, batch) in batches {
            let found = answer.as_ref().ok().and_then(|answer| {
                let mut topics = answer.responses.iter().filter(|topic| topic.name == partition.topic);
                topics.find_map(|topic| {
                    topic.partition_responses.iter().find(|found| found.index == partition.partition)
                })
            });
            let settled = match found {
                Some(found) => {
                    // What comes behind a batch that was refused is refused, too.
                    let follows = stumbled.contains(partition) && code(found.error_code) != ErrorCode::None;
                    follows || self.judge(partition, batch, found)
                }
                None => false,
            };
            if !settled {
                stumbled.push(partition.clone());
                self.router.is_wrong_about(partition);
                if !self.idempotent {
                    self.never_known(partition, batch);
                }
                calm = false;
            }
        }
        calm
    }

    /// True if the batch is settled.
    fn judge(&mut self, partition: &TopicPartition, batch: &Batch, found: &PartitionProduceResponse) -> bool {
        match code(found.error_code) {
            ErrorCode::None | ErrorCode::DuplicateSequenceNumber => {
                self.acked(partition, batch, found.base_offset);
                true
            }
            passing if is_passing(passing) => false,
            // A broker keeps five batches of a producer in memory and one in a snapshot: after a restart a retry of an older
            // one is out of order. With one batch in flight that cannot be.
            ErrorCode::OutOfOrderSequenceNumber if self.idempotent && self.window > 1 => {
                self.world.tell(&format!("{} cannot continue its sequence", self.name()));
                self.begin_anew();
                false
            }
            other => {
                let what = format!("Produce {partition:?} sequence {}: {other:?}", batch.base_sequence);
                self.world.check(invariants::no_unexplained_error(&self.name(), &what));
                false
            }
        }
    }

    fn acked(&mut self, partition: &TopicPartition, batch: &Batch, base_offset: i64) {
        let (name, acks, many) = (self.name(), self.acks, batch.values.len());
        let (topic, index) = (&partition.topic, partition.partition);
        self.world
            .tell(&format!("{name} acks={acks}: {many} records at {topic}-{index} offset {base_offset}"));
        if acks == -1 {
            let mut model = self.world.model.borrow_mut();
            let known = model.partition(partition);
            let offsets = if base_offset < 0 { 0..0 } else { base_offset..i64::MAX };
            for (offset, value) in offsets.zip(&batch.values) {
                let checked = invariants::a_record_once_read_never_changes(partition, known, offset, value);
                self.world.check(checked);
            }
            model.acked(partition, base_offset, &batch.values, true);
            drop(model);
            if base_offset >= 0 {
                let end_offset = base_offset + batch.values.len() as i64;
                self.world.check(audit::acknowledged(&self.world, partition, end_offset));
            }
        }
        // One in-sync copy promises nothing: the leader's may be lost with it.
        let outcome = if acks == -1 { Outcome::Ok } else { Outcome::Info };
        let offset = (base_offset >= 0 && acks == -1).then_some(base_offset);
        self.settle(partition, batch, outcome, offset);
    }

    /// The outcome of a batch that is not sent again.
    fn never_known(&mut self, partition: &TopicPartition, batch: &Batch) {
        self.settle(partition, batch, Outcome::Info, None);
    }

    /// Takes the batch off its queue, unless that was given up meanwhile; it stands at the front unless an earlier one was refused.
    fn settle(&mut self, partition: &TopicPartition, batch: &Batch, outcome: Outcome, offset: Option<i64>) {
        let Some(lane) = self.lanes.get_mut(partition) else { return };
        if let Some(at) = lane.queue.iter().position(|queued| queued.values == batch.values) {
            lane.queue.remove(at);
            self.record(partition, batch, outcome, offset);
        }
    }

    fn record(&self, partition: &TopicPartition, batch: &Batch, outcome: Outcome, offset: Option<i64>) {
        let mut history = self.world.history.borrow_mut();
        let key = history.key(&format!("{}-{}", partition.topic, partition.partition));
        let send = |(place, value): (i64, &Bytes)| Step::Send {
            key,
            value: history.value(key, &invariants::show(value)),
            offset: offset.map(|offset| offset + place),
        };
        let steps = (0..).zip(&batch.values).map(send).collect();
        let now_ms = self.world.now_ms();
        history.ops.push(Op {
            process: self.index as u32,
            invoked_ms: batch.invoked_ms.unwrap_or(now_ms),
            returned_ms: now_ms,
            outcome,
            kind: Kind::Send,
            steps,
            keys: Vec::new(),
        });
    }

    async fn init(&mut self) -> bool {
        let request = InitProducerIdRequest {
            producer_id: -1,
            producer_epoch: -1,
            transactional_id: None,
            transaction_timeout_ms: 60_000,
            ..InitProducerIdRequest::default()
        };
        let socket = self.router.any().await;
        let answer: Result<InitProducerIdResponse, Lost> =
            socket.ask(ApiKey::InitProducerId, 4, &request).await;
        let Ok(answer) = answer else { return false };
        match code(answer.error_code) {
            ErrorCode::None => {
                self.producer_id = Some((answer.producer_id, answer.producer_epoch));
                self.world.tell(&format!("{} has producer id {}", self.name(), answer.producer_id));
                true
            }
            passing if is_passing(passing) => false,
            other => {
                let what = format!("InitProducerId: {other:?}");
                self.world.check(invariants::no_unexplained_error(&self.name(), &what));
                false
            }
        }
    }

    /// What was on its way has an unknown outcome for good; a new producer id begins.
    fn begin_anew(&mut self) {
        for (partition, lane) in &self.lanes {
            for batch in lane.queue.iter().filter(|batch| batch.invoked_ms.is_some()) {
                self.record(partition, batch, Outcome::Info, None);
            }
        }
        self.life += 1;
        self.producer_id = None;
        self.lanes.values_mut().for_each(|lane| *lane = Lane::default());
    }
}
