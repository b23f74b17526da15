//! HTTP/1.1 around the REST API: connections, limits, bodies, content types; and the way to the leader for those who do not lead.

use crate::access::Rights;
use crate::election::Identity;
use crate::json::Json;
use crate::options::Tls;
use crate::rest::{Body as Content, Method, Refusal, Reply, Request, read_target};
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::rt::{Read, ReadBufCursor, Sleep, Timer, Write};
use hyper::{Response, StatusCode};
use net::Stream;
use net::tls::TlsStream;
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

/// The largest body; a record of the topic is smaller still.
pub(crate) const BODY_BYTES_MAX: usize = 8 << 20;

/// A body must be there by then.
const BODY_TIME: Duration = Duration::from_secs(30);

/// A request's head must be there by then.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(30);

/// A leader that cannot be connected to within this is none.
const CONNECT_TIME: Duration = Duration::from_secs(2);

const VERSIONED: &str = "application/vnd.schemaregistry.v1+json";
const TYPES: [&str; 4] =
    [VERSIONED, "application/vnd.schemaregistry+json", "application/json", "application/octet-stream"];

/// Who has forwarded a request already: it is not forwarded again.
pub(crate) const FORWARDED: &str = "x-forward";

/// How far the leader was when it answered.
pub(crate) const OFFSET: &str = "x-ottla-offset";

/// A body that is there as a whole.
pub(crate) struct Whole(Option<Bytes>);

impl Whole {
    pub fn new(bytes: impl Into<Bytes>) -> Whole {
        Whole(Some(bytes.into()).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// Reads a body to its end, within bounds.
pub(crate) async fn collect(body: Incoming) -> Result<Vec<u8>, Refusal> {
    let too_large = || Refusal::new(413, format!("The body is larger than {BODY_BYTES_MAX} bytes"));
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let read = async {
        let mut body = pin!(body);
        let mut bytes = Vec::new();
        while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {
            let frame = frame
                .map_err(|error| Refusal::new(400, format!("The body did not come to its end: {error}")))?;
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > BODY_BYTES_MAX {
                    return Err(too_large());
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(bytes)
    };
    let slow = |_| Refusal::new(408, format!("The body was not there within {} s", BODY_TIME.as_secs()));
    tokio::time::timeout(BODY_TIME, read).await.map_err(slow)?
}

/// The request as the REST API sees it, and whether only its head is to be answered.
pub(crate) async fn read(request: hyper::Request<Incoming>) -> Result<Request, Refusal> {
    let (head, body) = request.into_parts();
    let method = match head.method {
        hyper::Method::GET | hyper::Method::HEAD => Method::Get,
        hyper::Method::POST => Method::Post,
        hyper::Method::PUT => Method::Put,
        hyper::Method::DELETE => Method::Delete,
        _other => return Err(Refusal::new(405, "HTTP 405 Method Not Allowed")),
    };
    let content_type = head.headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or(""));
    let body = collect(body).await?;
    if let Some(given) = content_type.filter(|_| !body.is_empty()) {
        let bare = given.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        if !TYPES.contains(&bare.as_str()) {
            return Err(Refusal::new(415, "HTTP 415 Unsupported Media Type"));
        }
    }
    let (segments, query) = read_target(head.uri.path(), head.uri.query());
    let takes_unknown = head
        .headers
        .get("x-confluent-accept-unknown-properties")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    Ok(Request { method, segments, query, body, takes_unknown, rights: Rights::default() })
}

/// The type of the answer: what is asked for of what there is.
pub(crate) fn answer_type(headers: &HeaderMap) -> &'static str {
    let accepted = headers.get(hyper::header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let first = accepted.split(',').map(|one| one.split(';').next().unwrap_or("").trim());
    first.into_iter().find_map(|one| TYPES[..3].iter().find(|known| **known == one)).unwrap_or(&VERSIONED)
}

/// An answer.
pub(crate) fn respond(answer: Result<Reply, Refusal>, content_type: &'static str) -> Response<Whole> {
    let (status, content) = match answer {
        Ok(reply) => (reply.status, reply.body),
        Err(refusal) => (refusal.status, Content::Json(refusal.json())),
    };
    let bytes = match content {
        Content::Json(json) => json.to_string(),
        Content::Text(text) => text,
        Content::Empty => String::new(),
    };
    let mut response = Response::new(Whole::new(bytes));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Connects to the leader.
pub(crate) async fn reach(leader: &Identity, tls: Option<&Tls>) -> io::Result<Socket> {
    let connect = async {
        let socket = TcpStream::connect(leader.address()).await?;
        match tls.filter(|_| leader.is_tls) {
            Some(tls) => {
                let session = tls.client.connect(socket, &leader.host).map_err(io::Error::other)?;
                Socket::open(session).await
            }
            None if leader.is_tls => {
                Err(io::Error::other("it speaks https, and this registry has no https listener and no trust"))
            }
            None => Ok(Socket::Plain(socket)),
        }
    };
    let connected = tokio::time::timeout(CONNECT_TIME, connect).await;
    connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// A forwarded request that came to nothing.
pub(crate) fn not_forwarded(leader: &str, why: impl std::fmt::Display) -> Refusal {
    Refusal::new(50003, format!("Error while forwarding the request to the leader {leader}: {why}"))
}

/// Asks the leader. What it answers is the answer, whatever it is; and the offset that it was at.
pub(crate) async fn forward(
    leader: &str,
    socket: Socket,
    method: hyper::Method,
    target: &str,
    request: &Request,
    authorization: Option<&HeaderValue>,
    within: Duration,
) -> Result<(Reply, Option<i64>), Refusal> {
    let failed = |why: String| not_forwarded(leader, why);
    let ask = async {
        let shaken = hyper::client::conn::http1::handshake(socket).await;
        let (mut sender, connection) = shaken.map_err(|error| failed(error.to_string()))?;
        tokio::spawn(connection);
        let mut asked = hyper::Request::builder()
            .method(method)
            .uri(target)
            .header("host", leader)
            .header(CONTENT_TYPE, VERSIONED)
            .header(FORWARDED, "true");
        if let Some(authorization) = authorization {
            asked = asked.header(AUTHORIZATION, authorization);
        }
        if request.takes_unknown {
            asked = asked.header("x-confluent-accept-unknown-properties", "true");
        }
        let asked =
            asked.body(Whole::new(request.body.clone())).map_err(|error| failed(error.to_string()))?;
        let response = sender.send_request(asked).await.map_err(|error| failed(error.to_string()))?;
        let (head, body) = response.into_parts();
        let offset = head.headers.get(OFFSET).and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes = collect(body).await?;
        let body = match Json::parse_bytes(&bytes) {
            _ if bytes.is_empty() => Content::Empty,
            Ok(json) => Content::Json(json),
            Err(_) => return Err(failed(format!("it answered {} with no JSON", head.status))),
        };
        Ok((Reply { status: head.status.as_u16(), body }, offset))
    };
    let slow = |_| failed(format!("no answer within {} s", within.as_secs()));
    tokio::time::timeout(within, ask).await.map_err(slow)?
}

/// A connection with hyper's traits. A copy through a buffer of its own keeps it free of unsafe code.
pub(crate) enum Socket {
    /// http.
    Plain(TcpStream),
    /// https.
    Tls(Box<TlsStream<TcpStream>>),
}

/// What is read at once.
const READ_BYTES: usize = 16 << 10;

impl Socket {
    /// TLS to another registry, when its handshake is done.
    async fn open(mut session: TlsStream<TcpStream>) -> io::Result<Socket> {
        std::future::poll_fn(|context| session.poll_open(context)).await?;
        Ok(Socket::Tls(Box::new(session)))
    }

    fn carrier(&mut self) -> &mut TcpStream {
        match self {
            Socket::Plain(socket) => socket,
            Socket::Tls(session) => session.carrier(),
        }
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; READ_BYTES];
        let room = into.remaining().min(READ_BYTES);
        let read = match &mut *self {
            Socket::Plain(socket) => Stream::poll_read(socket, context, &mut bytes[..room]),
            Socket::Tls(session) => session.poll_read(context, &mut bytes[..room]),
        };
        read.map_ok(|read| into.put_slice(&bytes[..read]))
    }
}

impl Write for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Socket::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            // What it says it has taken is with the kernel.
            Socket::Tls(session) => session.poll_write(context, &[IoSlice::new(bytes)]),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.carrier()).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.carrier()).poll_shutdown(context)
    }
}

/// tokio's clock for hyper.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock;

struct Pause(Pin<Box<tokio::time::Sleep>>);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl Sleep for Pause {}

impl Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Pause(Box::pin(tokio::time::sleep(duration))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Pause(Box::pin(tokio::time::sleep_until(deadline.into()))))
    }
}
