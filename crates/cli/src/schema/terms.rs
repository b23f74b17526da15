//! What several verbs of `ottla schema` take or make: types and versions as they are typed, answers as they are printed. Prints nothing.

use crate::failure::Failure;
use ::schema::formats::{Parsed, Referred, SchemaType};
use ::schema::json::Json;
use ::schema::rest::Registry;
use clap::ValueEnum;
use serde_json::Value;

/// A schema's language on a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TypeArg {
    /// .avsc
    Avro,
    /// .proto
    Protobuf,
    /// .json
    JsonSchema,
}

impl TypeArg {
    /// In the terms of the formats.
    pub fn schema_type(self) -> SchemaType {
        match self {
            TypeArg::Avro => SchemaType::Avro,
            TypeArg::Protobuf => SchemaType::Protobuf,
            TypeArg::JsonSchema => SchemaType::Json,
        }
    }
}

/// `latest` or a number.
pub fn version(text: &str) -> Result<String, String> {
    let is_one = text == "latest" || text.parse::<u32>().is_ok_and(|number| number > 0);
    if is_one { Ok(text.to_owned()) } else { Err("a version is a number from 1, or latest".to_owned()) }
}

/// For printing: the outputs of commands are built of serde_json's values.
pub fn printable(json: &Json) -> Value {
    serde_json::from_str(&json.to_string()).unwrap_or(Value::Null)
}

/// A registered schema with all that it refers to, read.
pub fn parsed(registry: &Registry, definition: &::schema::rest::Definition) -> Result<Parsed, Failure> {
    let references: Vec<Referred> = registry
        .resolve(&definition.references)
        .map_err(|fault| crate::registry_access::failed("a reference cannot be had", &fault))?;
    Parsed::parse(definition.schema_type, &definition.text, &references, false).map_err(|why| {
        Failure::new("the schema cannot be read", why).try_this("ottla schema get, which shows it")
    })
}
