//! A replica's copy: all of the log, whatever came in meanwhile, and nothing acknowledged lost whenever the power goes.

use super::*;
use crate::append::AppendOrigin;
use crate::open::OpenMode;
use crate::sim_disk::{SimDisk, SimFault, Survival};
use crate::testing::{self, append, read_all, records, small, valid};
use wire::record_batch::BatchAttributes;

const FUTURE: &str = "/other/topic-0.00000000000000000000000000000001-future";
const TARGET: &str = "/other/topic-0";

/// A log of some segments with a producer, two epochs and a log start inside a batch, and the directory it is to go to.
fn filled(seed: u64) -> (SimDisk, Log) {
    let disk = SimDisk::new(seed);
    testing::prepare(&disk);
    disk.create_directory("/other".as_ref()).unwrap();
    disk.sync_directory("/".as_ref()).unwrap();
    let mut log =
        testing::open(&disk, small(), OpenMode { topic_id: Some(Uuid([7; 16])), ..OpenMode::default() });
    for number in 0..40 {
        append(&mut log, number, &["one", "two", "three"]);
    }
    log.start_leader_epoch(3).unwrap();
    let attributes = BatchAttributes::default();
    let mut builder = wire::record_batch::RecordBatchBuilder::new(attributes);
    builder.set_producer(9, 0, 0);
    builder.append(50, None, Some(b"idempotent"), &[]);
    let batch = valid(builder.build());
    log.append_as_leader(&batch, 3, AppendOrigin::Client, 50).unwrap();
    log.advance_high_watermark(log.log_end_offset());
    log.delete_records_before(31).unwrap();
    log.flush().unwrap();
    (disk, log)
}

fn create(disk: &SimDisk, log: &Log) -> FutureLog {
    FutureLog::create(Arc::new(disk.clone()), FUTURE.into(), Arc::clone(log.config()), Uuid([7; 16])).unwrap()
}

fn copy_all(future: &mut FutureLog, log: &Log) {
    while future.copy(&log.view(), 500, 70).unwrap() > 0 {}
    assert_eq!(future.state().log_end_offset, log.log_end_offset());
}

#[test]
fn a_copy_takes_over_with_all_that_the_log_knew() {
    let (disk, mut log) = filled(1);
    let mut future = create(&disk, &log);
    copy_all(&mut future, &log);
    let batch = valid(records(BatchAttributes::default(), 80, &["in the meantime"]));
    log.append_as_leader(&batch, 3, AppendOrigin::Client, 80).unwrap();
    let (expected, producers) = (read_all(&mut log), log.producers());
    assert_eq!(producers.len(), 1);
    let epochs = log.view().epochs().clone();
    let (start, high_watermark) = (log.log_start_offset(), log.high_watermark());
    let mut new = future.take_over(&mut log, TARGET.into(), 90).unwrap();
    assert_eq!(read_all(&mut new), expected);
    assert_eq!(new.producers(), producers);
    assert_eq!(new.view().epochs(), &epochs);
    assert_eq!((new.log_start_offset(), new.high_watermark()), (start, high_watermark));
    new.flush().unwrap();
    let batch = valid(records(BatchAttributes::default(), 100, &["goes on"]));
    new.append_as_leader(&batch, 3, AppendOrigin::Client, 100).unwrap();
    new.flush().unwrap();
    let mut again = expected;
    again.push((again.last().unwrap().0 + 1, "goes on".to_owned()));
    let mode =
        OpenMode { log_start_offset: start, recovery_point: new.recovery_point(), ..OpenMode::default() };
    drop(new);
    disk.restart(Survival::Nothing);
    let mut opened = Log::open(Arc::new(disk.clone()), TARGET.into(), Arc::new(small()), mode, 200).unwrap();
    assert_eq!(read_all(&mut opened), again);
    assert_eq!(opened.producers(), producers);
}

#[test]
fn a_flush_of_the_old_log_proves_nothing_about_the_new_one() {
    let (disk, mut log) = filled(1);
    let mut future = create(&disk, &log);
    copy_all(&mut future, &log);
    append(&mut log, 80, &["not flushed"]);
    let old = log.dirty().unwrap().run();
    let mut new = future.take_over(&mut log, TARGET.into(), 90).unwrap();
    let before = new.recovery_point();
    assert!(before < new.log_end_offset());
    new.flushed(&old).unwrap();
    assert_eq!(new.recovery_point(), before);
    assert!(new.is_dirty());
}

#[test]
fn retention_during_a_copy_makes_it_begin_anew_where_the_log_begins() {
    let (disk, mut log) = filled(1);
    let mut future = create(&disk, &log);
    future.copy(&log.view(), 1, 70).unwrap();
    assert!(future.state().log_end_offset < 90);
    log.delete_records_before(100).unwrap();
    copy_all(&mut future, &log);
    let expected = read_all(&mut log);
    let mut new = future.take_over(&mut log, TARGET.into(), 90).unwrap();
    assert_eq!(new.log_start_offset(), 100);
    assert_eq!(read_all(&mut new), expected);
}

#[test]
fn a_copy_that_knows_more_or_other_things_than_the_log_is_cut_to_what_they_share() {
    let (disk, log) = filled(1);
    let mut future = create(&disk, &log);
    copy_all(&mut future, &log);
    future.flush().unwrap();
    drop(future);
    // The log lost its last records, and others came in a later epoch.
    let mut log = log;
    log.truncate_to(110).unwrap();
    let end = log.log_end_offset();
    log.start_leader_epoch(5).unwrap();
    let other = valid(records(BatchAttributes::default(), 90, &["x", "y", "z", "another history"]));
    log.append_as_leader(&other, 5, AppendOrigin::Client, 90).unwrap();
    let mut resumed = FutureLog::resume(
        Arc::new(disk.clone()),
        FUTURE.into(),
        Arc::new(small()),
        OpenMode { topic_id: Some(Uuid([7; 16])), ..OpenMode::default() },
        95,
    )
    .unwrap();
    resumed.copy(&log.view(), 0, 96).unwrap();
    assert_eq!(resumed.state().log_end_offset, end);
    copy_all(&mut resumed, &log);
    let expected = read_all(&mut log);
    let mut new = resumed.take_over(&mut log, TARGET.into(), 99).unwrap();
    assert_eq!(read_all(&mut new), expected);
}

#[test]
fn a_log_without_records_moves_too() {
    let (disk, mut log) = filled(1);
    let end = log.log_end_offset();
    log.delete_records_before(end).unwrap();
    let mut future = create(&disk, &log);
    copy_all(&mut future, &log);
    let mut new = future.take_over(&mut log, TARGET.into(), 99).unwrap();
    assert_eq!((new.log_start_offset(), new.log_end_offset()), (end, end));
    append(&mut new, 100, &["first of the new ones"]);
    assert_eq!(read_all(&mut new), [(end, "first of the new ones".to_owned())]);
}

#[test]
fn faults_say_which_disk_they_were_of() {
    let (disk, log) = filled(1);
    let mut future = create(&disk, &log);
    disk.break_below("/other".as_ref());
    assert!(matches!(future.copy(&log.view(), 1, 70), Err(CopyStop::Target(_))));
    disk.mend();
    let mut future = create(&disk, &log);
    disk.break_below("/data".as_ref());
    assert!(matches!(future.copy(&log.view(), 1, 70), Err(CopyStop::Source(_))));
}

/// The move as the broker makes it, up to the deletion of the old log; `None` as soon as the power is gone.
fn move_it(disk: &SimDisk, mut log: Log) -> Option<()> {
    let mut future =
        FutureLog::create(Arc::new(disk.clone()), FUTURE.into(), Arc::clone(log.config()), Uuid([7; 16]))
            .ok()?;
    while future.copy(&log.view(), 500, 70).ok()? > 0 {}
    future.flush().ok()?;
    let mut new = future.take_over(&mut log, TARGET.into(), 90).ok()?;
    new.flush().ok()?;
    log.delete(Uuid([1; 16])).ok()?;
    Some(())
}

#[test]
fn at_every_operation_of_a_move_one_of_the_two_logs_holds_everything() {
    let (disk, mut log) = filled(1);
    let expected = read_all(&mut log);
    let before = disk.operations();
    move_it(&disk, log).unwrap();
    let operations = disk.operations() - before;
    assert!(operations > 30, "{operations}");
    for nth in 0..operations {
        for (seed, survival) in [(1, Survival::Nothing), (2, Survival::Random), (3, Survival::Everything)] {
            let (disk, log) = filled(seed + nth * 5);
            let recovery_point = log.recovery_point();
            disk.fail_at(nth, SimFault::Crash);
            assert!(move_it(&disk, log).is_none());
            disk.restart(survival);
            let open = |path: &str, recovery_point| {
                let mode = OpenMode { log_start_offset: 31, recovery_point, ..OpenMode::default() };
                Log::open(Arc::new(disk.clone()), path.into(), Arc::new(small()), mode, 200).unwrap()
            };
            let old = open(testing::DIRECTORY, recovery_point);
            let new = open(TARGET, 0);
            let mut right = if new.reach() >= old.reach() { new } else { old };
            assert_eq!(read_all(&mut right), expected, "operation {nth}, {survival:?}");
        }
    }
}

#[test]
fn a_copy_follows_a_log_that_was_truncated_and_written_to_again() {
    let (disk, mut log) = filled(1);
    let mut future = create(&disk, &log);
    for number in 0..3 {
        append(&mut log, 60 + number, &["only here"]);
    }
    copy_all(&mut future, &log);
    log.truncate_to(log.log_end_offset() - 3).unwrap();
    log.start_leader_epoch(5).unwrap();
    for number in 0..9 {
        let batch = valid(records(BatchAttributes::default(), 70 + number, &["of another leader"]));
        log.append_as_leader(&batch, 5, AppendOrigin::Client, 70).unwrap();
    }
    copy_all(&mut future, &log);
    log.advance_high_watermark(log.log_end_offset());
    let expected = read_all(&mut log);
    let mut new = future.take_over(&mut log, TARGET.into(), 90).unwrap();
    assert_eq!(read_all(&mut new), expected);
}
