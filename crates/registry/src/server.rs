//! A running registry: the replica, the election, the listeners. Owns the order of a write: lead, be at the end, decide, write, read
//! back, answer. One write at a time, so that ids and versions are decided on a state that nobody else changes.

use crate::election::{self, Leader};
use crate::guard::Guard;
use crate::http::{self, Clock, FORWARDED, HEAD_TIME, OFFSET, Socket, Whole};
use crate::options::{Address, Tls};
use crate::records::{Key, Record, read_schema};
use crate::rest::{self, Method, Outcome, Refusal, Reply, Request, Rules};
use crate::subject::Subject;
use crate::topic::{self, Replica, Writer};
use crate::{Fault, Options};
use client::{Client, ClientOptions, Error, ErrorCode, Str, TopicPartition};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use net::tls::ServerTls;
use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore, watch};

/// Connections at once: each may hold a body of 8 MiB and its answer.
const CONNECTIONS_MAX: usize = 512;

/// How long an instance that does not lead waits to have what a client may know from another one.
const CATCH_UP: Duration = Duration::from_secs(2);

/// How long a write waits for a leader to be known.
const ELECTION: Duration = Duration::from_secs(10);

/// Between two looks at the files that keys of TLS come from.
const KEYS_LOOK: Duration = Duration::from_secs(5);

/// Between two tries to reach the leader.
const AGAIN: Duration = Duration::from_millis(100);

/// A running registry; dropping it ends it at once, [`Running::stop`] in order.
pub struct Running {
    urls: Vec<String>,
    stop: watch::Sender<bool>,
    election: tokio::task::JoinHandle<()>,
}

struct Shared {
    client: Client,
    options: Options,
    guard: Guard,
    tls: Option<Tls>,
    rules: Rules,
    replica: Replica,
    writer: Mutex<Writer>,
    /// It is not known whether everything that was written has been read: a new leader, or a write without an answer.
    doubtful: AtomicBool,
    leader: watch::Receiver<Leader>,
    place: TopicPartition,
}

impl Running {
    /// Where it listens: `http://HOST:PORT` of each.
    pub fn urls(&self) -> String {
        self.urls.join(", ")
    }

    /// Leaves the group, so that another one leads at once, and closes the listeners.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ended = self.election.await;
    }
}

/// The addresses of a registry, taken before anything else is done. Who connects early waits.
pub struct Doors {
    listeners: Vec<std::net::TcpListener>,
    tls: Option<Tls>,
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Doors({:?})", self.listeners)
    }
}

impl Doors {
    /// Takes all of them, and reads the keys of TLS.
    pub fn bind(options: &Options) -> Result<Doors, Fault> {
        let tls = options.open_tls()?;
        let bind = |address: &Address| {
            let bound = std::net::TcpListener::bind(address.place.as_str());
            let bound = bound.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
            bound.map_err(|error| {
                let what = format!(
                    "cannot listen on {}://{} for the schema registry",
                    address.scheme(),
                    address.place
                );
                match error.kind() {
                    std::io::ErrorKind::AddrInUse => {
                        Fault::new(what, "the port is in use, perhaps by another registry", "another port")
                    }
                    _other => Fault::new(what, error, "another address"),
                }
            })
        };
        let listeners = options.listeners.iter().map(bind).collect::<Result<_, _>>()?;
        Ok(Doors { listeners, tls })
    }

    fn open(&self) -> std::io::Result<Vec<TcpListener>> {
        self.listeners.iter().map(|listener| TcpListener::from_std(listener.try_clone()?)).collect()
    }
}

/// Starts a registry in the current tokio runtime. It answers when the topic has been read.
pub async fn start(
    mut client_options: ClientOptions,
    options: Options,
    doors: &Doors,
) -> Result<Running, Fault> {
    options.check_login(&client_options)?;
    // A write has time for one try.
    client_options.request_timeout = client_options.request_timeout.min(options.write_timeout);
    let listeners = doors
        .open()
        .map_err(|error| Fault::new("cannot listen for the schema registry", error, "ulimit -n"))?;
    let bound: Vec<SocketAddr> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    let client = Client::with_options(client_options.clone()).await?;
    topic::prepare(&client, &options).await?;
    let replica = topic::replay(&client, &options).await?;
    let cluster_id = client.admin().describe_cluster(false).await?.cluster_id.to_string();
    let rules = Rules {
        level: options.level,
        modes_may_change: options.modes_may_change,
        cluster_id,
        group_id: options.group_id.clone(),
    };
    let (told, leader) = watch::channel(Leader::Nobody);
    let (stop, stopped) = watch::channel(false);
    let guard = Guard::open(&client, &client_options, &options, stopped.clone()).await?;
    let place = TopicPartition::new(Str::from(options.topic.as_str()), 0);
    let writer = Mutex::new(Writer::new(&client, &options)?);
    let shared = Arc::new(Shared {
        client: client.clone(),
        guard,
        tls: doors.tls.clone(),
        rules,
        replica,
        writer,
        doubtful: AtomicBool::new(true),
        leader: leader.clone(),
        place,
        options,
    });
    let identity = shared.options.identity(&bound);
    let group_id = shared.options.group_id.clone();
    let election = tokio::spawn(election::run(client, group_id, identity, told, stopped.clone()));
    tokio::spawn(doubt(shared.clone(), leader));
    if let Some(tls) = shared.tls.clone() {
        tokio::spawn(watch_keys(tls, stopped.clone()));
    }
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    for (listener, address) in listeners.into_iter().zip(&shared.options.listeners) {
        let tls = shared.tls.clone().filter(|_| address.is_tls).map(|tls| tls.server);
        tokio::spawn(accept(listener, tls, shared.clone(), room.clone(), stopped.clone()));
    }
    let schemes = shared.options.listeners.iter().map(Address::scheme);
    let urls = schemes.zip(&bound).map(|(scheme, address)| format!("{scheme}://{address}")).collect();
    Ok(Running { urls, stop, election })
}

/// Whoever comes to lead does not know what the one before it wrote last.
async fn doubt(shared: Arc<Shared>, mut leader: watch::Receiver<Leader>) {
    while leader.changed().await.is_ok() {
        shared.doubtful.store(true, Ordering::Release);
    }
}

/// Keys that change on disk are in force without a restart; those that cannot be read leave what was.
async fn watch_keys(tls: Tls, mut stop: watch::Receiver<bool>) {
    // They were read a moment ago.
    let Ok(mut files) = tls.files() else { return };
    loop {
        tokio::select! {
            () = tokio::time::sleep(KEYS_LOOK) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if !files.have_changed() {
            continue;
        }
        match tls.reload() {
            Ok(()) => tracing::info!("schema registry: new keys: {}", tls.server.certificate().subject),
            Err(why) => {
                tracing::error!("schema registry: changed keys are not in force, those before are: {why}")
            }
        }
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<Arc<ServerTls>>,
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        // The place is taken first: who finds none waits in the backlog.
        let Ok(place) = room.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((socket, peer)) => {
                let (shared, stop, tls) = (shared.clone(), stop.clone(), tls.clone());
                tokio::spawn(async move {
                    let _only_slower = socket.set_nodelay(true);
                    match entered(socket, tls) {
                        Ok(socket) => serve(socket, peer.ip().to_canonical(), shared, stop).await,
                        Err(error) => tracing::debug!(%error, "no TLS with a client of the schema registry"),
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection of the schema registry");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The connection; its handshake goes on with the first reading, and has as much time as a request's head.
fn entered(socket: TcpStream, tls: Option<Arc<ServerTls>>) -> std::io::Result<Socket> {
    match tls {
        Some(tls) => {
            tls.accept(socket).map(|session| Socket::Tls(Box::new(session))).map_err(std::io::Error::other)
        }
        None => Ok(Socket::Plain(socket)),
    }
}

async fn serve(socket: Socket, peer: IpAddr, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(shared.handle(request, peer).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(Clock).header_read_timeout(HEAD_TIME).max_buf_size(64 << 10);
    let mut connection = std::pin::pin!(builder.serve_connection(socket, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        // What it waits for holds a lock that must not be held any longer.
        () = async { drop(stop.wait_for(|stop| *stop).await) } => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of the schema registry");
    }
}

impl Shared {
    async fn handle(&self, request: hyper::Request<Incoming>, peer: IpAddr) -> Response<Whole> {
        let content_type = http::answer_type(request.headers());
        let head_only = request.method() == hyper::Method::HEAD;
        let (method, target) = (request.method().clone(), request.uri().to_string());
        let forwarded = request.headers().contains_key(FORWARDED);
        let authorization = request.headers().get(AUTHORIZATION).cloned();
        // Another registry says nothing of where its client is: what depends on it is denied.
        let host = Some(peer).filter(|_| !forwarded);
        // Nobody's body is read before it is known whose it is.
        let answer = match self.guard.admit(request.headers(), host).await {
            Ok(rights) => match http::read(request).await {
                Ok(read) => {
                    let read = Request { rights, ..read };
                    self.answer(&read, method, &target, authorization.as_ref(), forwarded).await
                }
                Err(refusal) => Err(refusal),
            },
            Err(refusal) => Err(refusal),
        };
        let mut response = http::respond(answer, content_type);
        if let Ok(offset) = HeaderValue::from_str(&self.replica.offset().to_string()) {
            response.headers_mut().insert(OFFSET, offset);
        }
        if head_only {
            *response.body_mut() = Whole::new("");
        }
        if response.status() == StatusCode::UNAUTHORIZED
            && let Ok(challenge) = HeaderValue::from_str(&self.guard.challenge())
        {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        if response.status() == StatusCode::REQUEST_TIMEOUT {
            response.headers_mut().insert("connection", HeaderValue::from_static("close"));
        }
        response
    }

    async fn answer(
        &self,
        request: &Request,
        method: hyper::Method,
        target: &str,
        authorization: Option<&HeaderValue>,
        forwarded: bool,
    ) -> Result<Reply, Refusal> {
        if !request.may_write() {
            return self.look(request).await;
        }
        let deadline = Instant::now() + ELECTION;
        loop {
            let leader = match self.leader().await {
                Leader::Myself => return self.write(request).await,
                Leader::Other(_) if forwarded => {
                    let why = "Leader not known: the request was forwarded to one that does not lead.";
                    return Err(Refusal::new(50004, why));
                }
                Leader::Nobody => return Err(Refusal::new(50004, "Leader not known.")),
                Leader::Other(leader) => leader,
            };
            match http::reach(&leader, self.tls.as_ref()).await {
                Ok(socket) => {
                    let within = self.options.write_timeout + CATCH_UP;
                    let address = leader.address();
                    let asked =
                        http::forward(&address, socket, method, target, request, authorization, within);
                    let (reply, offset) = asked.await?;
                    if let Some(offset) = offset {
                        self.replica.reaches(offset, CATCH_UP).await;
                    }
                    return Ok(reply);
                }
                // Nothing was asked of it yet: whoever leads next may be asked.
                Err(_) if Instant::now() < deadline => tokio::time::sleep(AGAIN).await,
                Err(error) => return Err(http::not_forwarded(&leader.address(), error)),
            }
        }
    }

    /// Waits for one a while.
    async fn leader(&self) -> Leader {
        let mut leader = self.leader.clone();
        let known = tokio::time::timeout(ELECTION, leader.wait_for(|leader| *leader != Leader::Nobody)).await;
        match known {
            Ok(Ok(leader)) => leader.clone(),
            Ok(Err(_)) | Err(_) => Leader::Nobody,
        }
    }

    /// What is not there may have been written by another instance a moment ago.
    async fn look(&self, request: &Request) -> Result<Reply, Refusal> {
        let answer = self.decide(request);
        let missing = matches!(&answer, Err(refusal) if refusal.status == 404 && refusal.code > 40400);
        let leads = *self.leader.borrow() == Leader::Myself && !self.doubtful.load(Ordering::Acquire);
        if missing && !leads && request.method != Method::Delete {
            let end = tokio::time::timeout(CATCH_UP, topic::end_of(&self.client, &self.place)).await;
            if let Ok(Ok(end)) = end
                && end > self.replica.offset()
            {
                self.replica.reaches(end, CATCH_UP).await;
                return self.decide(request).map(|outcome| outcome.reply);
            }
        }
        answer.map(|outcome| outcome.reply)
    }

    fn decide(&self, request: &Request) -> Result<Outcome, Refusal> {
        rest::answer(&self.replica.state.read(), &self.rules, request)
    }

    async fn write(&self, request: &Request) -> Result<Reply, Refusal> {
        let writer = self.writer.lock().await;
        if self.doubtful.load(Ordering::Acquire) {
            // Behind this record is everything that was written before it.
            self.written(&writer, &[Record::noop()]).await?;
            self.doubtful.store(false, Ordering::Release);
        }
        if *self.leader.borrow() != Leader::Myself {
            return Err(Refusal::new(50004, "Leader not known: this registry has just ceased to lead."));
        }
        let Outcome { records, reply } = self.decide(request)?;
        if records.is_empty() {
            return Ok(reply);
        }
        self.written(&writer, &records).await?;
        match self.overwritten(&records) {
            None => Ok(reply),
            Some(subject) => {
                // A leader that was taken for dead wrote as well. What it wrote stays; ours goes.
                let ours = records.iter().filter_map(|record| match &record.key {
                    Key::Schema { subject, version } if record.value.is_some() => {
                        Some(Record::forget(subject, *version))
                    }
                    _other => None,
                });
                let ours: Vec<Record> = ours.collect();
                self.doubtful.store(true, Ordering::Release);
                self.written(&writer, &ours).await?;
                Err(Refusal::new(
                    50001,
                    format!("Another registry wrote to {subject} at the same time: try again"),
                ))
            }
        }
    }

    async fn written(&self, writer: &Writer, records: &[Record]) -> Result<(), Refusal> {
        let behind = writer.write(records).await.map_err(|error| {
            self.doubtful.store(true, Ordering::Release);
            refused(&error)
        })?;
        if self.replica.reaches(behind, writer.within()).await {
            return Ok(());
        }
        self.doubtful.store(true, Ordering::Release);
        Err(Refusal::new(50002, "The write was stored but not read back in time"))
    }

    /// A subject whose version or id somebody else wrote between our decision and our record.
    fn overwritten(&self, records: &[Record]) -> Option<String> {
        let state = self.replica.state.read();
        records.iter().find_map(|record| {
            let (Key::Schema { subject, version }, Some(value)) = (&record.key, &record.value) else {
                return None;
            };
            let ours = read_schema(subject, *version, value)?;
            let context = Subject::parse(subject).context;
            let here =
                state.version(subject, *version).is_some_and(|one| one.is_equal(&ours) && one.id == ours.id);
            let alone = state.by_id(&context, ours.id).all(|one| one.is_equal(&ours));
            (!(here && alone)).then(|| subject.clone())
        })
    }
}

/// What a failed write says to the client.
fn refused(error: &Error) -> Refusal {
    match (error.code(), error) {
        (Some(ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge), _) => {
            Refusal::new(42209, "Register operation failed because schema is too large")
        }
        (_, Error::Timeout { .. }) => Refusal::new(50002, format!("The write timed out: {error}")),
        _other => Refusal::new(50001, format!("The write to the Kafka store failed: {error}")),
    }
}
