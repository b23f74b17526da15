//! One log directory: its identity (`meta.properties`), its checkpoints, its partitions' names. Owns no partition.

use crate::checkpoint;
use crate::disk::{Disk, FileHandle};
use crate::fault::{Fault, Operation};
use crate::names;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::Uuid;

pub use crate::checkpoint::Offsets;

/// The offset checkpoints of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    /// `recovery-point-offset-checkpoint`
    RecoveryPoint,
    /// `log-start-offset-checkpoint`
    LogStart,
    /// `replication-offset-checkpoint`: high watermarks.
    Replication,
    /// `cleaner-offset-checkpoint`
    Cleaner,
}

/// `meta.properties` (KIP-631, KIP-858).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// 1; 0 is of ZooKeeper times and calls the node `broker.id`. A file keeps its own.
    pub version: i32,
    /// The cluster it belongs to.
    pub cluster_id: Option<String>,
    /// The node it belongs to.
    pub node_id: Option<i32>,
    /// Its own id (KIP-858).
    pub directory_id: Option<Uuid>,
    /// Keys of others, kept as they are.
    pub others: BTreeMap<String, String>,
}

impl Default for MetaProperties {
    fn default() -> Self {
        Self { version: 1, cluster_id: None, node_id: None, directory_id: None, others: BTreeMap::new() }
    }
}

impl MetaProperties {
    fn node_key(version: i32) -> &'static str {
        if version == 0 { "broker.id" } else { "node.id" }
    }
}

/// A log directory.
#[derive(Clone, Debug)]
pub struct LogDirectory {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

/// A partition found in a log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDirectory {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The whole path.
    pub path: PathBuf,
}

/// All that a log directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of their names.
    pub partitions: Vec<PartitionDirectory>,
    /// `-delete` directories whose removal a stop interrupted.
    pub deleted: Vec<PathBuf>,
    /// `-future` ones: replicas on their way here from another log directory (KIP-113).
    pub futures: Vec<PartitionDirectory>,
    /// `-stray` ones and those of others.
    pub other: Vec<PathBuf>,
}

const META_PROPERTIES: &str = "meta.properties";
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// Of this build alone; Kafka passes over files that it does not know.
const LIFE: &str = ".ottla_life";
const LOCK: &str = ".lock";

impl Checkpoint {
    fn file_name(self) -> &'static str {
        match self {
            Checkpoint::RecoveryPoint => "recovery-point-offset-checkpoint",
            Checkpoint::LogStart => "log-start-offset-checkpoint",
            Checkpoint::Replication => "replication-offset-checkpoint",
            Checkpoint::Cleaner => "cleaner-offset-checkpoint",
        }
    }
}

impl LogDirectory {
    /// A directory by its path; nothing is looked at yet.
    pub fn new(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> LogDirectory {
        LogDirectory { disk, path: path.into() }
    }

    /// What it lies on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a partition lives: `<topic>-<partition>`.
    pub fn partition_path(&self, topic: &str, partition: i32) -> PathBuf {
        self.path.join(format!("{topic}-{partition}"))
    }

    /// Where a replica is copied to on its way here: `<topic>-<partition>.<unique>-future`.
    pub fn future_path(&self, topic: &str, partition: i32, unique: Uuid) -> PathBuf {
        self.path.join(names::future_directory(&format!("{topic}-{partition}"), &hex(unique)))
    }

    /// Renames a directory inside this one so that nothing finds it any more, and makes that durable; answers what removes it.
    pub fn discard(&self, path: &Path, unique: Uuid) -> Result<crate::Removal, Fault> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // A future log's unique part goes; a topic may have dots of its own.
        let is_future = names::parse_future_directory(name).is_some();
        let name =
            name.rsplit_once('.').filter(|_| is_future).map_or(name, |(topic_partition, _)| topic_partition);
        let target = self.path.join(names::delete_directory(name, &hex(unique)));
        self.disk.rename_directory(path, &target)?;
        self.disk.sync_directory(&self.path)?;
        Ok(crate::Removal::of_directory(Arc::clone(&self.disk), target))
    }

    /// Renames a partition's directory that nobody knows the right of, as Kafka does with strays: its bytes are kept.
    pub fn set_aside(&self, topic: &str, partition: i32, unique: Uuid) -> Result<PathBuf, Fault> {
        let path = self.partition_path(topic, partition);
        let target = self.path.join(names::stray_directory(&format!("{topic}-{partition}"), &hex(unique)));
        self.disk.rename_directory(&path, &target)?;
        self.disk.sync_directory(&self.path)?;
        Ok(target)
    }

    /// Creates the directory if need be and takes its lock for this process; false if another process (Kafka itself, say)
    /// holds it.
    pub fn claim(&self) -> Result<bool, Fault> {
        if !self.disk.exists(&self.path) {
            self.disk.create_directory(&self.path)?;
            if let Some(parent) = self.path.parent() {
                self.disk.sync_directory(parent)?;
            }
        }
        self.disk.lock(&self.path.join(LOCK))
    }

    /// `None` if the directory was never formatted. A damaged file is a fault: identity is not guessed.
    pub fn meta_properties(&self) -> Result<Option<MetaProperties>, Fault> {
        let path = self.path.join(META_PROPERTIES);
        let Some(text) = self.read_if_there(META_PROPERTIES)? else { return Ok(None) };
        let corrupt = |what: &str| Fault::corrupt(Operation::Open, &path, what);
        // Java writes nothing but ASCII.
        let text = std::str::from_utf8(&text).map_err(|_| corrupt("not text"))?;
        let mut others = wire::properties::parse_text(text).map_err(|error| corrupt(&error.to_string()))?;
        let version = match others.remove("version").as_deref().map(str::trim) {
            Some("1") => 1,
            Some("0") | None => 0,
            Some(version) => {
                return Err(corrupt(&format!("Unknown meta.properties version number {version}")));
            }
        };
        let node_id = others
            .remove(MetaProperties::node_key(version))
            .map(|id| id.trim().parse().map_err(|_| corrupt("the node's id is no number")));
        let directory_id = others
            .remove("directory.id")
            .map(|id| id.parse().map_err(|_| corrupt("directory.id is no uuid")));
        Ok(Some(MetaProperties {
            version,
            cluster_id: others.remove("cluster.id"),
            node_id: node_id.transpose()?,
            directory_id: directory_id.transpose()?,
            others,
        }))
    }

    /// Writes the identity, whole or not at all; durable when this returns.
    pub fn write_meta_properties(&self, meta: &MetaProperties) -> Result<(), Fault> {
        let file = self.write_meta_properties_aside(meta)?;
        self.disk.sync(&file)?;
        self.show_meta_properties(&file)?;
        self.disk.sync_directory(&self.path)
    }

    /// The beginning of [`LogDirectory::write_meta_properties`]: to be synced before it is shown.
    pub fn write_meta_properties_aside(&self, meta: &MetaProperties) -> Result<FileHandle, Fault> {
        let mut properties = meta.others.clone();
        properties.insert("version".into(), meta.version.to_string());
        if let Some(cluster_id) = &meta.cluster_id {
            properties.insert("cluster.id".into(), cluster_id.clone());
        }
        if let Some(node_id) = meta.node_id {
            properties.insert(MetaProperties::node_key(meta.version).into(), node_id.to_string());
        }
        if let Some(directory_id) = meta.directory_id {
            properties.insert("directory.id".into(), directory_id.to_string());
        }
        let text = checkpoint::write_properties(&properties);
        self.disk.write_aside(&self.path.join(META_PROPERTIES), text.as_bytes())
    }

    /// Gives what was written aside its name, which becomes durable with the next sync of the directory.
    pub fn show_meta_properties(&self, file: &FileHandle) -> Result<(), Fault> {
        self.disk.rename(file, &self.path.join(META_PROPERTIES))?;
        self.disk.release(file);
        Ok(())
    }

    /// Renames a partition's directory that belongs to another topic of the same name, as Kafka calls strays: its deletion was
    /// agreed upon and a crash came before the directory went. Answers its new place.
    pub fn set_stray_aside(
        &self,
        topic: &str,
        partition: i32,
        topic_id: Uuid,
        unique: Uuid,
    ) -> Result<Option<PathBuf>, Fault> {
        let path = self.partition_path(topic, partition);
        let metadata = match self.disk.read_file(&path.join(names::PARTITION_METADATA)) {
            Ok(text) => text,
            Err(fault) if fault.is_not_found() => return Ok(None),
            Err(fault) => return Err(fault),
        };
        // A torn file says nothing: it was never flushed, and neither was what lies beside it.
        match checkpoint::read_partition_metadata(&metadata) {
            Some(found) if found != topic_id => {}
            Some(_) | None => return Ok(None),
        }
        self.set_aside(topic, partition, unique).map(Some)
    }

    /// Partitions, interrupted deletions and the rest.
    pub fn list(&self) -> Result<Listing, Fault> {
        let mut listing = Listing::default();
        for entry in self.disk.list(&self.path)? {
            if !entry.is_directory {
                continue;
            }
            let path = self.path.join(&entry.name);
            if entry.name.ends_with(names::DELETE_DIRECTORY_SUFFIX) {
                listing.deleted.push(path);
            } else if let Some((topic, partition)) = names::parse_partition_directory(&entry.name) {
                listing.partitions.push(PartitionDirectory { topic: topic.to_owned(), partition, path });
            } else if let Some((topic, partition)) = names::parse_future_directory(&entry.name) {
                listing.futures.push(PartitionDirectory { topic: topic.to_owned(), partition, path });
            } else {
                listing.other.push(path);
            }
        }
        Ok(listing)
    }

    /// Offsets of a checkpoint. An absent or damaged file is empty (checkpoints are caches); the second value says that one
    /// was there and was damaged.
    pub fn read_checkpoint(&self, which: Checkpoint) -> Result<(Offsets, bool), Fault> {
        let Some(text) = self.read_if_there(which.file_name())? else { return Ok((Offsets::new(), false)) };
        // Kafka makes these files empty before it first writes them.
        if text.is_empty() {
            return Ok((Offsets::new(), false));
        }
        match checkpoint::read_offsets(&text) {
            Some(offsets) => Ok((offsets, false)),
            None => Ok((Offsets::new(), true)),
        }
    }

    /// Writes a checkpoint, whole or not at all; durable when this returns.
    pub fn write_checkpoint(&self, which: Checkpoint, offsets: &Offsets) -> Result<(), Fault> {
        let text = checkpoint::write_offsets(offsets);
        self.disk.replace_file(&self.path.join(which.file_name()), text.as_bytes())
    }

    /// Whether the last stop was clean, with the broker epoch it wrote (KIP-966; -1 if none). Removes the marker: call once,
    /// at start, before anything is written.
    pub fn take_clean_shutdown(&self) -> Result<Option<i64>, Fault> {
        let Some(text) = self.read_if_there(CLEAN_SHUTDOWN)? else { return Ok(None) };
        self.disk.remove(&FileHandle::new(self.path.join(CLEAN_SHUTDOWN)))?;
        // Were the removal lost, a crash after this start would look like a clean stop.
        self.disk.sync_directory(&self.path)?;
        Ok(Some(checkpoint::read_clean_shutdown(&text)))
    }

    /// Leaves the marker, last of all, after every log was closed and the checkpoints written.
    pub fn write_clean_shutdown(&self, broker_epoch: i64) -> Result<(), Fault> {
        let text = checkpoint::write_clean_shutdown(broker_epoch);
        self.disk.replace_file(&self.path.join(CLEAN_SHUTDOWN), text.as_bytes())
    }

    /// The epoch of the broker that was killed here, if all that it wrote is still in the page cache: nothing of it is lost then,
    /// though its stop was no clean one.
    pub fn survived_life(&self) -> Result<Option<i64>, Fault> {
        let Some(page_cache) = self.disk.page_cache(&self.path) else { return Ok(None) };
        let text = self.read_if_there(LIFE)?;
        Ok(text.and_then(|text| checkpoint::read_life(&text, &page_cache)))
    }

    /// Notes which broker lives here from now on. Nothing is synced: it counts only while the page cache does.
    pub fn write_life(&self, broker_epoch: i64) -> Result<(), Fault> {
        let Some(page_cache) = self.disk.page_cache(&self.path) else { return Ok(()) };
        let path = self.path.join(LIFE);
        let text = checkpoint::write_life(broker_epoch, &page_cache);
        let file = self.disk.write_aside(&path, text.as_bytes())?;
        self.disk.rename(&file, &path)?;
        self.disk.release(&file);
        Ok(())
    }

    /// Room on the file system.
    pub fn space(&self) -> Result<crate::DiskSpace, Fault> {
        self.disk.space(&self.path)
    }

    fn read_if_there(&self, name: &str) -> Result<Option<bytes::Bytes>, Fault> {
        match self.disk.read_file(&self.path.join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(fault) if fault.is_not_found() => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// The unique part of a directory's name: an id without its dashes.
pub(crate) fn hex(unique: Uuid) -> String {
    unique.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim_disk::SimDisk;

    fn directory() -> LogDirectory {
        let directory = LogDirectory::new(Arc::new(SimDisk::new(1)), "/data");
        assert!(directory.claim().unwrap());
        directory
    }

    #[test]
    fn identity_is_kept_with_keys_of_others() {
        let directory = directory();
        assert_eq!(directory.meta_properties().unwrap(), None);
        let meta = MetaProperties {
            cluster_id: Some("4L6g3nShT-eMCtK--X86sw".into()),
            node_id: Some(1),
            directory_id: Some(Uuid([7; 16])),
            others: BTreeMap::from([("rack".to_owned(), "a".to_owned())]),
            ..MetaProperties::default()
        };
        directory.write_meta_properties(&meta).unwrap();
        assert_eq!(directory.meta_properties().unwrap(), Some(meta));
    }

    #[test]
    fn partitions_deletions_and_strays_are_told_apart() {
        let directory = directory();
        for name in ["a-0", "a-b-11", "a-1.0123-delete", "a-2.0123-future"] {
            directory.disk().create_directory(&directory.path().join(name)).unwrap();
        }
        directory.write_checkpoint(Checkpoint::LogStart, &Offsets::new()).unwrap();
        let listing = directory.list().unwrap();
        let names: Vec<_> = listing.partitions.iter().map(|p| (p.topic.as_str(), p.partition)).collect();
        assert_eq!(names, [("a", 0), ("a-b", 11)]);
        let futures: Vec<_> = listing.futures.iter().map(|p| (p.topic.as_str(), p.partition)).collect();
        assert_eq!(futures, [("a", 2)]);
        assert_eq!((listing.deleted.len(), listing.other.len()), (1, 0));
    }

    #[test]
    fn a_clean_stop_is_told_once() {
        let directory = directory();
        assert_eq!(directory.take_clean_shutdown().unwrap(), None);
        directory.write_clean_shutdown(17).unwrap();
        assert_eq!(directory.take_clean_shutdown().unwrap(), Some(17));
        assert_eq!(directory.take_clean_shutdown().unwrap(), None);
    }

    #[test]
    fn damaged_checkpoints_are_empty_and_say_so() {
        let directory = directory();
        let offsets = Offsets::from([(("t".to_owned(), 0), 9)]);
        directory.write_checkpoint(Checkpoint::RecoveryPoint, &offsets).unwrap();
        assert_eq!(directory.read_checkpoint(Checkpoint::RecoveryPoint).unwrap(), (offsets, false));
        directory
            .disk()
            .replace_file(&directory.path().join("recovery-point-offset-checkpoint"), b"0\n9\n")
            .unwrap();
        assert_eq!(directory.read_checkpoint(Checkpoint::RecoveryPoint).unwrap(), (Offsets::new(), true));
    }
}
