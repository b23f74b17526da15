//! What the node knows of topics and partitions at one moment: gathered once for a scrape, so that all of its families agree.

use std::sync::Arc;

use kraft::image::{MetadataImage, PartitionImage};
use wire::Str;

use super::traffic::Passed;
use crate::node::Node;
use crate::views::{Extent, PartitionCell, Role};

/// A partition that has a replica on this node.
pub(crate) struct OwnPartition {
    pub topic: usize,
    pub partition: i32,
    /// As the cluster has it.
    pub image: Arc<PartitionImage>,
    pub is_led: bool,
    pub min_insync_replicas: usize,
    /// `None` while its log sleeps.
    pub extent: Option<Extent>,
}

impl OwnPartition {
    /// It lacks replicas that it should have (KIP-455: those that are added do not count yet).
    pub fn is_under_replicated(&self) -> bool {
        let image = &self.image;
        let wanted = image.replicas.iter().filter(|one| !image.adding_replicas.contains(one)).count();
        image.isr.len() < wanted
    }

    /// Producers that want all acknowledgements are refused.
    pub fn is_under_min_isr(&self) -> bool {
        self.image.isr.len() < self.min_insync_replicas
    }

    /// One replica less and they are.
    pub fn is_at_min_isr(&self) -> bool {
        self.image.isr.len() == self.min_insync_replicas
    }
}

/// What passed through a topic.
pub(crate) struct OwnTopic {
    pub name: Str,
    pub partitions: usize,
    pub passed: Passed,
    /// It is told of here, and by no other broker.
    pub is_told_here: bool,
}

/// What the cluster has, as its image says.
#[derive(Default)]
pub(crate) struct ClusterCounts {
    pub topics: usize,
    pub partitions: usize,
    pub offline: usize,
    pub without_preferred_leader: usize,
    pub active_brokers: usize,
    pub fenced_brokers: usize,
}

/// All of it.
#[derive(Default)]
pub(crate) struct Inventory {
    /// By name.
    pub topics: Vec<OwnTopic>,
    /// Topic by topic.
    pub partitions: Vec<OwnPartition>,
    pub offline_replicas: usize,
    pub cluster: ClusterCounts,
    /// Through all topics, those that are gone not counted.
    pub passed: Passed,
}

impl Inventory {
    /// Looks at everything once.
    pub fn of(node: &Node) -> Inventory {
        let image = node.image();
        let mut all = Inventory::default();
        all.cluster.fenced_brokers = image.cluster.brokers().filter(|broker| broker.fenced).count();
        all.cluster.active_brokers = image.cluster.brokers().count() - all.cluster.fenced_brokers;
        all.cluster.topics = image.topics.len();
        all.cluster.partitions = image.topics.partition_count();
        all.topics(node, &image);
        all
    }

    fn topics(&mut self, node: &Node, image: &MetadataImage) {
        for topic in image.topics.iter_by_name() {
            let views = node.views().by_id(topic.id);
            let passed = views.as_ref().map(|views| views.passed()).unwrap_or_default();
            self.passed = self.passed.plus(&passed);
            let least = views.as_ref().map_or(1, |views| views.settings.load().min_insync_replicas);
            let at = self.topics.len();
            let is_told_here = topic.partition(0).is_some_and(|first| first.leader == node.node_id());
            let partitions = topic.partitions.len();
            self.topics.push(OwnTopic { name: topic.name.clone(), partitions, passed, is_told_here });
            for (index, partition) in topic.partitions.iter() {
                self.count(partition);
                if !partition.replicas.contains(&node.node_id()) {
                    continue;
                }
                let cell = views.as_ref().and_then(|views| views.partition(*index));
                self.offline_replicas += usize::from(cell.is_some_and(|cell| cell.role() == Role::Offline));
                self.partitions.push(OwnPartition {
                    topic: at,
                    partition: *index,
                    image: Arc::clone(partition),
                    is_led: partition.leader == node.node_id(),
                    min_insync_replicas: least.min(partition.replicas.len()),
                    extent: cell.and_then(|cell| PartitionCell::extent(cell)),
                });
            }
        }
    }

    fn count(&mut self, partition: &PartitionImage) {
        let cluster = &mut self.cluster;
        cluster.offline += usize::from(!partition.has_leader());
        cluster.without_preferred_leader += usize::from(!partition.has_preferred_leader());
    }
}
