//! The Kafka vocabulary: messages, record batches, ids, error codes, compression. Bytes in, values out; owns no state and does no I/O.

pub mod compress;
pub mod record_batch;
