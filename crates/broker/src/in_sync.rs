//! The rules of replication without a log, a message or a clock, for those who explore them: who is in sync, what that makes of the high
//! watermark, what a leader asks of the controller and makes of its answers, where a follower's log parts from its leader's.
//! Owns nothing: a door to what the shards work with.

pub use crate::quorum::isr_proposals::{IsrAnswer, IsrOutcome, IsrProposal, IsrProposals};
pub use crate::replica::divergence::{FollowerAt, truncation_target};
pub use crate::replica::isr::{Eligible, Follower, FollowerSays, InSyncReplicas, NotAFollower};
pub use crate::replica::term::{Heard, Leader, LeadersLog};
