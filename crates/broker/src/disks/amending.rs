//! A directory's checkpoints say at once what cannot wait for their next round (`amendments.rs`). Group commit: one file and one sync
//! for all that wait. Owns no log.

use std::collections::BTreeMap;

use log::Fault;
use log::directory::Checkpoint;
use wire::{ErrorCode, Str};

use super::amendments::{Gone, MovedStart, Name};
use super::directories::Directory;
use super::offsets::DirectoryOffsets;

const FILES: [Checkpoint; 4] =
    [Checkpoint::RecoveryPoint, Checkpoint::LogStart, Checkpoint::Replication, Checkpoint::Cleaner];

impl Directory {
    /// A log's start moved. True if the caller has to send a job that calls [`Directory::write_moved_starts`].
    pub fn start_moved(&self, moved: MovedStart) -> bool {
        let mut amendments = self.amendments.lock();
        amendments.waiting.push(moved);
        !std::mem::replace(&mut amendments.job, true)
    }

    /// Writes and answers the log starts that wait; false when none was left and the job is over. Blocking.
    pub fn write_moved_starts(&self) -> Result<bool, Fault> {
        // Entered before they are taken: a log that goes meanwhile is written before its name can be used again.
        let _writing = self.writing_checkpoints.lock();
        let moved = {
            let mut amendments = self.amendments.lock();
            amendments.job = !amendments.waiting.is_empty();
            std::mem::take(&mut amendments.waiting)
        };
        let written = if self.is_failed() { Err(None) } else { self.raise(&moved).map_err(Some) };
        let any = !moved.is_empty();
        for MovedStart { offset, reply, .. } in moved {
            let answer = written.as_ref().map(|()| offset).map_err(|_| ErrorCode::KafkaStorageError);
            reply.into_iter().for_each(|reply| reply.send(answer));
        }
        match written {
            Err(Some(fault)) => Err(fault),
            Ok(()) | Err(None) => Ok(any),
        }
    }

    fn raise(&self, moved: &[MovedStart]) -> Result<(), Fault> {
        let (mut offsets, _) = self.log.read_checkpoint(Checkpoint::LogStart)?;
        let mut changed = false;
        let mut amendments = self.amendments.lock();
        for MovedStart { topic, partition, offset, .. } in moved {
            let name = (topic.to_string(), *partition);
            let there = offsets.get(&name).copied().unwrap_or(0);
            if *offset > there {
                amendments.serial += 1;
                let serial = amendments.serial;
                amendments.raised.insert(name.clone(), (serial, *offset));
                offsets.insert(name, *offset);
                changed = true;
            }
        }
        drop(amendments);
        if changed { self.log.write_checkpoint(Checkpoint::LogStart, &offsets) } else { Ok(()) }
    }

    /// A log is gone: whoever waits for its start hears so, and no file will speak of it for long.
    pub fn log_gone(&self, topic: &str, partition: i32) {
        let mut amendments = self.amendments.lock();
        let is_it = |moved: &MovedStart| moved.topic == topic && moved.partition == partition;
        let (gone, waiting) =
            std::mem::take(&mut amendments.waiting).into_iter().partition::<Vec<_>, _>(is_it);
        amendments.waiting = waiting;
        amendments.serial += 1;
        let entry = Gone { serial: amendments.serial, in_files: true };
        amendments.gone.insert((topic.to_owned(), partition), entry);
        drop(amendments);
        for reply in gone.into_iter().filter_map(|moved| moved.reply) {
            reply.send(Err(ErrorCode::UnknownTopicOrPartition));
        }
    }

    /// A new log is made: lines of an older one of this name would tell a start that a log start, and records, lie where they do not.
    /// Blocking, where a log of this name went since the last round; all others that went are taken out with it.
    pub fn forget_lines(&self, topic: &str, partition: i32) -> Result<(), Fault> {
        let stands = |gone: &BTreeMap<Name, Gone>| {
            // Nothing is gone at nearly every start.
            !gone.is_empty() && gone.get(&(topic.to_owned(), partition)).is_some_and(|gone| gone.in_files)
        };
        if !stands(&self.amendments.lock().gone) {
            return Ok(());
        }
        let _writing = self.writing_checkpoints.lock();
        let mut amendments = self.amendments.lock();
        let names: std::collections::BTreeSet<Name> =
            amendments.gone.iter().filter(|(_, gone)| gone.in_files).map(|(name, _)| name.clone()).collect();
        for which in FILES {
            let (mut offsets, _) = self.log.read_checkpoint(which)?;
            let before = offsets.len();
            offsets.retain(|name, _| !names.contains(name));
            if offsets.len() < before {
                self.log.write_checkpoint(which, &offsets)?;
            }
        }
        for name in &names {
            amendments.raised.remove(name);
        }
        amendments.gone.values_mut().for_each(|gone| gone.in_files = false);
        Ok(())
    }

    /// A replica begins to come here: what the checkpoints say of an earlier one of its name does not hold for it.
    pub fn forget_offsets(&self, topic: &str, partition: i32) -> Result<(), Fault> {
        self.log_gone(topic, partition);
        self.forget_lines(topic, partition)
    }

    /// A replica came here from another directory: its offsets are on the disk before the log that it left goes.
    pub fn note_offsets(&self, topic: &Str, partition: i32, offsets: log::Closed) -> Result<(), Fault> {
        let _writing = self.writing_checkpoints.lock();
        let name = (topic.to_string(), partition);
        let written = [
            (Checkpoint::RecoveryPoint, offsets.recovery_point),
            (Checkpoint::Replication, offsets.high_watermark),
        ];
        for (which, offset) in written {
            let (mut there, _) = self.log.read_checkpoint(which)?;
            if there.insert(name.clone(), offset) != Some(offset) {
                self.log.write_checkpoint(which, &there)?;
            }
        }
        let offset = offsets.log_start_offset;
        self.raise(&[MovedStart { topic: topic.clone(), partition, offset, reply: None }])
    }

    /// A round begins to gather offsets: which events they know of.
    pub fn events(&self) -> u64 {
        self.amendments.lock().serial
    }

    /// Puts right what was gathered when `known` events had happened.
    pub fn amend(&self, offsets: &mut DirectoryOffsets, known: u64) {
        self.amendments.lock().amend(offsets, known);
    }

    /// The round is on the disk: what it knew of is done.
    pub fn amended(&self, known: u64) {
        self.amendments.lock().amended(known);
    }
}
