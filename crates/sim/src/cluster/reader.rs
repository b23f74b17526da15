//! A consumer of a cluster without a group: reads every partition from its beginning, from whoever leads. What it reads goes through
//! the invariants and into the history.

use std::collections::BTreeMap;

use bytes::Bytes;
use wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData};
use wire::topic::{TopicIdPartition, TopicPartition};
use wire::{ApiKey, ErrorCode};

use super::router::{Router, is_passing};
use crate::audit;
use crate::clients::admin::all_partitions;
use crate::clients::code;
use crate::history::ops::{Kind, Op, Outcome, Polled, Step};
use crate::invariants;
use crate::model::TopicFate;
use crate::socket::Lost;
use crate::world::{Phase, World};

/// Readers are processes of the history from here on.
const FIRST_PROCESS: u32 = 1_000;

/// Nothing comes for so long: the leader may be another one.
const STALE_MS: i64 = 3_000;

/// One reader.
pub struct Reader {
    world: World,
    router: Router,
    process: u32,
    /// The next offset to read of what it reads.
    pub positions: BTreeMap<TopicPartition, i64>,
    /// The leader epoch of what was read before it (KIP-320): whoever goes on there knows of no older leader.
    pub epochs: BTreeMap<TopicPartition, i32>,
}

impl Reader {
    /// Ready to read all partitions.
    pub fn new(world: &World, index: usize) -> Reader {
        let partitions = all_partitions(world);
        Reader {
            world: world.clone(),
            router: Router::new(world, &format!("reader{index}")),
            process: FIRST_PROCESS + index as u32,
            positions: partitions.into_iter().map(|partition| (partition, 0)).collect(),
            epochs: BTreeMap::new(),
        }
    }

    /// One that reads what its group gives it.
    pub fn of_a_group(world: &World, name: &str, process: u32) -> Reader {
        Reader {
            world: world.clone(),
            router: Router::new(world, name),
            process,
            positions: BTreeMap::new(),
            epochs: BTreeMap::new(),
        }
    }

    /// Reads these from now on, of leaders that are not older than these epochs.
    pub fn subscribe(
        &mut self,
        positions: BTreeMap<TopicPartition, i64>,
        epochs: BTreeMap<TopicPartition, i32>,
    ) {
        epochs.iter().for_each(|(partition, epoch)| self.router.has_heard_of(partition, *epoch));
        (self.positions, self.epochs) = (positions, epochs);
        self.record(Kind::Subscribe, self.world.now_ms(), Vec::new());
    }

    /// Reads once from every leader that it can find.
    pub async fn poll(&mut self) {
        let all: Vec<TopicPartition> = self.positions.keys().cloned().collect();
        self.router.look(&all).await;
        self.round().await;
    }

    /// Reads until the world closes.
    pub async fn run(mut self) {
        self.record(Kind::Assign, self.world.now_ms(), Vec::new());
        let mut looked_ms = self.world.now_ms();
        while self.world.phase.get() < Phase::Closing {
            if self.world.now_ms() > looked_ms + STALE_MS {
                looked_ms = self.world.now_ms();
                let all: Vec<TopicPartition> = self.positions.keys().cloned().collect();
                all.iter().for_each(|partition| self.router.is_wrong_about(partition));
            }
            self.poll().await;
            let pause_ms = self.world.draw(|random| random.between(1, 60));
            self.world.sleep(pause_ms).await;
        }
    }

    /// Reads everything that there is up to these offsets, then ends. False if it did not get there in time.
    pub async fn read_up_to(mut self, ends: &BTreeMap<TopicPartition, i64>, until_ms: i64) -> bool {
        self.record(Kind::Assign, self.world.now_ms(), Vec::new());
        while self.world.now_ms() < until_ms {
            let reached = |(partition, end): (&TopicPartition, &i64)| {
                self.positions.get(partition).is_some_and(|position| position >= end)
            };
            if ends.iter().all(reached) {
                return true;
            }
            self.poll().await;
            self.world.sleep(5).await;
        }
        false
    }

    /// One fetch from every leader.
    async fn round(&mut self) {
        let mut by_leader: BTreeMap<usize, Vec<TopicPartition>> = BTreeMap::new();
        for partition in self.positions.keys() {
            if let Some((machine, _)) = self.router.leader_of(partition) {
                by_leader.entry(machine).or_default().push(partition.clone());
            }
        }
        for (machine, partitions) in by_leader {
            self.fetch(machine, &partitions).await;
        }
    }

    async fn fetch(&mut self, machine: usize, partitions: &[TopicPartition]) {
        let Some(socket) = self.router.to(machine) else { return };
        let mut topics: Vec<FetchTopic> = Vec::new();
        for partition in partitions {
            let asked = FetchPartition {
                partition: partition.partition,
                current_leader_epoch: self.router.epoch_of(partition),
                fetch_offset: self.positions.get(partition).copied().unwrap_or(0),
                last_fetched_epoch: -1,
                log_start_offset: -1,
                partition_max_bytes: 900,
                ..FetchPartition::default()
            };
            match topics.last_mut() {
                Some(last) if last.topic == partition.topic => last.partitions.push(asked),
                Some(_) | None => topics.push(FetchTopic {
                    topic: partition.topic.clone(),
                    partitions: vec![asked],
                    ..FetchTopic::default()
                }),
            }
        }
        let request = FetchRequest {
            replica_id: -1,
            max_wait_ms: self.world.draw(|random| random.pick(&[0, 30, 200], 30)),
            min_bytes: 1,
            max_bytes: 4_000,
            session_id: 0,
            session_epoch: -1,
            topics,
            ..FetchRequest::default()
        };
        let invoked_ms = self.world.now_ms();
        let answer: Result<FetchResponse, Lost> = socket.ask(ApiKey::Fetch, 12, &request).await;
        let Ok(answer) = answer else {
            return partitions.iter().for_each(|partition| self.router.is_wrong_about(partition));
        };
        if !matches!(code(answer.error_code), ErrorCode::None) && !is_passing(code(answer.error_code)) {
            let what = format!("Fetch: {:?}", code(answer.error_code));
            self.world.check(invariants::no_unexplained_error("reader", &what));
        }
        let mut polled = Vec::new();
        for topic in &answer.responses {
            for data in &topic.partitions {
                let partition =
                    TopicPartition { topic: topic.topic.detached(), partition: data.partition_index };
                let records = self.take(&partition, data);
                self.note(&partition, &records, &mut polled);
            }
        }
        if !polled.is_empty() {
            self.record(Kind::Poll, invoked_ms, polled);
        }
    }

    fn take(&mut self, partition: &TopicPartition, data: &PartitionData) -> Vec<(i64, Bytes)> {
        let Some(position) = self.positions.get(partition).copied() else { return Vec::new() };
        match code(data.error_code) {
            ErrorCode::None => {}
            passing if is_passing(passing) => {
                self.router.is_wrong_about(partition);
                return Vec::new();
            }
            // Also out of range: what was read was committed, and nothing is ever deleted.
            other => {
                let what = format!("Fetch {partition:?} at {position}: {other:?}");
                self.world.check(invariants::no_unexplained_error(self.router.name(), &what));
                return Vec::new();
            }
        }
        let records = match audit::records(data.records.clone().unwrap_or_default()) {
            Ok(records) => records,
            Err(reason) => {
                let place = format!("a fetch of {partition:?} at {position}");
                self.world.check(invariants::every_stored_batch_decodes(&place, Err(reason)));
                return Vec::new();
            }
        };
        let records: Vec<_> = records.into_iter().filter(|(offset, _)| *offset >= position).collect();
        let offsets: Vec<i64> = records.iter().map(|(offset, _)| *offset).collect();
        self.world.check(invariants::consumers_see_a_prefix(partition, position, &offsets));
        let mut model = self.world.model.borrow_mut();
        if let (Some(last), Some(TopicFate::Created(id))) =
            (offsets.last(), model.topics.get(&partition.topic))
        {
            let key = TopicIdPartition { topic_id: *id, partition: partition.partition };
            let committed = self.world.oracle.borrow().committed(&key);
            self.world.check(invariants::consumers_read_what_is_committed(partition, *last, committed));
        }
        for (offset, value) in &records {
            let known = model.partition(partition);
            self.world.check(invariants::a_record_once_read_never_changes(partition, known, *offset, value));
            self.world.check(invariants::nothing_is_invented(partition, *offset, value));
            model.read(partition, *offset, value);
        }
        if let Some(last) = offsets.last() {
            self.positions.insert(partition.clone(), last + 1);
            if let Some(epoch) = data.records.clone().and_then(audit::last_leader_epoch) {
                self.epochs.insert(partition.clone(), epoch);
            }
        }
        records
    }

    fn note(&self, partition: &TopicPartition, records: &[(i64, Bytes)], polled: &mut Vec<Polled>) {
        let mut history = self.world.history.borrow_mut();
        let key = history.key(&format!("{}-{}", partition.topic, partition.partition));
        for (offset, value) in records {
            let value = history.value(key, &invariants::show(value));
            polled.push(Polled { key, offset: *offset, value });
        }
    }

    fn record(&self, kind: Kind, invoked_ms: i64, polled: Vec<Polled>) {
        let mut history = self.world.history.borrow_mut();
        let keys = self.positions.keys().filter(|_| matches!(kind, Kind::Assign | Kind::Subscribe));
        let names: Vec<String> =
            keys.map(|partition| format!("{}-{}", partition.topic, partition.partition)).collect();
        let keys = names.iter().map(|name| history.key(name)).collect();
        let steps = if polled.is_empty() { Vec::new() } else { vec![Step::Poll(polled)] };
        history.ops.push(Op {
            process: self.process,
            invoked_ms,
            returned_ms: self.world.now_ms(),
            outcome: Outcome::Ok,
            kind,
            steps,
            keys,
        });
    }
}
