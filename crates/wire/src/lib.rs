//! The Kafka vocabulary: messages, record batches, ids, error codes, compression. Bytes in, values out; owns no state and does no I/O.

pub mod checksum;
pub mod compress;
pub mod error_code;
pub mod hash;
pub mod record_batch;
mod str;
pub mod topic;
mod uuid;

pub use checksum::{crc32c, murmur2};
pub use error_code::ErrorCode;
pub use str::Str;
pub use uuid::{InvalidUuid, Uuid};
