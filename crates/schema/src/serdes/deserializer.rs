//! From bytes to JSON by the schema that the bytes name. Owns what was learned of a registry: schemas never change, so that each is asked for once.

use super::Ready;
use super::framing::{Framed, SchemaId, format_name};
use crate::formats::SchemaType;
use crate::formats::avro::AvroSchema;
use crate::json::Json;
use crate::rest::{Definition, Fault, Registry, guid_text};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Schemas that are remembered. A topic whose records name more is asked for again and again, and stays readable.
const KNOWN_MAX: usize = 1_000;

/// See the module.
#[derive(Debug)]
pub struct Deserializer {
    registry: Registry,
    /// What the records must be.
    schema_type: SchemaType,
    known: BTreeMap<SchemaId, Arc<Ready>>,
    /// What values are read as, whatever schema wrote them.
    reader: Option<AvroSchema>,
}

impl Deserializer {
    /// Of records of one format.
    pub fn new(registry: Registry, schema_type: SchemaType) -> Deserializer {
        Deserializer { registry, schema_type, known: BTreeMap::new(), reader: None }
    }

    /// Of records that are read as this schema has them: fields it lacks are passed over, those that were not written have its defaults (Avro's
    /// "Schema Resolution"; the other formats know no such thing). Blocks where it refers to others.
    pub fn reading_as(mut self, definition: &Definition) -> Result<Deserializer, Fault> {
        let references = self.registry.resolve(&definition.references)?;
        let ready = Ready::new(definition, &references)
            .map_err(|why| Fault::Malformed(format!("the reader's schema cannot be read: {why}")))?;
        match ready {
            Ready::Avro(schema) if self.schema_type == SchemaType::Avro => self.reader = Some(schema),
            Ready::Avro(_) | Ready::Json(_) | Ready::Protobuf(_) => {
                return Err(Fault::Malformed(
                    "only Avro is read by another schema than it was written by".to_owned(),
                ));
            }
        }
        Ok(self)
    }

    /// The same by the latest schema of a subject (Confluent's `use.latest.version`). Blocks.
    pub fn reading_latest(self, subject: &str) -> Result<Deserializer, Fault> {
        let latest = self.registry.version(subject, "latest", false)?;
        self.reading_as(&latest.definition)
    }

    /// The schema that has to be learned before this payload can be decoded.
    pub fn unknown(&self, payload: &[u8], header: Option<&[u8]>) -> Option<SchemaId> {
        let schema = Framed::of(payload, header).ok()?.schema;
        (!self.known.contains_key(&schema)).then_some(schema)
    }

    /// Asks the registry for a schema and all that it refers to. Blocks.
    pub fn learn(&mut self, schema: SchemaId) -> Result<(), Fault> {
        let ready = fetch(&self.registry, schema, self.schema_type)?;
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(schema, Arc::new(ready));
        Ok(())
    }

    /// The value of a payload whose schema is known.
    pub fn decode(&self, payload: &[u8], header: Option<&[u8]>) -> Result<Json, String> {
        let framed = Framed::of(payload, header)?;
        let ready = self.known.get(&framed.schema).ok_or("its schema is not known yet")?;
        match &**ready {
            Ready::Avro(writer) => match &self.reader {
                Some(reader) => reader.decode_from(writer, framed.rest),
                None => writer.decode(framed.rest),
            },
            Ready::Json(_) => Json::parse_bytes(framed.rest).map_err(|why| format!("it is no JSON: {why}")),
            Ready::Protobuf(codec) => {
                let (path, bytes) = framed.message()?;
                let message =
                    codec.at(&path).ok_or_else(|| format!("its schema has no message at {path:?}"))?;
                codec.decode(message, bytes)
            }
        }
    }

    /// Both at once. Blocks where the schema is not known.
    pub fn deserialize(&mut self, payload: &[u8], header: Option<&[u8]>) -> Result<Json, Fault> {
        if let Some(schema) = self.unknown(payload, header) {
            self.learn(schema)?;
        }
        self.decode(payload, header).map_err(Fault::Malformed)
    }
}

fn fetch(registry: &Registry, schema: SchemaId, wanted: SchemaType) -> Result<Ready, Fault> {
    let (registered, name) = match schema {
        SchemaId::Id(id) => (registry.by_id(id)?, format!("schema {id}")),
        SchemaId::Guid(guid) => (registry.by_guid(guid)?, format!("schema {}", guid_text(guid))),
    };
    let definition = registered.definition;
    if definition.schema_type != wanted {
        let (is, wanted) = (format_name(definition.schema_type), format_name(wanted));
        return Err(Fault::Malformed(format!("{name} is {is}, not {wanted}")));
    }
    let references = registry.resolve(&definition.references)?;
    Ready::new(&definition, &references)
        .map_err(|why| Fault::Malformed(format!("{name} cannot be read: {why}")))
}
