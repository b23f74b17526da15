//! The client's errors in three lines with the right exit code: what was attempted, why it failed, what to try.

use crate::failure::{Exit, Failure};
use crate::time::spelled;
use client::{Error, ErrorCode};

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let (what, why) = split(&error);
        Failure::new(what, why).exit(exit_of(&error)).try_this(hint(&error))
    }
}

/// What was attempted, and why it failed.
pub fn split(error: &Error) -> (String, String) {
    match error {
        Error::Refused { code, doing, message } => {
            let words = match code {
                // The protocol's words are a server's view of it.
                ErrorCode::UnknownTopicOrPartition => "there is no such topic or partition",
                ErrorCode::LeaderNotAvailable => "it has no leader at present",
                other => other.message(),
            };
            // Some brokers send the protocol's words themselves.
            let told = message.as_deref().filter(|told| !told.eq_ignore_ascii_case(code.message()));
            let words = told.unwrap_or(words);
            (format!("could not {doing}"), format!("{words} ({})", code.name()))
        }
        Error::Network { address, cause } => (format!("lost {address}"), cause.to_string()),
        Error::NoBroker { tried } => {
            let addresses: Vec<&str> = tried.iter().map(|(address, _)| address.as_str()).collect();
            let mut reasons: Vec<String> = tried.iter().map(|(_, error)| error.reason()).collect();
            reasons.dedup();
            (format!("no broker answered at {}", addresses.join(", ")), reasons.join("; "))
        }
        Error::Timeout { doing, after, last } => {
            let why = last.as_ref().map_or_else(|| "no answer came".to_owned(), |last| split(last).1);
            (format!("could not {doing} within {}", spelled(*after)), why)
        }
        Error::NoSuchNode { node, known } => {
            let known: Vec<String> = known.iter().map(i32::to_string).collect();
            (format!("there is no broker {node}"), format!("the cluster's brokers are {}", known.join(", ")))
        }
        Error::Unsupported { api, why, .. } => {
            (format!("the broker cannot do this ({})", api.name()), why.clone())
        }
        Error::Malformed { what, why } => (format!("{what} could not be read"), why.clone()),
        Error::Configuration { key, why } => (format!("{key} is wrong"), why.clone()),
        Error::Closed => ("the client is closed".to_owned(), "it was used after its end".to_owned()),
    }
}

/// The exit code of a client's error.
pub fn exit_of(error: &Error) -> Exit {
    if let Some(code) = error.code() {
        match code {
            ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::GroupIdNotFound
            | ErrorCode::BrokerIdNotRegistered
            | ErrorCode::ResourceNotFound => return Exit::NotFound,
            ErrorCode::TopicAuthorizationFailed
            | ErrorCode::GroupAuthorizationFailed
            | ErrorCode::ClusterAuthorizationFailed
            | ErrorCode::SaslAuthenticationFailed => return Exit::Denied,
            ErrorCode::RequestTimedOut => return Exit::Timeout,
            _other => {}
        }
    }
    match error {
        silence if silence.is_silence() => Exit::Timeout,
        Error::NoSuchNode { .. } => Exit::NotFound,
        Error::Configuration { .. } => Exit::Usage,
        Error::Refused { .. }
        | Error::Network { .. }
        | Error::NoBroker { .. }
        | Error::Timeout { .. }
        | Error::Unsupported { .. }
        | Error::Malformed { .. }
        | Error::Closed => Exit::Failed,
    }
}

fn hint(error: &Error) -> &'static str {
    match error.code() {
        Some(ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId) => "ottla topic list",
        Some(ErrorCode::LeaderNotAvailable) => "ottla topic describe --unavailable",
        Some(ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator) => {
            "ottla partition list __consumer_offsets --unavailable: whoever leads its partition coordinates the group"
        }
        Some(ErrorCode::TopicAlreadyExists) => "--if-not-exists, or another name",
        Some(ErrorCode::GroupIdNotFound) => "ottla group list",
        Some(ErrorCode::BrokerIdNotRegistered) => "ottla broker list",
        Some(ErrorCode::NonEmptyGroup | ErrorCode::UnknownMemberId) => {
            "stop the group's members first: ottla group describe GROUP"
        }
        Some(ErrorCode::InvalidPartitions) => "ottla topic describe TOPIC, to see how many it has",
        Some(ErrorCode::InvalidReplicationFactor) => "a replication factor of at most the number of brokers",
        Some(ErrorCode::InvalidConfig) => "ottla config get --topic TOPIC --all, to see keys and values",
        Some(ErrorCode::OffsetOutOfRange) => "ottla topic offsets TOPIC, to see where it begins and ends",
        Some(ErrorCode::InvalidTopicException) => {
            "letters, digits, dot, underscore and dash, up to 249 of them"
        }
        Some(_) | None => match error {
            silence if silence.is_silence() => "a longer --timeout, such as 2m; the broker's own log",
            Error::NoBroker { .. } | Error::Network { .. } => {
                "start a node with `ottla`, or name a broker with -b HOST:PORT"
            }
            Error::NoSuchNode { .. } => "ottla cluster info",
            Error::Unsupported { .. } => "a newer broker",
            Error::Configuration { key, .. } if key == "bootstrap.servers" => {
                "-b HOST:PORT, or several with commas"
            }
            Error::Configuration { .. } => "another value, or leave it out",
            Error::Malformed { .. } => "is this a Kafka broker? ottla cluster api-versions",
            Error::Refused { .. } | Error::Timeout { .. } | Error::Closed => "ottla cluster info",
        },
    }
}

/// Splits "every item" into what worked and one failure that speaks for the rest.
pub fn all_ok<K: std::fmt::Display, T>(each: client::admin::Each<K, T>) -> (Vec<(K, T)>, Option<Failure>) {
    let total = each.len();
    let mut fine = Vec::new();
    let mut failed: Vec<(K, Error)> = Vec::new();
    for (key, outcome) in each {
        match outcome {
            Ok(value) => fine.push((key, value)),
            Err(error) => failed.push((key, error)),
        }
    }
    let failure = match failed.len() {
        0 => None,
        1 if total == 1 => failed.pop().map(|(_, error)| Failure::from(error)),
        count => failed.pop().map(|(_, error)| {
            let others: Vec<String> = failed.iter().map(|(key, _)| key.to_string()).collect();
            let (what, why) = split(&error);
            let why =
                if others.is_empty() { why } else { format!("{why}; failed too: {}", others.join(", ")) };
            let exit = if count == total { exit_of(&error) } else { Exit::Partial };
            Failure::new(what, why).exit(exit).try_this(hint(&error))
        }),
    };
    (fine, failure)
}

/// After the answers that worked have been printed: the failure of the others, if any.
pub fn finish(failure: Option<Failure>) -> Result<(), Failure> {
    failure.map_or(Ok(()), Err)
}
