//! Record batches of format v2: a checked view over bytes, splitting, header patching, CRC. Never copies record bytes, never
//! reads the legacy v0 and v1 sets (refused, KIP-896). Records, building, control batches and produce rules are in the folder.

mod batch;
mod builder;
mod compacted;
mod control;
mod header;
mod record;
mod skim;
mod validate;

pub use batch::RecordBatch;
pub use builder::{BatchAttributes, RecordBatchBuilder};
pub use compacted::{CompactedBatch, empty_batch};
pub use control::{ControlRecord, ControlType, EndTransactionMarker, control_batch, end_transaction_batch};
pub use header::{
    BatchError, BatchExtent, BatchHeader, CRC_START, HEADER_BYTES, LENGTH_PREFIX_BYTES, NO_LEADER_EPOCH,
    NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, PATCHED_BYTES, TimestampType, batch_crc,
    claims_transaction, decrement_sequence, increment_sequence,
};
pub use record::{Record, RecordHeader, RecordRef, Records, record_size};
pub use validate::{
    InvalidBatch, MAX_RECORD_ERRORS, ProduceRules, RecordError, RecordRefusal, Refusal, ValidBatch,
    ValidBatches, stamp_internal, validate_internal, validate_produce,
};

#[cfg(test)]
mod tests;
