//! One link to another node: its way from a list of addresses to an open connection, then frames in both directions. Steps: says what
//! has happened and never calls anybody.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use net::tls::{Carrier, ClientTls, TlsStream};
use net::{Budget, Edges, FrameLimits, FrameReader, Lease, RopeWriter, Socket};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::errands::Ended;

/// What may wait for a peer that does not read.
const UNREAD_BYTES_MAX: usize = 64 << 20;

/// Reads in one poll: a peer that never stops sending has its turns like everybody.
const READS_PER_POLL: usize = 16;

/// What has happened.
pub enum Step {
    /// Nothing more for now; the waker or the kernel says when.
    Waits,
    /// The connection is there.
    Opened,
    /// A frame came.
    Received(Bytes),
    /// This address is not reached.
    NotThere(io::Error),
    /// The connection is gone.
    Ended(Ended),
}

/// A link.
pub struct Link {
    state: State,
    /// By what, and to which host, where it goes over TLS.
    tls: Option<(Arc<ClientTls>, String)>,
    /// Addresses that were not tried yet.
    addresses: VecDeque<SocketAddr>,
    reader: FrameReader,
    /// The last look found no frame: only then may the socket be read again.
    frames_exhausted: bool,
    lease: Lease,
    writer: RopeWriter,
    reads: usize,
}

enum State {
    /// The name is being looked up, or the next address is about to be tried.
    Waiting,
    Connecting {
        socket: OwnedFd,
        until_ms: i64,
        /// What the kernel said, if it said anything.
        heard: Option<Edges>,
    },
    /// TLS agrees with the other side.
    Agreeing {
        tls: Box<TlsStream<Socket>>,
        until_ms: i64,
    },
    Open(Carrier<Socket>),
}

impl Link {
    /// A link to nowhere yet; `tls`: by what, and to which host, if it is to go over TLS.
    pub fn new(budget: Arc<Budget>, limits: FrameLimits, tls: Option<(Arc<ClientTls>, String)>) -> Link {
        Link {
            state: State::Waiting,
            tls,
            addresses: VecDeque::new(),
            reader: FrameReader::new(limits),
            frames_exhausted: true,
            lease: Lease::new(budget),
            writer: RopeWriter::default(),
            reads: 0,
        }
    }

    /// Where to try, in this order.
    pub fn addresses(&mut self, addresses: Vec<SocketAddr>) {
        self.addresses = addresses.into();
    }

    /// Another address is to be tried if this one is not reached.
    pub fn has_more_addresses(&self) -> bool {
        !matches!(self.state, State::Open(_)) && !self.addresses.is_empty()
    }

    /// Until when the other side has to be reached.
    pub fn connecting_until_ms(&self) -> Option<i64> {
        match self.state {
            State::Connecting { until_ms, .. } | State::Agreeing { until_ms, .. } => Some(until_ms),
            State::Waiting | State::Open(_) => None,
        }
    }

    /// Puts a frame behind those that wait.
    pub fn queue(&mut self, frame: Vec<Bytes>) {
        self.writer.push_rope(frame);
    }

    /// Takes notice of what the kernel said; it is stepped afterwards.
    pub fn note(&mut self, edges: Edges) {
        match &mut self.state {
            State::Waiting => {}
            State::Connecting { heard, .. } => *heard = Some(edges),
            State::Agreeing { tls, .. } => tls.carrier().note(edges),
            State::Open(carrier) => carrier.note(edges),
        }
    }

    /// Tries the next address; the poller tells of it as `event`. The error is that of the last address that could not even be tried.
    pub fn begin(&mut self, poller: &OwnedFd, event: u64, until_ms: i64) -> io::Result<()> {
        self.state = State::Waiting;
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        while let Some(address) = self.addresses.pop_front() {
            match connect(address, poller, event) {
                Ok(socket) => {
                    self.state = State::Connecting { socket, until_ms, heard: None };
                    return Ok(());
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Goes on. Call it again until it waits or ends.
    pub fn step(&mut self, cx: &mut Context<'_>) -> Step {
        let waits = self.writer.queued_bytes();
        match &mut self.state {
            State::Waiting | State::Connecting { heard: None, .. } if waits > UNREAD_BYTES_MAX => {
                Step::Ended(Ended::Unread(waits))
            }
            State::Waiting | State::Connecting { heard: None, .. } => Step::Waits,
            State::Connecting { socket, heard: Some(edges), .. } => {
                let edges = *edges;
                match sockopt::socket_error(&*socket) {
                    Ok(Ok(())) => self.open(cx, edges),
                    Ok(Err(error)) | Err(error) => Step::NotThere(error.into()),
                }
            }
            State::Agreeing { tls, .. } => match tls.poll_open(cx) {
                Poll::Pending => Step::Waits,
                Poll::Ready(Ok(())) => self.agreed(),
                Poll::Ready(Err(error)) => Step::NotThere(error),
            },
            State::Open(_) => self.transfer(cx),
        }
    }

    fn agreed(&mut self) -> Step {
        if let State::Agreeing { tls, .. } = std::mem::replace(&mut self.state, State::Waiting) {
            self.state = State::Open(Carrier::Tls(tls));
            return Step::Opened;
        }
        Step::Waits
    }

    fn open(&mut self, cx: &mut Context<'_>, edges: Edges) -> Step {
        let State::Connecting { socket, until_ms, .. } = std::mem::replace(&mut self.state, State::Waiting)
        else {
            return Step::Waits;
        };
        let stream = TcpStream::from(socket);
        // Who tries a free port of his own machine may be given that very port, and reach himself.
        if stream.local_addr().is_ok_and(|own| stream.peer_addr().is_ok_and(|other| own == other)) {
            return Step::NotThere(io::ErrorKind::ConnectionRefused.into());
        }
        let mut socket = match Socket::new(stream) {
            Ok(socket) => socket,
            Err(error) => return Step::NotThere(error),
        };
        socket.note(edges);
        let Some((terms, host)) = &self.tls else {
            self.state = State::Open(Carrier::Plain(socket));
            return Step::Opened;
        };
        match terms.connect(socket, host) {
            Ok(tls) => {
                self.state = State::Agreeing { tls: Box::new(tls), until_ms };
                // The kernel says no more of it before this side has begun.
                cx.waker().wake_by_ref();
                Step::Waits
            }
            Err(error) => Step::NotThere(io::Error::other(error)),
        }
    }

    /// Writes what waits, then the next frame.
    fn transfer(&mut self, cx: &mut Context<'_>) -> Step {
        let State::Open(carrier) = &mut self.state else { return Step::Waits };
        if !self.writer.is_empty() {
            if let Poll::Ready(Err(error)) = self.writer.poll_write(cx, carrier) {
                return Step::Ended(Ended::Failed(error));
            }
            if self.writer.queued_bytes() > UNREAD_BYTES_MAX {
                return Step::Ended(Ended::Unread(self.writer.queued_bytes()));
            }
        }
        loop {
            if !self.frames_exhausted {
                match self.reader.next_frame() {
                    Ok(Some(frame)) => return Step::Received(frame),
                    Ok(None) => self.frames_exhausted = true,
                    Err(bad) => return Step::Ended(Ended::BadFrame(bad)),
                }
            }
            if self.reads >= READS_PER_POLL {
                self.reads = 0;
                cx.waker().wake_by_ref();
                return Step::Waits;
            }
            if self.lease.poll_cover(cx, self.reader.own_memory()).is_pending() {
                return Step::Waits;
            }
            match self.reader.poll_fill(cx, carrier) {
                Poll::Pending => {
                    self.reads = 0;
                    self.lease.shrink_to(self.reader.own_memory());
                    return Step::Waits;
                }
                Poll::Ready(Ok(0)) => return Step::Ended(Ended::Closed),
                Poll::Ready(Ok(_)) => {
                    self.reads += 1;
                    self.frames_exhausted = false;
                }
                Poll::Ready(Err(error)) => return Step::Ended(Ended::Failed(error)),
            }
        }
    }
}

/// Begins to connect, without waiting for it.
fn connect(address: SocketAddr, poller: &OwnedFd, event: u64) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
    epoll::add(poller, &socket, EventData::new_u64(event), flags)?;
    Ok(socket)
}
