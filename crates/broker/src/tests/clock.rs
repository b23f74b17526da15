//! The machine's clock is wrong when the node starts and is put right, forward and back: records follow it at once, timers do not.

use wire::messages::offset_commit::OffsetCommitResponse;

use super::produce::produce;
use super::*;

const HOURS_5: i64 = 5 * 3_600_000;

fn created_at(timestamp: i64) -> Bytes {
    let mut builder = RecordBatchBuilder::new(Default::default());
    builder.append(timestamp, None, Some(b"value"), &[]);
    builder.build()
}

fn log_start_offset(node: &Harness) -> i64 {
    let views = node.node.views().by_name("t").unwrap();
    views.partition(0).unwrap().view().unwrap().log_start_offset
}

#[test]
fn record_times_and_their_bounds_follow_the_machine_at_once() {
    let mut node = Harness::start();
    node.create_with("appended", 1, &[("message.timestamp.type", "LogAppendTime")]);
    node.create("created", 1);
    for ahead_ms in [0, HOURS_5, -HOURS_5, 0] {
        node.wall.is_ahead_by(ahead_ms);
        let wall_ms = node.now_ms + ahead_ms;
        let answer = produce(&mut node, "appended", 0, 1, created_at(1));
        assert_eq!((answer.error_code, answer.log_append_time_ms), (0, wall_ms), "{ahead_ms}");
        // `message.timestamp.after.max.ms` is an hour.
        for (off_ms, error) in [(0, 0), (3_500_000, 0), (3_700_000, 32)] {
            let answer = produce(&mut node, "created", 0, 1, created_at(wall_ms + off_ms));
            assert_eq!(answer.error_code, error, "{ahead_ms} {off_ms}");
        }
    }
}

#[test]
fn retention_goes_by_the_wall_clock_and_no_timer_does() {
    let settings = [("log.retention.check.interval.ms", "1000"), ("log.initial.task.delay.ms", "100")];
    let mut node = Harness::with(&settings);
    node.create_with("t", 1, &[("retention.ms", "3600000"), ("segment.ms", "1000")]);
    let began_ms = node.now_ms;
    produce(&mut node, "t", 0, 1, created_at(began_ms));
    // Back: nothing is old, and the passes of retention go on.
    node.wall.is_ahead_by(-HOURS_5);
    node.advance(5_000);
    assert_eq!(log_start_offset(&node), 0);
    // Forward: five hours old at once, gone with the next pass; the broker's session has not expired.
    node.wall.is_ahead_by(HOURS_5);
    node.advance(5_000);
    assert_eq!(log_start_offset(&node), 1);
    assert!(node.node.is_ready());
}

#[test]
fn commits_expire_by_the_wall_clock() {
    let settings = [("offsets.retention.minutes", "60"), ("offsets.retention.check.interval.ms", "1000")];
    let mut node = Harness::with(&settings);
    node.create("t", 1);
    super::groups::find_coordinator(&mut node, "g");
    let answer: OffsetCommitResponse = node.ask(ApiKey::OffsetCommit, 8, &super::groups::commit("g", "t", 3));
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    for (ahead_ms, kept) in [(-HOURS_5, 3), (HOURS_5, -1)] {
        node.wall.is_ahead_by(ahead_ms);
        node.advance(5_000);
        assert_eq!(super::groups::committed(&mut node, "g", "t"), kept, "{ahead_ms}");
    }
}
