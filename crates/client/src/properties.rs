//! Client properties in Kafka's spelling: one place that knows how `request.timeout.ms=5000` becomes a field.
//! librdkafka's spellings of the same things are accepted too. Knows no defaults: those stand at the fields.

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// Key → value, as in a .properties file.
pub type Properties = BTreeMap<String, String>;

/// Parses the text of a Java .properties file: comments, `=` or `:` or blanks between key and value,
/// continuation lines. Escapes other than a line's trailing backslash, `\\`, `\:`, `\=`, `\t` and `\n` are kept.
pub fn parse_properties(text: &str) -> Properties {
    let mut properties = Properties::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut line = line.trim_start().to_owned();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        while ends_in_continuation(&line) {
            line.pop();
            line.push_str(lines.next().unwrap_or("").trim_start());
        }
        let (key, value) = split_pair(&line);
        properties.insert(unescape(key), unescape(value));
    }
    properties
}

fn ends_in_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1
}

fn split_pair(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let separates = !escaped && (c == '=' || c == ':' || c.is_whitespace());
        escaped = c == '\\' && !escaped;
        separates
    });
    let Some(end) = end else { return (line, "") };
    let rest = line[end..].trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (&line[..end], value.trim_start())
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('t') => out.push('\t'),
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

/// The Java spelling of a key that librdkafka spells otherwise.
pub(crate) fn java_spelling(key: &str) -> &str {
    match key {
        "metadata.broker.list" => "bootstrap.servers",
        "queue.buffering.max.ms" => "linger.ms",
        "request.required.acks" => "acks",
        "compression.codec" => "compression.type",
        "socket.timeout.ms" => "request.timeout.ms",
        "message.timeout.ms" => "delivery.timeout.ms",
        "message.send.max.retries" => "retries",
        "topic.metadata.refresh.interval.ms" => "metadata.max.age.ms",
        "fetch.wait.max.ms" => "fetch.max.wait.ms",
        "fetch.message.max.bytes" => "max.partition.fetch.bytes",
        "broker.address.family" => "client.dns.lookup",
        other => other,
    }
}

/// A value of the type that the field has.
pub(crate) fn parse<T: FromStr>(key: &str, value: &str) -> Result<T> {
    value.trim().parse().map_err(|_| Error::Configuration {
        key: key.to_owned(),
        why: format!("{value:?} is not a valid value"),
    })
}

/// A count of milliseconds.
pub(crate) fn parse_ms(key: &str, value: &str) -> Result<Duration> {
    Ok(Duration::from_millis(parse(key, value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_java_reads() {
        let text = "# comment\n! too\n a = 1\nb: two words \nc three\nlong=x,\\\n    y\nempty=\nwith\\:colon=v\\=w\n";
        let expected = [
            ("a", "1"),
            ("b", "two words "),
            ("c", "three"),
            ("long", "x,y"),
            ("empty", ""),
            ("with:colon", "v=w"),
        ];
        let expected: Properties = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(parse_properties(text), expected);
    }

    #[test]
    fn wrong_values_name_their_key() {
        let error = parse::<u32>("linger.ms", "soon").expect_err("not a number");
        assert_eq!(error.to_string(), "linger.ms: \"soon\" is not a valid value");
    }
}
