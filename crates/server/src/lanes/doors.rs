//! A listener, and a connection that has come in by it and is on its way to its lane.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use broker::security::sasl::SaslTerms;
use net::listener::Admitted;
use net::tls::ServerTls;

/// What whoever comes in by a door has to prove; nothing on PLAINTEXT.
#[derive(Clone, Default)]
pub struct DoorGuard {
    /// TLS, and by it who it is where that is asked and SASL is not.
    pub tls: Option<Arc<ServerTls>>,
    /// Who it is, by SASL.
    pub sasl: Option<Arc<SaslTerms>>,
}

/// A bound listener on its way to the first lane.
pub struct Door {
    /// The socket; accepting never blocks.
    pub socket: TcpListener,
    /// The listener's name.
    pub name: String,
    /// One of the controller role.
    pub controller: bool,
    /// What whoever comes in has to prove.
    pub guard: DoorGuard,
}

/// What a connection keeps of its door.
pub struct DoorPlate {
    /// The listener's name.
    pub name: Arc<str>,
    /// One of the controller role.
    pub controller: bool,
    /// What whoever comes in has to prove.
    pub guard: DoorGuard,
}

/// A connection on its way to its lane.
pub struct Accepted {
    /// Its socket.
    pub stream: TcpStream,
    /// The other end.
    pub from: SocketAddr,
    /// Where it came in.
    pub door: Arc<DoorPlate>,
    /// Counts it among the connections.
    pub admitted: Admitted,
}
