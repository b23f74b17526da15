//! The specification's "Parsing Canonical Form" and its fingerprint by CRC-64-AVRO: by which schemas that read data alike are known as one. Never
//! what `_schemas` holds; that is `print`'s.

use super::{AvroSchema, Kind, TypeId};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The polynomial, and the fingerprint of nothing.
const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

impl AvroSchema {
    /// Full names, and nothing that does not matter to a parser; types of references where they are used first.
    pub fn parsing_form(&self) -> Result<String, String> {
        self.check_depth()?;
        let mut form = String::new();
        self.write_form(self.root, &mut BTreeSet::new(), &mut form);
        Ok(form)
    }

    /// CRC-64-AVRO of the parsing canonical form.
    pub fn fingerprint(&self) -> Result<u64, String> {
        Ok(crc64(self.parsing_form()?.as_bytes()))
    }

    /// Depth was checked.
    fn write_form(&self, id: TypeId, known: &mut BTreeSet<TypeId>, out: &mut String) {
        let named = self.named(id);
        if let Some(named) = named {
            if !known.insert(id) {
                let _ = write!(out, "\"{}\"", named.name.full());
                return;
            }
            let _ = write!(out, "{{\"name\":\"{}\",\"type\":", named.name.full());
        }
        match self.kind(id) {
            Kind::Primitive(primitive) => drop(write!(out, "\"{}\"", primitive.name())),
            Kind::Array(inner) | Kind::Map(inner) => {
                let is_array = matches!(self.kind(id), Kind::Array(_));
                out.push_str(if is_array {
                    "{\"type\":\"array\",\"items\":"
                } else {
                    "{\"type\":\"map\",\"values\":"
                });
                self.write_form(*inner, known, out);
                out.push('}');
            }
            Kind::Union(branches) => {
                out.push('[');
                for (index, branch) in branches.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    self.write_form(*branch, known, out);
                }
                out.push(']');
            }
            Kind::Record { fields, is_error, .. } => {
                out.push_str(if *is_error { "\"error\",\"fields\":[" } else { "\"record\",\"fields\":[" });
                for (index, field) in fields.iter().enumerate() {
                    let _ = write!(
                        out,
                        "{}{{\"name\":\"{}\",\"type\":",
                        if index > 0 { "," } else { "" },
                        field.name
                    );
                    self.write_form(field.r#type, known, out);
                    out.push('}');
                }
                out.push_str("]}");
            }
            Kind::Enum { symbols, .. } => {
                let symbols: Vec<String> = symbols.iter().map(|symbol| format!("\"{symbol}\"")).collect();
                let _ = write!(out, "\"enum\",\"symbols\":[{}]}}", symbols.join(","));
            }
            Kind::Fixed { size, .. } => drop(write!(out, "\"fixed\",\"size\":{size}}}")),
        }
    }
}

fn crc64(bytes: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| {
        let mut low = (sum ^ u64::from(*byte)) & 0xff;
        for _bit in 0..8 {
            low = (low >> 1) ^ (EMPTY & 0u64.wrapping_sub(low & 1));
        }
        (sum >> 8) ^ low
    };
    bytes.iter().fold(EMPTY, step)
}
