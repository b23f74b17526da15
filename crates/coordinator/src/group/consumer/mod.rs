//! Consumer groups (KIP-848): members say what they want, the coordinator says who has what, and each goes there at its own pace.
//!
//! Owns the protocol of ConsumerGroupHeartbeat. The rooms: `group.rs`, `member.rs` what records leave · `heartbeat.rs` one heartbeat, one
//! decision · `reconcile.rs` one step of a member · `subscription.rs` who wants what, together · `regexes.rs` patterns · `leave.rs` going ·
//! `describe.rs` for administrators · `migration.rs` to and from the classic protocol, `classic_members.rs` those who still speak it, `embedded.rs` in their own words · `view.rs` what is looked at of the cluster. Unlike
//! classic groups these are all replicated state: what is soft is when topics were last looked at, and who looks at patterns.

mod beat;
mod classic_members;
pub mod describe;
mod embedded;
pub mod group;
mod heard;
mod heartbeat;
mod leave;
pub mod member;
mod migration;
mod reconcile;
pub mod refusal;
mod regexes;
mod soft;
mod subscription;
mod view;

pub use group::{ConsumerGroup, ConsumerGroupState};
pub use heard::{ConsumerHeartbeatAnswer, Resolved, ToResolve};
pub use member::ConsumerMember;
pub(super) use soft::{ConsumerSoft, TopicHashes};
pub use view::{ClusterView, GroupSetting, NothingKnown, Seen, TopicView};
