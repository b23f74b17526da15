//! Options that all parts of a client share, with Kafka's defaults. Knows which Java property sets which field.

use crate::error::{Error, Result};
use crate::properties::{Properties, java_spelling, parse_ms};
use crate::security::SecurityOptions;
use std::time::Duration;

// Defaults of Kafka's that depend on each other.
/// `request.timeout.ms`
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const API_TIMEOUT: Duration = Duration::from_secs(60);
const RETRY_BACKOFF: Duration = Duration::from_millis(100);
const RETRY_BACKOFF_MAX: Duration = Duration::from_secs(1);
const RECONNECT_BACKOFF: Duration = Duration::from_millis(50);
const RECONNECT_BACKOFF_MAX: Duration = Duration::from_secs(1);
/// `socket.connection.setup.timeout.ms`
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const _: () = {
    assert!(REQUEST_TIMEOUT.as_millis() <= API_TIMEOUT.as_millis(), "an operation has time for a request");
    assert!(
        CONNECT_TIMEOUT.as_millis() <= REQUEST_TIMEOUT.as_millis(),
        "a request has time for a connection"
    );
    assert!(RETRY_BACKOFF.as_millis() <= RETRY_BACKOFF_MAX.as_millis(), "waits grow");
    assert!(RETRY_BACKOFF_MAX.as_millis() < API_TIMEOUT.as_millis(), "an operation is tried again");
    assert!(RECONNECT_BACKOFF.as_millis() <= RECONNECT_BACKOFF_MAX.as_millis(), "waits grow");
};

/// How a client finds and talks to its cluster.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// `bootstrap.servers`: asked first, and again when every known broker is gone.
    pub bootstrap: Vec<String>,
    /// `client.id`: sent with every request.
    pub client_id: String,
    /// `client.rack`: where this client runs.
    pub rack: Option<String>,
    /// `request.timeout.ms`: for one answer.
    pub request_timeout: Duration,
    /// `default.api.timeout.ms`: for an operation with all its retries.
    pub api_timeout: Duration,
    /// `retry.backoff.ms`: the first wait between attempts.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`: the longest.
    pub retry_backoff_max: Duration,
    /// `reconnect.backoff.ms`: the first wait between connections to one broker.
    pub reconnect_backoff: Duration,
    /// `reconnect.backoff.max.ms`: the longest.
    pub reconnect_backoff_max: Duration,
    /// `socket.connection.setup.timeout.ms`: for one connection.
    pub connect_timeout: Duration,
    /// `security.protocol` and `sasl.*`: who it is.
    pub security: SecurityOptions,
    /// `metadata.max.age.ms`: metadata older than this is asked for again.
    pub metadata_max_age: Duration,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions {
            bootstrap: Vec::new(),
            client_id: "ottla".to_owned(),
            rack: None,
            request_timeout: REQUEST_TIMEOUT,
            api_timeout: API_TIMEOUT,
            retry_backoff: RETRY_BACKOFF,
            retry_backoff_max: RETRY_BACKOFF_MAX,
            reconnect_backoff: RECONNECT_BACKOFF,
            reconnect_backoff_max: RECONNECT_BACKOFF_MAX,
            connect_timeout: CONNECT_TIMEOUT,
            security: SecurityOptions::default(),
            metadata_max_age: Duration::from_secs(300),
        }
    }
}

impl ClientOptions {
    /// Sets one field by its Java (or librdkafka) name. False: not a property of this part.
    pub fn set(&mut self, key: &str, value: &str) -> Result<bool> {
        match java_spelling(key) {
            "bootstrap.servers" => self.bootstrap = parse_bootstrap(value)?,
            "client.id" => self.client_id = value.to_owned(),
            "client.rack" => self.rack = Some(value.to_owned()).filter(|rack| !rack.is_empty()),
            "request.timeout.ms" => self.request_timeout = parse_ms(key, value)?,
            "default.api.timeout.ms" => self.api_timeout = parse_ms(key, value)?,
            "retry.backoff.ms" => self.retry_backoff = parse_ms(key, value)?,
            "retry.backoff.max.ms" => self.retry_backoff_max = parse_ms(key, value)?,
            "reconnect.backoff.ms" => self.reconnect_backoff = parse_ms(key, value)?,
            "reconnect.backoff.max.ms" => self.reconnect_backoff_max = parse_ms(key, value)?,
            "socket.connection.setup.timeout.ms" => self.connect_timeout = parse_ms(key, value)?,
            "metadata.max.age.ms" => self.metadata_max_age = parse_ms(key, value)?,
            other => return self.security.set(other, value),
        }
        Ok(true)
    }

    /// Takes what it knows from `properties`.
    pub fn set_all(&mut self, properties: &Properties) -> Result<()> {
        for (key, value) in properties {
            self.set(key, value)?;
        }
        Ok(())
    }
}

/// `HOST:PORT[,HOST:PORT]...`; a listener name in front (`PLAINTEXT://`) is dropped, a missing port is 9092.
pub fn parse_bootstrap(text: &str) -> Result<Vec<String>> {
    let wrong = |why: String| Error::configuration("bootstrap.servers", why);
    let mut addresses = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let address = item.split_once("://").map_or(item, |(_listener, address)| address);
        match address.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && (!host.contains(':') || host.ends_with(']')) => {
                port.parse::<u16>().map_err(|_| wrong(format!("{item:?}: {port:?} is not a port")))?;
                addresses.push(address.to_owned());
            }
            Some(("", _)) => return Err(wrong(format!("{item:?} has no host"))),
            Some(_) => return Err(wrong(format!("{item:?}: write an IPv6 address as [ADDRESS]:PORT"))),
            None => addresses.push(format!("{address}:9092")),
        }
    }
    if addresses.is_empty() {
        return Err(wrong("no address given".to_owned()));
    }
    Ok(addresses)
}

/// A first value for generators that only spread load: different in every process and at every call.
pub(crate) fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bootstrap_lists_are_read_as_people_write_them() {
        let parsed = parse_bootstrap("a:1, PLAINTEXT://b:2,c,[::1]:9093").expect("valid");
        assert_eq!(parsed, ["a:1", "b:2", "c:9092", "[::1]:9093"]);
        for wrong in ["", ":9092", "a:port", "::1:9092"] {
            assert!(parse_bootstrap(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn properties_of_both_spellings_set_fields() {
        let mut options = ClientOptions::default();
        assert!(options.set("metadata.broker.list", "x:1").expect("valid"));
        assert!(options.set("request.timeout.ms", "5").expect("valid"));
        assert!(!options.set("linger.ms", "5").expect("not ours"));
        assert!(options.set("security.protocol", "TLS").is_err());
        assert_eq!((options.bootstrap[0].as_str(), options.request_timeout.as_millis()), ("x:1", 5));
    }
}
