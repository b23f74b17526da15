//! Consumer groups (KIP-848): members say what they want, the coordinator says who has what, and each goes there at its own pace.
//!
//! Owns the protocol of ConsumerGroupHeartbeat. The rooms: `group.rs`, `member.rs` what records leave · `heartbeat.rs` one heartbeat, one
//! decision · `reconcile.rs` one step of a member · `subscription.rs` who wants what, together · `regexes.rs` patterns · `leave.rs` going ·
//! `describe.rs` for administrators · `migration.rs` to and from the classic protocol, `classic_members.rs` those who still speak it, `embedded.rs` in their own words · `view.rs` what is looked at of the cluster. Unlike
//! classic groups these are all replicated state: what is soft is when topics were last looked at, and who looks at patterns.

mod classic_members;
pub mod describe;
mod embedded;
pub mod group;
mod heartbeat;
mod leave;
pub mod member;
mod migration;
mod reconcile;
pub mod refusal;
mod regexes;
mod subscription;
mod view;

pub use group::{ConsumerGroup, ConsumerGroupState};
pub use member::ConsumerMember;
pub use regexes::{Resolved, ToResolve};
pub(super) use subscription::TopicHashes;
pub use view::{ClusterView, GroupSetting, NothingKnown, Seen, TopicView};

use wire::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatResponse;

/// What a heartbeat comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerHeartbeatAnswer {
    /// For the member.
    pub response: ConsumerGroupHeartbeatResponse,
    /// For whoever asked in its name: to be looked at with the member's eyes, and told in [`super::GroupCommand::RegexesResolved`].
    pub resolve: Option<ToResolve>,
}

/// What a consumer group has besides its records.
#[derive(Debug, Clone, Default)]
pub(super) struct ConsumerSoft {
    /// The version of the cluster that its topics were last looked at.
    pub checked_version: Option<i64>,
    /// Until then somebody looks at its patterns.
    pub resolving_until_ms: i64,
}
