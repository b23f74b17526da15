//! A classic group while it is alive: members, phase, and who waits for what (KIP-62, KIP-345, KIP-394, KIP-559, KIP-814).
//!
//! Owns membership and the choice of a protocol (`group.rs`). The phases: `join.rs` coming · `rebalance.rs` the join phase · `sync.rs`
//! the assignment · `leave.rs` heartbeats and going. All of it is soft state: what outlives the leader is the
//! GroupMetadata record of the last completed generation.
//!
//! ```text
//!            a member joins                    all joined, or time is up         the leader's assignment is committed
//! Empty ───────────────────► PreparingRebalance ───────────────────► CompletingRebalance ───────────────────► Stable
//!   ▲                          │      ▲   ▲                               │                                    │
//!   └──────────────────────────┘      │   └───────────────────────────────┴────────────────────────────────────┘
//!      nobody is left                 └ Empty                  a member comes, goes or changes
//! ```

mod group;
mod join;
mod leave;
mod member;
mod rebalance;
pub(crate) mod subscription;
mod sync;

pub use group::{CONSUMER_PROTOCOL_TYPE, ClassicGroup, ClassicState, JoinPhase};
pub(crate) use member::protocols_of;
pub use member::{Member, Protocol, Waiting};
