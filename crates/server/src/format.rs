//! `storage format`, `info`, `version-mapping` and `feature-dependencies`, as kafka-storage of Kafka 4.4 has them.
//!
//! Owns the rules of formatting and its printed words; the bytes are in `bootstrap`, the directories' identity in
//! `directories`. Errors are Kafka's sentences, one per call.

mod blank;
mod bootstrap;
mod features;
mod quorum;
mod scram;
mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use kraft::features::{KRAFT_VERSION, METADATA_VERSION, MetadataVersion};
use log::Disk;
use wire::records::metadata::{FeatureLevelRecord, MetadataRecord};

use crate::directories::{Ensemble, Found};
use crate::random;
use crate::settings::Settings;

pub use blank::{is_untouched, stranger};
pub use bootstrap::{Bootstrap, CHECKPOINT, METADATA_LOG};
pub use features::{feature_dependencies, version_mapping};
pub use quorum::{InitialController, QuorumChoice};

/// The arguments of `storage format`.
#[derive(Debug, Clone, Default)]
pub struct FormatOptions {
    /// `-t`
    pub cluster_id: String,
    /// `-r`
    pub release_version: Option<String>,
    /// `-f`, each `name=level`.
    pub features: Vec<String>,
    /// `-S`
    pub scram: Vec<String>,
    /// `-g`
    pub ignore_formatted: bool,
    /// `-s`, `-I`, `-N`
    pub quorum: QuorumChoice,
    /// The node starts right away, and its first flush of the metadata log makes the last name durable before anybody hears of
    /// it. A crash before that leaves a directory that is not formatted.
    pub starts_at_once: bool,
}

/// Formats the empty directories of `settings`, printing what Kafka prints.
pub fn format(
    settings: &Settings,
    options: &FormatOptions,
    disk: &Arc<dyn Disk>,
    now_ms: i64,
    out: &mut dyn Write,
) -> Result<(), String> {
    let voters = quorum::initial_voters(settings, &options.quorum)?;
    let requested = features::requested(&options.features)?;
    let version = features::release(options.release_version.as_deref(), &requested)?;
    let levels = features::effective(&requested, version, settings.voters.is_empty())?;
    let bootstrap = Bootstrap {
        kraft_version: levels.get(KRAFT_VERSION).copied().unwrap_or(0),
        voters: voters.as_deref().map(|v| quorum::voters_record(v, settings)),
        records: records(&levels, &options.scram, version)?,
    };
    let directories = all_directories(settings);
    let ensemble = Ensemble::load(&**disk, &directories);
    ensemble.verify(Some(&options.cluster_id), settings.node_id)?;
    if !options.ignore_formatted
        && let Some((path, _)) = ensemble.formatted().next()
    {
        return Err(format!(
            "Log directory {} is already formatted. Use --ignore-formatted to ignore this directory and format the others.",
            path.display()
        ));
    }
    let mut say = |line: String| writeln!(out, "{line}").map_err(|e: io::Error| e.to_string());
    for (path, _) in ensemble.unreadable() {
        say(format!("I/O error trying to read log directory {}. Ignoring...", path.display()))?;
    }
    let mut empty: Vec<&PathBuf> = ensemble.empty().collect();
    if empty.is_empty() {
        if ensemble.formatted().next().is_none() {
            return Err("No available log directories to format.".to_owned());
        }
        return say("All of the log directories are already formatted.".to_owned());
    }
    say(format!("Bootstrap metadata: {}", features::shown(&bootstrap.records, version)))?;
    if options.starts_at_once {
        // The metadata directory last: with its identity the node is formatted.
        empty.sort_by_key(|path| **path == settings.metadata_directory);
    }
    for path in empty {
        let metadata = *path == settings.metadata_directory;
        let me = voters.iter().flatten().find(|v| v.id == settings.node_id);
        let kind = match (metadata, &voters, me) {
            (false, _, _) => "data directory",
            (true, None, _) => "metadata directory",
            (true, Some(_), None) => "dynamic metadata directory",
            (true, Some(_), Some(_)) => "dynamic metadata voter directory",
        };
        say(format!("Formatting {kind} {} with {METADATA_VERSION} {version}.", path.display()))?;
        let checkpoint = metadata.then(|| bootstrap.checkpoint(now_ms));
        let content = writing::Content {
            cluster_id: &options.cluster_id,
            node_id: settings.node_id,
            directory_id: me.filter(|_| metadata).map(|v| v.directory_id),
            checkpoint: checkpoint.as_deref(),
        };
        let aside = writing::write_directory(disk, path, &content, options.starts_at_once && metadata)
            .map_err(|fault| {
                format!("Error while writing meta.properties file {}: {fault}", path.display())
            })?;
        if let Some(aside) = aside {
            say(format!("A metadata log without meta.properties was there: it is now {}.", aside.display()))?;
        }
    }
    Ok(())
}

/// `log.dirs` and the metadata directory, sorted.
pub fn all_directories(settings: &Settings) -> BTreeSet<PathBuf> {
    settings.directories.iter().chain([&settings.metadata_directory]).cloned().collect()
}

/// The metadata version first, then the other features by name, then the credentials. Level 0 is the absence of a record.
fn records(
    levels: &BTreeMap<&str, i16>,
    scram: &[String],
    version: MetadataVersion,
) -> Result<Vec<MetadataRecord>, String> {
    let record = |name: &str, level: i16| -> MetadataRecord {
        FeatureLevelRecord { name: name.into(), feature_level: level }.into()
    };
    let mut all = vec![record(METADATA_VERSION, version.level())];
    let others = levels.iter().filter(|(name, level)| **name != KRAFT_VERSION && **level > 0);
    all.extend(others.map(|(name, level)| record(name, *level)));
    if !scram.is_empty() && !version.has_scram() {
        return Err("SCRAM is only supported in metadata.version 3.5-IV2 or later.".to_owned());
    }
    for argument in scram {
        let salt = random::bytes::<24>().map_err(|e| e.to_string())?;
        all.push(scram::parse(argument, &salt)?.into());
    }
    Ok(all)
}

/// `storage info`: prints what is there; false if something is wrong with it.
pub fn info(settings: &Settings, disk: &dyn Disk, out: &mut dyn Write) -> io::Result<bool> {
    let directories = all_directories(settings);
    let mut problems = Vec::new();
    let mut there = Vec::new();
    let mut first = None;
    for (path, found) in &Ensemble::load(disk, &directories).0 {
        let shown = path.display();
        if !disk.exists(path) {
            problems.push(format!("{shown} does not exist"));
            continue;
        }
        there.push(shown.to_string());
        match found {
            Found::Empty => problems.push(format!("{shown} is not formatted.")),
            Found::Unreadable(why) => problems.push(format!("Error loading {shown}/meta.properties: {why}")),
            Found::Formatted(meta) => match &first {
                None => first = Some(meta.clone()),
                Some(other) if other.cluster_id != meta.cluster_id => {
                    problems.push("Mismatched cluster IDs between storage directories.".to_owned());
                }
                Some(other) if other.node_id != meta.node_id => {
                    problems.push("Mismatched node IDs between storage directories.".to_owned());
                }
                Some(_) => {}
            },
        }
    }
    if first.as_ref().is_some_and(|meta| meta.version == 0) {
        problems.push(
            "The kafka configuration file appears to be for a cluster in KRaft mode, but the directories are \
             formatted for legacy mode."
                .to_owned(),
        );
    }
    print_list(out, "Found log director", ("y", "ies"), &there)?;
    if let Some(meta) = first {
        writeln!(out, "Found metadata: {meta}\n")?;
    }
    print_list(out, "Found problem", ("", "s"), &problems)?;
    Ok(problems.is_empty())
}

fn print_list(out: &mut dyn Write, title: &str, ends: (&str, &str), items: &[String]) -> io::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "{title}{}:", if items.len() == 1 { ends.0 } else { ends.1 })?;
    for item in items {
        writeln!(out, "  {item}")?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests;
