//! What the coordinators of groups see of the cluster: an image as they want to look at it. Owns the number by which they notice that topics
//! are others than before.

use std::fmt;
use std::sync::Arc;

use coordinator::group::consumer::{ClusterView, GroupSetting, TopicView};
use kraft::image::{ConfigResource, MetadataImage, ResourceType, TopicChange, TopicImage};
use wire::{Str, Uuid};

/// The broker's keys that all groups follow which have none of their own, where they may be changed while brokers run.
const ASSIGNMENT_INTERVAL_OF_ALL: &str = "group.consumer.assignment.interval.ms";
const SHARE_ASSIGNMENT_INTERVAL_OF_ALL: &str = "group.share.assignment.interval.ms";
const STREAMS_ASSIGNMENT_INTERVAL_OF_ALL: &str = "group.streams.assignment.interval.ms";

/// An image, and since when its topics are as they are.
pub(crate) struct GroupView {
    image: Arc<MetadataImage>,
    version: i64,
}

impl fmt::Debug for GroupView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupView").field("version", &self.version).finish_non_exhaustive()
    }
}

impl GroupView {
    /// Before any image.
    pub fn nothing() -> Arc<GroupView> {
        Arc::new(GroupView { image: Arc::default(), version: -1 })
    }

    /// What groups are configured with stands in it as well.
    pub fn image(&self) -> &Arc<MetadataImage> {
        &self.image
    }

    /// The view of the next image, if it is another one for groups.
    pub fn next(&self, image: &Arc<MetadataImage>, changes: &[TopicChange<'_>]) -> Option<Arc<GroupView>> {
        let topics = changes.iter().any(matters);
        let racks = self.image.cluster != image.cluster;
        let configs = image.configs.changed_since(&self.image.configs);
        let is_followed = |resource: &&ConfigResource| {
            resource.resource_type == ResourceType::Group || **resource == ConfigResource::cluster()
        };
        if !topics && !racks && !configs.iter().any(is_followed) {
            return None;
        }
        let version = if topics { image.provenance.last_offset.max(self.version + 1) } else { self.version };
        Some(Arc::new(GroupView { image: Arc::clone(image), version }))
    }
}

/// Leaders and replicas in sync come and go; groups mind which partitions there are, and where.
fn matters(change: &TopicChange<'_>) -> bool {
    match change {
        TopicChange::Created(_) | TopicChange::Deleted(_) => true,
        TopicChange::Changed(old, new) => {
            let moved = |index: &i32| {
                old.partition(*index).map(|partition| &partition.replicas)
                    != new.partition(*index).map(|partition| &partition.replicas)
            };
            old.partitions.len() != new.partitions.len() || new.partitions.keys().any(moved)
        }
    }
}

fn view(topic: &TopicImage) -> TopicView {
    let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    TopicView { id: topic.id, name: topic.name.clone(), partitions }
}

impl ClusterView for GroupView {
    fn version(&self) -> i64 {
        self.version
    }

    fn topic(&self, name: &str) -> Option<TopicView> {
        self.image.topics.by_name(name).map(|topic| view(topic))
    }

    fn topic_by_id(&self, id: Uuid) -> Option<TopicView> {
        self.image.topics.by_id(id).map(|topic| view(topic))
    }

    fn each_topic(&self, see: &mut dyn FnMut(&Str)) {
        self.image.topics.iter_by_name().for_each(|topic| see(&topic.name));
    }

    fn racks(&self, topic: &str, partition: i32) -> Vec<Str> {
        let topic = self.image.topics.by_name(topic);
        let replicas =
            topic.and_then(|topic| topic.partition(partition)).map(|partition| &partition.replicas);
        let brokers = replicas.into_iter().flatten().filter_map(|id| self.image.cluster.broker(*id));
        let mut racks: Vec<Str> = brokers.filter_map(|broker| broker.rack.clone()).collect();
        racks.sort();
        racks
    }

    fn group_text(&self, group: &str, setting: GroupSetting) -> Option<String> {
        let own = self.image.configs.of(&ConfigResource::new(ResourceType::Group, group)).get(setting.key());
        let of_all = match setting {
            GroupSetting::AssignmentIntervalMs => Some(ASSIGNMENT_INTERVAL_OF_ALL),
            GroupSetting::ShareAssignmentIntervalMs => Some(SHARE_ASSIGNMENT_INTERVAL_OF_ALL),
            GroupSetting::StreamsAssignmentIntervalMs => Some(STREAMS_ASSIGNMENT_INTERVAL_OF_ALL),
            GroupSetting::SessionTimeoutMs
            | GroupSetting::HeartbeatIntervalMs
            | GroupSetting::ShareSessionTimeoutMs
            | GroupSetting::ShareHeartbeatIntervalMs
            | GroupSetting::StreamsSessionTimeoutMs
            | GroupSetting::StreamsHeartbeatIntervalMs
            | GroupSetting::StreamsTaskOffsetIntervalMs
            | GroupSetting::StreamsInitialRebalanceDelayMs
            | GroupSetting::StreamsNumStandbyReplicas
            | GroupSetting::StreamsAcceptableRecoveryLag
            | GroupSetting::StreamsRackAwareAssignmentTags => None,
        };
        let of_all = || of_all.and_then(|key| self.image.configs.of_cluster().get(key));
        own.or_else(of_all).map(|text| text.to_string())
    }
}
