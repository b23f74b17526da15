//! `cargo xtask package`: the release binary as people install it: a .deb, an OCI image, a Python wheel, an npm package, and a bill of
//! what is inside.
//!
//! Owns the order, the directories and how the binary is linked; how a package is laid out stands beside its sources in `packages/`.

pub mod bill;

use crate::process;
use crate::provision;
use crate::words::say;
use crate::workspace::{Workspace, cargo};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How the binary of the packages is linked: static, so that it runs on any Linux and from scratch; equal functions once (`icf`),
/// relocations packed. Only the last crate is told, so that the others are those of `cargo build --release`.
const RELEASE: &[&str] = &[
    "rustc",
    "--release",
    "--locked",
    "--package",
    "ottla",
    "--bin",
    "ottla",
    "--",
    "-C",
    "target-feature=+crt-static",
    "-C",
    "link-arg=-Wl,--icf=all",
    "-C",
    "link-arg=-Wl,-z,pack-relative-relocs",
];

/// What is made, by its name.
pub const KINDS: &[&str] = &["debian", "image", "python", "npm", "bill"];

/// The chore: `package [KIND…] [--binary=FILE]`; without a file it builds the binary.
pub fn command(arguments: &[String]) -> Result<bool> {
    let workspace = Workspace::load()?;
    let given = arguments.iter().find_map(|argument| argument.strip_prefix("--binary="));
    let kinds: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    if let Some(other) = kinds.iter().find(|kind| !KINDS.contains(kind)) {
        bail!("{other} is no package: {}", KINDS.join(", "));
    }
    let binary = match given {
        Some(file) => PathBuf::from(file),
        None => {
            let built = Command::new(cargo()).args(RELEASE).current_dir(&workspace.root).status()?;
            ensure!(built.success(), "the binary was not built");
            workspace.target.join("release/ottla")
        }
    };
    let out = workspace.scratch("packages")?;
    for kind in KINDS.iter().filter(|kind| kinds.is_empty() || kinds.contains(kind)) {
        let made = make(&workspace, kind, &binary, &out)?;
        say(format_args!("{} ({} bytes)", made.display(), std::fs::metadata(&made)?.len()));
    }
    Ok(true)
}

/// The version of all of them.
pub fn version(workspace: &Workspace) -> Result<String> {
    let packages = workspace.metadata["packages"].as_array().context("cargo metadata: packages")?;
    let own = packages.iter().find(|package| package["name"] == "ottla").context("no package ottla")?;
    Ok(own["version"].as_str().context("its version")?.to_owned())
}

/// Makes one and returns its file.
pub fn make(workspace: &Workspace, kind: &str, binary: &Path, out: &Path) -> Result<PathBuf> {
    let version = version(workspace)?;
    let sources = workspace.root.join("packages").join(kind);
    match kind {
        "bill" => bill::write(workspace, &out.join(format!("ottla-{version}.cdx.json"))),
        "debian" => {
            provision::debian(workspace, "dpkg-deb", "dpkg")?;
            built(
                workspace,
                Command::new("sh").arg(sources.join("build.sh")).arg(binary).arg(out).arg(version),
            )
        }
        "npm" => npm(workspace, &sources, binary, out, &version),
        _ => {
            provision::debian(workspace, "python3", "python3")?;
            built(
                workspace,
                Command::new("python3").arg(sources.join("build.py")).arg(binary).arg(out).arg(version),
            )
        }
    }
}

/// Runs what makes a package; the last line that it prints is the package's file.
fn built(workspace: &Workspace, command: &mut Command) -> Result<PathBuf> {
    let log = workspace.scratch("test-logs")?.join("package.log");
    let finished = process::run(command, &log, Duration::from_secs(300))?;
    ensure!(finished.success, "{command:?}: {}: {}", finished.how, finished.tail(5));
    finished.output.lines().last().map(PathBuf::from).context("nothing was made")
}

fn npm(workspace: &Workspace, sources: &Path, binary: &Path, out: &Path, version: &str) -> Result<PathBuf> {
    provision::debian(workspace, "npm", "npm")?;
    let staged = out.join("npm");
    let _ = std::fs::remove_dir_all(&staged);
    std::fs::create_dir_all(staged.join("bin"))?;
    for name in ["index.js", "index.d.ts", "README.md", "package.json"] {
        let text = std::fs::read_to_string(sources.join(name)).with_context(|| name.to_owned())?;
        std::fs::write(staged.join(name), text.replace("@VERSION@", version))?;
    }
    std::fs::copy(workspace.root.join("LICENSE"), staged.join("LICENSE"))?;
    std::fs::copy(binary, staged.join("bin/ottla"))?;
    let mut pack = Command::new("npm");
    pack.args(["pack", "--silent", "--pack-destination"]).arg(out).current_dir(&staged);
    let name = built(workspace, &mut pack)?;
    Ok(out.join(name))
}
