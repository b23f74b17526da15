//! Kafka's round robin assignor: all partitions in order, dealt to the members in turn, passing over those that do
//! not subscribe to the topic.

use super::assignment::{Assignment, Member, PartitionCounts, empty_assignment, in_order, partitions_of};

pub(super) fn assign(members: &[Member], partitions: &PartitionCounts) -> Assignment {
    let mut assignment = empty_assignment(members);
    let sorted = in_order(members);
    let mut turn = 0;
    for (topic, &count) in partitions {
        if !sorted.iter().any(|member| member.subscribes(topic)) {
            continue;
        }
        for partition in partitions_of(topic, count) {
            while !sorted[turn % sorted.len()].subscribes(topic) {
                turn += 1;
            }
            let member = sorted[turn % sorted.len()];
            assignment.entry(member.id.clone()).or_default().push(partition);
            turn += 1;
        }
    }
    assignment
}
