//! Avro schemas as the registry has them: types in a table, so that a type may contain itself; printed as Java's library prints
//! them, which is what `_schemas` holds and what ids are found by. Avro 1.12.

mod binary;
mod compatibility;
mod fingerprint;
mod parse;
mod print;
mod resolution;
#[cfg(test)]
mod tests;

use crate::json::Json;

pub(in crate::formats) use binary::{float, number_of};
pub use compatibility::incompatibilities;
pub use parse::Defaults;

/// Where a type stands in [`AvroSchema::types`].
pub type TypeId = usize;

/// A parsed schema.
#[derive(Debug, Clone)]
pub struct AvroSchema {
    /// Every type of the schema and of what it refers to. Types contain others by their place here.
    types: Vec<AvroType>,
    root: TypeId,
    /// Types below this belong to references: they are written by name.
    own_from: TypeId,
}

/// A type and what else stands in its object.
#[derive(Debug, Clone)]
struct AvroType {
    kind: Kind,
    properties: Vec<(String, Json)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Primitive(Primitive),
    Array(TypeId),
    Map(TypeId),
    Union(Vec<TypeId>),
    Record { named: Named, fields: Vec<Field>, is_error: bool },
    Enum { named: Named, symbols: Vec<String>, default: Option<String> },
    Fixed { named: Named, size: i64 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    name: Name,
    doc: Option<String>,
    aliases: Vec<Name>,
}

/// A name and the namespace that it lives in, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    simple: String,
    space: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: String,
    r#type: TypeId,
    doc: Option<String>,
    default: Option<Json>,
    order: Option<String>,
    aliases: Vec<String>,
    properties: Vec<(String, Json)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Primitive {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
}

impl Primitive {
    const ALL: [(Primitive, &'static str); 8] = [
        (Primitive::Null, "null"),
        (Primitive::Boolean, "boolean"),
        (Primitive::Int, "int"),
        (Primitive::Long, "long"),
        (Primitive::Float, "float"),
        (Primitive::Double, "double"),
        (Primitive::Bytes, "bytes"),
        (Primitive::String, "string"),
    ];

    fn of(name: &str) -> Option<Primitive> {
        Primitive::ALL.iter().find(|(_, known)| *known == name).map(|(primitive, _)| *primitive)
    }

    fn name(self) -> &'static str {
        Primitive::ALL.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }
}

impl Name {
    fn full(&self) -> String {
        match &self.space {
            Some(space) => format!("{space}.{}", self.simple),
            None => self.simple.clone(),
        }
    }
}

impl AvroSchema {
    fn kind(&self, id: TypeId) -> &Kind {
        &self.types[id].kind
    }

    fn named(&self, id: TypeId) -> Option<&Named> {
        match self.kind(id) {
            Kind::Record { named, .. } | Kind::Enum { named, .. } | Kind::Fixed { named, .. } => Some(named),
            Kind::Primitive(_) | Kind::Array(_) | Kind::Map(_) | Kind::Union(_) => None,
        }
    }

    /// What Java calls the type, in capitals in its messages.
    fn type_name(&self, id: TypeId) -> String {
        match self.kind(id) {
            Kind::Primitive(primitive) => primitive.name().to_uppercase(),
            Kind::Array(_) => "ARRAY".to_owned(),
            Kind::Map(_) => "MAP".to_owned(),
            Kind::Union(_) => "UNION".to_owned(),
            Kind::Record { .. } => "RECORD".to_owned(),
            Kind::Enum { .. } => "ENUM".to_owned(),
            Kind::Fixed { .. } => "FIXED".to_owned(),
        }
    }

    /// The name of the outermost type, of those that have one: what record name strategies use.
    pub fn name(&self) -> Option<String> {
        self.named(self.root).map(|named| named.name.full())
    }
}
