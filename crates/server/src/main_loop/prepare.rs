//! The directories before a node is opened on them: formatted where a node may do that by itself, this node's, locked. Whatever is not
//! as expected refuses the start and leaves every directory as it was.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::names::is_partition_directory;
use log::{Disk, Fault};

use crate::directories::Ensemble;
use crate::format::{
    self, FormatOptions, METADATA_LOG, QuorumChoice, all_directories, is_untouched, stranger,
};
use crate::journey::Journey;
use crate::settings::Settings;
use crate::start_error::StartError;
use crate::{machine, random};

const FORMAT: &str = "ottla storage format -t $(ottla storage random-uuid) -c FILE";

/// Nodes of one cluster have one id, which they must be given.
const FORMAT_OF_SEVERAL: &str = "ottla storage format -t CLUSTER_ID -c FILE, with one CLUSTER_ID for all nodes of the cluster \
                                 (`ottla storage random-uuid` makes one)";

/// Without static voters somebody has to say who votes first.
const FORMAT_OF_DYNAMIC: &str = "ottla storage format -t CLUSTER_ID -c FILE, with one CLUSTER_ID for all nodes of the cluster, and \
                                 --initial-controllers on its first controllers, --no-initial-controllers on those that come later";

/// Formats what may be formatted, takes the locks, and checks whose directories these are.
pub(super) fn prepare_directories(
    settings: &Settings,
    disk: &Arc<dyn Disk>,
    cluster_id: Option<&str>,
    wall_ms: i64,
    journey: &Journey,
) -> Result<(), StartError> {
    let directories = all_directories(settings);
    journey.waits_for(format!("the file system of {}", shown(directories.iter())));
    let mut ensemble = Ensemble::load(&**disk, &directories);
    if examine(settings, &**disk, &ensemble)? == Prospect::Formats {
        let cluster_id = ensemble.cluster_id().or(cluster_id);
        format_alone(settings, disk, cluster_id, wall_ms)?;
        ensemble = Ensemble::load(&**disk, &directories);
        check(settings, &ensemble)?;
    }
    journey.waits_for("the locks of the directories");
    let metadata = &settings.metadata_directory;
    ensemble.formatted().try_for_each(|(path, _)| lock(&**disk, path, path == metadata))
}

/// What a start would do with the directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// Format them first.
    Formats,
    /// Open them.
    Opens,
}

/// Looks without touching anything: what a start would do, or why it refuses.
pub(crate) fn examine(
    settings: &Settings,
    disk: &dyn Disk,
    ensemble: &Ensemble,
) -> Result<Prospect, StartError> {
    named_once(ensemble.0.keys())?;
    let is_new = ensemble.formatted().next().is_none();
    if settings.is_single_node() && (is_new || was_cut_short(settings, disk, ensemble)?) {
        refuse_what_is_not_blank(disk, ensemble)?;
        return Ok(Prospect::Formats);
    }
    check(settings, ensemble)?;
    if settings.is_single_node() {
        refuse_a_lost_metadata_log(settings, disk, ensemble)?;
    }
    Ok(Prospect::Opens)
}

/// A directory under two names would be formatted, locked and written twice.
fn named_once<'a>(directories: impl IntoIterator<Item = &'a PathBuf>) -> Result<(), StartError> {
    let mut real: BTreeMap<PathBuf, &Path> = BTreeMap::new();
    for path in directories {
        if let Some(other) = real.insert(canonical(path), path) {
            let why = format!("{} and {} are one directory", other.display(), path.display());
            return Err(StartError::new("log.dirs names a directory twice", why, "one of the two names"));
        }
    }
    Ok(())
}

/// Where a path leads, as far as it is there already.
fn canonical(path: &Path) -> PathBuf {
    let mut there = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut missing: Vec<OsString> = Vec::new();
    loop {
        if let Ok(mut real) = there.canonicalize() {
            for name in missing.into_iter().rev() {
                if name == ".." {
                    let _ = real.pop();
                } else {
                    real.push(name);
                }
            }
            return real;
        }
        let last = there.components().next_back().map(|part| part.as_os_str().to_owned());
        match last.filter(|_| there.pop()) {
            Some(name) => missing.push(name),
            None => return path.to_owned(),
        }
    }
}

/// An earlier start formatted all directories but that of the metadata, which comes last, and no further: none was ever locked.
fn was_cut_short(settings: &Settings, disk: &dyn Disk, ensemble: &Ensemble) -> Result<bool, StartError> {
    if !ensemble.empty().any(|path| *path == settings.metadata_directory) {
        return Ok(false);
    }
    for (path, _) in ensemble.formatted() {
        if !is_untouched(disk, path).map_err(|fault| cannot_use("read", path, &fault))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Before a node formats by itself: nobody's data may be in any of its directories.
fn refuse_what_is_not_blank(disk: &dyn Disk, ensemble: &Ensemble) -> Result<(), StartError> {
    if let Some((path, why)) = ensemble.unreadable().next() {
        return Err(unreadable(path, why));
    }
    for path in ensemble.empty() {
        let found = stranger(disk, path).map_err(|fault| cannot_use("read", path, &fault))?;
        if let Some(name) = found {
            return Err(StartError::new(
                format!("{} is not empty and has no meta.properties", path.display()),
                format!(
                    "No readable meta.properties files found. It holds {name}, perhaps of a node whose identity was lost"
                ),
                "its meta.properties put back (with the cluster.id and the node.id of this node), or an empty directory",
            ));
        }
    }
    Ok(())
}

/// The one voter of a cluster knows its topics from its metadata log alone: without it partitions that lie there would be set aside as
/// nobody's, and an empty cluster begin.
fn refuse_a_lost_metadata_log(
    settings: &Settings,
    disk: &dyn Disk,
    ensemble: &Ensemble,
) -> Result<(), StartError> {
    let metadata = &settings.metadata_directory;
    if disk.exists(&metadata.join(METADATA_LOG)) {
        return Ok(());
    }
    for (path, _) in ensemble.formatted() {
        let entries = disk.list(path).map_err(|fault| cannot_use("read", path, &fault))?;
        let partition =
            entries.iter().find(|entry| entry.is_directory && is_partition_directory(&entry.name));
        if let Some(partition) = partition {
            return Err(StartError::new(
                format!("{} has no metadata log", metadata.display()),
                format!(
                    "{METADATA_LOG} is not there, and {} lies in {}: who starts without it has no topics",
                    partition.name,
                    path.display()
                ),
                "the log.dirs and metadata.log.dir of the configuration, or that directory put back",
            ));
        }
    }
    Ok(())
}

/// What speaks against these directories once there is nothing to format.
fn check(settings: &Settings, ensemble: &Ensemble) -> Result<(), StartError> {
    let none = ensemble.formatted().next().is_none();
    // One of several directories may be broken: the node serves what lies in the others (KIP-112).
    let fatal = |path: &Path| none || path == settings.metadata_directory;
    if let Some((path, why)) = ensemble.unreadable().find(|(path, _)| fatal(path)) {
        return Err(unreadable(path, why));
    }
    if none {
        let why = "No readable meta.properties files found.";
        let hint = match (settings.is_single_node(), settings.voters.is_empty() && settings.roles.controller)
        {
            (true, _) => FORMAT,
            (false, false) => FORMAT_OF_SEVERAL,
            (false, true) => FORMAT_OF_DYNAMIC,
        };
        return Err(StartError::new("the log directories are not formatted", why, hint));
    }
    if let Some(path) = ensemble.empty().next() {
        return Err(StartError::new(
            format!("{} is not formatted, but others of this node are", path.display()),
            format!("No `meta.properties` found in {}", path.display()),
            "its meta.properties put back; an empty directory: ottla storage format --ignore-formatted -t CLUSTER_ID -c FILE, \
             with the cluster.id of the others' meta.properties",
        ));
    }
    ensemble.verify(None, settings.node_id).map_err(|why| {
        let hint = "the log.dirs and the node.id of the configuration, or `ottla storage info -c FILE`";
        StartError::new("these directories are not this node's", why, hint)
    })
}

/// Takes a directory for this process; one that cannot be written is left to the node, which does without it if it can.
fn lock(disk: &dyn Disk, directory: &Path, is_needed: bool) -> Result<(), StartError> {
    let file = directory.join(".lock");
    match disk.lock(&file) {
        Ok(true) => Ok(()),
        Ok(false) => Err(StartError::new(
            format!("{} is in use", directory.display()),
            format!("another process holds {}", file.display()),
            format!("`fuser {}` to see which one", file.display()),
        )),
        Err(fault) if !is_needed => {
            let why = machine::why_not(directory, &fault);
            tracing::error!(directory = %directory.display(), "cannot lock a log directory: {why}");
            Ok(())
        }
        Err(fault) => Err(cannot_use("lock", directory, &fault)),
    }
}

/// One node that is the whole cluster needs nobody to format its directories.
fn format_alone(
    settings: &Settings,
    disk: &Arc<dyn Disk>,
    cluster_id: Option<&str>,
    wall_ms: i64,
) -> Result<(), StartError> {
    let shown = shown(all_directories(settings).iter());
    let failed = |why: String| {
        let what = format!("cannot format {shown}");
        StartError::new(what, why, "a directory that this user may write, with --data-dir or log.dirs")
    };
    let cluster_id = match cluster_id {
        Some(id) => id.to_owned(),
        None => random::uuid().map_err(|e| failed(e.to_string()))?.to_string(),
    };
    let quorum =
        if settings.voters.is_empty() { QuorumChoice::Standalone } else { QuorumChoice::FromConfiguration };
    tracing::info!(%cluster_id, "a new cluster: formatting {shown}");
    let options = FormatOptions {
        cluster_id,
        quorum,
        ignore_formatted: true,
        starts_at_once: true,
        ..FormatOptions::default()
    };
    format::format(settings, &options, disk, wall_ms, &mut io::sink()).map_err(failed)
}

fn unreadable(path: &Path, why: &str) -> StartError {
    let what = format!("cannot read {}", path.display());
    StartError::new(what, why, "the permissions and the disk of that directory")
}

/// Names whose the directory is, or what the file system refuses.
pub(super) fn cannot_use(verb: &str, path: &Path, fault: &Fault) -> StartError {
    let what = format!("cannot {verb} {}", path.display());
    StartError::new(what, machine::why_not(path, fault), "the permissions and the disk of that directory")
}

fn shown<'a>(directories: impl Iterator<Item = &'a PathBuf>) -> String {
    directories.map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
