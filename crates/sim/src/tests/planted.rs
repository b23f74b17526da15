//! Bugs planted on purpose: some seed of a few has to see each of them, by the invariant that is there for it.

use crate::cluster::shape::Power;
use crate::cluster::strikes::{Down, Strike, What};
use crate::run::Script;
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

/// What shows that something acknowledged or read is gone.
const LOSSES: &[&str] = &[
    "no_acked_record_is_lost",
    "a_record_once_read_never_changes",
    "histories_hold",
    "no_unexplained_error",
    "committed_offsets_are_never_lost",
    "idempotent_records_stand_once_and_in_order",
];

fn check_cluster(plant: Plant, power: Power, strikes: &[Strike]) {
    let script = Script { replication_factor: 3, min_insync_replicas: 2, power, strikes: strikes.to_vec() };
    let found = (0..20).find_map(|seed| {
        let options = Options { plant, script: Some(script.clone()), ..Options::cluster(seed) };
        run(options).violation
    });
    let found = found.map(|violation| violation.invariant);
    assert!(found.is_some_and(|found| LOSSES.contains(&found)), "{plant:?}: {found:?}");
}

#[test]
fn leaders_that_acknowledge_before_replication_lose_acked_records() {
    let all = (0..3).flat_map(|from| (0..3).map(move |to| (from, to))).filter(|(from, to)| from != to);
    let slow = Strike { at_ms: 1, for_ms: 6_000, what: What::Slow(all.collect(), 100) };
    let kill =
        |(at_ms, machine)| Strike { at_ms, for_ms: 1_000, what: What::Down(Down::Kill, vec![machine]) };
    let kills = [(500, 0), (1_700, 1), (2_900, 2), (4_100, 0)].map(kill);
    let strikes = [&[slow][..], &kills].concat();
    check_cluster(Plant::AcksBeforeReplication, Power::Steady, &strikes);
}

/// Every sync removed: no kill shows it, only the power of all machines going at once.
#[test]
fn a_cluster_whose_disks_lie_loses_acked_records_with_the_power() {
    let cut = |at_ms| Strike { at_ms, for_ms: 500, what: What::Down(Down::PowerCut, vec![0, 1, 2]) };
    check_cluster(Plant::DiskLies, Power::WeakEverywhere, &[cut(400), cut(3_000)]);
}
