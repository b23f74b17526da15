//! Producer snapshots (.snapshot) and aborted transactions (.txnindex).

use super::printing::{Out, Wanted, optional};
use bytes::Bytes;
use serde_json::json;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use wire::codec::{Decoder, Message};
use wire::record_batch::NO_SEQUENCE;
use wire::records::log::{AbortedTxn, ProducerSnapshot};

/// Version and body of one aborted transaction.
const ABORTED_BYTES: usize = 34;

fn malformed(why: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}

/// A snapshot whose checksum is right.
pub(super) fn producers(bytes: Bytes) -> io::Result<ProducerSnapshot> {
    let mut from = Decoder::of(bytes.clone());
    let version = from.i16().map_err(malformed)?;
    let snapshot = ProducerSnapshot::decode(&mut from, version).map_err(malformed)?;
    // The checksum covers everything behind itself.
    let computed = wire::crc32c(bytes.get(6..).unwrap_or_default());
    if snapshot.crc != computed {
        return Err(malformed(format!("its checksum is {}, computed is {computed}", snapshot.crc)));
    }
    Ok(snapshot)
}

pub(super) fn dump_producers(file: &Path, wanted: &Wanted, out: &mut Out) -> io::Result<()> {
    let snapshot = producers(fs::read(file)?.into())?;
    for entry in snapshot.producer_entries {
        let first_open = Some(entry.current_txn_first_offset).filter(|&offset| offset >= 0);
        let has_batch = entry.last_sequence != NO_SEQUENCE;
        let first_sequence = entry.last_sequence.wrapping_sub(entry.offset_delta);
        if wanted.json {
            let line = json!({
                "file": file.display().to_string(),
                "producer_id": entry.producer_id,
                "producer_epoch": entry.epoch,
                "coordinator_epoch": entry.coordinator_epoch,
                "current_txn_first_offset": first_open,
                "last_timestamp": entry.timestamp,
                "first_sequence": has_batch.then_some(first_sequence),
                "last_sequence": has_batch.then_some(entry.last_sequence),
                "last_offset": has_batch.then_some(entry.last_offset),
                "offset_delta": has_batch.then_some(entry.offset_delta),
            });
            writeln!(out, "{line}")?;
            continue;
        }
        write!(
            out,
            "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} lastTimestamp: {}",
            entry.producer_id,
            entry.epoch,
            entry.coordinator_epoch,
            optional(first_open),
            entry.timestamp
        )?;
        if has_batch {
            write!(
                out,
                " firstSequence: {first_sequence} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
                entry.last_sequence, entry.last_offset, entry.offset_delta, entry.timestamp
            )?;
        }
        writeln!(out)?;
    }
    Ok(())
}

pub(super) fn dump_aborted(file: &Path, wanted: &Wanted, out: &mut Out) -> io::Result<()> {
    let bytes = Bytes::from(fs::read(file)?);
    for start in (0..bytes.len()).step_by(ABORTED_BYTES) {
        let end = start + ABORTED_BYTES;
        if end > bytes.len() {
            return Err(malformed("its last entry is cut off"));
        }
        let mut from = Decoder::of(bytes.slice(start..end));
        let version = from.i16().map_err(malformed)?;
        let aborted = AbortedTxn::decode(&mut from, version).map_err(malformed)?;
        if wanted.json {
            let line = json!({
                "file": file.display().to_string(),
                "producer_id": aborted.producer_id,
                "first_offset": aborted.first_offset,
                "last_offset": aborted.last_offset,
                "last_stable_offset": aborted.last_stable_offset,
            });
            writeln!(out, "{line}")?;
            continue;
        }
        writeln!(
            out,
            "version: {version} producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
            aborted.producer_id, aborted.first_offset, aborted.last_offset, aborted.last_stable_offset
        )?;
    }
    Ok(())
}
