//! What becomes of each property that a user gives: obeyed, passed over with a remark, or refused because it promises what this
//! client does not do. Owns the lists of Kafka's names; the options say themselves what they obey.

use crate::consumer::ConsumerOptions;
use crate::error::{Error, Result};
use crate::options::ClientOptions;
use crate::producer::ProducerOptions;
use crate::properties::Properties;
use crate::share::ShareConsumerOptions;

/// What a program should tell about a property that it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// No client has such a property; the nearest name, if one is near.
    Unknown {
        /// As it was given.
        key: String,
        /// A property that it may have meant.
        nearest: Option<&'static str>,
    },
    /// Kafka's, and of no consequence here.
    WithoutEffect {
        /// As it was given.
        key: String,
    },
    /// It protects a connection, and none is protected.
    NotProtecting {
        /// As it was given.
        key: String,
    },
}

/// Looks at every property, whoever obeys it. One that promises what this client does not do yet is an error, one that
/// merely changes nothing a remark.
pub fn vet(properties: &Properties) -> Result<Vec<Remark>> {
    let (mut shared, mut producer) = (ClientOptions::default(), ProducerOptions::default());
    let (mut consumer, mut share) = (ConsumerOptions::default(), ShareConsumerOptions::default());
    let mut remarks = Vec::new();
    for (key, value) in properties.iter().filter(|(key, _)| *key == "security.protocol") {
        shared.set(key, value)?;
    }
    let (is_open, is_plain) = (!shared.security.sasl, !shared.security.ssl);
    for (key, value) in properties {
        let obeyed = shared.set(key, value)?
            | producer.set(key, value)?
            | consumer.set(key, value)?
            | share.set(key, value)?;
        if obeyed && ((is_open && key.starts_with("sasl.")) || (is_plain && is_of_tls(key))) {
            remarks.push(Remark::NotProtecting { key: key.clone() });
        }
        if obeyed {
            continue;
        }
        if !is_plain && is_of_tls(key) && !value.trim().is_empty() {
            return Err(Error::configuration(key, "it is not in force here, and may protect somebody"));
        }
        if let Some(why) = refusal(key, value.trim()) {
            return Err(Error::configuration(key, why));
        }
        if CONVERTERS.contains(&key.as_str()) || HARMLESS.contains(&(key.as_str(), value.trim())) {
            continue;
        }
        let key = key.clone();
        remarks.push(if key.starts_with("ssl.") || key.starts_with("sasl.") {
            Remark::NotProtecting { key }
        } else if WITHOUT_EFFECT.contains(&key.as_str()) {
            Remark::WithoutEffect { key }
        } else {
            Remark::Unknown { nearest: nearest(&key), key }
        });
    }
    Ok(remarks)
}

fn is_of_tls(key: &str) -> bool {
    key.starts_with("ssl.") || key == "enable.ssl.certificate.verification"
}

/// Properties of Kafka's clients that this one obeys; the sets of the three kinds of options are the other half.
const OBEYED: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "batch.size",
    "bootstrap.servers",
    "buffer.memory",
    "check.crcs",
    "client.id",
    "client.rack",
    "compression.type",
    "default.api.timeout.ms",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.idempotence",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "group.id",
    "group.instance.id",
    "heartbeat.interval.ms",
    "isolation.level",
    "linger.ms",
    "max.block.ms",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "max.poll.records",
    "max.request.size",
    "metadata.max.age.ms",
    "partition.assignment.strategy",
    "partitioner.class",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retries",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "security.protocol",
    "session.timeout.ms",
    "share.acknowledgement.mode",
    "share.acquire.mode",
    "socket.connection.setup.timeout.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

/// Properties of Kafka's clients, and some of librdkafka's, that change nothing here that a user would miss.
const WITHOUT_EFFECT: &[&str] = &[
    "api.version.request",
    "bootstrap.resolve.timeout.ms",
    "buffer.memory.allocation.strategy",
    "client.dns.lookup",
    "connections.max.idle.ms",
    "enable.metrics.push",
    "exclude.internal.topics",
    "log.connection.close",
    "metadata.cluster.check.enable",
    "metadata.max.idle.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "partitioner.adaptive.partitioning.enable",
    "partitioner.availability.timeout.ms",
    "partitioner.ignore.keys",
    "partitioner.rack.aware",
    "receive.buffer.bytes",
    "send.buffer.bytes",
    "socket.connection.setup.timeout.max.ms",
    "socket.keepalive.enable",
    "statistics.interval.ms",
];

/// Bytes go in and out as they are: how a Java program would have turned them into objects does not matter.
const CONVERTERS: &[&str] = &["key.deserializer", "key.serializer", "value.deserializer", "value.serializer"];

/// Values that say what is so anyway.
const HARMLESS: &[(&str, &str)] = &[
    ("group.protocol", "classic"),
    ("metric.reporters", ""),
    ("metric.reporters", "org.apache.kafka.common.metrics.JmxReporter"),
    ("transaction.two.phase.commit.enable", "false"),
];

/// Why a property cannot be passed over: the user relies on what it does.
fn refusal(key: &str, value: &str) -> Option<String> {
    if value.is_empty() || HARMLESS.contains(&(key, value)) {
        return None;
    }
    let of_a_class = || Some(format!("this client loads no Java classes, so not {value} either"));
    match key {
        "interceptor.classes" | "metric.reporters" | "security.providers" => of_a_class(),
        "transaction.two.phase.commit.enable" => {
            Some("this client takes part in nobody else's transactions yet".to_owned())
        }
        "group.protocol" | "group.remote.assignor" => {
            Some("this client speaks the classic group protocol only, yet".to_owned())
        }
        "config.providers" => Some("this client reads values as they stand, from no provider".to_owned()),
        "bootstrap.controllers" => {
            Some("this client asks brokers, not controllers: bootstrap.servers".to_owned())
        }
        _other if key.starts_with("config.providers.") => refusal("config.providers", value),
        _other => None,
    }
}

/// The property whose name takes the fewest edits, if that is at most a third of its length.
fn nearest(name: &str) -> Option<&'static str> {
    let known = OBEYED.iter().chain(WITHOUT_EFFECT);
    let edits = known.map(|key| (edits(name.as_bytes(), key.as_bytes()), *key));
    edits.min().filter(|(edits, _)| *edits <= name.len() / 3).map(|(_, key)| key)
}

/// Levenshtein distance, one row at a time.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let (mut diagonal, mut left) = (row[0], i + 1);
        row[0] = left;
        for (cell, y) in row[1..].iter_mut().zip(b) {
            let next = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            (diagonal, left) = (*cell, next);
            *cell = next;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_listed_as_obeyed_is_obeyed() {
        for key in OBEYED {
            let values = [
                "1",
                "true",
                "all",
                "gzip",
                "a:1",
                "range",
                "latest",
                "PLAINTEXT",
                "read_committed",
                "explicit",
                "record_limit",
                "",
            ];
            let fits =
                |value: &&str| vet(&properties(&[(key, value)])).is_ok_and(|remarks| remarks.is_empty());
            assert!(values.iter().any(fits), "{key}");
        }
    }

    #[test]
    fn what_protects_or_does_work_is_refused_and_what_does_nothing_is_remarked() {
        let refused = [
            ("security.protocol", "TLS"),
            ("interceptor.classes", "com.example.Mask"),
            ("transaction.two.phase.commit.enable", "true"),
            ("group.protocol", "consumer"),
            ("config.providers", "env"),
            ("request.timeout.ms", "soon"),
            ("enable.auto.commit", "yes"),
        ];
        for (key, value) in refused {
            assert!(vet(&properties(&[(key, value)])).is_err(), "{key}={value}");
        }
        let silent =
            [("security.protocol", "plaintext"), ("group.protocol", "classic"), ("check.crcs", " TRUE")];
        assert_eq!(vet(&properties(&silent)), Ok(Vec::new()));
        let sasl =
            [("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanisms", "PLAIN"), ("sasl.username", "a")];
        assert_eq!(vet(&properties(&sasl)), Ok(Vec::new()));
        let remarks = vet(&properties(&[
            ("reqest.timeout.ms", "1"),
            ("sasl.mechanism", "PLAIN"),
            ("send.buffer.bytes", "1"),
            ("x", ""),
        ]));
        let expected = [
            Remark::Unknown { key: "reqest.timeout.ms".into(), nearest: Some("request.timeout.ms") },
            Remark::NotProtecting { key: "sasl.mechanism".into() },
            Remark::WithoutEffect { key: "send.buffer.bytes".into() },
            Remark::Unknown { key: "x".into(), nearest: None },
        ];
        assert_eq!(remarks, Ok(expected.to_vec()));
    }
}
