//! The schema registry: Confluent's REST API over a `_schemas` topic of any Kafka cluster. Stands on `client` and `wire` alone; knows
//! nothing of brokers. `rest` is pure, `state` is the replayed topic; the rest of the crate is sockets and time.
#![warn(missing_docs)]
// The rim: a registry lives by the clock.
#![allow(clippy::disallowed_methods)]

mod access;
mod election;
mod guard;
mod http;
mod model;
mod options;
mod records;
pub mod rest;
mod server;
mod snapshot;
mod state;
mod subject;
mod topic;

use schema::{formats, json, percent};

pub use options::{Fault, Options};
pub use server::{Doors, Running, start};
pub use snapshot::Snapshot;
