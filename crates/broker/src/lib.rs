//! A whole Kafka node without sockets, threads or clock: shards, replication, request handlers.
//!
//! Read `command.rs`, `effect.rs`, `api/produce.rs`, `shard/mod.rs` in that order; [`node::Node`] is what the rim holds.

mod amendments;
mod api;
mod assignments;
mod by_topic;
mod checkpoints;
mod cleaners;
mod cold_reads;
mod command;
pub mod config;
mod config_requests;
pub mod connection;
mod connection_caps;
mod coordinators;
mod directories;
mod effect;
mod endpoints;
mod fetch_pass;
mod fetch_session;
mod flusher;
mod group_routing;
mod image_delta;
mod image_lines;
mod internal_topics;
mod lifecycle;
pub mod limits;
pub mod loggers;
mod mailbox;
pub mod metadata_files;
mod moves;
pub mod node;
mod operations;
mod producer_ids;
mod quorum;
mod replica;
pub mod rim;
mod rules;
mod session_cache;
mod shard;
pub mod telling;
mod timers;
mod topic_settings;
pub mod views;
mod watch;

#[cfg(test)]
mod tests;

pub use config::check_cordoned;
pub use connection::{Connection, Peer};
pub use connection_caps::ConnectionCaps;
pub use node::{Listener, Node, NodeOptions, OpenError};
pub use rim::{CloseReason, Handling, Job, Outcome, Rim};
