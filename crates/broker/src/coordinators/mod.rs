//! Coordinators on this node: how a replicated state machine of any kind lives on its partition's log (`host.rs`), which kinds there are
//! (`coordinator.rs`, `kinds.rs`; `groups.rs` and what groups see of the cluster, `group_view.rs`; `transactions.rs`; `shares.rs`), how a key finds its coordinator (`routing.rs`), and the topics that they live in (`internal_topics.rs`).

pub(crate) mod committed_topics;
pub(crate) mod coordinator;
pub(crate) mod group_view;
mod groups;
pub(crate) mod host;
pub(crate) mod internal_topics;
pub(crate) mod kinds;
pub(crate) mod routing;
mod shares;
#[cfg(test)]
pub(crate) mod tally;
mod transactions;
pub(crate) mod verification;
