//! Seeded random commands, with partitions that take markers or do not, and a coordinator that fails at any point, with or without what
//! was not committed. Whatever is said: no transaction is half committed, what was answered happened, epochs never go back, nothing hangs,
//! the twins are equal when all is committed, a log loaded anew gives the same state, and a seed has one outcome.

use super::rig::Rig;
use super::words::{self, Names};
use crate::hosted::{Hosted, HostedOptions};
use crate::machine::ProducerIdentity;
use crate::transaction::{
    MarkerOutcome, MarkersAnswer, MarkersWish, Transaction, TransactionAnswer, TransactionCommand,
    TransactionConfig, TransactionMachine, TransactionSoft, TransactionState,
};
use std::collections::{BTreeMap, BTreeSet};
use wire::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
use wire::messages::add_partitions_to_txn::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
use wire::messages::end_txn::EndTxnRequest;
use wire::messages::init_producer_id::InitProducerIdRequest;
use wire::random::SplitMix64;
use wire::record_batch::RecordBatch;
use wire::{ErrorCode, Str};

/// What a request was, as far as its answer is checked.
#[derive(Debug, Clone)]
enum Asked {
    Init(Str),
    Add(AddPartitionsToTxnTransaction),
    End { request: EndTxnRequest, protocol_2: bool },
    Other,
}

/// A transaction as a partition sees it: by producer id and the epoch that its marker carries.
type Ending = (i64, i16);

struct Walk {
    rig: Rig,
    dice: SplitMix64,
    /// What each producer was told, newest last.
    producers: BTreeMap<Str, Vec<ProducerIdentity>>,
    asked: BTreeMap<u64, Asked>,
    next_token: u64,
    /// Markers of a term that is over may still arrive at the partitions.
    late: Vec<MarkersWish>,
    /// What was written where: each transaction has one outcome, everywhere and for good.
    written: BTreeMap<(Ending, i32, Str, i32), bool>,
    /// The highest epoch that an answer has told of, by producer id.
    told: BTreeMap<i64, i16>,
    names: Names,
    trace: Vec<String>,
    /// The epoch of producers begins so near to its end that walks reach it.
    shortened: bool,
}

impl Walk {
    fn new(seed: u64) -> Walk {
        let mut dice = SplitMix64::new(seed ^ 0x7a5);
        let config = TransactionConfig {
            max_timeout_ms: 20_000,
            id_expiration_ms: 60_000,
            expiration_interval_ms: 10_000,
            transaction_version: dice.below(6).min(2) as i16,
            ..TransactionConfig::default()
        };
        Walk {
            rig: Rig::open(config),
            dice,
            producers: BTreeMap::new(),
            asked: BTreeMap::new(),
            next_token: 0,
            late: Vec::new(),
            written: BTreeMap::new(),
            told: BTreeMap::new(),
            names: Names::default(),
            trace: Vec::new(),
            shortened: seed.is_multiple_of(2),
        }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice.below(sides)
    }

    fn id(&mut self) -> Str {
        let number = self.roll(3);
        Str::from(format!("t{number}"))
    }

    /// Mostly who it is, sometimes who it was, sometimes nobody.
    fn producer(&mut self, id: &Str) -> ProducerIdentity {
        let known = self.producers.get(id).cloned().unwrap_or_default();
        let at = match self.roll(8) {
            0 => self.roll(known.len() as u64 + 1) as usize,
            _ => known.len().saturating_sub(1),
        };
        let mut producer =
            known.get(at).copied().unwrap_or(ProducerIdentity { producer_id: 5, producer_epoch: 0 });
        match self.roll(40) {
            0 => producer.producer_epoch = producer.producer_epoch.saturating_add(1),
            1 => producer.producer_epoch = producer.producer_epoch.saturating_sub(1).max(0),
            2 => producer.producer_epoch = i16::MAX,
            _ => {}
        }
        producer
    }

    fn command(&mut self) -> (TransactionCommand, Asked) {
        let id = self.id();
        match self.roll(20) {
            0..=2 => self.init(id),
            3..=9 => self.add(id),
            10 => {
                let producer = self.producer(&id);
                let request = AddOffsetsToTxnRequest {
                    transactional_id: id,
                    producer_id: producer.producer_id,
                    producer_epoch: producer.producer_epoch,
                    group_id: Str::from_static("g"),
                };
                (TransactionCommand::AddOffsets { api_version: 4, request, partition: 0 }, Asked::Other)
            }
            11 => (TransactionCommand::Describe { transactional_ids: vec![id] }, Asked::Other),
            12 => {
                let command = TransactionCommand::List {
                    states: Vec::new(),
                    producer_ids: Vec::new(),
                    duration_ms: self.roll(100) as i64 - 50,
                };
                (command, Asked::Other)
            }
            _ => self.end(id),
        }
    }

    fn init(&mut self, id: Str) -> (TransactionCommand, Asked) {
        let expected = (self.roll(2) == 0).then(|| self.producer(&id));
        let expected = expected.unwrap_or(ProducerIdentity { producer_id: -1, producer_epoch: -1 });
        let request = InitProducerIdRequest {
            transactional_id: Some(id.clone()),
            transaction_timeout_ms: 1_000 + self.roll(5) as i32 * 1_000,
            producer_id: expected.producer_id,
            producer_epoch: expected.producer_epoch,
            ..InitProducerIdRequest::default()
        };
        (TransactionCommand::InitProducerId { api_version: 5, request }, Asked::Init(id))
    }

    fn add(&mut self, id: Str) -> (TransactionCommand, Asked) {
        let producer = self.producer(&id);
        let topic = Str::from(if self.roll(2) == 0 { "x" } else { "y" });
        let partitions = (0..=self.roll(3) as i32).collect();
        let transaction = AddPartitionsToTxnTransaction {
            transactional_id: id,
            producer_id: producer.producer_id,
            producer_epoch: producer.producer_epoch,
            verify_only: self.roll(4) == 0,
            topics: vec![AddPartitionsToTxnTopic { name: topic, partitions }],
        };
        let api_version = if self.roll(2) == 0 { 5 } else { 3 };
        let asked = Asked::Add(transaction.clone());
        (TransactionCommand::AddPartitions { api_version, transaction }, asked)
    }

    fn end(&mut self, id: Str) -> (TransactionCommand, Asked) {
        let producer = self.producer(&id);
        let protocol_2 = self.rig.config.transaction_version == 2 && self.roll(4) != 0;
        let request = EndTxnRequest {
            transactional_id: id,
            producer_id: producer.producer_id,
            producer_epoch: producer.producer_epoch,
            committed: self.roll(2) == 0,
        };
        let api_version = if protocol_2 { 5 } else { 4 };
        let asked = Asked::End { request: request.clone(), protocol_2 };
        (TransactionCommand::EndTxn { api_version, request }, asked)
    }

    /// The partitions of a wish take their markers, or do not; the answers arrive, or do not.
    fn markers(&mut self, wish: &MarkersWish) {
        let mut outcomes = Vec::new();
        for (topic, partition) in wish.partitions.iter() {
            let outcome = match self.roll(10) {
                0 => MarkerOutcome::Answered(ErrorCode::NotLeaderOrFollower),
                1 => MarkerOutcome::NotReached,
                2 => {
                    // Written, and the answer is lost.
                    self.write_marker(wish, topic, partition);
                    MarkerOutcome::NotReached
                }
                3 if self.roll(10) == 0 => MarkerOutcome::Answered(ErrorCode::InvalidProducerEpoch),
                _ => {
                    self.write_marker(wish, topic, partition);
                    MarkerOutcome::Answered(ErrorCode::None)
                }
            };
            outcomes.push((topic.clone(), partition, outcome));
        }
        if self.roll(30) == 0 {
            return;
        }
        // Each leader answers for itself.
        let second = outcomes.split_off(outcomes.len() / 2);
        for outcomes in [outcomes, second] {
            self.rig.host(TransactionCommand::MarkersAnswered(MarkersAnswer {
                transactional_id: wish.transactional_id.clone(),
                producer: wish.producer,
                coordinator_epoch: wish.coordinator_epoch,
                outcomes,
            }));
        }
    }

    /// A partition takes a marker. It knows the coordinators' epochs, and refuses what an earlier one sends after a later one; so does
    /// this one by what the rig knows.
    fn write_marker(&mut self, wish: &MarkersWish, topic: &Str, partition: i32) {
        let ending = (wish.producer.producer_id, wish.producer.producer_epoch);
        let place = (ending, self.transaction_of(wish), topic.clone(), partition);
        let before = self.written.insert(place.clone(), wish.commit);
        assert!(before.is_none_or(|commit| commit == wish.commit), "{place:?} was ended with both outcomes");
    }

    /// Protocol 1 keeps the epoch: transactions of it are told apart by when they began.
    fn transaction_of(&self, wish: &MarkersWish) -> i32 {
        let known = self.rig.hosted.committed().get(&wish.transactional_id);
        known.map_or(0, |known| known.start_ms as i32)
    }

    fn step(&mut self) {
        // No two transactions of one producer begin at the same time.
        self.rig.now_ms += 1;
        match self.roll(24) {
            0..=2 => {
                let milliseconds = self.roll(1_500) as i64;
                self.rig.wait(milliseconds, |_| {});
            }
            3..=7 => {
                for wish in std::mem::take(&mut self.rig.wishes) {
                    if self.roll(3) == 0 {
                        self.rig.wishes.push(wish);
                    } else {
                        self.markers(&wish);
                    }
                }
            }
            8 => {
                self.rig.commit_at_once = !self.rig.commit_at_once;
                let behind = self.rig.log.end - self.rig.high_watermark;
                let by = if behind == 0 { 0 } else { self.roll(behind as u64 + 1) as i64 };
                self.rig.commit(self.rig.high_watermark + by);
            }
            9 if self.roll(3) == 0 => self.fail_over(),
            10 if self.roll(4) == 0 => {
                let refuses = self.rig.log.not_ready.is_none() && self.roll(2) == 0;
                self.rig.log.not_ready = refuses.then_some(ErrorCode::NotEnoughReplicas);
            }
            11 if self.shortened => self.shorten(),
            12 => {
                // Answers of an earlier term come late.
                for wish in std::mem::take(&mut self.late) {
                    let outcomes = wish.partitions.iter();
                    let outcomes = outcomes.map(|(topic, partition)| {
                        (topic.clone(), partition, MarkerOutcome::Answered(ErrorCode::None))
                    });
                    self.rig.host(TransactionCommand::MarkersAnswered(MarkersAnswer {
                        outcomes: outcomes.collect(),
                        transactional_id: wish.transactional_id,
                        producer: wish.producer,
                        coordinator_epoch: wish.coordinator_epoch,
                    }));
                }
            }
            _ => {
                let (command, asked) = self.command();
                self.next_token += 1;
                self.asked.insert(self.next_token, asked);
                self.rig.handle(command, self.next_token);
            }
        }
        self.hear();
        self.check();
    }

    /// The leader fails; the next one has what is committed, and of the rest all or nothing.
    fn fail_over(&mut self) {
        self.rig.close();
        self.hear();
        assert!(self.asked.is_empty(), "a coordinator that goes away answers everybody: {:?}", self.asked);
        if self.roll(2) == 0 {
            self.rig.truncate();
        }
        let wishes = std::mem::take(&mut self.rig.wishes);
        self.late.extend(wishes);
        self.rig.log.not_ready = None;
        self.rig.reload();
    }

    /// Brings a settled producer near its last epoch, as if it had lived long.
    fn shorten(&mut self) {
        let id = self.id();
        let Some(known) = self.rig.hosted.twins().0.get(&id).cloned() else { return };
        let last = i16::MAX - 4;
        if !known.state.is_settled() || known.producer_epoch >= last || !self.rig.hosted.is_settled() {
            return;
        }
        // What is written into the log by hand is known after a load only.
        if self.rig.log.not_ready.is_some() || !self.rig.wishes.is_empty() {
            return;
        }
        let settled = Transaction {
            producer_epoch: last,
            state: TransactionState::Empty,
            start_ms: -1,
            ..known.clone()
        };
        self.rig.append(&id, settled);
        self.fail_over();
        let producer = ProducerIdentity { producer_id: known.producer_id, producer_epoch: last };
        self.producers.entry(id).or_default().push(producer);
    }

    fn hear(&mut self) {
        for reply in self.rig.taken() {
            let token = reply.token.0;
            let asked = self.asked.remove(&token);
            let asked =
                asked.unwrap_or_else(|| panic!("request {token} was answered twice: {:?}", reply.answer));
            let answer = words::answer(&mut self.names, &reply.answer);
            self.trace.push(format!("{token} {answer}"));
            self.believe(&asked, &reply.answer);
        }
    }

    /// What was answered is so: in what is committed, now.
    fn believe(&mut self, asked: &Asked, answer: &TransactionAnswer) {
        match (asked, answer) {
            (Asked::Init(id), TransactionAnswer::InitProducerId(told)) if told.error_code == 0 => {
                self.tell(id.clone(), told.producer_id, told.producer_epoch);
            }
            (Asked::End { request, protocol_2 }, TransactionAnswer::EndTxn(told)) if told.error_code == 0 => {
                assert!(
                    self.was_ended(request, *protocol_2),
                    "told of an end that is not committed: {request:?}"
                );
                if *protocol_2 {
                    self.tell(request.transactional_id.clone(), told.producer_id, told.producer_epoch);
                }
            }
            (Asked::Add(transaction), TransactionAnswer::AddPartitions(told)) => {
                let added = |topic: &str, partition: i32| self.was_added(transaction, topic, partition);
                for topic in &told.topic_results {
                    for partition in &topic.results_by_partition {
                        assert!(
                            partition.partition_error_code != 0
                                || added(&topic.name, partition.partition_index),
                            "told of a partition that is not in the transaction: {transaction:?}"
                        );
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether what is committed says so: several steps of the log may leave together, so the state may have moved on.
    fn was_added(&self, transaction: &AddPartitionsToTxnTransaction, topic: &str, partition: i32) -> bool {
        let from = self.rig.high_watermark - 20;
        self.rig.entries(from).iter().any(|(offset, record)| {
            *offset < self.rig.high_watermark
                && record.transactional_id == transaction.transactional_id
                && record.value.as_ref().is_some_and(|known| {
                    known.state == TransactionState::Ongoing
                        && known.producer_id == transaction.producer_id
                        && known.producer_epoch == transaction.producer_epoch
                        && known.partitions.contains(topic, partition)
                })
        }) || self.rig.hosted.committed().get(&transaction.transactional_id).is_some_and(|known| {
            known.producer_id == transaction.producer_id && known.partitions.contains(topic, partition)
        })
    }

    /// Whether the outcome that a producer was told of is committed. Protocol 1 takes the end of the last transaction for that of this
    /// one, of which nothing was written yet, even over a change of producer ids.
    fn was_ended(&self, request: &EndTxnRequest, protocol_2: bool) -> bool {
        let producer_epoch = request.producer_epoch.saturating_add(i16::from(protocol_2));
        let complete = if request.committed {
            TransactionState::CompleteCommit
        } else {
            TransactionState::CompleteAbort
        };
        self.rig.entries(0).iter().any(|(offset, record)| {
            *offset < self.rig.high_watermark
                && record.transactional_id == request.transactional_id
                && record.value.as_ref().is_some_and(|known| {
                    (known.state.prepared() == Some(request.committed) || known.state == complete)
                        && known.producer_id == request.producer_id
                        && known.producer_epoch == producer_epoch
                })
        })
    }

    /// Whatever the log calls complete has its marker in every partition.
    fn check_markers(&self) {
        let mut decided = BTreeMap::new();
        for (offset, record) in self.rig.entries(0) {
            let Some(known) = record.value else { continue };
            if known.state.prepared().is_some() {
                decided.insert(record.transactional_id, known);
            } else if matches!(
                known.state,
                TransactionState::CompleteCommit | TransactionState::CompleteAbort
            ) {
                let Some(decided) = decided.remove(&record.transactional_id) else { continue };
                let ending = (decided.producer_id, decided.producer_epoch);
                for (topic, partition) in decided.partitions.iter() {
                    let place = (ending, decided.start_ms as i32, topic.clone(), partition);
                    let outcome = self.written.get(&place).copied();
                    assert_eq!(outcome, decided.state.prepared(), "{place:?} is complete at offset {offset}");
                }
            }
        }
    }

    fn tell(&mut self, id: Str, producer_id: i64, producer_epoch: i16) {
        assert!(producer_epoch >= 0, "a producer was told a negative epoch");
        assert!(producer_epoch < i16::MAX, "a producer was told the epoch that is kept to fence with");
        let told = self.told.entry(producer_id).or_insert(producer_epoch);
        assert!(producer_epoch >= *told, "producer {producer_id} was told {told}, then {producer_epoch}");
        *told = producer_epoch;
        self.producers.entry(id).or_default().push(ProducerIdentity { producer_id, producer_epoch });
    }

    fn check(&self) {
        if self.rig.hosted.is_settled() {
            let (pending, committed) = self.rig.hosted.twins();
            assert_eq!(pending, committed, "the twins differ though all is committed");
        }
    }

    /// The log, loaded anew, is the state; and so is what compaction leaves of it (S47).
    fn check_replay(&mut self) {
        self.check_markers();
        let batches = self.rig.log.batches.clone();
        let again = load(&batches, self.rig.high_watermark);
        assert_eq!(again.twins().0, self.rig.hosted.twins().0, "pending is not what the log says");
        assert_eq!(again.twins().1, self.rig.hosted.twins().1, "committed is not what the log says");
        // Any records that a later one of the same key makes obsolete may be gone.
        let mut last = BTreeMap::new();
        for (offset, record) in self.rig.entries(0) {
            last.insert(record.transactional_id, offset);
        }
        let last: BTreeSet<i64> = last.into_values().collect();
        let kept: Vec<RecordBatch> = batches
            .into_iter()
            .filter(|batch| {
                let needed = (batch.base_offset..batch.next_offset()).any(|offset| last.contains(&offset));
                needed || self.dice.below(2) == 0
            })
            .collect();
        let again = load(&kept, i64::MAX);
        assert_eq!(again.twins().0, self.rig.hosted.twins().0, "compaction changes what the log says");
    }

    /// Every partition answers, nothing fails: whatever is decided is complete, and has one outcome everywhere.
    fn heal(&mut self) {
        self.rig.log.not_ready = None;
        self.rig.commit_at_once = true;
        self.rig.commit(self.rig.log.end);
        for _ in 0..400 {
            self.rig.wait(1_000, |_| {});
            for wish in std::mem::take(&mut self.rig.wishes) {
                let outcomes: Vec<_> = wish
                    .partitions
                    .iter()
                    .map(|(topic, partition)| {
                        (topic.clone(), partition, MarkerOutcome::Answered(ErrorCode::None))
                    })
                    .collect();
                for (topic, partition, _) in &outcomes {
                    self.write_marker(&wish, topic, *partition);
                }
                self.rig.host(TransactionCommand::MarkersAnswered(MarkersAnswer {
                    transactional_id: wish.transactional_id.clone(),
                    producer: wish.producer,
                    coordinator_epoch: wish.coordinator_epoch,
                    outcomes,
                }));
            }
        }
        self.hear();
        assert!(self.asked.is_empty(), "never answered: {:?}", self.asked);
        for (id, known) in self.rig.hosted.committed().iter() {
            assert!(known.state.is_settled(), "{id} hangs: {known:?}");
        }
    }
}

fn load(batches: &[RecordBatch], high_watermark: i64) -> Hosted<TransactionMachine> {
    let soft = TransactionSoft::new(TransactionConfig::default(), 0);
    let mut hosted = Hosted::loading(TransactionMachine::new(), soft, HostedOptions::default(), 0);
    for batch in batches {
        assert_eq!(hosted.load(batch.bytes().clone(), high_watermark), []);
    }
    hosted
}

fn walk(seed: u64, steps: usize) -> Vec<String> {
    let mut walk = Walk::new(seed);
    for step in 0..steps {
        walk.step();
        if step % 50 == 0 && walk.rig.hosted.is_open() {
            walk.check_replay();
        }
        if !walk.rig.hosted.is_open() {
            walk.fail_over();
        }
    }
    walk.check_replay();
    walk.heal();
    walk.check_replay();
    walk.trace
}

/// Seeds of the ordinary test run; `OTTLA_SEEDS` walks further.
const SEEDS: u64 = 60;

#[test]
fn random_commands_keep_every_promise() {
    let seeds = std::env::var("OTTLA_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    // The walks must reach the rooms that matter.
    let mut unseen = vec![
        "InitProducerId NONE",
        "InitProducerId CONCURRENT_TRANSACTIONS",
        "InitProducerId PRODUCER_FENCED",
        "epoch=32766",
        "AddOffsetsToTxn NONE",
        "TRANSACTION_ABORTABLE",
        "EndTxn NONE",
        "EndTxn INVALID_TXN_STATE",
        "EndTxn CONCURRENT_TRANSACTIONS",
        "EndTxn PRODUCER_FENCED",
        "INVALID_PRODUCER_ID_MAPPING",
        "PrepareCommit",
        "NOT_COORDINATOR",
        "COORDINATOR_NOT_AVAILABLE",
        "TRANSACTIONAL_ID_NOT_FOUND",
    ];
    for seed in 0..seeds {
        let trace = walk(seed, 600).join("\n");
        unseen.retain(|words| !trace.contains(words));
    }
    assert!(unseen.is_empty(), "never seen: {unseen:?}");
}

#[test]
fn a_seed_has_one_outcome() {
    assert_eq!(walk(7, 800), walk(7, 800));
}
