//! Scripted lives of three machines, by the name of what they have to survive; several seeds each, so that the faults meet other moments.

use crate::cluster::shape::Power;
use crate::cluster::strikes::{Down, Strike, What};
use crate::run::Script;
use crate::{Options, Report, run};

/// Each fault half a second after the one before it, lasting a second and a half.
fn one_after_the_other(faults: Vec<What>) -> Vec<Strike> {
    let strike = |(at_ms, what)| Strike { at_ms, for_ms: 1_500, what };
    (0..).step_by(2_500).map(|at_ms| at_ms + 500).zip(faults).map(strike).collect()
}

#[track_caller]
fn check(seeds: std::ops::Range<u64>, script: &Script) -> Report {
    let mut last = None;
    for seed in seeds {
        let report = run(Options { script: Some(script.clone()), ..Options::cluster(seed) });
        assert_eq!(report.violation, None, "seed {seed}");
        last = Some(report);
    }
    last.unwrap()
}

fn unreplicated(faults: Vec<What>) -> Script {
    let strikes = one_after_the_other(faults);
    Script { replication_factor: 1, min_insync_replicas: 1, power: Power::Steady, strikes }
}

#[test]
fn three_voters_elect_and_commit_and_elect_again_whoever_is_killed() {
    let kill = |machine| What::Down(Down::Kill, vec![machine]);
    let report = check(0..4, &unreplicated(vec![kill(0), kill(1), kill(2)]));
    assert!(report.boots == 6 && report.acked_records > 0, "{report:?}");
}

#[test]
fn all_voters_are_killed_at_once() {
    check(0..3, &unreplicated(vec![What::Down(Down::Kill, vec![0, 1, 2])]));
}

#[test]
fn voters_stop_in_order_one_after_the_other_and_all_together() {
    let stop = |machines| What::Down(Down::CleanStop, machines);
    check(0..3, &unreplicated(vec![stop(vec![0]), stop(vec![1]), stop(vec![2]), stop(vec![0, 1, 2])]));
}

/// S14: a leader that is cut off from the majority commits nothing; one that nobody hears resigns.
#[test]
fn each_voter_in_turn_is_cut_off_one_way_and_both() {
    let from = |one| What::Cut((0..3).filter(|to| *to != one).map(|to| (one, to)).collect());
    let to = |one| What::Cut((0..3).filter(|from| *from != one).map(|from| (from, one)).collect());
    check(0..3, &unreplicated(vec![from(0), to(0), from(1), to(1), from(2), to(2)]));
}

#[test]
fn each_voter_in_turn_stands_still() {
    check(0..3, &unreplicated((0..3).map(|machine| What::Pause(vec![machine])).collect()));
}

#[test]
fn a_run_takes_the_same_way_twice() {
    for seed in [1, 2] {
        let options = Options::cluster(seed);
        assert_eq!(run(options.clone()), run(options), "seed {seed} takes two ways");
    }
}

/// A voter that was told to stop waited for elections it takes no part in: its turn was due for ever.
#[test]
fn who_stops_waits_for_no_election() {
    check(17..18, &unreplicated(vec![What::Down(Down::CleanStop, vec![0, 2, 1])]));
}
