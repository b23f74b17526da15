//! Who may lead when the ISR is gone (KIP-966).

use wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use wire::{ApiKey, ErrorCode, Str};

use kraft::image::{LeaderRecoveryState, PartitionImage};
use log::{Disk, FileHandle};

use super::super::cluster::{BROKER, CONTROLLER, Cluster, DIRECTORY};
use super::super::replication::{
    MIN_TWO, are_alike, brokers_apart, create, isr_is, leader, partition, put, put_to,
};
use super::{holds, others};

/// The partition as the newest image of a controller has it, and whether its leader is unfenced there.
fn newest(cluster: &Cluster) -> (PartitionImage, bool) {
    let image = |id: i32| cluster.node(id).image();
    let image = [1, 2, 3].map(image).into_iter().max_by_key(|image| image.provenance.last_offset).unwrap();
    let partition = image.topics.by_name("t").unwrap().partition(0).unwrap().as_ref().clone();
    let leads = partition.leader == -1 || image.cluster.is_active(partition.leader);
    (partition, leads)
}

/// Two followers that go silent one after the other, so that the second of them is eligible: who that is.
fn one_is_eligible(cluster: &mut Cluster) -> (i32, i32, i32) {
    create(cluster, "t", MIN_TWO);
    assert_eq!(put(cluster, "t", &["acknowledged"]), (ErrorCode::None, 0));
    are_alike(cluster, "t");
    let leads = leader(cluster, "t");
    let [out, eligible] = others(leads);
    cluster.isolate(out);
    cluster.until("one is out", |cluster| newest(cluster).0.isr.len() == 2);
    assert!(newest(cluster).0.elr.is_empty(), "enough are in sync");
    cluster.isolate(eligible);
    cluster.until("the other is out", |cluster| newest(cluster).0.isr == [leads]);
    assert_eq!(newest(cluster).0.elr, [eligible], "it has all that was ever acknowledged");
    (leads, out, eligible)
}

fn all_have_what_was_acknowledged(cluster: &mut Cluster) {
    isr_is(cluster, "t", &[11, 12, 13]);
    for id in [11, 12, 13] {
        assert!(holds(cluster, id, "t", "acknowledged"), "node {id} lacks what was acknowledged");
    }
}

#[test]
fn s10_an_eligible_replica_leads_when_the_last_in_sync_loses_its_page_cache() {
    let mut cluster = brokers_apart();
    let (leads, _, eligible) = one_is_eligible(&mut cluster);
    assert_eq!(put_to(&mut cluster, leads, -1, "refused"), ErrorCode::NotEnoughReplicas);
    cluster.lose_power(leads);
    cluster.lose_disk(leads);
    cluster.heal();
    cluster.start(leads);
    cluster.until("the eligible one leads", |cluster| newest(cluster).0.leader == eligible);
    cluster.ready();
    all_have_what_was_acknowledged(&mut cluster);
    are_alike(&mut cluster, "t");
}

/// Ends a node as a power cut does that nothing was lost in: what the node can know of it.
fn crash(cluster: &mut Cluster, id: i32) {
    cluster.kill(id);
    let life = FileHandle::new(format!("{DIRECTORY}/.ottla_life"));
    cluster.members[&id].disk.remove(&life).unwrap();
}

#[test]
fn s31_who_was_killed_and_kept_its_page_cache_is_as_good_as_one_that_was_stopped() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["acknowledged"]), (ErrorCode::None, 0));
    are_alike(&mut cluster, "t");
    let last = leader(&cluster, "t");
    let followers = others(last);
    // In this order the one that has nothing any more is the last in sync by the controller's books.
    followers.into_iter().for_each(|id| cluster.kill(id));
    cluster.until("the leader is alone", |cluster| newest(cluster).0.isr == [last]);
    cluster.lose_power(last);
    cluster.lose_disk(last);
    [last, followers[0], followers[1]].into_iter().for_each(|id| cluster.start(id));
    cluster.ready();
    all_have_what_was_acknowledged(&mut cluster);
}

#[test]
fn s35_the_last_known_leader_does_not_lead_from_a_disk_that_is_new() {
    let mut cluster = brokers_apart();
    let (last, _, eligible) = one_is_eligible(&mut cluster);
    crash(&mut cluster, last);
    crash(&mut cluster, eligible);
    cluster.lose_disk(last);
    cluster.heal();
    cluster.until("nobody leads", |cluster| newest(cluster).0.leader == -1);
    cluster.start(last);
    cluster.advance(20_000);
    assert_eq!(newest(&cluster).0.leader, -1, "{last} leads from an empty disk");
    cluster.start(eligible);
    cluster.ready();
    all_have_what_was_acknowledged(&mut cluster);
}

#[test]
fn s31_an_election_out_of_the_elr_is_a_clean_one() {
    let mut cluster = brokers_apart();
    let (leads, out, eligible) = one_is_eligible(&mut cluster);
    cluster.kill(leads);
    cluster.until("nobody leads", |cluster| newest(cluster).0.leader == -1);
    cluster.heal();
    cluster.until("somebody leads", |cluster| newest(cluster).0.leader != -1);
    let (partition, _) = newest(&cluster);
    assert_eq!((partition.leader, partition.isr.as_slice()), (eligible, [eligible].as_slice()));
    assert_eq!(partition.leader_recovery_state, LeaderRecoveryState::Recovered, "marked as unclean");
    assert!(holds(&cluster, eligible, "t", "acknowledged"));
    cluster.start(leads);
    cluster.ready();
    isr_is(&mut cluster, "t", &[11, 12, 13]);
    assert!(newest(&cluster).0.elr.is_empty());
    assert!([leads, out, eligible].into_iter().all(|id| holds(&cluster, id, "t", "acknowledged")));
    assert_eq!(put(&mut cluster, "t", &["after"]), (ErrorCode::None, 1));
}

#[test]
fn s31_the_last_known_leader_is_elected_when_it_is_unfenced_and_not_before() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["acknowledged"]), (ErrorCode::None, 0));
    are_alike(&mut cluster, "t");
    let last = leader(&cluster, "t");
    let followers = others(last);
    followers.into_iter().for_each(|id| crash(&mut cluster, id));
    cluster.until("the leader is alone", |cluster| newest(cluster).0.isr == [last]);
    crash(&mut cluster, last);
    cluster.until("nobody leads", |cluster| newest(cluster).0.leader == -1);
    // After their stops they may lack anything: they have to wait.
    followers.into_iter().for_each(|id| cluster.start(id));
    cluster.ready();
    cluster.advance(3_000);
    let (partition, _) = newest(&cluster);
    assert_eq!((partition.leader, partition.last_known_elr.first()), (-1, Some(&last)));
    cluster.start(last);
    let mut looks = 0;
    while newest(&cluster).0.leader == -1 {
        cluster.advance(10);
        let (partition, is_active) = newest(&cluster);
        assert!(is_active, "{} leads and is fenced", partition.leader);
        looks += 1;
        assert!(looks < 6_000, "it never leads again");
    }
    assert_eq!(newest(&cluster).0.leader, last);
    cluster.ready();
    isr_is(&mut cluster, "t", &[11, 12, 13]);
    are_alike(&mut cluster, "t");
    assert!(holds(&cluster, followers[0], "t", "acknowledged"));
}

/// Sets or removes (`None`) `min.insync.replicas` of the topic ("t"), or of the cluster ("").
fn set_min_isr(cluster: &mut Cluster, by: i32, topic: bool, value: Option<&str>) {
    let resource = AlterConfigsResource {
        resource_type: if topic { 2 } else { 4 },
        resource_name: Str::from(if topic { "t" } else { "" }),
        configs: vec![AlterableConfig {
            name: Str::from("min.insync.replicas"),
            config_operation: i8::from(value.is_none()),
            value: value.map(Str::from),
        }],
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let answer: IncrementalAlterConfigsResponse =
        cluster.ask(by, ApiKey::IncrementalAlterConfigs, 1, &request);
    assert_eq!(ErrorCode::from_code(answer.responses[0].error_code), ErrorCode::None, "{answer:?}");
}

#[test]
fn s32_who_was_eligible_under_another_min_isr_is_so_no_more() {
    for of_topic in [true, false] {
        let mut cluster = brokers_apart();
        let (leads, _, eligible) = one_is_eligible(&mut cluster);
        if of_topic {
            set_min_isr(&mut cluster, leads, true, None);
        } else {
            // The topic's own value hides it, and whoever is eligible stays so.
            set_min_isr(&mut cluster, leads, false, Some("1"));
            set_min_isr(&mut cluster, leads, true, None);
        }
        cluster.until("nobody is eligible", |cluster| newest(cluster).0.elr.is_empty());
        // What is acknowledged from here on the leader alone has.
        assert_eq!(put_to(&mut cluster, leads, -1, "alone"), ErrorCode::None);
        cluster.kill(leads);
        cluster.until("nobody leads", |cluster| newest(cluster).0.leader == -1);
        cluster.heal();
        cluster.advance(20_000);
        assert_eq!(newest(&cluster).0.leader, -1, "{eligible} leads and lacks what was acknowledged");
        cluster.start(leads);
        cluster.ready();
        isr_is(&mut cluster, "t", &[11, 12, 13]);
        are_alike(&mut cluster, "t");
        assert!(holds(&cluster, eligible, "t", "alone"));
    }
}

/// Fails where a broker's own file counts before what the first controller wrote for the cluster (`Controller::activation` without it): one that says 3
/// refuses with two in sync, one that says 1 takes what only the leader has.
#[test]
fn s32_brokers_whose_files_differ_hold_to_the_value_of_the_cluster() {
    let nodes = [(1, CONTROLLER), (2, CONTROLLER), (3, CONTROLLER), (11, BROKER), (12, BROKER), (13, BROKER)];
    for of_brokers in ["1", "3"] {
        let value = |id: i32| if id > 10 { of_brokers } else { "2" };
        let own = |id: i32| vec![("min.insync.replicas".to_owned(), value(id).to_owned())];
        let mut cluster = Cluster::new_each(&nodes, &[], own);
        cluster.ready();
        create(&mut cluster, "t", &[]);
        assert_eq!(put(&mut cluster, "t", &["before"]), (ErrorCode::None, 0));
        are_alike(&mut cluster, "t");
        let leads = leader(&cluster, "t");
        let [out, eligible] = others(leads);
        cluster.isolate(out);
        cluster.until("one is out", |cluster| newest(cluster).0.isr.len() == 2);
        assert_eq!(
            put_to(&mut cluster, leads, -1, "acknowledged"),
            ErrorCode::None,
            "files say {of_brokers}"
        );
        cluster.isolate(eligible);
        cluster.until("the other is out", |cluster| newest(cluster).0.isr == [leads]);
        assert_eq!(newest(&cluster).0.elr, [eligible]);
        let refused = put_to(&mut cluster, leads, -1, "refused");
        assert_eq!(refused, ErrorCode::NotEnoughReplicas, "files say {of_brokers}");
        cluster.lose_power(leads);
        cluster.lose_disk(leads);
        cluster.heal();
        cluster.start(leads);
        cluster.until("the eligible one leads", |cluster| newest(cluster).0.leader == eligible);
        cluster.ready();
        all_have_what_was_acknowledged(&mut cluster);
    }
}

#[test]
fn s11_all_brokers_die_at_once_and_one_of_them_loses_its_page_cache() {
    for lossy in [11, 12] {
        let mut cluster = brokers_apart();
        create(&mut cluster, "t", MIN_TWO);
        for (value, offset) in [("one", 0), ("two", 1), ("three", 2)] {
            assert_eq!(put(&mut cluster, "t", &[value]), (ErrorCode::None, offset));
        }
        for id in [11, 12, 13] {
            if id == lossy { cluster.lose_power(id) } else { cluster.kill(id) }
        }
        cluster.advance(1_000);
        assert_eq!(newest(&cluster).0.leader, -1);
        [11, 12, 13].into_iter().for_each(|id| cluster.start(id));
        cluster.ready();
        isr_is(&mut cluster, "t", &[11, 12, 13]);
        assert_eq!(put(&mut cluster, "t", &["four"]), (ErrorCode::None, 3), "without {lossy}'s cache");
        are_alike(&mut cluster, "t");
        let has = |value: &&str| holds(&cluster, 11, "t", value);
        assert!(["one", "two", "three", "four"].iter().all(has), "without {lossy}'s cache");
    }
}

#[test]
fn s11_all_machines_lose_their_power_and_nothing_that_was_flushed() {
    let mut cluster = brokers_apart();
    create(&mut cluster, "t", MIN_TWO);
    assert_eq!(put(&mut cluster, "t", &["one", "two"]), (ErrorCode::None, 0));
    // Longer than what is acknowledged lies in page caches alone.
    cluster.advance(1_000);
    [11, 12, 13].into_iter().for_each(|id| cluster.lose_power(id));
    cluster.advance(1_000);
    [11, 12, 13].into_iter().for_each(|id| cluster.start(id));
    cluster.ready();
    isr_is(&mut cluster, "t", &[11, 12, 13]);
    assert_eq!(partition(&cluster, 1, "t").2.len(), 3);
    assert_eq!(put(&mut cluster, "t", &["three"]), (ErrorCode::None, 2));
    are_alike(&mut cluster, "t");
}
