//! What nobody else tells: the process in Prometheus' own names, what was left out of this scrape, and times as native histograms would be
//! too many.

use super::Sight;
use crate::metrics::text::{Kind, Text};
use crate::quotas::Measured;

use Kind::{Counter, Gauge};

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
    quotas(text, sight);
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
