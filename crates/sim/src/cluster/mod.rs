//! Several machines: what befalls them, who uses them, what must hold among them. The real nodes, each on its own disk and clock; owns
//! nothing of what they do.
//!
//! `shape.rs` what a seed draws · `strikes.rs` the faults, drawn before the run · `fate.rs` the life of the cluster · `oracle.rs`,
//! `audit.rs` what must hold · `router.rs` how clients find leaders · `producer.rs`, `reader.rs`, `member.rs`, `copier.rs`, `admin.rs` the clients · `copies.rs` what came of the copier.

pub mod admin;
pub mod audit;
pub mod copier;
pub mod copies;
pub mod fate;
pub mod machines;
pub mod meddling;
pub mod member;
pub mod oracle;
pub mod producer;
pub mod reader;
pub mod router;
pub mod shape;
pub mod strikes;
