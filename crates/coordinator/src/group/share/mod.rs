//! Share groups (KIP-932): members say what they want, the coordinator says which partitions each reads from; several may read from one.
//!
//! Owns the protocol of ShareGroupHeartbeat. The rooms: `group.rs`, `member.rs` what records leave · `records.rs` record ↔ bytes ·
//! `heartbeat.rs` one heartbeat, one decision · `roster.rs` who wants what, together · `topics.rs` which topics have share state, are getting
//! or losing it · `offsets.rs` where a group is, altered and deleted · `leave.rs` going · `describe.rs` for administrators · `heard.rs` what
//! passes between a group and whoever carries out its wishes.
//!
//! Partitions are assigned once their share state is there: until then a heartbeat's answer asks its handler to see to it. What was read is
//! no offset of the group's; it is share state, and lives with the share coordinator.

mod describe;
mod group;
mod heard;
mod heartbeat;
mod leave;
mod member;
mod offsets;
pub mod records;
mod roster;
mod topics;

pub use describe::refused as describe_refused;
pub(super) use group::ShareSoft;
pub use group::{ShareGroup, SharedTopic, SharedTopics};
pub use heard::{Partitions, ShareHeartbeatAnswer, ToDelete, ToInitialize};
pub use member::ShareMember;
