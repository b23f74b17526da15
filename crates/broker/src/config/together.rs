//! Rules that span several keys of a broker's file, in Kafka's own sentences (KafkaConfig, GroupCoordinatorConfig,
//! ShareGroupConfig). Single keys are checked by their rows; roles and listeners by whoever binds.

use super::{BrokerFile, list};
use std::collections::BTreeSet;

/// Below or at, key against key.
const AT_MOST: &[(&str, &str)] = &[
    ("group.consumer.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms"),
    ("group.consumer.session.timeout.ms", "group.consumer.max.session.timeout.ms"),
    ("group.consumer.assignment.interval.ms", "group.consumer.max.assignment.interval.ms"),
    ("group.share.heartbeat.interval.ms", "group.share.max.heartbeat.interval.ms"),
    ("group.share.session.timeout.ms", "group.share.max.session.timeout.ms"),
    ("group.share.assignment.interval.ms", "group.share.max.assignment.interval.ms"),
    ("group.streams.heartbeat.interval.ms", "group.streams.max.heartbeat.interval.ms"),
    ("group.streams.session.timeout.ms", "group.streams.max.session.timeout.ms"),
    ("group.streams.assignment.interval.ms", "group.streams.max.assignment.interval.ms"),
    ("group.streams.num.standby.replicas", "group.streams.max.standby.replicas"),
    ("group.streams.num.warmup.replicas", "group.streams.max.warmup.replicas"),
];

/// Above or at, key against key.
const AT_LEAST: &[(&str, &str)] = &[
    ("group.consumer.max.heartbeat.interval.ms", "group.consumer.min.heartbeat.interval.ms"),
    ("group.consumer.heartbeat.interval.ms", "group.consumer.min.heartbeat.interval.ms"),
    ("group.consumer.max.session.timeout.ms", "group.consumer.min.session.timeout.ms"),
    ("group.consumer.session.timeout.ms", "group.consumer.min.session.timeout.ms"),
    ("group.consumer.max.assignment.interval.ms", "group.consumer.min.assignment.interval.ms"),
    ("group.consumer.assignment.interval.ms", "group.consumer.min.assignment.interval.ms"),
    ("group.share.max.heartbeat.interval.ms", "group.share.min.heartbeat.interval.ms"),
    ("group.share.heartbeat.interval.ms", "group.share.min.heartbeat.interval.ms"),
    ("group.share.max.session.timeout.ms", "group.share.min.session.timeout.ms"),
    ("group.share.session.timeout.ms", "group.share.min.session.timeout.ms"),
    ("group.share.max.assignment.interval.ms", "group.share.min.assignment.interval.ms"),
    ("group.share.assignment.interval.ms", "group.share.min.assignment.interval.ms"),
    ("group.share.max.delivery.count.limit", "group.share.delivery.count.limit"),
    ("group.share.delivery.count.limit", "group.share.min.delivery.count.limit"),
    ("group.share.max.record.lock.duration.ms", "group.share.record.lock.duration.ms"),
    ("group.share.record.lock.duration.ms", "group.share.min.record.lock.duration.ms"),
    ("group.share.max.partition.max.record.locks", "group.share.partition.max.record.locks"),
    ("group.share.partition.max.record.locks", "group.share.min.partition.max.record.locks"),
    ("group.streams.max.heartbeat.interval.ms", "group.streams.min.heartbeat.interval.ms"),
    ("group.streams.heartbeat.interval.ms", "group.streams.min.heartbeat.interval.ms"),
    ("group.streams.max.session.timeout.ms", "group.streams.min.session.timeout.ms"),
    ("group.streams.session.timeout.ms", "group.streams.min.session.timeout.ms"),
    ("group.streams.max.assignment.interval.ms", "group.streams.min.assignment.interval.ms"),
    ("group.streams.assignment.interval.ms", "group.streams.min.assignment.interval.ms"),
    ("group.streams.task.offset.interval.ms", "group.streams.min.task.offset.interval.ms"),
];

/// Strictly below, key against key.
const BELOW: &[(&str, &str)] = &[
    ("group.consumer.heartbeat.interval.ms", "group.consumer.session.timeout.ms"),
    ("group.share.heartbeat.interval.ms", "group.share.session.timeout.ms"),
    ("group.streams.heartbeat.interval.ms", "group.streams.session.timeout.ms"),
];

/// A cleaner's part of `log.cleaner.dedupe.buffer.size` must be more than this.
const DEDUPE_BYTES_PER_CLEANER: i64 = 1024 * 1024;

/// Kafka's codecs: none, gzip, snappy, lz4, zstd.
const CODECS: std::ops::RangeInclusive<i64> = 0..=4;

/// The first rule that the file breaks.
pub fn check_together(file: &BrokerFile) -> Result<(), String> {
    check_times(file)?;
    check_groups(file)?;
    for key in ["offsets.topic.compression.codec", "share.coordinator.state.topic.compression.codec"] {
        let codec = file.number(key);
        if !CODECS.contains(&codec) {
            return Err(format!("Unknown compression type id: {codec}"));
        }
    }
    if file.number("log.cleaner.dedupe.buffer.size")
        <= file.number("log.cleaner.threads").saturating_mul(DEDUPE_BYTES_PER_CLEANER)
    {
        return Err("log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.".to_owned());
    }
    if file.flag("controller.quorum.auto.join.enable") && !file.list("process.roles").contains(&"controller")
    {
        return Err("controller.quorum.auto.join.enable is only supported when process.roles contains the \
                    'controller' role."
            .to_owned());
    }
    Ok(())
}

fn check_times(file: &BrokerFile) -> Result<(), String> {
    let refused = |is_wrong: bool, why: &str| if is_wrong { Err(why.to_owned()) } else { Ok(()) };
    let set = |key: &str, least: i64| file.optional_number(key).is_some_and(|value| value < least);
    refused(set("log.roll.ms", 1), "log.roll.ms must be greater than or equal to 1")?;
    refused(set("log.roll.jitter.ms", 0), "log.roll.jitter.ms must be greater than or equal to 0")?;
    // The strongest that is set; each of them may be negative for "no limit".
    let retention = ["log.retention.ms", "log.retention.minutes", "log.retention.hours"];
    refused(
        retention.iter().find_map(|key| file.optional_number(key)) == Some(0),
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
    )?;
    let wait = file.number("replica.fetch.wait.max.ms");
    refused(
        wait > file.number("replica.socket.timeout.ms"),
        "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket \
         timeouts",
    )?;
    refused(
        wait > file.number("replica.lag.time.max.ms"),
        "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent \
         changes in ISR",
    )
}

fn check_groups(file: &BrokerFile) -> Result<(), String> {
    if !file.list("group.coordinator.rebalance.protocols").contains(&"classic") {
        return Err("Disabling the 'classic' protocol is not supported.".to_owned());
    }
    for (key, bound) in AT_LEAST {
        if file.number(key) < file.number(bound) {
            return Err(format!("{key} must be greater than or equal to {bound}"));
        }
    }
    for (key, bound) in AT_MOST {
        if file.number(key) > file.number(bound) {
            return Err(format!("{key} must be less than or equal to {bound}"));
        }
    }
    for (key, bound) in BELOW {
        if file.number(key) >= file.number(bound) {
            return Err(format!("{key} must be less than {bound}"));
        }
    }
    // As it is written: the list itself would forget the second.
    let tags = list(file.text("group.streams.rack.aware.assignment.tags").unwrap_or_default());
    if tags.iter().collect::<BTreeSet<_>>().len() < tags.len() {
        return Err(
            "group.streams.rack.aware.assignment.tags must not contain duplicate tag keys.".to_owned()
        );
    }
    Ok(())
}
