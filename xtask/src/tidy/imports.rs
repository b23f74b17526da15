//! What must never name what (ARCHITECTURE.md, "What must never import what").
//!
//! Owns the rules inside crates: which place may not name which, and words that some may not contain. The rules between crates are in
//! `manifests.rs`, the one against circles in `circles.rs`.

use super::edges::Graph;
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

/// A rule inside a crate: what lies in one of the places `who` names nothing that is defined in one of the places `never`. A place is a
/// module with all that is in it: `shard` is `shard.rs`, `shard/mod.rs` and the rest of `shard/`.
struct Wall {
    room: &'static str,
    who: &'static [&'static str],
    never: &'static [&'static str],
    why: &'static str,
}

const WALLS: &[Wall] = &[
    Wall {
        room: "kraft",
        who: &["raft"],
        never: &["image", "controller"],
        why: "the raft sees opaque records",
    },
    Wall {
        room: "kraft",
        who: &["image"],
        never: &["controller"],
        why: "the image knows nothing of who decides it",
    },
    Wall {
        room: "broker",
        who: &["command", "effect"],
        never: &["shard"],
        why: "what passes between rooms lies below them",
    },
    Wall { room: "broker", who: &["shard"], never: &["api"], why: "a shard never knows who asks" },
    Wall {
        room: "broker",
        who: &["replica"],
        never: &["effect", "coordinators", "shard"],
        why: "a replica is a part of a shard's turn: it neither wishes nor hosts",
    },
    Wall {
        room: "broker",
        who: &["disks"],
        never: &["shard", "replica", "api", "node", "fetch", "coordinators"],
        why: "the disks know places and offsets, not who writes there",
    },
    Wall {
        room: "broker",
        who: &["fetch"],
        never: &["shard", "api", "node", "coordinators"],
        why: "a fetch reads views and leaves commands",
    },
    Wall {
        room: "broker",
        who: &["coordinators"],
        never: &["api", "node"],
        why: "coordinators are asked by way of commands",
    },
    Wall {
        room: "broker",
        who: &["quorum"],
        never: &["shard", "api", "node"],
        why: "the quorum tells shards by way of commands and images",
    },
    Wall {
        room: "broker",
        who: &["peers"],
        never: &["quorum", "replication", "shard", "fetch", "coordinators", "api", "node"],
        why: "a way out knows nodes and purposes, not what is said",
    },
    Wall {
        room: "broker",
        who: &["replication"],
        never: &["quorum", "peers", "shard", "api", "node"],
        why: "a fetcher says what to ask and is told what came; others send and append",
    },
];

/// Words that no handler of the broker contains: views, shards and the quorum stand between it and these.
const NOT_IN_HANDLERS: &[&str] =
    &["log::Log;", "log::Log,", "log::Log}", "log::Log::", "log::Log ", "log::log::", "kraft::raft"];

/// Complains about every line and every name that crosses a wall.
pub fn check(sources: &[Source], graphs: &[Graph], complaints: &mut Vec<String>) {
    for source in sources {
        // A stopwatch under examples/ is not part of the product.
        let example = source.path.contains("/examples/");
        if BRAIN.contains(&source.room()) && source.path != STABLE_HASH && !example {
            below_the_line(source, complaints);
        }
        if source.room() == "broker" && source.inner().starts_with("api/") {
            never(source, NOT_IN_HANDLERS, "handlers read views and ask shards or the quorum", complaints);
        }
        if source.room() == "wire" && source.inner().starts_with("messages/") {
            generated_imports(source, complaints);
        }
    }
    for graph in graphs {
        standing(graph, complaints);
        for (file, named) in &graph.edges {
            for (other, item) in named {
                crossing(graph.files[*file], graph.files[*other], item, complaints);
            }
        }
    }
}

/// Complains about walls of places that are not there: what moved away is not held any more.
fn standing(graph: &Graph, complaints: &mut Vec<String>) {
    for wall in WALLS.iter().filter(|wall| wall.room == graph.room()) {
        for place in wall.who.iter().chain(wall.never) {
            if !graph.files.iter().any(|file| is_within(file, place)) {
                complaints.push(format!(
                    "crates/{}/src/{place}: a wall of tidy's stands here, and nothing else",
                    wall.room
                ));
            }
        }
    }
}

/// Complains if `source` must not name `item`, which `other` defines.
fn crossing(source: &Source, other: &Source, item: &str, complaints: &mut Vec<String>) {
    let within = |source: &Source, places: &[&str]| places.iter().any(|place| is_within(source, place));
    let crossed = WALLS
        .iter()
        .filter(|wall| wall.room == source.room() && within(source, wall.who) && within(other, wall.never));
    let apart = "what two handlers share stands beside api/, not in one of them";
    let handlers = (source.room() == "broker").then(|| handler(source).zip(handler(other))).flatten();
    let shared = handlers.is_some_and(|(one, another)| one != another);
    for why in crossed.map(|wall| wall.why).chain(shared.then_some(apart)) {
        complaints.push(format!("{}: `{item}` of {}: {why}", source.path, other.inner()));
    }
}

/// Whether a file is the module `place` or lies in it.
fn is_within(source: &Source, place: &str) -> bool {
    source.inner().strip_prefix(place).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// `fetch` for `api/fetch.rs` and for what lies in `api/fetch/`.
fn handler(source: &Source) -> Option<&str> {
    let name = source.inner().strip_prefix("api/")?.split(['/', '.']).next()?;
    (name != "mod").then_some(name)
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
    use crate::tidy::edges::graphs;

    fn complaints(files: &[(&str, &str)]) -> Vec<String> {
        let source = |(path, text): &(&str, &str)| Source::new((*path).to_owned(), (*text).to_owned());
        let sources: Vec<Source> = files.iter().map(source).collect();
        let mut found = Vec::new();
        check(&sources, &graphs(&sources), &mut found);
        found
    }

    #[test]
    fn words_are_seen() {
        let count = |path: &str, text: &str| complaints(&[(path, text)]).len();
        assert_eq!(count("crates/log/src/view.rs", "use std::fs::File;\n"), 1);
        assert_eq!(count("crates/log/src/disk.rs", "use std::fs::File;\n"), 0);
        assert_eq!(count("crates/broker/src/shard.rs", "use tokio::x;\n// tokio\n"), 1);
        assert_eq!(count("crates/broker/src/api/fetch.rs", "use log::Log;\n"), 1);
        assert_eq!(count("crates/broker/src/api/fetch.rs", "use log::LogView;\n"), 0);
        assert_eq!(count("crates/net/src/conn.rs", "use tokio::net::TcpStream;\n"), 0);
    }

    /// What is said of `who`, which names a type of `whom`, in a crate with this root.
    fn naming(room: &str, root: &str, who: &str, whom: &str) -> Vec<String> {
        let path = |place: &str| format!("crates/{room}/src/{place}.rs");
        let text = format!("use crate::{}::Alpha;\n", whom.replace('/', "::"));
        let files = [(path("lib"), root), (path(who), text.as_str()), (path(whom), "pub struct Alpha;\n")];
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let mut found = complaints(&files);
        found.retain(|told| told.contains("`Alpha`"));
        found
    }

    #[test]
    fn every_wall_is_seen_when_it_is_crossed() {
        for wall in WALLS {
            for (who, whom) in wall.who.iter().flat_map(|who| wall.never.iter().map(move |whom| (who, whom)))
            {
                let found = naming(wall.room, &format!("mod {who}; mod {whom};"), who, whom);
                let told = format!("crates/{}/src/{who}.rs: `Alpha` of {whom}.rs: {}", wall.room, wall.why);
                assert_eq!(found, [told]);
            }
        }
    }

    #[test]
    fn handlers_of_the_broker_stand_apart() {
        let root = "mod api { pub mod fetch; pub mod produce; }";
        assert_eq!(naming("broker", root, "api/fetch", "api/produce").len(), 1);
        assert_eq!(naming("client", root, "api/fetch", "api/produce").len(), 0);
    }

    /// A crate with all places of its walls, in which the raft names a topic by way of a door.
    const KRAFT: &[(&str, &str)] = &[
        (
            "crates/kraft/src/lib.rs",
            "mod raft; mod image; mod controller; mod doors { pub use crate::image::topics::Alpha as Beta; }",
        ),
        ("crates/kraft/src/raft/mod.rs", "mod vote;"),
        ("crates/kraft/src/raft/vote.rs", "fn f(x: crate::doors::Beta) {}"),
        ("crates/kraft/src/image/mod.rs", "pub mod topics;"),
        ("crates/kraft/src/image/topics.rs", "pub struct Alpha;"),
        ("crates/kraft/src/controller.rs", ""),
    ];

    #[test]
    fn a_wall_is_seen_through_doors_and_in_folders() {
        let told = "crates/kraft/src/raft/vote.rs: `Alpha` of image/topics.rs: the raft sees opaque records";
        assert_eq!(complaints(KRAFT), [told]);
    }

    #[test]
    fn a_wall_of_a_place_that_is_gone_is_told() {
        let (_, without_controller) = KRAFT.split_last().unwrap_or((&KRAFT[0], &[]));
        let told = "crates/kraft/src/controller: a wall of tidy's stands here, and nothing else";
        assert_eq!(complaints(without_controller)[..2], [told, told]);
    }
}
