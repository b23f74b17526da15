//! The schema registry: Confluent's REST API over a `_schemas` topic of any Kafka cluster. Stands on `client` and `wire` alone; knows
//! nothing of brokers. `formats` and `rest` are pure, `state` is the replayed topic; the rest of the crate is sockets and time.
#![warn(missing_docs)]
// The rim: a registry lives by the clock.
#![allow(clippy::disallowed_methods)]

mod election;
pub mod formats;
mod http;
pub mod json;
mod model;
mod options;
mod percent;
mod records;
pub mod rest;
mod server;
mod state;
mod subject;
mod topic;

pub use options::{Fault, Options};
pub use server::{Running, start};
