//! The links of one lane: connections that this node opened to others. Owns which there are, their errands in order, who of them is due,
//! and that the node hears of each: opened, received as often as something comes, closed, once and last. Never looks into a frame.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Waker};

use broker::{LinkId, PeerAddress};
use net::Edges;
use net::tls::TlsFault;

use super::errands::{Ended, Errand};
use super::link::{Link, Step};
use super::post::{Bell, Post};
use super::refusals::Kind;
use super::resolver::{Resolver, numeric};
use super::shared::Shared;

/// Events about links have this and their number.
pub const FIRST_LINK: u64 = u64::MAX / 4;

/// What a lane lends its links.
pub struct Around<'a> {
    pub poller: &'a OwnedFd,
    pub post: &'a Arc<Post>,
    pub shared: &'a Shared,
    pub now_ms: i64,
}

/// The links of a lane.
pub struct Links {
    all: BTreeMap<LinkId, Entry>,
    /// Who is polled next.
    due: Vec<LinkId>,
    /// When the first attempt to connect is overdue.
    look_at_ms: i64,
    resolver: Resolver,
}

struct Entry {
    link: Link,
    to: PeerAddress,
    bell: Arc<Bell>,
    waker: Waker,
    /// It is in `due`.
    is_due: bool,
}

impl Default for Links {
    fn default() -> Self {
        Links { all: BTreeMap::new(), due: Vec::new(), look_at_ms: i64::MAX, resolver: Resolver::default() }
    }
}

impl Links {
    /// Nobody is due.
    pub fn are_at_rest(&self) -> bool {
        self.due.is_empty()
    }

    /// When [`Links::look`] has something to do.
    pub fn look_at_ms(&self) -> i64 {
        self.look_at_ms
    }

    /// Does what the node wants.
    pub fn run(&mut self, around: &Around<'_>, errand: Errand) {
        match errand {
            Errand::Connect(id, to) => self.connect(around, id, to),
            Errand::Found(id, found) => self.found(around, id, found),
            Errand::Send(id, frame) => {
                if let Some(entry) = self.all.get_mut(&id) {
                    entry.link.queue(frame);
                    self.make_due(id);
                }
            }
            Errand::Disconnect(id) => {
                // Closing the socket takes it out of the kernel's list, too.
                self.all.remove(&id);
            }
        }
    }

    fn connect(&mut self, around: &Around<'_>, id: LinkId, to: PeerAddress) {
        assert!(id < FIRST_LINK, "links: their numbers end here");
        let bell = Bell::new(around.post.clone(), (FIRST_LINK + id) as usize);
        let waker = Waker::from(bell.clone());
        let terms = &around.shared.links;
        let tls = terms.tls.get(&*to.listener).map(|tls| (tls.clone(), to.host.to_string()));
        let link = Link::new(terms.budget.clone(), terms.limits, tls);
        let address = numeric(&to.host, to.port);
        if address.is_none() {
            let post = around.post.clone();
            let told = move |found| post.deliver(|mail| mail.errands.push(Errand::Found(id, found)));
            self.resolver.ask(&to.host, to.port, told);
        }
        let before = self.all.insert(id, Entry { link, to, bell, waker, is_due: false });
        assert!(before.is_none(), "links: a number is used twice");
        if let Some(address) = address {
            self.found(around, id, Ok(vec![address]));
        }
    }

    /// Begins with the first address.
    fn found(&mut self, around: &Around<'_>, id: LinkId, found: io::Result<Vec<SocketAddr>>) {
        let Some(entry) = self.all.get_mut(&id) else { return };
        let begun = found.and_then(|addresses| {
            entry.link.addresses(addresses);
            begin(&mut entry.link, around, id)
        });
        match begun {
            Ok(until_ms) => self.look_at_ms = self.look_at_ms.min(until_ms),
            Err(error) => self.end(around, id, &Ended::Failed(error)),
        }
    }

    /// The kernel said something.
    pub fn hear(&mut self, id: LinkId, edges: Edges) {
        if let Some(entry) = self.all.get_mut(&id) {
            entry.link.note(edges);
            self.make_due(id);
        }
    }

    /// It is polled at the next turn.
    pub fn make_due(&mut self, id: LinkId) {
        if let Some(entry) = self.all.get_mut(&id)
            && !std::mem::replace(&mut entry.is_due, true)
        {
            self.due.push(id);
        }
    }

    /// Polls everybody who is due; who asks for more meanwhile is due the next time.
    pub fn poll_due(&mut self, around: &Around<'_>) {
        for id in std::mem::take(&mut self.due) {
            self.poll(around, id);
        }
    }

    fn poll(&mut self, around: &Around<'_>, id: LinkId) {
        let Some(entry) = self.all.get_mut(&id) else { return };
        entry.is_due = false;
        entry.bell.heard();
        let (listens, now_ms) = (&around.shared.listens, around.now_ms);
        let link = &mut entry.link;
        let cx = &mut Context::from_waker(&entry.waker);
        let handled = catch_unwind(AssertUnwindSafe(|| {
            loop {
                match link.step(cx) {
                    Step::Waits => return Ok(()),
                    Step::Opened => listens.opened(now_ms, id),
                    Step::Received(frame) => listens.received(now_ms, id, frame),
                    Step::NotThere(error) => return Err(Ended::Failed(error)),
                    Step::Ended(why) => return Err(why),
                }
            }
        }));
        match handled {
            Ok(Ok(())) => {}
            Ok(Err(Ended::Failed(error))) if entry.link.has_more_addresses() => {
                tracing::debug!("link {id} to {}: {error}: the next address", shown(&entry.to));
                self.try_next(around, id);
            }
            Ok(Err(why)) => self.end(around, id, &why),
            // A panic costs its link, not the lane.
            Err(_) => {
                tracing::error!("link {id} to {}: closed after a panic", shown(&entry.to));
                self.end(around, id, &Ended::Closed);
            }
        }
    }

    fn try_next(&mut self, around: &Around<'_>, id: LinkId) {
        let Some(entry) = self.all.get_mut(&id) else { return };
        match begin(&mut entry.link, around, id) {
            Ok(until_ms) => self.look_at_ms = self.look_at_ms.min(until_ms),
            Err(error) => self.end(around, id, &Ended::Failed(error)),
        }
    }

    /// The node hears of the end, the link is gone.
    fn end(&mut self, around: &Around<'_>, id: LinkId, why: &Ended) {
        let Some(Entry { to, .. }) = self.all.remove(&id) else { return };
        match why {
            Ended::BadFrame(_) | Ended::Unread(_) => {
                let what = format_args!("link {id} to {}: closed: {why}", shown(&to));
                around.shared.refusals.tell(Kind::Peer, around.now_ms, what);
            }
            Ended::Failed(error) if TlsFault::of(error).is_some() => {
                let what = format_args!("link {id} to {}: no TLS: {why}", shown(&to));
                around.shared.refusals.tell(Kind::Peer, around.now_ms, what);
            }
            Ended::Closed | Ended::Failed(_) => tracing::debug!("link {id} to {}: {why}", shown(&to)),
        }
        let hear = || around.shared.listens.closed(around.now_ms, id, why);
        if catch_unwind(AssertUnwindSafe(hear)).is_err() {
            tracing::error!("link {id} to {}: its end was heard with a panic", shown(&to));
        }
    }

    /// Gives up attempts to connect that take too long.
    pub fn look(&mut self, around: &Around<'_>) {
        let limits = self.all.iter().filter_map(|(id, entry)| Some((*id, entry.link.connecting_until_ms()?)));
        let (overdue, others): (Vec<_>, Vec<_>) = limits.partition(|(_, until)| *until <= around.now_ms);
        self.look_at_ms = others.into_iter().map(|(_, until)| until).min().unwrap_or(i64::MAX);
        for (id, _) in overdue {
            let more = self.all.get(&id).is_some_and(|entry| entry.link.has_more_addresses());
            if more {
                self.try_next(around, id);
            } else {
                self.end(around, id, &Ended::Failed(io::ErrorKind::TimedOut.into()));
            }
        }
    }
}

/// Tries the next address that can be tried at all. Until when that may take.
fn begin(link: &mut Link, around: &Around<'_>, id: LinkId) -> io::Result<i64> {
    let until_ms = around.now_ms.saturating_add(around.shared.links.setup_ms);
    link.begin(around.poller, FIRST_LINK + id, until_ms)?;
    Ok(until_ms)
}

fn shown(to: &PeerAddress) -> String {
    match to.node_id {
        ..0 => format!("{}:{}", to.host, to.port),
        node => format!("node {node} at {}:{}", to.host, to.port),
    }
}
