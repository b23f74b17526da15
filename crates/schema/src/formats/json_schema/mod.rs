//! JSON Schema as the registry has it: the text as it was written, and a table of what its parts ask for, with `$ref` followed within the
//! schema and to the registry's own references. Never fetches anything. Drafts 4, 6, 7, 2019-09, 2020-12.

mod compatibility;
mod parse;
mod rules;
#[cfg(test)]
mod tests;
mod validate;

use crate::json::Json;
use regex_lite::Regex;
use std::collections::{BTreeMap, BTreeSet};

pub use compatibility::incompatibilities;

/// Where a part stands in the table.
type Id = usize;

/// A parsed schema.
#[derive(Debug)]
pub struct JsonSchema {
    json: Json,
    parts: Vec<Part>,
    root: Id,
}

/// A schema or a part of one.
#[derive(Debug)]
struct Part {
    shape: Shape,
    /// No `type` was named, only keywords of one: values of other types are valid.
    implied: bool,
    has_default: bool,
    /// Kafka Connect's mark for bytes that are written in two ways.
    connect_bytes: bool,
}

#[derive(Debug)]
enum Shape {
    /// `true`, `{}`, or nothing that limits anything.
    Anything,
    /// `false`
    Nothing,
    String(Strings),
    Number(Numbers),
    Boolean,
    Null,
    Const(Json),
    Enum(BTreeSet<Json>),
    Not(Id),
    Combined(Criterion, Vec<Id>),
    Object(Box<Objects>),
    Array(Box<Arrays>),
    /// `if`, `then`, `else`: not compared, as Confluent does not.
    Conditional([Option<Id>; 3]),
    Reference(Id),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Criterion {
    All,
    Any,
    One,
}

#[derive(Debug, Default)]
struct Strings {
    max_length: Option<i64>,
    min_length: Option<i64>,
    pattern: Option<String>,
}

#[derive(Debug, Default)]
struct Numbers {
    maximum: Option<f64>,
    minimum: Option<f64>,
    exclusive_maximum: Option<f64>,
    exclusive_minimum: Option<f64>,
    multiple_of: Option<String>,
    integer: bool,
}

#[derive(Debug, Default)]
struct Objects {
    properties: BTreeMap<String, Id>,
    patterns: Vec<(Option<Regex>, Id)>,
    required: BTreeSet<String>,
    /// What properties that are not named must be; `None` is anything.
    additional: Option<Id>,
    permits_additional: bool,
    unevaluated: Option<Id>,
    dependent_required: BTreeMap<String, BTreeSet<String>>,
    dependent_schemas: BTreeMap<String, Id>,
    /// What every name must be.
    names: Option<Id>,
    max_properties: Option<i64>,
    min_properties: Option<i64>,
}

#[derive(Debug, Default)]
struct Arrays {
    every: Option<Id>,
    places: Vec<Id>,
    additional: Option<Id>,
    permits_additional: bool,
    unevaluated: Option<Id>,
    max_items: Option<i64>,
    min_items: Option<i64>,
    unique: bool,
    contains: Option<Id>,
    max_contains: Option<i64>,
    min_contains: Option<i64>,
}

impl JsonSchema {
    /// The text without space, in the order in which it was written.
    pub fn canonical(&self) -> String {
        self.json.to_string()
    }

    /// The same with all members sorted.
    pub fn normalized(&self) -> String {
        self.json.sorted().to_string()
    }

    /// What the schema calls itself: what record name strategies use.
    pub fn title(&self) -> Option<String> {
        self.json.get("title").and_then(Json::as_str).map(str::to_owned)
    }

    /// A part with references followed; a circle of nothing but references is anything.
    fn part(&self, mut id: Id) -> Id {
        for _step in 0..self.parts.len() {
            match &self.parts[id].shape {
                Shape::Reference(target) => id = *target,
                _other => return id,
            }
        }
        id
    }
}
