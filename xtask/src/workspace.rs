//! Where things are: the workspace root, the target directory, tracked files, `cargo metadata`.
//!
//! Owns paths only. Never writes anything but directories below the target directory.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace and what cargo says about it.
pub struct Workspace {
    /// Directory of the root `Cargo.toml`.
    pub root: PathBuf,
    /// Cargo's target directory.
    pub target: PathBuf,
    /// `cargo metadata --format-version 1`, without the resolved graph.
    pub metadata: Value,
}

impl Workspace {
    /// Asks cargo.
    pub fn load() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let output = Command::new(cargo())
            .args(["metadata", "--format-version", "1", "--no-deps", "--manifest-path"])
            .arg(&manifest)
            .output()
            .context("cargo metadata")?;
        ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata: its JSON")?;
        let path = |key: &str| metadata[key].as_str().map(PathBuf::from).with_context(|| key.to_owned());
        Ok(Self { root: path("workspace_root")?, target: path("target_directory")?, metadata })
    }

    /// A directory below the target directory, made if it is not there.
    pub fn scratch(&self, name: &str) -> Result<PathBuf> {
        let directory = self.target.join(name);
        std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        Ok(directory)
    }

    /// Every file git tracks (or would track), relative to the root.
    pub fn tracked_files(&self) -> Result<Vec<PathBuf>> {
        let output = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
            .current_dir(&self.root)
            .output()
            .context("git ls-files")?;
        ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).context("git ls-files: names are not UTF-8")?;
        let names = text.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
        Ok(names.filter(|name| self.root.join(name).is_file()).collect())
    }
}

/// The cargo that runs us.
pub fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// True on the machine that gates a change: there, a skipped check is a failed one.
pub fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}
