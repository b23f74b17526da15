//! What can go wrong for a client, in one closed enum: who refused or failed, and whether trying again helps.

use net::PeerError;
use std::fmt;
use std::time::Duration;
use wire::{ApiKey, ErrorCode};

/// The result of every operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// The cluster understood the request and refused it.
    Refused {
        /// Kafka's error code.
        code: ErrorCode,
        /// What was asked, such as `create topic "orders"`.
        doing: String,
        /// The broker's own words, if it sent any.
        message: Option<String>,
    },
    /// A connection could not be made, broke, or gave no answer in time.
    Network {
        /// The other end.
        address: String,
        /// What happened.
        cause: PeerError,
    },
    /// None of the bootstrap addresses answered.
    NoBroker {
        /// The addresses tried and the last failure of each.
        tried: Vec<(String, Error)>,
    },
    /// The cluster has no live broker of this id.
    NoSuchNode {
        /// The id.
        node: i32,
        /// Those it has.
        known: Vec<i32>,
    },
    /// The operation's own deadline passed; `last` is the most recent failure on the way.
    Timeout {
        /// What was being done.
        doing: String,
        /// The deadline.
        after: Duration,
        /// Why the last attempt failed, if one did.
        last: Option<Box<Error>>,
    },
    /// The broker and this client share no version of an API.
    Unsupported {
        /// The API.
        api: ApiKey,
        /// The broker.
        address: String,
        /// Why.
        why: String,
    },
    /// An answer that does not decode.
    Malformed {
        /// What was being read.
        what: String,
        /// Where it went wrong.
        why: String,
    },
    /// A property or argument that makes no sense.
    Configuration {
        /// The property, in Kafka's spelling.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// The producer or consumer has been closed.
    Closed,
}

/// What to do about an error of a transactional producer (KIP-1050).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// The client has tried again and may do so still.
    Retriable,
    /// Abort the transaction, and do its work again in another.
    Abortable,
    /// Somebody else has taken over: begin anew from what is committed, with a new producer or member.
    ApplicationRecoverable,
    /// Nothing helps but another configuration, permission or broker.
    InvalidConfiguration,
}

impl Error {
    /// A refusal without the broker's words.
    pub fn refused(code: ErrorCode, doing: impl Into<String>) -> Error {
        Error::Refused { code, doing: doing.into(), message: None }
    }

    /// A property that makes no sense, and why.
    pub(crate) fn configuration(key: &str, why: impl Into<String>) -> Error {
        Error::Configuration { key: key.to_owned(), why: why.into() }
    }

    /// `Ok` for `NONE`, a refusal otherwise; some answers say nothing with an empty message.
    pub(crate) fn check(code: i16, message: Option<&str>, doing: impl FnOnce() -> String) -> Result<()> {
        let code = ErrorCode::from_code(code);
        if code == ErrorCode::None {
            return Ok(());
        }
        let message = message.filter(|words| !words.is_empty()).map(str::to_owned);
        Err(Error::Refused { code, doing: doing(), message })
    }

    /// Kafka's error code, if the cluster refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Error::Refused { code, .. } => Some(*code),
            Error::Timeout { last, .. } => last.as_ref().and_then(|last| last.code()),
            Error::Network { .. }
            | Error::NoBroker { .. }
            | Error::NoSuchNode { .. }
            | Error::Unsupported { .. }
            | Error::Malformed { .. }
            | Error::Configuration { .. }
            | Error::Closed => None,
        }
    }

    /// What went wrong, without the address that stands beside it.
    pub fn reason(&self) -> String {
        match self {
            Error::Network { cause: PeerError::Connect { why, .. }, .. } => why.clone(),
            Error::Network { cause, .. } => cause.to_string(),
            other => other.to_string(),
        }
    }

    /// True where nobody answered for as long as was waited.
    pub fn is_silence(&self) -> bool {
        match self {
            Error::Network { cause, .. } => matches!(cause, PeerError::TimedOut { .. }),
            Error::NoBroker { tried } => {
                !tried.is_empty() && tried.iter().all(|(_, error)| error.is_silence())
            }
            Error::Timeout { .. } => true,
            Error::Refused { .. }
            | Error::NoSuchNode { .. }
            | Error::Unsupported { .. }
            | Error::Malformed { .. }
            | Error::Configuration { .. }
            | Error::Closed => false,
        }
    }

    /// What a transactional producer's owner does about it (KIP-1050).
    pub fn handling(&self) -> Handling {
        let code = match self {
            Error::Refused { code, .. } => *code,
            Error::Network { .. } | Error::NoBroker { .. } | Error::NoSuchNode { .. } => {
                return Handling::Retriable;
            }
            // What became of it is unknown; the next transaction finds out.
            Error::Timeout { .. } | Error::Malformed { .. } => return Handling::Abortable,
            Error::Unsupported { .. } | Error::Configuration { .. } => return Handling::InvalidConfiguration,
            Error::Closed => return Handling::ApplicationRecoverable,
        };
        match code {
            ErrorCode::ProducerFenced
            | ErrorCode::InvalidProducerEpoch
            | ErrorCode::InvalidProducerIdMapping
            | ErrorCode::FencedInstanceId
            | ErrorCode::IllegalGeneration
            | ErrorCode::UnknownMemberId => Handling::ApplicationRecoverable,
            ErrorCode::TransactionalIdAuthorizationFailed
            | ErrorCode::TopicAuthorizationFailed
            | ErrorCode::GroupAuthorizationFailed
            | ErrorCode::ClusterAuthorizationFailed
            | ErrorCode::SaslAuthenticationFailed
            | ErrorCode::UnsupportedVersion
            | ErrorCode::InvalidTransactionTimeout
            | ErrorCode::InvalidRequest => Handling::InvalidConfiguration,
            code if code.is_retriable() => Handling::Retriable,
            _other => Handling::Abortable,
        }
    }

    /// True where the same request may succeed later.
    pub fn is_retriable(&self) -> bool {
        match self {
            Error::Refused { code, .. } => code.is_retriable(),
            Error::Network { cause: PeerError::NotSecure { .. }, .. } => false,
            Error::Network { .. } | Error::NoBroker { .. } | Error::NoSuchNode { .. } => true,
            Error::Timeout { .. }
            | Error::Unsupported { .. }
            | Error::Malformed { .. }
            | Error::Configuration { .. }
            | Error::Closed => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused { code, doing, message } => {
                let words = message.as_deref().unwrap_or(code.message());
                write!(f, "{doing}: {words} ({})", code.name())
            }
            Error::Network { address, cause } => write!(f, "{address}: {cause}"),
            Error::NoBroker { tried } => {
                let list: Vec<String> =
                    tried.iter().map(|(address, error)| format!("{address}: {}", error.reason())).collect();
                write!(f, "no broker answered ({})", list.join("; "))
            }
            Error::NoSuchNode { node, known } => {
                let known: Vec<String> = known.iter().map(i32::to_string).collect();
                write!(f, "there is no broker {node}; the cluster has {}", known.join(", "))
            }
            Error::Timeout { doing, after, last } => {
                write!(f, "{doing}: not done within {} ms", after.as_millis())?;
                match last {
                    Some(last) => write!(f, ", last failure: {last}"),
                    None => Ok(()),
                }
            }
            Error::Unsupported { api, address, why } => write!(f, "{} at {address}: {why}", api.name()),
            Error::Malformed { what, why } => write!(f, "{what} does not decode: {why}"),
            Error::Configuration { key, why } => write!(f, "{key}: {why}"),
            Error::Closed => write!(f, "already closed"),
        }
    }
}

impl std::error::Error for Error {}
