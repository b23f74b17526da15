//! Variables of Bitnami's image that are no keys: users with passwords, the kind of stores, promises.
//!
//! Owns what they become: entries of JAAS for each listener that asks who somebody is, keys of TLS. Takes over none of that image's
//! default passwords: who sets none has none.

use std::collections::BTreeMap;

use super::said::Environment;
use crate::settings::Refused;
use broker::config::list;
use wire::sasl::jaas::{PLAIN_MODULE, SCRAM_MODULE};

/// Says whether PLAINTEXT is allowed for clients.
pub const ALLOW_PLAINTEXT: &str = "ALLOW_PLAINTEXT_LISTENER";

/// Those that may stand in a file, by `NAME_FILE`.
pub const SECRETS: &[&str] = &[
    "KAFKA_CLIENT_USERS",
    "KAFKA_CLIENT_PASSWORDS",
    "KAFKA_INTER_BROKER_USER",
    "KAFKA_INTER_BROKER_PASSWORD",
    "KAFKA_CONTROLLER_USER",
    "KAFKA_CONTROLLER_PASSWORD",
    "KAFKA_CERTIFICATE_PASSWORD",
];

const BOOTSTRAP_SCRAM: &str = "KAFKA_KRAFT_BOOTSTRAP_SCRAM_USERS";

/// What that image lets clients log in by where nothing is said.
const MECHANISMS: &str = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512";

/// Whether a variable is this file's business.
pub fn is_own(name: &str) -> bool {
    SECRETS.contains(&name) || name.starts_with("KAFKA_KRAFT_") || name.starts_with("KAFKA_TLS_")
}

/// That image's idea of yes.
pub fn is_yes(said: &str) -> bool {
    ["yes", "true", "1"].iter().any(|yes| said.trim().eq_ignore_ascii_case(yes))
}

/// A name and a password.
struct Login<'a> {
    user: &'a str,
    password: &'a str,
}

/// Takes what is there.
pub fn take(variables: &BTreeMap<String, String>, found: &mut Environment) -> Result<(), Refused> {
    if variables.get(BOOTSTRAP_SCRAM).is_some_and(|said| is_yes(said)) {
        return Err(Refused {
            why: format!("{BOOTSTRAP_SCRAM} asks for users of SCRAM, which a start does not make"),
            hint: Some(
                "ottla storage format --add-scram 'SCRAM-SHA-256=[name=N,password=P]' before the first start",
            ),
        });
    }
    take_stores(variables, found);
    take_users(variables, found)
}

fn take_stores(variables: &BTreeMap<String, String>, found: &mut Environment) {
    let mut is_used = false;
    let mut put = |variable: &str, keys: &[&str]| {
        let Some(value) = variables.get(variable).filter(|value| !value.is_empty()) else { return };
        is_used = true;
        keys.iter().for_each(|key| found.set_unless_set(key, value));
    };
    put("KAFKA_TLS_CLIENT_AUTH", &["ssl.client.auth"]);
    put("KAFKA_TLS_TYPE", &["ssl.keystore.type", "ssl.truststore.type"]);
    put(
        "KAFKA_CERTIFICATE_PASSWORD",
        &["ssl.key.password", "ssl.keystore.password", "ssl.truststore.password"],
    );
    if is_used {
        // So is that image's default, and it protects.
        found.set_unless_set("ssl.client.auth", "required");
    }
}

fn take_users(variables: &BTreeMap<String, String>, found: &mut Environment) -> Result<(), Refused> {
    let said = |name: &str| variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let split = |text: &str| -> Vec<String> {
        text.split([',', ';']).map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
    };
    let users = split(said("KAFKA_CLIENT_USERS").unwrap_or_default());
    let passwords = split(said("KAFKA_CLIENT_PASSWORDS").unwrap_or_default());
    if users.len() != passwords.len() {
        return Err(Refused {
            why: format!(
                "KAFKA_CLIENT_USERS names {} and KAFKA_CLIENT_PASSWORDS {}: each user has one password",
                users.len(),
                passwords.len()
            ),
            hint: Some("as many passwords as users, with commas between, in the same order"),
        });
    }
    let login = |user: &'static str, password: &'static str| {
        said(password).map(|password| Login { user: said(user).unwrap_or("user"), password })
    };
    let between_brokers = login("KAFKA_INTER_BROKER_USER", "KAFKA_INTER_BROKER_PASSWORD");
    let of_controllers = login("KAFKA_CONTROLLER_USER", "KAFKA_CONTROLLER_PASSWORD");
    if users.is_empty() && between_brokers.is_none() && of_controllers.is_none() {
        return Ok(());
    }
    let clients: Vec<Login<'_>> =
        users.iter().zip(&passwords).map(|(user, password)| Login { user, password }).collect();
    if let Some(bad) =
        clients.iter().chain(&between_brokers).chain(&of_controllers).find(|one| !is_quotable(one))
    {
        return Err(Refused {
            why: format!("the user {} or his password holds a quote, a backslash or a line's end", bad.user),
            hint: Some("listener.name.NAME.plain.sasl.jaas.config, where they can be written"),
        });
    }
    put_entries(found, &clients, between_brokers.as_ref(), of_controllers.as_ref());
    Ok(())
}

/// An entry for each listener that asks who somebody is, and each mechanism.
fn put_entries(
    found: &mut Environment,
    clients: &[Login<'_>],
    between_brokers: Option<&Login<'_>>,
    of_controllers: Option<&Login<'_>>,
) {
    let listeners = found.properties.get("listeners").unwrap_or_default().to_owned();
    let map = found.properties.get("listener.security.protocol.map").unwrap_or_default().to_owned();
    let controllers = found.properties.get("controller.listener.names").unwrap_or_default().to_owned();
    let inter_broker = found.properties.get("inter.broker.listener.name").unwrap_or_default().to_owned();
    let mut asks = false;
    for listener in list(&listeners) {
        let Some((name, _)) = listener.split_once("://") else { continue };
        let mapped = list(&map).into_iter().filter_map(|one| one.split_once(':')).find(|(of, _)| *of == name);
        if !mapped.map_or(name, |(_, protocol)| protocol).starts_with("SASL") {
            continue;
        }
        asks = true;
        let is_controller = list(&controllers).contains(&name);
        let mechanisms = match found.properties.get("sasl.mechanism.controller.protocol") {
            Some(mechanism) if is_controller => mechanism.to_owned(),
            _ => {
                // A file may say it, too.
                if found.properties.get("sasl.enabled.mechanisms").is_none() {
                    found.set_unless_set("sasl.enabled.mechanisms", MECHANISMS);
                }
                found.properties.get("sasl.enabled.mechanisms").unwrap_or_default().to_owned()
            }
        };
        let own =
            if is_controller { of_controllers } else { between_brokers.filter(|_| name == inter_broker) };
        for mechanism in list(&mechanisms) {
            let Some(entry) = entry(mechanism, own, if is_controller { &[] } else { clients }) else {
                continue;
            };
            let key = format!(
                "listener.name.{}.{}.sasl.jaas.config",
                name.to_lowercase(),
                mechanism.to_lowercase()
            );
            found.set_unless_set(&key, &entry);
        }
    }
    if !asks {
        // So it is in that image. Who must not be let in without a name says ALLOW_PLAINTEXT_LISTENER=no.
        found.told.push(
            "without effect: users and their passwords (no listener among `listeners` speaks SASL)"
                .to_owned(),
        );
    }
}

/// One entry of JAAS: as whom this node logs in, and for PLAIN who may come in.
fn entry(mechanism: &str, own: Option<&Login<'_>>, clients: &[Login<'_>]) -> Option<String> {
    let is_plain = mechanism == "PLAIN";
    if !is_plain && !mechanism.starts_with("SCRAM") {
        return None;
    }
    let mut text = format!("{} required", if is_plain { PLAIN_MODULE } else { SCRAM_MODULE });
    if let Some(Login { user, password }) = own {
        text.push_str(&format!(" username=\"{user}\" password=\"{password}\""));
    }
    for Login { user, password } in clients.iter().chain(own).filter(|_| is_plain) {
        text.push_str(&format!(" user_{user}=\"{password}\""));
    }
    Some(text + ";")
}

fn is_quotable(login: &Login<'_>) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    let is_plain = |c: char| !matches!(c, '"' | '\\' | '\n' | '\r');
    login.user.chars().all(is_name) && login.password.chars().all(is_plain)
}
