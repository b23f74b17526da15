//! A schema of any format, and what can be done with every one of them.

use super::terms::{Incompatibility, Policy, Referred, Roles, SchemaType};
use super::{avro, json_schema, protobuf};

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
            (Parsed::Avro(schema), "resolved") => schema.resolved(),
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
    pub(super) fn cannot_read(&self, written: &Parsed, roles: Roles, policy: Policy) -> Vec<Incompatibility> {
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
