//! The same question, the same answer as Kafka's: a table of questions asked of its own assignors, each one after the last with members
//! that come, go and want other things.

use super::{Assignment, Assignor, Wanted, WantingMember};
use std::collections::BTreeMap;
use wire::{Str, Uuid};

const TABLE: &str = include_str!("../testdata/assignors.kafka-4.4.0.txt");

fn id(hex: &str) -> Uuid {
    Uuid(u128::from_str_radix(hex, 16).unwrap().to_be_bytes())
}

fn assignment(text: &str) -> Assignment {
    let topics = text.split('/').filter_map(|topic| topic.split_once(':'));
    topics
        .map(|(topic, partitions)| {
            (id(topic), partitions.split('+').map(|one| one.parse().unwrap()).collect())
        })
        .collect()
}

#[test]
fn members_get_what_kafka_gives_them() {
    let mut asked = 0;
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let (question, answer) = line.split_once(" =>").unwrap();
        let mut parts = question.split(" ; ");
        let head: Vec<&str> = parts.next().unwrap().split(' ').collect();
        let members: Vec<Vec<&str>> = parts.map(|member| member.split(' ').collect()).collect();
        let targets: Vec<Assignment> = members.iter().map(|member| assignment(member[2])).collect();
        let wanting = members.iter().zip(&targets).map(|(member, target)| {
            let (member_id, instance_id) = match member[0].split_once('@') {
                Some((id, instance)) => (id, Some(Str::from(instance))),
                None => (member[0], None),
            };
            let topics = member[1].split('+').filter(|topic| *topic != "-").map(id).collect();
            WantingMember { member_id: Str::from(member_id), instance_id, topics, target }
        });
        let partitions = head[2].split(',').map(|topic| topic.split_once('=').unwrap());
        let wanted = Wanted {
            members: wanting.collect(),
            partitions: partitions.map(|(topic, count)| (id(topic), count.parse().unwrap())).collect(),
            all_alike: head[1] == "alike",
        };
        let answer = answer.split(" ; ").filter(|member| !member.is_empty());
        let answer = answer.map(|member| member.split_once(' ').unwrap());
        let expected: BTreeMap<Str, Assignment> =
            answer.map(|(member, has)| (Str::from(member), assignment(has))).collect();
        let assignor = Assignor::of_name(head[0]).unwrap();
        let mut assigned = assignor.assign(&wanted);
        for member in &wanted.members {
            assigned.entry(member.member_id.clone()).or_default();
        }
        assert_eq!(assigned, expected, "line {}: {question}", asked + 2);
        asked += 1;
    }
    assert!(asked > 100, "{asked}");
}

const SIMPLE_TABLE: &str = include_str!("../testdata/simple.kafka-4.4.0.txt");

#[test]
fn share_group_members_get_what_kafka_gives_them() {
    let mut asked = 0;
    for line in SIMPLE_TABLE.lines().filter(|line| !line.starts_with('#')) {
        let (question, answer) = line.split_once(" => ").unwrap();
        let mut parts = question.split(" ; ");
        let head: Vec<&str> = parts.next().unwrap().split(' ').collect();
        let members: Vec<Vec<&str>> = parts.map(|member| member.split(' ').collect()).collect();
        let targets: Vec<Assignment> = members.iter().map(|member| assignment(member[2])).collect();
        let wanting = members.iter().zip(&targets).map(|(member, target)| WantingMember {
            member_id: Str::from(member[0]),
            instance_id: None,
            topics: member[1].split('+').filter(|topic| *topic != "-").map(id).collect(),
            target,
        });
        let partitions = head[1].split(',').map(|topic| topic.split_once('=').unwrap());
        let wanted = Wanted {
            members: wanting.collect(),
            partitions: partitions.map(|(topic, count)| (id(topic), count.parse().unwrap())).collect(),
            all_alike: head[0] == "alike",
        };
        let answer = answer.split(" ; ").map(|member| member.split_once(' ').unwrap());
        let expected: BTreeMap<Str, Assignment> =
            answer.map(|(member, has)| (Str::from(member), assignment(has))).collect();
        let mut assigned = super::simple::assign(&wanted, &assignment(head[2]));
        for member in &wanted.members {
            assigned.entry(member.member_id.clone()).or_default();
        }
        assert_eq!(assigned, expected, "line {}: {question}", asked + 2);
        asked += 1;
    }
    assert!(asked > 100, "{asked}");
}
