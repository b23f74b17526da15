//! The client's end of an exchange: PLAIN, and SCRAM by RFC 5802. The server has to prove that it knows the keys, too.

use subtle::ConstantTimeEq;

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
    password: String,
    state: State,
}

enum State {
    Begun {
        nonce: String,
    },
    /// PLAIN has said all.
    Said,
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
        Exchange { mechanism, username, password, state: State::Begun { nonce } }
    }

    /// The first message.
    pub fn begin(&mut self) -> Vec<u8> {
        match (std::mem::replace(&mut self.state, State::Over), self.mechanism.hash()) {
            (State::Begun { .. }, None) => {
                self.state = State::Said;
                plain::message(&self.username, &self.password)
            }
            (State::Begun { nonce }, Some(_)) => {
                let bare = format!("n={},r={nonce}", saslname(&self.username));
                let message = format!("n,,{bare}").into_bytes();
                self.state = State::First { nonce, bare };
                message
            }
            (State::Said | State::First { .. } | State::Final { .. } | State::Over, _) => Vec::new(),
        }
    }

    /// Takes the server's next message.
    pub fn step(&mut self, message: &[u8]) -> Step {
        let text = String::from_utf8_lossy(message);
        match (std::mem::replace(&mut self.state, State::Over), self.mechanism.hash()) {
            (State::Said, None) => Step::Done,
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
