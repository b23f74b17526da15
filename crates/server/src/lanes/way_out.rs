//! The node's way to other nodes, as its rim has it: every link lives on a lane, and whatever the node wants of it is put into that lane's
//! letter box. Callable from every thread; waits for nothing.

use std::io;
use std::sync::Arc;

use broker::{LinkId, PeerAddress};
use bytes::Bytes;

use super::errands::Errand;
use super::neighbours::Neighbours;

/// The way to other nodes; cheap to clone.
#[derive(Clone)]
pub struct WayOut(Arc<Neighbours>);

impl WayOut {
    /// A way over so many lanes, which carry nothing before they are started.
    pub fn new(lanes: usize) -> io::Result<WayOut> {
        Ok(WayOut(Arc::new(Neighbours::new(lanes.max(1))?)))
    }

    /// See [`broker::Rim::connect`].
    pub fn connect(&self, link: LinkId, to: &PeerAddress) {
        self.0.send(link, Errand::Connect(link, to.clone()));
    }

    /// See [`broker::Rim::send`].
    pub fn send(&self, link: LinkId, frame: Vec<Bytes>) {
        self.0.send(link, Errand::Send(link, frame));
    }

    /// See [`broker::Rim::disconnect`].
    pub fn disconnect(&self, link: LinkId) {
        self.0.send(link, Errand::Disconnect(link));
    }

    pub(super) fn lanes(&self) -> &Arc<Neighbours> {
        &self.0
    }
}
