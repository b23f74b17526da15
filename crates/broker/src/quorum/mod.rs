//! The metadata quorum of the node: hosted (`cell.rs`) on its own log (`metadata_log.rs`, `metadata_files.rs`), asked what may be
//! configured (`rules.rs`), spoken to by other members (`protocol.rs`);
//! the way to the active controller (`way.rs`, `errands.rs`); the broker's own life in the cluster (`lifecycle.rs`, `assignments.rs`, `isr_proposals.rs`,
//! `producer_ids.rs`); what is asked of brokers gone silent (`probes.rs`); and what a new image
//! means for this node (`image_delta.rs`) and for people (`image_lines.rs`, `leader_lines.rs`, `voter_lines.rs`). Decides nothing; `kraft` does.

pub(crate) mod assignments;
mod cell;
mod commands;
pub(crate) mod errands;
pub(crate) mod image_delta;
mod image_lines;
pub(crate) mod isr_proposals;
mod leader_lines;
pub(crate) mod lifecycle;
pub mod metadata_files;
mod metadata_log;
pub(crate) mod probes;
pub(crate) mod producer_ids;
pub(crate) mod protocol;
pub(crate) mod rules;
mod voter_lines;
mod way;

pub(crate) use cell::QuorumCell;
pub use commands::Reception;
pub(crate) use commands::{Audience, Forwarded, Parts, Patience, QuorumCommand};
pub(crate) use metadata_log::PartitionMetadataLog;
