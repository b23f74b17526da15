//! The way of one connection through SASL: ApiVersions, a handshake, an exchange, then requests as somebody; and again when the session is
//! about to end (KIP-368). Whatever is out of this order closes the connection, as Kafka's `SaslServerAuthenticator` has it.

use std::sync::Arc;

use bytes::Bytes;
use wire::codec::{Decoder, Message, Rope};
use wire::frame::{HeaderView, encode_response};
use wire::messages::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use wire::messages::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
use wire::sasl::scram::Mechanism as Hash;
use wire::sasl::server::{Credential, Exchange, Mechanism, Step, Users, Who};
use wire::{ApiKey, ErrorCode, Str};

use super::SaslTerms;
use crate::connection::{Connection, Peer};
use crate::node::Node;
use crate::rim::{CloseReason, Handling, Outcome};
use crate::security::audit::Stranger;
use crate::security::principal::Principal;

/// Nobody authenticates again more often than this.
const REAUTH_PAUSE_MS: i64 = 1_000;

/// What follows of a frame.
pub enum Handled {
    /// A request is handled.
    Request(Handling),
    /// The connection is somebody's from now on; the answer says so.
    Entered(Outcome),
    /// It is nobody's, and is closed after a pause ([`SaslTerms::failed_delay_ms`]); the answer, where there is one, goes before.
    Refused(Outcome),
}

/// A connection that has to say who it is.
pub struct Entrance {
    node: Node,
    terms: Arc<SaslTerms>,
    /// Nobody's until somebody has entered.
    connection: Connection,
    state: State,
    /// Who entered.
    session: Option<Session>,
    /// Who it says it is, true or not.
    claimed: Option<String>,
    /// The audit has its refusal already, and why.
    is_noted: bool,
}

enum State {
    /// ApiVersions or a handshake.
    Begun,
    /// A handshake.
    Greeted,
    /// An exchange; its messages stand in SaslAuthenticate, or, after a handshake of version 0, for themselves.
    Exchange { exchange: Box<Exchange>, in_requests: bool },
    /// It is somebody's.
    In,
    /// It is closed.
    Over,
}

struct Session {
    mechanism: Mechanism,
    principal: Principal,
    until_ms: Option<i64>,
    /// The last re-authentication began.
    again_ms: Option<i64>,
}

/// A request that is a step of authentication.
struct Asked {
    api_version: i16,
    correlation_id: i32,
    body: Bytes,
}

impl Entrance {
    /// A connection with nothing said; `peer` is `User:ANONYMOUS`.
    pub fn new(node: &Node, terms: &Arc<SaslTerms>, peer: Peer) -> Entrance {
        let connection = node.connection(peer);
        Entrance {
            node: node.clone(),
            terms: terms.clone(),
            connection,
            state: State::Begun,
            session: None,
            claimed: None,
            is_noted: false,
        }
    }

    /// What it waits for.
    pub fn terms(&self) -> &SaslTerms {
        &self.terms
    }

    /// Who entered, if somebody did.
    pub fn principal(&self) -> Option<&Principal> {
        self.session.as_ref().map(|session| &session.principal)
    }

    /// Handles one frame, without its length prefix. Who is refused is noted in the audit.
    pub fn handle(&mut self, frame: Bytes, now_ms: i64) -> Handled {
        let handled = self.step_by(frame, now_ms);
        if let Handled::Refused(outcome) = &handled {
            self.note_refusal(outcome, now_ms);
        }
        handled
    }

    fn note_refusal(&self, outcome: &Outcome, now_ms: i64) {
        let reason = match outcome {
            Outcome::Close(reason) => reason,
            Outcome::Farewell(told) => &told.1,
            Outcome::Answer(_) | Outcome::NoAnswer | Outcome::Entered(_) | Outcome::Muted(_) => return,
        };
        let CloseReason::NotAuthenticated(why) = reason else { return };
        if !self.is_noted {
            self.note(why, now_ms);
        }
    }

    fn note(&self, why: &str, now_ms: i64) {
        let peer = self.connection.peer();
        let who = Stranger { host: &peer.host, listener: &peer.listener, claimed: self.claimed.as_deref() };
        self.node.audit().not_authenticated(now_ms, who, why);
    }

    fn step_by(&mut self, frame: Bytes, now_ms: i64) -> Handled {
        match std::mem::replace(&mut self.state, State::Over) {
            State::In => self.inside(frame, now_ms),
            State::Begun => self.begun(frame, now_ms, true),
            State::Greeted => self.begun(frame, now_ms, false),
            State::Exchange { exchange, in_requests: true } => self.authenticate(exchange, &frame, now_ms),
            State::Exchange { exchange, in_requests: false } => self.token(exchange, &frame, now_ms),
            State::Over => refused("it sends after it was refused"),
        }
    }

    /// Requests of somebody; or a handshake, and all begins again.
    fn inside(&mut self, frame: Bytes, now_ms: i64) -> Handled {
        let session = self.session.as_mut();
        if frame.starts_with(&ApiKey::SaslHandshake.key().to_be_bytes())
            && let Some(session) = session
            && session.again_ms.is_none_or(|last| now_ms - last >= REAUTH_PAUSE_MS)
        {
            session.again_ms = Some(now_ms);
            return self.begun(frame, now_ms, false);
        }
        let until_ms = self.session.as_ref().and_then(|session| session.until_ms);
        if until_ms.is_some_and(|until_ms| now_ms > until_ms) {
            return Handled::Request(Handling::ready(Outcome::Close(CloseReason::SessionExpired)));
        }
        self.state = State::In;
        Handled::Request(self.node.handle(&self.connection, frame, now_ms))
    }

    fn begun(&mut self, frame: Bytes, now_ms: i64, may_greet: bool) -> Handled {
        let Ok(header) = HeaderView::parse(&frame) else {
            return refused("its first bytes are no request of Kafka's protocol");
        };
        match header.api_key {
            ApiKey::ApiVersions if may_greet => {
                let is_known = ApiKey::ApiVersions.versions().contains(&header.api_version);
                self.state = if is_known { State::Greeted } else { State::Begun };
                Handled::Request(self.node.handle(&self.connection, frame, now_ms))
            }
            ApiKey::SaslHandshake if ApiKey::SaslHandshake.versions().contains(&header.api_version) => {
                let asked = asked(&header, &frame);
                self.handshake(&asked)
            }
            other => refused(format!("Unexpected Kafka request of type {other:?} during SASL handshake.")),
        }
    }

    fn handshake(&mut self, asked: &Asked) -> Handled {
        let Some(request) = read::<SaslHandshakeRequest>(asked) else {
            return refused("its SaslHandshake cannot be read");
        };
        let mechanisms: Vec<Str> = self.terms.names().map(Str::from_static).collect();
        let answer = |error: ErrorCode| {
            let answer = SaslHandshakeResponse { error_code: error.code(), mechanisms };
            encode_response(ApiKey::SaslHandshake, asked.api_version, asked.correlation_id, &answer)
        };
        match self.terms.offers(&request.mechanism) {
            Some(mechanism) => {
                let exchange = Box::new(Exchange::new(mechanism, self.terms.nonce()));
                self.state = State::Exchange { exchange, in_requests: asked.api_version > 0 };
                Handled::Request(Handling::ready(Outcome::Answer(answer(ErrorCode::None))))
            }
            None => {
                let why = format!("Unsupported SASL mechanism {}", short(&request.mechanism));
                let reason = CloseReason::NotAuthenticated(why);
                farewell(answer(ErrorCode::UnsupportedSaslMechanism), reason)
            }
        }
    }

    /// A message in a request.
    fn authenticate(&mut self, exchange: Box<Exchange>, frame: &Bytes, now_ms: i64) -> Handled {
        let header = HeaderView::parse(frame).ok();
        let expected = |header: &HeaderView<'_>| {
            header.api_key == ApiKey::SaslAuthenticate
                && header.api_key.versions().contains(&header.api_version)
        };
        let Some(asked) = header.filter(expected).map(|header| asked(&header, frame)) else {
            return refused("Unexpected Kafka request during SASL authentication.");
        };
        let Some(request) = read::<SaslAuthenticateRequest>(&asked) else {
            return refused("its SaslAuthenticate cannot be read");
        };
        let answer = |answer: SaslAuthenticateResponse| {
            encode_response(ApiKey::SaslAuthenticate, asked.api_version, asked.correlation_id, &answer)
        };
        let good = |auth_bytes: Vec<u8>, session_lifetime_ms| {
            let auth_bytes = Bytes::from(auth_bytes);
            answer(SaslAuthenticateResponse {
                error_message: None,
                auth_bytes,
                session_lifetime_ms,
                ..Default::default()
            })
        };
        match self.step(exchange, &request.auth_bytes, now_ms, true) {
            Stepped::Challenge(challenge) => {
                Handled::Request(Handling::ready(Outcome::Answer(good(challenge, 0))))
            }
            Stepped::In(last, lifetime_ms) => Handled::Entered(Outcome::Entered(good(last, lifetime_ms))),
            Stepped::Refused(why) => {
                let error_message = Some(Str::from(why.as_str()));
                let error_code = ErrorCode::SaslAuthenticationFailed.code();
                let answer =
                    answer(SaslAuthenticateResponse { error_code, error_message, ..Default::default() });
                farewell(answer, CloseReason::NotAuthenticated(why))
            }
        }
    }

    /// A message that stands for itself: its refusal has no answer.
    fn token(&mut self, exchange: Box<Exchange>, frame: &Bytes, now_ms: i64) -> Handled {
        let framed = |message: Vec<u8>| {
            let length = u32::try_from(message.len()).unwrap_or(0).to_be_bytes();
            Rope::of([&length[..], &message].concat())
        };
        match self.step(exchange, frame, now_ms, false) {
            Stepped::Challenge(challenge) => {
                Handled::Request(Handling::ready(Outcome::Answer(framed(challenge))))
            }
            Stepped::In(last, _) => Handled::Entered(Outcome::Entered(framed(last))),
            Stepped::Refused(why) => refused(why),
        }
    }

    fn step(
        &mut self,
        mut exchange: Box<Exchange>,
        message: &[u8],
        now_ms: i64,
        in_requests: bool,
    ) -> Stepped {
        let mechanism = exchange.mechanism();
        if let Some(before) = self.session.as_ref().filter(|before| before.mechanism != mechanism) {
            return Stepped::Refused(format!(
                "SASL mechanism '{}' requested by client is not supported for re-authentication of mechanism '{}'",
                mechanism.name(),
                before.mechanism.name()
            ));
        }
        let wall_ms = self.node.wall_ms(now_ms);
        let step = exchange.step(&Known { node: &self.node, terms: &self.terms, wall_ms }, message);
        self.claimed = exchange.claimed().map(str::to_owned);
        match step {
            Step::Challenge(challenge) => {
                self.state = State::Exchange { exchange, in_requests };
                Stepped::Challenge(challenge)
            }
            Step::Doomed { told, why } => {
                // Not later: whoever hears it may go without a word.
                self.note(&why, now_ms);
                self.is_noted = true;
                self.state = State::Exchange { exchange, in_requests };
                Stepped::Challenge(told)
            }
            Step::Done { last, who } => match self.enter(mechanism, &who, now_ms) {
                Ok(lifetime_ms) => Stepped::In(last, lifetime_ms),
                Err(why) => Stepped::Refused(why),
            },
            Step::Refused(why) => Stepped::Refused(why.unwrap_or_else(|| {
                let name = mechanism.name();
                format!("Authentication failed during authentication due to invalid credentials with SASL mechanism {name}")
            })),
        }
    }

    /// From now on the connection is a user's. The lifetime of the session, 0 for ever.
    fn enter(&mut self, mechanism: Mechanism, who: &Who, now_ms: i64) -> Result<i64, String> {
        let principal = Principal { by_token: who.by_token, ..Principal::user(&who.username) };
        match &self.session {
            Some(before) if before.principal != principal => {
                let before = &before.principal;
                return Err(format!(
                    "Cannot change principals during re-authentication from {before}: {principal}"
                ));
            }
            Some(_) => {}
            None => {
                let peer = Peer { principal: principal.clone(), ..self.connection.peer().clone() };
                let entered = self.node.connection(peer);
                if let Some(software) = self.connection.software() {
                    entered.is_of(Arc::clone(software));
                }
                self.connection = entered;
            }
        }
        let left_ms = who.expires_ms.map(|expires_ms| (expires_ms - self.node.wall_ms(now_ms)).max(0));
        let lifetime_ms = self.terms.max_reauth_ms(mechanism).into_iter().chain(left_ms).min();
        let again_ms = self.session.as_ref().and_then(|session| session.again_ms);
        let until_ms = lifetime_ms.map(|lifetime_ms| now_ms.saturating_add(lifetime_ms));
        self.session = Some(Session { mechanism, principal, until_ms, again_ms });
        self.state = State::In;
        Ok(lifetime_ms.unwrap_or(0))
    }
}

enum Stepped {
    Challenge(Vec<u8>),
    /// The last message, and the session's lifetime.
    In(Vec<u8>, i64),
    Refused(String),
}

fn asked(header: &HeaderView<'_>, frame: &Bytes) -> Asked {
    let HeaderView { api_version, correlation_id, length, .. } = *header;
    Asked { api_version, correlation_id, body: frame.slice(length..) }
}

fn read<M: Message>(asked: &Asked) -> Option<M> {
    M::decode(&mut Decoder::of(asked.body.clone()), asked.api_version).ok()
}

fn farewell(answer: Rope, reason: CloseReason) -> Handled {
    Handled::Refused(Outcome::Farewell(Box::new((answer, reason))))
}

fn refused(why: impl Into<String>) -> Handled {
    Handled::Refused(Outcome::Close(CloseReason::NotAuthenticated(why.into())))
}

/// A text that a stranger chose, for a line of a log.
fn short(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}

/// Users of PLAIN are the listener's, users of SCRAM the cluster's, bearers those whom an issuer names.
struct Known<'a> {
    node: &'a Node,
    terms: &'a SaslTerms,
    wall_ms: i64,
}

impl Users for Known<'_> {
    fn password(&self, username: &str) -> Option<&str> {
        self.terms.password(username)
    }

    fn credential(&self, hash: Hash, username: &str) -> Option<Credential> {
        let image = self.node.image();
        let found = image.scram.get(hash.id(), &Str::from(username))?;
        let keys =
            wire::sasl::scram::Keys { stored: found.stored_key.to_vec(), server: found.server_key.to_vec() };
        Some(Credential { salt: found.salt.to_vec(), iterations: found.iterations, keys })
    }

    fn delegated(&self, hash: Hash, token_id: &str) -> Option<(Credential, Who)> {
        let image = self.node.image();
        let token = image.delegation_tokens.get(token_id)?;
        self.node.delegation().bearer(hash, token, self.wall_ms)
    }

    fn bearer(&self, token: &str) -> Result<Who, String> {
        self.terms.bearer(token, self.wall_ms)
    }

    fn disguise(&self, username: &str) -> [u8; 32] {
        self.terms.disguise(username)
    }
}

#[cfg(test)]
mod tests;
