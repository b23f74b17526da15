//! What may become of the values of groups and of client-metrics subscriptions, beyond type and bounds of each key: what the
//! broker's own file allows, what goes together. Owns the rules and Kafka's words for them.

use super::{
    BrokerFile, CLIENT_METRICS_KEYS, GROUP_KEYS, Parsed, Values, client_metrics_key, group_key,
    group_synonym, list,
};
use wire::ErrorCode;

/// Why a set of values is refused.
pub type Wrong = (ErrorCode, String);

/// Group keys and the broker's keys that bound them: `MIN` and `MAX` stand behind the kind's name.
const BOUNDS: &[(&str, bool, bool)] = &[
    ("consumer.heartbeat.interval.ms", true, true),
    ("consumer.session.timeout.ms", true, true),
    ("consumer.assignment.interval.ms", true, true),
    ("share.heartbeat.interval.ms", true, true),
    ("share.session.timeout.ms", true, true),
    ("share.record.lock.duration.ms", true, true),
    ("share.delivery.count.limit", true, true),
    ("share.partition.max.record.locks", true, true),
    ("share.assignment.interval.ms", true, true),
    ("streams.heartbeat.interval.ms", true, true),
    ("streams.session.timeout.ms", true, true),
    ("streams.num.standby.replicas", false, true),
    ("streams.num.warmup.replicas", false, true),
    ("streams.task.offset.interval.ms", true, false),
    ("streams.assignment.interval.ms", true, true),
];

/// Where a share group's records go that it cannot process (KIP-1191).
const DEAD_LETTER_TOPIC: &str = "errors.deadletterqueue.topic.name";

/// Checks everything that is set on a group.
pub fn check_group(configs: &Values, file: &BrokerFile) -> Result<(), Wrong> {
    let invalid = |what: String| (ErrorCode::InvalidConfig, what);
    if let Some(unknown) = configs.keys().find(|name| group_key(name).is_none()) {
        return Err(invalid(format!("Unknown group config name: {unknown}")));
    }
    for key in GROUP_KEYS {
        if let Some(value) = configs.get(key.name) {
            key.check(value).map_err(invalid)?;
        }
    }
    let number = |name: &str| match configs.get(name).map(|value| group_key(name)?.parse(value).ok()) {
        Some(Some(Parsed::Whole(number))) => Some(number),
        _ => None,
    };
    for (name, least, most) in BOUNDS {
        let Some(value) = number(name) else { continue };
        let (kind, rest) = name.split_once('.').unwrap_or_default();
        // share.partition.max.record.locks is bounded by group.share.max.partition.max.record.locks; num.standby.replicas by max.standby.replicas.
        let rest = rest.strip_prefix("num.").unwrap_or(rest);
        let bound = |end: &str| file.number(&format!("group.{kind}.{end}.{rest}"));
        let bounds = (least.then(|| bound("min")), most.then(|| bound("max")));
        let what = match bounds {
            (Some(least), Some(most)) if value < least || value > most => {
                format!("{name} must be in the range {least} to {most} inclusive.")
            }
            (Some(least), None) if value < least => {
                format!("{name} must be greater than or equal to {least}")
            }
            (None, Some(most)) if value > most => format!("{name} must be less than or equal to {most}"),
            _ => continue,
        };
        return Err(invalid(what));
    }
    for kind in ["consumer", "share", "streams"] {
        let effective = |name: String| {
            let broker = group_synonym(&name).map(|broker| file.number(broker));
            (number(&name).or(broker), name)
        };
        let (timeout, timeout_key) = effective(format!("{kind}.session.timeout.ms"));
        let (interval, interval_key) = effective(format!("{kind}.heartbeat.interval.ms"));
        if timeout <= interval && (number(&timeout_key).is_some() || number(&interval_key).is_some()) {
            return Err(invalid(format!("{timeout_key} must be greater than {interval_key}")));
        }
    }
    let text = |name: &str| configs.get(name).map(|value| value.trim());
    check_dead_letter_topic(text(DEAD_LETTER_TOPIC).unwrap_or_default()).map_err(invalid)?;
    if let Some(assignor) = text("streams.assignor.name") {
        let known = file.list("group.streams.assignors");
        if !known.contains(&assignor) {
            return Err(invalid(format!(
                "streams.assignor.name '{assignor}' is not a registered task assignor. Registered assignors are: [{}].",
                known.join(", ")
            )));
        }
    }
    let tags = list(text("streams.rack.aware.assignment.tags").unwrap_or_default());
    if tags.iter().enumerate().any(|(at, tag)| tags.iter().take(at).any(|earlier| earlier == tag)) {
        let what = "streams.rack.aware.assignment.tags must not contain duplicate tag keys.";
        return Err(invalid(what.to_owned()));
    }
    Ok(())
}

fn check_dead_letter_topic(name: &str) -> Result<(), String> {
    if name.starts_with("__") {
        return Err(format!("{DEAD_LETTER_TOPIC}: DLQ topic name must not start with '__'"));
    }
    Ok(())
}

/// Checks everything that is set on a client-metrics subscription.
pub fn check_client_metrics(configs: &Values) -> Result<(), Wrong> {
    let request = |what: String| (ErrorCode::InvalidRequest, what);
    let invalid = |what: String| (ErrorCode::InvalidConfig, what);
    if let Some(unknown) = configs.keys().find(|name| client_metrics_key(name).is_none()) {
        return Err(request(format!("Unknown client metrics configuration: {unknown}")));
    }
    for key in CLIENT_METRICS_KEYS {
        let Some(value) = configs.get(key.name) else { continue };
        match key.parse(value).map_err(invalid)? {
            Parsed::Whole(interval) if !(100..=3_600_000).contains(&interval) => {
                return Err(request(format!(
                    "Invalid value {interval} for interval.ms, interval must be between 100 and 3600000 (1 hour)"
                )));
            }
            Parsed::List(entries) if key.name == "match" => {
                if let Some(entry) = entries.iter().find(|entry| !is_match(entry)) {
                    return Err(invalid(format!("Illegal client matching pattern: {entry}")));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// `key=regular expression`.
fn is_match(entry: &str) -> bool {
    const KEYS: &[&str] = &[
        "client_id",
        "client_instance_id",
        "client_software_name",
        "client_software_version",
        "client_source_address",
        "client_source_port",
    ];
    match_parts(entry).is_some_and(|(key, pattern)| KEYS.contains(&key) && is_pattern(pattern))
}

/// Key and pattern of an entry of `match`, split at its `=` as Kafka splits: those at its end do not count, and there is one otherwise.
pub(crate) fn match_parts(entry: &str) -> Option<(&str, &str)> {
    let (key, pattern) = entry.trim_end_matches('=').split_once('=')?;
    (!pattern.contains('=')).then(|| (key.trim(), pattern.trim()))
}

/// Whether brackets close and repetitions have something to repeat: what people get wrong in a regular expression.
fn is_pattern(pattern: &str) -> bool {
    let (mut groups, mut in_class, mut repeatable) = (0_usize, false, false);
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.next().is_none() => return false,
            '[' => in_class = true,
            ']' if in_class => in_class = false,
            _ if in_class => {}
            '(' => groups += 1,
            ')' if groups == 0 => return false,
            ')' => groups -= 1,
            '*' | '+' | '?' if !repeatable && !pattern.contains("(?") => return false,
            _ => {}
        }
        repeatable = in_class || !matches!(character, '(' | '|');
    }
    groups == 0 && !in_class
}
