//! Kafka's MBeans in the names that the JMX exporter gives them by the rules in common use: meters are counters with `_total` behind them,
//! histograms have quantiles and a `_count`. What has no counterpart here is left out: a number that nobody measured would be a lie.

use std::fmt::Display;

use super::Sight;
use crate::metrics::partitions::{OwnPartition, OwnTopic};
use crate::metrics::requests::Part;
use crate::metrics::text::{Kind, Text};
use crate::metrics::traffic::Passed;

use Kind::{Counter, Gauge, Summary};

/// Everything of Kafka's that there is.
pub(crate) fn write(text: &mut Text, sight: &Sight<'_>) {
    topics(text, sight);
    requests(text, sight);
    replicas(text, sight);
    logs(text, sight);
    server(text, sight);
    groups(text, sight);
    quorum(text, sight);
    if sight.node.has_controller() {
        controller(text, sight);
    }
}

/// A meter of `BrokerTopicMetrics`: of all topics without a label, then of each topic that it ever counted for.
fn topics(text: &mut Text, sight: &Sight<'_>) {
    let mut meter = |name: &str, help: &str, of: fn(&Passed) -> u64| {
        let name = format!("kafka_server_brokertopicmetrics_{name}_total");
        if !text.family(&name, Counter, help) {
            return;
        }
        text.sample(&[], of(sight.passed));
        let used = |topic: &&OwnTopic| !topic.passed.is_nothing();
        for topic in sight.inventory.topics.iter().filter(used).take(sight.most) {
            text.sample(&[("topic", &topic.name)], of(&topic.passed));
        }
    };
    meter("messagesin", "Records appended by producers.", |passed| passed.records_in);
    meter("bytesin", "Bytes of records appended by producers.", |passed| passed.bytes_in);
    meter("bytesout", "Bytes of records sent to consumers.", |passed| passed.bytes_out);
    meter("totalproducerequests", "Partitions that were produced to, counted by request.", |passed| {
        passed.produces
    });
    meter("failedproducerequests", "Those of them that were refused.", |passed| passed.failed_produces);
    meter("totalfetchrequests", "Partitions that consumers fetched from, counted by request.", |passed| {
        passed.fetches
    });
    meter("failedfetchrequests", "Those of them that were refused.", |passed| passed.failed_fetches);
    let mut sum = |name: &str, help: &str, value: u64| {
        text.one(&format!("kafka_server_brokertopicmetrics_{name}_total"), Counter, help, value);
    };
    sum("replicationbytesin", "Bytes of records taken from leaders.", sight.passed.replication_bytes_in);
    sum("replicationbytesout", "Bytes of records sent to followers.", sight.passed.replication_bytes_out);
}

/// `RequestMetrics`.
fn requests(text: &mut Text, sight: &Sight<'_>) {
    if text.family("kafka_network_requestmetrics_requests_total", Counter, "Requests answered.") {
        for (name, times) in &sight.totals.apis {
            for (version, count) in &times.versions {
                text.sample(&[("request", name), ("version", version)], count);
            }
        }
    }
    let help = |part| match part {
        Part::Total => ("totaltimems", "Time from a request's arrival to its answer, milliseconds."),
        Part::RequestQueue => ("requestqueuetimems", "Time until its turn came, milliseconds."),
        Part::Local => ("localtimems", "Time that the node worked on it, milliseconds."),
        Part::Remote => ("remotetimems", "Time that it waited for records, replicas or disks, milliseconds."),
    };
    for (at, part) in Part::ALL.into_iter().enumerate() {
        let (name, help) = help(part);
        if !text.family(&format!("kafka_network_requestmetrics_{name}"), Summary, help) {
            continue;
        }
        for (name, times) in &sight.totals.apis {
            let recent = sight.recent.api(name).unwrap_or(times);
            let recent = if recent.times[at].count() > 0 { recent } else { times };
            for (quantile, share) in QUANTILES {
                if let Some(value) = recent.times[at].quantile_ms(*share) {
                    // No clock here tells less than a microsecond.
                    let value = (value * 1_000.0).round() / 1_000.0;
                    text.sample(&[("request", name), ("quantile", quantile)], value);
                }
            }
            text.sample_of("_count", &[("request", name)], times.count());
        }
    }
}

/// Those of Kafka's histograms.
const QUANTILES: &[(&str, f64)] =
    &[("0.50", 0.5), ("0.75", 0.75), ("0.95", 0.95), ("0.98", 0.98), ("0.99", 0.99), ("0.999", 0.999)];

/// `ReplicaManager` and `Partition`.
fn replicas(text: &mut Text, sight: &Sight<'_>) {
    let mut gauge = |name: &str, help: &str, value: usize| {
        text.one(&format!("kafka_server_replicamanager_{name}"), Gauge, help, value);
    };
    gauge("leadercount", "Partitions that this broker leads.", sight.count(|one| one.is_led));
    gauge("partitioncount", "Partitions with a replica on this broker.", sight.count(|_| true));
    let is_under = |one: &OwnPartition| one.is_led && one.is_under_replicated();
    gauge("underreplicatedpartitions", "Led partitions that lack in-sync replicas.", sight.count(is_under));
    let is_under = |one: &OwnPartition| one.is_led && one.is_under_min_isr();
    let help = "Led partitions with less than min.insync.replicas in sync.";
    gauge("underminisrpartitioncount", help, sight.count(is_under));
    let is_at = |one: &OwnPartition| one.is_led && one.is_at_min_isr();
    let help = "Led partitions with just min.insync.replicas in sync.";
    gauge("atminisrpartitioncount", help, sight.count(is_at));
    let help = "Replicas here whose log directory is offline.";
    gauge("offlinereplicacount", help, sight.inventory.offline_replicas);
    let is_moving = |one: &OwnPartition| one.is_led && one.image.is_reassigning();
    gauge("reassigningpartitions", "Led partitions that are being reassigned.", sight.count(is_moving));
    let [shrinks, expands, _] = sight.node.figures().of_images();
    let mut meter = |name: &str, help: &str, value: u64| {
        text.one(&format!("kafka_server_replicamanager_{name}_total"), Counter, help, value);
    };
    meter("isrshrinks", "Times that an in-sync set of a led partition lost members.", shrinks);
    meter("isrexpands", "Times that an in-sync set of a led partition gained members.", expands);
    let mut of_led = |name: &str, help: &str, value: fn(&OwnPartition) -> usize| {
        per_partition(text, sight.led(), &format!("kafka_cluster_partition_{name}"), help, |one| {
            Some(value(one))
        });
    };
    of_led("underreplicated", "1 if the partition lacks in-sync replicas.", |one| {
        usize::from(one.is_under_replicated())
    });
    of_led("underminisr", "1 if less than min.insync.replicas are in sync.", |one| {
        usize::from(one.is_under_min_isr())
    });
    of_led("atminisr", "1 if just min.insync.replicas are in sync.", |one| usize::from(one.is_at_min_isr()));
    of_led("insyncreplicascount", "In-sync replicas.", |one| one.image.isr.len());
    of_led("replicascount", "Replicas.", |one| one.image.replicas.len());
}

fn per_partition<'a, V: Display>(
    text: &mut Text,
    partitions: impl Iterator<Item = (&'a OwnTopic, &'a OwnPartition)>,
    name: &str,
    help: &str,
    value: impl Fn(&OwnPartition) -> Option<V>,
) {
    if !text.family(name, Gauge, help) {
        return;
    }
    for (topic, partition) in partitions {
        if let Some(value) = value(partition) {
            text.sample(&[("topic", &topic.name), ("partition", &partition.partition)], value);
        }
    }
}

/// `Log` and `LogManager`.
fn logs(text: &mut Text, sight: &Sight<'_>) {
    let mut of_log = |name: &str, help: &str, value: fn(crate::views::Extent) -> i64| {
        per_partition(text, sight.partitions(), &format!("kafka_log_log_{name}"), help, |one| {
            one.extent.map(value)
        });
    };
    of_log("size", "Bytes of all segments.", |extent| i64::try_from(extent.size_bytes).unwrap_or(i64::MAX));
    of_log("logstartoffset", "The first offset that is there.", |extent| extent.log_start_offset);
    of_log("logendoffset", "The offset that the next record gets.", |extent| extent.log_end_offset);
    of_log("numlogsegments", "Segments.", |extent| i64::try_from(extent.segments).unwrap_or(i64::MAX));
    let offline = sight.node.directories().iter().filter(|directory| directory.is_failed()).count();
    let help = "Log directories that are offline.";
    text.one("kafka_log_logmanager_offlinelogdirectorycount", Gauge, help, offline);
}

/// `KafkaServer`, `SocketServer` and what waits.
fn server(text: &mut Text, sight: &Sight<'_>) {
    // Kafka's numbers for them.
    const STARTING: u8 = 1;
    const RUNNING: u8 = 3;
    const LEAVING: u8 = 6;
    let state = match (sight.node.is_leaving(), sight.node.is_ready()) {
        (true, _) => LEAVING,
        (false, true) => RUNNING,
        (false, false) => STARTING,
    };
    text.one("kafka_server_kafkaserver_brokerstate", Gauge, "1 starting, 3 running, 6 leaving.", state);
    if let Some(bytes) = sight.rim.disk_read_bytes {
        let help = "Bytes that the process had read from disks.";
        text.one("kafka_server_kafkaserver_linux_disk_read_bytes", Gauge, help, bytes);
    }
    if let Some(bytes) = sight.rim.disk_written_bytes {
        let help = "Bytes that the process had written to disks.";
        text.one("kafka_server_kafkaserver_linux_disk_write_bytes", Gauge, help, bytes);
    }
    if let Some(share) = sight.idle_share {
        // The threads that serve sockets handle the requests as well.
        let help = "Share of time in which the threads that serve sockets wait.";
        text.one("kafka_network_socketserver_networkprocessoravgidle_percent", Gauge, help, share);
        let help = "Share of time in which the threads that handle requests wait.";
        text.one("kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent", Gauge, help, share);
    }
    let name = "kafka_server_socket_server_metrics_connection_count";
    if text.family(name, Gauge, "Live connections by listener.") {
        for (listener, count) in &sight.rim.connections {
            text.sample(&[("listener", listener)], count);
        }
    }
    let name = "kafka_server_delayedoperationpurgatory_purgatorysize";
    if text.family(name, Gauge, "Requests that wait, by what they are.") {
        text.sample(&[("delayedOperation", &"Fetch")], sight.node.waiting_fetches());
        text.sample(&[("delayedOperation", &"Produce")], sight.node.parked_produces());
    }
    let help = "Fetch sessions that are remembered.";
    let sessions = sight.node.fetch_sessions();
    text.one("kafka_server_fetchsessioncache_numincrementalfetchsessions", Gauge, help, sessions);
}

/// `GroupMetadataManager`.
fn groups(text: &mut Text, sight: &Sight<'_>) {
    let groups = &sight.groups.groups;
    let mut gauge = |name: &str, help: &str, value: usize| {
        text.one(&format!("kafka_coordinator_group_groupmetadatamanager_{name}"), Gauge, help, value);
    };
    gauge("numgroups", "Groups that this broker coordinates.", groups.len());
    let positions = sight.groups.positions.len() + sight.groups.left_out;
    gauge("numoffsets", "Offsets that they have committed.", positions);
    for (name, states) in [
        ("numgroupspreparingrebalance", ["PreparingRebalance", "Assigning"]),
        ("numgroupscompletingrebalance", ["CompletingRebalance", "Reconciling"]),
        ("numgroupsstable", ["Stable", ""]),
        ("numgroupsdead", ["Dead", ""]),
        ("numgroupsempty", ["Empty", ""]),
    ] {
        let count = groups.iter().filter(|group| states.contains(&group.state)).count();
        gauge(name, "Those of them in this state.", count);
    }
}

/// `raft-metrics` and `broker-metadata-metrics`.
fn quorum(text: &mut Text, sight: &Sight<'_>) {
    let status = sight.node.quorum_status();
    let mut gauge = |name: &str, help: &str, value: i64| {
        text.one(&format!("kafka_server_raftmetrics_{name}"), Gauge, help, value);
    };
    let leader = status.leader.leader.map_or(-1, i64::from);
    gauge("current_leader", "Who leads the metadata quorum; -1 if nobody is known to.", leader);
    gauge("current_epoch", "The epoch of the metadata quorum.", i64::from(status.leader.epoch));
    gauge(
        "high_watermark",
        "Below it the metadata log is committed; -1 while unknown.",
        status.high_watermark,
    );
    gauge("log_end_offset", "The offset that the next record of metadata gets.", status.log_end_offset);
    let state = match (status.is_active, sight.node.has_controller()) {
        (true, _) => "leader",
        (false, true) => "follower",
        (false, false) => "observer",
    };
    if text.family("kafka_server_raftmetrics_current_state", Gauge, "What this node is in the quorum.") {
        text.sample(&[("current_state", &state)], 1);
    }
    let mut gauge = |name: &str, help: &str, value: i64| {
        text.one(&format!("kafka_server_brokermetadatametrics_{name}"), Gauge, help, value);
    };
    let (offset, written_ms) = (status.last_applied_offset, status.last_applied_timestamp_ms);
    gauge("last_applied_record_offset", "The last offset of metadata in force here.", offset);
    gauge("last_applied_record_timestamp", "When it was written.", written_ms);
    let lag_ms = if written_ms > 0 { (sight.wall_ms - written_ms).max(0) } else { 0 };
    gauge("last_applied_record_lag_ms", "How long ago that is.", lag_ms);
}

/// `KafkaController`.
fn controller(text: &mut Text, sight: &Sight<'_>) {
    let (cluster, status) = (&sight.inventory.cluster, sight.node.quorum_status());
    let mut gauge = |name: &str, help: &str, value: i64| {
        text.one(&format!("kafka_controller_kafkacontroller_{name}"), Gauge, help, value);
    };
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    gauge("activecontrollercount", "1 on the active controller.", i64::from(status.is_active));
    gauge("offlinepartitionscount", "Partitions without a leader.", count(cluster.offline));
    let help = "Partitions that their preferred replica does not lead.";
    gauge("preferredreplicaimbalancecount", help, count(cluster.without_preferred_leader));
    gauge("globaltopiccount", "Topics.", count(cluster.topics));
    gauge("globalpartitioncount", "Partitions.", count(cluster.partitions));
    gauge("activebrokercount", "Brokers that are registered and unfenced.", count(cluster.active_brokers));
    gauge("fencedbrokercount", "Brokers that are registered and fenced.", count(cluster.fenced_brokers));
    // Metadata that cannot be applied ends the process.
    gauge("metadataerrorcount", "Errors in handling metadata.", 0);
    gauge("lastcommittedrecordoffset", "The last committed offset of metadata.", status.high_watermark - 1);
    gauge(
        "lastappliedrecordoffset",
        "The last offset of metadata in force here.",
        status.last_applied_offset,
    );
    let [_, _, unclean] = sight.node.figures().of_images();
    let help = "Elections of leaders that may lack what was committed.";
    text.one("kafka_controller_controllerstats_uncleanleaderelections_total", Counter, help, unclean);
}
