//! System calls and context switches per request, by `perf stat`; where the kernel does not let it, by `strace -c` and the kernel's
//! accounts of the threads.

use super::cell::{Cell, Run};
use super::load::{self, Shape};
use super::measure::switches;
use crate::process::{pause, signal_group, spawn};
use crate::provision;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::process::Command;
use std::time::Duration;

pub const SYSTEM_CALLS: &str = "system calls, 16 KiB produce";
pub const SWITCHES: &str = "context switches, 16 KiB produce";

pub fn count<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let broker = cell.start()?;
    Ok(Box::new(move |run| {
        let topic = cell.topic("calls", run);
        load::create(&broker.address(), &topic, 1, &[])?;
        // The first writes make files; they are no part of a request.
        load::produce(&broker.address(), &topic, Shape::single(20))?;
        let load =
            || load::produce(&broker.address(), &topic, Shape::single(cell.options.megabytes.min(300)));
        let mut requests = 0;
        let counted = during(cell.workspace, broker.id(), || {
            requests = load()?.requests;
            Ok(())
        })?;
        Ok(vec![
            (SYSTEM_CALLS, counted.system_calls / requests as f64),
            (SWITCHES, counted.switches / requests as f64),
        ])
    }))
}

struct Counted {
    system_calls: f64,
    switches: f64,
}

fn during(workspace: &Workspace, id: u32, work: impl FnOnce() -> Result<()>) -> Result<Counted> {
    let folder = workspace.scratch("test-logs")?;
    let file = folder.join("calls.txt");
    let _ = std::fs::remove_file(&file);
    let by_perf = perf_works(workspace);
    let mut command = if by_perf {
        let mut perf = Command::new("perf");
        perf.args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p", &id.to_string(), "-o"])
            .arg(&file);
        perf
    } else {
        provision::debian(workspace, "strace", "strace")?;
        let mut strace = Command::new("strace");
        strace.args(["-f", "-c", "-p", &id.to_string(), "-o"]).arg(&file);
        strace
    };
    let mut counter = spawn(&mut command, &folder.join("calls.log"))?;
    pause(Duration::from_millis(500));
    let before = switches(id);
    let done = work();
    let switched = switches(id) - before;
    signal_group(counter.id(), "INT");
    counter.wait()?;
    done?;
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let system_calls = if by_perf { of_perf(&text) } else { of_strace(&text) };
    let system_calls = system_calls.with_context(|| format!("no count in {}", file.display()))?;
    ensure!(system_calls > 0.0, "no system call was counted");
    Ok(Counted { system_calls, switches: switched })
}

/// Installs perf if it can; whether it may count system calls here.
fn perf_works(workspace: &Workspace) -> bool {
    let _ = provision::debian(workspace, "perf", "linux-perf");
    let mut command = Command::new("perf");
    command.args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-o", "/dev/stdout", "true"]);
    let printed = command.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    printed.is_ok_and(|text| of_perf(&text).is_some())
}

/// `COUNT,,raw_syscalls:sys_enter,…`
fn of_perf(text: &str) -> Option<f64> {
    text.lines().find(|line| line.contains("sys_enter"))?.split(',').next()?.parse().ok()
}

/// The fourth column of the line that ends with `total`.
fn of_strace(text: &str) -> Option<f64> {
    let total = text.lines().find(|line| line.trim_end().ends_with(" total"))?;
    total.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_counters_are_read() {
        let perf = "# started on Wed\n\n1234,,raw_syscalls:sys_enter,975048,100.00,,\n";
        assert_eq!(of_perf(perf), Some(1234.0));
        assert_eq!(of_perf("<not supported>,,raw_syscalls:sys_enter,0,100.00,,\n"), None);
        let strace = "% time     seconds  usecs/call     calls    errors syscall\n\
                      ------ ----------- ----------- --------- --------- ----------------\n\
                      100.00    0.000117           1        77         2 total\n";
        assert_eq!(of_strace(strace), Some(77.0));
    }
}
