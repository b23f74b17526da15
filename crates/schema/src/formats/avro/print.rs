//! From [`AvroSchema`] to text: as Java's `Schema.toString` writes it, normalised (properties and aliases sorted), or with all
//! references put in. Never parses.

use super::{AvroSchema, AvroType, Field, Kind, Named, TypeId};
use crate::json::Json;
use std::collections::BTreeSet;
use std::fmt::Write;

impl AvroSchema {
    /// As Java prints it; types of references stay names.
    pub fn canonical(&self) -> String {
        let known = (0..self.own_from).collect();
        self.print(known, false)
    }

    /// The same with the types of references where they are used first; an error where that nests deeper than a stack can follow.
    pub fn resolved(&self) -> Result<String, String> {
        self.check_depth()?;
        Ok(self.print(BTreeSet::new(), false))
    }

    /// Types that are written where they are used first may form a chain as long as all texts together, which no parser bounds.
    pub(super) fn check_depth(&self) -> Result<(), String> {
        let mut seen = vec![false; self.types.len()];
        let mut waiting = vec![(self.root, 1)];
        while let Some((id, depth)) = waiting.pop() {
            if depth > DEPTH_MAX {
                return Err(format!("types are nested deeper than {DEPTH_MAX} once references are put in"));
            }
            // In the order in which the printer goes: a type stands where it is met first, everywhere else is its name.
            if std::mem::replace(&mut seen[id], true) {
                continue;
            }
            match &self.types[id].kind {
                Kind::Primitive(_) | Kind::Enum { .. } | Kind::Fixed { .. } => {}
                Kind::Array(inner) | Kind::Map(inner) => waiting.push((*inner, depth + 1)),
                Kind::Union(branches) => waiting.extend(branches.iter().rev().map(|id| (*id, depth + 1))),
                Kind::Record { fields, .. } => {
                    waiting.extend(fields.iter().rev().map(|field| (field.r#type, depth + 1)));
                }
            }
        }
        Ok(())
    }

    /// The form in which schemas are compared where normalisation is asked for.
    pub fn normalized(&self) -> String {
        let known = (0..self.own_from).collect();
        self.print(known, true)
    }

    fn print(&self, known: BTreeSet<TypeId>, normal: bool) -> String {
        let mut printer = Printer { schema: self, known, normal, out: String::new() };
        printer.one(self.root, None);
        printer.out
    }
}

/// Types within each other that are printed; a text alone is bounded by the depth of its JSON, which is a third of this.
const DEPTH_MAX: usize = 512;

struct Printer<'a> {
    schema: &'a AvroSchema,
    /// Named types that were written, or need not be.
    known: BTreeSet<TypeId>,
    normal: bool,
    out: String,
}

impl Printer<'_> {
    fn one(&mut self, id: TypeId, space: Option<&str>) {
        let schema = self.schema;
        let AvroType { kind, properties } = &schema.types[id];
        match kind {
            Kind::Primitive(primitive) if properties.is_empty() => self.text(primitive.name()),
            Kind::Primitive(primitive) => {
                self.out.push_str("{\"type\":");
                self.text(primitive.name());
                self.end(properties, &[]);
            }
            Kind::Union(branches) => {
                self.out.push('[');
                for (index, branch) in branches.iter().enumerate() {
                    self.comma(index);
                    self.one(*branch, space);
                }
                self.out.push(']');
            }
            Kind::Array(inner) | Kind::Map(inner) => {
                let is_array = matches!(kind, Kind::Array(_));
                self.out.push_str(if is_array {
                    "{\"type\":\"array\",\"items\":"
                } else {
                    "{\"type\":\"map\",\"values\":"
                });
                self.one(*inner, space);
                self.end(properties, &[]);
            }
            Kind::Record { named, fields, is_error } => {
                if !self.begin(id, named, if *is_error { "error" } else { "record" }, space) {
                    return;
                }
                self.doc(named);
                self.out.push_str(",\"fields\":[");
                for (index, field) in fields.iter().enumerate() {
                    self.comma(index);
                    self.field(field, named.name.space.as_deref());
                }
                self.out.push(']');
                self.end(properties, &self.aliases(named));
            }
            Kind::Enum { named, symbols, default } => {
                if !self.begin(id, named, "enum", space) {
                    return;
                }
                self.doc(named);
                let _ = write!(self.out, ",\"symbols\":{}", Json::from(symbols.clone()));
                self.member("default", default.as_deref());
                self.end(properties, &self.aliases(named));
            }
            Kind::Fixed { named, size } => {
                if !self.begin(id, named, "fixed", space) {
                    return;
                }
                self.doc(named);
                let _ = write!(self.out, ",\"size\":{size}");
                self.end(properties, &self.aliases(named));
            }
        }
    }

    /// A name where the type is known already; else the head of its object.
    fn begin(&mut self, id: TypeId, named: &Named, word: &str, space: Option<&str>) -> bool {
        let own = named.name.space.as_deref();
        if !self.known.insert(id) {
            let reference = if own == space { named.name.simple.clone() } else { named.name.full() };
            self.text(&reference);
            return false;
        }
        let _ = write!(self.out, "{{\"type\":\"{word}\",\"name\":");
        self.text(&named.name.simple);
        if own != space {
            self.member("namespace", Some(own.unwrap_or_default()));
        }
        true
    }

    fn field(&mut self, field: &Field, space: Option<&str>) {
        self.out.push_str("{\"name\":");
        self.text(&field.name);
        self.out.push_str(",\"type\":");
        self.one(field.r#type, space);
        self.member("doc", field.doc.as_deref());
        if let Some(default) = &field.default {
            let _ = write!(self.out, ",\"default\":{}", as_java(default));
        }
        self.member("order", field.order.as_deref());
        if !field.aliases.is_empty() {
            let mut aliases = field.aliases.clone();
            if self.normal {
                aliases.sort();
            }
            let _ = write!(self.out, ",\"aliases\":{}", Json::from(aliases));
        }
        self.end(&field.properties, &[]);
    }

    /// Aliases as they are seen from the type's own namespace.
    fn aliases(&self, named: &Named) -> Vec<String> {
        let one = |alias: &super::Name| {
            if alias.space == named.name.space { alias.simple.clone() } else { alias.full() }
        };
        named.aliases.iter().map(one).collect()
    }

    fn end(&mut self, properties: &[(String, Json)], aliases: &[String]) {
        let mut properties: Vec<&(String, Json)> = properties.iter().collect();
        if self.normal {
            let is_logical = properties.iter().any(|(name, value)| name == "logicalType" && is_known(value));
            properties.sort_by_key(|(name, _)| (rank(name, is_logical), name.clone()));
        }
        for (name, value) in properties {
            self.out.push(',');
            self.text(name);
            let _ = write!(self.out, ":{}", as_java(value));
        }
        if !aliases.is_empty() {
            let mut aliases = aliases.to_vec();
            if self.normal {
                aliases.sort();
            }
            let _ = write!(self.out, ",\"aliases\":{}", Json::from(aliases));
        }
        self.out.push('}');
    }

    /// Normalised, an empty documentation is none.
    fn doc(&mut self, named: &Named) {
        let doc = named.doc.as_deref().filter(|doc| !(self.normal && doc.is_empty()));
        self.member("doc", doc);
    }

    fn member(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            let _ = write!(self.out, ",\"{name}\":{}", Json::from(value));
        }
    }

    fn text(&mut self, text: &str) {
        let _ = write!(self.out, "{}", Json::from(text));
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.out.push(',');
        }
    }
}

/// Numbers with a fraction or an exponent went through a `double` in Java's library, and are printed as `Double.toString` does.
fn as_java(value: &Json) -> Json {
    match value {
        Json::Number(text) if text.contains(['.', 'e', 'E']) => Json::Number(double(text)),
        Json::Array(items) => Json::Array(items.iter().map(as_java).collect()),
        Json::Object(members) => {
            Json::Object(members.iter().map(|(name, value)| (name.to_owned(), as_java(value))).collect())
        }
        other => other.clone(),
    }
}

/// Plain from a thousandth to ten millions, else with an exponent and at least one digit behind the point.
fn double(text: &str) -> String {
    let Ok(number) = text.parse::<f64>() else { return text.to_owned() };
    let size = number.abs();
    if !number.is_finite() {
        return text.to_owned();
    }
    if size == 0.0 || (0.001..10_000_000.0).contains(&size) {
        return format!("{number:?}");
    }
    let spelled = format!("{number:E}");
    match spelled.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _has_a_point => spelled,
    }
}

/// Java knows these logical types, and puts what they are made of before other properties.
fn is_known(logical_type: &Json) -> bool {
    const KNOWN: [&str; 13] = [
        "decimal",
        "big-decimal",
        "uuid",
        "date",
        "time-millis",
        "time-micros",
        "timestamp-millis",
        "timestamp-micros",
        "timestamp-nanos",
        "local-timestamp-millis",
        "local-timestamp-micros",
        "local-timestamp-nanos",
        "duration",
    ];
    logical_type.as_str().is_some_and(|name| KNOWN.contains(&name))
}

fn rank(property: &str, is_logical: bool) -> usize {
    let first = ["logicalType", "precision", "scale"];
    first.iter().position(|name| is_logical && *name == property).unwrap_or(first.len())
}
