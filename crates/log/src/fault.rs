//! The one error of this crate that is not an answer to a client: a disk operation failed or the bytes on disk are not a log.
//! Owns the description only; what follows from a fault (directory offline, process exit) is decided above.

use std::fmt;
use std::path::{Path, PathBuf};

/// What was being done when the fault happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opening or making a file.
    Open,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Changing a file's length.
    Truncate,
    /// Making bytes durable.
    Sync,
    /// Making names durable.
    SyncDirectory,
    /// Renaming a file or directory.
    Rename,
    /// Removing a file or directory.
    Remove,
    /// Making a directory.
    CreateDirectory,
    /// Listing a directory.
    List,
    /// Asking how full the disk is.
    Space,
    /// Bringing a log back.
    Recover,
}

/// Why it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The operating system (or the simulated disk) refused.
    #[allow(missing_docs)] // its fields are what the line above says
    Io { kind: std::io::ErrorKind, text: String },
    /// The bytes are not what the format says; they are reported, never served and never cut silently.
    Corrupt(String),
    /// An earlier write or flush of this log failed, so its unsynced pages can no longer be trusted: no retry, no acknowledgement.
    Poisoned,
}

/// Any disk error. The log (and by the broker's decision its directory) is dead after one from `Write` or `Sync`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What was tried.
    pub operation: Operation,
    /// On what.
    pub path: PathBuf,
    /// Why it failed.
    pub cause: Cause,
}

impl Fault {
    /// What the operating system said.
    pub fn io(operation: Operation, path: &Path, error: &std::io::Error) -> Fault {
        Fault {
            operation,
            path: path.to_path_buf(),
            cause: Cause::Io { kind: kind_of(error), text: error.to_string() },
        }
    }

    /// Bytes that are not what they should be.
    pub fn corrupt(operation: Operation, path: &Path, what: impl Into<String>) -> Fault {
        Fault { operation, path: path.to_path_buf(), cause: Cause::Corrupt(what.into()) }
    }

    /// A log that failed before takes nothing more.
    pub fn poisoned(path: &Path) -> Fault {
        Fault { operation: Operation::Write, path: path.to_path_buf(), cause: Cause::Poisoned }
    }

    /// The file or directory does not exist: often an answer, not a fault.
    pub fn is_not_found(&self) -> bool {
        matches!(self.cause, Cause::Io { kind: std::io::ErrorKind::NotFound, .. })
    }

    /// The bytes are on the platter, and the read was not to wait for it.
    pub fn would_block(path: &Path) -> Fault {
        Fault::io(Operation::Read, path, &std::io::ErrorKind::WouldBlock.into())
    }

    /// See [`Fault::would_block`]: who reads is to read again on a thread that may wait.
    pub fn is_would_block(&self) -> bool {
        matches!(self.cause, Cause::Io { kind: std::io::ErrorKind::WouldBlock, .. })
    }

    /// The process or the machine ran out of descriptors or memory: no fault of the disk.
    pub fn is_shortage(&self) -> bool {
        let Cause::Io { kind, .. } = &self.cause else { return false };
        match kind {
            std::io::ErrorKind::ResourceBusy => true,
            // A sync that ran short of memory may have lost pages like any other that failed.
            std::io::ErrorKind::OutOfMemory => self.operation != Operation::Sync,
            _ => false,
        }
    }

    /// It refused and left the disk as good as it was: the same may well succeed later.
    pub fn is_passing(&self) -> bool {
        self.is_disk_full() || self.is_shortage()
    }

    /// No space left. Whether the log can go on when there is room says `Log::poisoned`.
    pub fn is_disk_full(&self) -> bool {
        matches!(
            self.cause,
            Cause::Io { kind: std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded, .. }
        )
    }
}

/// The standard library has no kind for a lack of descriptors.
fn kind_of(error: &std::io::Error) -> std::io::ErrorKind {
    let shortages = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].map(|errno| errno.raw_os_error());
    match error.raw_os_error() {
        Some(number) if shortages.contains(&number) => std::io::ErrorKind::ResourceBusy,
        Some(_) | None => error.kind(),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {}: ", self.operation, self.path.display())?;
        match &self.cause {
            Cause::Io { text, .. } => f.write_str(text),
            Cause::Corrupt(what) => write!(f, "corrupt: {what}"),
            Cause::Poisoned => f.write_str("an earlier write or flush failed, nothing more is accepted"),
        }
    }
}

impl std::error::Error for Fault {}
