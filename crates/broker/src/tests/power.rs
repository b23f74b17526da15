//! Power loss at every file operation of a node's life: start, append, roll, commit, checkpoint, snapshot of the metadata, deletion
//! of records and of a topic, clean stop. Whatever survived, the node starts again and holds all that it had acknowledged.

use std::collections::BTreeMap;

use log::sim_disk::SimFault;
use wire::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::messages::produce::ProduceResponse;

use super::fetch::values;
use super::full_disk::{commit_request, committed};
use super::produce::{produce, request};
use super::*;
use wire::messages::offset_commit::OffsetCommitResponse;

/// What clients were told, and what they asked for.
#[derive(Default)]
struct Promises {
    /// Acknowledged values of topic `t` by partition, in order; those asked for and not answered come last.
    acked: BTreeMap<i32, Vec<String>>,
    asked: BTreeMap<i32, Vec<String>>,
    committed: i64,
    commit_asked: i64,
    /// DeleteRecords was asked up to here on partition 0.
    deleted: usize,
    /// And was told that the log begins there.
    deleted_acked: usize,
    /// Topic `gone`: its present id, if its creation was acknowledged and its deletion not asked for.
    gone: Option<Uuid>,
    gone_deleted: bool,
    t: Option<Uuid>,
}

const SETTINGS: &[(&str, &str)] = &[("metadata.log.max.record.bytes.between.snapshots", "1500")];

fn settings() -> Vec<(String, String)> {
    SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A formatted disk that no node has seen yet.
fn formatted(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    Harness::format(&disk);
    disk.restart(Survival::Everything);
    disk
}

/// A client whose node may fall at any moment: `None` from then on.
struct Life<'a> {
    node: Harness,
    promises: &'a mut Promises,
}

impl Life<'_> {
    fn ask<Q: Message, A: Message>(&mut self, key: ApiKey, version: i16, request: &Q) -> Option<A> {
        let mut begun = self.node.begin(key, version, request);
        for _ in 0..40 {
            if let Some(outcome) = begun.poll() {
                // A node without power may say no, never yes; what it says is not heard.
                return (!self.node.disk.is_crashed()).then(|| decode(outcome, key, version));
            }
            if self.node.disk.is_crashed() {
                return None;
            }
            self.node.settle();
        }
        None
    }

    fn produce(&mut self, partition: i32, value: &str) -> Option<()> {
        self.promises.asked.entry(partition).or_default().push(value.to_owned());
        let answer: ProduceResponse =
            self.ask(ApiKey::Produce, 9, &request("t", partition, -1, batch(&[value])))?;
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
        self.promises.acked.entry(partition).or_default().push(value.to_owned());
        Some(())
    }

    fn create(&mut self, name: &str) -> Option<Uuid> {
        let configs = vec![CreatableTopicConfig {
            name: Str::from("internal.segment.bytes"),
            value: Some(Str::from("300")),
        }];
        let topic = CreatableTopic {
            name: Str::from(name),
            num_partitions: 2,
            replication_factor: 1,
            configs,
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1_000, validate_only: false };
        let answer: CreateTopicsResponse = self.ask(ApiKey::CreateTopics, 7, &request)?;
        assert_eq!(answer.topics[0].error_code, 0, "{answer:?}");
        Some(answer.topics[0].topic_id)
    }

    fn delete(&mut self, name: &str) -> Option<()> {
        let topics = vec![DeleteTopicState { name: Some(Str::from(name)), topic_id: Uuid::ZERO }];
        let request = DeleteTopicsRequest { topics, timeout_ms: 1_000, ..DeleteTopicsRequest::default() };
        let answer: DeleteTopicsResponse = self.ask(ApiKey::DeleteTopics, 6, &request)?;
        assert_eq!(answer.responses[0].error_code, 0);
        Some(())
    }

    fn commit(&mut self, offset: i64) -> Option<()> {
        self.promises.commit_asked = offset;
        let answer: OffsetCommitResponse = self.ask(ApiKey::OffsetCommit, 8, &commit_request(offset))?;
        assert_eq!(answer.topics[0].partitions[0].error_code, 0);
        self.promises.committed = offset;
        Some(())
    }

    fn delete_records(&mut self, offset: i64) -> Option<()> {
        self.promises.deleted = offset as usize;
        let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset }];
        let topics = vec![DeleteRecordsTopic { name: Str::from("t"), partitions }];
        let request = DeleteRecordsRequest { topics, timeout_ms: 1_000 };
        let answer: DeleteRecordsResponse = self.ask(ApiKey::DeleteRecords, 2, &request)?;
        assert_eq!(answer.topics[0].partitions[0].error_code, 0);
        self.promises.deleted_acked = offset as usize;
        Some(())
    }

    /// Time for checkpoints, the janitor, deferred deletions.
    fn rest(&mut self, ms: i64) -> Option<()> {
        for _ in 0..ms / 1_000 {
            self.node.advance(1_000);
            if self.node.disk.is_crashed() {
                return None;
            }
        }
        Some(())
    }

    fn work(mut self) -> Option<()> {
        self.promises.t = Some(self.create("t")?);
        self.promises.gone = Some(self.create("gone")?);
        self.ask::<_, ProduceResponse>(ApiKey::Produce, 9, &request("gone", 0, -1, batch(&["old"])))?;
        super::groups::find_coordinator_if_up(&mut self.node, "g");
        for round in 0..5 {
            self.produce(0, &format!("first-{round}-{}", "x".repeat(60)))?;
            self.produce(1, &format!("other-{round}"))?;
            self.commit(round)?;
        }
        self.rest(6_000)?;
        self.delete_records(3)?;
        self.promises.gone = None;
        self.promises.gone_deleted = true;
        self.delete("gone")?;
        self.produce(0, "after the deletion")?;
        self.rest(6_000)?;
        self.node.node.begin_shutdown(self.node.now_ms);
        for _ in 0..50 {
            self.node.settle();
            if self.node.node.may_stop() || self.node.disk.is_crashed() {
                break;
            }
            self.node.advance(10);
        }
        self.node.node.close(self.node.now_ms, &|_| ());
        (!self.node.disk.is_crashed()).then_some(())
    }
}

/// The life of one node until the power goes, and one more life after it.
fn live(disk: &SimDisk, promises: &mut Promises) -> Option<()> {
    let node = Harness::try_open(disk.clone(), settings(), START_MS)?;
    Life { node, promises }.work()
}

fn check(node: &mut Harness, promises: &Promises, what: &str) {
    for (partition, acked) in &promises.acked {
        let asked = &promises.asked[partition];
        let start = if *partition == 0 { first_offset(node, promises) } else { 0 };
        let mut found = Vec::new();
        let mut next = start;
        loop {
            let more = values(node, "t", *partition, next as i64);
            if more.is_empty() {
                break;
            }
            next += more.len();
            found.extend(more);
        }
        assert!(
            next >= acked.len(),
            "{what}: partition {partition} ends at {next}, {} were acknowledged",
            acked.len()
        );
        assert_eq!(found, asked[start..next], "{what}: partition {partition}");
    }
    if promises.committed > 0 {
        let offset = committed(node);
        let lawful = promises.committed..=promises.commit_asked;
        assert!(lawful.contains(&offset), "{what}: committed {offset}, not in {lawful:?}");
    }
    let image = node.node.image();
    if let Some(id) = promises.t {
        assert_eq!(image.topics.by_name("t").map(|topic| topic.id), Some(id), "{what}");
    }
    if let Some(id) = promises.gone {
        assert_eq!(image.topics.by_name("gone").map(|topic| topic.id), Some(id), "{what}");
    }
}

/// Where partition 0 begins: never beyond what was asked to be deleted, never before what was told.
fn first_offset(node: &mut Harness, promises: &Promises) -> usize {
    let views = node.node.views().by_name("t").unwrap();
    node.node.open_log(node.now_ms, views.partition(0).unwrap());
    let start = views.partition(0).unwrap().view().unwrap().log_start_offset as usize;
    let lawful = promises.deleted_acked..=promises.deleted;
    assert!(lawful.contains(&start), "begins at {start}, lawful are {lawful:?}");
    start
}

/// Starts on what is left, checks, and goes on with the names that were in use.
fn start_again(disk: &SimDisk, promises: &Promises, what: &str) {
    let later = START_MS + 60_000;
    let Some(mut node) = Harness::try_open(disk.clone(), settings(), later) else {
        panic!("{what}: the node does not start")
    };
    check(&mut node, promises, what);
    if promises.gone_deleted && node.node.image().topics.by_name("gone").is_none() {
        // A directory of the old topic may still lie there.
        assert_eq!(
            node.try_create("gone"),
            0,
            "{what} {:?}",
            node.node.image().cluster.brokers().collect::<Vec<_>>()
        );
        assert_eq!(produce(&mut node, "gone", 0, -1, batch(&["new"])).error_code, 0, "{what}");
        assert_eq!(values(&mut node, "gone", 0, 0), ["new"], "{what}");
    }
    if promises.t.is_some() {
        assert_eq!(produce(&mut node, "t", 1, -1, batch(&["goes on"])).error_code, 0, "{what}");
    }
    assert!(!node.bells.halted.load(Ordering::SeqCst), "{what}: the node halted");
}

#[test]
fn power_loss_at_every_file_operation_of_a_nodes_life() {
    let whole = formatted(1);
    let before = whole.operations();
    live(&whole, &mut Promises::default()).unwrap();
    let operations = whole.operations() - before;
    assert!(operations > 150, "{operations}");
    for nth in 0..operations {
        let third = if nth % 2 == 0 { Survival::Everything } else { Survival::Random };
        for (seed, survival) in [(1, Survival::Nothing), (2, third)] {
            let disk = formatted(seed + nth * 7);
            let mut promises = Promises::default();
            disk.fail_at(nth, SimFault::Crash);
            // An operation that fails by itself does not take the power down with it: then this is a kill at the end.
            let survival = if live(&disk, &mut promises).is_none() { survival } else { Survival::Everything };
            disk.restart(survival);
            // And power goes again while it starts.
            disk.fail_at(nth % 23, SimFault::Crash);
            drop(Harness::try_open(disk.clone(), settings(), START_MS + 30_000));
            disk.restart(Survival::Random);
            start_again(&disk, &promises, &format!("operation {nth}, {survival:?}"));
        }
    }
}
