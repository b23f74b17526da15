//! The writers and their account: `tests/crash/load.py` as a child that is told what to do, line by line.
//!
//! Owns the child process; it ends with this value.

use super::Bench;
use crate::process::signal_group;
use crate::stages::clients;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The running writers.
pub struct Load {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Load {
    /// Starts them; their topics are made, nothing is written yet.
    pub fn start(bench: &Bench, address: &str, name: &str) -> Result<Load> {
        let log = bench.logs.join(format!("crash-{name}.log"));
        let errors = File::create(&log).with_context(|| log.display().to_string())?;
        let mut command = Command::new(clients::python_environment(bench)?);
        command.arg("-u").arg(bench.workspace.root.join("tests/crash/load.py")).args([address, name]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).process_group(0);
        let mut child = command.spawn().context("the writers could not be started")?;
        let to = child.stdin.take().context("no standard input")?;
        let from = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut load = Load { child, to, from };
        load.answer("start")?;
        Ok(load)
    }

    /// Gives a command; the numbers of its answer, or what is bad.
    pub fn tell(&mut self, command: &str) -> Result<Vec<u64>> {
        writeln!(self.to, "{command}").with_context(|| format!("the writers are gone at `{command}`"))?;
        self.to.flush()?;
        self.answer(command)
    }

    fn answer(&mut self, command: &str) -> Result<Vec<u64>> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        match line.trim_end().split_once(' ') {
            Some(("ok", rest)) => Ok(rest.split(' ').filter_map(|word| word.parse().ok()).collect()),
            Some(("bad", what)) => bail!("{what}"),
            _ => bail!("the writers answered `{}` to `{command}`", line.trim_end()),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        signal_group(self.child.id(), "KILL");
        let _ = self.child.wait();
    }
}
