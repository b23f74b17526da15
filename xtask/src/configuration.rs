//! `cargo xtask configuration`: the tables of configuration keys become `docs/configuration.md`; `--check` (a rule of tidy, too) tells
//! whether it is fresh.
//!
//! Reads the tables as text: their rows stand in one line each, so that no chore has to be built with the product.

use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The page, relative to the root.
pub const PAGE: &str = "docs/configuration.md";

/// Where the tables are, and what the page calls each.
const TABLES: &[(&str, &str)] = &[
    ("crates/broker/src/config/broker_keys.rs", "Broker"),
    ("crates/broker/src/config/topic_keys.rs", "Topic"),
    ("crates/broker/src/config/group_keys.rs", "Group"),
    ("crates/broker/src/config/client_metrics_keys.rs", "Client metrics"),
];
const REFUSALS: &str = "crates/broker/src/config/refusals.rs";

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// `Int`, `Text`…
    pub value_type: String,
    /// None where it has none.
    pub default: Option<String>,
    /// What the code does with it.
    pub state: State,
    /// What it does, in a sentence.
    pub doc: String,
}

/// What the code does with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is read and obeyed.
    InForce,
    /// Nothing.
    WithoutEffect,
    /// A value that promises something refuses.
    Refused,
}

/// One row of the table of refusals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    key: String,
    harmless: String,
    why: String,
}

/// All that the page tells.
#[derive(Debug, Default)]
pub struct Tables {
    /// Title and keys.
    pub tables: Vec<(String, Vec<Key>)>,
    /// The table of refusals.
    pub refusals: Vec<Refusal>,
    /// Topic key and the broker keys that give it its value.
    pub synonyms: BTreeMap<String, Vec<String>>,
}

/// The chore.
pub fn command(arguments: &[String]) -> Result<bool> {
    let workspace = Workspace::load()?;
    let text = page(&read(&workspace.root)?);
    if arguments.iter().any(|argument| argument == "--check") {
        return Ok(is_fresh(&workspace.root, &text));
    }
    std::fs::write(workspace.root.join(PAGE), text)?;
    Ok(true)
}

/// Whether the page is what the tables say.
pub fn is_fresh(root: &Path, text: &str) -> bool {
    std::fs::read_to_string(root.join(PAGE)).is_ok_and(|found| found == text)
}

/// Reads the tables of a tree.
pub fn read(root: &Path) -> Result<Tables> {
    let file = |path: &str| std::fs::read_to_string(root.join(path)).with_context(|| path.to_owned());
    let mut tables = Tables::default();
    for (path, title) in TABLES {
        let text = file(path)?;
        tables.tables.push(((*title).to_owned(), keys(&text).with_context(|| (*path).to_owned())?));
        tables.synonyms.extend(rows(&text, "(").into_iter().filter_map(|row| {
            let [topic, broker] = <[String; 2]>::try_from(row).ok()?;
            Some((topic.trim_matches('"').to_owned(), strings(&broker)))
        }));
    }
    tables.refusals = refusals(&file(REFUSALS)?)?;
    Ok(tables)
}

fn keys(text: &str) -> Result<Vec<Key>> {
    let mut found = Vec::new();
    for row in rows(text, "key(") {
        let shown = row.join(", ");
        let row: [String; 8] =
            row.try_into().ok().with_context(|| format!("a row of another form: {shown}"))?;
        let [name, value_type, default, _, _, _, state, doc] = row;
        let state = match state.as_str() {
            "Implemented" => State::InForce,
            "Accepted" => State::WithoutEffect,
            "Refused" => State::Refused,
            other => anyhow::bail!("{name}: a state of another name: {other}"),
        };
        let default = default.strip_prefix("Some(").and_then(|text| text.strip_suffix(')')).map(unquoted);
        found.push(Key { name: unquoted(&name), value_type, default, state, doc: unquoted(&doc) });
    }
    ensure!(!found.is_empty(), "no rows");
    Ok(found)
}

fn refusals(text: &str) -> Result<Vec<Refusal>> {
    let mut found = Vec::new();
    for row in rows(text, "row(") {
        let shown = row.join(", ");
        let [key, harmless, why] =
            <[String; 3]>::try_from(row).ok().with_context(|| format!("a row of another form: {shown}"))?;
        let harmless = match harmless.strip_prefix("Only(") {
            Some(list) => match strings(list).as_slice() {
                [] => "none".to_owned(),
                [only] if only.is_empty() => "empty".to_owned(),
                some => {
                    let shown =
                        |one: &String| if one.is_empty() { "empty".to_owned() } else { format!("`{one}`") };
                    some.iter().map(shown).collect::<Vec<_>>().join(", ")
                }
            },
            None => "classes of Apache Kafka itself".to_owned(),
        };
        let why = if why.starts_with('"') { Some(why) } else { constant(text, &why) };
        let why = unquoted(&why.with_context(|| format!("{key}: no reason"))?);
        found.push(Refusal { key: unquoted(&key), harmless, why });
    }
    ensure!(!found.is_empty(), "no refusals");
    Ok(found)
}

/// The arguments of every line that begins with `opening`.
fn rows(text: &str, opening: &str) -> Vec<Vec<String>> {
    text.lines().filter_map(|line| line.trim_start().strip_prefix(opening).map(arguments)).collect()
}

/// The text between here and the closing parenthesis, divided by commas that are in no string and no bracket.
fn arguments(text: &str) -> Vec<String> {
    let (mut found, mut depth, mut quoted) = (vec![String::new()], 0, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '(' | '[' if !quoted => depth += 1,
            ')' if !quoted && depth == 0 => break,
            ')' | ']' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                found.push(String::new());
                continue;
            }
            _ => {}
        }
        let Some(last) = found.last_mut() else { break };
        last.push(character);
        if character == '\\' {
            last.extend(characters.next());
        }
    }
    found.iter().map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

/// The text of a constant, from behind its `=` to the end of the statement.
fn constant(text: &str, name: &str) -> Option<String> {
    let (_, after) = text.split_once(&format!("const {name}: "))?;
    let (_, value) = after.split_once('=')?;
    Some(value.split_once(";\n")?.0.trim().to_owned())
}

/// Every string literal of a piece of code.
fn strings(text: &str) -> Vec<String> {
    text.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches('"').replace("\\\"", "\"").replace("\\\\", "\\")
}

/// The page.
pub fn page(tables: &Tables) -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Refused\n\n| key | values that start | why any other refuses |\n|---|---|---|\n");
    for row in &tables.refusals {
        let _ = writeln!(page, "| `{}` | {} | {} |", row.key, cell(&row.harmless), cell(&row.why));
    }
    for (title, keys) in &tables.tables {
        let count = |state| keys.iter().filter(|key| key.state == state).count();
        let _ = writeln!(
            page,
            "\n## {title} keys\n\n{} in force, {} without effect, {} refused.\n\n| key | type | default | state | what it \
             does |\n|---|---|---|---|---|",
            count(State::InForce),
            count(State::WithoutEffect),
            count(State::Refused)
        );
        for key in keys {
            let default = match key.default.as_deref() {
                None => String::new(),
                Some("") => "empty".to_owned(),
                Some(text) => format!("`{}`", cell(text)),
            };
            let state = match key.state {
                State::InForce => "in force",
                State::WithoutEffect => "without effect",
                State::Refused => "refused",
            };
            let kind = key.value_type.to_uppercase().replace("TEXT", "STRING");
            let _ = writeln!(page, "| `{}` | {kind} | {default} | {state} | {} |", key.name, cell(&key.doc));
        }
    }
    page
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const HEAD: &str = "# Every configuration key

<!-- Generated by `cargo xtask configuration` from crates/broker/src/config/*_keys.rs and refusals.rs; tidy holds it against the code. -->

Every key of Apache Kafka 4.4 is known, with Kafka's type, default and bounds. What happens when one is set:

- **in force**: it does what it does in Kafka, or what its line says.
- **without effect**: it is read, checked and described; the start says at WARN, in one line, which of those are set to something else
  than their default.
- **refused**: it promises somebody something that is not kept here yet. Set to a value that promises, it refuses the start, before
  anything on disk or network is touched; `ottla storage check -c FILE` says the same.

A key for one listener, `listener.name.LISTENER.KEY` (also with a SASL mechanism before KEY), is checked and refused as the key itself;
only those of SASL that are in force are obeyed for one listener alone. Values may stand elsewhere: `config.providers` knows Kafka's own
EnvVarConfigProvider, FileConfigProvider and DirectoryConfigProvider. A name that is no key is ignored, as in Kafka, and told at WARN with the nearest one.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_are_written() {
        let text = "    key(\"a.b\", List, Some(\"x,y\"), OneOf(&[\"x\", \"y\"]), Low, ReadOnly, Accepted, \"Says \\\"x\\\", or (y).\").internal(),\n    key(\"c\", Int, None, Any, Low, ReadOnly, Refused, \"\"),\n    (\"t\", &[\"a.b\", \"c\"]),\n";
        let found = keys(text).expect("rows");
        assert_eq!(found[0].default.as_deref(), Some("x,y"));
        assert_eq!((found[0].state, found[0].doc.as_str()), (State::WithoutEffect, "Says \"x\", or (y)."));
        assert_eq!((found[1].name.as_str(), found[1].state), ("c", State::Refused));
        assert!(keys("    key(\"a\", Int),\n").is_err());
        assert_eq!(rows(text, "(").len(), 1);
    }

    #[test]
    fn refusals_have_values_and_reasons() {
        let text = "const WHY: &str = \"because\";\n row(\"a\", Only(&[]), WHY),\n row(\"b\", Only(&[\"x\"]), \"so\"),\n row(\"c\", KafkasOwn, WHY),\n";
        let found = refusals(text).expect("rows");
        let shown: Vec<_> = found.iter().map(|row| (row.harmless.as_str(), row.why.as_str())).collect();
        assert_eq!(
            shown,
            [("none", "because"), ("`x`", "so"), ("classes of Apache Kafka itself", "because")]
        );
    }
}
