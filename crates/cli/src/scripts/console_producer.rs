//! `kafka-console-producer`: lines of standard input become records. Owns the options, the grammar of a line (KIP-798, KIP-810) and how a
//! record that could not be stored is told; records are sent by the client.

use super::client_options::{self, Defaults, typed_pairs};
use super::joptsimple::{Opt, Read, Takes, opt};
use super::script::{Script, Style};
use super::terms::{self, End, Fault, required, wrong};
use crate::connect::{Cluster, block_on};
use crate::consume::told_to_stop;
use crate::failure::{Failure, say};
use client::{Delivery, Header, Producer, Record, Str};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, IsTerminal, Write};
use tokio::sync::mpsc;

/// The script.
pub const SCRIPT: Script = Script {
    name: "kafka-console-producer",
    style: Style::Options {
        options: OPTIONS,
        about: "This tool helps to read data from standard input and publish it to Kafka.",
        run,
    },
};

const OPTIONS: &[Opt] = &[
    terms::BOOTSTRAP,
    terms::HELP,
    terms::VERSION,
    opt("topic", Takes::Text, "the topic to produce to"),
    opt("sync", Takes::Nothing, "wait for each record before the next"),
    opt("compression-codec", Takes::Maybe, "none, gzip, snappy, lz4 or zstd; gzip without a word"),
    opt("batch-size", Takes::Integer, "batch.size"),
    opt("message-send-max-retries", Takes::Integer, "retries"),
    opt("retry-backoff-ms", Takes::Long, "retry.backoff.ms"),
    opt("timeout", Takes::Long, "linger.ms"),
    opt("request-required-acks", Takes::Text, "acks"),
    opt("request-timeout-ms", Takes::Integer, "request.timeout.ms"),
    opt("metadata-expiry-ms", Takes::Long, "metadata.max.age.ms"),
    opt("max-block-ms", Takes::Long, "max.block.ms"),
    opt("max-memory-bytes", Takes::Long, "buffer.memory"),
    opt("max-partition-memory-bytes", Takes::Integer, "batch.size, by its old name"),
    opt("line-reader", Takes::Text, "org.apache.kafka.tools.LineMessageReader, which reads lines"),
    opt("socket-buffer-size", Takes::Integer, "send.buffer.bytes"),
    opt("property", Takes::Text, "--reader-property, by its old name"),
    opt("reader-property", Takes::Text, "how lines are read: parse.key=true, key.separator=:, ..."),
    opt("reader-config", Takes::Text, "a file of such properties"),
    opt("producer-property", Takes::Text, "--command-property, by its old name"),
    opt("command-property", Takes::Text, "a producer's property, KEY=VALUE"),
    opt("producer.config", Takes::Text, "--command-config, by its old name"),
    terms::COMMAND_CONFIG,
];

/// Options that stand for properties, and what holds where neither is there. Properties that mean nothing to this client go unsaid.
const PROPERTIES: &[Defaults] = &[
    Defaults { option: "timeout", property: "linger.ms", value: Some("1000") },
    Defaults { option: "request-required-acks", property: "acks", value: Some("-1") },
    Defaults { option: "request-timeout-ms", property: "request.timeout.ms", value: Some("1500") },
    Defaults { option: "message-send-max-retries", property: "retries", value: Some("3") },
    Defaults { option: "retry-backoff-ms", property: "retry.backoff.ms", value: Some("100") },
    Defaults { option: "socket-buffer-size", property: "send.buffer.bytes", value: None },
    Defaults { option: "max-memory-bytes", property: "buffer.memory", value: Some("33554432") },
    Defaults { option: "batch-size", property: "batch.size", value: Some("16384") },
    Defaults { option: "max-partition-memory-bytes", property: "batch.size", value: None },
    Defaults { option: "metadata-expiry-ms", property: "metadata.max.age.ms", value: None },
    Defaults { option: "max-block-ms", property: "max.block.ms", value: Some("60000") },
];

/// How many records may be on their way before the oldest is looked at.
const DELIVERIES_IN_MIND: usize = 10_000;

/// Lines that were read and not yet sent.
const LINES_AHEAD: usize = 1000;

fn run(read: &Read) -> Result<(), End> {
    client_options::one_of(read, "Warning:", "command-property", "producer-property")?;
    client_options::one_of(read, "Warning:", "command-config", "producer.config")?;
    client_options::one_of(read, "Warning:", "reader-property", "property")?;
    required(read, &["topic"])?;
    required(read, &["bootstrap-server"])?;
    client_options::check_numbers(read, OPTIONS)?;
    let topic = Str::from(read.value("topic").map_err(wrong)?.unwrap_or_default());
    let class = read.value("line-reader").map_err(wrong)?.unwrap_or("LineMessageReader");
    if class.rsplit('.').next() != Some("LineMessageReader") {
        say(format_args!(
            "{class} runs in a JVM; of line readers there is here org.apache.kafka.tools.LineMessageReader"
        ));
        return Err(End::Exit(1));
    }
    let mut of_reader = match read.value("reader-config").map_err(wrong)? {
        Some(file) => client_options::file(file)?,
        None => BTreeMap::new(),
    };
    of_reader.extend(typed_pairs(read, &["property", "reader-property"]));
    let grammar = Grammar::of(&of_reader).map_err(|why| client_options::thrown(&Fault::kafka(why)))?;
    let mut properties =
        client_options::merged(read, &["producer-property", "command-property"], PROPERTIES)?;
    let codec = match read.has("compression-codec") {
        true => {
            read.value("compression-codec").map_err(wrong)?.filter(|name| !name.is_empty()).unwrap_or("gzip")
        }
        false => "none",
    };
    properties.insert("compression.type".to_owned(), codec.to_owned());
    let cluster = Cluster::new(&client_options::connection(
        read,
        &["producer.config", "command-config"],
        &properties,
    )?)?;
    let options = cluster.producer_options()?;
    let sync = read.has("sync");
    block_on(async {
        let client = cluster.connect().await?;
        let producer = client.producer().options(options).build()?;
        Ok::<_, Failure>(produce(&producer, &topic, grammar, sync).await)
    })?
}

async fn produce(producer: &Producer, topic: &Str, grammar: Grammar, sync: bool) -> Result<(), End> {
    let mut lines = lines();
    let mut waiting: VecDeque<(Delivery, String)> = VecDeque::new();
    let mut stop = std::pin::pin!(told_to_stop());
    let mut number = 0_u64;
    let ended = loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            () = &mut stop => break Err(End::Exit(130)),
        };
        let Some(line) = line else { break Ok(()) };
        number += 1;
        let record = match line.and_then(|line| grammar.record(topic, &line, number)) {
            Ok(record) => record,
            Err(message) => break Err(client_options::thrown(&Fault::kafka(message))),
        };
        let shown = shown(&record);
        match producer.enqueue(record).await {
            Ok(delivery) if sync => {
                if let Err(error) = delivery.await {
                    break Err(client_options::thrown(&Fault::from(error)));
                }
            }
            Ok(delivery) => waiting.push_back((delivery, shown)),
            Err(error) if sync => break Err(client_options::thrown(&Fault::from(error))),
            Err(error) => tell(topic, &shown, error),
        }
        if waiting.len() > DELIVERIES_IN_MIND
            && let Some((delivery, shown)) = waiting.pop_front()
            && let Err(error) = delivery.await
        {
            tell(topic, &shown, error);
        }
    };
    producer.flush().await;
    for (delivery, shown) in waiting {
        if let Err(error) = delivery.await {
            tell(topic, &shown, error);
        }
    }
    ended
}

/// A record that could not be stored ends nothing, as in Kafka's.
fn tell(topic: &Str, shown: &str, error: client::Error) {
    say(format_args!(
        "Error when sending message to topic {topic} with {shown} with error: {}",
        Fault::from(error).shown()
    ));
}

fn shown(record: &Record) -> String {
    let bytes = |bytes: &Option<bytes::Bytes>| {
        bytes.as_ref().map_or("null".to_owned(), |bytes| format!("{} bytes", bytes.len()))
    };
    format!("key: {}, value: {}", bytes(&record.key), bytes(&record.value))
}

/// Standard input, line by line, on a thread of its own; a prompt before each where a person types.
fn lines() -> mpsc::Receiver<Result<String, String>> {
    let (sender, lines) = mpsc::channel(LINES_AHEAD);
    std::thread::spawn(move || {
        let prompts = io::stdin().is_terminal() && io::stdout().is_terminal();
        let mut input = io::stdin().lock();
        loop {
            if prompts {
                let _nobody_reads = write!(io::stdout(), ">").and_then(|()| io::stdout().flush());
            }
            let mut bytes = Vec::new();
            match input.read_until(b'\n', &mut bytes) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => drop(sender.blocking_send(Err(error.to_string()))),
            }
            let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
            // A bare return ends a line, too, as Java reads.
            for line in String::from_utf8_lossy(bytes).split('\r') {
                if sender.blocking_send(Ok(line.to_owned())).is_err() {
                    return;
                }
            }
        }
    });
    lines
}

/// How a line is read.
#[derive(Debug)]
struct Grammar {
    key: bool,
    key_separator: String,
    headers: bool,
    headers_delimiter: String,
    headers_separator: regex_lite::Regex,
    headers_key_separator: String,
    ignore_error: bool,
    null_marker: Option<String>,
}

impl Grammar {
    fn of(properties: &BTreeMap<String, String>) -> Result<Grammar, String> {
        let is =
            |key: &str| properties.get(key).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        let text =
            |key: &str, otherwise: &str| properties.get(key).map_or(otherwise, String::as_str).to_owned();
        let separator = text("headers.separator", ",");
        let grammar = Grammar {
            key: is("parse.key"),
            key_separator: text("key.separator", "\t"),
            headers: is("parse.headers"),
            headers_delimiter: text("headers.delimiter", "\t"),
            headers_separator: regex_lite::Regex::new(&separator).map_err(|error| error.to_string())?,
            headers_key_separator: text("headers.key.separator", ":"),
            ignore_error: is("ignore.error"),
            null_marker: properties.get("null.marker").cloned(),
        };
        let marker = grammar.null_marker.as_deref();
        let pairs = [
            (
                "headers.delimiter",
                grammar.headers_delimiter.as_str(),
                "headers.separator",
                Some(separator.as_str()),
            ),
            (
                "headers.delimiter",
                &grammar.headers_delimiter,
                "headers.key.separator",
                Some(&grammar.headers_key_separator),
            ),
            ("headers.separator", &separator, "headers.key.separator", Some(&grammar.headers_key_separator)),
            ("null.marker", &grammar.key_separator, "key.separator", marker),
            ("null.marker", &separator, "headers.separator", marker),
            ("null.marker", &grammar.headers_delimiter, "headers.delimiter", marker),
            ("null.marker", &grammar.headers_key_separator, "headers.key.separator", marker),
        ];
        let clash = pairs.iter().find(|(_, one, _, other)| *other == Some(one));
        match clash {
            Some((one, _, other, _)) => Err(format!("{one} and {other} may not be equal")),
            None => Ok(grammar),
        }
    }

    fn record(&self, topic: &Str, line: &str, number: u64) -> Result<Record, String> {
        let (headers, rest) =
            self.part(self.headers, line, line, &self.headers_delimiter, "headers delimiter", number)?;
        let (key, value) = self.part(self.key, line, rest, &self.key_separator, "key separator", number)?;
        let mut record = Record::new(topic.clone());
        record.key = key.filter(|key| !self.is_null(key)).map(|key| key.as_bytes().to_vec().into());
        record.value =
            Some(value).filter(|value| !self.is_null(value)).map(|value| value.as_bytes().to_vec().into());
        if let Some(headers) = headers.filter(|headers| !self.is_null(headers)) {
            let mut pairs: Vec<&str> = self.headers_separator.split(headers).collect();
            // As Java splits: nothing at the end is nothing.
            while pairs.len() > 1 && pairs.last().is_some_and(|last| last.is_empty()) {
                pairs.pop();
            }
            record.headers =
                pairs.into_iter().map(|pair| self.header(pair, number)).collect::<Result<_, String>>()?;
        }
        Ok(record)
    }

    /// What stands before the separator, and what behind it.
    fn part<'a>(
        &self,
        wanted: bool,
        line: &str,
        rest: &'a str,
        separator: &str,
        name: &str,
        number: u64,
    ) -> Result<(Option<&'a str>, &'a str), String> {
        if !wanted {
            return Ok((None, rest));
        }
        match rest.split_once(separator) {
            Some((before, behind)) => Ok((Some(before), behind)),
            None if self.ignore_error => Ok((None, rest)),
            None => Err(format!("No {name} found on line number {number}: '{line}'")),
        }
    }

    fn header(&self, pair: &str, number: u64) -> Result<Header, String> {
        let Some((key, value)) = pair.split_once(&*self.headers_key_separator) else {
            if self.ignore_error {
                return Ok(Header { key: pair.into(), value: None });
            }
            return Err(format!("No header key separator found in pair '{pair}' on line number {number}"));
        };
        if self.is_null(key) {
            let marker = self.null_marker.as_deref().unwrap_or_default();
            return Err(format!(
                "Header keys should not be equal to the null marker '{marker}' as they can't be null"
            ));
        }
        let value = Some(value).filter(|value| !self.is_null(value));
        Ok(Header { key: key.into(), value: value.map(|value| value.as_bytes().to_vec().into()) })
    }

    fn is_null(&self, text: &str) -> bool {
        self.null_marker.as_deref() == Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(properties: &[(&str, &str)], line: &str) -> Result<String, String> {
        let properties =
            properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let record = Grammar::of(&properties)?.record(&Str::from("t"), line, 1)?;
        let text = |bytes: &Option<bytes::Bytes>| {
            bytes.as_ref().map_or("null".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        let headers: Vec<String> =
            record.headers.iter().map(|one| format!("{}={}", one.key, text(&one.value))).collect();
        Ok(format!("{}|{}|{}", headers.join(","), text(&record.key), text(&record.value)))
    }

    #[test]
    fn lines_have_headers_a_key_and_a_value() {
        let (key, headers) = (("parse.key", "true"), ("parse.headers", "true"));
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);
        let cases: &[Case] = &[
            (&[], "a\tb", "|null|a\tb"),
            (&[key], "a\tb\tc", "|a|b\tc"),
            (&[key, ("key.separator", "::")], "a::b", "|a|b"),
            (&[headers], "h:1,i:2\tv", "h=1,i=2|null|v"),
            (&[headers, key, ("null.marker", "NULL")], "h:NULL\tNULL\tNULL", "h=null|null|null"),
            (&[headers, key, ("null.marker", "NULL")], "NULL\tk\tv", "|k|v"),
            (&[key, ("ignore.error", "true")], "ab", "|null|ab"),
        ];
        for (properties, line, expected) in cases {
            assert_eq!(read(properties, line).as_deref(), Ok(*expected), "{line}");
        }
        assert_eq!(read(&[key], "ab"), Err("No key separator found on line number 1: 'ab'".to_owned()));
        assert!(read(&[("headers.separator", ":")], "").is_err_and(|told| told.contains("may not be equal")));
    }
}
