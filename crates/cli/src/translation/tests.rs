use super::*;
use clap::Parser;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// What is offered is taken as it stands.
fn check(typed: &str, expected: &str) {
    let ours = ours(&words(typed)).unwrap_or_else(|| panic!("{typed}: not understood"));
    assert_eq!(ours.join(" "), expected, "{typed}");
    let parsed = crate::Cli::try_parse_from(std::iter::once("ottla").chain(ours.iter().map(String::as_str)));
    assert!(parsed.is_ok(), "{expected}: {}", parsed.map(drop).unwrap_err());
}

#[test]
fn configs_are_asked_for_and_changed_in_every_spelling() {
    check("config --describe --entity-type topics --entity-name t", "config get --topic t");
    check(
        "kafka-configs.sh --entity-type topics --entity-name t --describe --all",
        "config get --topic t --all",
    );
    check("config --describe --entity-type brokers --entity-name 1", "config get --broker 1");
    check("config --describe --entity-type brokers --entity-default", "config get --all-brokers");
    check("config --describe --entity-type groups --entity-name g", "config get --group g");
    check("config --describe --entity-type broker-loggers --entity-name 1", "config get --broker-logger 1");
    check("config --describe --topic t -b h:1", "config get --topic t -b h:1");
    check("config --describe --broker-defaults", "config get --all-brokers");
    check("config --describe --entity-type topics", "topic describe");
    check("config --alter --topic t --add-config a=1", "config set --topic t a=1");
    check(
        "config --alter --entity-type topics --entity-name t --add-config a=1,b=[x,y]",
        "config set --topic t a=1 b=x,y",
    );
    check(
        "config --alter --entity-type=brokers --entity-default --delete-config a,b",
        "config unset --all-brokers a b",
    );
    check(
        "--bootstrap-server h:1 configs --describe --topic t",
        "config get --topic t --bootstrap-server h:1",
    );
}

#[test]
fn topics_and_offsets_are_found_in_every_spelling() {
    check("kafka-topics --list", "topic list");
    check(
        "bin/kafka-topics.sh --bootstrap-server h:1 --list --exclude-internal",
        "topic list --bootstrap-server h:1",
    );
    check(
        "topics --create --topic t --partitions 3 --replication-factor 1",
        "topic create t --partitions 3 --replication-factor 1",
    );
    check("topic --alter --topic t --partitions 3", "topic add-partitions t --total 3");
    check("topic alter t --partitions 3", "topic add-partitions t --total 3");
    check("topic --describe --under-replicated-partitions", "topic describe --under-replicated");
    check("topic --describe --unavailable-partitions", "topic describe --unavailable");
    check("topic --describe --topics-with-overrides", "topic describe");
    check("topic --alter --topic t --delete-config a", "topic alter t --unset a");
    check("get-offsets --topic t", "topic offsets t");
    check("kafka-get-offsets.sh --topic t --time -2 --exclude-internal-topics", "topic offsets t --time -2");
}

#[test]
fn groups_are_found_in_every_spelling() {
    check("consumer-groups --list", "group list");
    check("group --list --state", "group list");
    check("kafka-consumer-groups.sh --describe --group g", "group lag g");
    check("group --describe --group g --offsets", "group lag g");
    check("group --describe --group g --members --verbose", "group describe g");
    check("group --describe --all-groups", "group lag");
    check(
        "kafka-consumer-groups --group g --reset-offsets --to-earliest --execute --topic t",
        "group reset-offsets g --topic t --to-earliest --execute",
    );
    check(
        "group --reset-offsets --group g --all-topics --shift-by -3",
        "group reset-offsets g --shift-by -3",
    );
    check("consumer-groups --delete --group a --group b", "group delete a b");
    check("consumer-groups --delete-offsets --group g --topic t", "group delete-offsets g --topic t");
}

#[test]
fn records_are_written_and_read_in_every_spelling() {
    check(
        "console-consumer --topic t --from-beginning --max-messages 3",
        "consume t --max-records 3 --from-beginning",
    );
    check(
        "consume --topic t --property print.key=true --property key.separator=:",
        "consume t --key-separator :",
    );
    check("consume t --formatter-property print.timestamp=true", "consume t --print-timestamp");
    check("consume t --isolation-level read_committed", "consume t --read-committed");
    check("consume --topic t --partition 1 --offset earliest", "consume t --partition 1 --offset earliest");
    check("kafka-console-producer.sh --broker-list h:1 --topic t", "produce t --broker-list h:1");
    check(
        "produce --topic t --property parse.key=true --property key.separator=:",
        "produce t --key-separator :",
    );
    check("produce --topic t --property parse.key=true", "produce t --key-separator \\t");
    check("produce t --request-required-acks 1 --compression-codec", "produce t --compression gzip --acks 1");
    check(
        "produce t --batch-size 100 --compression-codec zstd",
        "produce t --compression zstd -X batch.size=100",
    );
}

#[test]
fn what_is_not_understood_is_not_guessed() {
    for typed in [
        "",
        "frobnicate --list",
        "config --describe --entity-type users --entity-name u",
        "config --alter --topic t --add-config a=1 --delete-config b",
        "config --alter --topic t",
        "topic --list --frobnicate",
        "group --reset-offsets --all-groups --to-earliest",
        "consume t --property print.schema=true",
        "produce t --property parse.headers=true",
        "get-offsets --topic t --partitions 0",
    ] {
        assert_eq!(ours(&words(typed)), None, "{typed}");
    }
    assert_eq!(counterpart(&words("bin/kafka-dump-log.sh --files x")), Some("ottla dump FILE"));
    assert_eq!(counterpart(&words("topic list")), None);
}
