use crate::flush::FlushOutcome;
use crate::log::Log;
use crate::producers::{ProducerEntry, Producers};
use crate::segment::Segment;
use crate::testing::{DIRECTORY, append, fresh, small};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Three segments and more, ten offsets, nothing flushed and nothing committed.
fn log() -> Log {
    let (_, mut log) = fresh(small());
    for number in 0..10 {
        append(&mut log, 1000 + number, &["a value of a length that makes segments full", &"x".repeat(150)]);
    }
    assert!(log.segment_count() > 2);
    log
}

/// What a call says when it panics.
fn said(call: impl FnOnce()) -> String {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(()) => "nothing".to_owned(),
        Err(panic) => match panic.downcast_ref::<String>() {
            Some(text) => text.clone(),
            None => panic.downcast_ref::<&str>().map_or_else(String::new, |text| (*text).to_owned()),
        },
    }
}

fn segment(base_offset: i64) -> Arc<Segment> {
    Arc::new(Segment::new(DIRECTORY.as_ref(), base_offset))
}

fn open_transaction_at(first_offset: i64, end_offset: i64) -> Option<Box<Producers>> {
    let mut producers = Producers::starting_at(end_offset);
    let mut entry = ProducerEntry::unknown();
    entry.transaction_first_offset = Some(first_offset);
    producers.restore(1, entry);
    Some(Box::new(producers))
}

#[test]
fn every_broken_invariant_is_named() {
    type Case = (fn(&mut Log), &'static str);
    let cases: &[Case] = &[
        (|_| {}, "nothing"),
        (|log| log.log_start_offset = 1, "log start: it is beyond the high watermark"),
        (|log| log.high_watermark = 21, "high watermark: it is beyond the log's end"),
        (|log| log.recovery_point = 21, "recovery point: it is beyond the log's end"),
        (|log| log.assign_epoch(7, 21), "epochs: one begins beyond the log's end"),
        (|log| log.set_segments(vec![segment(21)]), "segments: the active one begins beyond the log's end"),
        (
            |log| {
                let active = segment(20);
                active.set_size(1);
                log.set_segments(vec![active]);
            },
            "segments: the active one has bytes and no offsets",
        ),
        (
            |log| log.producers = Some(Box::new(Producers::starting_at(21))),
            "producers: they know more than the log",
        ),
        (|log| log.producers = open_transaction_at(20, 20), "transactions: one begins beyond the log's end"),
    ];
    for (damage, name) in cases {
        let mut log = log();
        damage(&mut log);
        assert_eq!(said(|| log.check()), *name);
    }
}

#[test]
fn every_change_ends_with_a_look() {
    type Case = (fn(&mut Log), &'static str);
    let changes: &[Case] = &[
        (|log| assert!(!append(log, 1, &["a"]).duplicate), "append"),
        (|log| log.truncate_to(15).unwrap(), "truncation"),
        (|log| assert!(log.delete_records_before(15).is_ok()), "DeleteRecords"),
        (|log| assert!(log.apply_retention(1 << 40).is_ok()), "retention"),
        (|log| log.flush().unwrap(), "flush"),
        (|log| log.begin_epoch(0), "epoch"),
    ];
    // Taking records away keeps producers; a truncation reads those again.
    let damages: [Case; 3] = [
        (|log| log.high_watermark = 50, "high watermark: it is beyond the log's end"),
        (
            |log| (log.log_start_offset, log.high_watermark) = (18, 10),
            "log start: it is beyond the high watermark",
        ),
        (|log| log.producers = open_transaction_at(100, 20), "transactions: one begins beyond the log's end"),
    ];
    for (change, what) in changes {
        let heard = damages.map(|(damage, name)| {
            let mut log = log();
            log.advance_high_watermark(20);
            log.set_config(Arc::new(crate::LogConfig { retention_bytes: 0, ..small() }));
            damage(&mut log);
            said(|| change(&mut log)) == name
        });
        assert!(heard.contains(&true), "{what}");
    }
}

#[test]
fn a_poisoned_log_promises_nothing() {
    let mut log = log();
    log.recovery_point = 21;
    log.poison(&crate::Fault::would_block(DIRECTORY.as_ref()));
    log.check();
}

#[test]
fn a_flush_proves_no_more_than_there_is() {
    let mut log = log();
    let outcome: FlushOutcome = log.dirty().unwrap().run();
    // As if a truncation had not told the flush.
    log.log_end_offset = 15;
    assert_eq!(said(|| log.flushed(&outcome).unwrap()), "flush: it proves more than the log has");
}

#[test]
fn segments_are_in_order_and_hold_what_waits_for_a_flush() {
    let (_, mut empty) = fresh(small());
    for bases in [[0, 0], [5, 0]] {
        let segments = bases.map(segment).to_vec();
        assert_eq!(said(|| empty.set_segments(segments)), "segments: they are not in order");
    }
    for segments in [vec![segment(0)], Vec::new()] {
        let mut log = log();
        assert_eq!(said(|| log.set_segments(segments)), "flush: it waits for a segment that is gone");
    }
}
