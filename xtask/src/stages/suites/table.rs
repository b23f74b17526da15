//! `docs/suites.md`: every test of every suite, written from the lists (`cargo xtask test suites --write-table`), and what people's jobs
//! came to, as `tests/jobs/results.md` has it.
//!
//! Owns the page's text; the stage tells when it is stale.

use super::catalog::{SUITES, Suite};
use super::lists::Lists;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use anyhow::{Context, Result};
use std::fmt::Write as _;

const HEAD: &str = "\
# Suites of other people

Whole regression suites of other people's clients, run by `cargo xtask test suites`. A suite changes where the broker is and
nothing else. The lists in `tests/suites/<suite>` decide: what must pass gates every change, and only grows; what is not
applicable yet has its reason. Only a test that Apache Kafka 4.4 passes in the same configuration counts
(`cargo xtask test suites --against=kafka`). `--full` runs the slow and the not applicable ones, too, and tells which of
them pass by now. This page is written from the lists by `--write-table`, and the stage fails when it is stale.
";

/// Writes the page or checks that it is fresh.
pub fn check(bench: &Workbench, tally: &mut Tally) -> Result<()> {
    let path = bench.workspace.root.join("docs/suites.md");
    let wanted = page(bench)?;
    if bench.write_table {
        std::fs::write(&path, &wanted).with_context(|| path.display().to_string())?;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    tally.check("docs/suites.md is stale: `cargo xtask test suites --write-table`", found == wanted);
    Ok(())
}

fn page(bench: &Workbench) -> Result<String> {
    let mut read = Vec::new();
    for suite in SUITES {
        read.push((suite, Lists::read(&bench.workspace, suite.name)?));
    }
    let mut text = HEAD.to_owned();
    text.push_str(
        "\n| suite | what it is | must pass | slow | not applicable yet |\n|---|---|---|---|---|\n",
    );
    for (suite, lists) in &read {
        let counts = [lists.must_pass.len(), lists.slow.len(), lists.not_applicable.len()];
        let [must, slow, later] = counts;
        writeln!(text, "| {} | {} | {must} | {slow} | {later} |", suite.name, suite.about)?;
    }
    for (suite, lists) in &read {
        section(&mut text, suite, lists)?;
    }
    let jobs = bench.workspace.root.join("tests/jobs/results.md");
    text.push('\n');
    text.push_str(&std::fs::read_to_string(&jobs).with_context(|| jobs.display().to_string())?);
    Ok(text)
}

/// One suite: a row per test, sorted by name.
fn section(text: &mut String, suite: &Suite, lists: &Lists) -> Result<()> {
    write!(text, "\n## {}\n| test | state |\n|---|---|\n", suite.name)?;
    let mut rows: Vec<(&str, String)> =
        lists.must_pass.iter().map(|name| (name.as_str(), "passes".to_owned())).collect();
    let slow = |(name, reason): (_, &String)| (name, format!("passes, only with `--full`: {reason}"));
    rows.extend(lists.slow.iter().map(|(name, reason)| slow((name.as_str(), reason))));
    let later = |(name, reason): (_, &String)| (name, format!("not applicable: {reason}"));
    rows.extend(lists.not_applicable.iter().map(|(name, reason)| later((name.as_str(), reason))));
    rows.sort();
    for (name, state) in rows {
        writeln!(text, "| {name} | {state} |")?;
    }
    Ok(())
}
