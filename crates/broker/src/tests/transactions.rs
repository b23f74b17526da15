//! Transactions from the first question for a coordinator to what a reader of committed records sees, by both protocols, over crashes and
//! with the coordinator, the leader and the group on brokers of their own.

use wire::messages::add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use wire::messages::add_partitions_to_txn::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, AddPartitionsToTxnTopic,
};
use wire::messages::describe_producers::{DescribeProducersRequest, DescribeProducersResponse, TopicRequest};
use wire::messages::describe_transactions::{DescribeTransactionsRequest, DescribeTransactionsResponse};
use wire::messages::end_txn::{EndTxnRequest, EndTxnResponse};
use wire::messages::fetch::FetchResponse;
use wire::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use wire::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use wire::messages::list_transactions::{ListTransactionsRequest, ListTransactionsResponse};
use wire::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic, OffsetFetchResponse};
use wire::messages::produce::ProduceResponse;
use wire::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
};
use wire::record_batch::{BatchAttributes, RecordBatch};

use super::*;

const ID: &str = "copier";
/// One coordinator, one copy of its log.
const SETTINGS: &[(&str, &str)] = &[
    ("transaction.state.log.num.partitions", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("offsets.topic.num.partitions", "1"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Producer {
    pub id: i64,
    pub epoch: i16,
    pub sequence: i32,
}

pub(super) fn find(key: &str) -> FindCoordinatorRequest {
    FindCoordinatorRequest { key: Str::from(key), key_type: 1, ..FindCoordinatorRequest::default() }
}

pub(super) fn init() -> InitProducerIdRequest {
    InitProducerIdRequest {
        transactional_id: Some(Str::from(ID)),
        transaction_timeout_ms: 10_000,
        producer_id: -1,
        producer_epoch: -1,
        ..InitProducerIdRequest::default()
    }
}

pub(super) fn end(producer: Producer, committed: bool) -> EndTxnRequest {
    EndTxnRequest {
        transactional_id: Str::from(ID),
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        committed,
    }
}

pub(super) fn records(producer: Producer, value: &str) -> Bytes {
    let attributes = BatchAttributes {
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        base_sequence: producer.sequence,
        transactional: true,
        ..BatchAttributes::default()
    };
    let mut builder = RecordBatchBuilder::new(attributes);
    builder.append(START_MS, None, Some(value.as_bytes()), &[]);
    builder.build()
}

pub(super) fn produced(
    producer: Producer,
    topic: &str,
    value: &str,
) -> wire::messages::produce::ProduceRequest {
    let mut request = produce::request(topic, 0, -1, records(producer, value));
    request.transactional_id = Some(Str::from(ID));
    request
}

fn start() -> Harness {
    let mut node = Harness::with(SETTINGS);
    node.create("t", 1);
    node
}

/// Asks until the coordinator is there.
fn begin(node: &mut Harness) -> Producer {
    let _: FindCoordinatorResponse = node.ask(ApiKey::FindCoordinator, 3, &find(ID));
    node.settle();
    let found: FindCoordinatorResponse = node.ask(ApiKey::FindCoordinator, 3, &find(ID));
    assert_eq!((found.error_code, found.node_id), (0, 1));
    come(node)
}

/// InitProducerId, as often as it takes.
fn come(node: &mut Harness) -> Producer {
    for _ in 0..100 {
        let answer: InitProducerIdResponse = node.ask(ApiKey::InitProducerId, 4, &init());
        match ErrorCode::from_code(answer.error_code) {
            ErrorCode::None => {
                return Producer { id: answer.producer_id, epoch: answer.producer_epoch, sequence: 0 };
            }
            ErrorCode::ConcurrentTransactions | ErrorCode::CoordinatorLoadInProgress => node.advance(20),
            error => panic!("{error:?}"),
        }
    }
    panic!("there is never a producer");
}

/// A produce by protocol 1 or 2; answers the error.
fn put(node: &mut Harness, version: i16, producer: &mut Producer, value: &str) -> ErrorCode {
    let mut request = produced(*producer, "t", value);
    if version >= 13 {
        request.topic_data[0].topic_id = node.node.views().by_name("t").unwrap().id;
    }
    let answer: ProduceResponse = node.ask(ApiKey::Produce, version, &request);
    let error = ErrorCode::from_code(answer.responses[0].partition_responses[0].error_code);
    if error == ErrorCode::None {
        producer.sequence += 1;
    }
    error
}

fn add(node: &mut Harness, producer: Producer) -> ErrorCode {
    let request = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: Str::from(ID),
        v3_and_below_producer_id: producer.id,
        v3_and_below_producer_epoch: producer.epoch,
        v3_and_below_topics: vec![AddPartitionsToTxnTopic { name: Str::from("t"), partitions: vec![0] }],
        ..AddPartitionsToTxnRequest::default()
    };
    let answer: AddPartitionsToTxnResponse = node.ask(ApiKey::AddPartitionsToTxn, 3, &request);
    let topic = &answer.results_by_topic_v3_and_below[0];
    ErrorCode::from_code(topic.results_by_partition[0].partition_error_code)
}

/// Ends by protocol 2; the next transaction is that of the epoch that is answered.
fn finish(node: &mut Harness, producer: &mut Producer, committed: bool) {
    let answer: EndTxnResponse = node.ask(ApiKey::EndTxn, 5, &end(*producer, committed));
    assert_eq!(ErrorCode::from_code(answer.error_code), ErrorCode::None);
    assert_eq!((answer.producer_id, answer.producer_epoch), (producer.id, producer.epoch + 1));
    *producer = Producer { id: answer.producer_id, epoch: answer.producer_epoch, sequence: 0 };
}

/// What a reader of committed records sees, aborted transactions left out as a client does it, and where it stands then.
fn committed(node: &mut Harness) -> Vec<String> {
    let mut request = fetch::request("t", &[(0, 0)]);
    request.max_wait_ms = 0;
    request.isolation_level = 1;
    seen(&node.ask(ApiKey::Fetch, 12, &request))
}

pub(super) fn seen(answer: &FetchResponse) -> Vec<String> {
    let data = &answer.responses[0].partitions[0];
    let mut aborted = data.aborted_transactions.clone().unwrap_or_default();
    aborted.sort_by_key(|one| one.first_offset);
    let (mut values, mut open) = (Vec::new(), Vec::new());
    for batch in RecordBatch::split(data.records.clone().unwrap_or_default()).unwrap() {
        let header = *batch.header();
        aborted.retain(|one| {
            let begins = one.first_offset <= header.last_offset();
            if begins {
                open.push(one.producer_id);
            }
            !begins
        });
        if header.is_control() {
            let marker = batch.control_records().unwrap()[0].end_transaction().unwrap().unwrap();
            if !marker.commit {
                open.retain(|id| *id != header.producer_id);
            }
            continue;
        }
        if header.is_transactional() && open.contains(&header.producer_id) {
            continue;
        }
        let records = batch.records(wire::compress::DecompressLimit::default()).unwrap();
        values.extend(
            records.map(|record| String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap()),
        );
    }
    values
}

fn state(node: &mut Harness) -> String {
    let request = DescribeTransactionsRequest { transactional_ids: vec![Str::from(ID)] };
    let answer: DescribeTransactionsResponse = node.ask(ApiKey::DescribeTransactions, 0, &request);
    answer.transaction_states[0].transaction_state.to_string()
}

#[test]
fn by_protocol_2_partitions_come_to_a_transaction_with_its_records() {
    let mut node = start();
    let mut producer = begin(&mut node);
    assert_eq!(put(&mut node, 12, &mut producer, "a"), ErrorCode::None);
    assert_eq!(put(&mut node, 12, &mut producer, "b"), ErrorCode::None);
    assert_eq!(committed(&mut node), Vec::<String>::new(), "it is open");
    assert_eq!(fetch::values(&mut node, "t", 0, 0), ["a", "b"]);
    assert_eq!(state(&mut node), "Ongoing");
    finish(&mut node, &mut producer, true);
    node.advance(10);
    assert_eq!(committed(&mut node), ["a", "b"]);
    assert_eq!(put(&mut node, 12, &mut producer, "c"), ErrorCode::None);
    finish(&mut node, &mut producer, false);
    node.advance(10);
    assert_eq!(put(&mut node, 12, &mut producer, "d"), ErrorCode::None);
    finish(&mut node, &mut producer, true);
    node.advance(10);
    assert_eq!(committed(&mut node), ["a", "b", "d"]);
    assert_eq!(state(&mut node), "CompleteCommit");
}

#[test]
fn by_protocol_1_a_partition_that_was_not_added_takes_nothing() {
    let mut node = start();
    let mut producer = begin(&mut node);
    assert_eq!(put(&mut node, 9, &mut producer, "a"), ErrorCode::InvalidTxnState);
    assert_eq!(put(&mut node, 11, &mut producer, "a"), ErrorCode::TransactionAbortable);
    assert_eq!(add(&mut node, producer), ErrorCode::None);
    assert_eq!(put(&mut node, 9, &mut producer, "a"), ErrorCode::None);
    let answer: EndTxnResponse = node.ask(ApiKey::EndTxn, 3, &end(producer, true));
    assert_eq!(answer.error_code, 0);
    node.advance(10);
    assert_eq!(committed(&mut node), ["a"]);
    assert_eq!(put(&mut node, 11, &mut producer, "b"), ErrorCode::TransactionAbortable, "it has ended");
}

#[test]
fn a_partition_that_does_not_exist_adds_nothing() {
    let mut node = start();
    let producer = begin(&mut node);
    let topic =
        |name: &str, partitions: Vec<i32>| AddPartitionsToTxnTopic { name: Str::from(name), partitions };
    let request = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: Str::from(ID),
        v3_and_below_producer_id: producer.id,
        v3_and_below_producer_epoch: producer.epoch,
        v3_and_below_topics: vec![topic("t", vec![0, 7])],
        ..AddPartitionsToTxnRequest::default()
    };
    let answer: AddPartitionsToTxnResponse = node.ask(ApiKey::AddPartitionsToTxn, 3, &request);
    let partitions = &answer.results_by_topic_v3_and_below[0].results_by_partition;
    let errors: Vec<_> =
        partitions.iter().map(|one| ErrorCode::from_code(one.partition_error_code)).collect();
    assert_eq!(errors, [ErrorCode::OperationNotAttempted, ErrorCode::UnknownTopicOrPartition]);
    assert_eq!(state(&mut node), "Empty");
}

/// S17: whoever comes with the same id fences the one before, and its transaction is aborted.
#[test]
fn a_second_producer_fences_the_first() {
    let mut node = start();
    let mut first = begin(&mut node);
    assert_eq!(put(&mut node, 12, &mut first, "old"), ErrorCode::None);
    let mut second = come(&mut node);
    assert!(second.epoch > first.epoch && second.id == first.id);
    assert_eq!(put(&mut node, 12, &mut first, "late"), ErrorCode::InvalidProducerEpoch);
    let answer: EndTxnResponse = node.ask(ApiKey::EndTxn, 5, &end(first, true));
    assert_eq!(ErrorCode::from_code(answer.error_code), ErrorCode::ProducerFenced);
    assert_eq!(put(&mut node, 12, &mut second, "new"), ErrorCode::None);
    finish(&mut node, &mut second, true);
    node.advance(10);
    assert_eq!(committed(&mut node), ["new"]);
}

/// S19: nobody ends it, so its timeout does; readers go on.
#[test]
fn a_transaction_that_nobody_ends_is_aborted_in_time() {
    let mut node = start();
    let mut producer = begin(&mut node);
    assert_eq!(put(&mut node, 12, &mut producer, "lost"), ErrorCode::None);
    produce::produce(&mut node, "t", 0, 1, batch(&["plain"]));
    assert_eq!(committed(&mut node), Vec::<String>::new());
    node.advance(9_000);
    assert_eq!(state(&mut node), "Ongoing");
    node.advance(2_000);
    assert_eq!(state(&mut node), "CompleteAbort");
    assert_eq!(committed(&mut node), ["plain"]);
    assert_eq!(put(&mut node, 12, &mut producer, "late"), ErrorCode::InvalidProducerEpoch);
}

/// S18, S28: the process dies between the decision and its markers, at any moment; what was decided is carried out.
#[test]
fn what_was_decided_before_a_crash_is_carried_out_after_it() {
    for commit in [true, false] {
        let mut node = start();
        let mut producer = begin(&mut node);
        assert_eq!(put(&mut node, 12, &mut producer, "a"), ErrorCode::None);
        let mut begun = node.begin(ApiKey::EndTxn, 5, &end(producer, commit));
        let _ = begun.poll();
        let mut node = node.crash(log::sim_disk::Survival::Everything);
        node.advance(100);
        let expected = if commit { vec!["a".to_owned()] } else { Vec::new() };
        let state = state(&mut node);
        // Whether or not the decision was made: nothing is half visible, and an open transaction is still open.
        match state.as_str() {
            "CompleteCommit" | "CompleteAbort" => assert_eq!(committed(&mut node), expected),
            "Ongoing" => assert_eq!(committed(&mut node), Vec::<String>::new()),
            other => panic!("{other}"),
        }
        node.advance(11_000);
        let mut next = come(&mut node);
        assert_eq!(put(&mut node, 12, &mut next, "b"), ErrorCode::None);
        finish(&mut node, &mut next, true);
        node.advance(10);
        assert_eq!(committed(&mut node).last().map(String::as_str), Some("b"));
    }
}

#[test]
fn an_open_transaction_goes_on_after_a_restart() {
    let mut node = start();
    let mut producer = begin(&mut node);
    assert_eq!(put(&mut node, 12, &mut producer, "a"), ErrorCode::None);
    let mut node = node.restart();
    node.settle();
    assert_eq!(put(&mut node, 12, &mut producer, "b"), ErrorCode::None);
    assert_eq!(committed(&mut node), Vec::<String>::new());
    finish(&mut node, &mut producer, true);
    node.advance(10);
    assert_eq!(committed(&mut node), ["a", "b"]);
}

fn offsets(producer: Producer, offset: i64) -> TxnOffsetCommitRequest {
    let partition = TxnOffsetCommitRequestPartition {
        partition_index: 0,
        committed_offset: offset,
        ..TxnOffsetCommitRequestPartition::default()
    };
    let topic = TxnOffsetCommitRequestTopic {
        name: Str::from("t"),
        partitions: vec![partition],
        ..TxnOffsetCommitRequestTopic::default()
    };
    TxnOffsetCommitRequest {
        transactional_id: Str::from(ID),
        group_id: Str::from("g"),
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..TxnOffsetCommitRequest::default()
    }
}

fn commit_offsets(node: &mut Harness, version: i16, producer: Producer, offset: i64) -> ErrorCode {
    let mut request = offsets(producer, offset);
    if version >= 6 {
        request.topics[0].topic_id = node.node.views().by_name("t").unwrap().id;
    }
    let answer: TxnOffsetCommitResponse = node.ask(ApiKey::TxnOffsetCommit, version, &request);
    ErrorCode::from_code(answer.topics[0].partitions[0].error_code)
}

fn stable(node: &mut Harness) -> (ErrorCode, i64) {
    let topics = vec![OffsetFetchRequestTopic { name: Str::from("t"), partition_indexes: vec![0] }];
    let request = OffsetFetchRequest {
        group_id: Str::from("g"),
        topics: Some(topics),
        require_stable: true,
        ..OffsetFetchRequest::default()
    };
    let answer: OffsetFetchResponse = node.ask(ApiKey::OffsetFetch, 7, &request);
    let partition = &answer.topics[0].partitions[0];
    (ErrorCode::from_code(partition.error_code), partition.committed_offset)
}

#[test]
fn offsets_count_when_their_transaction_does() {
    for version in [5, 6] {
        let mut node = start();
        groups::find_coordinator(&mut node, "g");
        let mut producer = begin(&mut node);
        assert_eq!(commit_offsets(&mut node, version, producer, 7), ErrorCode::None);
        assert_eq!(groups::committed(&mut node, "g", "t"), -1);
        assert_eq!(stable(&mut node).0, ErrorCode::UnstableOffsetCommit);
        finish(&mut node, &mut producer, true);
        node.advance(10);
        assert_eq!(stable(&mut node), (ErrorCode::None, 7));
        assert_eq!(commit_offsets(&mut node, version, producer, 9), ErrorCode::None);
        finish(&mut node, &mut producer, false);
        node.advance(10);
        assert_eq!(stable(&mut node), (ErrorCode::None, 7), "version {version}");
    }
}

#[test]
fn by_protocol_1_offsets_need_their_partition_in_the_transaction() {
    let mut node = start();
    groups::find_coordinator(&mut node, "g");
    let producer = begin(&mut node);
    assert_eq!(commit_offsets(&mut node, 3, producer, 7), ErrorCode::InvalidTxnState);
    assert_eq!(commit_offsets(&mut node, 4, producer, 7), ErrorCode::TransactionAbortable);
    let add = AddOffsetsToTxnRequest {
        transactional_id: Str::from(ID),
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        group_id: Str::from("g"),
    };
    let added: AddOffsetsToTxnResponse = node.ask(ApiKey::AddOffsetsToTxn, 3, &add);
    assert_eq!(added.error_code, 0);
    assert_eq!(commit_offsets(&mut node, 3, producer, 7), ErrorCode::None);
    let answer: EndTxnResponse = node.ask(ApiKey::EndTxn, 3, &end(producer, true));
    assert_eq!(answer.error_code, 0);
    node.advance(10);
    assert_eq!(stable(&mut node), (ErrorCode::None, 7));
}

#[test]
fn offsets_of_a_producer_that_the_transaction_is_not_of_are_not_taken() {
    let mut node = start();
    groups::find_coordinator(&mut node, "g");
    let producer = begin(&mut node);
    for id in [-1, i64::MIN, producer.id + 1_000_000] {
        for version in [3, 5, 6] {
            let error = commit_offsets(&mut node, version, Producer { id, ..producer }, 7);
            assert_eq!(error, ErrorCode::InvalidProducerIdMapping, "producer {id}, version {version}");
        }
    }
    assert_eq!(stable(&mut node), (ErrorCode::None, -1));
}

#[test]
fn without_verification_protocol_2_knows_its_partitions_all_the_same() {
    let mut settings = SETTINGS.to_vec();
    settings.push(("transaction.partition.verification.enable", "false"));
    let mut node = Harness::with(&settings);
    node.create("t", 1);
    groups::find_coordinator(&mut node, "g");
    let mut producer = begin(&mut node);
    assert_eq!(put(&mut node, 12, &mut producer, "a"), ErrorCode::None);
    assert_eq!(commit_offsets(&mut node, 5, producer, 7), ErrorCode::None);
    finish(&mut node, &mut producer, true);
    node.advance(10);
    assert_eq!(committed(&mut node), ["a"]);
    assert_eq!(stable(&mut node), (ErrorCode::None, 7));
}

#[test]
fn who_has_a_transaction_open_is_told() {
    let mut node = start();
    let mut producer = begin(&mut node);
    assert_eq!(put(&mut node, 12, &mut producer, "a"), ErrorCode::None);
    let list = ListTransactionsRequest {
        state_filters: vec![Str::from("Ongoing"), Str::from("Nonsense")],
        duration_filter: -1,
        ..ListTransactionsRequest::default()
    };
    let listed: ListTransactionsResponse = node.ask(ApiKey::ListTransactions, 1, &list);
    assert_eq!(listed.unknown_state_filters, [Str::from("Nonsense")]);
    assert_eq!(listed.transaction_states[0].producer_id, producer.id);
    let topics = vec![TopicRequest { name: Str::from("t"), partition_indexes: vec![0] }];
    let described: DescribeProducersResponse =
        node.ask(ApiKey::DescribeProducers, 0, &DescribeProducersRequest { topics });
    let active = &described.topics[0].partitions[0].active_producers[0];
    assert_eq!((active.producer_id, active.current_txn_start_offset), (producer.id, 0));
}

mod cluster {
    use super::super::cluster::{BOTH, Cluster};
    use super::super::replication::{create, leader};
    use super::*;
    use wire::codec::Message;

    const COPIED: &[(&str, &str)] = &[
        ("transaction.state.log.num.partitions", "1"),
        ("transaction.state.log.replication.factor", "3"),
        ("transaction.state.log.min.isr", "2"),
    ];

    /// Asks brokers that are alive until one of them knows of a coordinator among them.
    fn coordinator(cluster: &mut Cluster) -> i32 {
        for _ in 0..2_000 {
            let asked = cluster.alive()[0];
            let found: FindCoordinatorResponse = cluster.ask(asked, ApiKey::FindCoordinator, 3, &find(ID));
            if found.error_code == 0 && cluster.alive().contains(&found.node_id) {
                return found.node_id;
            }
            cluster.advance(20);
        }
        panic!("there is never a coordinator");
    }

    /// Asks the coordinator, whoever it is by now, until it answers for good.
    fn ask<Q: Message, A: Message>(
        cluster: &mut Cluster,
        (key, version): (ApiKey, i16),
        request: &Q,
        error_of: impl Fn(&A) -> i16,
    ) -> A {
        for _ in 0..2_000 {
            let id = coordinator(cluster);
            let answer: A = cluster.ask(id, key, version, request);
            match ErrorCode::from_code(error_of(&answer)) {
                ErrorCode::NotCoordinator
                | ErrorCode::CoordinatorLoadInProgress
                | ErrorCode::CoordinatorNotAvailable
                | ErrorCode::ConcurrentTransactions => cluster.advance(20),
                _ => return answer,
            }
        }
        panic!("the coordinator never answers for good");
    }

    fn begin(cluster: &mut Cluster) -> Producer {
        let of = |answer: &InitProducerIdResponse| answer.error_code;
        let answer = ask(cluster, (ApiKey::InitProducerId, 4), &init(), of);
        assert_eq!(answer.error_code, 0);
        Producer { id: answer.producer_id, epoch: answer.producer_epoch, sequence: 0 }
    }

    fn finish(cluster: &mut Cluster, producer: &mut Producer, committed: bool) {
        let of = |answer: &EndTxnResponse| answer.error_code;
        let answer = ask(cluster, (ApiKey::EndTxn, 5), &end(*producer, committed), of);
        assert_eq!(ErrorCode::from_code(answer.error_code), ErrorCode::None);
        *producer = Producer { id: answer.producer_id, epoch: answer.producer_epoch, sequence: 0 };
    }

    /// Produces to whoever leads, as often as it takes.
    fn put(cluster: &mut Cluster, topic: &str, producer: &mut Producer, value: &str) {
        for _ in 0..2_000 {
            let leader = leader(cluster, topic);
            if cluster.alive().contains(&leader) {
                let request = produced(*producer, topic, value);
                let answer: ProduceResponse = cluster.ask(leader, ApiKey::Produce, 12, &request);
                match ErrorCode::from_code(answer.responses[0].partition_responses[0].error_code) {
                    ErrorCode::None => {
                        producer.sequence += 1;
                        return;
                    }
                    ErrorCode::NotEnoughReplicas
                    | ErrorCode::NotEnoughReplicasAfterAppend
                    | ErrorCode::NotLeaderOrFollower
                    | ErrorCode::ConcurrentTransactions => {}
                    error => panic!("{error:?}"),
                }
            }
            cluster.advance(20);
        }
        panic!("it is never taken");
    }

    /// Reads from whoever leads until these are the committed records.
    fn until_committed(cluster: &mut Cluster, topic: &str, expected: &[&str]) {
        let mut last = Vec::new();
        for _ in 0..2_000 {
            let leader = leader(cluster, topic);
            if cluster.alive().contains(&leader) {
                let mut request = fetch::request(topic, &[(0, 0)]);
                (request.max_wait_ms, request.isolation_level) = (0, 1);
                let answer: FetchResponse = cluster.ask(leader, ApiKey::Fetch, 12, &request);
                last = seen(&answer);
                assert!(last.len() <= expected.len(), "{last:?}");
                if last == expected {
                    return;
                }
            }
            cluster.advance(20);
        }
        panic!("{last:?} is what is committed");
    }

    /// The coordinator answers for the end of a transaction before its markers are written. The next one's first records are there before
    /// the marker is, which makes void what was asked for them: it is asked again.
    #[test]
    fn a_marker_may_come_between_the_next_transaction_and_its_confirmation() {
        let mut cluster = Cluster::new(&[(1, BOTH), (2, BOTH), (3, BOTH)], COPIED);
        cluster.ready();
        let first = coordinator(&mut cluster);
        let names: Vec<String> = (0..8).map(|number| format!("t{number}")).collect();
        names.iter().for_each(|name| create(&mut cluster, name, &[]));
        let elsewhere = names.iter().find(|name| leader(&cluster, name) != first).expect("of eight");
        let led = leader(&cluster, elsewhere);
        let mut producer = begin(&mut cluster);
        put(&mut cluster, elsewhere, &mut producer, "a");

        let connection = cluster.connect(first);
        let mut ending = cluster.begin(first, &connection, (ApiKey::EndTxn, 5), &end(producer, true));
        let ended: EndTxnResponse = loop {
            if let Some(answer) = ending.answer() {
                break answer;
            }
            assert!(cluster.step(), "it ends without time passing");
        };
        assert_eq!(ended.error_code, 0);
        let next = Producer { id: ended.producer_id, epoch: ended.producer_epoch, sequence: 0 };
        let connection = cluster.connect(led);
        let mut reading = fetch::request(elsewhere, &[(0, 0)]);
        (reading.max_wait_ms, reading.isolation_level) = (0, 1);
        let mut read = cluster.begin(led, &connection, (ApiKey::Fetch, 12), &reading);
        assert!(seen(&read.answer().expect("at once")).is_empty(), "the marker is on its way");
        let mut writing =
            cluster.begin(led, &connection, (ApiKey::Produce, 12), &produced(next, elsewhere, "b"));
        let written: ProduceResponse = (0..20)
            .find_map(|_| {
                cluster.advance(10);
                writing.answer()
            })
            .expect("within the time that a broker waits for the end of the one before");
        let error = ErrorCode::from_code(written.responses[0].partition_responses[0].error_code);
        assert_eq!(error, ErrorCode::None);
        let mut next = Producer { sequence: 1, ..next };
        finish(&mut cluster, &mut next, true);
        until_committed(&mut cluster, elsewhere, &["a", "b"]);
    }

    /// S18, S20, S21: coordinator and leader are different brokers; each of them dies while a transaction is open.
    #[test]
    fn a_transaction_outlives_its_coordinator_and_its_leader() {
        let mut cluster = Cluster::new(&[(1, BOTH), (2, BOTH), (3, BOTH)], COPIED);
        cluster.ready();
        let first = coordinator(&mut cluster);
        let names: Vec<String> = (0..8).map(|number| format!("t{number}")).collect();
        names.iter().for_each(|name| create(&mut cluster, name, &[("min.insync.replicas", "2")]));
        let elsewhere = names.iter().find(|name| leader(&cluster, name) != first).expect("of eight").clone();
        let topic = elsewhere.as_str();
        let mut producer = begin(&mut cluster);
        put(&mut cluster, topic, &mut producer, "a");
        finish(&mut cluster, &mut producer, true);
        until_committed(&mut cluster, topic, &["a"]);

        put(&mut cluster, topic, &mut producer, "b");
        cluster.kill(first);
        finish(&mut cluster, &mut producer, true);
        until_committed(&mut cluster, topic, &["a", "b"]);

        cluster.start(first);
        cluster.ready();
        put(&mut cluster, topic, &mut producer, "c");
        let led = leader(&cluster, topic);
        cluster.until("all replicas are in sync", |cluster| {
            let image = cluster.node(led).image();
            image.topics.iter_by_name().all(|topic| topic.partition(0).is_none_or(|one| one.isr.len() == 3))
        });
        cluster.kill(led);
        put(&mut cluster, topic, &mut producer, "d");
        finish(&mut cluster, &mut producer, true);
        until_committed(&mut cluster, topic, &["a", "b", "c", "d"]);
        put(&mut cluster, topic, &mut producer, "e");
        finish(&mut cluster, &mut producer, false);
        put(&mut cluster, topic, &mut producer, "f");
        finish(&mut cluster, &mut producer, true);
        until_committed(&mut cluster, topic, &["a", "b", "c", "d", "f"]);
    }
}
