//! No circle of files: of two files of a crate at most one names what the other defines, directly or by way of others.
//!
//! Owns the rule and how a circle is told. A file names another when, outside of its tests, it names an item that is defined there,
//! whatever re-exports it goes by; a `pub use` for others' sake and a `mod` are doors and name nothing. Generated files are left out.

use super::modules::{Crate, Kind};
use super::names::Meaning;
use super::source::Source;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Crates that are not yet free of circles; each leaves this list for good.
const EXEMPT: &[&str] = &["wire", "log", "kraft", "coordinator", "broker", "client", "server", "cli", "sim"];

/// For each file the files that it names, and one item of each for which it does.
type Edges<'a> = BTreeMap<usize, BTreeMap<usize, &'a str>>;

/// Complains about every circle of every crate that is not exempt.
pub fn check(sources: &[Source], complaints: &mut Vec<String>) {
    check_but(EXEMPT, sources, complaints);
}

fn check_but(exempt: &[&str], sources: &[Source], complaints: &mut Vec<String>) {
    let by_path: BTreeMap<&str, &Source> =
        sources.iter().map(|source| (source.path.as_str(), source)).collect();
    let roots = sources.iter().filter(|source| matches!(source.inner(), "lib.rs" | "main.rs"));
    for root in roots.filter(|root| !exempt.contains(&root.room())) {
        let read = Crate::read(root, &by_path);
        let edges = edges(&read);
        for circle in circles(&edges) {
            complaints.push(told(&read, &edges, &circle));
        }
    }
}

fn edges<'a>(read: &Crate<'a>) -> Edges<'a> {
    let mut edges = Edges::new();
    for (index, module) in read.modules.iter().enumerate() {
        let paths = module.mentions.iter().flat_map(|path| read.meanings(index, path));
        let macros = module.macros.iter().flat_map(|name| {
            let named = read.meanings(index, &[*name]).into_iter();
            named.filter(|meaning| matches!(meaning, Meaning::Item { kind: Kind::Macro, .. }))
        });
        let around = module.macros.iter().filter_map(|name| read.macro_around(index, name));
        for meaning in paths.chain(macros).chain(around) {
            let Meaning::Item { file, name, .. } = meaning else { continue };
            let product = |file: usize| !read.files[file].generated();
            if file != module.file && product(file) && product(module.file) {
                edges.entry(module.file).or_default().entry(file).or_insert(name);
            }
        }
    }
    edges
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
fn told(read: &Crate, edges: &Edges, circle: &[usize]) -> String {
    let name = |file: usize| read.files[file].inner();
    let mut chain = name(circle[0]).to_owned();
    for (position, file) in circle.iter().enumerate() {
        let next = circle[(position + 1) % circle.len()];
        chain += &format!(" -> {} ({})", name(next), edges[file][&next]);
    }
    format!("{}: {chain}: what passes between two files stands in one below both", read.files[circle[0]].path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is complained about in a crate of these files.
    fn complaints(files: &[(&str, &str)]) -> Vec<String> {
        let source =
            |(path, text): &(&str, &str)| Source::new(format!("crates/x/src/{path}"), (*text).to_owned());
        let sources: Vec<Source> = files.iter().map(source).collect();
        let mut found = Vec::new();
        check_but(&[], &sources, &mut found);
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
    fn generated_files_and_exempt_crates_are_left_out() {
        let root = Source::new(
            "crates/wire/src/lib.rs".into(),
            "mod messages; pub struct Alpha(messages::Beta);".into(),
        );
        let generated =
            Source::new("crates/wire/src/messages/mod.rs".into(), "pub struct Beta(crate::Alpha);".into());
        let mut found = Vec::new();
        check_but(&[], &[root, generated], &mut found);
        assert!(found.is_empty(), "{found:?}");
        let a = Source::new("crates/y/src/a.rs".into(), "pub struct Alpha(crate::Root);".into());
        let root = Source::new("crates/y/src/lib.rs".into(), "mod a; pub struct Root(a::Alpha);".into());
        let sources = [root, a];
        check_but(&["y"], &sources, &mut found);
        assert!(found.is_empty(), "{found:?}");
        check_but(&["x"], &sources, &mut found);
        assert_eq!(found.len(), 1);
    }
}
