//! What nobody else tells: the process in Prometheus' own names, what was left out of this scrape, and times as native histograms would be
//! too many.

use std::collections::BTreeMap;
use std::fmt::Display;

use log::DiskSpace;

use super::Sight;
use crate::metrics::text::{Kind, Text};
use crate::quotas::Measured;
use crate::telemetry::shown::{Figure, WHOSE};

use Kind::{Counter, Gauge};

/// What clients have pushed of themselves (KIP-714), family by family. A name is a counter or a gauge for all of them: what the first says.
fn clients(text: &mut Text, sight: &Sight<'_>) {
    let telemetry = sight.node.telemetry();
    let (clients, not_kept) = telemetry.shown(sight.node.latest_ms());
    let help = "Clients that have asked what they are to push of themselves.";
    text.one("ottla_client_telemetry_instances", Gauge, help, telemetry.instances());
    let mut families: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    let (mut told, mut left_out) = (0, 0);
    for client in &clients {
        for ((name, labels), figure) in &client.figures {
            let family = families.entry(name.as_str()).or_default();
            let is_alike = family
                .first()
                .is_none_or(|(_, _, first): &(_, _, &Figure)| first.is_counter == figure.is_counter);
            if told >= sight.most || !is_alike {
                left_out += 1;
                continue;
            }
            told += 1;
            family.push((&client.whose, labels, figure));
        }
    }
    let help = "Figures that clients pushed and that are not told: too many, or no gauge and no sum.";
    text.one("ottla_client_telemetry_left_out_total", Counter, help, not_kept);
    let help = "Series of clients that metrics.partition.limit keeps out of this scrape.";
    text.one("ottla_client_telemetry_left_out_now", Gauge, help, left_out);
    for (name, family) in families {
        let Some((_, _, first)) = family.first() else { continue };
        let kind = if first.is_counter { Counter } else { Gauge };
        if !text.family(name, kind, "Pushed by clients (KIP-714).") {
            continue;
        }
        for (whose, labels, figure) in family {
            let [instance, id, software, version] = WHOSE;
            let mut all: Vec<(&str, &dyn Display)> = vec![
                (instance, &whose.client_instance_id),
                (id, &whose.client_id),
                (software, &whose.software_name),
                (version, &whose.software_version),
            ];
            all.extend(labels.iter().map(|(label, value)| (label.as_str(), value as &dyn Display)));
            text.sample(&all, figure.value);
        }
    }
}

/// What clients have used of their quotas on this broker, as Kafka's `byte-rate`, `request-time` and `throttle-time` tell it.
fn quotas(text: &mut Text, sight: &Sight<'_>) {
    let measured = sight.node.quotas().measured(sight.node.latest_ms());
    let mut told = |name: &str, kind: Kind, help: &str, value: &dyn Fn(&Measured) -> f64| {
        if !text.family(name, kind, help) {
            return;
        }
        for one in measured.iter().take(sight.most) {
            let (quota, who) = (one.kind.key(), &one.who);
            text.sample(&[("quota", &quota), ("user", &who.user), ("client_id", &who.client_id)], value(one));
        }
    };
    told(
        "ottla_client_quota_rate",
        Gauge,
        "What clients use of a quota, in its unit: bytes a second, or percent of a thread.",
        &|one| one.per_second,
    );
    told(
        "ottla_client_quota_throttle_seconds_total",
        Counter,
        "For how long clients were told to wait because of a quota.",
        &|one| one.throttled_ms as f64 / 1_000.0,
    );
    told(
        "ottla_client_quota_throttles_total",
        Counter,
        "How often clients were told to wait because of a quota.",
        &|one| one.throttles as f64,
    );
}

/// Room on the disks: what a dashboard of Kafka has to ask the machine for. A directory that is offline has none to tell.
fn directories(text: &mut Text, sight: &Sight<'_>) {
    let online = sight.node.directories().iter().filter(|directory| !directory.is_failed());
    let spaces = online.filter_map(|one| Some((one.log.path().display().to_string(), one.log.space().ok()?)));
    let spaces: Vec<_> = spaces.collect();
    let mut told = |name: &str, help: &str, bytes: &dyn Fn(&DiskSpace) -> u64| {
        if text.family(name, Gauge, help) {
            spaces.iter().for_each(|(path, space)| text.sample(&[("directory", path)], bytes(space)));
        }
    };
    let help = "Bytes that may still be written to the disk of a log directory.";
    told("ottla_log_directory_usable_bytes", help, &|space| space.available_bytes);
    told("ottla_log_directory_total_bytes", "Bytes of the disk of a log directory.", &|space| {
        space.total_bytes
    });
}

/// Everything of ours.
pub(crate) fn write(text: &mut Text, sight: &Sight<'_>) {
    let rim = sight.rim;
    text.one(
        "process_cpu_seconds_total",
        Counter,
        "Total user and system CPU time spent in seconds.",
        rim.cpu_seconds,
    );
    text.one("process_resident_memory_bytes", Gauge, "Resident memory size in bytes.", rim.resident_bytes);
    text.one("process_virtual_memory_bytes", Gauge, "Virtual memory size in bytes.", rim.virtual_bytes);
    text.one("process_open_fds", Gauge, "Number of open file descriptors.", rim.open_descriptors);
    text.one("process_max_fds", Gauge, "Maximum number of open file descriptors.", rim.descriptors_max);
    text.one("process_threads", Gauge, "Number of threads of the process.", rim.threads);
    text.one(
        "process_start_time_seconds",
        Gauge,
        "Start time of the process since unix epoch in seconds.",
        rim.started_seconds,
    );
    let help = "When the certificate that a listener shows ends, in seconds since unix epoch.";
    if !rim.certificates.is_empty() && text.family("ottla_tls_certificate_expiry_seconds", Gauge, help) {
        for (listener, ends) in &rim.certificates {
            text.sample(&[("listener", listener)], ends);
        }
    }
    let is_ready = u8::from(sight.node.is_ready());
    text.one("ottla_ready", Gauge, "1 once the node is registered, caught up and unfenced.", is_ready);
    if text.family(
        "ottla_metrics_left_out",
        Gauge,
        "Series that metrics.partition.limit keeps out of this scrape, by what they are of.",
    ) {
        let partitions = sight.inventory.partitions.len().saturating_sub(sight.most);
        let groups = sight.groups.groups.len().saturating_sub(sight.most);
        text.sample(&[("of", &"partitions")], partitions);
        text.sample(&[("of", &"groups")], groups);
        text.sample(&[("of", &"group_positions")], sight.groups.left_out);
    }
    directories(text, sight);
    quotas(text, sight);
    clients(text, sight);
    if text.family(
        "ottla_group_info",
        Gauge,
        "Groups that this broker coordinates, with their type and state.",
    ) {
        for group in sight.groups.groups.iter().take(sight.most) {
            text.sample(
                &[("group", &group.group_id), ("type", &group.group_type), ("state", &group.state)],
                1,
            );
        }
    }
}
