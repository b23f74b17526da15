//! Deterministic nodes under a seed: the real [`broker::Node`] with a simulated clock, network and disk, workloads by
//! simulated clients, and invariants with names. One thread; what happens next is the seed's draw, so that a failing seed
//! fails again. Never touches production code; owns no Kafka semantics but what a client believes.
//!
//! `run.rs` driver · `machine.rs`, `host.rs`, `clock.rs` the computer · `fate.rs` its crashes · `pipes.rs`, `network.rs` connections ·
//! `links.rs`, `dialing.rs` those between nodes · `clients/` workloads · `cluster/` several machines ·
//! `product_lines.rs` what nodes say · `plants.rs` bugs that must be found · `history/` what clients did, judged · `model.rs` what was promised · `invariants.rs` what must hold · `audit.rs` where it is looked for.

#![warn(missing_docs)]

mod audit;
mod ballots;
mod clients;
mod clock;
mod cluster;
mod dialing;
mod executor;
mod fate;
pub mod history;
mod host;
pub mod invariants;
mod links;
mod lying_disk;
mod machine;
mod minimise;
mod model;
mod network;
mod pipes;
mod plants;
mod product_lines;
mod random;
mod run;
mod shape;
mod socket;
mod trace;
mod world;

#[cfg(test)]
mod tests;

pub use minimise::minimise;
pub use plants::{Found, Planted, plants};
pub use product_lines::show as show_product_lines;
pub use run::{Options, Report, run};
pub use shape::{FlushMode, Plant, Shape};

/// When every run begins: a day in 2027, in milliseconds since the Unix epoch.
pub const START_MS: i64 = 1_800_000_000_000;
