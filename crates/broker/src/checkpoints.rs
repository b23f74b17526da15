//! The offset checkpoints of a directory (recovery point, log start, high watermark, cleaned offset), gathered from all shards and written
//! together. Owns one round's offsets; writing is a job for the rim's pool.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use log::directory::{Checkpoint, Offsets};
use log::{Closed, Fault};
use parking_lot::Mutex;

use crate::directories::{Directories, Directory};
use crate::replica::Replica;

/// One round: every shard adds its partitions, the last one sends the round to be written.
pub(crate) struct CheckpointRound {
    shards_left: AtomicUsize,
    /// By directory. A reply slot for many: locked once by each shard.
    gathered: Mutex<BTreeMap<usize, DirectoryOffsets>>,
    /// `Directory::lowerings` and `Directory::events` of each directory when the round began.
    known: Vec<(u64, u64)>,
}

/// What the files of a directory will hold.
#[derive(Default)]
pub(crate) struct DirectoryOffsets {
    recovery_points: Offsets,
    log_starts: Offsets,
    high_watermarks: Offsets,
    cleaned: Offsets,
}

impl DirectoryOffsets {
    /// One partition's offsets.
    pub fn add(&mut self, name: (String, i32), log: Closed) {
        let Closed { recovery_point, log_start_offset: log_start, high_watermark, cleaned_offset } = log;
        if let Some(cleaned) = cleaned_offset {
            self.cleaned.insert(name.clone(), cleaned);
        }
        // Kafka leaves the default out of the log-start file.
        if log_start > 0 {
            self.log_starts.insert(name.clone(), log_start);
        }
        self.recovery_points.insert(name.clone(), recovery_point);
        self.high_watermarks.insert(name, high_watermark);
    }
}

impl DirectoryOffsets {
    /// A log that is gone.
    pub fn remove(&mut self, name: &(String, i32)) {
        for offsets in
            [&mut self.recovery_points, &mut self.log_starts, &mut self.high_watermarks, &mut self.cleaned]
        {
            offsets.remove(name);
        }
    }

    /// A log start that was written meanwhile.
    pub fn raise_log_start(&mut self, name: &(String, i32), offset: i64) {
        let start = self.log_starts.entry(name.clone()).or_default();
        *start = offset.max(*start);
    }

    /// Those of another shard.
    pub fn extend(&mut self, other: DirectoryOffsets) {
        self.recovery_points.extend(other.recovery_points);
        self.log_starts.extend(other.log_starts);
        self.high_watermarks.extend(other.high_watermarks);
        self.cleaned.extend(other.cleaned);
    }
}

impl CheckpointRound {
    /// A round that waits for so many shards.
    pub fn new(shards: usize, directories: &Directories) -> CheckpointRound {
        let known = directories.iter().map(|one| (one.lowerings(), one.events())).collect();
        CheckpointRound { shards_left: AtomicUsize::new(shards), gathered: Mutex::default(), known }
    }

    /// A shard's replicas, and what it knows of logs that are not open. True for the last shard.
    pub fn add<'a>(
        &self,
        replicas: impl Iterator<Item = &'a Replica>,
        asleep: impl Iterator<Item = (usize, (String, i32), Closed)>,
    ) -> bool {
        {
            let mut gathered = self.gathered.lock();
            for (directory, name, offsets) in asleep {
                gathered.entry(directory).or_default().add(name, offsets);
            }
            // A log that was never written has no directory, and needs no line.
            for replica in replicas.filter(|replica| replica.log.log_end_offset() > 0) {
                let log = &replica.log;
                gathered.entry(replica.directory).or_default().add(
                    (replica.topic.to_string(), replica.cell.key.partition),
                    Closed {
                        recovery_point: log.recovery_point(),
                        log_start_offset: log.log_start_offset(),
                        high_watermark: log.high_watermark(),
                        cleaned_offset: log.cleaned_offset(),
                    },
                );
                if let Some(moving) = &replica.moving {
                    // The copy on its way bears the same name where it goes: a start finds out how much of it is durable.
                    gathered.entry(moving.target).or_default().add(
                        (replica.topic.to_string(), replica.cell.key.partition),
                        Closed {
                            recovery_point: moving.state.recovery_point,
                            log_start_offset: moving.state.log_start_offset,
                            high_watermark: moving.state.log_start_offset,
                            cleaned_offset: None,
                        },
                    );
                }
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
