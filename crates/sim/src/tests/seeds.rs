//! Seeds that hold, twice the same; and those that once did not, by the name of what they found.

use crate::{Options, run};

#[track_caller]
fn check(seed: u64) {
    let report = run(Options::one(seed));
    assert_eq!(report.violation, None, "seed {seed}");
}

#[test]
fn a_number_of_seeds_hold_and_run_twice_the_same() {
    for seed in 0..16 {
        let options = Options::one(seed);
        let first = run(options.clone());
        assert_eq!(first.violation, None, "seed {seed}");
        assert_eq!(first, run(options), "seed {seed} takes two ways");
    }
}

#[test]
fn groups_of_the_consumer_protocol_hold_and_run_twice_the_same() {
    let mut read_records = 0;
    for seed in 0..12 {
        let options = Options { modern_groups: true, ..Options::one(seed) };
        let first = run(options.clone());
        assert_eq!(first.violation, None, "seed {seed}");
        read_records += first.read_records;
        assert_eq!(first, run(options), "seed {seed} takes two ways");
    }
    assert!(read_records > 1_000, "{read_records}");
}

/// Of a DeleteRecords the power loss kept some renames: the hole took acknowledged records with it.
#[test]
fn a_deletion_kept_in_part_takes_nothing_with_it() {
    check(92);
}

/// An offsets log whose first segment lost everything kept its groups unavailable for ever.
#[test]
fn a_coordinator_loads_behind_a_lost_tail() {
    check(12);
}

/// A kill, an acknowledged record, a power loss: the file's name had never been made durable.
#[test]
fn a_name_left_by_a_kill_becomes_durable() {
    check(516);
}

/// A write that was to fail was the first of the next start, and the node did not come up: that is what it should do.
#[test]
fn a_start_may_meet_the_fault_that_was_meant_for_the_run_before() {
    check(1_003_773);
}

/// A power loss tore the base offset of a batch, which no checksum covers, and the batches behind it survived.
#[test]
fn a_metadata_log_is_read_to_the_first_batch_that_does_not_follow() {
    check(1_007_139);
}

/// Two crashes, and records deleted before the first that had never been flushed: the log was said to be durable up to its start.
#[test]
fn what_was_deleted_is_not_taken_for_flushed() {
    check(1_005_945);
    check(1_009_615);
}

/// An armed power loss struck in the last clean stop, and half a batch on the disk was taken for the work of that stop.
#[test]
fn seed_100_falls_in_the_last_stop() {
    check(100);
}
