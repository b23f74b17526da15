//! A whole Kafka node without sockets, threads or clock: shards, replication, request handlers.
//!
//! Read `command.rs`, `effect.rs`, `api/produce.rs`, `shard.rs` in that order; [`node::Node`] is what the rim holds.

pub mod config;
pub mod connection;
pub mod mailbox;
pub mod node;
pub mod rim;

pub use connection::{Connection, Peer};
pub use node::{Node, NodeOptions};
pub use rim::{CloseReason, Handling, Job, Outcome, Rim};
