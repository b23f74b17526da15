//! `/metrics` of nodes at work: the stage says where everything is, what is checked stands in `tests/metrics/scrape.py`.

use super::clients::read;
use super::workbench::Workbench;
use crate::broker::binary;
use crate::provision;
use crate::tally::Tally;
use anyhow::Result;
use std::process::Command;

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let root = &bench.workspace.root;
    let scratch = bench.workspace.scratch("brokers")?.join("metrics");
    let _ = std::fs::remove_dir_all(&scratch);
    std::fs::create_dir_all(&scratch)?;
    let tests = root.join("tests/metrics");
    let interpreter = provision::python(&bench.workspace, "metrics", &tests.join("requirements.txt"))?;
    let mut python = Command::new(interpreter);
    python.arg("-u").arg(tests.join("scrape.py")).arg("-");
    python.env("OTTLA", binary(&bench.workspace)).env("SCRATCH", &scratch);
    python.env("DOCUMENT", root.join("docs/operators/metrics.md")).env("ASKED", tests.join("asked.txt"));
    Ok(read("metrics", &bench.run("metrics", &mut python, 4)?))
}
