//! `cargo xtask config-facts`: what the reference's classes say of every configuration key, against the tables of
//! `crates/broker/src/config`: type, default, bounds, importance, how widely it may be changed, synonyms.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::Result;

use crate::oracle::Oracle;
use crate::process::converse;
use crate::words::say;
use crate::workspace::{Workspace, cargo};

/// What both have and see alike, though they say it otherwise.
const ALIKE: &[(&str, &str)] = &[
    // Only null is refused, which no request and no file can say.
    ("non-null string", "-"),
];

/// `config-facts [--check]`: tells the keys that differ; with `--check`, fails if there are any.
pub fn command(arguments: &[String]) -> Result<bool> {
    let differences = differences(&Workspace::load()?)?;
    for line in &differences {
        say(format_args!("{line}"));
    }
    say(format_args!("{} configuration keys differ from the reference", differences.len()));
    Ok(differences.is_empty() || !arguments.iter().any(|argument| argument == "--check"))
}

/// A line for each key that only one side has, and for each that the two see otherwise.
pub fn differences(workspace: &Workspace) -> Result<Vec<String>> {
    let mut java = Oracle::install(workspace)?.java("256m", &[]);
    java.arg(workspace.root.join("xtask/java/ConfigFacts.java"));
    let mut rust = Command::new(cargo());
    rust.args(["run", "--quiet", "--package", "ottla-broker", "--example", "config_facts"])
        .current_dir(&workspace.root);
    let theirs = by_name(&converse(java, "")?);
    let ours = by_name(&converse(rust, "")?);
    let mut lines = Vec::new();
    for (name, facts) in &theirs {
        match ours.get(name) {
            Some(own) if own == facts => {}
            Some(own) => lines.push(format!("{name}\n  reference {facts}\n  ours      {own}")),
            None => lines.push(format!("{name} is not in our tables: {facts}")),
        }
    }
    lines.extend(
        ours.keys().filter(|name| !theirs.contains_key(*name)).map(|name| format!("{name} is only ours")),
    );
    Ok(lines)
}

/// The facts by kind and name of the key.
fn by_name(lines: &[String]) -> BTreeMap<String, String> {
    let entry = |line: &String| {
        let (kind, rest) = line.split_once('\t')?;
        let (name, facts) = rest.split_once('\t')?;
        let alike = |fact: &str| {
            ALIKE
                .iter()
                .find(|(said, _)| *said == fact)
                .map_or_else(|| fact.to_owned(), |(_, meant)| (*meant).to_owned())
        };
        let facts: Vec<String> = facts.split('\t').map(alike).collect();
        Some((format!("{kind} {name}"), facts.join(" | ")))
    };
    lines.iter().filter_map(entry).collect()
}
