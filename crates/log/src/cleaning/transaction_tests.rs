//! KAFKA-8351, KAFKA-14055: transactions that span segments, keys that look like a marker's, and power loss at
//! every file operation of the cleanings that take them apart. A read_committed consumer sees the same state all the while.

use super::MapBounds;
use super::tests::{batches, compacting, drive, put, roll, transactional};
use crate::append::AppendOrigin;
use crate::log::Log;
use crate::open::OpenMode;
use crate::sim_disk::{SimDisk, SimFault, Survival};
use crate::testing::{self, fresh, open};
use crate::view::LogView;
use std::collections::BTreeMap;
use wire::compress::DecompressLimit;
use wire::record_batch::{EndTransactionMarker, RecordBatch, end_transaction_batch};

/// The bytes of a commit marker's and of an abort marker's key: version 0, type 1 or 0.
const LIKE_COMMIT: &str = "\0\0\0\u{1}";
const LIKE_ABORT: &str = "\0\0\0\0";

const COMMITTED: i64 = 1;
const ABORTED: i64 = 2;

fn end_transaction(log: &mut Log, producer_id: i64, commit: bool) {
    let marker = EndTransactionMarker { commit, coordinator_epoch: 0 };
    let batch = testing::valid(end_transaction_batch(producer_id, 0, 1, marker));
    log.append_as_leader(&batch, 0, AppendOrigin::Coordinator, 1).unwrap();
    log.advance_high_watermark(log.log_end_offset());
}

/// Two transactions, one committed and one aborted, run through three segments beside each other; plain values before and after.
fn write(log: &mut Log) {
    put(
        log,
        Default::default(),
        1,
        &[(LIKE_COMMIT, Some("old")), (LIKE_ABORT, Some("old")), ("a", Some("old"))],
    );
    for (sequence, key) in ["a", LIKE_COMMIT, "b"].into_iter().enumerate() {
        let sequence = i32::try_from(sequence).unwrap();
        put(log, transactional(COMMITTED, sequence), 1, &[(key, Some("committed"))]);
        put(log, transactional(ABORTED, sequence * 2), 1, &[(key, Some("aborted")), (LIKE_ABORT, None)]);
        roll(log);
    }
    end_transaction(log, COMMITTED, true);
    end_transaction(log, ABORTED, false);
    put(log, Default::default(), 1, &[("c", Some("plain"))]);
    roll(log);
}

/// One more value for a key, so that the next cleaning has something to do.
fn touch(log: &mut Log, round: usize) {
    put(log, Default::default(), 1, &[("round", Some(&round.to_string()))]);
    roll(log);
}

/// What a read_committed consumer makes of the log, without the key of [`touch`].
fn committed(view: &LogView) -> BTreeMap<String, String> {
    let aborted = view.aborted_transactions(0, view.log_end_offset).unwrap();
    let is_aborted = |batch: &RecordBatch| {
        let within = |first: i64, last: i64| (first..last).contains(&batch.base_offset);
        batch.is_transactional()
            && aborted
                .iter()
                .any(|one| one.producer_id == batch.producer_id && within(one.first_offset, one.last_offset))
    };
    let mut state = BTreeMap::new();
    for batch in batches(view).into_iter().filter(|batch| !batch.is_control() && !is_aborted(batch)) {
        for record in batch.records(DecompressLimit::default()).unwrap().map(Result::unwrap) {
            let text = |bytes: bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
            let key = text(record.key.unwrap());
            match record.value.map(text) {
                Some(value) => drop(state.insert(key, value)),
                None => drop(state.remove(&key)),
            }
        }
    }
    state.remove("round");
    state
}

fn expected() -> BTreeMap<String, String> {
    let values = [
        ("a", "committed"),
        (LIKE_COMMIT, "committed"),
        ("b", "committed"),
        (LIKE_ABORT, "old"),
        ("c", "plain"),
    ];
    values.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// No record of a transaction without the marker that says what became of it.
fn check(log: &mut Log) {
    let view = log.view();
    assert_eq!(committed(&view), expected());
    let all = batches(&view);
    let data =
        all.iter().filter(|batch| batch.is_transactional() && !batch.is_control() && batch.record_count > 0);
    for batch in data {
        let ended = all.iter().any(|marker| {
            marker.is_control()
                && marker.producer_id == batch.producer_id
                && marker.base_offset > batch.base_offset
        });
        assert!(ended, "no marker behind {} of producer {}", batch.base_offset, batch.producer_id);
    }
}

/// Cleans once; a map this small takes two rounds over the dirty part.
fn clean(log: &mut Log, disk: &SimDisk, now_ms: i64) {
    let Ok(Some(candidate)) = log.clean_candidate(now_ms) else { return };
    let bounds = MapBounds { bytes: 24 * 5, load_factor: 0.9 };
    let mut work = log.begin_cleaning(candidate, bounds, 7, now_ms);
    let outcome = drive(log, &mut work);
    assert!(outcome.is_ok() || disk.is_crashed());
}

/// Cleanings, each later than the horizons that the one before it set.
fn clean_all(log: &mut Log, disk: &SimDisk) {
    for round in 0..3 {
        clean(log, disk, 10_000 * i64::try_from(round + 1).unwrap());
        if disk.is_crashed() {
            return;
        }
        touch(log, round);
    }
}

#[test]
fn s23_markers_outlive_their_data_and_a_key_like_a_markers_is_a_key() {
    let (disk, mut log) = fresh(compacting());
    write(&mut log);
    check(&mut log);
    for round in 0..6 {
        clean(&mut log, &disk, 10_000 * i64::try_from(round + 1).unwrap());
        check(&mut log);
        touch(&mut log, round);
    }
    let all = batches(&log.view());
    let of = |producer, control| {
        let its = move |batch: &&RecordBatch| batch.producer_id == producer && batch.is_control() == control;
        all.iter().filter(its).map(|batch| batch.record_count).collect::<Vec<_>>()
    };
    assert_eq!(of(COMMITTED, false), [1, 1, 1]);
    assert_eq!(of(COMMITTED, true), [1]);
    // Its last batch is kept without records, for its sequence; that counts as data, and keeps the marker.
    assert_eq!(of(ABORTED, false), [0]);
    assert_eq!(of(ABORTED, true), [1]);
}

#[test]
fn s23_power_loss_at_every_file_operation_of_these_cleanings() {
    let (disk, mut log) = fresh(compacting());
    write(&mut log);
    drop(log);
    let before = disk.fork(0);
    let recovery_point = {
        let mut log = open(&before, compacting(), OpenMode::default());
        log.flush().unwrap();
        log.recovery_point()
    };
    let mode = OpenMode { recovery_point, high_watermark: i64::MAX, ..OpenMode::default() };
    let start = |disk: &SimDisk| {
        let mut log = open(disk, compacting(), mode.clone());
        log.advance_high_watermark(i64::MAX);
        log.flush().unwrap();
        log
    };
    let whole = before.fork(0);
    let mut log = start(&whole);
    let first = whole.operations();
    clean_all(&mut log, &whole);
    let operations = whole.operations() - first;
    assert!(operations > 100, "{operations}");
    for nth in 0..operations {
        let survival = match nth % 3 {
            0 => Survival::Nothing,
            1 => Survival::Everything,
            _ => Survival::Random,
        };
        let disk = before.fork(nth);
        let mut log = start(&disk);
        disk.fail_at(nth, SimFault::Crash);
        // `touch` unwraps: power that goes there is the business of the append's own crash tests.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| clean_all(&mut log, &disk)));
        drop(log);
        disk.restart(survival);
        let mut log = start(&disk);
        check(&mut log);
        clean_all(&mut log, &disk);
        check(&mut log);
    }
}
