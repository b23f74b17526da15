//! What a directory may hold that a node formats by itself. Kafka never does that, so all that is not plainly a fresh directory, or one
//! whose formatting was cut short, is somebody's data whose identity was lost, and is refused. Reads only.

use std::path::Path;

use log::{Disk, Fault};

use super::{CHECKPOINT, METADATA_LOG};
use crate::directories::META_PROPERTIES;

/// What mkfs leaves at the top of a file system.
const LOST_AND_FOUND: &str = "lost+found";

/// The lock of whoever was here before.
const LOCK: &str = ".lock";

/// The identity before it has its name: as long as it is there under this one, nobody was told of anything in the directory.
const UNNAMED: &str = "meta.properties.tmp";

/// The first thing in an unformatted directory that speaks against formatting it; `None`: it is blank.
pub fn stranger(disk: &dyn Disk, directory: &Path) -> Result<Option<String>, Fault> {
    if !disk.exists(directory) {
        return Ok(None);
    }
    let entries = disk.list(directory)?;
    let unfinished = entries.iter().any(|entry| entry.name == UNNAMED && !entry.is_directory);
    for entry in entries {
        let may_be = match entry.name.as_str() {
            LOST_AND_FOUND => entry.is_directory,
            LOCK | UNNAMED => !entry.is_directory,
            // Before there is an identity of any name there is the bootstrap snapshot and nothing else.
            METADATA_LOG => unfinished || holds_snapshot_only(disk, &directory.join(METADATA_LOG))?,
            name => unfinished && is_set_aside(name),
        };
        if !may_be {
            return Ok(Some(entry.name));
        }
    }
    Ok(None)
}

/// A directory that was formatted and never started: the formatting of the others was cut short.
pub fn is_untouched(disk: &dyn Disk, directory: &Path) -> Result<bool, Fault> {
    let untouched = |name: &str| name == META_PROPERTIES || name == LOST_AND_FOUND;
    Ok(disk.list(directory)?.iter().all(|entry| untouched(&entry.name)))
}

fn holds_snapshot_only(disk: &dyn Disk, log: &Path) -> Result<bool, Fault> {
    Ok(disk.list(log)?.iter().all(|entry| entry.name.starts_with(CHECKPOINT)))
}

/// What an earlier attempt put aside.
fn is_set_aside(name: &str) -> bool {
    name.strip_prefix(METADATA_LOG).is_some_and(|rest| rest.starts_with('.') && rest.ends_with("-stray"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::{FileHandle, SimDisk};

    fn with(names: &[&str]) -> Option<String> {
        let disk = SimDisk::new(1);
        disk.create_directory(Path::new("/data")).unwrap();
        for name in names {
            let path = Path::new("/data").join(name.trim_end_matches('/'));
            match name.ends_with('/') {
                true => disk.create_directory(&path).unwrap(),
                false => {
                    disk.create_directory(path.parent().unwrap()).unwrap();
                    disk.create(&FileHandle::new(path)).unwrap();
                }
            }
        }
        stranger(&disk, Path::new("/data")).unwrap()
    }

    #[test]
    fn fresh_and_half_formatted_directories_are_blank() {
        const SNAPSHOT: &str = "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint";
        const SEGMENT: &str = "__cluster_metadata-0/00000000000000000000.log";
        assert_eq!(with(&[]), None);
        assert_eq!(with(&["lost+found/", ".lock"]), None);
        assert_eq!(with(&[SNAPSHOT]), None);
        assert_eq!(with(&["__cluster_metadata-0/", "meta.properties.tmp"]), None);
        assert_eq!(with(&[SNAPSHOT, SEGMENT, "meta.properties.tmp", ".lock"]), None);
        assert_eq!(with(&["meta.properties.tmp", "__cluster_metadata-0.AAAA-stray/"]), None);
    }

    #[test]
    fn anything_else_is_somebodys() {
        const SEGMENT: &str = "__cluster_metadata-0/00000000000000000000.log";
        for name in [
            "orders-0/",
            "notes.txt",
            ".kafka_cleanshutdown",
            "bootstrap.checkpoint",
            "lost+found",
            "a-0.1-delete/",
        ] {
            let told = with(&["meta.properties.tmp", name]);
            assert_eq!(told.as_deref(), Some(name.trim_end_matches('/')));
        }
        // The log of a node whose meta.properties is gone.
        assert_eq!(with(&[SEGMENT]).as_deref(), Some("__cluster_metadata-0"));
        assert_eq!(
            with(&["__cluster_metadata-0.AAAA-stray/"]).as_deref(),
            Some("__cluster_metadata-0.AAAA-stray")
        );
    }
}
