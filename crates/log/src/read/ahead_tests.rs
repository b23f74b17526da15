//! Reading ahead of a reader: when the platter is asked, for how much at most, and that what comes is checked whoever vouched for it.

use crate::LogConfig;
use crate::fetched::{Fetched, ReadRefused};
use crate::log::Log;
use crate::sim_disk::SimDisk;
use crate::source::Reach;
use crate::testing::*;
use crate::view::{ReadLimit, ReadTerms};
use std::path::{Path, PathBuf};
use wire::record_batch::{HEADER_BYTES, RecordBatch};

const KIB: usize = 1 << 10;
const PAGE: usize = 4 * KIB;
/// Batches of a little more than 16 KiB, one record each.
const COUNT: i64 = 256;
/// Four of them.
const READ: u32 = 68 << 10;

fn filled() -> (SimDisk, Log, usize) {
    let config = LogConfig { segment_bytes: 1 << 30, index_interval_bytes: 4096, ..small() };
    let (disk, mut log) = fresh(config);
    let value = "v".repeat(16 * KIB);
    for number in 0..COUNT {
        append(&mut log, 1_000, &[&format!("{number:04} {value}")]);
    }
    let size = usize::try_from(log.size_bytes()).unwrap() / COUNT as usize;
    (disk, log, size)
}

fn segment() -> PathBuf {
    Path::new(DIRECTORY).join("00000000000000000000.log")
}

/// `None` if it is out of reach.
fn read(log: &Log, from: i64, max_bytes: u32, reach: Reach) -> Result<Option<Fetched>, ReadRefused> {
    let terms = ReadTerms { max_bytes, limit: ReadLimit::LogEnd, at_least_one: true, reach, memory: None };
    log.view().read_within(from, &terms)
}

/// As a connection reads: out of memory, or else from the platter. Answers what came, and whether it had to wait.
fn fetch(log: &Log, from: i64, max_bytes: u32) -> (Fetched, bool) {
    match read(log, from, max_bytes, Reach::Memory).unwrap() {
        Some(fetched) => (fetched, false),
        None => (read(log, from, max_bytes, Reach::Platter).unwrap().unwrap(), true),
    }
}

/// Has a page leave the cache.
fn evict_page(disk: &SimDisk, byte: usize) {
    assert!(disk.flip_bit(&segment(), byte, 0) && disk.flip_bit(&segment(), byte, 0));
}

#[test]
fn a_reader_that_goes_on_waits_once_and_has_a_few_reads_ahead_of_it() {
    let (disk, log, size) = filled();
    assert!(disk.evict(&segment()));
    let (mut from, mut waits) = (0, 0);
    while from < COUNT {
        let (fetched, waited) = fetch(&log, from, READ);
        waits += usize::from(waited);
        assert!(fetched.next_offset > from);
        from = fetched.next_offset;
        fetched.ahead.iter().for_each(|ahead| ahead.ask());
        let taken = from as usize * size;
        let ahead = (disk.cached_pages(&segment()) * PAGE).saturating_sub(taken);
        assert!(ahead <= 6 * READ as usize, "{ahead} bytes ahead of {taken}");
        assert!(ahead > 0 || from == COUNT, "nothing ahead of {taken}");
    }
    assert_eq!(waits, 1);
}

#[test]
fn who_reads_once_has_asked_for_no_more_and_who_never_missed_anything_asks_for_nothing() {
    let (disk, log, _) = filled();
    for from in 0..COUNT {
        assert!(fetch(&log, from, READ).0.ahead.is_none());
    }
    assert!(disk.evict(&segment()));
    let (fetched, waited) = fetch(&log, 100, READ);
    assert!(waited && fetched.ahead.is_none());
    let cached = disk.cached_pages(&segment()) * PAGE;
    assert!(cached < READ as usize + 32 * KIB, "{cached} bytes for one read");
}

#[test]
fn a_window_whose_pages_go_again_stays_small() {
    let (disk, log, _) = filled();
    let mut from = 0;
    while from < COUNT {
        assert!(disk.evict(&segment()));
        let (fetched, waited) = fetch(&log, from, READ);
        assert!(waited);
        from = fetched.next_offset;
        let cached = disk.cached_pages(&segment()) * PAGE;
        assert!(cached < READ as usize + 160 * KIB, "{cached} bytes for one read");
    }
}

#[test]
fn a_reader_that_comes_to_where_it_is_hot_asks_for_nothing_any_more() {
    let (disk, log, size) = filled();
    for page in (0..40 * size).step_by(PAGE) {
        evict_page(&disk, page);
    }
    let (mut from, mut asked) = (0, Vec::new());
    while from < COUNT {
        let (fetched, _) = fetch(&log, from, READ);
        from = fetched.next_offset;
        if let Some(ahead) = fetched.ahead {
            ahead.ask();
            asked.push(from);
        }
    }
    assert!(!asked.is_empty() && asked.iter().all(|&at| at < 60), "{asked:?}");
}

#[test]
fn a_bit_that_turned_on_the_platter_is_found_although_reading_ahead_brought_it_in() {
    for readers in [1, 2] {
        let (disk, log, size) = filled();
        assert!(disk.evict(&segment()));
        // A slow reader has its first window; another one has read and checked all that is behind it.
        let mut next = fetch(&log, 0, READ).0.next_offset;
        for _ in 0..readers {
            read(&log, 20, 8 << 20, Reach::Platter).unwrap();
        }
        for page in (20 * size..40 * size).step_by(PAGE) {
            evict_page(&disk, page);
        }
        let damaged = 22;
        assert!(disk.flip_bit(&segment(), damaged * size + HEADER_BYTES + 100, 5));
        let before = disk.cached_pages(&segment());
        let mut asked = false;
        // It goes on and meets nothing that is missing: nobody sees a miss, the damaged batch comes in all the same.
        while !asked {
            let fetched = read(&log, next, READ, Reach::Memory).unwrap().expect("it was asked for");
            next = fetched.next_offset;
            assert!((next as usize) < damaged);
            if let Some(ahead) = fetched.ahead {
                ahead.ask();
                asked = true;
            }
        }
        assert!(disk.cached_pages(&segment()) > before);
        let (fetched, waited) = fetch(&log, damaged as i64 - 1, READ);
        assert!(!waited, "it is in the cache");
        let good = RecordBatch::split(fetched.records).unwrap();
        assert_eq!((good.len(), good[0].verify_crc().is_ok()), (1, true));
        for reach in [Reach::Memory, Reach::Platter] {
            let refused = read(&log, damaged as i64, READ, reach);
            assert!(!matches!(refused, Ok(Some(_))), "damaged bytes are served");
        }
        assert!(matches!(read(&log, damaged as i64, READ, Reach::Platter), Err(ReadRefused::Corrupt { .. })));
    }
}

#[test]
fn our_own_walks_have_the_next_pieces_on_their_way() {
    let (disk, log, size) = filled();
    assert!(disk.evict(&segment()));
    let view = log.view();
    let walked = view.segments.segments.first().unwrap();
    let (piece, end) = (64 * KIB, COUNT as u32 * size as u32);
    let cached = || disk.cached_pages(&segment()) * PAGE;
    let walk = |position| walked.walk(&disk, position, piece, end).unwrap();
    walk(0);
    assert_eq!(cached(), piece, "a look at the beginning is no walk yet");
    let mut position = piece as u32;
    while position + (piece as u32) < end {
        walk(position - 100);
        position += piece as u32 - 100;
        let ahead = cached().saturating_sub(position as usize);
        assert!(ahead > 0 && ahead <= 6 * piece, "{ahead} ahead of {position}");
    }
    let all = cached();
    assert!(disk.evict(&segment()));
    walk(0);
    assert!(cached() < all);
}
