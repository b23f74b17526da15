//! Records as `kafka-console-consumer` prints them: what Java's formatter and deserializer classes do, by their names.

use super::client_options::Pairs;
use crate::dump::Internal;
use bytes::Bytes;
use client::{ConsumerRecord, TimestampType};
use std::io::{self, Write};

/// Prints records.
#[derive(Debug)]
pub enum Formatter {
    /// Keys, values and what stands beside them.
    Default(Box<Columns>),
    /// Nothing.
    Nothing,
    /// Records of one of Kafka's own topics, as JSON.
    Internal(Internal),
}

/// What the default one prints, and what stands between.
#[derive(Debug)]
pub struct Columns {
    timestamp: bool,
    key: bool,
    offset: bool,
    partition: bool,
    delivery: bool,
    epoch: bool,
    headers: bool,
    value: bool,
    key_separator: String,
    line_separator: String,
    headers_separator: String,
    null_literal: String,
    key_is: Option<Type>,
    value_is: Option<Type>,
    headers_are: Option<Type>,
}

/// What bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Short,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
    Uuid,
    Void,
}

const TYPES: &[(&str, Type)] = &[
    ("StringDeserializer", Type::Text),
    ("ShortDeserializer", Type::Short),
    ("IntegerDeserializer", Type::Integer),
    ("LongDeserializer", Type::Long),
    ("FloatDeserializer", Type::Float),
    ("DoubleDeserializer", Type::Double),
    ("BooleanDeserializer", Type::Boolean),
    ("UUIDDeserializer", Type::Uuid),
    ("VoidDeserializer", Type::Void),
];

const FORMATTERS: &[(&str, Option<Internal>)] = &[
    ("NoOpMessageFormatter", None),
    ("OffsetsMessageFormatter", Some(Internal::Offsets)),
    ("GroupMetadataMessageFormatter", Some(Internal::GroupMetadata)),
    ("TransactionLogMessageFormatter", Some(Internal::Transactions)),
];

impl Formatter {
    /// The one of this class, by its last name; the default one without. An unknown class is told in one sentence.
    pub fn of(class: Option<&str>, properties: &Pairs) -> Result<Formatter, String> {
        let name = class.map_or("DefaultMessageFormatter", |class| class.rsplit('.').next().unwrap_or(class));
        if name == "DefaultMessageFormatter" {
            return Ok(Formatter::Default(Box::new(Columns::of(properties)?)));
        }
        match FORMATTERS.iter().find(|(known, _)| *known == name) {
            Some((_, None)) => Ok(Formatter::Nothing),
            Some((_, Some(internal))) => Ok(Formatter::Internal(*internal)),
            None => {
                let known: Vec<&str> = FORMATTERS.iter().map(|(known, _)| *known).collect();
                let class = class.unwrap_or_default();
                Err(format!(
                    "{class} runs in a JVM; of formatters there are here those of org.apache.kafka.tools.consumer: DefaultMessageFormatter, {}",
                    known.join(", ")
                ))
            }
        }
    }

    /// Prints one. Outer error: it is not what it should be; inner: nobody reads.
    pub fn print(&self, record: &ConsumerRecord, out: &mut impl Write) -> Result<io::Result<()>, String> {
        match self {
            Formatter::Default(columns) => {
                let line = columns.line(record)?;
                Ok(out.write_all(&line))
            }
            Formatter::Nothing => Ok(Ok(())),
            Formatter::Internal(internal) => {
                let shown = internal.show(record.key.as_ref(), record.value.as_ref());
                Ok(shown.map_or(Ok(()), |json| out.write_all(json.as_bytes())))
            }
        }
    }
}

impl Columns {
    fn of(properties: &Pairs) -> Result<Columns, String> {
        let is =
            |key: &str| properties.get(key).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        let text =
            |key: &str, otherwise: &str| properties.get(key).map_or(otherwise, String::as_str).to_owned();
        Ok(Columns {
            timestamp: is("print.timestamp"),
            key: is("print.key"),
            offset: is("print.offset"),
            partition: is("print.partition"),
            delivery: is("print.delivery"),
            epoch: is("print.epoch"),
            headers: is("print.headers"),
            value: !properties.contains_key("print.value") || is("print.value"),
            key_separator: text("key.separator", "\t"),
            line_separator: text("line.separator", "\n"),
            headers_separator: text("headers.separator", ","),
            null_literal: text("null.literal", "null"),
            key_is: type_of(properties, "key.deserializer")?,
            value_is: type_of(properties, "value.deserializer")?,
            headers_are: type_of(properties, "headers.deserializer")?,
        })
    }

    /// The cells that are wanted, a separator between two, the line's behind the last.
    fn line(&self, record: &ConsumerRecord) -> Result<Vec<u8>, String> {
        let mut cells: Vec<Vec<u8>> = Vec::new();
        let mut word = |wanted: bool, text: String| {
            if wanted {
                cells.push(text.into_bytes());
            }
        };
        let time = match record.timestamp_type {
            _ if record.timestamp_ms < 0 => "NO_TIMESTAMP".to_owned(),
            TimestampType::CreateTime => format!("CreateTime:{}", record.timestamp_ms),
            TimestampType::LogAppendTime => format!("LogAppendTime:{}", record.timestamp_ms),
        };
        word(self.timestamp, time);
        word(self.partition, format!("Partition:{}", record.partition));
        word(self.offset, format!("Offset:{}", record.offset));
        word(self.delivery, "Delivery:NOT_PRESENT".to_owned());
        // Kafka's hands its formatter a copy of the record without the epoch.
        word(self.epoch, "Epoch:NOT_PRESENT".to_owned());
        if self.headers {
            cells.push(self.headers_of(record)?);
        }
        if self.key {
            cells.push(self.shown(self.key_is, record.key.as_ref())?);
        }
        if self.value {
            cells.push(self.shown(self.value_is, record.value.as_ref())?);
        }
        let mut line = cells.join(self.key_separator.as_bytes());
        if !cells.is_empty() {
            line.extend_from_slice(self.line_separator.as_bytes());
        }
        Ok(line)
    }

    fn headers_of(&self, record: &ConsumerRecord) -> Result<Vec<u8>, String> {
        if record.headers.is_empty() {
            return Ok(b"NO_HEADERS".to_vec());
        }
        let one = |header: &client::Header| {
            let mut shown = format!("{}:", header.key).into_bytes();
            shown.extend(self.shown(self.headers_are, header.value.as_ref())?);
            Ok(shown)
        };
        let all = record.headers.iter().map(one).collect::<Result<Vec<_>, String>>()?;
        Ok(all.join(self.headers_separator.as_bytes()))
    }

    /// The bytes as they are where no type is named; what is null is the literal.
    fn shown(&self, kind: Option<Type>, bytes: Option<&Bytes>) -> Result<Vec<u8>, String> {
        let literal = self.null_literal.as_bytes();
        let bytes = bytes.map_or(literal, |bytes| bytes.as_ref());
        kind.map_or_else(|| Ok(bytes.to_vec()), |kind| kind.show(bytes).map(String::into_bytes))
    }
}

fn type_of(properties: &Pairs, key: &str) -> Result<Option<Type>, String> {
    let Some(class) = properties.get(key) else { return Ok(None) };
    let name = class.rsplit('.').next().unwrap_or(class);
    if name == "ByteArrayDeserializer" {
        return Ok(None);
    }
    match TYPES.iter().find(|(known, _)| *known == name) {
        Some((_, kind)) => Ok(Some(*kind)),
        None => {
            let known: Vec<&str> = TYPES.iter().map(|(known, _)| *known).collect();
            Err(format!(
                "{class} runs in a JVM; of deserializers there are here those of org.apache.kafka.common.serialization: ByteArrayDeserializer, {}",
                known.join(", ")
            ))
        }
    }
}

impl Type {
    fn show(self, bytes: &[u8]) -> Result<String, String> {
        let (name, wanted) = match self {
            Type::Text => return Ok(String::from_utf8_lossy(bytes).into_owned()),
            Type::Void => return Err("Data should be null for a VoidDeserializer.".to_owned()),
            Type::Uuid => return Ok(String::from_utf8_lossy(bytes).into_owned()),
            Type::Short => ("ShortDeserializer", 2),
            Type::Integer => ("IntegerDeserializer", 4),
            Type::Long => ("LongDeserializer", 8),
            Type::Float => ("FloatDeserializer", 4),
            Type::Double => ("DoubleDeserializer", 8),
            Type::Boolean => ("BooleanDeserializer", 1),
        };
        let wrong = || format!("Size of data received by {name} is not {wanted}");
        fn exactly<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
            bytes.try_into().ok()
        }
        let shown = match self {
            Type::Short => exactly(bytes).map(|bytes| i16::from_be_bytes(bytes).to_string()),
            Type::Integer => exactly(bytes).map(|bytes| i32::from_be_bytes(bytes).to_string()),
            Type::Long => exactly(bytes).map(|bytes| i64::from_be_bytes(bytes).to_string()),
            // As Java prints them: 1.0, not 1.
            Type::Float => exactly(bytes).map(|bytes| format!("{:?}", f32::from_be_bytes(bytes))),
            Type::Double => exactly(bytes).map(|bytes| format!("{:?}", f64::from_be_bytes(bytes))),
            Type::Boolean => match bytes {
                [0] => Some("false".to_owned()),
                [1] => Some("true".to_owned()),
                _ => None,
            },
            Type::Text | Type::Uuid | Type::Void => None,
        };
        shown.ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ConsumerRecord {
        ConsumerRecord {
            topic: "t".into(),
            partition: 2,
            offset: 7,
            leader_epoch: 1,
            timestamp_ms: 1000,
            timestamp_type: TimestampType::CreateTime,
            key: None,
            value: Some(Bytes::from_static(&[0, 0, 0, 5])),
            headers: vec![client::Header { key: "h".into(), value: Some(Bytes::from_static(b"x")) }],
        }
    }

    #[test]
    fn columns_stand_in_kafkas_order() {
        let printed = |properties: &[(&str, &str)]| {
            let all =
                properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let mut out = Vec::new();
            Formatter::of(None, &all)?.print(&record(), &mut out).map(|written| written.unwrap())?;
            Ok::<_, String>(String::from_utf8(out).unwrap())
        };
        let integer = ("value.deserializer", "org.apache.kafka.common.serialization.IntegerDeserializer");
        let all = ["print.timestamp", "print.key", "print.offset", "print.partition", "print.headers"]
            .map(|key| (key, "true"));
        let mut properties = all.to_vec();
        properties.extend([integer, ("key.separator", "|"), ("null.literal", "-")]);
        assert_eq!(printed(&properties), Ok("CreateTime:1000|Partition:2|Offset:7|h:x|-|5\n".to_owned()));
        assert_eq!(printed(&[("print.value", "false"), ("print.key", "true")]), Ok("null\n".to_owned()));
        assert_eq!(printed(&[("print.value", "false")]), Ok(String::new()));
        let long = ("value.deserializer", "LongDeserializer");
        assert_eq!(printed(&[long]), Err("Size of data received by LongDeserializer is not 8".to_owned()));
        assert!(
            printed(&[("value.deserializer", "no.Such")])
                .is_err_and(|told| told.starts_with("no.Such runs in a JVM"))
        );
    }
}
