//! The schema notation (`crates/wire/schema/*.msg`) read into plain structs. Owns the grammar, described in
//! `crates/wire/schema/README.md`; knows nothing of Rust.

use anyhow::{Context, Result, bail, ensure};

/// Versions, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub low: i16,
    pub high: i16,
}

impl Versions {
    pub fn contains(self, version: i16) -> bool {
        (self.low..=self.high).contains(&version)
    }
}

/// One `.msg` file.
#[derive(Debug)]
pub struct Schema {
    pub api: Option<Api>,
    pub messages: Vec<Message>,
}

/// The line `api <key> <name> on <listeners> …`.
#[derive(Debug)]
pub struct Api {
    pub key: i16,
    pub name: String,
    pub broker: bool,
    pub controller: bool,
    pub forwardable: bool,
    pub cluster_action: bool,
    /// The highest stable version, when the schema goes beyond it.
    pub stable: Option<i16>,
}

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Request,
    Response,
    /// A record of the metadata log, with its type's number.
    Record(i16),
    /// The key, or the value, of a coordinator's record type.
    Key(i16),
    Value(i16),
    /// Anything else.
    Plain,
}

#[derive(Debug)]
pub struct Message {
    pub role: Role,
    pub name: String,
    pub versions: Versions,
    /// `i16::MAX` when no version is flexible.
    pub flexible: i16,
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    Bool,
    I8,
    I16,
    U16,
    I32,
    U32,
    I64,
    F64,
    Uuid,
    String,
    Bytes,
    Records,
    Array(Box<Type>),
    Struct(String),
}

impl Type {
    /// The struct's name, of this type or of its elements.
    pub fn structure(&self) -> Option<&str> {
        match self {
            Type::Struct(name) => Some(name),
            Type::Array(element) => element.structure(),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub kind: Type,
    /// `None`: in every version of the struct around it.
    pub versions: Option<Versions>,
    pub nullable: Nullable,
    pub tag: Option<u32>,
    pub default: Option<String>,
    /// The struct's fields, where this is the first mention of it in the message.
    pub fields: Vec<Field>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nullable {
    Never,
    Always,
    In(Versions),
}

impl Message {
    /// Every struct of the message by name, in the order of first mention.
    pub fn structs(&self) -> Vec<(&str, &[Field])> {
        fn collect<'a>(fields: &'a [Field], found: &mut Vec<(&'a str, &'a [Field])>) {
            for field in fields {
                if let (Some(name), false) = (field.kind.structure(), field.fields.is_empty()) {
                    found.push((name, &field.fields));
                    collect(&field.fields, found);
                }
            }
        }
        let mut found = Vec::new();
        collect(&self.fields, &mut found);
        found
    }

    /// The fields of a struct that a field of this message names.
    pub fn structure(&self, name: &str) -> &[Field] {
        let found = self.structs().into_iter().find(|(each, _)| *each == name);
        found.map(|(_, fields)| fields).unwrap_or_default()
    }
}

/// Reads one file.
pub fn parse(text: &str) -> Result<Schema> {
    let mut schema = Schema { api: None, messages: Vec::new() };
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let content = line.split('#').next().unwrap_or_default().trim_end();
        if content.trim().is_empty() {
            continue;
        }
        let depth = (content.len() - content.trim_start().len()) / 2;
        if depth > 0 {
            lines.push((number + 1, depth, content.trim()));
            continue;
        }
        finish(&mut schema, &mut lines)?;
        head(&mut schema, content).with_context(|| format!("line {}: {content}", number + 1))?;
    }
    finish(&mut schema, &mut lines)?;
    Ok(schema)
}

/// Gives the collected field lines to the message that they stand under.
fn finish(schema: &mut Schema, lines: &mut Vec<(usize, usize, &str)>) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let message = schema.messages.last_mut().context("fields before any message")?;
    let mut rest = lines.as_slice();
    message.fields = fields(&mut rest, 1, message.versions)?;
    ensure!(rest.is_empty(), "line {}: indented too deep", rest[0].0);
    for field in message.fields.iter().chain(message.structs().into_iter().flat_map(|(_, fields)| fields)) {
        if let Some(name) = field.kind.structure() {
            ensure!(!message.structure(name).is_empty(), "{}: struct {name} has no fields", message.name);
        }
    }
    lines.clear();
    Ok(())
}

fn head(schema: &mut Schema, line: &str) -> Result<()> {
    let mut words = line.split_whitespace();
    let word = words.next().context("empty line")?;
    let number = |words: &mut std::str::SplitWhitespace| -> Result<i16> {
        Ok(words.next().context("a number is missing")?.parse()?)
    };
    let role = match word {
        "api" => {
            let (key, name) = (number(&mut words)?, words.next().context("name")?.to_string());
            let rest: Vec<&str> = words.collect();
            let has = |flag: &str| rest.contains(&flag);
            let stable = rest.iter().position(|word| *word == "stable").and_then(|at| rest.get(at + 1));
            schema.api = Some(Api {
                key,
                name,
                broker: has("broker"),
                controller: has("controller"),
                forwardable: has("forwardable"),
                cluster_action: has("cluster-action"),
                stable: stable.map(|version| version.parse()).transpose()?,
            });
            return Ok(());
        }
        "request" => Role::Request,
        "response" => Role::Response,
        "record" => Role::Record(number(&mut words)?),
        "key" => Role::Key(number(&mut words)?),
        "value" => Role::Value(number(&mut words)?),
        "message" => Role::Plain,
        other => bail!("unknown word {other}"),
    };
    let name = words.next().context("name")?.to_string();
    let versions = range(words.next().context("versions")?, i16::MAX)?;
    let flexible = match words.next() {
        None => versions.low,
        Some("rigid") => i16::MAX,
        Some("flexible") => range(words.next().context("flexible versions")?, versions.high)?.low,
        Some(other) => bail!("unknown word {other}"),
    };
    schema.messages.push(Message { role, name, versions, flexible, fields: Vec::new() });
    Ok(())
}

/// `3`, `3-5` or `3+`.
fn range(word: &str, high: i16) -> Result<Versions> {
    if let Some(low) = word.strip_suffix('+') {
        return Ok(Versions { low: low.parse()?, high });
    }
    let (low, high) = word.split_once('-').unwrap_or((word, word));
    Ok(Versions { low: low.parse()?, high: high.parse()? })
}

fn fields(lines: &mut &[(usize, usize, &str)], depth: usize, versions: Versions) -> Result<Vec<Field>> {
    let mut list = Vec::new();
    while let Some(&(number, at, line)) = lines.first() {
        if at < depth {
            break;
        }
        ensure!(at == depth, "line {number}: indented too deep");
        *lines = &lines[1..];
        let mut one = field(line, versions).with_context(|| format!("line {number}: {line}"))?;
        one.fields = fields(lines, depth + 1, versions)?;
        list.push(one);
    }
    Ok(list)
}

/// `name type[?] [versions] [null versions] [tag number] [= default]`
fn field(line: &str, message: Versions) -> Result<Field> {
    let (declaration, default) = match line.split_once(" = ") {
        Some((declaration, default)) => (declaration, Some(default.trim().to_string())),
        None => (line, None),
    };
    let mut words = declaration.split_whitespace();
    let name = words.next().context("name")?.to_string();
    let kind = words.next().context("type")?;
    let (kind, mut nullable) = match kind.strip_suffix('?') {
        Some(kind) => (kind, Nullable::Always),
        None => (kind, Nullable::Never),
    };
    let (mut versions, mut tag) = (None, None);
    while let Some(word) = words.next() {
        match word {
            "null" => nullable = Nullable::In(range(words.next().context("null versions")?, message.high)?),
            "tag" => tag = Some(words.next().context("tag number")?.parse()?),
            word => versions = Some(range(word, message.high)?),
        }
    }
    Ok(Field { name, kind: kind_of(kind)?, versions, nullable, tag, default, fields: Vec::new() })
}

fn kind_of(word: &str) -> Result<Type> {
    if let Some(element) = word.strip_prefix('[') {
        let element = element.strip_suffix(']').context("']' is missing")?;
        return Ok(Type::Array(Box::new(kind_of(element)?)));
    }
    Ok(match word {
        "bool" => Type::Bool,
        "i8" => Type::I8,
        "i16" => Type::I16,
        "u16" => Type::U16,
        "i32" => Type::I32,
        "u32" => Type::U32,
        "i64" => Type::I64,
        "f64" => Type::F64,
        "uuid" => Type::Uuid,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "records" => Type::Records,
        name if name.starts_with(|letter: char| letter.is_ascii_uppercase()) => {
            Type::Struct(name.to_string())
        }
        other => bail!("unknown type {other}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_whole_grammar() {
        let text = "api 1 Fetch on broker\n\nrequest FetchRequest 4-18 flexible 12+ # why\n  topics [Topic]? 7+\n    \
                    name string null 9+ tag 3 = \"x\"\n  id i32 4-14 = -1\n";
        let schema = parse(text).unwrap();
        assert!(schema.api.as_ref().is_some_and(|api| api.broker && !api.controller && api.key == 1));
        let message = &schema.messages[0];
        assert_eq!((message.versions, message.flexible), (Versions { low: 4, high: 18 }, 12));
        let topics = &message.fields[0];
        assert_eq!(topics.kind, Type::Array(Box::new(Type::Struct("Topic".into()))));
        assert_eq!(
            (topics.nullable, topics.versions),
            (Nullable::Always, Some(Versions { low: 7, high: 18 }))
        );
        let name = &topics.fields[0];
        assert_eq!(name.nullable, Nullable::In(Versions { low: 9, high: 18 }));
        assert_eq!((name.tag, name.default.as_deref()), (Some(3), Some("\"x\"")));
        assert_eq!(message.fields[1].versions, Some(Versions { low: 4, high: 14 }));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert!(parse("request R 0\n  a i128\n").is_err());
        assert!(parse("request R 0\n  a [Nowhere]\n").is_err());
        assert!(parse("request R 0\n    a i8\n").is_err());
    }
}
