//! KIP-392: a consumer that says where it is reads from the replica in its own rack, and a follower answers it as Kafka's does.

use wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData};
use wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use wire::{ApiKey, ErrorCode, Str};

use super::cluster::{BOTH, Cluster};
use super::replication::{create, isr_is, leader, put};

const SELECTOR: (&str, &str) =
    ("replica.selector.class", "org.apache.kafka.common.replica.RackAwareReplicaSelector");

/// Three brokers, each in the rack of its number, and a topic with three records on all of them.
fn cluster(settings: &[(&str, &str)]) -> (Cluster, i32) {
    let rack = |id: i32| vec![("broker.rack".to_owned(), format!("r{id}"))];
    let mut cluster = Cluster::new_each(&[(1, BOTH), (2, BOTH), (3, BOTH)], settings, rack);
    cluster.ready();
    create(&mut cluster, "t", &[]);
    assert_eq!(put(&mut cluster, "t", &["a", "b", "c"]), (ErrorCode::None, 0));
    isr_is(&mut cluster, "t", &[1, 2, 3]);
    // The followers hear that it is committed.
    cluster.advance(1_000);
    let leader = leader(&cluster, "t");
    (cluster, leader)
}

fn request(cluster: &Cluster, rack: &str, fetch_offset: i64, epoch: i32, by_name: bool) -> FetchRequest {
    let partition = FetchPartition {
        current_leader_epoch: epoch,
        fetch_offset,
        partition_max_bytes: 1_000_000,
        ..FetchPartition::default()
    };
    let topic_id = cluster.node(cluster.alive()[0]).image().topics.by_name("t").unwrap().id;
    let topic = if by_name { Str::from("t") } else { Str::new() };
    FetchRequest {
        replica_id: -1,
        max_wait_ms: 2_000,
        min_bytes: 1,
        max_bytes: 1_000_000,
        rack_id: Str::from(rack),
        topics: vec![FetchTopic { topic, topic_id, partitions: vec![partition] }],
        ..FetchRequest::default()
    }
}

fn line(answer: &FetchResponse) -> (ErrorCode, usize, i32) {
    let data: &PartitionData = &answer.responses[0].partitions[0];
    let bytes = data.records.as_ref().map_or(0, |records| records.len());
    (ErrorCode::from_code(data.error_code), bytes, data.preferred_read_replica)
}

/// Error, bytes, preferred replica.
fn fetch(cluster: &mut Cluster, id: i32, version: i16, rack: &str, offset: i64) -> (ErrorCode, usize, i32) {
    let request = request(cluster, rack, offset, -1, version < 13);
    line(&cluster.ask::<_, FetchResponse>(id, ApiKey::Fetch, version, &request))
}

#[test]
fn a_leader_sends_consumers_to_the_replica_in_their_rack() {
    let (mut cluster, leader) = cluster(&[SELECTOR]);
    let near = leader % 3 + 1;
    let rack = |id: i32| format!("r{id}");
    assert_eq!(fetch(&mut cluster, leader, 17, &rack(near), 0), (ErrorCode::None, 0, near));
    assert_eq!(
        fetch(&mut cluster, leader, 11, &rack(near), 3),
        (ErrorCode::None, 0, near),
        "at its end, too"
    );
    let (error, bytes, preferred) = fetch(&mut cluster, near, 17, &rack(near), 0);
    assert!(error == ErrorCode::None && bytes > 0 && preferred == -1, "the follower serves it");
    for (version, rack) in [(17, rack(leader)), (17, "r9".into()), (17, String::new()), (10, rack(near))] {
        let (error, bytes, preferred) = fetch(&mut cluster, leader, version, &rack, 0);
        assert!(error == ErrorCode::None && bytes > 0 && preferred == -1, "{version} from {rack:?}");
    }
    // Nobody is sent to who is not alive.
    cluster.kill(near);
    let others: Vec<i32> = (1..=3).filter(|id| *id != near).collect();
    isr_is(&mut cluster, "t", &others);
    let (error, bytes, preferred) = fetch(&mut cluster, leader, 17, &rack(near), 0);
    assert!(error == ErrorCode::None && bytes > 0 && preferred == -1);
}

#[test]
fn without_a_selector_leaders_answer_and_followers_do_as_well() {
    let (mut cluster, leader) = cluster(&[]);
    let near = leader % 3 + 1;
    for id in [leader, near] {
        let (error, bytes, preferred) = fetch(&mut cluster, id, 17, &format!("r{near}"), 0);
        assert!(error == ErrorCode::None && bytes > 0 && preferred == -1);
    }
}

#[test]
fn a_follower_answers_as_kafkas_does() {
    let (mut cluster, leader) = cluster(&[SELECTOR]);
    let near = leader % 3 + 1;
    // Before KIP-392 nobody knows that a follower may be asked.
    assert_eq!(fetch(&mut cluster, near, 10, "", 0), (ErrorCode::NotLeaderOrFollower, 0, -1));
    assert_eq!(fetch(&mut cluster, near, 17, "", 4), (ErrorCode::OffsetOutOfRange, 0, -1));
    let epoch = cluster.node(1).image().topics.by_name("t").unwrap().partition(0).unwrap().leader_epoch;
    for (known, error) in [
        (epoch - 1, ErrorCode::FencedLeaderEpoch),
        (epoch, ErrorCode::None),
        (epoch + 1, ErrorCode::UnknownLeaderEpoch),
    ] {
        if known < 0 {
            continue;
        }
        let request = request(&cluster, "", 0, known, false);
        let answer: FetchResponse = cluster.ask(near, ApiKey::Fetch, 17, &request);
        assert_eq!(line(&answer).0, error, "epoch {known}");
    }
    let partition = ListOffsetsPartition { partition_index: 0, current_leader_epoch: -1, timestamp: -1 };
    let topics = vec![ListOffsetsTopic { name: Str::from("t"), partitions: vec![partition] }];
    let request = ListOffsetsRequest { replica_id: -1, topics, ..ListOffsetsRequest::default() };
    let answer: ListOffsetsResponse = cluster.ask(near, ApiKey::ListOffsets, 7, &request);
    let error = ErrorCode::from_code(answer.topics[0].partitions[0].error_code);
    assert_eq!(error, ErrorCode::NotLeaderOrFollower, "offsets are the leader's to tell");
}

#[test]
fn who_waits_at_a_follower_hears_of_what_is_committed_and_of_nothing_else() {
    let (mut cluster, leader) = cluster(&[SELECTOR]);
    let near = leader % 3 + 1;
    let far = (1..=3).find(|id| ![leader, near].contains(id)).unwrap();
    let connection = cluster.connect(near);
    let request = FetchRequest { max_wait_ms: 60_000, ..request(&cluster, "", 3, -1, false) };
    let mut begun = cluster.begin(near, &connection, (ApiKey::Fetch, 17), &request);
    cluster.advance(500);
    assert!(begun.answer::<FetchResponse>().is_none());
    // The third replica is silent, and nothing is committed without it.
    cluster.cut_off(leader, far);
    let put = super::produce::request("t", 0, 1, super::batch(&["d"]));
    let _: wire::messages::produce::ProduceResponse = cluster.ask(leader, ApiKey::Produce, 9, &put);
    cluster.advance(1_000);
    let end = |cluster: &Cluster| {
        let topic = cluster.node(near).views().by_name("t").unwrap();
        topic.partition(0).unwrap().view().unwrap().log_end_offset
    };
    assert_eq!(end(&cluster), 4, "the follower has it");
    assert!(begun.answer::<FetchResponse>().is_none(), "and shows it to nobody");
    cluster.heal();
    cluster.break_connections();
    cluster.advance(2_000);
    let answer: FetchResponse = cluster.answer_of(&mut begun);
    let (error, bytes, _) = line(&answer);
    assert!(error == ErrorCode::None && bytes > 0);
    assert_eq!(answer.responses[0].partitions[0].high_watermark, 4);
}
