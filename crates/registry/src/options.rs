//! How a registry is configured, by Confluent's keys. What is not known is refused: a key without effect would be believed.

use crate::election::Identity;
use crate::formats::Level;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// What a registry is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// `listeners`: HOST:PORT of each.
    pub listeners: Vec<String>,
    /// `host.name`: how other registries reach this one; the machine's name without it.
    pub host_name: Option<String>,
    /// `kafkastore.topic`.
    pub topic: String,
    /// `kafkastore.topic.replication.factor`.
    pub replication_factor: Option<u8>,
    /// `kafkastore.topic.skip.validation`.
    pub skip_topic_validation: bool,
    /// `schema.registry.group.id`.
    pub group_id: String,
    /// `leader.eligibility`.
    pub eligible: bool,
    /// `schema.compatibility.level`.
    pub level: Level,
    /// `mode.mutability`.
    pub modes_may_change: bool,
    /// `kafkastore.timeout.ms`: for one write.
    pub write_timeout: Duration,
    /// `kafkastore.init.timeout.ms`: to read the topic.
    pub init_timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listeners: vec!["0.0.0.0:8081".to_owned()],
            host_name: None,
            topic: "_schemas".to_owned(),
            replication_factor: None,
            skip_topic_validation: false,
            group_id: "schema-registry".to_owned(),
            eligible: true,
            level: Level::Backward,
            modes_may_change: true,
            write_timeout: Duration::from_secs(10),
            init_timeout: Duration::from_secs(60),
        }
    }
}

impl Options {
    /// Sets one field by Confluent's key. `Ok(false)`: it is no key of a registry.
    pub fn set(&mut self, key: &str, value: &str) -> Result<bool, String> {
        let value = value.trim();
        let wrong = |what: &str| Err(format!("{key}={value}: it is no {what}"));
        let flag = || match value {
            "true" => Ok(true),
            "false" => Ok(false),
            _other => Err(format!("{key}={value}: true or false")),
        };
        let ms = || {
            value
                .parse()
                .map(Duration::from_millis)
                .map_err(|_| format!("{key}={value}: it is no number of ms"))
        };
        match key {
            "listeners" => self.listeners = listeners(value)?,
            "host.name" => self.host_name = Some(value.to_owned()),
            "kafkastore.topic" => self.topic = value.to_owned(),
            "kafkastore.topic.replication.factor" => match value.parse() {
                Ok(factor) if factor > 0 => self.replication_factor = Some(factor),
                _other => return wrong("number of replicas"),
            },
            "kafkastore.topic.skip.validation" => self.skip_topic_validation = flag()?,
            "schema.registry.group.id" => self.group_id = value.to_owned(),
            "leader.eligibility" | "master.eligibility" => self.eligible = flag()?,
            "schema.compatibility.level" | "avro.compatibility.level" => match Level::of(value) {
                Some(level) => self.level = level,
                None => return wrong("level of compatibility"),
            },
            "mode.mutability" => self.modes_may_change = flag()?,
            "kafkastore.timeout.ms" => self.write_timeout = ms()?,
            "kafkastore.init.timeout.ms" => self.init_timeout = ms()?,
            _other => return Ok(false),
        }
        Ok(true)
    }

    /// How others reach it.
    pub(crate) fn identity(&self, bound: &[SocketAddr]) -> Identity {
        let first = bound.first();
        let own =
            first.filter(|address| !address.ip().is_unspecified()).map(|address| address.ip().to_string());
        let host = self.host_name.clone().or(own).unwrap_or_else(host_name);
        Identity { host, port: first.map_or(0, SocketAddr::port), eligible: self.eligible }
    }
}

/// `http://HOST:PORT[,http://HOST:PORT]...`
fn listeners(text: &str) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let address = match one.split_once("://") {
            Some(("http", address)) => address,
            Some(("https", _)) => {
                return Err(format!("listeners={one}: https is not there yet; put a proxy before http"));
            }
            Some((other, _)) => return Err(format!("listeners={one}: {other} is no protocol of a registry")),
            None => one,
        };
        let address = address.trim_end_matches('/');
        let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            return Err(format!("listeners={one}: write http://HOST:PORT"));
        }
        all.push(
            address.strip_prefix(':').map_or_else(|| address.to_owned(), |port| format!("0.0.0.0:{port}")),
        );
    }
    if all.is_empty() { Err("listeners: none is named".to_owned()) } else { Ok(all) }
}

fn host_name() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    read.map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// Why a registry does not start: what, why, what to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What happened.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to try.
    pub hint: String,
}

impl Fault {
    pub(crate) fn new(what: impl Into<String>, why: impl fmt::Display, hint: impl Into<String>) -> Fault {
        Fault { what: what.into(), why: why.to_string(), hint: hint.into() }
    }
}

impl From<client::Error> for Fault {
    fn from(error: client::Error) -> Fault {
        Fault::new(
            "the cluster of the schema registry does not do what it is asked",
            error,
            "kafkastore.bootstrap.servers, and the rights on the topic and the group",
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_read_as_confluent_writes_them() {
        let cases = [
            ("http://0.0.0.0:8081", Some(vec!["0.0.0.0:8081"])),
            ("http://a:1, http://b:2/", Some(vec!["a:1", "b:2"])),
            ("localhost:8081", Some(vec!["localhost:8081"])),
            ("http://:8081", Some(vec!["0.0.0.0:8081"])),
            ("http://[::1]:8081", Some(vec!["[::1]:8081"])),
            ("https://a:1", None),
            ("http://a", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(
                listeners(text).ok(),
                expected.map(|all| all.into_iter().map(str::to_owned).collect()),
                "{text}"
            );
        }
        let mut options = Options::default();
        assert_eq!(options.set("schema.compatibility.level", "full"), Ok(true));
        assert!(options.set("kafkastore.topic.replication.factor", "0").is_err());
        assert_eq!(options.set("unknown", "x"), Ok(false));
        assert_eq!(options.level, Level::Full);
    }
}
