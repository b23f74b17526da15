//! A program that a job consists of: started, waited for, killed with -9 and started again; and what a topic or a file has by now.
//!
//! Owns the process and ends it when dropped. Its output is in `jobs-NAME.log`.

use crate::broker::Broker;
use crate::process::{Finished, pause, signal_group, spawn};
use crate::provision;
use crate::stages::workbench::Workbench;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long anything of a job may take before it is called stuck: a JVM's start on a machine that is busy with other things included.
pub const LIMIT: Duration = Duration::from_secs(240);

/// A running program.
pub struct Program {
    log: PathBuf,
    child: Child,
}

impl Program {
    /// Starts it; the log of an earlier life by the same name is lost.
    pub fn start(bench: &Workbench, name: &str, command: &mut Command) -> Result<Self> {
        let log = bench.logs.join(format!("jobs-{name}.log"));
        Ok(Self { child: spawn(command, &log)?, log })
    }

    /// Until it has printed this.
    pub fn waits_for(&mut self, words: &str) -> Result<()> {
        until(words, || {
            ensure!(self.child.try_wait()?.is_none() || self.said().contains(words), "{}", self.last_words());
            Ok(self.said().contains(words).then_some(()))
        })
    }

    /// True while the process is there.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Until it has ended by itself, and well.
    pub fn ends(&mut self) -> Result<()> {
        let ended = until("its end", || Ok(self.child.try_wait()?))?;
        ensure!(ended.success(), "{ended}: {}", self.last_words());
        Ok(())
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        signal_group(self.child.id(), "KILL");
        let _ = self.child.wait();
    }

    /// SIGTERM; how it ended, in words, once it has.
    pub fn stop(&mut self) -> Result<String> {
        signal_group(self.child.id(), "TERM");
        Ok(until("its end after SIGTERM", || Ok(self.child.try_wait()?))?.to_string())
    }

    /// All that it has printed.
    pub fn said(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Where its log is and its end.
    pub fn last_words(&self) -> String {
        let said = self.said();
        let lines: Vec<&str> = said.lines().collect();
        format!("{}\n{}", self.log.display(), lines[lines.len().saturating_sub(8)..].join("\n"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Looks again and again until there is an answer.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(began.elapsed() < LIMIT, "waited {} s for: {what}", LIMIT.as_secs());
        pause(Duration::from_millis(200));
    }
}

/// The committed records of a topic by now, in kcat's format: partition by partition if there are several.
pub fn records(bench: &Workbench, broker: &Broker, topic: &str, format: &str) -> Result<Vec<String>> {
    provision::debian(&bench.workspace, "kcat", "kcat")?;
    let mut command = Command::new("kcat");
    command.args(["-b", &broker.address(), "-C", "-e", "-q", "-o", "beginning", "-t", topic, "-f", format]);
    command.args(["-X", "isolation.level=read_committed"]);
    let read: Finished = bench.run(&format!("jobs-read-{topic}"), &mut command, 2)?;
    Ok(if read.success { read.output.lines().map(str::to_owned).collect() } else { Vec::new() })
}

/// The lines of a file; none if it is not there.
pub fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}
