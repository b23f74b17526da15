//! The log directories and all that happens to them below the partitions: which there are and what they hold (`directories.rs`), where
//! a replica lies (`placement.rs`), what their offset checkpoints say (`checkpoints.rs`, `amendments.rs`), which log is flushed next
//! (`flusher.rs`), how many cleanings and moves there may be (`cleaners.rs`, `moves.rs`), and what was read again after a crash
//! (`recovered.rs`). Knows partitions by their name and their [`crate::views::PartitionCell`], never a replica or a shard.

mod amending;
pub(crate) mod amendments;
pub(crate) mod checkpoints;
pub(crate) mod cleaners;
pub(crate) mod directories;
pub(crate) mod flusher;
pub(crate) mod found;
pub(crate) mod moves;
pub(crate) mod moving;
pub(crate) mod offsets;
pub(crate) mod placement;
mod recovered;
