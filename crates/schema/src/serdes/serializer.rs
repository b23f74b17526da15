//! From JSON to bytes by a schema of a registry: the one that was given, registered or looked up, or the latest of the subject. Owns the ids that it was
//! told; a subject is asked about once.

use super::Ready;
use super::framing::{SchemaId, header_name, written};
use crate::formats::SchemaType;
use crate::formats::protobuf::MessageId;
use crate::json::Json;
use crate::rest::{Definition, Fault, Registered, Registry};
use std::collections::BTreeMap;

/// Which subject a schema belongs to (Confluent's `subject.name.strategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SubjectStrategy {
    /// TOPIC-key or TOPIC-value.
    #[default]
    TopicName,
    /// The full name of the record.
    RecordName,
    /// TOPIC-RECORD.
    TopicRecordName,
}

/// Where a record says which schema it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdPlace {
    /// In front of the payload: magic 0 and the id.
    #[default]
    Payload,
    /// In a header: magic 1 and the GUID, for registries that have such.
    Header,
}

/// What a serializer does.
#[derive(Debug, Clone)]
pub struct SerializerOptions {
    /// The format.
    pub schema_type: SchemaType,
    /// The schema; without one the latest of the subject.
    pub definition: Option<Definition>,
    /// Which subject.
    pub strategy: SubjectStrategy,
    /// Whether a schema that is not registered is registered.
    pub auto_register: bool,
    /// Whether values are written by the latest schema of the subject, whatever was given.
    pub use_latest: bool,
    /// Whether the registry evens out what means nothing.
    pub normalize: bool,
    /// Where the id goes.
    pub id_place: IdPlace,
    /// The message of a Protobuf file; the first one without it.
    pub message: Option<String>,
}

/// A payload, and the header that belongs to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Payload {
    /// What goes to the topic.
    pub bytes: Vec<u8>,
    /// Name and value of a header, where the id goes there.
    pub header: Option<(&'static str, Vec<u8>)>,
}

/// See the module.
#[derive(Debug)]
pub struct Serializer {
    registry: Registry,
    options: SerializerOptions,
    /// By topic, and whether it is the key.
    prepared: BTreeMap<(String, bool), Prepared>,
}

#[derive(Debug)]
struct Prepared {
    ready: Ready,
    message: Option<MessageId>,
    prefix: Vec<u8>,
}

impl Serializer {
    /// Of values of one schema.
    pub fn new(registry: Registry, options: SerializerOptions) -> Serializer {
        Serializer { registry, options, prepared: BTreeMap::new() }
    }

    /// Finds the schema and its id for keys or values of a topic. Blocks.
    pub fn prepare(&mut self, topic: &str, is_key: bool) -> Result<(), Fault> {
        let place = (topic.to_owned(), is_key);
        if !self.prepared.contains_key(&place) {
            let prepared = self.find(topic, is_key)?;
            self.prepared.insert(place, prepared);
        }
        Ok(())
    }

    /// The bytes of a value of a topic that is prepared.
    pub fn encode(&self, topic: &str, is_key: bool, value: &Json) -> Result<Payload, String> {
        let prepared = self.prepared.get(&(topic.to_owned(), is_key)).ok_or("its schema is not known yet")?;
        let encoded = match (&prepared.ready, prepared.message) {
            (Ready::Avro(schema), _) => schema.encode(value)?,
            (Ready::Json(schema), _) => {
                schema.validate(value)?;
                value.to_string().into_bytes()
            }
            (Ready::Protobuf(codec), Some(message)) => codec.encode(message, value)?,
            (Ready::Protobuf(_), None) => return Err("its schema has no message".to_owned()),
        };
        Ok(match self.options.id_place {
            IdPlace::Payload => {
                let bytes = [prepared.prefix.as_slice(), &encoded].concat();
                Payload { bytes, header: None }
            }
            IdPlace::Header => {
                Payload { bytes: encoded, header: Some((header_name(is_key), prepared.prefix.clone())) }
            }
        })
    }

    /// Both at once. Blocks the first time.
    pub fn serialize(&mut self, topic: &str, is_key: bool, value: &Json) -> Result<Payload, Fault> {
        self.prepare(topic, is_key)?;
        self.encode(topic, is_key, value).map_err(Fault::Malformed)
    }

    fn find(&self, topic: &str, is_key: bool) -> Result<Prepared, Fault> {
        let options = &self.options;
        let given = options.definition.as_ref().map(|definition| self.ready(definition)).transpose()?;
        let message = given.as_ref().map(|ready| self.message(ready)).transpose()?.flatten();
        let subject = self.subject(topic, is_key, given.as_ref(), message)?;
        let (registered, ready) = match (given, &options.definition) {
            (Some(ready), Some(definition)) if !options.use_latest => {
                (self.registered(&subject, definition)?, ready)
            }
            (_, _) => {
                let latest = self.registry.version(&subject, "latest", false)?;
                if latest.definition.schema_type != options.schema_type {
                    let (is, wanted) = (latest.definition.schema_type.name(), options.schema_type.name());
                    return Err(Fault::Malformed(format!(
                        "the latest schema of {subject} is {is}, not {wanted}"
                    )));
                }
                let ready = self.ready(&latest.definition)?;
                (latest, ready)
            }
        };
        let message = self.message(&ready)?;
        let path = match (&ready, message) {
            (Ready::Protobuf(codec), Some(message)) => Some(codec.path(message)),
            (_, _) => None,
        };
        let prefix = written(self.id(&registered)?, path);
        Ok(Prepared { ready, message, prefix })
    }

    fn ready(&self, definition: &Definition) -> Result<Ready, Fault> {
        let references = self.registry.resolve(&definition.references)?;
        Ready::new(definition, &references)
            .map_err(|why| Fault::Malformed(format!("the schema cannot be read: {why}")))
    }

    /// The message of a Protobuf schema that values are.
    fn message(&self, ready: &Ready) -> Result<Option<MessageId>, Fault> {
        let Ready::Protobuf(codec) = ready else { return Ok(None) };
        let found = match &self.options.message {
            Some(name) => codec.named(name).filter(|message| !codec.path(*message).is_empty()),
            None => codec.at(&[0]),
        };
        let missing = || match &self.options.message {
            Some(name) => Fault::Malformed(format!("the schema has no message {name} of its own")),
            None => Fault::Malformed("the schema has no message".to_owned()),
        };
        found.map(Some).ok_or_else(missing)
    }

    fn subject(
        &self,
        topic: &str,
        is_key: bool,
        given: Option<&Ready>,
        message: Option<MessageId>,
    ) -> Result<String, Fault> {
        if self.options.strategy == SubjectStrategy::TopicName {
            return Ok(format!("{topic}-{}", if is_key { "key" } else { "value" }));
        }
        let name = match (given, message) {
            (Some(Ready::Avro(schema)), _) => schema.name(),
            (Some(Ready::Json(schema)), _) => schema.title(),
            (Some(Ready::Protobuf(codec)), Some(message)) => Some(codec.name(message).to_owned()),
            (Some(Ready::Protobuf(_)) | None, _) => None,
        };
        let name = name.ok_or_else(|| {
            Fault::Malformed(
                "the subject is called after the record, and there is no schema that names one".to_owned(),
            )
        })?;
        Ok(match self.options.strategy {
            SubjectStrategy::TopicRecordName => format!("{topic}-{name}"),
            SubjectStrategy::RecordName | SubjectStrategy::TopicName => name,
        })
    }

    fn registered(&self, subject: &str, definition: &Definition) -> Result<Registered, Fault> {
        match self.options.auto_register {
            true => self.registry.register(subject, definition, self.options.normalize),
            false => self.registry.look_up(subject, definition, self.options.normalize),
        }
    }

    fn id(&self, registered: &Registered) -> Result<SchemaId, Fault> {
        let id = registered.id.ok_or_else(|| Fault::Malformed("the registry tells no id".to_owned()))?;
        if self.options.id_place == IdPlace::Payload {
            return Ok(SchemaId::Id(id));
        }
        // Older answers to a registration have no GUID; the schema itself has.
        let guid =
            registered.guid.map_or_else(|| Ok(self.registry.by_id(id)?.guid), |guid| Ok(Some(guid)))?;
        let none = || {
            Fault::Malformed(format!(
                "the registry has no GUID of schema {id}: its ids go into payloads only"
            ))
        };
        guid.map(SchemaId::Guid).ok_or_else(none)
    }
}
