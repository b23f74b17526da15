//! What a node is made of, and the few calls its rim makes. Owns nothing mutable itself: shards, quorum and views do.
//! Never reads a clock, opens a socket or starts a thread; every call brings the time (`now_ms`: milliseconds since the
//! Unix epoch on a clock that never goes back).

use crate::connection::{Connection, ConnectionState, Peer};
use crate::rim::{CloseReason, Handling, Job, Outcome, Rim};
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;

/// An address that clients are told.
#[derive(Debug, Clone)]
pub struct Listener {
    /// The listener's name, e.g. `PLAINTEXT`.
    pub name: String,
    /// What Metadata says: the advertised host.
    pub host: String,
    /// The advertised port (the bound one if the configuration says 0).
    pub port: u16,
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT`, `SASL_SSL`.
    pub security_protocol: String,
}

/// What the rim must know to open a node; everything else is in the directories.
pub struct NodeOptions {
    pub node_id: i32,
    /// The advertised listeners (not those of the controller role).
    pub listeners: Vec<Listener>,
    /// The listeners of the controller role.
    pub controller_listeners: Vec<Listener>,
    /// `log.dirs`, formatted (each holds a meta.properties).
    pub directories: Vec<PathBuf>,
    /// `metadata.log.dir`, one of the above unless configured otherwise.
    pub metadata_directory: PathBuf,
    pub config: crate::config::StaticConfig,
    /// The bells.
    pub rim: Arc<dyn Rim>,
}

/// A whole Kafka node; cheap to clone.
#[derive(Clone)]
pub struct Node(Arc<NodeState>);

pub(crate) struct NodeState {}

impl Node {
    /// A connection was accepted and authenticated.
    pub fn connection(&self, peer: Peer) -> Connection {
        Connection(Arc::new(ConnectionState { peer }))
    }

    /// Begins to handle one request (the frame without its length prefix).
    pub fn handle(&self, connection: &Connection, frame: Bytes, now_ms: i64) -> Handling {
        let _ = (connection, frame, now_ms);
        Handling::ready(Outcome::Close(CloseReason::Stopping))
    }

    /// Timers, lifecycle, leftovers. Returns when to call again at the latest; earlier if the rim's bell rings.
    pub fn turn(&self, now_ms: i64) -> Option<i64> {
        let _ = now_ms;
        None
    }

    /// One turn of the metadata quorum. It may fsync: the rim gives it a thread of its own.
    pub fn quorum_turn(&self, now_ms: i64) -> Option<i64> {
        let _ = now_ms;
        None
    }

    /// The next blocking job, if any.
    pub fn work(&self) -> Option<Job> {
        None
    }

    /// True once the broker is registered, caught up and unfenced.
    pub fn is_ready(&self) -> bool {
        false
    }

    /// Begins a controlled shutdown; the rim goes on calling the turns until [`Node::may_stop`].
    pub fn begin_shutdown(&self, now_ms: i64) {
        let _ = now_ms;
    }

    /// True when the controller has let this broker go.
    pub fn may_stop(&self) -> bool {
        true
    }

    /// Flushes, writes the checkpoints and the clean-shutdown marker. Nothing may be called afterwards.
    pub fn close(&self, now_ms: i64) {
        let _ = now_ms;
    }
}
