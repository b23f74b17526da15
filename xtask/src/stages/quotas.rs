//! Client quotas on both brokers at the same time: rates, throttle times, mutations, connections; then ours is killed and started again. What is
//! asked and compared stands in `tests/quotas/quotas.py`.

use super::workbench::Workbench;
use crate::broker::{Broker, Kind};
use crate::oracle::Oracle;
use crate::tally::Tally;
use anyhow::{Result, ensure};
use std::process::Command;

/// Short windows: what may come at once is over soon.
const SETTINGS: &[(&str, &str)] = &[
    ("auto.create.topics.enable", "false"),
    ("quota.window.num", "4"),
    ("controller.quota.window.num", "4"),
];

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let reference = Broker::start(&bench.workspace, Kind::Kafka, "quotas-reference", SETTINGS)?;
    let mut tested = Broker::start(&bench.workspace, bench.kind, "quotas", SETTINGS)?;
    let mut tally = asked(bench, "quotas", &reference, &tested, bench.full.then_some("--full"))?;
    tested.kill()?;
    tested.restart(&bench.workspace)?;
    tally.absorb("after a kill", asked(bench, "quotas-after", &reference, &tested, Some("--after"))?);
    Ok(tally)
}

fn asked(
    bench: &Workbench,
    name: &str,
    reference: &Broker,
    tested: &Broker,
    how: Option<&str>,
) -> Result<Tally> {
    let jar = Oracle::install(&bench.workspace)?.client_jar()?;
    let mut command = Command::new("python3");
    command.arg("-u").arg(bench.workspace.root.join("tests/quotas/quotas.py"));
    command.arg(reference.address()).arg(tested.address()).arg(&jar).args(how);
    let lines = bench.lines(name, &mut command, 4, tested)?;
    ensure!(!lines.is_empty(), "{name}: nothing was asked");
    Ok(Tally::from_lines(&lines.join("\n")))
}
