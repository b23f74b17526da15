//! A bounded model of one partition on three brokers, explored to its end: every order in which records are produced and fetched, brokers
//! crash and come back, are fenced and unfenced, images arrive late, and AlterPartition is decided, lost or late. Who decides is
//! the real controller on a real image; who is in sync, what is committed, what is proposed and where logs part is the real
//! leader's and follower's bookkeeping (`broker::in_sync`) with the real epoch cache. Only logs (the epochs of their records) and
//! messages are the model's own. KIP-497, 903, 966.
//!
//! `bounds.rs` how far it goes · `state.rs` what there is · `controller.rs` what the controller is asked · `moves.rs` what may happen · `rules.rs` what must hold ·
//! `search.rs` breadth first, and the way back to health from each state.
//!
//! A fetch is one step: while one is under way its follower stands still, so that its parts change nothing that the order of whole
//! fetches does not show; one that outlives its sender is a step of its own. Time stands still: who is behind may be called slow.

mod bounds;
mod controller;
mod moves;
mod rules;
mod search;
mod state;

pub use bounds::{Bounds, Plant};
pub use search::{Explored, Found, explore};

#[cfg(test)]
mod tests;
