//! From command line to cluster: properties, the runtime that commands run on, and the client's errors told in three
//! lines with the right exit code.

use crate::args::ConnectArgs;
use crate::failure::{Exit, Failure};
use client::{Client, ClientOptions, ConsumerOptions, Error, ErrorCode, ProducerOptions, Properties};
use std::future::Future;

/// Runs a command that talks to a cluster.
pub fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new("could not start", error))?;
    runtime.block_on(command)
}

/// Connects to the cluster that the arguments name.
pub async fn connect(args: &ConnectArgs) -> Result<Client, Failure> {
    let properties = properties(args)?;
    check_known(&properties)?;
    let mut options = ClientOptions { client_id: "ottla-cli".to_owned(), ..ClientOptions::default() };
    options.set_all(&properties)?;
    Ok(Client::with_options(options).await?)
}

/// The properties of file, `-X` and `-b`, the later winning; the file's `bootstrap.servers` counts only where `-b` is
/// not given.
pub fn properties(args: &ConnectArgs) -> Result<Properties, Failure> {
    let mut properties = Properties::new();
    properties.insert("bootstrap.servers".to_owned(), args.bootstrap_server.clone());
    if let Some(file) = &args.command_config {
        let bytes = std::fs::read(file).map_err(|error| {
            Failure::new(format!("could not read {}", file.display()), error)
                .try_this("check --command-config")
        })?;
        let from_file = client::parse_properties(&bytes)?;
        let kept = from_file.into_iter().filter(|(key, _)| key != "bootstrap.servers");
        properties.extend(kept);
    }
    for pair in &args.properties {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            Failure::usage(format!("-X {pair}"), "it has no =").try_this("-X request.timeout.ms=5000")
        })?;
        properties.insert(key.trim().to_owned(), value.to_owned());
    }
    Ok(properties)
}

/// A property that nobody knows is a slip of the pen.
fn check_known(properties: &Properties) -> Result<(), Failure> {
    let (mut shared, mut producer, mut consumer) =
        (ClientOptions::default(), ProducerOptions::default(), ConsumerOptions::default());
    for (key, value) in properties {
        if !(shared.set(key, value)? || producer.set(key, value)? || consumer.set(key, value)?) {
            return Err(Failure::usage(
                format!("unknown property {key}"),
                "no client property has this name",
            )
            .try_this("a property of Kafka's producer, consumer or admin configuration"));
        }
    }
    Ok(())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let (what, why) = split(&error);
        Failure::new(what, why).exit(exit_of(&error)).try_this(hint(&error))
    }
}

/// What was attempted, and why it failed.
fn split(error: &Error) -> (String, String) {
    match error {
        Error::Refused { code, doing, message } => {
            let words = match code {
                // The protocol's words are a server's view of it.
                ErrorCode::UnknownTopicOrPartition => "there is no such topic or partition",
                other => other.message(),
            };
            let words = message.as_deref().unwrap_or(words);
            (format!("could not {doing}"), format!("{words} ({})", code.name()))
        }
        Error::Network { address, cause } => (format!("lost {address}"), cause.to_string()),
        Error::NoBroker { tried } => {
            let addresses: Vec<&str> = tried.iter().map(|(address, _)| address.as_str()).collect();
            let reasons: Vec<&str> = tried.iter().map(|(_, why)| why.as_str()).collect();
            (format!("no broker answered at {}", addresses.join(", ")), reasons.join("; "))
        }
        Error::Timeout { doing, after, last } => {
            let why = last.as_ref().map_or_else(|| "no answer came".to_owned(), |last| last.to_string());
            (format!("could not {doing} within {} ms", after.as_millis()), why)
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
        Error::Timeout { .. } => Exit::Timeout,
        Error::Configuration { .. } => Exit::Usage,
        Error::Refused { .. }
        | Error::Network { .. }
        | Error::NoBroker { .. }
        | Error::Unsupported { .. }
        | Error::Malformed { .. }
        | Error::Closed => Exit::Failed,
    }
}

fn hint(error: &Error) -> &'static str {
    match error.code() {
        Some(ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId) => "ottla topic list",
        Some(ErrorCode::TopicAlreadyExists) => "--if-not-exists, or another name",
        Some(ErrorCode::GroupIdNotFound) => "ottla group list",
        Some(ErrorCode::NonEmptyGroup | ErrorCode::UnknownMemberId) => {
            "stop the group's members first: ottla group describe GROUP"
        }
        Some(ErrorCode::InvalidReplicationFactor) => "a replication factor of at most the number of brokers",
        Some(ErrorCode::InvalidConfig) => "ottla config get --topic TOPIC, to see keys and values",
        Some(ErrorCode::OffsetOutOfRange) => "ottla topic offsets TOPIC, to see where it begins and ends",
        Some(ErrorCode::InvalidTopicException) => {
            "letters, digits, dot, underscore and dash, up to 249 of them"
        }
        Some(_) | None => match error {
            Error::NoBroker { .. } | Error::Network { .. } => {
                "start a node with `ottla`, or name another with -b HOST:PORT"
            }
            Error::Timeout { .. } => "is the cluster healthy? ottla cluster info",
            Error::Unsupported { .. } => "a newer broker",
            Error::Configuration { .. } => "ottla help",
            Error::Refused { .. } | Error::Malformed { .. } | Error::Closed => "ottla cluster info",
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
