//! The tables hold together, and values, layers and warnings read as Kafka's do.

use super::*;

fn values(pairs: &[(&str, &str)]) -> Values {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn tables_are_sorted_and_their_defaults_pass_their_own_checks() {
    for table in [BROKER_KEYS, TOPIC_KEYS, GROUP_KEYS, CLIENT_METRICS_KEYS] {
        assert!(table.is_sorted_by(|a, b| a.name < b.name));
        for key in table {
            if let Some(default) = key.default {
                assert_eq!(key.check(default), Ok(()), "{}", key.name);
            }
        }
    }
}

#[test]
fn refusals_speak_kafkas_sentences() {
    let refusal = |name: &str, value: &str| topic_key(name).unwrap().check(value).unwrap_err();
    assert_eq!(
        refusal("retention.ms", "abc"),
        "Invalid value abc for configuration retention.ms: Not a number of type LONG"
    );
    assert_eq!(
        refusal("segment.index.bytes", "3"),
        "Invalid value 3 for configuration segment.index.bytes: Value must be at least 4"
    );
    assert_eq!(
        refusal("preallocate", "yes"),
        "Invalid value yes for configuration preallocate: Expected value to be either true or false"
    );
}

#[test]
fn values_are_shown_as_they_were_read() {
    let shown =
        |name: &str, value: &str| topic_key(name).unwrap().parse(value).map(|parsed| parsed.to_string());
    let cases = [
        ("retention.ms", " 600000 ", "600000"),
        ("retention.ms", "+600000", "600000"),
        ("retention.ms", "0600000", "600000"),
        ("preallocate", " TRUE ", "true"),
        ("cleanup.policy", " compact , delete ", "compact,delete"),
        ("cleanup.policy", "compact,compact", "compact"),
        ("cleanup.policy", "", ""),
        ("leader.replication.throttled.replicas", "1:2,1:2", "1:2,1:2"),
        ("min.cleanable.dirty.ratio", "1", "1.0"),
        ("min.cleanable.dirty.ratio", ".5", "0.5"),
        ("min.cleanable.dirty.ratio", "5e-1f", "0.5"),
        ("min.cleanable.dirty.ratio", "0x1p-1", "0.5"),
        ("min.cleanable.dirty.ratio", "1e-4", "1.0E-4"),
        ("min.cleanable.dirty.ratio", "NaN", "NaN"),
        ("message.timestamp.type", " LogAppendTime ", "LogAppendTime"),
    ];
    for (name, value, wanted) in cases {
        assert_eq!(shown(name, value).as_deref(), Ok(wanted), "{name}={value}");
    }
    for value in ["6e5", "600_000", "600000L", "0x10", "--1", "- 1", "9223372036854775808", ""] {
        assert!(shown("retention.ms", value).is_err(), "{value}");
    }
    for value in ["inf", "nan", "e3", "", "1e", "0x1", "0xp1", "1.0000001"] {
        assert!(shown("min.cleanable.dirty.ratio", value).is_err(), "{value}");
    }
    assert_eq!(
        shown("cleanup.policy", "compact,,delete"),
        Err("Configuration 'cleanup.policy' values must not be empty.".to_owned())
    );
}

#[test]
fn a_duration_is_what_java_takes_for_one() {
    let check = |value: &str| group_key("share.auto.offset.reset").unwrap().check(value).is_ok();
    for value in [
        "earliest",
        " latest ",
        "by_duration:PT1H",
        "by_duration:P1DT2H",
        "by_duration:pt0.5s",
        "by_duration:PT1H2M3S",
    ] {
        assert!(check(value), "{value}");
    }
    for value in [
        "none",
        "by_duration:",
        "by_duration:P",
        "by_duration:PT",
        "by_duration:-PT1H",
        "by_duration:P1H",
        "by_duration:PT1S1M",
    ] {
        assert!(!check(value), "{value}");
    }
}

#[test]
fn a_typing_error_is_answered_with_the_nearest_name() {
    let (_, warnings) = BrokerFile::new(values(&[
        ("num.partition", "3"),
        ("zookeeper.connect", "x"),
        ("num.io.threads", "8"),
    ]))
    .unwrap();
    assert_eq!(
        warnings,
        [
            Warning::WithoutEffect { name: "num.io.threads".to_owned() },
            Warning::Unknown { name: "num.partition".to_owned(), nearest: Some("num.partitions") },
            Warning::Removed { name: "zookeeper.connect".to_owned() },
        ]
    );
}

#[test]
fn the_strongest_layer_gives_the_value_and_hours_become_milliseconds() {
    let (per_broker, file) = (Values::new(), values(&[("log.retention.hours", "2")]));
    let cluster_wide = values(&[("log.retention.ms", "5000")]);
    let from_file = BrokerLayers { per_broker: &per_broker, cluster_wide: &per_broker, file: &file };
    let from_cluster = BrokerLayers { per_broker: &per_broker, cluster_wide: &cluster_wide, file: &file };
    let value = |layers: &BrokerLayers<'_>, overrides: &Values| {
        let effective = topic_effective("retention.ms", overrides, layers).unwrap();
        (effective.value.unwrap(), effective.source)
    };
    // As kafka-configs shows it: hours are no synonym by that name, so the source is told as the default.
    assert_eq!(value(&from_file, &Values::new()), ("7200000".to_owned(), Source::Default));
    assert_eq!(value(&from_cluster, &Values::new()), ("5000".to_owned(), Source::DynamicDefaultBroker));
    let own = values(&[("retention.ms", "1")]);
    assert_eq!(value(&from_cluster, &own), ("1".to_owned(), Source::DynamicTopic));
}

#[test]
fn a_key_that_no_file_may_set_has_no_default_to_tell() {
    let (none, set) = (Values::new(), values(&[("leader.replication.throttled.rate", "7")]));
    let key = broker_key("leader.replication.throttled.rate").unwrap();
    let unset = BrokerLayers { per_broker: &none, cluster_wide: &none, file: &none }.broker(key);
    assert_eq!((unset.value, unset.synonyms.len()), (None, 0));
    let told = BrokerLayers { per_broker: &set, cluster_wide: &none, file: &none }.broker(key);
    assert_eq!((told.value.as_deref(), told.synonyms.len()), (Some("7"), 1));
}
