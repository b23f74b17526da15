//! What cannot be said in a dialogue: clocks that jump, records that nobody writes, numbers at their ends, very many.

use super::rig::Rig;
use crate::group;
use crate::machine::ProducerIdentity;
use crate::transaction::{
    MarkerOutcome, MarkersAnswer, Partitions, Transaction, TransactionAnswer, TransactionCommand,
    TransactionConfig, TransactionMachine, TransactionState, records,
};
use bytes::Bytes;
use wire::messages::add_partitions_to_txn::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
use wire::messages::end_txn::EndTxnRequest;
use wire::messages::init_producer_id::InitProducerIdRequest;
use wire::records::transaction::{
    PartitionsSchema, TransactionKey, TransactionLogKey, TransactionLogValue, TransactionValue,
};
use wire::wall::Wall;
use wire::{ErrorCode, Str};

fn init(rig: &mut Rig, id: &str) -> (i64, i16) {
    let request = InitProducerIdRequest {
        transactional_id: Some(Str::from(id)),
        transaction_timeout_ms: 10_000,
        ..InitProducerIdRequest::default()
    };
    rig.handle(TransactionCommand::InitProducerId { api_version: 5, request }, 1);
    match rig.taken().pop().unwrap().answer {
        TransactionAnswer::InitProducerId(told) => (told.producer_id, told.producer_epoch),
        other => panic!("{other:?}"),
    }
}

fn add(rig: &mut Rig, id: &str, producer: (i64, i16), partitions: Vec<i32>) {
    let transaction = AddPartitionsToTxnTransaction {
        transactional_id: Str::from(id),
        producer_id: producer.0,
        producer_epoch: producer.1,
        verify_only: false,
        topics: vec![AddPartitionsToTxnTopic { name: Str::from("x"), partitions }],
    };
    rig.handle(TransactionCommand::AddPartitions { api_version: 5, transaction }, 2);
}

fn end(rig: &mut Rig, id: &str, producer: (i64, i16), committed: bool) -> ErrorCode {
    let request = EndTxnRequest {
        transactional_id: Str::from(id),
        producer_id: producer.0,
        producer_epoch: producer.1,
        committed,
    };
    rig.handle(TransactionCommand::EndTxn { api_version: 5, request }, 3);
    match rig.taken().pop().unwrap().answer {
        TransactionAnswer::EndTxn(told) => ErrorCode::from_code(told.error_code),
        other => panic!("{other:?}"),
    }
}

/// Deadlines run with the node's own time: nobody is fenced because a clock is put right.
#[test]
fn a_wall_clock_that_jumps_aborts_nobody() {
    let wall = Wall::default();
    let mut rig = Rig::open(TransactionConfig::default());
    *rig.hosted.soft_mut().unwrap() =
        crate::transaction::TransactionSoft::new(rig.config, 0).with_wall(wall.clone());
    rig.host(TransactionCommand::ProducerIdsGranted { ids: 1..10 });
    let producer = init(&mut rig, "tx");
    add(&mut rig, "tx", producer, vec![0]);
    for ahead_ms in [3_600_000, -3_600_000] {
        wall.is_ahead_by(ahead_ms);
        rig.wait(4_000, |_| {});
        assert_eq!(rig.hosted.committed().get("tx").unwrap().state, TransactionState::Ongoing);
    }
    rig.wait(3_000, |_| {});
    assert_eq!(rig.hosted.committed().get("tx").unwrap().state, TransactionState::PrepareAbort);
    // One that is loaded has at most its whole timeout left, and at least nothing.
    let open = |start_ms| Transaction {
        state: TransactionState::Ongoing,
        start_ms,
        ..Transaction::unused(1, 10_000, 0)
    };
    for (start_ms, wall_ms, left_ms) in [
        (100_000, 104_000, 6_000),
        (100_000, 110_001, 0),
        (100_000, 50_000, 10_000),
        (i64::MAX, 0, 10_000),
        (i64::MIN, i64::MAX, 0),
    ] {
        assert_eq!(TransactionMachine::timeout_left_ms(&open(start_ms), wall_ms), left_ms);
    }
}

fn encoded(status: i8, producer_id: i64, producer_epoch: i16) -> (Option<Bytes>, Option<Bytes>) {
    let key = TransactionKey::from(TransactionLogKey { transactional_id: Str::from("tx") }).encode();
    let partitions = PartitionsSchema { topic: Str::from("x"), partition_ids: vec![0, 0, -1] };
    let value = TransactionLogValue {
        producer_id,
        producer_epoch,
        transaction_status: status,
        transaction_partitions: Some(vec![partitions.clone(), partitions]),
        next_producer_id: 77,
        ..TransactionLogValue::default()
    };
    (Some(key), Some(TransactionValue::from(value).encode(1)))
}

#[test]
fn what_no_coordinator_writes_is_refused_or_made_sound() {
    let decode = |(key, value)| records::decode(key, value);
    for (status, id, epoch, reason) in [
        (8, 1, 0, "there is no transaction state 8"),
        (-1, 1, 0, "there is no transaction state -1"),
        (6, 1, 0, "the transaction state Dead is never persisted"),
        (7, 1, 0, "the transaction state PrepareEpochFence is never persisted"),
        (1, -1, 0, "nobody is producer -1 with epoch 0"),
        (1, 1, -1, "nobody is producer 1 with epoch -1"),
    ] {
        assert_eq!(decode(encoded(status, id, epoch)).unwrap_err(), reason);
    }
    let settled = decode(encoded(4, 1, 0)).unwrap().unwrap().value.unwrap();
    assert!(settled.partitions.is_empty(), "nothing of a complete transaction waits for a marker");
    assert_eq!(settled.next_producer_id, -1);
    let open = decode(encoded(1, 1, 0)).unwrap().unwrap().value.unwrap();
    assert_eq!(open.partitions.len(), 2, "what stands there twice is there once");
    // Types and versions that are yet to come are passed over, what is cut short is told of.
    let (key, value) = encoded(1, 1, 0);
    let future = Bytes::from_static(&[0, 9, 0, 0]);
    assert_eq!(records::decode(Some(future), value.clone()), Ok(None));
    let mut newer = value.clone().unwrap().to_vec();
    newer[1] = 9;
    assert_eq!(records::decode(key.clone(), Some(Bytes::from(newer))), Ok(None));
    let whole = value.unwrap();
    for length in 0..whole.len() {
        assert!(records::decode(key.clone(), Some(whole.slice(..length))).is_err(), "cut at {length}");
    }
    assert!(records::decode(None, None).is_err());
    assert_eq!(records::decode(key, None).unwrap().unwrap().value, None);
}

/// Nobody has the last epoch; whoever pretends to gets no negative one (S29).
#[test]
fn the_last_epoch_has_no_successor() {
    for committed in [true, false] {
        let mut rig = Rig::open(TransactionConfig::default());
        let last = Transaction {
            producer_epoch: i16::MAX,
            start_ms: 0,
            state: TransactionState::Ongoing,
            partitions: one_partition(),
            ..Transaction::unused(9, 10_000, 0)
        };
        load(&mut rig, "tx", last);
        assert_eq!(end(&mut rig, "tx", (9, i16::MAX), committed), ErrorCode::None);
        let decided = rig.hosted.committed().get("tx").unwrap().clone();
        assert_eq!((decided.producer_id, decided.producer_epoch), (9, i16::MAX));
        assert!(decided.next_producer_id >= 0);
        answer_all(&mut rig);
        let complete = rig.hosted.committed().get("tx").unwrap();
        assert_eq!((complete.producer_id, complete.producer_epoch), (decided.next_producer_id, 0));
    }
    // And a fence of it, by both protocols.
    for transaction_version in [0, 2] {
        let mut rig = Rig::open(TransactionConfig { transaction_version, ..TransactionConfig::default() });
        let last = Transaction {
            producer_epoch: i16::MAX,
            start_ms: 0,
            state: TransactionState::Ongoing,
            partitions: one_partition(),
            ..Transaction::unused(9, 10_000, 0)
        };
        load(&mut rig, "tx", last);
        assert_eq!(init(&mut rig, "tx"), (-1, -1), "the open transaction is aborted first");
        answer_all(&mut rig);
        let (producer_id, producer_epoch) = init(&mut rig, "tx");
        assert!(producer_id != 9 && producer_epoch <= 1, "{producer_id} {producer_epoch}");
    }
}

fn one_partition() -> Partitions {
    let mut partitions = Partitions::default();
    partitions.insert(&Str::from("x"), 0);
    partitions
}

/// Puts a transaction into the log and loads it.
fn load(rig: &mut Rig, id: &str, transaction: Transaction) {
    rig.append(id, transaction);
    rig.close();
    rig.reload();
    rig.taken();
}

fn answer_all(rig: &mut Rig) {
    for wish in std::mem::take(&mut rig.wishes) {
        let outcomes = wish.partitions.iter();
        let outcomes =
            outcomes.map(|(topic, number)| (topic.clone(), number, MarkerOutcome::Answered(ErrorCode::None)));
        rig.host(TransactionCommand::MarkersAnswered(MarkersAnswer {
            outcomes: outcomes.collect(),
            transactional_id: wish.transactional_id.clone(),
            producer: wish.producer,
            coordinator_epoch: wish.coordinator_epoch,
        }));
    }
}

#[test]
fn a_transaction_of_ten_thousand_partitions_ends() {
    let mut rig = Rig::open(TransactionConfig::default());
    let producer = init(&mut rig, "tx");
    add(&mut rig, "tx", producer, (0..10_000).collect());
    rig.taken();
    assert_eq!(end(&mut rig, "tx", producer, true), ErrorCode::None);
    assert_eq!(rig.wishes[0].partitions.len(), 10_000);
    answer_all(&mut rig);
    let known = rig.hosted.committed().get("tx").unwrap();
    assert_eq!(known.state, TransactionState::CompleteCommit);
}

/// What a host may say that makes no sense does no harm.
#[test]
fn answers_about_nothing_are_passed_over() {
    let mut rig = Rig::open(TransactionConfig::default());
    let producer = init(&mut rig, "tx");
    add(&mut rig, "tx", producer, vec![0, 1]);
    rig.taken();
    end(&mut rig, "tx", producer, true);
    let wish = rig.wishes[0].clone();
    let outcome = MarkerOutcome::Answered(ErrorCode::None);
    let answer = |id: &str, producer: ProducerIdentity, outcomes: Vec<(Str, i32, MarkerOutcome)>| {
        TransactionCommand::MarkersAnswered(MarkersAnswer {
            transactional_id: Str::from(id),
            producer,
            coordinator_epoch: wish.coordinator_epoch,
            outcomes,
        })
    };
    let other = ProducerIdentity { producer_epoch: wish.producer.producer_epoch + 1, ..wish.producer };
    let both = vec![(Str::from("x"), 0, outcome), (Str::from("x"), 1, outcome)];
    rig.host(answer("nobody", wish.producer, both.clone()));
    rig.host(answer("tx", other, both));
    rig.host(answer("tx", wish.producer, vec![(Str::from("y"), 7, MarkerOutcome::NotReached)]));
    rig.host(answer("tx", wish.producer, vec![(Str::from("x"), 0, outcome)]));
    rig.host(answer("tx", wish.producer, vec![(Str::from("x"), 0, MarkerOutcome::NotReached)]));
    assert_eq!(rig.hosted.committed().get("tx").unwrap().state, TransactionState::PrepareCommit);
    rig.host(TransactionCommand::OutcomeCommitted { transactional_id: Str::from("nobody") });
    answer_all(&mut rig);
    assert_eq!(rig.hosted.committed().get("tx").unwrap().state, TransactionState::CompleteCommit);
    let end = rig.log.end;
    answer_all(&mut rig);
    rig.wait(200_000, |_| {});
    assert_eq!(rig.log.end, end, "complete is complete");
}

/// The host is told that it was not heard, and may say the same again.
#[test]
fn an_answer_that_was_not_heard_is_said_again() {
    let mut rig = Rig::open(TransactionConfig::default());
    let producer = init(&mut rig, "tx");
    add(&mut rig, "tx", producer, vec![0]);
    rig.taken();
    end(&mut rig, "tx", producer, true);
    let wish = rig.wishes.remove(0);
    let answer = TransactionCommand::MarkersAnswered(MarkersAnswer {
        transactional_id: wish.transactional_id,
        producer: wish.producer,
        coordinator_epoch: wish.coordinator_epoch,
        outcomes: vec![(Str::from("x"), 0, MarkerOutcome::Answered(ErrorCode::None))],
    });
    rig.log.not_ready = Some(ErrorCode::NotEnoughReplicas);
    rig.handle(answer.clone(), 4);
    let told = |rig: &mut Rig| rig.taken().pop().unwrap().answer;
    assert_eq!(told(&mut rig), TransactionAnswer::Done(ErrorCode::CoordinatorNotAvailable));
    rig.log.not_ready = None;
    rig.handle(answer, 5);
    assert_eq!(told(&mut rig), TransactionAnswer::Done(ErrorCode::None));
    assert_eq!(rig.hosted.committed().get("tx").unwrap().state, TransactionState::CompleteCommit);
}

/// Compared with what the real coordinator's record keys hash to: the same function as a group's.
#[test]
fn a_transactional_id_has_the_partition_of_a_group_of_its_name() {
    for name in ["tx", "ünï", "polygenelubricants", ""] {
        assert_eq!(crate::transaction::partition_for(name, 50), group::partition_for(name, 50));
    }
}
