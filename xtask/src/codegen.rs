//! `cargo xtask codegen`: the schemas of `crates/wire/schema` become `crates/wire/src/{messages,records}` and the API
//! table. The output is committed; `--check` (a test, too) tells whether it is fresh. No build script: the generated
//! code is there to be read and searched.

pub mod emit;
pub mod schema;

use crate::words::complain;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use schema::Schema;

/// `codegen [--check]`; false when `--check` finds stale files.
pub fn command(arguments: &[String]) -> Result<bool> {
    run(arguments.iter().any(|argument| argument == "--check"))
}

/// Writes the generated files, or with `check` only compares; false when one is stale.
pub fn run(check: bool) -> Result<bool> {
    let wire = crate_folder();
    let files = generate(&read(&wire)?);
    let mut fresh = true;
    for (path, text) in &files {
        let path = wire.join(path);
        if fs::read_to_string(&path).is_ok_and(|found| found == *text) {
            continue;
        }
        fresh = false;
        if check {
            complain(format_args!("stale: {}; run `cargo xtask codegen`", path.display()));
        } else {
            fs::create_dir_all(path.parent().context("a file has a folder")?)?;
            fs::write(&path, text)?;
        }
    }
    for folder in ["src/messages", "src/records"] {
        for entry in fs::read_dir(wire.join(folder))? {
            let path = entry?.path();
            let name = path.strip_prefix(&wire)?.to_path_buf();
            if files.contains_key(&name) || name.ends_with("framing.rs") || name.ends_with("tests.rs") {
                continue;
            }
            fresh = false;
            if check {
                complain(format_args!("left over: {}", path.display()));
            } else {
                fs::remove_file(&path)?;
            }
        }
    }
    Ok(fresh || !check)
}

fn crate_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/wire")
}

/// All schemas, APIs first, by file name.
pub fn schemas() -> Result<Vec<(String, Schema)>> {
    read(&crate_folder())
}

fn read(wire: &Path) -> Result<Vec<(String, Schema)>> {
    let mut schemas = Vec::new();
    for folder in ["schema", "schema/records"] {
        let mut found = Vec::new();
        for entry in fs::read_dir(wire.join(folder))? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "msg") {
                continue;
            }
            let name = path.file_stem().context("a file has a name")?.to_string_lossy().into_owned();
            let schema =
                schema::parse(&fs::read_to_string(&path)?).with_context(|| path.display().to_string())?;
            found.push((name, schema));
        }
        found.sort_by(|left, right| left.0.cmp(&right.0));
        schemas.extend(found);
    }
    Ok(schemas)
}

/// Path within the crate → text.
fn generate(schemas: &[(String, Schema)]) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let mut lists: [Vec<&str>; 2] = Default::default();
    for (name, schema) in schemas {
        let (folder, list) = if schema.api.is_some() { ("messages", 0) } else { ("records", 1) };
        lists[list].push(name);
        files.insert(PathBuf::from(format!("src/{folder}/{name}.rs")), emit::module(schema, name));
    }
    let messages = emit::modules(&lists[0], "Requests and responses, one module per API.", "");
    files.insert("src/messages/mod.rs".into(), messages);
    lists[1].push("framing");
    lists[1].sort_unstable();
    let about = "Everything that Kafka persists, one module per log or file.";
    let records =
        emit::modules(&lists[1], about, "\npub use log::EndTxnMarker;\n\n#[cfg(test)]\nmod tests;\n");
    files.insert("src/records/mod.rs".into(), records);
    files.insert("src/api_key/table.rs".into(), emit::api_keys(schemas));
    files.insert("tests/catalog.rs".into(), emit::catalog(schemas));
    files
}

#[cfg(test)]
mod tests {
    #[test]
    fn generated_code_is_fresh() {
        assert!(super::run(true).unwrap(), "run `cargo xtask codegen`");
    }
}
