//! Whether data that was written by one schema can be read by another: Avro's rules of schema resolution, every difference with
//! its place. Follows the specification ("Schema Resolution") and gives the answers of the Java library's SchemaCompatibility.

use super::{AvroSchema, Field, Kind, Primitive, TypeId};
use crate::formats::terms::{Incompatibility, Roles};
use std::collections::{BTreeMap, BTreeSet};

/// Differences listed at most; pairs of schemas may differ in many ways, and a person reads the first ones.
const LISTED_MAX: usize = 1_000;

/// Comparisons and differences found at most, which bounds time and memory: pairs of types can be as many as the square of the types.
const COST_MAX: usize = 100_000;

/// Steps of a path at most: a record in a record takes three. A chain of records longer than this is taken for a bomb and refused.
const STEPS_MAX: usize = 1_000;

/// Why `reader` cannot read what `writer` wrote; nothing where it can.
pub fn incompatibilities(reader: &AvroSchema, writer: &AvroSchema, roles: Roles) -> Vec<Incompatibility> {
    let mut comparison = Comparison { reader, writer, roles, known: BTreeMap::new(), left: COST_MAX };
    let mut path = Vec::new();
    let mut found = comparison.compare(reader.root, writer.root, &mut path);
    found.truncate(LISTED_MAX);
    found
}

struct Comparison<'a> {
    reader: &'a AvroSchema,
    writer: &'a AvroSchema,
    roles: Roles,
    left: usize,
    /// What is known of pairs of named types: nothing wrong where the comparison is still on its way, since a type that contains
    /// itself is as good as the rest of it.
    known: BTreeMap<(TypeId, TypeId), Vec<Incompatibility>>,
}

impl Comparison<'_> {
    fn compare(&mut self, reader: TypeId, writer: TypeId, path: &mut Vec<String>) -> Vec<Incompatibility> {
        if path.len() > STEPS_MAX || self.left == 0 {
            return vec![self.too_deep(path)];
        }
        self.left -= 1;
        // Only named types can contain themselves, and only they are reached by many ways.
        let named = self.reader.named(reader).is_some() && self.writer.named(writer).is_some();
        if !named {
            return self.compare_kinds(reader, writer, path);
        }
        if let Some(known) = self.known.get(&(reader, writer)) {
            self.left = self.left.saturating_sub(known.len());
            return known.clone();
        }
        self.known.insert((reader, writer), Vec::new());
        let mut found = self.compare_kinds(reader, writer, path);
        found.truncate(LISTED_MAX);
        self.left = self.left.saturating_sub(found.len());
        self.known.insert((reader, writer), found.clone());
        found
    }

    fn compare_kinds(
        &mut self,
        reader: TypeId,
        writer: TypeId,
        path: &mut Vec<String>,
    ) -> Vec<Incompatibility> {
        let (readers, writers) = (self.reader, self.writer);
        match (readers.kind(reader), writers.kind(writer)) {
            (Kind::Union(_), Kind::Union(branches)) => {
                let mut found = Vec::new();
                for (index, branch) in branches.iter().enumerate() {
                    if self.left == 0 {
                        break;
                    }
                    path.push(index.to_string());
                    if !self.compare(reader, *branch, path).is_empty() {
                        found.push(self.missing_branch(*branch, path));
                    }
                    path.pop();
                }
                found
            }
            (_, Kind::Union(branches)) => {
                let one =
                    |(index, branch): (usize, &TypeId)| self.inner(&index.to_string(), reader, *branch, path);
                branches.iter().enumerate().flat_map(one).collect()
            }
            (Kind::Union(branches), _) => {
                let reads = branches.iter().any(|branch| self.reads(*branch, writer, path));
                if reads { Vec::new() } else { vec![self.missing_branch(writer, path)] }
            }
            (Kind::Primitive(to), Kind::Primitive(from)) if promotes(*from, *to) => Vec::new(),
            (Kind::Array(to), Kind::Array(from)) => self.inner("items", *to, *from, path),
            (Kind::Map(to), Kind::Map(from)) => self.inner("values", *to, *from, path),
            (Kind::Fixed { size: to, .. }, Kind::Fixed { size: from, .. }) => {
                let mut found = self.names(reader, writer, path);
                if to != from {
                    found.push(self.size_mismatch(*to, *from, path));
                }
                found
            }
            (Kind::Enum { symbols: to, default, .. }, Kind::Enum { symbols: from, .. }) => {
                let mut found = self.names(reader, writer, path);
                let to: BTreeSet<&String> = to.iter().collect();
                let missing: Vec<&str> =
                    from.iter().filter(|symbol| !to.contains(symbol)).map(String::as_str).collect();
                if !missing.is_empty() && default.is_none() {
                    let missing = format!("[{}]", missing.join(", "));
                    let Roles { reader, writer } = self.roles;
                    let path = place(path, "symbols");
                    found.push(Incompatibility {
                        rule: "MISSING_ENUM_SYMBOLS",
                        description: format!(
                            "The {reader} schema is missing enum symbols '{missing}' at path '{path}' in the {writer} schema"
                        ),
                        path,
                        detail: missing,
                    });
                }
                found
            }
            (Kind::Record { fields: to, .. }, Kind::Record { fields: from, .. }) => {
                let mut found = self.names(reader, writer, path);
                found.extend(self.fields(to, from, writer, path));
                found
            }
            _differ => vec![self.type_mismatch(reader, writer, path)],
        }
    }

    /// Of a branch nobody is told what is wrong with it: of types of different names, of which unions have many pairs, nobody asks for more.
    fn reads(&mut self, reader: TypeId, writer: TypeId, path: &mut Vec<String>) -> bool {
        self.names(reader, writer, path).is_empty() && self.compare(reader, writer, path).is_empty()
    }

    fn inner(
        &mut self,
        step: &str,
        to: TypeId,
        from: TypeId,
        path: &mut Vec<String>,
    ) -> Vec<Incompatibility> {
        path.push(step.to_owned());
        let found = self.compare(to, from, path);
        path.pop();
        found
    }

    fn fields(
        &mut self,
        to: &[Field],
        from: &[Field],
        writer: TypeId,
        path: &mut Vec<String>,
    ) -> Vec<Incompatibility> {
        let by_name: BTreeMap<&str, &Field> = from.iter().map(|field| (field.name.as_str(), field)).collect();
        let mut found = Vec::new();
        path.push("fields".to_owned());
        for (index, field) in to.iter().enumerate() {
            path.push(index.to_string());
            let names: BTreeSet<&String> = std::iter::once(&field.name).chain(&field.aliases).collect();
            let mut written = names.into_iter().filter_map(|name| by_name.get(name.as_str()));
            match written.next() {
                // Java's library gives up on the whole comparison then.
                Some(_) if written.next().is_some() => found.push(ambiguous(field, path, self.roles)),
                Some(written) => found.extend(self.inner("type", field.r#type, written.r#type, path)),
                None if field.default.is_some() => {}
                // As Java has it: an enum with a default of its own is compared with the record, and told of as such.
                None if matches!(self.reader.kind(field.r#type), Kind::Enum { default: Some(_), .. }) => {
                    found.extend(self.inner("type", field.r#type, writer, path));
                }
                None => found.push(without_default(field, path, self.roles)),
            }
            path.pop();
            if found.len() >= LISTED_MAX || self.left == 0 {
                break;
            }
        }
        path.pop();
        found
    }

    fn names(&self, reader: TypeId, writer: TypeId, path: &[String]) -> Vec<Incompatibility> {
        let (Some(to), Some(from)) = (self.reader.named(reader), self.writer.named(writer)) else {
            return Vec::new();
        };
        // As Java has it: spaces do not count, and the reader's aliases are its names as well.
        if to.name.simple == from.name.simple
            || to.aliases.iter().any(|alias| alias.full() == from.name.full())
        {
            return Vec::new();
        }
        let path = place(path, "name");
        vec![Incompatibility {
            rule: "NAME_MISMATCH",
            description: format!("The name of the schema has changed (path '{path}')"),
            path,
            detail: format!("expected: {}", from.name.full()),
        }]
    }

    fn missing_branch(&self, writer: TypeId, path: &[String]) -> Incompatibility {
        let Roles { reader, writer: other } = self.roles;
        let path = whole(path);
        Incompatibility {
            rule: "MISSING_UNION_BRANCH",
            description: format!(
                "The {reader} schema is missing a type inside a union field at path '{path}' in the {other} schema"
            ),
            path,
            detail: format!("reader union lacking writer type: {}", self.writer.type_name(writer)),
        }
    }

    fn too_deep(&self, path: &[String]) -> Incompatibility {
        let path = whole(path);
        Incompatibility {
            rule: "TYPE_MISMATCH",
            description: format!(
                "The {} schema is too large or nested too deep to be compared",
                self.roles.reader
            ),
            path,
            detail: format!("more than {STEPS_MAX} steps"),
        }
    }

    fn size_mismatch(&self, to: i64, from: i64, path: &[String]) -> Incompatibility {
        let Roles { reader, writer } = self.roles;
        let path = place(path, "size");
        Incompatibility {
            rule: "FIXED_SIZE_MISMATCH",
            description: format!(
                "The size of FIXED type field at path '{path}' in the {reader} schema does not match with the {writer} schema"
            ),
            path,
            detail: format!("expected: {from}, found: {to}"),
        }
    }

    fn type_mismatch(&self, reader: TypeId, writer: TypeId, path: &[String]) -> Incompatibility {
        let path = whole(path);
        let Roles { reader: to, writer: from } = self.roles;
        Incompatibility {
            rule: "TYPE_MISMATCH",
            description: format!(
                "The type (path '{path}') of a field in the {to} schema does not match with the {from} schema"
            ),
            path,
            detail: format!(
                "reader type: {} not compatible with writer type: {}",
                self.reader.type_name(reader),
                self.writer.type_name(writer)
            ),
        }
    }
}

fn ambiguous(field: &Field, path: &[String], roles: Roles) -> Incompatibility {
    let path = whole(path);
    let Roles { reader, writer } = roles;
    Incompatibility {
        rule: "NAME_MISMATCH",
        description: format!(
            "The field '{}' at path '{path}' in the {reader} schema is, by its name and its aliases, several fields of the {writer} schema",
            field.name
        ),
        path,
        detail: field.name.clone(),
    }
}

fn without_default(field: &Field, path: &[String], roles: Roles) -> Incompatibility {
    let path = whole(path);
    let Roles { reader, writer } = roles;
    Incompatibility {
        rule: "READER_FIELD_MISSING_DEFAULT_VALUE",
        description: format!(
            "The field '{}' at path '{path}' in the {reader} schema has no default value and is missing in the {writer} schema",
            field.name
        ),
        path,
        detail: field.name.clone(),
    }
}

/// The specification's promotions, and a type itself.
fn promotes(from: Primitive, to: Primitive) -> bool {
    use Primitive::{Bytes, Double, Float, Int, Long, String};
    from == to
        || match from {
            Int => matches!(to, Long | Float | Double),
            Long => matches!(to, Float | Double),
            Float => to == Double,
            String => to == Bytes,
            Bytes => to == String,
            Primitive::Null | Primitive::Boolean | Double => false,
        }
}

fn whole(path: &[String]) -> String {
    format!("/{}", path.join("/"))
}

fn place(path: &[String], step: &str) -> String {
    if path.is_empty() { format!("/{step}") } else { format!("/{}/{step}", path.join("/")) }
}
