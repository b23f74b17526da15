//! What the text of a file must and must not hold: heads, unfinished code, sleeping tests, places of one machine.
//!
//! Owns word lists only. Words that would trip over themselves are written in two pieces.

use super::source::{Source, code_of};
use crate::workspace::Workspace;
use anyhow::Result;

/// Unfinished code and things that only debugging wants.
const UNFINISHED: &[&str] = &["todo!(", "unimplemented!(", "dbg!(", "#[ignore"];

/// What a test that waits for time to pass looks like.
const SLEEPING: &[&str] = &["thread::sleep(", "time::sleep("];

/// Directories that exist on one machine, and names of package registries' hosts: neither belongs into the tree.
const PLACES: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("/Use", "rs/"),
    ("repo.maven.", "apache.org"),
    ("repo1.maven.", "org"),
    ("static.crates", ".io"),
    ("index.crates", ".io"),
    ("https://crates", ".io"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("registry.npmjs", ".org"),
    ("deb.debian", ".org"),
    ("proxy.golang", ".org"),
];

/// Rules for Rust files.
pub fn check_sources(sources: &[Source], complaints: &mut Vec<String>) {
    for source in sources {
        let first = source.text.lines().find(|line| !line.is_empty()).unwrap_or_default();
        if !first.starts_with("//!") && !source.only_tests() {
            complaints.push(format!(
                "{}:1: a file opens with `//!`: what it owns, what it never does",
                source.path
            ));
        }
        for (number, line) in source.text.lines().enumerate() {
            let code = code_of(line);
            for word in UNFINISHED.iter().filter(|word| code.contains(**word)) {
                complaints.push(format!(
                    "{}:{}: `{word}`: nothing lands unfinished",
                    source.path,
                    number + 1
                ));
            }
        }
        for (number, line) in source.test_lines() {
            let code = code_of(line);
            for word in SLEEPING.iter().filter(|word| code.contains(**word)) {
                complaints
                    .push(format!("{}:{number}: `{word}`: tests wait for events, not for time", source.path));
            }
        }
        if is_dead(source, sources) {
            complaints.push(format!("{}: no `mod` names this file", source.path));
        }
    }
}

/// A file below `src` that its parent module does not name is compiled by nobody.
fn is_dead(source: &Source, sources: &[Source]) -> bool {
    let Some((before, inner)) = source.path.split_once("/src/") else { return false };
    if matches!(inner, "lib.rs" | "main.rs") || inner.starts_with("bin/") {
        return false;
    }
    let inner = inner.strip_suffix("/mod.rs").or_else(|| inner.strip_suffix(".rs")).unwrap_or(inner);
    let (parents, name) = match inner.rsplit_once('/') {
        Some((folder, name)) => (vec![format!("{folder}.rs"), format!("{folder}/mod.rs")], name),
        None => (vec!["lib.rs".to_owned(), "main.rs".to_owned()], inner),
    };
    let named = [
        format!("mod {name};"),
        format!("mod r#{name};"),
        format!("/{name}.rs\"]"),
        format!("\"{name}.rs\"]"),
    ];
    let parents: Vec<String> = parents.into_iter().map(|parent| format!("{before}/src/{parent}")).collect();
    let mut family = sources.iter().filter(|other| parents.contains(&other.path));
    !family.any(|parent| named.iter().any(|name| parent.text.contains(name.as_str())))
}

/// Rules for every tracked text file.
pub fn check_every_file(workspace: &Workspace, complaints: &mut Vec<String>) -> Result<()> {
    for path in workspace.tracked_files()? {
        let name = path.to_string_lossy();
        if name.ends_with(".lock") || name.ends_with("package-lock.json") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(workspace.root.join(&path)) else { continue };
        for (number, line) in text.lines().enumerate() {
            for (head, tail) in PLACES {
                if line.contains(&format!("{head}{tail}")) {
                    let what = "a place outside the repository (a machine's directory or a registry's host)";
                    complaints.push(format!("{name}:{}: `{head}{tail}`: {what}", number + 1));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_sleep_and_dead_files_are_seen() {
        let sources = [
            Source::new("crates/net/src/lib.rs".into(), "//! Net.\nmod conn;\n".into()),
            Source::new("crates/net/src/conn.rs".into(), "use x;\nfn a() { todo!() }\n".into()),
            Source::new("crates/net/src/gone.rs".into(), "//! Gone.\n".into()),
        ];
        let mut found = Vec::new();
        check_sources(&sources, &mut found);
        assert_eq!(found.len(), 3, "{found:?}");
    }
}
