//! The model within small bounds, and what is planted in it.

use super::{Bounds, Explored, Plant, explore};

#[track_caller]
fn holds(bounds: Bounds) -> Explored {
    let explored = explore(bounds);
    if let Some(found) = &explored.found {
        panic!("{}\n{}", found.what, found.way.join("\n"));
    }
    explored
}

#[test]
fn every_state_within_small_bounds_keeps_the_rules() {
    let explored = holds(Bounds::SMALL);
    assert!(explored.states > 500, "{explored:?}");
}

/// The rule that a planted fault breaks first.
#[track_caller]
fn finds(bounds: Bounds, rule: &str) {
    let found = explore(bounds).found.unwrap_or_else(|| panic!("{:?} is not found", bounds.plant));
    assert!(found.what.contains(rule), "{}\n{}", found.what, found.way.join("\n"));
}

#[test]
fn a_member_that_stays_eligible_after_an_unclean_stop_is_found() {
    finds(Bounds { plant: Plant::UncleanMemberStaysEligible, ..Bounds::SMALL }, "the ELR is empty");
}

#[test]
fn a_high_watermark_that_moves_below_min_isr_is_found() {
    finds(
        Bounds { plant: Plant::CommitsBelowMinIsr, shrinks: 1, ..Bounds::SMALL },
        "lacks of what is committed",
    );
}

#[test]
fn a_fetch_of_an_earlier_incarnation_that_counts_is_found() {
    finds(Bounds { plant: Plant::EarlierIncarnationCounts, ..Bounds::SMALL }, "may lead");
}

#[test]
fn a_follower_that_keeps_what_its_leader_never_had_is_found() {
    finds(Bounds { plant: Plant::SkipsTruncation, records: 2, suspicions: 1, ..Bounds::SMALL }, "lacks");
}

#[test]
fn a_leader_that_takes_what_it_proposed_for_decided_is_found() {
    finds(Bounds { plant: Plant::ForgetsTheCommittedIsr, shrinks: 1, ..Bounds::SMALL }, "does not wait");
}

#[test]
fn a_proposal_that_is_not_made_again_is_found() {
    finds(
        Bounds { plant: Plant::NeverAsksAgain, crashes: 0, shrinks: 1, lost: 1, ..Bounds::SMALL },
        "circle",
    );
}

#[test]
fn tune() {
    let Ok(numbers) = std::env::var("MODEL_BOUNDS") else { return };
    let n: Vec<u8> = numbers.split(',').map(|n| n.parse().unwrap()).collect();
    let bounds = Bounds {
        min_insync_replicas: n[0] as usize,
        unclean: n[1] > 0,
        records: n[2],
        crashes: n[3],
        lossy: n[4],
        suspicions: n[5],
        shrinks: n[6],
        lost: n[7],
        elections: n[8],
        plant: Plant::Nothing,
    };
    let explored = explore(bounds);
    println!("{} states, {} moves, depth {}", explored.states, explored.moves, explored.depth);
    if let Some(found) = explored.found {
        println!("{}\n{}", found.way.join("\n"), found.what);
    }
}
