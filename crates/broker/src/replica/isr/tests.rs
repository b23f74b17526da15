use super::*;

/// Brokers by their epochs; the others are fenced.
struct Brokers(&'static [(i32, i64)]);

impl Eligible for Brokers {
    fn is_eligible(&self, broker_id: i32, broker_epoch: i64) -> bool {
        self.0.iter().any(|&(id, epoch)| id == broker_id && (broker_epoch == -1 || broker_epoch == epoch))
    }
}

const ALL: Brokers = Brokers(&[(1, 10), (2, 20), (3, 30)]);
const LAG_MS: i64 = 1_000;

fn says(broker_id: i32, log_end_offset: i64, now_ms: i64) -> FollowerSays {
    let broker_epoch = i64::from(broker_id) * 10;
    FollowerSays { broker_id, broker_epoch, log_start_offset: 0, log_end_offset, now_ms }
}

fn fetched(isr: &mut InSyncReplicas, broker: i32, from: i64, now_ms: i64, end: i64) {
    isr.fetched(says(broker, from, now_ms), end, &ALL).unwrap();
}

/// The ISR that is proposed because the follower may join.
fn expanded(
    isr: &mut InSyncReplicas,
    broker: i32,
    high_watermark: i64,
    brokers: &Brokers,
) -> Option<Vec<i32>> {
    isr.may_expand(broker, high_watermark, brokers).then(|| isr.expand(broker).to_vec())
}

#[test]
fn alone_the_high_watermark_is_the_log_end() {
    let isr = InSyncReplicas::new(1, &[1], &[1]);
    assert_eq!(isr.high_watermark(42, 2), 42, "no more can be in sync than are assigned");
    assert!(isr.is_alone() && isr.holds_the_only_copy());
}

#[test]
fn an_image_that_no_controller_should_write_breaks_no_leader() {
    let isr = InSyncReplicas::new(1, &[1, 2], &[2, 3]);
    isr.check();
    assert_eq!((isr.len(), isr.assigned()), (2, 2));
}

#[test]
fn one_that_is_not_assigned_is_seen_and_a_leader_that_is_not_in_it() {
    for (broken, name) in [(2, "isr: the leader is not in it"), (1, "isr: it holds one that is not assigned")]
    {
        let mut isr = InSyncReplicas::new(1, &[1, 2], &[1]);
        isr.isr = [broken, 7].into();
        let panic = std::panic::catch_unwind(|| isr.check()).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&name));
    }
}

#[test]
fn an_unheard_in_sync_follower_holds_the_high_watermark_and_one_out_of_sync_does_not() {
    let mut isr = InSyncReplicas::new(1, &[1, 2, 3], &[1, 2]);
    assert_eq!(isr.high_watermark(42, 1), -1);
    isr.reassign(&[1, 2, 3], &[1], 0);
    assert_eq!(isr.high_watermark(42, 1), 42);
    assert!(!isr.is_alone() && isr.holds_the_only_copy());
    assert_eq!(isr.len(), 1);
}

#[test]
fn the_slowest_in_sync_holds_the_high_watermark_and_below_min_isr_it_stands() {
    let mut isr = InSyncReplicas::new(1, &[1, 2, 3], &[1, 2, 3]);
    fetched(&mut isr, 2, 40, 5, 42);
    fetched(&mut isr, 3, 30, 5, 42);
    assert_eq!(isr.high_watermark(42, 2), 30);
    isr.reassign(&[1, 2, 3], &[1, 2], 5);
    assert_eq!(isr.high_watermark(42, 2), 40);
    isr.reassign(&[1, 2, 3], &[1], 5);
    assert_eq!(isr.high_watermark(42, 2), -1, "KIP-966");
    assert_eq!(isr.high_watermark(42, 1), 42);
}

#[test]
fn s08_an_expansion_under_way_counts_until_it_is_refused() {
    let mut isr = InSyncReplicas::new(1, &[1, 2], &[1]);
    fetched(&mut isr, 2, 40, 5, 40);
    assert_eq!(expanded(&mut isr, 2, 40, &ALL), Some(vec![1, 2]));
    assert_eq!(isr.high_watermark(50, 1), 40, "the controller may have decided already");
    assert_eq!(expanded(&mut isr, 2, 40, &ALL), None, "one at a time");
    isr.roll_back();
    assert!(isr.review(6, LAG_MS, &Brokers(&[(1, 10)])));
    assert_eq!((isr.high_watermark(50, 1), isr.len()), (50, 1));
}

#[test]
fn s08_a_shrink_under_way_waits_for_those_who_may_still_be_in() {
    let mut isr = InSyncReplicas::new(1, &[1, 2], &[1, 2]);
    fetched(&mut isr, 2, 40, 0, 40);
    assert_eq!(isr.shrink(LAG_MS + 1, LAG_MS, 40), None, "it has everything, however long it is silent");
    assert_eq!(isr.shrink(LAG_MS + 1, LAG_MS, 50), Some(&[1][..]));
    assert_eq!(isr.high_watermark(50, 1), 40);
    isr.decide(&[1]);
    assert_eq!(isr.high_watermark(50, 1), 50);
}

#[test]
fn s09_who_is_fenced_or_of_another_registration_joins_not() {
    for (brokers, joins) in [(Brokers(&[(2, 20)]), true), (Brokers(&[(2, 21)]), false), (Brokers(&[]), false)]
    {
        let mut isr = InSyncReplicas::new(1, &[1, 2], &[1]);
        isr.fetched(says(2, 40, 5), 40, &brokers).unwrap();
        assert_eq!(isr.may_expand(2, 40, &brokers), joins);
    }
}

#[test]
fn s09_a_fetch_of_an_earlier_incarnation_acknowledges_nothing() {
    let mut isr = InSyncReplicas::new(1, &[1, 2], &[1, 2]);
    let at = |broker_epoch, log_end_offset| FollowerSays { broker_epoch, ..says(2, log_end_offset, 5) };
    assert_eq!(isr.fetched(at(21, 3), 40, &ALL), Ok(true));
    assert_eq!(isr.fetched(at(20, 40), 40, &ALL), Err(NotAFollower::StaleBrokerEpoch));
    assert_eq!(isr.high_watermark(40, 1), 3);
    assert_eq!(isr.fetched(says(4, 40, 5), 40, &ALL), Err(NotAFollower::Unassigned));
}

#[test]
fn who_has_not_come_to_the_start_of_the_epoch_or_to_the_high_watermark_joins_not() {
    let mut isr = InSyncReplicas::led_from(1, &[1, 2], &[1], (40, 0));
    fetched(&mut isr, 2, 39, 5, 40);
    assert!(!isr.may_expand(2, 10, &ALL), "it may not have seen this epoch's leader");
    fetched(&mut isr, 2, 40, 5, 45);
    assert!(!isr.may_expand(2, 44, &ALL));
    assert!(isr.may_expand(2, 40, &ALL));
}

#[test]
fn who_was_caught_up_a_moment_ago_holds_the_high_watermark_until_it_joins_or_is_late() {
    let mut isr = InSyncReplicas::new(1, &[1, 2], &[1]);
    fetched(&mut isr, 2, 10, 0, 30);
    assert_eq!(isr.high_watermark(30, 1), 30, "it was never caught up");
    fetched(&mut isr, 2, 30, 10, 50);
    assert_eq!(isr.high_watermark(50, 1), 30, "it had at 10 ms what there was at 0 ms");
    assert!(!isr.review(LAG_MS, LAG_MS, &ALL));
    assert!(isr.review(LAG_MS + 1, LAG_MS, &ALL));
    assert_eq!(isr.high_watermark(50, 1), 50);
}

#[test]
fn one_that_is_slow_but_had_everything_within_the_time_stays() {
    let mut isr = InSyncReplicas::new(1, &[1, 2], &[1, 2]);
    for step in 0..10 {
        // Always a batch behind, and always with what there was the last time.
        fetched(&mut isr, 2, step * 10, step * 900, step * 10 + 10);
        assert_eq!(isr.shrink(step * 900 + 1, LAG_MS, step * 10 + 10), None);
    }
    assert_eq!(isr.shrink(20_000, LAG_MS, 100), Some(&[1][..]));
}

#[test]
fn a_new_epoch_knows_nothing_of_what_was_acknowledged_before() {
    let mut isr = InSyncReplicas::new(1, &[1, 2], &[1, 2]);
    fetched(&mut isr, 2, 40, 5, 40);
    isr.reassign(&[2, 1, 3], &[1, 2], 6);
    assert_eq!(isr.high_watermark(40, 1), 40, "within the epoch progress is kept");
    assert_eq!(InSyncReplicas::led_from(1, &[1, 2], &[1, 2], (40, 7)).high_watermark(40, 1), -1);
}

#[test]
fn what_one_in_sync_has_not_got_is_not_committed() {
    let mut isr = InSyncReplicas::new(1, &[1, 2], &[1, 2]);
    fetched(&mut isr, 2, 40, 5, 40);
    isr.check_committed(40);
    let panic = std::panic::catch_unwind(|| isr.check_committed(41)).unwrap_err();
    let said = panic.downcast_ref::<&str>();
    assert_eq!(said, Some(&"watermarks: a replica in sync has not got what is committed"));
}
