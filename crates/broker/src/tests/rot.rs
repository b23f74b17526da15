//! A bit that turned on the disk while nobody looked, in any file of a node: the node starts or refuses with a sentence, and whatever it
//! serves is what was written.

use log::Disk;
use log::sim_disk::SimFault;

use super::fetch::{error_at, values};
use super::full_disk::{commit_request, committed};
use super::groups::find_coordinator;
use super::produce::produce;
use super::*;
use wire::messages::offset_commit::OffsetCommitResponse;

const RECORDS: usize = 8;

/// A node's directory with every kind of file, left cleanly or not.
fn written(clean: bool) -> SimDisk {
    let settings = [("metadata.log.max.record.bytes.between.snapshots", "1500")];
    let mut node = Harness::with(&settings);
    node.create_with("t", 1, &[("internal.segment.bytes", "300"), ("index.interval.bytes", "1")]);
    find_coordinator(&mut node, "g");
    for number in 0..RECORDS {
        let value = value(number);
        assert_eq!(produce(&mut node, "t", 0, -1, batch(&[&value])).error_code, 0);
    }
    let _: OffsetCommitResponse = node.ask(ApiKey::OffsetCommit, 8, &commit_request(5));
    node.advance(6_000);
    if clean {
        let node = node.restart();
        let disk = node.disk.clone();
        // The second life ends at once, and cleanly as well.
        node.stop();
        return disk;
    }
    let disk = node.disk.clone();
    drop(node);
    disk.restart(Survival::Everything);
    disk
}

fn value(number: usize) -> String {
    format!("value {number} {}", "y".repeat(50))
}

fn files_below(disk: &SimDisk, directory: &Path, found: &mut Vec<(PathBuf, usize)>) {
    for entry in disk.list(directory).unwrap() {
        let path = directory.join(&entry.name);
        match entry.is_directory {
            true => files_below(disk, &path, found),
            false => found.push((path, entry.length as usize)),
        }
    }
}

#[test]
fn a_turned_bit_in_any_file_of_a_node_is_never_served() {
    for clean in [true, false] {
        let sound = written(clean);
        let mut files = Vec::new();
        files_below(&sound, Path::new(DIRECTORY), &mut files);
        assert!(files.len() > 20, "{files:?}");
        for (path, length) in files {
            for share in 0..7 {
                let byte = length * share / 7 + share;
                let disk = sound.fork(1);
                if disk.flip_bit(&path, byte, (byte + share) as u8) {
                    look_at(disk, &path, &format!("{} byte {byte} clean {clean}", path.display()));
                }
            }
        }
    }
}

fn look_at(disk: SimDisk, path: &Path, what: &str) {
    disk.fail_at(u64::MAX / 2, SimFault::Io);
    let Some(mut node) = Harness::try_open(disk, Vec::new(), START_MS + 60_000) else {
        // Only what says who the node is and what the cluster has agreed on may keep it from starting.
        let shown = path.to_string_lossy();
        assert!(
            shown.contains("__cluster_metadata") || shown.ends_with("meta.properties"),
            "{what}: no start"
        );
        return;
    };
    let shown = path.to_string_lossy();
    let metadata = shown.contains("__cluster_metadata") || shown.ends_with("meta.properties");
    if node.node.views().by_name("t").is_none()
        || node.node.views().by_name(wire::topic::CONSUMER_OFFSETS).is_none()
    {
        assert!(metadata, "{what}: a topic is gone");
        return;
    }
    let mut missing = 0;
    for number in 0..RECORDS {
        match values(&mut node, "t", 0, number as i64).first() {
            Some(found) => assert_eq!(*found, value(number), "{what}"),
            None => missing += 1,
        }
    }
    let is_data = shown.contains("/t-0/") && shown.ends_with(".log");
    assert!(missing == 0 || metadata || (is_data && missing <= 2), "{what}: {missing} records are missing");
    // What was committed may be lost with its record; the group can be asked, and commit again.
    if !metadata {
        let found = committed(&mut node);
        assert!(found == 5 || (found == -1 && shown.contains("__consumer_offsets")), "{what}: {found}");
        let again: OffsetCommitResponse = node.ask(ApiKey::OffsetCommit, 8, &commit_request(6));
        assert_eq!(again.topics[0].partitions[0].error_code, 0, "{what}");
        assert_eq!(committed(&mut node), 6, "{what}");
    }
}

#[test]
fn a_bit_that_turns_under_a_running_node_is_found_although_its_batch_was_served_before() {
    for number in 0..RECORDS {
        let mut node = Harness::start();
        node.create("t", 1);
        for number in 0..RECORDS {
            produce(&mut node, "t", 0, 1, batch(&[&value(number)]));
        }
        assert_eq!(values(&mut node, "t", 0, 0).len(), RECORDS);
        assert_eq!(values(&mut node, "t", 0, 2).len(), RECORDS - 2);
        let path = Path::new("/data/t-0/00000000000000000000.log");
        let size = log::Disk::length(&node.disk, &log::FileHandle::new(path)).unwrap() as usize / RECORDS;
        assert!(node.disk.flip_bit(path, (number + 1) * size - 9, 3));
        for other in 0..RECORDS {
            let found = values(&mut node, "t", 0, other as i64);
            if other == number {
                assert_eq!(found, [""; 0]);
                let error = ErrorCode::CorruptMessage.code();
                assert_eq!(error_at(&mut node, "t", 0, other as i64), error);
            } else {
                let good = if other < number { other..number } else { other..RECORDS };
                assert_eq!(found, good.map(value).collect::<Vec<_>>(), "{number} from {other}");
            }
        }
    }
}
