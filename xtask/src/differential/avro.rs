//! Pairs of Avro schemas, made from a seed, before our comparison and Avro's own library: whether one reads the other, every difference with its place, how
//! each is printed, its parsing canonical form and its fingerprint. `cargo xtask avro [seed] [pairs]`, and part of the stage `differential`.

use crate::oracle::Oracle;
use crate::process::converse;
use crate::words::say;
use crate::workspace::{Workspace, cargo};
use anyhow::{Context, Result, ensure};
use std::process::Command;

/// Pairs, unless told otherwise.
const PAIRS: usize = 10_000;

/// The chore; false when one pair differs.
pub fn command(arguments: &[String]) -> Result<bool> {
    let seed = arguments.first().map_or(Ok(1), |word| word.parse()).context("the seed is a number")?;
    let pairs = arguments.get(1).map_or(Ok(PAIRS), |word| word.parse()).context("the number of pairs")?;
    let (pairs, differing) = differences(&Workspace::load()?, seed, pairs)?;
    for line in differing.iter().take(20) {
        say(format_args!("{line}"));
    }
    say(format_args!("{pairs} pairs, {} differ (seed {seed})", differing.len()));
    Ok(differing.is_empty())
}

/// The number of pairs, and some lines for each that differs.
pub fn differences(workspace: &Workspace, seed: u64, pairs: usize) -> Result<(usize, Vec<String>)> {
    let ours = |words: &[&str]| {
        let mut rust = Command::new(cargo());
        rust.args(["run", "--quiet", "--package", "ottla-schema", "--example", "avro_judge", "--"])
            .args(words);
        rust.current_dir(&workspace.root);
        rust
    };
    let lines = converse(ours(&["generate", &seed.to_string(), &pairs.to_string()]), "")?;
    ensure!(lines.len() == 2 * pairs, "{} lines of {pairs} pairs", lines.len());
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let found = converse(ours(&["judge"]), &input)?;
    let oracle = Oracle::install(workspace)?;
    let mut java = oracle.java_on(&oracle.avro_jars(workspace)?, "512m", &[]);
    java.arg(workspace.root.join("xtask/java/AvroJudge.java"));
    let wanted = converse(java, &input)?;
    ensure!(found.len() == 3 * pairs && wanted.len() == 3 * pairs, "three lines for each pair were expected");
    let mut differing = Vec::new();
    let answers = found.chunks_exact(3).zip(wanted.chunks_exact(3));
    for ((ours, theirs), pair) in answers.zip(lines.chunks_exact(2)) {
        // It gives up where a field is, by an alias, several: whoever asks is told that they do not go together.
        let gave_up = theirs[2].starts_with("threw") && ours[2].starts_with("INCOMPATIBLE");
        if ours != theirs && !(gave_up && ours[..2] == theirs[..2]) {
            let (reader, writer) = (&pair[0], &pair[1]);
            differing
                .push(format!("reader {reader}\n  writer {writer}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    Ok((pairs, differing))
}
