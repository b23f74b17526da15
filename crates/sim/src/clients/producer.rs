//! A producer: batches to several partitions, several requests in flight, retries in order until every batch has its ack.
//! An idempotent one keeps sequences as Kafka's own does (KIP-98); a plain one may write a batch twice, and says so by name.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use wire::compress::Compression;
use wire::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use wire::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
};
use wire::record_batch::RecordBatchBuilder;
use wire::topic::TopicPartition;
use wire::{ApiKey, ErrorCode};

use super::admin::all_partitions;
use super::{code, is_passing};
use crate::invariants;
use crate::shape::Plant;
use crate::socket::{Asked, Lost, Socket};
use crate::world::World;

/// A batch that has no ack yet; its bytes never change.
#[derive(Clone)]
struct Batch {
    values: Vec<Bytes>,
    compression: Compression,
    created_ms: i64,
    base_sequence: i32,
}

/// What the producer keeps per partition.
#[derive(Default)]
struct Lane {
    queue: VecDeque<Batch>,
    next_sequence: i32,
    next_number: u64,
}

/// One simulated producer.
pub struct Producer {
    world: World,
    index: usize,
    /// Ends and begins anew when a sequence cannot be continued.
    life: u32,
    acks: i16,
    idempotent: bool,
    window: usize,
    timeout_ms: i32,
    producer_id: Option<(i64, i16)>,
    lanes: BTreeMap<TopicPartition, Lane>,
}

impl Producer {
    pub fn draw(world: &World, index: usize) -> Producer {
        let must = world.shape.plant != Plant::Nothing;
        let idempotent = must || world.draw(|random| random.per_mille(600));
        let acks = if idempotent { -1 } else { world.draw(|random| random.pick(&[0, 1, -1], -1)) };
        Producer {
            world: world.clone(),
            index,
            life: 0,
            acks,
            idempotent,
            window: world.draw(|random| random.between(1, 5)) as usize,
            timeout_ms: world.draw(|random| random.pick(&[80, 5_000], 5_000)),
            producer_id: None,
            lanes: all_partitions(world).into_iter().map(|partition| (partition, Lane::default())).collect(),
        }
    }

    fn name(&self) -> String {
        let kind = if self.idempotent { 'i' } else { 'p' };
        format!("{kind}{}.{}", self.index, self.life)
    }

    /// Sends all its batches, then ends.
    pub async fn run(mut self) {
        let mut left = self.world.shape.batches;
        let mut socket = Socket::connect(&self.world, &self.name()).await;
        loop {
            let fresh = self.world.draw(|random| random.between(0, 4)).min(left);
            left -= fresh;
            (0..fresh).for_each(|_| self.make_batch());
            if left == 0 && self.lanes.values().all(|lane| lane.queue.is_empty()) {
                break;
            }
            if !socket.is_open() {
                socket = Socket::connect(&self.world, &self.name()).await;
            }
            let calm = self.round(&socket).await;
            let pause_ms = self.world.draw(|random| random.between(0, 25));
            self.world.sleep(if calm { pause_ms } else { 30 + pause_ms }).await;
        }
        self.world.producing.set(self.world.producing.get() - 1);
    }

    fn make_batch(&mut self) {
        let place = self.world.draw(|random| random.index(self.lanes.len()));
        let records = self.world.draw(|random| random.between(1, 5));
        let compression = self.world.draw(|random| {
            random.pick(&[Compression::None, Compression::None, Compression::Lz4], Compression::None)
        });
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
        lane.queue.push_back(Batch { values, compression, created_ms, base_sequence });
    }

    /// One round: up to `window` requests on their way, then all their answers. False if something has to be tried again.
    async fn round(&mut self, socket: &Socket) -> bool {
        if self.idempotent && self.producer_id.is_none() && !self.init(socket).await {
            return false;
        }
        let mut begun = Vec::new();
        for depth in 0..self.window {
            let batches = self.batches_at(depth);
            if batches.is_empty() {
                break;
            }
            let request = self.request(&batches);
            if self.acks == 0 {
                socket.send(ApiKey::Produce, 9, &request);
                batches.iter().for_each(|(partition, batch)| self.done(partition, batch));
            } else {
                begun.push((socket.begin(ApiKey::Produce, 9, &request), batches));
            }
        }
        let mut calm = true;
        let mut stumbled = Vec::new();
        for (asked, batches) in begun {
            calm &= self.hear(socket, asked, &batches, &mut stumbled).await;
        }
        calm
    }

    /// The batch at this place of every lane's queue.
    fn batches_at(&self, depth: usize) -> Vec<(TopicPartition, Batch)> {
        let at = |(partition, lane): (&TopicPartition, &Lane)| {
            Some((partition.clone(), lane.queue.get(depth)?.clone()))
        };
        self.lanes.iter().filter_map(at).collect()
    }

    fn request(&self, batches: &[(TopicPartition, Batch)]) -> ProduceRequest {
        let topic_data = batches.iter().map(|(partition, batch)| {
            let mut builder = RecordBatchBuilder::with_compression(batch.compression);
            if let Some((id, epoch)) = self.producer_id {
                builder.set_producer(id, epoch, batch.base_sequence);
            }
            for value in &batch.values {
                builder.append(batch.created_ms, None, Some(value), &[]);
            }
            let data = PartitionProduceData { index: partition.partition, records: Some(builder.build()) };
            TopicProduceData {
                name: partition.topic.clone(),
                partition_data: vec![data],
                ..TopicProduceData::default()
            }
        });
        // One entry per topic, as clients send it.
        let mut topics: Vec<TopicProduceData> = Vec::new();
        for data in topic_data {
            match topics.last_mut() {
                Some(last) if last.name == data.name => last.partition_data.extend(data.partition_data),
                Some(_) | None => topics.push(data),
            }
        }
        ProduceRequest {
            acks: self.acks,
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
        let Ok(answer): Result<ProduceResponse, Lost> = socket.answer(asked).await else {
            if self.world.shape.lies(Plant::ForgetfulProducer) {
                self.forget_sequences();
            }
            return false;
        };
        let mut calm = true;
        for (partition, batch) in batches {
            let found = answer
                .responses
                .iter()
                .filter(|topic| topic.name == partition.topic)
                .flat_map(|topic| &topic.partition_responses)
                .find(|found| found.index == partition.partition);
            match found {
                Some(found) if stumbled.contains(partition) && code(found.error_code) != ErrorCode::None => {}
                Some(found) => {
                    if !self.judge(partition, batch, found) {
                        stumbled.push(partition.clone());
                        calm = false;
                    }
                }
                None => {
                    self.world.check(invariants::answers_come_in_order("a partition is missing in an answer"))
                }
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
            // Kafka keeps five batches of a producer in memory and one in a snapshot: after a restart a retry of an older
            // one is out of order. With one batch in flight that cannot be, unless flushes were waived and the power went.
            ErrorCode::OutOfOrderSequenceNumber
                if self.idempotent && (self.window > 1 || !self.world.shape.flush.is_durable()) =>
            {
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
        {
            let mut model = self.world.model.borrow_mut();
            let known = model.partition(partition);
            let offsets = if base_offset < 0 { 0..0 } else { base_offset..i64::MAX };
            for (offset, value) in offsets.zip(&batch.values) {
                let checked = invariants::a_record_once_read_never_changes(partition, known, offset, value);
                self.world.check(checked);
            }
            model.acked(partition, base_offset, &batch.values, self.acks == -1);
        }
        self.done(partition, batch);
    }

    /// Takes the batch off its queue; it stands at the front unless an earlier one was refused.
    fn done(&mut self, partition: &TopicPartition, batch: &Batch) {
        let Some(lane) = self.lanes.get_mut(partition) else { return };
        if let Some(at) = lane.queue.iter().position(|queued| queued.base_sequence == batch.base_sequence) {
            lane.queue.remove(at);
        }
    }

    async fn init(&mut self, socket: &Socket) -> bool {
        let request = InitProducerIdRequest {
            producer_id: -1,
            producer_epoch: -1,
            transactional_id: None,
            transaction_timeout_ms: 60_000,
            ..InitProducerIdRequest::default()
        };
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
        self.life += 1;
        self.producer_id = None;
        self.lanes.values_mut().for_each(|lane| *lane = Lane::default());
    }

    /// The planted bug: a new id for the same batches, so that the node cannot know them again.
    fn forget_sequences(&mut self) {
        self.producer_id = None;
        for lane in self.lanes.values_mut() {
            let mut next = 0;
            for batch in &mut lane.queue {
                batch.base_sequence = next;
                next += batch.values.len() as i32;
            }
            lane.next_sequence = next;
        }
    }
}
