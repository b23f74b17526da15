//! Who is let in: unmodified clients (librdkafka, kafka-python, kcat, Java's console tools) and our own commands log in by SASL, by
//! each mechanism, and not with a wrong password; nodes log in to each other; strangers who mean harm. What each checks stands here and in `tests/security`.

mod cluster;
mod delegation;
mod tokens;

use super::clients::{python_environment, read};
use super::workbench::Workbench;
use crate::broker::{Broker, Kind, binary, free_ports};
use crate::oracle::Oracle;
use crate::process::Finished;
use crate::provision;
use crate::tally::Tally;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const USERS: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"a-secret\" user_bob=\"b-secret\";";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required;";

/// A part of the stage: its name, what it is in a line, and what runs it.
type Part = (&'static str, &'static str, fn(&Workbench) -> Result<Tally>);

/// Those of a row run side by side: most of their time they wait for sessions, tokens and starts of Java. Attacks are measured, and are alone.
const PARTS: &[&[Part]] = &[
    &[("attacks", "attacks", attacks)],
    &[
        ("node", "a node", node),
        ("tokens", "tokens", tokens::run),
        ("delegation", "delegation tokens", delegation::run),
    ],
    &[
        ("cluster", "three nodes", |bench| cluster::run(bench, "three", [Kind::Ottla; 3])),
        ("mixed", "two of ours and one of Kafka's", |bench| {
            cluster::run(bench, "mixed", [Kind::Ottla, Kind::Ottla, Kind::Kafka])
        }),
    ],
];

/// The stage; `--only=` and the name of a part runs that one.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let wanted = |part: &str| bench.part.as_deref().is_none_or(|only| only == part);
    let mut tally = Tally::default();
    for row in PARTS {
        let row: Vec<&Part> = row.iter().filter(|(name, ..)| wanted(name)).collect();
        let outcomes: Vec<Result<Tally>> = std::thread::scope(|scope| {
            let running: Vec<_> = row.iter().map(|(_, _, part)| scope.spawn(move || part(bench))).collect();
            let ended = running.into_iter().map(|part| part.join());
            ended.map(|outcome| outcome.unwrap_or_else(|_| bail!("it panicked"))).collect()
        });
        for ((_, title, _), outcome) in row.iter().zip(outcomes) {
            tally.absorb(title, outcome.with_context(|| (*title).to_owned())?);
        }
    }
    Ok(tally)
}

/// Strangers who mean harm.
fn attacks(bench: &Workbench) -> Result<Tally> {
    let ((slow, sasl), (_, controller)) = (free_ports()?, free_ports()?);
    let listeners =
        format!("SASL://127.0.0.1:{sasl},PLAINTEXT://127.0.0.1:{slow},CONTROLLER://127.0.0.1:{controller}");
    let advertised = format!("SASL://127.0.0.1:{sasl},PLAINTEXT://127.0.0.1:{slow}");
    let voters = format!("1@127.0.0.1:{controller}");
    let overrides = [
        ("listeners", listeners.as_str()),
        ("advertised.listeners", advertised.as_str()),
        ("controller.quorum.voters", voters.as_str()),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"),
        ("inter.broker.listener.name", "SASL"),
        ("sasl.mechanism.inter.broker.protocol", "PLAIN"),
        ("listener.name.sasl.sasl.enabled.mechanisms", "PLAIN"),
        ("listener.name.sasl.plain.sasl.jaas.config", USERS),
        ("connection.failed.authentication.delay.ms", "300"),
        ("listener.name.plaintext.max.connection.creation.rate", "5"),
        ("listener.name.plaintext.max.connections", "12"),
    ];
    let directory = bench.workspace.scratch("brokers")?.join("security-attacks");
    let _ = std::fs::remove_dir_all(&directory);
    let mut broker = Broker::prepare_at(directory, Kind::Ottla, (slow, controller), &overrides)?;
    broker.restart(&bench.workspace)?;
    let mut python = Command::new(python_environment(bench)?);
    python.arg("-u").arg(bench.workspace.root.join("tests/security/attacks.py"));
    python.args([format!("127.0.0.1:{sasl}"), broker.address(), broker.id().to_string()]);
    if bench.full {
        python.env("LONG", "1");
    }
    let mut tally =
        read("attacks", &bench.run("security-attacks", &mut python, if bench.full { 20 } else { 4 })?);
    tally.check("the broker is still there", broker.alive());
    Ok(tally)
}

/// Clients of every kind at one node.
fn node(bench: &Workbench) -> Result<Tally> {
    let (open, sasl) = free_ports()?;
    let listeners = format!("SASL://127.0.0.1:{sasl},PLAINTEXT://127.0.0.1:{open}");
    let (mut broker, properties) = prepared(bench, &listeners)?;
    let mut tally = Tally::default();
    broker.launch(&bench.workspace)?;
    let address = format!("127.0.0.1:{sasl}");
    let up = commands(bench, &properties, &address, &mut tally);
    if up.is_ok() {
        let mut python = Command::new(python_environment(bench)?);
        python.arg("-u").arg(bench.workspace.root.join("tests/security/clients.py")).arg(&address);
        tally.absorb("python", read("security", &bench.run("security-python", &mut python, 4)?));
        kcat(bench, &address, &mut tally)?;
        java(bench, &properties, &address, &mut tally)?;
        traces(bench, &properties, &address, &broker, &mut tally)?;
    }
    tally.check("the broker is still there", broker.alive());
    up?;
    Ok(tally)
}

/// A node with a listener for each, formatted with carol for SCRAM.
fn prepared(bench: &Workbench, listeners: &str) -> Result<(Broker, PathBuf)> {
    let told = listeners.to_owned();
    let (_, controller) = free_ports()?;
    let bound = format!("{listeners},CONTROLLER://127.0.0.1:{controller}");
    let voters = format!("1@127.0.0.1:{controller}");
    let overrides = [
        ("listeners", bound.as_str()),
        ("advertised.listeners", told.as_str()),
        ("controller.quorum.voters", voters.as_str()),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"),
        ("listener.name.sasl.sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"),
        ("listener.name.sasl.plain.sasl.jaas.config", USERS),
        ("listener.name.sasl.scram-sha-256.sasl.jaas.config", SCRAM),
        ("listener.name.sasl.scram-sha-512.sasl.jaas.config", SCRAM),
        ("connections.max.reauth.ms", "3000"),
    ];
    let directory = bench.workspace.scratch("brokers")?.join("security");
    let _ = std::fs::remove_dir_all(&directory);
    let properties = directory.join("server.properties");
    let broker = Broker::prepare_at(directory, Kind::Ottla, free_ports()?, &overrides)?;
    let mut format = Command::new(binary(&bench.workspace));
    format.args(["storage", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"]).arg(&properties);
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        format.args(["--add-scram", &format!("{mechanism}=[name=carol,password=c-secret]")]);
    }
    let finished = bench.run("security-format", &mut format, 1)?;
    ensure!(finished.success, "storage format: {}", finished.tail(5));
    Ok((broker, properties))
}

/// Our own commands, in Java's spelling and in librdkafka's.
fn commands(bench: &Workbench, properties: &Path, address: &str, tally: &mut Tally) -> Result<()> {
    let file = properties.with_file_name("client.properties");
    let ask = |lines: &str| -> Result<Finished> {
        std::fs::write(&file, lines)?;
        let mut command = Command::new(binary(&bench.workspace));
        command.args(["topic", "list", "-b", address, "--command-config"]).arg(&file);
        bench.run("security-command", &mut command, 2)
    };
    let java = |user: &str, password: &str| {
        format!(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
             required username=\"{user}\" password=\"{password}\";\n"
        )
    };
    let named = |mechanism: &str, password: &str| {
        format!(
            "security.protocol=sasl_plaintext\nsasl.mechanisms={mechanism}\nsasl.username=carol\nsasl.password={password}\n"
        )
    };
    // The node may be on its way still: the first one is asked again for a while.
    let mut first = ask(&java("alice", "a-secret"))?;
    for _ in 0..20 {
        if first.success {
            break;
        }
        first = ask(&java("alice", "a-secret"))?;
    }
    ensure!(first.success, "nobody is let in: {}", first.tail(5));
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        tally
            .check(&format!("a command logs in by {mechanism}"), ask(&named(mechanism, "c-secret"))?.success);
        let refused = ask(&named(mechanism, "wrong"))?;
        let told = !refused.success && refused.output.contains("invalid credentials");
        tally.check(
            &format!("a command is told of a wrong password of {mechanism}: {}", refused.tail(3)),
            told,
        );
    }
    for (user, password) in [("alice", "b-secret"), ("nobody", "a-secret")] {
        let refused = ask(&java(user, password))?;
        let told = !refused.success && refused.output.contains("Invalid username or password");
        tally.check(&format!("a command as {user} is refused: {}", refused.tail(3)), told);
    }
    let open = ask("security.protocol=PLAINTEXT\ndefault.api.timeout.ms=3000\n")?;
    tally.check("nobody comes in without saying who he is", !open.success);
    Ok(())
}

/// What is left of it all: whoever was refused stands in the audit, and no password anywhere.
fn traces(
    bench: &Workbench,
    properties: &Path,
    address: &str,
    broker: &Broker,
    tally: &mut Tally,
) -> Result<()> {
    let log = std::fs::read_to_string(broker.log())?;
    let refused = |claimed: &str| {
        let told = format!("\"listener\":\"SASL\",\"claimed\":\"{claimed}\"");
        log.lines()
            .any(|line| line.contains("audit {\"event\":\"not-authenticated\"") && line.contains(&told))
    };
    tally.check(
        "the audit names who did not get in",
        refused("nobody") && refused("alice") && refused("carol"),
    );
    let file = properties.with_file_name("client.properties");
    std::fs::write(
        &file,
        "security.protocol=sasl_plaintext\nsasl.mechanisms=PLAIN\nsasl.username=alice\nsasl.password=a-secret\n",
    )?;
    let mut command = Command::new(binary(&bench.workspace));
    command.args(["config", "get", "--broker", "1", "--all", "-b", address, "--command-config"]).arg(&file);
    let described = bench.run("security-described", &mut command, 1)?;
    let is_told = described.success && described.output.contains("sasl.jaas.config");
    tally.check(&format!("the configuration is described: {}", described.tail(3)), is_told);
    let mut command = Command::new(binary(&bench.workspace));
    let segment = broker.data().join("__cluster_metadata-0/00000000000000000000.log");
    let dumped =
        bench.run("security-dumped", command.args(["dump", "--cluster-metadata-decoder"]).arg(segment), 1)?;
    tally.check(&format!("the metadata are dumped: {}", dumped.tail(3)), dumped.success);
    for secret in ["a-secret", "b-secret", "c-secret"] {
        let told = [&log, &described.output, &dumped.output].into_iter().any(|text| text.contains(secret));
        tally.check(&format!("{secret} is in no log, description or dump"), !told);
    }
    Ok(())
}

fn kcat(bench: &Workbench, address: &str, tally: &mut Tally) -> Result<()> {
    provision::debian(&bench.workspace, "kcat", "kcat")?;
    for (password, is_in) in [("a-secret", true), ("wrong", false)] {
        let mut command = Command::new("kcat");
        command.args(["-b", address, "-L", "-m", "5", "-X", "security.protocol=SASL_PLAINTEXT", "-X"]);
        command.args(["sasl.mechanisms=PLAIN", "-X", "sasl.username=alice", "-X"]);
        command.arg(format!("sasl.password={password}"));
        let finished = bench.run("security-kcat", &mut command, 1)?;
        tally.check(&format!("kcat with {password}: {}", finished.tail(2)), finished.success == is_in);
    }
    Ok(())
}

fn java(bench: &Workbench, properties: &Path, address: &str, tally: &mut Tally) -> Result<()> {
    let oracle = Oracle::install(&bench.workspace)?;
    let file = properties.with_file_name("java.properties");
    for (password, is_in) in [("c-secret", true), ("wrong", false)] {
        std::fs::write(
            &file,
            format!(
                "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config=\
                 org.apache.kafka.common.security.scram.ScramLoginModule required username=\"carol\" password=\"{password}\";\n"
            ),
        )?;
        let mut command = oracle.tool_java("256m", &[]);
        command.args(["org.apache.kafka.tools.TopicCommand", "--list", "--bootstrap-server", address]);
        command.arg("--command-config").arg(&file);
        let finished = bench.run("security-java", &mut command, 2)?;
        tally
            .check(&format!("kafka-topics with {password}: {}", finished.tail(2)), finished.success == is_in);
    }
    Ok(())
}
