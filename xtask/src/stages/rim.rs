//! How a node starts and stops: directories that are refused and left alone, those that older releases wrote, signals at every moment, few
//! descriptors, a clock that is put right. `tests/rim/rim.py` starts the broker itself and says what it saw.

use super::workbench::Workbench;
use crate::broker::{Kind, binary};
use crate::oracle::Oracle;
use crate::provision;
use crate::tally::Tally;
use anyhow::{Result, ensure};
use std::ffi::OsString;
use std::process::Command;

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    provision::debian(&bench.workspace, "kcat", "kcat")?;
    provision::debian(&bench.workspace, "faketime", "faketime")?;
    let home = bench.workspace.scratch("rim")?.join(bench.kind.name());
    std::fs::create_dir_all(&home)?;
    let (start, format) = match bench.kind {
        Kind::Ottla => {
            let program = binary(&bench.workspace).into_os_string();
            (words(&program, &["server", "-c"]), words(&program, &["storage", "format"]))
        }
        Kind::Kafka => {
            let java = Oracle::install(&bench.workspace)?;
            let (node, tool) = (java.java("512m", &[]), java.java("256m", &[]));
            (called(&node, &["kafka.Kafka"]), called(&tool, &["kafka.tools.StorageTool", "format"]))
        }
    };
    let mut command = Command::new("python3");
    command.arg(bench.workspace.root.join("tests/rim/rim.py")).arg(bench.kind.name()).arg(&home);
    command.arg("--").args(start).arg("--").args(format);
    let finished = bench.run("rim", &mut command, 15)?;
    ensure!(finished.success, "tests/rim/rim.py: {}: {}", finished.how, finished.tail(6));
    Ok(Tally::from_lines(&finished.output))
}

fn words(program: &std::ffi::OsStr, arguments: &[&str]) -> Vec<OsString> {
    [program.to_owned()].into_iter().chain(arguments.iter().map(OsString::from)).collect()
}

fn called(command: &Command, arguments: &[&str]) -> Vec<OsString> {
    let own = command.get_args().map(OsString::from);
    let program = command.get_program().to_owned();
    [program].into_iter().chain(own).chain(arguments.iter().map(OsString::from)).collect()
}
