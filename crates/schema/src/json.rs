//! JSON as a registry needs it: the order of members and the spelling of numbers are kept, because schemas are stored and compared as
//! text; depth is bounded, because bodies come from strangers. Never a number type of its own: whoever needs one parses the text.

use std::fmt::{self, Write};

/// Arrays and objects within each other at most; Jackson's readers stop at 1,000, and no schema that a person wrote comes near this.
pub const DEPTH_MAX: usize = 128;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it was written.
    Number(String),
    /// A string, without its escapes.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Object),
}

/// Members in the order in which they were written. Names are unique: the last one wins, in the place of the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object(Vec<(String, Json)>);

/// Text that is no JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotJson {
    /// What is wrong there.
    pub why: String,
    /// Bytes from the start.
    pub at: usize,
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.why, self.at)
    }
}

impl Object {
    /// An object without members.
    pub fn new() -> Object {
        Object::default()
    }

    /// A member's value. Linear: for names that the program knows, not for names from a schema.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Appends a member whose name is not there yet.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Json>) {
        self.0.push((name.into(), value.into()));
    }

    /// The members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// True without members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The members sorted by name, all the way down.
    pub fn sorted(&self) -> Object {
        let mut members: Vec<(String, Json)> =
            self.0.iter().map(|(name, value)| (name.clone(), value.sorted())).collect();
        members.sort_by(|a, b| a.0.cmp(&b.0));
        Object(members)
    }
}

impl FromIterator<(String, Json)> for Object {
    fn from_iter<I: IntoIterator<Item = (String, Json)>>(members: I) -> Object {
        let mut all: Vec<(String, Json)> = members.into_iter().collect();
        if all.len() > 1 {
            let mut places = std::collections::BTreeMap::new();
            let mut unique: Vec<(String, Json)> = Vec::with_capacity(all.len());
            for (name, value) in all.drain(..) {
                match places.get(&name) {
                    Some(&place) => {
                        let slot: &mut (String, Json) = &mut unique[place];
                        slot.1 = value;
                    }
                    None => {
                        places.insert(name.clone(), unique.len());
                        unique.push((name, value));
                    }
                }
            }
            all = unique;
        }
        Object(all)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::String(text.to_owned())
    }
}
impl From<String> for Json {
    fn from(text: String) -> Json {
        Json::String(text)
    }
}
impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}
impl From<i32> for Json {
    fn from(number: i32) -> Json {
        Json::Number(number.to_string())
    }
}
impl From<Object> for Json {
    fn from(object: Object) -> Json {
        Json::Object(object)
    }
}
impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(items: Vec<T>) -> Json {
        Json::Array(items.into_iter().map(Into::into).collect())
    }
}

impl Json {
    /// Reads one value and nothing behind it.
    pub fn parse(text: &str) -> Result<Json, NotJson> {
        let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, depth: 0 };
        reader.skip_space();
        let value = reader.value()?;
        reader.skip_space();
        if reader.at < reader.bytes.len() {
            return Err(reader.wrong("something stands behind the value"));
        }
        Ok(value)
    }

    /// The same from bytes, which must be UTF-8.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Json, NotJson> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| NotJson { why: "it is not UTF-8".to_owned(), at: error.valid_up_to() })?;
        Json::parse(text)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _other => None,
        }
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Json::Bool(value) => Some(*value),
            _other => None,
        }
    }

    /// A number without fraction within i64.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Json::Number(text) => text.parse().ok(),
            _other => None,
        }
    }

    /// Any number, as near as 64 bits come.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Json::Number(text) => text.parse().ok(),
            _other => None,
        }
    }

    /// An object's members.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Json::Object(object) => Some(object),
            _other => None,
        }
    }

    /// An array's items.
    pub fn as_array(&self) -> Option<&[Json]> {
        match self {
            Json::Array(items) => Some(items),
            _other => None,
        }
    }

    /// A member of an object; `None` of anything else.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.as_object()?.get(name)
    }

    /// The same with all members sorted by name.
    pub fn sorted(&self) -> Json {
        match self {
            Json::Array(items) => Json::Array(items.iter().map(Json::sorted).collect()),
            Json::Object(object) => Json::Object(object.sorted()),
            other => other.clone(),
        }
    }
}

impl fmt::Display for Json {
    /// Without any space, as Jackson writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(value) => write!(f, "{value}"),
            Json::Number(text) => f.write_str(text),
            Json::String(text) => quote(text, f),
            Json::Array(items) => {
                f.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        f.write_char(',')?;
                    }
                    write!(f, "{item}")?;
                }
                f.write_char(']')
            }
            Json::Object(object) => {
                f.write_char('{')?;
                for (index, (name, value)) in object.0.iter().enumerate() {
                    if index > 0 {
                        f.write_char(',')?;
                    }
                    quote(name, f)?;
                    write!(f, ":{value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

fn quote(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') {
        f.write_str(&rest[..at])?;
        // All of these are of one byte.
        let byte = rest.as_bytes()[at];
        match byte {
            b'"' => f.write_str("\\\"")?,
            b'\\' => f.write_str("\\\\")?,
            b'\n' => f.write_str("\\n")?,
            b'\r' => f.write_str("\\r")?,
            b'\t' => f.write_str("\\t")?,
            8 => f.write_str("\\b")?,
            12 => f.write_str("\\f")?,
            other => write!(f, "\\u{other:04X}")?,
        }
        rest = &rest[at + 1..];
    }
    f.write_str(rest)?;
    f.write_char('"')
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn wrong(&self, why: impl Into<String>) -> NotJson {
        NotJson { why: why.into(), at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<Json, NotJson> {
        match self.peek() {
            None => Err(self.wrong("it ends where a value should stand")),
            Some(b'{') => self.nested(Reader::object),
            Some(b'[') => self.nested(Reader::array),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(self.wrong("no value begins so")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json, NotJson>) -> Result<Json, NotJson> {
        if self.depth == DEPTH_MAX {
            return Err(self.wrong(format!("it is nested deeper than {DEPTH_MAX}")));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, NotJson> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.wrong("no value begins so"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn object(&mut self) -> Result<Json, NotJson> {
        let mut members = Vec::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(Object::new()));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a member's name should stand here"));
            }
            let name = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.wrong("a colon should stand here"));
            }
            self.at += 1;
            self.skip_space();
            members.push((name, self.value()?));
            if !self.goes_on(b'}')? {
                return Ok(Json::Object(members.into_iter().collect()));
            }
        }
    }

    fn array(&mut self) -> Result<Json, NotJson> {
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            self.skip_space();
            items.push(self.value()?);
            if !self.goes_on(b']')? {
                return Ok(Json::Array(items));
            }
        }
    }

    /// After a member or an item: a comma, or the end.
    fn goes_on(&mut self, end: u8) -> Result<bool, NotJson> {
        self.skip_space();
        let next = self.peek();
        if next != Some(b',') && next != Some(end) {
            return Err(self.wrong(format!("a comma or {} should stand here", end as char)));
        }
        self.at += 1;
        Ok(next == Some(b','))
    }

    fn number(&mut self) -> Result<Json, NotJson> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading = self.at;
        self.digits()?;
        if self.bytes[leading] == b'0' && self.at > leading + 1 {
            return Err(self.wrong("a number begins with a zero too many"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Json::Number(self.text[start..self.at].to_owned()))
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.wrong("a digit should stand here")) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<String, NotJson> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=31)) {
                self.at += 1;
            }
            text.push_str(&self.text[start..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut text)?;
                }
                Some(_) => return Err(self.wrong("a control character must be escaped")),
                None => return Err(self.wrong("a string does not end")),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), NotJson> {
        let letter = self.peek();
        self.at += 1;
        text.push(match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => self.unicode()?,
            _other => return Err(self.wrong("no such escape")),
        });
        Ok(())
    }

    fn unicode(&mut self) -> Result<char, NotJson> {
        let high = self.hex()?;
        let code = if (0xd800..0xdc00).contains(&high) {
            if !self.bytes[self.at..].starts_with(b"\\u") {
                return Err(self.wrong("half of a surrogate pair is missing"));
            }
            self.at += 2;
            let low = self.hex()?;
            if !(0xdc00..0xe000).contains(&low) {
                return Err(self.wrong("half of a surrogate pair is missing"));
            }
            0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)
        } else {
            high
        };
        char::from_u32(code).ok_or_else(|| self.wrong("half of a surrogate pair stands alone"))
    }

    fn hex(&mut self) -> Result<u32, NotJson> {
        let digits = self.bytes.get(self.at..self.at + 4).filter(|all| all.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.ok_or_else(|| self.wrong("four hexadecimal digits should stand here"))?;
        let code =
            digits.iter().fold(0, |code, digit| code * 16 + (*digit as char).to_digit(16).unwrap_or(0));
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_as_jackson_writes_it() {
        let cases = [
            (r#" { "b" : 1 , "a" : [ true , null , -1.50e+3 ] } "#, r#"{"b":1,"a":[true,null,-1.50e+3]}"#),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
            (r#""\u00e9\ud83d\ude00\/\u001f\n""#, "\"\u{e9}\u{1f600}/\\u001F\\n\""),
            ("[]", "[]"),
            ("{}", "{}"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ];
        for (text, expected) in cases {
            assert_eq!(Json::parse(text).expect(text).to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let cases = [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "{a:1}",
            "01",
            "1.",
            "-",
            "tru",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"a",
            "1 2",
            "\"\u{1}\"",
        ];
        for text in cases {
            assert!(Json::parse(text).is_err(), "{text:?}");
        }
        assert!(Json::parse_bytes(b"\"\xff\"").is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(&nested(DEPTH_MAX)).is_ok());
        let error = Json::parse(&nested(DEPTH_MAX + 1)).expect_err("too deep");
        assert!(error.why.contains("deeper than 128"), "{error}");
        assert!(Json::parse(&"[".repeat(1_000_000)).is_err());
    }
}
