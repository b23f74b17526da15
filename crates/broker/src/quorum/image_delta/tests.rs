//! Whatever key can change while the node runs and is in force reaches somebody who obeys it.

use super::*;
use crate::config::connection_caps::ConnectionCaps;
use crate::config::{BROKER_KEYS, BrokerChange, ConfigKey, KeyState, UpdateMode, topic_effective};

/// Another value than the default, which the key takes.
fn another(key: &ConfigKey) -> &'static str {
    let special = match key.name {
        "compression.type" => Some("zstd"),
        "cordoned.log.dirs" => Some("*"),
        "config.providers" => Some("env"),
        "ssl.client.auth" => Some("required"),
        "ssl.enabled.protocols" => Some("TLSv1.2"),
        "ssl.keystore.type" | "ssl.truststore.type" => Some("PEM"),
        "listener.security.protocol.map" => Some("PLAINTEXT:SSL"),
        "listeners" => Some("PLAINTEXT://:9093"),
        "log.cleanup.policy" => Some("compact"),
        "log.message.timestamp.type" => Some("LogAppendTime"),
        "max.connections.per.ip.overrides" => Some("10.0.0.1:5"),
        _ => None,
    };
    let usual = ["2000000", "2", "0.25", "true", "false"].into_iter();
    let mut values = special.into_iter().chain(usual.filter(|value| special.is_none() && *value != "1"));
    let takes = |value: &&str| key.check(value).is_ok() && key.default != Some(value);
    values.find(takes).unwrap_or_else(|| panic!("no value for {}", key.name))
}

/// All that is made of the broker's own values when an image is published, and what the controller asks of them.
fn obeyed(layers: &BrokerLayers<'_>) -> String {
    let unclean = topic_effective("unclean.leader.election.enable", &Values::new(), layers);
    let shards = (TopicSettings::resolve(&Values::new(), layers), CleanerSettings::resolve(layers));
    let (moves, rim) = (Moves::new(layers, 1), ConnectionCaps::resolve(layers));
    let throttles = crate::replication::throttle::Throttles::new(layers);
    // The rim takes every value of TLS anew; those of dead letters are looked up whenever one is written.
    let read_anew = |key: &&ConfigKey| {
        ["ssl.", "errors.deadletterqueue."].iter().any(|prefix| key.name.starts_with(prefix))
    };
    let read_anew = BROKER_KEYS.iter().filter(read_anew);
    let read_anew: Vec<_> = read_anew.map(|key| layers.broker(key).value).collect();
    format!(
        "{shards:?} {moves:?} {throttles:?} {rim:?} {read_anew:?} {:?} {:?}",
        layers.list("cordoned.log.dirs"),
        unclean.map(|one| one.value)
    )
}

#[test]
fn every_key_that_can_change_and_is_in_force_is_obeyed_as_it_stands_now_or_refused() {
    let none = Values::new();
    // What is settled when a listener is opened matters where there is such a listener.
    let lines = [
        ("listeners", "PLAINTEXT://:9092,SASL://:9094"),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT"),
    ];
    let file: Values = lines.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let before = BrokerLayers { per_broker: &none, cluster_wide: &none, file: &file };
    let live = |key: &&ConfigKey| {
        key.state == KeyState::Implemented
            && matches!(key.update_mode, UpdateMode::ClusterWide | UpdateMode::PerBroker)
    };
    for key in BROKER_KEYS.iter().filter(live) {
        let value = another(key);
        let set = Values::from([(key.name.to_owned(), value.to_owned())]);
        let for_this_one = BrokerLayers { per_broker: &set, ..before };
        for after in [for_this_one, BrokerLayers { cluster_wide: &set, ..before }] {
            let changed = [(key.name, value)];
            let change = BrokerChange { cluster_wide: false, changed: &changed, before, after };
            let refused = change.check().is_err();
            assert!(refused || obeyed(&after) != obeyed(&before), "{} is described and not obeyed", key.name);
        }
    }
}
