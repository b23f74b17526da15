//! Dead-letter queues of share groups on a whole node (KIP-1191): what is rejected is in the queue, with Kafka's headers, whatever happens on
//! the way; what may not be a queue is none.

use std::collections::BTreeSet;

use wire::compress::DecompressLimit;
use wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use wire::messages::share_acknowledge::ShareAcknowledgeResponse;
use wire::record_batch::{Record, RecordBatch};

use super::produce::produce;
use super::shares::Shared;
use super::*;

const QUEUE: &str = "dlq.g";

/// The group's dead letters go to the queue, with or without their bytes.
fn set_queue(shared: &mut Shared, copies: bool) {
    let set = |name: &str, value: &str| AlterableConfig {
        name: Str::from(name),
        config_operation: 0,
        value: Some(Str::from(value)),
    };
    let configs = vec![
        set("errors.deadletterqueue.topic.name", QUEUE),
        set("errors.deadletterqueue.copy.record.enable", if copies { "true" } else { "false" }),
    ];
    let group = AlterConfigsResource { resource_type: 32, resource_name: Str::from("g"), configs };
    let request = IncrementalAlterConfigsRequest { resources: vec![group], validate_only: false };
    let answer: IncrementalAlterConfigsResponse =
        shared.node.ask(ApiKey::IncrementalAlterConfigs, 1, &request);
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
}

fn with_queue(copies: bool) -> Shared {
    let mut shared = Shared::start();
    shared.node.create_with(QUEUE, 1, &[("errors.deadletterqueue.group.enable", "true")]);
    set_queue(&mut shared, copies);
    shared
}

/// What the queue has.
fn letters(node: &mut Harness) -> Vec<Record> {
    let partition = FetchPartition { partition_max_bytes: i32::MAX, ..FetchPartition::default() };
    let topic = FetchTopic { topic: Str::from(QUEUE), partitions: vec![partition], ..FetchTopic::default() };
    let request = FetchRequest { topics: vec![topic], session_epoch: -1, ..FetchRequest::default() };
    let answer: FetchResponse = node.ask(ApiKey::Fetch, 11, &request);
    let data = &answer.responses[0].partitions[0];
    assert_eq!(data.error_code, 0, "{data:?}");
    let batches = RecordBatch::split(data.records.clone().unwrap_or_default()).expect("whole batches");
    let records = batches.iter().map(|batch| batch.records(DecompressLimit::default()).expect("readable"));
    records.flatten().map(|record| record.expect("readable")).collect()
}

fn header(record: &Record, name: &str) -> String {
    let found = record.headers.iter().find(|header| header.key == name.as_bytes());
    let value = found.and_then(|header| header.value.clone()).unwrap_or_default();
    String::from_utf8_lossy(&value).into_owned()
}

/// The offsets that the letters come from.
fn origins(letters: &[Record]) -> Vec<i64> {
    letters.iter().filter_map(|letter| header(letter, "__dlq.errors.offset").parse().ok()).collect()
}

#[test]
fn what_is_rejected_is_in_the_queue_with_headers_and_with_its_bytes_where_that_is_wished() {
    for copies in [false, true] {
        let mut shared = with_queue(copies);
        produce(&mut shared.node, "t", 0, -1, batch(&["a", "b"]));
        assert_eq!(shared.fetch("m", 0), [(0, 1, 1)]);
        assert_eq!(shared.say("m", 1, (0, 1), &[1, 3]), 0);
        shared.node.settle();
        let letters = letters(&mut shared.node);
        assert_eq!(origins(&letters), [1]);
        let letter = &letters[0];
        let value = letter.value.clone().map(|value| value.to_vec());
        assert_eq!(value, copies.then(|| b"b".to_vec()));
        let told: Vec<String> = ["topic", "partition", "group", "delivery.count", "message"]
            .map(|name| header(letter, &format!("__dlq.errors.{name}")))
            .into();
        assert_eq!(told, ["t", "0", "g", "1", "Offset rejected by client."]);
        shared.node.advance(20_000);
        assert_eq!(shared.fetch("m", 2), [], "nobody gets it again");
    }
}

#[test]
fn what_was_handed_out_too_often_is_in_the_queue() {
    let mut shared = with_queue(true);
    produce(&mut shared.node, "t", 0, -1, batch(&["a"]));
    for (epoch, count) in (0..).zip(1..=5) {
        assert_eq!(shared.fetch("m", epoch), [(0, 0, count)]);
        shared.node.advance(16_000);
    }
    assert_eq!(shared.fetch("m", 5), []);
    let letters = letters(&mut shared.node);
    assert_eq!(origins(&letters), [0]);
    assert_eq!(header(&letters[0], "__dlq.errors.delivery.count"), "5");
    assert_eq!(header(&letters[0], "__dlq.errors.message"), "Offset delivery count exceeded the threshold.");
}

/// The power is lost after each step of the way: whoever was told that a record is rejected finds it in the queue, and it never comes again;
/// one of which nothing was told comes again, or is in the queue.
#[test]
fn no_record_is_lost_on_its_way_and_none_comes_again() {
    for cut in 0..1_000 {
        let mut shared = with_queue(true);
        produce(&mut shared.node, "t", 0, -1, batch(&["a", "b"]));
        assert_eq!(shared.fetch("m", 0), [(0, 1, 1)]);
        let request = shared.saying("m", 1, (0, 1), &[3, 3]);
        let mut begun = shared.node.begin(ApiKey::ShareAcknowledge, 2, &request);
        assert!(begun.poll().is_none(), "nothing is stored yet");
        let is_over = shared.node.steps(cut);
        let answer: Option<ShareAcknowledgeResponse> = begun.answer();
        let is_told = answer.is_some_and(|answer| answer.responses[0].partitions[0].error_code == 0);
        drop(begun);
        let Shared { node, topic_id } = shared;
        let mut shared = Shared { node: node.crash(Survival::Nothing), topic_id };
        let mut again = BTreeSet::new();
        for epoch in 0..4 {
            let given = shared.fetch("n", epoch);
            again.extend(given.into_iter().flat_map(|(first, last, _)| first..=last));
            shared.node.advance(1_000);
        }
        let queued: BTreeSet<i64> = origins(&letters(&mut shared.node)).into_iter().collect();
        assert!(again.is_disjoint(&queued), "cut {cut}: {again:?} come again, {queued:?} are in the queue");
        let all: BTreeSet<i64> = again.union(&queued).copied().collect();
        assert_eq!(all, BTreeSet::from([0, 1]), "cut {cut}: nothing is lost");
        if is_told {
            assert!(again.is_empty(), "cut {cut}: what was told to be rejected comes again");
        }
        if is_over {
            assert!(is_told && cut > 3, "it went all the way");
            return;
        }
    }
    panic!("the way never ends");
}

#[test]
fn a_queue_is_made_where_it_may_be() {
    let mut shared = Shared::with(0, &[("errors.deadletterqueue.auto.create.topics.enable", "true")]);
    set_queue(&mut shared, false);
    produce(&mut shared.node, "t", 0, -1, batch(&["a"]));
    assert_eq!(shared.fetch("m", 0), [(0, 0, 1)]);
    assert_eq!(shared.say("m", 1, (0, 0), &[3]), 0);
    for _ in 0..10 {
        shared.node.advance(500);
    }
    assert_eq!(origins(&letters(&mut shared.node)), [0]);
    let image = shared.node.node.image();
    let enabled = image.configs.of_topic(QUEUE).get("errors.deadletterqueue.group.enable").cloned();
    assert_eq!(enabled.as_deref(), Some("true"));
}

/// As Kafka: what cannot be a queue is told of, and the group goes on.
#[test]
fn what_may_not_be_a_queue_is_none_and_the_group_goes_on() {
    let mut shared = Shared::start();
    set_queue(&mut shared, false);
    shared.node.create(QUEUE, 1);
    produce(&mut shared.node, "t", 0, -1, batch(&["a"]));
    assert_eq!(shared.fetch("m", 0), [(0, 0, 1)]);
    assert_eq!(shared.say("m", 1, (0, 0), &[3]), 0);
    shared.node.advance(1_000);
    assert_eq!(letters(&mut shared.node), []);
    produce(&mut shared.node, "t", 0, -1, batch(&["b"]));
    assert_eq!(shared.fetch("m", 2), [(1, 1, 1)]);
}
