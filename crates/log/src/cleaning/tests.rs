use super::*;
use crate::append::AppendOrigin;
use crate::config::LogConfig;
use crate::disk::Disk;
use crate::log::Log;
use crate::open::OpenMode;
use crate::testing::{self, DIRECTORY, fresh};
use crate::view::{LogView, ReadLimit};
use bytes::Bytes;
use std::collections::BTreeMap;
use wire::compress::{Compression, DecompressLimit};
use wire::record_batch::{
    BatchAttributes, EndTransactionMarker, RecordBatch, RecordBatchBuilder, end_transaction_batch,
};

const BOUNDS: MapBounds = MapBounds { bytes: 1 << 20, load_factor: 0.9 };

pub(super) fn compacting() -> LogConfig {
    LogConfig {
        compact: true,
        delete: false,
        segment_bytes: 600,
        min_cleanable_dirty_ratio: 0.0,
        delete_retention_ms: 1000,
        ..testing::small()
    }
}

type Keyed<'a> = (&'a str, Option<&'a str>);

pub(super) fn keyed(attributes: BatchAttributes, timestamp: i64, records: &[Keyed<'_>]) -> Bytes {
    let mut builder = RecordBatchBuilder::new(attributes);
    for (key, value) in records {
        builder.append(timestamp, Some(key.as_bytes()), value.map(str::as_bytes), &[]);
    }
    builder.build()
}

pub(super) fn put(log: &mut Log, attributes: BatchAttributes, timestamp: i64, records: &[Keyed<'_>]) -> i64 {
    let batch = testing::valid(keyed(attributes, timestamp, records));
    let appended = log.append_as_leader(&batch, 0, AppendOrigin::Coordinator, timestamp).unwrap();
    log.advance_high_watermark(log.log_end_offset());
    appended.base_offset
}

fn plain(log: &mut Log, records: &[Keyed<'_>]) -> i64 {
    put(log, BatchAttributes::default(), 1, records)
}

fn end_transaction(log: &mut Log, producer_id: i64, commit: bool) {
    let marker = EndTransactionMarker { commit, coordinator_epoch: 0 };
    let batch = testing::valid(end_transaction_batch(producer_id, 0, 1, marker));
    log.append_as_leader(&batch, 0, AppendOrigin::Coordinator, 0).unwrap();
    log.advance_high_watermark(log.log_end_offset());
}

pub(super) fn transactional(producer_id: i64, base_sequence: i32) -> BatchAttributes {
    BatchAttributes {
        producer_id,
        producer_epoch: 0,
        base_sequence,
        transactional: true,
        ..BatchAttributes::default()
    }
}

/// Runs a cleaning to its end in small slices.
pub(super) fn drive(log: &mut Log, work: &mut CleanWork) -> Result<(), CleanStop> {
    loop {
        match work.run(100) {
            CleanStep::More => {}
            CleanStep::TakeIn => {
                let _ = log.take_in(work).map_err(CleanStop::from)?;
            }
            CleanStep::Done => {
                log.cleaning_done(work);
                return Ok(());
            }
            CleanStep::Stopped(stop) => {
                log.cleaning_stopped(work);
                return Err(stop);
            }
        }
    }
}

fn clean_with(log: &mut Log, bounds: MapBounds, now_ms: i64) -> Option<CleanFigures> {
    let candidate = log.clean_candidate(now_ms).unwrap()?;
    let mut work = log.begin_cleaning(candidate, bounds, 99, now_ms);
    drive(log, &mut work).unwrap();
    Some(work.figures())
}

fn clean(log: &mut Log, now_ms: i64) -> Option<CleanFigures> {
    clean_with(log, BOUNDS, now_ms)
}

/// Rolls, so that everything so far can be cleaned.
pub(super) fn roll(log: &mut Log) {
    log.roll(log.log_end_offset(), 0).unwrap();
    log.flush().unwrap();
}

pub(super) fn batches(view: &LogView) -> Vec<RecordBatch> {
    let mut next = view.log_start_offset;
    let mut found = Vec::new();
    while next < view.log_end_offset {
        let fetched = view.read(next, 1, ReadLimit::LogEnd, true).unwrap();
        if fetched.records.is_empty() {
            break;
        }
        next = fetched.next_offset;
        found.extend(RecordBatch::split(fetched.records).unwrap());
    }
    found
}

/// Offset, key, value of every record.
pub(super) fn records(view: &LogView) -> Vec<(i64, String, Option<String>)> {
    let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let of = |batch: RecordBatch| -> Vec<_> {
        batch.records(DecompressLimit::default()).unwrap().map(Result::unwrap).collect()
    };
    let data = batches(view).into_iter().filter(|batch| !batch.is_control());
    data.flat_map(of)
        .map(|record| (record.offset, record.key.map(text).unwrap_or_default(), record.value.map(text)))
        .collect()
}

pub(super) fn latest(view: &LogView) -> BTreeMap<String, String> {
    let mut state = BTreeMap::new();
    for (_, key, value) in records(view) {
        match value {
            Some(value) => drop(state.insert(key, value)),
            None => drop(state.remove(&key)),
        }
    }
    state
}

fn offsets(log: &mut Log) -> Vec<i64> {
    records(&log.view()).into_iter().map(|(offset, _, _)| offset).collect()
}

/// `rounds` values for each of `keys` keys, three records a batch.
fn fill(log: &mut Log, keys: usize, rounds: usize) {
    for number in (0..keys * rounds).step_by(3) {
        let names: Vec<(String, String)> =
            (number..number + 3).map(|n| (format!("k{:02}", n % keys), format!("v{n}"))).collect();
        let borrowed: Vec<Keyed<'_>> =
            names.iter().map(|(key, value)| (key.as_str(), Some(value.as_str()))).collect();
        plain(log, &borrowed);
    }
}

#[test]
fn the_newest_value_of_each_key_stays_at_its_offset() {
    let (disk, mut log) = fresh(compacting());
    fill(&mut log, 12, 20);
    roll(&mut log);
    let (before, bytes, segments) = (latest(&log.view()), log.size_bytes(), log.segment_count());
    let old_view = log.view();
    let figures = clean(&mut log, 5).unwrap();
    assert_eq!((figures.keys, figures.records_read, figures.records_kept), (12, 240, 12));
    assert_eq!(offsets(&mut log), (228..240).collect::<Vec<_>>());
    assert_eq!(latest(&log.view()), before);
    assert!(log.size_bytes() < bytes / 10 && log.segment_count() == segments);
    assert_eq!((log.log_start_offset(), log.log_end_offset(), log.cleaned_offset()), (0, 240, Some(240)));
    // Readers that came before go on with what they hold, until the janitor comes.
    assert_eq!(records(&old_view).len(), 240);
    let removals = log.take_removals();
    assert!(!removals.is_empty() && removals.iter().all(|removal| removal.delay_ms == 60_000));
    removals.iter().for_each(|removal| removal.run().unwrap());
    assert!(disk.list(DIRECTORY.as_ref()).unwrap().iter().all(|entry| !entry.name.contains("deleted")));
    // Nothing is dirty now; the next cleaning makes one of what is left of many segments.
    assert_eq!(log.clean_candidate(5).unwrap(), None);
    // From every offset the next record there is.
    let view = log.view();
    for from in 0..240 {
        let batch = RecordBatch::parse(view.read(from, 1, ReadLimit::LogEnd, true).unwrap().records).unwrap();
        assert!(batch.last_offset() >= from.max(228));
    }
    plain(&mut log, &[("more", Some("1"))]);
    roll(&mut log);
    clean(&mut log, 5).unwrap();
    assert_eq!((log.segment_count(), records(&log.view()).len()), (2, 13));
}

#[test]
fn a_cleaned_log_comes_back_after_a_clean_stop_and_after_a_crash() {
    for clean_shutdown in [true, false] {
        // Also when the topic is not compacted any more: its gaps are no damage.
        for compact in [true, false] {
            let (disk, mut log) = fresh(compacting());
            fill(&mut log, 9, 30);
            roll(&mut log);
            log.flush().unwrap();
            clean(&mut log, 5).unwrap();
            fill(&mut log, 9, 2);
            log.flush().unwrap();
            let (expected, cleaned, end) = (records(&log.view()), log.cleaned_offset(), log.log_end_offset());
            if clean_shutdown {
                log.close().unwrap();
            } else {
                drop(log);
                disk.restart(crate::sim_disk::Survival::Nothing);
            }
            let mode = OpenMode {
                clean_shutdown,
                recovery_point: if clean_shutdown { end } else { 100 },
                cleaned_offset: cleaned,
                ..OpenMode::default()
            };
            let log = testing::open(&disk, LogConfig { compact, ..compacting() }, mode);
            let report = log.recovery_report().cloned().unwrap_or_default();
            assert!(report.corrupt.is_empty() && report.cut_bytes == 0, "{report:?}");
            assert_eq!((records(&log.view()), log.log_end_offset()), (expected, end));
        }
    }
}

#[test]
fn tombstones_stay_until_their_horizon() {
    let (_, mut log) = fresh(compacting());
    plain(&mut log, &[("a", Some("1")), ("b", Some("2"))]);
    plain(&mut log, &[("a", None), ("c", Some("3"))]);
    roll(&mut log);
    clean(&mut log, 5000).unwrap();
    // The value is gone, the tombstone has a horizon now, the base timestamp gave way to it.
    assert_eq!(offsets(&mut log), [1, 2, 3]);
    let view = log.view();
    let horizons: Vec<_> = batches(&view).iter().map(|batch| batch.delete_horizon_ms()).collect();
    assert_eq!(horizons, [None, Some(6000)]);
    let timestamps: Vec<i64> = batches(&view)
        .iter()
        .flat_map(|batch| batch.records(DecompressLimit::default()).unwrap())
        .map(|record| record.unwrap().timestamp)
        .collect();
    assert_eq!(timestamps, [1, 1, 1]);
    // Not yet, then now.
    for (now, left) in [(5999, vec![1, 2, 3, 4]), (6000, vec![1, 3, 4, 5])] {
        plain(&mut log, &[(if now == 5999 { "x" } else { "y" }, Some("1"))]);
        roll(&mut log);
        clean(&mut log, now).unwrap();
        assert_eq!(offsets(&mut log), left, "at {now}");
    }
}

#[test]
fn a_full_map_takes_several_rounds() {
    let (_, mut log) = fresh(compacting());
    fill(&mut log, 30, 8);
    roll(&mut log);
    let before = latest(&log.view());
    let small = MapBounds { bytes: 24 * 12, load_factor: 0.9 };
    let mut rounds = 0;
    while clean_with(&mut log, small, 5).is_some() {
        rounds += 1;
        assert_eq!(latest(&log.view()), before);
        assert!(rounds < 1000);
    }
    assert!(rounds > 10, "{rounds}");
    assert_eq!(log.cleaned_offset(), Some(240));
    assert_eq!(records(&log.view()).len(), 30);
}

#[test]
fn dirty_ratio_and_lags_decide_when() {
    let (_, mut log) = fresh(LogConfig { min_cleanable_dirty_ratio: 0.5, ..compacting() });
    let candidate = |log: &Log, now| log.clean_candidate(now).unwrap();
    assert_eq!(candidate(&log, 0), None, "empty");
    fill(&mut log, 3, 3);
    assert_eq!(log.segment_count(), 1);
    assert_eq!(candidate(&log, 0), None, "the active segment is never cleaned");
    fill(&mut log, 12, 20);
    let whole = candidate(&log, 0).unwrap();
    assert_eq!(whole.dirty_ratio(), 1.0);
    roll(&mut log);
    clean(&mut log, 0).unwrap();
    // A little dirt is not worth it, unless it has waited too long.
    put(&mut log, BatchAttributes::default(), 1000, &[("k01", Some("more"))]);
    roll(&mut log);
    let clean_bytes = log.size_bytes();
    assert!(clean_bytes > 200);
    assert_eq!(candidate(&log, 2000), None);
    let with = |change: &dyn Fn(&mut LogConfig)| {
        let mut config = LogConfig { min_cleanable_dirty_ratio: 0.5, ..compacting() };
        change(&mut config);
        std::sync::Arc::new(config)
    };
    log.set_config(with(&|config| config.max_compaction_lag_ms = 500));
    assert!(candidate(&log, 1400).is_none_or(|candidate| !candidate.overdue));
    assert!(candidate(&log, 1501).is_some_and(|candidate| candidate.overdue));
    log.set_config(with(&|config| {
        (config.min_cleanable_dirty_ratio, config.min_compaction_lag_ms) = (0.0, 500)
    }));
    assert_eq!(candidate(&log, 1499), None, "too young");
    assert!(candidate(&log, 1500).is_some());
    log.set_config(with(&|config| config.compact = false));
    assert_eq!(candidate(&log, 9999), None);
}

#[test]
fn nothing_beyond_an_open_transaction_or_the_high_watermark_is_cleaned() {
    let (_, mut log) = fresh(compacting());
    plain(&mut log, &[("a", Some("1"))]);
    roll(&mut log);
    plain(&mut log, &[("a", Some("2"))]);
    roll(&mut log);
    put(&mut log, transactional(7, 0), 1, &[("a", Some("3"))]);
    roll(&mut log);
    plain(&mut log, &[("a", Some("4"))]);
    roll(&mut log);
    let candidate = log.clean_candidate(5).unwrap().unwrap();
    assert_eq!(candidate.first_uncleanable_offset, 2);
    clean(&mut log, 5).unwrap();
    assert_eq!(offsets(&mut log), [1, 2, 3]);
    // Aborted, its value counts for nothing.
    end_transaction(&mut log, 7, false);
    roll(&mut log);
    clean(&mut log, 5).unwrap();
    assert_eq!(offsets(&mut log), [3]);
}

#[test]
fn markers_stay_while_their_data_lives_and_then_until_their_horizon() {
    let (_, mut log) = fresh(compacting());
    // 0 to 2 committed, 3 to 5 aborted; 6 keeps both producers' last sequences elsewhere.
    put(&mut log, transactional(1, 0), 1, &[("a", Some("1")), ("b", Some("1"))]);
    end_transaction(&mut log, 1, true);
    put(&mut log, transactional(2, 0), 1, &[("a", Some("2")), ("c", Some("2"))]);
    end_transaction(&mut log, 2, false);
    put(&mut log, transactional(1, 2), 1, &[("z", Some("1"))]);
    end_transaction(&mut log, 1, true);
    put(&mut log, transactional(2, 2), 1, &[("z", Some("2"))]);
    end_transaction(&mut log, 2, true);
    roll(&mut log);
    let shape = |log: &mut Log| -> Vec<(i64, i32, bool, Option<i64>)> {
        batches(&log.view())
            .iter()
            .map(|b| (b.base_offset, b.record_count, b.is_control(), b.delete_horizon_ms()))
            .collect()
    };
    let aborted = |log: &mut Log| {
        let view = log.view();
        let found = view.aborted_transactions(0, view.log_end_offset).unwrap();
        found
            .iter()
            .map(|transaction| (transaction.first_offset, transaction.last_offset))
            .collect::<Vec<_>>()
    };
    clean(&mut log, 5000).unwrap();
    // The aborted data is gone, its marker is not: this round still saw what it ends.
    let expected = [
        (0, 2, false, None),
        (2, 1, true, None),
        (5, 1, true, None),
        (6, 0, false, None),
        (7, 1, true, None),
        (8, 1, false, None),
        (9, 1, true, None),
    ];
    assert_eq!(shape(&mut log), expected);
    assert_eq!(aborted(&mut log), [(3, 5)]);
    // An empty batch that remembers a sequence counts as data: its marker stays. The next round finds a marker without data and gives it
    // a horizon; the one after it takes it out.
    plain(&mut log, &[("a", Some("5")), ("b", Some("5"))]);
    roll(&mut log);
    clean(&mut log, 6000).unwrap();
    let expected = [
        (2, 1, true, None),
        (5, 1, true, Some(7000)),
        (6, 0, false, None),
        (7, 1, true, None),
        (8, 1, false, None),
        (9, 1, true, None),
        (10, 2, false, None),
    ];
    assert_eq!(shape(&mut log), expected);
    assert_eq!(aborted(&mut log), []);
    plain(&mut log, &[("q", Some("5"))]);
    roll(&mut log);
    clean(&mut log, 7000).unwrap();
    let expected = [(2, 1, true, Some(8000)), (6, 0, false, None), (7, 1, true, None), (8, 1, false, None)];
    assert_eq!(shape(&mut log)[..4], expected);
}

#[test]
fn the_last_batch_of_a_producer_remembers_its_sequence() {
    let (disk, mut log) = fresh(compacting());
    let idempotent = |base_sequence| BatchAttributes {
        producer_id: 4,
        producer_epoch: 2,
        base_sequence,
        ..BatchAttributes::default()
    };
    for sequence in [0, 2, 4] {
        put(&mut log, idempotent(sequence), 1, &[("a", Some("1")), ("b", Some("1"))]);
    }
    plain(&mut log, &[("a", Some("2")), ("b", Some("2"))]);
    roll(&mut log);
    clean(&mut log, 5).unwrap();
    let view = log.view();
    let shape: Vec<_> = batches(&view)
        .iter()
        .map(|b| (b.base_offset, b.last_offset(), b.last_sequence(), b.record_count))
        .collect();
    assert_eq!(shape, [(4, 5, 5, 0), (6, 7, -1, 2)]);
    let producers = log.producers();
    drop(log);
    // Without any snapshot the log itself tells.
    for entry in disk.list(DIRECTORY.as_ref()).unwrap() {
        if entry.name.ends_with("snapshot") {
            disk.remove(&crate::FileHandle::new(format!("{DIRECTORY}/{}", entry.name))).unwrap();
        }
    }
    let mode = OpenMode { cleaned_offset: Some(8), ..OpenMode::default() };
    let log = testing::open(&disk, compacting(), mode);
    assert_eq!(log.producers(), producers);
}

#[test]
fn the_batch_at_the_high_watermark_stays_as_a_header() {
    let (_, mut log) = fresh(compacting());
    plain(&mut log, &[("a", Some("1"))]);
    plain(&mut log, &[("a", None)]);
    roll(&mut log);
    clean(&mut log, 5000).unwrap();
    log.cleaned_offset = Some(0);
    clean(&mut log, 9000).unwrap();
    let view = log.view();
    let shape: Vec<_> = batches(&view).iter().map(|b| (b.base_offset, b.record_count)).collect();
    assert_eq!((shape, view.log_end_offset), (vec![(1, 0)], 2));
}

#[test]
fn records_without_a_key_go_and_codecs_stay() {
    let (_, mut log) = fresh(LogConfig { segment_bytes: 1 << 20, ..compacting() });
    testing::append(&mut log, 1, &["no key", "nor here"]);
    let codecs = [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    for (at, compression) in codecs.into_iter().enumerate() {
        let attributes = BatchAttributes { compression, ..BatchAttributes::default() };
        put(&mut log, attributes, 1, &[("same", Some("1")), (["a", "b", "c", "d"][at], Some("x"))]);
    }
    roll(&mut log);
    clean(&mut log, 5).unwrap();
    assert_eq!(offsets(&mut log), [3, 5, 7, 8, 9]);
    let view = log.view();
    let kept: Vec<_> = batches(&view).iter().map(|batch| batch.compression().unwrap()).collect();
    assert_eq!(kept, codecs);
}

#[test]
fn small_segments_become_one_but_not_beyond_what_an_index_can_say() {
    let (_, mut log) = fresh(compacting());
    for number in 0..6 {
        plain(&mut log, &[(["a", "b", "c", "d", "e", "f"][number], Some("1"))]);
        roll(&mut log);
    }
    assert_eq!(clean(&mut log, 5).unwrap().segments_after, 1);
    assert_eq!((log.segment_count(), offsets(&mut log).len()), (2, 6));
    // Batches of a follower may be far apart.
    let far = |log: &mut Log, base_offset: i64, key: &str| {
        let attributes = BatchAttributes { base_offset, leader_epoch: 0, ..BatchAttributes::default() };
        log.append_as_follower(keyed(attributes, 1, &[(key, Some("1"))]), 0).unwrap();
        log.advance_high_watermark(log.log_end_offset());
    };
    let (_, mut log) = fresh(compacting());
    far(&mut log, 0, "a");
    roll(&mut log);
    far(&mut log, i64::from(i32::MAX) - 1, "b");
    roll(&mut log);
    far(&mut log, i64::from(i32::MAX) + 5, "c");
    roll(&mut log);
    let figures = clean(&mut log, 5).unwrap();
    assert_eq!((figures.segments_before, figures.segments_after), (3, 2));
    assert_eq!(offsets(&mut log).len(), 3);
}

#[test]
fn whatever_changes_the_log_calls_a_cleaning_off() {
    let under_way = |change: &mut dyn FnMut(&mut Log)| {
        let (disk, mut log) = fresh(LogConfig { delete: true, ..compacting() });
        fill(&mut log, 12, 20);
        roll(&mut log);
        let candidate = log.clean_candidate(5).unwrap().unwrap();
        let mut work = log.begin_cleaning(candidate, BOUNDS, 1, 5);
        assert!(log.is_being_cleaned() && log.clean_candidate(5).unwrap().is_none());
        while !matches!(work.run(1 << 10), CleanStep::TakeIn) {}
        change(&mut log);
        let expected = records(&log.view());
        assert_eq!(drive(&mut log, &mut work), Err(CleanStop::CalledOff));
        assert_eq!(records(&log.view()), expected);
        assert!(!log.is_being_cleaned());
        for removal in log.take_removals() {
            removal.run().unwrap();
        }
        let left = disk.list(DIRECTORY.as_ref()).unwrap();
        let strays: Vec<_> = left.iter().filter(|entry| !crate::names::is_plain(&entry.name)).collect();
        assert!(strays.is_empty(), "{strays:?}");
    };
    under_way(&mut |log| log.truncate_to(100).unwrap());
    under_way(&mut |log| log.truncate_fully_and_start_at(7, None).unwrap());
    under_way(&mut |log| assert_eq!(log.delete_records_before(60).unwrap(), 60));
    under_way(&mut |log| {
        let config = LogConfig { compact: false, ..compacting() };
        log.set_config(std::sync::Arc::new(config));
    });
}

#[test]
fn a_deleted_or_closed_log_is_left_alone() {
    for close in [true, false] {
        let (disk, mut log) = fresh(compacting());
        fill(&mut log, 12, 20);
        roll(&mut log);
        let candidate = log.clean_candidate(5).unwrap().unwrap();
        let mut work = log.begin_cleaning(candidate, BOUNDS, 1, 5);
        while !matches!(work.run(1 << 10), CleanStep::TakeIn) {}
        if close {
            log.close().unwrap();
            assert!(disk.list(DIRECTORY.as_ref()).unwrap().iter().all(|entry| !entry.name.contains("swap")));
        } else {
            log.delete(wire::Uuid([1; 16])).unwrap();
        }
        let before = disk.operations();
        let (_, mut other) = fresh(compacting());
        assert!(!other.take_in(&mut work).unwrap(), "another log of that name takes nothing in");
        assert!(matches!(work.run(1), CleanStep::Stopped(CleanStop::CalledOff)));
        assert_eq!(disk.operations(), before);
    }
}

#[test]
fn a_bad_batch_stops_the_cleaning_and_nothing_is_lost() {
    let (disk, mut log) = fresh(compacting());
    fill(&mut log, 12, 20);
    roll(&mut log);
    let path = std::path::Path::new(DIRECTORY).join("00000000000000000000.log");
    assert!(disk.flip_bit(&path, 300, 1));
    let candidate = log.clean_candidate(5).unwrap().unwrap();
    let mut work = log.begin_cleaning(candidate, BOUNDS, 1, 5);
    let stop = drive(&mut log, &mut work);
    assert!(matches!(stop, Err(CleanStop::Unreadable(_))), "{stop:?}");
    assert!(log.poisoned().is_none() && log.cleaned_offset().is_none());
}

/// The same log cleaned anew from any point of its history comes to the same: what was cleaned before is not cleaned worse.
#[test]
fn cleaning_in_many_rounds_leaves_the_same_values() {
    let mut once = fresh(compacting()).1;
    let mut often = fresh(compacting()).1;
    let mut number = 7u64;
    for round in 0..60i64 {
        for log in [&mut once, &mut often] {
            let key = format!("k{}", number % 11);
            let value = format!("v{round}");
            let value = (!number.is_multiple_of(5)).then_some(value.as_str());
            plain(log, &[(key.as_str(), value), ("other", Some("x"))]);
        }
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) >> 3;
        if round % 7 == 6 {
            roll(&mut often);
            clean(&mut often, round * 500);
        }
    }
    for log in [&mut once, &mut often] {
        roll(log);
        clean(log, 100_000);
    }
    assert_eq!(latest(&once.view()), latest(&often.view()));
}
