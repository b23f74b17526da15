//! The three formats of schemas behind one door: parse, print, compare. Each format lives in a room of its own and is pure; what a
//! subject's mode of compatibility asks for is in `modes`. Never knows subjects, ids or topics.

pub mod avro;
pub mod json_schema;
mod modes;
pub mod protobuf;

use std::fmt;

pub use modes::{Level, Policy};

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

/// A parsed schema of any format.
#[derive(Debug)]
pub enum Parsed {
    /// Avro.
    Avro(Box<avro::AvroSchema>),
    /// JSON Schema.
    Json(Box<json_schema::JsonSchema>),
    /// Protobuf.
    Protobuf(Box<protobuf::ProtobufSchema>),
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

impl Parsed {
    /// Parses. `references` stand in an order in which each comes after those that it needs itself; `new` is a schema that is about to be
    /// registered, of which more is asked.
    pub fn parse(
        schema_type: SchemaType,
        text: &str,
        references: &[Referred],
        new: bool,
    ) -> Result<Parsed, String> {
        Ok(match schema_type {
            SchemaType::Avro => {
                let texts: Vec<&str> = references.iter().map(|one| one.text.as_str()).collect();
                let defaults = if new { avro::Defaults::Checked } else { avro::Defaults::Taken };
                Parsed::Avro(Box::new(avro::AvroSchema::parse(text, &texts, defaults)?))
            }
            SchemaType::Json => Parsed::Json(Box::new(json_schema::JsonSchema::parse(text, references)?)),
            SchemaType::Protobuf => {
                Parsed::Protobuf(Box::new(protobuf::ProtobufSchema::parse(text, references)?))
            }
        })
    }

    /// The text that is stored, and by which equal schemas are found.
    pub fn canonical(&self) -> String {
        match self {
            Parsed::Avro(schema) => schema.canonical(),
            Parsed::Json(schema) => schema.canonical(),
            Parsed::Protobuf(schema) => schema.canonical(),
        }
    }

    /// The same where order and spelling that mean nothing are evened out.
    pub fn normalized(&self) -> String {
        match self {
            Parsed::Avro(schema) => schema.normalized(),
            Parsed::Json(schema) => schema.normalized(),
            Parsed::Protobuf(schema) => schema.normalized(),
        }
    }

    /// In another form that the format has (`resolved` of Avro, `serialized` of Protobuf); an unknown one is the canonical form.
    pub fn formatted(&self, form: &str) -> Result<String, String> {
        match (self, form) {
            (Parsed::Avro(schema), "resolved") => Ok(schema.resolved()),
            (Parsed::Protobuf(schema), "serialized") => schema.serialized(),
            (_, "" | "default") => Ok(self.canonical()),
            (_, "resolved" | "serialized" | "ignore_extensions") => Ok(self.canonical()),
            (_, other) => Err(format!("Unsupported format {other}")),
        }
    }

    /// The language.
    pub fn schema_type(&self) -> SchemaType {
        match self {
            Parsed::Avro(_) => SchemaType::Avro,
            Parsed::Json(_) => SchemaType::Json,
            Parsed::Protobuf(_) => SchemaType::Protobuf,
        }
    }

    /// Why `self` cannot read what `written` describes.
    fn cannot_read(&self, written: &Parsed, roles: Roles, policy: Policy) -> Vec<Incompatibility> {
        match (self, written) {
            (Parsed::Avro(reader), Parsed::Avro(writer)) => avro::incompatibilities(reader, writer, roles),
            (Parsed::Json(reader), Parsed::Json(writer)) => {
                json_schema::incompatibilities(reader, writer, roles, policy == Policy::Lenient)
            }
            (Parsed::Protobuf(reader), Parsed::Protobuf(writer)) => {
                protobuf::incompatibilities(reader, writer, roles)
            }
            (reader, writer) => vec![Incompatibility {
                rule: "SCHEMA_TYPE_CHANGED",
                path: "/".to_owned(),
                description: format!(
                    "The {} schema is {}, the {} one {}: no format reads another",
                    roles.reader,
                    reader.schema_type().name(),
                    roles.writer,
                    writer.schema_type().name()
                ),
                detail: String::new(),
            }],
        }
    }
}
