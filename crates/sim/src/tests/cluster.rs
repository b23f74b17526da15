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
    Script {
        roles: Vec::new(),
        replication_factor: 1,
        min_insync_replicas: 1,
        power: Power::Steady,
        copiers: 0,
        strikes,
    }
}

/// Three copies of which two are enough: whatever is acknowledged outlives any one machine.
fn replicated(power: Power, faults: Vec<What>) -> Script {
    let strikes = one_after_the_other(faults);
    Script { roles: Vec::new(), replication_factor: 3, min_insync_replicas: 2, power, copiers: 0, strikes }
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

/// S1, S3: leaders die one after the other, faster than followers catch up.
#[test]
fn leaders_killed_one_after_the_other_lose_nothing_that_was_acknowledged() {
    let kill = |machine| What::Down(Down::Kill, vec![machine]);
    let report = check(0..4, &replicated(Power::Steady, vec![kill(0), kill(1), kill(2), kill(0)]));
    assert!(report.acked_records > 0, "{report:?}");
}

#[test]
fn brokers_stopped_in_order_hand_their_leaderships_over() {
    let stop = |machine| What::Down(Down::CleanStop, vec![machine]);
    check(0..3, &replicated(Power::Steady, vec![stop(0), stop(1), stop(2)]));
}

/// What was acknowledged lies in two page caches: all processes may end at once.
#[test]
fn all_brokers_killed_at_once_lose_nothing() {
    check(0..3, &replicated(Power::Steady, vec![What::Down(Down::Kill, vec![0, 1, 2])]));
}

/// S4, S6: a leader that is cut off goes on believing in itself; what it takes meanwhile is not acknowledged, and is cut off again.
#[test]
fn leaders_cut_off_or_standing_still_are_followed_by_others_and_follow_in_the_end() {
    let alone = |one| {
        let others = (0..3).filter(move |other| *other != one);
        What::Cut(others.flat_map(|other| [(one, other), (other, one)]).collect())
    };
    let pause = |machine| What::Pause(vec![machine]);
    check(0..3, &replicated(Power::Steady, vec![alone(0), pause(1), alone(2), pause(0), alone(1)]));
}

/// S10: one of three may lose its page cache, again and again, while others are killed.
#[test]
fn one_weak_machine_among_three_takes_nothing_with_it() {
    let cut = || What::Down(Down::PowerCut, vec![1]);
    let kill = |machine| What::Down(Down::Kill, vec![machine]);
    check(0..4, &replicated(Power::WeakAt(1), vec![cut(), kill(0), cut(), kill(2), cut()]));
}

#[test]
fn directions_clogged_one_by_one_and_opened_in_another_order() {
    let some = vec![(0, 1), (2, 0), (1, 2), (2, 1)];
    let all = vec![(1, 0), (2, 1), (0, 2), (1, 2), (0, 1), (2, 0)];
    check(0..3, &replicated(Power::Steady, vec![What::Clog(some), What::Clog(all)]));
}

#[test]
fn a_run_takes_the_same_way_twice() {
    for seed in 0..4 {
        let options = Options::cluster(seed);
        assert_eq!(run(options.clone()), run(options), "seed {seed} takes two ways");
    }
}

/// A group's timer was due while too few replicas were in sync: its shard's turn was due for ever.
#[test]
fn a_coordinator_without_enough_replicas_rests() {
    assert_eq!(run(Options::cluster(8)).violation, None);
}

/// A voter came back with a snapshot that reached beyond what its new leader knew to be committed, and took that for its high watermark.
#[test]
fn what_a_snapshot_holds_is_committed() {
    assert_eq!(run(Options::cluster(28)).violation, None);
}

/// The answer to a pre-vote, given while a vote waited behind it, is no vote.
#[test]
fn a_pre_vote_is_not_taken_for_a_vote() {
    assert_eq!(run(Options::cluster(1_001_216)).violation, None);
}

/// An only voter does not flush for NoOpRecords that nobody else reads, and tells something else at their offsets after a power cut.
#[test]
fn what_an_only_voter_alone_has_shown_may_go_with_its_power() {
    assert_eq!(run(Options::cluster(1_000_134)).violation, None);
}

/// Fetches of the quorum waited as long as their timeout was: no leader was kept for longer than a moment.
#[test]
fn a_quorum_with_short_timeouts_has_rest() {
    assert_eq!(run(Options::cluster(1_000_642)).violation, None);
}

/// A broker that had lost its power led by metadata from before its own registration, and a group's members with it.
#[test]
fn a_group_outlives_a_leader_that_lost_its_power() {
    assert_eq!(run(Options::cluster(1_001_475)).violation, None);
}

/// Everybody was killed at once and one machine lost its cache: it was elected, as the leader that was known last, over those who had lost
/// nothing; or came back with an empty disk.
#[test]
fn who_lost_nothing_leads_before_who_did() {
    for seed in [1_000_008, 1_000_558, 2_000_065] {
        assert_eq!(run(Options::cluster(seed)).violation, None, "seed {seed}");
    }
}

/// Without a controller all were stopped cleanly, one of them after a power cut, and none had been registered again: who had lost nothing
/// was not told from who had, and the one that had was elected.
#[test]
fn a_clean_stop_without_a_registration_leaves_what_the_life_before_had() {
    assert_eq!(run(Options::cluster(2_109_569)).violation, None);
}

/// A broker was killed, started while there was no controller, and stopped cleanly before it had looked at its logs: it vouched for what the
/// platter did not have yet, and a power cut left a hole.
#[test]
fn a_clean_stop_does_not_vouch_for_logs_that_nobody_has_read_again() {
    assert_eq!(run(Options::cluster(2_111_202)).violation, None);
}

/// A voter that was told to stop waited for elections it takes no part in: its turn was due for ever.
#[test]
fn who_stops_waits_for_no_election() {
    check(17..18, &unreplicated(vec![What::Down(Down::CleanStop, vec![0, 2, 1])]));
}

/// All were killed, and the coordinator that led next denied a producer that it did not know to be committed.
#[test]
fn a_new_coordinator_denies_nobody() {
    assert_eq!(run(Options::cluster(2_100_674)).violation, None);
}

/// The disk of the controller was full when a broker was to be unfenced: it believed that this had happened.
#[test]
fn a_broker_is_unfenced_after_a_full_disk() {
    assert_eq!(run(Options::cluster(2_100_709)).violation, None);
}

/// The flush of a turn was overtaken by that of the next one and took its place: what had come between was never flushed, and a
/// coordinator never answered.
#[test]
fn a_flush_that_was_overtaken_leaves_nothing_behind() {
    assert_eq!(run(Options::cluster(2_100_198)).violation, None);
}

/// A voter whose own log reached further was given a snapshot of a later epoch, and took itself for one that had read on.
#[test]
fn a_snapshot_may_end_before_what_it_replaces() {
    assert_eq!(run(Options::cluster(2_100_392)).violation, None);
}

/// A replica that a reassignment had removed stayed eligible; it was assigned again, and elected with an empty log.
#[test]
fn s07_who_was_removed_is_not_eligible_when_it_is_assigned_again() {
    assert_eq!(run(Options::cluster(2_102_880)).violation, None);
}

/// The last look came while a replica that the administrator had just moved there was still empty.
#[test]
fn the_end_is_looked_at_when_nothing_moves_any_more() {
    assert_eq!(run(Options::cluster(2_101_288)).violation, None);
}

/// A follower that had taken several transactions at once led, and told readers of some of the aborted ones only.
#[test]
fn s17_readers_of_a_replica_that_caught_up_see_nothing_aborted() {
    assert_eq!(run(Options::cluster(2_107_658)).violation, None);
}

/// A coordinator that had been replaced while it was cut off told a copier of its own time, as Kafka's do.
#[test]
fn s17_a_copier_believes_only_who_coordinates_still() {
    assert_eq!(run(Options::cluster(2_107_500)).violation, None);
}

/// A replica was removed and assigned again while its deleted log was being flushed: that flush came back to the new log.
#[test]
fn a_flush_of_a_deleted_log_proves_nothing_about_the_next_one() {
    assert_eq!(run(Options::cluster(2_105_048)).violation, None);
}

/// Leaders say a high watermark once within a fetch session: an answer that a follower dropped for its epoch's sake was the only one.
#[test]
fn a_high_watermark_that_a_follower_did_not_take_is_told_again() {
    for seed in [2_102_912, 2_107_639] {
        assert_eq!(run(Options::cluster(seed)).violation, None, "seed {seed}");
    }
}

/// A member began at a committed offset and asked a leader of before, which was cut off: offsets are committed with their epochs (KIP-320).
#[test]
fn a_member_that_begins_at_a_committed_offset_knows_its_epoch() {
    assert_eq!(run(Options::cluster(2_106_544)).violation, None);
}

/// A machine lost its power when no fault was to come any more.
#[test]
fn a_fault_is_over_when_its_machines_are_down() {
    assert_eq!(run(Options::cluster(2_104_037)).violation, None);
}

/// S17 to S21, S26, S27, S30, S40: everything is copied in transactions while the leaders of the records, of the copies and of the
/// coordinators' logs come and go; every record has one copy, none is half visible, no transaction hangs.
fn copied(script: Script) -> Script {
    Script { copiers: 2, ..script }
}

#[test]
fn transactions_copy_exactly_once_whoever_is_killed() {
    let kill = |machine| What::Down(Down::Kill, vec![machine]);
    let faults = vec![kill(0), kill(1), kill(2), kill(0)];
    check(0..3, &copied(replicated(Power::Steady, faults.clone())));
    check(0..2, &copied(unreplicated(faults)));
}

#[test]
fn transactions_copy_exactly_once_whoever_stands_still_or_is_cut_off() {
    let cut = |one| What::Cut((0..3).filter(|to| *to != one).flat_map(|to| [(one, to), (to, one)]).collect());
    let faults = vec![What::Pause(vec![0]), cut(1), What::Pause(vec![2]), cut(0), What::Pause(vec![1])];
    // Seed 2: records of the next transaction were taken into one that still waited for its marker, and it hung.
    check(0..3, &copied(replicated(Power::Steady, faults)));
}

#[test]
fn transactions_copy_exactly_once_when_all_are_killed_or_stop_in_order() {
    let stop = |machines| What::Down(Down::CleanStop, machines);
    let faults = vec![What::Down(Down::Kill, vec![0, 1, 2]), stop(vec![0]), stop(vec![1, 2])];
    check(0..3, &copied(replicated(Power::Steady, faults)));
}
