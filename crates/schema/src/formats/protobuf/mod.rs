//! Protobuf schemas as the registry has them: the text of a `.proto` file, or, as some serializers send it, a FileDescriptorProto in base64.
//! A parser and a printer of our own: the text that is stored, its order and its spelling are the registry's business, and editions
//! must be read. Values go from JSON to bytes and back by tables that are built of it.

mod compatibility;
mod decode;
mod descriptor;
mod encode;
mod known;
mod lexer;
mod model;
mod normal;
mod parse;
mod print;
mod resolve;
mod table;
#[cfg(test)]
mod tests;
mod wellknown;

use crate::formats::terms::Referred;
use crate::json::Json;
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

/// What encodes and decodes the messages of a schema.
#[derive(Debug)]
pub struct Codec {
    tables: table::Tables,
}

/// A message of a schema, by its codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageId(usize);

impl Codec {
    /// Of a schema with all that it imports.
    pub fn new(schema: &ProtobufSchema) -> Codec {
        Codec { tables: table::Tables::of(&schema.file, &schema.references) }
    }

    /// A message by its full name, or by its name within the package where only one of the file's own is called so.
    pub fn named(&self, name: &str) -> Option<MessageId> {
        let own = |(_, message): &(usize, &table::MessageType)| {
            !message.path.is_empty() && message.name.rsplit('.').next() == Some(name)
        };
        let mut simple = self.tables.messages.iter().enumerate().filter(own);
        let only = simple.next().filter(|_| simple.next().is_none()).map(|(id, _)| id);
        self.tables.message(name).or(only).map(MessageId)
    }

    /// A message by its place: of the outermost messages the first number, of those within it the next.
    pub fn at(&self, path: &[i32]) -> Option<MessageId> {
        let is_it = |message: &table::MessageType| !path.is_empty() && message.path == path;
        self.tables.messages.iter().position(is_it).map(MessageId)
    }

    /// Its place; empty of messages that are not the file's own.
    pub fn path(&self, message: MessageId) -> &[i32] {
        &self.tables.messages[message.0].path
    }

    /// Its full name.
    pub fn name(&self, message: MessageId) -> &str {
        &self.tables.messages[message.0].name
    }

    /// The bytes of a message that is given in Protobuf's JSON mapping.
    pub fn encode(&self, message: MessageId, value: &Json) -> Result<Vec<u8>, String> {
        encode::encode(&self.tables, message.0, value)
    }

    /// A message in Protobuf's JSON mapping.
    pub fn decode(&self, message: MessageId, bytes: &[u8]) -> Result<Json, String> {
        decode::decode(&self.tables, message.0, bytes)
    }
}

fn read(text: &str) -> Result<File, String> {
    parse::parse(text).or_else(|why| {
        // No text begins as a descriptor does; what is neither is told of as text.
        let bytes = wire::base64::STANDARD.decode(text.trim()).ok_or(why.clone())?;
        descriptor::decode(&bytes).ok_or(why)
    })
}
