//! A whole Kafka node without sockets, threads or clock: shards, replication, request handlers.
//!
//! Read `command.rs`, `effect.rs`, `api/produce.rs`, `shard/mod.rs` in that order; [`node::Node`] is what the rim holds.

#![warn(missing_docs)]

mod acl_requests;
mod api;
mod by_topic;
mod call;
mod command;
pub mod config;
mod config_requests;
pub mod connection;
mod coordinators;
mod described_groups;
mod disks;
mod effect;
mod endpoints;
mod fetch;
mod forwarding;
mod greetings;
pub mod limits;
pub mod loggers;
mod mailbox;
mod metered;
pub mod metrics;
pub mod node;
mod operations;
mod peers;
mod quorum;
mod quotas;
mod replica;
mod replication;
pub mod rim;
pub mod security;
mod shard;
mod share;
mod streams_topics;
mod telemetry;
pub mod telling;
mod timers;
mod topic_settings;
pub mod views;

#[cfg(test)]
mod tests;

pub use config::check_cordoned;
pub use config::connection_caps::ConnectionCaps;
pub use connection::{Connection, Peer};
pub use node::{Listener, Node, NodeOptions, OpenError, QuorumVoter, Roles};
pub use quorum::Reception;
pub use quorum::metadata_files;
pub use rim::{CloseReason, Handling, Job, LinkId, Outcome, PeerAddress, Rim};
pub use security::principal::Principal;
