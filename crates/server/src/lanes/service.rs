//! A node as one connection sees it.

use std::net::SocketAddr;

use broker::{Handling, Node};
use bytes::Bytes;

use super::doors::DoorPlate;
use crate::gateway::Service;

/// A node as one connection sees it.
pub struct NodeService {
    node: Node,
    connection: broker::Connection,
}

impl NodeService {
    /// A connection from an address by a door.
    pub fn new(node: &Node, door: &DoorPlate, from: SocketAddr) -> Self {
        let connection = node.connection(broker::Peer {
            listener: door.name.clone(),
            controller: door.controller,
            host: format!("/{}", from.ip().to_canonical()),
            principal: broker::Principal::anonymous(),
        });
        Self { node: node.clone(), connection }
    }
}

impl Service for NodeService {
    fn handle(&self, frame: Bytes, now_ms: i64) -> Handling {
        self.node.handle(&self.connection, frame, now_ms)
    }
}
