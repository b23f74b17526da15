//! One lane's thread: waits for the kernel, polls the connections that have something to do, watches over the rest.
//!
//! The kernel tells edges (epoll, edge-triggered); a connection is polled until it waits for the next one. No runtime: a wake-up
//! asks for events, polls, and sleeps again. Never looks into a frame.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use broker::CloseReason;
use net::listener::{Admitted, Refused};
use net::{Edges, Socket};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::doors::{Accepted, Door, DoorPlate};
use super::neighbours::Neighbours;
use super::post::{Bell, Phase, Post};
use super::refusals::{Kind, Refusals};
use super::service::NodeService;
use super::shared::Shared;
use crate::gateway::{End, Gateway};
use crate::guard::Verdict;

/// Events taken from the kernel at once.
const EVENTS_AT_ONCE: usize = 256;

/// Connections taken from a door at once: those who are connected have their turn in between.
const ACCEPTED_AT_ONCE: usize = 64;

/// After a failed accept (no descriptors left) a door rests, instead of spinning.
const DOOR_RESTS_MS: i64 = 100;

/// What an event is about; anything less is a connection's place.
const ALARM: u64 = u64::MAX;
const FIRST_DOOR: u64 = u64::MAX / 2;
const _: () =
    assert!(ACCEPTED_AT_ONCE <= EVENTS_AT_ONCE, "a door has no more at once than all who are connected");

/// A lane.
pub struct Lane {
    poller: OwnedFd,
    post: Arc<Post>,
    all: Arc<Neighbours>,
    index: usize,
    shared: Arc<Shared>,
    doors: Vec<OpenDoor>,
    connections: Vec<Option<Box<Connected>>>,
    /// Places in `connections` that nobody has.
    free: Vec<usize>,
    /// Who is polled next.
    due: Vec<usize>,
    /// The time when the kernel last said something: one look at the clock per wake-up.
    now_ms: i64,
    /// When the connections are looked at again.
    look_at_ms: i64,
    phase: Phase,
}

struct OpenDoor {
    socket: TcpListener,
    plate: Arc<DoorPlate>,
    /// Until then it is not listened to.
    rests_until_ms: Option<i64>,
}

/// A connection in its place.
struct Connected {
    gateway: Gateway<NodeService, Socket>,
    bell: Arc<Bell>,
    waker: Waker,
    /// It is in `due`.
    is_due: bool,
    from: SocketAddr,
    door: Arc<DoorPlate>,
    _admitted: Admitted,
}

impl Lane {
    /// A lane that listens to its doors.
    pub fn new(
        all: Arc<Neighbours>,
        index: usize,
        shared: Arc<Shared>,
        doors: Vec<Door>,
    ) -> io::Result<Lane> {
        let poller = epoll::create(CreateFlags::CLOEXEC)?;
        let post = all.post(index);
        epoll::add(&poller, post.alarm(), EventData::new_u64(ALARM), EventFlags::IN | EventFlags::ET)?;
        let now_ms = shared.clock.now_ms();
        let mut lane = Lane {
            poller,
            post,
            all,
            index,
            shared,
            doors: Vec::new(),
            connections: Vec::new(),
            free: Vec::new(),
            due: Vec::new(),
            now_ms,
            look_at_ms: i64::MAX,
            phase: Phase::Serving,
        };
        for Door { socket, name, controller } in doors {
            let plate = Arc::new(DoorPlate { name, controller });
            lane.doors.push(OpenDoor { socket, plate, rests_until_ms: None });
            lane.listen(lane.doors.len() - 1)?;
        }
        Ok(lane)
    }

    /// Runs until the lanes are stopped.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS_AT_ONCE);
        let (mut arrived, mut woken) = (Vec::new(), Vec::new());
        loop {
            self.post.collect(&mut arrived, &mut woken, &mut self.phase);
            match self.phase {
                Phase::Serving => {}
                Phase::Draining => self.doors.clear(),
                Phase::Stopped => return Ok(()),
            }
            arrived.drain(..).for_each(|accepted| self.take_in(accepted));
            woken.drain(..).for_each(|place| self.make_due(place));
            self.poll_due();
            self.wait(&mut events)?;
            for event in events.drain(..) {
                self.hear(event);
            }
            self.watch();
        }
    }

    /// Waits for the kernel; not at all if somebody is due already.
    fn wait(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        let may_sleep = self.due.is_empty() && self.post.may_sleep();
        let timeout = if may_sleep { self.sleep_ms() } else { Some(0) };
        let timeout = timeout.map(|ms| Timespec { tv_sec: ms / 1000, tv_nsec: ms % 1000 * 1_000_000 });
        let waited = epoll::wait(&self.poller, spare_capacity(events), timeout.as_ref());
        self.post.awake();
        self.now_ms = self.shared.clock.now_ms();
        match waited {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Until the connections or a resting door are looked at; `None` for ever.
    fn sleep_ms(&self) -> Option<i64> {
        let doors = self.doors.iter().filter_map(|door| door.rests_until_ms).min().unwrap_or(i64::MAX);
        let until = self.look_at_ms.min(doors);
        (until < i64::MAX).then(|| (until - self.now_ms).max(0))
    }

    fn hear(&mut self, event: Event) {
        let flags = event.flags;
        match event.data.u64() {
            ALARM => {}
            door if door >= FIRST_DOOR => self.accept((door - FIRST_DOOR) as usize),
            place => {
                let place = place as usize;
                let ends = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
                if let Some(Some(connection)) = self.connections.get_mut(place) {
                    connection.gateway.carrier().note(Edges {
                        readable: flags.contains(EventFlags::IN),
                        writable: flags.contains(EventFlags::OUT),
                        ended: flags.intersects(ends),
                    });
                    self.make_due(place);
                }
            }
        }
    }

    fn make_due(&mut self, place: usize) {
        if let Some(Some(connection)) = self.connections.get_mut(place)
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
        let poll = || gateway.poll(&mut Context::from_waker(waker), now_ms);
        match catch_unwind(AssertUnwindSafe(poll)) {
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
            Ok(socket)
        });
        let socket = match connected {
            Ok(socket) => socket,
            Err(error) => {
                tracing::debug!("{} {from}: lost: {error}", door.name);
                return self.leave(place);
            }
        };
        let shared = &self.shared;
        let service = NodeService::new(&shared.node, &door, from);
        let gateway = Gateway::new(socket, service, shared.limits, shared.budget.clone(), self.now_ms);
        let bell = Bell::new(self.post.clone(), place);
        let waker = Waker::from(bell.clone());
        let connected = Connected { gateway, bell, waker, is_due: false, from, door, _admitted: admitted };
        if let Some(free) = self.connections.get_mut(place) {
            *free = Some(Box::new(connected));
        }
        self.look_at_ms = self.look_at_ms.min(self.now_ms.saturating_add(shared.patience.shortest_ms()));
    }

    /// Looks at every connection and every resting door when it is time.
    fn watch(&mut self) {
        if self.now_ms >= self.look_at_ms {
            self.look();
        }
        for index in 0..self.doors.len() {
            if self.doors[index].rests_until_ms.is_some_and(|until| self.now_ms >= until) {
                self.doors[index].rests_until_ms = None;
                if let Err(error) = self.listen(index) {
                    self.rest(index, &error);
                }
            }
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
                verdict @ (Verdict::TooIdle | Verdict::TooSlow) => {
                    tracing::debug!("{} {}: closed: {verdict:?}", connection.door.name, connection.from);
                    self.close(place);
                }
            }
        }
    }

    fn listen(&self, door: usize) -> io::Result<()> {
        let data = EventData::new_u64(FIRST_DOOR + door as u64);
        Ok(epoll::add(&self.poller, &self.doors[door].socket, data, EventFlags::IN)?)
    }

    /// Takes what waits at a door.
    fn accept(&mut self, index: usize) {
        for _ in 0..ACCEPTED_AT_ONCE {
            let Some(door) = self.doors.get(index) else { return };
            match door.socket.accept() {
                Ok((stream, from)) => self.admit(stream, from, door.plate.clone()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The peer went away while it waited.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.rest(index, &error),
            }
        }
    }

    fn rest(&mut self, index: usize, error: &io::Error) {
        if let Some(door) = self.doors.get_mut(index) {
            let what = format_args!("{}: cannot accept: {error}", door.plate.name);
            self.shared.refusals.tell(Kind::Accept, self.now_ms, what);
            let _ = epoll::delete(&self.poller, &door.socket);
            door.rests_until_ms = Some(self.now_ms + DOOR_RESTS_MS);
        }
    }

    /// Deals an accepted connection to the lane with the fewest.
    fn admit(&self, stream: std::net::TcpStream, from: SocketAddr, door: Arc<DoorPlate>) {
        let limit = match self.shared.admission.admit(from.ip()) {
            Ok(admitted) => return self.all.deal(Accepted { stream, from, door, admitted }),
            Err(Refused::TooMany) => "max.connections",
            Err(Refused::TooManyFromAddress) => "max.connections.per.ip",
        };
        let what = format_args!("{} {from}: refused: {limit} is reached", door.name);
        self.shared.refusals.tell(Kind::Connection, self.now_ms, what);
    }
}

fn log_end(refusals: &Refusals, now_ms: i64, end: &End, from: SocketAddr, listener: &str) {
    match end {
        End::Closed => tracing::debug!("{listener} {from}: closed by the peer"),
        End::Lost(error) => tracing::debug!("{listener} {from}: lost: {error}"),
        End::BadFrame(bad) => match bad.foreign_protocol() {
            Some(foreign) => {
                let what = format_args!(
                    "{listener} {from}: closed: the client speaks {foreign}, and this listener does not"
                );
                refusals.tell(Kind::Frame, now_ms, what);
            }
            None => refusals.tell(Kind::Frame, now_ms, format_args!("{listener} {from}: closed: {bad}")),
        },
        End::Refused(reason @ CloseReason::Stopping) => {
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
        assert!(size_of::<Gateway<NodeService, Socket>>() <= 512);
    }
}
