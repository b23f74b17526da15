//! What must never name what (ARCHITECTURE.md, "What must never import what").
//!
//! Owns the rules inside crates, read from the text of the files; the rules between crates are in `manifests.rs`.

use super::source::{Source, code_of};

/// Words that no file of a crate below the line may contain, and why.
const BELOW_THE_LINE: &[(&str, &str)] = &[
    ("tokio", "no runtime below the line; sockets and tasks live in net and server"),
    ("std::net", "no sockets below the line"),
    ("std::thread", "no threads below the line; who runs a turn is a detail of server"),
    ("Instant::now", "time is an argument: `now_ms`"),
    ("SystemTime", "time is an argument: `now_ms`"),
    ("thread_rng", "randomness is an argument"),
    ("HashMap", "order must not depend on chance: BTreeMap or wire::hash::StableMap"),
    ("HashSet", "order must not depend on chance: BTreeSet or wire::hash::StableSet"),
    ("RandomState", "order must not depend on chance"),
];

/// Crates below the line.
pub const BRAIN: &[&str] = &["wire", "log", "kraft", "coordinator", "broker", "sim"];

/// The one room that may define what the brain must not name: the fixed-seed hash map.
const STABLE_HASH: &str = "crates/wire/src/hash.rs";

/// A rule inside a crate: files whose inner path starts with `place` never name `forbidden`.
struct Wall {
    room: &'static str,
    place: &'static str,
    forbidden: &'static [&'static str],
    why: &'static str,
}

const WALLS: &[Wall] = &[
    Wall {
        room: "kraft",
        place: "raft",
        forbidden: &["crate::image", "crate::controller", "super::super::image", "super::super::controller"],
        why: "the raft sees opaque records",
    },
    Wall {
        room: "kraft",
        place: "image",
        forbidden: &["crate::controller"],
        why: "the image knows nothing of who decides it",
    },
    Wall {
        room: "broker",
        place: "api/",
        forbidden: &[
            "log::Log;",
            "log::Log,",
            "log::Log}",
            "log::Log::",
            "log::Log ",
            "log::log::",
            "kraft::raft",
        ],
        why: "handlers read views and ask shards or the quorum",
    },
    Wall { room: "broker", place: "shard", forbidden: &["crate::api"], why: "a shard never knows who asks" },
];

/// Complains about every line that crosses a wall.
pub fn check(sources: &[Source], complaints: &mut Vec<String>) {
    for source in sources {
        // A stopwatch under examples/ is not part of the product.
        let example = source.path.contains("/examples/");
        if BRAIN.contains(&source.room()) && source.path != STABLE_HASH && !example {
            below_the_line(source, complaints);
        }
        for wall in WALLS.iter().filter(|wall| wall.room == source.room()) {
            if source.inner().starts_with(wall.place) {
                never(source, wall.forbidden, wall.why, complaints);
            }
        }
        if source.room() == "broker" {
            api_files_apart(source, complaints);
        }
        if source.room() == "wire" && source.inner().starts_with("messages/") {
            generated_imports(source, complaints);
        }
    }
}

fn below_the_line(source: &Source, complaints: &mut Vec<String>) {
    for (number, line) in source.text.lines().enumerate() {
        let code = code_of(line);
        for (word, why) in BELOW_THE_LINE {
            if code.contains(word) {
                complaints.push(format!("{}:{}: `{word}`: {why}", source.path, number + 1));
            }
        }
    }
    let disk = source.room() == "log" && (source.inner() == "disk.rs" || source.inner().starts_with("disk/"));
    if !disk {
        never(
            source,
            &["std::fs", "File::open", "File::create"],
            "files are the business of log/disk.rs",
            complaints,
        );
    }
}

/// No product line of `source` contains one of the words.
fn never(source: &Source, words: &[&str], why: &str, complaints: &mut Vec<String>) {
    for (number, line) in source.product_lines() {
        let code = code_of(line);
        for word in words.iter().filter(|word| code.contains(**word)) {
            complaints.push(format!("{}:{number}: `{}`: {why}", source.path, word.trim()));
        }
    }
}

/// `api/fetch.rs` (or `api/fetch/…`) names no other file of `api/`.
fn api_files_apart(source: &Source, complaints: &mut Vec<String>) {
    let Some(own) = source.inner().strip_prefix("api/") else { return };
    let own = own.split(['/', '.']).next().unwrap_or_default();
    if own == "mod" {
        return;
    }
    for (number, line) in source.product_lines() {
        let code = code_of(line);
        for (_, rest) in code.match_indices("api::").map(|(at, word)| (at, &code[at + word.len()..])) {
            let named: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let a_file = named.chars().next().is_some_and(char::is_lowercase);
            if a_file && named != own {
                let why = "what two handlers share stands beside api/, not in one of them";
                complaints.push(format!("{}:{number}: `api::{named}`: {why}", source.path));
            }
        }
    }
}

/// Generated messages import the codec and the vocabulary's plain types, nothing else.
fn generated_imports(source: &Source, complaints: &mut Vec<String>) {
    for (number, line) in source.product_lines() {
        let Some(path) = line.trim_start().strip_prefix("use ") else { continue };
        let plain =
            ["crate::codec", "crate::Str", "crate::Uuid", "crate::{", "bytes::", "super::", "std::fmt"];
        if !plain.iter().any(|allowed| path.starts_with(allowed)) {
            complaints
                .push(format!("{}:{number}: `use {path}`: generated files import only codec", source.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> usize {
        let mut found = Vec::new();
        check(&[Source::new(path.into(), text.into())], &mut found);
        found.len()
    }

    #[test]
    fn walls_are_seen() {
        assert_eq!(complaints("crates/log/src/view.rs", "use std::fs::File;\n"), 1);
        assert_eq!(complaints("crates/log/src/disk.rs", "use std::fs::File;\n"), 0);
        assert_eq!(complaints("crates/broker/src/shard.rs", "use tokio::x;\n// tokio\n"), 1);
        assert_eq!(complaints("crates/kraft/src/raft/mod.rs", "use crate::image::X;\n"), 1);
        assert_eq!(complaints("crates/broker/src/api/fetch.rs", "use crate::api::produce::x;\n"), 1);
        assert_eq!(
            complaints("crates/broker/src/api/fetch.rs", "use log::LogView;\nuse crate::api::Answer;\n"),
            0
        );
        assert_eq!(complaints("crates/broker/src/api/fetch.rs", "use log::Log;\n"), 1);
        assert_eq!(complaints("crates/net/src/conn.rs", "use tokio::net::TcpStream;\n"), 0);
    }
}
