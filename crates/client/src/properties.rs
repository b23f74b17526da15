//! Client properties in Kafka's spelling, and how a value such as `5000` is read. librdkafka's spellings of the same things are
//! accepted too. Knows no field and no default: those stand with the options, and who obeys what in `vetting.rs`.

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// Key → value, as in a .properties file.
pub type Properties = BTreeMap<String, String>;

/// Reads a `.properties` file as Java does.
pub fn parse_properties(file: &[u8]) -> Result<Properties> {
    wire::properties::parse(file)
        .map_err(|error| Error::Malformed { what: "the properties file".to_owned(), why: error.to_string() })
}

/// `true` or `false`, as Java reads them: in any case, with blanks around.
pub(crate) fn parse_bool(key: &str, value: &str) -> Result<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _other => Err(Error::configuration(key, format!("{value:?} is neither true nor false"))),
    }
}

/// The Java spelling of a key that librdkafka spells otherwise.
pub(crate) fn java_spelling(key: &str) -> &str {
    match key {
        "metadata.broker.list" => "bootstrap.servers",
        "queue.buffering.max.ms" => "linger.ms",
        "request.required.acks" => "acks",
        "compression.codec" => "compression.type",
        "sasl.mechanisms" => "sasl.mechanism",
        "socket.timeout.ms" => "request.timeout.ms",
        "message.timeout.ms" => "delivery.timeout.ms",
        "message.send.max.retries" => "retries",
        "topic.metadata.refresh.interval.ms" => "metadata.max.age.ms",
        "fetch.wait.max.ms" => "fetch.max.wait.ms",
        "fetch.message.max.bytes" => "max.partition.fetch.bytes",
        other => other,
    }
}

/// A value of the type that the field has.
pub(crate) fn parse<T: FromStr>(key: &str, value: &str) -> Result<T> {
    value.trim().parse().map_err(|_| invalid(key, value))
}

/// The refusal of a value that is none of those that the property takes.
pub(crate) fn invalid(key: &str, value: &str) -> Error {
    Error::configuration(key, format!("{value:?} is not a valid value"))
}

/// A count of milliseconds.
pub(crate) fn parse_ms(key: &str, value: &str) -> Result<Duration> {
    Ok(Duration::from_millis(parse(key, value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_name_their_key() {
        let error = parse::<u32>("linger.ms", "soon").expect_err("not a number");
        assert_eq!(error.to_string(), "linger.ms: \"soon\" is not a valid value");
    }
}
