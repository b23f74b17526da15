//! From text to [`File`]: proto2, proto3 and editions. Recursion is bounded. Whether names exist is `resolve`'s.

use super::lexer::{Lexer, Token};
use super::model::{
    Enum, EnumValue, Extend, Extensions, Field, FieldKind, File, Group, Import, ImportKind, Label, Message,
    Method, OneOf, Opt, Reserved, Service, Syntax, TAG_MAX, Type, Value, is_scalar,
};
use std::collections::BTreeSet;

/// Messages, option values and the like within each other; protoc stops at 32.
const DEPTH_MAX: usize = 32;

type Result<T> = std::result::Result<T, String>;

/// Reads a file.
pub fn parse(text: &str) -> Result<File> {
    let mut lexer = Lexer::new(text);
    let next = lexer.next()?;
    let mut parser = Parser { lexer, next, depth: 0, syntax: Syntax::Unsaid };
    let file = parser.file()?;
    if file.types.is_empty()
        && file.imports.is_empty()
        && file.package.is_none()
        && file.syntax == Syntax::Unsaid
    {
        return Err("it declares nothing".to_owned());
    }
    Ok(file)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    next: Token,
    depth: usize,
    syntax: Syntax,
}

impl Parser<'_> {
    fn wrong<T>(&self, why: impl std::fmt::Display) -> Result<T> {
        Err(format!("Syntax error in line {}: {why}", self.lexer.line()))
    }

    fn take(&mut self) -> Result<Token> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    fn is(&self, sign: char) -> bool {
        self.next == Token::Sign(sign)
    }

    fn eat(&mut self, sign: char) -> Result<bool> {
        let found = self.is(sign);
        if found {
            self.take()?;
        }
        Ok(found)
    }

    fn expect(&mut self, sign: char) -> Result<()> {
        if self.eat(sign)? { Ok(()) } else { self.wrong(format!("expected {sign:?}, found {:?}", self.next)) }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.next, Token::Word(next) if next == word)
    }

    fn word(&mut self) -> Result<String> {
        match self.take()? {
            Token::Word(word) => Ok(word),
            other => self.wrong(format!("expected a name, found {other:?}")),
        }
    }

    /// `a.b.c`, with a point in front or not.
    fn name(&mut self) -> Result<String> {
        let mut name = String::new();
        if self.eat('.')? {
            name.push('.');
        }
        name.push_str(&self.word()?);
        while self.eat('.')? {
            name.push('.');
            name.push_str(&self.word()?);
        }
        Ok(name)
    }

    /// Strings one after the other are one.
    fn string(&mut self) -> Result<String> {
        let mut text = match self.take()? {
            Token::String(text) => text,
            other => return self.wrong(format!("expected a string, found {other:?}")),
        };
        while let Token::String(more) = &self.next {
            text.push_str(more);
            self.take()?;
        }
        Ok(text)
    }

    fn integer(&mut self) -> Result<i32> {
        let negative = self.eat('-')?;
        let token = self.take()?;
        let Token::Number(text) = &token else {
            return self.wrong(format!("expected a number, found {token:?}"));
        };
        let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => i64::from_str_radix(digits, 16),
            None if text.len() > 1 && text.starts_with('0') => i64::from_str_radix(text, 8),
            None => text.parse(),
        };
        let number = parsed.ok().map(|number| if negative { -number } else { number });
        match number.and_then(|number| i32::try_from(number).ok()) {
            Some(number) => Ok(number),
            None => self.wrong(format!("{text} is no 32-bit integer")),
        }
    }

    fn tag(&mut self) -> Result<i32> {
        let tag = self.integer()?;
        let reserved = (19_000..20_000).contains(&tag);
        if !(1..=TAG_MAX).contains(&tag) || reserved {
            return self.wrong(format!("{tag} is no field number: 1 to {TAG_MAX}, without 19000 to 19999"));
        }
        Ok(tag)
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == DEPTH_MAX {
            return self.wrong(format!("it is nested deeper than {DEPTH_MAX}"));
        }
        self.depth += 1;
        let read = read(self)?;
        self.depth -= 1;
        Ok(read)
    }

    fn file(&mut self) -> Result<File> {
        let mut file = File::default();
        loop {
            let word = match &self.next {
                Token::End => return Ok(file),
                Token::Sign(';') => {
                    self.take()?;
                    continue;
                }
                Token::Word(word) => word.clone(),
                other => return self.wrong(format!("unexpected {other:?}")),
            };
            match word.as_str() {
                "syntax" | "edition" => {
                    self.take()?;
                    self.expect('=')?;
                    let said = self.string()?;
                    self.expect(';')?;
                    file.syntax = match (word.as_str(), said.as_str()) {
                        ("syntax", "proto2") => Syntax::Proto2,
                        ("syntax", "proto3") => Syntax::Proto3,
                        ("edition", _) => Syntax::Edition(said),
                        (_, other) => return self.wrong(format!("unexpected syntax: {other}")),
                    };
                    self.syntax = file.syntax.clone();
                }
                "package" => {
                    self.take()?;
                    file.package = Some(self.name()?);
                    self.expect(';')?;
                }
                "import" => file.imports.push(self.import()?),
                "option" => file.options.push(self.option_statement()?),
                "message" => file.types.push(Type::Message(self.nested(Self::message)?)),
                "enum" => file.types.push(Type::Enum(self.r#enum()?)),
                "extend" => file.extends.push(self.extend()?),
                "service" => file.services.push(self.service()?),
                "export" | "local" => drop(self.take()?),
                other => return self.wrong(format!("unexpected {other:?}")),
            }
        }
    }

    fn import(&mut self) -> Result<Import> {
        self.take()?;
        let kind = match &self.next {
            Token::Word(word) if word == "public" => ImportKind::Public,
            Token::Word(word) if word == "weak" => ImportKind::Weak,
            _file => ImportKind::Plain,
        };
        if kind != ImportKind::Plain {
            self.take()?;
        }
        let file = self.string()?;
        self.expect(';')?;
        Ok(Import { file, kind })
    }

    fn message(&mut self) -> Result<Message> {
        self.take()?;
        let mut message = Message { name: self.word()?, ..Message::default() };
        self.expect('{')?;
        while !self.eat('}')? {
            self.member(&mut message)?;
        }
        self.check(&message)?;
        Ok(message)
    }

    fn member(&mut self, message: &mut Message) -> Result<()> {
        let word = match &self.next {
            Token::Word(word) => word.clone(),
            Token::Sign(';') => return self.take().map(drop),
            // A type with a point in front.
            Token::Sign('.') => String::new(),
            other => return self.wrong(format!("unexpected {other:?} in message {}", message.name)),
        };
        match word.as_str() {
            "option" => message.options.push(self.option_statement()?),
            "reserved" => message.reserved.push(self.reserved()?),
            "extensions" => message.extensions.push(self.extensions()?),
            "oneof" => message.oneofs.push(self.oneof()?),
            "message" => message.types.push(Type::Message(self.nested(Self::message)?)),
            "enum" => message.types.push(Type::Enum(self.r#enum()?)),
            "extend" => message.extends.push(self.extend()?),
            _field => match self.field(true)? {
                Member::Field(field) => message.fields.push(field),
                Member::Group(group) => message.groups.push(group),
            },
        }
        Ok(())
    }

    fn label(&mut self) -> Result<Option<Label>> {
        let label = match &self.next {
            Token::Word(word) => match word.as_str() {
                "optional" => Label::Optional,
                "required" => Label::Required,
                "repeated" => Label::Repeated,
                _type => return Ok(None),
            },
            _type => return Ok(None),
        };
        if label == Label::Required && self.syntax == Syntax::Proto3 {
            return self.wrong("proto3 has no required fields");
        }
        self.take()?;
        Ok(Some(label))
    }

    fn field(&mut self, may_be_labelled: bool) -> Result<Member> {
        let label = if may_be_labelled { self.label()? } else { None };
        if self.is_word("group") && self.syntax != Syntax::Proto3 {
            return self.group(label).map(Member::Group);
        }
        let kind = self.field_kind()?;
        if label.is_some() && matches!(kind, FieldKind::Map(..)) {
            return self.wrong("a map field has no label");
        }
        let may_lack_label = !matches!(self.syntax, Syntax::Unsaid | Syntax::Proto2);
        let is_map = matches!(kind, FieldKind::Map(..));
        let name = self.word()?;
        if may_be_labelled && label.is_none() && !may_lack_label && !is_map {
            return self
                .wrong(format!("field {name} needs a label in proto2: optional, required or repeated"));
        }
        self.expect('=')?;
        let tag = self.tag()?;
        let mut options = self.bracketed()?;
        // As Confluent prints them: these two behind all others.
        options.sort_by_key(|option| match option.name.as_str() {
            "default" => 1,
            "json_name" => 2,
            _other => 0,
        });
        self.expect(';')?;
        Ok(Member::Field(Field { label, kind, name, tag, options }))
    }

    fn field_kind(&mut self) -> Result<FieldKind> {
        let name = self.name()?;
        if name != "map" || !self.eat('<')? {
            return Ok(FieldKind::Named(name));
        }
        let key = self.name()?;
        if !is_scalar(&key) || ["double", "float", "bytes"].contains(&key.as_str()) {
            return self.wrong(format!("{key} is no type of a map's keys"));
        }
        self.expect(',')?;
        let value = self.name()?;
        self.expect('>')?;
        Ok(FieldKind::Map(key, value))
    }

    fn group(&mut self, label: Option<Label>) -> Result<Group> {
        self.take()?;
        let name = self.word()?;
        self.expect('=')?;
        let tag = self.tag()?;
        self.bracketed()?;
        self.expect('{')?;
        let mut fields = Vec::new();
        while !self.eat('}')? {
            if self.eat(';')? {
                continue;
            }
            match self.nested(|parser| parser.field(true))? {
                Member::Field(field) => fields.push(field),
                Member::Group(inner) => return self.wrong(format!("group {} stands in a group", inner.name)),
            }
        }
        Ok(Group { label, name, tag, fields })
    }

    fn oneof(&mut self) -> Result<OneOf> {
        self.take()?;
        let mut oneof = OneOf { name: self.word()?, ..OneOf::default() };
        self.expect('{')?;
        while !self.eat('}')? {
            if self.eat(';')? {
                continue;
            }
            if self.is_word("option") {
                oneof.options.push(self.option_statement()?);
                continue;
            }
            match self.field(false)? {
                Member::Field(Field { kind: FieldKind::Map(..), name, .. }) => {
                    return self.wrong(format!("map field {name} stands in a oneof"));
                }
                Member::Field(field) => oneof.fields.push(field),
                Member::Group(group) => oneof.groups.push(group),
            }
        }
        if oneof.fields.is_empty() && oneof.groups.is_empty() {
            return self.wrong(format!("oneof {} has no fields", oneof.name));
        }
        Ok(oneof)
    }

    fn extend(&mut self) -> Result<Extend> {
        self.take()?;
        let name = self.name()?;
        self.expect('{')?;
        let mut fields = Vec::new();
        while !self.eat('}')? {
            if self.eat(';')? {
                continue;
            }
            if let Member::Field(field) = self.field(true)? {
                fields.push(field);
            }
        }
        Ok(Extend { name, fields })
    }

    fn range(&mut self) -> Result<(i32, Option<i32>)> {
        let from = self.integer()?;
        if !self.is_word("to") {
            return Ok((from, None));
        }
        self.take()?;
        if self.is_word("max") {
            self.take()?;
            return Ok((from, Some(TAG_MAX)));
        }
        let to = self.integer()?;
        if to < from { self.wrong(format!("{from} to {to} is no range")) } else { Ok((from, Some(to))) }
    }

    fn reserved(&mut self) -> Result<Vec<Reserved>> {
        self.take()?;
        let mut all = Vec::new();
        loop {
            all.push(match &self.next {
                Token::String(_) => Reserved::Name(self.string()?),
                Token::Word(_) => Reserved::Name(self.word()?),
                _number => match self.range()? {
                    (number, None) => Reserved::Number(number),
                    (from, Some(to)) => Reserved::Range(from, to),
                },
            });
            if !self.eat(',')? {
                break;
            }
        }
        self.expect(';')?;
        Ok(all)
    }

    fn extensions(&mut self) -> Result<Extensions> {
        self.take()?;
        let mut ranges = Vec::new();
        loop {
            let (from, to) = self.range()?;
            ranges.push((from, to.unwrap_or(from)));
            if !self.eat(',')? {
                break;
            }
        }
        let options = self.bracketed()?;
        self.expect(';')?;
        Ok(Extensions { ranges, options })
    }

    fn r#enum(&mut self) -> Result<Enum> {
        self.take()?;
        let mut one = Enum { name: self.word()?, ..Enum::default() };
        self.expect('{')?;
        while !self.eat('}')? {
            if self.eat(';')? {
                continue;
            }
            if self.is_word("option") {
                one.options.push(self.option_statement()?);
            } else if self.is_word("reserved") {
                one.reserved.push(self.reserved()?);
            } else {
                let name = self.word()?;
                self.expect('=')?;
                let number = self.integer()?;
                let options = self.bracketed()?;
                self.expect(';')?;
                one.values.push(EnumValue { name, number, options });
            }
        }
        self.check_enum(&one)?;
        Ok(one)
    }

    fn service(&mut self) -> Result<Service> {
        self.take()?;
        let mut service = Service { name: self.word()?, options: Vec::new(), methods: Vec::new() };
        self.expect('{')?;
        while !self.eat('}')? {
            if self.eat(';')? {
                continue;
            }
            match self.is_word("option") {
                true => service.options.push(self.option_statement()?),
                false => service.methods.push(self.method()?),
            }
        }
        Ok(service)
    }

    fn method(&mut self) -> Result<Method> {
        if !self.is_word("rpc") {
            return self.wrong(format!("expected rpc, found {:?}", self.next));
        }
        self.take()?;
        let name = self.word()?;
        let (request, request_streams) = self.message_of_method()?;
        match self.word()?.as_str() {
            "returns" => {}
            other => return self.wrong(format!("expected returns, found {other}")),
        }
        let (response, response_streams) = self.message_of_method()?;
        let mut options = Vec::new();
        if self.eat('{')? {
            while !self.eat('}')? {
                if !self.eat(';')? {
                    options.push(self.option_statement()?);
                }
            }
        } else {
            self.expect(';')?;
        }
        Ok(Method { name, request, request_streams, response, response_streams, options })
    }

    fn message_of_method(&mut self) -> Result<(String, bool)> {
        self.expect('(')?;
        let mut name = self.name()?;
        let streams = name == "stream" && !self.is(')');
        if streams {
            name = self.name()?;
        }
        self.expect(')')?;
        Ok((name, streams))
    }

    fn option_statement(&mut self) -> Result<Opt> {
        self.take()?;
        let option = self.option()?;
        self.expect(';')?;
        Ok(option)
    }

    /// `[a = 1, b = 2]`, or nothing.
    fn bracketed(&mut self) -> Result<Vec<Opt>> {
        let mut options = Vec::new();
        if !self.eat('[')? {
            return Ok(options);
        }
        while !self.eat(']')? {
            options.push(self.option()?);
            if !self.eat(',')? {
                self.expect(']')?;
                break;
            }
        }
        Ok(options)
    }

    fn option(&mut self) -> Result<Opt> {
        let mut name = String::new();
        loop {
            if self.eat('(')? {
                name.push_str(&format!("({})", self.name()?));
                self.expect(')')?;
            } else {
                name.push_str(&self.word()?);
            }
            if !self.eat('.')? {
                break;
            }
            name.push('.');
        }
        self.expect('=')?;
        Ok(Opt { name, value: self.nested(Self::value)? })
    }

    fn value(&mut self) -> Result<Value> {
        match &self.next {
            Token::String(_) => self.string().map(Value::String),
            Token::Sign('{') => self.aggregate('}').map(Value::Map),
            Token::Sign('<') => self.aggregate('>').map(Value::Map),
            Token::Sign('[') => {
                self.take()?;
                let mut all = Vec::new();
                while !self.eat(']')? {
                    all.push(self.nested(Self::value)?);
                    if !self.eat(',')? {
                        self.expect(']')?;
                        break;
                    }
                }
                Ok(Value::List(all))
            }
            Token::Sign(sign @ ('-' | '+')) => {
                let sign = *sign;
                self.take()?;
                match self.take()? {
                    Token::Number(text) | Token::Word(text) if sign == '-' => {
                        Ok(Value::Number(format!("-{text}")))
                    }
                    Token::Number(text) | Token::Word(text) => Ok(Value::Number(text)),
                    other => self.wrong(format!("expected a number, found {other:?}")),
                }
            }
            Token::Number(text) => {
                let text = text.clone();
                self.take()?;
                Ok(Value::Number(text))
            }
            Token::Word(_) => self.name().map(Value::Word),
            other => self.wrong(format!("expected a value, found {other:?}")),
        }
    }

    /// The text format: `key: value`, the colon may lack before an aggregate; commas, semicolons or nothing between.
    fn aggregate(&mut self, end: char) -> Result<Vec<(String, Value)>> {
        self.take()?;
        let mut members = Vec::new();
        while !self.eat(end)? {
            let key = if self.eat('[')? {
                let mut name = self.name()?;
                if self.eat('/')? {
                    name = format!("{name}/{}", self.name()?);
                }
                self.expect(']')?;
                format!("[{name}]")
            } else {
                self.word()?
            };
            let colon = self.eat(':')?;
            if !(colon || self.is('{') || self.is('<')) {
                return self.wrong(format!("expected ':' after {key}"));
            }
            members.push((key, self.nested(Self::value)?));
            if !self.eat(',')? {
                self.eat(';')?;
            }
        }
        Ok(members)
    }

    fn check(&self, message: &Message) -> Result<()> {
        let (mut tags, mut names) = (BTreeSet::new(), BTreeSet::new());
        for field in message.every_field() {
            if !tags.insert(field.tag) {
                return self.wrong(format!("field number {} stands twice in {}", field.tag, message.name));
            }
            if !names.insert(field.name.as_str()) {
                return self.wrong(format!("field {} stands twice in {}", field.name, message.name));
            }
            let taken = message.reserved.iter().flatten().any(|reserved| match reserved {
                Reserved::Number(number) => *number == field.tag,
                Reserved::Range(from, to) => (*from..=*to).contains(&field.tag),
                Reserved::Name(name) => *name == field.name,
            });
            if taken {
                return self.wrong(format!("field {} of {} is reserved", field.name, message.name));
            }
        }
        let mut types = BTreeSet::new();
        let twice = message.types.iter().map(Type::name).find(|name| !types.insert(*name));
        twice.map_or(Ok(()), |name| self.wrong(format!("{name} is declared twice in {}", message.name)))
    }

    fn check_enum(&self, one: &Enum) -> Result<()> {
        let aliases = one.options.iter().any(|option| option.name == "allow_alias" && option.is_true());
        let (mut numbers, mut names) = (BTreeSet::new(), BTreeSet::new());
        for value in &one.values {
            if !names.insert(value.name.as_str()) {
                return self.wrong(format!("{} stands twice in enum {}", value.name, one.name));
            }
            if !numbers.insert(value.number) && !aliases {
                return self.wrong(format!(
                    "{} stands twice in enum {} without allow_alias",
                    value.number, one.name
                ));
            }
        }
        match one.values.first() {
            None => self.wrong(format!("enum {} has no values", one.name)),
            Some(first) if first.number != 0 && self.syntax == Syntax::Proto3 => {
                self.wrong(format!("the first value of enum {} must be 0 in proto3", one.name))
            }
            Some(_) => Ok(()),
        }
    }
}

enum Member {
    Field(Field),
    Group(Group),
}

impl Type {
    pub fn name(&self) -> &str {
        match self {
            Type::Message(message) => &message.name,
            Type::Enum(one) => &one.name,
        }
    }
}

impl Message {
    /// Those of its oneofs, too.
    pub fn every_field(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().chain(self.oneofs.iter().flat_map(|oneof| &oneof.fields))
    }
}
