//! A register with a log of one number per record shows the order of append, apply, answer, commit and demotion.

use super::memory::Memory;
use super::*;
use crate::machine::{EncodedRecord, ProducerIdentity};
use wire::compress::Compression;

/// The sum of all numbers; numbers of open transactions count once they commit.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Register {
    pub(super) sum: i64,
    staged: Vec<(i64, i64)>,
    last_offset: i64,
}

#[derive(Debug, Clone)]
pub(super) enum Ask {
    Add(Vec<i64>),
    AddInTransaction(i64, i64),
    Read,
    ReadLatest,
    Refuse,
    AddThenAdd(i64, i64),
}

impl Machine for Register {
    type Soft = ();
    type Command = Ask;
    type Answer = Result<i64, ErrorCode>;
    type Record = i64;
    type Timer = u8;

    fn decide(&self, (): &mut (), _now_ms: i64, ask: Ask, token: Option<ReplyToken>) -> Decision<Self> {
        let mut decision = Decision { may_split: true, ..Decision::default() };
        let mut after = self.sum;
        match ask {
            Ask::Add(numbers) => {
                after += numbers.iter().sum::<i64>();
                decision.records = numbers;
            }
            Ask::AddInTransaction(producer_id, number) => {
                decision.records = vec![number];
                decision.producer = Some(ProducerIdentity { producer_id, producer_epoch: 0 });
            }
            Ask::Read | Ask::ReadLatest => {}
            Ask::Refuse => {
                decision.refuse(token.unwrap(), Err(ErrorCode::InvalidRequest));
                return decision;
            }
            Ask::AddThenAdd(first, second) => {
                after += first;
                decision.records = vec![first];
                decision.after_commit = vec![Ask::Add(vec![second])];
                decision.set_timer(7, 1_000);
            }
        }
        if let Some(token) = token {
            decision.answer(token, Ok(after));
        }
        decision
    }

    fn query(&self, (): &(), _now_ms: i64, ask: &Ask) -> Option<Self::Answer> {
        matches!(ask, Ask::Read).then_some(Ok(self.sum))
    }

    fn apply(&mut self, origin: Origin, record: &i64) {
        assert!(origin.offset >= self.last_offset);
        self.last_offset = origin.offset;
        match origin.producer {
            None => self.sum += record,
            Some(producer) => self.staged.push((producer.producer_id, *record)),
        }
    }

    fn apply_marker(&mut self, offset: i64, marker: &TransactionMarker) {
        self.last_offset = offset;
        let id = marker.producer.producer_id;
        let mine = self.staged.iter().filter(|(producer_id, _)| *producer_id == id);
        let sum: i64 = mine.map(|(_, number)| *number).sum();
        self.staged.retain(|(producer_id, _)| *producer_id != id);
        self.sum += if marker.commit { sum } else { 0 };
    }

    fn resembles(&self, twin: &Self) -> bool {
        self == twin
    }

    fn fired(_timer: u8) -> Ask {
        Ask::Add(vec![1_000])
    }

    fn opened(&self, (): &mut (), _now_ms: i64) -> Decision<Self> {
        Decision::default()
    }

    fn closed((): (), _error: ErrorCode) -> Vec<Reply<Self::Answer>> {
        Vec::new()
    }

    fn refuse(_ask: &Ask, error: ErrorCode) -> Self::Answer {
        Err(error)
    }

    fn retract(_answer: Self::Answer, error: ErrorCode) -> Self::Answer {
        Err(error)
    }

    fn marker_answer(result: Result<(), ErrorCode>) -> Self::Answer {
        result.map(|()| 0)
    }

    fn encode(record: &i64) -> EncodedRecord {
        EncodedRecord { key: Bytes::from_static(b"sum"), value: Some(Bytes::from(record.to_string())) }
    }

    fn decode(key: Option<Bytes>, value: Option<Bytes>) -> Result<Option<i64>, String> {
        if key.as_deref() != Some(b"sum") {
            return Ok(None);
        }
        let text = value.ok_or("no value")?;
        let text = std::str::from_utf8(&text).map_err(|error| error.to_string())?;
        text.parse().map(Some).map_err(|_| format!("not a number: {text}"))
    }
}

pub(super) struct Rig {
    pub(super) hosted: Hosted<Register>,
    log: Memory,
    replies: Vec<Reply<Result<i64, ErrorCode>>>,
    next_token: u64,
}

impl Rig {
    pub(super) fn open() -> Rig {
        let hosted = Hosted::loading(Register::default(), (), HostedOptions::default(), 0);
        let mut rig = Rig { hosted, log: Memory::default(), replies: Vec::new(), next_token: 0 };
        rig.hosted.loaded(0, 0, 0, &mut rig.log, &mut rig.replies);
        rig
    }

    /// A new term on the same log, with this high watermark.
    fn reload(&mut self, high_watermark: i64) {
        self.hosted = Hosted::loading(Register::default(), (), HostedOptions::default(), 0);
        for batch in &self.log.batches {
            assert_eq!(self.hosted.load(batch.bytes().clone(), high_watermark), []);
        }
        self.hosted.loaded(0, self.log.end, high_watermark, &mut self.log, &mut self.replies);
    }

    pub(super) fn ask(&mut self, ask: Ask) -> Vec<Result<i64, ErrorCode>> {
        self.next_token += 1;
        self.hosted.handle(0, ask, ReplyToken(self.next_token), &mut self.log, &mut self.replies);
        self.taken()
    }

    fn marker(&mut self, producer_id: i64, commit: bool) -> Vec<Result<i64, ErrorCode>> {
        let producer = ProducerIdentity { producer_id, producer_epoch: 0 };
        let marker = TransactionMarker { producer, commit, coordinator_epoch: 0 };
        let token = ReplyToken(99);
        self.hosted.complete_transaction(0, marker, token, &mut self.log, &mut self.replies);
        self.taken()
    }

    pub(super) fn advance(&mut self, high_watermark: i64) -> Vec<Result<i64, ErrorCode>> {
        self.hosted.advance(0, high_watermark, &mut self.log, &mut self.replies);
        self.taken()
    }

    fn taken(&mut self) -> Vec<Result<i64, ErrorCode>> {
        self.replies.drain(..).map(|reply| reply.answer).collect()
    }
}

#[test]
fn an_answer_waits_for_the_high_watermark_and_a_refusal_does_not() {
    let mut rig = Rig::open();
    assert_eq!(rig.ask(Ask::Add(vec![1, 2])), []);
    assert_eq!(rig.ask(Ask::Refuse), [Err(ErrorCode::InvalidRequest)]);
    assert_eq!(rig.ask(Ask::Read), [Ok(0)], "reads see committed state");
    assert_eq!(
        rig.ask(Ask::ReadLatest),
        [],
        "an answer about uncommitted state waits, though it wrote nothing"
    );
    assert_eq!(rig.advance(1), []);
    assert_eq!(rig.advance(2), [Ok(3), Ok(3)]);
    assert_eq!(rig.ask(Ask::Read), [Ok(3)]);
    assert!(rig.hosted.is_settled());
    let (pending, committed) = rig.hosted.twins();
    assert_eq!(pending, committed);
}

#[test]
fn commands_after_commit_run_when_their_cause_is_committed() {
    let mut rig = Rig::open();
    assert_eq!(rig.ask(Ask::AddThenAdd(1, 10)), []);
    assert_eq!(rig.log.end, 1);
    assert_eq!(rig.advance(1), [Ok(1)]);
    assert_eq!(rig.log.end, 2, "the second addition was appended when the first was committed");
    rig.advance(2);
    assert_eq!(rig.ask(Ask::Read), [Ok(11)]);
    assert_eq!(rig.hosted.next_deadline(), Some(1_000));
    rig.hosted.tick(1_000, &mut rig.log, &mut rig.replies);
    rig.advance(3);
    assert_eq!(rig.ask(Ask::Read), [Ok(1_011)]);
}

#[test]
fn a_load_rebuilds_both_twins() {
    let mut rig = Rig::open();
    rig.ask(Ask::Add(vec![1, 2, 3]));
    rig.ask(Ask::AddInTransaction(5, 100));
    rig.marker(5, true);
    rig.ask(Ask::AddInTransaction(6, 1_000));
    rig.marker(6, false);
    rig.advance(rig.log.end);
    assert_eq!(rig.taken(), []);
    assert_eq!(rig.ask(Ask::Read), [Ok(106)]);
    let before = rig.hosted.committed().clone();
    rig.reload(rig.log.end);
    assert_eq!(rig.hosted.committed(), &before);
    // With a high watermark in the middle, the committed twin stops there and catches up later.
    rig.reload(2);
    rig.advance(rig.log.end);
    assert_eq!(rig.hosted.committed(), &before);
}

/// Seed 2100674 of the simulation: a new leader of a transaction's coordinator, which did not know yet what was committed, denied
/// that there was such a producer.
#[test]
fn a_new_leader_tells_nothing_before_what_it_loaded_is_committed() {
    let mut rig = Rig::open();
    rig.ask(Ask::Add(vec![1, 2, 3]));
    rig.advance(3);
    assert_eq!(rig.ask(Ask::Read), [Ok(6)]);
    for high_watermark in [0, 2] {
        rig.reload(high_watermark);
        assert_eq!(rig.ask(Ask::Read), [Err(ErrorCode::CoordinatorLoadInProgress)]);
        assert_eq!(rig.ask(Ask::Refuse), [Err(ErrorCode::InvalidRequest)], "it takes commands");
        rig.advance(3);
        assert_eq!(rig.ask(Ask::Read), [Ok(6)]);
    }
}

#[test]
fn loading_and_closed_coordinators_refuse() {
    let mut rig = Rig::open();
    rig.hosted = Hosted::loading(Register::default(), (), HostedOptions::default(), 0);
    assert_eq!(rig.ask(Ask::Read), [Err(ErrorCode::CoordinatorLoadInProgress)]);
    assert_eq!(rig.marker(1, true), [Err(ErrorCode::CoordinatorLoadInProgress)]);
    rig.reload(0);
    assert_eq!(rig.ask(Ask::Add(vec![1])), []);
    rig.hosted.close(ErrorCode::NotCoordinator, &mut rig.replies);
    assert_eq!(rig.taken(), [Err(ErrorCode::NotCoordinator)], "whoever waits is told");
    assert_eq!(rig.ask(Ask::Read), [Err(ErrorCode::NotCoordinator)]);
    assert_eq!(rig.hosted.next_deadline(), None);
}

#[test]
fn a_partition_that_takes_no_writes_refuses_before_anything_is_decided() {
    let mut rig = Rig::open();
    rig.log.not_ready = Some(ErrorCode::NotEnoughReplicas);
    assert_eq!(rig.ask(Ask::Add(vec![1])), [Err(ErrorCode::CoordinatorNotAvailable)]);
    assert_eq!(rig.ask(Ask::Read), [Ok(0)]);
    rig.log.not_ready = None;
    assert_eq!(rig.ask(Ask::Add(vec![1])), []);
}

/// With too few replicas in sync a due timer kept its shard's turn due for ever.
#[test]
fn a_timer_that_finds_no_log_to_write_to_rests() {
    let mut rig = Rig::open();
    rig.ask(Ask::AddThenAdd(1, 10));
    rig.advance(1);
    rig.advance(2);
    rig.log.not_ready = Some(ErrorCode::NotEnoughReplicas);
    rig.hosted.tick(1_000, &mut rig.log, &mut rig.replies);
    assert_eq!(rig.hosted.next_deadline(), Some(1_000 + NOT_READY_PAUSE_MS));
    rig.log.not_ready = None;
    rig.hosted.tick(1_000 + NOT_READY_PAUSE_MS, &mut rig.log, &mut rig.replies);
    rig.advance(3);
    assert_eq!(rig.ask(Ask::Read), [Ok(1_011)]);
}

#[test]
fn a_fault_at_append_closes_and_a_refused_transaction_does_not() {
    let mut rig = Rig::open();
    rig.log.fails = Some(ErrorCode::InvalidProducerEpoch);
    assert_eq!(rig.ask(Ask::AddInTransaction(1, 1)), [Err(ErrorCode::InvalidProducerEpoch)]);
    assert_eq!(rig.marker(1, true), [Err(ErrorCode::InvalidProducerEpoch)]);
    assert!(rig.hosted.is_open());
    rig.log.fails = Some(ErrorCode::KafkaStorageError);
    assert_eq!(rig.ask(Ask::Add(vec![1])), [Err(ErrorCode::NotCoordinator)]);
    assert!(!rig.hosted.is_open());
}

#[test]
fn answers_that_wait_too_long_are_refused() {
    let mut rig = Rig::open();
    rig.ask(Ask::AddThenAdd(1, 10));
    assert_eq!(rig.hosted.next_deadline(), Some(1_000));
    rig.hosted.tick(5_000, &mut rig.log, &mut rig.replies);
    assert_eq!(rig.taken(), [Err(ErrorCode::CoordinatorNotAvailable)]);
    // What was written stays, and so does what follows from it.
    rig.advance(rig.log.end);
    rig.advance(rig.log.end);
    assert_eq!(rig.ask(Ask::Read), [Ok(1_011)]);
}

#[test]
fn many_records_are_spread_over_batches() {
    let mut rig = Rig::open();
    rig.hosted.set_options(HostedOptions { max_batch_bytes: 200, ..HostedOptions::default() });
    rig.ask(Ask::Add((0..100).collect()));
    assert!(rig.log.batches.len() > 5);
    assert!(rig.log.batches.iter().all(|batch| batch.bytes().len() <= 200));
    assert_eq!(rig.advance(100), [Ok(4_950)]);
    assert_eq!(rig.ask(Ask::Read), [Ok(4_950)]);
}

#[test]
fn a_record_that_cannot_be_read_is_left_out_and_told_and_an_unknown_type_is_left_out() {
    let batch = |key: &'static [u8], value: &'static [u8]| {
        let mut builder = wire::record_batch::RecordBatchBuilder::with_compression(Compression::None);
        builder.append(0, Some(key), Some(value), &[]);
        builder.build()
    };
    let mut hosted = Hosted::loading(Register::default(), (), HostedOptions::default(), 0);
    assert_eq!(hosted.load(batch(b"other", b"x"), 0), []);
    assert_eq!(hosted.next_offset(), 1, "the load goes on behind what it passes over");
    let lost = hosted.load(batch(b"sum", b"x"), 0);
    assert_eq!(lost.iter().map(|lost| lost.reason.as_str()).collect::<Vec<_>>(), ["not a number: x"]);
    hosted.pass_over(7);
    assert_eq!(hosted.next_offset(), 7);
}
