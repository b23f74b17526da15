//! What the variables of a process say of a node: the dialects of the images that people run Kafka by.
//!
//! Owns names of variables and what becomes of them: Apache Kafka's and Confluent's (`KAFKA_A_B` is `a.b`, `__` is `_`, `___` is `-`,
//! stores and their passwords as files below `/etc/kafka/secrets`), Bitnami's (`KAFKA_CFG_A_B`, users and passwords: `bitnami.rs`), and
//! secrets in files (`NAME_FILE`). Never knows what a key means, and tells names only, never a value: it may be a secret.
//!
//! Order: `NAME_FILE` goes over `NAME`, `KAFKA_CFG_A_B` over `KAFKA_A_B`; the environment goes over a file, arguments over both.

mod bitnami;
mod said;

pub use said::Environment;

use std::collections::BTreeMap;

use crate::properties::Properties;
use crate::settings::{Refused, Settings};
use broker::config::list;

/// A secret's file is no longer than this; a PEM chain is a few KiB.
const SECRET_BYTES_MAX: u64 = 256 * 1024;

/// Where Apache Kafka's and Confluent's images look for stores and the files of their passwords.
const SECRETS: &str = "/etc/kafka/secrets";

/// Variables of the JVM and its launchers: a binary has neither.
const OF_THE_JVM: &[&str] = &[
    "KAFKA_HEAP_OPTS",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_TOOLS_LOG4J_LOGLEVEL",
    "KAFKA_OPTS",
];

/// Variables that look like keys and are none, nor worth a word.
const NOT_KEYS: &[&str] =
    &["KAFKA_VERSION", "KAFKA_HOME", "KAFKA_DEBUG", "KAFKA_CLUSTER_ID", "KAFKA_ENABLE_KRAFT"];

/// What KAFKA_OPTS may say that is in force: the file of logins.
const LOGINS: &str = "-Djava.security.auth.login.config=";

/// Reads the variables over `below`, what a file says. `accepts` says which keys exist, so that a stray variable is no key; `file`
/// reads a secret.
pub fn read(
    below: Properties,
    variables: impl IntoIterator<Item = (String, String)>,
    accepts: impl Fn(&str) -> bool,
    file: impl Fn(&str) -> Result<String, String>,
) -> Result<Environment, Refused> {
    let mut variables: BTreeMap<String, String> = variables
        .into_iter()
        .filter(|(name, _)| name.starts_with("KAFKA_") || name == bitnami::ALLOW_PLAINTEXT)
        .collect();
    let mut found = Environment::over(below);
    put_in_files(&mut variables, &accepts, &file, &mut found.told)?;
    found.tell_idle(&variables);
    found.take_keys(&variables, &accepts);
    found.take_stores(&variables, &file)?;
    bitnami::take(&variables, &mut found)?;
    found.refuse_zookeeper()?;
    found.listen_as_advertised();
    Ok(found)
}

/// Reads a secret's file; a line's end at its end is none of it. The error names the file, never what it holds.
pub fn read_secret(path: &str) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|error| format!("{path}: {error}"))?.len();
    if length > SECRET_BYTES_MAX {
        return Err(format!("{path} has {length} bytes, more than {SECRET_BYTES_MAX}"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// The cluster id that the images take from their environment.
pub fn cluster_id(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    ["CLUSTER_ID", "KAFKA_CLUSTER_ID", "KAFKA_KRAFT_CLUSTER_ID"]
        .into_iter()
        .filter_map(variable)
        .find(|id| !id.trim().is_empty())
}

/// `ALLOW_PLAINTEXT_LISTENER=no` is a promise: whoever comes is asked who he is, or there is no start.
pub fn check(settings: &Settings, variable: impl Fn(&str) -> Option<String>) -> Result<(), Refused> {
    let forbidden =
        variable(bitnami::ALLOW_PLAINTEXT).is_some_and(|said| !said.is_empty() && !bitnami::is_yes(&said));
    let open = settings.listeners.iter().find(|one| {
        settings.protocol_of(&one.name) == "PLAINTEXT" && !settings.is_controller_listener(&one.name)
    });
    match open {
        Some(open) if forbidden => Err(Refused {
            why: format!(
                "{} forbids PLAINTEXT, and listener {} speaks it",
                bitnami::ALLOW_PLAINTEXT,
                open.name
            ),
            hint: Some(
                "a listener that speaks SASL_SSL, SSL or SASL_PLAINTEXT; or ALLOW_PLAINTEXT_LISTENER=yes",
            ),
        }),
        _ => Ok(()),
    }
}

/// `NAME_FILE` is `NAME` with what the file holds, unless `NAME_FILE` is itself a key.
fn put_in_files(
    variables: &mut BTreeMap<String, String>,
    accepts: impl Fn(&str) -> bool,
    file: impl Fn(&str) -> Result<String, String>,
    told: &mut Vec<String>,
) -> Result<(), Refused> {
    let named: Vec<(String, String)> = variables
        .iter()
        .filter_map(|(name, path)| Some((name.strip_suffix("_FILE")?.to_owned(), path.clone())))
        .filter(|(name, path)| {
            let is_meant =
                bitnami::SECRETS.contains(&name.as_str()) || key(name).is_some_and(|(key, _)| accepts(&key));
            is_meant && path.starts_with('/')
        })
        .collect();
    for (name, path) in named {
        let secret = file(&path).map_err(|why| Refused {
            why: format!("{name}_FILE names a file that cannot be read: {why}"),
            hint: Some("a file that this user can read, or the variable without it"),
        })?;
        variables.remove(&format!("{name}_FILE"));
        if variables.insert(name.clone(), secret).is_some() {
            told.push(format!("{name}_FILE goes over {name}: both are set"));
        }
    }
    Ok(())
}

/// The key of a variable, and whether it is in Bitnami's spelling.
fn key(name: &str) -> Option<(String, bool)> {
    let rest = name.strip_prefix("KAFKA_")?;
    let of_bitnami = rest.strip_prefix("CFG_");
    let key = of_bitnami.unwrap_or(rest).to_lowercase().replace('_', ".");
    let mut key = key.replace("...", "-").replace("..", "_");
    if of_bitnami.is_some() {
        // Names of listeners, in an image that has no other way to write an underscore.
        key = key.replace("sasl.ssl", "sasl_ssl").replace("sasl.plaintext", "sasl_plaintext");
    }
    Some((key, of_bitnami.is_some()))
}

impl Environment {
    fn take_keys(&mut self, variables: &BTreeMap<String, String>, accepts: impl Fn(&str) -> bool) {
        // The latter goes over the former.
        for bitnami in [false, true] {
            for (name, value) in variables {
                if is_no_key(name) {
                    continue;
                }
                let Some((key, of_bitnami)) = key(name) else { continue };
                // Who writes CFG means a key: a slip is told as one of a file is.
                if of_bitnami != bitnami || !(accepts(&key) || of_bitnami) {
                    continue;
                }
                if self.has_set(&key) && self.properties.get(&key).is_some_and(|before| before != value) {
                    let plain = name.replacen("CFG_", "", 1);
                    self.told.push(format!("{name} goes over {plain}: both are set, and differ"));
                }
                self.set(key, value);
            }
        }
    }

    /// `KAFKA_SSL_KEYSTORE_FILENAME` and its kin.
    fn take_stores(
        &mut self,
        variables: &BTreeMap<String, String>,
        file: impl Fn(&str) -> Result<String, String>,
    ) -> Result<(), Refused> {
        for (variable, key) in [
            ("KAFKA_SSL_KEYSTORE_FILENAME", "ssl.keystore.location"),
            ("KAFKA_SSL_TRUSTSTORE_FILENAME", "ssl.truststore.location"),
        ] {
            if let Some(name) = variables.get(variable) {
                self.set_unless_set(key, &format!("{SECRETS}/{name}"));
            }
        }
        for (variable, key) in [
            ("KAFKA_SSL_KEYSTORE_CREDENTIALS", "ssl.keystore.password"),
            ("KAFKA_SSL_KEY_CREDENTIALS", "ssl.key.password"),
            ("KAFKA_SSL_TRUSTSTORE_CREDENTIALS", "ssl.truststore.password"),
        ] {
            let Some(name) = variables.get(variable) else { continue };
            let secret = file(&format!("{SECRETS}/{name}")).map_err(|why| Refused {
                why: format!("{variable} names a file that cannot be read: {why}"),
                hint: Some("the password's file in /etc/kafka/secrets, or the key itself, such as KAFKA_SSL_KEYSTORE_PASSWORD"),
            })?;
            self.set_unless_set(key, &secret);
        }
        Ok(())
    }

    /// One line for everything that the JVM would have read.
    fn tell_idle(&mut self, variables: &BTreeMap<String, String>) {
        let idle: Vec<&str> = variables
            .iter()
            .filter(|(name, value)| is_of_the_jvm(name) && !(*name == "KAFKA_OPTS" && value.contains(LOGINS)))
            .map(|(name, _)| name.as_str())
            .collect();
        if !idle.is_empty() {
            self.told.push(format!(
                "without effect: {} (there is no JVM; --log-level sets the loggers, metrics.listeners tells the figures)",
                idle.join(", ")
            ));
        }
    }

    /// A node of ZooKeeper's time is none without it; one with roles has no use for it.
    fn refuse_zookeeper(&mut self) -> Result<(), Refused> {
        if !self.has_set("zookeeper.connect") {
            return Ok(());
        }
        self.properties.0.remove("zookeeper.connect");
        if self.properties.get("process.roles").is_none() {
            return Err(Refused {
                why:
                    "KAFKA_ZOOKEEPER_CONNECT is set and KAFKA_PROCESS_ROLES is not: Kafka 4 has no ZooKeeper"
                        .to_owned(),
                hint: Some(
                    "without it, which is a node that is the whole cluster; or KAFKA_PROCESS_ROLES=broker,controller with \
                     KAFKA_NODE_ID, KAFKA_CONTROLLER_QUORUM_VOTERS, KAFKA_CONTROLLER_LISTENER_NAMES and KAFKA_LISTENERS",
                ),
            });
        }
        self.told.push("without effect: KAFKA_ZOOKEEPER_CONNECT (the node has roles)".to_owned());
        Ok(())
    }

    /// Confluent's image listens as it advertises, on every address, where no listeners are named. Apache Kafka's does not, and then
    /// refuses what its one listener is not called: so this is done for such names alone.
    fn listen_as_advertised(&mut self) {
        let roles = self.properties.get("process.roles");
        if self.properties.get("listeners").is_some()
            || roles.is_some_and(|roles| roles.contains("controller"))
        {
            return;
        }
        let Some(advertised) = self.properties.get("advertised.listeners") else { return };
        let parts: Option<Vec<(&str, &str)>> = list(advertised)
            .into_iter()
            .map(|one| {
                let (name, authority) = one.split_once("://")?;
                Some((name, authority.rsplit_once(':')?.1))
            })
            .collect();
        let Some(parts) = parts else { return };
        if parts.iter().all(|(name, _)| *name == "PLAINTEXT") {
            return;
        }
        let listeners: Vec<String> =
            parts.iter().map(|(name, port)| format!("{name}://0.0.0.0:{port}")).collect();
        self.told
            .push("listeners are not set: they are as advertised.listeners, on every address".to_owned());
        self.properties.set("listeners", listeners.join(","));
    }
}

fn is_of_the_jvm(name: &str) -> bool {
    OF_THE_JVM.contains(&name) || name.starts_with("KAFKA_JMX_") || name.starts_with("KAFKA_LOG4J")
}

fn is_no_key(name: &str) -> bool {
    NOT_KEYS.contains(&name)
        || is_of_the_jvm(name)
        || bitnami::is_own(name)
        || (name.starts_with("KAFKA_SSL_") && (name.ends_with("_FILENAME") || name.ends_with("_CREDENTIALS")))
}

#[cfg(test)]
mod tests;
