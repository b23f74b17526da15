//! This node as a client of others: who it is on which listener, and the steps by which a connection that it opened logs in. Pure; the
//! connection itself is `peers/`'s.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use wire::ErrorCode;
use wire::base64::STANDARD;
use wire::messages::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use wire::messages::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
use wire::sasl::client::{Exchange, Step};
use wire::sasl::jaas::Contexts;
use wire::sasl::scram::Mechanism as Hash;
use wire::sasl::server::Mechanism;

use super::terms::{entry, served};
use crate::config::BrokerFile;

/// Who this node is where it logs in itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// By which mechanism.
    pub mechanism: Mechanism,
    /// Its name.
    pub username: String,
    /// Its password.
    pub password: String,
}

/// Who this node is, by the name of the listener where it logs in; on any other it need not.
#[derive(Clone, Debug, Default)]
pub struct Logins {
    by_listener: BTreeMap<String, Login>,
    nonces: Arc<Nonces>,
}

#[derive(Default)]
struct Nonces {
    secret: [u8; 32],
    drawn: AtomicU64,
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl fmt::Debug for Login {
    /// Passwords never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.mechanism.name(), self.username)
    }
}

impl Login {
    /// Who this node is on a listener of others: `username` and `password` of the same entry that names the users of its own. The error
    /// is a sentence; it never says a password.
    pub fn read(
        file: &BrokerFile,
        listener: &str,
        mechanism: &str,
        contexts: &Contexts,
    ) -> Result<Login, String> {
        let mechanism = served(listener, mechanism)?;
        if mechanism == Mechanism::OauthBearer {
            return Err(format!(
                "this node has no token to log in by OAUTHBEARER with: listener {listener} needs PLAIN or SCRAM among nodes"
            ));
        }
        let entry = entry(&file.of_listener(listener), listener, mechanism, contexts)?;
        let option = |key: &str| {
            entry.options.get(key).filter(|value| !value.is_empty()).cloned().ok_or_else(|| {
                let name = mechanism.name();
                format!("the JAAS entry of {name} for listener {listener} has no {key}, and this node logs in by it")
            })
        };
        Ok(Login { mechanism, username: option("username")?, password: option("password")? })
    }
}

impl Logins {
    /// Who this node is. `secret`: bytes that nobody else knows.
    pub fn new(by_listener: BTreeMap<String, Login>, secret: [u8; 32]) -> Logins {
        Logins { by_listener, nonces: Arc::new(Nonces { secret, drawn: AtomicU64::new(0) }) }
    }

    /// The log-in of a connection to a listener, if one is needed.
    pub(crate) fn begin(&self, listener: &str) -> Option<LogIn> {
        let login = self.by_listener.get(listener)?;
        let number = self.nonces.drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let nonce = STANDARD.encode(&Hash::Sha256.signature(&self.nonces.secret, &number));
        let exchange = Exchange::new(login.mechanism, &login.username, &login.password, nonce);
        Some(LogIn { mechanism: login.mechanism, exchange })
    }
}

/// A log-in on its way.
pub(crate) struct LogIn {
    mechanism: Mechanism,
    exchange: Exchange,
}

/// What follows of an answer.
pub(crate) enum Next {
    /// Send this.
    Send(SaslAuthenticateRequest),
    /// It is logged in; for so many milliseconds, if that is limited.
    In(Option<i64>),
    /// It is not; a sentence.
    Refused(String),
}

impl LogIn {
    /// The first request.
    pub fn handshake(&self) -> SaslHandshakeRequest {
        SaslHandshakeRequest { mechanism: self.mechanism.name().into() }
    }

    /// Takes the answer to it.
    pub fn shaken(&mut self, answer: &SaslHandshakeResponse) -> Next {
        if answer.error_code == ErrorCode::None.code() {
            return Next::Send(request(self.exchange.begin()));
        }
        let offered: Vec<&str> = answer.mechanisms.iter().map(|name| &**name).collect();
        let (name, offered) = (self.mechanism.name(), offered.join(", "));
        Next::Refused(format!("the other side does not take {name}, but: {offered}"))
    }

    /// Takes the answer to a message of the exchange.
    pub fn answered(&mut self, answer: &SaslAuthenticateResponse) -> Next {
        if answer.error_code != ErrorCode::None.code() {
            let why = answer.error_message.as_deref().unwrap_or("no reason given");
            return Next::Refused(why.chars().take(256).flat_map(char::escape_default).collect());
        }
        match self.exchange.step(&answer.auth_bytes) {
            Step::Send(message) => Next::Send(request(message)),
            Step::Done => Next::In((answer.session_lifetime_ms > 0).then_some(answer.session_lifetime_ms)),
            Step::Refused(why) => Next::Refused(why),
        }
    }
}

fn request(message: Vec<u8>) -> SaslAuthenticateRequest {
    SaslAuthenticateRequest { auth_bytes: Bytes::from(message) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::sasl::jaas::PLAIN_MODULE;

    #[test]
    fn a_node_logs_in_as_its_own_entry_says() {
        let text = format!("{PLAIN_MODULE} required username=broker password=secret;");
        let values =
            [("listener.name.clients.plain.sasl.jaas.config".to_owned(), text)].into_iter().collect();
        let file = BrokerFile::checked(values);
        let login = Login::read(&file, "CLIENTS", "PLAIN", &Contexts::new()).unwrap();
        assert_eq!((login.username.as_str(), login.password.as_str()), ("broker", "secret"));
        assert!(!format!("{login:?}").contains("secret"));
        assert!(Login::read(&file, "OTHER", "PLAIN", &Contexts::new()).is_err());
        for mechanism in ["GSSAPI", "OAUTHBEARER"] {
            assert!(Login::read(&file, "CLIENTS", mechanism, &Contexts::new()).is_err());
        }
        let logins = Logins::new([("CLIENTS".to_owned(), login)].into_iter().collect(), [1; 32]);
        assert!(logins.begin("OTHER").is_none());
        let mut log_in = logins.begin("CLIENTS").unwrap();
        let Next::Send(first) = log_in.shaken(&SaslHandshakeResponse::default()) else {
            panic!("nothing sent")
        };
        assert_eq!(&first.auth_bytes[..], b"\0broker\0secret");
        let good = SaslAuthenticateResponse { session_lifetime_ms: 9, ..Default::default() };
        assert!(matches!(log_in.answered(&good), Next::In(Some(9))));
    }

    #[test]
    fn a_refusal_says_why() {
        let login = Login { mechanism: Mechanism::Plain, username: "a".to_owned(), password: "b".to_owned() };
        let logins = Logins::new([("L".to_owned(), login)].into_iter().collect(), [1; 32]);
        let no = SaslHandshakeResponse { error_code: 33, mechanisms: vec!["SCRAM-SHA-256".into()] };
        let refused = |next| match next {
            Next::Refused(why) => why,
            Next::Send(_) | Next::In(_) => String::new(),
        };
        assert!(refused(logins.begin("L").unwrap().shaken(&no)).contains("SCRAM-SHA-256"));
        let no = SaslAuthenticateResponse {
            error_code: 58,
            error_message: Some("no\n".into()),
            ..Default::default()
        };
        assert_eq!(refused(logins.begin("L").unwrap().answered(&no)), "no\\n");
    }
}
