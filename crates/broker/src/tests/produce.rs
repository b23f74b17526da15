//! Produce: offsets, acks, sequences, refusals.

use wire::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
};
use wire::record_batch::BatchAttributes;

use super::*;

pub(crate) fn request(topic: &str, partition: i32, acks: i16, records: Bytes) -> ProduceRequest {
    let partition_data = vec![PartitionProduceData { index: partition, records: Some(records) }];
    let topic = TopicProduceData { name: Str::from(topic), partition_data, ..TopicProduceData::default() };
    ProduceRequest { transactional_id: None, acks, timeout_ms: 1_000, topic_data: vec![topic] }
}

/// One partition's answer to one batch.
pub(crate) fn produce(
    node: &mut Harness,
    topic: &str,
    partition: i32,
    acks: i16,
    records: Bytes,
) -> PartitionProduceResponse {
    let request = request(topic, partition, acks, records);
    let answer: ProduceResponse = node.ask(ApiKey::Produce, 9, &request);
    answer.responses[0].partition_responses[0].clone()
}

fn idempotent(producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Bytes {
    let attributes =
        BatchAttributes { producer_id, producer_epoch, base_sequence, ..BatchAttributes::default() };
    let mut builder = RecordBatchBuilder::new(attributes);
    builder.append(START_MS, None, Some(b"value"), &[]);
    builder.build()
}

#[test]
fn offsets_are_dense_per_partition() {
    let mut node = Harness::start();
    node.create("t", 3);
    for (partition, base_offset) in [(0, 0), (0, 2), (1, 0), (2, 0), (0, 4), (2, 2)] {
        let answer = produce(&mut node, "t", partition, 1, batch(&["a", "b"]));
        assert_eq!((answer.error_code, answer.base_offset), (0, base_offset), "partition {partition}");
    }
}

#[test]
fn a_produce_with_acks_1_is_answered_at_the_first_poll_and_wakes_nobody() {
    let mut node = Harness::start();
    node.create("t", 4);
    let mut request = request("t", 0, 1, batch(&["a"]));
    for index in 1..4 {
        let more = PartitionProduceData { index, records: Some(batch(&["b"])) };
        request.topic_data[0].partition_data.push(more);
    }
    let mut begun = node.begin(ApiKey::Produce, 9, &request);
    let answer: ProduceResponse = begun.answer().expect("ready");
    assert!(answer.responses[0].partition_responses.iter().all(|partition| partition.error_code == 0));
    assert_eq!(begun.wakes(), 0);
}

#[test]
fn a_produce_that_finds_others_before_it_waits_its_turn_and_is_answered_all_the_same() {
    let mut node = Harness::start();
    node.create("t", 4);
    for base_offset in 0..3 {
        node.node.crowd();
        let mut begun = node.begin(ApiKey::Produce, 9, &request("t", 1, 1, batch(&["a"])));
        let answer: ProduceResponse = begun.answer().expect("ready");
        assert_eq!(answer.responses[0].partition_responses[0].base_offset, base_offset);
        assert_eq!(begun.wakes(), 0);
    }
}

#[test]
fn acks_all_on_the_only_copy_waits_for_a_sync_and_one_sync_covers_all_of_its_log() {
    let mut node = Harness::start();
    node.create("t", 2);
    let mut first = node.begin(ApiKey::Produce, 9, &request("t", 0, -1, batch(&["a"])));
    let mut second = node.begin(ApiKey::Produce, 9, &request("t", 0, -1, batch(&["b"])));
    let mut third = node.begin(ApiKey::Produce, 9, &request("t", 1, -1, batch(&["c"])));
    assert!(first.poll().is_none() && second.poll().is_none() && third.poll().is_none());
    let job = node.node.work().expect("a job for the first log");
    let other = node.node.work().expect("a job for the second");
    assert!(node.node.work().is_none(), "one sync covers both requests of the first");
    // A job goes on to whatever log waits; one that finds none left is over.
    job.run(node.now_ms);
    other.run(node.now_ms);
    for begun in [&mut first, &mut second, &mut third] {
        let answer: ProduceResponse = begun.answer().expect("flushed");
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
        assert_eq!(begun.wakes(), 1);
    }
}

#[test]
fn many_dirty_logs_share_a_few_jobs() {
    let mut node = Harness::start();
    node.create("t", 40);
    let mut begun: Vec<_> = (0..40)
        .map(|index| node.begin(ApiKey::Produce, 9, &request("t", index, -1, batch(&["a"]))))
        .collect();
    assert!(begun.iter_mut().all(|begun| begun.poll().is_none()));
    let jobs: Vec<_> = std::iter::from_fn(|| node.node.work()).collect();
    assert_eq!(jobs.len(), crate::limits::SYNCS_AT_ONCE);
    jobs.into_iter().for_each(|job| job.run(node.now_ms));
    assert!(begun.iter_mut().all(|begun| begun.poll().is_some()));
    // All jobs are over: the next dirty log sends one again.
    let mut next = node.begin(ApiKey::Produce, 9, &request("t", 0, -1, batch(&["b"])));
    assert!(next.poll().is_none());
    node.node.work().expect("a new job").run(node.now_ms);
    assert!(next.poll().is_some());
}

#[test]
fn without_flush_acks_all_is_answered_at_once() {
    let mut node = Harness::with(&[("log.flush.ack", "none")]);
    node.create("t", 1);
    let mut begun = node.begin(ApiKey::Produce, 9, &request("t", 0, -1, batch(&["a"])));
    assert!(begun.poll().is_some());
}

#[test]
fn an_ack_that_is_never_safe_times_out() {
    let mut node = Harness::start();
    node.create("t", 1);
    let mut begun = node.begin(ApiKey::Produce, 9, &request("t", 0, -1, batch(&["a"])));
    assert!(begun.poll().is_none());
    let _stuck = node.node.work().expect("the flush that never ends");
    // The request's second is for replicas; the disk has five.
    node.now_ms += 4_999;
    node.node.turn(node.now_ms);
    assert!(begun.poll().is_none());
    node.now_ms += 1;
    node.node.turn(node.now_ms);
    let answer: ProduceResponse = begun.answer().expect("timed out");
    let partition = &answer.responses[0].partition_responses[0];
    assert_eq!((partition.error_code, partition.base_offset), (ErrorCode::RequestTimedOut.code(), 0));
}

#[test]
fn acks_0_gets_no_answer_and_an_error_closes_the_connection() {
    let mut node = Harness::start();
    node.create("t", 1);
    let good = node.begin(ApiKey::Produce, 9, &request("t", 0, 0, batch(&["a"]))).poll();
    assert!(matches!(good, Some(Outcome::NoAnswer)));
    let bad = node.begin(ApiKey::Produce, 9, &request("nowhere", 0, 0, batch(&["a"]))).poll();
    assert!(matches!(bad, Some(Outcome::Close(crate::CloseReason::ProduceRefused))));
    assert_eq!(produce(&mut node, "t", 0, 1, batch(&["b"])).base_offset, 1);
}

#[test]
fn sequences_are_checked_and_a_duplicate_gets_its_first_offset() {
    let mut node = Harness::start();
    node.create("t", 1);
    let cases = [
        ("first", 0, 0, ErrorCode::None, 0),
        ("again", 0, 0, ErrorCode::None, 0),
        ("a gap", 0, 5, ErrorCode::OutOfOrderSequenceNumber, -1),
        ("next", 0, 1, ErrorCode::None, 1),
        ("a new epoch", 1, 0, ErrorCode::None, 2),
        ("the old epoch", 0, 2, ErrorCode::InvalidProducerEpoch, -1),
    ];
    for (what, epoch, sequence, error, base_offset) in cases {
        let answer = produce(&mut node, "t", 0, 1, idempotent(77, epoch, sequence));
        assert_eq!((answer.error_code, answer.base_offset), (error.code(), base_offset), "{what}");
        assert_eq!(answer.log_start_offset, 0, "{what}");
        let time = if what == "again" { START_MS } else { -1 };
        assert_eq!(answer.log_append_time_ms, time, "{what}");
    }
}

#[test]
fn what_cannot_be_stored_is_refused_in_kafkas_codes() {
    let mut node = Harness::start();
    node.create("t", 1);
    node.create_with("compacted", 1, &[("cleanup.policy", "compact")]);
    let mut torn = batch(&["a"]).to_vec();
    *torn.last_mut().unwrap() ^= 1;
    let twice = Bytes::from([batch(&["a"]), batch(&["b"])].concat());
    let cases = [
        ("unknown topic", "nowhere", 0, 1, batch(&["a"]), ErrorCode::UnknownTopicOrPartition),
        ("unknown partition", "t", 7, 1, batch(&["a"]), ErrorCode::UnknownTopicOrPartition),
        ("negative partition", "t", -1, 1, batch(&["a"]), ErrorCode::UnknownTopicOrPartition),
        ("acks 2", "t", 0, 2, batch(&["a"]), ErrorCode::InvalidRequiredAcks),
        ("nothing", "t", 0, 1, Bytes::new(), ErrorCode::InvalidRecord),
        ("a flipped bit", "t", 0, 1, Bytes::from(torn), ErrorCode::CorruptMessage),
        ("two batches", "t", 0, 1, twice, ErrorCode::InvalidRecord),
        ("no key", "compacted", 0, 1, batch(&["a"]), ErrorCode::InvalidRecord),
        ("too large", "t", 0, 1, batch(&[&"x".repeat(1_100_000)]), ErrorCode::MessageTooLarge),
    ];
    for (what, topic, partition, acks, records, error) in cases {
        let answer = produce(&mut node, topic, partition, acks, records);
        assert_eq!((answer.error_code, answer.base_offset), (error.code(), -1), "{what}");
    }
    let answer = produce(&mut node, "compacted", 0, 1, batch(&["a", "b"]));
    assert_eq!(answer.record_errors.len(), 2);
    assert_eq!(answer.log_start_offset, 0);
}

#[test]
fn version_13_names_topics_by_id() {
    let mut node = Harness::start();
    let id = node.create("t", 1);
    let mut by_id = request("", 0, 1, batch(&["a"]));
    by_id.topic_data[0].topic_id = id;
    let answer: ProduceResponse = node.ask(ApiKey::Produce, 13, &by_id);
    assert_eq!(answer.responses[0].topic_id, id);
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    by_id.topic_data[0].topic_id = Uuid::from_halves(5, 5);
    let answer: ProduceResponse = node.ask(ApiKey::Produce, 13, &by_id);
    assert_eq!(answer.responses[0].partition_responses[0].error_code, ErrorCode::UnknownTopicId.code());
}

#[test]
fn nobody_but_an_administrator_writes_to_an_internal_topic() {
    let mut node = Harness::start();
    super::groups::find_coordinator(&mut node, "g");
    let answer = produce(&mut node, "__consumer_offsets", 0, 1, batch(&["a"]));
    assert_eq!(answer.error_code, ErrorCode::InvalidTopicException.code());
}

#[test]
fn a_full_disk_refuses_produce_and_goes_on_serving() {
    let mut node = Harness::start();
    node.create("t", 1);
    node.disk.set_capacity(3 << 20);
    assert_eq!(produce(&mut node, "t", 0, 1, batch(&["a"])).error_code, 0);
    let big = "x".repeat(900_000);
    let refused = (0..5)
        .map(|_| produce(&mut node, "t", 0, 1, batch(&[&big])).error_code)
        .find(|&code| code != 0)
        .expect("room ends");
    assert_eq!(refused, ErrorCode::KafkaStorageError.code());
    assert!(!node.bells.halted.load(Ordering::SeqCst), "the node lives on");
    assert!(!super::fetch::values(&mut node, "t", 0, 0).is_empty());
    node.disk.set_capacity(u64::MAX);
    assert_eq!(produce(&mut node, "t", 0, 1, batch(&["b"])).error_code, 0);
}

#[test]
fn a_failed_flush_kills_the_directory_and_is_never_acknowledged() {
    let mut node = Harness::start();
    node.create("t", 1);
    let mut begun = node.begin(ApiKey::Produce, 9, &request("t", 0, -1, batch(&["a"])));
    assert!(begun.poll().is_none());
    node.disk.fail_at(0, log::sim_disk::SimFault::Io);
    node.settle();
    let answer: ProduceResponse = begun.answer().expect("refused");
    let code = answer.responses[0].partition_responses[0].error_code;
    assert_eq!(code, ErrorCode::KafkaStorageError.code());
    assert!(node.bells.halted.load(Ordering::SeqCst), "no directory is left");
}
