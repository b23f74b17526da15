//! What quotas are written, and what is refused; in Kafka's words, which the differential holds against Kafka itself.

use crate::controller::{
    ControllerAnswer, ControllerCommand, CreatePartitions, CreateTopics, DeleteTopics, MutationQuota,
};
use crate::image::QuotaEntity;
use crate::raft::SharedLog;
use crate::testing::One;
use wire::messages::alter_client_quotas::{AlterClientQuotasRequest, EntityData, EntryData, OpData};
use wire::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use wire::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use wire::messages::delete_topics::DeleteTopicsRequest;

fn started() -> One {
    let mut one = One::open(SharedLog::default(), 1_000_000).unwrap_or_else(|error| panic!("{error}"));
    one.turn();
    one
}

type Entity<'a> = &'a [(&'a str, Option<&'a str>)];
/// Keys and values; without one a quota is removed.
type Ops<'a> = &'a [(&'a str, Option<f64>)];

fn alter(one: &mut One, validate_only: bool, entries: &[(Entity<'_>, Ops<'_>)]) -> Vec<(i16, String)> {
    let part = |(entity_type, name): &(&str, Option<&str>)| EntityData {
        entity_type: (*entity_type).into(),
        entity_name: name.map(Into::into),
    };
    let op = |(key, value): &(&str, Option<f64>)| OpData {
        key: (*key).into(),
        value: value.unwrap_or_default(),
        remove: value.is_none(),
    };
    let entry = |(entity, ops): &(Entity<'_>, Ops<'_>)| EntryData {
        entity: entity.iter().map(part).collect(),
        ops: ops.iter().map(op).collect(),
    };
    let entries = entries.iter().map(entry).collect();
    match one.ask(ControllerCommand::AlterClientQuotas(AlterClientQuotasRequest { entries, validate_only })) {
        ControllerAnswer::AlterClientQuotas(answer) => {
            let said =
                |text: Option<wire::Str>| text.as_ref().map(|text| text.to_string()).unwrap_or_default();
            answer.entries.into_iter().map(|entry| (entry.error_code, said(entry.error_message))).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn known(one: &One, entity: Entity<'_>) -> Vec<(String, f64)> {
    let part = |(entity_type, name): &(&str, Option<&str>)| ((*entity_type).into(), name.map(Into::into));
    let entity: QuotaEntity = entity.iter().map(part).collect();
    let image = one.image();
    let quotas = image.client_quotas.of(&entity);
    quotas.into_iter().flatten().map(|(key, value)| (key.to_string(), *value)).collect()
}

const RATE: &str = "producer_byte_rate";

#[test]
fn quotas_come_change_and_go_and_what_is_only_validated_is_not_written() {
    let mut one = started();
    let fine = || vec![(0, String::new())];
    let both: Entity<'_> = &[("user", Some("u")), ("client-id", None)];
    assert_eq!(alter(&mut one, true, &[(both, &[(RATE, Some(1e6))])]), fine());
    assert_eq!(known(&one, both), []);
    assert_eq!(
        alter(&mut one, false, &[(both, &[(RATE, Some(1e6)), ("request_percentage", Some(0.5))])]),
        fine()
    );
    assert_eq!(known(&one, both), [(RATE.to_owned(), 1e6), ("request_percentage".to_owned(), 0.5)]);
    assert_eq!(known(&one, &[("user", Some("u"))]), []);
    assert_eq!(alter(&mut one, false, &[(both, &[(RATE, Some(5.0)), ("request_percentage", None)])]), fine());
    assert_eq!(known(&one, both), [(RATE.to_owned(), 5.0)]);
    assert_eq!(alter(&mut one, false, &[(both, &[(RATE, None), ("no_such_key", None)])]), fine());
    assert_eq!(known(&one, both), []);
    assert_eq!(alter(&mut one, false, &[]), []);
}

#[test]
fn who_is_named_twice_is_told_so_and_keeps_the_first_change() {
    let mut one = started();
    let user: Entity<'_> = &[("user", Some("u"))];
    let said = vec![(42, "Ignoring duplicate entity ClientQuotaEntity(entries={user=u})".to_owned())];
    let twice = [(user, &[(RATE, Some(1.0))][..]), (user, &[(RATE, Some(2.0))][..])];
    assert_eq!(alter(&mut one, false, &twice), said);
    assert_eq!(known(&one, user), [(RATE.to_owned(), 1.0)]);
    assert_eq!(alter(&mut one, false, &[(user, &[(RATE, Some(3.0)), (RATE, None)])]), said);
    assert_eq!(known(&one, user), [(RATE.to_owned(), 1.0)]);
}

#[test]
fn what_is_no_quota_is_refused() {
    let user: Entity<'_> = &[("user", Some("u"))];
    let address: Entity<'_> = &[("ip", Some("10.0.0.1"))];
    let connections = "connection_creation_rate";
    let cases: &[(Entity<'_>, &str, f64, &str)] = &[
        (&[], RATE, 1.0, "Invalid empty client quota entity"),
        (&[("group", None)], RATE, 1.0, "Unhandled client quota entity type: group"),
        (&[("user", Some(""))], RATE, 1.0, "Empty user not supported"),
        (
            &[("ip", None), ("user", None)],
            connections,
            1.0,
            "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
        ),
        (&[("ip", Some("1.2.3"))], connections, 1.0, "1.2.3 is not a valid IP or resolvable host."),
        (user, connections, 1.0, "Invalid configuration key connection_creation_rate"),
        (address, RATE, 1.0, "Invalid configuration key producer_byte_rate"),
        (user, RATE, 0.0, "Quota producer_byte_rate must be greater than 0"),
        (user, RATE, -1.0, "Quota producer_byte_rate must be greater than 0"),
        (user, RATE, f64::NAN, "Quota producer_byte_rate must be a finite number"),
        (user, "request_percentage", f64::INFINITY, "Quota request_percentage must be a finite number"),
        (user, RATE, 1.5, "producer_byte_rate cannot be a fractional value."),
        (user, RATE, 1e19, "Proposed value for producer_byte_rate is too large for a LONG."),
        (address, connections, 3e9, "Proposed value for connection_creation_rate is too large for an INT."),
    ];
    let mut one = started();
    for (entity, key, value, words) in cases {
        let said = alter(&mut one, false, &[(entity, &[("no_such_key", None), (key, Some(*value))])]);
        assert_eq!(said, [(42, (*words).to_owned())], "{entity:?} {key} {value}");
    }
    assert_eq!(one.image().client_quotas.iter().count(), 0);
    let good =
        [(&[("ip", None)][..], &[(connections, Some(5.0))][..]), (address, &[(connections, Some(9.0))])];
    assert_eq!(alter(&mut one, false, &good), [(0, String::new()), (0, String::new())]);
}

fn quota(user: &str, is_strict: bool) -> Option<MutationQuota> {
    // Two partitions a second, and ten at once.
    Some(MutationQuota { user: user.into(), client_id: "".into(), per_second: 2.0, burst: 10.0, is_strict })
}

/// Codes of what was asked, and how long the client waits.
type Told = (Vec<i16>, i32);

fn make(one: &mut One, topics: &[(&str, i32)], quota: Option<MutationQuota>) -> Told {
    let topic = |(name, num_partitions): &(&str, i32)| CreatableTopic {
        name: (*name).into(),
        num_partitions: *num_partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let topics = topics.iter().map(topic).collect();
    let request = CreateTopicsRequest { topics, timeout_ms: 1_000, validate_only: false };
    match one.ask(ControllerCommand::CreateTopics(CreateTopics { request, describable: None, quota })) {
        ControllerAnswer::CreateTopics(answer) => {
            (answer.topics.iter().map(|topic| topic.error_code).collect(), answer.throttle_time_ms)
        }
        other => panic!("{other:?}"),
    }
}

fn delete(one: &mut One, name: &str, quota: Option<MutationQuota>) -> Told {
    let request =
        DeleteTopicsRequest { topic_names: vec![name.into()], timeout_ms: 1_000, ..Default::default() };
    match one.ask(ControllerCommand::DeleteTopics(DeleteTopics { request, quota })) {
        ControllerAnswer::DeleteTopics(answer) => {
            (answer.responses.iter().map(|topic| topic.error_code).collect(), answer.throttle_time_ms)
        }
        other => panic!("{other:?}"),
    }
}

fn extend(one: &mut One, name: &str, count: i32, quota: Option<MutationQuota>) -> Told {
    let topics = vec![CreatePartitionsTopic { name: name.into(), count, assignments: None }];
    let request = CreatePartitionsRequest { topics, timeout_ms: 1_000, validate_only: false };
    match one.ask(ControllerCommand::CreatePartitions(CreatePartitions { request, quota })) {
        ControllerAnswer::CreatePartitions(answer) => {
            (answer.results.iter().map(|topic| topic.error_code).collect(), answer.throttle_time_ms)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bucket_may_be_overdrawn_once_and_then_what_is_asked_is_refused_until_it_is_even() {
    let mut one = started();
    one.add_broker(1, None);
    // Twelve of ten; what does not fit behind them is refused by itself.
    assert_eq!(make(&mut one, &[("a", 12), ("b", 1)], quota("u", true)), (vec![0, 89], 1_000));
    assert_eq!(delete(&mut one, "a", quota("u", true)), (vec![89], 1_000));
    assert_eq!(extend(&mut one, "a", 13, quota("u", true)), (vec![89], 1_000));
    // What is refused anyhow costs nothing, and others have buckets of their own.
    assert_eq!(make(&mut one, &[("a", 1)], quota("u", true)), (vec![36], 0));
    assert_eq!(make(&mut one, &[("c", 1)], quota("v", true)), (vec![0], 0));
    assert_eq!(make(&mut one, &[("d", 100)], None), (vec![0], 0));
    one.now_ms += 999;
    assert_eq!(delete(&mut one, "a", quota("u", true)), (vec![89], 1));
    one.now_ms += 1;
    assert_eq!(extend(&mut one, "a", 13, quota("u", true)), (vec![0], 0));
    assert_eq!(delete(&mut one, "a", quota("u", true)), (vec![89], 500));
    one.now_ms += 500;
    assert_eq!(delete(&mut one, "a", quota("u", true)), (vec![0], 0));
    // It holds no more than it holds.
    one.now_ms += 3_600_000;
    assert_eq!(make(&mut one, &[("e", 11), ("f", 1)], quota("u", true)), (vec![0, 89], 500));
}

#[test]
fn older_clients_are_never_refused_and_wait_afterwards() {
    let mut one = started();
    one.add_broker(1, None);
    assert_eq!(make(&mut one, &[("a", 10)], quota("u", false)), (vec![0], 0));
    assert_eq!(make(&mut one, &[("b", 1)], quota("u", false)), (vec![0], 500));
    assert_eq!(make(&mut one, &[("c", 3)], quota("u", false)), (vec![0], 2_000));
    assert_eq!(make(&mut one, &[("d", 1)], quota("u", true)), (vec![89], 2_000), "they share the bucket");
}
