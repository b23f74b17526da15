//! What may be made to happen to a simulated disk.

/// A fault to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimFault {
    /// The operation fails with EIO; nothing of it happens.
    Io,
    /// The operation fails with ENOSPC; a write may have happened in part.
    NoSpace,
    /// A sync fails once and the kernel forgets the pages: later syncs succeed without them (fsyncgate).
    SyncForgets,
    /// Power goes: this operation may or may not have happened, every later one fails until `restart`.
    Crash,
}
