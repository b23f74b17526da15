//! A node as one connection sees it: at once, or after it has said who it is.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use broker::security::sasl::{Entrance, Handled};
use broker::{Handling, Node, Outcome, Peer, Principal};
use bytes::Bytes;
use wire::codec::Rope;

use super::doors::DoorPlate;
use super::pauses::Pause;
use super::post::Post;
use crate::gateway::Service;

/// A node as one connection sees it.
pub enum NodeService {
    /// Nobody is asked who he is, or TLS has said it.
    Open(Node, broker::Connection, Arc<Post>),
    /// TLS says it, with the end of its handshake: before the first request.
    Encrypted(Box<Encrypted>),
    /// By SASL.
    Guarded(Box<Guarded>),
}

/// A connection that says who it is by SASL.
pub struct Guarded {
    entrance: Entrance,
    /// That of its lane.
    post: Arc<Post>,
}

/// A connection that has sent no request over its TLS yet.
pub struct Encrypted {
    node: Node,
    /// `User:ANONYMOUS`
    peer: Peer,
    /// Filled where the client has shown a certificate.
    principal: Arc<OnceLock<String>>,
    /// That of its lane.
    post: Arc<Post>,
}

impl NodeService {
    /// A connection from an address by a door, on the lane of this letter box. `by_tls`: where TLS says who it is.
    pub fn new(
        node: &Node,
        door: &DoorPlate,
        from: SocketAddr,
        post: &Arc<Post>,
        by_tls: Option<Arc<OnceLock<String>>>,
    ) -> Self {
        let peer = Peer {
            listener: door.name.to_string(),
            controller: door.controller,
            host: format!("/{}", from.ip().to_canonical()),
            port: from.port(),
            principal: Principal::anonymous(),
        };
        match (&door.guard.sasl, by_tls) {
            (None, None) => Self::Open(node.clone(), node.connection(peer), post.clone()),
            (None, Some(principal)) => {
                let (node, post) = (node.clone(), post.clone());
                Self::Encrypted(Box::new(Encrypted { node, peer, principal, post }))
            }
            (Some(terms), _) => {
                let entrance = Entrance::new(node, terms, peer);
                Self::Guarded(Box::new(Guarded { entrance, post: post.clone() }))
            }
        }
    }
}

impl Service for NodeService {
    fn handle(&mut self, frame: Bytes, now_ms: i64) -> Handling {
        match self {
            Self::Open(node, connection, _) => node.handle(connection, frame, now_ms),
            Self::Encrypted(encrypted) => {
                let (open, handling) = encrypted.handle(frame, now_ms);
                *self = open;
                handling
            }
            Self::Guarded(guarded) => guarded.handle(frame, now_ms),
        }
    }

    fn pause(&mut self, until_ms: i64) -> Handling {
        let post = match self {
            Self::Open(_, _, post) => post,
            Self::Encrypted(encrypted) => &encrypted.post,
            Self::Guarded(guarded) => &guarded.post,
        };
        let pause = Pause::new(post.clone(), until_ms);
        Handling::running(async move {
            pause.await;
            Outcome::NoAnswer
        })
    }
}

impl Encrypted {
    /// The first request: with its answer the connection is a stranger's no more.
    fn handle(&self, frame: Bytes, now_ms: i64) -> (NodeService, Handling) {
        let principal = self.principal.get().map_or_else(Principal::anonymous, |name| Principal::user(name));
        let connection = self.node.connection(Peer { principal, ..self.peer.clone() });
        let handling = self.node.handle(&connection, frame, now_ms);
        let entered = Handling::running(async move {
            match handling.await {
                Outcome::Answer(answer) => Outcome::Entered(answer),
                Outcome::NoAnswer => Outcome::Entered(Rope::of(Vec::new())),
                // Nobody is held back before it has come in.
                Outcome::Muted(muted) => {
                    Outcome::Entered(muted.answer.unwrap_or_else(|| Rope::of(Vec::new())))
                }
                other @ (Outcome::Close(_) | Outcome::Entered(_) | Outcome::Farewell(_)) => other,
            }
        });
        (NodeService::Open(self.node.clone(), connection, self.post.clone()), entered)
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
