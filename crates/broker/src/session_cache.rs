//! Which connection holds which fetch session, so that a client that comes by another one finds its own (KIP-227), and the sessions
//! whose connections are gone. A session stays with the connection that uses it: who goes on with one by the same connection, as nearly
//! all do, never comes here. Bounded by `max.incremental.fetch.session.cache.slots`.
//!
//! DIVERGES: where all slots are taken, the session that was abandoned first makes room; one of a connection that lives does not, as in
//! Kafka it would after two idle minutes.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use wire::hash::StableMap;

use crate::connection::{Connection, WeakConnection};
use crate::fetch_session::Session;
use crate::limits::PARTITIONS_PER_FETCH_SESSION;

/// All sessions of the node.
#[derive(Default)]
pub(crate) struct SessionCache {
    slots: usize,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    by_id: StableMap<i32, Place>,
    /// Sessions without a connection, the longest abandoned first.
    abandoned: BTreeMap<u64, Session>,
    last_number: u64,
}

enum Place {
    With(WeakConnection),
    /// Its number among the abandoned ones.
    Abandoned(u64),
}

/// A session that was taken away, and from whom: to be dropped without the lock, for a connection's end comes back here.
struct Taken {
    session: Option<Session>,
    _owner: Option<Connection>,
}

impl SessionCache {
    pub fn new(slots: usize) -> SessionCache {
        SessionCache { slots, places: Mutex::default() }
    }

    /// Makes a place for a session that a connection begins; false if there is none.
    pub fn begin(&self, id: i32, connection: &Connection) -> bool {
        let mut places = self.places.lock();
        while places.by_id.len() >= self.slots {
            if !places.forget_oldest() {
                return false;
            }
        }
        places.by_id.insert(id, Place::With(connection.downgrade()));
        true
    }

    /// A session has ended where it was.
    pub fn ended(&self, id: i32) {
        let taken = self.places.lock().take(id);
        drop(taken);
    }

    /// Gives a session to the connection that goes on with it.
    pub fn take(&self, id: i32, by: &Connection) -> Option<Session> {
        let mut places = self.places.lock();
        let taken = places.take(id);
        if taken.session.is_some() {
            places.by_id.insert(id, Place::With(by.downgrade()));
        }
        drop(places);
        taken.session
    }

    /// A connection is gone. What its sessions remember together is bounded as one of them is.
    pub fn abandoned(&self, sessions: Vec<Session>) {
        let mut places = self.places.lock();
        for session in sessions {
            // It may have been given away, or ended, meanwhile.
            if !matches!(places.by_id.get(&session.id()), Some(Place::With(owner)) if owner.is_gone()) {
                continue;
            }
            places.last_number += 1;
            let number = places.last_number;
            places.by_id.insert(session.id(), Place::Abandoned(number));
            places.abandoned.insert(number, session);
        }
        while places.abandoned.values().map(Session::partitions).sum::<usize>() > PARTITIONS_PER_FETCH_SESSION
        {
            places.forget_oldest();
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.places.lock().by_id.len()
    }
}

impl Places {
    fn take(&mut self, id: i32) -> Taken {
        match self.by_id.remove(&id) {
            Some(Place::With(owner)) => {
                let owner = owner.upgrade();
                let session = owner
                    .as_ref()
                    .and_then(|owner| owner.with_fetch_sessions(|sessions| sessions.remove(id)));
                Taken { session, _owner: owner }
            }
            Some(Place::Abandoned(number)) => Taken { session: self.abandoned.remove(&number), _owner: None },
            None => Taken { session: None, _owner: None },
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((_, session)) = self.abandoned.pop_first() else { return false };
        self.by_id.remove(&session.id());
        true
    }
}
