//! The way out of the node: requests to other nodes, by (node, purpose) over connections that the rim opens. Owns who is connected, what
//! each peer understands, correlation, bounds, deadlines and the pause after a failure; never a socket, never what is in a request.
//!
//! A request is answered or failed exactly once, on whichever thread hears of it, and never under a lock of this room. Requests of
//! one purpose to one node share a connection and may overtake each other only in their answers. Every connection begins with
//! ApiVersions, and a request is written in the newest version that both sides know.

mod link;
mod request;

pub(crate) use request::{NoAnswer, PeerAnswer, PeerRequest};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use wire::Str;

use self::link::{Fate, Link, Spoilt};
use crate::rim::{LinkId, PeerAddress, Rim};
use crate::security::sasl::Logins;
use crate::telling::Ration;
use crate::timers::NEVER;

/// What a connection is for: a slow answer of one kind must not hold up another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// The protocol of the metadata quorum.
    Quorum,
    /// The broker's own registration and heartbeats: nothing may hold them up.
    Lifecycle,
    /// Its other questions to the active controller.
    Controller,
    /// Clients' requests for the active controller.
    Forwarding,
    /// Whether a silent broker is still there.
    Probe,
    /// What ends transactions, and what asks whether one is open.
    Transactions,
    /// The state of share partitions.
    ShareState,
    /// What another replica has where one here is damaged.
    Repairs,
    /// Replica fetches of one fetcher.
    Replicas(usize),
    /// Calling back fetches that wait.
    Calls,
}

/// Between an attempt to connect that failed and the next (`reconnect.backoff.ms` of Kafka's inter-broker clients).
const RECONNECT_PAUSE_MS: i64 = 50;

/// Requests to one peer for one purpose, sent or waiting for the connection.
const REQUESTS_PER_LINK: usize = 128;

/// All ways out of one node.
///
/// Invariants, checked in release where they change:
/// - **once**: a request is in flight, waits, or has been answered or failed, never two of these;
/// - **links**: the rim hears of a connection exactly as long as this room knows it.
pub(crate) struct Peers {
    rim: Arc<dyn Rim>,
    client_id: Str,
    /// Who this node is, where it is asked.
    logins: Logins,
    /// Lines about being refused.
    refusals: Mutex<Ration>,
    links: Mutex<Links>,
    last_link: AtomicU64,
    /// When [`Peers::turn`] has something to do; written under the lock.
    next_ms: AtomicI64,
}

#[derive(Default)]
struct Links {
    by_peer: BTreeMap<(i32, Purpose), Link>,
    /// Where an event of the rim belongs.
    peers: BTreeMap<LinkId, (i32, Purpose)>,
    /// Nobody tries again before, and what the last attempt ended with.
    resting: BTreeMap<(i32, Purpose), (i64, NoAnswer)>,
}

impl Peers {
    pub fn new(rim: Arc<dyn Rim>, node_id: i32, logins: Logins) -> Peers {
        let client_id = Str::from(node_id.to_string());
        Peers {
            rim,
            client_id,
            logins,
            refusals: Mutex::new(Ration::new(1)),
            links: Mutex::default(),
            last_link: AtomicU64::new(0),
            next_ms: AtomicI64::new(NEVER),
        }
    }

    /// When [`Peers::turn`] has something to do.
    pub fn next_ms(&self) -> i64 {
        self.next_ms.load(Ordering::SeqCst)
    }

    /// Sends a request to a node, or has it wait for the connection.
    pub fn ask(&self, now_ms: i64, to: &PeerAddress, purpose: Purpose, request: PeerRequest) {
        let deadline_ms = request.deadline_ms;
        let key = (to.node_id, purpose);
        let (mut fates, mut moved) = (Vec::new(), None);
        {
            let mut links = self.links.lock();
            let links = &mut *links;
            self.next_ms.fetch_min(deadline_ms, Ordering::SeqCst);
            if let Some(moved_away) =
                links.by_peer.get(&key).filter(|link| link.address != *to || link.is_stale(now_ms))
            {
                moved = Some(moved_away.id);
            }
            if let Some((_, link)) = moved.and_then(|id| links.forget(id)) {
                fates.extend(link.fail(&NoAnswer::Lost));
            }
            if let Some(&(_, why)) = links.resting.get(&key).filter(|(until_ms, _)| *until_ms > now_ms) {
                fates.push(Fate::failed(request, why));
            } else {
                let link = links.by_peer.entry(key).or_insert_with(|| {
                    let id = self.last_link.fetch_add(1, Ordering::Relaxed) + 1;
                    links.peers.insert(id, key);
                    fates.push(Fate::Connect(id, to.clone()));
                    Link::new(id, to.clone(), self.logins.begin(&to.listener))
                });
                if link.len() < REQUESTS_PER_LINK {
                    fates.extend(link.take(request));
                } else {
                    fates.push(Fate::failed(request, NoAnswer::Unreachable));
                }
            }
        }
        if let Some(id) = moved {
            self.rim.disconnect(id);
        }
        self.carry_out(now_ms, fates);
    }

    /// A connection is there.
    pub fn opened(&self, now_ms: i64, id: LinkId) {
        let fate = self.links.lock().of(id).map(Link::greet);
        self.carry_out(now_ms, fate.into_iter().flatten());
    }

    /// A frame came, without its length prefix.
    pub fn received(&self, now_ms: i64, id: LinkId, frame: Bytes) {
        let heard = self.links.lock().of(id).map(|link| (link.address.clone(), link.hear(now_ms, frame)));
        match heard {
            None => {}
            Some((_, Ok(fates))) => self.carry_out(now_ms, fates),
            Some((to, Err(Spoilt::NotLoggedIn(why)))) => {
                self.tell_refused(now_ms, &to, &why);
                self.end(now_ms, id, &NoAnswer::Unreachable, true);
            }
            Some((_, Err(Spoilt::Malformed(malformed)))) => {
                tracing::warn!(%malformed, "a peer's answer cannot be read: the connection is closed");
                self.end(now_ms, id, &NoAnswer::Malformed, true);
            }
        }
    }

    /// It is tried again many times a second.
    fn tell_refused(&self, now_ms: i64, to: &PeerAddress, why: &str) {
        let taken = self.refusals.lock().take(now_ms);
        if let Some(left_out) = taken {
            let PeerAddress { node_id, host, port, listener } = to;
            tracing::warn!(
                "node {node_id} at {host}:{port} ({listener}) does not let this node in: {why}{left_out}"
            );
        }
    }

    /// A connection ended, or did not come about; `refused`: nobody listens there. Answers whose it was, if it was open.
    pub fn closed(&self, now_ms: i64, id: LinkId, refused: bool) -> Option<(i32, Purpose)> {
        let was_open = {
            let mut links = self.links.lock();
            let key = links.peers.get(&id).copied();
            key.filter(|_| links.of(id).is_some_and(|link| link.is_open()))
        };
        let why = match was_open {
            Some(_) => NoAnswer::Lost,
            None if refused => NoAnswer::Refused,
            None => NoAnswer::Unreachable,
        };
        self.end(now_ms, id, &why, false);
        was_open
    }

    fn end(&self, now_ms: i64, id: LinkId, why: &NoAnswer, disconnect: bool) {
        let link = {
            let mut links = self.links.lock();
            let link = links.forget(id);
            // What was connected a moment ago is tried again at once: most likely it is there.
            if let Some((key, _)) = &link
                && matches!(why, NoAnswer::Unreachable | NoAnswer::Refused)
            {
                links.resting.insert(*key, (now_ms.saturating_add(RECONNECT_PAUSE_MS), *why));
            }
            link
        };
        if disconnect {
            self.rim.disconnect(id);
        }
        if let Some((_, link)) = link {
            self.carry_out(now_ms, link.fail(why));
        }
    }

    /// Ends what is overdue, with its connection: an answer that comes later is no use to anybody.
    pub fn turn(&self, now_ms: i64) {
        if self.next_ms() > now_ms {
            return;
        }
        let overdue: Vec<LinkId> = {
            let mut links = self.links.lock();
            links.resting.retain(|_, (until_ms, _)| *until_ms > now_ms);
            links.by_peer.values().filter(|link| link.deadline_ms() <= now_ms).map(|link| link.id).collect()
        };
        for id in overdue {
            self.end(now_ms, id, &NoAnswer::TimedOut, true);
        }
        let links = self.links.lock();
        let next_ms = links.by_peer.values().map(Link::deadline_ms).min().unwrap_or(NEVER);
        self.next_ms.store(next_ms, Ordering::SeqCst);
    }

    /// Ends everything: the node stops.
    pub fn close(&self, now_ms: i64) {
        let all: Vec<LinkId> = self.links.lock().peers.keys().copied().collect();
        for id in all {
            self.end(now_ms, id, &NoAnswer::Lost, true);
        }
    }

    /// Outside of the lock: who is answered may ask again.
    fn carry_out(&self, now_ms: i64, fates: impl IntoIterator<Item = Fate>) {
        for fate in fates {
            match fate {
                Fate::Connect(id, to) => self.rim.connect(id, &to),
                Fate::Send(id, outgoing) => self.rim.send(id, outgoing.frame(&self.client_id)),
                Fate::Answered(done, outcome) => done(now_ms, outcome),
            }
        }
    }
}

impl Links {
    fn of(&mut self, id: LinkId) -> Option<&mut Link> {
        let key = self.peers.get(&id)?;
        self.by_peer.get_mut(key).filter(|link| link.id == id)
    }

    fn forget(&mut self, id: LinkId) -> Option<((i32, Purpose), Link)> {
        let key = self.peers.remove(&id)?;
        let link = self.by_peer.remove(&key)?;
        assert!(link.id == id, "links: a peer has another connection than it is known by");
        Some((key, link))
    }
}

#[cfg(test)]
mod tests;
