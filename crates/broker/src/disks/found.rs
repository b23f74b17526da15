//! What a start found of partitions on the disk, as plain data: by directory and, once it is put together, by replica.

use std::path::PathBuf;

use log::OpenMode;

/// What a start found of one partition in one directory.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub current: Option<OpenMode>,
    /// On their way here from another directory; one, unless a crash came between two moves.
    pub futures: Vec<(PathBuf, OpenMode)>,
}

/// A future log.
#[derive(Debug)]
pub(crate) struct FutureFound {
    pub directory: usize,
    pub path: PathBuf,
    pub mode: OpenMode,
}

/// A replica, and what else bears its name.
#[derive(Debug)]
pub(crate) struct FoundReplica {
    pub directory: usize,
    pub mode: OpenMode,
    /// Another directory holds it, too: a crash came in the middle of an exchange. Their ends tell which one is right.
    pub rival: Option<(usize, OpenMode)>,
    /// The first is a move that goes on, others are to be discarded.
    pub futures: Vec<FutureFound>,
}

impl FoundReplica {
    /// Nothing else bears its name.
    pub fn is_alone(&self) -> bool {
        self.rival.is_none() && self.futures.is_empty()
    }
}

/// Where a replica is, or shall be.
#[derive(Debug)]
pub(crate) enum Placement {
    /// Found on disk; another directory may hold it, too.
    Found(Box<FoundReplica>),
    /// Nothing on disk anywhere: it begins here.
    New { directory: usize },
    /// Only a future log is left, where the image wants the replica: the move had been agreed upon (KAFKA-16082).
    Promote(FutureFound),
    /// It lies where nobody can read it, or may.
    Nowhere,
}
