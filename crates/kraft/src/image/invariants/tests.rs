//! Each invariant of the image, broken on purpose: the check says which.

use super::*;
use crate::image::{
    BrokerRegistration, ConfigResource, NO_LEADER, Provenance, QuotaEntity, Replay, TopicImage,
};
use crate::testing::id;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use wire::Str;
use wire::records::metadata::{
    BeginTransactionRecord, ConfigRecord, DelegationTokenRecord, PartitionChangeRecord, PartitionRecord,
    ProducerIdsRecord, RegisterBrokerRecord, TopicRecord,
};

fn partition() -> PartitionRecord {
    PartitionRecord {
        topic_id: id(1),
        partition_id: 0,
        replicas: vec![1, 2, 3],
        directories: vec![id(11), id(12), id(13)],
        isr: vec![1, 2],
        leader: 1,
        leader_epoch: 4,
        partition_epoch: 9,
        ..Default::default()
    }
}

fn broker() -> RegisterBrokerRecord {
    RegisterBrokerRecord {
        broker_id: 1,
        broker_epoch: 5,
        log_dirs: vec![id(11), id(21)],
        ..Default::default()
    }
}

/// One broker, one topic, one partition, one configuration.
fn image() -> MetadataImage {
    let mut image = MetadataImage::default();
    let topic = TopicRecord { name: Str::from("a.b"), topic_id: id(1) };
    let config = ConfigRecord {
        resource_type: 2,
        resource_name: Str::from("a.b"),
        name: Str::from("retention.ms"),
        value: Some(Str::from("1")),
    };
    for record in [topic.into(), partition().into(), broker().into(), config.into()] {
        apply(&mut image, &record);
    }
    image
}

fn apply(image: &mut MetadataImage, record: &MetadataRecord) {
    image.apply(record).unwrap_or_else(|contradiction| panic!("{contradiction}"));
}

/// What a panic says, up to the names of things in brackets.
fn panic_of(check: impl FnOnce()) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(check)) else { return "nothing".to_owned() };
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

fn topic(image: &mut MetadataImage) -> &mut TopicImage {
    match image.topics.by_id.get_mut(&id(1)) {
        Some(topic) => Arc::make_mut(topic),
        None => panic!("no topic"),
    }
}

#[test]
fn broken_bookkeeping_is_named() {
    type Case = (fn(&mut MetadataImage), &'static str);
    let cases: &[Case] = &[
        (|_| {}, "nothing"),
        (|i| assert!(i.topics.by_name.remove("a.b").is_some()), "topics: names and ids are not one to one"),
        (|i| topic(i).id = id(9), "topics: one is filed under another's id"),
        (|i| topic(i).name = Str::from("c.d"), "topics: a name leads elsewhere"),
        (|i| i.topics.partition_count += 1, "topics: partitions are miscounted"),
        (|i| drop(i.topics.colliding.remove("a_b")), "topics: a name that may collide is not indexed"),
        (
            |i| drop(i.topics.colliding.insert(Str::from("x_y"), Arc::new([Str::from("x.y")].into()))),
            "topics: a name is indexed that is gone",
        ),
        (
            |i| {
                let broker: Option<Arc<BrokerRegistration>> = i.cluster.broker(1).cloned();
                i.cluster.brokers.insert(7, broker.unwrap_or_else(|| panic!("no broker")));
            },
            "cluster: a node is filed under another's id",
        ),
        (
            |i| drop(i.configs.resources.insert(ConfigResource::broker(3), Arc::default())),
            "configs: a resource without any is kept",
        ),
        (
            |i| drop(i.topics.colliding.insert(Str::from("x_y"), Arc::default())),
            "topics: an empty index is kept",
        ),
        (
            |i| match i.cluster.brokers.get_mut(&1) {
                Some(broker) => Arc::make_mut(broker).directories.reverse(),
                None => panic!("no broker"),
            },
            "cluster: directories of a broker are out of order",
        ),
        (
            |i| drop(i.client_quotas.entities.insert(QuotaEntity::new(), Arc::default())),
            "quotas: an entity without any is kept",
        ),
        (
            |i| {
                let record = DelegationTokenRecord { token_id: Str::from("t"), ..Default::default() };
                apply(i, &record.into());
                let token = i.delegation_tokens.get("t").cloned();
                let token = token.unwrap_or_else(|| panic!("no token"));
                i.delegation_tokens.tokens.insert(Str::from("u"), token);
            },
            "tokens: one is filed under another's id",
        ),
        (|i| i.features.keep_at_zero("group.version"), "features: one at level 0 is kept"),
    ];
    for (damage, name) in cases {
        let mut image = image();
        damage(&mut image);
        let said = panic_of(|| image.check());
        assert!(said.contains(name), "{name}: {said}");
    }
}

#[test]
fn a_broken_decision_is_named() {
    let change = || PartitionChangeRecord { topic_id: id(1), partition_id: 0, ..Default::default() };
    let cases: Vec<(MetadataRecord, &str)> = vec![
        (PartitionChangeRecord { isr: Some(vec![1]), ..change() }.into(), "nothing"),
        (PartitionChangeRecord { leader: NO_LEADER, ..change() }.into(), "nothing"),
        (PartitionChangeRecord { leader: 3, ..change() }.into(), "partition: its leader is not in the ISR"),
        (
            PartitionChangeRecord { isr: Some(vec![1, 9]), ..change() }.into(),
            "partition: one in the ISR is no replica",
        ),
        (
            PartitionChangeRecord { isr: Some(vec![1, 2, 2]), ..change() }.into(),
            "partition: a replica stands twice",
        ),
        (
            PartitionChangeRecord { eligible_leader_replicas: Some(vec![2]), ..change() }.into(),
            "partition: one is in the ISR and in the ELR",
        ),
        (
            PartitionChangeRecord { adding_replicas: Some(vec![9]), ..change() }.into(),
            "partition: one that comes or goes is no replica",
        ),
        (
            PartitionRecord { replicas: vec![], directories: vec![], ..partition() }.into(),
            "partition: it has no replicas",
        ),
        (PartitionRecord { leader_epoch: -1, ..partition() }.into(), "partition: an epoch is negative"),
        (
            PartitionChangeRecord { leader_recovery_state: 1, ..change() }.into(),
            "partition: it recovers, and others are in the ISR",
        ),
        (
            PartitionChangeRecord { isr: Some(vec![]), leader: NO_LEADER, ..change() }.into(),
            "partition: the last one leaves the ISR",
        ),
        (PartitionChangeRecord { leader: 2, ..change() }.into(), "partition: its leader is no broker"),
        (PartitionRecord { leader: 2, ..partition() }.into(), "partition: its leader is no broker"),
        (RegisterBrokerRecord { broker_id: 2, ..broker() }.into(), "broker: it has another one's directory"),
        (ProducerIdsRecord { broker_id: 1, broker_epoch: 5, next_producer_id: 1000 }.into(), "nothing"),
        (
            ProducerIdsRecord { broker_id: 1, broker_epoch: 4, next_producer_id: 1000 }.into(),
            "producer ids: no broker of this epoch asked for them",
        ),
        (RegisterBrokerRecord { broker_epoch: -1, ..broker() }.into(), "broker: its epoch is no offset"),
        (
            RegisterBrokerRecord { log_dirs: vec![id(11), id(11)], ..broker() }.into(),
            "broker: a directory stands twice",
        ),
    ];
    for (record, name) in cases {
        let mut image = image();
        apply(&mut image, &record);
        let said = panic_of(|| image.check_decided(&record));
        assert!(said.contains(name), "{name}: {said}");
    }
}

#[test]
fn epochs_of_a_partition_grow() {
    let mut image = image();
    let before = topic(&mut image).partition(0).map(|partition| (**partition).clone()).unwrap_or_default();
    let broken_by_change = |before: &_, after: &_| image.broken_by_change(before, after);
    let grown = PartitionImage { partition_epoch: 10, ..before.clone() };
    assert_eq!(broken_by_change(&before, &grown), None);
    assert_eq!(broken_by_change(&before, &before), Some("partition: its epoch does not grow"));
    let led = PartitionImage { leader: 2, ..grown.clone() };
    assert_eq!(broken_by_change(&before, &led), Some("partition: its leader changes within an epoch"));
    let older = PartitionImage { leader_epoch: 3, ..grown };
    assert_eq!(broken_by_change(&before, &older), Some("partition: its leader changes within an epoch"));
}

/// What another controller wrote is taken as it is, also where this one changes something else of it.
#[test]
fn what_was_broken_before_may_stay_so() {
    let mut image = image();
    apply(&mut image, &PartitionRecord { leader: 3, ..partition() }.into());
    let change =
        PartitionChangeRecord { topic_id: id(1), partition_id: 0, isr: Some(vec![2]), ..Default::default() };
    apply(&mut image, &change.clone().into());
    image.check_decided(&change.into());
}

#[test]
fn an_image_only_grows() {
    let mut replay = Replay::from_image(image());
    let at = |last_offset| Provenance { last_offset, ..Default::default() };
    replay.advance(at(7));
    let said = panic_of(|| replay.advance(at(7)));
    assert!(said.contains("provenance: an image only grows"), "{said}");
}

#[test]
fn what_is_kept_beside_the_image_fits_it() {
    let replay = || Replay::from_image(image());
    replay().check();
    let mut fewer = replay();
    fewer.forget_registration(1);
    let said = panic_of(|| fewer.check());
    assert!(said.contains("registrations: not one offset for each broker"), "{said}");
    let mut past = replay();
    past.advance(Provenance { last_offset: 7, ..Default::default() });
    let begun = past.apply(7, &BeginTransactionRecord::default().into());
    begun.unwrap_or_else(|contradiction| panic!("{contradiction}"));
    let said = panic_of(|| past.check());
    assert!(said.contains("transaction: it began in the past"), "{said}");
}
