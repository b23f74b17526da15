//! What the text of a file must and must not hold: heads, unfinished code, sleeping tests, places of one machine.
//!
//! Owns word lists only. Words that would trip over themselves are written in two pieces.

use super::source::{Source, code_of};
use crate::workspace::Workspace;
use anyhow::Result;
use std::path::{Path, PathBuf};

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

/// Folders of the root that documents name files of.
const ROOMS: &[&str] = &["crates/", "docs/", "tests/", "xtask/"];

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

/// Rules for documents: a path that one names is there.
pub fn check_documents(workspace: &Workspace, complaints: &mut Vec<String>) -> Result<()> {
    for path in workspace.tracked_files()? {
        let name = path.to_string_lossy();
        if !name.ends_with(".md") {
            continue;
        }
        let text = std::fs::read_to_string(workspace.root.join(&path)).unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new(""));
        for (number, line) in text.lines().enumerate() {
            let links = links_of(line).into_iter().map(|link| (link, folder.join(link)));
            let paths = paths_of(line).into_iter().map(|path| (path, PathBuf::from(path)));
            for (written, place) in links.chain(paths) {
                if !workspace.root.join(place).exists() {
                    complaints.push(format!("{name}:{}: `{written}` is not there", number + 1));
                }
            }
        }
    }
    Ok(())
}

/// Where a line's Markdown links point to in this repository.
fn links_of(line: &str) -> Vec<&str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = targets.map(|target| target.split('#').next().unwrap_or_default());
    files.filter(|target| !target.is_empty() && !target.contains("://")).collect()
}

/// Words in backquotes that are paths from the root: their first part is a folder that everybody knows.
fn paths_of(line: &str) -> Vec<&str> {
    let quoted = line.split('`').skip(1).step_by(2).flat_map(|text| text.split([' ', ',']));
    let rooted = quoted.filter(|word| ROOMS.iter().any(|room| word.starts_with(room)));
    // `crates/broker/src/config/*_keys.rs` is many, `tests/clients/<client>` is any.
    rooted
        .filter(|word| !word.contains(['*', '<', '{', '…']))
        .map(|word| word.trim_end_matches(['.', ':', ';']))
        .collect()
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

    #[test]
    fn paths_in_documents_are_found() {
        assert_eq!(links_of("see [a](b/c.md#d), [e](https://f), [g](#h) and [i](j)"), ["b/c.md", "j"]);
        let line =
            "`docs/a.md`, `crates/*/b.rs`, `cargo xtask test`, `tests/<client>`, and `xtask/src/main.rs`.";
        assert_eq!(paths_of(line), ["docs/a.md", "xtask/src/main.rs"]);
    }
}
