//! What scripts have in common: how they end, whom they ask, and what Java calls an error.

use super::joptsimple::{Opt, Read, Takes, opt};
use crate::args::ConnectArgs;
use crate::connect::{Cluster, block_on};
use crate::failure::{Exit, Failure};
use client::{Admin, Error, ErrorCode};
use std::path::PathBuf;
use std::time::Duration;

/// `--bootstrap-server`, `--command-config`, `--help`, `--version`, as nearly every script has them.
pub const BOOTSTRAP: Opt = opt("bootstrap-server", Takes::Text, "brokers to ask first, HOST:PORT,...");
/// See [`BOOTSTRAP`].
pub const COMMAND_CONFIG: Opt = opt("command-config", Takes::Text, "a file of client properties");
/// See [`BOOTSTRAP`].
pub const HELP: Opt = opt("help", Takes::Nothing, "print this");
/// See [`BOOTSTRAP`].
pub const VERSION: Opt = opt("version", Takes::Nothing, "print the version");

/// Why a script ends early.
#[derive(Debug)]
pub enum End {
    /// The command line is wrong: the message and the options go to standard error.
    Usage(String),
    /// Something failed, and the script has not said so.
    Failed(Fault),
    /// Everything has been said; the exit code.
    Exit(u8),
}

/// A failure in Java's terms.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Its class, where somebody prints it.
    pub class: String,
    /// Its message.
    pub message: String,
}

impl Fault {
    /// An `IllegalArgumentException`.
    pub fn argument(message: impl Into<String>) -> Fault {
        Fault { class: "java.lang.IllegalArgumentException".to_owned(), message: message.into() }
    }

    /// A `KafkaException`.
    pub fn kafka(message: impl Into<String>) -> Fault {
        Fault { class: "org.apache.kafka.common.KafkaException".to_owned(), message: message.into() }
    }

    /// The message behind its class, as Java prints an exception.
    pub fn shown(&self) -> String {
        if self.class.is_empty() { self.message.clone() } else { format!("{}: {}", self.class, self.message) }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        let message = match &error {
            Error::Refused { code, message, .. } => {
                message.clone().unwrap_or_else(|| code.message().to_owned())
            }
            other => other.to_string(),
        };
        let class = error.code().map_or_else(|| "TimeoutException".to_owned(), class_of);
        Fault { class: format!("org.apache.kafka.common.errors.{class}"), message }
    }
}

impl From<Error> for End {
    fn from(error: Error) -> End {
        End::Failed(error.into())
    }
}

impl From<Fault> for End {
    fn from(fault: Fault) -> End {
        End::Failed(fault)
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> End {
        // Its own three lines say more than any class.
        let _code = failure.report();
        End::Exit(Exit::Failed as u8)
    }
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> End {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return End::Exit(0);
        }
        End::Failed(Fault { class: "java.io.IOException".to_owned(), message: error.to_string() })
    }
}

/// A wrong command line; for `map_err`.
pub fn wrong(message: String) -> End {
    End::Usage(message)
}

/// Codes whose class in Java is not the code's own name.
const CLASSES: &[(ErrorCode, &str)] = &[
    (ErrorCode::NonEmptyGroup, "GroupNotEmptyException"),
    (ErrorCode::TopicAlreadyExists, "TopicExistsException"),
    (ErrorCode::InvalidConfig, "InvalidConfigurationException"),
    (ErrorCode::InvalidTopicException, "InvalidTopicException"),
    (ErrorCode::GroupSubscribedToTopic, "GroupSubscribedToTopicException"),
    (ErrorCode::RequestTimedOut, "TimeoutException"),
    (ErrorCode::UnknownServerError, "UnknownServerException"),
    (ErrorCode::CorruptMessage, "CorruptRecordException"),
];

/// The exception of a code, as in Java's `Errors`.
fn class_of(code: ErrorCode) -> String {
    if let Some((_, class)) = CLASSES.iter().find(|(known, _)| *known == code) {
        return (*class).to_owned();
    }
    let parts = code.name().split('_').map(|part| {
        let (first, rest) = part.split_at(part.len().min(1));
        format!("{first}{}", rest.to_lowercase())
    });
    format!("{}Exception", parts.collect::<String>())
}

/// Runs what a script asks of the cluster that its options name.
pub fn ask<T>(read: &Read, script: impl AsyncFnOnce(&Admin) -> Result<T, End>) -> Result<T, End> {
    let server = read.value("bootstrap-server").map_err(wrong)?.unwrap_or_default();
    ask_at(server, read.value("command-config").map_err(wrong)?, script)
}

/// The same of the cluster at this address, with this file of properties.
pub fn ask_at<T>(
    server: &str,
    file: Option<&str>,
    script: impl AsyncFnOnce(&Admin) -> Result<T, End>,
) -> Result<T, End> {
    let cluster = Cluster::new(&connection(server, file))?;
    // The script's own end passes through the runtime as a value.
    block_on(async {
        let client = cluster.connect().await?;
        Ok(script(&client.admin()).await)
    })?
}

/// How to get there; as long as Kafka's scripts wait.
fn connection(server: &str, file: Option<&str>) -> ConnectArgs {
    ConnectArgs {
        bootstrap_server: Some(server.to_owned()),
        properties: Vec::new(),
        command_config: file.map(PathBuf::from),
        timeout: Some(Duration::from_secs(60)),
    }
}

/// `Missing required argument "[topic]"` of the first that is missing.
pub fn required(read: &Read, names: &[&str]) -> Result<(), End> {
    match names.iter().find(|name| !read.has(name)) {
        Some(name) => Err(End::Usage(format!("Missing required argument \"[{name}]\""))),
        None => Ok(()),
    }
}

/// With `used` none of the others may be there.
pub fn never_with(read: &Read, used: &str, others: &[&str]) -> Result<(), End> {
    let clash = others.iter().find(|other| **other != used && read.has(other)).filter(|_| read.has(used));
    match clash {
        Some(other) => {
            Err(End::Usage(format!("Option \"[{used}]\" can't be used with option \"[{other}]\"")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_names_that_java_gives_them() {
        let cases = [
            (ErrorCode::NonEmptyGroup, "GroupNotEmptyException"),
            (ErrorCode::GroupIdNotFound, "GroupIdNotFoundException"),
            (ErrorCode::UnknownTopicOrPartition, "UnknownTopicOrPartitionException"),
            (ErrorCode::OffsetOutOfRange, "OffsetOutOfRangeException"),
            (ErrorCode::InvalidRequest, "InvalidRequestException"),
        ];
        for (code, class) in cases {
            assert_eq!(class_of(code), class);
        }
    }
}
