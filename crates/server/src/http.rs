//! The door for those who watch: `/metrics`, `/healthz`, `/readyz` by HTTP/1.1, one request for each connection.
//!
//! Owns a thread of its own, so that nobody who scrapes takes a lane's time. Whoever comes is a stranger: heads are bounded and have to
//! come soon, connections are few, and where they are too many the one that has asked for nothing for longest goes. Never
//! changes anything, and serves no API of Kafka.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use broker::Node;
use broker::metrics::scrape::{Asked, Scraper};
use broker::metrics::text::Wanted;
use net::listener::Admission;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Semaphore, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::process_figures;
use crate::tls::Certificates;

mod request;

use request::{Head, Request};

/// Connections at once. A scraper has one, and a few may come by hand.
const CONNECTIONS_MAX: usize = 64;

/// Scrapes that are made or are on their way out at once: each holds its text, some 20 MB at most.
const SCRAPES_MAX: usize = 4;

/// A head has to be there by then.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);

/// Gathering waits for shards; none of them is busy for so long.
const GATHERING: Duration = Duration::from_secs(10);

/// An answer has to be taken by then.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

/// After a failed accept (no descriptors left).
const REST: Duration = Duration::from_millis(100);

const BACKLOG: u32 = 128;

const TEXT: &str = "text/plain; charset=utf-8";
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The thread, and how to end it.
pub struct Http {
    /// Where it listens.
    pub bound: Vec<SocketAddr>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// What is told of.
pub struct Watched {
    /// The node.
    pub node: Node,
    /// Tells the time.
    pub clock: Arc<Clock>,
    /// Knows the connections.
    pub admission: Arc<Admission>,
    /// When the certificate that each listener shows ends.
    pub certificates: Certificates,
    /// Tells it.
    pub scraper: Mutex<Scraper>,
}

struct Shared {
    watched: Watched,
    scrapes: Semaphore,
    started_seconds: f64,
}

impl Http {
    /// Serves at these addresses: those that cannot be had are told, and done without. `None` if none is left.
    pub fn start(addresses: &[String], watched: Watched) -> Option<Http> {
        let bound = |address: &String| match bind(address) {
            Ok(socket) => Some(socket),
            Err(error) => {
                let hint = "metrics.listeners=http://HOST:PORT, or empty for none";
                tracing::warn!("no metrics on http://{address}: {error}; {hint}");
                None
            }
        };
        let sockets: Vec<TcpListener> = addresses.iter().filter_map(bound).collect();
        if sockets.is_empty() {
            return None;
        }
        let bound: Vec<SocketAddr> = sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect();
        let started_seconds = watched.clock.wall().at(watched.clock.now_ms()) as f64 / 1_000.0;
        let shared = Arc::new(Shared { watched, scrapes: Semaphore::new(SCRAPES_MAX), started_seconds });
        let (stop, stopped) = oneshot::channel();
        bound.iter().for_each(|address| tracing::info!("metrics: http://{address}/metrics"));
        let run = move || run(sockets, shared, stopped);
        match Builder::new().name("http".to_owned()).spawn(run) {
            Ok(thread) => Some(Http { bound, stop, thread }),
            Err(error) => {
                tracing::warn!("no metrics: cannot start their thread: {error}");
                None
            }
        }
    }

    /// Ends it; what is on its way out is cut off.
    pub fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

fn bind(address: &str) -> io::Result<TcpListener> {
    use std::net::ToSocketAddrs;
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in address.to_socket_addrs()? {
        match net::listener::bind(address, BACKLOG) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn run(sockets: Vec<TcpListener>, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::warn!("no metrics: {error}"),
    };
    runtime.block_on(async {
        for socket in sockets {
            match tokio::net::TcpListener::from_std(socket) {
                Ok(socket) => drop(tokio::spawn(accept(socket, Arc::clone(&shared)))),
                Err(error) => tracing::warn!("no metrics: {error}"),
            }
        }
        let _ = stopped.await;
    });
    runtime.shutdown_background();
}

/// Connections of one listener, in the order in which they came.
type Guests = VecDeque<(AbortHandle, Arc<AtomicBool>)>;

async fn accept(socket: tokio::net::TcpListener, shared: Arc<Shared>) {
    let mut guests = Guests::new();
    loop {
        match socket.accept().await {
            Ok((stream, _)) => {
                guests.retain(|(guest, _)| !guest.is_finished());
                if guests.len() >= CONNECTIONS_MAX && !make_room(&mut guests) {
                    continue;
                }
                let has_asked = Arc::new(AtomicBool::new(false));
                let task = tokio::spawn(serve(stream, Arc::clone(&shared), Arc::clone(&has_asked)));
                guests.push_back((task.abort_handle(), has_asked));
            }
            Err(error) => {
                tracing::debug!("metrics: cannot accept: {error}");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Whoever has asked for nothing for longest goes; false if all have asked for something.
fn make_room(guests: &mut Guests) -> bool {
    let idle = guests.iter().position(|(_, has_asked)| !has_asked.load(Ordering::Relaxed));
    let gone = idle.and_then(|at| guests.remove(at));
    gone.as_ref().is_some_and(|(guest, _)| {
        guest.abort();
        true
    })
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>, has_asked: Arc<AtomicBool>) {
    let head = match timeout(HEAD_PATIENCE, read_head(&mut stream)).await {
        Ok(Ok(head)) => head,
        // Too slow, or gone.
        Ok(Err(_)) | Err(_) => return,
    };
    has_asked.store(true, Ordering::Relaxed);
    let scrapes = &shared.scrapes;
    let answer = match head {
        Head::Bad(why) => Answer::new(400, format!("{why}\n")),
        Head::TooLong => Answer::new(431, "the head of the request is too long\n"),
        Head::Request(request) => match scrapes.try_acquire() {
            // Held until the text is gone.
            Ok(_place) if request.path == "/metrics" => {
                let answer = metrics(&shared, &request).await;
                return write(&mut stream, &answer, request.is_head).await;
            }
            Err(_) if request.path == "/metrics" => Answer::new(503, "too many scrapes at once\n"),
            Ok(_) | Err(_) => {
                let answer = other(&shared.watched.node, &request);
                return write(&mut stream, &answer, request.is_head).await;
            }
        },
    };
    write(&mut stream, &answer, false).await;
}

async fn read_head(stream: &mut TcpStream) -> io::Result<Head> {
    let mut received = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(head) = request::parse(&received) {
            return Ok(head);
        }
    }
}

struct Answer {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, body: impl Into<String>) -> Answer {
        Answer { status, content_type: TEXT, body: body.into().into_bytes() }
    }
}

fn other(node: &Node, request: &Request) -> Answer {
    match request.path.as_str() {
        _ if !request.is_get && !request.is_head => Answer::new(405, "GET or HEAD\n"),
        "/" => Answer::new(200, "/metrics\n/healthz\n/readyz\n"),
        "/healthz" => Answer::new(200, "ok\n"),
        "/readyz" if node.is_ready() && !node.is_leaving() => Answer::new(200, "ready\n"),
        "/readyz" => Answer::new(503, "not ready: not registered, not caught up, fenced or leaving\n"),
        _ => Answer::new(404, "/metrics, /healthz or /readyz\n"),
    }
}

async fn metrics(shared: &Shared, request: &Request) -> Answer {
    if !request.is_get && !request.is_head {
        return Answer::new(405, "GET or HEAD\n");
    }
    let wanted = match Wanted::parse(&request.values("match[]")) {
        Ok(wanted) => wanted,
        Err(why) => return Answer::new(400, format!("match[]: {why}\n")),
    };
    let Watched { node, clock, admission, certificates, scraper } = &shared.watched;
    let mut rim = process_figures::read(shared.started_seconds);
    rim.connections = admission.by_listener();
    rim.certificates = certificates.ends();
    let gathered = async {
        let mut scraper = scraper.lock().await;
        scraper.scrape(node, Asked { now_ms: clock.now_ms(), wanted, rim: &rim }).await
    };
    match timeout(GATHERING, gathered).await {
        Ok(body) => Answer { status: 200, content_type: EXPOSITION, body },
        Err(_) => Answer::new(503, "the figures could not be gathered in time\n"),
    }
}

async fn write(stream: &mut TcpStream, answer: &Answer, is_head: bool) {
    let reason = match answer.status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        _ => "Service Unavailable",
    };
    let head = format!(
        "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.status,
        answer.content_type,
        answer.body.len()
    );
    let written = async {
        stream.write_all(head.as_bytes()).await?;
        if !is_head {
            stream.write_all(&answer.body).await?;
        }
        stream.shutdown().await
    };
    // Too slow, or gone: nobody else needs to know.
    let _ = timeout(ANSWER_PATIENCE, written).await;
}
