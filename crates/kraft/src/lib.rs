//! The metadata quorum (raft), the image it agrees on, and the controller that decides records. Never sees files, sockets or clocks.

#![warn(missing_docs)]

pub mod controller;
pub mod features;
pub mod hosted;
pub mod image;
pub mod raft;
#[cfg(test)]
mod testing;
