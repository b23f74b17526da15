//! Turns broker, net, files and threads into a running node. Holds no Kafka semantics.

// The rim reads clocks and owns the threads.
#![allow(clippy::disallowed_methods)]
#![warn(missing_docs)]

pub mod bells;
pub mod clock;
pub mod directories;
pub mod environment;
pub mod format;
pub mod gateway;
pub mod guard;
pub mod http;
pub mod issuers;
pub mod journey;
pub mod lanes;
pub mod listeners;
pub mod logs;
pub mod machine;
pub mod main_loop;
mod process_figures;
pub mod properties;
pub mod providers;
pub mod random;
pub mod security;
pub mod settings;
pub mod signals;
pub mod start_error;
pub mod takeover;
pub mod threads;
pub mod tls;
