//! A file and all that it imports as tables of messages and enums, with everything resolved that a codec asks for: numbers, kinds, presence, packing,
//! names in JSON. Built once for each schema; knows no bytes and no values.

use super::descriptor::json_name;
use super::known;
use super::model::{Enum, Field, FieldKind, File, Group, Label, Message, OneOf, Opt, Syntax, Type, Value};
use super::parse;
use super::resolve::{Types, collect, join, resolve};
use std::collections::BTreeMap;

/// Every message and enum that a schema can mean.
#[derive(Debug)]
pub struct Tables {
    pub messages: Vec<MessageType>,
    pub enums: Vec<EnumType>,
    by_name: BTreeMap<String, usize>,
}

#[derive(Debug)]
pub struct MessageType {
    pub name: String,
    /// In the order of their numbers.
    pub fields: Vec<FieldType>,
    /// From the file's outermost messages inward, messages alone counted; empty where the file is not the schema's own.
    pub path: Vec<i32>,
}

#[derive(Debug)]
pub struct EnumType {
    pub name: String,
    pub values: Vec<(String, i32)>,
}

#[derive(Debug)]
pub struct FieldType {
    pub name: String,
    pub json_name: String,
    pub tag: u32,
    pub kind: Kind,
    pub count: Count,
    /// Whether a value that was set can be told from one that was not.
    pub presence: bool,
    pub required: bool,
    pub packed: bool,
    /// Fields of one oneof exclude each other.
    pub oneof: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    One,
    Many,
    /// Of an entry with a key (1) of this kind, and a value (2).
    Map(Scalar),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Scalar(Scalar),
    Enum(usize),
    Message {
        of: usize,
        /// Between two tags rather than behind a length.
        delimited: bool,
    },
    /// A type of a file that is known by its names alone.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
}

impl Scalar {
    fn of(name: &str) -> Option<Scalar> {
        Some(match name {
            "double" => Scalar::Double,
            "float" => Scalar::Float,
            "int32" => Scalar::Int32,
            "int64" => Scalar::Int64,
            "uint32" => Scalar::Uint32,
            "uint64" => Scalar::Uint64,
            "sint32" => Scalar::Sint32,
            "sint64" => Scalar::Sint64,
            "fixed32" => Scalar::Fixed32,
            "fixed64" => Scalar::Fixed64,
            "sfixed32" => Scalar::Sfixed32,
            "sfixed64" => Scalar::Sfixed64,
            "bool" => Scalar::Bool,
            "string" => Scalar::String,
            "bytes" => Scalar::Bytes,
            _a_name => return None,
        })
    }

    pub fn may_be_packed(self) -> bool {
        !matches!(self, Scalar::String | Scalar::Bytes)
    }
}

/// What a file, a message or a field says of how things are written; inward it is inherited.
#[derive(Debug, Clone, Copy)]
struct Features {
    implicit: bool,
    required: bool,
    packed: bool,
    delimited: bool,
}

impl Features {
    fn of(file: &File) -> Features {
        let start = match file.syntax {
            Syntax::Unsaid | Syntax::Proto2 => {
                Features { implicit: false, required: false, packed: false, delimited: false }
            }
            Syntax::Proto3 => Features { implicit: true, required: false, packed: true, delimited: false },
            Syntax::Edition(_) => {
                Features { implicit: false, required: false, packed: true, delimited: false }
            }
        };
        start.with(&file.options)
    }

    /// Both spellings: `features.x = Y` and `features = { x: Y }`.
    fn with(mut self, options: &[Opt]) -> Features {
        for option in options {
            match (&option.value, option.name.strip_prefix("features")) {
                (Value::Word(word), Some(name)) => self.set(name.trim_start_matches('.'), word),
                (Value::Map(members), Some("")) => {
                    for (name, value) in members {
                        if let Value::Word(word) = value {
                            self.set(name, word);
                        }
                    }
                }
                (_, _) => {}
            }
        }
        self
    }

    fn set(&mut self, name: &str, word: &str) {
        match name {
            "field_presence" => {
                self.implicit = word == "IMPLICIT";
                self.required = word == "LEGACY_REQUIRED";
            }
            "repeated_field_encoding" => self.packed = word == "PACKED",
            "message_encoding" => self.delimited = word == "DELIMITED",
            _other => {}
        }
    }
}

impl Tables {
    /// Of a file and what it imports, by the names of the imports.
    pub fn of(own: &File, references: &[(String, File)]) -> Tables {
        let mut others = references.to_vec();
        add_known(&mut others, own);
        let types = collect(own, &others);
        let mut tables = Tables { messages: Vec::new(), enums: Vec::new(), by_name: BTreeMap::new() };
        let mut enums = BTreeMap::new();
        let files = || others.iter().map(|(_, file)| (file, false)).chain([(own, true)]);
        for (file, is_own) in files() {
            let scope = file.package.as_deref().unwrap_or("");
            tables.declare(scope, &file.types, is_own.then_some(&[]), &mut enums);
        }
        let builder = Builder { types, messages: tables.by_name.clone(), enums };
        for (file, _) in files() {
            let scope = file.package.as_deref().unwrap_or("");
            tables.fill(&builder, scope, &file.types, Features::of(file));
        }
        tables
    }

    /// A message by its full name.
    pub fn message(&self, name: &str) -> Option<usize> {
        self.by_name.get(name.trim_start_matches('.')).copied()
    }

    fn declare(
        &mut self,
        scope: &str,
        types: &[Type],
        path: Option<&[i32]>,
        enums: &mut BTreeMap<String, usize>,
    ) {
        let mut index = 0;
        for one in types {
            let name = join(scope, one.name());
            match one {
                Type::Message(message) => {
                    let path = path.map(|outer| [outer, &[index]].concat());
                    index += 1;
                    self.add(&name, path.clone().unwrap_or_default());
                    for group in groups(message) {
                        self.add(&join(&name, &group.name), Vec::new());
                    }
                    self.declare(&name, &message.types, path.as_deref(), enums);
                }
                Type::Enum(one) => {
                    enums.insert(name.clone(), self.enums.len());
                    self.enums.push(EnumType::of(name, one));
                }
            }
        }
    }

    fn add(&mut self, name: &str, path: Vec<i32>) {
        self.by_name.insert(name.to_owned(), self.messages.len());
        self.messages.push(MessageType { name: name.to_owned(), fields: Vec::new(), path });
    }

    fn fill(&mut self, builder: &Builder, scope: &str, types: &[Type], features: Features) {
        for one in types {
            let Type::Message(message) = one else { continue };
            let name = join(scope, &message.name);
            let features = features.with(&message.options);
            let mut fields: Vec<FieldType> =
                message.fields.iter().map(|field| builder.field(&name, field, None, features)).collect();
            fields.extend(message.groups.iter().map(|group| builder.group(&name, group, None)));
            for (index, oneof) in message.oneofs.iter().enumerate() {
                fields.extend(
                    oneof.fields.iter().map(|field| builder.field(&name, field, Some(index), features)),
                );
                fields.extend(oneof.groups.iter().map(|group| builder.group(&name, group, Some(index))));
            }
            self.put(&name, fields);
            for group in groups(message) {
                let scope = join(&name, &group.name);
                let fields =
                    group.fields.iter().map(|field| builder.field(&scope, field, None, features)).collect();
                self.put(&scope, fields);
            }
            self.fill(builder, &name, &message.types, features);
        }
    }

    fn put(&mut self, name: &str, mut fields: Vec<FieldType>) {
        fields.sort_by_key(|field| field.tag);
        if let Some(id) = self.by_name.get(name) {
            self.messages[*id].fields = fields;
        }
    }
}

impl MessageType {
    pub fn field(&self, tag: u32) -> Option<&FieldType> {
        let place = self.fields.binary_search_by_key(&tag, |field| field.tag).ok()?;
        self.fields.get(place)
    }
}

impl EnumType {
    fn of(name: String, one: &Enum) -> EnumType {
        EnumType { name, values: one.values.iter().map(|value| (value.name.clone(), value.number)).collect() }
    }
}

struct Builder<'a> {
    types: Types<'a>,
    messages: BTreeMap<String, usize>,
    enums: BTreeMap<String, usize>,
}

impl Builder<'_> {
    fn field(&self, scope: &str, field: &Field, oneof: Option<usize>, features: Features) -> FieldType {
        let features = features.with(&field.options);
        let (count, named) = match &field.kind {
            FieldKind::Map(key, value) => (Count::Map(Scalar::of(key).unwrap_or(Scalar::String)), value),
            FieldKind::Named(name) if field.label == Some(Label::Repeated) => (Count::Many, name),
            FieldKind::Named(name) => (Count::One, name),
        };
        let kind = self.kind(scope, named, features.delimited && !matches!(count, Count::Map(_)));
        let said =
            |name: &str| field.options.iter().find(|option| option.name == name).map(|option| &option.value);
        let packable = match kind {
            Kind::Scalar(scalar) => scalar.may_be_packed(),
            Kind::Enum(_) => true,
            Kind::Message { .. } | Kind::Unknown => false,
        };
        let packed = match said("packed") {
            Some(Value::Word(word)) => word == "true",
            _unsaid => features.packed,
        };
        let is_message = matches!(kind, Kind::Message { .. } | Kind::Unknown);
        FieldType {
            name: field.name.clone(),
            json_name: match said("json_name") {
                Some(Value::String(name)) => name.clone(),
                _unsaid => json_name(&field.name),
            },
            tag: field.tag.unsigned_abs(),
            kind,
            count,
            presence: is_message
                || oneof.is_some()
                || field.label == Some(Label::Optional)
                || !features.implicit,
            required: field.label == Some(Label::Required) || features.required,
            packed: packed && packable && count == Count::Many,
            oneof,
        }
    }

    fn group(&self, scope: &str, group: &Group, oneof: Option<usize>) -> FieldType {
        let of = self.messages.get(&join(scope, &group.name)).copied();
        let name = group.name.to_ascii_lowercase();
        FieldType {
            json_name: json_name(&name),
            name,
            tag: group.tag.unsigned_abs(),
            kind: of.map_or(Kind::Unknown, |of| Kind::Message { of, delimited: true }),
            count: if group.label == Some(Label::Repeated) { Count::Many } else { Count::One },
            presence: true,
            required: group.label == Some(Label::Required),
            packed: false,
            oneof,
        }
    }

    fn kind(&self, scope: &str, name: &str, delimited: bool) -> Kind {
        if let Some(scalar) = Scalar::of(name) {
            return Kind::Scalar(scalar);
        }
        let Some(full) = resolve(&self.types, scope, name) else { return Kind::Unknown };
        match (self.messages.get(&full), self.enums.get(&full)) {
            (Some(of), _) => Kind::Message { of: *of, delimited },
            (None, Some(of)) => Kind::Enum(*of),
            (None, None) => Kind::Unknown,
        }
    }
}

fn groups(message: &Message) -> impl Iterator<Item = &Group> {
    message.groups.iter().chain(message.oneofs.iter().flat_map(|oneof: &OneOf| &oneof.groups))
}

/// Files that everybody has, as far as their fields are known here, for each import that names one.
fn add_known(others: &mut Vec<(String, File)>, own: &File) {
    let mut wanted: Vec<String> =
        others.iter().map(|(_, file)| file).chain([own]).flat_map(imports).collect();
    while let Some(name) = wanted.pop() {
        if others.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let Some(file) = known::text_of(&name).and_then(|text| parse::parse(text).ok()) else { continue };
        wanted.extend(imports(&file));
        others.push((name, file));
    }
}

fn imports(file: &File) -> Vec<String> {
    file.imports.iter().map(|import| import.file.clone()).collect()
}
