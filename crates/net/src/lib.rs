//! Sockets for both sides: framing, listeners, outbound requests.
//!
//! Owns bytes on sockets: length-prefixed frames in, ropes of `Bytes` out, the caps that protect a process
//! from strangers, and the outbound connection with correlation and deadlines. Knows no Kafka message: a
//! frame is opaque here, except for the correlation id at the front of an answer.

// The rim reads the clock; everything below takes time as an argument.
#![allow(clippy::disallowed_methods)]
#![warn(missing_docs)]

pub mod backoff;
pub mod budget;
pub mod conn;
pub mod http;
pub mod listener;
mod memory;
pub mod peer;
pub mod rope;
pub mod stream;
pub mod tls;

pub use backoff::Backoff;
pub use budget::{Budget, Lease};
pub use conn::{BadFrame, ForeignProtocol, FrameLimits, FrameReader};
pub use peer::{Peer, PeerError, PeerOptions, PeerRequest};
pub use rope::RopeWriter;
pub use stream::{Edges, Socket, Stream};
