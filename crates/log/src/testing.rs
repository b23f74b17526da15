//! Helpers of this crate's tests: batches, logs on a simulated disk, reading everything back. Compiled for tests only.

use crate::append::{AppendOrigin, AppendRefused, Appended};
use crate::config::LogConfig;
use crate::log::Log;
use crate::open::OpenMode;
use crate::sim_disk::SimDisk;
use crate::view::{LogView, ReadLimit};
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;
use wire::compress::DecompressLimit;
use wire::record_batch::{BatchAttributes, RecordBatch, RecordBatchBuilder, ValidBatches, validate_internal};

pub(crate) const DIRECTORY: &str = "/data/topic-0";

/// Small everything, so that a few records roll, index and expire.
pub(crate) fn small() -> LogConfig {
    LogConfig {
        segment_bytes: 1000,
        index_interval_bytes: 100,
        retention_ms: -1,
        verify_transactions: false,
        ..LogConfig::default()
    }
}

pub(crate) fn open(disk: &SimDisk, config: LogConfig, mode: OpenMode) -> Log {
    let disk: Arc<dyn crate::Disk> = Arc::new(disk.clone());
    Log::open(disk, PathBuf::from(DIRECTORY), Arc::new(config), mode, 0).unwrap()
}

pub(crate) fn fresh(config: LogConfig) -> (SimDisk, Log) {
    let disk = SimDisk::new(1);
    prepare(&disk);
    let log = open(&disk, config, OpenMode::default());
    (disk, log)
}

/// The log directory exists before any partition does.
pub(crate) fn prepare(disk: &SimDisk) {
    use crate::Disk;
    disk.create_directory("/data".as_ref()).unwrap();
    disk.sync_directory("/".as_ref()).unwrap();
}

pub(crate) fn records(attributes: BatchAttributes, timestamp: i64, values: &[&str]) -> Bytes {
    let mut builder = RecordBatchBuilder::new(attributes);
    for value in values {
        builder.append(timestamp, None, Some(value.as_bytes()), &[]);
    }
    builder.build()
}

pub(crate) fn valid(bytes: Bytes) -> ValidBatches {
    validate_internal(bytes).unwrap()
}

pub(crate) fn append(log: &mut Log, timestamp: i64, values: &[&str]) -> Appended {
    try_append(log, timestamp, values).unwrap()
}

pub(crate) fn try_append(log: &mut Log, timestamp: i64, values: &[&str]) -> Result<Appended, AppendRefused> {
    let batch = valid(records(BatchAttributes::default(), timestamp, values));
    log.append_as_leader(&batch, 0, AppendOrigin::Client, timestamp)
}

/// Every record from `from` up to the limit, as (offset, value).
pub(crate) fn read_from(view: &LogView, from: i64, limit: ReadLimit) -> Vec<(i64, String)> {
    let mut next = from;
    let mut found = Vec::new();
    loop {
        let fetched = view.read(next, 300, limit, true).unwrap();
        if fetched.records.is_empty() {
            return found;
        }
        for batch in RecordBatch::split(fetched.records).unwrap() {
            for record in batch.records(DecompressLimit::default()).unwrap() {
                let record = record.unwrap();
                if record.offset >= from {
                    let value = record.value.unwrap_or_default();
                    found.push((record.offset, String::from_utf8(value.to_vec()).unwrap()));
                }
            }
        }
        assert!(fetched.next_offset > next);
        next = fetched.next_offset;
    }
}

pub(crate) fn read_all(log: &mut Log) -> Vec<(i64, String)> {
    let view = log.view();
    read_from(&view, view.log_start_offset, ReadLimit::LogEnd)
}
