//! One lane's thread: waits for the kernel, polls the connections and links that have something to do, watches over the rest.
//!
//! The kernel tells edges (epoll, edge-triggered); a connection is polled until it waits for the next one. No runtime: a wake-up
//! asks for events, polls, and sleeps again. Never looks into a frame.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use broker::CloseReason;
use broker::metrics::requests::{Finished, RequestFigures};
use net::listener::{Admitted, Refused};
use net::tls::{Carrier, TlsFault};
use net::{Edges, FrameLimits, Socket};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::doors::{Accepted, Door, DoorPlate};
use super::links::{Around, FIRST_LINK, Links};
use super::neighbours::Neighbours;
use super::pauses::Pauses;
use super::post::{Bell, Mail, Phase, Post};
use super::refusals::{Kind, Refusals};
use super::service::NodeService;
use super::shared::Shared;
use super::strangers::{STRANGERS_MAX, Strangers};
use crate::gateway::{End, Gateway};
use crate::guard::Verdict;

/// Events taken from the kernel at once.
const EVENTS_AT_ONCE: usize = 256;

/// One round in so many is measured, beside the first of every millisecond.
const MEASURED: u32 = 8;

/// Connections taken from a door at once: those who are connected have their turn in between.
const ACCEPTED_AT_ONCE: usize = 64;

/// After a failed accept (no descriptors left) a door rests, instead of spinning.
const DOOR_RESTS_MS: i64 = 100;

/// What an event is about; from [`FIRST_LINK`] on it is a link, and anything less a connection's place.
const ALARM: u64 = u64::MAX;
const FIRST_DOOR: u64 = u64::MAX / 2;
const _: () = assert!(FIRST_LINK < FIRST_DOOR, "no link is taken for a door");

/// Rounds of what came by the post before the kernel is asked again: what a lane sends itself costs no system call, and the kernel is
/// not forgotten over it.
const ROUNDS: usize = 2;
const _: () =
    assert!(ACCEPTED_AT_ONCE <= EVENTS_AT_ONCE, "a door has no more at once than all who are connected");

/// A lane.
pub struct Lane {
    poller: OwnedFd,
    post: Arc<Post>,
    all: Arc<Neighbours>,
    index: usize,
    shared: Arc<Shared>,
    /// By the number that the kernel tells of them.
    doors: BTreeMap<u64, OpenDoor>,
    connections: Vec<Option<Box<Connected>>>,
    /// Places in `connections` that nobody has.
    free: Vec<usize>,
    /// Who is polled next.
    due: Vec<usize>,
    links: Links,
    pauses: Pauses,
    strangers: Strangers,
    /// The time when the kernel last said something: one look at the clock per wake-up.
    now_ms: i64,
    /// The same in microseconds.
    now_us: i64,
    /// When the connections are looked at again.
    look_at_ms: i64,
    /// What was answered in this round.
    finished: Vec<Finished>,
    figures: Arc<RequestFigures>,
    /// Rounds since one was measured, and the millisecond in which that began.
    unmeasured: u32,
    measured_ms: i64,
}

struct OpenDoor {
    socket: TcpListener,
    plate: Arc<DoorPlate>,
    /// Until then it is not listened to.
    rests_until_ms: Option<i64>,
}

/// A connection in its place.
struct Connected {
    gateway: Gateway<NodeService, Carrier<Socket>>,
    bell: Arc<Bell>,
    waker: Waker,
    /// It is in `due`.
    is_due: bool,
    from: SocketAddr,
    door: Arc<DoorPlate>,
    _admitted: Admitted,
}

impl Lane {
    /// A lane with nothing to do yet.
    pub fn new(all: Arc<Neighbours>, index: usize, shared: Arc<Shared>) -> io::Result<Lane> {
        let poller = epoll::create(CreateFlags::CLOEXEC)?;
        let post = all.post(index);
        epoll::add(&poller, post.alarm(), EventData::new_u64(ALARM), EventFlags::IN | EventFlags::ET)?;
        let now_us = shared.clock.now_us();
        let now_ms = now_us / 1_000;
        let figures = shared.node.request_figures();
        let strangers = Strangers::new(STRANGERS_MAX / all.count().max(1));
        Ok(Lane {
            poller,
            post,
            all,
            index,
            shared,
            doors: BTreeMap::new(),
            connections: Vec::new(),
            free: Vec::new(),
            due: Vec::new(),
            links: Links::default(),
            pauses: Pauses::default(),
            strangers,
            now_ms,
            now_us,
            look_at_ms: i64::MAX,
            finished: Vec::new(),
            figures,
            unmeasured: 0,
            measured_ms: 0,
        })
    }

    /// Runs until the lanes are stopped.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS_AT_ONCE);
        let mut mail = Mail::default();
        loop {
            for _ in 0..ROUNDS {
                if self.post.has_mail() {
                    self.post.collect(&mut mail);
                    match mail.phase {
                        Phase::Serving => {}
                        // A member of the quorum can be reached until it is gone.
                        Phase::Draining => self.doors.retain(|_, door| door.plate.controller),
                        Phase::Stopped => return Ok(()),
                    }
                    self.take_mail(&mut mail);
                }
                self.poll_due();
                if !self.links.are_at_rest() {
                    let (links, around) = self.links();
                    links.poll_due(&around);
                }
                if !self.post.has_mail() {
                    break;
                }
            }
            self.wait(&mut events)?;
            for event in events.drain(..) {
                self.hear(event);
            }
            self.watch();
        }
    }

    fn take_mail(&mut self, mail: &mut Mail) {
        mail.doors.drain(..).for_each(|door| self.open(door));
        mail.arrived.drain(..).for_each(|accepted| self.take_in(accepted));
        mail.pauses.drain(..).for_each(|paused| self.pauses.take(paused));
        mail.woken.drain(..).for_each(|place| self.make_due(place));
        let (links, around) = self.links();
        mail.errands.drain(..).for_each(|errand| links.run(&around, errand));
    }

    /// The links, and what they need of the lane.
    fn links(&mut self) -> (&mut Links, Around<'_>) {
        let around =
            Around { poller: &self.poller, post: &self.post, shared: &self.shared, now_ms: self.now_ms };
        (&mut self.links, around)
    }

    /// Waits for the kernel; not at all if somebody is due already.
    fn wait(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        let may_sleep = self.due.is_empty() && self.links.are_at_rest() && self.post.may_sleep();
        let timeout = if may_sleep { self.sleep_ms() } else { Some(0) };
        let timeout = timeout.map(|ms| Timespec { tv_sec: ms / 1000, tv_nsec: ms % 1000 * 1_000_000 });
        let measured_us = self.measure();
        let waited = epoll::wait(&self.poller, spare_capacity(events), timeout.as_ref());
        self.post.awake();
        let began_us = self.now_us;
        self.now_us = self.shared.clock.now_us();
        self.now_ms = self.now_us / 1_000;
        if let Some(ended_us) = measured_us {
            self.figures.measured(ended_us - began_us, self.now_us - ended_us);
        }
        match waited {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Counts what was answered. The end of the first round of a millisecond is looked at, and that of every [`MEASURED`]th beside them: all
    /// that a busy lane does has an equal chance, and a look at the clock for each of its rounds would be a hundredth of their work.
    fn measure(&mut self) -> Option<i64> {
        self.unmeasured += 1;
        let is_measured = self.unmeasured >= MEASURED || self.now_ms != self.measured_ms;
        let ended_us = is_measured.then(|| {
            (self.unmeasured, self.measured_ms) = (0, self.now_ms);
            self.shared.clock.now_us()
        });
        let figures = &self.figures;
        self.finished.drain(..).for_each(|one| figures.finished(&one, ended_us));
        ended_us
    }

    /// Until the connections, a link or a resting door are looked at; `None` for ever.
    fn sleep_ms(&self) -> Option<i64> {
        let doors = self.doors.values().filter_map(|door| door.rests_until_ms).min().unwrap_or(i64::MAX);
        let until = self.look_at_ms.min(doors).min(self.links.look_at_ms()).min(self.pauses.first_ms());
        (until < i64::MAX).then(|| (until - self.now_ms).max(0))
    }

    fn hear(&mut self, event: Event) {
        let flags = event.flags;
        match event.data.u64() {
            ALARM => {}
            door if door >= FIRST_DOOR => self.accept(door - FIRST_DOOR),
            link if link >= FIRST_LINK => self.links.hear(link - FIRST_LINK, edges(flags)),
            place => {
                let place = place as usize;
                if let Some(Some(connection)) = self.connections.get_mut(place) {
                    connection.gateway.carrier().note(edges(flags));
                    self.make_due(place);
                }
            }
        }
    }

    fn make_due(&mut self, place: usize) {
        if place as u64 >= FIRST_LINK {
            self.links.make_due(place as u64 - FIRST_LINK);
        } else if let Some(Some(connection)) = self.connections.get_mut(place)
            && !std::mem::replace(&mut connection.is_due, true)
        {
            self.due.push(place);
        }
    }

    /// Polls everybody who is due; who asks for more meanwhile is due the next time.
    fn poll_due(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        for place in due.drain(..) {
            self.poll(place);
        }
        if self.due.is_empty() {
            self.due = due;
        }
    }

    fn poll(&mut self, place: usize) {
        let Some(Some(connection)) = self.connections.get_mut(place) else { return };
        let Connected { gateway, bell, waker, is_due, from, door, .. } = &mut **connection;
        *is_due = false;
        bell.heard();
        let now_ms = self.now_ms;
        gateway.begin_round(self.now_us, std::mem::take(&mut self.finished));
        let poll = || gateway.poll(&mut Context::from_waker(waker), now_ms);
        let polled = catch_unwind(AssertUnwindSafe(poll));
        self.finished = gateway.end_round();
        match polled {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(end)) => {
                log_end(&self.shared.refusals, now_ms, &end, *from, &door.name);
                self.close(place);
            }
            // A panic costs its connection, not the lane.
            Err(_) => {
                tracing::error!("{} {from}: closed after a panic", door.name);
                self.close(place);
            }
        }
    }

    fn close(&mut self, place: usize) {
        if self.connections.get_mut(place).and_then(Option::take).is_some() {
            self.leave(place);
        }
    }

    /// Nobody is in that place any more.
    fn leave(&mut self, place: usize) {
        self.free.push(place);
        self.all.connections(self.index).fetch_sub(1, Ordering::Relaxed);
    }

    fn take_in(&mut self, accepted: Accepted) {
        let Accepted { stream, from, door, admitted } = accepted;
        let place = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let connected = Socket::new(stream).and_then(|socket| {
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&self.poller, &socket, EventData::new_u64(place as u64), flags)?;
            match &door.guard.tls {
                None => Ok(Carrier::Plain(socket)),
                Some(tls) => {
                    let tls = tls.accept(socket).map_err(io::Error::other)?;
                    Ok(Carrier::Tls(Box::new(tls)))
                }
            }
        });
        let carrier = match connected {
            Ok(carrier) => carrier,
            Err(error) => {
                tracing::debug!("{} {from}: lost: {error}", door.name);
                return self.leave(place);
            }
        };
        let shared = &self.shared;
        let by_tls = match &carrier {
            Carrier::Plain(_) => None,
            Carrier::Tls(tls) => Some(tls.principal()),
        };
        let service = NodeService::new(&shared.node, &door, from, &self.post, by_tls);
        let gateway = gateway(shared, &door, carrier, service, self.now_ms);
        let bell = Bell::new(self.post.clone(), place);
        let waker = Waker::from(bell.clone());
        let stranger = gateway.notes().is_stranger().then(|| bell.clone());
        let connected = Connected { gateway, bell, waker, is_due: false, from, door, _admitted: admitted };
        if let Some(free) = self.connections.get_mut(place) {
            *free = Some(Box::new(connected));
        }
        self.look_at_ms = self.look_at_ms.min(self.now_ms.saturating_add(shared.patience.shortest_ms()));
        if let Some(bell) = stranger {
            self.greet(place, bell);
        }
    }

    /// One more who has not said who it is. Where that is one too many, whoever has said nothing for longest goes: an honest client has
    /// been done for long, and finds its way in however many others hold their connections open.
    fn greet(&mut self, place: usize, bell: Arc<Bell>) {
        let connections = &self.connections;
        let is_still = |place: usize, bell: &Arc<Bell>| {
            let connection = connections.get(place).and_then(Option::as_deref);
            connection.is_some_and(|one| Arc::ptr_eq(&one.bell, bell) && one.gateway.notes().is_stranger())
        };
        let Some(place) = self.strangers.take(place, bell, is_still) else { return };
        if let Some(Some(connection)) = self.connections.get(place) {
            let Connected { from, door, .. } = &**connection;
            let what = format_args!(
                "{} {from}: closed: it has not said who it is, and too many wait to do so",
                door.name
            );
            self.shared.refusals.tell(Kind::Authentication, self.now_ms, what);
        }
        self.close(place);
    }

    /// Looks at every connection, every link and every resting door when it is time.
    fn watch(&mut self) {
        if self.now_ms >= self.look_at_ms {
            self.look();
        }
        if self.now_ms >= self.links.look_at_ms() {
            let (links, around) = self.links();
            links.look(&around);
        }
        let now_ms = self.now_ms;
        if now_ms >= self.pauses.first_ms() {
            self.pauses.look(now_ms);
        }
        let is_rested = |door: &OpenDoor| door.rests_until_ms.is_some_and(|until| now_ms >= until);
        let rested = self.doors.iter().filter(|(_, door)| is_rested(door)).map(|(number, _)| *number);
        for number in rested.collect::<Vec<_>>() {
            self.listen(number);
        }
    }

    fn look(&mut self) {
        self.look_at_ms = i64::MAX;
        for place in 0..self.connections.len() {
            let Some(Some(connection)) = self.connections.get(place) else { continue };
            match connection.gateway.notes().judge(&self.shared.patience, self.now_ms) {
                Verdict::LookAgainAt(due) => {
                    // At most one look a second, however many connections are about to be due.
                    self.look_at_ms = self.look_at_ms.min(due.max(self.now_ms + 1_000));
                }
                verdict @ (Verdict::TooIdle | Verdict::TooSlow | Verdict::NeverEntered) => {
                    tracing::debug!("{} {}: closed: {verdict:?}", connection.door.name, connection.from);
                    self.close(place);
                }
            }
        }
    }

    fn open(&mut self, door: Door) {
        let Door { socket, name, controller, guard } = door;
        let plate = Arc::new(DoorPlate { name: name.into(), controller, guard });
        let number = self.doors.last_key_value().map_or(0, |(last, _)| last + 1);
        self.doors.insert(number, OpenDoor { socket, plate, rests_until_ms: None });
        self.listen(number);
    }

    fn listen(&mut self, number: u64) {
        let Some(door) = self.doors.get_mut(&number) else { return };
        door.rests_until_ms = None;
        let data = EventData::new_u64(FIRST_DOOR + number);
        if let Err(error) = epoll::add(&self.poller, &door.socket, data, EventFlags::IN) {
            self.cannot_accept(number, &error.into());
        }
    }

    /// Takes what waits at a door.
    fn accept(&mut self, number: u64) {
        for _ in 0..ACCEPTED_AT_ONCE {
            let Some(door) = self.doors.get(&number) else { return };
            let wait_ms = self.shared.admission.pace_ms(&door.plate.name, self.now_ms);
            if wait_ms > 0 {
                return self.rest(number, wait_ms);
            }
            match door.socket.accept() {
                Ok((stream, from)) => self.admit(stream, from, door.plate.clone()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The peer went away while it waited.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.cannot_accept(number, &error),
            }
        }
    }

    fn cannot_accept(&mut self, number: u64, error: &io::Error) {
        if let Some(door) = self.doors.get(&number) {
            let what = format_args!("{}: cannot accept: {error}", door.plate.name);
            self.shared.refusals.tell(Kind::Accept, self.now_ms, what);
        }
        self.rest(number, DOOR_RESTS_MS);
    }

    /// Whoever comes by this door waits in the kernel's queue until then.
    fn rest(&mut self, number: u64, for_ms: i64) {
        if let Some(door) = self.doors.get_mut(&number) {
            let _ = epoll::delete(&self.poller, &door.socket);
            door.rests_until_ms = Some(self.now_ms + for_ms);
        }
    }

    /// Deals an accepted connection to the lane with the fewest.
    fn admit(&self, stream: std::net::TcpStream, from: SocketAddr, door: Arc<DoorPlate>) {
        // DIVERGES: Kafka holds on to whoever comes too fast for a while before it closes, and counts it among the connected meanwhile.
        if !door.controller && !self.shared.node.admits(from.ip(), self.now_ms) {
            let what = format_args!("{} {from}: refused: its connection_creation_rate is reached", door.name);
            return self.shared.refusals.tell(Kind::Connection, self.now_ms, what);
        }
        let limit = match self.shared.admission.admit(from.ip(), &door.name) {
            Ok(admitted) => return self.all.deal(Accepted { stream, from, door, admitted }),
            Err(Refused::TooMany) => "max.connections",
            Err(Refused::TooManyFromAddress) => "max.connections.per.ip",
            Err(Refused::TooManyByListener) => "max.connections of this listener",
        };
        let what = format_args!("{} {from}: refused: {limit} is reached", door.name);
        self.shared.refusals.tell(Kind::Connection, self.now_ms, what);
    }
}

/// Whoever has to say who he is has the limits of strangers until then.
fn gateway(
    shared: &Shared,
    door: &DoorPlate,
    carrier: Carrier<Socket>,
    service: NodeService,
    now_ms: i64,
) -> Gateway<NodeService, Carrier<Socket>> {
    let limits = match (&door.guard.sasl, &door.guard.tls) {
        (None, None) => {
            return Gateway::new(carrier, service, shared.limits, shared.budget.clone(), now_ms);
        }
        (None, Some(_)) => shared.limits,
        (Some(terms), _) => FrameLimits { max_bytes: terms.max_receive_bytes },
    };
    let enter_by_ms = now_ms.saturating_add(shared.patience.entry_ms);
    Gateway::new(carrier, service, limits, shared.strangers.clone(), now_ms).until_entered(
        enter_by_ms,
        shared.limits,
        shared.budget.clone(),
    )
}

fn edges(flags: EventFlags) -> Edges {
    let ends = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
    Edges {
        readable: flags.contains(EventFlags::IN),
        writable: flags.contains(EventFlags::OUT),
        ended: flags.intersects(ends),
    }
}

fn log_end(refusals: &Refusals, now_ms: i64, end: &End, from: SocketAddr, listener: &str) {
    match end {
        End::Closed => tracing::debug!("{listener} {from}: closed by the peer"),
        End::Lost(error) => match TlsFault::of(error) {
            Some(fault) => {
                let what = format_args!("{listener} {from}: closed: TLS: {fault}");
                refusals.tell(Kind::Authentication, now_ms, what);
            }
            None => tracing::debug!("{listener} {from}: lost: {error}"),
        },
        End::BadFrame(bad) => match bad.foreign_protocol() {
            Some(foreign) => {
                let what = format_args!(
                    "{listener} {from}: closed: the client speaks {foreign}, and this listener does not"
                );
                refusals.tell(Kind::Frame, now_ms, what);
            }
            None => refusals.tell(Kind::Frame, now_ms, format_args!("{listener} {from}: closed: {bad}")),
        },
        // The node has told it in its audit.
        End::Refused(CloseReason::NotAuthenticated(why)) => {
            tracing::debug!("{listener} {from}: closed: not authenticated: {why}");
        }
        End::Refused(reason @ (CloseReason::Stopping | CloseReason::SessionExpired)) => {
            tracing::debug!("{listener} {from}: closed: {reason:?}");
        }
        End::Refused(reason) => {
            refusals.tell(Kind::Request, now_ms, format_args!("{listener} {from}: closed: {reason:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        assert!(size_of::<Gateway<NodeService, Carrier<Socket>>>() <= 512);
    }
}
