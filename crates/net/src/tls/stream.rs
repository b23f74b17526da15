//! TLS over another stream: what is read from it was decrypted, what is written to it goes encrypted. Owns one session, at most one record that
//! came and is not whole, at most one that was decrypted and not taken, and records that the carrier has not taken yet.
//!
//! Nothing is written before the handshake is done: whoever opens a connection waits for [`TlsStream::poll_open`]; who accepts one reads.
//! A write is told as done once the carrier has taken its records, and has to be repeated with the same bytes until then; so nobody needs to
//! know that anything waits here.

use std::io::{self, IoSlice};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};

use rustls::CommonState;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, InsufficientSizeError, UnbufferedStatus};

use super::fault::TlsFault;
use super::mapping::Mapping;
use super::x509::Certificate;
use crate::memory;
use crate::stream::Stream;

/// Plaintext of a whole record.
const RECORD_BYTES: usize = 16 * 1024;

/// A record with all that stands around it, of either version.
const RECORD_BYTES_MAX: usize = RECORD_BYTES + 2048 + 5;

/// Plaintext that is encrypted for one write: what the carrier does not take of it waits here.
const WRITE_BYTES_MAX: usize = 4 * RECORD_BYTES;

/// Ciphertext taken from the carrier by one read, unless there is less room for what it says.
const READ_BYTES_MAX: usize = 8 * RECORD_BYTES;

/// Reads of one poll that bring nothing for anybody: somebody who sends only those has its turns like everybody.
const EMPTY_READS_MAX: usize = 16;

const _: () = {
    assert!(
        RECORD_BYTES_MAX + READ_BYTES_MAX <= memory::BLOCK_BYTES,
        "what is read fits behind what is left"
    );
    assert!(
        WRITE_BYTES_MAX + 4 * 64 + RECORD_BYTES_MAX <= memory::BLOCK_BYTES,
        "what is written fits, with what goes before"
    );
};

/// TLS over a stream.
pub struct TlsStream<S: Stream> {
    carrier: S,
    session: Session,
    /// Names of clients become users by these; none where this side is the client.
    mapping: Option<Arc<Mapping>>,
    /// Who the client is, by its certificate; set once, with the end of the handshake.
    principal: Arc<OnceLock<String>>,
    /// The handshake is done.
    is_open: bool,
    /// The other side has said that it sends no more.
    has_ended: bool,
    /// The session is over, and was told so by an alert: nothing may be asked of it.
    has_failed: bool,
    /// A client has said hello; a server waits for that.
    has_begun: bool,
    /// Nothing of the other side has come yet.
    is_fresh: bool,
    /// The beginning of a record; or whole ones, if `has_more`.
    received: Vec<u8>,
    has_more: bool,
    /// Decrypted, from `taken` on not taken yet.
    plain: Vec<u8>,
    taken: usize,
    /// Records for the other side, from `sent` on not taken by the carrier yet.
    unsent: Vec<u8>,
    sent: usize,
    /// Bytes of the present write that are in `unsent`: told as written when that is empty.
    promised: usize,
}

enum Session {
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
}

impl Session {
    fn process(&mut self, incoming: &mut [u8], room: &mut Room<'_>) -> Processed {
        match self {
            Session::Server(session) => process(&mut **session, incoming, room),
            Session::Client(session) => process(&mut **session, incoming, room),
        }
    }

    fn encrypt(&mut self, received: &mut [u8], plain: &[u8], out: &mut [u8]) -> io::Result<usize> {
        match self {
            Session::Server(session) => encrypt(&mut **session, received, plain, out),
            Session::Client(session) => encrypt(&mut **session, received, plain, out),
        }
    }
}

/// One side of a session: they differ in their types only.
trait Side {
    type Data;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Side for UnbufferedServerConnection {
    type Data = ServerConnectionData;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

impl Side for UnbufferedClientConnection {
    type Data = ClientConnectionData;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

/// What came of processing records.
#[derive(Default)]
struct Processed {
    /// Bytes of the incoming that are done with.
    consumed: usize,
    /// Bytes of plaintext in `into`.
    produced: usize,
    /// There may be more whole records.
    has_more: bool,
    is_open: bool,
    has_ended: bool,
    failed: Option<rustls::Error>,
}

/// Where processing puts what it brings.
struct Room<'a> {
    into: &'a mut [u8],
    plain: &'a mut Vec<u8>,
    unsent: &'a mut Vec<u8>,
}

/// Processes whole records until `into` is full or there are no more.
fn process<S: Side>(session: &mut S, incoming: &mut [u8], room: &mut Room<'_>) -> Processed {
    let mut done = Processed::default();
    loop {
        let Some(rest) = incoming.get_mut(done.consumed..) else { return done };
        let UnbufferedStatus { discard, state } = session.process(rest);
        done.consumed += discard;
        match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    match record {
                        Ok(record) => {
                            done.consumed += record.discard;
                            let free = room.into.get_mut(done.produced..).unwrap_or_default();
                            let now = free.len().min(record.payload.len());
                            let (first, later) = record.payload.split_at(now);
                            free.get_mut(..now).unwrap_or_default().copy_from_slice(first);
                            done.produced += now;
                            room.plain.extend_from_slice(later);
                        }
                        Err(error) => {
                            done.failed = Some(error);
                            return done;
                        }
                    }
                }
                if done.produced == room.into.len() {
                    done.has_more = true;
                    return done;
                }
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => encode(room.unsent, |out| data.encode(out)),
            // They are in `unsent`, which goes out in order.
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::BlockedHandshake) => return done,
            Ok(ConnectionState::WriteTraffic(_)) => {
                done.is_open = true;
                return done;
            }
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                done.has_ended = true;
                return done;
            }
            // Early data is never offered.
            Ok(_) => {
                done.failed = Some(rustls::Error::General("data before its time".to_owned()));
                return done;
            }
            Err(error) => {
                done.failed = Some(error);
                farewell(session, incoming.get_mut(done.consumed..).unwrap_or_default(), room.unsent);
                return done;
            }
        }
    }
}

/// Puts what `encode` writes behind what waits.
fn encode(unsent: &mut Vec<u8>, mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) {
    let (begin, mut room) = (unsent.len(), 4 * 1024);
    for _ in 0..2 {
        unsent.resize(begin + room, 0);
        match encode(unsent.get_mut(begin..).unwrap_or_default()) {
            Ok(written) => return unsent.truncate(begin + written),
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
                room = required_size
            }
            Err(EncodeError::AlreadyEncoded) => break,
        }
    }
    unsent.truncate(begin);
}

/// What a session that has failed still has to say: an alert.
fn farewell<S: Side>(session: &mut S, received: &mut [u8], unsent: &mut Vec<u8>) {
    if let Ok(ConnectionState::EncodeTlsData(mut alert)) = session.process(received).state {
        encode(unsent, |out| alert.encode(out));
    }
}

/// Encrypts; of what was `received` no whole record is left, but rustls remembers where it is in the rest.
fn encrypt<S: Side>(
    session: &mut S,
    received: &mut [u8],
    plain: &[u8],
    out: &mut [u8],
) -> Result<usize, io::Error> {
    match session.process(received).state {
        Ok(ConnectionState::WriteTraffic(mut traffic)) => {
            traffic.encrypt(plain, out).map_err(io::Error::other)
        }
        // Whatever goes before was said when it came up: this session is over.
        Ok(_) => Err(io::ErrorKind::BrokenPipe.into()),
        Err(error) => Err(failed(&error)),
    }
}

fn goodbye<S: Side>(session: &mut S, received: &mut [u8], out: &mut [u8]) -> usize {
    match session.process(received).state {
        Ok(ConnectionState::WriteTraffic(mut traffic)) => traffic.queue_close_notify(out).unwrap_or(0),
        Ok(_) | Err(_) => 0,
    }
}

fn failed(error: &rustls::Error) -> io::Error {
    io::Error::other(TlsFault::from(error))
}

impl<S: Stream> TlsStream<S> {
    pub(super) fn of_server(
        carrier: S,
        session: UnbufferedServerConnection,
        mapping: Arc<Mapping>,
    ) -> TlsStream<S> {
        TlsStream::new(carrier, Session::Server(Box::new(session)), Some(mapping))
    }

    pub(super) fn of_client(carrier: S, session: UnbufferedClientConnection) -> TlsStream<S> {
        TlsStream::new(carrier, Session::Client(Box::new(session)), None)
    }

    fn new(carrier: S, session: Session, mapping: Option<Arc<Mapping>>) -> TlsStream<S> {
        let has_begun = matches!(session, Session::Server(_));
        TlsStream {
            carrier,
            session,
            mapping,
            principal: Arc::default(),
            is_open: false,
            has_ended: false,
            has_failed: false,
            has_begun,
            is_fresh: true,
            received: Vec::new(),
            has_more: false,
            plain: Vec::new(),
            taken: 0,
            unsent: Vec::new(),
            sent: 0,
            promised: 0,
        }
    }

    /// What carries it.
    pub fn carrier(&mut self) -> &mut S {
        &mut self.carrier
    }

    /// Who the client is by its certificate; filled with the end of the handshake, where it showed one.
    pub fn principal(&self) -> Arc<OnceLock<String>> {
        self.principal.clone()
    }

    /// Ready when the handshake is done.
    pub fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut rounds = 0;
        while !self.is_open {
            let read = ready!(self.receive(cx, &mut []))?;
            if self.has_ended && !self.is_open && read == 0 {
                return Poll::Ready(Err(closed_early()));
            }
            rounds += 1;
            if rounds > EMPTY_READS_MAX && !self.is_open {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The session is not over.
    fn go_on(&self) -> io::Result<()> {
        if self.has_failed { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    /// Writes what waits, as far as the carrier takes it. True: nothing waits any more.
    fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        while self.sent < self.unsent.len() {
            let rest = self.unsent.get(self.sent..).unwrap_or_default();
            match self.carrier.poll_write(cx, &[IoSlice::new(rest)]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => self.sent += written,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(false),
            }
        }
        self.unsent = Vec::new();
        self.sent = 0;
        Ok(true)
    }

    /// Processes what has come, or reads once and processes that. Says how much of `into` is filled; 0 is nothing yet, or the end.
    fn receive(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        self.go_on()?;
        self.flush(cx)?;
        let mut block = memory::take(memory::BLOCK_BYTES);
        let received = self.receive_into(cx, &mut block, into);
        memory::give_back(block);
        received
    }

    fn receive_into(
        &mut self,
        cx: &mut Context<'_>,
        block: &mut [u8],
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut filled = self.received.len();
        block.get_mut(..filled).unwrap_or_default().copy_from_slice(&self.received);
        if !self.has_more && self.has_begun {
            // What is read and finds no room stays here: that is a record, no more.
            let most = into.len().clamp(RECORD_BYTES_MAX, READ_BYTES_MAX);
            let room = block.get_mut(filled..filled + most).unwrap_or_default();
            let read = ready!(self.carrier.poll_read(cx, room))?;
            if read == 0 {
                self.has_ended = true;
                // Who knocks and goes away, as probes do, has failed at nothing.
                let knocked = self.is_fresh && matches!(self.session, Session::Server(_));
                return Poll::Ready(if self.is_open || knocked { Ok(0) } else { Err(closed_early()) });
            }
            let new = room.get(..read).unwrap_or_default();
            if std::mem::take(&mut self.is_fresh)
                && let Some(foreign) = TlsFault::foreign(new)
            {
                return Poll::Ready(Err(io::Error::other(foreign)));
            }
            filled += read;
        }
        self.has_begun = true;
        let incoming = block.get_mut(..filled).unwrap_or_default();
        let mut room = Room { into, plain: &mut self.plain, unsent: &mut self.unsent };
        let done = self.session.process(incoming, &mut room);
        let left = incoming.get(done.consumed..).unwrap_or_default();
        self.received = left.to_vec();
        let produced = self.take_in(&done);
        let sent = self.flush(cx);
        if let Some(error) = done.failed {
            return Poll::Ready(Err(failed(&error)));
        }
        sent?;
        if done.is_open && !self.is_open {
            self.is_open = true;
            self.learn()?;
        }
        Poll::Ready(Ok(produced))
    }

    fn take_in(&mut self, done: &Processed) -> usize {
        self.has_more = done.has_more && !self.received.is_empty();
        self.has_ended |= done.has_ended;
        self.has_failed |= done.failed.is_some();
        done.produced
    }

    /// Whole records that came and found no room are decrypted, before something can be encrypted.
    fn settle(&mut self) -> io::Result<()> {
        while self.has_more {
            let mut received = std::mem::take(&mut self.received);
            let mut room = Room { into: &mut [], plain: &mut self.plain, unsent: &mut self.unsent };
            let done = self.session.process(&mut received, &mut room);
            received.drain(..done.consumed.min(received.len()));
            self.received = received;
            self.take_in(&done);
            if let Some(error) = done.failed {
                return Err(failed(&error));
            }
        }
        Ok(())
    }

    /// Who the client is.
    fn learn(&mut self) -> io::Result<()> {
        let Some(mapping) = &self.mapping else { return Ok(()) };
        let state: &CommonState = match &self.session {
            Session::Server(session) => session,
            Session::Client(session) => session,
        };
        let Some(first) = state.peer_certificates().and_then(<[_]>::first) else { return Ok(()) };
        let read = Certificate::read(first).map_err(|bad| io::Error::other(bad.to_string()))?;
        let name =
            mapping.apply(&read.subject).ok_or_else(|| io::Error::other(TlsFault::no_rule(&read.subject)))?;
        let _ = self.principal.set(name);
        Ok(())
    }

    /// Encrypts the beginning of these chunks behind what waits; says how much.
    fn encrypt(&mut self, chunks: &[IoSlice<'_>], out: &mut [u8]) -> io::Result<(usize, usize)> {
        let (mut taken, mut written) = (0, 0);
        let mut gathered: Vec<u8> = Vec::new();
        let mut one = |plain: &[u8], written: &mut usize| -> io::Result<()> {
            let room = out.get_mut(*written..).unwrap_or_default();
            *written += self.session.encrypt(&mut self.received, plain, room)?;
            Ok(())
        };
        for chunk in chunks {
            let mut rest: &[u8] = chunk;
            while !rest.is_empty() && taken < WRITE_BYTES_MAX {
                // Whole records of one chunk go as they lie, others are gathered.
                let now = rest.len().min(RECORD_BYTES - gathered.len()).min(WRITE_BYTES_MAX - taken);
                let (first, behind) = rest.split_at(now);
                if now == RECORD_BYTES {
                    one(first, &mut written)?;
                } else {
                    gathered.extend_from_slice(first);
                    if gathered.len() == RECORD_BYTES {
                        one(&gathered, &mut written)?;
                        gathered.clear();
                    }
                }
                taken += now;
                rest = behind;
            }
        }
        if !gathered.is_empty() {
            one(&gathered, &mut written)?;
        }
        Ok((taken, written))
    }
}

fn closed_early() -> io::Error {
    io::Error::other(TlsFault {
        why: "the other side closed the connection during the TLS handshake".to_owned(),
        hint: "its log; perhaps it speaks no TLS there",
    })
}

impl<S: Stream> Stream for TlsStream<S> {
    fn may_read(&self) -> bool {
        let sends = self.sent < self.unsent.len() && self.carrier.may_write();
        self.taken < self.plain.len() || self.has_more || self.has_ended || sends || self.carrier.may_read()
    }

    fn may_write(&self) -> bool {
        self.carrier.may_write()
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if into.is_empty() {
            return Poll::Ready(Ok(0));
        }
        for _ in 0..EMPTY_READS_MAX {
            if self.taken < self.plain.len() {
                let rest = self.plain.get(self.taken..).unwrap_or_default();
                let now = rest.len().min(into.len());
                into.get_mut(..now).unwrap_or_default().copy_from_slice(rest.get(..now).unwrap_or_default());
                self.taken += now;
                if self.taken == self.plain.len() {
                    self.plain = Vec::new();
                    self.taken = 0;
                }
                return Poll::Ready(Ok(now));
            }
            if self.has_ended {
                return Poll::Ready(Ok(0));
            }
            let produced = ready!(self.receive(cx, into))?;
            if produced > 0 {
                return Poll::Ready(Ok(produced));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, chunks: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?;
        self.go_on()?;
        self.settle()?;
        if !self.flush(cx)? {
            return Poll::Pending;
        }
        if self.promised > 0 {
            return Poll::Ready(Ok(std::mem::take(&mut self.promised)));
        }
        let mut block = memory::take(memory::BLOCK_BYTES);
        let encrypted = self.encrypt(chunks, &mut block);
        let sent = encrypted.and_then(|(taken, length)| {
            let records = block.get(..length).unwrap_or_default();
            let mut sent = 0;
            while sent < length {
                let rest = records.get(sent..).unwrap_or_default();
                match self.carrier.poll_write(cx, &[IoSlice::new(rest)]) {
                    Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(Ok(written)) => sent += written,
                    Poll::Ready(Err(error)) => return Err(error),
                    Poll::Pending => {
                        self.unsent = rest.to_vec();
                        self.promised = taken;
                        return Ok(None);
                    }
                }
            }
            Ok(Some(taken))
        });
        memory::give_back(block);
        match sent {
            Ok(Some(taken)) => Poll::Ready(Ok(taken)),
            Ok(None) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<S: Stream> Drop for TlsStream<S> {
    /// Says goodbye, as far as the carrier takes it at once: others take an end without one for a break.
    fn drop(&mut self) {
        if self.is_open && !self.has_failed && self.unsent.is_empty() && !self.has_more {
            let mut out = [0; 128];
            let length = match &mut self.session {
                Session::Server(session) => goodbye(&mut **session, &mut self.received, &mut out),
                Session::Client(session) => goodbye(&mut **session, &mut self.received, &mut out),
            };
            let goodbye = out.get(..length).unwrap_or_default();
            if !goodbye.is_empty() {
                let _ = self
                    .carrier
                    .poll_write(&mut Context::from_waker(Waker::noop()), &[IoSlice::new(goodbye)]);
            }
        }
    }
}
