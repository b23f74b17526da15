//! FileDescriptorProto, both ways: some serializers register a schema so, and ask for it so (`format=serialized`). Options that
//! descriptor.proto itself declares are carried; custom options travel as text only.

use super::model::{
    Enum, EnumValue, Extend, Extensions, Field, FieldKind, File, Import, ImportKind, Label, Message, Method,
    OneOf, Opt, Reserved, SCALARS, Service, Syntax, TAG_MAX, Type, Value, is_scalar,
};
use super::resolve::{Meaning, Types, collect, join, resolve};

/// Messages within each other in a descriptor.
const DEPTH_MAX: usize = 32;

/// The numbers of `FieldDescriptorProto.Type`, in the order of [`SCALARS`].
const SCALAR_TYPES: [u64; 15] = [1, 2, 5, 3, 13, 4, 17, 18, 7, 6, 15, 16, 8, 9, 12];
const GROUP: u64 = 10;
const MESSAGE: u64 = 11;
const ENUM: u64 = 14;

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    /// Constants in the order of their numbers, from the first number on.
    Constants(u64, &'static [&'static str]),
}

type Known = &'static [(&'static str, u64, Kind)];

const FILE_OPTIONS: Known = &[
    ("java_package", 1, Kind::Text),
    ("java_outer_classname", 8, Kind::Text),
    ("optimize_for", 9, Kind::Constants(1, &["SPEED", "CODE_SIZE", "LITE_RUNTIME"])),
    ("java_multiple_files", 10, Kind::Flag),
    ("go_package", 11, Kind::Text),
    ("cc_generic_services", 16, Kind::Flag),
    ("java_generic_services", 17, Kind::Flag),
    ("py_generic_services", 18, Kind::Flag),
    ("java_generate_equals_and_hash", 20, Kind::Flag),
    ("deprecated", 23, Kind::Flag),
    ("java_string_check_utf8", 27, Kind::Flag),
    ("cc_enable_arenas", 31, Kind::Flag),
    ("objc_class_prefix", 36, Kind::Text),
    ("csharp_namespace", 37, Kind::Text),
    ("swift_prefix", 39, Kind::Text),
    ("php_class_prefix", 40, Kind::Text),
    ("php_namespace", 41, Kind::Text),
    ("php_metadata_namespace", 44, Kind::Text),
    ("ruby_package", 45, Kind::Text),
];
const MESSAGE_OPTIONS: Known = &[
    ("message_set_wire_format", 1, Kind::Flag),
    ("no_standard_descriptor_accessor", 2, Kind::Flag),
    ("deprecated", 3, Kind::Flag),
    ("map_entry", 7, Kind::Flag),
];
const FIELD_OPTIONS: Known = &[
    ("ctype", 1, Kind::Constants(0, &["STRING", "CORD", "STRING_PIECE"])),
    ("packed", 2, Kind::Flag),
    ("deprecated", 3, Kind::Flag),
    ("lazy", 5, Kind::Flag),
    ("jstype", 6, Kind::Constants(0, &["JS_NORMAL", "JS_STRING", "JS_NUMBER"])),
    ("weak", 10, Kind::Flag),
];
const ENUM_OPTIONS: Known = &[("allow_alias", 2, Kind::Flag), ("deprecated", 3, Kind::Flag)];
const VALUE_OPTIONS: Known = &[("deprecated", 1, Kind::Flag)];
const SERVICE_OPTIONS: Known = &[("deprecated", 33, Kind::Flag)];
const METHOD_OPTIONS: Known = &[
    ("deprecated", 33, Kind::Flag),
    ("idempotency_level", 34, Kind::Constants(0, &["IDEMPOTENCY_UNKNOWN", "NO_SIDE_EFFECTS", "IDEMPOTENT"])),
];

/// Bytes of a message under construction.
#[derive(Default)]
struct Out(Vec<u8>);

impl Out {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn number(&mut self, tag: u64, number: u64) {
        self.varint(tag << 3);
        self.varint(number);
    }

    /// int32 on the wire: negative ones have ten bytes.
    fn int(&mut self, tag: u64, number: i32) {
        self.number(tag, i64::from(number) as u64);
    }

    fn bytes(&mut self, tag: u64, bytes: &[u8]) {
        self.varint(tag << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, tag: u64, text: &str) {
        self.bytes(tag, text.as_bytes());
    }

    fn options(&mut self, tag: u64, options: &[Opt], known: Known) {
        let mut inner = Out::default();
        for (name, number, kind) in known {
            let Some(option) = options.iter().find(|option| option.name == *name) else { continue };
            match (kind, &option.value) {
                (Kind::Text, Value::String(text)) => inner.text(*number, text),
                (Kind::Flag, Value::Word(_)) => inner.number(*number, u64::from(option.is_true())),
                (Kind::Constants(first, names), Value::Word(word)) => {
                    if let Some(at) = names.iter().position(|name| name == word) {
                        inner.number(*number, first + at as u64);
                    }
                }
                (_, _) => {}
            }
        }
        if !inner.0.is_empty() {
            self.bytes(tag, &inner.0);
        }
    }
}

/// The descriptor of a file whose names have been checked.
pub fn encode(file: &File, references: &[(String, File)]) -> Result<Vec<u8>, String> {
    let types = collect(file, references);
    let mut out = Out::default();
    out.text(1, "default");
    let package = file.package.as_deref().unwrap_or("");
    if !package.is_empty() {
        out.text(2, package);
    }
    for import in &file.imports {
        out.text(3, &import.file);
    }
    let encoder = Encoder { types: &types, proto3: file.syntax == Syntax::Proto3 };
    for one in &file.types {
        match one {
            Type::Message(message) => out.bytes(4, &encoder.message(package, message)),
            Type::Enum(one) => out.bytes(5, &encode_enum(one)),
        }
    }
    for service in &file.services {
        out.bytes(6, &encoder.service(package, service));
    }
    for extend in &file.extends {
        for field in &extend.fields {
            out.bytes(7, &encoder.field(package, field, None, Some(&extend.name)));
        }
    }
    out.options(8, &file.options, FILE_OPTIONS);
    for (index, import) in file.imports.iter().enumerate() {
        match import.kind {
            ImportKind::Plain => {}
            ImportKind::Public => out.number(10, index as u64),
            ImportKind::Weak => out.number(11, index as u64),
        }
    }
    match &file.syntax {
        Syntax::Unsaid | Syntax::Proto2 => {}
        Syntax::Proto3 => out.text(12, "proto3"),
        Syntax::Edition(edition) => {
            out.text(12, "editions");
            let number = match edition.as_str() {
                "2023" => 1000,
                "2024" => 1001,
                other => return Err(format!("edition {other} has no number that is known here")),
            };
            out.number(14, number);
        }
    }
    Ok(out.0)
}

struct Encoder<'a> {
    types: &'a Types<'a>,
    proto3: bool,
}

impl Encoder<'_> {
    fn message(&self, scope: &str, message: &Message) -> Vec<u8> {
        let full = join(scope, &message.name);
        let mut out = Out::default();
        out.text(1, &message.name);
        let mut entries = Vec::new();
        for field in &message.fields {
            let synthetic = self.proto3 && field.label == Some(Label::Optional);
            let before = message.fields.iter().take_while(|other| other.tag != field.tag);
            let earlier = before.filter(|other| other.label == Some(Label::Optional)).count();
            let oneof = synthetic.then(|| message.oneofs.len() + earlier);
            out.bytes(2, &self.field(&full, field, oneof.map(|index| (index, true)), None));
            if let FieldKind::Map(key, value) = &field.kind {
                entries.push(map_entry(&field.name, key, value));
            }
        }
        for (index, oneof) in message.oneofs.iter().enumerate() {
            for field in &oneof.fields {
                out.bytes(2, &self.field(&full, field, Some((index, false)), None));
            }
        }
        for one in &message.types {
            match one {
                Type::Message(inner) => out.bytes(3, &self.message(&full, inner)),
                Type::Enum(one) => out.bytes(4, &encode_enum(one)),
            }
        }
        for entry in &entries {
            out.bytes(3, &self.message(&full, entry));
        }
        for (from, to) in message.extensions.iter().flat_map(|extensions| &extensions.ranges) {
            out.bytes(5, &encode_range(*from, i64::from(*to) + 1));
        }
        for extend in &message.extends {
            for field in &extend.fields {
                out.bytes(6, &self.field(&full, field, None, Some(&extend.name)));
            }
        }
        out.options(7, &message.options, MESSAGE_OPTIONS);
        let oneof = |name: &str| {
            let mut inner = Out::default();
            inner.text(1, name);
            inner.0
        };
        for one in &message.oneofs {
            out.bytes(8, &oneof(&one.name));
        }
        for field in message.fields.iter().filter(|field| self.proto3 && field.label == Some(Label::Optional))
        {
            out.bytes(8, &oneof(&format!("_{}", field.name)));
        }
        for reserved in message.reserved.iter().flatten() {
            match reserved {
                Reserved::Number(number) => out.bytes(9, &encode_range(*number, i64::from(*number) + 1)),
                Reserved::Range(from, to) => out.bytes(9, &encode_range(*from, i64::from(*to) + 1)),
                Reserved::Name(name) => out.text(10, name),
            }
        }
        out.0
    }

    fn field(
        &self,
        scope: &str,
        field: &Field,
        oneof: Option<(usize, bool)>,
        extendee: Option<&str>,
    ) -> Vec<u8> {
        let mut out = Out::default();
        out.text(1, &field.name);
        if let Some(extendee) = extendee {
            out.text(2, &self.full(scope, extendee));
        }
        out.int(3, field.tag);
        let (name, label) = match &field.kind {
            FieldKind::Named(name) => (name.clone(), field.label),
            FieldKind::Map(..) => (entry_name(&field.name), Some(Label::Repeated)),
        };
        out.number(
            4,
            match label {
                None | Some(Label::Optional) => 1,
                Some(Label::Required) => 2,
                Some(Label::Repeated) => 3,
            },
        );
        match SCALARS.iter().position(|scalar| *scalar == name) {
            Some(at) => out.number(5, SCALAR_TYPES[at]),
            None if matches!(field.kind, FieldKind::Map(..)) => {
                out.number(5, MESSAGE);
                out.text(6, &format!(".{scope}.{name}"));
            }
            None => {
                let found = resolve(self.types, scope, &name);
                let meaning = found.as_ref().and_then(|found| self.types.get(found));
                let is_enum = matches!(meaning, Some(Meaning::Enum(_) | Meaning::Known { is_enum: true }));
                out.number(5, if is_enum { ENUM } else { MESSAGE });
                out.text(6, &self.full(scope, &name));
            }
        }
        let text = |wanted: &str| {
            field.options.iter().find(|option| option.name == wanted).map(|option| &option.value)
        };
        match text("default") {
            Some(Value::String(text) | Value::Word(text) | Value::Number(text)) => out.text(7, text),
            Some(Value::Map(_) | Value::List(_)) | None => {}
        }
        out.options(8, &field.options, FIELD_OPTIONS);
        if let Some((index, _)) = oneof {
            out.number(9, index as u64);
        }
        match text("json_name") {
            Some(Value::String(name)) => out.text(10, name),
            _other => out.text(10, &json_name(&field.name)),
        }
        if oneof.is_some_and(|(_, synthetic)| synthetic) {
            out.number(17, 1);
        }
        out.0
    }

    fn full(&self, scope: &str, name: &str) -> String {
        resolve(self.types, scope, name).map_or_else(|| name.to_owned(), |found| format!(".{found}"))
    }

    fn service(&self, package: &str, service: &Service) -> Vec<u8> {
        let mut out = Out::default();
        out.text(1, &service.name);
        for method in &service.methods {
            let mut inner = Out::default();
            inner.text(1, &method.name);
            inner.text(2, &self.full(package, &method.request));
            inner.text(3, &self.full(package, &method.response));
            inner.options(4, &method.options, METHOD_OPTIONS);
            for (tag, streams) in [(5, method.request_streams), (6, method.response_streams)] {
                if streams {
                    inner.number(tag, 1);
                }
            }
            out.bytes(2, &inner.0);
        }
        out.options(3, &service.options, SERVICE_OPTIONS);
        out.0
    }
}

/// A range of numbers, its end exclusive.
fn encode_range(from: i32, end: i64) -> Vec<u8> {
    let mut out = Out::default();
    out.int(1, from);
    out.number(2, end as u64);
    out.0
}

fn encode_enum(one: &Enum) -> Vec<u8> {
    let mut out = Out::default();
    out.text(1, &one.name);
    for value in &one.values {
        let mut inner = Out::default();
        inner.text(1, &value.name);
        inner.int(2, value.number);
        inner.options(3, &value.options, VALUE_OPTIONS);
        out.bytes(2, &inner.0);
    }
    out.options(3, &one.options, ENUM_OPTIONS);
    for reserved in one.reserved.iter().flatten() {
        // Of enums both ends belong to it.
        match reserved {
            Reserved::Number(number) => out.bytes(4, &encode_range(*number, i64::from(*number))),
            Reserved::Range(from, to) => out.bytes(4, &encode_range(*from, i64::from(*to))),
            Reserved::Name(name) => out.text(5, name),
        }
    }
    out.0
}

fn map_entry(field: &str, key: &str, value: &str) -> Message {
    let one = |name: &str, kind: &str, tag| Field {
        label: None,
        kind: FieldKind::Named(kind.to_owned()),
        name: name.to_owned(),
        tag,
        options: Vec::new(),
    };
    Message {
        name: entry_name(field),
        fields: vec![one("key", key, 1), one("value", value, 2)],
        options: vec![Opt::new("map_entry", Value::Word("true".to_owned()))],
        ..Message::default()
    }
}

/// `my_map` has entries `MyMapEntry`.
fn entry_name(field: &str) -> String {
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
            .unwrap_or_default()
    };
    field.split('_').map(capital).collect::<String>() + "Entry"
}

/// `my_field` is `myField` in JSON.
pub fn json_name(field: &str) -> String {
    let mut name = String::new();
    let mut upper = false;
    for letter in field.chars() {
        match letter {
            '_' => upper = true,
            letter if std::mem::take(&mut upper) => name.push(letter.to_ascii_uppercase()),
            letter => name.push(letter),
        }
    }
    name
}

/// Bytes of a message, field by field.
#[derive(Clone, Copy)]
struct In<'a>(&'a [u8]);

enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl<'a> In<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn skip(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Wire<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Wire::Number(self.varint()?),
            1 => self.skip(8).map(|_| Wire::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.skip(length)?)
            }
            5 => self.skip(4).map(|_| Wire::Fixed)?,
            _groups_and_nonsense => return None,
        };
        Some((key >> 3, value))
    }

    /// All fields; `None` where it is no message.
    fn all(mut self) -> Option<Vec<(u64, Wire<'a>)>> {
        let mut all = Vec::new();
        while !self.0.is_empty() {
            all.push(self.field()?);
        }
        Some(all)
    }
}

struct Fields<'a>(Vec<(u64, Wire<'a>)>);

impl<'a> Fields<'a> {
    fn of(bytes: &'a [u8]) -> Option<Fields<'a>> {
        In(bytes).all().map(Fields)
    }

    fn bytes(&self, tag: u64) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter_map(move |(found, value)| match value {
            Wire::Bytes(bytes) if *found == tag => Some(*bytes),
            _other => None,
        })
    }

    fn numbers(&self, tag: u64) -> impl Iterator<Item = u64> {
        self.0.iter().filter_map(move |(found, value)| match value {
            Wire::Number(number) if *found == tag => Some(*number),
            _other => None,
        })
    }

    fn text(&self, tag: u64) -> Option<String> {
        self.bytes(tag).last().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok())
    }

    fn name(&self, tag: u64) -> Option<String> {
        self.text(tag).filter(|name| !name.is_empty())
    }

    fn int(&self, tag: u64) -> Option<i32> {
        self.numbers(tag).last().map(|number| number as i64 as i32)
    }

    fn flag(&self, tag: u64) -> bool {
        self.numbers(tag).last() == Some(1)
    }

    fn options(&self, tag: u64, known: Known) -> Option<Vec<Opt>> {
        let Some(bytes) = self.bytes(tag).last() else { return Some(Vec::new()) };
        let fields = Fields::of(bytes)?;
        let mut options = Vec::new();
        for (name, number, kind) in known {
            let value = match kind {
                Kind::Text => fields.text(*number).map(Value::String),
                Kind::Flag => fields.numbers(*number).last().map(|flag| Value::Word((flag == 1).to_string())),
                Kind::Constants(first, names) => fields.numbers(*number).last().and_then(|constant| {
                    let at = usize::try_from(constant.checked_sub(*first)?).ok()?;
                    names.get(at).map(|name| Value::Word((*name).to_owned()))
                }),
            };
            options.extend(value.map(|value| Opt::new(name, value)));
        }
        Some(options)
    }
}

/// The file that a descriptor describes; `None` where the bytes are no descriptor.
pub fn decode(bytes: &[u8]) -> Option<File> {
    let fields = Fields::of(bytes)?;
    fields.name(1)?;
    let syntax = match fields.text(12).as_deref() {
        None | Some("" | "proto2") => Syntax::Proto2,
        Some("proto3") => Syntax::Proto3,
        Some("editions") => Syntax::Edition(match fields.int(14)? {
            1000 => "2023".to_owned(),
            1001 => "2024".to_owned(),
            _unknown => return None,
        }),
        Some(_) => return None,
    };
    let mut file = File {
        syntax,
        package: fields.name(2),
        options: fields.options(8, FILE_OPTIONS)?,
        ..File::default()
    };
    let (public, weak): (Vec<u64>, Vec<u64>) = (fields.numbers(10).collect(), fields.numbers(11).collect());
    for (index, import) in fields.bytes(3).enumerate() {
        let kind = match index as u64 {
            index if public.contains(&index) => ImportKind::Public,
            index if weak.contains(&index) => ImportKind::Weak,
            _plain => ImportKind::Plain,
        };
        file.imports.push(Import { file: String::from_utf8(import.to_vec()).ok()?, kind });
    }
    let proto3 = file.syntax == Syntax::Proto3;
    let explicit = matches!(file.syntax, Syntax::Proto2 | Syntax::Unsaid);
    let decoder = Decoder { proto3, explicit };
    for message in fields.bytes(4) {
        file.types.push(Type::Message(decoder.message(message, DEPTH_MAX)?));
    }
    for one in fields.bytes(5) {
        file.types.push(Type::Enum(decode_enum(one)?));
    }
    for service in fields.bytes(6) {
        file.services.push(decode_service(service)?);
    }
    file.extends = decoder.extends(fields.bytes(7))?;
    Some(file)
}

struct Decoder {
    proto3: bool,
    /// Labels are always written: proto2.
    explicit: bool,
}

/// A field as it stands in a descriptor.
struct Decoded {
    field: Field,
    oneof: Option<usize>,
    synthetic: bool,
    extendee: Option<String>,
}

impl Decoder {
    fn message(&self, bytes: &[u8], depth: usize) -> Option<Message> {
        let depth = depth.checked_sub(1)?;
        let fields = Fields::of(bytes)?;
        let mut message = Message {
            name: fields.name(1)?,
            options: fields.options(7, MESSAGE_OPTIONS)?,
            ..Message::default()
        };
        let mut entries = Vec::new();
        for nested in fields.bytes(3) {
            let inner = self.message(nested, depth)?;
            match inner.options.iter().any(|option| option.name == "map_entry" && option.is_true()) {
                true => entries.push(inner),
                false => message.types.push(Type::Message(inner)),
            }
        }
        for one in fields.bytes(4) {
            message.types.push(Type::Enum(decode_enum(one)?));
        }
        let mut oneofs = Vec::new();
        for oneof in fields.bytes(8) {
            oneofs.push(OneOf { name: Fields::of(oneof)?.name(1)?, ..OneOf::default() });
        }
        for field in fields.bytes(2) {
            let mut decoded = self.field(field)?;
            as_map(&mut decoded.field, &entries);
            match decoded.oneof.filter(|_| !decoded.synthetic) {
                Some(index) => {
                    decoded.field.label = None;
                    oneofs.get_mut(index)?.fields.push(decoded.field);
                }
                None => message.fields.push(decoded.field),
            }
        }
        message.oneofs = oneofs.into_iter().filter(|oneof| !oneof.fields.is_empty()).collect();
        for range in fields.bytes(5) {
            let (from, end) = decode_range(range)?;
            message.extensions.push(Extensions { ranges: vec![(from, end)], options: Vec::new() });
        }
        message.extends = self.extends(fields.bytes(6))?;
        let mut numbers = Vec::new();
        for range in fields.bytes(9) {
            numbers.push(match decode_range(range)? {
                (from, to) if from == to => Reserved::Number(from),
                (from, to) => Reserved::Range(from, to),
            });
        }
        let names = fields.bytes(10).map(|name| Some(Reserved::Name(String::from_utf8(name.to_vec()).ok()?)));
        let names = names.collect::<Option<Vec<_>>>()?;
        message.reserved = [numbers, names].into_iter().filter(|all| !all.is_empty()).collect();
        Some(message)
    }

    fn extends<'a>(&self, all: impl Iterator<Item = &'a [u8]>) -> Option<Vec<Extend>> {
        let mut extends: Vec<Extend> = Vec::new();
        for field in all {
            let decoded = self.field(field)?;
            let name = decoded.extendee?;
            match extends.iter_mut().find(|extend| extend.name == name) {
                Some(extend) => extend.fields.push(decoded.field),
                None => extends.push(Extend { name, fields: vec![decoded.field] }),
            }
        }
        Some(extends)
    }

    fn field(&self, bytes: &[u8]) -> Option<Decoded> {
        let fields = Fields::of(bytes)?;
        let synthetic = fields.flag(17);
        let label = match fields.int(4) {
            Some(2) => Some(Label::Required),
            Some(3) => Some(Label::Repeated),
            _optional => (self.explicit || (self.proto3 && synthetic)).then_some(Label::Optional),
        };
        let number = fields.numbers(5).last();
        let kind =
            match (number.and_then(|number| SCALAR_TYPES.iter().position(|one| *one == number)), number) {
                (Some(at), _) => SCALARS[at].to_owned(),
                (None, Some(GROUP | MESSAGE | ENUM) | None) => fields.name(6)?,
                (None, Some(_)) => return None,
            };
        let (name, tag) = (fields.name(1)?, fields.int(3).filter(|tag| (1..=TAG_MAX).contains(tag))?);
        let mut options = fields.options(8, FIELD_OPTIONS)?;
        if let Some(default) = fields.text(7) {
            let value = match kind.as_str() {
                "string" | "bytes" => Value::String(default),
                other if is_scalar(other) && other != "bool" => Value::Number(default),
                _enum_or_bool => Value::Word(default),
            };
            options.push(Opt::new("default", value));
        }
        if let Some(json) = fields.text(10).filter(|json| *json != json_name(&name)) {
            options.push(Opt::new("json_name", Value::String(json)));
        }
        let oneof = fields.numbers(9).last().and_then(|index| usize::try_from(index).ok());
        let field = Field { label, kind: FieldKind::Named(kind), name, tag, options };
        Some(Decoded { field, oneof, synthetic, extendee: fields.name(2) })
    }
}

/// A repeated field of entries is a map.
fn as_map(field: &mut Field, entries: &[Message]) {
    let FieldKind::Named(name) = &field.kind else { return };
    let simple = name.rsplit('.').next().unwrap_or(name);
    let Some(entry) = entries.iter().find(|entry| entry.name == simple) else { return };
    let kind = |tag: i32| {
        entry.fields.iter().find(|field| field.tag == tag).and_then(|field| match &field.kind {
            FieldKind::Named(name) => Some(name.clone()),
            FieldKind::Map(..) => None,
        })
    };
    if let (Some(key), Some(value)) = (kind(1), kind(2)) {
        field.kind = FieldKind::Map(key, value);
        field.label = None;
    }
}

/// First and last.
fn decode_range(bytes: &[u8]) -> Option<(i32, i32)> {
    let fields = Fields::of(bytes)?;
    let (from, end) = (fields.int(1)?, fields.int(2)?);
    Some((from, end.checked_sub(1)?.min(TAG_MAX)))
}

fn decode_enum(bytes: &[u8]) -> Option<Enum> {
    let fields = Fields::of(bytes)?;
    let mut one =
        Enum { name: fields.name(1)?, options: fields.options(3, ENUM_OPTIONS)?, ..Enum::default() };
    for value in fields.bytes(2) {
        let value = Fields::of(value)?;
        let (name, number) = (value.name(1)?, value.int(2).unwrap_or(0));
        one.values.push(EnumValue { name, number, options: value.options(3, VALUE_OPTIONS)? });
    }
    let mut reserved = Vec::new();
    for range in fields.bytes(4) {
        let range = Fields::of(range)?;
        let (from, to) = (range.int(1).unwrap_or(0), range.int(2)?);
        reserved.push(if from == to { Reserved::Number(from) } else { Reserved::Range(from, to) });
    }
    one.reserved = Some(reserved).filter(|all| !all.is_empty()).into_iter().collect();
    (!one.values.is_empty()).then_some(one)
}

fn decode_service(bytes: &[u8]) -> Option<Service> {
    let fields = Fields::of(bytes)?;
    let mut service =
        Service { name: fields.name(1)?, options: fields.options(3, SERVICE_OPTIONS)?, methods: Vec::new() };
    for method in fields.bytes(2) {
        let method = Fields::of(method)?;
        service.methods.push(Method {
            name: method.name(1)?,
            request: method.name(2)?,
            request_streams: method.flag(5),
            response: method.name(3)?,
            response_streams: method.flag(6),
            options: method.options(4, METHOD_OPTIONS)?,
        });
    }
    Some(service)
}
