//! One log directory: its identity (`meta.properties`), its checkpoints, its partitions' names. Owns no partition.

use crate::disk::Disk;
use crate::fault::Fault;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::Uuid;

/// Offsets per partition, as the checkpoint files hold them.
pub type Offsets = BTreeMap<(String, i32), i64>;

/// The three (with the cleaner four) offset checkpoints of a directory.
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

/// `meta.properties`, version 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    pub cluster_id: Option<String>,
    pub node_id: Option<i32>,
    pub directory_id: Option<Uuid>,
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
    pub topic: String,
    pub partition: i32,
    pub path: PathBuf,
}

/// All that a log directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub partitions: Vec<PartitionDirectory>,
    /// `-delete` directories whose removal a stop interrupted.
    pub deleted: Vec<PathBuf>,
    /// `-future` (moving between directories) and `-stray` ones.
    pub other: Vec<PathBuf>,
}

impl LogDirectory {
    pub fn new(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> LogDirectory {
        LogDirectory { disk, path: path.into() }
    }

    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a partition lives: `<topic>-<partition>`.
    pub fn partition_path(&self, topic: &str, partition: i32) -> PathBuf {
        self.path.join(format!("{topic}-{partition}"))
    }

    /// `None` if the directory was never formatted.
    pub fn meta_properties(&self) -> Result<Option<MetaProperties>, Fault> {
        unimplemented!("landing next")
    }

    pub fn write_meta_properties(&self, meta: &MetaProperties) -> Result<(), Fault> {
        let _ = meta;
        unimplemented!("landing next")
    }

    /// Partitions, interrupted deletions and the rest.
    pub fn list(&self) -> Result<Listing, Fault> {
        unimplemented!("landing next")
    }

    /// Offsets of a checkpoint; an absent or damaged file is empty (checkpoints are caches) and says so in the second value.
    pub fn read_checkpoint(&self, which: Checkpoint) -> Result<(Offsets, bool), Fault> {
        let _ = which;
        unimplemented!("landing next")
    }

    pub fn write_checkpoint(&self, which: Checkpoint, offsets: &Offsets) -> Result<(), Fault> {
        let _ = (which, offsets);
        unimplemented!("landing next")
    }

    /// Whether the last stop was clean, with the broker epoch it wrote (KIP-966). Removes the marker: call once, at start,
    /// before anything is written.
    pub fn take_clean_shutdown(&self) -> Result<Option<i64>, Fault> {
        unimplemented!("landing next")
    }

    /// Leaves the marker, last of all, after every log was closed and the checkpoints written.
    pub fn write_clean_shutdown(&self, broker_epoch: i64) -> Result<(), Fault> {
        let _ = broker_epoch;
        unimplemented!("landing next")
    }

    /// Room on the file system.
    pub fn space(&self) -> Result<crate::DiskSpace, Fault> {
        self.disk.space(&self.path)
    }
}
