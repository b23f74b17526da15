//! `/metrics` of nodes at work: the stage says where everything is, what is checked stands in `tests/metrics/scrape.py`; and in `watched.py`
//! what a real Prometheus makes of it by `ottla generate`.

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
    provision::debian(&bench.workspace, "prometheus", "prometheus")?;
    let mut tally = Tally::default();
    for (name, script) in [("metrics", "scrape.py"), ("watched", "watched.py")] {
        let mut python = Command::new(&interpreter);
        python.arg("-u").arg(tests.join(script)).arg("-");
        python.env("OTTLA", binary(&bench.workspace)).env("SCRATCH", &scratch);
        python.env("DOCUMENT", root.join("docs/operators/metrics.md")).env("ASKED", tests.join("asked.txt"));
        tally.absorb(name, read(name, &bench.run(name, &mut python, 4)?));
    }
    Ok(tally)
}
