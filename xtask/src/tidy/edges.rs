//! Which file of a crate names which other.
//!
//! A file names another when, outside of its tests, it names an item that is defined there, whatever re-exports it goes by. A
//! `pub use` for others' sake and a `mod` are doors and name nothing; generated files are left out.

use super::modules::{Crate, Namespace};
use super::names::Meaning;
use super::source::Source;
use std::collections::BTreeMap;

/// For each file, by index, the files that it names, and one item of each for which it does.
pub type Edges<'a> = BTreeMap<usize, BTreeMap<usize, &'a str>>;

/// The files of one crate and who names whom.
pub struct Graph<'a> {
    /// The root first.
    pub files: Vec<&'a Source>,
    /// Between them.
    pub edges: Edges<'a>,
}

impl Graph<'_> {
    /// The crate's name.
    pub fn room(&self) -> &str {
        self.files[0].room()
    }
}

/// A graph for each library and each binary.
pub fn graphs(sources: &[Source]) -> Vec<Graph<'_>> {
    let by_path: BTreeMap<&str, &Source> =
        sources.iter().map(|source| (source.path.as_str(), source)).collect();
    let roots = sources.iter().filter(|source| matches!(source.inner(), "lib.rs" | "main.rs"));
    let crates = roots.map(|root| Crate::read(root, &by_path));
    crates.map(|read| Graph { edges: edges(&read), files: read.files }).collect()
}

fn edges<'a>(read: &Crate<'a>) -> Edges<'a> {
    let mut edges = Edges::new();
    for (index, module) in read.modules.iter().enumerate() {
        let paths = module.mentions.iter().flat_map(|path| read.meanings(index, path));
        let macros = module.macros.iter().flat_map(|name| {
            let named = read.meanings(index, &[*name]).into_iter();
            named.filter(|meaning| matches!(meaning, Meaning::Item { namespace: Namespace::Macro, .. }))
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
