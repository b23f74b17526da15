//! A replica on its way to another log directory (KIP-113, KIP-858): what its shard remembers of the move, what travels between the shard
//! and the pool, and the pool's part: slices of the copy, and the end of the log that the replica left. Which step follows which is the
//! shard's (`shard/moving.rs`).

use std::path::PathBuf;
use std::sync::Arc;

use log::future::FutureState;
use log::{Closed, CopyStop, Fault, FutureLog, Log, Removal};
use wire::Uuid;

use super::directories::{Directories, Directory};
use super::moves::MovePlace;
use crate::limits::MOVE_FLUSH_BYTES;
use crate::views::PartitionCell;

/// A move as its replica knows it.
pub(crate) struct Move {
    /// Tells it from other moves of the same replica.
    pub serial: u64,
    pub target: usize,
    pub stage: Stage,
    /// The image says that the replica is in the target.
    pub is_told: bool,
    /// What the future log held when it was last seen.
    pub state: FutureState,
    /// The copy, while no job has it and no timer waits with it.
    pub waiting: Option<Box<Moving>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Copying,
    /// The controller was asked to note the new directory.
    Asked,
    /// It has: the replica goes as soon as nothing is missing.
    Agreed,
}

impl Move {
    /// A copy is held back only while the controller is asked.
    pub fn is_waiting_for_an_answer_only(&self) -> bool {
        self.waiting.is_none() || self.stage == Stage::Asked
    }
}

/// A copy on its way between its shard and the pool.
pub(crate) struct Moving {
    pub cell: Arc<PartitionCell>,
    pub topic: Arc<str>,
    pub serial: u64,
    pub source: usize,
    pub target: usize,
    /// Where its log lies.
    pub path: PathBuf,
    pub begin: Option<Begin>,
    pub future: Option<FutureLog>,
    pub slice_bytes: u64,
    /// Copied and not flushed yet.
    pub unflushed_bytes: u64,
    /// Everything is to be flushed once the ends meet.
    pub flush_at_end: bool,
    pub place: Option<MovePlace>,
}

/// How a copy's log comes to be, in its first slice.
pub(crate) struct Begin {
    pub config: Arc<log::LogConfig>,
    pub topic_id: Uuid,
    pub path: PathBuf,
    /// Offsets of one that an earlier life of the process began.
    pub found: Option<log::OpenMode>,
}

/// The log that a replica left, until the new one holds everything durably.
pub(crate) struct Retiring {
    pub log: Log,
    pub directory: usize,
    /// The new log has to be flushed up to here.
    pub end_offset: i64,
}

/// An old log that may go, for the pool.
pub(crate) struct Retirement {
    pub cell: Arc<PartitionCell>,
    pub topic: wire::Str,
    pub log: Log,
    pub source: usize,
    pub target: usize,
    pub offsets: Closed,
}

/// What became of a slice of a move.
pub(crate) enum MoveStep {
    /// So many bytes, and there are more.
    Copied {
        bytes: u64,
    },
    /// So many bytes, and the copy met the end of the view it was made from.
    CaughtUp {
        bytes: u64,
    },
    Stopped(CopyStop),
}

impl Moving {
    /// One slice, on the pool: the first makes or opens the log, the others copy.
    pub fn run(&mut self, place: &Directory, wall_ms: i64) -> MoveStep {
        if let Some(begin) = self.begin.take() {
            return match begin.run(place, &self.topic, self.cell.key.partition, wall_ms) {
                Ok(future) => {
                    self.future = Some(future);
                    MoveStep::Copied { bytes: 0 }
                }
                Err(fault) => MoveStep::Stopped(CopyStop::Target(fault)),
            };
        }
        let (Some(view), Some(future)) = (self.cell.view(), self.future.as_mut()) else {
            return MoveStep::Copied { bytes: 0 };
        };
        let bytes = match future.copy(&view, self.slice_bytes, wall_ms) {
            Ok(bytes) => bytes,
            Err(stop) => return MoveStep::Stopped(stop),
        };
        self.unflushed_bytes = self.unflushed_bytes.saturating_add(bytes);
        let caught_up = future.state().log_end_offset >= view.log_end_offset;
        if (caught_up && self.flush_at_end) || self.unflushed_bytes >= MOVE_FLUSH_BYTES {
            if let Err(fault) = future.flush() {
                return MoveStep::Stopped(CopyStop::Target(fault));
            }
            self.unflushed_bytes = 0;
        }
        if caught_up { MoveStep::CaughtUp { bytes } } else { MoveStep::Copied { bytes } }
    }

    /// Nobody needs the copy any more.
    pub fn discard(self, place: &Directory) -> Result<(), Fault> {
        let disk = place.log.disk();
        if place.is_failed() || !disk.exists(&self.path) {
            return Ok(());
        }
        place.discard_future(&self.path)?.run()
    }
}

impl Begin {
    fn run(self, place: &Directory, topic: &str, partition: i32, wall_ms: i64) -> Result<FutureLog, Fault> {
        let disk = Arc::clone(place.log.disk());
        let future = match self.found {
            Some(mode) => FutureLog::resume(disk, self.path, self.config, mode, wall_ms)?,
            None => FutureLog::create(disk, self.path, self.config, self.topic_id)?,
        };
        place.forget_offsets(topic, partition)?;
        Ok(future)
    }
}

impl Retirement {
    /// Makes sure that a start finds what the checkpoints of the old directory knew, then gives the old log its last name.
    pub fn run(self, directories: &Directories) -> Result<Option<Removal>, (usize, Fault)> {
        let (source, target) = (self.source, self.target);
        let (Some(from), Some(to)) = (directories.get(source), directories.get(target)) else {
            return Ok(None);
        };
        if to.is_failed() || from.is_failed() {
            return Ok(None);
        }
        let partition = self.cell.key.partition;
        to.note_offsets(&self.topic, partition, self.offsets).map_err(|fault| (target, fault))?;
        let removal = self.log.delete(from.deletion_name()).map_err(|fault| (source, fault))?;
        from.log_gone(&self.topic, partition);
        Ok(removal)
    }
}

impl Retiring {
    /// The log and its directory, for whoever deletes it at once.
    pub fn into_parts(self) -> (Log, usize) {
        (self.log, self.directory)
    }
}
