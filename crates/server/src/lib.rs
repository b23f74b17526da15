//! Turns broker, net, files and threads into a running node. Holds no Kafka semantics.

// The rim reads clocks and owns the threads.
#![allow(clippy::disallowed_methods)]

pub mod clock;
pub mod gateway;
pub mod guard;
pub mod listeners;
pub mod properties;
pub mod settings;
