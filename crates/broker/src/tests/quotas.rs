//! KIP-219, KIP-599: whoever uses more than its quota has its answer at once, which says for how long its connection is muted; nobody else waits.

use wire::codec::Message;
use wire::messages::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, EntityData, EntryData, OpData,
};
use wire::messages::create_topics::{CreatableTopic, CreateTopicsRequest, CreateTopicsResponse};
use wire::messages::fetch::FetchResponse;
use wire::messages::produce::ProduceResponse;
use wire::{ApiKey, Str};

use super::{Harness, decode, fetch, produce};
use crate::rim::Outcome;

/// Nothing: it is removed.
fn set(node: &mut Harness, key: &str, value: Option<f64>) {
    let user = EntityData {
        entity_type: Str::from_static("user"),
        entity_name: Some(Str::from_static("ANONYMOUS")),
    };
    let op = OpData { key: Str::from(key), value: value.unwrap_or_default(), remove: value.is_none() };
    let entries = vec![EntryData { entity: vec![user], ops: vec![op] }];
    let request = AlterClientQuotasRequest { entries, validate_only: false };
    let answer: AlterClientQuotasResponse = node.ask(ApiKey::AlterClientQuotas, 1, &request);
    assert_eq!(answer.entries[0].error_code, 0, "{:?}", answer.entries[0].error_message);
    node.settle();
}

/// The answer, and for how long the connection is muted behind it.
fn ask<Q: Message, A: Message>(node: &mut Harness, key: ApiKey, version: i16, request: &Q) -> (A, i64) {
    let mut begun = node.begin(key, version, request);
    assert!(!begun.handling.overlaps(), "what may mute a connection overlaps nothing");
    for _ in 0..10 {
        match begun.poll() {
            Some(Outcome::Muted(muted)) => {
                let answer = Outcome::Answer(muted.answer.expect("an answer"));
                return (decode(answer, key, version), muted.until_ms - node.now_ms);
            }
            Some(outcome) => return (decode(outcome, key, version), 0),
            None => node.settle(),
        }
    }
    panic!("{key:?} is not answered");
}

#[test]
fn a_producer_is_muted_for_as_long_as_its_answer_says() {
    let mut node = Harness::start();
    node.create("t", 1);
    let bytes = || super::batch(&[&"x".repeat(20_000)]);
    set(&mut node, "producer_byte_rate", Some(1_000.0));
    for version in [3, 8, 9, 12] {
        let request = produce::request("t", 0, -1, bytes());
        let (answer, muted_ms): (ProduceResponse, i64) = ask(&mut node, ApiKey::Produce, version, &request);
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
        assert!((10_000..10_200).contains(&muted_ms), "{version}: {muted_ms} ms");
        assert_eq!(i64::from(answer.throttle_time_ms), muted_ms);
        node.advance(muted_ms + 11_000);
    }
    // Nobody hears of it, and it waits all the same.
    let mut begun = node.begin(ApiKey::Produce, 9, &produce::request("t", 0, 0, bytes()));
    let Some(Outcome::Muted(muted)) = begun.poll() else { panic!("not muted") };
    assert!(muted.answer.is_none() && muted.until_ms > node.now_ms);
    set(&mut node, "producer_byte_rate", None);
    let answer: ProduceResponse = node.ask(ApiKey::Produce, 9, &produce::request("t", 0, -1, bytes()));
    assert_eq!(answer.throttle_time_ms, 0);
}

#[test]
fn a_consumer_that_has_had_enough_is_answered_without_records_and_gets_them_later() {
    let mut node = Harness::start();
    node.create("t", 1);
    for _ in 0..3 {
        produce::produce(&mut node, "t", 0, -1, super::batch(&[&"x".repeat(8_000)]));
    }
    set(&mut node, "consumer_byte_rate", Some(1_000.0));
    let read = |answer: &FetchResponse| {
        let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|data| data.records.as_ref().map_or(0, bytes::Bytes::len)).sum::<usize>()
    };
    // Ten seconds' worth at most: one batch of three.
    let fetch = |node: &mut Harness| -> (FetchResponse, i64) {
        ask(node, ApiKey::Fetch, 11, &fetch::request("t", &[(0, 0)]))
    };
    let (first, muted_ms) = fetch(&mut node);
    assert!((8_000..10_000).contains(&read(&first)), "{}", read(&first));
    assert_eq!((first.throttle_time_ms, muted_ms), (0, 0));
    let began_ms = node.now_ms;
    let last = loop {
        let (answer, muted_ms) = fetch(&mut node);
        assert_eq!(i64::from(answer.throttle_time_ms), muted_ms);
        if muted_ms == 0 {
            break answer;
        }
        assert_eq!((read(&answer), answer.session_id), (0, 0));
        node.advance(muted_ms);
    };
    assert_eq!(read(&last), read(&first), "what it did not get did not count");
    let waited_ms = node.now_ms - began_ms;
    assert!((5_000..20_000).contains(&waited_ms), "{waited_ms} ms");
}

#[test]
fn whoever_makes_too_many_partitions_is_told_by_the_controller_and_muted_where_it_is_connected() {
    let mut node = Harness::start();
    set(&mut node, "controller_mutation_rate", Some(1.0));
    let mut make = |name: &str, version: i16, num_partitions: i32| {
        let (name, replication_factor) = (Str::from(name), 1);
        let topic = CreatableTopic { name, num_partitions, replication_factor, ..CreatableTopic::default() };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1_000, validate_only: false };
        let (answer, muted_ms): (CreateTopicsResponse, i64) =
            ask(&mut node, ApiKey::CreateTopics, version, &request);
        assert_eq!(i64::from(answer.throttle_time_ms), muted_ms);
        (answer.topics[0].error_code, muted_ms)
    };
    assert_eq!(make("a", 7, 13), (0, 0));
    assert_eq!(make("b", 7, 1), (89, 2_000));
    assert_eq!(make("c", 5, 1), (0, 3_000));
}
