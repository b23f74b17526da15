//! The families, by whose names they are told: `jmx.rs` Kafka's MBeans as the JMX exporter names them, `exporter.rs` kafka_exporter's and
//! kafka-lag-exporter's, `own.rs` what nobody else has. None of them gathers anything.

pub(crate) mod exporter;
pub(crate) mod jmx;
pub(crate) mod own;

use super::groups::GroupsFound;
use super::partitions::{Inventory, OwnPartition, OwnTopic};
use super::process::RimFigures;
use super::requests::RequestTotals;
use super::traffic::Passed;
use crate::node::Node;

/// All that a scrape has gathered.
pub(crate) struct Sight<'a> {
    pub node: &'a Node,
    pub rim: &'a RimFigures,
    pub inventory: &'a Inventory,
    pub groups: &'a GroupsFound,
    /// Through all topics that there are and were.
    pub passed: &'a Passed,
    /// Since the start.
    pub totals: &'a RequestTotals,
    /// Of the last minutes.
    pub recent: &'a RequestTotals,
    /// `None` before anything was measured.
    pub idle_share: Option<f64>,
    pub wall_ms: i64,
    /// How many partitions are told one by one.
    pub most: usize,
}

impl<'a> Sight<'a> {
    /// Partitions with a replica here that are told one by one, with their topics.
    pub fn partitions(&self) -> impl Iterator<Item = (&'a OwnTopic, &'a OwnPartition)> {
        let topics = &self.inventory.topics;
        let told = self.inventory.partitions.iter().take(self.most);
        told.filter_map(|partition| Some((topics.get(partition.topic)?, partition)))
    }

    /// Those of them that this broker leads.
    pub fn led(&self) -> impl Iterator<Item = (&'a OwnTopic, &'a OwnPartition)> {
        self.partitions().filter(|(_, partition)| partition.is_led)
    }

    /// How many of the replicas here are so.
    pub fn count(&self, is: impl Fn(&OwnPartition) -> bool) -> usize {
        self.inventory.partitions.iter().filter(|one| is(one)).count()
    }
}
