//! A directory gets its snapshot and its identity. Owns the order in which they become durable: nothing in a directory counts before
//! `meta.properties` has its name, so all that lies below is proven together and the identity is shown last.

use std::collections::BTreeSet;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, Builder};

use log::directory::MetaProperties;
use log::{Disk, Fault, FileHandle, LogDirectory};
use wire::Uuid;

use super::{CHECKPOINT, METADATA_LOG};
use crate::random;

/// What a formatted directory says.
pub struct Content<'a> {
    pub cluster_id: &'a str,
    pub node_id: i32,
    /// Drawn if the quorum did not fix it.
    pub directory_id: Option<Uuid>,
    /// The bootstrap snapshot, in the metadata directory.
    pub checkpoint: Option<&'a [u8]>,
}

/// Formats one directory. `starts_at_once`: as in the options of formatting.
pub fn write_directory(
    disk: &Arc<dyn Disk>,
    path: &Path,
    content: &Content<'_>,
    starts_at_once: bool,
) -> Result<Option<PathBuf>, Box<dyn std::error::Error>> {
    let mut unproven = Unproven::default();
    let mut aside = None;
    unproven.make_directories(&**disk, path)?;
    if let Some(checkpoint) = content.checkpoint {
        let log = path.join(METADATA_LOG);
        aside = set_aside(&**disk, &log)?;
        unproven.make_directories(&**disk, &log)?;
        let file = FileHandle::new(log.join(CHECKPOINT));
        disk.create_empty(&file)?;
        disk.write_at(&file, 0, &mut [IoSlice::new(checkpoint)])?;
        unproven.files.push(file);
        unproven.directories.insert(log);
    }
    let directory_id = match content.directory_id {
        Some(id) => id,
        None => random::uuid()?,
    };
    let meta = MetaProperties {
        cluster_id: Some(content.cluster_id.to_owned()),
        node_id: Some(content.node_id),
        directory_id: Some(directory_id),
        ..MetaProperties::default()
    };
    let directory = LogDirectory::new(disk.clone(), path);
    let identity = directory.write_meta_properties_aside(&meta)?;
    unproven.files.push(identity.clone());
    // Its first name, too: as long as it stands, whatever else is here was told to nobody.
    unproven.directories.insert(path.to_owned());
    unproven.prove(&**disk)?;
    // The identity gets its name last: a directory with it is a formatted one, with all that this stands for.
    directory.show_meta_properties(&identity)?;
    if !starts_at_once {
        disk.sync_directory(path)?;
    }
    Ok(aside)
}

/// What was written and made, and is not on the platter yet.
#[derive(Default)]
struct Unproven {
    files: Vec<FileHandle>,
    directories: BTreeSet<PathBuf>,
}

impl Unproven {
    /// Makes a directory and its parents.
    fn make_directories(&mut self, disk: &dyn Disk, path: &Path) -> Result<(), Fault> {
        if path.parent().is_none() || disk.exists(path) {
            return Ok(());
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent {
            self.make_directories(disk, parent)?;
        }
        disk.create_directory(path)?;
        self.directories.insert(parent.unwrap_or(Path::new(".")).to_owned());
        Ok(())
    }

    /// Brings all of it to the platter: nothing in it counts before the identity is there, so the order is free.
    fn prove(self, disk: &dyn Disk) -> Result<(), Fault> {
        let sync_files = || {
            self.files.iter().try_for_each(|file| {
                disk.sync(file)?;
                disk.release(file);
                Ok(())
            })
        };
        let sync_directory = |directory: &PathBuf| disk.sync_directory(directory);
        if !disk.syncs_side_by_side() {
            sync_files()?;
            return self.directories.iter().try_for_each(sync_directory);
        }
        // A start waits for this, and each sync for a write and a flush of the device.
        thread::scope(|threads| {
            let mut begun = Vec::new();
            for directory in &self.directories {
                match Builder::new().spawn_scoped(threads, move || sync_directory(directory)) {
                    Ok(thread) => begun.push(thread),
                    Err(_no_thread) => sync_directory(directory)?,
                }
            }
            sync_files()?;
            begun.into_iter().try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }
}

/// A metadata log in a directory that was never formatted is what a crash left of an earlier attempt, or somebody's who lost his
/// meta.properties: nothing of it counts, and nothing of it is destroyed.
fn set_aside(disk: &dyn Disk, log: &Path) -> Result<Option<PathBuf>, Box<dyn std::error::Error>> {
    if !disk.exists(log) || disk.list(log)?.iter().all(|entry| entry.name.starts_with(CHECKPOINT)) {
        return Ok(None);
    }
    let mut aside = log.as_os_str().to_os_string();
    aside.push(format!(".{}-stray", random::uuid()?));
    let aside = PathBuf::from(aside);
    disk.rename_directory(log, &aside)?;
    Ok(Some(aside))
}
