//! Moving in and out again: a directory that Apache Kafka wrote, with ACLs, SCRAM credentials, quotas, committed offsets and
//! transactions; Ottla serves it and keeps what it does not use; Kafka starts on it again and still has all of it.
//!
//! `tests/takeover/Keeper.java` fills and takes inventory. Owns the order of starts and stops.

use super::workbench::Workbench;
use crate::broker::{Broker, Kind, binary};
use crate::oracle::Oracle;
use crate::process::Finished;
use crate::provision;
use crate::tally::Tally;
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// Kafka's: ACLs need an authorizer, and whoever comes without a name may do all. Ours keeps them without one, and says so.
const SETTINGS: &[(&str, &str)] = &[
    ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    ("super.users", "User:ANONYMOUS"),
];

/// What `ottla storage check` has to say of such a directory.
const EXPECTED: &[&str] = &["ACLs are kept", "The node can start"];

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    let directory = bench.workspace.scratch("brokers")?.join("takeover");
    let _ = std::fs::remove_dir_all(&directory);
    let on = |kind: Kind| {
        let settings = if kind == Kind::Kafka { SETTINGS } else { &[] };
        Broker::start_on(&bench.workspace, kind, directory.clone(), settings)
    };

    let mut broker = on(Kind::Kafka)?;
    keep(bench, &broker, &["fill"])?;
    let data = keep(bench, &broker, &["data"])?;
    let security = keep(bench, &broker, &["security"])?;
    tally.check(&format!("Kafka keeps {} lines of security", security.len()), security.len() == 7);
    broker.stop()?;

    if bench.kind == Kind::Ottla {
        let kafkas = directory.join("server.properties");
        let said = check(bench, &kafkas)?;
        tally.check(
            &format!("storage check takes Kafka's file, whose authorizer is in force: {}", said.output),
            said.success && !said.output.contains("protect nothing"),
        );
        let text = std::fs::read_to_string(&kafkas)?;
        let own = directory.join("own.properties");
        let lines = text.lines().filter(|line| !SETTINGS.iter().any(|(key, _)| line.starts_with(key)));
        std::fs::write(&own, lines.collect::<Vec<_>>().join("\n"))?;
        let said = check(bench, &own)?;
        for wanted in EXPECTED {
            tally.check(
                &format!("storage check does not say `{wanted}`: {}", said.output),
                said.output.contains(wanted),
            );
        }
        tally.check(&format!("storage check: {}", said.how), said.success);
    }

    let mut broker = on(bench.kind)?;
    same(&mut tally, "served after Kafka stopped", &data, &keep(bench, &broker, &["data"])?);
    keep(bench, &broker, &["more", "second"])?;
    let data = keep(bench, &broker, &["data"])?;
    tally.check(
        "it stops cleanly",
        broker.stop()?.is_some_and(|status| status.success() || status.code() == Some(143)),
    );

    let mut broker = on(Kind::Kafka)?;
    same(&mut tally, "served by Kafka again", &data, &keep(bench, &broker, &["data"])?);
    same(&mut tally, "kept for Kafka", &security, &keep(bench, &broker, &["security"])?);
    broker.stop()?;
    Ok(tally)
}

/// One check per line.
fn same(tally: &mut Tally, what: &str, wanted: &[String], found: &[String]) {
    for line in wanted {
        tally.check(&format!("{what}: {line}: not so; found {found:?}"), found.contains(line));
    }
    tally.check(
        &format!("{what}: {} lines, {} wanted", found.len(), wanted.len()),
        found.len() == wanted.len(),
    );
}

fn keep(bench: &Workbench, broker: &Broker, arguments: &[&str]) -> Result<Vec<String>> {
    let oracle = Oracle::install(&bench.workspace)?;
    let sources = bench.workspace.root.join("tests/takeover");
    let classes = provision::javac(&bench.workspace, &sources, &oracle.broker_jars)?;
    let mut command = oracle.java("256m", &[&classes]);
    command.arg("Keeper").arg(broker.address()).args(arguments);
    let name = format!("takeover-{}", arguments.join("-"));
    bench.lines(&name, &mut command, 4, broker)
}

/// `ottla storage check` on a properties file.
fn check(bench: &Workbench, properties: &Path) -> Result<Finished> {
    let mut command = Command::new(binary(&bench.workspace));
    command.args(["storage", "check", "-c"]).arg(properties);
    bench.run("takeover-check", &mut command, 1)
}
