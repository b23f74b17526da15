//! What stands in a request twice, too much or too little: acted on once and answered once, or refused.

use wire::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use wire::messages::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};
use wire::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicRequest,
};
use wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use wire::messages::produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use wire::record_batch::BatchAttributes;

use super::fetch::values;
use super::groups::find_coordinator;
use super::produce::produce;
use super::*;

/// A topic, and what is said of its partitions.
type Named<T> = (&'static str, Vec<(i32, T)>);

/// Topics with partitions and error codes as they are answered.
type Told = Vec<(String, Vec<(i32, i16)>)>;

fn produce_all(node: &mut Harness, named: Vec<Named<Bytes>>, timeout_ms: i32) -> Told {
    let topic = |(name, partitions): Named<Bytes>| TopicProduceData {
        name: Str::from(name),
        partition_data: partitions
            .into_iter()
            .map(|(index, records)| PartitionProduceData { index, records: Some(records) })
            .collect(),
        ..TopicProduceData::default()
    };
    let topic_data = named.into_iter().map(topic).collect();
    let request = ProduceRequest { transactional_id: None, acks: -1, timeout_ms, topic_data };
    let answer: ProduceResponse = node.ask(ApiKey::Produce, 9, &request);
    let told = answer.responses.into_iter().map(|topic| {
        let partitions = topic.partition_responses.iter().map(|told| (told.index, told.error_code));
        (topic.name.to_string(), partitions.collect())
    });
    told.collect()
}

fn told(expected: &[(&str, &[(i32, i16)])]) -> Told {
    expected.iter().map(|(name, partitions)| ((*name).to_owned(), partitions.to_vec())).collect()
}

#[test]
fn a_partition_that_is_named_twice_is_produced_to_once_as_named_last() {
    let mut node = Harness::start();
    node.create("t", 3);
    node.create("u", 1);
    let named = vec![
        ("t", vec![(1, batch(&["first"])), (0, batch(&["other"])), (1, batch(&["second"]))]),
        ("u", vec![]),
        ("u", vec![(0, batch(&["u"]))]),
        ("t", vec![(1, batch(&["third"])), (2, batch(&["more"]))]),
    ];
    let answered = produce_all(&mut node, named, 1_000);
    assert_eq!(answered, told(&[("t", &[(1, 0), (0, 0), (2, 0)]), ("u", &[(0, 0)])]));
    assert_eq!(values(&mut node, "t", 1, 0), ["third"]);
    assert_eq!(values(&mut node, "t", 0, 0), ["other"]);
    // Indexes beyond those that are looked for without memory, and more topics than are compared one by one.
    let named = vec![("t", vec![(9_000, batch(&["a"])), (-5, batch(&["a"])), (9_000, batch(&["b"]))])];
    assert_eq!(produce_all(&mut node, named, 1_000), told(&[("t", &[(9_000, 3), (-5, 3)])]));
    let named = (0..40).map(|n| (["t", "u"][n % 2], vec![(0, batch(&["x"]))])).collect();
    assert_eq!(produce_all(&mut node, named, 1_000), told(&[("t", &[(0, 0)]), ("u", &[(0, 0)])]));
    assert_eq!(values(&mut node, "u", 0, 0), ["u", "x"]);
    assert_eq!(produce_all(&mut node, vec![("t", vec![])], 1_000), told(&[]));
}

#[test]
fn a_producer_that_gives_replicas_no_time_waits_for_the_flush_all_the_same() {
    for timeout_ms in [0, -1, i32::MIN] {
        let mut node = Harness::start();
        node.create("t", 1);
        let named = vec![("t", vec![(0, batch(&["a"]))])];
        assert_eq!(produce_all(&mut node, named, timeout_ms), told(&[("t", &[(0, 0)])]), "{timeout_ms}");
    }
}

#[test]
fn a_transaction_without_an_id_refuses_the_whole_request() {
    let mut node = Harness::start();
    node.create("t", 2);
    let attributes = BatchAttributes { transactional: true, ..BatchAttributes::default() };
    let mut builder = RecordBatchBuilder::new(attributes);
    builder.append(START_MS, None, Some(b"a"), &[]);
    let named = vec![("t", vec![(0, batch(&["a"])), (1, builder.build())])];
    let refused = ErrorCode::TransactionalIdAuthorizationFailed.code();
    assert_eq!(produce_all(&mut node, named, 1_000), told(&[("t", &[(0, refused), (1, refused)])]));
    assert_eq!(values(&mut node, "t", 0, 0), [""; 0]);
}

#[test]
fn records_that_are_refused_come_with_the_start_of_the_log_that_they_were_held_against() {
    let mut node = Harness::start();
    node.create("t", 1);
    produce(&mut node, "t", 0, 1, batch(&["a"]));
    let mut torn = batch(&["a"]).to_vec();
    torn.truncate(40);
    let mut unordered = batch(&["a"]).to_vec();
    unordered[7] = 5;
    let answer = produce(&mut node, "t", 0, 1, Bytes::from(torn));
    assert_eq!((answer.error_code, answer.log_start_offset), (ErrorCode::InvalidRecord.code(), -1));
    let answer = produce(&mut node, "t", 0, 1, Bytes::from(unordered));
    assert_eq!((answer.error_code, answer.log_start_offset), (ErrorCode::InvalidRecord.code(), 0));
    let mut unknown = batch(&["a"]).to_vec();
    unknown[16] = 9;
    let answer = produce(&mut node, "t", 0, 1, Bytes::from(unknown));
    assert_eq!(answer.error_message.as_deref(), Some("Invalid magic found in record: 9"));
}

#[test]
fn offsets_that_are_asked_for_twice_are_refused_once() {
    let mut node = Harness::start();
    node.create("t", 2);
    node.create("u", 1);
    let ask = |node: &mut Harness, named: Vec<Named<i64>>, isolation_level| -> Told {
        let topic = |(name, partitions): Named<i64>| ListOffsetsTopic {
            name: Str::from(name),
            partitions: partitions
                .into_iter()
                .map(|(partition_index, timestamp)| ListOffsetsPartition {
                    partition_index,
                    timestamp,
                    ..ListOffsetsPartition::default()
                })
                .collect(),
        };
        let topics = named.into_iter().map(topic).collect();
        let request = ListOffsetsRequest { topics, isolation_level, ..ListOffsetsRequest::default() };
        let answer: ListOffsetsResponse = node.ask(ApiKey::ListOffsets, 7, &request);
        let told = answer.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|told| (told.partition_index, told.error_code));
            (topic.name.to_string(), partitions.collect())
        });
        told.collect()
    };
    let named =
        || vec![("t", vec![(0, -1), (1, -1)]), ("u", vec![(0, -1)]), ("t", vec![(0, -2)]), ("v", vec![])];
    assert_eq!(ask(&mut node, named(), 0), told(&[("t", &[(0, 42), (1, 0)]), ("u", &[(0, 0)])]));
    for level in [2, -1] {
        assert_eq!(ask(&mut node, named(), level), told(&[("t", &[(0, 42), (1, 42)]), ("u", &[(0, 42)])]));
    }
}

#[test]
fn records_are_deleted_once_up_to_where_they_are_named_last() {
    let mut node = Harness::start();
    node.create("t", 1);
    produce(&mut node, "t", 0, 1, batch(&["a", "b", "c"]));
    let topic = |offsets: &[i64]| DeleteRecordsTopic {
        name: Str::from("t"),
        partitions: offsets
            .iter()
            .map(|&offset| DeleteRecordsPartition { partition_index: 0, offset })
            .collect(),
    };
    let mut ask = |topics: Vec<DeleteRecordsTopic>| -> Vec<Vec<(i16, i64)>> {
        let request = DeleteRecordsRequest { topics, timeout_ms: 1_000 };
        let answer: DeleteRecordsResponse = node.ask(ApiKey::DeleteRecords, 2, &request);
        let told = |told: &wire::messages::delete_records::DeleteRecordsPartitionResult| {
            (told.error_code, told.low_watermark)
        };
        answer.topics.iter().map(|topic| topic.partitions.iter().map(told).collect()).collect()
    };
    assert_eq!(ask(vec![topic(&[3, 1]), topic(&[])]), [[(0, 1)]]);
    assert_eq!(ask(vec![topic(&[2]), topic(&[99])]), [[(ErrorCode::OffsetOutOfRange.code(), -1)]]);
}

#[test]
fn a_group_that_is_named_again_is_told_of_again_but_not_without_end() {
    let mut node = Harness::start();
    find_coordinator(&mut node, "g");
    let mut ask = |names: &[&str]| -> Vec<String> {
        let groups = names.iter().map(|name| Str::from(*name)).collect();
        let request = DescribeGroupsRequest { groups, ..DescribeGroupsRequest::default() };
        let answer: DescribeGroupsResponse = node.ask(ApiKey::DescribeGroups, 5, &request);
        answer.groups.iter().map(|group| group.group_id.to_string()).collect()
    };
    assert_eq!(ask(&["b", "a", "b"]), ["b", "a", "b"]);
    assert_eq!(ask(&["a"; 1_000]).len(), 16);
}

#[test]
fn a_cursor_that_points_outside_of_the_question_is_refused_for_every_topic() {
    let mut node = Harness::start();
    for name in ["t", "u", "v"] {
        node.create(name, 2);
    }
    let ask =
        |node: &mut Harness, names: &[&str], cursor: Option<(&str, i32)>| -> Vec<(String, i16, usize)> {
            let topics = names.iter().map(|name| TopicRequest { name: Str::from(*name) }).collect();
            let cursor =
                cursor.map(|(name, partition_index)| Cursor { topic_name: Str::from(name), partition_index });
            let request = DescribeTopicPartitionsRequest { topics, response_partition_limit: 9, cursor };
            let answer: DescribeTopicPartitionsResponse =
                node.ask(ApiKey::DescribeTopicPartitions, 0, &request);
            let told = answer.topics.into_iter().map(|topic| {
                (topic.name.unwrap_or_default().to_string(), topic.error_code, topic.partitions.len())
            });
            told.collect()
        };
    let told = |told: &[(&str, i16, usize)]| -> Vec<(String, i16, usize)> {
        told.iter().map(|&(name, code, count)| (name.to_owned(), code, count)).collect()
    };
    let refused = told(&[("v", 42, 0), ("t", 42, 0), ("t", 42, 0)]);
    for cursor in [("u", 0), ("t", -1), ("", 0), ("nothing", 0)] {
        assert_eq!(ask(&mut node, &["v", "t", "t"], Some(cursor)), refused, "{cursor:?}");
    }
    assert_eq!(ask(&mut node, &["t", "v"], Some(("t", 1))), told(&[("t", 0, 1), ("v", 0, 2)]));
    assert_eq!(ask(&mut node, &["t", "x"], Some(("x", 5))), told(&[("x", 3, 0)]));
    assert_eq!(ask(&mut node, &[], Some(("tt", 7))), told(&[("u", 0, 2), ("v", 0, 2)]));
    assert_eq!(ask(&mut node, &[], Some(("t", -1))), told(&[]));
}

#[test]
fn limits_below_nothing_and_unknown_isolation_are_refused_where_there_is_something_to_read() {
    let mut node = Harness::start();
    node.create("t", 2);
    produce(&mut node, "t", 0, 1, batch(&["a"]));
    let ask = |node: &mut Harness, max_bytes, partition_max_bytes, isolation_level| -> (i16, Vec<i16>) {
        let partition = |partition| FetchPartition {
            partition,
            partition_max_bytes,
            current_leader_epoch: -7,
            ..FetchPartition::default()
        };
        let topic = FetchTopic {
            topic: Str::from("t"),
            partitions: vec![partition(0), partition(1)],
            ..Default::default()
        };
        let request =
            FetchRequest { max_bytes, isolation_level, topics: vec![topic], ..FetchRequest::default() };
        let answer: FetchResponse = node.ask(ApiKey::Fetch, 11, &request);
        let told = answer.responses.iter().flat_map(|topic| &topic.partitions);
        (answer.error_code, told.map(|told| told.error_code).collect())
    };
    assert_eq!(ask(&mut node, 100, 100, 0), (0, vec![0, 0]));
    assert_eq!(ask(&mut node, -1, 100, 0), (0, vec![42, 0]));
    assert_eq!(ask(&mut node, 100, i32::MIN, 0), (0, vec![42, 0]));
    assert_eq!(ask(&mut node, 100, 100, 2), (42, vec![42, 42]));
}
