//! `cargo xtask bench registry [SCHEMAS]`: a schema registry with many schemas; `KARAPACE=COMMAND`, to which broker, port and topic are added, puts one beside it on
//! the same topic. Owns the way there; what is done and counted stands in `tests/registry/bench.py`.

use crate::broker::binary;
use crate::provision;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::process::Command;

/// Unless told otherwise.
const SCHEMAS: &str = "100000";

/// False when something could not be measured.
pub fn command(workspace: &Workspace, arguments: &[String]) -> Result<bool> {
    let tests = workspace.root.join("tests/registry");
    let scratch = workspace.scratch("brokers")?.join("registry-bench");
    let _ = std::fs::remove_dir_all(&scratch);
    std::fs::create_dir_all(&scratch)?;
    let python = provision::python(workspace, "registry", &tests.join("requirements.txt"))?;
    let mut run = Command::new(python);
    run.arg(tests.join("bench.py")).arg(arguments.first().map_or(SCHEMAS, String::as_str));
    run.env("OTTLA", binary(workspace)).env("SCRATCH", &scratch);
    let done = run.status().context("tests/registry/bench.py")?;
    let _ = std::fs::remove_dir_all(scratch.join("data"));
    Ok(done.success())
}
