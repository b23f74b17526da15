//! From Protobuf's wire format to its JSON mapping: fields by their JSON names, those without presence also where they have their default. Fields
//! that the schema lacks are passed over. Bounded in depth and in values, because bytes come from strangers.

use super::table::{Count, FieldType, Kind, MessageType, Scalar, Tables};
use super::wellknown;
use crate::formats::avro::number_of;
use crate::json::Json;
use std::collections::BTreeMap;

/// Messages within each other; what Protobuf's own parsers stop at.
const DEPTH_MAX: usize = 100;

/// Values of one message with all that is in it: two bytes may be a message of a hundred fields that are all printed.
const VALUES_MAX: usize = 2_000_000;

/// The JSON of a message of this type.
pub fn decode(tables: &Tables, id: usize, bytes: &[u8]) -> Result<Json, String> {
    Decoder { tables, depth: 0, left: VALUES_MAX }.message(id, bytes)
}

/// One field's bytes, by the ways in which they are written.
enum Raw<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(&'a [u8]),
    /// Between its tags.
    Group(&'a [u8]),
}

/// What is known of a field while its message is read.
enum Slot {
    One(Json),
    /// Parts of a message that stand apart are one.
    Message(Vec<u8>),
    Many(Vec<Json>),
    Map(Vec<(String, Json)>),
}

struct Decoder<'t> {
    tables: &'t Tables,
    depth: usize,
    left: usize,
}

impl Decoder<'_> {
    fn message(&mut self, id: usize, bytes: &[u8]) -> Result<Json, String> {
        if self.depth == DEPTH_MAX {
            return Err(format!("messages are nested deeper than {DEPTH_MAX}"));
        }
        self.depth += 1;
        let (tables, mut slots) = (self.tables, BTreeMap::new());
        let of = &tables.messages[id];
        let mut rest = bytes;
        while !rest.is_empty() {
            let (tag, raw) = field(&mut rest)?;
            if let Some(field) = of.field(tag) {
                self.take(of, field, raw, &mut slots).map_err(|why| format!("{}: {why}", field.json_name))?;
            }
        }
        let mut members = Vec::with_capacity(of.fields.len());
        for field in &of.fields {
            self.spend()?;
            let value = match slots.remove(&field.tag) {
                Some(Slot::One(value)) => value,
                Some(Slot::Message(bytes)) => {
                    self.one(field, Raw::Bytes(&bytes))?.ok_or("a message is none")?
                }
                Some(Slot::Many(all)) => Json::Array(all),
                Some(Slot::Map(all)) => Json::Object(all.into_iter().collect()),
                None => match self.absent(field) {
                    Some(value) => value,
                    None => continue,
                },
            };
            members.push((field.json_name.clone(), value));
        }
        self.depth -= 1;
        let generic = Json::Object(members.into_iter().collect());
        if of.name == wellknown::ANY {
            return self.any(&generic);
        }
        wellknown::shaped(&of.name, generic)
    }

    fn spend(&mut self) -> Result<(), String> {
        self.left =
            self.left.checked_sub(1).ok_or_else(|| format!("it has more than {VALUES_MAX} values"))?;
        Ok(())
    }

    fn take(
        &mut self,
        of: &MessageType,
        field: &FieldType,
        raw: Raw<'_>,
        slots: &mut BTreeMap<u32, Slot>,
    ) -> Result<(), String> {
        match field.count {
            Count::Map(key) => {
                let Raw::Bytes(entry) = raw else { return Ok(()) };
                let entry = self.entry(key, field, entry)?;
                match slots.entry(field.tag).or_insert_with(|| Slot::Map(Vec::new())) {
                    Slot::Map(all) => all.push(entry),
                    Slot::One(_) | Slot::Message(_) | Slot::Many(_) => {}
                }
            }
            Count::Many => {
                let mut found = Vec::new();
                self.many(field, raw, &mut found)?;
                match slots.entry(field.tag).or_insert_with(|| Slot::Many(Vec::new())) {
                    Slot::Many(all) => all.append(&mut found),
                    Slot::One(_) | Slot::Message(_) | Slot::Map(_) => {}
                }
            }
            Count::One => {
                if let (Kind::Message { .. }, Raw::Bytes(bytes) | Raw::Group(bytes)) = (field.kind, &raw) {
                    clear_others(of, field, slots);
                    match slots.entry(field.tag).or_insert_with(|| Slot::Message(Vec::new())) {
                        Slot::Message(all) => all.extend_from_slice(bytes),
                        Slot::One(_) | Slot::Many(_) | Slot::Map(_) => {}
                    }
                } else if let Some(value) = self.one(field, raw)? {
                    clear_others(of, field, slots);
                    slots.insert(field.tag, Slot::One(value));
                }
            }
        }
        Ok(())
    }

    /// Packed or not, whatever the schema says: readers take both.
    fn many(&mut self, field: &FieldType, raw: Raw<'_>, found: &mut Vec<Json>) -> Result<(), String> {
        let packable = match field.kind {
            Kind::Scalar(scalar) => scalar.may_be_packed(),
            Kind::Enum(_) => true,
            Kind::Message { .. } | Kind::Unknown => false,
        };
        let Raw::Bytes(mut rest) = raw else {
            found.extend(self.one(field, raw)?);
            return Ok(());
        };
        if !packable {
            found.extend(self.one(field, raw)?);
            return Ok(());
        }
        while !rest.is_empty() {
            let raw = match field.kind {
                Kind::Scalar(Scalar::Double | Scalar::Fixed64 | Scalar::Sfixed64) => {
                    Raw::Fixed64(array(&mut rest)?)
                }
                Kind::Scalar(Scalar::Float | Scalar::Fixed32 | Scalar::Sfixed32) => {
                    Raw::Fixed32(array(&mut rest)?)
                }
                _varint => Raw::Varint(varint(&mut rest)?),
            };
            found.extend(self.one(field, raw)?);
        }
        Ok(())
    }

    fn entry(&mut self, key: Scalar, field: &FieldType, bytes: &[u8]) -> Result<(String, Json), String> {
        let (mut name, mut value, mut rest) = (None, None, bytes);
        while !rest.is_empty() {
            match self::field(&mut rest)? {
                (1, raw) => name = scalar(key, &raw)?.or(name),
                (2, raw) => value = self.one(field, raw)?.or(value),
                (_, _) => {}
            }
        }
        let name = match name.unwrap_or_else(|| zero(key)) {
            Json::String(text) => text,
            other => other.to_string(),
        };
        let value = match value {
            Some(value) => value,
            None => match field.kind {
                Kind::Message { of, .. } => self.message(of, &[])?,
                Kind::Scalar(kind) => zero(kind),
                Kind::Enum(of) => self.symbol(of, 0),
                Kind::Unknown => return Err("its type is known by its name alone".to_owned()),
            },
        };
        Ok((name, value))
    }

    /// `None` where it is written in another way than the schema has it: a field that is not known.
    fn one(&mut self, field: &FieldType, raw: Raw<'_>) -> Result<Option<Json>, String> {
        self.spend()?;
        match field.kind {
            Kind::Scalar(kind) => scalar(kind, &raw),
            Kind::Enum(of) => Ok(match raw {
                Raw::Varint(number) => Some(self.symbol(of, number as i32)),
                Raw::Fixed64(_) | Raw::Fixed32(_) | Raw::Bytes(_) | Raw::Group(_) => None,
            }),
            Kind::Message { of, .. } => match raw {
                Raw::Bytes(bytes) | Raw::Group(bytes) => self.message(of, bytes).map(Some),
                Raw::Varint(_) | Raw::Fixed64(_) | Raw::Fixed32(_) => Ok(None),
            },
            Kind::Unknown => {
                Err("its type is known by its name alone, so that it cannot be decoded".to_owned())
            }
        }
    }

    fn symbol(&self, of: usize, number: i32) -> Json {
        let one = &self.tables.enums[of];
        if one.name == wellknown::NULL {
            return Json::Null;
        }
        let known = one.values.iter().find(|(_, known)| *known == number);
        known.map_or_else(|| Json::from(number), |(name, _)| Json::from(name.as_str()))
    }

    fn absent(&self, field: &FieldType) -> Option<Json> {
        match (field.count, field.kind) {
            (Count::Many, _) => Some(Json::Array(Vec::new())),
            (Count::Map(_), _) => Some(Json::Object(crate::json::Object::new())),
            (Count::One, _) if field.presence => None,
            (Count::One, Kind::Scalar(kind)) => Some(zero(kind)),
            (Count::One, Kind::Enum(of)) => Some(self.symbol(of, 0)),
            (Count::One, Kind::Message { .. } | Kind::Unknown) => None,
        }
    }

    /// With the message in it where its type is known here.
    fn any(&mut self, generic: &Json) -> Result<Json, String> {
        let url = generic.get("typeUrl").and_then(Json::as_str).unwrap_or_default();
        let value = generic.get("value").and_then(Json::as_str).unwrap_or_default();
        if url.is_empty() {
            return Ok(Json::Object(crate::json::Object::new()));
        }
        let name = url.rsplit('/').next().unwrap_or_default();
        let Some(id) = self.tables.message(name) else {
            return Ok(wellknown::tagged(url, Json::from(value), true));
        };
        let bytes = wire::base64::STANDARD.decode(value).ok_or("an Any holds no bytes")?;
        // What is within it is as deep as if it stood there.
        self.depth += 1;
        let inner = self.message(id, &bytes)?;
        self.depth -= 1;
        Ok(wellknown::tagged(url, inner, wellknown::is_special(name)))
    }
}

fn clear_others(of: &MessageType, field: &FieldType, slots: &mut BTreeMap<u32, Slot>) {
    if field.oneof.is_some() {
        let others = of.fields.iter().filter(|other| other.oneof == field.oneof && other.tag != field.tag);
        others.for_each(|other| drop(slots.remove(&other.tag)));
    }
}

fn scalar(kind: Scalar, raw: &Raw<'_>) -> Result<Option<Json>, String> {
    Ok(Some(match (kind, raw) {
        (Scalar::Int32, Raw::Varint(number)) => Json::from(*number as i32),
        (Scalar::Uint32, Raw::Varint(number)) => Json::Number((*number as u32).to_string()),
        (Scalar::Sint32, Raw::Varint(number)) => {
            let number = *number as u32;
            Json::from((number >> 1) as i32 ^ -((number & 1) as i32))
        }
        (Scalar::Bool, Raw::Varint(number)) => Json::Bool(*number != 0),
        // Numbers of 64 bits are text: JavaScript's have 53.
        (Scalar::Int64, Raw::Varint(number)) => Json::String((*number as i64).to_string()),
        (Scalar::Uint64, Raw::Varint(number)) => Json::String(number.to_string()),
        (Scalar::Sint64, Raw::Varint(number)) => {
            Json::String(((number >> 1) as i64 ^ -((number & 1) as i64)).to_string())
        }
        (Scalar::Double, Raw::Fixed64(bytes)) => number_of(f64::from_le_bytes(*bytes)),
        (Scalar::Fixed64, Raw::Fixed64(bytes)) => Json::String(u64::from_le_bytes(*bytes).to_string()),
        (Scalar::Sfixed64, Raw::Fixed64(bytes)) => Json::String(i64::from_le_bytes(*bytes).to_string()),
        (Scalar::Float, Raw::Fixed32(bytes)) => number_of(f32::from_le_bytes(*bytes)),
        (Scalar::Fixed32, Raw::Fixed32(bytes)) => Json::Number(u32::from_le_bytes(*bytes).to_string()),
        (Scalar::Sfixed32, Raw::Fixed32(bytes)) => Json::from(i32::from_le_bytes(*bytes)),
        (Scalar::String, Raw::Bytes(bytes)) => {
            Json::from(std::str::from_utf8(bytes).map_err(|_| "a string is not UTF-8")?)
        }
        (Scalar::Bytes, Raw::Bytes(bytes)) => Json::String(wire::base64::STANDARD.encode(bytes)),
        (_, _) => return Ok(None),
    }))
}

fn zero(kind: Scalar) -> Json {
    match kind {
        Scalar::Bool => Json::Bool(false),
        Scalar::String | Scalar::Bytes => Json::from(""),
        Scalar::Double | Scalar::Float => Json::Number("0.0".to_owned()),
        Scalar::Int64 | Scalar::Uint64 | Scalar::Sint64 | Scalar::Fixed64 | Scalar::Sfixed64 => {
            Json::from("0")
        }
        Scalar::Int32 | Scalar::Uint32 | Scalar::Sint32 | Scalar::Fixed32 | Scalar::Sfixed32 => Json::from(0),
    }
}

/// A tag and what stands behind it.
fn field<'a>(rest: &mut &'a [u8]) -> Result<(u32, Raw<'a>), String> {
    let key = varint(rest)?;
    let tag = u32::try_from(key >> 3).ok().filter(|tag| *tag > 0).ok_or("a field has no number")?;
    let raw = match key & 7 {
        0 => Raw::Varint(varint(rest)?),
        1 => Raw::Fixed64(array(rest)?),
        2 => {
            let length = varint(rest)?;
            Raw::Bytes(take(rest, length)?)
        }
        3 => Raw::Group(group(rest, tag)?),
        5 => Raw::Fixed32(array(rest)?),
        other => return Err(format!("field {tag} is written in a way ({other}) that nobody knows")),
    };
    Ok((tag, raw))
}

/// Everything until the tag that ends the group; groups within it counted, not entered.
fn group<'a>(rest: &mut &'a [u8], tag: u32) -> Result<&'a [u8], String> {
    let start = *rest;
    let mut open = vec![tag];
    loop {
        let before = rest.len();
        let key = varint(rest)?;
        let inner = u32::try_from(key >> 3).map_err(|_| "a field has no number")?;
        match key & 7 {
            0 => drop(varint(rest)?),
            1 => drop(array::<8>(rest)?),
            2 => {
                let length = varint(rest)?;
                take(rest, length)?;
            }
            3 => open.push(inner),
            4 if open.pop() == Some(inner) => {
                if open.is_empty() {
                    return Ok(&start[..start.len() - before]);
                }
            }
            5 => drop(array::<4>(rest)?),
            _other => return Err(format!("group {tag} does not end")),
        }
    }
}

fn varint(rest: &mut &[u8]) -> Result<u64, String> {
    let mut number = 0u64;
    for shift in (0..70).step_by(7) {
        let [byte] = array(rest)?;
        number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err("a number is longer than 64 bits".to_owned())
}

fn array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    let (first, behind) = rest.split_first_chunk().ok_or("the bytes end within a field")?;
    *rest = behind;
    Ok(*first)
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], String> {
    let parts = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
    let (taken, behind) = parts.ok_or("the bytes end within a field")?;
    *rest = behind;
    Ok(taken)
}
