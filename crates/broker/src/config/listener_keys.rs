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
    match found.mechanism {
        Some(_) => PER_MECHANISM.contains(&name),
        None => PER_LISTENER.contains(&name) || name == "connections.max.reauth.ms",
    }
}

/// Whether the configuration has a listener of this name (written in lower case, as such keys must).
pub(super) fn has_listener(values: &Values, name: &str) -> bool {
    const KEYS: [(&str, &str); 2] = [("listeners", "PLAINTEXT"), ("controller.listener.names", "")];
    KEYS.iter().any(|(key, default)| {
        let text = values.get(*key).map_or(*default, String::as_str);
        list(text).iter().any(|entry| {
            let own = entry.split_once("://").map_or(*entry, |(own, _)| own);
            own.to_lowercase() == name
        })
    })
}
