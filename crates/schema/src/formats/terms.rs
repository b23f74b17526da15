//! What the formats have in common: their names, what a schema refers to, what is said of two that do not go together.

use std::fmt;

/// A schema's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum SchemaType {
    /// Avro 1.12; what a request means that names none.
    #[default]
    Avro,
    /// JSON Schema, drafts 4 to 2020-12.
    Json,
    /// Protobuf: proto2, proto3 and editions.
    Protobuf,
}

impl SchemaType {
    /// All of them, in the order in which `/schemas/types` tells them.
    pub const ALL: [SchemaType; 3] = [SchemaType::Json, SchemaType::Protobuf, SchemaType::Avro];

    /// Its name in the REST API and in `_schemas`.
    pub fn name(self) -> &'static str {
        match self {
            SchemaType::Avro => "AVRO",
            SchemaType::Json => "JSON",
            SchemaType::Protobuf => "PROTOBUF",
        }
    }

    /// The type of this name; an empty one is Avro.
    pub fn of(name: &str) -> Option<SchemaType> {
        if name.is_empty() {
            return Some(SchemaType::Avro);
        }
        SchemaType::ALL.into_iter().find(|known| known.name() == name)
    }
}

/// A schema that another one refers to by `name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referred {
    /// What the referring schema calls it: a full name in Avro, a URI in JSON Schema, a file in Protobuf.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// One reason why two schemas do not go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incompatibility {
    /// The rule, in Confluent's names.
    pub rule: &'static str,
    /// Where in the schema.
    pub path: String,
    /// For people.
    pub description: String,
    /// What else there is to say; may be empty.
    pub detail: String,
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{errorType:'{}', description:'{}'", self.rule, self.description)?;
        if !self.detail.is_empty() {
            write!(f, ", additionalInfo:'{}'", self.detail)?;
        }
        f.write_str("}")
    }
}

/// What the two sides of a comparison are called.
#[derive(Debug, Clone, Copy)]
pub struct Roles {
    /// The one that reads.
    pub reader: &'static str,
    /// The one that wrote.
    pub writer: &'static str,
}

impl Roles {
    /// The new schema reads what the old one wrote.
    pub const BACKWARD: Roles = Roles { reader: "new", writer: "old" };
    /// The old schema reads what the new one will write.
    pub const FORWARD: Roles = Roles { reader: "old", writer: "new" };
}

/// How strictly JSON Schema's content models are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// As data are validated.
    #[default]
    Strict,
    /// As programs use to read: what they do not know they pass over.
    Lenient,
}
