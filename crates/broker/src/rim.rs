//! What passes between a node and its rim (the server's threads, or the simulator's loop): the answer of a request,
//! the bells a node may ring, the blocking jobs it hands out. Never a socket, a thread or a clock.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use wire::codec::Rope;

/// What the rim does with a handled request.
#[derive(Debug)]
pub enum Outcome {
    /// Write all of it, in one vectored write; the length prefix and the header are in it.
    Answer(Rope),
    /// Write nothing (produce with acks=0).
    NoAnswer,
    /// Close the connection without an answer, as Kafka does for what it cannot read.
    Close(CloseReason),
    /// Write it; whoever sent the request is authenticated by it, and has the node's limits from now on.
    Entered(Rope),
    /// Write it, then close the connection.
    Farewell(Box<(Rope, CloseReason)>),
    /// Write what there is to write, then neither read nor handle anything of this connection for a while.
    Muted(Box<Muted>),
}

/// An answer to somebody who uses more than its quota (KIP-219).
#[derive(Debug)]
pub struct Muted {
    /// Says how long; none to a produce with acks=0.
    pub answer: Option<Rope>,
    /// The node's own time when the connection goes on.
    pub until_ms: i64,
}

/// Why a connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The frame is no request of the protocol.
    Malformed(String),
    /// The key or the version is not served on this listener.
    Unsupported {
        /// As the frame has it.
        api_key: i16,
        /// As the frame has it; -1 where the key is unknown.
        api_version: i16,
    },
    /// acks=0 has no other way to tell the producer that its batch was refused.
    ProduceRefused,
    /// A handler panicked; the request is lost, the node lives on.
    Panicked,
    /// It did not say, or not prove, who it is.
    NotAuthenticated(String),
    /// It had to authenticate again and did not (KIP-368).
    SessionExpired,
    /// The node is shutting down.
    Stopping,
}

/// A request on its way. The rim polls it once at once, in the order of arrival, and again whenever its waker is
/// called; most requests are ready at the first poll.
pub struct Handling {
    progress: Progress,
    /// It is a fetch by another broker's replica.
    by_follower: bool,
    /// Nothing behind it begins before it is answered, whatever it is.
    alone: bool,
}

enum Progress {
    Ready(Option<Outcome>),
    Running(Pin<Box<dyn Future<Output = Outcome> + Send>>),
}

impl Handling {
    /// An outcome known without waiting.
    pub fn ready(outcome: Outcome) -> Handling {
        Handling { progress: Progress::Ready(Some(outcome)), by_follower: false, alone: false }
    }

    /// An outcome still to be computed.
    pub fn running(future: impl Future<Output = Outcome> + Send + 'static) -> Handling {
        Handling { progress: Progress::Running(Box::pin(future)), by_follower: false, alone: false }
    }

    /// It is a fetch by another broker's replica, which is counted apart.
    pub fn by_follower(self) -> Handling {
        Handling { by_follower: true, ..self }
    }

    /// Whether it is one.
    pub fn is_by_follower(&self) -> bool {
        self.by_follower
    }

    /// Its answer may mute the connection: what is behind it waits for that.
    pub fn alone(self) -> Handling {
        Handling { alone: true, ..self }
    }

    /// Whether others may begin beside it, if their frames say so ([`may_overlap`]).
    pub fn overlaps(&self) -> bool {
        !self.alone
    }

    /// Its outcome, if that is known already.
    pub(crate) fn into_outcome(self) -> Result<Outcome, Handling> {
        match self.progress {
            Progress::Ready(Some(outcome)) => Ok(outcome),
            progress @ (Progress::Ready(None) | Progress::Running(_)) => Err(Handling { progress, ..self }),
        }
    }
}

impl Future for Handling {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        match &mut self.progress {
            Progress::Ready(outcome) => {
                Poll::Ready(outcome.take().unwrap_or(Outcome::Close(CloseReason::Stopping)))
            }
            Progress::Running(future) => {
                match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
                    Ok(poll) => poll,
                    Err(_) => Poll::Ready(Outcome::Close(CloseReason::Panicked)),
                }
            }
        }
    }
}

/// True for a frame whose handling may begin before the answers of earlier *such* frames are known (Produce): its first
/// poll puts the batches into their mailboxes in the order of arrival. Any other request begins when all before it on
/// the same connection are answered, and nothing begins before it is answered, as Kafka has it.
pub fn may_overlap(frame: &[u8]) -> bool {
    frame.starts_with(&[0, 0])
}

/// True for a frame that nobody holds for long once it is begun: such a handling is over at once (Metadata, ApiVersions), or with the
/// next flush round (Produce), or keeps nothing of the frame (Fetch). Of any other, which may wait for minutes, a small frame is better
/// copied out of the large block that it was received in.
pub fn is_brief(frame: &[u8]) -> bool {
    matches!(frame, [0, 0 | 1 | 3 | 18, ..])
}

/// A connection to another node, in this node's numbering; never 0, never used twice.
pub type LinkId = u64;

/// Where another node listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAddress {
    /// Its id; negative for one that is known by its address alone (`controller.quorum.bootstrap.servers`).
    pub node_id: i32,
    /// A name or an address.
    pub host: wire::Str,
    /// Its port.
    pub port: u16,
    /// The name of the listener: how this node has to speak there is configured by it.
    pub listener: wire::Str,
}

/// The bells a node may ring, and its way out. Each call is cheap, may come from any thread; a bell may come too often.
pub trait Rim: Send + Sync {
    /// [`crate::Node::turn`] is due earlier than it last said.
    fn call_turn(&self);
    /// [`crate::Node::quorum_turn`] has something to do.
    fn call_quorum(&self);
    /// [`crate::Node::work`] has a job.
    fn call_workers(&self);
    /// The node cannot go on (its metadata directory is gone, or no log directory is left): end the process.
    fn halt(&self, reason: &str);
    /// Open a connection to another node. Then the node hears [`crate::Node::link_opened`], [`crate::Node::link_refused`] or
    /// [`crate::Node::link_closed`], never within this call, and afterwards of every frame that comes.
    fn connect(&self, link: LinkId, to: &PeerAddress);
    /// Write a frame, its length prefix in it, behind those before it. Of no effect on a connection that is gone.
    fn send(&self, link: LinkId, frame: Vec<Bytes>);
    /// Close a connection; the node hears nothing of it any more.
    fn disconnect(&self, link: LinkId);
    /// Microseconds by which the work of a thread is measured for `request_percentage`; only differences mean anything. Asked for clients with
    /// such a quota alone. Where nobody measures, no time passes.
    fn stopwatch_us(&self) -> i64 {
        0
    }
}

/// The bells as flags, for a rim that is a loop in one thread and looks for itself (the simulator, tests).
#[derive(Default)]
pub struct Bells {
    /// [`Rim::call_turn`]
    pub turn: AtomicBool,
    /// [`Rim::call_quorum`]
    pub quorum: AtomicBool,
    /// [`Rim::call_workers`]
    pub workers: AtomicBool,
    /// [`Rim::halt`]
    pub halted: AtomicBool,
    /// What the loop has to do for the node's connections to others.
    pub outward: Mutex<VecDeque<Outward>>,
}

impl Rim for Bells {
    fn call_turn(&self) {
        self.turn.store(true, Ordering::SeqCst);
    }
    fn call_quorum(&self) {
        self.quorum.store(true, Ordering::SeqCst);
    }
    fn call_workers(&self) {
        self.workers.store(true, Ordering::SeqCst);
    }
    fn halt(&self, _reason: &str) {
        self.halted.store(true, Ordering::SeqCst);
    }
    fn connect(&self, link: LinkId, to: &PeerAddress) {
        self.outward.lock().push_back(Outward::Connect(link, to.clone()));
    }
    fn send(&self, link: LinkId, frame: Vec<Bytes>) {
        self.outward.lock().push_back(Outward::Send(link, frame));
    }
    fn disconnect(&self, link: LinkId) {
        self.outward.lock().push_back(Outward::Disconnect(link));
    }
}

/// What the node asked of its connections to others, in order.
#[derive(Debug)]
pub enum Outward {
    /// [`Rim::connect`]
    Connect(LinkId, PeerAddress),
    /// [`Rim::send`]
    Send(LinkId, Vec<Bytes>),
    /// [`Rim::disconnect`]
    Disconnect(LinkId),
}

/// A blocking piece of work for the rim's pool: a flush round, the removal of dead segments. It completes itself by a
/// command to the shards concerned.
pub struct Job(pub(crate) Box<dyn FnOnce(i64) + Send>);

impl Job {
    /// Does the work on the calling thread; `now_ms` is the time at its end.
    pub fn run(self, now_ms: i64) {
        (self.0)(now_ms)
    }
}
