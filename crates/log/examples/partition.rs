//! Writes a sample partition directory, or prints the records of any: what the both-ways disk checks run against the reference.
//! `partition write DIR` makes `DIR/sample-0`; `partition read DIR/TOPIC-N [clean]` prints one line per record. Never used by the
//! node itself.

use log::{AppendOrigin, Disk, FileHandle, Log, LogConfig, OpenMode, ReadLimit, RealDisk};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use wire::compress::{Compression, DecompressLimit};
use wire::record_batch::{
    BatchAttributes, EndTransactionMarker, RecordBatch, RecordBatchBuilder, RecordHeader,
    end_transaction_batch, validate_internal,
};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["write", directory] => write(Path::new(directory)),
        ["read", directory] => read(Path::new(directory), false),
        ["read", directory, "clean"] => read(Path::new(directory), true),
        _ => Err("partition write DIR | partition read DIR/TOPIC-N [clean]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn config() -> Arc<LogConfig> {
    Arc::new(LogConfig {
        segment_bytes: 64 << 10,
        retention_ms: -1,
        verify_transactions: false,
        ..LogConfig::default()
    })
}

/// Five segments or so: every codec, idempotent and transactional producers, an aborted transaction, headers, three epochs.
fn write(directory: &Path) -> Result<(), Failure> {
    let mode = OpenMode { topic_id: Some(wire::Uuid([7; 16])), ..OpenMode::default() };
    let mut log = Log::open(Arc::new(RealDisk::default()), directory.join("sample-0"), config(), mode, 0)?;
    let codecs =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    let mut sequence = 0;
    for round in 0..400i64 {
        let compression = codecs[round as usize % codecs.len()];
        let attributes = BatchAttributes {
            compression,
            producer_id: 1000,
            producer_epoch: 0,
            base_sequence: sequence,
            ..BatchAttributes::default()
        };
        let mut builder = RecordBatchBuilder::new(attributes);
        for record in 0..10 {
            let key = format!("key-{}", round % 7);
            let value = format!("round {round} record {record} {}", "x".repeat((round % 50) as usize * 5));
            let header = RecordHeader { key: "round".into(), value: Some(round.to_string().into()) };
            let stamp = 1_700_000_000_000 + round * 1000 + record;
            builder.append(stamp, Some(key.as_bytes()), Some(value.as_bytes()), &[header.clone(), header]);
        }
        sequence += 10;
        let epoch = (round / 150) as i32;
        log.append_as_leader(&validate_internal(builder.build())?, epoch, AppendOrigin::Client, 0)?;
        if round % 100 == 50 {
            transaction(&mut log, round, epoch)?;
        }
    }
    log.advance_high_watermark(log.log_end_offset());
    let end = log.log_end_offset();
    let segments = log.segment_count();
    log.close()?;
    println!("{end} offsets in {segments} segments");
    Ok(())
}

fn transaction(log: &mut Log, round: i64, epoch: i32) -> Result<(), Failure> {
    let stamp = 1_700_000_000_000 + round * 1000 + 500;
    let attributes = BatchAttributes {
        producer_id: 2000 + round,
        producer_epoch: 0,
        base_sequence: 0,
        transactional: true,
        ..BatchAttributes::default()
    };
    let mut builder = RecordBatchBuilder::new(attributes);
    builder.append(stamp, Some(b"transactional"), Some(b"value"), &[]);
    log.append_as_leader(&validate_internal(builder.build())?, epoch, AppendOrigin::Client, 0)?;
    let marker = EndTransactionMarker { commit: round % 200 == 50, coordinator_epoch: 3 };
    let end = end_transaction_batch(2000 + round, 0, stamp, marker);
    log.append_as_leader(&validate_internal(end)?, epoch, AppendOrigin::Coordinator, 0)?;
    Ok(())
}

/// `offset timestamp key value` per record; markers are `control`.
fn read(directory: &Path, clean_shutdown: bool) -> Result<(), Failure> {
    let disk = Arc::new(RealDisk::default());
    disk.length(&FileHandle::new(directory))?;
    let mode = OpenMode { clean_shutdown, ..OpenMode::default() };
    let log = Log::open(disk, PathBuf::from(directory), config(), mode, 0)?;
    if let Some(report) = log.recovery_report() {
        eprintln!("{report:?}");
    }
    let view = log.view();
    eprintln!("epochs {:?}", view.epochs().entries());
    eprintln!("producers {:?}", log.producers());
    eprintln!("aborted {:?}", view.aborted_transactions(view.log_start_offset, view.log_end_offset)?);
    let mut next = view.log_start_offset;
    while next < view.log_end_offset {
        let fetched = view.read(next, 1 << 20, ReadLimit::LogEnd, true)?;
        if fetched.records.is_empty() {
            return Err(format!("nothing at {next}").into());
        }
        next = fetched.next_offset;
        for batch in RecordBatch::split(fetched.records)? {
            for record in batch.records(DecompressLimit::default())? {
                let record = record?;
                let text = |bytes: &Option<bytes::Bytes>| {
                    bytes.as_ref().map_or("null".into(), |bytes| String::from_utf8_lossy(bytes).into_owned())
                };
                let (offset, stamp) = (record.offset, record.timestamp);
                match batch.is_control() {
                    true => println!("{offset} {stamp} control"),
                    false => println!("{offset} {stamp} {} {}", text(&record.key), text(&record.value)),
                }
            }
        }
    }
    Ok(())
}
