use super::*;
use crate::append::{AppendOrigin, AppendRefused};
use crate::fetched::ReadRefused;
use crate::open::OpenMode;
use crate::sim_disk::{SimDisk, SimFault};
use crate::testing::*;
use crate::transactions::AbortedTransaction;
use crate::view::{OffsetSpec, ReadLimit};
use wire::record_batch::{
    BatchAttributes, EndTransactionMarker, RecordBatch, TimestampType, end_transaction_batch,
};

fn text(number: i64) -> String {
    format!("value-{number:04}")
}

/// Appends `count` one-record batches, value and timestamp by offset.
fn fill(log: &mut Log, count: i64) {
    for _ in 0..count {
        let number = log.log_end_offset();
        append(log, 1000 + number, &[&text(number)]);
    }
}

fn expected(range: std::ops::Range<i64>) -> Vec<(i64, String)> {
    range.map(|number| (number, text(number))).collect()
}

fn clean(closed: Closed) -> OpenMode {
    OpenMode {
        clean_shutdown: true,
        recovery_point: closed.recovery_point,
        log_start_offset: closed.log_start_offset,
        high_watermark: closed.high_watermark,
        topic_id: None,
        cleaned_offset: closed.cleaned_offset,
    }
}

#[test]
fn an_idle_log_has_no_files() {
    let (disk, mut log) = fresh(small());
    assert_eq!(read_all(&mut log), []);
    log.start_leader_epoch(3).unwrap();
    log.flush().unwrap();
    assert!(!disk.exists(DIRECTORY.as_ref()));
    let closed = log.close().unwrap();
    let expected = Closed { recovery_point: 0, log_start_offset: 0, high_watermark: 0, cleaned_offset: None };
    assert_eq!(closed, expected);
    assert!(!disk.exists(DIRECTORY.as_ref()));
}

#[test]
fn appends_roll_and_come_back_from_every_offset() {
    let (disk, mut log) = fresh(small());
    fill(&mut log, 100);
    assert!(log.segment_count() > 5);
    let view = log.view();
    for from in 0..100 {
        assert_eq!(read_from(&view, from, ReadLimit::LogEnd), expected(from..100));
    }
    assert_eq!(view.size_bytes(), log.size_bytes());
    let names: Vec<String> =
        disk.list(DIRECTORY.as_ref()).unwrap().into_iter().map(|entry| entry.name).take(4).collect();
    let kinds = ["00000000000000000000.index", "00000000000000000000.log", "00000000000000000000.timeindex"];
    assert_eq!(names[..3], kinds);
    assert!(names[3].ends_with(".index"));
}

#[test]
fn s39_a_read_that_its_limit_cuts_goes_on_in_the_same_segment() {
    let (_, mut log) = fresh(small());
    fill(&mut log, 100);
    assert!(log.segment_count() > 5);
    let view = log.view();
    let walk = |max_bytes: u32| {
        let (mut bytes, mut reads, mut from) = (Vec::new(), 0, 0);
        while from < 100 {
            let fetched = view.read(from, max_bytes, ReadLimit::LogEnd, true).unwrap();
            assert!(fetched.next_offset > from, "nothing at {from} within {max_bytes} bytes");
            bytes.extend_from_slice(&fetched.records);
            (reads, from) = (reads + 1, fetched.next_offset);
        }
        (bytes, reads)
    };
    let (whole, fewest) = walk(1 << 20);
    for max_bytes in [1, 100, 150, 333, 1_000] {
        let (bytes, reads) = walk(max_bytes);
        assert!(bytes == whole, "batches are left out, or come twice, within {max_bytes} bytes");
        assert!(reads >= fewest);
    }
    assert_eq!(walk(1).1, 100, "a batch each");
}

#[test]
fn the_header_is_patched_and_the_rest_is_what_came() {
    let (_, mut log) = fresh(small());
    fill(&mut log, 3);
    let sent = records(BatchAttributes::default(), 5, &["a", "b"]);
    log.append_as_leader(&valid(sent.clone()), 9, AppendOrigin::Client, 0).unwrap();
    let fetched = log.view().read(3, 1000, ReadLimit::LogEnd, false).unwrap();
    assert_eq!(fetched.records[16..], sent[16..]);
    let batch = RecordBatch::parse(fetched.records).unwrap();
    assert_eq!((batch.base_offset, batch.partition_leader_epoch), (3, 9));
}

#[test]
fn readers_stop_at_their_limit_and_out_of_range_is_told() {
    let (_, mut log) = fresh(small());
    fill(&mut log, 10);
    assert!(log.advance_high_watermark(4));
    assert!(!log.advance_high_watermark(3));
    let view = log.view();
    assert_eq!(read_from(&view, 0, ReadLimit::HighWatermark), expected(0..4));
    assert!(view.read(7, 1000, ReadLimit::HighWatermark, true).unwrap().records.is_empty());
    assert!(view.read(10, 1000, ReadLimit::LogEnd, true).unwrap().records.is_empty());
    let refused = ReadRefused::OffsetOutOfRange { log_start_offset: 0, upto: 10 };
    assert_eq!(view.read(11, 1000, ReadLimit::LogEnd, true).err(), Some(refused.clone()));
    assert_eq!(view.read(-1, 1000, ReadLimit::LogEnd, true).err(), Some(refused));
    assert!(view.read(0, 10, ReadLimit::LogEnd, false).unwrap().records.is_empty());
    assert_eq!(view.read(0, 10, ReadLimit::LogEnd, true).unwrap().next_offset, 1);
}

#[test]
fn available_bytes_agree_with_reads() {
    let (_, mut log) = fresh(small());
    fill(&mut log, 40);
    log.advance_high_watermark(35);
    let view = log.view();
    for from in 0..35 {
        let all: u32 = (from..35)
            .map(|offset| view.read(offset, 1, ReadLimit::HighWatermark, true).unwrap().records.len() as u32)
            .sum();
        assert_eq!(view.available_bytes(from, ReadLimit::HighWatermark, u32::MAX).unwrap(), all, "{from}");
    }
}

#[test]
fn a_clean_stop_needs_no_scan() {
    let (disk, mut log) = fresh(small());
    fill(&mut log, 57);
    log.advance_high_watermark(50);
    let closed = log.close().unwrap();
    assert_eq!(closed.recovery_point, 57);
    let before = disk.operations();
    let mut log = open(&disk, small(), clean(closed));
    assert_eq!(disk.operations(), before, "a clean start writes nothing");
    assert!(
        log.recovery_report().is_none_or(|report| report.scanned_bytes < 1000 && report.rebuilt.is_empty())
    );
    assert_eq!((log.log_end_offset(), log.high_watermark(), log.recovery_point()), (57, 50, 57));
    fill(&mut log, 3);
    assert_eq!(read_all(&mut log), expected(0..60));
}

#[test]
fn epochs_are_kept_and_answered() {
    let (disk, mut log) = fresh(small());
    for epoch in [0, 0, 2, 5] {
        let batch = valid(records(BatchAttributes::default(), 0, &["x"]));
        log.append_as_leader(&batch, epoch, AppendOrigin::Client, 0).unwrap();
    }
    log.start_leader_epoch(7).unwrap();
    let closed = log.close().unwrap();
    let log = open(&disk, small(), clean(closed));
    let view = log.view();
    assert_eq!(view.end_offset_for_epoch(0), Some((0, 2)));
    assert_eq!(view.end_offset_for_epoch(3), Some((2, 3)));
    assert_eq!(view.end_offset_for_epoch(5), Some((5, 4)));
    assert_eq!((view.epoch_for_offset(1), view.epoch_for_offset(3)), (Some(0), Some(5)));
}

#[test]
fn followers_take_the_leaders_bytes() {
    let (_, mut leader) = fresh(small());
    fill(&mut leader, 30);
    let (_, mut follower) = fresh(small());
    while follower.log_end_offset() < 30 {
        let from = follower.log_end_offset();
        let bytes = leader.view().read(from, 500, ReadLimit::LogEnd, true).unwrap().records;
        let cut = bytes.len() - usize::from(bytes.len() > 200) * 3;
        follower.append_as_follower(bytes.slice(..cut), 0).unwrap();
    }
    assert_eq!(read_all(&mut follower), expected(0..30));
    let again = leader.view().read(5, 200, ReadLimit::LogEnd, true).unwrap().records;
    let refused = AppendRefused::OffsetsOutOfOrder { expected: 30, found: 5 };
    assert_eq!(follower.append_as_follower(again, 0), Err(refused));
    assert_eq!(follower.latest_epoch(), Some(0));
}

#[test]
fn truncation_forgets_offsets_epochs_and_producers() {
    let (disk, mut log) = fresh(small());
    fill(&mut log, 50);
    let idempotent = |sequence| BatchAttributes {
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: sequence,
        ..BatchAttributes::default()
    };
    for sequence in 0..10 {
        let batch = valid(records(idempotent(sequence), 0, &["p"]));
        log.append_as_leader(&batch, 4, AppendOrigin::Client, 0).unwrap();
    }
    log.advance_high_watermark(58);
    log.truncate_to(53).unwrap();
    log.truncate_to(53).unwrap();
    assert_eq!((log.log_end_offset(), log.high_watermark()), (53, 53));
    assert_eq!(log.producers()[0].last_sequence, 2);
    let batch = valid(records(idempotent(3), 0, &["q"]));
    assert!(!log.append_as_leader(&batch, 5, AppendOrigin::Client, 0).unwrap().duplicate);
    log.truncate_to(20).unwrap();
    assert_eq!(log.producers(), []);
    assert_eq!(log.latest_epoch(), Some(0));
    fill(&mut log, 10);
    assert_eq!(read_all(&mut log), expected(0..30));
    let mut log = open(&disk, small(), OpenMode::default());
    assert_eq!(read_all(&mut log), expected(0..30));
}

#[test]
fn a_log_can_start_anew_anywhere() {
    let (disk, mut log) = fresh(small());
    fill(&mut log, 30);
    log.truncate_fully_and_start_at(1000, None).unwrap();
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (1000, 1000));
    fill(&mut log, 5);
    let closed = log.close().unwrap();
    let mut log = open(&disk, small(), clean(closed));
    assert_eq!(read_all(&mut log), expected(1000..1005));
}

#[test]
fn deleted_records_are_out_of_range_and_their_segments_go() {
    let (disk, mut log) = fresh(small());
    fill(&mut log, 50);
    log.advance_high_watermark(40);
    let (old, segments) = (log.view(), log.segment_count());
    assert_eq!(log.delete_records_before(25).unwrap(), 25);
    assert_eq!(log.delete_records_before(99).unwrap(), 40);
    assert!(log.segment_count() < segments);
    assert_eq!(log.apply_retention(5).unwrap(), 0);
    // Views of before still read until the delay is over.
    assert_eq!(read_from(&old, 40, ReadLimit::LogEnd), expected(40..50));
    let removals = log.take_removals();
    assert_eq!(removals[0].delay_ms, 60_000);
    removals.iter().for_each(|removal| removal.run().unwrap());
    assert!(disk.list(DIRECTORY.as_ref()).unwrap().iter().all(|entry| !entry.name.ends_with(".deleted")));
    assert_eq!(read_all(&mut log), expected(40..50));
    assert!(matches!(
        log.view().read(39, 9, ReadLimit::LogEnd, true),
        Err(ReadRefused::OffsetOutOfRange { .. })
    ));
}

#[test]
fn records_without_a_time_go_by_the_time_of_their_file() {
    let (disk, mut log) = fresh(LogConfig { retention_ms: 1_000, ..small() });
    disk.set_clock(5_000);
    for _ in 0..40 {
        append(&mut log, -1, &["a record that says nothing of its time"]);
    }
    log.advance_high_watermark(40);
    assert!(log.segment_count() > 2);
    assert_eq!(log.apply_retention(6_000).unwrap(), 0);
    assert!(log.apply_retention(6_001).unwrap() > 2);
    assert_eq!(log.log_start_offset(), 40);
}

#[test]
fn retention_by_time_rolls_the_last_segment_away() {
    let (_, mut log) = fresh(LogConfig { retention_ms: 100, ..small() });
    fill(&mut log, 20);
    assert_eq!(log.apply_retention(10_000).unwrap(), 0, "above the high watermark nothing goes");
    log.advance_high_watermark(20);
    assert!(log.apply_retention(10_000).unwrap() > 1);
    assert_eq!((log.log_start_offset(), log.log_end_offset(), log.size_bytes()), (20, 20, 0));
    fill(&mut log, 3);
    assert_eq!(read_all(&mut log), expected(20..23));
}

#[test]
fn segments_roll_by_age_and_by_full_index() {
    let (_, mut log) = fresh(LogConfig { segment_ms: 50, segment_bytes: 100_000, ..small() });
    append(&mut log, 1000, &["a"]);
    append(&mut log, 1050, &["b"]);
    assert_eq!(log.segment_count(), 1);
    append(&mut log, 1051, &["c"]);
    assert_eq!(log.segment_count(), 2);
    let config = LogConfig { segment_index_bytes: 24, segment_bytes: 100_000, ..small() };
    let (_, mut log) = fresh(config);
    fill(&mut log, 30);
    assert!(log.segment_count() > 3);
    assert_eq!(read_all(&mut log), expected(0..30));
}

#[test]
fn timestamps_find_their_offsets() {
    let (_, mut log) = fresh(small());
    for group in 0..20i64 {
        let stamps = [group * 10, group * 10 + 5];
        let mut builder = wire::record_batch::RecordBatchBuilder::new(BatchAttributes::default());
        for stamp in stamps {
            builder.append(1000 + stamp, None, Some(b"x"), &[]);
        }
        log.append_as_leader(&valid(builder.build()), 1, AppendOrigin::Client, 0).unwrap();
    }
    log.advance_high_watermark(40);
    let view = log.view();
    let find = |spec| view.offset_for_timestamp(spec, ReadLimit::HighWatermark).unwrap();
    for wanted in 990..1200 {
        let first = (0..40).find(|offset| 1000 + offset * 5 >= wanted);
        let found = find(OffsetSpec::Timestamp(wanted));
        assert_eq!(found.map(|found| found.offset), first, "{wanted}");
        assert!(
            found.is_none_or(
                |found| found.timestamp == 1000 + found.offset * 5 && found.leader_epoch == Some(1)
            )
        );
    }
    assert_eq!(find(OffsetSpec::MaxTimestamp).unwrap().offset, 39);
    assert_eq!(find(OffsetSpec::Latest).unwrap().offset, 40);
    assert_eq!(find(OffsetSpec::Earliest).unwrap().offset, 0);
    assert_eq!(find(OffsetSpec::LatestTiered), None);
}

#[test]
fn the_last_stable_offset_waits_for_markers() {
    let (_, mut log) = fresh(small());
    let transactional = |producer_id| BatchAttributes {
        producer_id,
        producer_epoch: 0,
        base_sequence: 0,
        transactional: true,
        ..BatchAttributes::default()
    };
    let put =
        |log: &mut Log, bytes, origin| log.append_as_leader(&valid(bytes), 0, origin, 0).unwrap().base_offset;
    put(&mut log, records(transactional(1), 0, &["a", "b"]), AppendOrigin::Client);
    put(&mut log, records(transactional(2), 0, &["c"]), AppendOrigin::Client);
    log.advance_high_watermark(3);
    assert_eq!(log.last_stable_offset(), 0);
    let marker = |producer, commit| {
        end_transaction_batch(producer, 0, 0, EndTransactionMarker { commit, coordinator_epoch: 1 })
    };
    assert_eq!(put(&mut log, marker(1, false), AppendOrigin::Coordinator), 3);
    assert_eq!(log.last_stable_offset(), 0);
    log.advance_high_watermark(4);
    assert_eq!(log.last_stable_offset(), 2);
    put(&mut log, marker(2, true), AppendOrigin::Coordinator);
    log.advance_high_watermark(5);
    assert_eq!(log.last_stable_offset(), 5);
    let aborted = log.view().aborted_transactions(0, 5).unwrap();
    assert_eq!(aborted.len(), 1);
    assert_eq!((aborted[0].producer_id, aborted[0].first_offset, aborted[0].last_offset), (1, 0, 3));
    assert_eq!(log.view().aborted_transactions(4, 5).unwrap(), []);
}

/// As Kafka's followers write them: a producer aborts twice and another begins, all taken at once, and the first entry has the last stable
/// offset of the end.
#[test]
fn an_index_whose_last_stable_offsets_lie_too_far_hides_no_aborted_transaction() {
    let (disk, mut log) = fresh(small());
    fill(&mut log, 7);
    let segment = log.segments.segments.last().unwrap();
    for first_offset in [0, 2] {
        let entry = AbortedTransaction {
            producer_id: 1,
            first_offset,
            last_offset: first_offset + 1,
            last_stable_offset: 5,
        };
        segment.with_indexes(|indexes| indexes.transactions.push(entry, &disk)).unwrap();
    }
    for (upto, found) in [(1, 1), (2, 1), (3, 2), (4, 2), (7, 2)] {
        assert_eq!(log.view().aborted_transactions(0, upto).unwrap().len(), found, "{upto}");
    }
}

#[test]
fn the_last_stable_offset_never_lies_below_the_log_start() {
    let (_, mut log) = fresh(small());
    let attributes = BatchAttributes {
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 0,
        transactional: true,
        ..BatchAttributes::default()
    };
    let batches = valid(records(attributes, 0, &["a", "b", "c"]));
    log.append_as_leader(&batches, 0, AppendOrigin::Client, 0).unwrap();
    log.advance_high_watermark(3);
    log.delete_records_before(2).unwrap();
    assert_eq!((log.log_start_offset(), log.last_stable_offset()), (2, 2));
    log.delete_records_before(3).unwrap();
    assert_eq!((log.log_start_offset(), log.last_stable_offset()), (3, 3));
}

#[test]
fn a_failed_write_or_sync_ends_the_log() {
    for (nth, fault) in [(0, SimFault::Io), (1, SimFault::SyncForgets)] {
        let (disk, mut log) = fresh(small());
        fill(&mut log, 3);
        log.flush().unwrap();
        disk.fail_at(nth, fault);
        let failed = try_append(&mut log, 0, &["x"]).is_err() || log.flush().is_err();
        assert!(failed && log.poisoned().is_some());
        assert_eq!(log.recovery_point(), 3);
        assert!(matches!(try_append(&mut log, 0, &["y"]), Err(AppendRefused::Storage(_))));
        assert!(log.flush().is_err() && log.dirty().is_none() && log.close().is_err());
    }
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let (disk, mut log) = fresh(small());
    fill(&mut log, 5);
    disk.set_capacity(log.size_bytes() + 30);
    for _ in 0..3 {
        let Err(AppendRefused::Storage(fault)) = try_append(&mut log, 0, &["does not fit"]) else { panic!() };
        assert!(fault.is_disk_full());
    }
    assert_eq!(read_all(&mut log), expected(0..5));
    disk.set_capacity(u64::MAX);
    fill(&mut log, 60);
    assert_eq!(read_all(&mut log), expected(0..65));
    log.close().unwrap();
}

#[test]
fn a_flush_on_another_thread_proves_what_was_there_when_it_began() {
    let (_, mut log) = fresh(small());
    fill(&mut log, 5);
    let work = log.dirty().unwrap();
    fill(&mut log, 30);
    log.flushed(&work.run()).unwrap();
    assert_eq!(log.recovery_point(), 5);
    assert!(log.is_dirty());
    let work = log.dirty().unwrap();
    log.flushed(&work.run()).unwrap();
    assert_eq!(log.recovery_point(), 35);
    assert!(!log.is_dirty() && log.dirty().is_none());
    // A truncation overtakes a flush under way.
    fill(&mut log, 2);
    let work = log.dirty().unwrap();
    log.truncate_to(20).unwrap();
    fill(&mut log, 10);
    log.flushed(&work.run()).unwrap();
    assert_eq!(log.recovery_point(), 20);
}

#[test]
fn oversized_appends_are_refused() {
    let (_, mut log) = fresh(small());
    let refused = try_append(&mut log, 0, &[&"x".repeat(1000)]);
    assert!(matches!(refused, Err(AppendRefused::BatchLargerThanSegment { .. })));
    assert_eq!(log.log_end_offset(), 0);
}

#[test]
fn duplicates_are_answered_with_their_first_offset() {
    let (_, mut log) = fresh(LogConfig { timestamp_type: TimestampType::LogAppendTime, ..small() });
    let attributes =
        BatchAttributes { producer_id: 7, producer_epoch: 0, base_sequence: 0, ..BatchAttributes::default() };
    let batch = valid(records(attributes, 77, &["a", "b"]));
    let first = log.append_as_leader(&batch, 0, AppendOrigin::Client, 0).unwrap();
    append(&mut log, 0, &["c"]);
    let again = log.append_as_leader(&batch, 0, AppendOrigin::Client, 0).unwrap();
    assert!(again.duplicate && !first.duplicate);
    assert_eq!((again.base_offset, again.last_offset), (first.base_offset, first.last_offset));
    assert_eq!(log.log_end_offset(), 3);
}

#[test]
fn a_deleted_log_moves_aside_and_is_removed_later() {
    let (disk, mut log) = fresh(small());
    fill(&mut log, 30);
    let view = log.view();
    let removal = log.delete(wire::Uuid([9; 16])).unwrap().unwrap();
    assert!(!disk.exists(DIRECTORY.as_ref()));
    assert!(disk.exists("/data/topic-0.09090909090909090909090909090909-delete".as_ref()));
    assert_eq!(read_from(&view, 0, ReadLimit::LogEnd), expected(0..30));
    removal.run().unwrap();
    assert_eq!(disk.list("/data".as_ref()).unwrap(), []);
    let refused = view.read(0, 100, ReadLimit::LogEnd, true).unwrap_err();
    assert!(matches!(refused, ReadRefused::OffsetOutOfRange { .. }));
}

fn length_of(disk: &SimDisk, base_offset: i64) -> u64 {
    let file = FileHandle::new(names::segment_file(DIRECTORY.as_ref(), base_offset, names::LOG));
    disk.length(&file).unwrap()
}

#[test]
fn preallocate_gives_new_segments_their_whole_length_and_a_sealed_or_closed_one_only_what_it_holds() {
    let (disk, mut log) = fresh(LogConfig { preallocate: true, ..small() });
    fill(&mut log, 3);
    assert_eq!(length_of(&disk, 0), 1000);
    assert_eq!(read_all(&mut log), expected(0..3));
    while log.segment_count() == 1 {
        fill(&mut log, 1);
    }
    let second = log.log_end_offset() - 1;
    let sealed = length_of(&disk, 0);
    assert!(sealed < 1000 && sealed + length_of(&disk, second) > log.size_bytes(), "{sealed}");
    // The key acts on segments to come.
    log.set_config(Arc::new(small()));
    while log.segment_count() == 2 {
        fill(&mut log, 1);
    }
    let (end, bytes) = (log.log_end_offset(), log.size_bytes());
    assert_eq!(sealed + length_of(&disk, second) + length_of(&disk, end - 1), bytes);
    let mut log = open(&disk, small(), clean(log.close().unwrap()));
    assert_eq!(read_all(&mut log), expected(0..end));
}

#[test]
fn zeros_are_written_ahead_of_a_steady_flow_only_and_taken_away_where_it_ends() {
    let config = LogConfig { segment_bytes: 64 << 20, ..small() };
    let (disk, mut log) = fresh(config.clone());
    let big = "x".repeat(64 << 10);
    let flush = |log: &mut Log| {
        append(log, 1, &[&big]);
        let work = log.dirty_and_ahead().unwrap();
        log.flushed(&work.run()).unwrap();
        length_of(&disk, 0) - log.size_bytes()
    };
    // One record, or a few, take no more room than they need.
    assert_eq!([flush(&mut log), flush(&mut log), flush(&mut log)], [0; 3]);
    let mut room = 0;
    for _ in 0..40 {
        room = flush(&mut log).max(room);
    }
    assert!(room > 0 && room <= log.size_bytes() / 4, "{room}");
    let bytes = log.size_bytes();
    log.trim().unwrap();
    assert_eq!(length_of(&disk, 0), bytes);
    // A kill leaves them; the next start takes them away and finds nothing worth telling.
    assert!(flush(&mut log) > 0);
    let end = log.log_end_offset();
    drop(log);
    let log = open(&disk, config, OpenMode { recovery_point: end, ..OpenMode::default() });
    assert_eq!((log.log_end_offset(), length_of(&disk, 0)), (end, log.size_bytes()));
    assert!(log.recovery_report().is_none_or(|report| report.cut_bytes == 0));
}
