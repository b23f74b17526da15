//! From JSON to [`AvroSchema`]: names, namespaces, references; defaults where the schema is new. Never prints, never compares.

use super::{AvroSchema, AvroType, Field, Kind, Name, Named, Primitive, TypeId};
use crate::json::{Json, Object};
use std::collections::{BTreeMap, BTreeSet};

/// What a named type's object may hold that is no property of its own.
const RESERVED: [&str; 10] =
    ["doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases"];
const RESERVED_OF_FIELDS: [&str; 6] = ["default", "doc", "name", "order", "type", "aliases"];

/// Whether defaults must fit their types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defaults {
    /// They must: the schema is new.
    Checked,
    /// They need not: it was registered long ago, or is only looked up.
    Taken,
}

impl AvroSchema {
    /// Reads a schema; `references` are the texts of those it refers to, each after those that it needs itself.
    pub fn parse(text: &str, references: &[&str], defaults: Defaults) -> Result<AvroSchema, String> {
        let mut parser = Parser { types: Vec::new(), names: BTreeMap::new(), defaults: Defaults::Taken };
        for reference in references {
            parser.read(reference)?;
        }
        let own_from = parser.types.len();
        parser.defaults = defaults;
        let root = parser.read(text)?;
        Ok(AvroSchema { types: parser.types, root, own_from })
    }
}

struct Parser {
    types: Vec<AvroType>,
    names: BTreeMap<String, TypeId>,
    defaults: Defaults,
}

impl Parser {
    fn read(&mut self, text: &str) -> Result<TypeId, String> {
        let trimmed = text.trim();
        // Java takes the bare name of a primitive type, too.
        if let Some(primitive) = Primitive::of(trimmed) {
            return Ok(self.add(Kind::Primitive(primitive), Vec::new()));
        }
        let json = Json::parse(trimmed).map_err(|error| format!("it is not JSON: {error}"))?;
        let root = self.r#type(&json, None)?;
        if self.defaults == Defaults::Checked {
            self.check_defaults()?;
        }
        Ok(root)
    }

    fn add(&mut self, kind: Kind, properties: Vec<(String, Json)>) -> TypeId {
        self.types.push(AvroType { kind, properties });
        self.types.len() - 1
    }

    fn r#type(&mut self, json: &Json, space: Option<&str>) -> Result<TypeId, String> {
        match json {
            Json::String(name) => self.by_name(name, space),
            Json::Array(branches) => self.union(branches, space),
            Json::Object(object) => self.object(object, space),
            Json::Null | Json::Bool(_) | Json::Number(_) => Err(format!("No type: {json}")),
        }
    }

    fn by_name(&mut self, name: &str, space: Option<&str>) -> Result<TypeId, String> {
        if let Some(primitive) = Primitive::of(name) {
            return Ok(self.add(Kind::Primitive(primitive), Vec::new()));
        }
        let wanted = name_of(name, None, space)?;
        let found = self.names.get(&wanted.full()).or_else(|| self.names.get(name));
        found.copied().ok_or_else(|| {
            format!(
                "Undefined schema: {:?} is neither a primitive type nor defined before it is used",
                wanted.full()
            )
        })
    }

    fn union(&mut self, branches: &[Json], space: Option<&str>) -> Result<TypeId, String> {
        let mut ids = Vec::with_capacity(branches.len());
        let mut seen = BTreeSet::new();
        for branch in branches {
            let id = self.r#type(branch, space)?;
            let name = match &self.types[id].kind {
                Kind::Union(_) => {
                    return Err("Nested union: a union stands immediately within a union".to_owned());
                }
                Kind::Primitive(primitive) => primitive.name().to_owned(),
                Kind::Array(_) => "array".to_owned(),
                Kind::Map(_) => "map".to_owned(),
                Kind::Record { named, .. } | Kind::Enum { named, .. } | Kind::Fixed { named, .. } => {
                    named.name.full()
                }
            };
            if !seen.insert(name.clone()) {
                return Err(format!("Duplicate in union: {name}"));
            }
            ids.push(id);
        }
        Ok(self.add(Kind::Union(ids), Vec::new()))
    }

    fn object(&mut self, object: &Object, space: Option<&str>) -> Result<TypeId, String> {
        let kind = object.get("type").ok_or_else(|| format!("No type: {}", Json::Object(object.clone())))?;
        let Json::String(word) = kind else {
            // {"type": {...}} and {"type": [...]} are what they hold.
            return self.r#type(kind, space);
        };
        if let Some(primitive) = Primitive::of(word) {
            return Ok(self.add(Kind::Primitive(primitive), properties(object, &RESERVED, false)));
        }
        match word.as_str() {
            "record" | "error" => self.record(object, space, word == "error"),
            "enum" => self.r#enum(object, space),
            "fixed" => self.fixed(object, space),
            "array" | "map" => {
                let member = if word == "array" { "items" } else { "values" };
                let inner = object.get(member).ok_or_else(|| format!("{word} has no {member} type"))?;
                let inner = self.r#type(inner, space)?;
                let kind = if word == "array" { Kind::Array(inner) } else { Kind::Map(inner) };
                Ok(self.add(kind, properties(object, &RESERVED, false)))
            }
            other => self.by_name(other, space),
        }
    }

    fn record(&mut self, object: &Object, space: Option<&str>, is_error: bool) -> Result<TypeId, String> {
        let named = head(object, space)?;
        let inner = named.name.space.clone();
        let record = Kind::Record { named: named.clone(), fields: Vec::new(), is_error };
        let id = self.declare(&named, record, properties(object, &RESERVED, false))?;
        let full = named.name.full();
        let listed = object
            .get("fields")
            .and_then(Json::as_array)
            .ok_or_else(|| format!("Record {full} has no fields"))?;
        let (mut fields, mut seen) = (Vec::with_capacity(listed.len()), BTreeSet::new());
        for field in listed {
            let field = self.field(field, inner.as_deref(), &full)?;
            if !seen.insert(field.name.clone()) {
                return Err(format!("Duplicate field {} in record {full}", field.name));
            }
            fields.push(field);
        }
        self.types[id].kind = Kind::Record { named, fields, is_error };
        Ok(id)
    }

    fn field(&mut self, json: &Json, space: Option<&str>, record: &str) -> Result<Field, String> {
        let object = json.as_object().ok_or_else(|| format!("a field of {record} is no object: {json}"))?;
        let name = object
            .get("name")
            .and_then(Json::as_str)
            .ok_or_else(|| format!("a field of {record} has no name: {json}"))?;
        check_name(name)?;
        let r#type = object.get("type").ok_or_else(|| format!("field {record}.{name} has no type"))?;
        let r#type = self.r#type(r#type, space)?;
        let order = match object.get("order").map(|order| (order, order.as_str())) {
            None => None,
            Some((_, Some(order)))
                if ["ascending", "descending", "ignore"].contains(&order.to_lowercase().as_str()) =>
            {
                Some(order.to_lowercase()).filter(|order| order != "ascending")
            }
            Some((order, _)) => return Err(format!("field {record}.{name} has the order {order}")),
        };
        let aliases = aliases_of(object)?;
        Ok(Field {
            name: name.to_owned(),
            r#type,
            doc: text_of(object, "doc"),
            default: object.get("default").cloned(),
            order,
            aliases,
            properties: properties(object, &RESERVED_OF_FIELDS, false),
        })
    }

    fn r#enum(&mut self, object: &Object, space: Option<&str>) -> Result<TypeId, String> {
        let named = head(object, space)?;
        let full = named.name.full();
        let listed = object.get("symbols").and_then(Json::as_array);
        let listed = listed.ok_or_else(|| format!("Enum {full} has no symbols"))?;
        let (mut symbols, mut seen) = (Vec::with_capacity(listed.len()), BTreeSet::new());
        for symbol in listed {
            let symbol =
                symbol.as_str().ok_or_else(|| format!("a symbol of {full} is no string: {symbol}"))?;
            check_name(symbol)?;
            if !seen.insert(symbol) {
                return Err(format!("Duplicate enum symbol: {symbol} of {full}"));
            }
            symbols.push(symbol.to_owned());
        }
        let default = text_of(object, "default");
        if let Some(default) = &default
            && !seen.contains(default.as_str())
        {
            return Err(format!("The Enum Default: {default} is not in the enum symbol set of {full}"));
        }
        let kind = Kind::Enum { named: named.clone(), symbols, default };
        self.declare(&named, kind, properties(object, &RESERVED, true))
    }

    fn fixed(&mut self, object: &Object, space: Option<&str>) -> Result<TypeId, String> {
        let named = head(object, space)?;
        let size =
            object.get("size").and_then(Json::as_i64).filter(|size| (0..=i64::from(i32::MAX)).contains(size));
        let size = size.ok_or_else(|| format!("Invalid or no size of fixed {}", named.name.full()))?;
        let kind = Kind::Fixed { named: named.clone(), size };
        self.declare(&named, kind, properties(object, &RESERVED, false))
    }

    fn declare(
        &mut self,
        named: &Named,
        kind: Kind,
        properties: Vec<(String, Json)>,
    ) -> Result<TypeId, String> {
        let full = named.name.full();
        if named.name.space.is_none() && Primitive::of(&full).is_some() {
            return Err(format!("Schemas may not be named after primitives: {full}"));
        }
        if self.names.contains_key(&full) {
            return Err(format!("Can't redefine: {full}"));
        }
        let id = self.add(kind, properties);
        self.names.insert(full, id);
        Ok(id)
    }

    fn check_defaults(&self) -> Result<(), String> {
        for one in &self.types {
            let Kind::Record { named, fields, .. } = &one.kind else { continue };
            for field in fields {
                if let Some(default) = &field.default
                    && !self.fits(field.r#type, default)
                {
                    let (record, name) = (named.name.full(), &field.name);
                    return Err(format!(
                        "Invalid default for field {record}.{name}: {default} does not fit its type"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether a default is a value of a type. Of a union any branch will do (Avro 1.12). Bounded by the depth of the value: a
    /// type that contains itself needs a deeper value each time round.
    fn fits(&self, id: TypeId, value: &Json) -> bool {
        match &self.types[id].kind {
            Kind::Primitive(primitive) => fits_primitive(*primitive, value),
            Kind::Fixed { .. } => value.as_str().is_some(),
            Kind::Enum { .. } => value.as_str().is_some(),
            Kind::Array(items) => {
                value.as_array().is_some_and(|all| all.iter().all(|one| self.fits(*items, one)))
            }
            Kind::Map(values) => {
                value.as_object().is_some_and(|all| all.iter().all(|(_, one)| self.fits(*values, one)))
            }
            Kind::Union(branches) => branches.iter().any(|branch| self.fits(*branch, value)),
            Kind::Record { fields, .. } => value.as_object().is_some_and(|members| {
                fields.iter().all(|field| match (members.get(&field.name), &field.default) {
                    (Some(member), _) => self.fits(field.r#type, member),
                    // It was checked where it stands.
                    (None, default) => default.is_some(),
                })
            }),
        }
    }
}

fn fits_primitive(primitive: Primitive, value: &Json) -> bool {
    match primitive {
        Primitive::Null => *value == Json::Null,
        Primitive::Boolean => value.as_bool().is_some(),
        Primitive::Int => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        Primitive::Long => value.as_i64().is_some(),
        Primitive::Float | Primitive::Double => matches!(value, Json::Number(_)),
        Primitive::Bytes | Primitive::String => value.as_str().is_some(),
    }
}

/// Name, documentation and aliases of a named type.
fn head(object: &Object, space: Option<&str>) -> Result<Named, String> {
    let name = object.get("name").and_then(Json::as_str).ok_or("No name in schema")?;
    let own = text_of(object, "namespace");
    let name = name_of(name, own.as_deref(), space)?;
    let mut aliases = Vec::new();
    for alias in aliases_of(object)? {
        aliases.push(name_of(&alias, None, name.space.as_deref())?);
    }
    Ok(Named { name, doc: text_of(object, "doc"), aliases })
}

fn aliases_of(object: &Object) -> Result<Vec<String>, String> {
    let Some(aliases) = object.get("aliases") else { return Ok(Vec::new()) };
    let listed = aliases.as_array().ok_or_else(|| format!("aliases are not an array: {aliases}"))?;
    let text =
        |one: &Json| one.as_str().map(str::to_owned).ok_or_else(|| format!("alias is not a string: {one}"));
    let mut all: Vec<String> = listed.iter().map(text).collect::<Result<_, _>>()?;
    // Java's library has a set of them, in order.
    let mut seen = BTreeSet::new();
    all.retain(|alias| seen.insert(alias.clone()));
    Ok(all)
}

fn text_of(object: &Object, member: &str) -> Option<String> {
    object.get(member).and_then(Json::as_str).map(str::to_owned)
}

/// Members that Avro gives no meaning to. `default` means something to enums alone.
fn properties(object: &Object, reserved: &[&str], is_enum: bool) -> Vec<(String, Json)> {
    object
        .iter()
        .filter(|(name, _)| !(reserved.contains(name) || is_enum && *name == "default"))
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect()
}

/// A name as it stands, with the namespace beside it, within a namespace.
fn name_of(name: &str, own: Option<&str>, outer: Option<&str>) -> Result<Name, String> {
    let (space, simple) = match name.rsplit_once('.') {
        Some((space, simple)) => (Some(space), simple),
        None => (own.or(outer), name),
    };
    let space = space.filter(|space| !space.is_empty());
    check_name(simple)?;
    space.map_or(Ok(()), |space| space.split('.').try_for_each(check_name))?;
    Ok(Name { simple: simple.to_owned(), space: space.map(str::to_owned) })
}

fn check_name(name: &str) -> Result<(), String> {
    let mut letters = name.chars();
    let first = letters.next().ok_or("Empty name")?;
    if !(first.is_alphabetic() || first == '_') {
        return Err(format!("Illegal initial character: {name}"));
    }
    match letters.find(|letter| !(letter.is_alphanumeric() || *letter == '_')) {
        Some(_) => Err(format!("Illegal character in: {name}")),
        None => Ok(()),
    }
}
