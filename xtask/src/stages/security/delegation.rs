//! Delegation tokens: `tests/security/delegation.py` asks ours and Apache Kafka for them byte by byte, and both must say the same; then Kafka's tools
//! and our own commands make a token, log in by it and end it.

use super::super::workbench::Workbench;
use crate::broker::{Broker, Kind, binary, free_ports};
use crate::oracle::Oracle;
use crate::process::Finished;
use crate::tally::Tally;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required";
const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required";

/// A node of each kind.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let (_reference, _, reference) = started(bench, Kind::Kafka)?;
    let (mut tested, directory, addresses) = started(bench, Kind::Ottla)?;
    let wanted = told(bench, &reference, "reference")?;
    let found = told(bench, &addresses, "tested")?;
    let mut tally = Tally::default();
    for (wanted, found) in wanted.iter().zip(&found) {
        // Kafka lets in by a token that has ended until its hourly sweep; here it has ended.
        if let Some(code) = found.strip_prefix("expired: log in | ") {
            tally.check(&format!("a token that has ended lets nobody in: {code}"), code == "58");
            continue;
        }
        tally.check(&format!("Kafka says {wanted}, this node {found}"), wanted == found);
    }
    tally.check(
        "both come to the end",
        wanted.len() == found.len() && wanted.last().is_some_and(|line| line == "done"),
    );
    let (address, _) = &addresses;
    let password = commands(bench, &directory, address, &mut tally)?;
    java(bench, &directory, address, &mut tally)?;
    let log = std::fs::read_to_string(tested.log())?;
    tally.check("the audit tells of tokens", log.contains("delegation token") && !log.contains(&password));
    tally.check("the broker is still there", tested.alive());
    Ok(tally)
}

/// A node whose controllers log in, too: Kafka gives no token where they do not.
fn started(bench: &Workbench, kind: Kind) -> Result<(Broker, PathBuf, (String, String))> {
    let ((open, sasl), (controller, _)) = (free_ports()?, free_ports()?);
    let bound =
        format!("SASL://127.0.0.1:{sasl},PLAINTEXT://127.0.0.1:{open},CONTROLLER://127.0.0.1:{controller}");
    let told = format!("SASL://127.0.0.1:{sasl},PLAINTEXT://127.0.0.1:{open}");
    let users = format!(
        "{PLAIN} user_alice=\"secret\" user_bob=\"secret\" user_carol=\"secret\" user_dave=\"secret\";"
    );
    let node = format!("{PLAIN} username=\"node\" password=\"secret\" user_node=\"secret\";");
    let scram = format!("{SCRAM};");
    let overrides = [
        ("listeners", bound.as_str()),
        ("advertised.listeners", told.as_str()),
        (
            "listener.security.protocol.map",
            "PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        ),
        ("inter.broker.listener.name", "PLAINTEXT"),
        ("sasl.mechanism.controller.protocol", "PLAIN"),
        ("listener.name.controller.sasl.enabled.mechanisms", "PLAIN"),
        ("listener.name.controller.plain.sasl.jaas.config", node.as_str()),
        ("listener.name.sasl.sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"),
        ("listener.name.sasl.plain.sasl.jaas.config", users.as_str()),
        ("listener.name.sasl.scram-sha-256.sasl.jaas.config", scram.as_str()),
        ("listener.name.sasl.scram-sha-512.sasl.jaas.config", scram.as_str()),
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        ("super.users", "User:ANONYMOUS;User:node;User:alice"),
        ("delegation.token.secret.key", "a-token-secret"),
        ("connection.failed.authentication.delay.ms", "0"),
    ];
    let directory = bench.workspace.scratch("brokers")?.join(format!("security-delegation-{}", kind.name()));
    let _ = std::fs::remove_dir_all(&directory);
    let mut broker = Broker::prepare_at(directory.clone(), kind, (open, controller), &overrides)?;
    if kind == Kind::Kafka {
        broker.format(&bench.workspace)?;
    }
    broker.restart(&bench.workspace)?;
    Ok((broker, directory, (format!("127.0.0.1:{sasl}"), format!("127.0.0.1:{open}"))))
}

fn told(bench: &Workbench, (sasl, open): &(String, String), name: &str) -> Result<Vec<String>> {
    let mut python = Command::new("python3");
    python.arg("-u").arg(bench.workspace.root.join("tests/security/delegation.py")).args([sasl, open]);
    let finished = bench.run(&format!("security-delegation-{name}"), &mut python, 2)?;
    ensure!(finished.success, "{name}: {}", finished.tail(8));
    Ok(finished.output.lines().map(str::to_owned).collect())
}

/// Our own: made, shown, used, renewed, ended. What logs in.
fn commands(bench: &Workbench, directory: &Path, address: &str, tally: &mut Tally) -> Result<String> {
    let file = directory.join("client.properties");
    let ask = |login: &str, arguments: &[&str]| -> Result<Finished> {
        std::fs::write(&file, format!("security.protocol=SASL_PLAINTEXT\n{login}"))?;
        let mut command = Command::new(binary(&bench.workspace));
        command.args(arguments).args(["-b", address, "--command-config"]).arg(&file);
        bench.run("security-delegation-command", &mut command, 1)
    };
    let bob = "sasl.mechanism=PLAIN\nsasl.username=bob\nsasl.password=secret\n";
    let made =
        ask(bob, &["token", "create", "--renewer", "User:carol", "--max-lifetime", "2d", "-o", "json"])?;
    ensure!(made.success, "no token: {}", made.tail(4));
    let made: serde_json::Value = serde_json::from_str(&made.output).context(made.output)?;
    let text = |key: &str| made[0][key].as_str().unwrap_or_default().to_owned();
    let (id, password) = (text("token"), text("hmac"));
    tally.check(
        "a command makes a token",
        text("owner") == "User:bob" && text("renewers") == "User:carol" && password.len() == 88,
    );
    let by_token = format!(
        "sasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config={SCRAM} username=\"{id}\" password=\"{password}\" tokenauth=\"true\";\n"
    );
    let listed = ask(bob, &["token", "list"])?;
    tally.check(
        "the list has it without its HMAC",
        listed.output.contains(&id) && !listed.output.contains(&password),
    );
    let inside = ask(&by_token, &["topic", "list"])?;
    tally.check(&format!("a command logs in by it: {}", inside.tail(2)), inside.success);
    let refused = ask(&by_token, &["token", "list"])?;
    tally.check(
        &format!("no tokens for tokens: {}", refused.tail(3)),
        !refused.success && refused.output.contains("not allowed on PLAINTEXT"),
    );
    let renewed = ask(bob, &["token", "renew", &id, "--for", "3h"])?;
    tally.check(&format!("it is renewed: {}", renewed.tail(2)), renewed.success);
    let ended = ask(bob, &["token", "expire", &id])?;
    tally.check(&format!("it is ended: {}", ended.tail(2)), ended.success);
    let outside = ask(&by_token, &["topic", "list"])?;
    tally.check(&format!("it lets nobody in: {}", outside.tail(2)), !outside.success);
    let gone = ask(bob, &["token", "expire", &id])?;
    tally.check(
        &format!("it is not there: {}", gone.tail(2)),
        !gone.success && gone.output.contains("there is none"),
    );
    Ok(password)
}

/// Kafka's tools against this node.
fn java(bench: &Workbench, directory: &Path, address: &str, tally: &mut Tally) -> Result<()> {
    let oracle = Oracle::install(&bench.workspace)?;
    let file = directory.join("java.properties");
    let ask = |login: &str, arguments: &[&str]| -> Result<Finished> {
        std::fs::write(&file, format!("security.protocol=SASL_PLAINTEXT\n{login}"))?;
        let mut command = oracle.tool_java("256m", &[]);
        command.args(arguments).args(["--bootstrap-server", address, "--command-config"]).arg(&file);
        bench.run("security-delegation-java", &mut command, 2)
    };
    let tool = "org.apache.kafka.tools.DelegationTokenCommand";
    let bob =
        format!("sasl.mechanism=PLAIN\nsasl.jaas.config={PLAIN} username=\"bob\" password=\"secret\";\n");
    let made =
        ask(&bob, &[tool, "--create", "--max-life-time-period", "-1", "--renewer-principal", "User:carol"])?;
    tally.check(&format!("kafka-delegation-tokens --create: {}", made.tail(2)), made.success);
    // TOKENID HMAC OWNER ...
    let row = made.output.lines().rev().find(|line| line.contains("User:bob")).unwrap_or_default();
    let mut words = row.split_whitespace();
    let (Some(id), Some(hmac)) = (words.next(), words.next()) else {
        tally.check(&format!("it prints a token: {row}"), false);
        return Ok(());
    };
    let by_token = format!(
        "sasl.mechanism=SCRAM-SHA-256\nsasl.jaas.config={SCRAM} username=\"{id}\" password=\"{hmac}\" tokenauth=\"true\";\n"
    );
    let inside = ask(&by_token, &["org.apache.kafka.tools.TopicCommand", "--list"])?;
    tally.check(&format!("kafka-topics logs in by it: {}", inside.tail(2)), inside.success);
    let ended = ask(&bob, &[tool, "--expire", "--expiry-time-period", "-1", "--hmac", hmac])?;
    tally.check(&format!("kafka-delegation-tokens --expire: {}", ended.tail(2)), ended.success);
    let listed = ask(&bob, &[tool, "--describe"])?;
    tally.check(&format!("--describe: {}", listed.tail(3)), listed.success && !listed.output.contains(id));
    Ok(())
}
