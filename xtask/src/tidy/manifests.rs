//! Crates and dependencies: which crate may use which, a reason for each foreign one, a bound on all of them.
//!
//! Reads `cargo metadata`, `Cargo.toml` and `Cargo.lock`; never resolves anything itself.

use super::imports::BRAIN;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use serde_json::Value;

/// Packages in `Cargo.lock`, ours included.
const MAX_LOCKED: usize = 250;

/// Which of our crates a crate may name; an arrow only points down. `sim` may also be a dev-dependency.
const LAYERS: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("log", &["wire"]),
    ("kraft", &["wire"]),
    ("coordinator", &["wire"]),
    ("broker", &["wire", "log", "kraft", "coordinator"]),
    ("net", &["wire"]),
    ("server", &["broker", "log", "kraft", "net", "wire"]),
    ("client", &["wire", "net"]),
    ("schema", &["wire", "net"]),
    ("registry", &["schema", "client", "net", "wire"]),
    ("console", &["client"]),
    ("ottla", &["server", "registry", "schema", "console", "client", "broker", "net", "log", "wire"]),
    ("sim", &["broker", "log", "kraft", "coordinator", "wire"]),
    ("xtask", &["wire"]),
];

/// Foreign crates that nothing below the line may depend on.
const NOT_BELOW: &[&str] = &["tokio", "rand", "mio", "async-std", "anyhow", "tokio-util", "hyper", "reqwest"];

/// Complains about crates and dependencies.
pub fn check(workspace: &Workspace, complaints: &mut Vec<String>) -> Result<()> {
    let architecture = std::fs::read_to_string(workspace.root.join("ARCHITECTURE.md")).unwrap_or_default();
    let packages = workspace.metadata["packages"].as_array().context("cargo metadata: packages")?;
    for package in packages {
        let name = text(package, "name");
        let room = room_of(name);
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == room) else {
            complaints.push(format!("crate {name}: no layer in xtask/src/tidy/manifests.rs"));
            continue;
        };
        let listed = if room == "ottla" { "`cli`" } else { &format!("`{room}`") };
        if !architecture.contains(listed) {
            complaints.push(format!("ARCHITECTURE.md: no line says what the crate {listed} is for"));
        }
        let dependencies = package["dependencies"].as_array().context("cargo metadata: dependencies")?;
        for dependency in dependencies {
            check_dependency(room, allowed, dependency, complaints);
        }
    }
    reasons(workspace, complaints)?;
    locked(workspace, complaints)
}

fn check_dependency(room: &str, allowed: &[&str], dependency: &Value, complaints: &mut Vec<String>) {
    let name = text(dependency, "name");
    let for_tests = dependency["kind"] == "dev";
    if dependency["path"].is_string() {
        let other = room_of(name);
        let fine = allowed.contains(&other) || (for_tests && other == "sim");
        if !fine {
            complaints.push(format!("crate {room}: must not use {other} (ARCHITECTURE.md, layers)"));
        }
    } else if BRAIN.contains(&room) && NOT_BELOW.contains(&name) {
        complaints.push(format!("crate {room}: must not use {name}: it is below the line"));
    }
}

/// Every foreign dependency is declared once, in the root manifest, under a comment that says why it is there.
fn reasons(workspace: &Workspace, complaints: &mut Vec<String>) -> Result<()> {
    let manifest = std::fs::read_to_string(workspace.root.join("Cargo.toml")).context("Cargo.toml")?;
    let mut inside = false;
    let mut previous = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        } else if inside && !line.starts_with('#') && line.contains('=') {
            let ours = line.contains("path = ");
            if !ours && !previous.starts_with("# ") {
                complaints.push(format!("Cargo.toml: no reason above `{line}`"));
            }
        }
        previous = line;
    }
    for path in workspace.tracked_files()? {
        if !path.ends_with("Cargo.toml") || path.components().count() == 1 || path.starts_with("tests") {
            continue;
        }
        let manifest = std::fs::read_to_string(workspace.root.join(&path))?;
        // A fuzzing crate is a workspace of its own and no part of the product.
        if !manifest.lines().any(|line| line == "[workspace]") {
            member(&path.to_string_lossy(), &manifest, complaints);
        }
    }
    Ok(())
}

/// A member's manifest names its dependencies and leaves versions to the workspace.
fn member(path: &str, manifest: &str, complaints: &mut Vec<String>) {
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies]");
        } else if inside && line.contains('=') && !line.starts_with('#') && !line.contains("workspace = true")
        {
            complaints.push(format!("{path}: `{line}`: declare it in the root manifest, with a reason"));
        }
    }
}

fn locked(workspace: &Workspace, complaints: &mut Vec<String>) -> Result<()> {
    let lock = std::fs::read_to_string(workspace.root.join("Cargo.lock")).context("Cargo.lock")?;
    let count = lock.lines().filter(|line| *line == "[[package]]").count();
    if count >= MAX_LOCKED {
        complaints.push(format!("Cargo.lock: {count} packages; fewer than {MAX_LOCKED} is the bound"));
    }
    Ok(())
}

/// Packages carry the product's prefix, rooms do not.
fn room_of(package: &str) -> &str {
    package.strip_prefix("ottla-").unwrap_or(package)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}
