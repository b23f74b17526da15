//! What the tables say of a key is so: one that is in force is read by the node's code, one that is not has no reader, and
//! `docs/configuration.md` is what they say.
//!
//! A reader is a line of product code with the key's name in quotation marks. Knows nothing of what a key means.

use super::source::Source;
use crate::configuration::{self, PAGE, State, Tables};
use crate::workspace::Workspace;
use anyhow::Result;

/// Crates that are the node.
const NODE: &[&str] = &["broker", "server", "net", "log", "kraft", "coordinator"];

/// Places that name keys without obeying them: the tables and their checks, the answers about configurations, and the values of a
/// node without a file.
const NOT_READERS: &[&str] = &[
    "crates/broker/src/config/",
    "crates/broker/src/quorum/rules.rs",
    "crates/broker/src/api/alter_configs.rs",
    "crates/broker/src/api/describe_configs.rs",
    "crates/broker/src/api/incremental_alter_configs.rs",
    "crates/server/src/settings/embedded.rs",
];

/// Inside of those, where the node reads.
const READERS: &[&str] =
    &["crates/broker/src/config/static_config.rs", "crates/broker/src/config/connection_caps.rs"];

/// The rule.
pub fn check(workspace: &Workspace, sources: &[Source], complaints: &mut Vec<String>) -> Result<()> {
    let tables = configuration::read(&workspace.root)?;
    if !configuration::is_fresh(&workspace.root, &configuration::page(&tables)) {
        complaints.push(format!("{PAGE}:1: not what the tables say: `cargo xtask configuration`"));
    }
    check_states(&tables, sources, complaints);
    Ok(())
}

fn check_states(tables: &Tables, sources: &[Source], complaints: &mut Vec<String>) {
    let readers: Vec<&Source> = sources.iter().filter(|source| is_reader(source)).collect();
    let is_read = |name: &str| {
        let quoted = format!("\"{name}\"");
        readers.iter().any(|source| {
            source.text.contains(&quoted)
                && source
                    .product_lines()
                    .any(|(_, line)| line.contains(&quoted) && !line.trim_start().starts_with("//"))
        })
    };
    let states = || tables.tables.iter().flat_map(|(_, keys)| keys);
    // A broker key that gives a topic key its value is read by way of that one.
    let through = |name: &str| {
        tables.synonyms.iter().any(|(topic, brokers)| {
            brokers.iter().any(|broker| broker == name)
                && states().any(|key| key.name == *topic && key.state == State::InForce)
        })
    };
    for (title, keys) in &tables.tables {
        for key in keys {
            let read = is_read(&key.name) || (title == "Broker" && through(&key.name));
            let lie = match (key.state, read) {
                (State::InForce, false) => "is called Implemented, but nothing reads it",
                (State::WithoutEffect, true) => "is called Accepted, but the node reads it",
                (State::InForce, true) | (State::WithoutEffect, false) | (State::Refused, _) => continue,
            };
            complaints.push(format!("crates/broker/src/config: {title} key `{}` {lie}", key.name));
        }
    }
}

fn is_reader(source: &Source) -> bool {
    let named = |places: &[&str]| places.iter().any(|place| source.path.starts_with(place));
    NODE.contains(&source.room()) && (named(READERS) || !named(NOT_READERS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Key;

    #[test]
    fn a_planted_lie_is_caught_in_both_directions() {
        let key = |name: &str, state| Key {
            name: name.to_owned(),
            value_type: "Int".to_owned(),
            default: None,
            state,
            doc: String::new(),
        };
        let broker = vec![
            key("read", State::InForce),
            key("by.topic", State::InForce),
            key("unread", State::InForce),
            key("obeyed", State::WithoutEffect),
            key("idle", State::WithoutEffect),
            key("refused", State::Refused),
        ];
        let tables = Tables {
            tables: vec![
                ("Broker".to_owned(), broker),
                ("Topic".to_owned(), vec![key("topic", State::InForce)]),
            ],
            synonyms: [("topic".to_owned(), vec!["by.topic".to_owned()])].into(),
            ..Tables::default()
        };
        let source = |path: &str, text: &str| Source::new(path.to_owned(), text.to_owned());
        let sources = [
            source("crates/broker/src/node.rs", "f(\"read\");\nf(\"obeyed\", \"topic\");\n// \"unread\"\n"),
            source("crates/broker/src/config/together.rs", "f(\"unread\");\n"),
            source("crates/client/src/options.rs", "f(\"idle\");\n"),
            source("crates/log/src/log/tests.rs", "f(\"unread\");\n"),
        ];
        let mut complaints = Vec::new();
        check_states(&tables, &sources, &mut complaints);
        let names: Vec<&str> = complaints.iter().filter_map(|text| text.split('`').nth(1)).collect();
        assert_eq!(names, ["unread", "obeyed"]);
    }
}
