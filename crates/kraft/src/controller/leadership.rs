//! Who leads a partition and who is in sync when brokers come and go. Owns the rule of election and the record that says so.
//!
//! DIVERGES: the last member of an in-sync set stays in it when it is fenced, as Kafka does without KIP-966; the eligible leader
//! replicas of a partition are kept as they are until replication between brokers decides them.

use super::decide::Context;
use crate::image::{LeaderRecoveryState, NO_LEADER, PartitionImage, TopicImage, VersionedRecord};
use std::collections::BTreeSet;
use wire::Uuid;
use wire::records::metadata::{MetadataRecord, PartitionChangeRecord};

/// In a PartitionChangeRecord: the leader stays.
pub(super) const NO_LEADER_CHANGE: i32 = -2;

/// Which leader a change should look for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Election {
    /// Keep the present leader if it may go on.
    Online,
    /// The first replica, if it may lead (KIP-460).
    Preferred,
    /// Anybody who is up, even outside the in-sync set.
    Unclean,
}

/// The partition `index` of a topic after `leaving` went away (or nobody, with `None`); no record if nothing changes.
pub(super) fn change(
    context: &Context<'_>,
    topic_id: Uuid,
    index: i32,
    partition: &PartitionImage,
    leaving: Option<i32>,
    election: Election,
) -> Option<VersionedRecord> {
    let up = |id: &i32| Some(*id) != leaving && context.image.cluster.is_active(*id);
    let remaining: Vec<i32> = partition.isr.iter().copied().filter(|id| Some(*id) != leaving).collect();
    let mut isr = if remaining.is_empty() { partition.isr.clone() } else { remaining };
    let stays = (election == Election::Online && isr.contains(&partition.leader) && up(&partition.leader))
        .then_some(partition.leader);
    let in_sync = || partition.replicas.iter().copied().find(|id| isr.contains(id) && up(id));
    let unclean = || partition.replicas.iter().copied().find(|id| election == Election::Unclean && up(id));
    let leader = stays.or_else(in_sync);
    let (leader, is_unclean) = match leader {
        Some(leader) => (leader, false),
        None => unclean().map_or((NO_LEADER, false), |leader| (leader, true)),
    };
    if is_unclean {
        isr = vec![leader];
    }
    let mut record =
        PartitionChangeRecord { partition_id: index, topic_id, ..PartitionChangeRecord::default() };
    if isr != partition.isr {
        record.isr = Some(isr);
    }
    if leader != partition.leader {
        record.leader = leader;
    }
    if is_unclean {
        record.leader_recovery_state = LeaderRecoveryState::Recovering.id();
    }
    (record.isr.is_some() || record.leader != NO_LEADER_CHANGE).then(|| versioned(context, record))
}

/// A change record at the schema version of the cluster.
pub(super) fn versioned(context: &Context<'_>, record: PartitionChangeRecord) -> VersionedRecord {
    let version = context.metadata_version().partition_record_version();
    VersionedRecord { record: MetadataRecord::PartitionChange(record), version }
}

/// A broker was fenced, is shutting down or is gone: it leads nothing and leaves every in-sync set that has somebody else.
pub(super) fn broker_left(context: &Context<'_>, broker: i32, out: &mut Vec<VersionedRecord>) {
    for_each_partition(context, |topic, index, partition| {
        if partition.isr.contains(&broker) || partition.leader == broker {
            out.extend(change(context, topic.id, index, partition, Some(broker), Election::Online));
        }
    });
}

/// A broker was unfenced: partitions without a leader that it can lead get it back. `image` still shows it fenced.
pub(super) fn broker_returned(context: &Context<'_>, broker: i32, out: &mut Vec<VersionedRecord>) {
    for_each_partition(context, |topic, index, partition| {
        if !partition.has_leader() && partition.isr.contains(&broker) {
            let record = PartitionChangeRecord {
                partition_id: index,
                topic_id: topic.id,
                leader: broker,
                ..PartitionChangeRecord::default()
            };
            out.push(versioned(context, record));
        }
    });
}

/// True if a broker leads anything.
pub(super) fn leads_any(context: &Context<'_>, broker: i32) -> bool {
    context.image.topics.iter_by_id().any(|topic| topic.partitions.values().any(|p| p.leader == broker))
}

fn for_each_partition(context: &Context<'_>, mut each: impl FnMut(&TopicImage, i32, &PartitionImage)) {
    for topic in context.image.topics.iter_by_id() {
        for (index, partition) in topic.partitions.iter() {
            each(topic, *index, partition);
        }
    }
}

/// The brokers of `wanted` that may be in sync now: up, registered with this epoch where the caller knows it.
pub(super) fn all_distinct(ids: &[i32]) -> bool {
    ids.iter().collect::<BTreeSet<_>>().len() == ids.len()
}
