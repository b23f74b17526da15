//! Which schema a payload was written by: Confluent's prefix of five bytes (magic 0 and an id), or 17 bytes in a header (magic 1 and a GUID) in front of
//! a payload without a prefix; of Protobuf the place of the message behind either. Never asks anybody.

use crate::formats::SchemaType;

/// The header of a record that tells of its key's schema.
pub const KEY_HEADER: &str = "__key_schema_id";
/// And of its value's.
pub const VALUE_HEADER: &str = "__value_schema_id";

/// Of a message within messages at most; no file nests deeper.
const PATH_LENGTH_MAX: usize = 64;

/// How a registry knows a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SchemaId {
    /// A number of one registry.
    Id(i32),
    /// The same in all registries.
    Guid([u8; 16]),
}

/// A payload taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Framed<'a> {
    /// Its schema.
    pub schema: SchemaId,
    /// Behind the schema: in Protobuf the path of the message stands in front, unless the header has it.
    pub rest: &'a [u8],
    /// What the header has behind the GUID.
    pub header_rest: Option<&'a [u8]>,
}

impl<'a> Framed<'a> {
    /// Of a payload and the header that belongs to it, if the record has one.
    pub fn of(payload: &'a [u8], header: Option<&'a [u8]>) -> Result<Framed<'a>, String> {
        if let Some(header) = header {
            let (schema, rest) = prefix(header).map_err(|why| format!("its header of the schema: {why}"))?;
            return Ok(Framed { schema, rest: payload, header_rest: Some(rest) });
        }
        let (schema, rest) = prefix(payload)?;
        Ok(Framed { schema, rest, header_rest: None })
    }

    /// The path of a Protobuf message, and its bytes.
    pub fn message(&self) -> Result<(Vec<i32>, &'a [u8]), String> {
        match self.header_rest {
            Some(mut header) => Ok((path(&mut header)?, self.rest)),
            None => {
                let mut rest = self.rest;
                Ok((path(&mut rest)?, rest))
            }
        }
    }
}

fn prefix(bytes: &[u8]) -> Result<(SchemaId, &[u8]), String> {
    let short = || format!("{} bytes are too few to name a schema", bytes.len());
    let (magic, rest) = bytes.split_first().ok_or_else(short)?;
    match magic {
        0 => {
            let (id, rest) = rest.split_first_chunk().ok_or_else(short)?;
            Ok((SchemaId::Id(i32::from_be_bytes(*id)), rest))
        }
        1 => {
            let (guid, rest) = rest.split_first_chunk().ok_or_else(short)?;
            Ok((SchemaId::Guid(*guid), rest))
        }
        other => Err(format!(
            "it begins with {other}, where 0 or 1 would name a schema: no serializer of a registry wrote it"
        )),
    }
}

/// A count and that many numbers; nothing but a 0 is the first message.
fn path(rest: &mut &[u8]) -> Result<Vec<i32>, String> {
    let count = number(rest)?;
    if count == 0 {
        return Ok(vec![0]);
    }
    let count = usize::try_from(count).ok().filter(|count| *count <= PATH_LENGTH_MAX);
    let count = count.ok_or("its message stands in more messages than there can be")?;
    (0..count).map(|_| number(rest)).collect()
}

fn number(rest: &mut &[u8]) -> Result<i32, String> {
    let mut number = 0u32;
    for shift in (0..35).step_by(7) {
        let (byte, behind) = rest.split_first().ok_or("it ends where its message should be named")?;
        *rest = behind;
        number |= u32::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Ok((number >> 1) as i32 ^ -((number & 1) as i32));
        }
    }
    Err("its message has a place of more than 32 bits".to_owned())
}

/// What stands in front of a payload, or in a header.
pub fn written(schema: SchemaId, path: Option<&[i32]>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24);
    match schema {
        SchemaId::Id(id) => {
            bytes.push(0);
            bytes.extend(id.to_be_bytes());
        }
        SchemaId::Guid(guid) => {
            bytes.push(1);
            bytes.extend(guid);
        }
    }
    match path {
        None => {}
        Some([0]) => bytes.push(0),
        Some(path) => {
            for number in std::iter::once(path.len() as i32).chain(path.iter().copied()) {
                let mut rest = ((number << 1) ^ (number >> 31)) as u32;
                while rest >= 0x80 {
                    bytes.push(rest as u8 | 0x80);
                    rest >>= 7;
                }
                bytes.push(rest as u8);
            }
        }
    }
    bytes
}

/// The header that belongs to a key or a value.
pub fn header_name(is_key: bool) -> &'static str {
    if is_key { KEY_HEADER } else { VALUE_HEADER }
}

/// What a format is called on a command line.
pub fn format_name(schema_type: SchemaType) -> &'static str {
    match schema_type {
        SchemaType::Avro => "avro",
        SchemaType::Json => "json-schema",
        SchemaType::Protobuf => "protobuf",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let guid = SchemaId::Guid([7; 16]);
        for (schema, path) in [
            (SchemaId::Id(1), None),
            (SchemaId::Id(i32::MAX), Some(vec![0])),
            (guid, Some(vec![1, 0, 200])),
            (SchemaId::Id(5), Some(vec![2])),
        ] {
            let mut bytes = written(schema, path.as_deref());
            bytes.extend(b"xyz");
            let framed = Framed::of(&bytes, None).expect("framed");
            assert_eq!(framed.schema, schema);
            match path {
                None => assert_eq!(framed.rest, b"xyz"),
                Some(path) => assert_eq!(framed.message(), Ok((path, &b"xyz"[..]))),
            }
        }
        let header = written(guid, Some(&[3]));
        let framed = Framed::of(b"xyz", Some(&header)).expect("framed");
        assert_eq!((framed.schema, framed.message()), (guid, Ok((vec![3], &b"xyz"[..]))));
        assert_eq!(written(SchemaId::Id(258), None), [0, 0, 0, 1, 2]);
    }

    #[test]
    fn strangers_bytes_are_refused() {
        for bad in [&b""[..], b"\0\0\0", b"{\"a\":1}", b"\x01abc"] {
            assert!(Framed::of(bad, None).is_err(), "{bad:?}");
        }
        for bad in
            [&b"\0\0\0\0\x01"[..], b"\0\0\0\0\x01\xff\xff\xff\xff\xff", b"\0\0\0\0\x01\xfe\xff\xff\xff\x0f"]
        {
            assert!(Framed::of(bad, None).expect("framed").message().is_err(), "{bad:?}");
        }
    }
}
