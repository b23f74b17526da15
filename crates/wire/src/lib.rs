//! The Kafka vocabulary: messages, record batches, ids, error codes, compression. Bytes in, values out; owns no state and
//! does no I/O.
//!
//! ```
//! use wire::codec::{Decoder, Message};
//! use wire::messages::metadata::{MetadataRequest, MetadataRequestTopic};
//! use wire::{ApiKey, frame};
//!
//! // A request is a plain struct; what a version cannot carry is left out when it is written.
//! let topic = MetadataRequestTopic { name: Some("orders".into()), ..Default::default() };
//! let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
//! let body = request.to_bytes(12);
//! assert_eq!(MetadataRequest::decode(&mut Decoder::of(body), 12), Ok(request));
//!
//! // An answer with length prefix and header, in pieces for one vectored write.
//! let pieces = frame::encode_response(ApiKey::Heartbeat, 4, 7, &wire::messages::heartbeat::HeartbeatResponse::default());
//! assert_eq!(pieces.concat().len(), 4 + 12);
//! ```
//!
//! - [`messages`] and [`records`] are generated from `schema/*.msg` (its README has the notation), [`api_key`] beside
//!   them. Struct and field names are Kafka's; `Default` gives Kafka's defaults; whatever is nullable in some version is
//!   an `Option`.
//! - [`codec`] reads and writes. Reading allocates nothing on the word of a sender: every count is held against the bytes
//!   that follow it and paid from [`codec::DecodeLimits`]. Strings, bytes and records are slices of the frame and keep it
//!   alive: state that outlives a request takes [`Str::detached`]. Writing gives a rope, in which records are kept by
//!   reference.
//! - [`frame`] is what stands around a message on a socket, `records::framing` what stands before a persisted one.
//! - [`produce`], [`fetch`], [`metadata`] and [`api_versions`] read (and answer) in place the requests that are made for every
//!   record, the one whose answer is as long as the cluster is large, and the one that comes before all others.
//! - [`record_batch`] and [`compress`] are the record format; [`error_code`], [`topic`], [`hash`], [`checksum`] the rest;
//!   [`properties`] is the grammar of the files that configure servers and clients, [`base64`] that of keys and ids in text;
//!   [`random`] is the one source of chance, seeded; [`sasl`] how a peer proves who it is; [`planted`] the bugs that a simulation asks for.
//!
//! What a caller must know: a decoder reads what Kafka reads, with two exceptions, both refusals: strings that are not
//! UTF-8, and tagged fields whose content is not as long as they say. Unknown tagged fields are dropped. Bytes after a body
//! are ignored, after a metadata record's they are an error, as with Kafka. A record in a version beyond ours is refused as
//! unknown, where Kafka would guess.
//!
//! Proof: `cargo xtask test differential` (every message in every version against the reference, both ways),
//! `tests/hostile.rs`, `fuzz/`. KIPs: 482 (flexible versions), 511, 516, 631, 893 (nullable structs).

#![warn(missing_docs)]

pub mod address_range;
pub mod api_key;
pub mod api_versions;
pub mod base64;
pub mod checksum;
pub mod codec;
pub mod compress;
pub mod error_code;
pub mod fetch;
pub mod frame;
pub mod hash;
#[allow(missing_docs, reason = "generated: the names are those of Kafka's schemas, which explain them")]
pub mod messages;
pub mod metadata;
pub mod planted;
pub mod produce;
pub mod properties;
pub mod random;
pub mod record_batch;
#[allow(missing_docs, reason = "generated: the names are those of Kafka's schemas, which explain them")]
pub mod records;
pub mod sasl;
mod str;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod throttle_time;
pub mod topic;
mod uuid;
pub mod wall;

pub use api_key::ApiKey;
pub use checksum::{crc32c, murmur2, xxh3_64};
pub use error_code::ErrorCode;
pub use str::Str;
pub use uuid::{InvalidUuid, Uuid};
