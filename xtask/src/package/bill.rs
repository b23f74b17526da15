//! What is inside the binary: every crate with its version and licence, as a CycloneDX document; and whether each licence is one that we
//! may ship.
//!
//! Owns the list of licences. Asks cargo for the graph of the product alone: what only builds or tests it is not inside.

use crate::workspace::{Workspace, cargo};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Licences that ask for no more than that their text goes along.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

/// A crate of the product.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    name: String,
    version: String,
    licence: String,
}

/// Writes the document; fails if a licence is not allowed.
pub fn write(workspace: &Workspace, path: &Path) -> Result<PathBuf> {
    let parts = parts(workspace)?;
    let bad: Vec<String> = parts
        .iter()
        .filter(|part| !is_allowed(&part.licence))
        .map(|part| format!("{} {}: {}", part.name, part.version, part.licence))
        .collect();
    ensure!(bad.is_empty(), "licences that are not allowed: {}", bad.join("; "));
    let component = |part: &Part| {
        json!({
            "type": "library",
            "name": part.name,
            "version": part.version,
            "purl": format!("pkg:cargo/{}@{}", part.name, part.version),
            "licenses": [{ "expression": part.licence.replace('/', " OR ") }],
        })
    };
    let own = |part: &&Part| part.name == "ottla";
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": parts.iter().find(own).map(|part| {
            let mut own = component(part);
            own["type"] = json!("application");
            own
        }) },
        "components": parts.iter().filter(|part| part.name != "ottla").map(component).collect::<Vec<_>>(),
    });
    std::fs::write(path, format!("{document:#}\n")).with_context(|| path.display().to_string())?;
    Ok(path.to_owned())
}

fn parts(workspace: &Workspace) -> Result<BTreeSet<Part>> {
    let mut tree = Command::new(cargo());
    tree.args(["tree", "--locked", "--package", "ottla", "--edges", "normal,no-proc-macro"]);
    tree.args(["--prefix", "none", "--no-dedupe", "--format", "{p}|{l}"]).current_dir(&workspace.root);
    let output = tree.output().context("cargo tree")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("cargo tree: its names")?;
    text.lines().filter(|line| !line.is_empty()).map(part).collect()
}

/// `NAME vVERSION (WHERE)|LICENCE`.
fn part(line: &str) -> Result<Part> {
    let (what, licence) = line.rsplit_once('|').with_context(|| line.to_owned())?;
    let mut words = what.split(' ');
    let (name, version) = words.next().zip(words.next()).with_context(|| line.to_owned())?;
    let version = version.trim_start_matches('v');
    Ok(Part { name: name.to_owned(), version: version.to_owned(), licence: licence.trim().to_owned() })
}

/// Whether an expression can be met by allowed licences: one of each `AND`, of an `OR` any. Parentheses as SPDX has them.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let mut at = 0;
    either(&words, &mut at) && at == words.len()
}

fn either(words: &[&str], at: &mut usize) -> bool {
    let mut held = both(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        held |= both(words, at);
    }
    held
}

fn both(words: &[&str], at: &mut usize) -> bool {
    let mut held = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        held &= one(words, at);
    }
    held
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let held = either(words, at);
        let is_closed = words.get(*at) == Some(&")");
        *at += 1;
        return held && is_closed;
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = words.get(*at + 1).copied().unwrap_or_default();
        *at += 2;
        return ALLOWED.contains(&format!("{word} WITH {exception}").as_str());
    }
    ALLOWED.contains(word)
}

/// How many crates a document names.
pub fn count(path: &Path) -> Result<usize> {
    let document: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    Ok(document["components"].as_array().map_or(0, Vec::len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_by_what_is_allowed() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0/MIT",
            "(MIT OR GPL-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR X",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in
            ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-2.0", "(MIT", "MIT ISC", "MIT WITH X"]
        {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    #[test]
    fn a_line_of_the_tree_is_a_part() {
        let got = part("ottla v0.1.0 (/somewhere)|Apache-2.0").expect("a part");
        assert_eq!(
            (got.name.as_str(), got.version.as_str(), got.licence.as_str()),
            ("ottla", "0.1.0", "Apache-2.0")
        );
        assert!(part("nothing").is_err());
    }
}
