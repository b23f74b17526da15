//! The client's end of an exchange: PLAIN, SCRAM by RFC 5802, OAUTHBEARER by RFC 7628. Of SCRAM's the server has to prove that it knows the
//! keys, too.

use std::collections::BTreeMap;

use subtle::ConstantTimeEq;

use super::bearer;
use super::plain;
use super::scram::{MIN_ITERATIONS, Mechanism as Hash};
use super::scram_text::{saslname, server_final, server_first};
use super::server::Mechanism;
use crate::base64::STANDARD;

/// More than these nobody asks for who means well: each costs a hash.
const ITERATIONS_MAX: i32 = 1_000_000;

/// What follows of a server's message.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this.
    Send(Vec<u8>),
    /// The server has accepted, and proven itself where the mechanism has it so.
    Done,
    /// It is not the server that it should be; a sentence.
    Refused(String),
}

/// An exchange.
pub struct Exchange {
    mechanism: Mechanism,
    username: String,
    /// Of OAUTHBEARER the token.
    password: String,
    /// SCRAM: name and password are a delegation token's (KIP-48).
    by_token: bool,
    /// What goes with a token of OAUTHBEARER.
    extensions: BTreeMap<String, String>,
    state: State,
}

enum State {
    Begun {
        nonce: String,
    },
    /// PLAIN has said all, and OAUTHBEARER.
    Said,
    /// The server told what is wrong with the token.
    Told(String),
    First {
        nonce: String,
        bare: String,
    },
    Final {
        signature: Vec<u8>,
    },
    Over,
}

impl Exchange {
    /// Nothing was said yet. `nonce`: fresh, of printable ASCII without commas.
    pub fn new(mechanism: Mechanism, username: &str, password: &str, nonce: String) -> Exchange {
        let (username, password) = (username.to_owned(), password.to_owned());
        let (by_token, extensions) = (false, BTreeMap::new());
        Exchange { mechanism, username, password, by_token, extensions, state: State::Begun { nonce } }
    }

    /// The same by SCRAM, where name and password are a delegation token's id and its HMAC (KIP-48).
    #[must_use]
    pub fn by_token(self, by_token: bool) -> Exchange {
        Exchange { by_token, ..self }
    }

    /// By a token of OAUTHBEARER, and what goes with it (KIP-342).
    pub fn bearer(token: &str, extensions: BTreeMap<String, String>) -> Exchange {
        let begun = Exchange::new(Mechanism::OauthBearer, "", token, String::new());
        Exchange { extensions, ..begun }
    }

    /// The first message.
    pub fn begin(&mut self) -> Vec<u8> {
        match (std::mem::replace(&mut self.state, State::Over), self.mechanism.hash()) {
            (State::Begun { .. }, None) if self.mechanism == Mechanism::OauthBearer => {
                self.state = State::Said;
                bearer::message(&self.password, None, &self.extensions)
            }
            (State::Begun { .. }, None) => {
                self.state = State::Said;
                plain::message(&self.username, &self.password)
            }
            (State::Begun { nonce }, Some(_)) => {
                let tokenauth = if self.by_token { ",tokenauth=true" } else { "" };
                let bare = format!("n={},r={nonce}{tokenauth}", saslname(&self.username));
                let message = format!("n,,{bare}").into_bytes();
                self.state = State::First { nonce, bare };
                message
            }
            (_, _) => Vec::new(),
        }
    }

    /// Takes the server's next message.
    pub fn step(&mut self, message: &[u8]) -> Step {
        let text = String::from_utf8_lossy(message);
        match (std::mem::replace(&mut self.state, State::Over), self.mechanism.hash()) {
            (State::Said, None) if self.mechanism == Mechanism::OauthBearer && !message.is_empty() => {
                self.state = State::Told(text.chars().take(256).collect());
                Step::Send(bearer::ACKNOWLEDGED.to_vec())
            }
            (State::Said, None) => Step::Done,
            (State::Told(why), _) => Step::Refused(format!("the server does not take the token: {why}")),
            (State::First { nonce, bare }, Some(hash)) => self.prove(hash, &nonce, &bare, &text),
            (State::Final { signature }, Some(_)) => match server_final(&text) {
                Ok(theirs) if bool::from(theirs.ct_eq(&signature)) => Step::Done,
                Ok(_) => {
                    Step::Refused("the server does not know the password: its signature is wrong".to_owned())
                }
                Err(why) => Step::Refused(format!("the server ended the exchange: {why}")),
            },
            _ => Step::Refused("the server goes on after the end of the exchange".to_owned()),
        }
    }

    fn prove(&mut self, hash: Hash, nonce: &str, bare: &str, text: &str) -> Step {
        let Some(first) = server_first(text) else {
            return Step::Refused("the server's first message of SCRAM cannot be read".to_owned());
        };
        if !first.nonce.starts_with(nonce) || first.nonce.len() == nonce.len() {
            return Step::Refused("the server's nonce does not go on with this client's".to_owned());
        }
        if !(MIN_ITERATIONS..=ITERATIONS_MAX).contains(&first.iterations) {
            let why = format!(
                "Requested iterations {} is less than the minimum {MIN_ITERATIONS} or absurd",
                first.iterations
            );
            return Step::Refused(why);
        }
        let salted = hash.salt(self.password.as_bytes(), &first.salt, first.iterations);
        let without_proof = format!("c=biws,r={}", first.nonce);
        let signed = format!("{bare},{text},{without_proof}");
        let proof = STANDARD.encode(&hash.proof(&salted, signed.as_bytes()));
        let signature = hash.signature(&hash.keys(&salted).server, signed.as_bytes());
        self.state = State::Final { signature };
        Step::Send(format!("{without_proof},p={proof}").into_bytes())
    }
}
