//! Sizes: a file of at most 800 lines without its tests, a function of at most 70.
//!
//! What is larger stands in `xtask/ratchet.txt` with its size of today: it may shrink, and must then be shrunk there
//! too (`cargo xtask tidy --shrink`), but never grow.

use super::source::Source;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::collections::BTreeMap;

const MAX_FILE: usize = 800;
const MAX_FUNCTION: usize = 70;
const RATCHET: &str = "xtask/ratchet.txt";

/// Complains about what is too large and about ratchet lines that no longer fit.
pub fn check(workspace: &Workspace, sources: &[Source], complaints: &mut Vec<String>) -> Result<()> {
    let mut allowed = read(workspace)?;
    for (name, size, limit) in oversized(sources) {
        match allowed.remove(&name) {
            None => complaints.push(format!("{name}: {size} lines; {limit} is the bound")),
            Some(known) if size > known => {
                complaints.push(format!("{name}: grew from {known} to {size} lines; it may only shrink"));
            }
            Some(known) if size < known => {
                complaints.push(format!("{name}: shrank to {size} lines: `cargo xtask tidy --shrink`"));
            }
            Some(_) => {}
        }
    }
    for name in allowed.keys() {
        complaints.push(format!("{RATCHET}: {name} is within bounds now: `cargo xtask tidy --shrink`"));
    }
    Ok(())
}

/// Lowers the ratchet to today's sizes; adds nothing and raises nothing.
pub fn shrink(workspace: &Workspace, sources: &[Source]) -> Result<()> {
    let known = read(workspace)?;
    let mut lines = vec![
        "# What is larger than tidy allows, and by how much; only `cargo xtask tidy --shrink` writes here."
            .to_owned(),
    ];
    for (name, size, _) in oversized(sources) {
        if let Some(before) = known.get(&name) {
            lines.push(format!("{} {name}", size.min(*before)));
        }
    }
    std::fs::write(workspace.root.join(RATCHET), lines.join("\n") + "\n").context(RATCHET)
}

fn read(workspace: &Workspace) -> Result<BTreeMap<String, usize>> {
    let text = std::fs::read_to_string(workspace.root.join(RATCHET)).context(RATCHET)?;
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (size, name) = line.split_once(' ').context("a ratchet line is `SIZE NAME`")?;
            Ok((name.to_owned(), size.parse().context("a ratchet line is `SIZE NAME`")?))
        })
        .collect()
}

/// Files and functions above their bound: name, size, bound.
fn oversized(sources: &[Source]) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !source.generated()) {
        let size = source.product_lines().count();
        if size > MAX_FILE {
            found.push((source.path.clone(), size, MAX_FILE));
        }
        for function in source.functions().into_iter().filter(|function| function.length > MAX_FUNCTION) {
            found.push((format!("{} fn {}", source.path, function.name), function.length, MAX_FUNCTION));
        }
    }
    found
}
