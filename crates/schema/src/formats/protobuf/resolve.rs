//! Which type a name means, by the scopes of Protobuf: from the innermost outward, or from the root where a point stands in front. Every
//! import must be a reference or a file that everybody has.

use super::known;
use super::model::{Enum, FieldKind, File, Message, Type, is_scalar};
use std::collections::BTreeMap;

/// A type that a name can mean.
#[derive(Debug, Clone, Copy)]
pub enum Meaning<'a> {
    /// A message, the package of its file, and the file's place among the references; the schema itself is `None`.
    Message(&'a Message, &'a str),
    /// An enum.
    Enum(#[allow(dead_code)] &'a Enum),
    /// A type of a file that everybody has.
    Known { is_enum: bool },
}

/// Every type by its full name, without a point in front.
pub type Types<'a> = BTreeMap<String, Meaning<'a>>;

/// All types of a file and of those that stand beside it.
pub fn collect<'a>(file: &'a File, references: &'a [(String, File)]) -> Types<'a> {
    let mut types = Types::new();
    for one in references.iter().map(|(_, file)| file).chain([file]) {
        for import in &one.imports {
            for (name, is_enum) in known::types_of(&import.file).into_iter().flatten() {
                types.insert(name.to_owned(), Meaning::Known { is_enum });
            }
        }
    }
    for one in references.iter().map(|(_, file)| file).chain([file]) {
        let package = one.package.as_deref().unwrap_or("");
        add(&mut types, package, package, &one.types);
    }
    types
}

/// Depth is bounded by the parser.
fn add<'a>(types: &mut Types<'a>, scope: &str, package: &'a str, declared: &'a [Type]) {
    for one in declared {
        let full = join(scope, one.name());
        match one {
            Type::Message(message) => {
                add(types, &full, package, &message.types);
                types.insert(full, Meaning::Message(message, package));
            }
            Type::Enum(one) => {
                types.insert(full, Meaning::Enum(one));
            }
        }
    }
}

/// `scope.name`, or the name alone in no scope.
pub fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

/// The full name of what `name` means within `scope`.
pub fn resolve(types: &Types, scope: &str, name: &str) -> Option<String> {
    if let Some(absolute) = name.strip_prefix('.') {
        return types.contains_key(absolute).then(|| absolute.to_owned());
    }
    let mut scope = scope;
    loop {
        let full = join(scope, name);
        if types.contains_key(&full) {
            return Some(full);
        }
        if scope.is_empty() {
            return None;
        }
        scope = scope.rsplit_once('.').map_or("", |(outer, _)| outer);
    }
}

/// Every import and every name leads somewhere.
pub fn check(file: &File, references: &[(String, File)]) -> Result<(), String> {
    for (importer, imports) in references
        .iter()
        .map(|(name, file)| (name.as_str(), &file.imports))
        .chain([("the schema", &file.imports)])
    {
        for import in imports {
            let found = known::types_of(&import.file).is_some()
                || references.iter().any(|(name, _)| *name == import.file);
            if !found {
                return Err(format!("No dependency found for {:?}, which {importer} imports", import.file));
            }
        }
    }
    let types = collect(file, references);
    let scope = file.package.as_deref().unwrap_or("");
    for one in &file.types {
        if let Type::Message(message) = one {
            check_message(&types, scope, message)?;
        }
    }
    Ok(())
}

fn check_message(types: &Types, scope: &str, message: &Message) -> Result<(), String> {
    let scope = join(scope, &message.name);
    for field in message.every_field() {
        let name = match &field.kind {
            FieldKind::Named(name) | FieldKind::Map(_, name) => name,
        };
        // A group is the type of its own field.
        if !is_scalar(name) && resolve(types, &scope, name).is_none() {
            return Err(format!("Type {name:?} of field {scope}.{} is not known", field.name));
        }
    }
    message.types.iter().try_for_each(|one| match one {
        Type::Message(inner) => check_message(types, &scope, inner),
        Type::Enum(_) => Ok(()),
    })
}
