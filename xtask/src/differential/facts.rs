//! `cargo xtask schema-facts`: what the reference's message classes say, against `crates/wire/schema`. The schemas are the
//! source; this is how they were first written down and how a new version of Kafka is taken up.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::oracle::Oracle;
use crate::process;
use crate::words::say;
use crate::workspace::Workspace;

/// `schema-facts [--check]`: writes the schemas that the reference sees otherwise (their comments are lost), or only
/// tells which.
pub fn command(arguments: &[String]) -> Result<bool> {
    let workspace = Workspace::load()?;
    let stale = stale(&workspace)?;
    let check = arguments.iter().any(|argument| argument == "--check");
    let facts = read(&workspace.scratch("schema-facts")?)?;
    for name in &stale {
        say(format_args!("{}: {name}", if check { "differs" } else { "written" }));
        if let (false, Some(text)) = (check, facts.get(name)) {
            fs::write(workspace.root.join("crates/wire/schema").join(name), text)?;
        }
    }
    say(format_args!("{} schemas differ from the reference", stale.len()));
    Ok(!check || stale.is_empty())
}

/// The schema files that say something else than the reference's classes.
pub fn stale(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.scratch("schema-facts")?;
    fs::remove_dir_all(&folder)?;
    let oracle = Oracle::install(workspace)?;
    let mut java = oracle.java("512m", &[]);
    java.arg(workspace.root.join("xtask/java/SchemaFacts.java")).arg(&folder);
    let log = workspace.scratch("test-logs")?.join("schema-facts.log");
    let finished = process::run(&mut java, &log, Duration::from_secs(180))?;
    ensure!(finished.success, "SchemaFacts.java: {}\n{}", finished.how, finished.tail(20));
    let facts = read(&folder)?;
    let ours = read(&workspace.root.join("crates/wire/schema"))?;
    let same = |name: &String| match (facts.get(name), ours.get(name)) {
        (Some(facts), Some(ours)) => content(facts).eq(content(ours)),
        _ => false,
    };
    let names: std::collections::BTreeSet<&String> = facts.keys().chain(ours.keys()).collect();
    let mut stale: Vec<String> = names.into_iter().filter(|name| !same(name)).cloned().collect();
    let theirs = fs::read_to_string(folder.join("error_codes.txt"))?;
    let ours = fs::read_to_string(workspace.root.join(ERROR_CODES)).context(ERROR_CODES)?;
    if error_codes(&ours) != theirs.lines().map(str::to_string).collect::<Vec<_>>() {
        stale.push(format!("{ERROR_CODES} (by hand)"));
    }
    Ok(stale)
}

const ERROR_CODES: &str = "crates/wire/src/error_code.rs";

/// The rows `code Name "NAME" retriable "message";` of our table, as the reference's are written down.
fn error_codes(table: &str) -> Vec<String> {
    let row = |line: &str| {
        let mut words = line.trim_start().splitn(5, ' ');
        let (code, _, name, retriable) = (words.next()?, words.next()?, words.next()?, words.next()?);
        code.parse::<i16>().ok()?;
        let message = words.next()?.strip_prefix('"')?.strip_suffix("\";")?.replace("\\\"", "\"");
        Some(format!("{code} {} {retriable} {message}", name.trim_matches('"')))
    };
    table.lines().filter_map(row).collect()
}

/// The lines without comments and blank ones.
fn content(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim_end());
    lines.filter(|line| !line.is_empty())
}

/// All `.msg` files by their path below `folder`.
fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for below in ["", "records"] {
        let folder = folder.join(below);
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "msg") {
                let name = path.file_name().context("a file has a name")?.to_string_lossy().into_owned();
                let name = if below.is_empty() { name } else { format!("{below}/{name}") };
                files.insert(name, fs::read_to_string(&path)?);
            }
        }
    }
    Ok(files)
}
