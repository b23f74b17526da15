//! A `.proto` file as it was written, without comments: what the parser makes and the printer writes. Names are not resolved here.

/// The largest field number.
pub const TAG_MAX: i32 = (1 << 29) - 1;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct File {
    pub syntax: Syntax,
    pub package: Option<String>,
    pub imports: Vec<Import>,
    pub options: Vec<Opt>,
    pub types: Vec<Type>,
    pub extends: Vec<Extend>,
    pub services: Vec<Service>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub enum Syntax {
    /// Nothing said, which is proto2.
    #[default]
    Unsaid,
    Proto2,
    Proto3,
    Edition(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    pub file: String,
    pub kind: ImportKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportKind {
    Plain,
    Public,
    Weak,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    Message(Message),
    Enum(Enum),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Message {
    pub name: String,
    pub reserved: Vec<Vec<Reserved>>,
    pub options: Vec<Opt>,
    pub fields: Vec<Field>,
    pub oneofs: Vec<OneOf>,
    pub groups: Vec<Group>,
    pub extensions: Vec<Extensions>,
    pub extends: Vec<Extend>,
    pub types: Vec<Type>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    Optional,
    Required,
    Repeated,
}

impl Label {
    pub fn word(self) -> &'static str {
        match self {
            Label::Optional => "optional",
            Label::Required => "required",
            Label::Repeated => "repeated",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub label: Option<Label>,
    pub kind: FieldKind,
    pub name: String,
    pub tag: i32,
    pub options: Vec<Opt>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    /// A scalar, or a name.
    Named(String),
    Map(String, String),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct OneOf {
    pub name: String,
    pub options: Vec<Opt>,
    pub fields: Vec<Field>,
    pub groups: Vec<Group>,
}

/// proto2's fields that are messages of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    pub label: Option<Label>,
    pub name: String,
    pub tag: i32,
    pub fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Extensions {
    pub ranges: Vec<(i32, i32)>,
    pub options: Vec<Opt>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Extend {
    pub name: String,
    pub fields: Vec<Field>,
}

/// One value of a `reserved`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    Number(i32),
    Range(i32, i32),
    Name(String),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Enum {
    pub name: String,
    pub reserved: Vec<Vec<Reserved>>,
    pub options: Vec<Opt>,
    pub values: Vec<EnumValue>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct EnumValue {
    pub name: String,
    pub number: i32,
    pub options: Vec<Opt>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    pub name: String,
    pub options: Vec<Opt>,
    pub methods: Vec<Method>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    pub name: String,
    pub request: String,
    pub request_streams: bool,
    pub response: String,
    pub response_streams: bool,
    pub options: Vec<Opt>,
}

/// An option; the name as it was written, parentheses and all.
#[derive(Debug, Clone, PartialEq)]
pub struct Opt {
    pub name: String,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    String(String),
    /// `true`, `false` or a constant's name.
    Word(String),
    Number(String),
    Map(Vec<(String, Value)>),
    List(Vec<Value>),
}

impl Opt {
    pub fn new(name: &str, value: Value) -> Opt {
        Opt { name: name.to_owned(), value }
    }

    /// Whether it says `true`.
    pub fn is_true(&self) -> bool {
        self.value == Value::Word("true".to_owned())
    }
}

/// Names that are types of their own.
pub const SCALARS: [&str; 15] = [
    "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64",
    "sfixed32", "sfixed64", "bool", "string", "bytes",
];

pub fn is_scalar(name: &str) -> bool {
    SCALARS.contains(&name)
}
