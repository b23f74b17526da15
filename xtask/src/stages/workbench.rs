//! What every stage works with: paths, logs, which broker, what the command line asks for, and how a program is run for it.

use crate::broker::{Broker, Kind};
use crate::process::{Finished, run};
use crate::workspace::{Workspace, cargo};
use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// What every stage may use.
pub struct Workbench {
    /// Paths.
    pub workspace: Workspace,
    /// Logs of this run.
    pub logs: PathBuf,
    /// Whom the black-box stages talk to: ours, or the reference to prove the tests themselves.
    pub kind: Kind,
    /// `--full`: the long run of the stages that have one.
    pub full: bool,
    /// `--only=NAME`: one suite of the stage that has several.
    pub part: Option<String>,
    /// `--write-table`: the page about the suites is written, not only checked.
    pub write_table: bool,
}

impl Workbench {
    /// Runs a program for a stage, its output in `NAME.log`.
    pub fn run(&self, name: &str, command: &mut Command, minutes: u64) -> Result<Finished> {
        run(command, &self.logs.join(format!("{name}.log")), Duration::from_secs(minutes * 60))
    }

    /// Runs a program that prints lines and, at its end, one that begins with `done - `: the lines before that one.
    pub fn lines(
        &self,
        name: &str,
        command: &mut Command,
        minutes: u64,
        broker: &Broker,
    ) -> Result<Vec<String>> {
        let finished = self.run(name, command, minutes)?;
        let mut lines: Vec<String> = finished.output.lines().map(str::to_owned).collect();
        ensure!(
            lines.pop().is_some_and(|line| line.starts_with("done - ")),
            "{name}: {}: {}\nbroker: {}",
            finished.how,
            finished.tail(6),
            broker.log().display()
        );
        Ok(lines)
    }

    /// A cargo command at the workspace root.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(cargo());
        command.args(arguments).current_dir(&self.workspace.root);
        command
    }
}
