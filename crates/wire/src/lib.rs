//! The Kafka vocabulary: messages, record batches, ids, error codes, compression. Bytes in, values out; owns no state and does no I/O.

pub mod api_key;
pub mod checksum;
pub mod codec;
pub mod compress;
pub mod error_code;
pub mod frame;
pub mod hash;
pub mod messages;
pub mod record_batch;
pub mod records;
mod str;
pub mod topic;
mod uuid;

pub use api_key::ApiKey;
pub use checksum::{crc32c, murmur2};
pub use error_code::ErrorCode;
pub use str::Str;
pub use uuid::{InvalidUuid, Uuid};
