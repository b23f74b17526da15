//! TLS with unmodified clients, stores of every kind and three nodes: the stage prepares keys and tells `tests/tls/clients.py` where everything
//! is; what is checked stands there.

use super::clients::{python_environment, read};
use super::workbench::Workbench;
use crate::broker::binary;
use crate::oracle::Oracle;
use crate::provision;
use crate::tally::Tally;
use anyhow::{Result, ensure};
use std::process::Command;

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let root = &bench.workspace.root;
    let scratch = bench.workspace.scratch("brokers")?.join("tls");
    let _ = std::fs::remove_dir_all(&scratch);
    let keys = scratch.join("keys");
    std::fs::create_dir_all(&keys)?;
    let made =
        bench.run("tls-keys", Command::new("bash").arg(root.join("tests/tls/keys.sh")).arg(&keys), 2)?;
    ensure!(made.success, "keys.sh: {}: {}", made.tail(3), std::fs::read_to_string(keys.join("keys.log"))?);
    provision::debian(&bench.workspace, "kcat", "kcat")?;
    provision::debian(&bench.workspace, "sslscan", "sslscan")?;
    let oracle = Oracle::install(&bench.workspace)?;
    let classes = format!("{}/*:{}/*", oracle.tool_jars.display(), oracle.broker_jars.display());
    let mut python = Command::new(python_environment(bench)?);
    python.arg("-u").arg(root.join("tests/tls/clients.py")).arg("-");
    python.env("OTTLA", binary(&bench.workspace)).env("KEYS", &keys).env("SCRATCH", &scratch);
    python.env("CLASSES", classes);
    Ok(read("tls", &bench.run("tls", &mut python, 6)?))
}
