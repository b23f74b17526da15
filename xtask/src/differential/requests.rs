//! Lawful requests with random content, made from the schemas: what a broker must bear before it is spoiled.

use super::value::{Random, Scribe};
use crate::codegen::schema::Role;
use crate::codegen::{emit::Names, schemas};
use anyhow::Result;

/// A lawful request with random content, without its header.
pub struct Request {
    /// The API.
    pub key: i16,
    /// The version that the body is written in.
    pub version: i16,
    /// Whether the header before it has tagged fields.
    pub flexible: bool,
    /// The body.
    pub body: Vec<u8>,
}

/// Random requests of every API and version.
pub fn requests(seed: u64, per_version: usize) -> Result<Vec<Request>> {
    let mut random = Random(seed ^ 0x9e37_79b9_7f4a_7c15);
    let mut requests = Vec::new();
    for (_, schema) in &schemas()? {
        let Some(api) = &schema.api else { continue };
        let names = Names::of(schema);
        for message in schema.messages.iter().filter(|message| message.role == Role::Request) {
            for version in message.versions.low..=message.versions.high {
                for _ in 0..per_version {
                    let scribe = Scribe { message, version, names: &names };
                    let value = scribe.random(&message.fields, Some(&mut random));
                    let mut body = Vec::new();
                    scribe.write(&mut body, &message.fields, &value);
                    let flexible = version >= message.flexible;
                    requests.push(Request { key: api.key, version, flexible, body });
                }
            }
        }
    }
    Ok(requests)
}
