//! The network threads: one per core, each with its connections, an event loop of its own, and its watch.
//!
//! The first lane accepts for all and deals each connection to the lane that has the fewest. A connection stays on its
//! lane for life, and its requests are handled there. Why no runtime: decision 0016.

mod lane;
mod post;
mod refusals;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};

use broker::{Handling, Node};
use bytes::Bytes;
use net::listener::{Admission, Place};
use net::{Budget, FrameLimits};

use crate::clock::Clock;
use crate::gateway::Service;
use crate::guard::Patience;
use lane::Lane;
use post::Post;
pub use refusals::Refusals;

/// A bound listener on its way to the first lane.
pub struct Door {
    /// The socket; accepting never blocks.
    pub socket: TcpListener,
    /// The listener's name.
    pub name: String,
    /// One of the controller role.
    pub controller: bool,
}

/// What all lanes share.
pub struct Shared {
    /// Handles the requests.
    pub node: Node,
    /// Tells the time.
    pub clock: Arc<Clock>,
    /// Caps on connections.
    pub admission: Arc<Admission>,
    /// Caps on received bytes.
    pub budget: Arc<Budget>,
    /// Caps on a frame.
    pub limits: FrameLimits,
    /// Caps on silence.
    pub patience: Patience,
    /// Lines about those who are refused.
    pub refusals: Refusals,
}

/// How far the lanes are on their way to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Nobody new is accepted; who is connected goes on.
    Draining,
    /// Every connection is closed.
    Stopped,
}

/// The running lanes.
pub struct RunningLanes {
    all: Arc<Lanes>,
    threads: Vec<JoinHandle<()>>,
}

/// How one lane reaches another.
struct Lanes(Vec<Neighbour>);

struct Neighbour {
    post: Arc<Post>,
    connections: AtomicUsize,
}

/// A connection on its way to its lane.
struct Accepted {
    stream: TcpStream,
    from: SocketAddr,
    door: Arc<DoorPlate>,
    place: Place,
}

struct DoorPlate {
    name: String,
    controller: bool,
}

impl RunningLanes {
    /// Starts `count` lanes; the first listens at the doors.
    pub fn start(doors: Vec<Door>, shared: &Arc<Shared>, count: usize) -> io::Result<Self> {
        let neighbour = |_| Ok(Neighbour { post: Post::new()?, connections: AtomicUsize::new(0) });
        let all = Arc::new(Lanes((0..count.max(1)).map(neighbour).collect::<io::Result<_>>()?));
        let mut doors = Some(doors);
        let mut threads = Vec::new();
        for index in 0..all.0.len() {
            let lane = Lane::new(all.clone(), index, shared.clone(), doors.take().unwrap_or_default())?;
            let run = move || {
                if let Err(error) = lane.run() {
                    // Its connections would hang for ever.
                    tracing::error!("net-{index}: cannot wait for the kernel: {error}");
                    process::abort();
                }
            };
            threads.push(Builder::new().name(format!("net-{index}")).spawn(run)?);
        }
        Ok(Self { all, threads })
    }

    /// Closes the doors.
    pub fn drain(&self) {
        self.all.announce(Phase::Draining);
    }

    /// Closes every connection and ends the threads.
    pub fn stop(self) {
        self.all.announce(Phase::Stopped);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

impl Lanes {
    fn announce(&self, phase: Phase) {
        self.0.iter().for_each(|lane| lane.post.deliver(|mail| mail.phase = phase));
    }

    fn post(&self, index: usize) -> Arc<Post> {
        self.0[index].post.clone()
    }

    /// Connections that the lane has, or is about to have.
    fn connections(&self, index: usize) -> &AtomicUsize {
        &self.0[index].connections
    }

    /// Gives a connection to the lane with the fewest.
    fn deal(&self, accepted: Accepted) {
        if let Some(lane) = self.0.iter().min_by_key(|lane| lane.connections.load(Ordering::Relaxed)) {
            lane.connections.fetch_add(1, Ordering::Relaxed);
            lane.post.deliver(|mail| mail.arrived.push(accepted));
        }
    }
}

/// A node as one connection sees it.
struct NodeService {
    node: Node,
    connection: broker::Connection,
}

impl NodeService {
    fn new(node: &Node, door: &DoorPlate, from: SocketAddr) -> Self {
        let connection = node.connection(broker::Peer {
            listener: door.name.clone(),
            controller: door.controller,
            host: format!("/{}", from.ip().to_canonical()),
            principal: "User:ANONYMOUS".to_owned(),
        });
        Self { node: node.clone(), connection }
    }
}

impl Service for NodeService {
    fn handle(&self, frame: Bytes, now_ms: i64) -> Handling {
        self.node.handle(&self.connection, frame, now_ms)
    }
}
