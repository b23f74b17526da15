//! Share groups and dead-letter queues over kills: the stage says where everything is, what is checked stands in `tests/share/failures.py`.

use super::clients::read;
use super::workbench::Workbench;
use crate::broker::binary;
use crate::tally::Tally;
use anyhow::Result;
use std::process::Command;

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let scratch = bench.workspace.scratch("brokers")?.join("share");
    let _ = std::fs::remove_dir_all(&scratch);
    std::fs::create_dir_all(&scratch)?;
    let mut python = Command::new("python3");
    python.arg("-u").arg(bench.workspace.root.join("tests/share/failures.py")).arg("-");
    python.env("OTTLA", binary(&bench.workspace)).env("SCRATCH", &scratch);
    Ok(read("share", &bench.run("share", &mut python, 6)?))
}
