//! A transactional copier: reads the workload's partitions, writes what it read to the topic of copies and commits how far it came, all in
//! one transaction after the other (KIP-98, KIP-447), by protocol 1 or 2 (KIP-890). It aborts, dies with a transaction open, is fenced by
//! a rival of the same name, and goes on from what is committed. Judges nothing; `copies.rs` does.

use std::collections::BTreeMap;
use std::rc::Rc;

use wire::codec::Message;
use wire::messages::add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use wire::messages::add_partitions_to_txn::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, AddPartitionsToTxnTopic,
};
use wire::messages::end_txn::{EndTxnRequest, EndTxnResponse};
use wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData};
use wire::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use wire::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use wire::messages::produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use wire::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
};
use wire::record_batch::{BatchAttributes, RecordBatchBuilder};
use wire::topic::TopicPartition;
use wire::{ApiKey, ErrorCode, Str};

use super::audit::coordinates;
use super::router::{Router, is_passing};
use crate::clients::admin::all_partitions;
use crate::clients::code;
use crate::clients::consumer::fetch_offsets;
use crate::invariants;
use crate::socket::{Lost, Socket};
use crate::world::{Phase, World};

/// The topic of copies.
pub const COPIES: &str = "copies";

/// What nobody ends is aborted after this time.
const TRANSACTION_TIMEOUT_MS: i32 = 3_000;

/// Why a copier begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fallen {
    /// Somebody else has its name now, or its transaction took too long.
    Fenced,
    /// Its transaction can only be aborted.
    Abortable,
    /// It dies, without a word to anybody.
    Dies,
    /// The run is over.
    Over,
}

/// One copier.
pub struct Copier {
    world: World,
    router: Router,
    /// Also its transactional id and its group.
    name: Str,
    /// By which protocol.
    is_second: bool,
    producer: (i64, i16),
    /// Of the open epoch, by partition of the copies.
    sequences: BTreeMap<i32, i32>,
    sources: Vec<TopicPartition>,
    /// What is committed, as far as it knows.
    committed: BTreeMap<TopicPartition, i64>,
}

/// The names of copiers, each with the partitions that it copies.
pub fn shares(world: &World) -> Vec<(Str, Vec<TopicPartition>)> {
    let many = world.shape.cluster.copiers;
    let share = |index: usize| {
        let all = all_partitions(world).into_iter().enumerate();
        let own = all.filter(|(place, _)| place % many == index).map(|(_, partition)| partition);
        (Str::from(format!("copier{index}")), own.collect())
    };
    (0..many).map(share).collect()
}

/// Where the copies of a source go.
pub fn place_of(world: &World, source: &TopicPartition) -> i32 {
    source.partition % world.shape.partitions
}

/// The copy of a record says what it is a copy of.
pub fn copy_of(source: &TopicPartition, offset: i64) -> String {
    format!("{}-{}@{offset}", source.topic, source.partition)
}

impl Copier {
    pub fn new(world: &World, name: &Str, sources: &[TopicPartition], rival: usize) -> Copier {
        Copier {
            world: world.clone(),
            router: Router::new(world, &format!("{name}.{rival}")),
            name: name.clone(),
            is_second: world.draw(|random| random.per_mille(600)),
            producer: (-1, -1),
            sequences: BTreeMap::new(),
            sources: sources.to_vec(),
            committed: BTreeMap::new(),
        }
    }

    /// Copies until the world closes, in one life after the other.
    pub async fn run(mut self) {
        loop {
            let fallen = match self.live().await {
                Ok(never) => match never {},
                Err(fallen) => fallen,
            };
            if fallen == Fallen::Over || self.is_over() {
                return;
            }
            self.world.tell(&format!("{} falls: {fallen:?}", self.name));
            let pause_ms = self.world.draw(|random| random.between(5, 400));
            self.world.sleep(pause_ms).await;
        }
    }

    fn is_over(&self) -> bool {
        self.world.phase.get() >= Phase::Closing || self.world.violation().is_some()
    }

    async fn live(&mut self) -> Result<std::convert::Infallible, Fallen> {
        self.begin_anew().await?;
        loop {
            if self.is_over() {
                return Err(Fallen::Over);
            }
            let batch = self.read().await;
            if batch.is_empty() {
                self.world.sleep(30).await;
                continue;
            }
            self.copy(&batch).await?;
        }
    }

    /// Takes its name over from whoever had it, and goes on from what is committed then.
    async fn begin_anew(&mut self) -> Result<(), Fallen> {
        let request = InitProducerIdRequest {
            transactional_id: Some(self.name.clone()),
            transaction_timeout_ms: TRANSACTION_TIMEOUT_MS,
            ..InitProducerIdRequest::default()
        };
        let answer: InitProducerIdResponse = self
            .ask(
                Whom::Coordinator(1),
                ApiKey::InitProducerId,
                4,
                &request,
                |answer: &InitProducerIdResponse| code(answer.error_code),
            )
            .await?;
        self.begins_epoch(answer.producer_id, answer.producer_epoch);
        let (name, sources) = (self.name.clone(), self.sources.clone());
        loop {
            let socket = self.socket(Whom::Coordinator(0)).await?;
            let told = fetch_offsets(&socket, &name, &sources).await.unwrap_or_default();
            // Who joins a group does it by something written, and hears nothing from a coordinator that was replaced. A copier
            // is no member (KIP-447): it believes only who coordinates still.
            let is_told = told.len() == sources.len() && coordinates(&self.world, socket.machine(), &name);
            if is_told && told.iter().all(|(.., error)| *error == ErrorCode::None) {
                for (source, offset, _) in told {
                    let known = self.committed.insert(source.clone(), offset.max(0)).unwrap_or(0);
                    let checked =
                        invariants::committed_transactions_keep_their_offsets(&source, known, offset);
                    self.world.check(checked);
                }
                return Ok(());
            }
            self.world.sleep(25).await;
        }
    }

    fn begins_epoch(&mut self, producer_id: i64, epoch: i16) {
        self.world.tell(&format!("{} is producer {producer_id} in epoch {epoch}", self.name));
        self.producer = (producer_id, epoch);
        self.sequences.clear();
    }

    /// Some records behind what is committed, of some partitions.
    async fn read(&mut self) -> BTreeMap<TopicPartition, Vec<i64>> {
        let all = self.sources.clone();
        self.router.look(&all).await;
        let mut found = BTreeMap::new();
        for source in all {
            if self.world.draw(|random| random.per_mille(300)) {
                continue;
            }
            let position = self.committed.get(&source).copied().unwrap_or(0);
            let Some(data) = fetch(&mut self.router, &source, position, false).await else { continue };
            let records = match crate::audit::records(data.records.unwrap_or_default()) {
                Ok(records) => records,
                Err(reason) => {
                    let checked = invariants::every_stored_batch_decodes(&format!("{source:?}"), Err(reason));
                    self.world.check(checked);
                    continue;
                }
            };
            let many = self.world.draw(|random| random.between(1, 12)) as usize;
            let offsets = records.into_iter().map(|(offset, _)| offset).filter(|offset| *offset >= position);
            let offsets: Vec<i64> = offsets.take(many).collect();
            if !offsets.is_empty() {
                found.insert(source, offsets);
            }
        }
        found
    }

    /// One transaction, from its first record to its end.
    async fn copy(&mut self, batch: &BTreeMap<TopicPartition, Vec<i64>>) -> Result<(), Fallen> {
        let mut values: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        let mut next = self.committed.clone();
        for (source, offsets) in batch {
            let copies = values.entry(place_of(&self.world, source)).or_default();
            copies.extend(offsets.iter().map(|offset| copy_of(source, *offset)));
            next.extend(offsets.last().map(|last| (source.clone(), last + 1)));
        }
        if !self.is_second {
            self.add_partitions(values.keys().copied().collect()).await?;
        }
        for (place, values) in &values {
            self.may_die()?;
            self.produce(*place, values).await?;
        }
        self.may_die()?;
        if !self.is_second {
            self.add_offsets().await?;
        }
        self.send_offsets(&next).await?;
        self.may_die()?;
        let commits = self.world.has_healed() || !self.world.draw(|random| random.per_mille(150));
        self.end(commits).await?;
        if commits {
            self.committed = next;
        }
        Ok(())
    }

    /// Now and then a copier dies while a transaction is open.
    fn may_die(&self) -> Result<(), Fallen> {
        let dies = !self.world.has_healed() && self.world.draw(|random| random.per_mille(12));
        if dies { Err(Fallen::Dies) } else { Ok(()) }
    }

    async fn add_partitions(&mut self, partitions: Vec<i32>) -> Result<(), Fallen> {
        let (producer_id, producer_epoch) = self.producer;
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: self.name.clone(),
            v3_and_below_producer_id: producer_id,
            v3_and_below_producer_epoch: producer_epoch,
            v3_and_below_topics: vec![AddPartitionsToTxnTopic { name: Str::from_static(COPIES), partitions }],
            ..AddPartitionsToTxnRequest::default()
        };
        let worst = |answer: &AddPartitionsToTxnResponse| {
            let topics = &answer.results_by_topic_v3_and_below;
            let mut codes = topics
                .iter()
                .flat_map(|topic| &topic.results_by_partition)
                .map(|one| code(one.partition_error_code));
            codes.find(|error| *error != ErrorCode::None).unwrap_or(ErrorCode::None)
        };
        self.ask(Whom::Coordinator(1), ApiKey::AddPartitionsToTxn, 3, &request, worst).await.map(drop)
    }

    async fn produce(&mut self, place: i32, values: &[String]) -> Result<(), Fallen> {
        let (producer_id, producer_epoch) = self.producer;
        let base_sequence = self.sequences.get(&place).copied().unwrap_or(0);
        let attributes = BatchAttributes {
            producer_id,
            producer_epoch,
            base_sequence,
            transactional: true,
            ..BatchAttributes::default()
        };
        let mut builder = RecordBatchBuilder::new(attributes);
        let now_ms = self.world.wall_ms();
        for value in values {
            builder.append(now_ms, None, Some(value.as_bytes()), &[]);
        }
        let data = PartitionProduceData { index: place, records: Some(builder.build()) };
        let request = ProduceRequest {
            transactional_id: Some(self.name.clone()),
            acks: -1,
            timeout_ms: 1_000,
            topic_data: vec![TopicProduceData {
                name: Str::from_static(COPIES),
                partition_data: vec![data],
                ..TopicProduceData::default()
            }],
        };
        let version = if self.is_second { 12 } else { 11 };
        let target = TopicPartition { topic: Str::from_static(COPIES), partition: place };
        let read = |answer: &ProduceResponse| {
            let partition = answer.responses.first().and_then(|topic| topic.partition_responses.first());
            match partition.map_or(ErrorCode::RequestTimedOut, |found| code(found.error_code)) {
                // An earlier try has it.
                ErrorCode::DuplicateSequenceNumber => ErrorCode::None,
                error => error,
            }
        };
        self.ask(Whom::Leader(target), ApiKey::Produce, version, &request, read).await?;
        self.sequences.insert(place, base_sequence + values.len() as i32);
        Ok(())
    }

    async fn add_offsets(&mut self) -> Result<(), Fallen> {
        let (producer_id, producer_epoch) = self.producer;
        let request = AddOffsetsToTxnRequest {
            transactional_id: self.name.clone(),
            producer_id,
            producer_epoch,
            group_id: self.name.clone(),
        };
        let read = |answer: &AddOffsetsToTxnResponse| code(answer.error_code);
        self.ask(Whom::Coordinator(1), ApiKey::AddOffsetsToTxn, 3, &request, read).await.map(drop)
    }

    async fn send_offsets(&mut self, next: &BTreeMap<TopicPartition, i64>) -> Result<(), Fallen> {
        let (producer_id, producer_epoch) = self.producer;
        let topic = |(source, offset): (&TopicPartition, &i64)| TxnOffsetCommitRequestTopic {
            name: source.topic.clone(),
            partitions: vec![TxnOffsetCommitRequestPartition {
                partition_index: source.partition,
                committed_offset: *offset,
                ..TxnOffsetCommitRequestPartition::default()
            }],
            ..TxnOffsetCommitRequestTopic::default()
        };
        let request = TxnOffsetCommitRequest {
            transactional_id: self.name.clone(),
            group_id: self.name.clone(),
            producer_id,
            producer_epoch,
            generation_id_or_member_epoch: -1,
            topics: next.iter().map(topic).collect(),
            ..TxnOffsetCommitRequest::default()
        };
        let worst = |answer: &TxnOffsetCommitResponse| {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            let mut codes = partitions.map(|one| code(one.error_code));
            codes.find(|error| *error != ErrorCode::None).unwrap_or(ErrorCode::None)
        };
        let version = if self.is_second { 5 } else { 4 };
        self.ask(Whom::Coordinator(0), ApiKey::TxnOffsetCommit, version, &request, worst).await.map(drop)
    }

    async fn end(&mut self, committed: bool) -> Result<(), Fallen> {
        let (producer_id, producer_epoch) = self.producer;
        let request =
            EndTxnRequest { transactional_id: self.name.clone(), producer_id, producer_epoch, committed };
        let version = if self.is_second { 5 } else { 4 };
        let read = |answer: &EndTxnResponse| code(answer.error_code);
        let answer: EndTxnResponse =
            self.ask(Whom::Coordinator(1), ApiKey::EndTxn, version, &request, read).await?;
        let what = if committed { "commits" } else { "aborts" };
        self.world.tell(&format!("{} {what} epoch {producer_epoch}", self.name));
        if self.is_second {
            self.begins_epoch(answer.producer_id, answer.producer_epoch);
        }
        Ok(())
    }

    /// Asks until somebody says what became of it: a lost answer is asked for again, in the same words.
    async fn ask<Q: Message, A: Message>(
        &mut self,
        whom: Whom,
        key: ApiKey,
        version: i16,
        request: &Q,
        read: impl Fn(&A) -> ErrorCode,
    ) -> Result<A, Fallen> {
        loop {
            let socket = self.socket(whom.clone()).await?;
            let answer: Result<A, Lost> = socket.ask(key, version, request).await;
            let error = answer.as_ref().map_or(ErrorCode::RequestTimedOut, &read);
            match error {
                ErrorCode::None => {
                    if let Ok(answer) = answer {
                        return Ok(answer);
                    }
                }
                ErrorCode::ProducerFenced | ErrorCode::InvalidProducerEpoch => return Err(Fallen::Fenced),
                // Its timeout has ended it meanwhile.
                ErrorCode::TransactionAbortable | ErrorCode::InvalidTxnState => {
                    return Err(Fallen::Abortable);
                }
                ErrorCode::ConcurrentTransactions | ErrorCode::UnstableOffsetCommit => {}
                // Of partitions that were not looked at because of others.
                ErrorCode::OperationNotAttempted => {}
                passing if is_passing(passing) => {}
                other => {
                    let what = format!("{} version {version}: {other:?}", key.name());
                    self.world.check(invariants::no_unexplained_error(&self.name, &what));
                    return Err(Fallen::Over);
                }
            }
            self.world.tell(&format!("{}: {} says {error:?}", self.name, key.name()));
            if let Whom::Leader(partition) = &whom {
                self.router.is_wrong_about(partition);
            }
            let pause_ms = self.world.draw(|random| random.between(5, 40));
            self.world.sleep(pause_ms).await;
        }
    }

    /// A connection to who has to answer.
    async fn socket(&mut self, whom: Whom) -> Result<Rc<Socket>, Fallen> {
        while !self.is_over() {
            match &whom {
                Whom::Coordinator(kind) => {
                    if let Some(socket) = self.coordinator(*kind).await {
                        return Ok(socket);
                    }
                }
                Whom::Leader(partition) => {
                    self.router.look(std::slice::from_ref(partition)).await;
                    if let Some((_, socket)) = self.router.leader_of(partition) {
                        return Ok(socket);
                    }
                }
            }
            self.world.sleep(20).await;
        }
        Err(Fallen::Over)
    }

    async fn coordinator(&mut self, key_type: i8) -> Option<Rc<Socket>> {
        let request =
            FindCoordinatorRequest { key: self.name.clone(), key_type, ..FindCoordinatorRequest::default() };
        let asked = self.router.any().await;
        let answer: Result<FindCoordinatorResponse, Lost> =
            asked.ask(ApiKey::FindCoordinator, 3, &request).await;
        let found = answer.ok().filter(|answer| answer.error_code == 0)?;
        self.router.node(found.node_id)
    }
}

/// Who has to answer.
#[derive(Debug, Clone)]
enum Whom {
    /// The coordinator of the name as a group (0) or a transactional id (1).
    Coordinator(i8),
    Leader(TopicPartition),
}

/// One fetch of one partition from its leader; `None` where nobody answers it now.
pub async fn fetch(
    router: &mut Router,
    partition: &TopicPartition,
    from: i64,
    only_committed: bool,
) -> Option<PartitionData> {
    let (_, socket) = router.leader_of(partition)?;
    let asked = FetchPartition {
        partition: partition.partition,
        current_leader_epoch: router.epoch_of(partition),
        fetch_offset: from,
        last_fetched_epoch: -1,
        log_start_offset: -1,
        partition_max_bytes: 2_000,
        ..FetchPartition::default()
    };
    let request = FetchRequest {
        replica_id: -1,
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 4_000,
        isolation_level: i8::from(only_committed),
        session_id: 0,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: partition.topic.clone(),
            partitions: vec![asked],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    let answer: Result<FetchResponse, Lost> = socket.ask(ApiKey::Fetch, 12, &request).await;
    let data = answer.ok().and_then(|answer| answer.responses.into_iter().next());
    let data = data.and_then(|topic| topic.partitions.into_iter().next());
    let data = data.filter(|data| code(data.error_code) == ErrorCode::None);
    if data.is_none() {
        router.is_wrong_about(partition);
    }
    data
}
