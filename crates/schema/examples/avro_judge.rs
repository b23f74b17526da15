//! Our side of the comparison with Avro's own library (`cargo xtask avro`). `generate SEED PAIRS` prints pairs of schemas, a reader's and a writer's, a
//! line each: the second is the first after some changes such as people make. `judge` reads such lines and prints what we make of them, as
//! `xtask/java/AvroJudge.java` does.

use schema::formats::Roles;
use schema::formats::avro::{AvroSchema, Defaults, incompatibilities};
use std::io::{self, BufRead, BufWriter, Write};

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut out = BufWriter::new(io::stdout());
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["generate", seed, pairs] => {
            let mut maker = Maker { state: seed.parse().unwrap_or(1), names: 0, open: Vec::new() };
            for _pair in 0..pairs.parse().unwrap_or(1_000) {
                let (reader, writer) = maker.pair();
                writeln!(out, "{reader}\n{writer}")?;
            }
        }
        ["judge"] => {
            let lines: Vec<String> = io::stdin().lock().lines().collect::<io::Result<_>>()?;
            for pair in lines.chunks_exact(2) {
                let parsed: Vec<_> =
                    pair.iter().map(|text| AvroSchema::parse(text, &[], Defaults::Checked).ok()).collect();
                for schema in &parsed {
                    writeln!(out, "{}", schema.as_ref().map_or("refused".to_owned(), told))?;
                }
                match parsed.as_slice() {
                    [Some(reader), Some(writer)] => writeln!(out, "{}", verdict(reader, writer))?,
                    _refused => writeln!(out, "none")?,
                }
            }
        }
        _other => eprintln!("avro_judge generate SEED PAIRS | judge"),
    }
    out.flush()
}

fn told(schema: &AvroSchema) -> String {
    let form = schema.parsing_form().unwrap_or_default();
    format!("{} {form}\t{}", schema.fingerprint().unwrap_or_default() as i64, schema.canonical())
}

fn verdict(reader: &AvroSchema, writer: &AvroSchema) -> String {
    let found = incompatibilities(reader, writer, Roles::BACKWARD);
    let mut text = if found.is_empty() { "COMPATIBLE" } else { "INCOMPATIBLE" }.to_owned();
    for one in found {
        text.push_str(&format!(" {}@{}", one.rule, one.path));
    }
    text
}

/// A schema before it is text, so that it can be changed.
#[derive(Clone)]
enum Node {
    Primitive(&'static str, Vec<(&'static str, String)>),
    Array(Box<Node>),
    Map(Box<Node>),
    Union(Vec<Node>),
    Record {
        name: String,
        space: Option<String>,
        aliases: Vec<String>,
        fields: Vec<Field>,
    },
    Enum {
        name: String,
        symbols: Vec<&'static str>,
        default: Option<&'static str>,
    },
    Fixed {
        name: String,
        size: u64,
    },
    /// Of a type that stands before it.
    Reference(String),
}

#[derive(Clone)]
struct Field {
    name: String,
    node: Node,
    default: Option<String>,
    aliases: Vec<String>,
    order: Option<&'static str>,
    doc: bool,
}

const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
const SYMBOLS: [&str; 5] = ["A", "B", "C", "D", "E"];
const FIELDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// splitmix64: one seed, one list of schemas, everywhere.
struct Maker {
    state: u64,
    names: u64,
    /// Records that are being made: what is in them may refer to them.
    open: Vec<String>,
}

impl Maker {
    fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    fn pair(&mut self) -> (String, String) {
        self.names = 0;
        let reader = self.node(0);
        let mut writer = reader.clone();
        let changes = self.below(4);
        for _change in 0..changes {
            self.change(&mut writer, 0);
        }
        // Whoever reads is as often the one that was changed.
        if self.one_in(2) { (reader.text(), writer.text()) } else { (writer.text(), reader.text()) }
    }

    fn node(&mut self, depth: u64) -> Node {
        match self.below(if depth > 3 { 8 } else { 20 }) {
            0..8 => self.primitive(),
            8 | 9 => Node::Array(Box::new(self.node(depth + 1))),
            10 | 11 => Node::Map(Box::new(self.node(depth + 1))),
            12 | 13 => self.union(depth),
            14..18 => self.record(depth),
            18 => self.r#enum(),
            _fixed => Node::Fixed { name: self.name(), size: 1 + self.below(3) },
        }
    }

    fn primitive(&mut self) -> Node {
        if let (true, Some(name)) = (self.one_in(10), self.open.last()) {
            return Node::Reference(name.clone());
        }
        let properties = match self.below(12) {
            0 => vec![("logicalType", "\"timestamp-millis\"".to_owned())],
            1 => vec![
                ("x", "{\"b\":1,\"a\":[1.50,null]}".to_owned()),
                ("avro.java.string", "\"String\"".to_owned()),
            ],
            _none => Vec::new(),
        };
        Node::Primitive(self.pick(&PRIMITIVES), properties)
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("N{}", self.names)
    }

    fn union(&mut self, depth: u64) -> Node {
        let count = 1 + self.below(3);
        let mut branches: Vec<Node> = Vec::new();
        for _branch in 0..count {
            let node = self.node(depth + 1);
            let kind = node.kind();
            if !matches!(node, Node::Union(_)) && branches.iter().all(|other| other.kind() != kind) {
                branches.push(node);
            }
        }
        Node::Union(branches)
    }

    fn record(&mut self, depth: u64) -> Node {
        let name = self.name();
        let space = match self.below(4) {
            0 => Some("x.y".to_owned()),
            1 => Some("z".to_owned()),
            _none => None,
        };
        let full = space.as_ref().map_or_else(|| name.clone(), |space| format!("{space}.{name}"));
        // Only where it does not depend on namespaces around it.
        let referred = space.is_some();
        if referred {
            self.open.push(full);
        }
        let count = self.below(4) as usize;
        let fields = FIELDS.iter().take(count).map(|name| self.field(name, depth)).collect();
        if referred {
            self.open.pop();
        }
        let aliases = if self.one_in(6) { vec!["Old".to_owned(), "q.Older".to_owned()] } else { Vec::new() };
        Node::Record { name, space, aliases, fields }
    }

    fn field(&mut self, name: &str, depth: u64) -> Field {
        let node = self.node(depth + 1);
        let default = if self.one_in(2) { node.default() } else { None };
        let aliases = if self.one_in(8) {
            vec![self.pick(&FIELDS).to_owned() + "2", "g".to_owned()]
        } else {
            Vec::new()
        };
        let order =
            if self.one_in(8) { Some(self.pick(&["ascending", "descending", "ignore"])) } else { None };
        Field { name: name.to_owned(), node, default, aliases, order, doc: self.one_in(8) }
    }

    fn r#enum(&mut self) -> Node {
        let count = 1 + self.below(4) as usize;
        let symbols: Vec<&str> = SYMBOLS.iter().take(count).copied().collect();
        let default = if self.one_in(3) { Some(self.pick(&symbols)) } else { None };
        Node::Enum { name: self.name(), symbols, default }
    }

    /// One change somewhere.
    fn change(&mut self, node: &mut Node, depth: u64) {
        let deeper = !self.one_in(3);
        match node {
            Node::Array(inner) | Node::Map(inner) if deeper => self.change(inner, depth + 1),
            Node::Union(branches) if deeper && !branches.is_empty() => {
                let place = self.below(branches.len() as u64) as usize;
                let mut changed = branches[place].clone();
                self.change(&mut changed, depth + 1);
                let kind = changed.kind();
                let others = branches.iter().enumerate().filter(|(other, _)| *other != place);
                if !matches!(changed, Node::Union(_))
                    && others.map(|(_, node)| node.kind()).all(|other| other != kind)
                {
                    branches[place] = changed;
                }
            }
            Node::Union(branches) if self.one_in(2) => drop(branches.pop()),
            Node::Record { fields, .. } if deeper && !fields.is_empty() => {
                let place = self.below(fields.len() as u64) as usize;
                self.change(&mut fields[place].node, depth + 1);
                let stale = fields[place].default.is_some();
                fields[place].default = if stale { fields[place].node.default() } else { None };
            }
            Node::Record { name, fields, aliases, .. } => match self.below(7) {
                0 => *name = format!("M{}", self.below(3)),
                1 if !fields.is_empty() => drop(fields.remove(0)),
                2 => fields.push(self.field("g", 4)),
                3 => fields.reverse(),
                4 if !fields.is_empty() => {
                    let old = std::mem::replace(&mut fields[0].name, "h".to_owned());
                    fields[0].aliases.push(old);
                }
                5 if !fields.is_empty() => fields[0].default = fields[0].node.default(),
                _alias => aliases.push("M0".to_owned()),
            },
            Node::Enum { symbols, default, name } => match self.below(4) {
                0 if symbols.len() > 1 && *default != symbols.last().copied() => drop(symbols.pop()),
                1 => symbols.push("Z"),
                2 => *default = Some(symbols[0]),
                _name => *name = "M1".to_owned(),
            },
            Node::Fixed { size, .. } if self.one_in(2) => *size += 1,
            Node::Primitive(name, _) if self.one_in(2) => *name = self.pick(&PRIMITIVES),
            // Not by a name, which would take the place that is written to.
            _ => {
                *node =
                    if self.one_in(3) { Node::Union(vec![node.clone()]).flat() } else { self.node(depth + 2) }
            }
        }
    }
}

impl Node {
    /// What may stand once in a union.
    fn kind(&self) -> String {
        match self {
            Node::Primitive(name, _) => (*name).to_owned(),
            Node::Array(_) => "array".to_owned(),
            Node::Map(_) => "map".to_owned(),
            Node::Union(_) => "union".to_owned(),
            Node::Record { name, .. } | Node::Enum { name, .. } | Node::Fixed { name, .. } => name.clone(),
            Node::Reference(name) => name.rsplit('.').next().unwrap_or_default().to_owned(),
        }
    }

    /// A union in a union is none.
    fn flat(self) -> Node {
        match self {
            Node::Union(mut branches) if matches!(branches.as_slice(), [Node::Union(_)]) => {
                branches.remove(0)
            }
            other => other,
        }
    }

    fn default(&self) -> Option<String> {
        Some(match self {
            Node::Primitive("null", _) => "null".to_owned(),
            Node::Primitive("boolean", _) => "true".to_owned(),
            Node::Primitive("int" | "long", _) => "7".to_owned(),
            Node::Primitive("float" | "double", _) => "1.5".to_owned(),
            Node::Primitive(_, _) => "\"s\"".to_owned(),
            Node::Array(_) => "[]".to_owned(),
            Node::Map(_) => "{}".to_owned(),
            Node::Union(branches) => return branches.first()?.default(),
            Node::Enum { symbols, .. } => format!("{:?}", symbols.first()?),
            Node::Fixed { size, .. } => format!("{:?}", "s".repeat(*size as usize)),
            Node::Record { .. } | Node::Reference(_) => return None,
        })
    }

    fn text(&self) -> String {
        match self {
            Node::Primitive(name, properties) if properties.is_empty() => format!("{name:?}"),
            Node::Primitive(name, properties) => {
                let all: Vec<String> =
                    properties.iter().map(|(name, value)| format!(",{name:?}:{value}")).collect();
                format!("{{\"type\":{name:?}{}}}", all.concat())
            }
            Node::Array(inner) => format!("{{\"type\":\"array\",\"items\":{}}}", inner.text()),
            Node::Map(inner) => format!("{{\"values\":{},\"type\":\"map\"}}", inner.text()),
            Node::Union(branches) => {
                let all: Vec<String> = branches.iter().map(Node::text).collect();
                format!("[{}]", all.join(","))
            }
            Node::Record { name, space, aliases, fields } => {
                let space =
                    space.as_ref().map_or_else(String::new, |space| format!(",\"namespace\":{space:?}"));
                let fields: Vec<String> = fields.iter().map(Field::text).collect();
                let aliases = aliases_text(aliases);
                format!(
                    "{{\"type\":\"record\",\"name\":{name:?}{space}{aliases},\"fields\":[{}]}}",
                    fields.join(",")
                )
            }
            Node::Enum { name, symbols, default } => {
                let default = default.map_or_else(String::new, |default| format!(",\"default\":{default:?}"));
                format!("{{\"type\":\"enum\",\"name\":{name:?},\"symbols\":{symbols:?}{default}}}")
            }
            Node::Fixed { name, size } => format!("{{\"type\":\"fixed\",\"name\":{name:?},\"size\":{size}}}"),
            Node::Reference(name) => format!("{name:?}"),
        }
    }
}

fn aliases_text(aliases: &[String]) -> String {
    if aliases.is_empty() { String::new() } else { format!(",\"aliases\":{aliases:?}") }
}

impl Field {
    fn text(&self) -> String {
        let order = self.order.map_or_else(String::new, |order| format!(",\"order\":{order:?}"));
        let default =
            self.default.as_ref().map_or_else(String::new, |default| format!(",\"default\":{default}"));
        let (aliases, doc) = (aliases_text(&self.aliases), if self.doc { ",\"doc\":\"d\"" } else { "" });
        format!("{{\"name\":{:?}{order}{doc},\"type\":{}{default}{aliases}}}", self.name, self.node.text())
    }
}
