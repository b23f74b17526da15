//! Values of an Avro schema: from JSON to Avro's binary encoding and back (the specification's "Binary Encoding" and "JSON Encoding"). Unions are
//! tagged with their branch's name on the way out, as Avro's tools have it, and may be tagged on the way in; logical types are what they are
//! made of. Everything is bounded: values come from strangers.

use super::{AvroSchema, Field, Kind, Primitive, TypeId};
use crate::json::{Json, Object};

/// Values within each other at most.
const DEPTH_MAX: usize = 256;

/// Values in bytes that take none (nulls, records without fields) beyond those that bytes account for.
const EMPTY_VALUES_MAX: usize = 100_000;

/// Values looked at while one is encoded; a value may be tried as several branches of a union, at every level.
pub(super) const TRIES_MAX: usize = 10_000_000;

impl AvroSchema {
    /// The bytes of a value. A field that is missing has its default.
    pub fn encode(&self, value: &Json) -> Result<Vec<u8>, String> {
        let mut encoder = Encoder { schema: self, out: Vec::new(), depth: 0, tries: TRIES_MAX };
        encoder.value(self.root, value)?;
        Ok(encoder.out)
    }

    /// The value in bytes that were written by this schema, to their end.
    pub fn decode(&self, bytes: &[u8]) -> Result<Json, String> {
        let left = bytes.len().saturating_mul(2).saturating_add(EMPTY_VALUES_MAX);
        let mut decoder = Decoder { schema: self, rest: bytes, depth: 0, left };
        let value = decoder.value(self.root)?;
        match decoder.rest.len() {
            0 => Ok(value),
            more => Err(format!("{more} bytes stand behind the value")),
        }
    }

    /// A default of this type as values are told, and what it is worth in bytes.
    pub(super) fn default_value(&self, id: TypeId, default: &Json) -> Result<(Json, usize), String> {
        let mut encoder = Encoder { schema: self, out: Vec::new(), depth: 0, tries: TRIES_MAX };
        encoder.value(id, default)?;
        let bytes = encoder.out;
        let left = bytes.len().saturating_mul(2).saturating_add(EMPTY_VALUES_MAX);
        let mut decoder = Decoder { schema: self, rest: &bytes, depth: 0, left };
        Ok((decoder.value(id)?, bytes.len()))
    }

    /// What tags a value of this type within a union.
    pub(super) fn tag(&self, id: TypeId) -> String {
        match (self.kind(id), self.named(id)) {
            (_, Some(named)) => named.name.full(),
            (Kind::Primitive(primitive), None) => primitive.name().to_owned(),
            (Kind::Array(_), None) => "array".to_owned(),
            (_, None) => "map".to_owned(),
        }
    }
}

struct Encoder<'a> {
    schema: &'a AvroSchema,
    out: Vec<u8>,
    depth: usize,
    tries: usize,
}

impl Encoder<'_> {
    fn value(&mut self, id: TypeId, value: &Json) -> Result<(), String> {
        if self.depth == DEPTH_MAX {
            return Err(format!("the value is nested deeper than {DEPTH_MAX}"));
        }
        if self.tries == 0 {
            return Err("the value fits too many branches of unions in part; tag them".to_owned());
        }
        self.tries -= 1;
        self.depth += 1;
        let done = self.inner(id, value);
        self.depth -= 1;
        done
    }

    fn inner(&mut self, id: TypeId, value: &Json) -> Result<(), String> {
        let schema = self.schema;
        let no = || Err(format!("{} is no {}", shortened(value), schema.tag(id)));
        match schema.kind(id) {
            Kind::Primitive(primitive) => self.primitive(*primitive, value).map_or_else(no, Ok),
            Kind::Fixed { size, .. } => match value.as_str().and_then(latin1) {
                Some(bytes) if i64::try_from(bytes.len()) == Ok(*size) => {
                    self.out.extend(bytes);
                    Ok(())
                }
                Some(_) | None => no(),
            },
            Kind::Enum { symbols, .. } => {
                let place =
                    value.as_str().and_then(|symbol| symbols.iter().position(|known| known == symbol));
                place.map(|place| self.long(place as i64)).map_or_else(no, Ok)
            }
            Kind::Array(items) => {
                let Some(all) = value.as_array() else { return no() };
                self.block(all.len());
                for (index, one) in all.iter().enumerate() {
                    self.value(*items, one).map_err(|why| within(&format!("[{index}]"), &why))?;
                }
                self.end();
                Ok(())
            }
            Kind::Map(values) => {
                let Some(all) = value.as_object() else { return no() };
                self.block(all.len());
                for (name, one) in all.iter() {
                    self.bytes(name.as_bytes());
                    self.value(*values, one).map_err(|why| within(name, &why))?;
                }
                self.end();
                Ok(())
            }
            Kind::Union(branches) => self.union(branches, value),
            Kind::Record { fields, .. } => match value.as_object() {
                Some(members) => self.record(fields, members),
                None => no(),
            },
        }
    }

    fn record(&mut self, fields: &[Field], members: &Object) -> Result<(), String> {
        let mut taken = 0;
        for field in fields {
            let value = match (members.get(&field.name), &field.default) {
                (Some(value), _) => {
                    taken += 1;
                    value
                }
                (None, Some(default)) => default,
                (None, None) => return Err(format!("{}: it is missing, and has no default", field.name)),
            };
            self.value(field.r#type, value).map_err(|why| within(&field.name, &why))?;
        }
        if taken < members.len() {
            let known = |name: &str| fields.iter().any(|field| field.name == name);
            let stray = members.iter().find(|(name, _)| !known(name)).map_or("", |(name, _)| name);
            return Err(format!("{stray}: the record has no field of this name"));
        }
        Ok(())
    }

    /// As its tag says; without one the first branch that the value fits.
    fn union(&mut self, branches: &[TypeId], value: &Json) -> Result<(), String> {
        let schema = self.schema;
        let tagged =
            value.as_object().filter(|object| object.len() == 1).and_then(|object| object.iter().next());
        if let Some((tag, inner)) = tagged {
            let simple = |id: &TypeId| schema.named(*id).is_some_and(|named| named.name.simple == tag);
            let exact = branches.iter().position(|branch| schema.tag(*branch) == tag);
            if let Some(place) = exact.or_else(|| branches.iter().position(simple)) {
                let start = self.out.len();
                self.long(place as i64);
                let tried = self.value(branches[place], inner);
                // An untagged value may have one member of such a name, too.
                if tried.is_ok() || branches.len() == 1 {
                    return tried.map_err(|why| within(tag, &why));
                }
                self.out.truncate(start);
            }
        }
        let mut reasons = Vec::new();
        for (place, branch) in branches.iter().enumerate() {
            let start = self.out.len();
            self.long(place as i64);
            match self.value(*branch, value) {
                Ok(()) => return Ok(()),
                Err(why) => reasons.push(why),
            }
            self.out.truncate(start);
        }
        // The branch of the value's own shape has the most to say.
        let nested = reasons.iter().max_by_key(|why| why.matches(": ").count());
        Err(format!("no branch of the union takes it: {}", nested.map_or("it has none", String::as_str)))
    }

    fn primitive(&mut self, primitive: Primitive, value: &Json) -> Option<()> {
        match primitive {
            Primitive::Null => (*value == Json::Null).then_some(()),
            Primitive::Boolean => value.as_bool().map(|value| self.out.push(value.into())),
            Primitive::Int => {
                let number = value.as_i64().filter(|number| i32::try_from(*number).is_ok())?;
                self.long(number);
                Some(())
            }
            Primitive::Long => value.as_i64().map(|number| self.long(number)),
            Primitive::Float => {
                let number = float(value)? as f32;
                self.out.extend(number.to_le_bytes());
                Some(())
            }
            Primitive::Double => float(value).map(|number| self.out.extend(number.to_le_bytes())),
            Primitive::Bytes => value.as_str().and_then(latin1).map(|bytes| self.bytes(&bytes)),
            Primitive::String => value.as_str().map(|text| self.bytes(text.as_bytes())),
        }
    }

    fn long(&mut self, number: i64) {
        let mut rest = ((number << 1) ^ (number >> 63)) as u64;
        while rest >= 0x80 {
            self.out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.out.push(rest as u8);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.long(bytes.len() as i64);
        self.out.extend_from_slice(bytes);
    }

    fn block(&mut self, count: usize) {
        if count > 0 {
            self.long(count as i64);
        }
    }

    fn end(&mut self) {
        self.out.push(0);
    }
}

struct Decoder<'a> {
    schema: &'a AvroSchema,
    rest: &'a [u8],
    depth: usize,
    /// Values that may still be read.
    left: usize,
}

impl Decoder<'_> {
    fn value(&mut self, id: TypeId) -> Result<Json, String> {
        if self.depth == DEPTH_MAX {
            return Err(format!("the value is nested deeper than {DEPTH_MAX}"));
        }
        self.left = self.left.checked_sub(1).ok_or("there are more values than the bytes account for")?;
        self.depth += 1;
        let value = self.inner(id);
        self.depth -= 1;
        value
    }

    fn inner(&mut self, id: TypeId) -> Result<Json, String> {
        let schema = self.schema;
        match schema.kind(id) {
            Kind::Primitive(primitive) => self.primitive(*primitive),
            Kind::Fixed { size, .. } => self.take(*size).map(text_of_bytes),
            Kind::Enum { symbols, .. } => {
                let place = self.long()?;
                let symbol = usize::try_from(place).ok().and_then(|place| symbols.get(place));
                symbol
                    .map(|symbol| Json::from(symbol.as_str()))
                    .ok_or_else(|| format!("the enum has no symbol {place}"))
            }
            Kind::Array(items) => {
                let mut all = Vec::new();
                self.blocks(|decoder| {
                    all.push(decoder.value(*items)?);
                    Ok(())
                })?;
                Ok(Json::Array(all))
            }
            Kind::Map(values) => {
                let mut all = Vec::new();
                self.blocks(|decoder| {
                    let name = decoder.text()?;
                    all.push((name, decoder.value(*values)?));
                    Ok(())
                })?;
                Ok(Json::Object(all.into_iter().collect()))
            }
            Kind::Union(branches) => {
                let place = self.long()?;
                let branch = usize::try_from(place).ok().and_then(|place| branches.get(place));
                let branch = *branch.ok_or_else(|| format!("the union has no branch {place}"))?;
                let value = self.value(branch)?;
                if *schema.kind(branch) == Kind::Primitive(Primitive::Null) {
                    return Ok(value);
                }
                Ok(Json::Object([(schema.tag(branch), value)].into_iter().collect()))
            }
            Kind::Record { fields, .. } => {
                let mut members = Vec::with_capacity(fields.len());
                for field in fields {
                    let value = self.value(field.r#type).map_err(|why| within(&field.name, &why))?;
                    members.push((field.name.clone(), value));
                }
                Ok(Json::Object(members.into_iter().collect()))
            }
        }
    }

    fn primitive(&mut self, primitive: Primitive) -> Result<Json, String> {
        Ok(match primitive {
            Primitive::Null => Json::Null,
            Primitive::Boolean => match self.take(1)? {
                [0] => Json::Bool(false),
                [1] => Json::Bool(true),
                other => return Err(format!("{other:?} is no boolean")),
            },
            Primitive::Int => {
                let number = self.long()?;
                let number = i32::try_from(number).map_err(|_| format!("{number} is no int"))?;
                Json::from(number)
            }
            Primitive::Long => Json::Number(self.long()?.to_string()),
            Primitive::Float => number_of(f32::from_le_bytes(self.array()?)),
            Primitive::Double => number_of(f64::from_le_bytes(self.array()?)),
            Primitive::Bytes => {
                let length = self.long()?;
                text_of_bytes(self.take(length)?)
            }
            Primitive::String => Json::String(self.text()?),
        })
    }

    /// Items come in blocks; a negative count is followed by the block's size in bytes, for who wants to skip it.
    fn blocks(&mut self, mut one: impl FnMut(&mut Self) -> Result<(), String>) -> Result<(), String> {
        loop {
            let mut count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.long()?;
                count = count.checked_neg().ok_or("a block has no count")?;
            }
            for _item in 0..count {
                one(self)?;
            }
        }
    }

    fn text(&mut self) -> Result<String, String> {
        let length = self.long()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| "a string is not UTF-8".to_owned())
    }

    fn long(&mut self) -> Result<i64, String> {
        let mut number = 0u64;
        for shift in (0..70).step_by(7) {
            let [byte] = self.array()?;
            if shift == 63 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((number >> 1) as i64 ^ -((number & 1) as i64));
            }
        }
        Err("a number is longer than 64 bits".to_owned())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (first, rest) = self.rest.split_first_chunk().ok_or("the bytes end within the value")?;
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self, length: i64) -> Result<&[u8], String> {
        let parts = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (taken, rest) =
            parts.ok_or_else(|| format!("{length} bytes should stand where {} are left", self.rest.len()))?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Each letter a byte: how Avro writes bytes in JSON.
pub(super) fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect()
}

pub(super) fn text_of_bytes(bytes: &[u8]) -> Json {
    Json::String(bytes.iter().map(|byte| char::from(*byte)).collect())
}

/// What JSON has no numbers for is text.
pub(in crate::formats) fn float(value: &Json) -> Option<f64> {
    match value.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity" | "INF") => Some(f64::INFINITY),
        Some("-Infinity" | "-INF") => Some(f64::NEG_INFINITY),
        Some(_) => None,
        None => value.as_f64(),
    }
}

/// The shortest spelling that reads back as the same number of the same width.
pub(in crate::formats) fn number_of<F: Into<f64> + Copy + std::fmt::Debug>(number: F) -> Json {
    let wide: f64 = number.into();
    if wide.is_nan() {
        return Json::from("NaN");
    }
    if wide.is_infinite() {
        return Json::from(if wide > 0.0 { "Infinity" } else { "-Infinity" });
    }
    Json::Number(format!("{number:?}"))
}

fn within(step: &str, why: &str) -> String {
    format!("{step}: {why}")
}

/// A value at a length that a person reads.
fn shortened(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
