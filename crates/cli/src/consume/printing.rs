//! How `ottla consume` prints a record: Kafka's switches, a format as kcat has it, or JSON. Owns the arguments that say which.

use super::boundary::boundary;
use crate::failure::Failure;
use crate::format::{Format, unescape};
use clap::Args;
use client::{ConsumerRecord, ShareRecord, TimestampType};
use serde_json::{Value, json};
use std::io::{self, Write};

/// How records are printed.
#[derive(Debug, Args)]
pub struct ShapeArgs {
    /// A format as kcat has it, such as '%t[%p]@%o %k: %s\n'
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "key_separator")]
    format: Option<String>,
    /// text, or json: one object per record and line
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        allow_hyphen_values = true,
        value_parser = output,
        conflicts_with_all = ["format", "key_separator"]
    )]
    output: Option<RecordFormat>,
    /// The same as -o json, as kcat spells it
    #[arg(short = 'J', long, conflicts_with_all = ["output", "format", "key_separator"])]
    json: bool,
    /// Print the key, this text, then the value
    #[arg(short = 'K', long, value_name = "TEXT")]
    key_separator: Option<String>,
    /// Print the key before the value
    #[arg(long)]
    print_key: bool,
    /// Print the timestamp first
    #[arg(long)]
    print_timestamp: bool,
    /// Print the partition
    #[arg(long)]
    print_partition: bool,
    /// Print the offset
    #[arg(long)]
    print_offset: bool,
    /// Print headers
    #[arg(long)]
    print_headers: bool,
    /// Print nothing of the value
    #[arg(long)]
    no_value: bool,
    /// What stands between records
    #[arg(short = 'D', long, value_name = "TEXT", default_value = "\\n")]
    delimiter: String,
    /// What stands for a null key or value
    #[arg(short = 'Z', long, value_name = "TEXT", default_value = "", num_args = 0..=1, default_missing_value = "NULL")]
    null: String,
}

/// Records as text, or as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordFormat {
    Text,
    Json,
}

fn output(text: &str) -> Result<RecordFormat, String> {
    match text {
        "text" | "table" => Ok(RecordFormat::Text),
        "json" => Ok(RecordFormat::Json),
        where_to if boundary(where_to).is_ok() => {
            Err(format!("-o chooses the output, text or json; the place to begin at is --offset {where_to}"))
        }
        _other => Err("write text or json".to_owned()),
    }
}

/// One of the ways to print a record.
pub enum Printer {
    Format(Format),
    Json {
        delimiter: Vec<u8>,
        /// Whether keys, and whether values, are JSON by a schema.
        decoded: (bool, bool),
    },
}

impl Printer {
    /// Of what the arguments say.
    pub fn new(args: &ShapeArgs, decoded: (bool, bool)) -> Result<Printer, Failure> {
        let wrong = |what: &str, why: String| {
            Failure::usage(format!("{what} is wrong"), why).try_this("ottla consume --help")
        };
        if args.json || args.output == Some(RecordFormat::Json) {
            let delimiter = unescape(&args.delimiter).map_err(|why| wrong("--delimiter", why))?;
            return Ok(Printer::Json { delimiter, decoded });
        }
        let text = args.format.clone().unwrap_or_else(|| args.as_format());
        Ok(Printer::Format(Format::parse(&text, &args.null).map_err(|why| wrong("the format", why))?))
    }

    /// Prints one record.
    pub fn print(&self, out: &mut impl Write, record: &ConsumerRecord) -> io::Result<()> {
        match self {
            Printer::Format(format) => format.write(out, record),
            Printer::Json { delimiter, decoded } => {
                serde_json::to_writer(&mut *out, &envelope(record, *decoded))?;
                out.write_all(delimiter)
            }
        }
    }
}

impl Printer {
    /// Prints one record of a share group.
    pub fn print_shared(&self, out: &mut impl Write, shared: &ShareRecord) -> io::Result<()> {
        match self {
            Printer::Format(format) => format.write(out, &shared.record),
            Printer::Json { delimiter, decoded } => {
                let mut object = envelope(&shared.record, *decoded);
                object["delivery_count"] = json!(shared.delivery_count);
                serde_json::to_writer(&mut *out, &object)?;
                out.write_all(delimiter)
            }
        }
    }
}

impl ShapeArgs {
    /// The single switches as one format, in the order of Kafka's console consumer.
    fn as_format(&self) -> String {
        let mut parts = Vec::new();
        if self.print_timestamp {
            parts.push("%T".to_owned());
        }
        if self.print_partition {
            parts.push("Partition:%p".to_owned());
        }
        if self.print_offset {
            parts.push("Offset:%o".to_owned());
        }
        if self.print_headers {
            parts.push("%h".to_owned());
        }
        let separator = self.key_separator.as_deref().map(|text| text.replace('%', "%%"));
        if self.print_key && separator.is_none() {
            parts.push("%k".to_owned());
        }
        let value = if self.no_value { "" } else { "%s" };
        match separator {
            Some(separator) => parts.push(format!("%k{separator}{value}")),
            None if self.no_value => {}
            None => parts.push(value.to_owned()),
        }
        format!("{}{}", parts.join("\\t"), self.delimiter)
    }
}

/// Keys and values as JSON where a schema made it of them, as text where they are UTF-8, else as hexadecimal digits under another name.
fn envelope(record: &ConsumerRecord, decoded: (bool, bool)) -> Value {
    let mut object = json!({
        "topic": record.topic.as_str(),
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp_ms,
        "timestamp_type": match record.timestamp_type {
            TimestampType::CreateTime => "create",
            TimestampType::LogAppendTime => "append",
        },
        "headers": record.headers.iter().map(|header| json!({
            "key": header.key.as_str(),
            "value": header.value.as_ref().map(|value| String::from_utf8_lossy(value)),
        })).collect::<Vec<_>>(),
    });
    for (name, bytes, decoded) in [("key", &record.key, decoded.0), ("value", &record.value, decoded.1)] {
        if let Some(value) =
            bytes.as_deref().filter(|_| decoded).and_then(|bytes| serde_json::from_slice(bytes).ok())
        {
            object[name] = value;
            continue;
        }
        match bytes.as_deref().map(std::str::from_utf8) {
            None => object[name] = Value::Null,
            Some(Ok(text)) => object[name] = json!(text),
            Some(Err(_)) => {
                let hex: String = bytes.iter().flatten().map(|byte| format!("{byte:02x}")).collect();
                object[format!("{name}_hex")] = json!(hex);
            }
        }
    }
    object
}
