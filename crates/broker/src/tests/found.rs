//! Partitions found on disk at the start: nobody waits for their logs, whoever asks for one gets it, and a stop in between forgets
//! nothing.

use super::fetch::values;
use super::produce::produce;
use super::*;
use wire::messages::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};

const PARTITIONS: i32 = 6;

/// A node with a topic of which each partition holds as many records as its number says, and one more.
fn written() -> Harness {
    let mut node = Harness::start();
    node.create("t", PARTITIONS);
    for partition in 0..PARTITIONS {
        for number in 0..=partition {
            assert_eq!(produce(&mut node, "t", partition, -1, batch(&[&number.to_string()])).error_code, 0);
        }
    }
    node
}

fn open_views(node: &Harness) -> Vec<bool> {
    let views = node.node.views().by_name("t").unwrap();
    views.partitions.iter().map(|cell| cell.view().is_some()).collect()
}

fn end_offset(node: &mut Harness, partition: i32) -> i64 {
    let partition =
        ListOffsetsPartition { partition_index: partition, current_leader_epoch: -1, timestamp: -1 };
    let topics = vec![ListOffsetsTopic { name: Str::from("t"), partitions: vec![partition] }];
    let request = ListOffsetsRequest { replica_id: -1, topics, ..ListOffsetsRequest::default() };
    let answer: ListOffsetsResponse = node.ask(ApiKey::ListOffsets, 7, &request);
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    answer.topics[0].partitions[0].offset
}

fn check_all(node: &mut Harness) {
    for partition in 0..PARTITIONS {
        let expected: Vec<String> = (0..=partition).map(|number| number.to_string()).collect();
        assert_eq!(values(node, "t", partition, 0), expected);
    }
}

#[test]
fn a_log_is_opened_by_whoever_asks_first_and_all_others_soon_after() {
    for crashed in [false, true] {
        let node = written();
        let mut node = if crashed { node.crash(Survival::Nothing) } else { node.restart() };
        assert_eq!(open_views(&node), [false; 6]);
        assert_eq!(values(&mut node, "t", 1, 0), ["0", "1"]);
        assert_eq!(end_offset(&mut node, 2), 3);
        assert_eq!(produce(&mut node, "t", 3, -1, batch(&["next"])).base_offset, 4);
        assert_eq!(open_views(&node), [false, true, true, true, false, false]);
        node.advance(1_000);
        assert_eq!(open_views(&node), [true; 6]);
        assert_eq!(end_offset(&mut node, 5), 6);
    }
}

#[test]
fn sizes_are_told_of_logs_that_are_not_open_yet() {
    let mut node = written().restart();
    let request = DescribeLogDirsRequest { topics: None };
    let answer: DescribeLogDirsResponse = node.ask(ApiKey::DescribeLogDirs, 4, &request);
    let topic = answer.results[0].topics.iter().find(|topic| topic.name == "t").unwrap();
    let sizes: Vec<i64> = topic.partitions.iter().map(|partition| partition.partition_size).collect();
    assert_eq!(sizes.len(), 6);
    assert!(sizes.is_sorted() && sizes[0] > 0 && sizes[5] == sizes[0] * 6, "{sizes:?}");
}

/// The checkpoint files are written whole: they must go on speaking of logs that nobody opened.
#[test]
fn stops_and_checkpoints_before_a_log_was_opened_forget_nothing() {
    let read = |node: &Harness| {
        let directory = LogDirectory::new(Arc::new(node.disk.clone()), DIRECTORY);
        directory.read_checkpoint(log::directory::Checkpoint::RecoveryPoint).unwrap().0
    };
    let node = written().restart();
    let before = read(&node);
    assert_eq!(before.len(), 6);
    let node = node.restart();
    assert_eq!(read(&node), before);
    let mut node = node.crash(Survival::Nothing);
    produce(&mut node, "t", 5, -1, batch(&["6"]));
    let node = node.crash(Survival::Everything);
    // A clean stop vouches for all logs, also for those that a crash left unchecked.
    let mut node = node.restart();
    assert_eq!(read(&node).get(&("t".to_owned(), 5)), Some(&7));
    assert_eq!(values(&mut node, "t", 5, 0).len(), 7);
    for partition in 0..5 {
        assert_eq!(end_offset(&mut node, partition), i64::from(partition) + 1);
    }
}

#[test]
fn a_topic_is_deleted_with_the_logs_that_were_not_opened() {
    use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
    let mut node = written().restart();
    let topic = DeleteTopicState { name: Some(Str::from("t")), ..DeleteTopicState::default() };
    let delete = DeleteTopicsRequest { topics: vec![topic], timeout_ms: 1_000, ..Default::default() };
    let _: DeleteTopicsResponse = node.ask(ApiKey::DeleteTopics, 6, &delete);
    let listed = LogDirectory::new(Arc::new(node.disk.clone()), DIRECTORY).list().unwrap();
    assert!(listed.partitions.iter().all(|partition| partition.topic != "t"));
    node.create("t", PARTITIONS);
    let mut node = node.restart();
    assert!(values(&mut node, "t", 0, 0).is_empty());
}

#[test]
fn all_logs_are_there_after_a_crash_of_a_node_that_opened_none() {
    let mut node = written().crash(Survival::Nothing).crash(Survival::Nothing);
    check_all(&mut node);
    check_all(&mut node.restart());
}
