//! How this program was called, for the lines that people copy: under which name, and for which cluster. Knows no command.

use crate::args::ConnectArgs;
use std::sync::OnceLock;

/// Commands that talk to a cluster: what is written for one of them names the same cluster.
const TALKING: &[&str] = &["topic", "group", "produce", "consume", "config", "cluster", "quota"];

static PROGRAM: OnceLock<String> = OnceLock::new();
static CLUSTER: OnceLock<String> = OnceLock::new();

/// Remembers the name: `ottla`, or the path that was typed.
pub fn called_as(program: &str) {
    let _first_wins = PROGRAM.set(quoted(program));
}

/// Remembers which cluster was named on the command line; the environment needs no repeating.
pub fn talking_to(connection: &ConnectArgs) {
    let mut words = Vec::new();
    if let Some(brokers) = &connection.bootstrap_server {
        words.push(format!("-b {}", quoted(brokers)));
    }
    if let Some(file) = &connection.command_config {
        words.push(format!("--command-config {}", quoted(&file.to_string_lossy())));
    }
    words.extend(connection.properties.iter().map(|pair| format!("-X {}", quoted(pair))));
    let _first_wins = CLUSTER.set(words.join(" "));
}

/// The name to call this program by.
pub fn program() -> &'static str {
    PROGRAM.get().map_or("ottla", String::as_str)
}

/// A hint as it works here: each `ottla` in it becomes the program as it was called, with the cluster that was named.
pub fn as_called(hint: &str) -> String {
    rewrite(hint, program(), CLUSTER.get().map_or("", String::as_str))
}

fn rewrite(hint: &str, program: &str, cluster: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut after_program = false;
    for word in hint.split(' ') {
        if after_program && TALKING.contains(&word) && !cluster.is_empty() {
            words.push(cluster.to_owned());
        }
        let bare = word.trim_matches(|c| c == '`' || c == ',');
        after_program = bare == "ottla";
        words.push(if after_program { word.replace("ottla", program) } else { word.to_owned() });
    }
    words.join(" ")
}

/// For a shell: as it is where that is safe.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+[]".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_work_where_the_reader_is() {
        let cases = [
            ("ottla topic list", "target/release/ottla -b h:1 topic list"),
            (
                "start a node with `ottla`, or name one",
                "start a node with `target/release/ottla`, or name one",
            ),
            ("ottla storage format", "target/release/ottla storage format"),
            ("--if-not-exists, or another name", "--if-not-exists, or another name"),
            ("is it well? ottla cluster info", "is it well? target/release/ottla -b h:1 cluster info"),
        ];
        for (hint, expected) in cases {
            assert_eq!(rewrite(hint, "target/release/ottla", "-b h:1"), expected);
        }
    }

    #[test]
    fn words_are_quoted_for_a_shell_only_where_they_must() {
        assert_eq!(quoted("a-b.c:9092"), "a-b.c:9092");
        assert_eq!(quoted("it's here"), r"'it'\''s here'");
        assert_eq!(quoted(""), "''");
    }
}
