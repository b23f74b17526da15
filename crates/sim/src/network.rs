//! The simulated network: connections that keep their order, delay by the draw and end when the seed says so. The serving
//! side does what `server::gateway` does: starts frames in order, lets produces overlap, answers in order. Never looks into
//! a frame beyond `may_overlap`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use broker::rim::may_overlap;
use broker::{CloseReason, Connection, Handling, Node, Outcome};
use bytes::Bytes;

use crate::ballots::Ballot;
use crate::host::Door;
use crate::invariants;
use crate::pipes::{Pipe, Wire};
use crate::world::World;

/// A new connection, if that machine's node takes one at this door.
pub fn accept(world: &World, machine: usize, door: Door, wire: Wire) -> Option<Rc<Wire>> {
    let (node, connection, wire) = world.machine_at(machine).borrow_mut().accept(door, wire)?;
    world.spawn(Serving::new(world.clone(), machine, Rc::clone(&wire), node, connection));
    Some(wire)
}

impl Wire {
    /// Sends towards the node.
    pub fn send_up(&self, world: &World, frame: Bytes) {
        self.send(world, &self.up, frame);
    }

    fn send(&self, world: &World, pipe: &RefCell<Pipe>, bytes: Bytes) {
        if self.is_closed() {
            return;
        }
        if world.strikes(world.shape.resets) {
            world.tell("a connection is reset");
            self.reset();
            return;
        }
        let slow = world.strikes(world.shape.slow_messages);
        let delay_ms = world.draw(|random| random.between(0, if slow { 400 } else { 3 }));
        let mut pipe = pipe.borrow_mut();
        let delay_ms = delay_ms + world.links.borrow().delay_ms(pipe.direction);
        let at_ms = pipe.last_ms.max(world.now_ms() + delay_ms);
        pipe.last_ms = at_ms;
        pipe.queue.push_back((at_ms, bytes));
        if let Some(reader) = pipe.reader.take() {
            reader.wake();
        }
    }

    /// What has arrived; otherwise the reader is woken when something does.
    fn take(world: &World, pipe: &RefCell<Pipe>, context: &Context<'_>) -> Option<Bytes> {
        let mut pipe = pipe.borrow_mut();
        match pipe.queue.front() {
            Some((at_ms, _)) if *at_ms <= world.now_ms() => {
                if world.links.borrow_mut().holds_up(pipe.direction, context.waker()) {
                    return None;
                }
                pipe.queue.pop_front().map(|(_, bytes)| bytes)
            }
            Some((at_ms, _)) => {
                world.timers.borrow_mut().add(*at_ms, context.waker().clone());
                None
            }
            None => {
                pipe.reader = Some(context.waker().clone());
                None
            }
        }
    }

    /// What has arrived at who opened it.
    pub fn take_down(&self, world: &World, context: &Context<'_>) -> Option<Bytes> {
        Wire::take(world, &self.down, context)
    }
}

enum Request {
    Waiting(Bytes),
    Running(Handling),
    Done(Outcome),
}

/// The node's side of one connection; ends with it.
pub struct Serving {
    world: World,
    machine: usize,
    wire: Rc<Wire>,
    node: Node,
    connection: Connection,
    queue: VecDeque<Request>,
    /// The first so many of the queue have begun.
    started: usize,
    overlapping: bool,
    /// The vote that the request under way asks for.
    ballot: Option<Ballot>,
}

impl Serving {
    pub fn new(world: World, machine: usize, wire: Rc<Wire>, node: Node, connection: Connection) -> Serving {
        let (queue, started, overlapping) = (VecDeque::new(), 0, false);
        Serving { world, machine, wire, node, connection, queue, started, overlapping, ballot: None }
    }

    fn shown_ms(&self) -> i64 {
        self.world.machine_at(self.machine).borrow().clock.shows(self.world.now_ms())
    }

    /// What a connection of the real rim promises, too (`server/src/gateway/invariants.rs`).
    fn check(&self) {
        assert!(self.started <= self.queue.len(), "order: more is begun than there is");
        assert!(self.started <= 1 || self.overlapping, "order: one is begun that may not overlap");
        assert!(self.started > 0 || self.queue.is_empty(), "order: the first waits for nothing");
        let next = self.queue.get(self.started);
        assert!(matches!(next, None | Some(Request::Waiting(_))), "order: one is begun out of turn");
    }

    fn begin(&mut self, context: &mut Context<'_>) -> bool {
        let Some(Request::Waiting(frame)) = self.queue.get(self.started) else { return false };
        let overlaps = may_overlap(frame);
        if self.started > 0 && !(overlaps && self.overlapping) {
            return false;
        }
        // Nothing is under way whose ballot this could be taken for: the answer to a pre-vote is no vote.
        if !overlaps && self.world.shape.cluster.is_plural() {
            self.ballot = Ballot::of_request(frame);
        }
        let frame = frame.clone();
        self.world.trace.borrow_mut().note(self.world.now_ms(), b'q', &frame);
        self.world.requests.set(self.world.requests.get() + 1);
        // A shard is never busy in one thread: every third request finds one that looks so.
        if self.world.requests.get().is_multiple_of(3) {
            self.node.crowd();
        }
        let mut handling = self.node.handle(&self.connection, frame, self.shown_ms());
        let begun = match Pin::new(&mut handling).poll(context) {
            Poll::Ready(outcome) => Request::Done(outcome),
            Poll::Pending => Request::Running(handling),
        };
        if let Some(request) = self.queue.get_mut(self.started) {
            *request = begun;
        }
        self.overlapping = overlaps;
        self.started += 1;
        true
    }

    fn poll_running(&mut self, context: &mut Context<'_>) {
        for request in self.queue.iter_mut().take(self.started) {
            if let Request::Running(handling) = request
                && let Poll::Ready(outcome) = Pin::new(handling).poll(context)
            {
                *request = Request::Done(outcome);
            }
        }
    }

    fn deliver(&mut self) -> bool {
        let Some(Request::Done(_)) = self.queue.front() else { return false };
        let Some(Request::Done(outcome)) = self.queue.pop_front() else { return false };
        self.started -= 1;
        let answer = match outcome {
            Outcome::NoAnswer => None,
            Outcome::Answer(pieces) | Outcome::Entered(pieces) => Some(pieces),
            // Clients here are not held back.
            Outcome::Muted(muted) => muted.answer,
            Outcome::Close(reason) => {
                self.close(&reason);
                None
            }
            Outcome::Farewell(told) => {
                self.close(&told.1);
                None
            }
        };
        let Some(pieces) = answer else { return true };
        let bytes = Bytes::from(pieces.concat());
        self.world.trace.borrow_mut().note(self.world.now_ms(), b'a', &bytes);
        if let Some(ballot) = self.ballot.take().filter(|ballot| ballot.is_granted(&bytes)) {
            let checked = self.world.oracle.borrow_mut().voted(self.machine, ballot.epoch, ballot.candidate);
            self.world.check(checked);
        }
        self.wire.send(&self.world, &self.wire.down, bytes);
        true
    }

    fn close(&self, reason: &CloseReason) {
        self.world.tell(&format!("the node closes a connection: {reason:?}"));
        match reason {
            CloseReason::ProduceRefused
            | CloseReason::Stopping
            | CloseReason::NotAuthenticated(_)
            | CloseReason::SessionExpired => {}
            CloseReason::Malformed(_) | CloseReason::Unsupported { .. } | CloseReason::Panicked => {
                self.world.check(invariants::no_request_breaks_a_handler(&format!("{reason:?}")));
            }
        }
        self.wire.reset();
    }
}

impl Future for Serving {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let serving = &mut *self;
        if serving.world.machine_at(serving.machine).borrow_mut().sleeps(context.waker()) {
            return Poll::Pending;
        }
        serving.world.touched.set(Some(serving.machine));
        loop {
            if serving.wire.is_closed() {
                return Poll::Ready(());
            }
            while let Some(frame) = Wire::take(&serving.world, &serving.wire.up, context) {
                serving.queue.push_back(Request::Waiting(frame.slice(4..)));
            }
            serving.poll_running(context);
            let mut moved = false;
            while serving.deliver() {
                moved = true;
            }
            while serving.begin(context) {
                moved = true;
            }
            if !moved {
                serving.check();
                return Poll::Pending;
            }
        }
    }
}
