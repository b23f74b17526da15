//! The integration tests that travel in kafka-python's source distribution.
//!
//! The package itself comes installed from the index; of the source only its `test` folder is used. Never SASL or TLS: those
//! modules start a broker of their own.

use super::case::{BROKER, Case, Outcome};
use crate::process::Finished;
use crate::provision;
use crate::stages::workbench::Workbench;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = "3.0.12";

/// What the tests are told that the broker is; they choose the protocol's versions by it.
const BROKER_VERSION: &str = "4.3.0";

const MODULES: &[&str] =
    &["test_admin_integration.py", "test_consumer_integration.py", "test_producer_integration.py"];

/// Installs the client and unpacks its tests; one case per test.
pub fn install(bench: &Workbench) -> Result<Vec<Case>> {
    let ours = bench.workspace.root.join("tests/suites/kafka-python");
    let python = provision::python(&bench.workspace, "suite", &ours.join("requirements.txt"))?;
    let home = unpack(bench, &python, &ours)?;
    let mut command = Command::new(&python);
    command.args(["-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]).current_dir(&home);
    command.args(MODULES.iter().map(|module| format!("test/integration/{module}")));
    command.env("KAFKA_VERSION", BROKER_VERSION);
    let collected = bench.run("suites-kafka-python-collect", &mut command, 2)?;
    ensure!(collected.success, "pytest collects nothing: {}", collected.tail(5));
    let tests = collected.output.lines().filter_map(|line| line.strip_prefix("test/integration/"));
    Ok(tests.map(|name| case(name, &python, &home)).collect())
}

fn case(name: &str, python: &Path, home: &Path) -> Case {
    let arguments = ["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"];
    let mut arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    arguments.push(format!("test/integration/{name}"));
    Case {
        name: name.to_owned(),
        program: python.to_owned(),
        arguments,
        environment: vec![
            ("KAFKA_URI".into(), format!("kafka://{BROKER}")),
            ("KAFKA_VERSION".into(), BROKER_VERSION.into()),
        ],
        directory: home.to_owned(),
        verdict,
    }
}

/// pytest's closing line.
fn verdict(finished: &Finished) -> Outcome {
    let closing = finished.output.lines().rev().find(|line| line.contains(" in ")).unwrap_or_default();
    if finished.success && closing.contains("1 passed") {
        Outcome::Passed
    } else if finished.success && closing.contains("1 skipped") {
        Outcome::Skipped
    } else {
        let mut lines = finished.output.lines();
        let words = lines.rfind(|line| line.starts_with("E  ")).unwrap_or(closing);
        Outcome::Failed(format!("{}: {}", finished.how, words.trim_start_matches("E ").trim()))
    }
}

/// The source distribution's tests, beside nothing of the package itself.
fn unpack(bench: &Workbench, python: &Path, ours: &Path) -> Result<PathBuf> {
    let home = bench.workspace.scratch("test-tools/suites")?.join(format!("kafka-python-{VERSION}"));
    let marker = home.join("unpacked");
    if marker.exists() {
        return Ok(home);
    }
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(&home)?;
    let mut download = Command::new(python);
    download.args(["-m", "pip", "-q", "download", "--no-deps", "--no-binary", ":all:", "-d", "sdist"]);
    download.arg(format!("kafka-python=={VERSION}")).current_dir(&home);
    let downloaded = bench.run("suites-kafka-python-download", &mut download, 10)?;
    ensure!(downloaded.success, "pip download: {}", downloaded.tail(3));
    let mut untar = Command::new("sh");
    untar.args(["-c", "tar xzf sdist/*.tar.gz --strip-components=1 && rm -rf kafka"]).current_dir(&home);
    let unpacked = bench.run("suites-kafka-python-unpack", &mut untar, 2)?;
    ensure!(unpacked.success, "tar: {}", unpacked.tail(3));
    std::fs::copy(ours.join("service.py"), home.join("test/service.py"))?;
    std::fs::write(home.join("test/__init__.py"), "")?;
    // The fixture insists on a broker's directory, although it starts none.
    std::fs::create_dir_all(home.join("servers").join(BROKER_VERSION).join("kafka-bin"))?;
    std::fs::write(&marker, "")?;
    Ok(home)
}
