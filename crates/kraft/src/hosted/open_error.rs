//! Why a metadata log cannot be opened or read, and what that is once it has been open.

use crate::raft::{QuorumOpenError, StorageFault, Unreadable};
use std::fmt;

/// Why a quorum could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The disk failed.
    Storage(StorageFault),
    /// The log, a snapshot or quorum-state is damaged, or newer than this build: which, where and why.
    Unreadable(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Storage(fault) => fault.fmt(f),
            OpenError::Unreadable(what) => write!(f, "the metadata log cannot be read: {what}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<StorageFault> for OpenError {
    fn from(fault: StorageFault) -> Self {
        OpenError::Storage(fault)
    }
}

impl From<QuorumOpenError> for OpenError {
    fn from(error: QuorumOpenError) -> Self {
        match error {
            QuorumOpenError::Storage(fault) => OpenError::Storage(fault),
            QuorumOpenError::Unreadable(what) => OpenError::Unreadable(what.to_string()),
        }
    }
}

impl From<Unreadable> for OpenError {
    fn from(unreadable: Unreadable) -> Self {
        OpenError::Unreadable(unreadable.to_string())
    }
}

/// A log that was readable before and is not any more is a fault of the disk.
pub(super) fn unreadable(error: OpenError) -> StorageFault {
    match error {
        OpenError::Storage(fault) => fault,
        OpenError::Unreadable(what) => StorageFault::new("read the metadata log", what),
    }
}
