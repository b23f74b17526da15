//! What is checked, and when: bytes that were written or checked and stayed in the page cache are not, everything else is.

use crate::fetched::ReadRefused;
use crate::log::Log;
use crate::sim_disk::SimDisk;
use crate::source::Reach;
use crate::testing::*;
use crate::view::{OffsetSpec, ReadLimit, ReadTerms};
use crate::{LogConfig, OpenMode};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use wire::record_batch::{HEADER_BYTES, RecordBatch};

const COUNT: i64 = 10;

/// A log of ten batches of one record in one segment, and the bytes of a batch.
fn filled() -> (SimDisk, Log, usize) {
    let (disk, mut log) = fresh(LogConfig { segment_bytes: 1 << 20, ..small() });
    for number in 0..COUNT {
        append(&mut log, 1_000, &[&format!("value-{number:04}")]);
    }
    let size = usize::try_from(log.size_bytes()).unwrap() / COUNT as usize;
    (disk, log, size)
}

fn segment() -> PathBuf {
    Path::new(DIRECTORY).join("00000000000000000000.log")
}

fn read(log: &Log, from: i64) -> Result<Bytes, ReadRefused> {
    log.view().read(from, 1 << 20, ReadLimit::LogEnd, true).map(|fetched| fetched.records)
}

/// Batches up to the first damaged one, and what is said of that one.
fn good_batches(log: &Log) -> usize {
    let records = read(log, 0).unwrap();
    let batches = RecordBatch::split(records).unwrap();
    assert!(batches.iter().all(|batch| batch.verify_crc().is_ok()), "a damaged batch is served");
    if let Some(refused) = batches.last().and_then(|last| read(log, last.next_offset()).err()) {
        assert!(matches!(refused, ReadRefused::Corrupt { .. }), "{refused}");
    }
    batches.len()
}

#[test]
fn bytes_that_stay_in_memory_are_checked_once_and_those_from_the_platter_each_time() {
    let (disk, log, size) = filled();
    assert_eq!(read(&log, 0).unwrap().len(), COUNT as usize * size);
    // No memory turns its bits by itself: this only shows what is not looked at again.
    let byte = 5 * size + HEADER_BYTES + 4;
    assert!(disk.flip_bit_in_memory(&segment(), byte, 3));
    let records = read(&log, 3).unwrap();
    assert_eq!(records.len(), (COUNT as usize - 3) * size);
    assert_eq!(
        RecordBatch::split(records).unwrap().iter().filter(|batch| batch.verify_crc().is_err()).count(),
        1
    );
    assert!(disk.evict(&segment()));
    assert_eq!(good_batches(&log), 5);
    assert_eq!(good_batches(&log), 5, "and the next time");
    assert_eq!(read(&log, 6).unwrap().len(), (COUNT as usize - 6) * size, "behind it all is well");
}

#[test]
fn a_bit_that_turns_on_the_platter_is_found_wherever_it_is_and_whoever_read_before() {
    for batch in 0..COUNT as usize {
        for at in [17, HEADER_BYTES - 2, HEADER_BYTES + 6] {
            for readers in [0, 1, 3] {
                let (disk, log, size) = filled();
                (0..readers).for_each(|reader| assert!(read(&log, reader).is_ok()));
                assert!(disk.flip_bit(&segment(), batch * size + at, 1));
                if batch > 0 {
                    assert_eq!(good_batches(&log), batch, "byte {at} after {readers} reads");
                } else {
                    assert!(matches!(read(&log, 0), Err(ReadRefused::Corrupt { .. })));
                }
            }
        }
    }
}

#[test]
fn a_bit_that_turned_before_the_log_was_opened_is_found() {
    let (disk, log, size) = filled();
    let closed = log.close().unwrap();
    assert!(disk.flip_bit_in_memory(&segment(), 7 * size + HEADER_BYTES + 3, 0));
    let mode = OpenMode {
        clean_shutdown: true,
        recovery_point: closed.recovery_point,
        high_watermark: closed.high_watermark,
        ..OpenMode::default()
    };
    let log = open(&disk, LogConfig { segment_bytes: 1 << 20, ..small() }, mode);
    assert_eq!(good_batches(&log), 7);
    assert_eq!(good_batches(&log), 7, "and the next time");
}

#[test]
fn a_write_that_brings_its_page_in_vouches_for_nothing_else_in_it() {
    let (disk, mut log, size) = filled();
    assert_eq!(good_batches(&log), COUNT as usize);
    assert!(disk.flip_bit(&segment(), 4 * size + HEADER_BYTES + 5, 2));
    append(&mut log, 10_000, &["a long time after"]);
    assert_eq!(good_batches(&log), 4);
}

#[test]
fn any_walk_that_meets_the_platter_takes_the_rest_for_unread() {
    let (disk, log, size) = filled();
    assert_eq!(good_batches(&log), COUNT as usize);
    assert!(disk.flip_bit(&segment(), 4 * size + HEADER_BYTES + 5, 2));
    // Brings the page in without a look at the damaged batch.
    assert!(log.view().available_bytes(2, ReadLimit::LogEnd, u32::MAX).is_ok());
    assert_eq!(good_batches(&log), 4);
}

#[test]
fn a_read_within_memory_waits_for_no_platter() {
    let (disk, log, size) = filled();
    let view = log.view();
    let within = |from, reach| {
        let limit = ReadLimit::LogEnd;
        let terms = ReadTerms { max_bytes: 1 << 20, limit, at_least_one: true, reach, memory: None };
        view.read_within(from, &terms).unwrap().map(|fetched| fetched.records.len())
    };
    let all = Some(COUNT as usize * size);
    assert_eq!(within(0, Reach::Memory), all);
    assert!(disk.evict(&segment()));
    assert_eq!(within(0, Reach::Memory), None);
    assert_eq!(within(3, Reach::Memory), None);
    assert_eq!(within(0, Reach::Platter), all);
    assert_eq!(within(0, Reach::Memory), all);
}

#[test]
fn who_reads_an_old_view_of_what_was_cut_gets_whole_batches_or_none() {
    let (_, mut log, size) = filled();
    let old = log.view();
    for from in [0, 4, 7] {
        assert!(old.read(from, size as u32, ReadLimit::LogEnd, true).is_ok());
    }
    log.truncate_to(3).unwrap();
    for length in 1..8 {
        append(&mut log, 2_000, &["x".repeat(3 * length).as_str()]);
    }
    for from in 0..COUNT {
        if let Ok(fetched) = old.read(from, 1 << 20, ReadLimit::LogEnd, true) {
            let batches = RecordBatch::split(fetched.records).unwrap();
            assert!(batches.iter().all(|batch| batch.verify_crc().is_ok()), "from {from}");
        }
    }
}

/// What a reader is refused at an offset: the damaged offsets, and whether it is the first to hear of them.
fn refusal(log: &Log, from: i64) -> Option<(i64, i64, bool)> {
    match read(log, from) {
        Ok(_) => None,
        Err(ReadRefused::Corrupt { offset, next_offset, is_news, .. }) => {
            Some((offset, next_offset, is_news))
        }
        Err(other) => panic!("{other}"),
    }
}

/// Fields of a batch's header: its offset, its length, its format, its CRC, its last offset, its count; and a record.
const FIELDS: &[usize] = &[6, 9, 11, 16, 17, 26, 60, HEADER_BYTES + 6];

#[test]
fn whoever_reads_damage_hears_where_it_ends_and_the_first_one_is_told_apart() {
    for &field in FIELDS {
        let (disk, log, size) = filled();
        assert!(disk.flip_bit(&segment(), 4 * size + field, 5));
        assert_eq!(good_batches_before(&log), 4, "byte {field}");
        assert_eq!(refusal(&log, 4), Some((4, 5, false)), "byte {field}: told once");
        assert_eq!(refusal(&log, 5), None, "byte {field}: and it goes on behind it");
        assert!(disk.flip_bit(&segment(), 4 * size + field, 5));
        assert_eq!(refusal(&log, 4), None, "byte {field}: what can be read again is read");
    }
}

/// As `good_batches`, where the damage is news.
fn good_batches_before(log: &Log) -> i64 {
    let batches = RecordBatch::split(read(log, 0).unwrap()).unwrap();
    let next_offset = batches.last().unwrap().next_offset();
    assert_eq!(refusal(log, next_offset), Some((next_offset, next_offset + 1, true)));
    next_offset
}

#[test]
fn neighbours_that_are_damaged_are_one_range() {
    let (disk, log, size) = filled();
    for batch in [3, 4, 5] {
        assert!(disk.flip_bit(&segment(), batch * size + HEADER_BYTES + 6, 5));
    }
    assert_eq!(refusal(&log, 3), Some((3, 6, true)));
    assert_eq!(refusal(&log, 5), Some((3, 6, false)));
    assert_eq!(refusal(&log, 6), None);
}

#[test]
fn a_search_by_time_ends_where_the_damage_is() {
    // The offset of a batch is under no CRC, and a search looks at no neighbours.
    for &field in FIELDS.iter().skip(1) {
        let (disk, mut log) = fresh(LogConfig { segment_bytes: 1 << 20, ..small() });
        for number in 0..COUNT {
            append(&mut log, 1_000 + number * 10, &[&format!("value-{number:04}")]);
        }
        let size = usize::try_from(log.size_bytes()).unwrap() / COUNT as usize;
        assert!(disk.flip_bit(&segment(), 4 * size + field, 5));
        let view = log.view();
        let found = |timestamp| {
            let found = view.offset_for_timestamp(OffsetSpec::Timestamp(timestamp), ReadLimit::LogEnd);
            found.unwrap().map(|found| found.offset)
        };
        assert_eq!(found(1_030), Some(3), "byte {field}");
        assert_eq!(found(1_040), Some(4), "byte {field}");
        assert!(matches!(found(1_060), Some(4 | 6)), "byte {field}: {:?}", found(1_060));
        assert_eq!(found(2_000), None, "byte {field}");
    }
}
