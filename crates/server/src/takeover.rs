//! Can this node live on these directories, whoever wrote them? Read before anything is touched: identity, the metadata log with
//! its snapshots, feature levels, voters, and what the image says against what lies on the disk.
//!
//! Owns the questions and the sentences that answer them. Never writes, not even a lock file.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use broker::config::{BrokerFile, not_in_force};
use broker::metadata_files;
use kraft::features::KRAFT_VERSION;
use kraft::image::{MetadataImage, ResourceType};
use log::directory::PartitionDirectory;
use log::{Disk, LogDirectory};
use wire::topic::CLUSTER_METADATA;

use crate::directories::Ensemble;
use crate::format::all_directories;
use crate::main_loop::{Prospect, examine};
use crate::security::Security;
use crate::settings::Settings;
use crate::start_error::StartError;

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// How it is; nothing to do.
    Fact(String),
    /// It will work, and somebody should know.
    Warning(String),
    /// The node must not start on it.
    Obstacle(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Fact(what) => write!(f, "          {what}"),
            Finding::Warning(what) => write!(f, "warning: {what}"),
            Finding::Obstacle(what) => write!(f, "obstacle: {what}"),
        }
    }
}

/// All that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report(pub Vec<Finding>);

impl Report {
    /// Why the node must not start, if so.
    pub fn obstacles(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|finding| match finding {
            Finding::Obstacle(what) => Some(what.as_str()),
            Finding::Fact(_) | Finding::Warning(_) => None,
        })
    }

    fn fact(&mut self, what: impl Into<String>) {
        self.0.push(Finding::Fact(what.into()));
    }

    fn warn(&mut self, what: impl Into<String>) {
        self.0.push(Finding::Warning(what.into()));
    }

    fn obstacle(&mut self, what: impl Into<String>) {
        self.0.push(Finding::Obstacle(what.into()));
    }
}

/// Looks at everything; an error is what a start on these directories would end with.
pub fn check(settings: &Settings, disk: &Arc<dyn Disk>) -> Result<Report, StartError> {
    let mut report = Report::default();
    Security::read(settings)?;
    let ensemble = Ensemble::load(&**disk, &all_directories(settings));
    for (path, why) in ensemble.unreadable() {
        report.warn(format!("{} cannot be read: {why}", path.display()));
    }
    match examine(settings, &**disk, &ensemble) {
        Ok(Prospect::Formats) => {
            report.fact("these directories are blank: the start formats them, a new cluster begins");
            return Ok(report);
        }
        Ok(Prospect::Opens) => {}
        Err(refused) => return Err(refused),
    }
    if let Some(cluster_id) = ensemble.cluster_id() {
        report.fact(format!("node {} of cluster {cluster_id}", settings.node_id));
    }
    if let Some(image) = check_metadata(settings, &**disk, &mut report) {
        check_partitions(settings, disk, &image, &mut report);
    }
    Ok(report)
}

fn check_metadata(settings: &Settings, disk: &dyn Disk, report: &mut Report) -> Option<MetadataImage> {
    let inspection = match metadata_files::read(disk, &settings.metadata_directory) {
        Ok(Some(inspection)) => inspection,
        Ok(None) => {
            report.fact(match settings.is_single_node() {
                true => "there is no metadata: a new cluster begins",
                false => "there is no metadata: it comes from the quorum",
            });
            return None;
        }
        Err(why) => {
            report.obstacle(why);
            return None;
        }
    };
    metadata_files::obstacles(&inspection).into_iter().for_each(|why| report.obstacle(why));
    if inspection.is_torn {
        let end = inspection.end_offset();
        report.warn(format!(
            "the metadata log ends at offset {end} with bytes that are no batch: they are cut"
        ));
    }
    let image = inspection.image().clone();
    report.fact(format!(
        "metadata up to offset {}, leader epoch {}, {KRAFT_VERSION} {}",
        inspection.end_offset(),
        inspection.latest_epoch,
        inspection.kraft_version()
    ));
    let levels: Vec<String> = image.features.iter().map(|(name, level)| format!("{name}={level}")).collect();
    report.fact(format!("features {}", levels.join(", ")));
    tell_image(settings, &image, report);
    Some(image)
}

/// What is in the image and what this release does with it.
fn tell_image(settings: &Settings, image: &MetadataImage, report: &mut Report) {
    let (topics, partitions) = (image.topics.len(), image.topics.partition_count());
    report.fact(format!("{} with {}", counted(topics, "topic"), counted(partitions, "partition")));
    let others: Vec<String> = image
        .cluster
        .brokers()
        .filter(|broker| broker.id != settings.node_id)
        .map(|broker| broker.id.to_string())
        .collect();
    if !others.is_empty() && settings.is_single_node() {
        report.warn(format!(
            "other brokers are registered ({}): what only they hold is not served",
            others.join(", ")
        ));
    }
    unkept(image, &settings.file).into_iter().for_each(|what| report.warn(what));
}

/// What the metadata holds to protect somebody and nobody keeps: it stays, for whoever keeps it, and is said. No reason to
/// refuse: without `authorizer.class.name` Kafka serves such a directory to anybody as well.
pub fn unkept(image: &MetadataImage, file: &BrokerFile) -> Vec<String> {
    let is_set = |key| file.text(key).is_some_and(|value| !value.is_empty());
    let (is_guarded, has_token_secret) =
        (is_set("authorizer.class.name"), is_set("delegation.token.secret.key"));
    let kept: [(usize, &str); 2] = [
        (
            if is_guarded { 0 } else { image.acls.len() },
            "ACLs are kept and protect nothing: authorizer.class.name is not set, nobody is refused",
        ),
        (
            if has_token_secret { 0 } else { image.delegation_tokens.iter().count() },
            "delegation tokens are kept and let nobody in: delegation.token.secret.key is not set",
        ),
    ];
    let some = kept.into_iter().filter(|(count, _)| *count > 0);
    let mut told: Vec<String> = some.map(|(count, what)| format!("{count} {what}")).collect();
    // In a file these would refuse; here nobody could take them out without a node that starts.
    for (resource, values) in image.configs.iter() {
        if resource.resource_type == ResourceType::Broker {
            let unkept = values.iter().filter_map(|(name, value)| not_in_force(name, value));
            told.extend(unkept.map(|why| format!("a dynamic value is kept and not in force: {why}")));
        }
    }
    told
}

/// Every log directory: how it was left, and whether its partitions are the image's.
fn check_partitions(settings: &Settings, disk: &Arc<dyn Disk>, image: &MetadataImage, report: &mut Report) {
    let mut found = BTreeSet::new();
    for path in &settings.directories {
        if !disk.exists(&path.join(".kafka_cleanshutdown")) {
            let shown = path.display();
            report.warn(format!(
                "{shown} was not left cleanly: its newest segments are read through at the start"
            ));
        }
        let listing = match LogDirectory::new(Arc::clone(disk), path).list() {
            Ok(listing) => listing,
            Err(fault) => {
                report.obstacle(format!("{} cannot be listed: {fault}", path.display()));
                continue;
            }
        };
        for partition in listing.partitions {
            // The metadata log has its own place.
            if partition.topic == CLUSTER_METADATA {
                continue;
            }
            check_partition(&**disk, image, &partition, report);
            found.insert((partition.topic, partition.partition));
        }
    }
    let mut missing = 0;
    for topic in image.topics.iter_by_name() {
        for (index, partition) in topic.partitions.iter() {
            let here = partition.replicas.contains(&settings.node_id);
            missing += usize::from(here && !found.contains(&(topic.name.to_string(), *index)));
        }
    }
    if missing > 0 {
        let missing = counted(missing, "partition");
        report.fact(format!("without a directory: {missing}, empty or on a disk that is missing"));
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn check_partition(
    disk: &dyn Disk,
    image: &MetadataImage,
    partition: &PartitionDirectory,
    report: &mut Report,
) {
    let shown = partition.path.display();
    let Some(topic) = image.topics.by_name(&partition.topic) else {
        report.warn(format!("{shown} belongs to no topic: it is left alone"));
        return;
    };
    let text = disk.read_file(&partition.path.join("partition.metadata")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let id = text.lines().find_map(|line| line.strip_prefix("topic_id:"));
    if let Some(id) = id.map(str::trim).filter(|id| *id != topic.id.to_string()) {
        report.warn(format!("{shown} belongs to the topic id {id}, which is gone: it is set aside"));
    }
}

#[cfg(test)]
mod tests;
