//! Serializers and deserializers, as Confluent's: values in JSON, bytes with the id of their schema. What must be asked of a registry is asked apart from
//! the work (`prepare`, `learn`), because it blocks; encoding and decoding never wait.

mod deserializer;
mod framing;
mod serializer;

pub use deserializer::Deserializer;
pub use framing::{Framed, KEY_HEADER, SchemaId, VALUE_HEADER, format_name, header_name};
pub use serializer::{IdPlace, Payload, Serializer, SerializerOptions, SubjectStrategy};

use crate::formats::avro::{AvroSchema, Defaults};
use crate::formats::json_schema::JsonSchema;
use crate::formats::protobuf::{Codec, ProtobufSchema};
use crate::formats::{Referred, SchemaType};
use crate::rest::Definition;

/// A schema that is ready for values.
#[derive(Debug)]
pub(crate) enum Ready {
    Avro(AvroSchema),
    Json(JsonSchema),
    Protobuf(Codec),
}

impl Ready {
    pub(crate) fn new(definition: &Definition, references: &[Referred]) -> Result<Ready, String> {
        let text = &definition.text;
        Ok(match definition.schema_type {
            SchemaType::Avro => {
                let texts: Vec<&str> = references.iter().map(|one| one.text.as_str()).collect();
                Ready::Avro(AvroSchema::parse(text, &texts, Defaults::Taken)?)
            }
            SchemaType::Json => Ready::Json(JsonSchema::parse(text, references)?),
            SchemaType::Protobuf => Ready::Protobuf(Codec::new(&ProtobufSchema::parse(text, references)?)),
        })
    }
}
