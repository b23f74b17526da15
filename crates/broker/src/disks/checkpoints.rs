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
    /// Of each directory, when the round began.
    known: Vec<Known>,
}

/// What a directory had seen when offsets began to be gathered for it.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    round: u64,
    lowerings: u64,
    events: u64,
}

impl Known {
    /// A round begins.
    pub fn now(directory: &Directory) -> Known {
        Known { round: directory.begin_round(), lowerings: directory.lowerings(), events: directory.events() }
    }
}

impl CheckpointRound {
    /// A round that waits for so many shards.
    pub fn new(shards: usize, directories: &Directories) -> CheckpointRound {
        let known = directories.iter().map(Known::now).collect();
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
                let known = *self.known.get(index)?;
                if known.lowerings != directory.lowerings() {
                    // Some of these offsets may be too high by now; the next round knows better.
                    directory.note_change();
                    return None;
                }
                write(directory, offsets, known).err().map(|fault| (index, fault))
            })
            .collect()
    }
}

/// Writes the files of one directory, unless a later round was quicker: rounds wait for the same lock on several threads, and what a cleaning
/// or a replica's end has just said must not be taken back.
pub(crate) fn write(directory: &Directory, mut offsets: DirectoryOffsets, known: Known) -> Result<(), Fault> {
    if directory.is_failed() {
        return Ok(());
    }
    let mut latest = directory.writing_checkpoints.lock();
    if *latest > known.round {
        // Two rounds that began at once may each know something alone.
        directory.note_change();
        return Ok(());
    }
    *latest = known.round;
    directory.amend(&mut offsets, known.events);
    directory.log.write_checkpoint(Checkpoint::RecoveryPoint, &offsets.recovery_points)?;
    directory.log.write_checkpoint(Checkpoint::LogStart, &offsets.log_starts)?;
    directory.log.write_checkpoint(Checkpoint::Replication, &offsets.high_watermarks)?;
    // Most directories hold nothing that was ever compacted.
    if directory.note_cleaned(!offsets.cleaned.is_empty()) {
        directory.log.write_checkpoint(Checkpoint::Cleaner, &offsets.cleaned)?;
    }
    directory.amended(known.events);
    Ok(())
}
