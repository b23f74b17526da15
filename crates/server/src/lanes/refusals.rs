//! Lines about connections that are refused or closed for what they sent: others decide how many there are, so that each kind has a
//! line a second, which says how many were left out.

use std::fmt::Display;

use broker::telling::Ration;
use parking_lot::Mutex;

/// What is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// More connections than may be.
    Connection,
    /// Bytes that are no frame, or a frame larger than may be.
    Frame,
    /// A request that cannot be read or may not be answered.
    Request,
    /// The kernel could not hand over a connection.
    Accept,
    /// Who did not prove who it is.
    Authentication,
    /// Another node, at the other end of a link of ours, that answers what is no frame or reads nothing.
    Peer,
}

const KINDS: usize = 6;

/// The rations of all kinds, shared by all lanes. Locked when somebody is refused, never otherwise.
pub struct Refusals([Mutex<Ration>; KINDS]);

impl Default for Refusals {
    fn default() -> Self {
        Refusals([const { Mutex::new(Ration::new(1)) }; KINDS])
    }
}

impl Refusals {
    /// Says it, unless one of its kind was said within this second.
    pub fn tell(&self, kind: Kind, now_ms: i64, what: impl Display) {
        let Some(ration) = self.0.get(kind as usize) else { return };
        let taken = ration.lock().take(now_ms);
        if let Some(left_out) = taken {
            tracing::warn!("{what}{left_out}");
        }
    }
}
