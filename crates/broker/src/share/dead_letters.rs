//! Dead-letter queues of share groups (KIP-1191): why a topic cannot be one, what it is made with, and what is written there. Pure; Kafka's
//! keys, headers and words.

use bytes::Bytes;
use coordinator::share_partition::{Cause, DeadLetters};
use kraft::image::MetadataImage;
use std::collections::BTreeMap;
use wire::Str;
use wire::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use wire::record_batch::{BatchAttributes, Record, RecordBatchBuilder, RecordHeader};

use crate::config::{BrokerLayers, StaticConfig, broker_key, with_layers};

const GROUP_ENABLE: &str = "errors.deadletterqueue.group.enable";
const AUTO_CREATE: &str = "errors.deadletterqueue.auto.create.topics.enable";
const PREFIX: &str = "errors.deadletterqueue.topic.name.prefix";

/// A value of this broker as it stands now.
fn of_broker(image: &MetadataImage, (node_id, config): (i32, &StaticConfig), name: &str) -> String {
    let value = |layers: &BrokerLayers<'_>| broker_key(name).and_then(|key| layers.broker(key).value);
    with_layers(&image.configs, node_id, &config.values, value).unwrap_or_default().trim().to_owned()
}

/// Why nothing may be written to that topic, in Kafka's words; asked by a node with its configuration.
pub(crate) fn refusal(
    image: &MetadataImage,
    by: (i32, &StaticConfig),
    group: &str,
    topic: &str,
) -> Option<String> {
    let exists = image.topics.by_name(topic).is_some();
    let is_enabled =
        || image.configs.of_topic(topic).get(GROUP_ENABLE).is_some_and(|value| value.trim() == "true");
    let prefix = of_broker(image, by, PREFIX);
    let creates = || of_broker(image, by, AUTO_CREATE) == "true";
    if topic.starts_with("__") {
        let what = "cannot start with __";
        Some(format!("Configured DLQ topic name in share group: {group} {what}, topic: {topic}."))
    } else if exists && !is_enabled() {
        let what = "DLQ is not enabled on configured DLQ topic";
        Some(format!("{what} for share group: {group}, topic: {topic}."))
    } else if !exists && !creates() {
        let what = "DLQ topic does not exist and auto create is disabled on cluster";
        Some(format!("{what} for share group: {group}, topic: {topic}."))
    } else if !topic.starts_with(&prefix) {
        let what = "Configured DLQ topic name does not comply with the DLQ topic prefix";
        Some(format!("{what} in share group: {group}, topic: {topic}, prefix: {prefix}"))
    } else if wire::topic::validate_name(topic).is_err() {
        // Nobody could make it.
        Some(format!("Configured DLQ topic name in share group: {group} is no name of a topic: {topic}."))
    } else {
        None
    }
}

/// What the controller is asked to create where the topic is not there.
pub(crate) fn creation_of(topic: &Str, config: &StaticConfig) -> CreatableTopic {
    let set = |(name, value)| CreatableTopicConfig {
        name: Str::from_static(name),
        value: Some(Str::from_static(value)),
    };
    CreatableTopic {
        name: topic.clone(),
        num_partitions: config.num_partitions,
        replication_factor: config.default_replication_factor,
        // The times are those of the writing: retention goes by them.
        configs: [(GROUP_ENABLE, "true"), ("message.timestamp.type", "CreateTime")].map(set).into(),
        ..CreatableTopic::default()
    }
}

/// Where dead letters come from.
pub(crate) struct Origin<'a> {
    pub group: &'a str,
    pub topic: &'a str,
    pub partition: i32,
}

/// What a batch has besides its records, and a record besides its bytes, at most.
const BATCH_OVERHEAD: usize = 61;
const RECORD_OVERHEAD: usize = 40;
const HEADER_OVERHEAD: usize = 10;

/// A batch of dead letters from `first` to at most `last`, as many as fit into `max_bytes`, one at least; and the last offset that is in it.
/// Records that are not known go without key and value.
///
/// DIVERGES: with the record its own headers are copied (Kafka 4.4.0 leaves them behind, later ones do not): without them it could not be
/// written back as it was.
pub(crate) fn batch(
    origin: &Origin<'_>,
    letters: &DeadLetters,
    (first, last): (i64, i64),
    known: &BTreeMap<i64, Record>,
    max_bytes: usize,
    wall_ms: i64,
) -> (Bytes, i64) {
    let mut builder = RecordBatchBuilder::new(BatchAttributes::default());
    let (mut size, mut included) = (BATCH_OVERHEAD, first);
    for offset in first..=last {
        let record = known.get(&offset);
        let own = record.map(|record| record.headers.clone()).unwrap_or_default();
        let headers: Vec<RecordHeader> = own.into_iter().chain(headers(origin, letters, offset)).collect();
        let (key, value) = record.map_or((None, None), |one| (one.key.as_deref(), one.value.as_deref()));
        let of_header = |header: &RecordHeader| {
            header.key.len() + header.value.as_ref().map_or(0, Bytes::len) + HEADER_OVERHEAD
        };
        let bytes = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
        size += RECORD_OVERHEAD + bytes + headers.iter().map(of_header).sum::<usize>();
        if size > max_bytes && offset > first {
            break;
        }
        builder.append(wall_ms, key, value, &headers);
        included = offset;
    }
    (builder.build(), included)
}

fn headers(origin: &Origin<'_>, letters: &DeadLetters, offset: i64) -> [RecordHeader; 6] {
    let cause = match letters.cause {
        Cause::Rejected => "Offset rejected by client.",
        Cause::TooOften => "Offset delivery count exceeded the threshold.",
    };
    let texts = [
        ("__dlq.errors.topic", origin.topic.to_owned()),
        ("__dlq.errors.partition", origin.partition.to_string()),
        ("__dlq.errors.offset", offset.to_string()),
        ("__dlq.errors.group", origin.group.to_owned()),
        ("__dlq.errors.delivery.count", letters.delivery_count.to_string()),
        ("__dlq.errors.message", cause.to_owned()),
    ];
    texts.map(|(key, value)| RecordHeader {
        key: Bytes::from_static(key.as_bytes()),
        value: Some(Bytes::from(value)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::compress::DecompressLimit;
    use wire::record_batch::RecordBatch;

    const LETTERS: DeadLetters =
        DeadLetters { first_offset: 5, last_offset: 7, delivery_count: 3, cause: Cause::Rejected };
    const ORIGIN: Origin<'_> = Origin { group: "g", topic: "t", partition: 2 };

    fn spelled(batch: Bytes) -> Vec<String> {
        let batch = RecordBatch::parse(batch).expect("a batch");
        let records = batch.records(DecompressLimit::default()).expect("readable");
        let text = |bytes: &Option<Bytes>| {
            bytes.as_ref().map_or("-".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        let one = |record: Record| {
            let headers: Vec<String> = record
                .headers
                .iter()
                .map(|one| format!("{}={}", text(&Some(one.key.clone())), text(&one.value)))
                .collect();
            format!("{} {} {}", text(&record.key), text(&record.value), headers.join(" "))
        };
        records.map(|record| one(record.expect("readable"))).collect()
    }

    fn known(value: &'static [u8]) -> BTreeMap<i64, Record> {
        let header = RecordHeader { key: Bytes::from_static(b"own"), value: None };
        let record = Record {
            offset: 6,
            timestamp: 1,
            key: Some(Bytes::from_static(b"k")),
            value: Some(Bytes::from_static(value)),
            headers: vec![header],
        };
        BTreeMap::from([(6, record)])
    }

    #[test]
    fn a_dead_letter_says_where_it_comes_from_and_why() {
        let (batch, last) = batch(&ORIGIN, &LETTERS, (5, 7), &known(b"v"), 10_000, 100);
        assert_eq!(last, 7);
        let told = |offset: i64| {
            format!(
                "__dlq.errors.topic=t __dlq.errors.partition=2 __dlq.errors.offset={offset} __dlq.errors.group=g __dlq.errors.delivery.count=3 __dlq.errors.message=Offset rejected by client."
            )
        };
        let expected =
            [format!("- - {}", told(5)), format!("k v own=- {}", told(6)), format!("- - {}", told(7))];
        assert_eq!(spelled(batch), expected);
    }

    #[test]
    fn what_does_not_fit_follows_and_one_goes_at_least() {
        static LONG: [u8; 2_000] = [b'x'; 2_000];
        let (batch, last) = super::batch(&ORIGIN, &LETTERS, (5, 7), &known(&LONG), 1_500, 100);
        assert_eq!((spelled(batch).len(), last), (1, 5));
        let (batch, last) = super::batch(&ORIGIN, &LETTERS, (6, 7), &known(&LONG), 1_500, 100);
        assert_eq!((spelled(batch).len(), last), (1, 6));
        assert_eq!(super::batch(&ORIGIN, &LETTERS, (7, 7), &BTreeMap::new(), 0, 100).1, 7);
    }
}
