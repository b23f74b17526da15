//! `cargo xtask differential [seed] [cases]`: random values of every message in every version, made from the schemas by
//! an interpreter of its own, are read and written back by our generated code and by the reference jars. Bytes and
//! values must agree among all three. Needs Java and Maven.

pub mod avro;
pub mod configs;
pub mod facts;
pub mod requests;
pub mod value;

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::codegen::{emit::Names, schemas};
use crate::oracle::Oracle;
use crate::process::converse;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use crate::words::say;
use crate::workspace::{Workspace, cargo};
use value::Random;

/// Cases per message and version, unless told otherwise.
const CASES: usize = 40;

/// One message to send through both implementations.
struct Case {
    input: String,
    bytes: String,
    /// What Rust's `Debug` prints for the values.
    ours: String,
    /// What `Recode.java` prints for them.
    theirs: String,
}

/// The chore; false when one case differs.
pub fn command(arguments: &[String]) -> Result<bool> {
    let seed = arguments.first().map_or(Ok(1), |word| word.parse()).context("the seed is a number")?;
    let cases = arguments.get(1).map_or(Ok(CASES), |word| word.parse()).context("the number of cases")?;
    let workspace = Workspace::load()?;
    let differences = differences(&workspace, seed, cases)?;
    for line in differences.1.iter().take(20) {
        say(format_args!("{line}"));
    }
    say(format_args!("{} cases, {} differ (seed {seed})", differences.0, differences.1.len()));
    Ok(differences.1.is_empty())
}

/// The stage: the schemas say what the reference's classes say, and both codecs agree.
pub fn stage(bench: &Workbench) -> Result<Tally> {
    let stale = facts::stale(&bench.workspace)?;
    for name in &stale {
        say(format_args!("   not what the reference has: crates/wire/schema/{name}"));
    }
    let mut tally = Tally::one("schemas against the reference's classes", stale.is_empty());
    let keys = configs::differences(&bench.workspace)?;
    for line in &keys {
        say(format_args!("   {line}"));
    }
    tally.check("configuration keys against the reference's definitions", keys.is_empty());
    let (cases, differing) = differences(&bench.workspace, 1, 10)?;
    for line in differing.iter().take(5) {
        say(format_args!("   {line}"));
    }
    let name = format!("{cases} messages through our codec and the reference's");
    tally.check(&name, differing.is_empty());
    let (pairs, differing) = avro::differences(&bench.workspace, 1, 10_000)?;
    for line in differing.iter().take(5) {
        say(format_args!("   {line}"));
    }
    tally.check(&format!("{pairs} pairs of Avro schemas, ours and Avro's own library"), differing.is_empty());
    Ok(tally)
}

/// The number of cases, and a line for each that differs.
pub fn differences(workspace: &Workspace, seed: u64, cases: usize) -> Result<(usize, Vec<String>)> {
    let cases = make(seed, cases)?;
    let input: String = cases.iter().map(|case| format!("{}\n", case.input)).collect();
    let oracle = Oracle::install(workspace)?;
    let mut java = oracle.java("512m", &[]);
    java.arg(workspace.root.join("xtask/java/Recode.java"));
    let theirs = converse(java, &input)?;
    let mut rust = Command::new(cargo());
    rust.args(["run", "--quiet", "--package", "ottla-wire", "--example", "recode"])
        .current_dir(&workspace.root);
    let ours = converse(rust, &input)?;
    ensure!(theirs.len() == cases.len() && ours.len() == cases.len(), "an answer per case was expected");
    let mut lines = Vec::new();
    for ((case, ours), theirs) in cases.iter().zip(ours).zip(theirs) {
        let expected = [format!("{} {}", case.bytes, case.ours), format!("{} {}", case.bytes, case.theirs)];
        if ours != expected[0] {
            lines.push(format!("ours: {}\n  expected {}\n  got      {ours}", case.input, expected[0]));
        }
        if theirs != expected[1] {
            lines.push(format!("theirs: {}\n  expected {}\n  got      {theirs}", case.input, expected[1]));
        }
    }
    Ok((cases.len(), lines))
}

fn make(seed: u64, per_version: usize) -> Result<Vec<Case>> {
    let mut random = Random(seed ^ 0x9e37_79b9_7f4a_7c15);
    let mut cases = Vec::new();
    let schemas = schemas()?;
    for (_, schema) in &schemas {
        let names = Names::of(schema);
        for message in &schema.messages {
            for version in message.versions.low..=message.versions.high {
                for number in 0..per_version {
                    let scribe = value::Scribe { message, version, names: &names };
                    // The first case of each version is the defaults alone.
                    let value =
                        scribe.random(&message.fields, if number == 0 { None } else { Some(&mut random) });
                    let mut bytes = Vec::new();
                    scribe.write(&mut bytes, &message.fields, &value);
                    let bytes: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    cases.push(Case {
                        input: format!("{} {version} {bytes}", message.name),
                        bytes,
                        ours: scribe.ours(&message.name, &message.fields, &value),
                        theirs: scribe.theirs(&message.fields, &value),
                    });
                }
            }
        }
    }
    Ok(cases)
}
