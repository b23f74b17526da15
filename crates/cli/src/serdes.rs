//! Keys and values of `ottla produce` and `ottla consume` by schemas of a registry. Owns the arguments of both and the two sides of a record; what a schema
//! does to a value is the crate `schema`'s.

use crate::connect::unreadable;
use crate::failure::{Exit, Failure, say};
use crate::registry_access::{AccessArgs, ReferenceArg, failed, reference};
use ::schema::formats::SchemaType;
use ::schema::json::Json;
use ::schema::rest::{Definition, Fault};
use ::schema::serdes::{
    Deserializer, IdPlace, KEY_HEADER, SchemaId, Serializer, SerializerOptions, SubjectStrategy, VALUE_HEADER,
};
use clap::{Args, ValueEnum};
use client::{ConsumerRecord, Header, Record, Str};
use std::path::PathBuf;

/// How a key or a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ValueFormat {
    /// Bytes as they are
    Text,
    /// Avro, its schema in a registry
    Avro,
    /// Protobuf, its schema in a registry
    Protobuf,
    /// JSON, its schema in a registry
    JsonSchema,
}

impl ValueFormat {
    fn schema_type(self) -> Option<SchemaType> {
        match self {
            ValueFormat::Text => None,
            ValueFormat::Avro => Some(SchemaType::Avro),
            ValueFormat::Protobuf => Some(SchemaType::Protobuf),
            ValueFormat::JsonSchema => Some(SchemaType::Json),
        }
    }
}

/// Which format has which side.
#[derive(Debug, Clone, Args)]
pub struct FormatArgs {
    /// How values are written: text, avro, protobuf, json-schema
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true,
        hide_default_value = true
    )]
    value_format: ValueFormat,
    /// How keys are written
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true,
        hide_default_value = true
    )]
    key_format: ValueFormat,
    #[command(flatten)]
    access: AccessArgs,
}

impl FormatArgs {
    fn decoded(&self) -> (bool, bool) {
        (self.key_format != ValueFormat::Text, self.value_format != ValueFormat::Text)
    }
}

/// What `ottla consume` needs beside.
#[derive(Debug, Clone, Args)]
pub struct ReadArgs {
    #[command(flatten)]
    formats: FormatArgs,
    /// Read Avro values as this schema has them, with its defaults; as they were written without it
    #[arg(long, value_name = "FILE")]
    reader_schema: Option<PathBuf>,
    /// Read Avro values as the latest schema of this subject has them
    #[arg(long, value_name = "SUBJECT", conflicts_with = "reader_schema")]
    reader_subject: Option<String>,
    /// Pass over records that no schema decodes, with a word about each
    #[arg(long)]
    skip_undecodable: bool,
}

impl ReadArgs {
    /// Whether keys, and whether values, are JSON here and something else in the topic.
    pub fn decoded(&self) -> (bool, bool) {
        self.formats.decoded()
    }

    fn read_by(&self, deserializer: Deserializer) -> Result<Deserializer, Failure> {
        let done = match (&self.reader_schema, &self.reader_subject) {
            (Some(file), _) => {
                let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
                let schema_type = self.formats.value_format.schema_type().unwrap_or_default();
                deserializer.reading_as(&Definition { schema_type, text, references: Vec::new() })
            }
            (None, Some(subject)) => deserializer.reading_latest(subject),
            (None, None) => Ok(deserializer),
        };
        done.map_err(|fault| failed("values cannot be read as another schema has them", &fault))
    }
}

/// What `ottla produce` needs beside.
#[derive(Debug, Clone, Args)]
pub struct WriteArgs {
    #[command(flatten)]
    formats: FormatArgs,
    /// The schema of values; the latest of the subject without it
    #[arg(long, visible_alias = "value-schema", value_name = "FILE")]
    schema: Option<PathBuf>,
    /// The schema of keys; the latest of the subject without it
    #[arg(long, value_name = "FILE")]
    key_schema: Option<PathBuf>,
    /// What the schema of values refers to; may be repeated
    #[arg(long, value_name = "NAME=SUBJECT:VERSION", value_parser = reference)]
    reference: Vec<ReferenceArg>,
    /// Which subject a schema belongs to: topic, record, topic-record
    #[arg(
        long,
        value_enum,
        value_name = "WHICH",
        default_value = "topic",
        hide_possible_values = true,
        hide_default_value = true
    )]
    subject_strategy: Strategy,
    /// Never register a schema: it must be there
    #[arg(long)]
    no_auto_register: bool,
    /// Write by the latest schema of the subject, whatever --schema says
    #[arg(long)]
    use_latest_version: bool,
    /// Let the registry even out what means nothing in a schema
    #[arg(long)]
    normalize: bool,
    /// Where a record names its schema: payload (an id), or header (a GUID)
    #[arg(
        long,
        value_enum,
        value_name = "WHERE",
        default_value = "payload",
        hide_possible_values = true,
        hide_default_value = true
    )]
    schema_id: Place,
    /// The message of a Protobuf schema; its first without it
    #[arg(long, value_name = "NAME")]
    message: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Strategy {
    Topic,
    Record,
    TopicRecord,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Place {
    Payload,
    Header,
}

/// The way out: from JSON to what a topic holds.
pub struct Encoding {
    topic: Str,
    key: Option<Serializer>,
    value: Option<Serializer>,
}

impl Encoding {
    /// Finds the schemas, and registers them where that is to be done.
    pub async fn new(args: &WriteArgs, topic: &Str) -> Result<Encoding, Failure> {
        let (topic, args) = (topic.clone(), args.clone());
        in_background(move || {
            let key =
                serializer(&args, args.formats.key_format, args.key_schema.as_ref(), &[], &topic, true)?;
            let format = args.formats.value_format;
            let value = serializer(&args, format, args.schema.as_ref(), &args.reference, &topic, false)?;
            Ok(Encoding { topic, key, value })
        })
        .await
    }

    /// Key and value of a record as the topic shall have them. The error is told of as the line's.
    pub fn encode(&self, record: &mut Record) -> Result<(), Failure> {
        for (serializer, is_key) in [(&self.key, true), (&self.value, false)] {
            let Some(serializer) = serializer else { continue };
            let side = if is_key { &mut record.key } else { &mut record.value };
            let Some(text) = side.take() else { continue };
            let side = if is_key { "key" } else { "value" };
            let json = Json::parse_bytes(&text);
            let json = json.map_err(|why| no_value(side, &format!("it is no JSON: {why}"), &text))?;
            let payload =
                serializer.encode(&self.topic, is_key, &json).map_err(|why| no_value(side, &why, &text))?;
            if let Some((name, value)) = payload.header {
                record.headers.push(Header { key: Str::from(name), value: Some(value.into()) });
            }
            let bytes = Some(payload.bytes.into());
            match is_key {
                true => record.key = bytes,
                false => record.value = bytes,
            }
        }
        Ok(())
    }
}

fn no_value(side: &str, why: &str, text: &[u8]) -> Failure {
    let text: String = String::from_utf8_lossy(text).chars().take(80).collect();
    Failure::new(format!("a {side} does not fit its schema: {text}"), why)
        .try_this("ottla schema get SUBJECT, for the schema")
}

fn serializer(
    args: &WriteArgs,
    format: ValueFormat,
    file: Option<&PathBuf>,
    references: &[ReferenceArg],
    topic: &Str,
    is_key: bool,
) -> Result<Option<Serializer>, Failure> {
    let side = if is_key { "key" } else { "value" };
    let Some(schema_type) = format.schema_type() else {
        return match file {
            None => Ok(None),
            Some(file) => {
                Err(Failure::usage(format!("{} is for nothing", file.display()), format!("{side}s are text"))
                    .try_this(format!("--{side}-format avro, protobuf or json-schema")))
            }
        };
    };
    let definition = match file {
        None => None,
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
            let references = references.iter().map(|one| one.0.clone()).collect();
            Some(Definition { schema_type, text, references })
        }
    };
    let options = SerializerOptions {
        schema_type,
        definition,
        strategy: match args.subject_strategy {
            Strategy::Topic => SubjectStrategy::TopicName,
            Strategy::Record => SubjectStrategy::RecordName,
            Strategy::TopicRecord => SubjectStrategy::TopicRecordName,
        },
        auto_register: !args.no_auto_register,
        use_latest: args.use_latest_version,
        normalize: args.normalize,
        id_place: match args.schema_id {
            Place::Payload => IdPlace::Payload,
            Place::Header => IdPlace::Header,
        },
        message: args.message.clone(),
    };
    let mut serializer = Serializer::new(args.formats.access.open()?, options);
    serializer
        .prepare(topic, is_key)
        .map_err(|fault| failed(format!("there is no schema for the {side}s of {topic}"), &fault))?;
    Ok(Some(serializer))
}

/// The way in: from what a topic holds to JSON.
pub struct Decoding {
    key: Option<Deserializer>,
    value: Option<Deserializer>,
    /// Records that cannot be decoded are passed over.
    skip: bool,
}

impl Decoding {
    /// `None` where everything is text.
    pub fn new(args: &ReadArgs) -> Result<Option<Decoding>, Failure> {
        let (reading, args) = (args, &args.formats);
        let deserializer = |format: ValueFormat| -> Result<Option<Deserializer>, Failure> {
            let Some(schema_type) = format.schema_type() else { return Ok(None) };
            Ok(Some(Deserializer::new(args.access.open()?, schema_type)))
        };
        let (key, value) = (deserializer(args.key_format)?, deserializer(args.value_format)?);
        if value.is_none() && (reading.reader_schema.is_some() || reading.reader_subject.is_some()) {
            return Err(Failure::usage("a reader's schema is for nothing", "values are text")
                .try_this("--value-format avro"));
        }
        let value = value.map(|deserializer| reading.read_by(deserializer)).transpose()?;
        let skip = reading.skip_undecodable;
        Ok((key.is_some() || value.is_some()).then_some(Decoding { key, value, skip }))
    }

    /// Puts JSON where bytes were. False: the record is to be passed over.
    pub async fn decode(&mut self, record: &mut ConsumerRecord) -> Result<bool, Failure> {
        for is_key in [true, false] {
            match self.side(record, is_key).await? {
                Ok(()) => {}
                Err(why) if self.skip => {
                    say(format_args!("warning: {}: passed over: {why}", place(record, is_key)));
                    return Ok(false);
                }
                Err(why) => {
                    return Err(Failure::new(format!("{} cannot be decoded", place(record, is_key)), why)
                        .try_this("--skip-undecodable, which passes such records over"));
                }
            }
        }
        Ok(true)
    }

    async fn side(
        &mut self,
        record: &mut ConsumerRecord,
        is_key: bool,
    ) -> Result<Result<(), String>, Failure> {
        let (slot, bytes, name) = match is_key {
            true => (&mut self.key, &mut record.key, KEY_HEADER),
            false => (&mut self.value, &mut record.value, VALUE_HEADER),
        };
        let Some(payload) = bytes.clone() else { return Ok(Ok(())) };
        let Some(mut deserializer) = slot.take() else { return Ok(Ok(())) };
        let header = record.headers.iter().rev().find(|header| header.key == *name);
        let header = header.and_then(|header| header.value.clone());
        let unknown = deserializer.unknown(&payload, header.as_deref());
        let mut learned = Ok(());
        if let Some(schema) = unknown {
            (deserializer, learned) = learn(deserializer, schema).await?;
        }
        let decoded = match learned {
            Ok(()) => deserializer.decode(&payload, header.as_deref()),
            Err(Fault::Unreachable(why)) => {
                return Err(failed("the registry does not answer", &Fault::Unreachable(why)));
            }
            Err(fault) => Err(fault.to_string()),
        };
        *slot = Some(deserializer);
        Ok(decoded.map(|json| *bytes = Some(json.to_string().into())))
    }
}

fn place(record: &ConsumerRecord, is_key: bool) -> String {
    let side = if is_key { "key" } else { "value" };
    format!("the {side} of {}-{} at offset {}", record.topic, record.partition, record.offset)
}

async fn learn(
    mut deserializer: Deserializer,
    schema: SchemaId,
) -> Result<(Deserializer, Result<(), Fault>), Failure> {
    in_background(move || {
        let learned = deserializer.learn(schema);
        Ok((deserializer, learned))
    })
    .await
}

/// What blocks runs beside the loop that keeps a membership alive.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(
        |error| Err(Failure::new("the registry could not be asked", error).exit(Exit::Failed)),
    )
}
