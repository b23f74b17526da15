//! What foreign tools see of the cluster: kcat's lines through it, and what Kafka's commands say of topics and quorum.

use super::terms::WHOLE_LIMIT;
use crate::oracle::Oracle;
use crate::process::Finished;
use crate::provision;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use crate::trio::{NODES, Trio};
use anyhow::Result;
use std::ops::Range;
use std::process::Command;

/// Lines through a topic of three replicas, one node each way.
const TOPIC: &str = "lines";

/// How many.
const LINES: usize = 1_000;

/// One of Kafka's commands.
pub fn tool(bench: &Workbench, name: &str, class: &str, arguments: &[&str]) -> Result<Finished> {
    let mut command = Oracle::install(&bench.workspace)?.tool_java("128m", &[]);
    command.arg("-XX:TieredStopAtLevel=1");
    let mut ordered = Command::new(command.get_program());
    // The JVM's options stand before the class.
    let (options, rest): (Vec<_>, Vec<_>) = command.get_args().partition(|argument| {
        argument.to_string_lossy().starts_with("-X") || argument.to_string_lossy().starts_with("-D")
    });
    ordered.args(options).args(rest).arg(class).args(arguments);
    bench.run(&format!("cluster-{name}"), &mut ordered, 1)
}

/// A topic made by Kafka's tool, written by kcat through one node and read through another.
pub fn kcat_passes_lines(bench: &Workbench, trio: &Trio) -> Result<Tally> {
    let mut tally = Tally::default();
    let [first, second, third] = NODES.map(|id| trio.address(id));
    #[rustfmt::skip]
    let create = [
        "--bootstrap-server", &second, "--create", "--topic", TOPIC, "--partitions", "3",
        "--replication-factor", "3", "--config", "min.insync.replicas=2",
    ];
    let made = tool(bench, "create", "org.apache.kafka.tools.TopicCommand", &create)?;
    tally.check(&format!("kafka-topics --create: {}", made.tail(3)), made.success);
    tally.absorb("lines", lines_through(bench, TOPIC, [&first, &third], 0)?);
    Ok(tally)
}

/// Writes the next lines of a topic through one node, and reads all there are through another. `before`: how often this was done.
pub fn lines_through(
    bench: &Workbench,
    topic: &str,
    [to, from]: [&String; 2],
    before: usize,
) -> Result<Tally> {
    let mut tally = Tally::default();
    tally.absorb("kcat -P", write_lines(bench, topic, to, before * LINES..(before + 1) * LINES)?);
    let found = read_lines(bench, topic, from)?;
    tally.check(&format!("kcat -C reads {} lines", found.len()), found == lines_of(0..(before + 1) * LINES));
    Ok(tally)
}

/// Numbered lines, in the order of their texts.
pub fn lines_of(numbers: Range<usize>) -> Vec<String> {
    let mut lines: Vec<String> = numbers.map(|number| format!("line {number}")).collect();
    lines.sort_unstable();
    lines
}

/// Writes these lines to a topic, acknowledged by all.
pub fn write_lines(bench: &Workbench, topic: &str, to: &str, numbers: Range<usize>) -> Result<Tally> {
    provision::debian(&bench.workspace, "kcat", "kcat")?;
    let lines: Vec<String> = numbers.map(|number| format!("line {number}")).collect();
    let file = bench.logs.join(format!("cluster-{topic}.txt"));
    std::fs::write(&file, lines.join("\n") + "\n")?;
    let mut write = Command::new("kcat");
    write.args(["-b", to, "-P", "-t", topic, "-X", "acks=all", "-X", "enable.idempotence=true", "-l"]);
    let written = bench.run(&format!("cluster-{topic}-produce"), write.arg(&file), 1)?;
    Ok(Tally::one(&format!("{}: {}", written.how, written.tail(3)), written.success))
}

/// All lines that a topic has by now, in the order of their texts.
pub fn read_lines(bench: &Workbench, topic: &str, from: &str) -> Result<Vec<String>> {
    let mut read = Command::new("kcat");
    read.args(["-b", from, "-C", "-t", topic, "-e", "-q", "-o", "beginning"]);
    let got = bench.run(&format!("cluster-{topic}-consume"), &mut read, 1)?;
    let mut found: Vec<String> = got.output.lines().map(str::to_owned).collect();
    found.sort_unstable();
    Ok(found)
}

/// What `kafka-topics` and `kafka-metadata-quorum` say of a cluster at rest.
pub fn describe(bench: &Workbench, trio: &Trio) -> Result<Tally> {
    let mut tally = Tally::default();
    trio.wait_in_sync(&[TOPIC], WHOLE_LIMIT)?;
    let addresses = trio.bootstrap();
    let server = ["--bootstrap-server", addresses.as_str()];
    let described = tool(
        bench,
        "describe",
        "org.apache.kafka.tools.TopicCommand",
        &[&server[..], &["--describe", "--topic", TOPIC]].concat(),
    )?;
    let partitions: Vec<&str> =
        described.output.lines().filter(|line| line.contains("Partition: ")).collect();
    let replicated = |line: &&&str| {
        ["Replicas: ", "Isr: "].iter().all(|key| members(line, key).is_some_and(|ids| ids == ["1", "2", "3"]))
    };
    let whole = partitions.len() == 3 && partitions.iter().filter(replicated).count() == 3;
    tally.check(&format!("kafka-topics --describe: {}", described.tail(4)), whole);
    let leaders: std::collections::BTreeSet<Option<Vec<&str>>> =
        partitions.iter().map(|line| members(line, "Leader: ")).collect();
    tally.check(
        &format!("each node leads one of three partitions: {}", described.tail(4)),
        leaders.len() == 3,
    );

    let status = quorum(bench, &addresses, "--status")?;
    let voters = ["\"id\": 1,", "\"id\": 2,", "\"id\": 3,"].iter().all(|id| status.output.contains(id));
    tally.check(&format!("kafka-metadata-quorum --status: {}", status.tail(10)), voters && status.success);
    let replication = quorum(bench, &addresses, "--replication")?;
    let count =
        |what: &str| replication.output.lines().filter(|line| line.trim_end().ends_with(what)).count();
    let held = count("Leader") == 1 && count("Follower") == NODES.len() - 1;
    tally.check(&format!("kafka-metadata-quorum --replication: {}", replication.tail(6)), held);
    Ok(tally)
}

/// The sorted ids behind a key of a line of `kafka-topics --describe`.
fn members<'a>(line: &'a str, key: &str) -> Option<Vec<&'a str>> {
    let ids = line.split(key).nth(1)?.split_whitespace().next()?;
    let mut ids: Vec<&str> = ids.split(',').collect();
    ids.sort_unstable();
    Some(ids)
}

fn quorum(bench: &Workbench, addresses: &str, what: &str) -> Result<Finished> {
    let arguments = ["--bootstrap-server", addresses, "describe", what];
    tool(bench, &format!("quorum{what}"), "org.apache.kafka.tools.MetadataQuorumCommand", &arguments)
}
