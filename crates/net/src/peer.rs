//! An outbound connection: requests go out in order, answers come back in order, each with its deadline.
//!
//! Owns one socket through a task of its own, the correlation ids and what is in flight. Knows a request only
//! by its header fields; bodies are opaque. A dead `Peer` stays dead: reconnecting (with `Backoff`) and asking
//! ApiVersions are the caller's.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep, timeout};
use wire::codec::Decoder;
use wire::frame::ResponseHeader;

use crate::conn::{FrameLimits, FrameReader};
use crate::rope::RopeWriter;
use crate::tls::{Carrier, ClientTls, TlsFault};

/// How to connect and what to allow.
#[derive(Debug, Clone)]
pub struct PeerOptions {
    /// `client.id` of the request headers; none is sent as null.
    pub client_id: Option<String>,
    /// Limit of the TCP connection set-up (`socket.connection.setup.timeout.ms`).
    pub connect_timeout: Duration,
    /// Largest answer accepted.
    pub max_answer_bytes: usize,
    /// TLS, where the connection goes over it.
    pub tls: Option<Arc<ClientTls>>,
}

impl Default for PeerOptions {
    fn default() -> Self {
        Self {
            client_id: None,
            connect_timeout: Duration::from_secs(10),
            max_answer_bytes: i32::MAX as usize,
            tls: None,
        }
    }
}

/// One request; header fields that decide the framing, and the encoded body.
#[derive(Debug, Clone)]
pub struct PeerRequest {
    /// API key.
    pub api_key: i16,
    /// Version the body is encoded in.
    pub api_version: i16,
    /// 1, or 2 for flexible versions (`ApiKey::request_header_version`).
    pub request_header_version: i16,
    /// 0, or 1 for flexible versions (`ApiKey::response_header_version`).
    pub response_header_version: i16,
    /// Encoded body, a rope.
    pub body: Vec<Bytes>,
    /// Answer deadline (`request.timeout.ms`). A miss closes the connection, as Kafka's clients do: later answers
    /// could not be told from late ones.
    pub timeout: Duration,
}

/// Why a request got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerError {
    /// No connection could be made.
    Connect {
        /// `host:port` or the address that was tried.
        addr: String,
        /// The system's words.
        why: String,
    },
    /// TLS came to no agreement: one side does not believe the other, or speaks something else.
    NotSecure {
        /// Why, and what to try.
        why: String,
    },
    /// The other side closed, or the socket failed, before the answer came.
    Disconnected {
        /// The system's words, or who closed it.
        why: String,
    },
    /// The deadline passed.
    TimedOut {
        /// How long the request waited.
        after: Duration,
    },
    /// The other side broke the framing: a wrong correlation id or an absurd length.
    Protocol {
        /// What was received and what was expected.
        why: String,
    },
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { addr, why } => write!(f, "cannot connect to {addr}: {why}"),
            Self::NotSecure { why } => write!(f, "no TLS connection: {why}"),
            Self::Disconnected { why } => write!(f, "connection lost: {why}"),
            Self::TimedOut { after } => write!(f, "no answer within {} ms", after.as_millis()),
            Self::Protocol { why } => write!(f, "protocol violation by the other side: {why}"),
        }
    }
}

impl std::error::Error for PeerError {}

/// A live connection; clones share it. The socket closes when the last clone and the last awaited answer are gone.
#[derive(Clone)]
pub struct Peer {
    shared: Arc<Handle>,
    client_id: Option<Arc<str>>,
    addr: SocketAddr,
}

/// Dropping the last handle tells the task to finish.
struct Handle(Arc<Mutex<Traffic>>);

impl Drop for Handle {
    fn drop(&mut self) {
        let mut traffic = lock(&self.0);
        traffic.finishing = true;
        traffic.wake();
    }
}

/// What a connection has to send and waits for; shared by its handles and its task.
#[derive(Default)]
struct Traffic {
    outgoing: Vec<Vec<Bytes>>,
    /// Invariant: in the order of the requests sent, which is the order of the answers.
    in_flight: VecDeque<InFlight>,
    next_correlation: i32,
    dead: Option<PeerError>,
    finishing: bool,
    task: Option<Waker>,
}

struct InFlight {
    correlation_id: i32,
    response_header_version: i16,
    reply: oneshot::Sender<Result<Bytes, PeerError>>,
}

impl Traffic {
    fn wake(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }

    fn die(&mut self, why: PeerError) {
        for waiting in self.in_flight.drain(..) {
            let _ = waiting.reply.send(Err(why.clone()));
        }
        self.outgoing.clear();
        self.dead.get_or_insert(why);
        self.wake();
    }
}

fn lock(traffic: &Mutex<Traffic>) -> MutexGuard<'_, Traffic> {
    traffic.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Peer {
    /// Connects to `host:port`. Must be called inside a tokio runtime, which then also runs the connection's task.
    pub async fn connect(addr: &str, options: PeerOptions) -> Result<Self, PeerError> {
        let failed = |why: String| PeerError::Connect { addr: addr.to_owned(), why };
        let connecting = async {
            let stream = TcpStream::connect(addr).await.map_err(|e| failed(e.to_string()))?;
            let remote = stream.peer_addr().map_err(|e| failed(e.to_string()))?;
            // As Kafka's clients do: what is queued leaves at once.
            stream.set_nodelay(true).map_err(|e| failed(e.to_string()))?;
            Ok((secured(stream, addr, options.tls.as_deref()).await?, remote))
        };
        let connected = timeout(options.connect_timeout, connecting).await;
        let (stream, remote) =
            connected.map_err(|_| PeerError::TimedOut { after: options.connect_timeout })??;
        let traffic = Arc::new(Mutex::new(Traffic::default()));
        let limits = FrameLimits { max_bytes: options.max_answer_bytes };
        tokio::spawn(Driver {
            stream,
            reader: FrameReader::new(limits),
            writer: RopeWriter::default(),
            traffic: traffic.clone(),
        });
        Ok(Self {
            shared: Arc::new(Handle(traffic)),
            client_id: options.client_id.map(Into::into),
            addr: remote,
        })
    }

    /// The address connected to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether requests can still be sent.
    pub fn is_alive(&self) -> bool {
        lock(&self.shared.0).dead.is_none()
    }

    /// Requests sent and not answered.
    pub fn in_flight(&self) -> usize {
        lock(&self.shared.0).in_flight.len()
    }

    /// Closes now; what is in flight fails with `Disconnected`.
    pub fn close(&self) {
        lock(&self.shared.0).die(PeerError::Disconnected { why: "closed by us".into() });
    }

    /// Queues a request at once (order of calls = order on the wire) and gives a future for the answer's body
    /// (without the response header).
    pub fn send(&self, request: PeerRequest) -> AwaitedAnswer {
        let (reply, receiver) = oneshot::channel();
        let mut traffic = lock(&self.shared.0);
        if let Some(dead) = &traffic.dead {
            let _ = reply.send(Err(dead.clone()));
        } else {
            let correlation_id = traffic.take_correlation_id();
            traffic.in_flight.push_back(InFlight {
                correlation_id,
                response_header_version: request.response_header_version,
                reply,
            });
            let frame = self.frame(correlation_id, &request);
            traffic.outgoing.push(frame);
            traffic.wake();
        }
        drop(traffic);
        AwaitedAnswer {
            receiver,
            deadline: Box::pin(sleep(request.timeout)),
            after: request.timeout,
            peer: self.clone(),
        }
    }

    /// `send`, awaited.
    pub async fn call(&self, request: PeerRequest) -> Result<Bytes, PeerError> {
        self.send(request).await
    }

    /// Queues a request that has no answer (Produce with acks=0).
    pub fn send_one_way(&self, request: &PeerRequest) -> Result<(), PeerError> {
        let mut traffic = lock(&self.shared.0);
        if let Some(dead) = &traffic.dead {
            return Err(dead.clone());
        }
        let correlation_id = traffic.take_correlation_id();
        let frame = self.frame(correlation_id, request);
        traffic.outgoing.push(frame);
        traffic.wake();
        Ok(())
    }

    /// Length prefix, request header (v1: key, version, correlation id, client id; v2: plus empty tags), body.
    fn frame(&self, correlation_id: i32, request: &PeerRequest) -> Vec<Bytes> {
        let client_id = self.client_id.as_deref().unwrap_or("");
        let client_id = client_id.get(..client_id.len().min(i16::MAX as usize)).unwrap_or("");
        let tags = usize::from(request.request_header_version >= 2);
        let header_bytes = 10 + client_id.len() + tags;
        let body_bytes: usize = request.body.iter().map(Bytes::len).sum();
        let mut head = BytesMut::with_capacity(4 + header_bytes);
        head.put_i32((header_bytes + body_bytes) as i32);
        head.put_i16(request.api_key);
        head.put_i16(request.api_version);
        head.put_i32(correlation_id);
        if self.client_id.is_some() {
            head.put_i16(client_id.len() as i16);
            head.put_slice(client_id.as_bytes());
        } else {
            head.put_i16(-1);
        }
        head.put_bytes(0, tags);
        let mut rope = Vec::with_capacity(1 + request.body.len());
        rope.push(head.freeze());
        rope.extend(request.body.iter().cloned());
        rope
    }
}

impl Traffic {
    fn take_correlation_id(&mut self) -> i32 {
        let id = self.next_correlation;
        self.next_correlation = id.wrapping_add(1) & i32::MAX;
        id
    }
}

/// The answer to come. Dropping it does not cancel the request.
pub struct AwaitedAnswer {
    receiver: oneshot::Receiver<Result<Bytes, PeerError>>,
    deadline: Pin<Box<Sleep>>,
    after: Duration,
    peer: Peer,
}

impl Future for AwaitedAnswer {
    type Output = Result<Bytes, PeerError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(answer) = Pin::new(&mut self.receiver).poll(cx) {
            return Poll::Ready(answer.unwrap_or_else(|_| {
                Err(PeerError::Disconnected { why: "the connection's task ended".into() })
            }));
        }
        if self.deadline.as_mut().poll(cx).is_ready() {
            let error = PeerError::TimedOut { after: self.after };
            lock(&self.peer.shared.0).die(error.clone());
            return Poll::Ready(Err(error));
        }
        Poll::Pending
    }
}

/// The stream with TLS, if it is to have that.
async fn secured(
    stream: TcpStream,
    addr: &str,
    tls: Option<&ClientTls>,
) -> Result<Carrier<TcpStream>, PeerError> {
    let Some(tls) = tls else { return Ok(Carrier::Plain(stream)) };
    let host = addr.rsplit_once(':').map_or(addr, |(host, _port)| host).trim_matches(['[', ']']);
    let mut stream =
        tls.connect(stream, host).map_err(|error| PeerError::NotSecure { why: error.to_string() })?;
    poll_fn(|cx| stream.poll_open(cx)).await.map_err(|error| lost(&error))?;
    Ok(Carrier::Tls(Box::new(stream)))
}

/// The task: moves queued requests to the socket and answers to their waiters.
struct Driver {
    stream: Carrier<TcpStream>,
    reader: FrameReader,
    writer: RopeWriter,
    traffic: Arc<Mutex<Traffic>>,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.turn(cx) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(()),
            Err(error) => {
                lock(&self.traffic).die(error);
                Poll::Ready(())
            }
        }
    }
}

impl Driver {
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, PeerError> {
        {
            let mut traffic = lock(&self.traffic);
            if traffic.dead.is_some() {
                return Ok(Poll::Ready(()));
            }
            if !traffic.task.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                traffic.task = Some(cx.waker().clone());
            }
            for rope in traffic.outgoing.drain(..) {
                self.writer.push_rope(rope);
            }
        }
        if let Poll::Ready(done) = self.writer.poll_write(cx, &mut self.stream) {
            done.map_err(|e| lost(&e))?;
        }
        while let Poll::Ready(read) = self.reader.poll_fill(cx, &mut self.stream) {
            if read.map_err(|e| lost(&e))? == 0 {
                return Err(PeerError::Disconnected { why: "closed by the other side".into() });
            }
            while let Some(frame) =
                self.reader.next_frame().map_err(|e| PeerError::Protocol { why: e.to_string() })?
            {
                lock(&self.traffic).answered(frame)?;
            }
        }
        let traffic = lock(&self.traffic);
        let idle = traffic.in_flight.is_empty() && traffic.outgoing.is_empty() && self.writer.is_empty();
        Ok(if traffic.finishing && idle { Poll::Ready(()) } else { Poll::Pending })
    }
}

impl Traffic {
    fn answered(&mut self, frame: Bytes) -> Result<(), PeerError> {
        let protocol = |why: &str| PeerError::Protocol { why: why.to_owned() };
        let waiting = self.in_flight.pop_front().ok_or_else(|| protocol("an answer nobody asked for"))?;
        let mut from = Decoder::of(frame);
        let header = ResponseHeader::decode(&mut from, waiting.response_header_version);
        let correlation_id = header.map_err(|_| protocol("a broken response header"))?.correlation_id;
        if waiting.correlation_id != correlation_id {
            let why = format!("answer {correlation_id} where {} was due", waiting.correlation_id);
            let _ = waiting.reply.send(Err(PeerError::Protocol { why: why.clone() }));
            return Err(PeerError::Protocol { why });
        }
        let length = from.remaining();
        let body = from.take(length).map_err(|_| protocol("a broken response header"))?;
        let _ = waiting.reply.send(Ok(body));
        Ok(())
    }
}

fn lost(error: &io::Error) -> PeerError {
    match TlsFault::of(error) {
        Some(fault) => PeerError::NotSecure { why: fault.to_string() },
        None => PeerError::Disconnected { why: error.to_string() },
    }
}

#[cfg(test)]
mod tests;
