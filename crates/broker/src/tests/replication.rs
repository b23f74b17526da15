//! Several brokers with a replica each: what is acknowledged is on all that have to have it, whoever dies.

use wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignableTopic,
};
use wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};
use wire::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, ReplicaState};
use wire::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use wire::messages::offset_commit::OffsetCommitResponse;
use wire::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic, OffsetFetchResponse};
use wire::messages::produce::ProduceResponse;
use wire::random::SplitMix64;
use wire::{ApiKey, ErrorCode, Str};

use super::batch;
use super::cluster::{BROKER, CONTROLLER, Cluster};
use super::produce::request;

/// Those that are alive.
pub(super) fn brokers(cluster: &Cluster) -> Vec<i32> {
    cluster.alive().into_iter().filter(|id| cluster.members[id].roles.broker).collect()
}

/// A topic with one partition on all three brokers.
pub(super) fn create(cluster: &mut Cluster, name: &str, configs: &[(&str, &str)]) {
    let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
        name: Str::from(*name),
        value: Some(Str::from(*value)),
    };
    let topic = CreatableTopic {
        name: Str::from(name),
        num_partitions: 1,
        replication_factor: 3,
        configs: configs.iter().map(config).collect(),
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false };
    let id = brokers(cluster)[0];
    let answer: CreateTopicsResponse = cluster.ask(id, ApiKey::CreateTopics, 7, &request);
    assert_eq!(ErrorCode::from_code(answer.topics[0].error_code), ErrorCode::None, "{:?}", answer.topics[0]);
    cluster.until("everybody knows the topic", |cluster| {
        cluster.alive().into_iter().all(|id| cluster.node(id).image().topics.by_name(name).is_some())
    });
}

/// Leader, leader epoch and ISR as a node's image has them.
pub(super) fn partition(cluster: &Cluster, id: i32, name: &str) -> (i32, i32, Vec<i32>) {
    let image = cluster.node(id).image();
    let topic = image.topics.by_name(name).unwrap();
    let partition = topic.partition(0).unwrap();
    let mut isr = partition.isr.clone();
    isr.sort_unstable();
    (partition.leader, partition.leader_epoch, isr)
}

pub(super) fn leader(cluster: &Cluster, name: &str) -> i32 {
    partition(cluster, cluster.alive()[0], name).0
}

pub(super) fn isr_is(cluster: &mut Cluster, name: &str, isr: &[i32]) {
    cluster.until(&format!("the ISR is {isr:?}"), |cluster| {
        cluster.alive().into_iter().all(|id| partition(cluster, id, name).2 == isr)
    });
}

/// Produces with acks=all to whoever leads.
pub(super) fn put(cluster: &mut Cluster, name: &str, values: &[&str]) -> (ErrorCode, i64) {
    let leader = leader(cluster, name);
    let answer: ProduceResponse =
        cluster.ask(leader, ApiKey::Produce, 9, &request(name, 0, -1, batch(values)));
    let line = &answer.responses[0].partition_responses[0];
    (ErrorCode::from_code(line.error_code), line.base_offset)
}

/// Start, high watermark, end of a node's log; and what it holds, batch for batch.
pub(super) fn log(cluster: &Cluster, id: i32, name: &str) -> ((i64, i64, i64), Vec<u8>) {
    let views = cluster.node(id).views().by_name(name).unwrap();
    let view = views.partition(0).unwrap().view().unwrap();
    let offsets = (view.log_start_offset, view.high_watermark, view.log_end_offset);
    let mut bytes = Vec::new();
    let mut from = view.log_start_offset;
    while from < view.log_end_offset {
        let fetched = view.read(from, 1 << 20, ::log::ReadLimit::LogEnd, true).unwrap();
        bytes.extend_from_slice(&fetched.records);
        from = fetched.next_offset;
    }
    (offsets, bytes)
}

/// All alive hold the same, and know it to be committed.
pub(super) fn are_alike(cluster: &mut Cluster, name: &str) {
    cluster.until("all replicas are alike", |cluster| {
        let ids = brokers(cluster);
        let first = log(cluster, ids[0], name);
        first.0.1 == first.0.2 && ids.iter().all(|id| log(cluster, *id, name) == first)
    });
}

pub(super) const MIN_TWO: &[(&str, &str)] = &[("min.insync.replicas", "2")];

#[test]
fn what_is_acknowledged_is_on_every_replica_in_sync() {
    let mut cluster = Cluster::of_three();
    cluster.ready();
    create(&mut cluster, "t", MIN_TWO);
    for (number, base) in [(0, 0), (1, 2), (2, 4)] {
        let (a, b) = (format!("a{number}"), format!("b{number}"));
        assert_eq!(put(&mut cluster, "t", &[&a, &b]), (ErrorCode::None, base));
        for id in 1..=3 {
            assert_eq!(log(&cluster, id, "t").0.2, base + 2, "node {id} has it when it is acknowledged");
        }
    }
    are_alike(&mut cluster, "t");
    assert_eq!(partition(&cluster, 1, "t").2, [1, 2, 3]);
}

#[test]
fn a_leader_that_dies_is_replaced_without_loss_and_follows_when_it_comes_back() {
    let mut cluster = Cluster::of_three();
    cluster.ready();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["before"]), (ErrorCode::None, 0));
    let first = leader(&cluster, "t");
    cluster.kill(first);
    cluster.until("another leads", |cluster| {
        let leader = leader(cluster, "t");
        leader != first && leader != -1
    });
    assert_eq!(put(&mut cluster, "t", &["meanwhile"]), (ErrorCode::None, 1));
    cluster.start(first);
    cluster.ready();
    isr_is(&mut cluster, "t", &[1, 2, 3]);
    assert_eq!(put(&mut cluster, "t", &["after"]), (ErrorCode::None, 2));
    are_alike(&mut cluster, "t");
    assert_eq!(log(&cluster, first, "t").0.2, 3);
}

/// Three controllers that live, and three brokers that may die.
pub(super) fn brokers_apart() -> Cluster {
    brokers_with(&[])
}

pub(super) fn brokers_with(settings: &[(&str, &str)]) -> Cluster {
    let nodes = [(1, CONTROLLER), (2, CONTROLLER), (3, CONTROLLER), (11, BROKER), (12, BROKER), (13, BROKER)];
    let mut cluster = Cluster::new(&nodes, settings);
    cluster.ready();
    cluster
}

/// A record of "t" that all have, "common", and the leader, whom nobody hears any more.
pub(super) fn a_leader_that_is_cut_off() -> (Cluster, i32) {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["common"]), (ErrorCode::None, 0));
    are_alike(&mut cluster, "t");
    let first = leader(&cluster, "t");
    cluster.isolate(first);
    (cluster, first)
}

/// The code of a produce with these acks.
pub(super) fn put_to(cluster: &mut Cluster, id: i32, acks: i16, value: &str) -> ErrorCode {
    let answer: ProduceResponse =
        cluster.ask(id, ApiKey::Produce, 9, &request("t", 0, acks, batch(&[value])));
    ErrorCode::from_code(answer.responses[0].partition_responses[0].error_code)
}

#[test]
fn s10_below_min_isr_nothing_is_acknowledged_and_nothing_is_committed() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["safe"]), (ErrorCode::None, 0));
    are_alike(&mut cluster, "t");
    let leader = leader(&cluster, "t");
    let others: Vec<i32> = [11, 12, 13].into_iter().filter(|id| *id != leader).collect();
    others.iter().for_each(|id| cluster.kill(*id));
    cluster.until("the leader is alone", |cluster| partition(cluster, leader, "t").2 == [leader]);
    assert_eq!(put_to(&mut cluster, leader, 1, "not committed"), ErrorCode::None);
    assert_eq!(put_to(&mut cluster, leader, -1, "refused"), ErrorCode::NotEnoughReplicas);
    cluster.advance(2_000);
    assert_eq!(log(&cluster, leader, "t").0, (0, 1, 2), "the high watermark stands below min ISR");
    cluster.start(others[0]);
    cluster.until("it joins", |cluster| partition(cluster, leader, "t").2.len() == 2);
    assert_eq!(put_to(&mut cluster, leader, -1, "taken"), ErrorCode::None);
    assert_eq!(log(&cluster, leader, "t").0, (0, 3, 3));
}

#[test]
fn s12_an_unclean_election_is_waited_for_or_loses_what_it_must_and_ends_alike() {
    for is_allowed in [false, true] {
        let mut cluster = brokers_apart();
        let unclean = if is_allowed { "true" } else { "false" };
        create(&mut cluster, "t", &[("unclean.leader.election.enable", unclean)]);
        assert_eq!(put(&mut cluster, "t", &["all have it"]), (ErrorCode::None, 0));
        are_alike(&mut cluster, "t");
        let first = leader(&cluster, "t");
        let others: Vec<i32> = [11, 12, 13].into_iter().filter(|id| *id != first).collect();
        others.iter().for_each(|id| cluster.kill(*id));
        cluster.until("the leader is alone", |cluster| partition(cluster, first, "t").2 == [first]);
        assert_eq!(put_to(&mut cluster, first, -1, "one has it"), ErrorCode::None);
        cluster.kill(first);
        others.iter().for_each(|id| cluster.start(*id));
        cluster.ready();
        cluster.advance(3_000);
        if is_allowed {
            cluster.until("one of them leads", |cluster| others.contains(&leader(cluster, "t")));
            assert_eq!(put(&mut cluster, "t", &["instead"]), (ErrorCode::None, 1));
        } else {
            assert_eq!(leader(&cluster, "t"), -1);
        }
        cluster.start(first);
        cluster.ready();
        isr_is(&mut cluster, "t", &[11, 12, 13]);
        assert_eq!(put(&mut cluster, "t", &["last"]), (ErrorCode::None, 2));
        are_alike(&mut cluster, "t");
    }
}

#[test]
fn s01_a_follower_that_restarts_with_a_stale_high_watermark_and_leads_has_lost_nothing() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["a", "b"]), (ErrorCode::None, 0));
    assert_eq!(put(&mut cluster, "t", &["c"]), (ErrorCode::None, 2));
    let first = leader(&cluster, "t");
    let others: Vec<i32> = [11, 12, 13].into_iter().filter(|id| *id != first).collect();
    for id in &others {
        // Its checkpoint says less than it knew.
        cluster.kill(*id);
        cluster.start(*id);
        cluster.ready();
        isr_is(&mut cluster, "t", &[11, 12, 13]);
    }
    cluster.kill(first);
    cluster.until("another leads", |cluster| others.contains(&leader(cluster, "t")));
    assert_eq!(put(&mut cluster, "t", &["d"]), (ErrorCode::None, 3));
    cluster.start(first);
    isr_is(&mut cluster, "t", &[11, 12, 13]);
    are_alike(&mut cluster, "t");
}

#[test]
fn s04_a_fetch_of_another_epoch_or_of_no_follower_is_refused() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["a"]), (ErrorCode::None, 0));
    let first = leader(&cluster, "t");
    cluster.kill(first);
    cluster.until("another leads", |cluster| ![first, -1].contains(&leader(cluster, "t")));
    let (leader, epoch, _) = partition(&cluster, 1, "t");
    let follower = brokers(&cluster).into_iter().find(|id| *id != leader).unwrap();
    let topic_id = cluster.node(1).image().topics.by_name("t").unwrap().id;
    for (replica_id, current_leader_epoch, error) in [
        (follower, epoch, ErrorCode::None),
        (follower, epoch - 1, ErrorCode::FencedLeaderEpoch),
        (follower, epoch + 1, ErrorCode::UnknownLeaderEpoch),
        (77, epoch, ErrorCode::UnknownLeaderEpoch),
        (77, -1, ErrorCode::NotLeaderOrFollower),
    ] {
        let partition = FetchPartition {
            current_leader_epoch,
            fetch_offset: 1,
            partition_max_bytes: 1_000,
            ..FetchPartition::default()
        };
        let fetch = FetchRequest {
            topics: vec![FetchTopic { topic_id, partitions: vec![partition], ..FetchTopic::default() }],
            replica_state: ReplicaState { replica_id, replica_epoch: -1 },
            ..FetchRequest::default()
        };
        let answer: FetchResponse = cluster.ask(leader, ApiKey::Fetch, 17, &fetch);
        let data = &answer.responses[0].partitions[0];
        assert_eq!(ErrorCode::from_code(data.error_code), error, "{replica_id} in {current_leader_epoch}");
    }
}

#[test]
fn with_flush_acks_of_a_group_a_copy_counts_when_it_is_on_its_platter() {
    let nodes = [1, 2, 3].map(|id| (id, super::cluster::BOTH));
    let mut cluster = Cluster::new(&nodes, &[("log.flush.ack", "group")]);
    cluster.ready();
    create(&mut cluster, "t", MIN_TWO);
    for base in 0..3 {
        assert_eq!(put(&mut cluster, "t", &["x"]), (ErrorCode::None, base));
        for id in 1..=3 {
            let views = cluster.node(id).views().by_name("t").unwrap();
            let view = views.partition(0).unwrap().view().unwrap();
            assert_eq!(view.recovery_point, base + 1, "node {id} has flushed it");
        }
    }
}

#[test]
fn with_several_copies_a_log_is_flushed_behind_the_answers() {
    let mut cluster = Cluster::of_three();
    cluster.ready();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["x"]), (ErrorCode::None, 0));
    cluster.advance(300);
    for id in 1..=3 {
        let views = cluster.node(id).views().by_name("t").unwrap();
        assert_eq!(views.partition(0).unwrap().view().unwrap().recovery_point, 1, "node {id}");
    }
}

#[test]
fn a_follower_that_was_away_while_the_leaders_log_start_moved_begins_there() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", &[]);
    assert_eq!(put(&mut cluster, "t", &["a"]), (ErrorCode::None, 0));
    let leader = leader(&cluster, "t");
    let away = if leader == 11 { 12 } else { 11 };
    cluster.kill(away);
    cluster.until("it is out", |cluster| partition(cluster, leader, "t").2.len() == 2);
    assert_eq!(put(&mut cluster, "t", &["b", "c", "d"]), (ErrorCode::None, 1));
    assert_eq!(put(&mut cluster, "t", &["e"]), (ErrorCode::None, 4));
    // In the middle of a batch: the follower has to take all of that to have what is left of it.
    let partition_to = DeleteRecordsPartition { partition_index: 0, offset: 3 };
    let topic = DeleteRecordsTopic { name: Str::from("t"), partitions: vec![partition_to] };
    let delete = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 1_000 };
    let answer: DeleteRecordsResponse = cluster.ask(leader, ApiKey::DeleteRecords, 2, &delete);
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    cluster.start(away);
    isr_is(&mut cluster, "t", &[11, 12, 13]);
    are_alike(&mut cluster, "t");
    assert_eq!(log(&cluster, away, "t").0, (3, 5, 5));
}

#[test]
fn a_groups_offsets_survive_the_death_of_their_coordinator() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", &[]);
    let find = FindCoordinatorRequest { key: Str::from("group"), ..FindCoordinatorRequest::default() };
    let coordinator = |cluster: &mut Cluster, not: i32| {
        for _ in 0..600 {
            let id = cluster.alive().into_iter().find(|id| *id > 10).unwrap();
            let found: FindCoordinatorResponse = cluster.ask(id, ApiKey::FindCoordinator, 3, &find);
            if found.error_code == 0 && found.node_id != not {
                return found.node_id;
            }
            cluster.advance(100);
        }
        panic!("no coordinator");
    };
    let first = coordinator(&mut cluster, -1);
    let commit_to = |cluster: &mut Cluster, id: i32, offset| {
        for _ in 0..600 {
            let commit = super::groups::commit("group", "t", offset);
            let answer: OffsetCommitResponse = cluster.ask(id, ApiKey::OffsetCommit, 8, &commit);
            match ErrorCode::from_code(answer.topics[0].partitions[0].error_code) {
                ErrorCode::None => return,
                ErrorCode::CoordinatorLoadInProgress
                | ErrorCode::NotCoordinator
                | ErrorCode::CoordinatorNotAvailable => cluster.advance(100),
                error => panic!("{error:?}"),
            }
        }
        panic!("nothing is committed");
    };
    commit_to(&mut cluster, first, 5);
    cluster.kill(first);
    let second = coordinator(&mut cluster, first);
    let topics = vec![OffsetFetchRequestTopic { name: Str::from("t"), partition_indexes: vec![0] }];
    let fetch =
        OffsetFetchRequest { group_id: Str::from("group"), topics: Some(topics), ..Default::default() };
    let answer: OffsetFetchResponse = cluster.ask(second, ApiKey::OffsetFetch, 5, &fetch);
    assert_eq!((answer.error_code, answer.topics[0].partitions[0].committed_offset), (0, 5));
    commit_to(&mut cluster, second, 6);
    cluster.start(first);
    cluster.ready();
}

#[test]
fn s02_records_that_only_a_dead_leader_had_are_truncated_when_it_comes_back() {
    let mut cluster = Cluster::of_three();
    cluster.ready();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["common"]), (ErrorCode::None, 0));
    are_alike(&mut cluster, "t");
    let first = leader(&cluster, "t");
    // Nobody hears of what it takes from here on.
    cluster.isolate(first);
    let connection = cluster.connect(first);
    for value in ["lost 1", "lost 2", "lost 3"] {
        let produce = request("t", 0, 1, batch(&[value]));
        let _begun = cluster.begin(first, &connection, (ApiKey::Produce, 9), &produce);
    }
    assert_eq!(log(&cluster, first, "t").0.2, 4);
    cluster.kill(first);
    cluster.heal();
    cluster.until("another leads", |cluster| ![first, -1].contains(&leader(cluster, "t")));
    assert_eq!(put(&mut cluster, "t", &["kept"]), (ErrorCode::None, 1));
    cluster.start(first);
    cluster.ready();
    isr_is(&mut cluster, "t", &[1, 2, 3]);
    are_alike(&mut cluster, "t");
    assert_eq!(log(&cluster, first, "t").0.2, 2);
}

#[test]
fn a_follower_that_is_cut_off_leaves_the_isr_and_comes_back() {
    let mut cluster = Cluster::of_three();
    cluster.ready();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["all"]).0, ErrorCode::None);
    let leader = leader(&cluster, "t");
    let active = cluster.active()[0];
    let slow = [1, 2, 3].into_iter().find(|id| *id != leader && *id != active).unwrap();
    cluster.isolate(slow);
    let others: Vec<i32> = [1, 2, 3].into_iter().filter(|id| *id != slow).collect();
    let waits = put(&mut cluster, "t", &["without it"]).0;
    assert_eq!(waits, ErrorCode::RequestTimedOut, "the one that is silent is still in sync");
    cluster.until("it is fenced", |cluster| partition(cluster, leader, "t").2 == others);
    assert_eq!(log(&cluster, leader, "t").0.1, 2, "the others have it");
    assert_eq!(put(&mut cluster, "t", &["without it"]).0, ErrorCode::None);
    cluster.heal();
    isr_is(&mut cluster, "t", &[1, 2, 3]);
    are_alike(&mut cluster, "t");
}

#[test]
fn a_reassigned_partition_is_copied_to_the_new_replica_and_deleted_from_the_old_one() {
    let nodes = [1, 2, 3].map(|id| (id, super::cluster::BOTH));
    let mut cluster = Cluster::new(&nodes, &[("default.replication.factor", "1")]);
    cluster.ready();
    let topic = CreatableTopic {
        name: Str::from("t"),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let create = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false };
    let answer: CreateTopicsResponse = cluster.ask(1, ApiKey::CreateTopics, 7, &create);
    assert_eq!(answer.topics[0].error_code, 0);
    cluster.until("everybody knows the topic", |cluster| {
        (1..=3).all(|id| cluster.node(id).image().topics.by_name("t").is_some())
    });
    let old = leader(&cluster, "t");
    for value in ["a", "b", "c"] {
        assert_eq!(put(&mut cluster, "t", &[value]).0, ErrorCode::None);
    }
    let (_, expected) = log(&cluster, old, "t");
    let new = [1, 2, 3].into_iter().find(|id| *id != old).unwrap();
    let partition_to = ReassignablePartition { partition_index: 0, replicas: Some(vec![new]) };
    let topic = ReassignableTopic { name: Str::from("t"), partitions: vec![partition_to] };
    let reassign = AlterPartitionReassignmentsRequest { topics: vec![topic], ..Default::default() };
    let answer: AlterPartitionReassignmentsResponse =
        cluster.ask(1, ApiKey::AlterPartitionReassignments, 1, &reassign);
    assert_eq!(answer.responses[0].partitions[0].error_code, 0);
    cluster.until("the new replica leads alone", |cluster| {
        (1..=3).all(|id| partition(cluster, id, "t").0 == new && partition(cluster, id, "t").2 == [new])
    });
    assert_eq!(log(&cluster, new, "t").1, expected);
    let role = cluster.node(old).views().by_name("t").unwrap().partition(0).unwrap().role();
    assert_eq!(role, crate::views::Role::Absent);
    assert_eq!(put(&mut cluster, "t", &["d"]), (ErrorCode::None, 3));
}

/// Brokers apart, of which two do not reach each other; everybody reaches the controllers.
fn cut_between_brokers(cluster: &mut Cluster, one: i32, others: &[i32]) {
    others.iter().for_each(|other| cluster.cut_off(one, *other));
}

#[test]
fn a_follower_that_does_not_fetch_leaves_the_isr_at_the_leaders_word_and_comes_back() {
    let mut cluster = brokers_with(&[("replica.lag.time.max.ms", "2000")]);
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["all"]), (ErrorCode::None, 0));
    are_alike(&mut cluster, "t");
    let (leader, epoch, _) = partition(&cluster, 1, "t");
    let slow = if leader == 11 { 12 } else { 11 };
    cut_between_brokers(&mut cluster, slow, &[leader]);
    assert_eq!(put_to(&mut cluster, leader, 1, "more"), ErrorCode::None);
    cluster.advance(1_000);
    assert_eq!(log(&cluster, leader, "t").0.1, 1, "it waits for the one that may only be slow");
    cluster.until("the leader has it leave", |cluster| !partition(cluster, 1, "t").2.contains(&slow));
    assert!(cluster.node(1).image().cluster.is_active(slow), "nobody fenced it");
    assert_eq!(log(&cluster, leader, "t").0.1, 2);
    assert_eq!(partition(&cluster, 1, "t").1, epoch, "the same leader leads in the same epoch");
    cluster.heal();
    isr_is(&mut cluster, "t", &[11, 12, 13]);
    are_alike(&mut cluster, "t");
}

#[test]
fn s26_what_a_deposed_leader_had_parked_fails_and_is_nowhere() {
    let (mut cluster, first) = a_leader_that_is_cut_off();
    let connection = cluster.connect(first);
    let mut produce = request("t", 0, -1, batch(&["never acknowledged", "at all"]));
    produce.timeout_ms = 600_000;
    let mut parked = cluster.begin(first, &connection, (ApiKey::Produce, 9), &produce);
    assert_eq!(log(&cluster, first, "t").0, (0, 1, 3));
    cluster.until("another leads", |cluster| ![first, -1].contains(&leader(cluster, "t")));
    // As long as what is lost there, and longer: its offsets pass the high watermark all the same.
    assert_eq!(put(&mut cluster, "t", &["x", "y", "z"]), (ErrorCode::None, 1));
    cluster.heal();
    isr_is(&mut cluster, "t", &[11, 12, 13]);
    let answer: ProduceResponse = parked.answer().unwrap();
    let error = ErrorCode::from_code(answer.responses[0].partition_responses[0].error_code);
    assert_eq!(error, ErrorCode::NotLeaderOrFollower);
    are_alike(&mut cluster, "t");
    assert_eq!(log(&cluster, first, "t").0, (0, 4, 4));
}

#[test]
fn a_failover_is_over_as_soon_as_the_image_says_so() {
    let mut cluster = brokers_apart();
    // Others on the same brokers, so that everybody waits with everybody.
    for name in ["a", "b", "c", "d"] {
        create(&mut cluster, name, MIN_TWO);
    }
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["x"]), (ErrorCode::None, 0));
    cluster.advance(2_000);
    let first = leader(&cluster, "t");
    cluster.kill(first);
    cluster.until("another leads", |cluster| ![first, -1].contains(&leader(cluster, "t")));
    let from_ms = cluster.now_ms;
    assert_eq!(put(&mut cluster, "t", &["y"]), (ErrorCode::None, 1));
    assert!(cluster.now_ms - from_ms <= 100, "{} ms", cluster.now_ms - from_ms);
}

/// Whoever fetches for other topics waits for news of them: it is called back.
#[test]
fn the_first_write_to_a_new_topic_waits_for_no_fetch_of_another() {
    let mut cluster = brokers_apart();
    for (name, at) in ["a", "b", "c", "d", "e", "f"].into_iter().zip(1..) {
        create(&mut cluster, name, MIN_TWO);
        // Somewhere in the half second that fetches wait.
        cluster.advance(at * 70);
        let from_ms = cluster.now_ms;
        assert_eq!(put(&mut cluster, name, &["x"]), (ErrorCode::None, 0));
        assert!(cluster.now_ms - from_ms <= 50, "{name}: {} ms", cluster.now_ms - from_ms);
    }
}

#[test]
fn kip_207_a_new_leader_tells_no_end_before_that_of_the_one_before() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["a", "b", "c"]), (ErrorCode::None, 0));
    let first = leader(&cluster, "t");
    // The followers have the records, and have not heard that they are committed.
    cluster.kill(first);
    cluster.until("another leads", |cluster| ![first, -1].contains(&leader(cluster, "t")));
    let second = leader(&cluster, "t");
    let partition_of = ListOffsetsPartition { timestamp: -1, ..ListOffsetsPartition::default() };
    let topic = ListOffsetsTopic { name: Str::from("t"), partitions: vec![partition_of] };
    let list = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..ListOffsetsRequest::default() };
    let mut heard = Vec::new();
    for _ in 0..200 {
        let answer: ListOffsetsResponse = cluster.ask(second, ApiKey::ListOffsets, 7, &list);
        let line = &answer.topics[0].partitions[0];
        match ErrorCode::from_code(line.error_code) {
            ErrorCode::None => heard.push(line.offset),
            ErrorCode::OffsetNotAvailable => {}
            error => panic!("{error:?}"),
        }
        cluster.advance(10);
    }
    assert!(heard.len() > 100 && heard.iter().all(|offset| *offset == 3), "{heard:?}");
}

/// How long it takes from the silence of the leader until everybody else knows another one.
fn silence(cluster: &mut Cluster, silent: i32) -> i64 {
    // So long that the controller knows how often brokers speak.
    cluster.advance(4_000);
    let begun_ms = cluster.now_ms;
    cluster.isolate(silent);
    cluster.until("another leads", |cluster| {
        let others = cluster.alive().into_iter().filter(|id| *id != silent);
        others.map(|id| partition(cluster, id, "t").0).all(|leader| ![silent, -1].contains(&leader))
    });
    cluster.now_ms - begun_ms
}

#[test]
fn a_leader_that_falls_silent_and_does_not_answer_is_replaced_before_its_session_ends() {
    // Without it, the silent broker itself gives up its connection some time, or its session ends.
    for (stall, within) in [("2000", 1_400..2_400), ("0", 3_500..12_000)] {
        let mut cluster = brokers_with(&[("broker.stall.timeout.ms", stall)]);
        create(&mut cluster, "t", MIN_TWO);
        assert_eq!(put(&mut cluster, "t", &["before"]), (ErrorCode::None, 0));
        let first = leader(&cluster, "t");
        let silent_ms = silence(&mut cluster, first);
        assert!(within.contains(&silent_ms), "{silent_ms} ms with {stall}");
        assert_eq!(put(&mut cluster, "t", &["meanwhile"]), (ErrorCode::None, 1));
        cluster.heal();
        isr_is(&mut cluster, "t", &[11, 12, 13]);
        are_alike(&mut cluster, "t");
    }
}

#[test]
fn a_leader_that_falls_silent_with_the_active_controller_is_replaced_as_well() {
    let mut cluster = Cluster::of_three();
    let active = cluster.ready();
    for number in 0..9 {
        let name = format!("t{number}");
        create(&mut cluster, &name, MIN_TWO);
    }
    let led = |cluster: &Cluster| (0..9).find(|number| leader(cluster, &format!("t{number}")) == active);
    let name = format!("t{}", led(&cluster).expect("the active controller leads one of nine"));
    cluster.advance(4_000);
    let begun_ms = cluster.now_ms;
    cluster.isolate(active);
    cluster.until("another leads", |cluster| {
        let others = cluster.alive().into_iter().filter(|id| *id != active);
        others.map(|id| partition(cluster, id, &name).0).all(|leader| ![active, -1].contains(&leader))
    });
    let silent_ms = cluster.now_ms - begun_ms;
    assert!(silent_ms < 4_000, "{silent_ms} ms");
}

#[test]
fn records_are_deleted_when_every_live_replica_has_let_go_of_them() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", &[]);
    assert_eq!(put(&mut cluster, "t", &["a", "b", "c", "d"]), (ErrorCode::None, 0));
    are_alike(&mut cluster, "t");
    let leader = leader(&cluster, "t");
    let others: Vec<i32> = [11, 12, 13].into_iter().filter(|id| *id != leader).collect();
    let delete = |cluster: &mut Cluster, offset| {
        let partition = DeleteRecordsPartition { partition_index: 0, offset };
        let topic = DeleteRecordsTopic { name: Str::from("t"), partitions: vec![partition] };
        let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 2_000 };
        let answer: DeleteRecordsResponse = cluster.ask(leader, ApiKey::DeleteRecords, 2, &request);
        let line = &answer.topics[0].partitions[0];
        (ErrorCode::from_code(line.error_code), line.low_watermark)
    };
    assert_eq!(delete(&mut cluster, 2), (ErrorCode::None, 2));
    for id in [11, 12, 13] {
        assert_eq!(log(&cluster, id, "t").0.0, 2, "node {id} begins there when it is answered");
    }
    // One that is alive and does not come is waited for, one that is dead is not.
    cluster.cut_off(leader, others[0]);
    let begun_ms = cluster.now_ms;
    assert_eq!(delete(&mut cluster, 3), (ErrorCode::RequestTimedOut, 3));
    assert!((2_000..2_100).contains(&(cluster.now_ms - begun_ms)));
    cluster.heal();
    cluster.break_connections();
    assert_eq!(delete(&mut cluster, 3), (ErrorCode::None, 3));
    cluster.kill(others[0]);
    cluster.until("it is fenced", |cluster| !cluster.node(leader).image().cluster.is_active(others[0]));
    assert_eq!(delete(&mut cluster, -1), (ErrorCode::None, 4));
    assert_eq!(log(&cluster, others[1], "t").0.0, 4);
}

/// Brokers die, come back and are cut off from each other in an order that the seed says, while somebody produces. With `power`, one
/// whose copies are all on others, too, loses what it had not flushed.
fn storm(seed: u64, power: bool) {
    let mut random = SplitMix64::new(seed);
    let mut below = |n: u64| random.next_u64() % n;
    let mut cluster = brokers_with(&[("replica.lag.time.max.ms", "1000")]);
    create(&mut cluster, "t", MIN_TWO);
    let (mut acknowledged, mut number) = (Vec::new(), 0);
    for _ in 0..30 {
        let id = 11 + below(3) as i32;
        match below(6) {
            0 if brokers(&cluster).len() == 3 && !power => cluster.kill(id),
            0 if brokers(&cluster).len() == 3 && partition(&cluster, 1, "t").2.len() == 3 => {
                cluster.lose_power(id);
            }
            1 if cluster.members[&id].node.is_none() => cluster.start(id),
            2 => cluster.cut_off(id, 11 + (id - 11 + 1) % 3),
            3 => cluster.heal(),
            _ => {}
        }
        cluster.advance(below(4_000) as i64);
        let leader = leader(&cluster, "t");
        if cluster.members.get(&leader).is_some_and(|member| member.node.is_some()) {
            number += 1;
            let value = format!("value {number:04}");
            let (error, offset) = put(&mut cluster, "t", &[&value]);
            if error == ErrorCode::None {
                acknowledged.push((offset, value));
            }
        }
    }
    cluster.heal();
    for id in [11, 12, 13] {
        if cluster.members[&id].node.is_none() {
            cluster.start(id);
        }
    }
    cluster.ready();
    isr_is(&mut cluster, "t", &[11, 12, 13]);
    are_alike(&mut cluster, "t");
    assert!(!acknowledged.is_empty());
    let views = cluster.node(11).views().by_name("t").unwrap();
    let view = views.partition(0).unwrap().view().unwrap();
    for (offset, value) in acknowledged {
        let records = view.read(offset, 1, ::log::ReadLimit::HighWatermark, true).unwrap().records;
        let holds = records.windows(value.len()).any(|window| window == value.as_bytes());
        assert!(holds, "seed {seed}: {value} was acknowledged at {offset}");
    }
}

#[test]
fn whatever_dies_or_is_cut_off_nothing_acknowledged_is_lost_and_all_end_alike() {
    (1..=3).for_each(|seed| storm(seed, false));
}

#[test]
fn whoever_loses_power_nothing_acknowledged_is_lost_and_all_end_alike() {
    (1..=3).for_each(|seed| storm(seed, true));
}
