//! Fetch: limits, long polls, sessions, epochs.

use wire::compress::DecompressLimit;
use wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData};
use wire::record_batch::RecordBatch;

use super::produce::produce;
use super::*;

pub(crate) fn request(topic: &str, partitions: &[(i32, i64)]) -> FetchRequest {
    let partition = |&(partition, fetch_offset): &(i32, i64)| FetchPartition {
        partition,
        fetch_offset,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    let partitions = partitions.iter().map(partition).collect();
    FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 10 << 20,
        session_epoch: -1,
        topics: vec![FetchTopic { topic: Str::from(topic), partitions, ..FetchTopic::default() }],
        ..FetchRequest::default()
    }
}

fn partitions(answer: FetchResponse) -> Vec<PartitionData> {
    answer.responses.into_iter().flat_map(|topic| topic.partitions).collect()
}

/// The values of all whole records.
fn records(data: &PartitionData) -> Vec<String> {
    let batches = RecordBatch::split(data.records.clone().unwrap_or_default()).unwrap();
    let records = batches.iter().flat_map(|batch| batch.records(DecompressLimit::default()).unwrap());
    records.map(|record| String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap()).collect()
}

/// What a consumer at `offset` reads.
pub(crate) fn values(node: &mut Harness, topic: &str, partition: i32, offset: i64) -> Vec<String> {
    let mut request = request(topic, &[(partition, offset)]);
    request.max_wait_ms = 0;
    let answer: FetchResponse = node.ask(ApiKey::Fetch, 12, &request);
    records(&partitions(answer)[0])
}

/// The error of a fetch at an offset.
pub(crate) fn error_at(node: &mut Harness, topic: &str, partition: i32, offset: i64) -> i16 {
    let mut request = request(topic, &[(partition, offset)]);
    request.max_wait_ms = 0;
    let answer: FetchResponse = node.ask(ApiKey::Fetch, 12, &request);
    partitions(answer)[0].error_code
}

#[test]
fn what_was_produced_is_read_from_any_offset() {
    let mut node = Harness::start();
    node.create("t", 1);
    produce(&mut node, "t", 0, 1, batch(&["a", "b"]));
    produce(&mut node, "t", 0, 1, batch(&["c"]));
    assert_eq!(values(&mut node, "t", 0, 0), ["a", "b", "c"]);
    assert_eq!(values(&mut node, "t", 0, 1), ["a", "b", "c"], "the batch that holds the offset comes whole");
    assert_eq!(values(&mut node, "t", 0, 2), ["c"]);
    assert!(values(&mut node, "t", 0, 3).is_empty());
}

#[test]
fn the_first_partition_with_data_gives_one_batch_and_then_the_limits_hold() {
    let mut node = Harness::start();
    node.create("t", 2);
    for partition in [0, 1] {
        for _ in 0..3 {
            produce(&mut node, "t", partition, 1, batch(&["x".repeat(100).as_str()]));
        }
    }
    let size = batch(&["x".repeat(100).as_str()]).len() as i32;
    // (max_bytes, partition_max_bytes) → batches of both partitions
    let cases = [
        (0, 0, [1, 0]),
        (1, 1 << 20, [1, 0]),
        (1 << 20, 1, [1, 0]),
        (1 << 20, size, [1, 1]),
        (4 * size, 1 << 20, [3, 1]),
    ];
    for (max_bytes, partition_max_bytes, expected) in cases {
        let mut request = request("t", &[(0, 0), (1, 0)]);
        request.max_bytes = max_bytes;
        request.topics[0].partitions.iter_mut().for_each(|p| p.partition_max_bytes = partition_max_bytes);
        let answer = partitions(node.ask(ApiKey::Fetch, 12, &request));
        let got = [records(&answer[0]).len(), records(&answer[1]).len()];
        assert_eq!(got, expected, "max {max_bytes}, per partition {partition_max_bytes}");
    }
}

#[test]
fn a_long_poll_is_woken_once_by_the_bytes_it_waits_for() {
    let mut node = Harness::start();
    node.create("t", 4);
    let mut waiting = node.begin(ApiKey::Fetch, 12, &request("t", &[(0, 0), (1, 0), (2, 0), (3, 0)]));
    assert!(waiting.poll().is_none());
    produce(&mut node, "t", 2, 1, batch(&["a"]));
    produce(&mut node, "t", 3, 1, batch(&["b"]));
    assert_eq!(waiting.wakes(), 1);
    let answer = partitions(waiting.answer().expect("woken"));
    assert_eq!(records(&answer[2]), ["a"]);
    assert_eq!(records(&answer[3]), ["b"]);
}

#[test]
fn a_long_poll_waits_for_min_bytes_and_is_not_woken_before() {
    let mut node = Harness::start();
    node.create("t", 1);
    let one = batch(&["0123456789"]);
    let mut request = request("t", &[(0, 0)]);
    request.min_bytes = 3 * one.len() as i32;
    let mut waiting = node.begin(ApiKey::Fetch, 12, &request);
    assert!(waiting.poll().is_none());
    produce(&mut node, "t", 0, 1, one.clone());
    produce(&mut node, "t", 0, 1, one.clone());
    assert_eq!(waiting.wakes(), 0);
    assert!(waiting.poll().is_none());
    produce(&mut node, "t", 0, 1, one);
    assert_eq!(waiting.wakes(), 1);
    assert_eq!(records(&partitions(waiting.answer().expect("enough"))[0]).len(), 3);
}

#[test]
fn a_long_poll_ends_at_its_deadline_with_what_is_there() {
    let mut node = Harness::start();
    node.create("t", 1);
    let mut request = request("t", &[(0, 0)]);
    request.min_bytes = 1 << 20;
    let mut waiting = node.begin(ApiKey::Fetch, 12, &request);
    produce(&mut node, "t", 0, 1, batch(&["a"]));
    assert!(waiting.poll().is_none());
    node.advance(499);
    assert!(waiting.poll().is_none());
    node.advance(1);
    assert_eq!(waiting.wakes(), 1);
    assert_eq!(records(&partitions(waiting.answer().expect("late"))[0]), ["a"]);
}

#[test]
fn a_deleted_topic_wakes_whoever_waits_for_it() {
    use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
    let mut node = Harness::start();
    node.create("t", 1);
    let mut waiting = node.begin(ApiKey::Fetch, 12, &request("t", &[(0, 0)]));
    assert!(waiting.poll().is_none());
    let topic = DeleteTopicState { name: Some(Str::from("t")), ..DeleteTopicState::default() };
    let delete = DeleteTopicsRequest { topics: vec![topic], timeout_ms: 1_000, ..Default::default() };
    let deleted: DeleteTopicsResponse = node.ask(ApiKey::DeleteTopics, 6, &delete);
    assert_eq!(deleted.responses[0].error_code, 0);
    let answer = partitions(waiting.answer().expect("woken"));
    assert_eq!(answer[0].error_code, ErrorCode::NotLeaderOrFollower.code());
    let again = partitions(node.ask(ApiKey::Fetch, 12, &request("t", &[(0, 0)])));
    assert_eq!(again[0].error_code, ErrorCode::UnknownTopicOrPartition.code());
}

#[test]
fn offsets_and_epochs_that_are_not_ours_are_refused() {
    let mut node = Harness::start();
    node.create("t", 1);
    produce(&mut node, "t", 0, 1, batch(&["a", "b"]));
    // (offset, current leader epoch, last fetched epoch) → error, diverging end offset
    let cases = [
        (0, -1, -1, ErrorCode::None, -1),
        (2, 0, 0, ErrorCode::None, -1),
        (-1, -1, -1, ErrorCode::OffsetOutOfRange, -1),
        (3, -1, -1, ErrorCode::OffsetOutOfRange, -1),
        (0, 5, -1, ErrorCode::UnknownLeaderEpoch, -1),
        (9, -1, 0, ErrorCode::None, 2),
        (0, -1, 1, ErrorCode::OffsetOutOfRange, -1),
    ];
    for (offset, current, last, error, diverging) in cases {
        let mut request = request("t", &[(0, offset)]);
        request.max_wait_ms = 0;
        request.topics[0].partitions[0].current_leader_epoch = current;
        request.topics[0].partitions[0].last_fetched_epoch = last;
        let answer = partitions(node.ask(ApiKey::Fetch, 12, &request));
        let what = format!("offset {offset}, epochs {current} and {last}");
        assert_eq!(answer[0].error_code, error.code(), "{what}");
        assert_eq!(answer[0].diverging_epoch.end_offset, diverging, "{what}");
    }
}

#[test]
fn a_session_tells_only_news() {
    let mut node = Harness::start();
    node.create("t", 2);
    produce(&mut node, "t", 0, 1, batch(&["a"]));
    let mut first = request("t", &[(0, 0), (1, 0)]);
    first.session_epoch = 0;
    let answer: FetchResponse = node.ask(ApiKey::Fetch, 12, &first);
    assert!(answer.session_id > 0);
    let session_id = answer.session_id;
    assert_eq!(partitions(answer).len(), 2);
    let next = |epoch, topics| FetchRequest {
        session_id,
        session_epoch: epoch,
        topics,
        ..FetchRequest { max_wait_ms: 0, ..request("t", &[]) }
    };
    let moved = request("t", &[(0, 1)]).topics;
    let answer: FetchResponse = node.ask(ApiKey::Fetch, 12, &next(1, moved));
    assert!(partitions(answer).is_empty(), "nothing is new");
    produce(&mut node, "t", 1, 1, batch(&["b"]));
    let answer = partitions(node.ask(ApiKey::Fetch, 12, &next(2, vec![])));
    assert_eq!(answer.len(), 1);
    assert_eq!(records(&answer[0]), ["b"]);
    let again: FetchResponse = node.ask(ApiKey::Fetch, 12, &next(2, vec![]));
    assert_eq!(again.error_code, ErrorCode::InvalidFetchSessionEpoch.code());
    node.reconnect();
    let going_on: FetchResponse = node.ask(ApiKey::Fetch, 12, &next(3, vec![]));
    assert_eq!(going_on.error_code, 0, "whatever connection it comes by");
}

/// The codes of all partitions that a session of topic ids is told of, in their order; as Apache Kafka answers the same steps.
#[test]
fn a_session_knows_a_deleted_topic_by_its_name() {
    use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
    let mut node = Harness::start();
    node.create("t", 2);
    let id = |node: &Harness| node.node.views().by_name("t").unwrap().id;
    let of = |topic_id, session: (i32, i32), indexes: &[i32]| {
        let offsets: Vec<(i32, i64)> = indexes.iter().map(|index| (*index, 0)).collect();
        let topics = request("", &offsets).topics.into_iter().map(|topic| FetchTopic { topic_id, ..topic });
        let (session_id, session_epoch) = session;
        let topics = if indexes.is_empty() { vec![] } else { topics.collect() };
        FetchRequest { max_wait_ms: 0, session_id, session_epoch, topics, ..request("", &[]) }
    };
    let first = id(&node);
    let begun: FetchResponse = node.ask(ApiKey::Fetch, 13, &of(first, (0, 0), &[0]));
    let session_id = begun.session_id;
    let mut epoch = 0;
    let mut go_on = |node: &mut Harness, topic_id, indexes: &[i32]| -> Vec<i16> {
        epoch += 1;
        let answer = partitions(node.ask(ApiKey::Fetch, 13, &of(topic_id, (session_id, epoch), indexes)));
        answer.iter().map(|partition| partition.error_code).collect()
    };
    let unknown = Uuid([9; 16]);
    assert_eq!(go_on(&mut node, first, &[1]), [0], "told for the first time");
    assert_eq!(go_on(&mut node, unknown, &[0]), [100], "an id that was never known");
    let topic = DeleteTopicState { name: Some(Str::from("t")), ..Default::default() };
    let delete = DeleteTopicsRequest { topics: vec![topic], timeout_ms: 1_000, ..Default::default() };
    let _: DeleteTopicsResponse = node.ask(ApiKey::DeleteTopics, 6, &delete);
    let mut codes = go_on(&mut node, first, &[]);
    codes.sort_unstable();
    assert_eq!(codes, [3, 3, 100], "its topic is no more");
    node.create("t", 1);
    let second = id(&node);
    let mut codes = go_on(&mut node, second, &[0]);
    codes.sort_unstable();
    assert_eq!(codes, [0, 3, 100, 103], "the name is another topic's, which has one partition");
    let codes: Vec<i16> = [(0, 0), (0, -1)]
        .map(|session| of(first, session, &[0]))
        .into_iter()
        .flat_map(|fetch| {
            partitions(node.ask(ApiKey::Fetch, 13, &fetch)).into_iter().map(|partition| partition.error_code)
        })
        .collect();
    assert_eq!(codes, [100, 100], "without a session nobody remembers");
}

#[test]
fn record_bytes_come_back_as_they_were_sent() {
    use wire::compress::Compression;
    let mut node = Harness::start();
    node.create("t", 1);
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let mut builder = RecordBatchBuilder::with_compression(codec);
        for _ in 0..50 {
            builder.append(START_MS, Some(b"key"), Some(b"a compressible value"), &[]);
        }
        let sent = builder.build();
        let offset = produce(&mut node, "t", 0, 1, sent.clone()).base_offset;
        let answer = partitions(node.ask(ApiKey::Fetch, 12, &request("t", &[(0, offset)])));
        let got = answer[0].records.clone().unwrap();
        assert_eq!(got[16..], sent[16..], "{codec:?}: all but base offset, length and epoch");
    }
}

/// Bytes of an answer.
fn size(outcome: Outcome) -> usize {
    let Outcome::Answer(pieces) = outcome else { panic!("no answer: {outcome:?}") };
    pieces.concat().len()
}

#[test]
fn cold_bytes_are_read_in_the_pool_and_hot_ones_at_the_first_poll() {
    let mut node = Harness::start();
    node.create("t", 3);
    for partition in 0..3 {
        produce(&mut node, "t", partition, 1, batch(&["a"]));
    }
    let all = request("t", &[(0, 0), (1, 0), (2, 0)]);
    let values = |answer: FetchResponse| partitions(answer).iter().map(records).collect::<Vec<_>>();
    let mut hot = node.begin(ApiKey::Fetch, 12, &all);
    assert_eq!(values(hot.answer().expect("ready")), [["a"], ["a"], ["a"]]);
    assert!(node.disk.evict(Path::new("/data/t-1/00000000000000000000.log")));
    let mut cold = node.begin(ApiKey::Fetch, 12, &all);
    assert!(cold.poll().is_none(), "the connection's thread does not wait for a platter");
    assert_eq!(cold.wakes(), 0);
    let mut other = node.begin(ApiKey::Fetch, 12, &request("t", &[(0, 0)]));
    assert_eq!(values(other.answer().expect("others go on")), [["a"]]);
    node.settle();
    assert_eq!(cold.wakes(), 1);
    assert_eq!(values(cold.answer().expect("read")), [["a"], ["a"], ["a"]]);
    let mut again = node.begin(ApiKey::Fetch, 12, &all);
    assert!(again.poll().is_some(), "now it is in the cache");
}

#[test]
fn a_cold_reader_that_goes_on_waits_for_its_first_fetch_and_the_pool_works_ahead_of_the_others() {
    let mut node = Harness::start();
    node.create("t", 1);
    const BATCHES: i64 = 40;
    let value = "x".repeat(60_000);
    for _ in 0..BATCHES {
        assert_eq!(produce(&mut node, "t", 0, 1, batch(&[&value])).error_code, 0);
    }
    let path = Path::new("/data/t-0/00000000000000000000.log");
    assert!(node.disk.evict(path));
    let mut waits = Vec::new();
    for offset in 0..BATCHES {
        let mut request = request("t", &[(0, offset)]);
        request.topics[0].partitions[0].partition_max_bytes = 64 << 10;
        let mut fetch = node.begin(ApiKey::Fetch, 12, &request);
        let outcome = fetch.poll().unwrap_or_else(|| {
            waits.push(offset);
            node.settle();
            fetch.poll().expect("read")
        });
        assert!((value.len()..2 * value.len()).contains(&size(outcome)));
        let ahead = (node.disk.cached_pages(path) as i64 * 4096) - (offset + 1) * 60_000;
        assert!(ahead < 512 << 10, "{ahead} bytes ahead of {offset}");
        // The client takes its time, the pool does not.
        node.settle();
    }
    assert_eq!(waits, [0]);
}

#[test]
fn a_cold_fetch_whose_connection_is_gone_is_forgotten() {
    let mut node = Harness::start();
    node.create("t", 1);
    produce(&mut node, "t", 0, 1, batch(&["a"]));
    assert!(node.disk.evict(Path::new("/data/t-0/00000000000000000000.log")));
    let mut cold = node.begin(ApiKey::Fetch, 12, &request("t", &[(0, 0)]));
    assert!(cold.poll().is_none());
    drop(cold);
    node.settle();
    assert_eq!(values(&mut node, "t", 0, 0), ["a"]);
    assert_eq!(node.node.fetch_memory().lent(), 0);
}

#[test]
fn answers_that_nobody_takes_leave_little_for_others_but_never_nothing() {
    let mut node = Harness::start();
    node.create("t", 1);
    const BATCHES: usize = 24;
    let large = "x".repeat(900_000);
    for _ in 0..BATCHES {
        assert_eq!(produce(&mut node, "t", 0, 1, batch(&[&large])).error_code, 0);
    }
    let mut request = request("t", &[(0, 0)]);
    request.max_bytes = 50 << 20;
    request.topics[0].partitions[0].partition_max_bytes = 50 << 20;
    let fetch = |node: &mut Harness| node.begin(ApiKey::Fetch, 12, &request).poll().expect("ready");
    assert!(size(fetch(&mut node)) > BATCHES * large.len());
    let kept: Vec<Outcome> = (0..40).map(|_| fetch(&mut node)).collect();
    let most = crate::limits::FETCH_MEMORY_BYTES + kept.len() * (1 << 20);
    let lent = node.node.fetch_memory().lent();
    assert!((most / 2..most).contains(&lent), "{lent} of {most}");
    let sizes: Vec<usize> = kept.into_iter().map(size).collect();
    assert!(sizes[0] > BATCHES * large.len(), "{sizes:?}");
    assert!(sizes.iter().all(|&size| size > large.len()), "{sizes:?}");
    assert!(sizes[39] < 2 * large.len(), "{sizes:?}");
    assert_eq!(node.node.fetch_memory().lent(), 0);
    assert!(size(fetch(&mut node)) > BATCHES * large.len());
}

#[test]
fn cold_fetches_that_wait_for_each_other_do_not_all_take_what_was_free_when_they_came() {
    let mut node = Harness::start();
    node.create("t", 1);
    const BATCHES: usize = 24;
    let large = "x".repeat(900_000);
    for _ in 0..BATCHES {
        assert_eq!(produce(&mut node, "t", 0, 1, batch(&[&large])).error_code, 0);
    }
    assert!(node.disk.evict(Path::new("/data/t-0/00000000000000000000.log")));
    let mut request = request("t", &[(0, 0)]);
    request.max_bytes = 50 << 20;
    request.topics[0].partitions[0].partition_max_bytes = 50 << 20;
    let mut cold: Vec<Begun> = (0..40).map(|_| node.begin(ApiKey::Fetch, 12, &request)).collect();
    assert!(cold.iter_mut().all(|begun| begun.poll().is_none()));
    node.settle();
    let lent = node.node.fetch_memory().lent();
    assert!(lent < crate::limits::FETCH_MEMORY_BYTES + cold.len() * (1 << 20), "{lent}");
    assert!(cold.iter_mut().all(|begun| size(begun.poll().expect("read")) > large.len()));
}

#[test]
fn partitions_that_are_read_side_by_side_give_what_they_give_one_after_the_other() {
    let mut node = Harness::start();
    const PARTITIONS: i32 = 11;
    node.create("t", PARTITIONS);
    for partition in (0..PARTITIONS).filter(|partition| partition % 5 != 3) {
        for size in [100, 5_000, 20_000, 700] {
            let value = "x".repeat(size * (1 + partition as usize % 3));
            assert_eq!(produce(&mut node, "t", partition, 1, batch(&[&value])).error_code, 0);
        }
    }
    let mut cold_ones = 0;
    for (first, offset) in [(0, 0), (3, 0), (2, 2), (10, 3)] {
        for max_bytes in [0, 3_000, 25_000, 90_000, 10 << 20] {
            for partition_max_bytes in [0, 1_000, 30_000, 1 << 20] {
                let order = (0..PARTITIONS).map(|n| ((first + n) % PARTITIONS, offset));
                let mut request = request("t", &order.collect::<Vec<_>>());
                // One that does not exist, in between.
                request.topics[0].partitions[4].partition = 77;
                request.max_bytes = max_bytes;
                request.max_wait_ms = 0;
                request.topics[0]
                    .partitions
                    .iter_mut()
                    .for_each(|p| p.partition_max_bytes = partition_max_bytes);
                let _warms: FetchResponse = node.ask(ApiKey::Fetch, 12, &request);
                let hot: Option<FetchResponse> = node.begin(ApiKey::Fetch, 12, &request).answer();
                for partition in 0..PARTITIONS {
                    node.disk.evict(Path::new(&format!("/data/t-{partition}/00000000000000000000.log")));
                }
                let mut cold = node.begin(ApiKey::Fetch, 12, &request);
                let mut answer = cold.answer();
                while answer.is_none() {
                    cold_ones += 1;
                    node.settle();
                    answer = cold.answer();
                }
                let case = (first, offset, max_bytes, partition_max_bytes);
                assert!(hot.is_some() && answer == hot, "{case:?}");
            }
        }
    }
    assert!(cold_ones >= 80, "{cold_ones}");
}

#[test]
fn a_fetch_that_waits_for_more_does_not_read_what_is_there() {
    let mut node = Harness::start();
    node.create("t", 1);
    let one = batch(&["0123456789"]);
    produce(&mut node, "t", 0, 1, one.clone());
    assert_eq!(values(&mut node, "t", 0, 0).len(), 1);
    produce(&mut node, "t", 0, 1, one.clone());
    let path = Path::new("/data/t-0/00000000000000000000.log");
    assert!(node.disk.evict(path));
    let mut request = request("t", &[(0, 1)]);
    request.min_bytes = 3 * one.len() as i32;
    let mut waiting = node.begin(ApiKey::Fetch, 12, &request);
    assert!(waiting.poll().is_none());
    node.settle();
    assert_eq!((waiting.wakes(), node.disk.cached_pages(path)), (0, 0));
    produce(&mut node, "t", 0, 1, one.clone());
    assert_eq!(waiting.wakes(), 0);
    produce(&mut node, "t", 0, 1, one);
    assert_eq!(waiting.wakes(), 1);
    let mut answer = waiting.answer();
    if answer.is_none() {
        node.settle();
        answer = waiting.answer();
    }
    assert_eq!(records(&partitions(answer.expect("enough"))[0]).len(), 3);
}

#[test]
fn a_reader_of_much_that_has_to_be_checked_leaves_most_of_it_to_the_pool() {
    let mut node = Harness::start();
    node.create("t", 4);
    let value = "x".repeat(60_000);
    for partition in 0..4 {
        for _ in 0..10 {
            produce(&mut node, "t", partition, 1, batch(&[&value]));
        }
    }
    let all = request("t", &[(0, 0), (1, 0), (2, 0), (3, 0)]);
    assert!(node.begin(ApiKey::Fetch, 12, &all).poll().is_some(), "written by this process");
    // Another one knows nothing of what is in the cache.
    let mut node = node.restart();
    let mut first = node.begin(ApiKey::Fetch, 12, &all);
    assert!(first.poll().is_none());
    node.settle();
    assert!(size(first.poll().expect("read")) > 40 * value.len());
    let mut again = node.begin(ApiKey::Fetch, 12, &all);
    assert!(again.poll().is_some(), "now all of it is known");
}

#[test]
fn a_first_batch_beyond_its_limit_is_enough_at_once() {
    let mut node = Harness::start();
    node.create("t", 3);
    let large = "x".repeat(1000);
    for (partition, limit) in [(0, 0), (1, 1), (2, 999)] {
        produce(&mut node, "t", partition, 1, batch(&["small"]));
        // So that it is known where the reader goes on.
        assert_eq!(values(&mut node, "t", partition, 0).len(), 1);
        produce(&mut node, "t", partition, 1, batch(&[&large]));
        let mut request = request("t", &[(partition, 1)]);
        request.min_bytes = 1000;
        request.topics[0].partitions[0].partition_max_bytes = limit;
        let answer = node.begin(ApiKey::Fetch, 12, &request).answer().expect("at once");
        assert_eq!(records(&partitions(answer)[0]).len(), 1, "{limit}");
    }
}
