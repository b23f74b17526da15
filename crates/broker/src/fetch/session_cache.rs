//! Which connection holds which fetch session, so that a client that comes by another one finds its own (KIP-227), and the sessions
//! whose connections are gone. A session stays with the connection that uses it: who goes on with one by the same connection, as nearly
//! all do, never comes here. Bounded by `max.incremental.fetch.session.cache.slots`.
//!
//! DIVERGES: where all slots are taken, the session that was abandoned first makes room; one of a connection that lives does not, as in
//! Kafka it would after two idle minutes.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use wire::hash::StableMap;

use crate::fetch::session::{FetchSessions, Session};
use crate::limits::PARTITIONS_PER_FETCH_SESSION;

/// The sessions that one connection goes on with.
pub(crate) struct ConnectionSessions {
    /// Only one fetch of a connection is handled at a time, so nobody waits for this lock but who takes a session away.
    sessions: Mutex<FetchSessions>,
    cache: Arc<SessionCache>,
}

impl ConnectionSessions {
    pub fn new(cache: Arc<SessionCache>) -> Arc<ConnectionSessions> {
        Arc::new(ConnectionSessions { sessions: Mutex::default(), cache })
    }

    /// The sessions of all connections. To be asked by who holds none of the locks here.
    pub fn cache(&self) -> &SessionCache {
        &self.cache
    }

    /// The sessions themselves; must not be held over a wait.
    pub fn with<T>(&self, work: impl FnOnce(&mut FetchSessions) -> T) -> T {
        work(&mut self.sessions.lock())
    }
}

/// The connection is gone.
impl Drop for ConnectionSessions {
    fn drop(&mut self) {
        let sessions = std::mem::take(self.sessions.get_mut()).into_all();
        if !sessions.is_empty() {
            self.cache.abandoned(sessions);
        }
    }
}

/// All sessions of the node.
#[derive(Default)]
pub(crate) struct SessionCache {
    slots: usize,
    holders: Mutex<Holders>,
}

#[derive(Default)]
struct Holders {
    by_id: StableMap<i32, Holder>,
    /// Sessions without a connection, the longest abandoned first.
    abandoned: BTreeMap<u64, Session>,
    last_number: u64,
}

enum Holder {
    With(Weak<ConnectionSessions>),
    /// Its number among the abandoned ones.
    Abandoned(u64),
}

/// A session that was taken away, and from whom: to be dropped without the lock, for a connection's end comes back here.
struct Taken {
    session: Option<Session>,
    _owner: Option<Arc<ConnectionSessions>>,
}

impl SessionCache {
    pub fn new(slots: usize) -> SessionCache {
        SessionCache { slots, holders: Mutex::default() }
    }

    /// Makes a place for a session that a connection begins; false if there is none.
    pub fn begin(&self, id: i32, connection: &Arc<ConnectionSessions>) -> bool {
        let mut holders = self.holders.lock();
        while holders.by_id.len() >= self.slots {
            if !holders.forget_oldest() {
                return false;
            }
        }
        holders.by_id.insert(id, Holder::With(Arc::downgrade(connection)));
        true
    }

    /// A session has ended where it was.
    pub fn ended(&self, id: i32) {
        let taken = self.holders.lock().take(id);
        drop(taken);
    }

    /// Gives a session to the connection that goes on with it.
    pub fn take(&self, id: i32, by: &Arc<ConnectionSessions>) -> Option<Session> {
        let mut holders = self.holders.lock();
        let taken = holders.take(id);
        if taken.session.is_some() {
            holders.by_id.insert(id, Holder::With(Arc::downgrade(by)));
        }
        drop(holders);
        taken.session
    }

    /// A connection is gone. What its sessions remember together is bounded as one of them is.
    pub fn abandoned(&self, sessions: Vec<Session>) {
        let mut holders = self.holders.lock();
        for session in sessions {
            // It may have been given away, or ended, meanwhile.
            if !matches!(holders.by_id.get(&session.id()), Some(Holder::With(owner)) if owner.strong_count() == 0)
            {
                continue;
            }
            holders.last_number += 1;
            let number = holders.last_number;
            holders.by_id.insert(session.id(), Holder::Abandoned(number));
            holders.abandoned.insert(number, session);
        }
        while holders.abandoned.values().map(Session::partitions).sum::<usize>()
            > PARTITIONS_PER_FETCH_SESSION
        {
            holders.forget_oldest();
        }
    }

    /// Sessions that are remembered.
    pub fn len(&self) -> usize {
        self.holders.lock().by_id.len()
    }
}

impl Holders {
    fn take(&mut self, id: i32) -> Taken {
        match self.by_id.remove(&id) {
            Some(Holder::With(owner)) => {
                let owner = owner.upgrade();
                let session = owner.as_ref().and_then(|owner| owner.with(|sessions| sessions.remove(id)));
                Taken { session, _owner: owner }
            }
            Some(Holder::Abandoned(number)) => {
                Taken { session: self.abandoned.remove(&number), _owner: None }
            }
            None => Taken { session: None, _owner: None },
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((_, session)) = self.abandoned.pop_first() else { return false };
        self.by_id.remove(&session.id());
        true
    }
}
