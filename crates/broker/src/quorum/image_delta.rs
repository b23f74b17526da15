//! From one committed image to the next: which topics appear, change or go, computed once where the image is published;
//! every shard then reconciles its own replicas (`shard/reconcile.rs`). Owns no state.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use kraft::features::TRANSACTION_VERSION;
use kraft::image::{
    ClusterImage, ConfigResource, ConfigsImage, MetadataImage, ResourceType, TopicChange, TopicImage,
};
use wire::topic::{TopicIdPartition, is_internal};
use wire::{Str, Uuid};

use crate::config::{BrokerLayers, StaticConfig, Values, ValuesDoor, values, with_layers};
use crate::coordinators::group_view::GroupView;
use crate::disks::cleaners::{CleanerSettings, Cleaners};
use crate::disks::directories::Directories;
use crate::disks::moves::Moves;
use crate::metrics::node_figures::NodeFigures;
use crate::quorum::image_lines;
use crate::replication::fetchers::Fetchers;
use crate::telling::Ration;
use crate::topic_settings::TopicSettings;
use crate::views::{PartitionCell, TopicViews, Views};

/// What a new image means for the replicas of this node.
pub(crate) struct ImageChange {
    pub topics: Vec<TopicDelta>,
    /// `log.cleaner.*` changed: every shard looks for something to clean.
    pub cleaners: bool,
    /// The brokers, if they are others than before: who may be in sync.
    pub brokers: Option<Arc<ClusterImage>>,
    /// The finalized level of `transaction.version`, if it is another than before.
    pub transaction_version: Option<i16>,
    /// What coordinators of groups see of the cluster, if it is something else than before.
    pub group_view: Option<Arc<GroupView>>,
}

impl ImageChange {
    /// Nothing of it concerns a shard.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
            && !self.cleaners
            && self.brokers.is_none()
            && self.transaction_version.is_none()
            && self.group_view.is_none()
    }
}

/// What it means for one topic.
pub(crate) enum TopicDelta {
    /// It is new or changed.
    Set {
        views: Arc<TopicViews>,
        topic: Arc<TopicImage>,
        /// The partitions that changed; `None` is all.
        partitions: Option<Vec<i32>>,
        /// Its settings changed, too.
        settings: bool,
    },
    /// It was deleted.
    Gone { views: Arc<TopicViews> },
}

/// Turns images into changes and keeps the views' structure in step. One per node, where images are published.
pub(crate) struct Publisher {
    node_id: i32,
    shards: usize,
    config: Arc<StaticConfig>,
    image: Arc<MetadataImage>,
    membership: Membership,
    group_view: Arc<GroupView>,
    /// The settings of topics that override nothing.
    plain: Arc<TopicSettings>,
    /// Hear of the broker's own values.
    listeners: Listeners,
    /// Bounds the lines about partitions.
    moves: Ration,
}

/// Whether replicas hear of images. Before this life of the broker is registered they hear of none: what an older image says of its
/// leaders and in-sync sets was said of the life before, whose disk may have been another. A broker that led by it with an empty disk
/// made its followers cut off what was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Membership {
    /// Waits for the image in which this incarnation is registered.
    Awaited(Uuid),
    Reached,
}

/// Who hears of the broker's own values when they change.
#[derive(Clone)]
pub(crate) struct Listeners {
    pub cleaners: Arc<Cleaners>,
    pub moves: Arc<Moves>,
    pub directories: Arc<Directories>,
    pub fetchers: Arc<Fetchers>,
    pub outside: ValuesDoor,
    /// Counts what images bring.
    pub figures: Arc<NodeFigures>,
}

/// A change, and the views to publish with it.
pub(crate) struct Publication {
    pub change: Arc<ImageChange>,
    pub set: Vec<Arc<TopicViews>>,
    pub gone: Vec<Arc<TopicViews>>,
    /// The cordoned log directories, if they may be others than before.
    pub cordoned: Option<Vec<Uuid>>,
}

impl Publisher {
    /// Starts from the empty image. `incarnation` is that of the broker, if the node is one.
    pub fn new(
        (node_id, incarnation): (i32, Option<Uuid>),
        shards: usize,
        config: Arc<StaticConfig>,
        listeners: Listeners,
    ) -> Publisher {
        let image = Arc::new(MetadataImage::default());
        let mut publisher = Publisher {
            node_id,
            shards,
            config,
            image: Arc::clone(&image),
            membership: incarnation.map_or(Membership::Reached, Membership::Awaited),
            group_view: GroupView::nothing(),
            plain: Arc::default(),
            listeners,
            moves: image_lines::ration(),
        };
        publisher.plain = publisher.resolve(&Values::new(), &image.configs);
        publisher
    }

    /// The step from the last image to this one.
    pub fn publish(&mut self, now_ms: i64, image: Arc<MetadataImage>, views: &Views) -> Publication {
        let old = std::mem::replace(&mut self.image, Arc::clone(&image));
        let broker_wide = self.broker_configs_changed(&old.configs, &image.configs);
        let (mut cleaners, mut cordoned) = (false, None);
        if broker_wide {
            self.plain = self.resolve(&Values::new(), &image.configs);
            let listeners = &self.listeners;
            cleaners =
                listeners.cleaners.configure(self.with_layers(&image.configs, CleanerSettings::resolve));
            self.with_layers(&image.configs, |layers| {
                listeners.moves.configure(layers);
                listeners.fetchers.configure(layers);
                (listeners.outside)(layers);
            });
            let paths = self.with_layers(&image.configs, |layers| layers.list("cordoned.log.dirs"));
            cordoned = Some(listeners.directories.cordon(&paths));
        }
        let changes = image.topics.changes_since(&old.topics);
        // Before, it is what an earlier life left.
        if self.listeners.directories.is_settled() && tracing::enabled!(tracing::Level::INFO) {
            let moves = (&mut self.moves, now_ms);
            image_lines::lines(&old, &image, &changes, moves)
                .iter()
                .for_each(|line| tracing::info!("{line}"));
        }
        let figures = &self.listeners.figures;
        if self.listeners.directories.is_settled() {
            figures.image_changed(self.node_id, &changes);
        }
        let was_reached = self.membership == Membership::Reached;
        self.look_for_own_registration(&image);
        let is_reached = self.membership == Membership::Reached;
        let group_view = self.group_view.next(&image, &changes);
        if let Some(view) = &group_view {
            self.group_view = Arc::clone(view);
        }
        let mut publication =
            Step { publisher: self, views, image: &image, topics: vec![], set: vec![], gone: vec![] };
        for change in changes {
            publication.topic(change);
        }
        publication.settings(&old, broker_wide);
        if is_reached && !was_reached {
            publication.all_topics();
        }
        let Step { topics, set, gone, .. } = publication;
        gone.iter().for_each(|topic| self.listeners.figures.gone(&topic.passed()));
        let topics = if is_reached { topics } else { Vec::new() };
        let brokers = (old.cluster != image.cluster).then(|| Arc::new(image.cluster.clone()));
        let level = image.features.level(TRANSACTION_VERSION);
        let transaction_version = (level != old.features.level(TRANSACTION_VERSION)).then_some(level);
        let change = Arc::new(ImageChange { topics, cleaners, brokers, transaction_version, group_view });
        Publication { change, set, gone, cordoned }
    }

    fn look_for_own_registration(&mut self, image: &MetadataImage) {
        if let Membership::Awaited(incarnation) = self.membership {
            let own = image.cluster.broker(self.node_id);
            if own.is_some_and(|own| own.incarnation_id == incarnation) {
                self.membership = Membership::Reached;
            }
        }
    }

    fn broker_configs_changed(&self, old: &ConfigsImage, new: &ConfigsImage) -> bool {
        let own = ConfigResource::broker(self.node_id);
        old.of_cluster() != new.of_cluster() || old.of(&own) != new.of(&own)
    }

    fn resolve(&self, overrides: &Values, configs: &ConfigsImage) -> Arc<TopicSettings> {
        Arc::new(self.with_layers(configs, |layers| TopicSettings::resolve(overrides, layers)))
    }

    fn with_layers<T>(&self, configs: &ConfigsImage, read: impl FnOnce(&BrokerLayers<'_>) -> T) -> T {
        with_layers(configs, self.node_id, &self.config.values, read)
    }

    fn settings_of(&self, topic: &str, configs: &ConfigsImage) -> Arc<TopicSettings> {
        let overrides = configs.of_topic(topic);
        if overrides.is_empty() { Arc::clone(&self.plain) } else { self.resolve(&values(overrides), configs) }
    }
}

/// One publication in the making.
struct Step<'a> {
    publisher: &'a Publisher,
    views: &'a Views,
    image: &'a MetadataImage,
    topics: Vec<TopicDelta>,
    set: Vec<Arc<TopicViews>>,
    gone: Vec<Arc<TopicViews>>,
}

impl Step<'_> {
    fn topic(&mut self, change: TopicChange<'_>) {
        match change {
            TopicChange::Created(topic) => self.create(topic),
            TopicChange::Deleted(topic) => {
                if let Some(views) = self.views.by_id(topic.id) {
                    self.gone.push(Arc::clone(&views));
                    self.topics.push(TopicDelta::Gone { views });
                }
            }
            TopicChange::Changed(old, new) => match self.views.by_id(new.id) {
                None => self.create(new),
                Some(views) => {
                    let changed = new.partitions.changes_since(&old.partitions);
                    let partitions = changed.iter().map(|change| *change_key(change)).collect();
                    let views = self.grown(views, new);
                    self.topics.push(TopicDelta::Set {
                        views,
                        topic: Arc::clone(new),
                        partitions: Some(partitions),
                        settings: false,
                    });
                }
            },
        }
    }

    /// All that the image holds, for replicas that have heard of nothing yet.
    fn all_topics(&mut self) {
        self.topics.clear();
        let fresh: BTreeMap<Uuid, &Arc<TopicViews>> =
            self.set.iter().map(|views| (views.id, views)).collect();
        for topic in self.image.topics.iter_by_name() {
            let views = fresh.get(&topic.id).map(|&views| Arc::clone(views));
            let Some(views) = views.or_else(|| self.views.by_id(topic.id)) else { continue };
            self.topics.push(TopicDelta::Set {
                views,
                topic: Arc::clone(topic),
                partitions: None,
                settings: false,
            });
        }
    }

    fn create(&mut self, topic: &Arc<TopicImage>) {
        let views = Arc::new(TopicViews {
            id: topic.id,
            name: topic.name.clone(),
            internal: is_internal(&topic.name),
            settings: Arc::new(ArcSwap::new(self.publisher.settings_of(&topic.name, &self.image.configs))),
            partitions: self.cells(topic, &[]),
        });
        self.set.push(Arc::clone(&views));
        self.topics.push(TopicDelta::Set {
            views,
            topic: Arc::clone(topic),
            partitions: None,
            settings: false,
        });
    }

    /// The topic's views with room for all its partitions; old cells stay the same cells.
    fn grown(&mut self, views: Arc<TopicViews>, topic: &TopicImage) -> Arc<TopicViews> {
        if topic.partitions.keys().last().is_none_or(|&last| views.partition(last).is_some()) {
            return views;
        }
        let grown = Arc::new(TopicViews {
            id: views.id,
            name: views.name.clone(),
            internal: views.internal,
            settings: Arc::clone(&views.settings),
            partitions: self.cells(topic, &views.partitions),
        });
        self.set.push(Arc::clone(&grown));
        grown
    }

    fn cells(&self, topic: &TopicImage, old: &[Arc<PartitionCell>]) -> Vec<Arc<PartitionCell>> {
        let count = topic.partitions.keys().last().map_or(0, |&last| last.saturating_add(1));
        let fresh = |partition| {
            Arc::new(PartitionCell::new(TopicIdPartition::new(topic.id, partition), self.publisher.shards))
        };
        let first_new = i32::try_from(old.len()).unwrap_or(i32::MAX);
        old.iter().cloned().chain((first_new..count).map(fresh)).collect()
    }

    /// Topics whose settings changed: named in the configs' change, or all when the broker's own values changed.
    fn settings(&mut self, old: &MetadataImage, broker_wide: bool) {
        let names: Vec<Str> = if broker_wide {
            self.image.topics.iter_by_name().map(|topic| topic.name.clone()).collect()
        } else {
            let changed = self.image.configs.changed_since(&old.configs).into_iter();
            let topics = changed.filter(|resource| resource.resource_type == ResourceType::Topic);
            topics.map(|resource| resource.name.clone()).collect()
        };
        for name in names {
            let Some(topic) = self.image.topics.by_name(&name) else { continue };
            let Some(views) = self.views.by_id(topic.id) else { continue };
            let settings = self.publisher.settings_of(&name, &self.image.configs);
            if **views.settings.load() == *settings {
                continue;
            }
            views.settings.store(Arc::clone(&settings));
            let listed = self.topics.iter_mut().find_map(|delta| match delta {
                TopicDelta::Set { views, settings: flag, .. } if views.id == topic.id => {
                    views.settings.store(Arc::clone(&settings));
                    Some(flag)
                }
                TopicDelta::Set { .. } | TopicDelta::Gone { .. } => None,
            });
            match listed {
                Some(flag) => *flag = true,
                None => self.topics.push(TopicDelta::Set {
                    views,
                    topic: Arc::clone(topic),
                    partitions: Some(Vec::new()),
                    settings: true,
                }),
            }
        }
    }
}

fn change_key<'a, K, V>(change: &'a kraft::image::Change<'a, K, V>) -> &'a K {
    match change {
        kraft::image::Change::Added(key, _)
        | kraft::image::Change::Changed(key, _, _)
        | kraft::image::Change::Removed(key, _) => key,
    }
}

#[cfg(test)]
mod tests;
