//! From Protobuf's JSON mapping to its wire format: fields by their JSON names or by their own, numbers as numbers or text, enums by name or number. A
//! member that the message lacks is refused, as is a second field of one oneof.

use super::table::{Count, FieldType, Kind, MessageType, Scalar, Tables};
use super::wellknown;
use crate::formats::avro::float;
use crate::json::{Json, Object};
use std::collections::BTreeMap;
use wire::base64::{STANDARD, URL_SAFE};

/// The bytes of a message of this type. Depth is bounded as the JSON's is.
pub fn encode(tables: &Tables, id: usize, value: &Json) -> Result<Vec<u8>, String> {
    let of = &tables.messages[id];
    if of.name == wellknown::ANY {
        return any(tables, value);
    }
    let generic = wellknown::generic(&of.name, value)?;
    let value = generic.as_ref().unwrap_or(value);
    let members = value.as_object().ok_or_else(|| format!("{value} is no message {}", of.name))?;
    let mut out = Vec::new();
    for (field, value) in fields(tables, of, members)?.into_values() {
        write(tables, field, value, &mut out).map_err(|why| format!("{}: {why}", field.json_name))?;
    }
    Ok(out)
}

/// By their numbers.
fn fields<'a>(
    tables: &'a Tables,
    of: &'a MessageType,
    members: &'a Object,
) -> Result<BTreeMap<u32, (&'a FieldType, &'a Json)>, String> {
    let names: BTreeMap<&str, &FieldType> = of
        .fields
        .iter()
        .map(|field| (field.name.as_str(), field))
        .chain(of.fields.iter().map(|field| (field.json_name.as_str(), field)))
        .collect();
    let (mut found, mut oneofs) = (BTreeMap::new(), BTreeMap::new());
    for (name, value) in members.iter() {
        let field =
            *names.get(name).ok_or_else(|| format!("{name}: {} has no field of this name", of.name))?;
        if *value == Json::Null && !takes_null(tables, field) {
            continue;
        }
        if let Some(oneof) = field.oneof
            && let Some(other) = oneofs.insert(oneof, name)
        {
            return Err(format!("{name}: it is of one oneof with {other}"));
        }
        if found.insert(field.tag, (field, value)).is_some() {
            return Err(format!("{name}: it is there under another name, too"));
        }
    }
    match of.fields.iter().find(|field| field.required && !found.contains_key(&field.tag)) {
        Some(missing) => Err(format!("{}: it is required", missing.json_name)),
        None => Ok(found),
    }
}

/// Null is nothing, but where it is a value.
fn takes_null(tables: &Tables, field: &FieldType) -> bool {
    match (field.count, field.kind) {
        (Count::One, Kind::Message { of, .. }) => tables.messages[of].name == wellknown::VALUE,
        (Count::One, Kind::Enum(of)) => tables.enums[of].name == wellknown::NULL,
        (_, _) => false,
    }
}

fn write(tables: &Tables, field: &FieldType, value: &Json, out: &mut Vec<u8>) -> Result<(), String> {
    match field.count {
        Count::Map(key) => {
            let members = value.as_object().ok_or_else(|| format!("{value} is no map"))?;
            for (name, one) in members.iter() {
                let mut entry = Vec::new();
                let (way, bytes) = scalar(key, &Json::from(name))?;
                put(1, way, &bytes, &mut entry);
                let (way, bytes) = encoded(tables, field, one).map_err(|why| format!("{name}: {why}"))?;
                put(2, way, &bytes, &mut entry);
                put(field.tag, Way::Length, &entry, out);
            }
            Ok(())
        }
        Count::Many => {
            let all = value.as_array().ok_or_else(|| format!("{value} is no list"))?;
            let mut packed = Vec::new();
            for (index, one) in all.iter().enumerate() {
                let (way, bytes) = encoded(tables, field, one).map_err(|why| format!("[{index}]: {why}"))?;
                match field.packed {
                    true => packed.extend(bytes),
                    false => put(field.tag, way, &bytes, out),
                }
            }
            if !packed.is_empty() {
                put(field.tag, Way::Length, &packed, out);
            }
            Ok(())
        }
        Count::One => {
            let (way, bytes) = encoded(tables, field, value)?;
            if field.presence || bytes.iter().any(|byte| *byte != 0) {
                put(field.tag, way, &bytes, out);
            }
            Ok(())
        }
    }
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Varint = 0,
    Fixed64 = 1,
    Length = 2,
    Group = 3,
    Fixed32 = 5,
}

fn encoded(tables: &Tables, field: &FieldType, value: &Json) -> Result<(Way, Vec<u8>), String> {
    match field.kind {
        Kind::Scalar(kind) => scalar(kind, value),
        Kind::Enum(of) => {
            let one = &tables.enums[of];
            let number = match value {
                Json::Null if one.name == wellknown::NULL => Some(0),
                Json::String(name) => {
                    one.values.iter().find(|(known, _)| known == name).map(|(_, number)| *number)
                }
                other => other.as_i64().and_then(|number| i32::try_from(number).ok()),
            };
            let number = number.ok_or_else(|| format!("{value} is no value of {}", one.name))?;
            Ok((Way::Varint, varint(i64::from(number) as u64)))
        }
        Kind::Message { of, delimited } => {
            let way = if delimited { Way::Group } else { Way::Length };
            Ok((way, encode(tables, of, value)?))
        }
        Kind::Unknown => Err("its type is known by its name alone, so that it cannot be encoded".to_owned()),
    }
}

fn scalar(kind: Scalar, value: &Json) -> Result<(Way, Vec<u8>), String> {
    let no = || format!("{value} is no {}", format!("{kind:?}").to_lowercase());
    let int = || whole(value).and_then(|number| i64::try_from(number).ok());
    let int32 = || int().and_then(|number| i32::try_from(number).ok());
    let uint = || whole(value).and_then(|number| u64::try_from(number).ok());
    let uint32 = || uint().and_then(|number| u32::try_from(number).ok());
    let done = match kind {
        Scalar::Int32 => int32().map(|number| (Way::Varint, varint(i64::from(number) as u64))),
        Scalar::Int64 => int().map(|number| (Way::Varint, varint(number as u64))),
        Scalar::Uint32 => uint32().map(|number| (Way::Varint, varint(number.into()))),
        Scalar::Uint64 => uint().map(|number| (Way::Varint, varint(number))),
        Scalar::Sint32 => {
            int32().map(|number| (Way::Varint, varint(((number << 1) ^ (number >> 31)) as u32 as u64)))
        }
        Scalar::Sint64 => int().map(|number| (Way::Varint, varint(((number << 1) ^ (number >> 63)) as u64))),
        Scalar::Fixed32 => uint32().map(|number| (Way::Fixed32, number.to_le_bytes().to_vec())),
        Scalar::Sfixed32 => int32().map(|number| (Way::Fixed32, number.to_le_bytes().to_vec())),
        Scalar::Fixed64 => uint().map(|number| (Way::Fixed64, number.to_le_bytes().to_vec())),
        Scalar::Sfixed64 => int().map(|number| (Way::Fixed64, number.to_le_bytes().to_vec())),
        Scalar::Double => real(value).map(|number| (Way::Fixed64, number.to_le_bytes().to_vec())),
        Scalar::Float => real(value)
            .filter(|number| number.is_infinite() || !(*number as f32).is_infinite())
            .map(|number| (Way::Fixed32, (number as f32).to_le_bytes().to_vec())),
        Scalar::Bool => match (value, value.as_str()) {
            (Json::Bool(value), _) => Some((Way::Varint, vec![u8::from(*value)])),
            // As a map's key.
            (_, Some("true")) => Some((Way::Varint, vec![1])),
            (_, Some("false")) => Some((Way::Varint, vec![0])),
            (_, _) => None,
        },
        Scalar::String => value.as_str().map(|text| (Way::Length, text.as_bytes().to_vec())),
        Scalar::Bytes => value
            .as_str()
            .and_then(|text| STANDARD.decode(text).or_else(|| URL_SAFE.decode(text)))
            .map(|bytes| (Way::Length, bytes)),
    };
    done.ok_or_else(no)
}

/// A number without a fraction, also as text or as 1e3.
fn whole(value: &Json) -> Option<i128> {
    let text = match value {
        Json::Number(text) | Json::String(text) => text,
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => return None,
    };
    let exact = |number: &f64| number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
    text.parse().ok().or_else(|| text.parse::<f64>().ok().filter(exact).map(|number| number as i128))
}

fn real(value: &Json) -> Option<f64> {
    float(value).or_else(|| {
        value.as_str().filter(|text| !text.is_empty()).and_then(|text| Json::Number(text.to_owned()).as_f64())
    })
}

fn put(tag: u32, way: Way, bytes: &[u8], out: &mut Vec<u8>) {
    let key = u64::from(tag) << 3;
    out.extend(varint(key | way as u64));
    if way == Way::Length {
        out.extend(varint(bytes.len() as u64));
    }
    out.extend_from_slice(bytes);
    if way == Way::Group {
        out.extend(varint(key | 4));
    }
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(2);
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// `{"@type": URL, ...}`, or, of types that have a JSON of their own, `{"@type": URL, "value": ...}`.
fn any(tables: &Tables, value: &Json) -> Result<Vec<u8>, String> {
    let members = value.as_object().ok_or_else(|| format!("{value} is no Any"))?;
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let url = members.get("@type").and_then(Json::as_str).ok_or("@type: an Any needs it")?;
    let name = url.rsplit('/').next().unwrap_or_default();
    let id = tables.message(name).ok_or_else(|| format!("@type: the schema does not know {name}"))?;
    let bytes = if wellknown::is_special(name) {
        encode(tables, id, members.get("value").ok_or("value: an Any of this type needs it")?)?
    } else {
        let rest: Object = members
            .iter()
            .filter(|(name, _)| *name != "@type")
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect();
        encode(tables, id, &Json::Object(rest))?
    };
    let mut out = Vec::new();
    put(1, Way::Length, url.as_bytes(), &mut out);
    if !bytes.is_empty() {
        put(2, Way::Length, &bytes, &mut out);
    }
    Ok(out)
}
