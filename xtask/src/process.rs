//! Running other programs: output into a log file or taken line by line, a time limit, the whole process group ended when it is over.
//!
//! Owns nothing that outlives a call but the log files. Never prints.

use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How a program ended.
pub struct Finished {
    /// True for exit status 0 within the time limit.
    pub success: bool,
    /// In words: `exit status: 1`, `timed out after 60 s`.
    pub how: String,
    /// Everything it printed, standard error included.
    pub output: String,
}

impl Finished {
    /// The last `lines` lines that it printed.
    pub fn tail(&self, lines: usize) -> String {
        let all: Vec<&str> = self.output.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

/// Runs `command` to its end or to the limit, everything it prints going to `log`.
pub fn run(command: &mut Command, log: &Path, limit: Duration) -> Result<Finished> {
    let mut child = spawn(command, log)?;
    let status = wait(&mut child, limit)?;
    let bytes = std::fs::read(log).with_context(|| log.display().to_string())?;
    let output = String::from_utf8_lossy(&bytes).into_owned();
    let how = status.map_or_else(|| format!("timed out after {} s", limit.as_secs()), |s| s.to_string());
    Ok(Finished { success: status.is_some_and(|status| status.success()), how, output })
}

/// Starts `command` in a process group of its own, without standard input, printing into `log`.
pub fn spawn(command: &mut Command, log: &Path) -> Result<Child> {
    if let Some(parent) = log.parent() {
        std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    }
    let out = File::create(log).with_context(|| log.display().to_string())?;
    let err = out.try_clone()?;
    command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
    command.spawn().with_context(|| format!("{:?} could not be started", command.get_program()))
}

/// Waits until the limit; a child that is still there is killed with its whole group.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            signal_group(child.id(), "KILL");
            child.wait()?;
            return Ok(None);
        }
        pause(Duration::from_millis(20));
    }
}

/// Sends a signal to a process group that [`spawn`] made.
pub fn signal_group(leader: u32, signal: &str) {
    let _ = Command::new("kill")
        .args([format!("-{signal}"), "--".to_owned(), format!("-{leader}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Waits a little between two looks at something that another process will change.
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Gives a program its standard input and collects the lines it prints.
pub fn converse(mut command: Command, input: &str) -> Result<Vec<String>> {
    let program = Path::new(command.get_program()).display().to_string();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context(program.clone())?;
    let mut to = child.stdin.take().context("a pipe was asked for")?;
    let output = std::thread::scope(|scope| {
        scope.spawn(move || to.write_all(input.as_bytes()));
        child.wait_with_output()
    })?;
    ensure!(output.status.success(), "{program}: {}", output.status);
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_string).collect())
}
