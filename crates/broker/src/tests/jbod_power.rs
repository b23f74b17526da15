//! Power loss at every file operation of a replica's way to another log directory and back: the node starts, the replica is in one
//! directory, and everything that was acknowledged is there.

use log::sim_disk::SimFault;
use wire::messages::alter_replica_log_dirs::AlterReplicaLogDirsResponse;
use wire::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use wire::messages::produce::ProduceResponse;

use super::fetch::values;
use super::jbod::{DIRECTORIES, move_request, places};
use super::produce::{produce, request};
use super::*;

fn settings() -> Vec<(String, String)> {
    [DIRECTORIES, ("log.segment.delete.delay.ms", "1000")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

fn formatted(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    Harness::format_all(&disk, &settings());
    disk.restart(Survival::Everything);
    disk
}

#[derive(Default)]
struct Promises {
    acked: usize,
    asked: usize,
    deleted: usize,
}

fn value(number: usize) -> String {
    format!("{number}-{}", "x".repeat(60))
}

/// Asks; `None` once the power is gone.
fn ask<Q: Message, A: Message>(node: &mut Harness, key: ApiKey, version: i16, request: &Q) -> Option<A> {
    let mut begun = node.begin(key, version, request);
    for _ in 0..40 {
        if let Some(outcome) = begun.poll() {
            return (!node.disk.is_crashed()).then(|| decode(outcome, key, version));
        }
        if node.disk.is_crashed() {
            return None;
        }
        node.settle();
    }
    None
}

fn produce_next(node: &mut Harness, promises: &mut Promises) -> Option<()> {
    let value = value(promises.asked);
    promises.asked += 1;
    let answer: ProduceResponse = ask(node, ApiKey::Produce, 9, &request("t", 0, -1, batch(&[&value])))?;
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    promises.acked = promises.asked;
    Some(())
}

fn move_and_write(node: &mut Harness, promises: &mut Promises, path: &str) -> Option<()> {
    let answer: AlterReplicaLogDirsResponse =
        ask(node, ApiKey::AlterReplicaLogDirs, 2, &move_request("t", 0, path))?;
    assert_eq!(answer.results[0].partitions[0].error_code, 0);
    for _ in 0..6 {
        produce_next(node, promises)?;
        node.advance(100);
        if node.disk.is_crashed() {
            return None;
        }
    }
    assert_eq!(places(node, "t", false).get(&0).map(String::as_str), Some(path));
    Some(())
}

fn live(disk: &SimDisk, promises: &mut Promises) -> Option<()> {
    let mut node = Harness::try_open(disk.clone(), settings(), START_MS)?;
    let configs = vec![CreatableTopicConfig {
        name: Str::from_static("internal.segment.bytes"),
        value: Some(Str::from_static("400")),
    }];
    let topic = CreatableTopic {
        name: Str::from_static("t"),
        num_partitions: 1,
        replication_factor: 1,
        configs,
        ..CreatableTopic::default()
    };
    let create = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1_000, validate_only: false };
    let _: CreateTopicsResponse = ask(&mut node, ApiKey::CreateTopics, 7, &create)?;
    for _ in 0..8 {
        produce_next(&mut node, promises)?;
    }
    promises.deleted = 3;
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset: 3 }];
    let topics = vec![DeleteRecordsTopic { name: Str::from_static("t"), partitions }];
    let delete = DeleteRecordsRequest { topics, timeout_ms: 1_000 };
    let _: DeleteRecordsResponse = ask(&mut node, ApiKey::DeleteRecords, 2, &delete)?;
    move_and_write(&mut node, promises, "/c")?;
    // Checkpoints, and the deletion of what was left behind.
    node.advance(6_000);
    move_and_write(&mut node, promises, "/b")?;
    node.node.begin_shutdown(node.now_ms);
    for _ in 0..50 {
        node.settle();
        if node.node.may_stop() || node.disk.is_crashed() {
            break;
        }
        node.advance(10);
    }
    node.node.close(node.now_ms, &|_| ());
    (!node.disk.is_crashed()).then_some(())
}

/// Everything from the first offset there is to the end.
fn found(node: &mut Harness, from: usize) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let more = values(node, "t", 0, (from + found.len()) as i64);
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

fn check(disk: &SimDisk, promises: &Promises, what: &str) {
    let Some(mut node) = Harness::try_open(disk.clone(), settings(), START_MS + 60_000) else {
        panic!("{what}: the node does not start")
    };
    for round in 0..2 {
        let Some(views) = node.node.views().by_name("t") else {
            assert_eq!(promises.acked, 0, "{what}: the topic is gone");
            return;
        };
        node.node.open_log(node.now_ms, views.partition(0).unwrap());
        let start = views.partition(0).unwrap().view().unwrap().log_start_offset as usize;
        assert!(start <= promises.deleted, "{what}: begins at {start}");
        let found = found(&mut node, start);
        let end = start + found.len();
        assert!(end >= promises.acked, "{what}: ends at {end}, {} were acknowledged", promises.acked);
        let asked: Vec<String> = (start..end).map(value).collect();
        assert_eq!(found, asked, "{what}");
        if round == 0 {
            // A half-made move comes to its end.
            for _ in 0..10 {
                node.advance(1_000);
            }
            assert!(places(&mut node, "t", true).is_empty(), "{what}: the move never ends");
            assert!(places(&mut node, "t", false).contains_key(&0), "{what}");
        }
    }
    assert_eq!(produce(&mut node, "t", 0, -1, batch(&["goes on"])).error_code, 0, "{what}");
    let names = |path: &str| log::Disk::list(&node.disk, Path::new(path)).unwrap();
    let all = [names("/data"), names("/b"), names("/c")].concat();
    let strays: Vec<_> = all.iter().filter(|entry| entry.name.ends_with("-stray")).collect();
    assert!(strays.is_empty(), "{what}: {strays:?}");
    assert!(!node.bells.halted.load(Ordering::SeqCst), "{what}: the node halted");
}

#[test]
fn power_loss_at_every_file_operation_of_a_move() {
    let whole = formatted(1);
    let before = whole.operations();
    live(&whole, &mut Promises::default()).unwrap();
    let operations = whole.operations() - before;
    assert!(operations > 150, "{operations}");
    for nth in 0..operations {
        // Losing nothing of what was written is what a kill is; the two others are power cuts.
        let survivals = match nth % 3 {
            0 => [Survival::Nothing, Survival::Random],
            1 => [Survival::Random, Survival::Everything],
            _ => [Survival::Nothing, Survival::Everything],
        };
        for (seed, survival) in (1..).zip(survivals) {
            let disk = formatted(seed + nth * 7);
            let mut promises = Promises::default();
            disk.fail_at(nth, SimFault::Crash);
            let survival = if live(&disk, &mut promises).is_none() { survival } else { Survival::Everything };
            disk.restart(survival);
            // And power goes again while it starts.
            disk.fail_at(nth % 23, SimFault::Crash);
            drop(Harness::try_open(disk.clone(), settings(), START_MS + 30_000));
            disk.restart(Survival::Random);
            check(&disk, &promises, &format!("operation {nth}, {survival:?}"));
        }
    }
}
