use super::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::{Disk, Log, SimDisk};
use wire::Uuid;
use wire::record_batch::{RecordBatch, RecordBatchBuilder};
use wire::topic::TopicIdPartition;

use crate::topic_settings::TopicSettings;
use crate::views::PartitionCell;

fn replica() -> Replica {
    let id = Uuid::from_halves(1, 2);
    let cell = Arc::new(PartitionCell::new(TopicIdPartition::new(id, 0), 1));
    let settings = Arc::new(TopicSettings::default());
    let disk = SimDisk::new(1);
    disk.create_directory(Path::new("/data")).unwrap();
    let log = Log::unwritten(Arc::new(disk), PathBuf::from("/data/t-0"), Arc::clone(&settings.log), id);
    Replica::new("t".into(), cell, 0, log, settings)
}

/// `count` batches of one record in an epoch, from an offset on.
fn batches(from: i64, count: i64, epoch: i32) -> Bytes {
    let one = |offset| {
        let mut builder = RecordBatchBuilder::new(Default::default());
        builder.append(1, None, Some(b"value"), &[]);
        RecordBatch::parse(builder.build()).unwrap().with_position(offset, epoch)
    };
    Bytes::from((from..from + count).map(one).collect::<Vec<_>>().concat())
}

/// A log of these epochs, so many records in each.
fn with(epochs: &[(i32, i64)]) -> Replica {
    let mut replica = replica();
    for &(epoch, count) in epochs {
        let from = replica.log.log_end_offset();
        assert_eq!(replica.append_replicated(batches(from, count, epoch), epoch, 0).unwrap(), None);
    }
    replica
}

#[track_caller]
fn truncates(replica: &mut Replica, (epoch, end_offset): (i32, i64), to: i64, last_epoch: i32) {
    let truncated = replica.truncate_diverging(epoch, end_offset).unwrap();
    assert_eq!(truncated.to, to);
    let position = replica.position();
    assert_eq!((position.fetch_offset, position.last_fetched_epoch), (to, last_epoch));
}

#[test]
fn a_follower_goes_back_to_where_the_leaders_epoch_ended() {
    truncates(&mut with(&[(1, 5), (2, 5)]), (2, 7), 7, 2);
    truncates(&mut with(&[(1, 5), (2, 5)]), (1, 5), 5, 1);
    truncates(&mut with(&[(1, 5), (2, 5)]), (1, 3), 3, 1);
}

#[test]
fn s03_an_epoch_that_the_follower_lacks_has_it_go_back_one_of_its_own_and_ask_again() {
    // The leader has 1, 3 and 5; the follower 1, 2 and 4, and asks with 4: the leader answers the end of 3.
    let mut replica = with(&[(1, 5), (2, 5), (4, 5)]);
    truncates(&mut replica, (3, 12), 10, 2);
    // Asked with 2, the leader answers the end of 1.
    truncates(&mut replica, (1, 6), 5, 1);
}

#[test]
fn s05_an_epoch_without_records_goes_though_nothing_is_cut() {
    let mut replica = with(&[(1, 5)]);
    replica.log.start_leader_epoch(4).unwrap();
    assert_eq!(replica.position().last_fetched_epoch, 4);
    truncates(&mut replica, (1, 9), 5, 1);
}

#[test]
fn s01_a_stale_high_watermark_truncates_nothing_and_what_is_committed_says_so() {
    let mut replica = with(&[(1, 10)]);
    replica.follow_high_watermark(6);
    assert_eq!(replica.position().fetch_offset, 10, "what is beyond the high watermark stays");
    let truncated = replica.truncate_diverging(1, 8).unwrap();
    assert!(!truncated.is_unclean());
    let truncated = replica.truncate_diverging(1, 5).unwrap();
    assert!(truncated.is_unclean(), "{truncated:?}");
    assert_eq!(replica.log.high_watermark(), 5);
}

#[test]
fn s37_the_high_watermark_follows_a_log_that_starts_anew() {
    let mut replica = with(&[(1, 10)]);
    replica.follow_high_watermark(10);
    replica.start_anew(40).unwrap();
    let log = &replica.log;
    assert_eq!((log.log_start_offset(), log.high_watermark(), log.log_end_offset()), (40, 40, 40));
    assert_eq!(replica.position().last_fetched_epoch, -1);
    replica.flushing.set_behind(true);
    assert!(replica.flushing.is_within(&replica.log));
}

#[test]
fn s41_the_checkpoint_of_an_epoch_is_written_though_nothing_is_appended() {
    let mut replica = with(&[(1, 3)]);
    replica.log.flush().unwrap();
    assert!(replica.take_flush_work(false).is_none());
    replica.log.start_leader_epoch(2).unwrap();
    replica.flushing.epoch_begins();
    let work = replica.take_flush_work(false).unwrap();
    replica.log.flushed(&work.run()).unwrap();
    assert!(!replica.log.is_dirty() && replica.take_flush_work(false).is_none());
}

#[test]
fn a_log_that_begins_within_the_leaders_first_batch_takes_all_of_that() {
    let mut replica = replica();
    replica.start_anew(42).unwrap();
    let mut builder = RecordBatchBuilder::new(Default::default());
    for _ in 0..5 {
        builder.append(1, None, Some(b"value"), &[]);
    }
    let records = RecordBatch::parse(builder.build()).unwrap().with_position(40, 3);
    assert_eq!(replica.begins_within(&records), Some(40));
    assert_eq!(replica.begins_within(&batches(42, 1, 3)), None);
    replica.start_anew(40).unwrap();
    assert_eq!(replica.append_replicated(records, 3, 0).unwrap(), None);
    assert_eq!((replica.log.log_start_offset(), replica.log.log_end_offset()), (40, 45));
    assert_eq!(with(&[(1, 10)]).begins_within(&batches(9, 1, 3)), None, "only where nothing is there");
}
