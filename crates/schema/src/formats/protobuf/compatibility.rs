//! Whether messages that were written by one `.proto` can be read by another: field numbers and wire types as Protobuf's guide on updating
//! messages has them, with Confluent's rules on top (names of messages stay; oneofs may not swallow fields).

use super::ProtobufSchema;
use super::model::{Field, FieldKind, Label, Message, Type, is_scalar};
use super::resolve::{Meaning, Types, collect, join, resolve};
use crate::formats::terms::{Incompatibility, Roles};
use std::collections::{BTreeMap, BTreeSet};

/// Messages within each other that are compared at most; references may chain what one file may not.
const DEPTH_MAX: usize = 200;
const TOLD_MAX: usize = 1_000;

/// Differences found at most, which bounds time and memory: fields may name one message again and again.
const COST_MAX: usize = 100_000;

/// Why `reader` cannot read what `writer` wrote; nothing where it can.
pub fn incompatibilities(
    reader: &ProtobufSchema,
    writer: &ProtobufSchema,
    roles: Roles,
) -> Vec<Incompatibility> {
    let mut comparison = Comparison {
        old: collect(&writer.file, &writer.references),
        new: collect(&reader.file, &reader.references),
        roles,
        known: BTreeMap::new(),
        depth: 0,
        left: COST_MAX,
    };
    let (from, to) = (package(writer), package(reader));
    let mut found = Vec::new();
    if from != to {
        found.push(comparison.broken(&PACKAGE_CHANGED, "/"));
    }
    found.extend(comparison.types((from, &writer.file.types), (to, &reader.file.types), "#"));
    found.truncate(TOLD_MAX);
    found
}

fn package(schema: &ProtobufSchema) -> &str {
    schema.file.package.as_deref().unwrap_or("")
}

struct Rule {
    name: &'static str,
    /// `%` is the role of the reader.
    sentence: &'static str,
}

macro_rules! rules {
    ($($name:ident: $sentence:literal;)*) => {
        $(const $name: Rule = Rule { name: stringify!($name), sentence: $sentence };)*
    };
}

rules! {
    PACKAGE_CHANGED: "The % schema has another package";
    MESSAGE_REMOVED: "The % schema lacks a message of the other one";
    FIELD_KIND_CHANGED: "The % schema has a field of another kind: scalar, message or map";
    FIELD_SCALAR_KIND_CHANGED: "The % schema has a field whose scalar type is written in another way";
    FIELD_NAMED_TYPE_CHANGED: "The % schema has a field of another message type";
    FIELD_NUMERIC_LABEL_CHANGED: "The % schema has a numeric field with another label";
    REQUIRED_FIELD_ADDED: "The % schema requires a field that the other one lacks";
    REQUIRED_FIELD_REMOVED: "The % schema lacks a field that the other one requires";
    ONEOF_FIELD_REMOVED: "The % schema lacks a field of a oneof";
    MULTIPLE_FIELDS_MOVED_TO_ONEOF: "The % schema moved several fields into one oneof";
    FIELD_MOVED_TO_EXISTING_ONEOF: "The % schema moved a field into a oneof that was there before";
}

struct Comparison<'a> {
    old: Types<'a>,
    new: Types<'a>,
    roles: Roles,
    /// Pairs of messages by their full names; one on its way counts as compatible, since what is wrong in it is told once anyway.
    known: BTreeMap<(String, String), Vec<Incompatibility>>,
    depth: usize,
    left: usize,
}

type Found = Vec<Incompatibility>;

/// A message and the full name by which its own names are resolved.
type Scoped<'m> = (String, &'m Message);

impl Comparison<'_> {
    fn broken(&self, rule: &Rule, path: &str) -> Incompatibility {
        Incompatibility {
            rule: rule.name,
            path: path.to_owned(),
            description: format!("{} at path '{path}'", rule.sentence.replace('%', self.roles.reader)),
            detail: String::new(),
        }
    }

    fn types(&mut self, (from, olds): (&str, &[Type]), (to, news): (&str, &[Type]), path: &str) -> Found {
        let news: BTreeMap<&str, &Message> =
            messages(news).map(|message| (message.name.as_str(), message)).collect();
        let mut found = Vec::new();
        for old in messages(olds) {
            let path = format!("{path}/{}", old.name);
            match news.get(old.name.as_str()) {
                None if is_map_entry(old) => {}
                None => found.push(self.broken(&MESSAGE_REMOVED, &path)),
                Some(new) => {
                    let pair = ((join(from, &old.name), old), (join(to, &new.name), *new));
                    found.extend(self.messages(pair.0, pair.1, &path));
                }
            }
            if found.len() > TOLD_MAX {
                break;
            }
        }
        found
    }

    fn messages(&mut self, old: Scoped, new: Scoped, path: &str) -> Found {
        let key = (old.0.clone(), new.0.clone());
        if let Some(known) = self.known.get(&key) {
            self.left = self.left.saturating_sub(known.len());
            return known.clone();
        }
        if self.depth == DEPTH_MAX || self.left == 0 {
            return vec![self.broken(&FIELD_NAMED_TYPE_CHANGED, path)];
        }
        self.known.insert(key.clone(), Vec::new());
        self.depth += 1;
        let mut found = self.oneofs(old.1, new.1, path);
        found.extend(self.fields(&old, &new, path));
        found.extend(self.types((&old.0, &old.1.types), (&new.0, &new.1.types), path));
        found.truncate(TOLD_MAX);
        self.left = self.left.saturating_sub(found.len());
        self.depth -= 1;
        self.known.insert(key, found.clone());
        found
    }

    /// Fields that could be set together before may not exclude each other now.
    fn oneofs(&self, old: &Message, new: &Message, path: &str) -> Found {
        let (by_tag, groups) = (tags(old), oneof_of_tags(old));
        let mut found = Vec::new();
        for oneof in &new.oneofs {
            let (mut origins, mut moved) = (BTreeSet::new(), 0);
            for field in oneof.fields.iter().filter(|field| by_tag.contains_key(&field.tag)) {
                let group = groups.get(&field.tag);
                moved += usize::from(group.is_none());
                origins.insert(group.map_or_else(|| Err(field.tag), Ok));
            }
            if origins.len() > 1 {
                let rule =
                    if moved > 1 { &MULTIPLE_FIELDS_MOVED_TO_ONEOF } else { &FIELD_MOVED_TO_EXISTING_ONEOF };
                found.push(self.broken(rule, &format!("{path}/{}", oneof.name)));
            }
        }
        found
    }

    fn fields(&mut self, old: &Scoped, new: &Scoped, path: &str) -> Found {
        let (olds, news) = (tags(old.1), tags(new.1));
        let groups = oneof_of_tags(old.1);
        let mut found = Vec::new();
        let all: BTreeSet<i32> = olds.keys().chain(news.keys()).copied().collect();
        for tag in all {
            let path = format!("{path}/{tag}");
            match (olds.get(&tag), news.get(&tag)) {
                (Some(from), Some(to)) => found.extend(self.field((&old.0, from), (&new.0, to), &path)),
                (Some(from), None) => match groups.get(&tag) {
                    Some(oneof) => {
                        let survives = |field: &Field| news.contains_key(&field.tag);
                        let gone = !new.1.oneofs.iter().any(|one| one.name == *oneof)
                            && !oneof_fields(old.1, oneof).iter().any(survives);
                        if !gone {
                            found.push(self.broken(&ONEOF_FIELD_REMOVED, &path));
                        }
                    }
                    None if from.label == Some(Label::Required) => {
                        found.push(self.broken(&REQUIRED_FIELD_REMOVED, &path));
                    }
                    None => {}
                },
                (None, Some(to)) if to.label == Some(Label::Required) => {
                    found.push(self.broken(&REQUIRED_FIELD_ADDED, &path));
                }
                (None, _) => {}
            }
        }
        found
    }

    fn field(&mut self, (from, old): (&str, &Field), (to, new): (&str, &Field), path: &str) -> Found {
        let labels = (old.label, new.label);
        match (&old.kind, &new.kind) {
            (FieldKind::Map(k1, v1), FieldKind::Map(k2, v2)) => {
                let mut found = self.named((from, k1), (to, k2), (None, None), path);
                found.extend(self.named((from, v1), (to, v2), (None, None), path));
                found
            }
            (FieldKind::Named(old), FieldKind::Named(new)) => {
                self.named((from, old), (to, new), labels, path)
            }
            (FieldKind::Map(..), FieldKind::Named(_)) | (FieldKind::Named(_), FieldKind::Map(..)) => {
                vec![self.broken(&FIELD_KIND_CHANGED, path)]
            }
        }
    }

    fn named(
        &mut self,
        (from, old): (&str, &String),
        (to, new): (&str, &String),
        labels: (Option<Label>, Option<Label>),
        path: &str,
    ) -> Found {
        let scalars = (scalar(&self.old, from, old), scalar(&self.new, to, new));
        match scalars {
            (Some(one), Some(other)) if one != other => vec![self.broken(&FIELD_SCALAR_KIND_CHANGED, path)],
            (Some(kind), Some(_)) => {
                let changed = matches!(labels, (Some(one), Some(other)) if one != other);
                if changed && kind != Scalar::StringOrBytes {
                    return vec![self.broken(&FIELD_NUMERIC_LABEL_CHANGED, path)];
                }
                Vec::new()
            }
            (None, None) => self.message_types((from, old), (to, new), path),
            (Some(_), None) | (None, Some(_)) => vec![self.broken(&FIELD_KIND_CHANGED, path)],
        }
    }

    fn message_types(&mut self, (from, old): (&str, &str), (to, new): (&str, &str), path: &str) -> Found {
        let names = (resolve(&self.old, from, old), resolve(&self.new, to, new));
        let (Some(old_name), Some(new_name)) = names else {
            return if old == new { Vec::new() } else { vec![self.broken(&FIELD_NAMED_TYPE_CHANGED, path)] };
        };
        let meanings = (self.old.get(&old_name).copied(), self.new.get(&new_name).copied());
        let local = |name: &str, meaning: Option<Meaning>| match meaning {
            Some(Meaning::Message(_, package)) if !package.is_empty() => {
                name.strip_prefix(package).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name).to_owned()
            }
            _other => name.to_owned(),
        };
        if local(&old_name, meanings.0) != local(&new_name, meanings.1) {
            return vec![self.broken(&FIELD_NAMED_TYPE_CHANGED, path)];
        }
        let (Some(Meaning::Message(from, _)), Some(Meaning::Message(to, _))) = meanings else {
            return Vec::new();
        };
        let mut found = self.messages((old_name, from), (new_name, to), path);
        if !found.is_empty() {
            found.push(self.broken(&FIELD_NAMED_TYPE_CHANGED, path));
        }
        found
    }
}

fn messages(types: &[Type]) -> impl Iterator<Item = &Message> {
    types.iter().filter_map(|one| match one {
        Type::Message(message) => Some(message),
        Type::Enum(_) => None,
    })
}

fn is_map_entry(message: &Message) -> bool {
    message.options.iter().any(|option| option.name == "map_entry" && option.is_true())
}

fn tags(message: &Message) -> BTreeMap<i32, &Field> {
    message.every_field().map(|field| (field.tag, field)).collect()
}

fn oneof_of_tags(message: &Message) -> BTreeMap<i32, &str> {
    let one =
        |oneof: &'_ super::model::OneOf| -> Vec<i32> { oneof.fields.iter().map(|field| field.tag).collect() };
    message
        .oneofs
        .iter()
        .flat_map(|oneof| one(oneof).into_iter().map(|tag| (tag, oneof.name.as_str())))
        .collect()
}

fn oneof_fields<'m>(message: &'m Message, name: &str) -> &'m [Field] {
    message.oneofs.iter().find(|oneof| oneof.name == name).map_or(&[], |oneof| &oneof.fields)
}

/// Scalars that are written alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scalar {
    General,
    Signed,
    StringOrBytes,
    Fixed32,
    Fixed64,
    Float,
    Double,
}

/// Enums are numbers; `None` is a message.
fn scalar(types: &Types, scope: &str, name: &str) -> Option<Scalar> {
    if !is_scalar(name) {
        let full = resolve(types, scope, name)?;
        let is_enum = matches!(types.get(&full), Some(Meaning::Enum(_) | Meaning::Known { is_enum: true }));
        return is_enum.then_some(Scalar::General);
    }
    Some(match name {
        "sint32" | "sint64" => Scalar::Signed,
        "string" | "bytes" => Scalar::StringOrBytes,
        "fixed32" | "sfixed32" => Scalar::Fixed32,
        "fixed64" | "sfixed64" => Scalar::Fixed64,
        "float" => Scalar::Float,
        "double" => Scalar::Double,
        _varint => Scalar::General,
    })
}
