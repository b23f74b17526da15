//! A node as one connection sees it: at once, or after it has said who it is.

use std::net::SocketAddr;
use std::sync::Arc;

use broker::security::sasl::{Entrance, Handled};
use broker::{Handling, Node, Peer, Principal};
use bytes::Bytes;

use super::doors::DoorPlate;
use super::pauses::Pause;
use super::post::Post;
use crate::gateway::Service;

/// A node as one connection sees it.
pub enum NodeService {
    /// Nobody is asked who he is, or TLS has said it.
    Open(Node, broker::Connection),
    /// By SASL.
    Guarded(Box<Guarded>),
}

/// A connection that says who it is by SASL.
pub struct Guarded {
    entrance: Entrance,
    /// That of its lane.
    post: Arc<Post>,
}

impl NodeService {
    /// A connection from an address by a door, on the lane of this letter box.
    pub fn new(node: &Node, door: &DoorPlate, from: SocketAddr, post: &Arc<Post>) -> Self {
        let peer = Peer {
            listener: door.name.to_string(),
            controller: door.controller,
            host: format!("/{}", from.ip().to_canonical()),
            principal: Principal::anonymous(),
        };
        match &door.guard.sasl {
            None => Self::Open(node.clone(), node.connection(peer)),
            Some(terms) => {
                let entrance = Entrance::new(node, terms, peer);
                Self::Guarded(Box::new(Guarded { entrance, post: post.clone() }))
            }
        }
    }
}

impl Service for NodeService {
    fn handle(&mut self, frame: Bytes, now_ms: i64) -> Handling {
        match self {
            Self::Open(node, connection) => node.handle(connection, frame, now_ms),
            Self::Guarded(guarded) => guarded.handle(frame, now_ms),
        }
    }
}

impl Guarded {
    fn handle(&mut self, frame: Bytes, now_ms: i64) -> Handling {
        match self.entrance.handle(frame, now_ms) {
            Handled::Request(handling) => handling,
            Handled::Entered(outcome) => Handling::ready(outcome),
            Handled::Refused(outcome) => {
                let until_ms = now_ms.saturating_add(self.entrance.terms().failed_delay_ms);
                let pause = Pause::new(self.post.clone(), until_ms);
                Handling::running(async move {
                    pause.await;
                    outcome
                })
            }
        }
    }
}
