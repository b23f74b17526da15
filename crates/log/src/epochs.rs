//! The leader-epoch cache (KIP-101): which epoch began at which offset, kept in `leader-epoch-checkpoint`.

/// Epochs with their start offsets, both strictly increasing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochCache {
    pub(crate) entries: Vec<EpochEntry>,
}

/// One epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    pub epoch: i32,
    pub start_offset: i64,
}
