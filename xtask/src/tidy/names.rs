//! Where a path leads: to a module, to an item and the file that defines it, or out of the crate.
//!
//! Follows `super`, `as`, globs and re-exports to the definition, and `macro_rules` by their place. Knows no types: a method is
//! nobody's name, a path ends at its first item.

use super::modules::{Crate, Entry, Namespace};
use std::collections::BTreeSet;

/// Re-exports of re-exports end after so many steps; only circles among them are longer.
const MAX_STEPS: usize = 16;

/// What a path means.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Meaning<'a> {
    /// A module, and no item of it.
    Module(usize),
    /// An item that is defined in this file, under this name.
    Item {
        /// Index of the file.
        file: usize,
        /// Its name there.
        name: &'a str,
        /// Which of the items of that name.
        namespace: Namespace,
    },
    /// Something of another crate.
    Foreign,
}

impl<'a> Crate<'a> {
    /// Everything that `path`, written in `module`, may mean: a function and a module may share a name.
    pub fn meanings(&self, module: usize, path: &[&'a str]) -> BTreeSet<Meaning<'a>> {
        self.resolve(module, path, MAX_STEPS)
    }

    fn resolve(&self, module: usize, path: &[&'a str], steps: usize) -> BTreeSet<Meaning<'a>> {
        let Some((first, rest)) = path.split_first() else { return BTreeSet::new() };
        let mut reached: BTreeSet<Meaning> = match *first {
            "crate" => [Meaning::Module(0)].into(),
            "self" => [Meaning::Module(module)].into(),
            "super" => self.modules[module].parent.map(Meaning::Module).into_iter().collect(),
            _ => {
                let local = self.modules[module].locals.get(first).map_or(&[][..], Vec::as_slice);
                let mut found = self.follow(module, first, local, steps);
                found.extend(self.look_up(module, first, steps));
                found
            }
        };
        if reached.is_empty() {
            return [Meaning::Foreign].into();
        }
        for name in rest {
            let mut further = BTreeSet::new();
            for meaning in reached {
                match meaning {
                    Meaning::Module(inner) if *name == "super" => {
                        further.extend(self.modules[inner].parent.map(Meaning::Module));
                    }
                    Meaning::Module(inner) if *name == "self" => {
                        further.insert(Meaning::Module(inner));
                    }
                    Meaning::Module(inner) => {
                        let found = self.look_up(inner, name, steps);
                        // A name that nothing written defines was made by a macro of that module.
                        let made = Meaning::Item {
                            file: self.modules[inner].file,
                            name,
                            namespace: Namespace::Type,
                        };
                        further.extend(if found.is_empty() { [made].into() } else { found });
                    }
                    Meaning::Item { namespace: Namespace::Value | Namespace::Macro, .. } => {}
                    Meaning::Item { .. } | Meaning::Foreign => {
                        further.insert(meaning);
                    }
                }
            }
            reached = further;
        }
        reached
    }

    /// What `name` means inside `module`.
    fn look_up(&self, module: usize, name: &'a str, steps: usize) -> BTreeSet<Meaning<'a>> {
        let this = &self.modules[module];
        if let Some(entries) = this.names.get(name) {
            return self.follow(module, name, entries, steps);
        }
        let Some(fewer) = steps.checked_sub(1) else { return BTreeSet::new() };
        let globs = this.globs.iter().flat_map(|glob| self.resolve(module, glob, fewer));
        let inner = globs.filter_map(|meaning| match meaning {
            Meaning::Module(inner) if inner != module => Some(inner),
            Meaning::Module(_) | Meaning::Item { .. } | Meaning::Foreign => None,
        });
        inner.flat_map(|inner| self.look_up(inner, name, fewer)).collect()
    }

    fn follow(
        &self,
        module: usize,
        name: &'a str,
        entries: &[Entry<'a>],
        steps: usize,
    ) -> BTreeSet<Meaning<'a>> {
        let file = self.modules[module].file;
        let mut found = BTreeSet::new();
        for entry in entries {
            match entry {
                Entry::Child(child) => {
                    found.insert(Meaning::Module(*child));
                }
                Entry::Item(namespace) => {
                    found.insert(Meaning::Item { file, name, namespace: *namespace });
                }
                // `pub(crate) use fields;` makes a path of a macro's name and means the macro beside it.
                Entry::Import(path) if path[..] == [name] => {
                    if entries.len() == 1 {
                        found.insert(Meaning::Foreign);
                    }
                }
                Entry::Import(path) => {
                    if let Some(fewer) = steps.checked_sub(1) {
                        found.extend(self.resolve(module, path, fewer));
                    }
                }
            }
        }
        found
    }

    /// The macro that `name!` means in `module` by its place in the text: one of a module around it.
    pub fn macro_around(&self, module: usize, name: &'a str) -> Option<Meaning<'a>> {
        let mut around = Some(module);
        while let Some(index) = around {
            let this = &self.modules[index];
            let entries = this.names.get(name).map_or(&[][..], Vec::as_slice);
            if entries.iter().any(|entry| matches!(entry, Entry::Item(Namespace::Macro))) {
                return Some(Meaning::Item { file: this.file, name, namespace: Namespace::Macro });
            }
            around = this.parent;
        }
        None
    }
}
