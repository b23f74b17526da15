//! A small file system, filled and freed again and again under a node: by itself down to its reserve, by others to the last byte.
//! `tests/crash/full_disk.py` does it and says what did not hold.
//!
//! Owns the tmpfs (root only) and the order of things.

use crate::broker::Broker;
use crate::process::run;
use crate::stages::clients;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use crate::words::say;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Holds a few hundred rounds of what is written, and fills quickly.
const SIZE: &str = "size=256m";

/// A mounted tmpfs; gone with this value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(bench: &Workbench) -> Result<SmallDisk> {
        let at = bench.workspace.scratch("full-disk")?;
        let log = bench.logs.join("full-disk-mount.log");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(&at);
        let finished = run(&mut command, &log, Duration::from_secs(10)).context("mount")?;
        ensure!(finished.success, "mount -t tmpfs: {}: {}", finished.how, finished.tail(2));
        Ok(SmallDisk(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Fills and frees it `rounds` times.
pub fn run_rounds(bench: &Workbench, rounds: usize) -> Result<Tally> {
    let mut tally = Tally::default();
    let disk = match SmallDisk::mount(bench) {
        Ok(disk) => disk,
        Err(why) => {
            tally.skip(format!("no small file system can be mounted here: {why:#}"));
            return Ok(tally);
        }
    };
    let data = disk.0.join("data").display().to_string();
    let settings = [("log.dirs", data.as_str()), ("log.retention.check.interval.ms", "1000")];
    let mut broker = Broker::start(&bench.workspace, bench.kind, "full-disk", &settings)?;
    let mut command = Command::new(clients::python_environment(bench)?);
    command.arg("-u").arg(bench.workspace.root.join("tests/crash/full_disk.py"));
    command.arg(broker.address()).arg(&disk.0).arg(rounds.to_string());
    let finished = bench.run("full-disk", &mut command, 20)?;
    tally.absorb("rounds", clients::read("full disk", &finished));
    tally.check("the broker is still there", broker.alive());
    for line in finished.output.lines().filter(|line| line.starts_with("slowest to resume")) {
        say(format_args!("   {rounds} times full: {line}"));
    }
    tally.check("it stops cleanly", broker.stop()?.is_some_and(|status| status.success()));
    Ok(tally)
}
