//! No circle of files: of two files of a crate at most one names what the other defines, directly or by way of others.
//!
//! Owns the rule and how a circle is told; when a file names another, `edges.rs` says.

use super::edges::{Edges, Graph};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Complains about every circle of every crate.
pub fn check(graphs: &[Graph], complaints: &mut Vec<String>) {
    for graph in graphs {
        complaints.extend(circles(&graph.edges).iter().map(|circle| told(graph, circle)));
    }
}

/// For every file the shortest way from it back to itself; ways that are one circle are one.
fn circles(edges: &Edges) -> BTreeSet<Vec<usize>> {
    edges.keys().filter_map(|start| shortest(edges, *start)).map(from_its_smallest).collect()
}

fn shortest(edges: &Edges, start: usize) -> Option<Vec<usize>> {
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(file) = open.pop_front() {
        for next in edges.get(&file).into_iter().flat_map(BTreeMap::keys) {
            if *next == start {
                let mut circle = vec![file];
                while let Some(before) = came_from.get(circle.last().unwrap_or(&start)) {
                    circle.push(*before);
                }
                circle.reverse();
                return Some(circle);
            }
            if !came_from.contains_key(next) {
                came_from.insert(*next, file);
                open.push_back(*next);
            }
        }
    }
    None
}

fn from_its_smallest(mut circle: Vec<usize>) -> Vec<usize> {
    let smallest = (0..circle.len()).min_by_key(|position| circle[*position]).unwrap_or(0);
    circle.rotate_left(smallest);
    circle
}

/// `path: a.rs -> b.rs (Item) -> a.rs (Item): what to do`.
fn told(graph: &Graph, circle: &[usize]) -> String {
    let name = |file: usize| graph.files[file].inner();
    let mut chain = name(circle[0]).to_owned();
    for (position, file) in circle.iter().enumerate() {
        let next = circle[(position + 1) % circle.len()];
        chain += &format!(" -> {} ({})", name(next), graph.edges[file][&next]);
    }
    format!(
        "{}: {chain}: what passes between two files stands in one below both",
        graph.files[circle[0]].path
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::edges;
    use crate::tidy::source::Source;

    /// What is complained about in a crate of these files.
    fn complaints(files: &[(&str, &str)]) -> Vec<String> {
        let source =
            |(path, text): &(&str, &str)| Source::new(format!("crates/x/src/{path}"), (*text).to_owned());
        let sources: Vec<Source> = files.iter().map(source).collect();
        let mut found = Vec::new();
        check(&edges::graphs(&sources), &mut found);
        found
    }

    /// Whether `a.rs` holding `text` and `b.rs`, which names `crate::a::Alpha`, are a circle; the root's re-exports, an inline module
    /// and a macro are at hand.
    fn is_circle(text: &str) -> bool {
        let root = "pub mod a; pub mod b; mod doors { pub use crate::b::Beta as Renamed; }\npub use b::{beta, Beta};";
        let b = "use crate::a::Alpha;\n#[derive(Clone)] pub struct Beta(Alpha);\npub fn beta() {}\n\
                 macro_rules! inner { () => {} }\npub(crate) use inner;\npub mod deep { pub enum Gamma { One } }\nmade! { Delta }";
        let a = format!("pub struct Alpha;\n{text}");
        let found = complaints(&[("lib.rs", root), ("a.rs", &a), ("b.rs", b)]);
        assert!(found.len() <= 1, "{found:?}");
        !found.is_empty()
    }

    #[test]
    fn a_planted_circle_is_told_as_a_chain() {
        let found = complaints(&[
            ("lib.rs", "mod a;\nmod b;\nmod c;\n"),
            ("a.rs", "use crate::b::Beta;\npub struct Alpha(Beta);\n"),
            ("b.rs", "pub struct Beta(super::c::Gamma);\n"),
            ("c/mod.rs", "pub mod d;\nuse d::Delta;\npub struct Gamma(Delta);\n"),
            ("c/d.rs", "pub struct Delta(super::super::a::Alpha);\n"),
        ]);
        let circle = "crates/x/src/a.rs: a.rs -> b.rs (Beta) -> c/mod.rs (Gamma) -> c/d.rs (Delta) -> a.rs (Alpha): \
                      what passes between two files stands in one below both";
        assert_eq!(found, [circle]);
    }

    #[test]
    fn every_way_to_name_an_item_is_seen() {
        for text in [
            "use crate::b::Beta;",
            "use crate::{Beta as Other};",
            "use crate::{a::Alpha as B, b::{self, deep::{Gamma}}};",
            "use super::b; fn f(_: b::Beta) {}",
            "fn f() { super::b::beta() }",
            "fn f() { use crate::b::*; let x = Beta; }",
            "use super::*; fn f(x: &'static Beta) {}",
            "use crate::b::deep::Gamma::*;",
            "fn f(x: crate::doors::Renamed) {}",
            "pub use crate::b::Beta; fn f(_: Beta) {}",
            "pub use crate::b::beta; fn f(x: fn()) { assert!(beta != x) }",
            "macro_rules! m { () => { $crate::b::beta() } }",
            "fn f() { println!(\"{}\", crate::beta as usize) }",
            "mod inside { fn f() { super::super::b::beta() } }",
            "fn f() { crate::b::inner!() }",
            "use crate::b::Delta;",
            "impl From<crate::Beta> for Alpha {}",
            "#[cfg(not(test))] use crate::b::Beta;",
        ] {
            assert!(is_circle(text), "{text}");
        }
    }

    #[test]
    fn doors_tests_comments_and_strangers_are_no_edges() {
        for text in [
            "",
            "pub use crate::b::Beta;",
            "pub(crate) use crate::b::{self, Beta as Other};",
            "use crate::b;",
            "/// [`crate::b::Beta`]\nfn f() { /* crate::b::beta() */ g(\"crate::b::beta()\") }",
            "#[cfg(test)] use crate::b::Beta; #[cfg(test)] mod tests { use crate::b::Beta; }",
            "#[cfg(test)] fn f(x: crate::b::Beta) {}",
            "use other::b::Beta; fn f(x: Beta) {}",
            "use ::b::Beta;",
            "use {::b::Beta, other::b};",
            "fn f(b: B) { b.beta(); b.Beta }",
            "struct Beta; fn f(x: Beta) {}",
            "mod b { pub struct Beta; } use b::Beta;",
        ] {
            assert!(!is_circle(text), "{text}");
        }
    }

    #[test]
    fn a_macro_belongs_to_the_file_that_writes_it() {
        let child = ("a/child.rs", "inner! {}\npub struct Child;\n");
        let alone = "macro_rules! inner { () => {} }\nmod child;\npub use child::Child;\n";
        assert!(complaints(&[("lib.rs", "mod a;"), ("a.rs", alone), child]).is_empty());
        let both = format!("{alone}fn f(x: Child) {{}}\n");
        assert_eq!(complaints(&[("lib.rs", "mod a;"), ("a.rs", &both), child]).len(), 1);
    }

    #[test]
    fn generated_files_are_left_out() {
        let source = |path: &str, text: &str| Source::new(path.to_owned(), text.to_owned());
        let sources = |path: &str| {
            let root = source("crates/wire/src/lib.rs", "mod messages; pub struct Alpha(messages::Beta);");
            [root, source(path, "pub struct Beta(crate::Alpha);")]
        };
        let edges = |path: &str| edges::graphs(&sources(path)).pop().map_or(0, |graph| graph.edges.len());
        assert_eq!(edges("crates/wire/src/messages/mod.rs"), 0);
        assert_eq!(edges("crates/wire/src/messages.rs"), 2);
    }
}
