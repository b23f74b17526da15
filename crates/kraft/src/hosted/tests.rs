//! The whole quorum of one over a disk in memory: first boot as Kafka's, answers after the flush, power cuts, snapshots, and
//! taking over what Kafka wrote.

mod three;

use super::*;
use crate::controller::{
    ControllerAnswer, ControllerCommand, CreateTopics, DeleteTopics, RegisterBroker, bootstrap_snapshot,
};
use crate::image::{ConfigResource, MetadataImage};
use crate::raft::control::data_records;
use crate::raft::{MemoryLog, OffsetAndEpoch, SharedLog, VoterNode, VoterSet};
use crate::testing::{One, id, quorum_options, raft_options, registration};
use bytes::Bytes;
use wire::messages::broker_registration::BrokerRegistrationResponse;
use wire::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use wire::record_batch::RecordBatch;
use wire::{ErrorCode, Str};

const NOW: i64 = 1_795_234_681_413;

fn open(log: SharedLog) -> One {
    One::open(log, NOW).unwrap_or_else(|error| panic!("{error}"))
}

fn create(name: &str, partitions: i32) -> ControllerCommand {
    let topic = CreatableTopic {
        name: Str::from(name),
        num_partitions: partitions,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
    ControllerCommand::CreateTopics(CreateTopics { request, describable: None, quota: None })
}

fn error_of(answer: &ControllerAnswer) -> i16 {
    match answer {
        ControllerAnswer::CreateTopics(response) => {
            response.topics.first().map_or(-1, |topic| topic.error_code)
        }
        other => panic!("{other:?}"),
    }
}

/// Batches as text: base offset, count, control or the names of the records.
fn batches(content: Bytes) -> Vec<String> {
    let describe = |batch: RecordBatch| {
        let kinds: Vec<String> = if batch.is_control() {
            let control = batch.control_records().unwrap_or_default();
            control.iter().map(|record| format!("{:?}", record.kind)).collect()
        } else {
            let values = data_records(&batch).unwrap_or_default();
            let name = |value: Bytes| {
                VersionedRecord::decode(value).map(|r| format!("{}/{}", r.record.name(), r.version))
            };
            values
                .into_iter()
                .map(|(_, value)| name(value).unwrap_or_else(|error| error.to_string()))
                .collect()
        };
        format!("{} epoch {} {}", batch.base_offset, batch.partition_leader_epoch, kinds.join(" "))
    };
    RecordBatch::split(content).unwrap_or_default().into_iter().map(describe).collect()
}

#[test]
fn first_boot_writes_what_kafka_writes_with_one_flush() {
    let mut one = open(SharedLog::default());
    assert!(one.quorum.status().is_active, "leads when it is open");
    assert_eq!(one.log.get().flushes, 0, "and nothing of it is durable, so nobody may hear of it");
    let turn = one.turn();
    assert!(turn.image.is_some());
    let disk = one.log.get();
    assert_eq!(
        batches(disk.content()),
        [
            "0 epoch 1 LeaderChange",
            "1 epoch 1 BeginTransactionRecord/0 FeatureLevelRecord/0 FeatureLevelRecord/0 FeatureLevelRecord/0 \
             FeatureLevelRecord/0 FeatureLevelRecord/0 FeatureLevelRecord/0 ConfigRecord/0 EndTransactionRecord/0",
            "10 epoch 1 RegisterControllerRecord/0",
        ]
    );
    assert_eq!((disk.flushes, disk.quorum_state_writes), (1, 1));
}

/// The same first records, byte for byte, as a Kafka 4.4 formatted with `--standalone` wrote them.
#[test]
fn first_boot_equals_kafkas_bytes() {
    let kafka = Bytes::from_static(include_bytes!("../../testdata/kafka-4.4/metadata.log"));
    let bootstrap = Bytes::from_static(include_bytes!("../../testdata/kafka-4.4/0-0.checkpoint"));
    let kafkas = RecordBatch::split(kafka).unwrap_or_default();
    let log = SharedLog::new(MemoryLog::new().with_snapshot(OffsetAndEpoch::BOOTSTRAP, bootstrap));
    let mut options = quorum_options(1, &[], 7);
    options.raft.directory_id = "142Ys3ehS6ua3xAZlqtmag".parse().unwrap_or_default();
    let listener = Str::from("CONTROLLER");
    options.raft.local_endpoints = [(listener, (Str::from("127.0.0.1"), 19303))].into();
    let opened_ms = kafkas.first().map_or(0, |batch| batch.base_timestamp);
    let mut one = One::open_with(log, opened_ms, options).unwrap_or_else(|error| panic!("{error}"));
    one.turn();
    let ours = RecordBatch::split(one.log.get().content()).unwrap_or_default();
    assert_eq!(ours.first().map(RecordBatch::bytes), kafkas.first().map(RecordBatch::bytes));
    let payloads = |batches: &[RecordBatch]| batches.get(1).map(|batch| batch.payload());
    assert_eq!(payloads(&ours), payloads(&kafkas));
}

#[test]
fn the_bootstrap_snapshot_equals_what_kafkas_format_writes() {
    let kafka = Bytes::from_static(include_bytes!("../../testdata/kafka-4.4/0-0.checkpoint"));
    let (replayed, records) = Replayed::from_latest_snapshot(
        &MemoryLog::new().with_snapshot(OffsetAndEpoch::BOOTSTRAP, kafka.clone()),
    )
    .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(replayed.next_offset, 0);
    let mut expected = records.clone();
    let scram = expected.pop();
    assert_eq!(bootstrap_records(MetadataVersion::LATEST_PRODUCTION, &BTreeMap::new()), expected);
    expected.extend(scram);
    let options = raft_options(1, &[]);
    let mut voter = VoterNode {
        key: crate::raft::ReplicaKey { id: 1, directory_id: "142Ys3ehS6ua3xAZlqtmag".parse().ok() },
        endpoints: options.local_endpoints,
        kraft_versions: crate::features::VersionRange { min: 0, max: 1 },
    };
    voter.endpoints = [(Str::from("CONTROLLER"), (Str::from("127.0.0.1"), 19303))].into();
    let ours = bootstrap_snapshot(&expected, Some(VoterSet::only(voter)), NOW);
    let payloads = |content| {
        RecordBatch::split(content).unwrap_or_default().iter().map(RecordBatch::payload).collect::<Vec<_>>()
    };
    let (ours, kafkas) = (payloads(ours), payloads(kafka));
    assert_eq!(ours.len(), kafkas.len());
    // The header holds a time; everything after it is equal.
    assert_eq!(ours[1..], kafkas[1..]);
}

#[test]
fn answers_wait_for_the_flush_and_survive_a_power_cut() {
    let mut one = open(SharedLog::default());
    one.turn();
    one.add_broker(1, None);
    one.quorum.propose(NOW, 900, create("a", 3));
    assert_eq!(one.quorum.status().parked_answers, 1);
    let before = one.log.get().after_power_cut();
    let turn = one.turn();
    assert_eq!(turn.answers.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [900]);
    let after = one.log.get().after_power_cut();
    let topics = |disk: MemoryLog| {
        let mut one = open(SharedLog::new(disk));
        one.turn();
        one.image().topics.len()
    };
    assert_eq!((topics(before), topics(after)), (0, 1));
}

#[test]
fn decisions_see_each_other_before_they_are_committed() {
    let mut one = open(SharedLog::default());
    one.turn();
    one.add_broker(1, None);
    let flushes = one.log.get().flushes;
    one.quorum.propose(NOW, 1, create("a.b", 1));
    one.quorum.propose(NOW, 2, create("a.b", 1));
    one.quorum.propose(NOW, 3, create("a_b", 1));
    let answers = one.turn().answers;
    let errors: Vec<i16> = answers.iter().map(|(_, answer)| error_of(answer)).collect();
    let (exists, invalid) = (ErrorCode::TopicAlreadyExists.code(), ErrorCode::InvalidTopicException.code());
    assert_eq!(errors, [0, exists, invalid]);
    assert_eq!(one.log.get().flushes, flushes + 1, "one flush for the whole turn");
}

#[test]
fn an_idle_controller_writes_a_noop_every_half_second() {
    let mut one = open(SharedLog::default());
    let turn = one.turn();
    assert_eq!(turn.next_deadline_ms, NOW + 500);
    let end = one.log.get().content().len();
    one.now_ms += 499;
    one.turn();
    assert_eq!(one.log.get().content().len(), end);
    one.now_ms += 1;
    one.turn();
    let all = batches(one.log.get().content());
    assert_eq!(all.last().map(String::as_str), Some("11 epoch 1 NoOpRecord/0"));
}

#[test]
fn a_noop_that_nobody_else_reads_costs_no_flush_and_the_next_record_flushes_it() {
    let mut one = open(SharedLog::default());
    one.turn();
    let flushes = one.log.get().flushes;
    for _ in 0..10 {
        one.now_ms += 500;
        one.turn();
    }
    assert_eq!(one.log.get().flushes, flushes);
    let status = one.quorum.status();
    assert_eq!((status.high_watermark, status.log_end_offset), (21, 21), "committed all the same");
    one.add_broker(1, None);
    assert!(one.log.get().flushes > flushes);
}

#[test]
fn a_silent_broker_is_fenced_after_its_session() {
    let mut one = open(SharedLog::default());
    one.turn();
    one.add_broker(1, None);
    one.ask(create("a", 1));
    let fenced = |one: &One| one.image().cluster.broker(1).is_some_and(|broker| broker.fenced);
    one.now_ms += 9000;
    one.turn();
    assert!(!fenced(&one));
    one.now_ms += 1200;
    one.turn();
    assert!(fenced(&one));
    let image = one.image();
    let partition = image.topics.by_name("a").and_then(|topic| topic.partition(0).cloned());
    // The last replica stays eligible: the leader is gone, the data is not.
    assert_eq!(
        partition.map(|p| (p.leader, p.isr.clone(), p.elr.clone(), p.leader_epoch)),
        Some((-1, vec![], vec![1], 1))
    );
}

fn unfenced(one: &One, broker_id: i32) -> bool {
    one.image().cluster.broker(broker_id).is_some_and(|broker| !broker.fenced)
}

/// Seed 2100709 of the simulation: the controller took a broker for unfenced for ever, and led nobody's partitions by it.
#[test]
fn a_broker_that_a_full_disk_kept_fenced_is_unfenced_later() {
    let mut one = open(SharedLog::default());
    one.turn();
    let answer = one.ask(ControllerCommand::RegisterBroker(RegisterBroker {
        request: registration(1, 1, None),
        api_version: 4,
    }));
    let ControllerAnswer::RegisterBroker(BrokerRegistrationResponse { broker_epoch, .. }) = answer else {
        panic!("{answer:?}")
    };
    one.log.get().is_full = true;
    let refused = one.heartbeat(1, broker_epoch);
    let full = ErrorCode::KafkaStorageError.code();
    assert!(matches!(refused, ControllerAnswer::BrokerHeartbeat(answer) if answer.error_code == full));
    assert!(!unfenced(&one, 1));
    one.log.get().is_full = false;
    one.heartbeat(1, broker_epoch);
    assert!(unfenced(&one, 1));
}

#[test]
fn a_silent_broker_that_a_full_disk_kept_unfenced_is_fenced_later() {
    let mut one = open(SharedLog::default());
    one.turn();
    one.add_broker(1, None);
    one.log.get().is_full = true;
    one.now_ms += 60_000;
    // Each chore is tried once, and then all rest.
    assert!((0..6).any(|_| one.turn().next_deadline_ms > one.now_ms), "it is tried again and again");
    assert!(unfenced(&one, 1));
    one.log.get().is_full = false;
    one.now_ms += 200;
    one.turn();
    assert!(!unfenced(&one, 1));
}

#[test]
fn the_own_broker_hears_that_a_full_disk_refused_it() {
    let mut one = open(SharedLog::default());
    one.turn();
    one.log.get().is_full = true;
    let register = RegisterBroker { request: registration(1, 1, None), api_version: 4 };
    let answer = one.quorum.propose_own(NOW, &ControllerCommand::RegisterBroker(register));
    let full = ErrorCode::KafkaStorageError.code();
    assert!(matches!(answer, Some(ControllerAnswer::RegisterBroker(answer)) if answer.error_code == full));
}

#[test]
fn a_restarted_node_leads_the_next_epoch_with_the_same_image() {
    let mut one = open(SharedLog::default());
    one.turn();
    one.add_broker(1, None);
    for name in ["a", "b", "c"] {
        one.ask(create(name, 2));
    }
    let before = one.image();
    let disk = one.log.get().after_power_cut();
    let mut again = One::open(SharedLog::new(disk), NOW + 5).unwrap_or_else(|error| panic!("{error}"));
    again.turn();
    assert_eq!(again.quorum.status().leader, LeaderAndEpoch { leader: Some(1), epoch: 2 });
    assert_eq!(same_but_for_provenance(&again.image()), same_but_for_provenance(&before));
}

/// The contents, whatever offset they are from; a controller registers anew with every process.
fn same_but_for_provenance(image: &MetadataImage) -> MetadataImage {
    let mut image = MetadataImage { provenance: Default::default(), ..image.clone() };
    if image.cluster.controller(1).is_some() {
        let record = wire::records::metadata::UnregisterControllerRecord { controller_id: 1 };
        assert!(image.apply(&record.into()).is_ok());
    }
    image
}

#[test]
fn snapshots_are_taken_and_old_ones_go_with_the_log_before_them() {
    let mut options = quorum_options(1, &[1], 7);
    options.snapshots.max_bytes_between = 600;
    options.snapshots.retention_bytes = 2000;
    let mut one =
        One::open_with(SharedLog::default(), NOW, options).unwrap_or_else(|error| panic!("{error}"));
    one.turn();
    one.add_broker(1, None);
    one.now_ms += 1_000;
    for index in 0..40 {
        one.ask(create(&format!("topic-{index}"), 1));
        if index % 4 == 3 {
            let request = wire::messages::delete_topics::DeleteTopicsRequest {
                topic_names: (index - 3..=index).map(|index| Str::from(format!("topic-{index}"))).collect(),
                ..Default::default()
            };
            one.ask(ControllerCommand::DeleteTopics(DeleteTopics { request, quota: None }));
        }
    }
    let taken = one.quorum.raft.log().snapshots().len();
    assert!(taken > 5, "{taken}");
    one.now_ms += 60_000;
    one.turn();
    let left = one.quorum.raft.log().snapshots();
    assert!(left.len() < taken && !left.is_empty());
    assert_eq!(left.first().map(|file| file.id.offset), Some(one.quorum.status().log_start_offset));
    let disk = one.log.get().after_power_cut();
    let mut again = open(SharedLog::new(disk));
    again.turn();
    assert_eq!(same_but_for_provenance(&again.image()), same_but_for_provenance(&one.image()));
}

#[test]
fn a_node_that_does_not_lead_gives_back_what_it_is_asked() {
    let options = quorum_options(1, &[1, 2, 3], 7);
    let mut one =
        One::open_with(SharedLog::default(), NOW, options).unwrap_or_else(|error| panic!("{error}"));
    one.quorum.propose(NOW, 900, create("a", 1));
    let turn = one.turn();
    assert!(turn.answers.is_empty());
    assert_eq!(turn.moved, [(900, create("a", 1))]);
}

/// A cluster that Kafka 4.4 wrote: topics, configurations, quotas, ACLs, SCRAM users, producer ids.
#[test]
fn takes_over_what_kafka_wrote_and_loses_nothing() {
    let log = Bytes::from_static(include_bytes!("../../testdata/kafka-4.4/metadata.log"));
    let snapshot = Bytes::from_static(include_bytes!("../../testdata/kafka-4.4/154-2.checkpoint"));
    let from_log = MemoryLog::new().with_batches(log.clone()).unwrap_or_else(|fault| panic!("{fault}"));
    let mut whole = Replayed::default();
    whole.read_up_to(&from_log, 154).unwrap_or_else(|error| panic!("{error}"));
    let id = OffsetAndEpoch::new(154, 2);
    let (from_snapshot, _) =
        Replayed::from_latest_snapshot(&MemoryLog::new().with_snapshot(id, snapshot.clone()))
            .unwrap_or_else(|error| panic!("{error}"));
    let (a, b) = (whole.replay.stable(), from_snapshot.replay.stable());
    assert_eq!(same_but_for_provenance(a), same_but_for_provenance(b));
    assert_eq!(a.topics.partition_count(), 3);
    assert_eq!((a.acls.len(), a.scram.iter().count(), a.client_quotas.iter().count()), (2, 2, 2));
    assert_eq!(a.next_producer_id, Some(1000));
    let cleanup = a.configs.of(&ConfigResource::topic("alpha")).get("cleanup.policy");
    assert_eq!(cleanup.map(Str::as_str), Some("compact,delete"));
    // What we would write as a snapshot is what Kafka wrote, but for the order within each kind.
    let ours: Vec<Bytes> = a.to_records().iter().map(VersionedRecord::encode).collect();
    let mut kafkas = Vec::new();
    crate::raft::control::decode_snapshot(snapshot, |value| {
        kafkas.push(value);
        Ok::<(), OpenError>(())
    })
    .unwrap_or_else(|error| panic!("{error}"));
    let kinds = |values: &[Bytes]| {
        values
            .iter()
            .map(|v| VersionedRecord::decode(v.clone()).map(|r| r.record.name()).unwrap_or("?"))
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(&ours), kinds(&kafkas));
    let parsed = |values: &[Bytes]| {
        let mut all: Vec<String> = values.iter().map(|v| format!("{:?}", normal(v.clone()))).collect();
        all.sort();
        all
    };
    assert_eq!(parsed(&ours), parsed(&kafkas));
}

/// Features of a registration come in the order of a Java hash map.
fn normal(value: Bytes) -> VersionedRecord {
    let mut record = VersionedRecord::decode(value).unwrap_or_else(|error| panic!("{error}"));
    match &mut record.record {
        wire::records::metadata::MetadataRecord::RegisterBroker(r) => {
            r.features.sort_by(|a, b| a.name.cmp(&b.name))
        }
        wire::records::metadata::MetadataRecord::RegisterController(r) => {
            r.features.sort_by(|a, b| a.name.cmp(&b.name))
        }
        _ => {}
    }
    record
}

#[test]
fn leads_a_log_that_kafka_wrote() {
    let log = Bytes::from_static(include_bytes!("../../testdata/kafka-4.4/metadata.log"));
    let disk = MemoryLog::new().with_batches(log).unwrap_or_else(|fault| panic!("{fault}"));
    let mut options = quorum_options(1, &[], 7);
    options.raft.directory_id = "142Ys3ehS6ua3xAZlqtmag".parse().unwrap_or_default();
    options.raft.local_endpoints = [(Str::from("CONTROLLER"), (Str::from("127.0.0.1"), 19303))].into();
    let mut one = One::open_with(SharedLog::new(disk), NOW + 900_000, options)
        .unwrap_or_else(|error| panic!("{error}"));
    one.turn();
    let status = one.quorum.status();
    assert_eq!((status.leader.epoch, status.is_active), (3, true));
    one.add_broker(1, None);
    assert_eq!(error_of(&one.ask(create("of-ottla", 2))), 0);
    assert_eq!(one.image().topics.len(), 2);
}

#[test]
fn refuses_to_start_on_records_of_a_newer_release() {
    // Record type 99, version 0.
    let batch = crate::raft::control::data_batch([Bytes::from_static(&[1, 99, 0, 0])], NOW);
    let disk = MemoryLog::new().with_batches(batch).unwrap_or_else(|fault| panic!("{fault}"));
    match One::open(SharedLog::new(disk), NOW) {
        Err(OpenError::Unreadable(what)) => assert!(what.contains("record type 99 version 0"), "{what}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it started"),
    }
    let _ = id(1);
}

/// A disk with topics on it, and what an inspection finds there.
fn inspected() -> (MemoryLog, Inspection) {
    let mut one = open(SharedLog::default());
    one.turn();
    one.add_broker(1, None);
    one.ask(create("a", 3));
    one.ask(create("b", 1));
    let disk = one.log.get().after_power_cut();
    let mut inspection = Inspection::new(None).unwrap_or_else(|error| panic!("{error}"));
    inspection.segment(disk.content()).unwrap_or_else(|error| panic!("{error}"));
    (disk, inspection)
}

#[test]
fn a_quorum_goes_on_from_what_was_inspected_unless_the_log_was_cut_meanwhile() {
    let (disk, _) = inspected();
    let cut_to = RecordBatch::split(disk.content()).unwrap_or_default().last().map_or(0, |b| b.base_offset);
    let mut shorter = disk.clone();
    shorter.truncate_to(cut_to).unwrap_or_else(|fault| panic!("{fault}"));
    for log in [disk, shorter] {
        let (_, inspection) = inspected();
        let mut expected = open(SharedLog::new(log.clone()));
        expected.turn();
        let options = QuorumOptions { read: Some(inspection), ..quorum_options(1, &[1], 7) };
        let again = One::open_with(SharedLog::new(log), NOW, options);
        let mut again = again.unwrap_or_else(|error| panic!("{error}"));
        again.turn();
        assert_eq!(again.image(), expected.image());
        assert_eq!(again.log.get().content(), expected.log.get().content());
    }
}

#[test]
fn what_was_written_before_a_restart_counts_towards_the_next_snapshot() {
    let (disk, inspection) = inspected();
    let less = disk.content().len() as u64 - 100;
    for read in [None, Some(inspection)] {
        let mut options = QuorumOptions { read, ..quorum_options(1, &[1], 7) };
        options.snapshots.max_bytes_between = less;
        let one = One::open_with(SharedLog::new(disk.clone()), NOW, options);
        let mut one = one.unwrap_or_else(|error| panic!("{error}"));
        let deadline_ms = one.turn().next_deadline_ms;
        assert_eq!(one.quorum.status().latest_snapshot_offset, -1, "the start does not wait for it");
        assert!(deadline_ms <= NOW + 1_000);
        one.now_ms += 1_000;
        one.turn();
        assert!(one.quorum.status().latest_snapshot_offset > 0);
    }
}
