//! The release binary as people install it: each package is made of what the stage `build` left (nothing is compiled here) and tried: a
//! .deb installed, run as its user and purged, an image run read-only as nobody, test brokers by the dozen from Python and JavaScript,
//! and the environments of compose files.

use super::clients;
use super::start::try_start;
use super::workbench::Workbench;
use crate::broker::{binary, free_ports};
use crate::package::{bill, make};
use crate::provision;
use crate::tally::Tally;
use crate::words::say;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the binary may weigh: 28.0 million seen. The goal is 20.
const BYTES_MAX: u64 = 30_000_000;

/// What the whole image may weigh: that, and the libc that a binary which is not static takes along.
const IMAGE_BYTES_MAX: u64 = 33_500_000;

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let out = bench.workspace.scratch("packages")?;
    let binary = binary(&bench.workspace);
    let mut tally = Tally::default();
    let bytes = std::fs::metadata(&binary).with_context(|| binary.display().to_string())?.len();
    say(format_args!("   the binary has {bytes} bytes"));
    tally.check(&format!("the binary has {bytes} bytes, more than {BYTES_MAX}"), bytes <= BYTES_MAX);
    let made = |kind: &str| make(&bench.workspace, kind, &binary, &out);
    tally.check("the bill names a hundred crates or so", bill::count(&made("bill")?)? > 50);
    tally.absorb(
        "image",
        script(bench, "image", &[made("image")?, PathBuf::from(IMAGE_BYTES_MAX.to_string())])?,
    );
    tally.absorb("debian", script(bench, "debian", &[made("debian")?])?);
    tally.absorb("python", python(bench, &made("python")?)?);
    tally.absorb("npm", npm(bench, &made("npm")?)?);
    tally.absorb("environments", environments(bench, &binary)?);
    Ok(tally)
}

/// `tests/packages/NAME.sh` with its arguments and two free ports.
fn script(bench: &Workbench, name: &str, arguments: &[PathBuf]) -> Result<Tally> {
    let (first, second) = free_ports()?;
    let mut command = Command::new("sh");
    command.arg(bench.workspace.root.join(format!("tests/packages/{name}.sh"))).args(arguments);
    command.args([first.to_string(), second.to_string()]);
    Ok(clients::read(name, &bench.run(&format!("packages-{name}"), &mut command, 3)?))
}

/// How many brokers are started one after another.
fn brokers(bench: &Workbench) -> &'static str {
    if bench.full { "1000" } else { "100" }
}

fn python(bench: &Workbench, wheel: &Path) -> Result<Tally> {
    let tests = bench.workspace.root.join("packages/python/tests");
    let python = provision::python(&bench.workspace, "packages", &tests.join("requirements.txt"))?;
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "-q",
        "install",
        "--disable-pip-version-check",
        "--no-index",
        "--force-reinstall",
    ]);
    let finished = bench.run("packages-pip", install.arg(wheel), 2)?;
    ensure!(finished.success, "pip install: {}", finished.tail(5));
    let mut test = Command::new(&python);
    test.args(["-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider"]).arg(&tests);
    test.env("OTTLA_BROKERS", brokers(bench)).env_remove("OTTLA_BINARY").env("PYTHONDONTWRITEBYTECODE", "1");
    let finished = bench.run("packages-pytest", &mut test, 15)?;
    let mut tally = Tally::default();
    for line in finished.output.lines() {
        if line.starts_with("PASSED ") {
            tally.passed += 1;
        } else if line.contains("::") && (line.starts_with("FAILED ") || line.starts_with("ERROR ")) {
            tally.fail(line);
        } else if line.starts_with("ready: ") {
            say(format_args!("   {line}"));
        }
    }
    tally.check(
        &format!("pytest: {}: {}", finished.how, finished.tail(20)),
        finished.success && tally.passed > 5,
    );
    Ok(tally)
}

fn npm(bench: &Workbench, package: &Path) -> Result<Tally> {
    let sources = bench.workspace.root.join("packages/npm/test");
    let home = provision::node(&bench.workspace, "packages", &sources.join("package.json"))?;
    let mut install = Command::new("npm");
    install.args(["install", "--offline", "--no-save", "--no-audit", "--no-fund", "--silent"]).arg(package);
    let finished = bench.run("packages-npm", install.current_dir(&home), 2)?;
    ensure!(finished.success, "npm install: {}", finished.tail(5));
    std::fs::copy(sources.join("broker.test.js"), home.join("broker.test.js"))?;
    let mut test = Command::new("node");
    test.args(["--test", "--test-reporter=tap", "broker.test.js"]).current_dir(&home);
    test.env("OTTLA_BROKERS", if bench.full { "1000" } else { "20" }).env_remove("OTTLA_BINARY");
    let finished = bench.run("packages-node", &mut test, 15)?;
    let mut tally = Tally::default();
    for line in finished.output.lines().map(str::trim) {
        if line.starts_with("ok ") {
            tally.passed += 1;
        } else if line.starts_with("not ok ") {
            tally.fail(line);
        }
    }
    tally.check(
        &format!("node: {}: {}", finished.how, finished.tail(30)),
        finished.success && tally.passed > 3,
    );
    Ok(tally)
}

/// Each file of `tests/packages/environments`: a verdict, then variables. A start with nothing else in its environment.
fn environments(bench: &Workbench, binary: &Path) -> Result<Tally> {
    let directory = bench.workspace.root.join("tests/packages/environments");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&directory)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let mut tally = Tally::default();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let home = bench.workspace.scratch("packages/environments")?.join(&name);
        let _ = std::fs::remove_dir_all(&home);
        std::fs::create_dir_all(&home)?;
        let text = placed(&std::fs::read_to_string(&file)?, &home)?;
        let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("# "));
        let verdict = lines.next().and_then(|line| line.strip_prefix("#: ")).context("no verdict")?;
        let (verb, words) = verdict.split_once(' ').unwrap_or((verdict, ""));
        let mut command = Command::new(binary);
        command.arg("server").env_clear().current_dir(&home);
        command.envs(lines.filter_map(|line| line.split_once('=')));
        let (started, said) = try_start(&mut command, &home.join("log"))?;
        let last: Vec<&str> = said.lines().rev().take(3).collect();
        let three = last
            .iter()
            .rev()
            .zip(["error: ", "  why: ", "  try: "])
            .all(|(line, head)| line.starts_with(head));
        let wanted = started == (verb == "starts") && (started || three);
        let held = wanted && words.split('|').all(|word| said.contains(word)) && !said.contains("s3cret");
        tally.check(&format!("{name}: wanted {verdict}, got {said}"), held);
    }
    ensure!(tally.passed + tally.failed.len() >= 10, "ten environments and more");
    Ok(tally)
}

/// Free ports and directories for what a container has to itself.
fn placed(text: &str, home: &Path) -> Result<String> {
    let ((client, controller), (other, _)) = (free_ports()?, free_ports()?);
    let secret = home.join("password");
    std::fs::write(&secret, "s3cret\n")?;
    Ok(text
        .replace("@CLIENT@", &client.to_string())
        .replace("@CONTROLLER@", &controller.to_string())
        .replace("@OTHER@", &other.to_string())
        .replace("@SECRET@", &secret.display().to_string())
        .replace("@DATA@", &home.join("data").display().to_string()))
}
