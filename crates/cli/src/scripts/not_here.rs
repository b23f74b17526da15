//! Scripts of Kafka's that this binary does not answer as, and what does their work instead.

use super::script::{Script, Style};

const fn not_here(name: &'static str, why: &'static str) -> Script {
    Script { name, style: Style::NotHere(why) }
}

/// All of them.
pub const SCRIPTS: &[Script] = &[
    not_here(
        "kafka-console-share-consumer",
        "its options are not answered yet; `ottla consume TOPIC --share --group GROUP` does it",
    ),
    not_here(
        "kafka-share-groups",
        "its options are not answered yet; `ottla group` lists, describes and resets share groups",
    ),
    not_here(
        "kafka-streams-groups",
        "its options are not answered yet; `ottla group list` shows such groups, Kafka's own describes and resets them",
    ),
    not_here(
        "kafka-acls",
        "its options are not answered yet; `ottla acl` lists, creates and deletes entries",
    ),
    not_here(
        "kafka-delegation-tokens",
        "its options are not answered yet; `ottla token` creates, renews, expires and lists tokens",
    ),
    not_here("kafka-features", "its options are not answered yet; `ottla cluster info` shows the cluster"),
    not_here(
        "kafka-metadata-quorum",
        "its options are not answered yet; `ottla quorum status` shows the quorum",
    ),
    not_here(
        "kafka-broker-api-versions",
        "its options are not answered yet; `ottla cluster api-versions` shows them",
    ),
    not_here("kafka-leader-election", "its options are not answered yet; `ottla partition elect` does it"),
    not_here(
        "kafka-reassign-partitions",
        "its options are not answered yet; `ottla partition reassign` plans, executes and verifies",
    ),
    not_here(
        "kafka-replica-verification",
        "Kafka itself calls it deprecated; `ottla partition list --under-replicated` shows what is behind",
    ),
    not_here(
        "kafka-transactions",
        "its options are not answered yet; `ottla txn` lists, describes and aborts",
    ),
    not_here(
        "kafka-client-metrics",
        "its options are not answered yet; `kafka-configs --entity-type client-metrics` changes them",
    ),
    not_here("kafka-producer-perf-test", "it is not answered yet; Kafka's own works with any cluster"),
    not_here("kafka-consumer-perf-test", "it is not answered yet; Kafka's own works with any cluster"),
    not_here("kafka-share-consumer-perf-test", "it is not answered yet; Kafka's own works with any cluster"),
    not_here("kafka-e2e-latency", "it is not answered yet; Kafka's own works with any cluster"),
    not_here("kafka-verifiable-producer", "it is not answered yet; Kafka's own works with any cluster"),
    not_here("kafka-verifiable-consumer", "it is not answered yet; Kafka's own works with any cluster"),
    not_here("kafka-verifiable-share-consumer", "it is not answered yet; Kafka's own works with any cluster"),
    not_here(
        "kafka-streams-application-reset",
        "it is not answered yet; `ottla group reset-offsets` resets the input, Kafka's own deletes internal topics",
    ),
    not_here("kafka-metadata-shell", "it is not answered yet; `ottla dump FILE.checkpoint` shows a snapshot"),
    not_here("kafka-jmx", "there is no Java to ask; `/metrics` at metrics.listeners has the figures"),
    not_here("kafka-run-class", "it runs Java classes; the scripts that are here need none"),
    not_here("connect-distributed", "it runs Java plugins; Kafka's own Connect works with this broker"),
    not_here("connect-standalone", "it runs Java plugins; Kafka's own Connect works with this broker"),
    not_here(
        "connect-mirror-maker",
        "it runs Java plugins; Kafka's own MirrorMaker 2 works with this broker",
    ),
    not_here("connect-plugin-path", "it manages Java plugins; Kafka's own works as before"),
];
