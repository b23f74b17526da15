//! Who gets what, as text, and what every assignor must keep.

use super::*;
use wire::Str;

/// `check` reads members as "id: topics | owned @ generation" and prints the assignment as "id=t0,t1 ...".
fn check(assignor: Assignor, topics: &str, members: &[&str], expected: &str) {
    let counts: PartitionCounts = topics
        .split_whitespace()
        .map(|topic| topic.split_once(':').expect("topic:count"))
        .map(|(name, count)| (Str::from(name), count.parse().expect("a count")))
        .collect();
    let members: Vec<Member> = members.iter().map(|text| member(text)).collect();
    let assignment = assignor.assign(&members, &counts);
    assert_eq!(show(&assignment), expected);
}

fn member(text: &str) -> Member {
    let (id, rest) = text.split_once(':').expect("id: topics");
    let (topics, owned) = rest.split_once('|').unwrap_or((rest, ""));
    let (owned, generation) = owned.split_once('@').unwrap_or((owned, "-1"));
    let (id, instance_id) = match id.split_once('/') {
        Some((id, instance)) => (id, Some(Str::from(instance))),
        None => (id, None),
    };
    Member {
        id: Str::from(id),
        instance_id,
        topics: topics.split_whitespace().map(Str::from).collect(),
        owned: owned.split_whitespace().map(partition).collect(),
        generation: generation.trim().parse().expect("a generation"),
    }
}

fn partition(text: &str) -> TopicPartition {
    let (topic, number) = text.split_at(text.find(|c: char| c.is_ascii_digit()).expect("a number"));
    TopicPartition { topic: Str::from(topic), partition: number.parse().expect("a number") }
}

fn show(assignment: &Assignment) -> String {
    let one = |(id, partitions): (&Str, &Vec<TopicPartition>)| {
        let list: Vec<String> = partitions.iter().map(|p| format!("{}{}", p.topic, p.partition)).collect();
        format!("{id}={}", list.join(","))
    };
    assignment.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn range_gives_contiguous_ranges_and_the_first_one_more() {
    check(Assignor::Range, "a:3 b:3", &["x: a b", "y: a b"], "x=a0,a1,b0,b1 y=a2,b2");
    check(Assignor::Range, "a:7", &["x: a", "y: a", "z: a"], "x=a0,a1,a2 y=a3,a4 z=a5,a6");
}

#[test]
fn range_leaves_surplus_members_empty_and_skips_other_topics() {
    check(Assignor::Range, "a:1", &["x: a", "y: a"], "x=a0 y=");
    check(Assignor::Range, "a:2 b:2", &["x: a", "y: a b"], "x=a0 y=a1,b0,b1");
}

#[test]
fn static_members_come_first_by_instance_id() {
    check(Assignor::Range, "a:3", &["a: a", "m/2: a", "n/1: a"], "a=a2 m=a1 n=a0");
    check(Assignor::Range, "a:2", &["a: a", "z/1: a"], "a=a1 z=a0");
}

#[test]
fn round_robin_deals_in_turn_and_passes_over_strangers() {
    check(Assignor::RoundRobin, "a:3 b:3", &["x: a b", "y: a b"], "x=a0,a2,b1 y=a1,b0,b2");
    // The example of Kafka's documentation: t0 has 1, t1 has 2, t2 has 3 partitions.
    check(
        Assignor::RoundRobin,
        "ta:1 tb:2 tc:3",
        &["x: ta", "y: ta tb", "z: ta tb tc"],
        "x=ta0 y=tb0 z=tb1,tc0,tc1,tc2",
    );
}

#[test]
fn sticky_keeps_what_is_held_and_balances_to_one() {
    check(Assignor::CooperativeSticky, "a:4", &["x: a | a0 a1 @ 3", "y: a | a2 a3 @ 3"], "x=a0,a1 y=a2,a3");
    check(Assignor::CooperativeSticky, "a:5", &["x: a", "y: a"], "x=a0,a2,a4 y=a1,a3");
}

#[test]
fn a_moving_partition_is_withheld_for_one_round() {
    // y is new: two partitions leave x, but y gets them only after x has given them up.
    check(Assignor::CooperativeSticky, "a:4", &["x: a | a0 a1 a2 a3 @ 3", "y: a"], "x=a0,a1 y=");
    check(Assignor::CooperativeSticky, "a:4", &["x: a | a0 a1 @ 4", "y: a | @ 4"], "x=a0,a1 y=a2,a3");
}

#[test]
fn the_newest_generation_wins_and_equal_claims_cancel() {
    check(Assignor::CooperativeSticky, "a:2", &["x: a | a0 a1 @ 2", "y: a | a1 @ 5"], "x=a0 y=a1");
    let both = ["x: a | a0 @ 5", "y: a | a0 @ 5"];
    let counts = PartitionCounts::from([(Str::from("a"), 1)]);
    let members: Vec<Member> = both.iter().map(|text| member(text)).collect();
    let shares: usize = sticky::assign(&members, &counts).values().map(Vec::len).sum();
    assert_eq!(shares, 1);
}

#[test]
fn claims_on_what_is_gone_are_dropped() {
    check(Assignor::CooperativeSticky, "a:1", &["x: a | a0 a7 b0 @ 3"], "x=a0");
    check(Assignor::CooperativeSticky, "a:1 b:1", &["x: a | a0 b0 @ 3", "y: a b"], "x=a0 y=");
}

#[test]
fn sticky_with_unequal_subscriptions_gives_rare_partitions_to_their_takers() {
    check(Assignor::CooperativeSticky, "a:2 b:4", &["x: a b", "y: a", "z: b"], "x=b1,b3 y=a0,a1 z=b0,b2");
}

#[test]
fn sticky_is_complete_balanced_and_stable_for_many_shapes() {
    for member_count in 1..=7usize {
        for partition_count in 0..=20 {
            let counts = PartitionCounts::from([(Str::from("a"), partition_count)]);
            let members: Vec<Member> = (0..member_count).map(|n| member(&format!("m{n}: a"))).collect();
            let first = sticky::assign(&members, &counts);
            let loads: Vec<usize> = first.values().map(Vec::len).collect();
            assert_eq!(loads.iter().sum::<usize>(), partition_count as usize);
            assert!(loads.iter().max().expect("one") - loads.iter().min().expect("one") <= 1);
            let holders: Vec<Member> = members
                .iter()
                .map(|m| Member { owned: first[&m.id].clone(), generation: 1, ..m.clone() })
                .collect();
            assert_eq!(sticky::assign(&holders, &counts), first);
        }
    }
}

#[test]
fn protocols_are_the_least_common_one() {
    assert_eq!(common_protocol(&[Assignor::CooperativeSticky]), RebalanceProtocol::Cooperative);
    assert_eq!(common_protocol(&[Assignor::Range, Assignor::CooperativeSticky]), RebalanceProtocol::Eager);
}

#[test]
#[should_panic(expected = "assignment: a partition is given to two members")]
fn a_partition_with_two_owners_is_seen() {
    let held = || vec![TopicPartition::new("t", 0)];
    check_disjoint(&Assignment::from([(Str::from("a"), held()), (Str::from("b"), held())]));
}
