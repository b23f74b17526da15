//! One whole batch: a header that holds together and its bytes, shared, never copied.

use super::header::{BatchError, BatchHeader, HEADER_BYTES, PATCHED_BYTES, batch_crc};
use bytes::Bytes;
use std::fmt;
use std::ops::Deref;

/// One whole batch: a header that holds together and as many bytes as it says. The CRC is checked on demand.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordBatch {
    pub(super) header: BatchHeader,
    pub(super) bytes: Bytes,
}

impl Deref for RecordBatch {
    type Target = BatchHeader;

    fn deref(&self) -> &BatchHeader {
        &self.header
    }
}

impl fmt::Debug for RecordBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordBatch").field("header", &self.header).field("bytes", &self.bytes.len()).finish()
    }
}

impl RecordBatch {
    /// Exactly one batch.
    pub fn parse(bytes: Bytes) -> Result<RecordBatch, BatchError> {
        let header = BatchHeader::parse(&bytes)?;
        let size = header.size_in_bytes();
        if size != bytes.len() {
            return Err(BatchError::Truncated { needed: size, available: bytes.len() });
        }
        Ok(RecordBatch { header, bytes })
    }

    /// The batch at the start of `bytes`, taken off it.
    pub fn take(bytes: &mut Bytes) -> Result<RecordBatch, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        let size = header.size_in_bytes();
        if size > bytes.len() {
            return Err(BatchError::Truncated { needed: size, available: bytes.len() });
        }
        let bytes = if size == bytes.len() { std::mem::take(bytes) } else { bytes.split_to(size) };
        Ok(RecordBatch { header, bytes })
    }

    /// All batches of a record set; anything left over is an error.
    pub fn split(mut bytes: Bytes) -> Result<Vec<RecordBatch>, BatchError> {
        let mut batches = Vec::new();
        while !bytes.is_empty() {
            batches.push(RecordBatch::take(&mut bytes)?);
        }
        Ok(batches)
    }

    /// What stands before the records.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// All of it, header included.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The same, given away.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The records as they lie in the batch, compressed or not.
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(HEADER_BYTES.min(self.bytes.len())..)
    }

    /// Whether the CRC is that of the bytes.
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let computed = batch_crc(&self.bytes);
        if computed == self.header.crc {
            Ok(())
        } else {
            Err(BatchError::Crc { stored: self.header.crc, computed })
        }
    }

    /// A copy with this base offset and leader epoch (the CRC stays good).
    pub fn with_position(&self, base_offset: i64, leader_epoch: i32) -> Bytes {
        let mut copy = bytes::BytesMut::from(&self.bytes[..]);
        if let Some(start) = copy.first_chunk_mut::<PATCHED_BYTES>() {
            *start = self.header.patched(base_offset, leader_epoch);
        }
        copy.freeze()
    }
}
