//! The writers and their account: `tests/crash/load.py` as a child that is told what to do, line by line.
//!
//! Owns the child process; it ends with this value.

use crate::process::signal_group;
use crate::stages::clients;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use crate::words::say;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// After so many rounds everything is read, not only what is new.
const WHOLE_EVERY: usize = 100;

/// After so many rounds all that is under way must be acknowledged before the next strike: what one start leaves refused must not
/// be hidden by the next one.
const SETTLED_EVERY: usize = 5;

/// The running writers.
pub struct Load {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Load {
    /// Starts them; their topics are made, nothing is written yet.
    pub fn start(bench: &Workbench, address: &str, name: &str) -> Result<Load> {
        Load::start_on(bench, address, name, 1)
    }

    /// The same on several nodes, whose addresses are a list, in topics of so many replicas.
    pub fn start_on(bench: &Workbench, address: &str, name: &str, replicas: usize) -> Result<Load> {
        let log = bench.logs.join(format!("crash-{name}.log"));
        let errors = File::create(&log).with_context(|| log.display().to_string())?;
        let mut command = Command::new(clients::python_environment(bench)?);
        command.arg("-u").arg(bench.workspace.root.join("tests/crash/load.py")).args([address, name]);
        command.arg(replicas.to_string());
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

    /// Lets them write while `strike` takes the node away and brings it back `rounds` times; after each round nothing that was
    /// acknowledged may be missing. `what` names the strikes, `name` the servers' logs.
    pub fn endure(
        &mut self,
        what: &str,
        name: &str,
        rounds: usize,
        mut strike: impl FnMut() -> Result<()>,
    ) -> Result<Tally> {
        self.tell("write")?;
        let started = Instant::now();
        for round in 0..rounds {
            let at = || format!("round {round}: the servers' logs are below brokers/{name}-*");
            strike().with_context(at)?;
            let whole = if round % WHOLE_EVERY == WHOLE_EVERY - 1 { "verify all" } else { "verify" };
            self.tell(whole).with_context(at)?;
            if round % SETTLED_EVERY == SETTLED_EVERY - 1 {
                self.tell("rest").with_context(at)?;
                self.tell("write")?;
            }
        }
        self.tell("rest")?;
        let counts = self.tell("verify all")?;
        say(format_args!(
            "   {rounds} {what}: {} records acknowledged, none lost; {:.0} s",
            counts.first().copied().unwrap_or(0),
            started.elapsed().as_secs_f64()
        ));
        let mut tally = Tally { passed: rounds, ..Tally::default() };
        let worked = counts.first().is_some_and(|acked| *acked > rounds as u64);
        tally.check(&format!("only {counts:?} records and offsets were acknowledged"), worked);
        Ok(tally)
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
