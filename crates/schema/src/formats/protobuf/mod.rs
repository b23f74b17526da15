//! Protobuf schemas as the registry has them: the text of a `.proto` file, or, as some serializers send it, a FileDescriptorProto in base64.
//! A parser and a printer of our own: the text that is stored, its order and its spelling are the registry's business, and editions
//! must be read. Never encodes or decodes data.

mod compatibility;
mod descriptor;
mod known;
mod lexer;
mod model;
mod normal;
mod parse;
mod print;
mod resolve;
#[cfg(test)]
mod tests;

use crate::formats::terms::Referred;
use model::File;

pub use compatibility::incompatibilities;

/// A parsed schema with what it imports.
#[derive(Debug)]
pub struct ProtobufSchema {
    file: File,
    /// Each by the name under which it is imported.
    references: Vec<(String, File)>,
}

impl ProtobufSchema {
    /// Reads a schema, as text or as a descriptor in base64.
    pub fn parse(text: &str, references: &[Referred]) -> Result<ProtobufSchema, String> {
        let file = read(text)?;
        let mut read_references = Vec::with_capacity(references.len());
        for reference in references {
            let file = read(&reference.text).map_err(|why| format!("{}: {why}", reference.name))?;
            read_references.push((reference.name.clone(), file));
        }
        resolve::check(&file, &read_references)?;
        Ok(ProtobufSchema { file, references: read_references })
    }

    /// The text that is stored.
    pub fn canonical(&self) -> String {
        print::print(&self.file)
    }

    /// The same in the order of field numbers, with types by their full names.
    pub fn normalized(&self) -> String {
        print::print(&normal::normalized(&self.file, &self.references))
    }

    /// A FileDescriptorProto in base64.
    pub fn serialized(&self) -> Result<String, String> {
        Ok(wire::base64::STANDARD.encode(&descriptor::encode(&self.file, &self.references)?))
    }
}

fn read(text: &str) -> Result<File, String> {
    parse::parse(text).or_else(|why| {
        // No text begins as a descriptor does; what is neither is told of as text.
        let bytes = wire::base64::STANDARD.decode(text.trim()).ok_or(why.clone())?;
        descriptor::decode(&bytes).ok_or(why)
    })
}
