//! `cargo xtask tidy`: the rules of ARCHITECTURE.md and STYLE.md that a program can check.
//!
//! Owns the list of rules; each file beside this one holds one kind. Reads tracked files and `cargo metadata` only,
//! changes nothing but the ratchet, and that only with `--shrink`.

mod circles;
mod configuration;
mod edges;
mod imports;
mod manifests;
mod modules;
mod names;
mod sizes;
mod source;
mod text;
mod tokens;

use crate::words::say;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use source::Source;

/// The `tidy` chore.
pub fn command(arguments: &[String]) -> Result<bool> {
    let workspace = Workspace::load()?;
    if arguments.iter().any(|argument| argument == "--shrink") {
        sizes::shrink(&workspace, &read_sources(&workspace)?)?;
    }
    let complaints = check(&workspace)?;
    for complaint in &complaints {
        say(format_args!("{complaint}"));
    }
    say(format_args!("{} passed, {} failed", usize::from(complaints.is_empty()), complaints.len()));
    Ok(complaints.is_empty())
}

/// Every complaint about the tree, as `path:line: what and what instead`.
pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let sources = read_sources(workspace)?;
    let mut complaints = Vec::new();
    manifests::check(workspace, &mut complaints)?;
    let graphs = edges::graphs(&sources);
    imports::check(&sources, &graphs, &mut complaints);
    circles::check(&graphs, &mut complaints);
    sizes::check(workspace, &sources, &mut complaints)?;
    text::check_sources(&sources, &mut complaints);
    text::check_every_file(workspace, &mut complaints)?;
    configuration::check(workspace, &sources, &mut complaints)?;
    text::check_documents(workspace, &mut complaints)?;
    Ok(complaints)
}

fn read_sources(workspace: &Workspace) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in workspace.tracked_files()? {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let full = workspace.root.join(&path);
            let text = std::fs::read_to_string(&full).with_context(|| full.display().to_string())?;
            sources.push(Source::new(path.to_string_lossy().into_owned(), text));
        }
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let complaints = check(&Workspace::load().expect("cargo metadata")).expect("the tree can be read");
        assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
    }
}
