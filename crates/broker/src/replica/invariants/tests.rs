//! Each invariant that no fault of a whole node reaches, broken on purpose: `check` says which.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::{AppendOrigin, Disk, Log, SimDisk};
use wire::Uuid;
use wire::record_batch::{RecordBatchBuilder, validate_internal};
use wire::topic::TopicIdPartition;

use crate::replica::flushing::Flushing;
use crate::replica::isr::InSyncReplicas;
use crate::replica::{Leader, Replica, ReplicaState};
use crate::topic_settings::TopicSettings;
use crate::views::PartitionCell;

/// A leader of three records, alone, in epoch 5.
fn replica() -> Replica {
    let id = Uuid::from_halves(1, 2);
    let cell = Arc::new(PartitionCell::new(TopicIdPartition::new(id, 0), 1));
    cell.set_directory(Some(0));
    let settings = Arc::new(TopicSettings::default());
    let disk = SimDisk::new(1);
    disk.create_directory(Path::new("/data")).unwrap();
    let path = PathBuf::from("/data/t-0");
    let mut log = Log::unwritten(Arc::new(disk), path, Arc::clone(&settings.log), id);
    log.begin_epoch(5);
    let mut replica = Replica::new("t".into(), cell, 0, log, settings);
    let isr = InSyncReplicas::new(1, &[1], &[1]);
    replica.state =
        ReplicaState::Leader(Leader { leader_epoch: 5, partition_epoch: 0, isr, flush_acks: false });
    replica.show_role();
    let mut builder = RecordBatchBuilder::new(Default::default());
    for _ in 0..3 {
        builder.append(1, None, Some(b"value"), &[]);
    }
    let batches = validate_internal(builder.build()).unwrap();
    replica.append(&batches, AppendOrigin::Coordinator, 1).unwrap();
    replica.show();
    replica
}

/// What is said after the damage.
fn said(damage: fn(&mut Replica)) -> String {
    let mut replica = replica();
    let check = AssertUnwindSafe(|| {
        damage(&mut replica);
        replica.check();
    });
    match catch_unwind(check) {
        Ok(()) => "nothing".to_owned(),
        Err(panic) => panic.downcast_ref::<&str>().map_or("no text".to_owned(), |text| (*text).to_owned()),
    }
}

#[test]
fn every_broken_invariant_is_named() {
    type Case = (fn(&mut Replica), &'static str);
    let cases: &[Case] = &[
        (|_| {}, "nothing"),
        (|r| r.shown.high_watermark = 2, "shown: readers know another high watermark"),
        (|r| r.shown.last_stable_offset = 4, "watermarks: records are decided that are not committed"),
        (
            |r| {
                r.shown.high_watermark = 9;
                r.show();
            },
            "watermarks: a leader's went back",
        ),
        (|r| r.flushing = Flushing::new(9), "flushing: it was asked for what is not there"),
    ];
    for (damage, name) in cases {
        assert_eq!(said(*damage), *name);
    }
}
