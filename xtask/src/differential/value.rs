//! Values of a schema: random ones, their bytes, and their text as either side prints it. A second reading of the
//! schemas, sharing nothing with the generated code but the notation: where the two disagree, one is wrong.

use crate::codegen::emit::Names;
use crate::codegen::schema::{Field, Message, Nullable, Type};

/// A value of one field. A struct's values stand in the order of its fields.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// Every integer type.
    Int(i64),
    Float(f64),
    Uuid(u128),
    Text(String),
    Bytes(Vec<u8>),
    Array(Vec<Value>),
    Struct(Vec<Value>),
}

/// A small generator (xorshift with a multiplied output); quality is of no concern here.
pub struct Random(pub u64);

impl Random {
    /// Sixty-four more bits.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below the bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }
}

/// Makes, writes and prints values of one message in one version.
pub struct Scribe<'a> {
    pub message: &'a Message,
    pub version: i16,
    pub names: &'a Names<'a>,
}

impl Scribe<'_> {
    fn flexible(&self) -> bool {
        self.version >= self.message.flexible
    }

    fn present(&self, field: &Field) -> bool {
        field.versions.is_none_or(|versions| versions.contains(self.version))
    }

    fn nullable(&self, field: &Field) -> bool {
        match field.nullable {
            Nullable::Never => false,
            Nullable::Always => true,
            Nullable::In(versions) => versions.contains(self.version),
        }
    }

    /// Random values for what this version carries, defaults for the rest; only defaults without a generator.
    pub fn random(&self, fields: &[Field], mut random: Option<&mut Random>) -> Vec<Value> {
        let mut values = Vec::new();
        for field in fields {
            let dice = random.as_deref_mut().filter(|_| self.present(field));
            values.push(match dice {
                Some(dice) if field.tag.is_none() => self.value(field, dice),
                Some(dice) => {
                    if dice.below(3) == 0 {
                        self.lawful_default(field)
                    } else {
                        self.value(field, dice)
                    }
                }
                None => self.lawful_default(field),
            });
        }
        values
    }

    /// The default, unless it is null and null cannot be said.
    fn lawful_default(&self, field: &Field) -> Value {
        let null = field.default.as_deref() == Some("null");
        if null && self.present(field) && !self.nullable(field) {
            self.zero(&field.kind)
        } else {
            self.default(field)
        }
    }

    fn value(&self, field: &Field, random: &mut Random) -> Value {
        if self.nullable(field) && random.below(4) == 0 {
            return Value::Null;
        }
        self.value_of(&field.kind, random)
    }

    fn value_of(&self, kind: &Type, random: &mut Random) -> Value {
        match kind {
            Type::Bool => Value::Bool(random.below(2) == 1),
            Type::I8 => Value::Int(i64::from(integer(random) as i8)),
            Type::I16 => Value::Int(i64::from(integer(random) as i16)),
            Type::U16 => Value::Int(i64::from(integer(random) as u16)),
            Type::I32 => Value::Int(i64::from(integer(random) as i32)),
            Type::U32 => Value::Int(i64::from(integer(random) as u32)),
            Type::I64 => Value::Int(integer(random)),
            Type::F64 => Value::Float((random.below(8001) as f64 - 4000.0) / 4.0),
            Type::Uuid => Value::Uuid(u128::from(random.next()) << 64 | u128::from(random.next())),
            Type::String => Value::Text(text(random)),
            Type::Bytes | Type::Records => {
                Value::Bytes((0..length(random)).map(|_| random.next() as u8).collect())
            }
            Type::Array(element) => {
                let count = if random.below(40) == 0 { 130 } else { random.below(4) };
                Value::Array((0..count).map(|_| self.value_of(element, random)).collect())
            }
            Type::Struct(name) => Value::Struct(self.random(self.message.structure(name), Some(random))),
        }
    }

    fn default(&self, field: &Field) -> Value {
        let Some(given) = field.default.as_deref() else { return self.zero(&field.kind) };
        match (&field.kind, given) {
            (_, "null") => Value::Null,
            (Type::Bool, given) => Value::Bool(given == "true"),
            (Type::F64, given) => Value::Float(given.parse().unwrap_or(0.0)),
            (Type::String, given) => Value::Text(given.trim_matches('"').to_string()),
            (_, given) => Value::Int(given.parse().unwrap_or(0)),
        }
    }

    fn zero(&self, kind: &Type) -> Value {
        match kind {
            Type::Bool => Value::Bool(false),
            Type::I8 | Type::I16 | Type::U16 | Type::I32 | Type::U32 | Type::I64 => Value::Int(0),
            Type::F64 => Value::Float(0.0),
            Type::Uuid => Value::Uuid(0),
            Type::String => Value::Text(String::new()),
            Type::Bytes | Type::Records => Value::Bytes(Vec::new()),
            Type::Array(_) => Value::Array(Vec::new()),
            Type::Struct(name) => {
                let fields = self.message.structure(name);
                Value::Struct(fields.iter().map(|field| self.default(field)).collect())
            }
        }
    }

    /// The bytes of a struct.
    pub fn write(&self, to: &mut Vec<u8>, fields: &[Field], values: &[Value]) {
        let here = |pair: &(&Field, &Value)| self.present(pair.0);
        for (field, value) in fields.iter().zip(values).filter(here).filter(|(field, _)| field.tag.is_none())
        {
            self.write_value(to, &field.kind, value, self.nullable(field));
        }
        if !self.flexible() {
            return;
        }
        let tagged = fields.iter().zip(values).filter(here);
        let mut tagged: Vec<(u32, &Field, &Value)> = tagged
            .filter_map(|(field, value)| Some((field.tag?, field, value)))
            .filter(|(_, field, value)| **value != self.default(field))
            .collect();
        tagged.sort_by_key(|(tag, ..)| *tag);
        varint(to, tagged.len() as u32);
        for (tag, field, value) in tagged {
            let mut content = Vec::new();
            // Before a nullable struct, a tagged field has 1 or 0 where others have 1 or -1.
            let nullable = self.nullable(field);
            match (&field.kind, value) {
                (Type::Struct(_), Value::Null) => content.push(0),
                (kind, value) => self.write_value(&mut content, kind, value, nullable),
            }
            varint(to, tag);
            varint(to, content.len() as u32);
            to.extend(content);
        }
    }

    fn write_value(&self, to: &mut Vec<u8>, kind: &Type, value: &Value, nullable: bool) {
        match (kind, value) {
            (Type::Struct(name), Value::Struct(values)) => {
                if nullable {
                    to.push(1);
                }
                self.write(to, self.message.structure(name), values);
            }
            (Type::Struct(_), _) => to.push(0xff),
            (Type::String, value) => {
                let text = if let Value::Text(text) = value { Some(text.as_bytes()) } else { None };
                if self.flexible() {
                    varint(to, text.map_or(0, |text| text.len() as u32 + 1));
                } else {
                    to.extend(text.map_or(-1, |text| text.len() as i16).to_be_bytes());
                }
                to.extend(text.unwrap_or_default());
            }
            (Type::Bytes | Type::Records, value) => {
                let bytes = if let Value::Bytes(bytes) = value { Some(bytes) } else { None };
                self.write_length(to, bytes.map(Vec::len));
                to.extend(bytes.into_iter().flatten());
            }
            (Type::Array(element), Value::Array(values)) => {
                self.write_length(to, Some(values.len()));
                for value in values {
                    self.write_value(to, element, value, false);
                }
            }
            (Type::Array(_), _) => self.write_length(to, None),
            (Type::Bool, value) => to.push(u8::from(*value == Value::Bool(true))),
            (Type::F64, Value::Float(number)) => to.extend(number.to_be_bytes()),
            (Type::Uuid, Value::Uuid(bits)) => to.extend(bits.to_be_bytes()),
            (kind, value) => {
                let width = match kind {
                    Type::I8 => 1,
                    Type::I16 | Type::U16 => 2,
                    Type::I32 | Type::U32 => 4,
                    _ => 8,
                };
                let number = if let Value::Int(number) = value { *number } else { 0 };
                to.extend(&number.to_be_bytes()[8 - width..]);
            }
        }
    }

    fn write_length(&self, to: &mut Vec<u8>, length: Option<usize>) {
        if self.flexible() {
            varint(to, length.map_or(0, |length| length as u32 + 1));
        } else {
            to.extend(length.map_or(-1, |length| length as i32).to_be_bytes());
        }
    }

    /// A struct as Rust's `Debug` prints it.
    pub fn ours(&self, name: &str, fields: &[Field], values: &[Value]) -> String {
        let mut parts = Vec::new();
        for (field, value) in fields.iter().zip(values) {
            let option = field.kind == Type::Records || field.nullable != Nullable::Never;
            // Records are the one type that has null in Rust where Kafka's default is not null.
            let absent = field.kind == Type::Records && !self.present(field);
            let text = match value {
                Value::Null => "None".to_string(),
                _ if absent => "None".to_string(),
                value if option => format!("Some({})", self.our_text(&field.kind, value)),
                value => self.our_text(&field.kind, value),
            };
            parts.push(format!("{}: {text}", field.name));
        }
        if parts.is_empty() { name.to_string() } else { format!("{name} {{ {} }}", parts.join(", ")) }
    }

    fn our_text(&self, kind: &Type, value: &Value) -> String {
        match (kind, value) {
            (Type::Struct(name), Value::Struct(values)) => {
                self.ours(self.names.rust(&self.message.name, name), self.message.structure(name), values)
            }
            (Type::Array(element), Value::Array(values)) => {
                let values: Vec<String> = values.iter().map(|value| self.our_text(element, value)).collect();
                format!("[{}]", values.join(", "))
            }
            (_, Value::Bytes(bytes)) => format!("{:?}", bytes_text(bytes)),
            (_, value) => plain(value),
        }
    }

    /// A struct as `Recode.java` prints it.
    pub fn theirs(&self, fields: &[Field], values: &[Value]) -> String {
        let mut parts = Vec::new();
        for (field, value) in fields.iter().zip(values) {
            parts.push((field.name.replace('_', ""), self.their_text(&field.kind, value)));
        }
        parts.sort();
        let parts: Vec<String> = parts.into_iter().map(|(name, text)| format!("{name}={text}")).collect();
        format!("{{{}}}", parts.join(","))
    }

    fn their_text(&self, kind: &Type, value: &Value) -> String {
        match (kind, value) {
            (Type::Struct(name), Value::Struct(values)) => self.theirs(self.message.structure(name), values),
            (Type::Array(element), Value::Array(values)) => {
                let values: Vec<String> =
                    values.iter().map(|value| self.their_text(element, value)).collect();
                format!("[{}]", values.join(","))
            }
            (_, Value::Bytes(bytes)) => {
                format!("x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
            }
            (_, value) => plain(value),
        }
    }
}

/// Prints bytes as the `bytes` crate does.
struct BytesText<'a>(&'a [u8]);

fn bytes_text(bytes: &[u8]) -> BytesText<'_> {
    BytesText(bytes)
}

impl std::fmt::Debug for BytesText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"")?;
        for &byte in self.0 {
            match byte {
                b'\n' => write!(f, "\\n")?,
                b'\r' => write!(f, "\\r")?,
                b'\t' => write!(f, "\\t")?,
                b'\\' | b'"' => write!(f, "\\{}", char::from(byte))?,
                0 => write!(f, "\\0")?,
                0x20..0x7f => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        write!(f, "\"")
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Uuid(bits) => uuid_text(*bits),
        Value::Text(text) => format!("\"{text}\""),
        Value::Bytes(_) | Value::Array(_) | Value::Struct(_) => {
            unreachable!("printed by each side in its way")
        }
    }
}

/// Unpadded base64url.
fn uuid_text(bits: u128) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |at: u32| if at < 21 { (bits >> (122 - 6 * at)) & 63 } else { (bits & 3) << 4 };
    (0..22).map(|at| char::from(alphabet[digit(at) as usize])).collect()
}

/// Often small or at an edge, else anything.
fn integer(random: &mut Random) -> i64 {
    match random.below(8) {
        0 => 0,
        1 => -1,
        2 => i64::MIN,
        3 => i64::MAX,
        4 => random.below(300) as i64,
        _ => random.next() as i64,
    }
}

/// Mostly short, sometimes beyond the one-byte varint.
fn length(random: &mut Random) -> u64 {
    if random.below(20) == 0 { 100 + random.below(2000) } else { random.below(12) }
}

fn text(random: &mut Random) -> String {
    let letters = ['a', 'B', '7', '_', '.', '-', 'ä', '€', '𝄞'];
    (0..length(random)).map(|_| letters[random.below(letters.len() as u64) as usize]).collect()
}

fn varint(to: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}
