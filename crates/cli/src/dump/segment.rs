//! Segments (.log) and metadata snapshots (.checkpoint): batch by batch, record by record. Reads one batch at a time.

use super::decode::Decoder;
use super::json::{JsonText, quoted};
use super::printing::{Out, Wanted, optional};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use wire::codec::{Decoder as Cursor, Message, Show};
use wire::compress::DecompressLimit;
use wire::record_batch::{
    BatchHeader, ControlRecord, ControlType, HEADER_BYTES, NO_SEQUENCE, Record, RecordBatch, TimestampType,
    increment_sequence,
};
use wire::records::raft::{
    KRaftVersionRecord, LeaderChangeMessage, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord,
};

/// Reads whole batches one after the other.
pub(super) struct Batches {
    file: BufReader<File>,
    /// Of the next batch.
    pub(super) position: u64,
    pub(super) file_bytes: u64,
}

impl Batches {
    pub(super) fn open(file: &Path) -> io::Result<Batches> {
        let file = File::open(file)?;
        let file_bytes = file.metadata()?.len();
        Ok(Batches { file: BufReader::with_capacity(1 << 16, file), position: 0, file_bytes })
    }

    /// `None` where no further whole batch begins.
    pub(super) fn next_batch(&mut self) -> io::Result<Option<RecordBatch>> {
        if self.file_bytes - self.position < HEADER_BYTES as u64 {
            return Ok(None);
        }
        let mut bytes = BytesMut::zeroed(HEADER_BYTES);
        self.file.read_exact(&mut bytes)?;
        let Ok(header) = BatchHeader::parse(&bytes) else { return Ok(None) };
        let size = header.size_in_bytes();
        if self.file_bytes - self.position < size as u64 {
            return Ok(None);
        }
        bytes.resize(size, 0);
        self.file.read_exact(&mut bytes[HEADER_BYTES..])?;
        self.position += size as u64;
        Ok(RecordBatch::parse(bytes.freeze()).ok())
    }
}

pub(super) fn dump(file: &Path, decoder: Decoder, wanted: &Wanted, out: &mut Out) -> io::Result<()> {
    if !wanted.json {
        writeln!(out, "{}", begins(file))?;
    }
    let mut batches = Batches::open(file)?;
    let mut gaps = Vec::new();
    let mut last_offset: Option<i64> = None;
    loop {
        let position = batches.position;
        let Some(batch) = batches.next_batch()? else { break };
        // Only what lies within the bound as a whole.
        if batches.position > wanted.max_bytes {
            break;
        }
        let records = if wanted.deep { read_records(&batch) } else { Ok(Vec::new()) };
        if wanted.json {
            writeln!(out, "{}", batch_json(file, &batch, position, records.as_ref().ok(), decoder, wanted))?;
            continue;
        }
        print_batch(&batch, position, out)?;
        for record in records.map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))? {
            if last_offset.is_some_and(|last| last + 1 != record.offset) {
                gaps.push((last_offset.unwrap_or_default(), record.offset));
            }
            last_offset = Some(record.offset);
            print_record(&batch, &record, decoder, wanted, out)?;
        }
    }
    print_end(file, &batches, &gaps, wanted, out)
}

/// The offset that a file is named after.
pub(super) fn base_offset(file: &Path) -> i64 {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.split('.').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The first line: where a log starts, or what a snapshot covers.
fn begins(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let start = base_offset(file);
    match name.strip_suffix(".checkpoint") {
        Some("bootstrap") => "KRaft bootstrap snapshot".to_owned(),
        Some(stem) => {
            let (offset, epoch) = stem.split_once('-').unwrap_or((stem, "0"));
            let number = |digits: &str| digits.parse::<i64>().unwrap_or(0);
            format!("Snapshot end offset: {}, epoch: {}", number(offset), number(epoch))
        }
        None => format!("Log starting offset: {start}"),
    }
}

fn print_end(
    file: &Path,
    batches: &Batches,
    gaps: &[(i64, i64)],
    wanted: &Wanted,
    out: &mut Out,
) -> io::Result<()> {
    let left = batches.file_bytes - batches.position;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // Whoever reads a part has not come to the end.
    if left > 0 && wanted.max_bytes == u64::MAX {
        let line = format!("Found {left} invalid bytes at the end of {name}");
        if wanted.json {
            writeln!(out, "{}", json!({"file": file.display().to_string(), "invalid_bytes_at_end": left}))?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    if !gaps.is_empty() && !wanted.json {
        // To standard error, as kafka-dump-log has it.
        crate::failure::say(format_args!("Non-consecutive offsets in {}", file.display()));
        gaps.iter().for_each(|(before, after)| {
            crate::failure::say(format_args!("  {before} is followed by {after}"))
        });
    }
    Ok(())
}

fn read_records(batch: &RecordBatch) -> Result<Vec<Record>, String> {
    let records = batch.records(DecompressLimit::default()).map_err(|error| error.to_string())?;
    records.collect::<Result<Vec<Record>, _>>().map_err(|error| error.to_string())
}

fn last_sequence(header: &BatchHeader) -> i32 {
    if header.base_sequence == NO_SEQUENCE {
        return NO_SEQUENCE;
    }
    increment_sequence(header.base_sequence, header.last_offset_delta)
}

fn timestamp_type(header: &BatchHeader) -> &'static str {
    match header.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn codec_name(header: &BatchHeader) -> &'static str {
    header.compression().map_or("unknown", |codec| codec.name())
}

fn print_batch(batch: &RecordBatch, position: u64, out: &mut Out) -> io::Result<()> {
    let header = batch.header();
    write!(
        out,
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} producerEpoch: {} \
         partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {}",
        header.base_offset,
        header.last_offset(),
        header.record_count,
        header.base_sequence,
        last_sequence(header),
        header.producer_id,
        header.producer_epoch,
        header.partition_leader_epoch,
        header.is_transactional(),
        header.is_control(),
        optional(header.delete_horizon_ms()),
    )?;
    writeln!(
        out,
        " position: {position} {}: {} size: {} magic: {} compresscodec: {} crc: {} isvalid: {}",
        timestamp_type(header),
        header.max_timestamp,
        header.size_in_bytes(),
        header.magic,
        codec_name(header),
        header.crc,
        batch.verify_crc().is_ok(),
    )
}

fn record_sequence(header: &BatchHeader, record: &Record) -> i32 {
    if header.base_sequence == NO_SEQUENCE {
        return NO_SEQUENCE;
    }
    increment_sequence(header.base_sequence, (record.offset - header.base_offset) as i32)
}

fn size(bytes: &Option<Bytes>) -> i64 {
    bytes.as_ref().map_or(-1, |bytes| bytes.len() as i64)
}

fn print_record(
    batch: &RecordBatch,
    record: &Record,
    decoder: Decoder,
    wanted: &Wanted,
    out: &mut Out,
) -> io::Result<()> {
    let header = batch.header();
    if wanted.metadata {
        let names: Vec<String> =
            record.headers.iter().map(|one| String::from_utf8_lossy(&one.key).into_owned()).collect();
        write!(
            out,
            "| offset: {} {}: {} keySize: {} valueSize: {} sequence: {} headerKeys: [{}]",
            record.offset,
            timestamp_type(header),
            record.timestamp,
            size(&record.key),
            size(&record.value),
            record_sequence(header, record),
            names.join(","),
        )?;
    }
    if header.is_control() {
        return if wanted.metadata { writeln!(out, "{}", control_text(record)) } else { Ok(()) };
    }
    if wanted.contents {
        let mut before = if wanted.metadata { " " } else { "| " };
        let (key, value) = decoder.decode(record.key.as_ref(), record.value.as_ref());
        for (name, text) in [("key", key), ("payload", value)] {
            if let Some(text) = text {
                write!(out, "{before}{name}: {text}")?;
                before = " ";
            }
        }
    }
    writeln!(out)
}

fn control_text(record: &Record) -> String {
    let Ok(control) = ControlRecord::from_record(record) else {
        return " unreadable control record".to_owned();
    };
    let json = |text: Option<String>| text.unwrap_or_else(|| "{}".to_owned());
    match control.kind {
        ControlType::Abort | ControlType::Commit => {
            let kind = if control.kind == ControlType::Commit { "COMMIT" } else { "ABORT" };
            let epoch =
                control.end_transaction().ok().flatten().map_or(-1, |marker| marker.coordinator_epoch);
            format!(" endTxnMarker: {kind} coordinatorEpoch: {epoch}")
        }
        ControlType::LeaderChange => {
            format!(" LeaderChange: {}", json(raft::<LeaderChangeMessage>(&control.value)))
        }
        ControlType::SnapshotHeader => {
            format!(" SnapshotHeader {}", json(raft::<SnapshotHeaderRecord>(&control.value)))
        }
        ControlType::SnapshotFooter => {
            format!(" SnapshotFooter {}", json(raft::<SnapshotFooterRecord>(&control.value)))
        }
        ControlType::KRaftVersion => {
            format!(" KRaftVersion {}", json(raft::<KRaftVersionRecord>(&control.value)))
        }
        ControlType::KRaftVoters => format!(" KRaftVoters {}", json(raft::<VotersRecord>(&control.value))),
        ControlType::Unknown(id) => format!(" controlType: UNKNOWN({id})"),
    }
}

/// Raft's control records begin with their own version, which is their first field too.
fn raft<M: Message + Show>(value: &Bytes) -> Option<String> {
    let version = i16::from_be_bytes(*value.first_chunk::<2>()?);
    let mut json = JsonText::default();
    M::decode(&mut Cursor::of(value.clone()), version.min(M::MAX_VERSION)).ok()?.show(&mut json, version);
    Some(json.into_text())
}

fn batch_json(
    file: &Path,
    batch: &RecordBatch,
    position: u64,
    records: Option<&Vec<Record>>,
    decoder: Decoder,
    wanted: &Wanted,
) -> Value {
    let header = batch.header();
    let mut object = json!({
        "file": file.display().to_string(),
        "position": position,
        "base_offset": header.base_offset,
        "last_offset": header.last_offset(),
        "count": header.record_count,
        "base_sequence": header.base_sequence,
        "last_sequence": last_sequence(header),
        "producer_id": header.producer_id,
        "producer_epoch": header.producer_epoch,
        "partition_leader_epoch": header.partition_leader_epoch,
        "transactional": header.is_transactional(),
        "control": header.is_control(),
        "delete_horizon_ms": header.delete_horizon_ms(),
        "timestamp_type": timestamp_type(header),
        "max_timestamp": header.max_timestamp,
        "size": header.size_in_bytes(),
        "magic": header.magic,
        "compression": codec_name(header),
        "crc": header.crc,
        "valid": batch.verify_crc().is_ok(),
    });
    if wanted.deep {
        let all = records.map(|records| {
            records.iter().map(|record| record_json(batch, record, decoder, wanted)).collect::<Vec<Value>>()
        });
        object["records"] = json!(all);
    }
    object
}

fn record_json(batch: &RecordBatch, record: &Record, decoder: Decoder, wanted: &Wanted) -> Value {
    let headers: Vec<Value> = record
        .headers
        .iter()
        .map(|one| {
            json!({
                "key": String::from_utf8_lossy(&one.key),
                "value": one.value.as_ref().map(|value| String::from_utf8_lossy(value)),
            })
        })
        .collect();
    let mut object = json!({
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key_size": size(&record.key),
        "value_size": size(&record.value),
        "sequence": record_sequence(batch.header(), record),
        "headers": headers,
    });
    if batch.header().is_control() {
        object["control"] = json!(control_text(record).trim());
    } else if wanted.contents {
        let (key, value) = decoder.decode(record.key.as_ref(), record.value.as_ref());
        // Decoded records are JSON themselves; text is not.
        let embed = |text: Option<String>| match (decoder, text) {
            (_, None) => Value::Null,
            (Decoder::Plain(..), Some(text)) => json!(text),
            (_, Some(text)) => serde_json::from_str(&text)
                .or_else(|_| serde_json::from_str(&quoted(&text)))
                .unwrap_or(Value::Null),
        };
        object["key"] = embed(key);
        object["value"] = embed(value);
    }
    object
}
