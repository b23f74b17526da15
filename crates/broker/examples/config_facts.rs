//! Our side of `cargo xtask config-facts`: every key of the tables that Kafka has too, in the form of
//! `xtask/java/ConfigFacts.java`.
#![allow(clippy::print_stdout, reason = "prints what it knows")]

use broker::config::{
    BROKER_KEYS, CLIENT_METRICS_KEYS, ConfigKey, GROUP_KEYS, TOPIC_KEYS, UpdateMode, Validator, ValueType,
    broker_synonyms, group_synonym, topic_synonyms,
};

fn main() {
    for key in BROKER_KEYS.iter().filter(|key| !key.ours) {
        let synonyms = broker_synonyms(key.name);
        tell("broker", key, if synonyms == [key.name] { &[] } else { synonyms });
    }
    for key in TOPIC_KEYS {
        tell("topic", key, topic_synonyms(key.name));
    }
    for key in GROUP_KEYS {
        tell("group", key, group_synonym(key.name).as_slice());
    }
    for key in CLIENT_METRICS_KEYS {
        tell("client-metrics", key, &[]);
    }
}

fn tell(kind: &str, key: &ConfigKey, synonyms: &[&str]) {
    let value_type = match key.value_type {
        ValueType::Text => "STRING".to_owned(),
        other => format!("{other:?}").to_uppercase(),
    };
    let default = match key.default {
        None => "-",
        Some("") => "\"\"",
        Some(value) => value,
    };
    let mode = match key.update_mode {
        UpdateMode::ReadOnly => "read-only",
        UpdateMode::PerBroker => "per-broker",
        UpdateMode::ClusterWide => "cluster-wide",
        UpdateMode::PerResource => "-",
    };
    let flags = [(key.internal, "internal"), (key.dynamic_only, "dynamic-only")];
    let flags: Vec<&str> = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
    let importance = format!("{:?}", key.importance).to_uppercase();
    let (flags, synonyms) = (or_dash(&flags), or_dash(synonyms));
    let bounds = bounds(key.validator);
    println!(
        "{kind}\t{}\t{value_type}\t{default}\t{bounds}\t{importance}\t{mode}\t{flags}\t{synonyms}",
        key.name
    );
}

fn or_dash(words: &[&str]) -> String {
    if words.is_empty() { "-".to_owned() } else { words.join(",") }
}

fn bounds(validator: Validator) -> String {
    let among = |words: &[&str]| format!("[{}]", words.join(", "));
    match validator {
        Validator::Any => "-".to_owned(),
        Validator::AtLeast(least) => format!("[{least},...]"),
        Validator::Between(least, most) => format!("[{least},...,{most}]"),
        Validator::GzipLevel => "[1,...,9] or -1".to_owned(),
        Validator::OneOf(words) => among(words),
        Validator::OneOfIgnoringCase(words) => format!("(case insensitive) {}", among(words)),
        Validator::NonEmpty => "non-empty string".to_owned(),
        Validator::AnyList => "list or empty".to_owned(),
        Validator::NonEmptyList => "list".to_owned(),
        Validator::ListOf(words) => format!("list {}", among(words)),
        Validator::ListOfOrNone(words) => format!("list {} or empty", among(words)),
        Validator::ThrottledReplicas => "[partitionId]:[brokerId],[partitionId]:[brokerId],...".to_owned(),
        Validator::ShareOffsetReset => "[latest, earliest, by_duration:PnDTnHnMn.nS]".to_owned(),
        Validator::QuorumVoters | Validator::BootstrapServers => "non-empty list".to_owned(),
    }
}
