//! Alerting rules: a table, and its spelling as Prometheus reads it. Each says what is wrong, and what to do first.

use std::fmt::Write;

/// One rule.
struct Rule {
    name: &'static str,
    /// `$JOB` is the selector of the job.
    query: &'static str,
    /// For how long it has to hold.
    lasts: &'static str,
    severity: &'static str,
    /// What is wrong.
    summary: &'static str,
    /// What to do first.
    what_to_do: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        name: "KafkaBrokerDown",
        query: "up{$JOB} == 0",
        lasts: "1m",
        severity: "critical",
        summary: "{{ $labels.instance }} does not tell its figures.",
        what_to_do: "Look whether the process lives; its log says why it ended.",
    },
    Rule {
        name: "KafkaBrokerNotReady",
        query: "ottla_ready{$JOB} == 0",
        lasts: "5m",
        severity: "critical",
        summary: "{{ $labels.instance }} lives, but is not registered, not caught up, or fenced.",
        what_to_do: "ottla quorum doctor says who lacks what.",
    },
    Rule {
        name: "KafkaNoActiveController",
        query: "sum(kafka_controller_kafkacontroller_activecontrollercount{$JOB}) == 0",
        lasts: "1m",
        severity: "critical",
        summary: "The cluster has no active controller: nothing can be created, moved or elected.",
        what_to_do: "ottla quorum doctor; a majority of the voters must live and reach each other.",
    },
    Rule {
        name: "KafkaPartitionsOffline",
        query: "max(kafka_controller_kafkacontroller_offlinepartitionscount{$JOB}) > 0",
        lasts: "1m",
        severity: "critical",
        summary: "{{ $value }} partitions have no leader: nobody can write to them or read from them.",
        what_to_do: "ottla partition list --unavailable names them; start the brokers that have their replicas.",
    },
    Rule {
        name: "KafkaPartitionsUnderMinIsr",
        query: "kafka_server_replicamanager_underminisrpartitioncount{$JOB} > 0",
        lasts: "1m",
        severity: "critical",
        summary: "{{ $value }} partitions led by {{ $labels.instance }} take no acks=all: too few replicas are in sync.",
        what_to_do: "ottla broker list shows who is missing.",
    },
    Rule {
        name: "KafkaPartitionsUnderReplicated",
        query: "kafka_server_replicamanager_underreplicatedpartitions{$JOB} > 0",
        lasts: "5m",
        severity: "warning",
        summary: "{{ $value }} partitions led by {{ $labels.instance }} lack replicas in sync.",
        what_to_do: "ottla broker list shows who is missing; ottla partition list --under-replicated names the partitions.",
    },
    Rule {
        name: "KafkaBrokersFenced",
        query: "max(kafka_controller_kafkacontroller_fencedbrokercount{$JOB}) > 0",
        lasts: "2m",
        severity: "warning",
        summary: "{{ $value }} brokers are registered, but the controller does not hear from them.",
        what_to_do: "Start them, or ottla broker unregister who will never come back.",
    },
    Rule {
        name: "KafkaLogDirectoryOffline",
        query: "kafka_log_logmanager_offlinelogdirectorycount{$JOB} > 0",
        lasts: "0m",
        severity: "critical",
        summary: "{{ $value }} log directories of {{ $labels.instance }} are offline.",
        what_to_do: "ottla cluster log-dirs names them; mend the disk, then start the broker again.",
    },
    Rule {
        name: "KafkaDiskAlmostFull",
        query: "ottla_log_directory_usable_bytes{$JOB} / ottla_log_directory_total_bytes{$JOB} < 0.1",
        lasts: "5m",
        severity: "warning",
        summary: "{{ $labels.directory }} of {{ $labels.instance }} has {{ $value | humanizePercentage }} of its disk left.",
        what_to_do: "Shorten retention.bytes or retention.ms of the largest topics, or move replicas away.",
    },
    Rule {
        name: "KafkaDiskFull",
        query: "ottla_log_directory_usable_bytes{$JOB} / ottla_log_directory_total_bytes{$JOB} < 0.02",
        lasts: "0m",
        severity: "critical",
        summary: "{{ $labels.directory }} of {{ $labels.instance }} is full but for {{ $value | humanizePercentage }}: writes are or will be refused.",
        what_to_do: "Make room: shorten retention, delete records or topics. Reading goes on, and writing does once there is room.",
    },
    Rule {
        name: "KafkaUncleanElection",
        query: "increase(kafka_controller_controllerstats_uncleanleaderelections_total{$JOB}[10m]) > 0",
        lasts: "0m",
        severity: "critical",
        summary: "A leader was elected that may lack acknowledged records.",
        what_to_do: "Find out which topics allow unclean.leader.election.enable, and whether their readers can bear it.",
    },
    Rule {
        name: "KafkaConsumerGroupBehind",
        query: "max by (consumergroup, topic) (kafka_consumergroup_lag_seconds{$JOB}) > 300",
        lasts: "5m",
        severity: "warning",
        summary: "{{ $labels.consumergroup }} is {{ $value | humanizeDuration }} behind on {{ $labels.topic }}.",
        what_to_do: "ottla group why says what holds it up.",
    },
    Rule {
        name: "KafkaThreadsBusy",
        query: "kafka_network_socketserver_networkprocessoravgidle_percent{$JOB} < 0.1",
        lasts: "10m",
        severity: "warning",
        summary: "The threads of {{ $labels.instance }} are almost never idle.",
        what_to_do: "Give it more cores, or move leaders away; quotas hold back single clients.",
    },
    Rule {
        name: "KafkaDescriptorsAlmostGone",
        query: "process_open_fds{$JOB} / process_max_fds{$JOB} > 0.9",
        lasts: "5m",
        severity: "warning",
        summary: "{{ $labels.instance }} has {{ $value | humanizePercentage }} of its descriptors open.",
        what_to_do: "Raise the limit (ulimit -n, LimitNOFILE=), and look for clients that never close connections.",
    },
];

/// A file of rules.
pub fn yaml(job: &str) -> String {
    let mut text = String::from("groups:\n  - name: ottla\n    rules:\n");
    let selector = format!("job=\"{job}\"");
    for rule in RULES {
        let query = rule.query.replace("$JOB", &selector);
        let (name, lasts, severity) = (rule.name, rule.lasts, rule.severity);
        let _ = write!(
            text,
            "      - alert: {name}\n        expr: {}\n        for: {lasts}\n        labels:\n          severity: {severity}\n        \
             annotations:\n          summary: {}\n          description: {}\n",
            quoted(&query),
            quoted(rule.summary),
            quoted(rule.what_to_do),
        );
    }
    text
}

/// A scalar that YAML reads as it is: only its own quotation mark is special in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
