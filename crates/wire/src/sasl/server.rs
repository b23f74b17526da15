//! The server's end of an exchange: what a client must say, message by message, until it is known or refused. PLAIN asks for the password
//! of a name, SCRAM for its keys, OAUTHBEARER for a token; who has them, and who is believed, is the caller's affair. Follows RFC 5802,
//! RFC 7677, RFC 7628, KIP-48 (tokens that log in by SCRAM); Kafka's sentences.

use subtle::ConstantTimeEq;

use super::bearer;
use super::plain;
use super::scram::{Keys, MIN_ITERATIONS, Mechanism as Hash};
use super::scram_text;
use crate::base64::STANDARD;

/// A mechanism that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mechanism {
    /// `PLAIN`.
    Plain,
    /// `SCRAM-SHA-256`.
    ScramSha256,
    /// `SCRAM-SHA-512`.
    ScramSha512,
    /// `OAUTHBEARER`.
    OauthBearer,
}

impl Mechanism {
    /// By its name, whose case counts.
    pub fn named(name: &str) -> Option<Mechanism> {
        let all = [Self::Plain, Self::ScramSha256, Self::ScramSha512, Self::OauthBearer];
        all.into_iter().find(|one| one.name() == name)
    }

    /// Its name in SASL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }

    /// The hash of a SCRAM mechanism.
    pub fn hash(self) -> Option<Hash> {
        match self {
            Self::Plain | Self::OauthBearer => None,
            Self::ScramSha256 => Some(Hash::Sha256),
            Self::ScramSha512 => Some(Hash::Sha512),
        }
    }
}

/// What a server has of a user of SCRAM.
#[derive(Clone)]
pub struct Credential {
    /// Drawn for it.
    pub salt: Vec<u8>,
    /// Of the hash.
    pub iterations: i32,
    /// What proofs are held against.
    pub keys: Keys,
}

/// Who a client was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// Its name.
    pub username: String,
    /// It logged in by a delegation token (KIP-48).
    pub by_token: bool,
    /// What vouches for it ends: milliseconds since the Unix epoch.
    pub expires_ms: Option<i64>,
}

impl Who {
    fn user(username: &str) -> Who {
        Who { username: username.to_owned(), by_token: false, expires_ms: None }
    }
}

/// Who knows the users.
pub trait Users {
    /// The password of a user of PLAIN.
    fn password(&self, username: &str) -> Option<&str>;
    /// The keys of a user of SCRAM.
    fn credential(&self, hash: Hash, username: &str) -> Option<Credential>;
    /// The keys of a delegation token, by its id, and whose it is.
    fn delegated(&self, hash: Hash, token_id: &str) -> Option<(Credential, Who)>;
    /// Whom a token of OAUTHBEARER names, all of it checked. The error says what is wrong with it, for the log of this side alone.
    fn bearer(&self, token: &str) -> Result<Who, String>;
    /// Bytes that are always the same for one name, and that nobody outside can tell from a salt: 32 of them.
    fn disguise(&self, username: &str) -> [u8; 32];
}

/// What follows of a client's message.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The exchange goes on with this.
    Challenge(Vec<u8>),
    /// The client is who it says; this is the last message to it.
    Done {
        /// The last message, perhaps empty.
        last: Vec<u8>,
        /// Who it is.
        who: Who,
    },
    /// It is not, and is told so by this; whatever it sends now, it is refused.
    Doomed {
        /// What it is told.
        told: Vec<u8>,
        /// What is wrong, for the log of this side alone.
        why: String,
    },
    /// It is not. `None`: in Kafka's general words for credentials that are wrong.
    Refused(Option<String>),
}

/// An exchange.
pub struct Exchange {
    mechanism: Mechanism,
    state: State,
    /// Who the client says it is, once it has said so.
    claimed: Option<String>,
}

enum State {
    First {
        /// What the server's part of the nonce is to be.
        nonce: String,
    },
    Last(Box<Challenged>),
    /// OAUTHBEARER: it was told that its token is not good.
    Doomed,
    Over,
}

struct Challenged {
    who: Who,
    header: String,
    /// First messages of both, as they are signed.
    so_far: String,
    nonce: String,
    credential: Credential,
    /// There is such a user; nobody is told before the end.
    is_known: bool,
}

impl Exchange {
    /// Nothing was said yet. `nonce`: fresh, of printable ASCII without commas.
    pub fn new(mechanism: Mechanism, nonce: String) -> Exchange {
        Exchange { mechanism, state: State::First { nonce }, claimed: None }
    }

    /// Which one.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Who the client says it is, true or not; what a stranger wrote.
    pub fn claimed(&self) -> Option<&str> {
        self.claimed.as_deref()
    }

    /// Takes the client's next message.
    pub fn step(&mut self, users: &dyn Users, message: &[u8]) -> Step {
        match (std::mem::replace(&mut self.state, State::Over), self.mechanism.hash()) {
            (State::First { .. }, None) if self.mechanism == Mechanism::OauthBearer => {
                self.bearer(users, message)
            }
            (State::Doomed, None) if message == bearer::ACKNOWLEDGED => {
                Step::Refused(Some(bearer::INVALID_TOKEN.to_owned()))
            }
            (State::First { .. }, None) => {
                self.claimed = plain::read(message).ok().map(|claim| claim.username.to_owned());
                plain(users, message)
            }
            (State::First { nonce }, Some(hash)) => self.challenge(users, hash, nonce, message),
            (State::Last(challenged), Some(hash)) => proven(hash, &challenged, message),
            (State::Last(_) | State::Doomed | State::Over, _) => Step::Refused(None),
        }
    }

    fn challenge(&mut self, users: &dyn Users, hash: Hash, nonce: String, message: &[u8]) -> Step {
        let Some(first) = std::str::from_utf8(message).ok().and_then(scram_text::client_first) else {
            return Step::Refused(None);
        };
        self.claimed = Some(first.username.clone());
        if first.authorization.as_ref().is_some_and(|other| *other != first.username) {
            let why =
                "Authentication failed: Client requested an authorization id that is different from username";
            return Step::Refused(Some(why.to_owned()));
        }
        // DIVERGES: Kafka refuses a user whom it does not know at once, and so says who is there. Here the exchange goes on with a salt
        // that is the name's own, and ends as with a wrong password.
        let known = if first.by_token {
            users.delegated(hash, &first.username)
        } else {
            let found = users.credential(hash, &first.username);
            found.map(|credential| (credential, Who::user(&first.username)))
        };
        let known = known.filter(|(found, _)| found.iterations >= MIN_ITERATIONS);
        let is_known = known.is_some();
        let (credential, who) = known.unwrap_or_else(|| {
            (disguised(hash, &users.disguise(&first.username)), Who::user(&first.username))
        });
        let nonce = format!("{}{nonce}", first.nonce);
        let salt = STANDARD.encode(&credential.salt);
        let challenge = format!("r={nonce},s={salt},i={}", credential.iterations);
        self.state = State::Last(Box::new(Challenged {
            who,
            header: first.header.to_owned(),
            so_far: format!("{},{challenge}", first.bare),
            nonce,
            credential,
            is_known,
        }));
        Step::Challenge(challenge.into_bytes())
    }

    fn bearer(&mut self, users: &dyn Users, message: &[u8]) -> Step {
        let Some(first) = bearer::client_first(message) else { return Step::Refused(None) };
        self.claimed.clone_from(&first.authorization);
        match users.bearer(first.token) {
            Ok(who) => match first.authorization.filter(|other| *other != who.username) {
                None => Step::Done { last: Vec::new(), who },
                Some(other) => Step::Refused(Some(format!(
                    "Authentication failed: Client requested an authorization id ({other}) that is different from the token's \
                     principal name ({})",
                    who.username
                ))),
            },
            Err(why) => {
                self.state = State::Doomed;
                Step::Doomed { told: bearer::INVALID_TOKEN.as_bytes().to_vec(), why }
            }
        }
    }
}

fn plain(users: &dyn Users, message: &[u8]) -> Step {
    match plain::read(message) {
        Ok(claim) if plain::is_right(users.password(claim.username), claim.password) => {
            Step::Done { last: Vec::new(), who: Who::user(claim.username) }
        }
        Ok(_) => Step::Refused(Some(plain::INVALID.to_owned())),
        Err(why) => Step::Refused(Some(why)),
    }
}

fn proven(hash: Hash, challenged: &Challenged, message: &[u8]) -> Step {
    let Some(last) = std::str::from_utf8(message).ok().and_then(scram_text::client_final) else {
        return Step::Refused(None);
    };
    // Some clients always repeat the header without a name, whatever they sent.
    let same_header = last.header == challenged.header.as_bytes() || last.header == b"n,,";
    let same_nonce = bool::from(last.nonce.as_bytes().ct_eq(challenged.nonce.as_bytes()));
    let signed = format!("{},{}", challenged.so_far, last.without_proof);
    let keys = &challenged.credential.keys;
    let is_proof = hash.is_proof(&keys.stored, &last.proof, signed.as_bytes());
    if !(same_header & same_nonce & is_proof & challenged.is_known) {
        return Step::Refused(None);
    }
    let signature = STANDARD.encode(&hash.signature(&keys.server, signed.as_bytes()));
    Step::Done { last: format!("v={signature}").into_bytes(), who: challenged.who.clone() }
}

/// What nobody's credential looks like: as everybody else's.
fn disguised(hash: Hash, bytes: &[u8; 32]) -> Credential {
    let key = hash.keys(bytes);
    let salt = bytes.get(..16).unwrap_or_default().to_vec();
    Credential { salt, iterations: MIN_ITERATIONS, keys: key }
}

#[cfg(test)]
mod tests;
