//! Three nodes that prove to each other who they are: brokers by SCRAM, controllers by PLAIN, as Apache Kafka has it, whose controllers
//! know nobody of SCRAM before there is a quorum. One of them is killed while clients write who log in and may do just that.

use super::super::clients::{python_environment, read};
use super::super::workbench::Workbench;
use crate::broker::{Kind, binary};
use crate::process::{pause, spawn};
use crate::tally::Tally;
use crate::trio::{Layout, NODES, Trio};
use anyhow::{Result, bail, ensure};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What every node is told; the open listener is there for whoever runs this.
const SETTINGS: &[(&str, &str)] = &[
    ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT"),
    ("inter.broker.listener.name", "SASL"),
    ("sasl.mechanism.inter.broker.protocol", "SCRAM-SHA-512"),
    ("sasl.mechanism.controller.protocol", "PLAIN"),
    ("listener.name.sasl.sasl.enabled.mechanisms", "SCRAM-SHA-512"),
    (
        "listener.name.sasl.scram-sha-512.sasl.jaas.config",
        "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"broker\" password=\"b-secret\";",
    ),
    ("listener.name.controller.sasl.enabled.mechanisms", "PLAIN"),
    (
        "listener.name.controller.plain.sasl.jaas.config",
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"node\" password=\"n-secret\" user_node=\"n-secret\";",
    ),
    ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    ("super.users", "User:broker;User:node"),
];

/// How long the clients may take to begin, and to come to their end.
const CLIENTS_LIMIT: Duration = Duration::from_secs(120);

/// Nodes of these kinds; the second is killed.
pub fn run(bench: &Workbench, name: &str, kinds: [Kind; 3]) -> Result<Tally> {
    let format = ["--add-scram", "SCRAM-SHA-512=[name=broker,password=b-secret]"];
    let layout = Layout { guarded: Some("SASL"), format: &format, ..Layout::default() };
    let mut trio = Trio::start_as(&bench.workspace, kinds, &format!("security-{name}"), SETTINGS, &layout)?;
    let mut tally = Tally::default();
    let outcome = grant(bench, &trio, &mut tally).and_then(|()| live(bench, &mut trio, &mut tally));
    outcome.map_err(|error| error.context(trio.last_words()))?;
    // Whoever is the last of Kafka's to stop waits for a quorum that is gone: they stop while there is one.
    for (id, _) in NODES.iter().zip(kinds).filter(|(_, kind)| *kind == Kind::Kafka) {
        trio.stop(*id)?;
    }
    let ours = |id: &&i32| NODES.iter().zip(kinds).any(|(one, kind)| one == *id && kind == Kind::Ottla);
    let killed = trio.stop_all()?;
    let killed: Vec<&i32> = killed.iter().filter(ours).collect();
    tally.check(&format!("nodes {killed:?} do not stop"), killed.is_empty());
    Ok(tally)
}

/// The brokers' own user makes a topic, somebody, and says what that one may do.
fn grant(bench: &Workbench, trio: &Trio, tally: &mut Tally) -> Result<()> {
    let file = trio.directory().join("broker.properties");
    let lines = |user: &str, password: &str| {
        format!(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-512\nsasl.username={user}\nsasl.password={password}\n"
        )
    };
    std::fs::write(&file, lines("broker", "b-secret"))?;
    let commands: &[&[&str]] = &[
        &["topic", "create", "kept", "--partitions", "3", "--replication-factor", "3"],
        &["user", "create", "alice", "--password", "a-secret", "--mechanism", "SCRAM-SHA-512"],
        &["acl", "create", "--allow", "User:alice", "--operation", "read,write", "--topic", "kept"],
        &["acl", "create", "--allow", "User:alice", "--operation", "read", "--group", "kept"],
    ];
    for command in commands {
        let finished = ask(bench, trio, &file, command)?;
        tally.check(&format!("{command:?}: {}", finished.tail(3)), finished.success);
        ensure!(finished.success, "{command:?} is refused: {}", finished.tail(5));
    }
    let other = trio.directory().join("other.properties");
    std::fs::write(&other, lines("broker", "a-secret"))?;
    let refused = ask(bench, trio, &other, &["topic", "list"])?;
    tally.check(&format!("a wrong password of the brokers' user: {}", refused.tail(3)), !refused.success);
    Ok(())
}

/// A log of these nodes: others may run beside them.
fn log_name(trio: &Trio, what: &str) -> String {
    let name = trio.directory().file_name().unwrap_or_default();
    format!("{}-{what}", name.to_string_lossy())
}

fn ask(bench: &Workbench, trio: &Trio, file: &Path, words: &[&str]) -> Result<crate::process::Finished> {
    let mut command = Command::new(binary(&bench.workspace));
    command.args(words).args(["-b", &trio.guarded_bootstrap(), "--command-config"]).arg(file);
    bench.run(&log_name(trio, "command"), &mut command, 1)
}

/// Clients write and read while a node goes and comes back.
fn live(bench: &Workbench, trio: &mut Trio, tally: &mut Tally) -> Result<()> {
    let log = bench.logs.join(format!("{}.log", log_name(trio, "clients")));
    let mut command = Command::new(python_environment(bench)?);
    command.arg("-u").arg(bench.workspace.root.join("tests/security/through_a_kill.py"));
    let mut child = spawn(command.arg(trio.guarded_bootstrap()), &log)?;
    let since = Instant::now();
    let said =
        |what: &str| std::fs::read_to_string(&log).is_ok_and(|text| text.lines().any(|line| line == what));
    let mut is_killed = false;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if !is_killed && said("writing") {
            trio.kill(2)?;
            trio.restart(&bench.workspace, 2)?;
            is_killed = true;
        }
        if since.elapsed() > CLIENTS_LIMIT {
            child.kill()?;
            bail!("the clients did not come to their end");
        }
        pause(Duration::from_millis(50));
    };
    let (success, output) = (status.success(), std::fs::read_to_string(&log)?);
    let finished = crate::process::Finished { success, how: status.to_string(), output };
    tally.absorb("clients through a kill", read("through a kill", &finished));
    tally.check("a node was killed while they wrote", is_killed);
    Ok(())
}
