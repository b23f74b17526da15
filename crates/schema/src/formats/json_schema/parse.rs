//! From JSON to the table of parts: which keywords stand together as what, where `$ref` leads. A part that asks for several things at once
//! becomes an `allOf` of them. Work is done from a list, not by recursion through `$ref`, so that circles end.

use super::{Arrays, Criterion, Id, JsonSchema, Numbers, Objects, Part, Shape, Strings};
use crate::formats::terms::Referred;
use crate::json::{Json, Object};
use regex_lite::Regex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Parts of one schema with all that it refers to.
const PARTS_MAX: usize = 100_000;

/// Patterns longer than this are taken not to match anything; compiled they are some hundred times as large.
const PATTERN_BYTES_MAX: usize = 1_000;

const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "null", "object", "array"];
const STRING_WORDS: [&str; 4] = ["minLength", "maxLength", "pattern", "format"];
const NUMBER_WORDS: [&str; 5] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
const ARRAY_WORDS: [&str; 8] = [
    "items",
    "prefixItems",
    "additionalItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "unevaluatedItems",
];
const OBJECT_WORDS: [&str; 11] = [
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "unevaluatedProperties",
];

impl JsonSchema {
    /// Reads a schema. Every `$ref` must lead to somewhere in it, in its references, or to a published meta-schema.
    pub fn parse(text: &str, references: &[Referred]) -> Result<JsonSchema> {
        let json = read(text)?;
        let mut documents = Vec::new();
        let mut read_references = Vec::new();
        for reference in references {
            read_references.push((reference.name.as_str(), read(&reference.text)?));
        }
        documents.push(Document::new("", &json));
        documents.extend(read_references.iter().map(|(name, json)| Document::new(name, json)));
        let mut builder =
            Builder { documents, parts: Vec::new(), places: BTreeMap::new(), waiting: VecDeque::new() };
        let root = builder.place(0, "", &json)?;
        while let Some((id, document, pointer, json)) = builder.waiting.pop_front() {
            builder.fill(id, document, &pointer, json)?;
        }
        let parts = builder.parts;
        Ok(JsonSchema { json, parts, root })
    }
}

fn read(text: &str) -> Result<Json> {
    let json = Json::parse(text).map_err(|error| format!("it is not JSON: {error}"))?;
    match json {
        Json::Object(_) | Json::Bool(_) => Ok(json),
        other => Err(format!("a schema is an object or a boolean, not {other}")),
    }
}

struct Document<'a> {
    json: &'a Json,
    /// What `$ref` may call it.
    names: BTreeSet<String>,
    /// `$id` and `$anchor` of its parts, to their pointers.
    anchors: BTreeMap<String, (String, &'a Json)>,
}

impl<'a> Document<'a> {
    fn new(name: &str, json: &'a Json) -> Document<'a> {
        let mut names = BTreeSet::from([name.to_owned()]);
        if let Some(id) = id_of(json) {
            names.insert(id.trim_end_matches('#').to_owned());
        }
        let mut anchors = BTreeMap::new();
        collect_anchors(json, &mut String::new(), &mut anchors);
        Document { json, names, anchors }
    }
}

fn id_of(json: &Json) -> Option<&str> {
    json.get("$id").or_else(|| json.get("id")).and_then(Json::as_str)
}

/// Bounded by the depth of the JSON.
fn collect_anchors<'a>(
    json: &'a Json,
    pointer: &mut String,
    anchors: &mut BTreeMap<String, (String, &'a Json)>,
) {
    let length = pointer.len();
    match json {
        Json::Object(members) => {
            for word in ["$id", "id", "$anchor", "$dynamicAnchor"] {
                if let Some(name) = members.get(word).and_then(Json::as_str) {
                    let name = if word.ends_with("nchor") { format!("#{name}") } else { name.to_owned() };
                    anchors.entry(name).or_insert_with(|| (pointer.clone(), json));
                }
            }
            for (name, value) in members.iter() {
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                collect_anchors(value, pointer, anchors);
                pointer.truncate(length);
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                collect_anchors(item, pointer, anchors);
                pointer.truncate(length);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

struct Builder<'a> {
    documents: Vec<Document<'a>>,
    parts: Vec<Part>,
    places: BTreeMap<(usize, String), Id>,
    waiting: VecDeque<(Id, usize, String, &'a Json)>,
}

type Result<T> = std::result::Result<T, String>;

impl<'a> Builder<'a> {
    /// The part at a place; what it holds is filled in later.
    fn place(&mut self, document: usize, pointer: &str, json: &'a Json) -> Result<Id> {
        let key = (document, pointer.to_owned());
        if let Some(id) = self.places.get(&key) {
            return Ok(*id);
        }
        if !matches!(json, Json::Object(_) | Json::Bool(_)) {
            return Err(format!("#{pointer}: a schema is an object or a boolean, not {json}"));
        }
        let id = self.add(Shape::Anything)?;
        self.places.insert(key, id);
        self.waiting.push_back((id, document, pointer.to_owned(), json));
        Ok(id)
    }

    fn add(&mut self, shape: Shape) -> Result<Id> {
        if self.parts.len() == PARTS_MAX {
            return Err(format!("it has more than {PARTS_MAX} parts"));
        }
        self.parts.push(Part { shape, implied: false, has_default: false, connect_bytes: false });
        Ok(self.parts.len() - 1)
    }

    fn fill(&mut self, id: Id, document: usize, pointer: &str, json: &'a Json) -> Result<()> {
        let object = match json {
            Json::Object(object) => object,
            Json::Bool(false) => {
                self.parts[id].shape = Shape::Nothing;
                return Ok(());
            }
            _anything => return Ok(()),
        };
        let (shape, implied) = self.shape(document, pointer, object)?;
        let part = &mut self.parts[id];
        part.shape = shape;
        part.implied = implied;
        part.has_default = object.get("default").is_some();
        part.connect_bytes = object.get("connect.type").and_then(Json::as_str) == Some("bytes");
        Ok(())
    }

    /// With whether its type only follows from its keywords.
    fn shape(&mut self, document: usize, pointer: &str, object: &'a Object) -> Result<(Shape, bool)> {
        if let Some(reference) = object.get("$ref") {
            let reference =
                reference.as_str().ok_or_else(|| format!("#{pointer}/$ref: it is no string: {reference}"))?;
            let target = self.target(document, pointer, reference)?;
            return Ok((target.map_or(Shape::Anything, Shape::Reference), false));
        }
        let at = At { document, pointer, object };
        let mut found = Vec::new();
        if let Some(values) = object.get("enum") {
            let values = values.as_array().ok_or_else(|| format!("#{pointer}/enum: it is no array"))?;
            found.push(Shape::Enum(values.iter().cloned().collect()));
        }
        if let Some(value) = object.get("const") {
            found.push(Shape::Const(value.clone()));
        }
        for (word, criterion) in
            [("allOf", Criterion::All), ("anyOf", Criterion::Any), ("oneOf", Criterion::One)]
        {
            if let Some(listed) = object.get(word) {
                found.push(Shape::Combined(criterion, self.branches(at, word, listed)?));
            }
        }
        if let Some(inner) = object.get("not") {
            found.push(Shape::Not(self.inner(at, "not", inner)?));
        }
        if ["if", "then", "else"].iter().any(|word| object.get(word).is_some()) {
            let mut parts = [None; 3];
            for (part, word) in parts.iter_mut().zip(["if", "then", "else"]) {
                *part = object.get(word).map(|inner| self.inner(at, word, inner)).transpose()?;
            }
            found.push(Shape::Conditional(parts));
        }
        let (types, implied) = self.typed(at)?;
        let untyped = found.len();
        found.extend(types);
        self.definitions(at)?;
        match found.len() {
            0 => Ok((Shape::Anything, false)),
            1 => Ok((found.remove(0), implied && untyped == 0)),
            _several => {
                let mut ids = Vec::with_capacity(found.len());
                for (index, shape) in found.into_iter().enumerate() {
                    let id = self.add(shape)?;
                    self.parts[id].implied = implied && index >= untyped;
                    ids.push(id);
                }
                Ok((Shape::Combined(Criterion::All, ids), false))
            }
        }
    }

    /// Parts that nothing may refer to are looked at all the same: what is wrong in them is wrong.
    fn definitions(&mut self, at: At<'a, '_>) -> Result<()> {
        for word in ["definitions", "$defs"] {
            if let Some(Json::Object(all)) = at.object.get(word) {
                self.named(at, word, all)?;
            }
        }
        Ok(())
    }

    /// By `type`, or by the keywords that only make sense for one.
    fn typed(&mut self, at: At<'a, '_>) -> Result<(Vec<Shape>, bool)> {
        let wrong = |kind: &Json| format!("#{}/type: unknown type: {kind}", at.pointer);
        match at.object.get("type") {
            Some(Json::String(name)) if TYPES.contains(&name.as_str()) => {
                Ok((vec![self.of_type(at, name)?], false))
            }
            Some(Json::Array(names)) => {
                let mut branches = Vec::new();
                for name in names {
                    let known =
                        name.as_str().filter(|name| TYPES.contains(name)).ok_or_else(|| wrong(name))?;
                    let shape = self.of_type(at, known)?;
                    branches.push(self.add(shape)?);
                }
                Ok((vec![Shape::Combined(Criterion::Any, branches)], false))
            }
            Some(other) => Err(wrong(other)),
            None => {
                let mut found = Vec::new();
                let has = |words: &[&str]| words.iter().any(|word| at.object.get(word).is_some());
                for (words, name) in [
                    (STRING_WORDS.as_slice(), "string"),
                    (ARRAY_WORDS.as_slice(), "array"),
                    (OBJECT_WORDS.as_slice(), "object"),
                    (NUMBER_WORDS.as_slice(), "number"),
                ] {
                    if has(words) {
                        found.push(self.of_type(at, name)?);
                    }
                }
                Ok((found, true))
            }
        }
    }

    fn of_type(&mut self, at: At<'a, '_>, name: &str) -> Result<Shape> {
        Ok(match name {
            "string" => Shape::String(Strings {
                max_length: at.integer("maxLength")?,
                min_length: at.integer("minLength")?,
                pattern: at.object.get("pattern").and_then(Json::as_str).map(str::to_owned),
            }),
            "boolean" => Shape::Boolean,
            "null" => Shape::Null,
            "object" => Shape::Object(Box::new(self.objects(at)?)),
            "array" => Shape::Array(Box::new(self.arrays(at)?)),
            _number => Shape::Number(numbers(at, name == "integer")?),
        })
    }

    fn objects(&mut self, at: At<'a, '_>) -> Result<Objects> {
        let mut objects = Objects { permits_additional: true, ..Objects::default() };
        if let Some(all) = at.members("properties")? {
            objects.properties = self.named(at, "properties", all)?;
        }
        if let Some(all) = at.members("patternProperties")? {
            for (pattern, id) in self.named(at, "patternProperties", all)? {
                let short = pattern.len() <= PATTERN_BYTES_MAX;
                let regex = short.then(|| Regex::new(&pattern).ok()).flatten();
                objects.patterns.push((regex, id));
            }
        }
        objects.required = at.strings("required")?;
        match at.object.get("additionalProperties") {
            None | Some(Json::Bool(true)) => {}
            Some(Json::Bool(false)) => objects.permits_additional = false,
            Some(inner) => objects.additional = Some(self.inner(at, "additionalProperties", inner)?),
        }
        if let Some(inner) = at.object.get("unevaluatedProperties") {
            objects.unevaluated = Some(self.inner(at, "unevaluatedProperties", inner)?);
        }
        if let Some(inner) = at.object.get("propertyNames") {
            objects.names = Some(self.inner(at, "propertyNames", inner)?);
        }
        for word in ["dependencies", "dependentRequired", "dependentSchemas"] {
            let Some(all) = at.members(word)? else { continue };
            for (name, value) in all.iter() {
                match value {
                    Json::Array(names) => {
                        let names = names.iter().filter_map(Json::as_str).map(str::to_owned).collect();
                        objects.dependent_required.insert(name.to_owned(), names);
                    }
                    other => {
                        let id = self.inner(at, &format!("{word}/{}", escaped(name)), other)?;
                        objects.dependent_schemas.insert(name.to_owned(), id);
                    }
                }
            }
        }
        objects.max_properties = at.integer("maxProperties")?;
        objects.min_properties = at.integer("minProperties")?;
        Ok(objects)
    }

    fn arrays(&mut self, at: At<'a, '_>) -> Result<Arrays> {
        let mut arrays = Arrays { permits_additional: true, ..Arrays::default() };
        // Until 2019-09 `items` may be a list, and `additionalItems` says what comes after it; since then these are `prefixItems` and `items`.
        let (list, rest) = match at.object.get("prefixItems") {
            Some(list) => (Some(("prefixItems", list)), "items"),
            None => match at.object.get("items") {
                Some(list @ Json::Array(_)) => (Some(("items", list)), "additionalItems"),
                Some(every) => {
                    arrays.every = Some(self.inner(at, "items", every)?);
                    (None, "additionalItems")
                }
                None => (None, "additionalItems"),
            },
        };
        if let Some((word, list)) = list {
            arrays.places = self.list(at, word, list)?;
        }
        match at.object.get(rest) {
            None | Some(Json::Bool(true)) => {}
            Some(Json::Bool(false)) => arrays.permits_additional = false,
            Some(inner) => arrays.additional = Some(self.inner(at, rest, inner)?),
        }
        if let Some(inner) = at.object.get("unevaluatedItems") {
            arrays.unevaluated = Some(self.inner(at, "unevaluatedItems", inner)?);
        }
        if let Some(inner) = at.object.get("contains") {
            arrays.contains = Some(self.inner(at, "contains", inner)?);
        }
        arrays.max_items = at.integer("maxItems")?;
        arrays.min_items = at.integer("minItems")?;
        arrays.max_contains = at.integer("maxContains")?;
        arrays.min_contains = at.integer("minContains")?;
        arrays.unique = at.object.get("uniqueItems").and_then(Json::as_bool).unwrap_or(false);
        Ok(arrays)
    }

    fn inner(&mut self, at: At<'a, '_>, step: &str, json: &'a Json) -> Result<Id> {
        self.place(at.document, &format!("{}/{step}", at.pointer), json)
    }

    fn list(&mut self, at: At<'a, '_>, word: &str, json: &'a Json) -> Result<Vec<Id>> {
        let listed = json.as_array().ok_or_else(|| format!("#{}/{word}: it is no array", at.pointer))?;
        let mut ids = Vec::with_capacity(listed.len());
        for (index, one) in listed.iter().enumerate() {
            ids.push(self.inner(at, &format!("{word}/{index}"), one)?);
        }
        Ok(ids)
    }

    /// The same of a combination, where a schema that stands twice counts once.
    fn branches(&mut self, at: At<'a, '_>, word: &str, json: &'a Json) -> Result<Vec<Id>> {
        let ids = self.list(at, word, json)?;
        let mut seen = BTreeSet::new();
        let listed = json.as_array().unwrap_or_default();
        Ok(ids.into_iter().zip(listed).filter(|(_, one)| seen.insert(*one)).map(|(id, _)| id).collect())
    }

    fn named(&mut self, at: At<'a, '_>, word: &str, all: &'a Object) -> Result<BTreeMap<String, Id>> {
        let mut ids = BTreeMap::new();
        for (name, json) in all.iter() {
            let id = self.inner(at, &format!("{word}/{}", escaped(name)), json)?;
            ids.insert(name.to_owned(), id);
        }
        Ok(ids)
    }

    /// Where a `$ref` leads. `None` is a published meta-schema, which asks for nothing that can be compared.
    fn target(&mut self, document: usize, pointer: &str, reference: &str) -> Result<Option<Id>> {
        let unresolved = || format!("#{pointer}/$ref: unresolved reference {reference:?}");
        if reference.contains("://json-schema.org/") {
            return Ok(None);
        }
        if let Some((place, json)) = self.documents[document].anchors.get(reference).cloned() {
            return self.place(document, &place, json).map(Some);
        }
        let (name, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let named = |one: &Document| {
            one.names.contains(name) || one.names.iter().any(|known| known.rsplit('/').next() == Some(name))
        };
        let target = match name {
            "" => document,
            _other => match self.documents[document].anchors.get(name).cloned() {
                // A part of this document with an `$id` of its own.
                Some((place, json)) => {
                    let place = format!("{place}{fragment}");
                    let part = at_pointer(json, fragment).ok_or_else(unresolved)?;
                    return self.place(document, &place, part).map(Some);
                }
                None => self.documents.iter().position(named).ok_or_else(unresolved)?,
            },
        };
        if !fragment.is_empty() && !fragment.starts_with('/') {
            let anchor = self.documents[target].anchors.get(&format!("#{fragment}")).cloned();
            let (place, json) = anchor.ok_or_else(unresolved)?;
            return self.place(target, &place, json).map(Some);
        }
        let json = at_pointer(self.documents[target].json, fragment).ok_or_else(unresolved)?;
        self.place(target, fragment, json).map(Some)
    }
}

/// A place in a document, and the object there.
#[derive(Clone, Copy)]
struct At<'a, 'p> {
    document: usize,
    pointer: &'p str,
    object: &'a Object,
}

impl<'a> At<'a, '_> {
    fn integer(&self, word: &str) -> Result<Option<i64>> {
        let Some(value) = self.object.get(word) else { return Ok(None) };
        // 3.0 is an integer in JSON Schema.
        let number = value.as_i64().or_else(|| value.as_f64().filter(|n| n.fract() == 0.0).map(|n| n as i64));
        number.map(Some).ok_or_else(|| format!("#{}/{word}: it is no integer: {value}", self.pointer))
    }

    fn number(&self, word: &str) -> Result<Option<f64>> {
        let Some(value) = self.object.get(word) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| format!("#{}/{word}: it is no number: {value}", self.pointer))
    }

    fn members(&self, word: &str) -> Result<Option<&'a Object>> {
        let Some(value) = self.object.get(word) else { return Ok(None) };
        value
            .as_object()
            .map(Some)
            .ok_or_else(|| format!("#{}/{word}: it is no object: {value}", self.pointer))
    }

    /// Draft 3 has a boolean in the place of `required`; it says nothing here.
    fn strings(&self, word: &str) -> Result<BTreeSet<String>> {
        match self.object.get(word) {
            None | Some(Json::Bool(_)) => Ok(BTreeSet::new()),
            Some(Json::Array(names)) => {
                Ok(names.iter().filter_map(Json::as_str).map(str::to_owned).collect())
            }
            Some(other) => Err(format!("#{}/{word}: it is no array: {other}", self.pointer)),
        }
    }
}

/// Draft 4 has booleans beside `maximum` and `minimum`; later drafts have numbers of their own.
fn numbers(at: At, integer: bool) -> Result<Numbers> {
    let mut numbers = Numbers {
        maximum: at.number("maximum")?,
        minimum: at.number("minimum")?,
        integer,
        ..Numbers::default()
    };
    match at.object.get("exclusiveMaximum") {
        Some(Json::Bool(true)) => numbers.exclusive_maximum = numbers.maximum.take(),
        Some(Json::Bool(false)) | None => {}
        Some(_) => numbers.exclusive_maximum = at.number("exclusiveMaximum")?,
    }
    match at.object.get("exclusiveMinimum") {
        Some(Json::Bool(true)) => numbers.exclusive_minimum = numbers.minimum.take(),
        Some(Json::Bool(false)) | None => {}
        Some(_) => numbers.exclusive_minimum = at.number("exclusiveMinimum")?,
    }
    if at.number("multipleOf")?.is_some() {
        numbers.multiple_of = at.object.get("multipleOf").map(Json::to_string);
    }
    Ok(numbers)
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// RFC 6901, percent-encoding included.
fn at_pointer<'a>(json: &'a Json, pointer: &str) -> Option<&'a Json> {
    pointer.split('/').skip(1).try_fold(json, |json, step| {
        let step = crate::percent::percent_decoded(step).replace("~1", "/").replace("~0", "~");
        match json {
            Json::Object(members) => members.get(&step),
            Json::Array(items) => items.get(step.parse::<usize>().ok()?),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
        }
    })
}
