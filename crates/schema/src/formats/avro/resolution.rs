//! What one schema wrote as another one reads it: the specification's "Schema Resolution" and "Aliases", on values. Whether two schemas go together
//! at all is `compatibility`'s; here a value may fit where its schemas do not, and the other way round is told.

use super::binary::{TRIES_MAX, float, latin1, number_of, text_of_bytes};
use super::{AvroSchema, Field, Kind, Named, Primitive, TypeId};
use crate::json::{Json, Object};

impl AvroSchema {
    /// The value in bytes that `writer` wrote, as this schema reads it: numbers promoted, fields by name, defaults where nothing was written.
    pub fn decode_from(&self, writer: &AvroSchema, bytes: &[u8]) -> Result<Json, String> {
        let mut resolving = Resolving { reader: self, writer, left: TRIES_MAX };
        resolving.value(self.root, writer.root, writer.decode(bytes)?)
    }
}

struct Resolving<'a> {
    reader: &'a AvroSchema,
    writer: &'a AvroSchema,
    /// Values, and bytes of defaults, that may still be made: a default of a record in an array is made for each item.
    left: usize,
}

impl Resolving<'_> {
    fn spend(&mut self, cost: usize) -> Result<(), String> {
        self.left = self.left.checked_sub(cost).ok_or("more values are to be made of it than it holds")?;
        Ok(())
    }

    fn value(&mut self, to: TypeId, from: TypeId, value: Json) -> Result<Json, String> {
        self.spend(1)?;
        let (from, value) = match self.writer.kind(from) {
            Kind::Union(branches) => self.untagged(branches, value)?,
            _plain => (from, value),
        };
        let Kind::Union(branches) = self.reader.kind(to) else { return self.plain(to, from, value) };
        let Some(branch) = self.branch(branches, from) else {
            return Err(format!("no branch of the reader's union takes a {}", self.writer.tag(from)));
        };
        let value = self.plain(branch, from, value)?;
        Ok(match self.reader.kind(branch) {
            Kind::Primitive(Primitive::Null) => value,
            _tagged => Json::Object([(self.reader.tag(branch), value)].into_iter().collect()),
        })
    }

    /// The branch that a decoded value of the writer's union has, and the value.
    fn untagged(&self, branches: &[TypeId], value: Json) -> Result<(TypeId, Json), String> {
        let tag = match &value {
            Json::Object(object) => object.iter().next().map_or("", |(tag, _)| tag),
            _null => "null",
        };
        let found = branches.iter().find(|branch| self.writer.tag(**branch) == tag);
        let branch = *found.ok_or("the writer's union has no such branch")?;
        let inner = value.get(tag).cloned().unwrap_or(Json::Null);
        Ok((branch, inner))
    }

    /// The branch of the reader's that is of the same kind and name; else the first that the writer's is promoted to.
    fn branch(&self, branches: &[TypeId], from: TypeId) -> Option<TypeId> {
        let same = |to: &&TypeId| match (self.reader.kind(**to), self.writer.kind(from)) {
            (Kind::Primitive(to), Kind::Primitive(from)) => to == from,
            (Kind::Array(_), Kind::Array(_)) | (Kind::Map(_), Kind::Map(_)) => true,
            (Kind::Record { named: to, .. }, Kind::Record { named: from, .. })
            | (Kind::Enum { named: to, .. }, Kind::Enum { named: from, .. })
            | (Kind::Fixed { named: to, .. }, Kind::Fixed { named: from, .. }) => is_named_alike(to, from),
            _differ => false,
        };
        let promoted = |to: &&TypeId| match (self.reader.kind(**to), self.writer.kind(from)) {
            (Kind::Primitive(to), Kind::Primitive(from)) => promote(*to, *from, Json::Null).is_some(),
            _other => false,
        };
        branches.iter().find(same).or_else(|| branches.iter().find(promoted)).copied()
    }

    /// Neither side is a union.
    fn plain(&mut self, to: TypeId, from: TypeId, value: Json) -> Result<Json, String> {
        let (reader, writer) = (self.reader, self.writer);
        let no = || format!("a {} is not read as {}", writer.tag(from), reader.tag(to));
        match (reader.kind(to), writer.kind(from), value) {
            (Kind::Primitive(to), Kind::Primitive(from), value) => {
                promote(*to, *from, value).ok_or_else(no)?
            }
            (Kind::Array(to), Kind::Array(from), Json::Array(items)) => items
                .into_iter()
                .map(|item| self.value(*to, *from, item))
                .collect::<Result<_, _>>()
                .map(Json::Array),
            (Kind::Map(to), Kind::Map(from), Json::Object(members)) => {
                let each = |(name, value): (&str, &Json)| {
                    Ok((name.to_owned(), self.value(*to, *from, value.clone())?))
                };
                members.iter().map(each).collect::<Result<Object, String>>().map(Json::Object)
            }
            (Kind::Fixed { named: to, size: wanted }, Kind::Fixed { named: from, size }, value) => {
                if is_named_alike(to, from) && size == wanted {
                    Ok(value)
                } else {
                    Err(no())
                }
            }
            (Kind::Enum { named: to, symbols, default }, Kind::Enum { named: from, .. }, value) => {
                let known = value.as_str().is_some_and(|symbol| symbols.iter().any(|one| one == symbol));
                match default {
                    _ if !is_named_alike(to, from) => Err(no()),
                    _ if known => Ok(value),
                    Some(default) => Ok(Json::from(default.as_str())),
                    None => Err(format!("the reader's enum has no symbol {value} and no default")),
                }
            }
            (
                Kind::Record { named: to, fields, .. },
                Kind::Record { named: from, fields: written, .. },
                Json::Object(members),
            ) if is_named_alike(to, from) => self.record(fields, written, &members),
            _differ => Err(no()),
        }
    }

    fn record(&mut self, fields: &[Field], written: &[Field], members: &Object) -> Result<Json, String> {
        let mut read = Object::new();
        for field in fields {
            let by_name = written.iter().find(|one| one.name == field.name);
            let found = by_name.or_else(|| written.iter().find(|one| field.aliases.contains(&one.name)));
            let value = match (found, &field.default) {
                (Some(one), _) => {
                    let value = members.get(&one.name).cloned().unwrap_or(Json::Null);
                    self.value(field.r#type, one.r#type, value)
                }
                (None, Some(default)) => {
                    let made = self.reader.default_value(field.r#type, default);
                    made.and_then(|(value, cost)| self.spend(cost + 1).map(|()| value))
                }
                (None, None) => Err("it was not written, and has no default".to_owned()),
            };
            read.push(field.name.as_str(), value.map_err(|why| format!("{}: {why}", field.name))?);
        }
        Ok(Json::Object(read))
    }
}

/// By the name without its namespace, as Java matches; or by an alias of the reader's.
fn is_named_alike(reader: &Named, writer: &Named) -> bool {
    reader.name.simple == writer.name.simple
        || reader.aliases.iter().any(|alias| alias.full() == writer.name.full())
}

/// `None`: the reader's type takes no values of the writer's. The error is one of a value.
fn promote(to: Primitive, from: Primitive, value: Json) -> Option<Result<Json, String>> {
    use Primitive::{Bytes, Double, Float, Int, Long, String as Text};
    Some(match (to, from) {
        (to, from) if to == from => Ok(value),
        (Long, Int) => Ok(value),
        // As floats have them: 1 is 1.0, and what is longer is rounded.
        (Float, Int | Long) => Ok(float(&value).map_or(Json::Null, |number| number_of(number as f32))),
        (Double, Int | Long | Float) => Ok(float(&value).map_or(Json::Null, number_of)),
        (Bytes, Text) => Ok(text_of_bytes(value.as_str().unwrap_or("").as_bytes())),
        (Text, Bytes) => {
            let bytes = latin1(value.as_str().unwrap_or("")).unwrap_or_default();
            String::from_utf8(bytes).map(Json::String).map_err(|_| "bytes that are no UTF-8".to_owned())
        }
        _differ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Defaults;
    use super::*;

    fn parse(text: &str) -> AvroSchema {
        AvroSchema::parse(text, &[], Defaults::Checked).expect(text)
    }

    #[test]
    fn values_are_read_as_another_schema_has_them() {
        let cases = [
            (r#""int""#, "7", r#""long""#, "7"),
            (r#""int""#, "7", r#""float""#, "7.0"),
            (r#""long""#, "16777217", r#""float""#, "16777216.0"),
            (r#""float""#, "1.5", r#""double""#, "1.5"),
            (r#""string""#, r#""ü""#, r#""bytes""#, "\"\u{c3}\u{bc}\""),
            (r#""bytes""#, "\"\u{c3}\u{bc}\"", r#""string""#, r#""ü""#),
            (r#"["null","int"]"#, r#"{"int":3}"#, r#""long""#, "3"),
            (r#""int""#, "3", r#"["null","long"]"#, r#"{"long":3}"#),
            (r#"["int","null"]"#, "null", r#"["null","string"]"#, "null"),
            (
                r#"{"type":"array","items":"int"}"#,
                "[1,2]",
                r#"{"type":"array","items":"double"}"#,
                "[1.0,2.0]",
            ),
            (
                r#"{"type":"map","values":"int"}"#,
                r#"{"a":1}"#,
                r#"{"type":"map","values":"long"}"#,
                r#"{"a":1}"#,
            ),
            (
                r#"{"type":"enum","name":"E","symbols":["A","B"]}"#,
                r#""B""#,
                r#"{"type":"enum","name":"E","symbols":["A"],"default":"A"}"#,
                r#""A""#,
            ),
            (
                r#"{"type":"record","name":"n.R","fields":[{"name":"a","type":"int"},{"name":"gone","type":"string"}]}"#,
                r#"{"a":1,"gone":"x"}"#,
                r#"{"type":"record","name":"S","aliases":["n.R"],"fields":[{"name":"new","type":["int","null"],"default":5},{"name":"z","aliases":["a"],"type":"long"}]}"#,
                r#"{"new":{"int":5},"z":1}"#,
            ),
        ];
        for (writer, value, reader, expected) in cases {
            let bytes = parse(writer).encode(&Json::parse(value).expect(value)).expect(value);
            let read = parse(reader).decode_from(&parse(writer), &bytes).map(|json| json.to_string());
            assert_eq!(read.as_deref(), Ok(expected), "{writer} {value} {reader}");
        }
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        let record = |fields: &str| format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
        let (one, other) = (record(r#"{"name":"a","type":"int"}"#), record(r#"{"name":"b","type":"int"}"#));
        let cases = [
            (r#""long""#, "7", r#""int""#),
            (r#"["null","int"]"#, "null", r#""int""#),
            (r#""bytes""#, "\"\u{ff}\"", r#""string""#),
            (
                r#"{"type":"enum","name":"E","symbols":["A"]}"#,
                r#""A""#,
                r#"{"type":"enum","name":"E","symbols":["B"]}"#,
            ),
            (r#"{"type":"fixed","name":"F","size":1}"#, r#""x""#, r#"{"type":"fixed","name":"G","size":1}"#),
            (&one, r#"{"a":1}"#, &other),
            (&one, r#"{"a":1}"#, &one.replace("\"R\"", "\"S\"")),
        ];
        for (writer, value, reader) in cases {
            let bytes = parse(writer).encode(&Json::parse(value).expect(value)).expect(value);
            assert!(parse(reader).decode_from(&parse(writer), &bytes).is_err(), "{writer} {value} {reader}");
        }
    }

    /// A hundred thousand items that take no bytes, each with a default of some size.
    #[test]
    fn defaults_that_multiply_are_bounded() {
        let writer = parse(r#"{"type":"array","items":{"type":"record","name":"R","fields":[]}}"#);
        let default = "x".repeat(10_000);
        let reader = parse(&format!(
            r#"{{"type":"array","items":{{"type":"record","name":"R","fields":[{{"name":"a","type":"string","default":"{default}"}}]}}}}"#
        ));
        let items = Json::Array(vec![Json::Object(Object::new()); 100_000]);
        let bytes = writer.encode(&items).expect("items");
        assert!(reader.decode_from(&writer, &bytes).is_err_and(|why| why.contains("more values")));
    }
}
