use super::*;
use crate::disk::FileHandle;
use crate::fetched::ReadRefused;
use crate::sim_disk::{SimDisk, Survival};
use crate::testing::*;
use crate::view::ReadLimit;
use std::io::IoSlice;
use std::path::Path;

/// A log of twenty batches on the platter, opened by nobody.
fn twenty() -> SimDisk {
    let (disk, mut log) = fresh(small());
    for number in 0..20 {
        append(&mut log, 1000 + number, &[&format!("value-{number:03}")]);
    }
    log.flush().unwrap();
    drop(log);
    disk
}

fn crashed(recovery_point: i64) -> OpenMode {
    OpenMode { recovery_point, ..OpenMode::default() }
}

/// The last segment's data file.
fn last_file(disk: &SimDisk) -> FileHandle {
    let names = disk.list(DIRECTORY.as_ref()).unwrap();
    let last = names.iter().rfind(|entry| entry.name.ends_with(".log")).unwrap();
    FileHandle::new(Path::new(DIRECTORY).join(&last.name))
}

#[test]
fn a_torn_tail_above_the_durable_point_is_cut() {
    let disk = twenty();
    let file = last_file(&disk);
    let length = disk.length(&file).unwrap();
    disk.set_length(&file, length - 5).unwrap();
    let mut log = open(&disk, small(), crashed(10));
    assert_eq!(log.log_end_offset(), 19);
    assert!(log.recovery_report().unwrap().cut_bytes > 0);
    assert_eq!(log.recovery_report().unwrap().corrupt, []);
    append(&mut log, 5000, &["next"]);
    assert_eq!(read_all(&mut log).last(), Some(&(19, "next".to_owned())));
}

/// Records were deleted that had never been flushed; a kill, then the power goes.
#[test]
fn the_log_start_proves_nothing_flushed() {
    let (disk, mut log) = fresh(LogConfig { segment_bytes: 1 << 20, ..small() });
    for number in 0..20 {
        append(&mut log, 1000 + number, &[&format!("value-{number:03}")]);
    }
    log.advance_high_watermark(20);
    log.delete_records_before(15).unwrap();
    drop(log);
    let mode = OpenMode { log_start_offset: 15, ..crashed(0) };
    let log = open(&disk, LogConfig { segment_bytes: 1 << 20, ..small() }, mode);
    assert_eq!((log.log_start_offset(), log.recovery_point(), log.log_end_offset()), (15, 0, 20));
}

#[test]
fn zeros_behind_the_last_batch_are_cut_and_nothing_is_said() {
    let disk = twenty();
    let file = last_file(&disk);
    let length = disk.length(&file).unwrap();
    disk.write_at(&file, length, &mut [IoSlice::new(&[0; 700])]).unwrap();
    let log = open(&disk, small(), crashed(20));
    assert_eq!((log.log_end_offset(), disk.length(&file).unwrap()), (20, length));
    assert_eq!(log.recovery_report().map_or(0, |report| report.cut_bytes), 0);
}

#[test]
fn a_bad_batch_below_the_durable_point_is_kept_and_never_served() {
    let disk = twenty();
    let file = last_file(&disk);
    let length = disk.length(&file).unwrap();
    assert!(disk.flip_bit(&file.path(), 75, 0), "inside the segment's first batch");
    let mut log = open(&disk, small(), crashed(20));
    let report = log.recovery_report().unwrap().clone();
    assert_eq!((report.cut_bytes, report.corrupt.len()), (0, 1));
    assert_eq!(disk.length(&file).unwrap(), length);
    let bad = report.corrupt[0].offset;
    let view = log.view();
    assert_eq!(view.log_end_offset, 20);
    for offset in 0..20 {
        match view.read(offset, 1, ReadLimit::LogEnd, true) {
            Ok(fetched) => assert!(offset != bad && !fetched.records.is_empty()),
            Err(ReadRefused::Corrupt { .. }) => assert_eq!(offset, bad),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(append(&mut log, 1, &["goes on"]).base_offset, 20);
}

#[test]
fn bad_bytes_at_the_end_below_the_durable_point_close_their_segment() {
    let disk = twenty();
    let file = last_file(&disk);
    let length = disk.length(&file).unwrap();
    assert!(disk.flip_bit(&file.path(), length as usize - 1, 3));
    let mut log = open(&disk, small(), crashed(20));
    assert_eq!(log.recovery_report().unwrap().corrupt.len(), 1);
    assert_eq!(log.log_end_offset(), 20, "an acknowledged offset is not given out again");
    assert_eq!(append(&mut log, 1, &["goes on"]).base_offset, 20);
    assert!(matches!(log.view().read(19, 9, ReadLimit::LogEnd, true), Err(ReadRefused::Corrupt { .. })));
    assert_eq!(read_from(&log.view(), 20, ReadLimit::LogEnd), [(20, "goes on".to_owned())]);
}

#[test]
fn lost_indexes_and_snapshots_are_made_again() {
    let disk = twenty();
    for entry in disk.list(DIRECTORY.as_ref()).unwrap() {
        if !entry.name.ends_with(".log") {
            disk.remove(&FileHandle::new(Path::new(DIRECTORY).join(entry.name))).unwrap();
        }
    }
    let mut log = open(&disk, small(), OpenMode { clean_shutdown: true, ..crashed(20) });
    assert_eq!(read_all(&mut log).len(), 20);
    assert_eq!(log.latest_epoch(), Some(0));
    assert!(disk.exists(Path::new(DIRECTORY).join("00000000000000000000.index").as_ref()));
}

#[test]
fn recovery_reads_the_tail_only() {
    let disk = twenty();
    disk.restart(Survival::Everything);
    let whole = open(&disk, small(), crashed(0)).recovery_report().unwrap().scanned_bytes;
    let tail = open(&disk, small(), crashed(18)).recovery_report().unwrap().scanned_bytes;
    assert!(tail * 2 < whole, "{tail} of {whole}");
}

#[test]
fn an_interrupted_swap_of_compacted_segments_is_completed() {
    let disk = twenty();
    let first = disk.read_file(&Path::new(DIRECTORY).join("00000000000000000000.log")).unwrap();
    let swap = FileHandle::new(Path::new(DIRECTORY).join("00000000000000000000.log.swap"));
    disk.create(&swap).unwrap();
    disk.write_at(&swap, 0, &mut [IoSlice::new(&first)]).unwrap();
    for stray in ["00000000000000000011.log.cleaned", "00000000000000000003.index", "x.tmp"] {
        disk.create(&FileHandle::new(Path::new(DIRECTORY).join(stray))).unwrap();
    }
    let mut log = open(&disk, small(), crashed(20));
    assert_eq!(read_all(&mut log).len(), 20);
    let names = disk.list(DIRECTORY.as_ref()).unwrap();
    assert!(names.iter().all(|entry| !entry.name.contains("swap") && !entry.name.contains("cleaned")));
    assert!(names.iter().all(|entry| entry.name != "00000000000000000003.index" && entry.name != "x.tmp"));
}

#[test]
fn a_directory_of_another_topic_is_refused() {
    let disk = SimDisk::new(1);
    prepare(&disk);
    let mode = |id| OpenMode { topic_id: Some(Uuid([id; 16])), ..OpenMode::default() };
    append(&mut open(&disk, small(), mode(1)), 0, &["x"]);
    let again: Arc<dyn Disk> = Arc::new(disk.clone());
    let refused = Log::open(again, PathBuf::from(DIRECTORY), Arc::new(small()), mode(2), 0);
    assert!(matches!(refused.unwrap_err().cause, crate::fault::Cause::Corrupt(_)));
    assert_eq!(open(&disk, small(), OpenMode::default()).topic_id(), Some(Uuid([1; 16])));
}

/// What a power loss or an old bug leaves beside a good log. KAFKA-16541, 19200, 10207, 3968.
#[test]
fn s25_zero_filled_indexes_empty_segments_and_lost_epochs_are_made_good() {
    let name = |file: &str| FileHandle::new(Path::new(DIRECTORY).join(file));
    let grow = |disk: &SimDisk, file: &str, bytes: u64| {
        let file = name(file);
        let length = disk.length(&file).unwrap();
        disk.set_length(&file, length + bytes).unwrap();
    };
    let empty = |disk: &SimDisk, file: &str| {
        disk.create(&name(file)).unwrap();
        disk.set_length(&name(file), 0).unwrap();
    };
    type Damage<'a> = (&'a str, Box<dyn Fn(&SimDisk) + 'a>);
    let cases: Vec<Damage<'_>> = vec![
        ("oversized offset index", Box::new(|disk| grow(disk, "00000000000000000000.index", 10 << 10))),
        ("oversized time index", Box::new(|disk| grow(disk, "00000000000000000000.timeindex", 12 << 10))),
        ("half an entry", Box::new(|disk| grow(disk, "00000000000000000000.index", 3))),
        ("emptied index", Box::new(|disk| empty(disk, "00000000000000000000.index"))),
        ("empty segment of a roll", Box::new(|disk| empty(disk, "00000000000000000020.log"))),
        ("emptied epochs", Box::new(|disk| empty(disk, names::LEADER_EPOCHS))),
        ("lost epochs", Box::new(|disk| disk.remove(&name(names::LEADER_EPOCHS)).unwrap())),
    ];
    for (what, damage) in &cases {
        for clean_shutdown in [true, false] {
            let disk = twenty();
            damage(&disk);
            let mode = OpenMode { clean_shutdown, ..crashed(20) };
            let mut log = open(&disk, small(), mode);
            assert_eq!(read_all(&mut log).len(), 20, "{what}, clean {clean_shutdown}");
            assert!(log.recovery_report().is_none_or(|report| report.corrupt.is_empty()), "{what}");
            for number in 0..20 {
                let fetched = log.view().read(number, 1, ReadLimit::LogEnd, true).unwrap();
                assert!(!fetched.records.is_empty(), "{what}: nothing at {number}");
            }
            assert_eq!(append(&mut log, 9_000, &["next"]).base_offset, 20, "{what}");
            // Of the newest batch's epoch at least; the file is whole again with the next flush.
            assert_eq!(log.latest_epoch(), Some(0), "{what}, clean {clean_shutdown}");
        }
    }
}
