use super::*;
use wire::compress::DecompressLimit;
use wire::record_batch::RecordBatch;

/// A producer's queues for topic `t`, with node 1 leading every partition.
pub(super) struct Harness {
    pub(super) accumulator: Accumulator,
    now_ms: i64,
    deliveries: Vec<Delivery>,
}

pub(super) fn options() -> AccumulatorOptions {
    AccumulatorOptions {
        batch_bytes: 300,
        linger_ms: 5,
        delivery_timeout_ms: 1000,
        max_request_bytes: 10_000,
        retry_backoff_ms: 100,
        retries: u32::MAX,
        idempotent: true,
        attributes: BatchAttributes::default(),
    }
}

impl Harness {
    pub(super) fn new(options: AccumulatorOptions) -> Harness {
        let mut accumulator = Accumulator::new(options);
        accumulator.set_identity(77, 0);
        Harness { accumulator, now_ms: 10_000, deliveries: Vec::new() }
    }

    /// Records with these values to partition 0, each value closed into a batch of its own; the broker knows the producer.
    pub(super) fn batches(&mut self, values: &[&str]) {
        for value in values {
            self.append(0, value);
            self.accumulator.flush();
        }
        self.begun();
    }

    /// The broker has stored something of this producer in every partition.
    pub(super) fn begun(&mut self) {
        self.accumulator.queues.values_mut().flatten().for_each(|queue| queue.begun = true);
    }

    /// Sends these values in batches of their own and loses all answers.
    pub(super) fn all_lost(&mut self, values: &[&str]) {
        self.batches(values);
        let sent: Vec<Batch> = values.iter().map(|_| only(self.drain())).collect();
        sent.into_iter().for_each(|batch| self.lost(batch));
        self.wait(100);
    }

    /// The next batch, which must be alone and read like this.
    pub(super) fn next(&mut self, expected: &str) -> Batch {
        let mut batch = only(self.drain());
        assert_eq!(show(&mut batch), expected);
        assert!(self.drain().is_empty(), "alone");
        batch
    }

    pub(super) fn gap(&mut self, batch: Batch) {
        self.refused(batch, ErrorCode::OutOfOrderSequenceNumber);
        self.wait(100);
    }

    pub(super) fn append(&mut self, partition: i32, value: &str) -> bool {
        let record = Record::new("t").value(value.as_bytes().to_vec());
        let appended = self.accumulator.append(self.now_ms, &record, partition);
        self.deliveries.push(appended.delivery);
        appended.wake
    }

    pub(super) fn drain(&mut self) -> Vec<Batch> {
        self.drain_with(&mut |_| Route::Node(1)).requests.remove(&1).unwrap_or_default()
    }

    pub(super) fn drain_with(&mut self, route: &mut dyn FnMut(&TopicPartition) -> Route) -> Drained {
        self.accumulator.drain(self.now_ms, false, route)
    }

    pub(super) fn stored(&mut self, batch: Batch, base_offset: i64) {
        self.accumulator.stored(batch, Stored { base_offset, log_append_time_ms: -1 });
    }

    pub(super) fn refused(&mut self, batch: Batch, code: ErrorCode) -> bool {
        self.accumulator.refused(self.now_ms, batch, Error::refused(code, "produce"))
    }

    pub(super) fn lost(&mut self, batch: Batch) {
        let cause = net::PeerError::Disconnected { why: "gone".to_owned() };
        self.accumulator.refused(self.now_ms, batch, Error::Network { address: "b:1".to_owned(), cause });
    }

    pub(super) fn wait(&mut self, ms: i64) {
        self.now_ms += ms;
    }

    /// The outcomes so far: an offset, `?` for none yet, `!` for a failure.
    pub(super) fn outcomes(&self) -> String {
        let one = |delivery: &Delivery| match delivery.peek() {
            None => "?".to_owned(),
            Some(Ok(metadata)) => metadata.offset.to_string(),
            Some(Err(_)) => "!".to_owned(),
        };
        self.deliveries.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}

/// What a batch says on the wire: its values and epoch:sequence.
pub(super) fn show(batch: &mut Batch) -> String {
    let parsed = RecordBatch::parse(batch.encode()).expect("a valid batch");
    parsed.verify_crc().expect("a right CRC");
    let records = parsed.records(DecompressLimit::default()).expect("records");
    let values: Vec<String> = records
        .map(|record| {
            String::from_utf8(record.expect("a record").value.expect("a value").to_vec()).expect("text")
        })
        .collect();
    let header = parsed.header();
    format!("{}@{}:{}", values.join("+"), header.producer_epoch, header.base_sequence)
}

pub(super) fn only(mut batches: Vec<Batch>) -> Batch {
    assert_eq!(batches.len(), 1);
    batches.remove(0)
}

#[test]
fn a_batch_waits_for_its_linger_time() {
    let mut h = Harness::new(options());
    assert!(h.append(0, "a"));
    assert!(!h.append(0, "b"));
    let early = h.drain_with(&mut |_| Route::Node(1));
    assert!(early.requests.is_empty());
    assert_eq!(early.deadline_ms, Some(10_005));
    h.wait(5);
    assert_eq!(show(&mut only(h.drain())), "a+b@0:0");
}

#[test]
fn a_full_batch_goes_at_once_and_the_next_waits() {
    let mut h = Harness::new(options());
    h.append(0, &"x".repeat(200));
    h.append(0, &"y".repeat(200));
    let batch = only(h.drain());
    assert_eq!(batch.record_count, 1);
    assert!(h.drain().is_empty());
}

#[test]
fn a_record_larger_than_a_batch_gets_one_of_its_own() {
    let mut h = Harness::new(options());
    assert!(h.append(0, &"x".repeat(1000)));
    h.accumulator.flush();
    assert_eq!(only(h.drain()).record_count, 1);
}

#[test]
fn sequences_count_records_across_batches() {
    let mut h = Harness::new(options());
    h.append(0, "a");
    h.batches(&["b", "c"]);
    assert_eq!(show(&mut only(h.drain())), "a+b@0:0");
    assert_eq!(show(&mut only(h.drain())), "c@0:2");
}

#[test]
fn at_most_five_batches_of_a_partition_are_in_flight() {
    let mut h = Harness::new(options());
    h.batches(&["a", "b", "c", "d", "e", "f"]);
    let mut sent: Vec<Batch> = (0..5).map(|_| only(h.drain())).collect();
    assert!(h.drain().is_empty());
    h.stored(sent.remove(0), 0);
    assert_eq!(show(&mut only(h.drain())), "f@0:5");
}

#[test]
fn outcomes_reach_the_right_records() {
    let mut h = Harness::new(options());
    h.append(0, "a");
    h.append(0, "b");
    h.append(1, "c");
    h.accumulator.flush();
    let [one, two] = <[Batch; 2]>::try_from(h.drain()).expect("two partitions");
    h.stored(two, 90);
    assert_eq!(h.outcomes(), "? ? 90");
    h.stored(one, 7);
    assert_eq!(h.outcomes(), "7 8 90");
    assert!(h.accumulator.is_empty());
}

#[test]
fn a_batch_that_comes_back_goes_first_and_alone_under_its_old_sequence() {
    let mut h = Harness::new(options());
    h.batches(&["a", "b", "c"]);
    let a = only(h.drain());
    let b = only(h.drain());
    h.lost(a);
    h.refused(b, ErrorCode::OutOfOrderSequenceNumber);
    assert!(h.drain().is_empty(), "backing off");
    h.wait(100);
    let mut a = only(h.drain());
    assert_eq!(show(&mut a), "a@0:0");
    assert!(h.drain().is_empty(), "alone");
    h.stored(a, 0);
    let mut b = only(h.drain());
    assert_eq!(show(&mut b), "b@0:1");
    h.stored(b, 1);
    assert_eq!(show(&mut only(h.drain())), "c@0:2");
}

#[test]
fn a_duplicate_counts_as_stored() {
    let mut h = Harness::new(options());
    h.batches(&["a"]);
    let a = only(h.drain());
    h.refused(a, ErrorCode::DuplicateSequenceNumber);
    assert_eq!(h.outcomes(), "-1");
}

#[test]
fn a_gap_at_the_front_begins_a_new_epoch() {
    let mut h = Harness::new(options());
    h.batches(&["a", "b", "c"]);
    let a = only(h.drain());
    h.stored(a, 0);
    let b = only(h.drain());
    h.refused(b, ErrorCode::UnknownProducerId);
    h.wait(100);
    let mut b = only(h.drain());
    assert_eq!(show(&mut b), "b@1:0");
    h.stored(b, 1);
    assert_eq!(show(&mut only(h.drain())), "c@1:1");
}

#[test]
fn a_final_refusal_fails_its_records_and_restamps_those_behind() {
    let mut h = Harness::new(options());
    h.batches(&["a", "b", "c"]);
    let a = only(h.drain());
    let b = only(h.drain());
    h.refused(a, ErrorCode::InvalidRecord);
    assert!(h.drain().is_empty(), "the new epoch waits for what is in flight");
    h.refused(b, ErrorCode::OutOfOrderSequenceNumber);
    h.wait(100);
    let mut b = only(h.drain());
    assert_eq!(show(&mut b), "b@1:0");
    h.stored(b, 0);
    assert_eq!(show(&mut only(h.drain())), "c@1:1");
    assert_eq!(h.outcomes(), "! 0 ?");
}

#[test]
fn a_batch_that_may_be_written_is_settled_before_a_new_epoch_begins() {
    let mut h = Harness::new(options());
    h.batches(&["a", "b"]);
    let a = only(h.drain());
    let b = only(h.drain());
    h.lost(a);
    h.refused(b, ErrorCode::InvalidRecord);
    h.wait(100);
    let mut a = only(h.drain());
    assert_eq!(show(&mut a), "a@0:0");
    h.stored(a, 0);
    assert_eq!(h.outcomes(), "0 !");
}

#[test]
fn the_first_batch_of_a_producer_goes_alone() {
    let mut h = Harness::new(options());
    for value in ["a", "b"] {
        h.append(0, value);
        h.accumulator.flush();
    }
    let a = h.next("a@0:0");
    h.stored(a, 0);
    assert_eq!(show(&mut only(h.drain())), "b@0:1");
}

/// A broker that has started again remembers only the last batch.
#[test]
fn batches_written_before_the_last_one_that_the_broker_knows_are_not_sent_under_a_new_epoch() {
    let mut h = Harness::new(options());
    h.all_lost(&["a", "b", "c"]);
    let a = h.next("a@0:0");
    h.gap(a);
    let b = h.next("b@0:1");
    h.gap(b);
    assert_eq!(h.outcomes(), "? ? ?");
    let c = h.next("c@0:2");
    h.batches(&["d"]);
    h.stored(c, 2);
    assert_eq!(h.outcomes(), "-1 -1 2 ?");
    assert_eq!(show(&mut only(h.drain())), "d@0:3");
}

#[test]
fn batches_that_the_broker_has_none_of_begin_a_new_epoch() {
    let mut h = Harness::new(options());
    h.all_lost(&["a", "b"]);
    let a = h.next("a@0:0");
    h.gap(a);
    let b = h.next("b@0:1");
    h.gap(b);
    let a = h.next("a@1:0");
    h.stored(a, 7);
    let b = h.next("b@1:1");
    h.refused(b, ErrorCode::DuplicateSequenceNumber);
    assert_eq!(h.outcomes(), "7 -1");
    assert!(h.accumulator.is_empty());
}

#[test]
fn a_lost_answer_is_not_forgotten_over_other_refusals() {
    for code in [ErrorCode::NotLeaderOrFollower, ErrorCode::NotEnoughReplicas, ErrorCode::RequestTimedOut] {
        let mut h = Harness::new(options());
        h.all_lost(&["a", "b"]);
        let a = h.next("a@0:0");
        h.refused(a, code);
        h.wait(100);
        let a = h.next("a@0:0");
        h.gap(a);
        let b = h.next("b@0:1");
        h.refused(b, code);
        h.wait(100);
        let b = h.next("b@0:1");
        h.stored(b, 1);
        assert_eq!(h.outcomes(), "-1 1", "{code:?}");
    }
}

#[test]
fn a_leader_that_resigns_may_have_written() {
    let mut h = Harness::new(options());
    h.batches(&["a", "b"]);
    let a = only(h.drain());
    let b = only(h.drain());
    h.refused(a, ErrorCode::NotLeaderOrFollower);
    h.refused(b, ErrorCode::NotLeaderOrFollower);
    h.wait(100);
    let a = h.next("a@0:0");
    h.gap(a);
    let b = h.next("b@0:1");
    h.stored(b, 1);
    assert_eq!(h.outcomes(), "-1 1");
}

#[test]
fn a_stored_batch_proves_one_before_it_whose_answer_was_lost() {
    let mut h = Harness::new(options());
    h.batches(&["a", "b"]);
    let a = only(h.drain());
    let b = only(h.drain());
    h.refused(a, ErrorCode::RequestTimedOut);
    h.stored(b, 1);
    assert_eq!(h.outcomes(), "-1 1");
    h.wait(100);
    assert!(h.drain().is_empty());
}

#[test]
fn what_nobody_can_prove_fails_rather_than_being_sent_again() {
    let mut h = Harness::new(options());
    h.all_lost(&["a", "b"]);
    let a = h.next("a@0:0");
    h.gap(a);
    let b = h.next("b@0:1");
    h.refused(b, ErrorCode::TopicAuthorizationFailed);
    assert_eq!(h.outcomes(), "! !");
    h.batches(&["c"]);
    assert_eq!(show(&mut only(h.drain())), "c@1:0");

    let mut h = Harness::new(options());
    h.all_lost(&["a"]);
    let a = h.next("a@0:0");
    h.refused(a, ErrorCode::UnknownProducerId);
    assert_eq!(h.outcomes(), "!");
    assert!(h.accumulator.is_empty());
}

#[test]
fn the_unproven_are_given_up_at_the_delivery_timeout() {
    let mut h = Harness::new(options());
    h.all_lost(&["a", "b"]);
    let a = h.next("a@0:0");
    h.gap(a);
    h.wait(1000);
    h.accumulator.expire(h.now_ms);
    assert_eq!(h.outcomes(), "! !");
    assert!(h.accumulator.is_empty());
}

#[test]
fn a_batch_that_may_be_written_is_not_split() {
    let mut h = Harness::new(options());
    h.append(0, "a");
    h.all_lost(&["b"]);
    let batch = h.next("a+b@0:0");
    h.refused(batch, ErrorCode::MessageTooLarge);
    assert_eq!(h.outcomes(), "! !");
}

#[test]
fn a_batch_that_is_too_large_goes_in_halves() {
    let mut h = Harness::new(options());
    for value in ["a", "b", "c", "d", "e"] {
        h.append(0, value);
    }
    h.batches(&["f"]);
    let whole = only(h.drain());
    h.refused(whole, ErrorCode::MessageTooLarge);
    let mut first = only(h.drain());
    assert_eq!(show(&mut first), "a+b+c@0:0");
    h.refused(first, ErrorCode::MessageTooLarge);
    let mut a = only(h.drain());
    assert_eq!(show(&mut a), "a@0:0");
    h.stored(a, 10);
    let mut bc = only(h.drain());
    assert_eq!(show(&mut bc), "b+c@0:1");
    h.stored(bc, 11);
    let mut rest = only(h.drain());
    assert_eq!(show(&mut rest), "d+e+f@0:3");
    h.stored(rest, 13);
    assert_eq!(h.outcomes(), "10 11 12 13 14 15");
    assert!(h.accumulator.is_empty());
}

#[test]
fn waiting_for_longer_than_the_delivery_timeout_fails() {
    let mut h = Harness::new(options());
    h.batches(&["a"]);
    assert_eq!(h.accumulator.expire(h.now_ms), Some(11_000));
    h.wait(1000);
    assert_eq!(h.accumulator.expire(h.now_ms), None);
    assert_eq!(h.outcomes(), "!");
    assert!(h.accumulator.is_empty());
}

#[test]
fn a_retry_after_the_delivery_timeout_fails_instead() {
    let mut h = Harness::new(options());
    h.batches(&["a"]);
    let a = only(h.drain());
    h.wait(1000);
    h.refused(a, ErrorCode::NotLeaderOrFollower);
    assert_eq!(h.outcomes(), "!");
}

#[test]
fn retriable_refusals_ask_for_metadata() {
    let mut h = Harness::new(options());
    h.batches(&["a"]);
    let a = only(h.drain());
    assert!(h.refused(a, ErrorCode::NotLeaderOrFollower));
}

#[test]
fn nothing_goes_where_no_leader_is_known() {
    let mut h = Harness::new(options());
    h.batches(&["a"]);
    assert!(h.drain_with(&mut |_| Route::Unknown).unknown_leader);
    assert!(h.drain_with(&mut |_| Route::Wait).requests.is_empty());
    assert_eq!(h.drain().len(), 1);
}

#[test]
fn nothing_goes_before_the_producer_has_an_id() {
    let mut h = Harness { accumulator: Accumulator::new(options()), now_ms: 0, deliveries: Vec::new() };
    h.batches(&["a"]);
    assert!(h.drain_with(&mut |_| Route::Node(1)).needs_identity);
    h.accumulator.set_identity(5, 2);
    assert_eq!(show(&mut only(h.drain())), "a@2:0");
}

#[test]
fn without_idempotence_batches_carry_no_sequence_and_come_back_in_order() {
    let mut h = Harness::new(AccumulatorOptions { idempotent: false, ..options() });
    h.batches(&["a", "b"]);
    let a = only(h.drain());
    h.lost(a);
    h.wait(100);
    assert_eq!(show(&mut only(h.drain())), "a@-1:-1");
    assert_eq!(show(&mut only(h.drain())), "b@-1:-1");
}

#[test]
fn every_partition_has_its_turn_when_requests_are_small() {
    let mut h = Harness::new(AccumulatorOptions { max_request_bytes: 150, ..options() });
    for round in 0..2 {
        for partition in 0..4 {
            h.append(partition, &format!("{round}"));
            h.accumulator.flush();
        }
    }
    h.begun();
    let order: Vec<i32> = (0..8).flat_map(|_| h.drain()).map(|batch| batch.partition.partition).collect();
    assert_eq!(order, [0, 1, 2, 3, 0, 1, 2, 3]);
}

#[test]
fn used_up_epochs_ask_for_a_new_producer_id() {
    let mut h = Harness::new(options());
    h.accumulator.set_identity(77, i16::MAX);
    h.batches(&["a", "b"]);
    let a = only(h.drain());
    h.refused(a, ErrorCode::UnknownProducerId);
    h.wait(100);
    assert!(h.drain_with(&mut |_| Route::Node(1)).needs_identity);
    h.accumulator.set_identity(78, 0);
    assert_eq!(show(&mut only(h.drain())), "a@0:0");
}
