//! How a registry is configured, by Confluent's keys. What is not known is refused: a key without effect would be believed.

use crate::election::Identity;
use crate::formats::Level;
use client::ClientOptions;
use net::tls::{ClientTls, KeyFiles, ServerTls, TlsOptions, TrustSource};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a registry is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// `listeners`.
    pub listeners: Vec<Address>,
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
    /// `authentication.method=BASIC`: whoever asks says who they are, and proves it to the cluster.
    pub authenticates: bool,
    /// `authentication.realm`.
    pub realm: String,
    /// `authorizer=acls`: rights are the cluster's entries, where it has an authorizer.
    pub authorizes: bool,
    /// `super.users`: principals that may everything.
    pub superusers: Vec<String>,
    /// `ssl.*`: of https listeners, and towards other registries.
    pub(crate) tls: TlsKeys,
}

/// Where a registry listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// https.
    pub is_tls: bool,
    /// HOST:PORT.
    pub place: String,
}

impl Address {
    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }
}

/// Keys of TLS as they were given; they are read when the listeners are opened.
#[derive(Clone, Default)]
pub(crate) struct TlsKeys(BTreeMap<String, String>);

impl fmt::Debug for TlsKeys {
    /// Passwords never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsKeys({} [hidden])", self.0.len())
    }
}

impl TlsKeys {
    fn options(&self) -> Result<TlsOptions, String> {
        let given = |key: &str| self.0.get(key).cloned();
        let algorithm = self.0.get("ssl.endpoint.identification.algorithm").map_or("https", String::as_str);
        TlsOptions::read(&given)?.identify_by(algorithm)
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listeners: vec![Address { is_tls: false, place: "0.0.0.0:8081".to_owned() }],
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
            authenticates: false,
            realm: "SchemaRegistry".to_owned(),
            authorizes: true,
            superusers: Vec::new(),
            tls: TlsKeys::default(),
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
            "authentication.method" => match value {
                "BASIC" => self.authenticates = true,
                "NONE" | "" => self.authenticates = false,
                _other => return wrong("method that is spoken here: BASIC or NONE"),
            },
            "authentication.realm" => self.realm = value.to_owned(),
            // Rights are those of the cluster's entries, not of roles in a file.
            "authentication.roles" if value != "*" => {
                return Err(format!(
                    "{key}={value}: there are no roles here, rights are the cluster's ACLs; * at most"
                ));
            }
            "authentication.roles" => {}
            "authorizer" => match value {
                "acls" => self.authorizes = true,
                "none" => self.authorizes = false,
                _other => return wrong("authorizer: acls or none"),
            },
            "super.users" => {
                self.superusers = value
                    .split(';')
                    .map(str::trim)
                    .filter(|one| !one.is_empty())
                    .map(str::to_owned)
                    .collect();
            }
            "ssl.client.authentication" => match value {
                "NONE" | "REQUESTED" | "REQUIRED" => {
                    self.tls.0.insert("ssl.client.auth".to_owned(), value.to_ascii_lowercase());
                }
                _other => return wrong("NONE, REQUESTED or REQUIRED"),
            },
            tls if TLS.contains(&tls) => drop(self.tls.0.insert(tls.to_owned(), value.to_owned())),
            _other => return Ok(false),
        }
        Ok(true)
    }

    /// The keys of https listeners, and the trust towards other registries; `None` where nobody speaks https.
    pub(crate) fn open_tls(&self) -> Result<Option<Tls>, Fault> {
        let wrong = |why: String| Fault::new("the schema registry cannot speak https", why, "the ssl.* keys");
        if !self.listeners.iter().any(|address| address.is_tls) {
            return match self.tls.0.keys().next() {
                Some(key) => Err(wrong(format!("{key} is set, and no listener is https"))),
                None => Ok(None),
            };
        }
        Tls::open(&self.tls).map(Some).map_err(wrong)
    }

    /// Whoever asks can be told to prove who they are only by a login that the cluster knows.
    pub(crate) fn check_login(&self, client: &ClientOptions) -> Result<(), Fault> {
        let mechanism = client.security.mechanism.as_deref().unwrap_or("");
        let by_password = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].contains(&mechanism);
        if self.authenticates && !(client.security.sasl && by_password) {
            return Err(Fault::new(
                "authentication.method=BASIC has nobody to ask who is who",
                "names and passwords are proved by logging in to the cluster, and this registry does not log in by a password itself",
                "kafkastore.security.protocol=SASL_SSL, kafkastore.sasl.mechanism=SCRAM-SHA-512, kafkastore.sasl.jaas.config=...",
            ));
        }
        Ok(())
    }

    /// How others reach it.
    pub(crate) fn identity(&self, bound: &[SocketAddr]) -> Identity {
        let first = bound.first();
        let own =
            first.filter(|address| !address.ip().is_unspecified()).map(|address| address.ip().to_string());
        let host = self.host_name.clone().or(own).unwrap_or_else(host_name);
        let is_tls = self.listeners.first().is_some_and(|address| address.is_tls);
        Identity { host, port: first.map_or(0, SocketAddr::port), eligible: self.eligible, is_tls }
    }
}

/// What https goes by.
#[derive(Clone)]
pub(crate) struct Tls {
    /// Towards those who ask.
    pub server: Arc<ServerTls>,
    /// Towards other registries.
    pub client: Arc<ClientTls>,
    keys: TlsKeys,
}

impl Tls {
    fn open(keys: &TlsKeys) -> Result<Tls, String> {
        let options = keys.options()?;
        let server = Arc::new(ServerTls::open(&options)?);
        let client = Arc::new(ClientTls::open(&outward(options))?);
        Ok(Tls { server, client, keys: keys.clone() })
    }

    /// The files that its keys come from.
    pub fn files(&self) -> Result<KeyFiles, String> {
        self.keys.options().map(|options| KeyFiles::of(&options))
    }

    /// Reads the files again. Connections keep what they began with; an error leaves in force what is.
    pub fn reload(&self) -> Result<(), String> {
        let options = self.keys.options()?;
        self.server.reload(&options)?;
        self.client.reload(&outward(options))
    }
}

/// Whoever is told of no trust asks what this machine trusts.
fn outward(mut options: TlsOptions) -> TlsOptions {
    options.trust.get_or_insert(TrustSource::System);
    options
}

/// Keys of TLS, as Confluent's registry has them.
const TLS: [&str; 13] = [
    "ssl.cipher.suites",
    "ssl.enabled.protocols",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// `http://HOST:PORT[,http://HOST:PORT]...`
fn listeners(text: &str) -> Result<Vec<Address>, String> {
    let mut all = Vec::new();
    for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let address = match one.split_once("://") {
            Some(("http", address)) => (false, address),
            Some(("https", address)) => (true, address),
            Some((other, _)) => return Err(format!("listeners={one}: {other} is no protocol of a registry")),
            None => (false, one),
        };
        let (is_tls, address) = address;
        let address = address.trim_end_matches('/');
        let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            return Err(format!("listeners={one}: write http://HOST:PORT"));
        }
        let place =
            address.strip_prefix(':').map_or_else(|| address.to_owned(), |port| format!("0.0.0.0:{port}"));
        all.push(Address { is_tls, place });
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
            ("https://a:1", Some(vec!["a:1"])),
            ("ftp://a:1", None),
            ("http://a", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let found = listeners(text).ok();
            let places = found.as_ref().map(|all| all.iter().map(|one| one.place.as_str()).collect());
            assert_eq!(places, expected, "{text}");
            let is_tls = text.starts_with("https");
            assert!(found.is_none_or(|all| all.iter().all(|one| one.is_tls == is_tls)), "{text}");
        }
        let mut options = Options::default();
        assert_eq!(options.set("schema.compatibility.level", "full"), Ok(true));
        assert!(options.set("kafkastore.topic.replication.factor", "0").is_err());
        assert_eq!(options.set("unknown", "x"), Ok(false));
        assert_eq!(options.level, Level::Full);
        for (key, wrong) in [
            ("authentication.method", "BEARER"),
            ("authentication.roles", "admin"),
            ("authorizer", "mine"),
            ("ssl.client.authentication", "maybe"),
        ] {
            assert!(options.set(key, wrong).is_err(), "{key}");
        }
        assert_eq!(options.set("ssl.keystore.password", "secret"), Ok(true));
        assert!(!format!("{options:?}").contains("secret"));
        assert!(options.open_tls().is_err(), "keys without https");
        options.set("authentication.method", "BASIC").expect("a method");
        assert!(options.check_login(&ClientOptions::default()).is_err(), "nobody to ask");
    }
}
