//! Bugs planted on purpose: some seed of a few has to see each of them, by the invariant that is there for it.

use crate::{Options, Plant, run};

fn check(plant: Plant, invariants: &[&str]) {
    let found: Vec<&str> = (0..40)
        .filter_map(|seed| run(Options { plant, ..Options::one(seed) }).violation)
        .map(|violation| violation.invariant)
        .take(5)
        .collect();
    assert!(found.iter().any(|found| invariants.contains(found)), "{plant:?}: {found:?}");
}

#[test]
fn a_disk_that_lies_about_syncs_loses_acked_records() {
    check(Plant::DiskLies, &["no_acked_record_is_lost", "committed_offsets_are_never_lost"]);
}

#[test]
fn a_node_that_never_flushes_loses_acked_records() {
    check(Plant::FlushesNothing, &["no_acked_record_is_lost", "committed_offsets_are_never_lost"]);
}

#[test]
fn a_producer_that_forgets_its_sequence_writes_duplicates() {
    check(Plant::ForgetfulProducer, &["idempotent_records_stand_once_and_in_order"]);
}

#[test]
fn a_leader_that_gives_a_partition_twice_is_seen() {
    check(Plant::GenerousLeader, &["a_generation_has_one_owner_per_partition"]);
}

#[test]
fn a_bit_that_turns_on_the_disk_is_seen() {
    check(Plant::RottenDisk, &["every_stored_batch_decodes", "no_acked_record_is_lost"]);
}
