//! The offset checkpoints of a directory (recovery point, log start, high watermark, cleaned offset), gathered from all shards and written
//! together. Owns one round's offsets; writing is a job for the rim's pool.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use log::directory::Checkpoint;
use log::{Closed, Fault};
use parking_lot::Mutex;

use super::directories::{Directories, Directory};
use super::offsets::DirectoryOffsets;

/// One round: every shard adds its partitions, the last one sends the round to be written.
pub(crate) struct CheckpointRound {
    shards_left: AtomicUsize,
    /// By directory. A reply slot for many: locked once by each shard.
    gathered: Mutex<BTreeMap<usize, DirectoryOffsets>>,
    /// `Directory::lowerings` and `Directory::events` of each directory when the round began.
    known: Vec<(u64, u64)>,
}

impl CheckpointRound {
    /// A round that waits for so many shards.
    pub fn new(shards: usize, directories: &Directories) -> CheckpointRound {
        let known = directories.iter().map(|one| (one.lowerings(), one.events())).collect();
        CheckpointRound { shards_left: AtomicUsize::new(shards), gathered: Mutex::default(), known }
    }

    /// A shard's logs: the directory of each, its name, its offsets. True for the last shard.
    pub fn add(&self, logs: impl Iterator<Item = (usize, (String, i32), Closed)>) -> bool {
        {
            let mut gathered = self.gathered.lock();
            for (directory, name, offsets) in logs {
                gathered.entry(directory).or_default().add(name, offsets);
            }
        }
        self.shards_left.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Writes the files. Blocking. The first fault of each directory is answered.
    pub fn write(&self, directories: &Directories) -> Vec<(usize, Fault)> {
        let gathered = std::mem::take(&mut *self.gathered.lock());
        gathered
            .into_iter()
            .filter_map(|(index, offsets)| {
                let directory = directories.get(index)?;
                let (lowerings, events) = self.known.get(index).copied().unwrap_or_default();
                if lowerings != directory.lowerings() {
                    // Some of these offsets may be too high by now; the next round knows better.
                    directory.note_change();
                    return None;
                }
                write(directory, offsets, events).err().map(|fault| (index, fault))
            })
            .collect()
    }
}

/// Writes the files of one directory: offsets that were gathered when `known` of its events had happened.
pub(crate) fn write(directory: &Directory, mut offsets: DirectoryOffsets, known: u64) -> Result<(), Fault> {
    if directory.is_failed() {
        return Ok(());
    }
    let _writing = directory.writing_checkpoints.lock();
    directory.amend(&mut offsets, known);
    directory.log.write_checkpoint(Checkpoint::RecoveryPoint, &offsets.recovery_points)?;
    directory.log.write_checkpoint(Checkpoint::LogStart, &offsets.log_starts)?;
    directory.log.write_checkpoint(Checkpoint::Replication, &offsets.high_watermarks)?;
    // Most directories hold nothing that was ever compacted.
    if directory.note_cleaned(!offsets.cleaned.is_empty()) {
        directory.log.write_checkpoint(Checkpoint::Cleaner, &offsets.cleaned)?;
    }
    directory.amended(known);
    Ok(())
}
