//! Kafka's range assignor without racks: topic by topic, the members in order get contiguous ranges and the first
//! ones get one more where it does not divide. Topics with equal counts and subscribers are co-partitioned by this.

use super::assignment::{Assignment, Member, PartitionCounts, empty_assignment, in_order, partitions_of};

pub(super) fn assign(members: &[Member], partitions: &PartitionCounts) -> Assignment {
    let mut assignment = empty_assignment(members);
    let sorted = in_order(members);
    for (topic, &count) in partitions {
        let subscribers: Vec<&&Member> = sorted.iter().filter(|member| member.subscribes(topic)).collect();
        if subscribers.is_empty() {
            continue;
        }
        let (share, extra) = (count as usize / subscribers.len(), count as usize % subscribers.len());
        let mut dealt = partitions_of(topic, count);
        for (index, member) in subscribers.into_iter().enumerate() {
            let length = share + usize::from(index < extra);
            let range = dealt.by_ref().take(length);
            assignment.entry(member.id.clone()).or_default().extend(range);
        }
    }
    assignment
}
