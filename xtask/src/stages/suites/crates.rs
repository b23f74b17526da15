//! The integration tests inside the crates krafka, rskafka and rdkafka.
//!
//! `tests/suites/rust` is a workspace with one package per crate; the crate's own `tests` folder, as cargo unpacked it, is
//! put beside each manifest. All are compiled once, unoptimised, in a target folder below the project's.

use super::case::{BROKER, Case, Outcome};
use crate::process::{Finished, run};
use crate::stages::workbench::Workbench;
use crate::workspace::cargo;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Tests of `krafka`; they stand behind `#[ignore]` because they want a broker.
pub fn krafka(bench: &Workbench) -> Result<Vec<Case>> {
    cases(bench, "krafka", &["--ignored"], &[("OTTLA_SUITE_BROKER", BROKER)])
}

/// Tests of `rskafka`.
pub fn rskafka(bench: &Workbench) -> Result<Vec<Case>> {
    let environment = [("TEST_INTEGRATION", "1"), ("TEST_BROKER_IMPL", "kafka"), ("KAFKA_CONNECT", BROKER)];
    cases(bench, "rskafka", &[], &environment)
}

/// Tests of `rdkafka`, which is librdkafka in Rust's clothes.
pub fn rdkafka(bench: &Workbench) -> Result<Vec<Case>> {
    cases(bench, "rdkafka", &[], &[("KAFKA_HOST", BROKER), ("KAFKA_VERSION", "4.0.0")])
}

/// Compiles the tests and makes a case of each of the crate's own. All crates are named in one command, so that cargo
/// chooses the dependencies' features once; the second and the third suite find everything compiled.
fn cases(bench: &Workbench, name: &str, extra: &[&str], environment: &[(&str, &str)]) -> Result<Vec<Case>> {
    let sources = sources(bench)?;
    let mut command = cargo_there(&sources);
    command.args(["test", "--no-run", "--workspace", "--locked", "--tests", "--message-format=json"]);
    let finished = bench.run(&format!("suites-{name}-build"), &mut command, 20)?;
    ensure!(finished.success, "{name}: its tests do not compile: {}", finished.tail(5));
    let mut cases = Vec::new();
    for (target, program) in executables(&finished.output, &sources.join(name).join("Cargo.toml")) {
        for test in listed(bench, &target, &program)? {
            let mut arguments = vec![test.clone(), "--exact".into(), "--test-threads=1".into()];
            arguments.extend(extra.iter().map(|argument| (*argument).to_owned()));
            cases.push(Case {
                name: format!("{target}::{test}"),
                program: program.clone(),
                arguments,
                environment: environment
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                    .collect(),
                directory: sources.join(name),
                verdict,
            });
        }
    }
    Ok(cases)
}

/// A test binary that ran one test says so.
fn verdict(finished: &Finished) -> Outcome {
    if finished.success && finished.output.contains("1 passed; 0 failed; 0 ignored") {
        Outcome::Passed
    } else if finished.success {
        Outcome::Skipped
    } else {
        Outcome::Failed(format!("{}: {}", finished.how, last_words(finished)))
    }
}

/// The line of the panic, or the last one there is.
fn last_words(finished: &Finished) -> String {
    let mut lines = finished.output.lines().skip_while(|line| !line.contains("panicked at"));
    let (place, words) = (lines.next(), lines.next());
    match (place, words) {
        (Some(place), Some(words)) => format!("{place} {words}"),
        _ => finished.tail(1),
    }
}

/// Cargo in the suites' workspace, with a target folder of its own.
fn cargo_there(sources: &Path) -> Command {
    let mut command = Command::new(cargo());
    command.current_dir(sources).env("CARGO_TARGET_DIR", sources.with_file_name("rust-target"));
    command
}

/// Copies the workspace and the crates' tests below the target directory; files that are as they should be stay untouched,
/// so that cargo does not compile them again.
fn sources(bench: &Workbench) -> Result<PathBuf> {
    let home = bench.workspace.scratch("test-tools/suites")?.join("rust");
    let ours = bench.workspace.root.join("tests/suites/rust");
    for file in ["Cargo.toml", "Cargo.lock", "krafka/Cargo.toml", "rskafka/Cargo.toml", "rdkafka/Cargo.toml"]
    {
        place(&home.join(file), &read(&ours.join(file))?)?;
    }
    let marker = home.join("sources");
    let lock = read(&ours.join("Cargo.lock"))?;
    if std::fs::read_to_string(&marker).is_ok_and(|known| known == lock) {
        return Ok(home);
    }
    // Cargo asks for the files of every test before it tells where the crates are.
    let mut fetch = Command::new(cargo());
    fetch.args(["fetch", "--locked", "--manifest-path"]);
    let probe = probe(&home, &ours)?;
    fetch.arg(probe.join("Cargo.toml"));
    let log = bench.logs.join("suites-fetch.log");
    let fetched = run(&mut fetch, &log, Duration::from_secs(600))?;
    ensure!(fetched.success, "cargo fetch: {}", fetched.tail(5));
    for (name, folder) in unpacked(&probe)? {
        for entry in std::fs::read_dir(folder.join("tests")).with_context(|| name.clone())? {
            let path = entry?.path();
            let Some(file) = path.file_name().filter(|_| path.extension().is_some_and(|kind| kind == "rs"))
            else {
                continue;
            };
            let mut text = read(&path)?;
            if name == "krafka" && file == "integration_tests.rs" {
                text = without_container(&text)?;
            }
            place(&home.join(&name).join("tests").join(file), &text)?;
        }
    }
    std::fs::write(&marker, lock)?;
    Ok(home)
}

/// The same workspace with empty tests, so that cargo can be asked about it.
fn probe(home: &Path, ours: &Path) -> Result<PathBuf> {
    let probe = home.with_file_name("rust-probe");
    place(&probe.join("Cargo.toml"), &read(&ours.join("Cargo.toml"))?)?;
    place(&probe.join("Cargo.lock"), &read(&ours.join("Cargo.lock"))?)?;
    for name in ["krafka", "rskafka", "rdkafka"] {
        let manifest = read(&ours.join(name).join("Cargo.toml"))?;
        for line in manifest.lines().filter_map(|line| line.strip_prefix("name = \"")) {
            place(&probe.join(name).join("tests").join(format!("{}.rs", line.trim_end_matches('"'))), "")?;
        }
        place(&probe.join(name).join("Cargo.toml"), &manifest)?;
    }
    Ok(probe)
}

/// Where cargo unpacked the three crates.
fn unpacked(probe: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut command = Command::new(cargo());
    command.args(["metadata", "--format-version", "1", "--locked", "--manifest-path"]);
    let output = command.arg(probe.join("Cargo.toml")).output().context("cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata: its JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata: packages")?;
    let mut found = Vec::new();
    for (name, version) in [("krafka", "0.28.1"), ("rskafka", "0.6.0"), ("rdkafka", "0.39.0")] {
        let package =
            packages.iter().find(|package| package["name"] == name && package["version"] == version);
        let manifest = package.and_then(|package| package["manifest_path"].as_str());
        let folder = manifest.and_then(|path| Path::new(path).parent()).with_context(|| name.to_owned())?;
        found.push((name.to_owned(), folder.to_owned()));
    }
    Ok(found)
}

/// krafka's tests start their broker in a container; the function that does so hands out ours instead.
fn without_container(text: &str) -> Result<String> {
    let cut = |text: &str, from: &str, to: &str, instead: &str| -> Result<String> {
        let start = text.find(from).with_context(|| format!("krafka's tests: no `{from}`"))?;
        let end = text[start..].find(to).with_context(|| format!("krafka's tests: no `{to}`"))? + start;
        Ok(format!("{}{instead}{}", &text[..start], &text[end..]))
    };
    let text = cut(text, "use testcontainers::core", "/// Time to wait after topic creation", "")?;
    let ours =
        "fn kafka() -> String {\n    std::env::var(\"OTTLA_SUITE_BROKER\").expect(\"a broker\")\n}\n\n";
    cut(&text, "// ----", "/// Helper to poll for records with retry", ours)
}

/// The test binaries of one manifest among those that cargo names.
fn executables(output: &str, manifest: &Path) -> Vec<(String, PathBuf)> {
    let messages = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let found = messages.filter_map(|message| {
        let program = message["executable"].as_str()?;
        if message["manifest_path"].as_str().is_none_or(|path| Path::new(path) != manifest) {
            return None;
        }
        Some((message["target"]["name"].as_str()?.to_owned(), PathBuf::from(program)))
    });
    found.collect()
}

/// The tests that a binary has.
fn listed(bench: &Workbench, target: &str, program: &Path) -> Result<Vec<String>> {
    let finished = bench.run(&format!("suites-list-{target}"), Command::new(program).arg("--list"), 1)?;
    let names = finished.output.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(str::to_owned).collect())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// Writes a file unless it holds this very text.
fn place(path: &Path, text: &str) -> Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|known| known == text) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::write(path, text).with_context(|| path.display().to_string())
}
