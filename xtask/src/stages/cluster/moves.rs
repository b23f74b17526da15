//! Blows that operators deal: every partition is moved, a machine comes back with empty disks, a voter is replaced. By Kafka's commands and
//! by ours.

use super::blows::{leader, wait_for_another, whole};
use super::ground::{FOURTH, Ground};
use super::terms::{TOPICS, WHOLE_LIMIT};
use super::tools;
use crate::broker::{Kind, binary};
use crate::process::{Finished, pause};
use crate::stages::workbench::Workbench;
use crate::trio::{NODES, Trio};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Who is to hold a partition, by its number among all, one step after the other: two of them, another two, all again.
const STEPS: &[fn(usize) -> Vec<i32>] = &[
    |number| vec![NODES[number % 3], NODES[(number + 1) % 3]],
    |number| vec![NODES[(number + 1) % 3], NODES[(number + 2) % 3]],
    |number| vec![NODES[(number + 2) % 3], NODES[number % 3], NODES[(number + 1) % 3]],
];

/// Kafka's kafka-reassign-partitions moves all partitions of the load, the group's offsets too.
pub fn reassign(ground: &Ground<'_>, trio: &mut Trio) -> Result<()> {
    let all = partitions(trio)?;
    for step in STEPS {
        execute(ground.bench, trio, &all, step)?;
    }
    let done = tool(ground.bench, trio, "--verify")?;
    let complete = done.output.lines().filter(|line| line.ends_with("is completed.")).count();
    let held = done.success && complete == all.len();
    ensure!(held, "kafka-reassign-partitions --verify: {}: {}", done.how, done.tail(20));
    whole(trio)
}

/// All partitions of the load.
pub fn partitions(trio: &Trio) -> Result<Vec<(String, i32)>> {
    let mut all = Vec::new();
    for topic in trio.described(NODES[0], Some(TOPICS))?.topics {
        all.extend(topic.partitions.iter().map(|one| (topic.name.clone(), one.index)));
    }
    ensure!(all.len() > TOPICS.len(), "the load has {all:?} only");
    Ok(all)
}

/// Gives each partition to those that `step` says, in their order, and waits until they hold it.
pub fn execute(
    bench: &Workbench,
    trio: &Trio,
    all: &[(String, i32)],
    step: impl Fn(usize) -> Vec<i32>,
) -> Result<()> {
    let target = |(number, (topic, partition)): (usize, &(String, i32))| json!({ "topic": topic, "partition": partition, "replicas": step(number) });
    let partitions: Vec<serde_json::Value> = all.iter().enumerate().map(target).collect();
    std::fs::write(reassignment(trio), json!({ "version": 1, "partitions": partitions }).to_string())?;
    let done = tool(bench, trio, "--execute")?;
    ensure!(done.success, "kafka-reassign-partitions --execute: {}: {}", done.how, done.tail(5));
    wait_held_by(trio, all, step)
}

fn reassignment(trio: &Trio) -> PathBuf {
    trio.directory().join("reassignment.json")
}

/// kafka-reassign-partitions with the file as it is.
fn tool(bench: &Workbench, trio: &Trio, what: &str) -> Result<Finished> {
    let (file, addresses) = (reassignment(trio).display().to_string(), trio.bootstrap());
    let class = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
    let arguments = ["--bootstrap-server", &addresses, "--reassignment-json-file", &file, what];
    tools::tool(bench, &format!("reassign{what}"), class, &arguments)
}

/// Waits until exactly these hold each partition, and are in sync.
fn wait_held_by(trio: &Trio, all: &[(String, i32)], step: impl Fn(usize) -> Vec<i32>) -> Result<()> {
    let began = Instant::now();
    loop {
        let seen = trio.described(NODES[0], Some(TOPICS))?;
        let holds = |(number, (topic, partition)): (usize, &(String, i32))| {
            let topic = seen.topics.iter().find(|one| one.name == *topic);
            let one = topic.and_then(|topic| topic.partitions.iter().find(|one| one.index == *partition));
            one.is_some_and(|one| one.replicas == step(number) && one.in_sync.len() == one.replicas.len())
        };
        if all.iter().enumerate().all(holds) {
            return Ok(());
        }
        ensure!(
            began.elapsed() < WHOLE_LIMIT,
            "the reassignment does not come to its end: {:?}",
            seen.topics
        );
        pause(Duration::from_millis(100));
    }
}

/// A leader dies and comes back with empty disks: it is another voter by then, and a follower of everything.
pub fn wipe(ground: &Ground<'_>, trio: &mut Trio) -> Result<()> {
    let id = leader(trio)?;
    let metadata = trio.log_directories(id).first().context("a node without a log directory")?.clone();
    let gone = directory_id(&metadata)?;
    trio.kill(id)?;
    wait_for_another(id, "the partition", || leader(trio))?;
    trio.wipe(&ground.bench.workspace, id)?;
    trio.launch(&ground.bench.workspace, id)?;
    whole(trio)?;
    if ground.bench.kind == Kind::Kafka {
        kafka_voter(
            ground,
            trio,
            &["remove-controller", "--controller-id", &id.to_string(), "--controller-directory-id", &gone],
            None,
        )?;
        kafka_voter(ground, trio, &["add-controller"], Some(&trio.properties_file(id)))?;
    } else {
        ottla(ground.bench, trio, &["quorum", "remove-voter", &id.to_string(), "--directory-id", &gone])?;
        let file = trio.properties_file(id).display().to_string();
        ottla(ground.bench, trio, &["quorum", "add-voter", "-c", &file])?;
    }
    wait_voters(ground, trio, &NODES)?;
    whole(trio)
}

/// A fourth controller takes a voter's place (ours), and gives it back (Kafka's kafka-metadata-quorum).
pub fn replace_voter(ground: &Ground<'_>, trio: &mut Trio) -> Result<()> {
    let leaving = trio.active_controller()?;
    let mut fourth = trio.another_controller(&ground.bench.workspace, FOURTH, &ground.network)?;
    wait_observed(ground, trio, FOURTH)?;
    let file = fourth.properties_file().display().to_string();
    ottla(ground.bench, trio, &["quorum", "replace", &leaving.to_string(), "-c", &file])?;
    let three: Vec<i32> = NODES.into_iter().filter(|id| *id != leaving).chain([FOURTH]).collect();
    wait_voters(ground, trio, &three)?;
    whole(trio)?;
    kafka_voter(ground, trio, &["add-controller"], Some(&trio.properties_file(leaving)))?;
    let gone = directory_id(&fourth.data())?;
    let (id, option) = (FOURTH.to_string(), "--controller-directory-id");
    kafka_voter(ground, trio, &["remove-controller", "--controller-id", &id, option, &gone], None)?;
    wait_voters(ground, trio, &NODES)?;
    fourth.stop()?;
    whole(trio)
}

/// As `meta.properties` has it.
fn directory_id(directory: &Path) -> Result<String> {
    let text = std::fs::read_to_string(directory.join("meta.properties"))?;
    let found = text.lines().find_map(|line| line.strip_prefix("directory.id="));
    found.map(|id| id.replace('\\', "")).with_context(|| format!("{} has no id", directory.display()))
}

/// What our own command prints.
pub fn ottla(bench: &Workbench, trio: &Trio, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(binary(&bench.workspace));
    command.args(arguments).args(["--bootstrap-server", &trio.bootstrap()]);
    let done = bench.run("cluster-ottla", &mut command, 2)?;
    ensure!(done.success, "ottla {}: {}: {}", arguments.join(" "), done.how, done.tail(5));
    Ok(done.output)
}

fn kafka_voter(ground: &Ground<'_>, trio: &Trio, arguments: &[&str], file: Option<&PathBuf>) -> Result<()> {
    let addresses = trio.bootstrap();
    let mut all = vec!["--bootstrap-server", addresses.as_str()];
    let file = file.map(|file| file.display().to_string());
    all.extend(file.iter().flat_map(|file| ["--command-config", file.as_str()]));
    all.extend(arguments);
    let class = "org.apache.kafka.tools.MetadataQuorumCommand";
    let done = tools::tool(ground.bench, "voter", class, &all)?;
    ensure!(done.success, "kafka-metadata-quorum {}: {}: {}", arguments.join(" "), done.how, done.tail(5));
    Ok(())
}

/// Voters and observers as our command tells them: node and whether it votes.
fn members(ground: &Ground<'_>, trio: &Trio) -> Result<Vec<(i64, bool)>> {
    let text = ottla(ground.bench, trio, &["quorum", "status", "--output", "json"])?;
    let told: serde_json::Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    let rows = told["replicas"].as_array().with_context(|| text.clone())?;
    let row = |row: &serde_json::Value| {
        let votes = row["role"].as_str().is_some_and(|role| role != "observer");
        Some((row["node"].as_i64()?, votes))
    };
    rows.iter().map(|one| row(one).with_context(|| text.clone())).collect()
}

fn wait_voters(ground: &Ground<'_>, trio: &Trio, wanted: &[i32]) -> Result<()> {
    let mut wanted: Vec<i64> = wanted.iter().map(|id| i64::from(*id)).collect();
    wanted.sort_unstable();
    wait_members(ground, trio, |members| {
        let mut voters: Vec<i64> = members.iter().filter(|one| one.1).map(|one| one.0).collect();
        voters.sort_unstable();
        voters == wanted
    })
}

fn wait_observed(ground: &Ground<'_>, trio: &Trio, id: i32) -> Result<()> {
    wait_members(ground, trio, |members| members.contains(&(i64::from(id), false)))
}

fn wait_members(ground: &Ground<'_>, trio: &Trio, until: impl Fn(&[(i64, bool)]) -> bool) -> Result<()> {
    let began = Instant::now();
    loop {
        let members = members(ground, trio)?;
        if until(&members) {
            return Ok(());
        }
        ensure!(began.elapsed() < WHOLE_LIMIT, "the quorum stays {members:?}");
        pause(Duration::from_millis(300));
    }
}
