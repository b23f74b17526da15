//! What the offset checkpoints of a directory must say at once, between two rounds of writing them: log starts that were moved
//! (DeleteRecords is answered when its start is on the disk), and that logs are gone (their lines must not speak for a log that is made
//! under the same name). Owns what waits to be said; `amending.rs` writes it, `checkpoints.rs` writes the rounds.

use std::collections::BTreeMap;

use log::directory::Offsets;
use wire::{ErrorCode, Str};

use super::offsets::DirectoryOffsets;
use crate::mailbox::Reply;

/// Topic and partition, as the files name a log.
pub(super) type Name = (String, i32);

/// A log start that was moved.
pub(crate) struct MovedStart {
    pub topic: Str,
    pub partition: i32,
    pub offset: i64,
    /// Who waits until that is on the disk; nobody for retention.
    pub reply: Option<Reply<Result<i64, ErrorCode>>>,
}

/// One directory's. Each entry has the number of its event; offsets that were gathered before it do not know it.
#[derive(Default)]
pub(crate) struct Amendments {
    /// Events so far.
    pub(super) serial: u64,
    /// Moved, and not yet on the disk.
    pub(super) waiting: Vec<MovedStart>,
    /// A job is on its way for them.
    pub(super) job: bool,
    /// Log starts that were written since the last round began.
    pub(super) raised: BTreeMap<Name, (u64, i64)>,
    pub(super) gone: BTreeMap<Name, Gone>,
}

/// A log that is there no longer.
#[derive(Clone, Copy)]
pub(super) struct Gone {
    pub(super) serial: u64,
    /// The files may still have its lines.
    pub(super) in_files: bool,
}

impl Amendments {
    /// At the start: lines of logs that are not there.
    pub fn lines_without_log(&mut self, files: &[&Offsets], is_there: impl Fn(&str, i32) -> bool) {
        for (topic, partition) in files.iter().flat_map(|offsets| offsets.keys()) {
            if !is_there(topic, *partition) {
                self.gone.insert((topic.clone(), *partition), Gone { serial: 0, in_files: true });
            }
        }
    }

    /// Puts right what was gathered when `known` events had happened.
    pub fn amend(&self, offsets: &mut DirectoryOffsets, known: u64) {
        for (name, gone) in &self.gone {
            if gone.serial > known {
                offsets.remove(name);
            }
        }
        for (name, (serial, offset)) in &self.raised {
            if *serial > known {
                offsets.raise_log_start(name, *offset);
            }
        }
    }

    /// A round that knew of so many events is on the disk.
    pub fn amended(&mut self, known: u64) {
        self.raised.retain(|_, (serial, _)| *serial > known);
        self.gone.retain(|_, gone| gone.serial > known);
    }
}
