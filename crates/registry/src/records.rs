//! The records of `_schemas`, keys and values, byte for byte as Confluent's registry writes them. What is not known is passed over and
//! left where it is.

use crate::formats::SchemaType;
use crate::json::{Json, Object};
use crate::model::{Mode, Reference, Schema, metadata_of, rule_set_of};

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A version of a subject.
    Schema {
        /// Qualified.
        subject: String,
        /// From 1.
        version: i32,
    },
    /// Configuration of a subject, a context or, without one, of everything.
    Config {
        /// Qualified.
        subject: Option<String>,
    },
    /// The mode of one of these.
    Mode {
        /// Qualified.
        subject: Option<String>,
    },
    /// A subject's versions were deleted softly.
    DeleteSubject {
        /// Qualified.
        subject: String,
    },
    /// A subject's deleted versions are forgotten.
    ClearSubject {
        /// Qualified; everything without one.
        subject: Option<String>,
    },
    /// A context came into being.
    Context {
        /// With its point.
        context: String,
    },
    /// Says nothing: whoever takes over writes it to find the end.
    Noop,
}

/// A record: what it is about, and what is to be known of it from now on.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its key.
    pub key: Key,
    /// `None` forgets.
    pub value: Option<Json>,
}

impl Key {
    /// The bytes of the key.
    pub fn json(&self) -> Json {
        let (kind, magic) = match self {
            Key::Schema { .. } => ("SCHEMA", 1),
            Key::Config { .. } => ("CONFIG", 0),
            Key::Mode { .. } => ("MODE", 0),
            Key::DeleteSubject { .. } => ("DELETE_SUBJECT", 0),
            Key::ClearSubject { .. } => ("CLEAR_SUBJECT", 0),
            Key::Context { .. } => ("CONTEXT", 0),
            Key::Noop => ("NOOP", 0),
        };
        let mut object = Object::new();
        object.push("keytype", kind);
        match self {
            Key::Schema { subject, version } => {
                object.push("subject", subject.as_str());
                object.push("version", *version);
            }
            Key::DeleteSubject { subject } => object.push("subject", subject.as_str()),
            Key::Config { subject } | Key::Mode { subject } | Key::ClearSubject { subject } => {
                if let Some(subject) = subject {
                    object.push("subject", subject.as_str());
                }
            }
            Key::Context { context } => {
                object.push("tenant", "default");
                object.push("context", context.as_str());
            }
            Key::Noop => {}
        }
        object.push("magic", magic);
        object.into()
    }

    /// A key of the topic; `None` where it is of a kind that is not known here.
    pub fn read(bytes: &[u8]) -> Option<Key> {
        let json = Json::parse_bytes(bytes).ok()?;
        let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
        Some(match text("keytype")?.as_str() {
            "SCHEMA" => Key::Schema { subject: text("subject")?, version: number(&json, "version")? },
            "CONFIG" => Key::Config { subject: text("subject") },
            "MODE" => Key::Mode { subject: text("subject") },
            "DELETE_SUBJECT" => Key::DeleteSubject { subject: text("subject")? },
            "CLEAR_SUBJECT" => Key::ClearSubject { subject: text("subject") },
            "CONTEXT" => Key::Context { context: text("context")? },
            "NOOP" => Key::Noop,
            _unknown => return None,
        })
    }
}

fn number(json: &Json, member: &str) -> Option<i32> {
    json.get(member).and_then(Json::as_i64).and_then(|number| i32::try_from(number).ok())
}

impl Record {
    /// A version with its schema.
    pub fn schema(schema: &Schema) -> Record {
        let key = Key::Schema { subject: schema.subject.clone(), version: schema.version };
        Record { key, value: Some(schema_value(schema)) }
    }

    /// A version that is forgotten.
    pub fn forget(subject: &str, version: i32) -> Record {
        Record { key: Key::Schema { subject: subject.to_owned(), version }, value: None }
    }

    /// A mode; without one it is forgotten.
    pub fn mode(subject: Option<&str>, mode: Option<Mode>) -> Record {
        let value = mode.map(|mode| with_subject(subject, |object| object.push("mode", mode.name())));
        Record { key: Key::Mode { subject: subject.map(str::to_owned) }, value }
    }

    /// Configuration; without any it is forgotten.
    pub fn config(subject: Option<&str>, config: Option<&Object>) -> Record {
        let value = config.map(|config| {
            with_subject(subject, |object| {
                config.iter().for_each(|(name, value)| object.push(name, value.clone()))
            })
        });
        Record { key: Key::Config { subject: subject.map(str::to_owned) }, value }
    }

    /// All versions up to this one are deleted softly.
    pub fn delete_subject(subject: &str, version: i32) -> Record {
        let value = with_subject(Some(subject), |object| object.push("version", version));
        Record { key: Key::DeleteSubject { subject: subject.to_owned() }, value: Some(value) }
    }

    /// Deleted versions are forgotten.
    pub fn clear_subject(subject: Option<&str>) -> Record {
        let value = with_subject(subject, |_object| {});
        Record { key: Key::ClearSubject { subject: subject.map(str::to_owned) }, value: Some(value) }
    }

    /// A context that is there, or is no more.
    pub fn context(context: &str, exists: bool) -> Record {
        let mut object = Object::new();
        object.push("tenant", "default");
        object.push("context", context);
        Record { key: Key::Context { context: context.to_owned() }, value: exists.then(|| object.into()) }
    }

    /// Nothing.
    pub fn noop() -> Record {
        Record { key: Key::Noop, value: None }
    }
}

fn with_subject(subject: Option<&str>, fill: impl FnOnce(&mut Object)) -> Json {
    let mut object = Object::new();
    if let Some(subject) = subject {
        object.push("subject", subject);
    }
    fill(&mut object);
    object.into()
}

fn schema_value(schema: &Schema) -> Json {
    let mut object = Object::new();
    object.push("subject", schema.subject.as_str());
    object.push("version", schema.version);
    object.push("id", schema.id);
    object.push("md5", wire::base64::STANDARD.encode(&schema.guid()));
    schema.push_body(&mut object);
    object.push("deleted", schema.deleted);
    object.into()
}

/// The schema of a value; its subject and version are the key's. `None` where it makes no sense.
pub fn read_schema(subject: &str, version: i32, value: &Json) -> Option<Schema> {
    let references = value.get("references").and_then(Json::as_array).unwrap_or_default();
    Some(Schema {
        subject: subject.to_owned(),
        version,
        id: number(value, "id")?,
        schema_type: SchemaType::of(value.get("schemaType").and_then(Json::as_str).unwrap_or(""))?,
        references: references.iter().map(Reference::read).collect::<Result<_, _>>().ok()?,
        metadata: metadata_of(value.get("metadata")).ok()?,
        rule_set: rule_set_of(value.get("ruleSet")).ok()?,
        text: value.get("schema").and_then(Json::as_str)?.to_owned(),
        deleted: value.get("deleted").and_then(Json::as_bool).unwrap_or(false),
        parsed: Default::default(),
    })
}

/// The mode of a value.
pub fn read_mode(value: &Json) -> Option<Mode> {
    Mode::of(value.get("mode").and_then(Json::as_str)?)
}

/// Configuration of a value, without the subject.
pub fn read_config(value: &Json) -> Option<Object> {
    let members = value.as_object()?;
    let own = members.iter().filter(|(name, _)| *name != "subject");
    Some(own.map(|(name, value)| (name.to_owned(), value.clone())).collect())
}

/// The version up to which a subject was deleted.
pub fn read_deleted_version(value: &Json) -> Option<i32> {
    number(value, "version")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shapes of facts, as Confluent writes them.
    #[test]
    fn records_are_confluents() {
        let schema = Schema {
            subject: "s".to_owned(),
            version: 2,
            id: 7,
            schema_type: SchemaType::Json,
            references: vec![Reference { name: "n".to_owned(), subject: "t".to_owned(), version: 1 }],
            text: "{}".to_owned(),
            ..Schema::default()
        };
        let cases = [
            (
                Record::schema(&schema),
                r#"{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}"#,
                Some(
                    r#"{"subject":"s","version":2,"id":7,"md5":"iQPMJ","schemaType":"JSON","references":[{"name":"n","subject":"t","version":1}],"schema":"{}","deleted":false}"#,
                ),
            ),
            (Record::forget("s", 2), r#"{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}"#, None),
            (
                Record::mode(None, Some(Mode::ReadOnly)),
                r#"{"keytype":"MODE","magic":0}"#,
                Some(r#"{"mode":"READONLY"}"#),
            ),
            (
                Record::delete_subject("s", 3),
                r#"{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}"#,
                Some(r#"{"subject":"s","version":3}"#),
            ),
            (
                Record::clear_subject(Some("s")),
                r#"{"keytype":"CLEAR_SUBJECT","subject":"s","magic":0}"#,
                Some(r#"{"subject":"s"}"#),
            ),
            (
                Record::context(".c", true),
                r#"{"keytype":"CONTEXT","tenant":"default","context":".c","magic":0}"#,
                Some(r#"{"tenant":"default","context":".c"}"#),
            ),
            (Record::noop(), r#"{"keytype":"NOOP","magic":0}"#, None),
        ];
        for (record, key, value) in cases {
            assert_eq!(record.key.json().to_string(), key);
            assert_eq!(Key::read(key.as_bytes()), Some(record.key.clone()));
            let written = record.value.map(|value| value.to_string());
            let md5 = written
                .as_deref()
                .and_then(|text| text.split("\"md5\":\"").nth(1))
                .and_then(|rest| rest.split('"').next());
            let expected = value.map(|value| value.replace("iQPMJ", md5.unwrap_or("")));
            assert_eq!(written, expected);
        }
        let again = read_schema("s", 2, &schema_value(&schema)).expect("a schema");
        assert!(again.is_equal(&schema) && again.id == 7);
        for unknown in
            [&b"{\"keytype\":\"ASSOC\",\"magic\":0}"[..], b"", b"x", b"{}", b"{\"keytype\":\"SCHEMA\"}"]
        {
            assert_eq!(Key::read(unknown), None);
        }
    }
}
