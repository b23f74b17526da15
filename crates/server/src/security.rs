//! What the listeners of this node ask of whoever comes in, read at the start: users and mechanisms of SASL from the configuration and from
//! the JAAS file that a JVM would be given; TLS by `tls.rs`, keys of tokens by `issuers.rs`. What cannot be read, or would let anybody in unasked, refuses the start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use broker::security::sasl::{Login, Logins, SaslTerms};
use wire::sasl::jaas::{self, Contexts};

use crate::issuers::{Issuers, IssuersWatch};
use crate::lanes::DoorGuard;
use crate::random;
use crate::settings::Settings;
use crate::start_error::StartError;
use crate::tls::{Tls, TlsWatch};

const TRY: &str = "the listener's sasl.enabled.mechanisms, and a line such as listener.name.LISTENER.plain.sasl.jaas.config=\
                   org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"alice-secret\";";

const TRY_ISSUER: &str = "sasl.oauthbearer.jwks.endpoint.url=https://issuer/keys (or file:///path), the same in sasl.oauthbearer.allowed.urls, \
                          sasl.oauthbearer.expected.issuer and sasl.oauthbearer.expected.audience";

const TRY_OUTWARD: &str = "sasl.mechanism.inter.broker.protocol (of controllers sasl.mechanism.controller.protocol), and username=\"...\" \
                           password=\"...\" in that listener's JAAS entry";

/// What holds of every listener.
#[derive(Default)]
pub struct Security {
    sasl: BTreeMap<String, Arc<SaslTerms>>,
    logins: Logins,
    tls: Tls,
    issuers: Issuers,
}

/// The threads that watch; they end when it is dropped.
pub struct KeysWatch {
    _tls: Option<TlsWatch>,
    _issuers: Option<IssuersWatch>,
}

impl Security {
    /// Reads what the listeners need.
    pub fn read(settings: &Settings) -> Result<Security, StartError> {
        let guarded = settings.listeners.iter().filter(|endpoint| endpoint.protocol.starts_with("SASL_"));
        let guarded: Vec<&str> = guarded.map(|endpoint| endpoint.name.as_str()).collect();
        let outward = outward(settings);
        let names: Vec<&str> = outward.iter().map(|(name, _)| *name).collect();
        let tls = Tls::read(settings, &names)?;
        let asks = |(name, _): &(&str, &str)| settings.protocol_of(name).starts_with("SASL_");
        let outward: Vec<(&str, &str)> = outward.into_iter().filter(asks).collect();
        if guarded.is_empty() && outward.is_empty() {
            return Ok(Security { tls, ..Security::default() });
        }
        let secret =
            || random::bytes().map_err(|error| StartError::new("no randomness", error, "ls -l /dev/urandom"));
        let contexts = jaas_contexts(std::env::var("KAFKA_OPTS").ok().as_deref())?;
        let (mut sasl, issuers) = (BTreeMap::new(), Issuers::default());
        for listener in guarded {
            let terms = SaslTerms::read(&settings.file, listener, &contexts, secret()?).map_err(|why| {
                let hint = if why.contains("sasl.oauthbearer") { TRY_ISSUER } else { TRY };
                StartError::new(format!("cannot serve SASL on listener {listener}"), why, hint)
            })?;
            if let Some(verifier) = terms.verifier() {
                issuers.add(listener, verifier).map_err(|why| {
                    StartError::new(format!("cannot serve SASL on listener {listener}"), why, TRY_ISSUER)
                })?;
            }
            sasl.insert(listener.to_owned(), Arc::new(terms));
        }
        let mut logins = BTreeMap::new();
        for (listener, mechanism) in outward {
            let what = format!("cannot log in to other nodes on listener {listener}");
            let login = Login::read(&settings.file, listener, mechanism, &contexts)
                .map_err(|why| StartError::new(what, why, TRY_OUTWARD))?;
            logins.insert(listener.to_owned(), login);
        }
        Ok(Security { sasl, logins: Logins::new(logins, secret()?), tls, issuers })
    }

    /// Who this node is where others ask.
    pub fn logins(&self) -> Logins {
        self.logins.clone()
    }

    /// What a listener asks.
    pub fn guard(&self, listener: &str) -> DoorGuard {
        DoorGuard { tls: self.tls.of(listener), sasl: self.sasl.get(listener).cloned() }
    }

    /// Watches keys, of TLS and of issuers, on threads of their own.
    pub fn watch(&self) -> std::io::Result<KeysWatch> {
        Ok(KeysWatch { _tls: self.tls.watch()?, _issuers: self.issuers.watch()? })
    }

    /// TLS of all listeners.
    pub fn tls(&self) -> &Tls {
        &self.tls
    }
}

/// Listeners where this node asks others, and by which mechanism it logs in if it has to: among brokers, and on the first controller
/// listener. A node that is the whole cluster asks nobody.
fn outward(settings: &Settings) -> Vec<(&str, &str)> {
    if settings.is_single_node() {
        return Vec::new();
    }
    let mechanism = |key: &str| settings.file.text(key).unwrap_or_default();
    let brokers = settings
        .roles
        .broker
        .then_some((settings.inter_broker_name.as_str(), mechanism("sasl.mechanism.inter.broker.protocol")));
    let controllers = settings.controller_names.first();
    let controllers =
        controllers.map(|name| (name.as_str(), mechanism("sasl.mechanism.controller.protocol")));
    brokers.into_iter().chain(controllers).collect()
}

/// The contexts of the file that `-Djava.security.auth.login.config=` names; none where it names none.
fn jaas_contexts(options: Option<&str>) -> Result<Contexts, StartError> {
    let Some(path) = options.and_then(login_config) else { return Ok(Contexts::new()) };
    let what = format!("cannot read the JAAS file {}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|error| {
        StartError::new(
            what.clone(),
            error,
            "the path after -Djava.security.auth.login.config= in KAFKA_OPTS",
        )
    })?;
    let context = "contexts such as KafkaServer { org.apache.kafka.common.security.plain.PlainLoginModule required user_a=\"...\"; };";
    jaas::parse_file(&text).map_err(|why| StartError::new(what, why, context))
}

/// The file that a JVM with these options would read.
fn login_config(options: &str) -> Option<PathBuf> {
    let mut option = options.split_whitespace().filter_map(|option| {
        option.trim_matches(['"', '\'']).strip_prefix("-Djava.security.auth.login.config=")
    });
    option.next_back().map(|path| PathBuf::from(path.trim_start_matches('=').trim_matches(['"', '\''])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jaas_file_is_the_jvms() {
        let cases = [
            ("-Xmx1g -Djava.security.auth.login.config=/etc/k.conf -Da=b", Some("/etc/k.conf")),
            ("\"-Djava.security.auth.login.config=/etc/k.conf\"", Some("/etc/k.conf")),
            ("-Djava.security.auth.login.config==/etc/k.conf", Some("/etc/k.conf")),
            ("-Da=b", None),
            ("", None),
        ];
        for (options, expected) in cases {
            assert_eq!(login_config(options), expected.map(PathBuf::from), "{options}");
        }
        assert!(jaas_contexts(None).is_ok_and(|contexts| contexts.is_empty()));
        assert!(jaas_contexts(Some("-Djava.security.auth.login.config=/nonexistent/x")).is_err());
    }
}
