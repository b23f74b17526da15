//! `listener.name.LISTENER.KEY` and `listener.name.LISTENER.MECHANISM.KEY`: a broker key for one listener, or for one SASL
//! mechanism of it. Owns the grammar of such names only.

use super::{ConfigKey, Values, broker_key, list};

/// A broker key below a listener's prefix.
#[derive(Clone, Copy, Debug)]
pub struct ListenerKey<'a> {
    /// In lower case, as Kafka looks for it.
    pub listener: &'a str,
    /// In lower case, where one is named.
    pub mechanism: Option<&'a str>,
    /// The broker key behind the prefix.
    pub key: &'static ConfigKey,
}

/// The prefix of all such names.
pub const LISTENER_PREFIX: &str = "listener.name.";

/// What `name` says, if it is such a name and there is such a key.
pub fn listener_key(name: &str) -> Option<ListenerKey<'_>> {
    let rest = name.strip_prefix(LISTENER_PREFIX)?;
    // A listener's name may hold dots itself: the shortest name with a known key behind it.
    for (at, _) in rest.match_indices('.') {
        let (listener, tail) = (rest.get(..at)?, rest.get(at + 1..)?);
        if let Some(key) = broker_key(tail) {
            return Some(ListenerKey { listener, mechanism: None, key });
        }
        if let Some((mechanism, tail)) = tail.split_once('.')
            && let Some(key) = broker_key(tail)
        {
            return Some(ListenerKey { listener, mechanism: Some(mechanism), key });
        }
    }
    None
}

/// Whether a key that is obeyed is obeyed for one listener, too.
pub(super) fn is_read_per_listener(found: &ListenerKey<'_>) -> bool {
    const PER_MECHANISM: [&str; 2] = ["sasl.jaas.config", "connections.max.reauth.ms"];
    const PER_LISTENER: [&str; 4] = [
        "max.connection.creation.rate",
        "max.connections",
        "sasl.enabled.mechanisms",
        "sasl.server.max.receive.size",
    ];
    let name = found.key.name;
    let of_tokens = name.starts_with("sasl.oauthbearer.");
    match found.mechanism {
        Some(_) => of_tokens || PER_MECHANISM.contains(&name),
        None => {
            let both = of_tokens || name == "connections.max.reauth.ms";
            both || PER_LISTENER.contains(&name) || name.starts_with("ssl.")
        }
    }
}

/// Whether the configuration has a listener of this name (written in lower case, as such keys must).
pub(super) fn has_listener(values: &Values, name: &str) -> bool {
    listeners(values).any(|own| own.to_lowercase() == name)
}

/// Names of all listeners, as they are written.
fn listeners(values: &Values) -> impl Iterator<Item = &str> {
    const KEYS: [(&str, &str); 2] = [("listeners", "PLAINTEXT"), ("controller.listener.names", "")];
    KEYS.into_iter().flat_map(|(key, default)| {
        let text = values.get(key).map_or(default, String::as_str);
        list(text).into_iter().map(|entry| entry.split_once("://").map_or(entry, |(own, _)| own))
    })
}

/// Whether a listener (its name in lower case), or any, speaks SSL or SASL_SSL.
pub(super) fn speaks_tls(values: &Values, name: Option<&str>) -> bool {
    let map = values.get("listener.security.protocol.map").map_or("", String::as_str);
    let protocol = |own: &str| {
        let entries = list(map).into_iter().filter_map(|entry| entry.rsplit_once(':'));
        let mut of_own = entries.filter(|(listener, _)| listener.trim().eq_ignore_ascii_case(own));
        of_own.next_back().map_or_else(|| own.to_uppercase(), |(_, protocol)| protocol.trim().to_uppercase())
    };
    let meant = |own: &&str| name.is_none_or(|name| own.to_lowercase() == name);
    listeners(values).filter(meant).any(|own| protocol(own).ends_with("SSL"))
}
