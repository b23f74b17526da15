//! Java's `.properties` grammar, for servers' files and clients' alike.
//!
//! Owns text → key and value, exactly as `java.util.Properties.load` reads a byte stream (ISO 8859-1, escapes,
//! continuation lines, three separators). Never knows what a key means.

use std::collections::BTreeMap;
use std::fmt;

/// A `\u` without four hexadecimal digits: Java refuses the whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedEscape {
    /// One-based line of the file.
    pub line: usize,
}

impl fmt::Display for MalformedEscape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: Malformed \\uxxxx encoding.", self.line)
    }
}

impl std::error::Error for MalformedEscape {}

/// Reads a whole file; of two equal keys the last one counts. Bytes are characters: Java reads ISO 8859-1.
pub fn parse(bytes: &[u8]) -> Result<BTreeMap<String, String>, MalformedEscape> {
    let text: String = bytes.iter().map(|b| char::from(*b)).collect();
    parse_text(&text)
}

/// The same of a text, as Java does where it has a reader instead of bytes.
pub fn parse_text(text: &str) -> Result<BTreeMap<String, String>, MalformedEscape> {
    let mut all = BTreeMap::new();
    for (line, text) in logical_lines(text) {
        let (key, value) = split(&text);
        let error = || MalformedEscape { line };
        all.insert(unescape(key).ok_or_else(error)?, unescape(value).ok_or_else(error)?);
    }
    Ok(all)
}

/// Joins continued lines, drops comments and blank lines.
fn logical_lines(text: &str) -> Vec<(usize, Vec<char>)> {
    let mut lines = Vec::new();
    let mut natural = natural_lines(text).enumerate();
    while let Some((index, first)) = natural.next() {
        let mut rest = first.trim_start_matches(is_blank);
        if rest.is_empty() || rest.starts_with(['#', '!']) {
            continue;
        }
        let mut whole = Vec::new();
        while continues(rest) {
            whole.extend(rest.chars().take(rest.chars().count() - 1));
            rest = natural.next().map_or("", |(_, next)| next.trim_start_matches(is_blank));
        }
        whole.extend(rest.chars());
        lines.push((index + 1, whole));
    }
    lines
}

/// Lines ended by LF, CR or CR LF.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let now = rest?;
        let Some(end) = now.find(['\n', '\r']) else {
            rest = None;
            return (!now.is_empty()).then_some(now);
        };
        let (line, tail) = now.split_at(end);
        let skip = if tail.starts_with("\r\n") { 2 } else { 1 };
        rest = tail.get(skip..);
        Some(line)
    })
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// An odd number of backslashes at the end.
fn continues(line: &str) -> bool {
    line.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}

/// The key ends at the first unescaped `=`, `:` or blank; one `=` or `:` with blanks around it is swallowed.
fn split(line: &[char]) -> (&[char], &[char]) {
    let mut escaped = false;
    let mut end = line.len();
    for (at, c) in line.iter().enumerate() {
        if !escaped && (is_blank(*c) || matches!(c, '=' | ':')) {
            end = at;
            break;
        }
        escaped = *c == '\\' && !escaped;
    }
    let (key, mut value) = line.split_at(end);
    let mut separated = false;
    while let [first, tail @ ..] = value {
        let separator = matches!(first, '=' | ':') && !separated;
        if !separator && !is_blank(*first) {
            break;
        }
        separated |= separator;
        value = tail;
    }
    (key, value)
}

fn unescape(text: &[char]) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(c) = rest.next() {
        let c = if *c != '\\' {
            *c
        } else {
            match rest.next() {
                None => break,
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    let hex: String = rest.by_ref().take(4).collect();
                    let digits = hex.len() == 4 && hex.chars().all(|h| h.is_ascii_hexdigit());
                    units.push(u16::from_str_radix(&hex, 16).ok().filter(|_| digits)?);
                    continue;
                }
                Some(other) => *other,
            }
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    // Two escapes may make one character beyond the basic plane.
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests;
