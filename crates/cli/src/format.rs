//! The format language of `ottla consume -f`, as kcat has it: %t topic, %p partition, %o offset, %k key, %s value,
//! %K and %S their lengths (-1 for null), %R the value's length in four bytes, %T timestamp, %h headers, %% a percent
//! sign; \n, \r, \t, \e, \0, \\ and \xNN as in C. Parsed once, then only written.

use client::ConsumerRecord;
use std::io::{self, Write};

/// A parsed format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    parts: Vec<Part>,
    /// What stands for a null key or value.
    null: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Key,
    Value,
    KeyLength,
    ValueLength,
    ValueLengthBinary,
    Timestamp,
    Headers,
}

impl Format {
    /// Parses; the error says what is wrong.
    pub fn parse(text: &str, null: &str) -> Result<Format, String> {
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c == '\\' {
                plain.push(c);
                plain.extend(chars.next());
                continue;
            }
            if c != '%' {
                plain.push(c);
                continue;
            }
            let part = match chars.next() {
                Some('t') => Part::Topic,
                Some('p') => Part::Partition,
                Some('o') => Part::Offset,
                Some('k') => Part::Key,
                Some('s') => Part::Value,
                Some('K') => Part::KeyLength,
                Some('S') => Part::ValueLength,
                Some('R') => Part::ValueLengthBinary,
                Some('T') => Part::Timestamp,
                Some('h') => Part::Headers,
                Some('%') => {
                    plain.push('%');
                    continue;
                }
                Some(other) => {
                    return Err(format!(
                        "%{other} means nothing; known are %t %p %o %k %s %K %S %R %T %h %%"
                    ));
                }
                None => return Err("it ends in a lone %".to_owned()),
            };
            push_text(&mut parts, &mut plain)?;
            parts.push(part);
        }
        push_text(&mut parts, &mut plain)?;
        Ok(Format { parts, null: null.as_bytes().to_vec() })
    }

    /// Writes one record.
    pub fn write(&self, out: &mut impl Write, record: &ConsumerRecord) -> io::Result<()> {
        let length = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(-1, |bytes| bytes.len() as i64);
        for part in &self.parts {
            match part {
                Part::Text(text) => out.write_all(text)?,
                Part::Topic => out.write_all(record.topic.as_bytes())?,
                Part::Partition => write!(out, "{}", record.partition)?,
                Part::Offset => write!(out, "{}", record.offset)?,
                Part::Key => out.write_all(record.key.as_deref().unwrap_or(&self.null))?,
                Part::Value => out.write_all(record.value.as_deref().unwrap_or(&self.null))?,
                Part::KeyLength => write!(out, "{}", length(&record.key))?,
                Part::ValueLength => write!(out, "{}", length(&record.value))?,
                Part::ValueLengthBinary => out.write_all(&(length(&record.value) as i32).to_be_bytes())?,
                Part::Timestamp => write!(out, "{}", record.timestamp_ms)?,
                Part::Headers => self.write_headers(out, record)?,
            }
        }
        Ok(())
    }

    fn write_headers(&self, out: &mut impl Write, record: &ConsumerRecord) -> io::Result<()> {
        for (index, header) in record.headers.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(out, "{comma}{}=", header.key)?;
            out.write_all(header.value.as_deref().unwrap_or(b"NULL"))?;
        }
        Ok(())
    }
}

fn push_text(parts: &mut Vec<Part>, plain: &mut String) -> Result<(), String> {
    if !plain.is_empty() {
        parts.push(Part::Text(unescape(plain)?));
        plain.clear();
    }
    Ok(())
}

/// Backslash escapes as in C.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next() {
            Some('n') => bytes.push(b'\n'),
            Some('r') => bytes.push(b'\r'),
            Some('t') => bytes.push(b'\t'),
            Some('e') => bytes.push(0x1b),
            Some('0') => bytes.push(0),
            Some('\\') => bytes.push(b'\\'),
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                let byte =
                    u8::from_str_radix(&digits, 16).map_err(|_| format!("\\x{digits} is not a byte"))?;
                bytes.push(byte);
            }
            Some(other) => {
                return Err(format!("\\{other} means nothing; known are \\n \\r \\t \\e \\0 \\\\ \\xNN"));
            }
            None => return Err("it ends in a lone backslash".to_owned()),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::{Header, TimestampType};

    fn record() -> ConsumerRecord {
        ConsumerRecord {
            topic: "orders".into(),
            partition: 3,
            offset: 42,
            leader_epoch: 0,
            timestamp_ms: 1000,
            timestamp_type: TimestampType::CreateTime,
            key: None,
            value: Some("apples".into()),
            headers: vec![
                Header { key: "a".into(), value: Some("1".into()) },
                Header { key: "b".into(), value: None },
            ],
        }
    }

    /// What kcat 1.7.1 prints for such a record with `-Z`.
    #[test]
    fn formats_print_as_kcat_does() {
        let cases = [
            ("%t[%p]@%o %k: %s\\n", "orders[3]@42 NULL: apples\n"),
            ("%K %S %T %h %%\\t\\x41", "-1 6 1000 a=1,b=NULL %\tA"),
            ("%R", "\0\0\0\u{6}"),
        ];
        for (format, expected) in cases {
            let mut out = Vec::new();
            let parsed = Format::parse(format, "NULL").expect("valid");
            parsed.write(&mut out, &record()).expect("memory takes everything");
            assert_eq!(String::from_utf8(out).expect("text"), expected);
        }
    }

    #[test]
    fn unknown_tokens_are_told() {
        for wrong in ["%q", "100%", "\\q", "\\", "\\xzz"] {
            assert!(Format::parse(wrong, "").is_err(), "{wrong}");
        }
    }
}
