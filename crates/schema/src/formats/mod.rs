//! The three formats of schemas behind one door: parse, print, compare. Each format lives in a room of its own and is pure; what a
//! subject's mode of compatibility asks for is in `modes`. Never knows subjects, ids or topics.

pub mod avro;
pub mod json_schema;
mod modes;
#[cfg(test)]
mod pairs;
mod parsed;
pub mod protobuf;
mod terms;

pub use modes::Level;
pub use parsed::Parsed;
pub use terms::{Incompatibility, Policy, Referred, Roles, SchemaType};
