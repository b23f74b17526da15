//! Streams groups (KIP-1071): the threads of a streams application tell what it consists of, the coordinator says which task each of them has.
//!
//! Owns the protocol of StreamsGroupHeartbeat. The rooms: `group.rs`, `member.rs`, `topology.rs`, `tasks.rs` what records leave · `records.rs`
//! record ↔ bytes · `heartbeat.rs` one heartbeat, one decision · `known.rs` who is meant · `topics.rs` which topics a topology needs · `assignment.rs` who shall have
//! what (the assignor is `assignor/sticky.rs`) · `reconcile.rs` how a member gets there · `endpoints.rs` who is asked for a task's state ·
//! `leave.rs` going · `describe.rs` for administrators · `settings.rs` what groups are configured with · `heard.rs` what a heartbeat comes to.
//!
//! Topics that the application needs of its own are made by whoever handles the heartbeat, with the member's rights. Warm-up tasks are taken
//! over, told and given back; like Kafka 4.4.0 this assignor gives none.

mod assignment;
mod describe;
mod endpoints;
mod group;
mod heard;
mod heartbeat;
mod known;
mod leave;
mod member;
mod reconcile;
pub mod records;
mod settings;
mod tasks;
#[cfg(test)]
mod tests;
mod topics;
mod topology;

pub use describe::refused as describe_refused;
pub use group::StreamsGroup;
pub(super) use group::StreamsSoft;
pub use heard::{StatusCode, StreamsHeartbeatAnswer};
pub use member::StreamsMember;

/// The only one there is.
const ASSIGNOR: &str = "sticky";
