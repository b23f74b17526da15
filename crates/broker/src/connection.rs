//! What the node knows of one connection: who speaks, through which listener, the fetch sessions that it goes on with, the
//! topic that it asked for last, the memory that its produces use in turn. Never a socket.

use std::sync::{Arc, OnceLock, Weak};

use parking_lot::{Mutex, MutexGuard};
use wire::Str;

use crate::command::AppendEntry;
use crate::fetch::session_cache::{ConnectionSessions, SessionCache};
use crate::quotas::Seat;
use crate::security::principal::Principal;
use crate::views::LastTopic;

/// Who is at the other end; fixed once authentication is done.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The listener's name, e.g. `PLAINTEXT`; Metadata answers with the endpoints of the same name.
    pub listener: String,
    /// True on a listener of `controller.listener.names`: another set of APIs is served there.
    pub controller: bool,
    /// The peer's address without port, as DescribeGroups prints it (`/127.0.0.1`).
    pub host: String,
    /// Its port; 0 where it is not known.
    pub port: u16,
    /// Who is authenticated: `User:ANONYMOUS` where nobody has to be.
    pub principal: Principal,
}

/// One connection; cheap to clone.
#[derive(Clone)]
pub struct Connection(Arc<ConnectionState>);

struct ConnectionState {
    peer: Peer,
    fetch_sessions: Arc<ConnectionSessions>,
    /// Told once, by ApiVersions.
    software: OnceLock<Arc<Software>>,
    /// Nobody waits for this lock: the requests of a connection begin one after the other.
    last_topic: Mutex<LastTopic>,
    spare_entries: Mutex<SpareEntries>,
    /// Empty where nobody has quotas.
    seat: Mutex<Seat>,
    /// Called when the connection is gone.
    farewell: Mutex<Option<Farewell>>,
    /// The group that a member id was made for here which nobody has used yet, and how to give that back.
    unused_member_id: Mutex<Option<(Str, Farewell)>>,
}

/// The library at the other end, as it calls itself (KIP-511).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Software {
    pub name: Str,
    pub version: Str,
}

/// Says whether a connection still lives, and does not keep it.
pub(crate) struct Lifeline(Weak<ConnectionState>);

impl Lifeline {
    pub fn lives(&self) -> bool {
        self.0.strong_count() > 0
    }
}

type Farewell = Box<dyn FnOnce() + Send>;

impl Drop for ConnectionState {
    fn drop(&mut self) {
        if let Some(farewell) = self.farewell.get_mut().take() {
            farewell();
        }
    }
}

/// The list of entries of a produce that is done with, for the next one.
#[derive(Default)]
pub(crate) struct SpareEntries(Vec<AppendEntry>);

impl SpareEntries {
    /// An empty list, with memory if some was given back.
    pub fn take(&mut self) -> Vec<AppendEntry> {
        std::mem::take(&mut self.0)
    }

    /// Keeps the memory of a list that is as small as it usually is: an idle connection holds little.
    pub fn give_back(&mut self, mut list: Vec<AppendEntry>) {
        const MOST: usize = 4;
        list.clear();
        if list.capacity() <= MOST {
            self.0 = list;
        }
    }
}

impl Connection {
    pub(crate) fn new(peer: Peer, session_cache: Arc<SessionCache>) -> Connection {
        Connection(Arc::new(ConnectionState {
            peer,
            fetch_sessions: ConnectionSessions::new(session_cache),
            software: OnceLock::new(),
            last_topic: Mutex::default(),
            spare_entries: Mutex::default(),
            seat: Mutex::default(),
            farewell: Mutex::default(),
            unused_member_id: Mutex::default(),
        }))
    }

    /// The one at the other end.
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Whether it still lives, for whoever outlives it.
    pub(crate) fn lifeline(&self) -> Lifeline {
        Lifeline(Arc::downgrade(&self.0))
    }

    /// What the client calls its library, if it has said so.
    pub(crate) fn software(&self) -> Option<&Arc<Software>> {
        self.0.software.get()
    }

    /// The client says what its library is; the first word counts.
    pub(crate) fn is_of(&self, software: Arc<Software>) {
        let _ = self.0.software.set(software);
    }

    /// What is to be done when it is gone, in place of what was to be done before.
    pub(crate) fn when_gone(&self, farewell: impl FnOnce() + Send + 'static) {
        *self.0.farewell.lock() = Some(Box::new(farewell));
    }

    /// A member id was made for whoever joins `group` here. Who has heard it may come back with it by another connection.
    pub(crate) fn member_id_made(&self, group: Str, give_back: impl FnOnce() + Send + 'static) {
        *self.0.unused_member_id.lock() = Some((group, Box::new(give_back)));
    }

    /// How to give back the id that was made here for a member of `group`, if there is one and nobody has used it; asked once.
    pub(crate) fn take_unused_member_id(&self, group: &str) -> Option<Farewell> {
        let mut unused = self.0.unused_member_id.lock();
        unused.take_if(|(of, _)| *of == *group).map(|(_, give_back)| give_back)
    }

    /// The topic that it produced to last; must not be held over a wait.
    pub(crate) fn last_topic(&self) -> MutexGuard<'_, LastTopic> {
        self.0.last_topic.lock()
    }

    /// For the produce that is handled now; must not be held over a wait.
    pub(crate) fn spare_entries(&self) -> MutexGuard<'_, SpareEntries> {
        self.0.spare_entries.lock()
    }

    /// What is known of its client's quotas; must not be held over a wait.
    pub(crate) fn seat(&self) -> MutexGuard<'_, Seat> {
        self.0.seat.lock()
    }

    /// The fetch sessions that it goes on with.
    pub(crate) fn fetch_sessions(&self) -> &Arc<ConnectionSessions> {
        &self.0.fetch_sessions
    }
}
