//! One connection to a peer: being opened, greeting, or ready; what waits for it and what is in flight on it. Pure: says what is to be
//! done and does nothing.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use wire::codec::{DecodeError, Decoder, Message};
use wire::frame::{RequestHeader, ResponseHeader, decode_response};
use wire::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use wire::{ApiKey, Str};

use super::request::{Body, Done, NoAnswer, PeerAnswer, PeerRequest};
use crate::rim::{LinkId, PeerAddress};
use crate::security::sasl::{LogIn, Next};
use crate::timers::NEVER;

/// What is to be done.
pub(super) enum Fate {
    Connect(LinkId, PeerAddress),
    Send(LinkId, Written),
    Answered(Done, Result<PeerAnswer, NoAnswer>),
}

impl Fate {
    pub fn failed(request: PeerRequest, why: NoAnswer) -> Fate {
        Fate::Answered(request.done, Err(why))
    }
}

/// A request whose version and number are settled.
pub(super) struct Written {
    body: Box<dyn Body>,
    api_key: ApiKey,
    api_version: i16,
    correlation_id: i32,
}

impl Written {
    pub fn frame(&self, client_id: &Str) -> Vec<Bytes> {
        self.body.frame(&RequestHeader {
            api_key: self.api_key,
            api_version: self.api_version,
            correlation_id: self.correlation_id,
            client_id: Some(client_id.clone()),
        })
    }
}

/// Of a connection.
enum State {
    Opening,
    /// ApiVersions is in flight.
    Greeting,
    /// A step of SASL is in flight; what the peer knows.
    LoggingIn {
        log_in: Box<LogIn>,
        is_shaken: bool,
        known: BTreeMap<i16, (i16, i16)>,
    },
    /// By key: the versions that the peer knows.
    Ready(BTreeMap<i16, (i16, i16)>),
}

struct InFlight {
    api_key: ApiKey,
    api_version: i16,
    deadline_ms: i64,
    done: Done,
}

/// A connection.
pub(super) struct Link {
    pub id: LinkId,
    pub address: PeerAddress,
    state: State,
    waiting: VecDeque<PeerRequest>,
    in_flight: BTreeMap<i32, InFlight>,
    last_correlation_id: i32,
    /// What the listener there asks of this node.
    log_in: Option<LogIn>,
    /// From then on another connection is better: the session is about to end.
    stale_from_ms: i64,
}

/// Why a connection is of no use.
#[derive(Debug)]
pub(super) enum Spoilt {
    /// What came cannot be read.
    Malformed(DecodeError),
    /// This node is not let in.
    NotLoggedIn(String),
}

impl From<DecodeError> for Spoilt {
    fn from(error: DecodeError) -> Spoilt {
        Spoilt::Malformed(error)
    }
}

/// SASL is spoken in these versions: all of KRaft's releases know them.
const HANDSHAKE_VERSION: i16 = 1;
const AUTHENTICATE_VERSION: i16 = 2;
/// The greeting's number, and that of a log-in: no request has it.
const GREETING: i32 = 0;
/// The version in which it is spoken: all of KRaft's releases know it.
const GREETING_VERSION: i16 = 3;

impl Link {
    pub fn new(id: LinkId, address: PeerAddress, log_in: Option<LogIn>) -> Link {
        Link {
            id,
            address,
            state: State::Opening,
            waiting: VecDeque::new(),
            in_flight: BTreeMap::new(),
            last_correlation_id: GREETING,
            log_in,
            stale_from_ms: NEVER,
        }
    }

    /// Its session is about to end, and nothing would be lost with it.
    pub fn is_stale(&self, now_ms: i64) -> bool {
        now_ms >= self.stale_from_ms && self.len() == 0
    }

    /// The other side has been reached.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Opening)
    }

    /// Requests that it owes an end.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }

    /// When the first of them is overdue.
    pub fn deadline_ms(&self) -> i64 {
        let waiting = self.waiting.iter().map(|request| request.deadline_ms);
        waiting.chain(self.in_flight.values().map(|sent| sent.deadline_ms)).min().unwrap_or(NEVER)
    }

    /// Takes a request: sends it, or keeps it until the peer has greeted.
    pub fn take(&mut self, request: PeerRequest) -> Option<Fate> {
        let State::Ready(known) = &self.state else {
            self.waiting.push_back(request);
            return None;
        };
        let common = known.get(&request.api_key.key()).and_then(|&(min, max)| {
            let newest = max.min(*request.versions.end());
            (newest >= min.max(*request.versions.start())).then_some(newest)
        });
        let Some(api_version) = common else { return Some(Fate::failed(request, NoAnswer::Unsupported)) };
        let PeerRequest { api_key, body, deadline_ms, done, .. } = request;
        let correlation_id = self.last_correlation_id.checked_add(1).unwrap_or(GREETING + 1);
        self.last_correlation_id = correlation_id;
        let sent = InFlight { api_key, api_version, deadline_ms, done };
        let before = self.in_flight.insert(correlation_id, sent);
        assert!(before.is_none(), "once: two requests in flight have one number");
        Some(Fate::Send(self.id, Written { body, api_key, api_version, correlation_id }))
    }

    /// The connection is there: asks what the peer knows.
    pub fn greet(&mut self) -> Option<Fate> {
        if self.is_open() {
            return None;
        }
        self.state = State::Greeting;
        let greeting = ApiVersionsRequest {
            client_software_name: Str::from_static("ottla"),
            client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
            ..ApiVersionsRequest::default()
        };
        Some(self.unnumbered(ApiKey::ApiVersions, GREETING_VERSION, Box::new(greeting)))
    }

    fn unnumbered(&self, api_key: ApiKey, api_version: i16, body: Box<dyn Body>) -> Fate {
        Fate::Send(self.id, Written { body, api_key, api_version, correlation_id: GREETING })
    }

    /// A frame came.
    pub fn hear(&mut self, now_ms: i64, frame: Bytes) -> Result<Vec<Fate>, Spoilt> {
        match self.state {
            State::Greeting => return Ok(self.greeted(frame)?),
            State::LoggingIn { .. } => return self.logging_in(now_ms, frame),
            State::Opening | State::Ready(_) => {}
        }
        let mut from = Decoder::of(frame.clone());
        let correlation_id = from.i32()?;
        // Whatever nobody asked for is passed over; a peer that makes it up has the connection's order to answer for.
        let Some(sent) = self.in_flight.remove(&correlation_id) else { return Ok(Vec::new()) };
        let InFlight { api_key, api_version, done, .. } = sent;
        let mut from = Decoder::of(frame.clone());
        let header = ResponseHeader::decode(&mut from, api_key.response_header_version(api_version));
        let outcome = match header {
            Ok(_) => Ok(PeerAnswer { api_version, body: frame.slice(frame.len() - from.remaining()..) }),
            Err(_) => Err(NoAnswer::Malformed),
        };
        Ok(vec![Fate::Answered(done, outcome)])
    }

    fn greeted(&mut self, frame: Bytes) -> Result<Vec<Fate>, DecodeError> {
        let mut from = Decoder::of(frame);
        ResponseHeader::decode(&mut from, 0)?;
        let answer = ApiVersionsResponse::decode(&mut from, GREETING_VERSION)?;
        let known = answer.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version)));
        let known = known.collect();
        let Some(log_in) = self.log_in.take() else { return Ok(self.ready(known)) };
        let handshake =
            self.unnumbered(ApiKey::SaslHandshake, HANDSHAKE_VERSION, Box::new(log_in.handshake()));
        self.state = State::LoggingIn { log_in: Box::new(log_in), is_shaken: false, known };
        Ok(vec![handshake])
    }

    /// What waits goes out.
    fn ready(&mut self, known: BTreeMap<i16, (i16, i16)>) -> Vec<Fate> {
        self.state = State::Ready(known);
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().filter_map(|request| self.take(request)).collect()
    }

    fn logging_in(&mut self, now_ms: i64, frame: Bytes) -> Result<Vec<Fate>, Spoilt> {
        let before = std::mem::replace(&mut self.state, State::Greeting);
        let State::LoggingIn { mut log_in, is_shaken, known } = before else { return Ok(Vec::new()) };
        let next = if is_shaken {
            log_in.answered(&decode_response(frame, ApiKey::SaslAuthenticate, AUTHENTICATE_VERSION)?.1)
        } else {
            log_in.shaken(&decode_response(frame, ApiKey::SaslHandshake, HANDSHAKE_VERSION)?.1)
        };
        match next {
            Next::Send(message) => {
                self.state = State::LoggingIn { log_in, is_shaken: true, known };
                let message = Box::new(message);
                Ok(vec![self.unnumbered(ApiKey::SaslAuthenticate, AUTHENTICATE_VERSION, message)])
            }
            Next::In(lifetime_ms) => {
                // A connection whose session ends in the middle of a request would be lost with it: three quarters of the time are enough.
                let stale_from_ms = lifetime_ms.map(|lifetime_ms| now_ms.saturating_add(lifetime_ms / 4 * 3));
                self.stale_from_ms = stale_from_ms.unwrap_or(NEVER);
                Ok(self.ready(known))
            }
            Next::Refused(why) => Err(Spoilt::NotLoggedIn(why)),
        }
    }

    /// Everything that it owes an end fails.
    pub fn fail(self, why: &NoAnswer) -> Vec<Fate> {
        let waiting = self.waiting.into_iter().map(|request| {
            // It was never sent.
            let why = match why {
                NoAnswer::TimedOut | NoAnswer::Refused => *why,
                NoAnswer::Unreachable | NoAnswer::Lost | NoAnswer::Unsupported | NoAnswer::Malformed => {
                    NoAnswer::Unreachable
                }
            };
            Fate::failed(request, why)
        });
        let in_flight = self.in_flight.into_values().map(|sent| Fate::Answered(sent.done, Err(*why)));
        in_flight.chain(waiting).collect()
    }
}
