//! Coordinators as replicated state machines: commands decide records, only records change state.
//!
//! Read [`machine`] first (what a state machine is here), then [`hosted`] (one machine on one partition), then
//! [`group`], [`transaction`] and [`share`]; [`pattern`] is for their callers. Nothing in this crate knows a clock, a socket, a file or a thread: time, randomness and the journal are
//! arguments.

#![warn(missing_docs)]

pub mod group;
pub mod hosted;
pub mod machine;
pub mod pattern;
pub mod share;
pub mod share_partition;
pub mod timers;
pub mod transaction;

pub use hosted::{Hosted, HostedOptions, Journal};
pub use machine::{Decision, Machine, Origin, ProducerIdentity, Reply, ReplyToken, TransactionMarker};
