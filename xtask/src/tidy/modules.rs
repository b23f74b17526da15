//! A crate's modules as they are written: what each of them defines, imports and names.
//!
//! Reads nested `use` trees, `as`, `self`, globs, paths in bodies and in macros' bodies. Where a path leads is `names.rs`' business.

use super::source::Source;
use super::tokens::{end_of_group, is_name, tokens, without_tests};
use std::collections::{BTreeMap, BTreeSet};

/// Words that open the definition of a type or trait, which a longer path may go through.
const TYPES: &[&str] = &["struct", "enum", "union", "trait", "type"];

/// Words that open the definition of something else.
const VALUES: &[&str] = &["fn", "const", "static"];

/// A crate from its root file downward, without what is for tests only.
pub struct Crate<'a> {
    /// Its files; a module knows its own by index.
    pub files: Vec<&'a Source>,
    /// Its modules, the root first.
    pub modules: Vec<Module<'a>>,
}

/// A module: a file, or a part of one.
pub struct Module<'a> {
    /// The file it stands in.
    pub file: usize,
    /// The module around it.
    pub parent: Option<usize>,
    /// What `module::name` may mean.
    pub names: BTreeMap<&'a str, Vec<Entry<'a>>>,
    /// What a name may mean besides within the module's functions.
    pub locals: BTreeMap<&'a str, Vec<Entry<'a>>>,
    /// Paths whose inside it takes in (`use path::*`).
    pub globs: Vec<Vec<&'a str>>,
    /// Paths that it names, imports for others' sake (`pub use`) left out.
    pub mentions: BTreeSet<Vec<&'a str>>,
    /// Macros that it calls by a bare name.
    pub macros: BTreeSet<&'a str>,
}

/// What a name stands for where it is defined or imported.
pub enum Entry<'a> {
    /// A module of the crate.
    Child(usize),
    /// An item.
    Item(Namespace),
    /// What this path, seen from here, leads to.
    Import(Vec<&'a str>),
}

/// What Rust keeps apart: an item of each may stand side by side under one name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Namespace {
    /// A type or a trait; a path may go on through it.
    Type,
    /// A function, a constant, a static.
    Value,
    /// A `macro_rules!`.
    Macro,
}

impl<'a> Crate<'a> {
    /// Reads the crate whose root file is `root`; `sources` by path.
    pub fn read(root: &'a Source, sources: &BTreeMap<&str, &'a Source>) -> Self {
        let folder = root.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut read = Self { files: Vec::new(), modules: Vec::new() };
        read.read_file(root, folder, None, sources);
        read
    }

    fn read_file(
        &mut self,
        source: &'a Source,
        folder: &str,
        parent: Option<usize>,
        sources: &BTreeMap<&str, &'a Source>,
    ) -> usize {
        self.files.push(source);
        let text = without_tests(&tokens(&source.text));
        self.read_module(self.files.len() - 1, &text, folder, parent, sources)
    }

    fn read_module(
        &mut self,
        file: usize,
        text: &[&'a str],
        folder: &str,
        parent: Option<usize>,
        sources: &BTreeMap<&str, &'a Source>,
    ) -> usize {
        let index = self.modules.len();
        self.modules.push(Module {
            file,
            parent,
            names: BTreeMap::new(),
            locals: BTreeMap::new(),
            globs: Vec::new(),
            mentions: BTreeSet::new(),
            macros: BTreeSet::new(),
        });
        let mut at = 0;
        let mut depth = 0;
        while at < text.len() {
            let next = text.get(at + 1).copied().unwrap_or("");
            match text[at] {
                "mod" if depth == 0 && is_name(next) => {
                    let inside = format!("{folder}/{next}");
                    let child = if text.get(at + 2) == Some(&"{") {
                        let end = end_of_group(text, at + 2);
                        let body = &text[at + 3..end - 1];
                        at = end;
                        Some(self.read_module(file, body, &inside, Some(index), sources))
                    } else {
                        at += 2;
                        let places = [format!("{inside}.rs"), format!("{inside}/mod.rs")];
                        let found = places.iter().find_map(|place| sources.get(place.as_str()).copied());
                        found.map(|source| self.read_file(source, &inside, Some(index), sources))
                    };
                    let entries = self.modules[index].names.entry(next).or_default();
                    entries.extend(child.map(Entry::Child));
                }
                "use" if is_name(next) || matches!(next, "{" | "::") => {
                    let end =
                        at + text[at..].iter().position(|token| *token == ";").unwrap_or(text.len() - at);
                    let public = at > 0 && matches!(text[at - 1], "pub" | ")");
                    self.modules[index].import(&text[at + 1..end], &[], public, depth > 0);
                    at = end;
                }
                "macro_rules" if next == "!" => {
                    let name = text.get(at + 2).copied().unwrap_or("");
                    self.modules[index].names.entry(name).or_default().push(Entry::Item(Namespace::Macro));
                    at += 3;
                }
                word => {
                    depth += i32::from(matches!(word, "(" | "[" | "{"));
                    depth -= i32::from(matches!(word, ")" | "]" | "}"));
                    at = self.modules[index].read_word(text, at, depth == 0);
                }
            }
        }
        index
    }
}

impl<'a> Module<'a> {
    /// Takes a definition or a path that begins at `at`; the index behind it.
    fn read_word(&mut self, text: &[&'a str], at: usize, outermost: bool) -> usize {
        let word = text[at];
        let next = text.get(at + 1).copied().unwrap_or("");
        if outermost && is_name(next) {
            let namespace = if TYPES.contains(&word) {
                Some(Namespace::Type)
            } else if VALUES.contains(&word) && !VALUES.contains(&next) && next != "mut" {
                Some(Namespace::Value)
            } else {
                None
            };
            if let Some(namespace) = namespace {
                self.names.entry(next).or_default().push(Entry::Item(namespace));
                return at + 2;
            }
        }
        let before = if at > 0 { text[at - 1] } else { "" };
        let opens_path = is_name(word) && !matches!(before, "." | "::" | "fn");
        // A macro's variable is no name; `$crate` is the crate.
        if !opens_path || (before == "$" && word != "crate") {
            return at + 1;
        }
        let mut path = vec![word];
        let mut end = at + 1;
        while text.get(end) == Some(&"::") && text.get(end + 1).is_some_and(|name| is_name(name)) {
            path.push(text[end + 1]);
            end += 2;
        }
        let follows = text.get(end).copied().unwrap_or("");
        // `name: value` is a field or a parameter, `let name` a variable.
        let variable = matches!(before, "let" | "mut" | "ref") && !matches!(follows, "(" | "{");
        if path.len() > 1 || !(follows == ":" || follows == "!" || variable) {
            self.mentions.insert(path);
        } else if follows == "!" {
            self.macros.insert(word);
        }
        end
    }

    /// Takes the part of a `use` tree below `prefix`.
    fn import(&mut self, tree: &[&'a str], prefix: &[&'a str], public: bool, local: bool) {
        let mut parts: Vec<&[&'a str]> = Vec::new();
        let mut rest = tree;
        while !rest.is_empty() {
            let mut end = 0;
            while end < rest.len() && rest[end] != "," {
                end = if rest[end] == "{" { end_of_group(rest, end) } else { end + 1 };
            }
            parts.push(&rest[..end]);
            rest = rest.get(end + 1..).unwrap_or(&[]);
        }
        for part in parts {
            let mut path = prefix.to_vec();
            let mut at = 0;
            let mut name = None;
            while at < part.len() {
                match part[at] {
                    // Of another crate.
                    "::" if at == 0 => {
                        path.clear();
                        break;
                    }
                    "::" => {}
                    "{" => {
                        let end = end_of_group(part, at);
                        self.import(&part[at + 1..end - 1], &path, public, local);
                        path.clear();
                        break;
                    }
                    "*" => {
                        // The inside of an enum is that enum's; the inside of a module is looked at name by name.
                        self.globs.push(path.clone());
                        self.mentions.extend((!public).then(|| std::mem::take(&mut path)));
                        path.clear();
                        break;
                    }
                    "as" => {
                        name = part.get(at + 1).copied();
                        break;
                    }
                    "self" if !path.is_empty() => {}
                    word => path.push(word),
                }
                at += 1;
            }
            let Some(last) = path.last().copied() else { continue };
            let names = if local { &mut self.locals } else { &mut self.names };
            names.entry(name.unwrap_or(last)).or_default().push(Entry::Import(path.clone()));
            if !public {
                self.mentions.insert(path);
            }
        }
    }
}
