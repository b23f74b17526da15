//! What the node knows of one connection: who speaks, through which listener, and its fetch sessions (they live and die
//! with it). Never a socket.

use std::sync::Arc;

/// Who is at the other end; fixed once authentication is done.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The listener's name, e.g. `PLAINTEXT`; Metadata answers with the endpoints of the same name.
    pub listener: String,
    /// True on a listener of `controller.listener.names`: another set of APIs is served there.
    pub controller: bool,
    /// The peer's address without port, as DescribeGroups prints it (`/127.0.0.1`).
    pub host: String,
    /// `User:ANONYMOUS` until a mechanism says otherwise.
    pub principal: String,
}

/// One connection; cheap to clone.
#[derive(Clone)]
pub struct Connection(pub(crate) Arc<ConnectionState>);

pub(crate) struct ConnectionState {
    pub(crate) peer: Peer,
}

impl Connection {
    /// The one at the other end.
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }
}
