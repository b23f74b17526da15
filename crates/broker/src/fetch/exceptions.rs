//! What keeps a partition of a fetch from being simply read: a consumer that has a replica nearer than the leader (KIP-392), and a
//! follower that is brought up under a throttle (KIP-73). Most fetches have none. Chooses and looks up; asks no shard and reads no log.

use std::collections::BTreeMap;

use kraft::image::MetadataImage;
use wire::topic::TopicIdPartition;

use super::session::Wanted;
use crate::endpoints::alive_broker;
use crate::replica::isr::ReplicaInSync;
use crate::views::Views;

/// Those of one fetch.
#[derive(Debug, Default)]
pub(crate) struct Exceptions {
    /// The consumer is to read there, and gets nothing here.
    pub preferred: BTreeMap<TopicIdPartition, i32>,
    /// Throttled replicas of the follower that fetches; true if the throttle may hold them back: they are not in sync.
    pub throttled: BTreeMap<TopicIdPartition, bool>,
}

/// Brokers beside the leader from which a consumer in that rack may read the partition, by its listener; none if the leader is there.
pub(crate) fn near(image: &MetadataImage, key: TopicIdPartition, rack: &str, listener: &str) -> Vec<i32> {
    let partition = image.topics.by_id(key.topic_id).and_then(|topic| topic.partition(key.partition));
    let Some(partition) = partition else { return Vec::new() };
    let is_there =
        |id: i32| alive_broker(image, id, listener).is_some_and(|it| it.rack.as_deref() == Some(rack));
    if is_there(partition.leader) {
        return Vec::new();
    }
    let others = partition.isr.iter().copied().filter(|id| *id != partition.leader);
    others.filter(|id| is_there(*id)).collect()
}

/// Which of the near replicas has what is wanted: the one that has most, and of those the one that was caught up last.
pub(crate) fn nearest(near: &[i32], replicas: &[ReplicaInSync], wanted: &Wanted) -> Option<i32> {
    let has = |it: &&ReplicaInSync| {
        near.contains(&it.broker_id)
            && it.log_end_offset >= wanted.fetch_offset
            && it.log_start_offset <= wanted.fetch_offset
    };
    let best =
        replicas.iter().filter(has).max_by_key(|it| (it.log_end_offset, it.caught_up_ms, it.broker_id));
    best.map(|it| it.broker_id)
}

/// Whether the leader's throttle is meant for a follower's replica, and whether that may be held back.
pub(crate) fn throttled(
    image: &MetadataImage,
    views: &Views,
    key: TopicIdPartition,
    (leader, follower): (i32, i32),
) -> Option<bool> {
    let topic = views.by_id(key.topic_id)?;
    if !topic.settings.load().leader_throttled.holds(key.partition, leader) {
        return None;
    }
    let partition = image.topics.by_id(key.topic_id)?.partition(key.partition)?;
    Some(!partition.isr.contains(&follower))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(
        broker_id: i32,
        log_start_offset: i64,
        log_end_offset: i64,
        caught_up_ms: i64,
    ) -> ReplicaInSync {
        ReplicaInSync { broker_id, log_start_offset, log_end_offset, caught_up_ms }
    }

    fn wanted(fetch_offset: i64) -> Wanted {
        Wanted {
            topic: "t".into(),
            topic_id: wire::Uuid::from_halves(1, 1),
            partition: 0,
            fetch_offset,
            current_leader_epoch: -1,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            max_bytes: 1,
            place: 0,
        }
    }

    #[test]
    fn the_near_replica_that_has_most_of_what_is_wanted_is_taken() {
        let replicas =
            [replica(2, 0, 10, 5), replica(3, 4, 12, 5), replica(4, 0, 12, 4), replica(5, 0, 99, 9)];
        let near = [2, 3, 4];
        assert_eq!(nearest(&near, &replicas, &wanted(5)), Some(3), "caught up later than 4");
        assert_eq!(nearest(&near, &replicas, &wanted(3)), Some(4), "3 begins at 4");
        assert_eq!(nearest(&near, &replicas, &wanted(12)), Some(3), "where it ends is not beyond it");
        assert_eq!(nearest(&near, &replicas, &wanted(13)), None, "5 is far");
        assert_eq!(nearest(&[], &replicas, &wanted(5)), None);
    }
}
