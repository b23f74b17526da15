use super::*;
use wire::record_batch::{BatchAttributes, RecordBatch, RecordBatchBuilder};

const PRODUCER: i64 = 7;

struct Case {
    producers: Producers,
    next_offset: i64,
    verify: bool,
}

fn case() -> Case {
    Case { producers: Producers::starting_at(0), next_offset: 0, verify: false }
}

fn header(
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    count: i32,
    transactional: bool,
) -> BatchHeader {
    let mut builder = RecordBatchBuilder::new(BatchAttributes {
        producer_id,
        producer_epoch,
        base_sequence,
        transactional,
        ..BatchAttributes::default()
    });
    for _ in 0..count {
        builder.append(1000, None, Some(b"x"), &[]);
    }
    *RecordBatch::parse(builder.build()).unwrap().header()
}

impl Case {
    /// Appends; `Ok(true)` is a duplicate.
    fn append(&mut self, header: &BatchHeader, origin: Origin) -> Result<bool, AppendRefused> {
        self.append_marker(header, origin, None).map(|aborted| aborted.is_none())
    }

    fn append_marker(
        &mut self,
        header: &BatchHeader,
        origin: Origin,
        marker: Option<EndTransactionMarker>,
    ) -> Result<Option<Vec<AbortedTransaction>>, AppendRefused> {
        let batch = IncomingBatch { header, base_offset: self.next_offset, marker };
        match self.producers.prepare(&[batch], origin, self.verify, 0)? {
            Preparation::Duplicate(_) => Ok(None),
            Preparation::Append(prepared) => {
                self.next_offset = batch.last_offset() + 1;
                Ok(Some(self.producers.commit(prepared, self.next_offset)))
            }
        }
    }

    fn client(&mut self, epoch: i16, sequence: i32, count: i32) -> Result<bool, AppendRefused> {
        self.append(&header(PRODUCER, epoch, sequence, count, false), Origin::Client)
    }

    fn transactional(&mut self, producer_id: i64, sequence: i32) -> Result<bool, AppendRefused> {
        self.append(&header(producer_id, 0, sequence, 1, true), Origin::Client)
    }

    fn end(
        &mut self,
        producer_id: i64,
        commit: bool,
        coordinator_epoch: i32,
    ) -> Result<Vec<AbortedTransaction>, AppendRefused> {
        let mut control = header(producer_id, 0, -1, 1, true);
        control.attributes |= 0x20;
        let marker = EndTransactionMarker { commit, coordinator_epoch };
        Ok(self.append_marker(&control, Origin::Coordinator, Some(marker))?.unwrap())
    }
}

fn out_of_order(expected: i32, found: i32) -> Result<bool, AppendRefused> {
    Err(AppendRefused::OutOfOrderSequence { producer_id: PRODUCER, expected, found })
}

#[test]
fn sequences_follow_each_other() {
    let mut case = case();
    assert_eq!(case.client(0, 0, 3), Ok(false));
    assert_eq!(case.client(0, 3, 2), Ok(false));
    assert_eq!(case.client(0, 6, 1), out_of_order(5, 6));
    assert_eq!(case.client(0, 5, 1), Ok(false));
    assert_eq!(case.next_offset, 6);
}

#[test]
fn the_last_five_batches_are_known_again() {
    let mut case = case();
    for sequence in 0..7 {
        case.client(0, sequence, 1).unwrap();
    }
    for sequence in 2..7 {
        assert_eq!(case.client(0, sequence, 1), Ok(true), "{sequence}");
    }
    assert_eq!(case.client(0, 1, 1), out_of_order(7, 1));
    // The same sequences with another count are no duplicate.
    assert_eq!(case.client(0, 5, 2), out_of_order(7, 5));
    let again = header(PRODUCER, 0, 4, 1, false);
    assert_eq!(case.producers.duplicate_of(&again).unwrap().first_offset(), 4);
}

#[test]
fn a_new_epoch_starts_at_zero_and_fences_the_old() {
    let mut case = case();
    case.client(3, 0, 1).unwrap();
    assert_eq!(case.client(4, 1, 1), out_of_order(0, 1));
    assert_eq!(case.client(4, 0, 1), Ok(false));
    let fenced = AppendRefused::InvalidProducerEpoch { producer_id: PRODUCER, current: 4, found: 3 };
    assert_eq!(case.client(3, 1, 1), Err(fenced));
    // A follower takes what the leader took.
    assert_eq!(case.append(&header(PRODUCER, 3, 9, 1, false), Origin::Replication), Ok(false));
}

#[test]
fn sequences_wrap_to_zero() {
    let mut case = case();
    case.client(0, i32::MAX - 1, 2).unwrap();
    assert_eq!(case.client(0, i32::MAX - 1, 2), Ok(true));
    assert_eq!(case.client(0, 0, 1), Ok(false));
    assert_eq!(case.client(0, 1, 1), Ok(false));
}

#[test]
fn an_unknown_producer_may_start_anywhere() {
    let mut case = case();
    assert_eq!(case.client(0, 100, 1), Ok(false));
    case.producers.expire(1000 + 10, 10);
    assert_eq!(case.producers.len(), 0);
    assert_eq!(case.client(0, 555, 1), Ok(false));
}

#[test]
fn open_transactions_hold_the_last_stable_offset() {
    let mut case = case();
    case.transactional(1, 0).unwrap();
    case.transactional(2, 0).unwrap();
    case.transactional(1, 1).unwrap();
    assert_eq!(case.producers.first_unstable_offset(), Some(0));
    let aborted = case.end(1, false, 5).unwrap();
    let expected =
        AbortedTransaction { producer_id: 1, first_offset: 0, last_offset: 3, last_stable_offset: 1 };
    assert_eq!(aborted, [expected]);
    // Ended, but its marker is not replicated yet.
    assert_eq!(case.producers.first_unstable_offset(), Some(0));
    case.producers.replicated_to(4);
    assert_eq!(case.producers.first_unstable_offset(), Some(1));
    assert_eq!(case.end(2, true, 5).unwrap(), []);
    case.producers.replicated_to(5);
    assert_eq!(case.producers.first_unstable_offset(), None);
}

/// What a follower takes at once: transactions of three producers, ended and open, one beside and one after another.
#[test]
fn s17_the_last_stable_offset_of_a_marker_is_that_of_its_place_whatever_is_appended_with_it() {
    let abort = EndTransactionMarker { commit: false, coordinator_epoch: 5 };
    // By offset: whose, and whether it is the marker. 1 runs over the beginning of 2, which aborts twice before 3 and 4 begin.
    let order = [
        (1, false),
        (2, false),
        (1, true),
        (2, true),
        (2, false),
        (2, true),
        (3, false),
        (4, false),
        (4, true),
    ];
    let headers = order.map(|(producer_id, ends)| {
        let mut header = header(producer_id, 0, if ends { -1 } else { 0 }, 1, true);
        header.attributes |= if ends { 0x20 } else { 0 };
        (header, ends.then_some(abort))
    });
    let batches: Vec<IncomingBatch<'_>> = (0..)
        .zip(&headers)
        .map(|(base_offset, (header, marker))| IncomingBatch { header, base_offset, marker: *marker })
        .collect();
    let aborted = |producers: &mut Producers, batches: &[IncomingBatch<'_>]| {
        let prepared = producers.prepare(batches, Origin::Replication, false, 0).unwrap();
        let Preparation::Append(prepared) = prepared else { panic!() };
        let end = batches.last().unwrap().last_offset() + 1;
        let found = producers.commit(prepared, end).into_iter();
        found.map(|one| (one.first_offset, one.last_offset, one.last_stable_offset)).collect::<Vec<_>>()
    };
    let mut one_by_one = Producers::starting_at(0);
    let wanted = [(0, 2, 1), (1, 3, 4), (4, 5, 6), (7, 8, 6)];
    let each: Vec<_> =
        batches.iter().flat_map(|batch| aborted(&mut one_by_one, std::slice::from_ref(batch))).collect();
    assert_eq!(each, wanted);
    for first in 0..batches.len() {
        let (mut at_once, (before, after)) = (Producers::starting_at(0), batches.split_at(first));
        let mut found = if before.is_empty() { Vec::new() } else { aborted(&mut at_once, before) };
        found.extend(aborted(&mut at_once, after));
        assert_eq!(found, wanted, "in two pieces, the first of {first}");
        assert_eq!(at_once.first_unstable_offset(), one_by_one.first_unstable_offset());
    }
}

#[test]
fn transactions_are_not_mixed_and_old_coordinators_are_fenced() {
    let mut case = case();
    case.transactional(PRODUCER, 0).unwrap();
    assert!(matches!(case.client(0, 1, 1), Err(AppendRefused::InvalidTransactionState(_))));
    case.end(PRODUCER, true, 5).unwrap();
    assert_eq!(case.client(0, 1, 1), Ok(false));
    let fenced = AppendRefused::TransactionCoordinatorFenced { current: 5, found: 4 };
    assert_eq!(case.end(PRODUCER, true, 4), Err(fenced));
}

#[test]
fn a_transaction_is_verified_before_its_first_write() {
    let mut case = case();
    case.verify = true;
    let Err(AppendRefused::NeedsVerification { guard }) = case.transactional(PRODUCER, 0) else { panic!() };
    assert!(!case.producers.confirm_verification(PRODUCER, guard + 1));
    assert!(case.producers.confirm_verification(PRODUCER, guard));
    assert_eq!(case.transactional(PRODUCER, 0), Ok(false));
    assert_eq!(case.transactional(PRODUCER, 1), Ok(false));
    case.end(PRODUCER, true, 0).unwrap();
    // The next transaction asks anew, and a word that was overtaken by a marker does not count.
    let Err(AppendRefused::NeedsVerification { guard: stale }) = case.transactional(PRODUCER, 2) else {
        panic!()
    };
    case.end(PRODUCER, false, 0).unwrap();
    assert!(!case.producers.confirm_verification(PRODUCER, stale));
    assert!(matches!(case.transactional(PRODUCER, 2), Err(AppendRefused::NeedsVerification { .. })));
}

/// S18: by protocol 2 a producer has the epoch of its next transaction before the marker of the last one is here.
#[test]
fn a_transaction_that_waits_for_its_marker_takes_in_nothing_of_the_next() {
    let mut case = case();
    case.verify = true;
    let Err(AppendRefused::NeedsVerification { guard }) = case.transactional(PRODUCER, 0) else { panic!() };
    assert!(case.producers.confirm_verification(PRODUCER, guard));
    assert_eq!(case.transactional(PRODUCER, 0), Ok(false));
    let next = FirstWrite { producer_id: PRODUCER, producer_epoch: 1, base_sequence: 0 };
    assert!(case.producers.begin_verification(next, 0).is_some(), "its coordinator has to say so");
    let batch = header(PRODUCER, 1, 0, 1, true);
    assert!(matches!(case.append(&batch, Origin::Client), Err(AppendRefused::NeedsVerification { .. })));
    assert_eq!(case.transactional(PRODUCER, 1), Ok(false), "the open one goes on");
}

#[test]
fn the_number_of_producers_is_bounded() {
    let mut case = case();
    for id in 0..100 {
        let mut batch = header(id, 0, 0, 1, id == 3);
        batch.max_timestamp = 1000 + id;
        case.append(&batch, Origin::Client).unwrap();
        case.producers.bound(50);
        assert!(case.producers.len() <= 50);
    }
    assert!(case.producers.has_open_transaction(3));
    assert!(case.producers.entries.contains_key(&99));
}
