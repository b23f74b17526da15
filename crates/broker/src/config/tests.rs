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
    let file = values(&[
        ("num.partition", "3"),
        ("zookeeper.connect", "x"),
        ("num.io.threads", "9"),
        ("num.network.threads", " 3 "),
        ("super.users", "User:a"),
        ("config.providers.x.class", "y"),
        ("my.prefix.key", "1"),
        ("remote.log.storage.manager.impl.prefix", "my.prefix."),
        ("listener.name.plaintext.ssl.keystore.location", "/x"),
        ("listener.name.plaintext.plain.sasl.jaas.config", "x"),
        ("listener.name.plaintext.connections.max.idle.ms", "600000"),
        ("listener.name.PLAINTEXT.ssl.keystore.location", "/x"),
        ("listener.name.plaintext.nonsense", "1"),
    ]);
    let (_, warnings) = BrokerFile::new(file).unwrap();
    let wanted = [
        "listener.name.PLAINTEXT.ssl.keystore.location is ignored: no listener is called PLAINTEXT (in such keys a \
         listener's name is in lower case)",
        "unknown configuration key listener.name.plaintext.nonsense is ignored",
        "unknown configuration key num.partition is ignored; did you mean num.partitions?",
        "zookeeper.connect was removed in Kafka 4 and has no effect",
        "configured, but without effect here: listener.name.plaintext.ssl.keystore.location, my.prefix.key, num.io.threads, \
         remote.log.storage.manager.impl.prefix, super.users",
    ];
    assert_eq!(told(&warnings), wanted);
}

#[test]
fn what_is_promised_and_not_kept_is_refused() {
    let harmless = [
        ("authorizer.class.name", " "),
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        ("metric.reporters", ""),
        ("metric.reporters", "org.apache.kafka.common.metrics.JmxReporter"),
        ("group.consumer.assignors", "range, uniform"),
        ("remote.log.storage.system.enable", "FALSE"),
        ("sasl.server.callback.handler.class", "org.apache.kafka.common.security.oauthbearer.X"),
        ("max.connections", "5"),
        ("max.connection.creation.rate", "5"),
        ("listener.name.internal.max.connection.creation.rate", "5"),
        ("listener.name.internal.max.connections", "5"),
        ("num.partitions", "5"),
        ("no.such.key", "5"),
    ];
    for (name, value) in harmless {
        assert_eq!(refusal(name, value), None, "{name}={value}");
    }
    let promising = [
        ("authorizer.class.name", "com.example.Authorizer"),
        ("metric.reporters", "org.apache.kafka.common.metrics.JmxReporter,com.example.Reporter"),
        ("create.topic.policy.class.name", ""),
        ("remote.log.storage.system.enable", " True "),
        ("listener.name.internal.plain.sasl.server.callback.handler.class", "com.example.Handler"),
    ];
    for (name, value) in promising {
        let sentence = refusal(name, value).unwrap_or_default();
        assert!(sentence.starts_with(name), "{name}={value}: {sentence}");
    }
}

#[test]
fn the_column_says_refused_where_the_table_of_refusals_has_a_row() {
    for key in BROKER_KEYS {
        let has_row = refusals::REFUSALS.iter().any(|row| row.key == key.name);
        let wanted = match key.state {
            KeyState::Refused => true,
            KeyState::Accepted => false,
            // One of several values may be obeyed, and the others refused.
            KeyState::Implemented => has_row,
        };
        assert_eq!(wanted, has_row, "{}", key.name);
        if let Some(default) = key.default {
            assert_eq!(refusal(key.name, default), None);
        }
    }
    for row in refusals::REFUSALS {
        let name = row.key.strip_prefix("listener.name.*.").unwrap_or(row.key);
        assert!(broker_key(name).is_some(), "{}", row.key);
    }
}

#[test]
fn keys_are_checked_against_one_another_in_kafkas_words() {
    let cases = [
        ("log.roll.ms", "0", "log.roll.ms must be greater than or equal to 1"),
        (
            "log.retention.hours",
            "0",
            "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
        ),
        (
            "log.cleaner.dedupe.buffer.size",
            "1048576",
            "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
        ),
        ("offsets.topic.compression.codec", "9", "Unknown compression type id: 9"),
        (
            "group.coordinator.rebalance.protocols",
            "consumer",
            "Disabling the 'classic' protocol is not supported.",
        ),
        (
            "group.consumer.session.timeout.ms",
            "1",
            "group.consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
        ),
        (
            "group.streams.num.standby.replicas",
            "5",
            "group.streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas",
        ),
    ];
    for (name, value, sentence) in cases {
        let (file, _) = BrokerFile::new(values(&[(name, value)])).unwrap();
        assert_eq!(check_together(&file).unwrap_err(), sentence, "{name}={value}");
    }
    let (unlimited, _) = BrokerFile::new(values(&[("log.retention.ms", "-2")])).unwrap();
    assert_eq!(check_together(&unlimited), Ok(()));
}

#[test]
fn keys_of_one_listener_are_checked_as_the_key_itself() {
    let read = |name: &str| BrokerFile::new(values(&[(name, "x")])).map(drop);
    let sentence = "Invalid value x for configuration max.connections: Not a number of type INT";
    assert_eq!(read("listener.name.plaintext.max.connections"), Err(sentence.to_owned()));
    assert_eq!(read("listener.name.nosuch.max.connections"), Ok(()));
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

#[test]
fn a_strict_node_is_not_opened_while_it_runs() {
    let refused = |strict: &str, name: &str, value: &str| {
        let file = values(&[
            ("security.strict", strict),
            ("listeners", "SSL://:9092"),
            ("listener.security.protocol.map", "SSL:SSL"),
        ]);
        let (none, mut after) = (Values::new(), Values::new());
        after.insert(name.to_owned(), value.to_owned());
        let changed = [(name, value)];
        let layers = |per_broker| BrokerLayers { per_broker, cluster_wide: &none, file: &file };
        BrokerChange { cluster_wide: false, changed: &changed, before: layers(&none), after: layers(&after) }
            .check()
            .err()
    };
    let opening = [
        ("listener.name.ssl.ssl.client.auth", "none"),
        ("listener.name.ssl.ssl.client.auth", "requested"),
        ("ssl.client.auth", "none"),
        ("ssl.endpoint.identification.algorithm", ""),
    ];
    for (name, value) in opening {
        let why = refused("true", name, value);
        assert!(why.as_ref().is_some_and(|why| why.contains("security.strict=true")), "{name}: {why:?}");
        assert_eq!(refused("false", name, value), None, "{name}");
    }
    assert_eq!(refused("true", "listener.name.ssl.ssl.client.auth", "required"), None);
}
