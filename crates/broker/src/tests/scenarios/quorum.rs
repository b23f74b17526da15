//! The metadata quorum of whole nodes (KIP-630, 996).

use std::path::Path;

use log::{Disk, FileHandle};

use super::super::cluster::{BROKER, CONTROLLER, Cluster, DIRECTORY};
use super::super::replication::create;

#[test]
fn s14_who_was_cut_off_comes_back_and_deposes_nobody() {
    let mut cluster = Cluster::of_three();
    let leader = cluster.ready();
    let status = cluster.node(leader).quorum_status();
    let away = [1, 2, 3].into_iter().find(|id| *id != leader).unwrap();
    cluster.isolate(away);
    // Long enough to stand for many elections.
    cluster.advance(30_000);
    assert_eq!(cluster.node(away).quorum_status().leader.epoch, status.leader.epoch, "it stood alone");
    cluster.heal();
    assert_eq!(cluster.ready(), leader);
    cluster.advance(5_000);
    let after = cluster.node(leader).quorum_status();
    assert_eq!((after.leader.epoch, cluster.active()), (status.leader.epoch, vec![leader]));
}

#[test]
fn s34_a_metadata_log_whose_beginning_no_snapshot_covers_is_refused() {
    let nodes = [(1, CONTROLLER), (2, CONTROLLER), (3, CONTROLLER), (11, BROKER), (12, BROKER), (13, BROKER)];
    let settings = [("metadata.log.max.record.bytes.between.snapshots", "2000")];
    let mut cluster = Cluster::new(&nodes, &settings);
    let leader = cluster.ready();
    for number in 0..8 {
        create(&mut cluster, &format!("t-{number}"), &[]);
    }
    cluster.advance(2_000);
    let other = [1, 2, 3].into_iter().find(|id| *id != leader).unwrap();
    // It begins with a snapshot of the others.
    cluster.kill(other);
    cluster.lose_disk(other);
    cluster.start(other);
    cluster.ready();
    cluster.until("it has read everything", |cluster| {
        cluster.node(other).image().topics.by_name("t-7").is_some()
    });
    assert!(cluster.node(other).quorum_status().log_start_offset > 0);
    cluster.kill(other);
    let folder = Path::new(DIRECTORY).join("__cluster_metadata-0");
    let disk = cluster.members[&other].disk.clone();
    let names: Vec<String> = disk.list(&folder).unwrap().into_iter().map(|entry| entry.name).collect();
    let snapshots: Vec<&String> = names.iter().filter(|name| name.ends_with(".checkpoint")).collect();
    // Named by an end that is exclusive: it is where a log that begins with it begins.
    assert!(!snapshots.is_empty(), "{names:?}");
    for name in &snapshots {
        disk.remove(&FileHandle::new(folder.join(name.as_str()))).unwrap();
    }
    let refused = cluster.try_start(other).unwrap_err();
    assert!(refused.contains("the metadata log cannot be read"), "{refused}");
    // The others go on without it.
    create(&mut cluster, "after", &[]);
}
