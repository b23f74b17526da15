//! Topics, partitions and groups in the names of kafka_exporter, and lag in those of kafka-lag-exporter. Those read a whole cluster; here
//! each broker tells of what it leads and of the groups that it coordinates, so that all brokers together tell everything once.

use super::Sight;
use crate::metrics::groups::{Lag, Position};
use crate::metrics::partitions::OwnPartition;
use crate::metrics::text::{Kind, Text};

use Kind::Gauge;

/// Everything that kafka_exporter has.
pub(crate) fn write(text: &mut Text, sight: &Sight<'_>) {
    let brokers = sight.inventory.cluster.active_brokers;
    text.one("kafka_brokers", Gauge, "Number of Brokers in the Kafka Cluster.", brokers);
    if text.family("kafka_topic_partitions", Gauge, "Number of partitions for this Topic") {
        for topic in sight.inventory.topics.iter().filter(|topic| topic.is_told_here).take(sight.most) {
            text.sample(&[("topic", &topic.name)], topic.partitions);
        }
    }
    let offsets = |partition: &OwnPartition, of: fn(crate::views::Extent) -> i64| partition.extent.map(of);
    let mut of_led = |name: &str, help: &str, value: &dyn Fn(&OwnPartition) -> Option<i64>| {
        if !text.family(name, Gauge, help) {
            return;
        }
        for (topic, partition) in sight.led() {
            if let Some(value) = value(partition) {
                text.sample(&[("topic", &topic.name), ("partition", &partition.partition)], value);
            }
        }
    };
    of_led(
        "kafka_topic_partition_current_offset",
        "Current Offset of a Broker at Topic/Partition",
        &|partition| offsets(partition, |extent| extent.high_watermark),
    );
    of_led(
        "kafka_topic_partition_oldest_offset",
        "Oldest Offset of a Broker at Topic/Partition",
        &|partition| offsets(partition, |extent| extent.log_start_offset),
    );
    of_led(
        "kafka_topic_partition_in_sync_replica",
        "Number of In-Sync Replicas for this Topic/Partition",
        &|partition| Some(partition.image.isr.len() as i64),
    );
    of_led("kafka_topic_partition_leader", "Leader Broker ID of this Topic/Partition", &|partition| {
        Some(i64::from(partition.image.leader))
    });
    of_led(
        "kafka_topic_partition_leader_is_preferred",
        "1 if Topic/Partition is using the Preferred Broker",
        &|partition| Some(i64::from(partition.image.has_preferred_leader())),
    );
    of_led("kafka_topic_partition_replicas", "Number of Replicas for this Topic/Partition", &|partition| {
        Some(partition.image.replicas.len() as i64)
    });
    of_led(
        "kafka_topic_partition_under_replicated_partition",
        "1 if Topic/Partition is under Replicated",
        &|partition| Some(i64::from(partition.is_under_replicated())),
    );
    groups(text, sight);
}

fn groups(text: &mut Text, sight: &Sight<'_>) {
    if text.family("kafka_consumergroup_members", Gauge, "Amount of members in a consumer group") {
        for group in sight.groups.groups.iter().take(sight.most) {
            text.sample(&[("consumergroup", &group.group_id)], group.members);
        }
    }
    let names = ["consumergroup", "topic", "partition"];
    positions(
        text,
        sight,
        ("kafka_consumergroup_current_offset", "Current Offset of a ConsumerGroup at Topic/Partition"),
        names,
        |position| Some(position.committed as f64),
    );
    positions(
        text,
        sight,
        ("kafka_consumergroup_lag", "Current Approximate Lag of a ConsumerGroup at Topic/Partition"),
        names,
        |position| position.lag.map(|lag| lag.records as f64),
    );
    positions(
        text,
        sight,
        (
            "kafka_consumergroup_lag_seconds",
            "Age of the first record that a ConsumerGroup has not read at Topic/Partition",
        ),
        names,
        |position| position.lag.and_then(|lag| lag.seconds),
    );
    let labels = ["consumergroup", "topic"];
    let sum = (
        "kafka_consumergroup_current_offset_sum",
        "Current Offset of a ConsumerGroup at Topic for all partitions",
    );
    by_topic(text, sight, sum, labels, |all| all.iter().map(|one| one.committed as f64).sum());
    let sum = (
        "kafka_consumergroup_lag_sum",
        "Current Approximate Lag of a ConsumerGroup at Topic for all partitions",
    );
    by_topic(text, sight, sum, labels, |all| {
        all.iter().filter_map(|one| one.lag).map(|lag| lag.records as f64).sum()
    });
}

/// Everything that kafka-lag-exporter has, but what it guesses.
pub(crate) fn write_lag(text: &mut Text, sight: &Sight<'_>) {
    let cluster = sight.node.cluster_id();
    let mut of_led = |name: &str, help: &str, value: fn(crate::views::Extent) -> i64| {
        if !text.family(name, Gauge, help) {
            return;
        }
        for (topic, partition) in sight.led() {
            let Some(extent) = partition.extent else { continue };
            let labels: [(&str, &dyn std::fmt::Display); 3] =
                [("cluster_name", &cluster), ("topic", &topic.name), ("partition", &partition.partition)];
            text.sample(&labels, value(extent));
        }
    };
    of_led("kafka_partition_latest_offset", "Latest offset of a partition", |extent| extent.high_watermark);
    of_led("kafka_partition_earliest_offset", "Earliest offset of a partition", |extent| {
        extent.log_start_offset
    });
    let names = ["group", "topic", "partition"];
    let family = ("kafka_consumergroup_group_offset", "Last group consumed offset of a partition");
    positions(text, sight, family, names, |position| Some(position.committed as f64));
    let family = ("kafka_consumergroup_group_lag", "Group offset lag of a partition");
    positions(text, sight, family, names, |position| position.lag.map(|lag| lag.records as f64));
    let family = ("kafka_consumergroup_group_lag_seconds", "Group time lag of a partition");
    positions(text, sight, family, names, |position| position.lag.and_then(|lag| lag.seconds));
    let most = |value: fn(&Lag) -> f64| {
        move |all: &[&Position]| all.iter().filter_map(|one| one.lag.as_ref()).map(value).fold(0.0, f64::max)
    };
    let family = ("kafka_consumergroup_group_max_lag", "Max group offset lag");
    by_group(text, sight, family, most(|lag| lag.records as f64));
    let family = ("kafka_consumergroup_group_max_lag_seconds", "Max group time lag");
    by_group(text, sight, family, most(|lag| lag.seconds.unwrap_or(0.0)));
}

fn positions(
    text: &mut Text,
    sight: &Sight<'_>,
    (name, help): (&str, &str),
    [group_label, topic_label, partition_label]: [&str; 3],
    value: impl Fn(&Position) -> Option<f64>,
) {
    if !text.family(name, Gauge, help) {
        return;
    }
    for position in &sight.groups.positions {
        let Some(group) = sight.groups.groups.get(position.group) else { continue };
        if let Some(value) = value(position) {
            let labels: [(&str, &dyn std::fmt::Display); 3] = [
                (group_label, &group.group_id),
                (topic_label, &position.topic),
                (partition_label, &position.partition),
            ];
            text.sample(&labels, value);
        }
    }
}

/// Positions stand group by group, topic by topic.
fn by_topic(
    text: &mut Text,
    sight: &Sight<'_>,
    (name, help): (&str, &str),
    [group_label, topic_label]: [&str; 2],
    value: impl Fn(&[Position]) -> f64,
) {
    if !text.family(name, Gauge, help) {
        return;
    }
    let is_same = |one: &Position, other: &Position| one.group == other.group && one.topic == other.topic;
    for all in sight.groups.positions.chunk_by(is_same) {
        let Some(first) = all.first() else { continue };
        let Some(group) = sight.groups.groups.get(first.group) else { continue };
        text.sample(&[(group_label, &group.group_id), (topic_label, &first.topic)], value(all));
    }
}

fn by_group(
    text: &mut Text,
    sight: &Sight<'_>,
    (name, help): (&str, &str),
    value: impl Fn(&[&Position]) -> f64,
) {
    if !text.family(name, Gauge, help) {
        return;
    }
    for all in sight.groups.positions.chunk_by(|one, other| one.group == other.group) {
        let Some(group) = all.first().and_then(|first| sight.groups.groups.get(first.group)) else {
            continue;
        };
        let all: Vec<&Position> = all.iter().collect();
        text.sample(&[("cluster_name", &sight.node.cluster_id()), ("group", &group.group_id)], value(&all));
    }
}
