//! What must hold of an image, in release too. The bookkeeping is checked as a whole where an image is read from a snapshot (and
//! everywhere in tests); what a decision of this node touched is checked at every apply, so the cost follows the change and not
//! the cluster.

use super::topics::unified;
use super::{LeaderRecoveryState, MetadataImage, PartitionImage};
use wire::Uuid;
use wire::records::metadata::MetadataRecord;

impl MetadataImage {
    /// Panics with the name of what the image's own bookkeeping breaks. Looks at every topic and node, not at partitions.
    pub fn check(&self) {
        let topics = &self.topics;
        assert_eq!(topics.by_name.len(), topics.by_id.len(), "topics: names and ids are not one to one");
        let (mut partitions, mut indexed) = (0, 0);
        for (id, topic) in topics.by_id.iter() {
            assert_eq!(*id, topic.id, "topics: one is filed under another's id");
            assert_eq!(topics.by_name.get(topic.name.as_str()), Some(id), "topics: a name leads elsewhere");
            partitions += topic.partitions.len();
            if topic.name.contains(['.', '_']) {
                let names = topics.colliding.get(unified(&topic.name).as_str());
                let found = names.is_some_and(|names| names.contains(topic.name.as_str()));
                assert!(found, "topics: a name that may collide is not indexed");
                indexed += 1;
            }
        }
        assert_eq!(partitions, topics.partition_count, "topics: partitions are miscounted");
        let names: usize = topics.colliding.values().map(|names| names.len()).sum();
        assert_eq!(names, indexed, "topics: a name is indexed that is gone");
        assert!(topics.colliding.values().all(|names| !names.is_empty()), "topics: an empty index is kept");
        self.check_others();
    }

    /// What is kept beside topics.
    fn check_others(&self) {
        let cluster = &self.cluster;
        let brokers = cluster.brokers.iter().all(|(id, broker)| *id == broker.id);
        let controllers = cluster.controllers.iter().all(|(id, controller)| *id == controller.id);
        assert!(brokers && controllers, "cluster: a node is filed under another's id");
        let sorted = cluster.brokers.values().all(|broker| broker.directories.is_sorted());
        assert!(sorted, "cluster: directories of a broker are out of order");
        let empty = self.configs.resources.values().any(|configs| configs.is_empty());
        assert!(!empty, "configs: a resource without any is kept");
        let empty = self.client_quotas.entities.values().any(|quotas| quotas.is_empty());
        assert!(!empty, "quotas: an entity without any is kept");
        assert!(self.features.iter().all(|(_, level)| level != 0), "features: one at level 0 is kept");
        let tokens = self.delegation_tokens.tokens.iter().all(|(id, token)| *id == token.token_id);
        assert!(tokens, "tokens: one is filed under another's id");
        self.acls.check();
    }

    /// Panics with the name of what a record, decided by this node and just applied, has broken. A partition that was broken before
    /// may stay so: somebody else wrote it.
    pub fn check_decided(&self, record: &MetadataRecord) {
        let (name, id, index) = match record {
            MetadataRecord::Partition(r) => {
                let partition =
                    self.topics.by_id(r.topic_id).and_then(|topic| topic.partition(r.partition_id));
                let broken = partition.map(|partition| partition.broken().or(self.broken_leader(partition)));
                (broken.unwrap_or(Some("partition: it is not there")), r.topic_id, r.partition_id)
            }
            MetadataRecord::PartitionChange(r) => {
                let change = self.topics.last_change();
                let broken = change.and_then(|(before, after)| self.broken_by_change(before, after));
                (broken, r.topic_id, r.partition_id)
            }
            MetadataRecord::RegisterBroker(r) => (self.broken_broker(r.broker_id), Uuid::ZERO, r.broker_id),
            MetadataRecord::ProducerIds(r) => {
                let asked = self.cluster.broker(r.broker_id).is_some_and(|b| b.epoch == r.broker_epoch);
                let broken = (!asked).then_some("producer ids: no broker of this epoch asked for them");
                (broken, Uuid::ZERO, r.broker_id)
            }
            _ => return,
        };
        if let Some(name) = name {
            panic!("{name} ({id}-{index})");
        }
    }

    fn broken_broker(&self, id: i32) -> Option<&'static str> {
        let Some(broker) = self.cluster.broker(id) else { return Some("broker: it is not there") };
        if broker.epoch < 0 {
            Some("broker: its epoch is no offset")
        } else if !broker.directories.is_sorted_by(|a, b| a < b) {
            Some("broker: a directory stands twice")
        } else if self.cluster.brokers().any(|other| {
            other.id != id && other.directories.iter().any(|theirs| broker.directories.contains(theirs))
        }) {
            Some("broker: it has another one's directory")
        } else {
            None
        }
    }

    fn broken_leader(&self, partition: &PartitionImage) -> Option<&'static str> {
        let unknown = partition.has_leader() && self.cluster.broker(partition.leader).is_none();
        unknown.then_some("partition: its leader is no broker")
    }

    fn broken_by_change(&self, before: &PartitionImage, after: &PartitionImage) -> Option<&'static str> {
        let (epoch, moves) = (after.leader_epoch, after.leader != before.leader);
        if before.broken().is_some() {
            None
        } else if after.partition_epoch <= before.partition_epoch {
            Some("partition: its epoch does not grow")
        } else if epoch < before.leader_epoch || (epoch == before.leader_epoch && moves) {
            Some("partition: its leader changes within an epoch")
        } else if after.isr.is_empty() && !before.isr.is_empty() && !self.features.elr_enabled() {
            Some("partition: the last one leaves the ISR")
        } else {
            after.broken().or(if moves { self.broken_leader(after) } else { None })
        }
    }

    /// Panics with the name of what any partition breaks; for tests, where all records are this release's own.
    #[cfg(test)]
    pub(crate) fn check_partitions(&self) {
        for topic in self.topics.iter_by_id() {
            for (index, partition) in topic.partitions.iter() {
                assert_eq!(partition.broken(), None, "{}-{index}: {partition:?}", topic.name);
            }
        }
    }
}

impl PartitionImage {
    /// The invariant that does not hold of it.
    pub(crate) fn broken(&self) -> Option<&'static str> {
        let replica = |id: &i32| self.replicas.contains(id);
        let twice =
            |ids: &[i32]| ids.iter().enumerate().any(|(at, id)| ids.iter().skip(at + 1).any(|x| x == id));
        if self.replicas.is_empty() {
            Some("partition: it has no replicas")
        } else if twice(&self.replicas) || twice(&self.isr) || twice(&self.elr) {
            Some("partition: a replica stands twice")
        } else if self.directories.len() != self.replicas.len() {
            Some("partition: not one directory for each replica")
        } else if !self.isr.iter().all(replica) {
            Some("partition: one in the ISR is no replica")
        } else if self.elr.iter().any(|id| self.isr.contains(id)) {
            Some("partition: one is in the ISR and in the ELR")
        } else if self.has_leader() && !self.isr.contains(&self.leader) {
            Some("partition: its leader is not in the ISR")
        } else if !self.adding_replicas.iter().chain(&self.removing_replicas).all(replica) {
            Some("partition: one that comes or goes is no replica")
        } else if self.leader_recovery_state == LeaderRecoveryState::Recovering && self.isr.len() > 1 {
            Some("partition: it recovers, and others are in the ISR")
        } else if self.leader_epoch < 0 || self.partition_epoch < 0 {
            Some("partition: an epoch is negative")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
