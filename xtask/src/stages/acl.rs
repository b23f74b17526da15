//! Who may ask what: `tests/acl/acl.py` asks both brokers every API with entries that allow, deny or say nothing, and what entries and
//! credentials are at all. The lines must be the same, as in the stage `answers`; `tests/acl/diverges.txt` says where they are not. Then
//! Kafka's tools for entries and users (`tests/golden/security.txt`) print the same of both.

use super::answers::{Line, compare, parse};
use super::golden;
use super::workbench::Workbench;
use crate::broker::{Broker, Kind};
use crate::oracle::Oracle;
use crate::tally::Tally;
use anyhow::{Context, Result};
use std::process::Command;

/// Nobody logs in; who asks is told by the address. Before there are entries, everybody may.
const SETTINGS: &[(&str, &str)] = &[
    ("auto.create.topics.enable", "false"),
    ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    ("allow.everyone.if.no.acl.found", "true"),
];

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let reference = Broker::start(&bench.workspace, Kind::Kafka, "acl-reference", SETTINGS)?;
    let tested = Broker::start(&bench.workspace, bench.kind, "acl", SETTINGS)?;
    let (wanted, found) = std::thread::scope(|scope| {
        let wanted = scope.spawn(|| answers(bench, &reference, "reference"));
        let found = answers(bench, &tested, "tested");
        (wanted.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the reference's thread panicked"))), found)
    });
    let path = bench.workspace.root.join("tests/acl/diverges.txt");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let diverges = if bench.kind == Kind::Kafka { Vec::new() } else { parse(&text)? };
    let (mut tally, differences) = compare(&wanted?, &found?, &diverges);
    let path = bench.logs.join("acl.diff");
    std::fs::write(&path, differences).with_context(|| path.display().to_string())?;
    let (wanted, found) = (tools(bench, &reference, "reference")?, tools(bench, &tested, "tested")?);
    tally.absorb("tools", golden::compare(bench, "acl-tools.diff", &wanted, &found)?);
    Ok(tally)
}

/// What Kafka's tools print; the script before has left entries by which whoever comes from here may do everything.
fn tools(bench: &Workbench, broker: &Broker, name: &str) -> Result<Vec<golden::Step>> {
    let script = bench.workspace.root.join("tests/golden/security.txt");
    let scratch = bench.workspace.scratch("golden")?.join(format!("acl-{name}"));
    std::fs::create_dir_all(&scratch)?;
    golden::run_tools(bench, &format!("acl-tools-{name}"), &broker.address(), &script, &scratch, &[])
}

fn answers(bench: &Workbench, broker: &Broker, name: &str) -> Result<Vec<Line>> {
    let jar = Oracle::install(&bench.workspace)?.client_jar()?;
    let mut command = Command::new("python3");
    command.arg(bench.workspace.root.join("tests/acl/acl.py"));
    command.arg(broker.address()).arg(broker.controller_address()).arg(broker.data()).arg(&jar);
    let lines = bench.lines(&format!("acl-{name}"), &mut command, 5, broker)?;
    Ok(lines.iter().filter_map(|line| Line::of(line)).collect())
}
