//! What passes between the node and its links to others: errands, what the node hears, what holds of all links, and why one ends.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::{fmt, io};

use broker::{LinkId, Node, PeerAddress};
use bytes::Bytes;
use net::tls::ClientTls;
use net::{Budget, FrameLimits};

/// What the node wants of a link, or what was found out for it.
#[derive(Debug)]
pub enum Errand {
    Connect(LinkId, PeerAddress),
    /// Where its host is.
    Found(LinkId, io::Result<Vec<SocketAddr>>),
    Send(LinkId, Vec<Bytes>),
    Disconnect(LinkId),
}

/// Who hears what happens to links; the node in production, a stub in tests. Called on the lane's thread.
pub trait Listens: Send + Sync {
    /// See [`Node::link_opened`].
    fn opened(&self, now_ms: i64, link: LinkId);
    /// See [`Node::link_received`].
    fn received(&self, now_ms: i64, link: LinkId, frame: Bytes);
    /// See [`Node::link_closed`] and, where nobody listens, [`Node::link_refused`].
    fn closed(&self, now_ms: i64, link: LinkId, why: &Ended);
}

impl Listens for Node {
    fn opened(&self, now_ms: i64, link: LinkId) {
        self.link_opened(now_ms, link);
    }

    fn received(&self, now_ms: i64, link: LinkId, frame: Bytes) {
        self.link_received(now_ms, link, frame);
    }

    fn closed(&self, now_ms: i64, link: LinkId, why: &Ended) {
        match why {
            Ended::Failed(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.link_refused(now_ms, link);
            }
            Ended::Closed | Ended::Failed(_) | Ended::BadFrame(_) | Ended::Unread(_) => {
                self.link_closed(now_ms, link);
            }
        }
    }
}

/// What holds of all links.
#[derive(Debug, Clone)]
pub struct LinkTerms {
    /// Received bytes that make no frame yet. Not the budget of those who come in: a node whose clients have taken all of that waits
    /// for replicas to acknowledge, and would never hear of it.
    pub budget: Arc<Budget>,
    /// Caps on a frame.
    pub limits: FrameLimits,
    /// `socket.connection.setup.timeout.ms`, for each address that a name has.
    pub setup_ms: i64,
    /// TLS by the name of the listener where a link goes; none on those that are plain.
    pub tls: BTreeMap<String, Arc<ClientTls>>,
}

/// Why a link ended.
#[derive(Debug)]
pub enum Ended {
    /// The other side closed it.
    Closed,
    /// No connection came about, or it broke.
    Failed(io::Error),
    /// The other side speaks something else.
    BadFrame(net::BadFrame),
    /// The other side reads nothing.
    Unread(usize),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Closed => f.write_str("closed by the other side"),
            Ended::Failed(error) => error.fmt(f),
            Ended::BadFrame(bad) => bad.fmt(f),
            Ended::Unread(bytes) => write!(f, "{bytes} bytes wait and the other side reads nothing"),
        }
    }
}
