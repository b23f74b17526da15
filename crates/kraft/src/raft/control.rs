//! The quorum's own records in the log and in snapshots: LeaderChange, KRaftVersion, KRaftVoters, SnapshotHeader and -Footer,
//! and the frame of a snapshot around values it does not look into. Owns their batches; never the disk.

use super::offset_and_epoch::OffsetAndEpoch;
use super::voters::VoterSet;
use bytes::Bytes;
use std::fmt;
use wire::codec::{Decoder, Message};
use wire::compress::DecompressLimit;
use wire::record_batch::{BatchAttributes, ControlType, RecordBatch, RecordBatchBuilder, control_batch};
use wire::records::raft::{
    KRaftVersionRecord, LeaderChangeMessage, SnapshotFooterRecord, SnapshotHeaderRecord, Voter, VotersRecord,
};

/// The largest batch of metadata records, in the log or in a snapshot (as Kafka: a reader's buffer has this size).
pub const MAX_BATCH_BYTES: usize = 8 << 20;
/// The most records in one batch, and the most that one command may produce.
pub const MAX_BATCH_RECORDS: usize = 10_000;
/// A batch may hold metadata compressed by somebody else; more than this is not believed.
const MAX_DECOMPRESSED: DecompressLimit =
    DecompressLimit { max_output: 64 << 20, max_ratio: 1000, ratio_free_bytes: 16 << 20 };

/// Bytes of the log read at once.
pub(crate) const READ_BYTES: usize = 8 << 20;

const _: () = assert!(READ_BYTES >= MAX_BATCH_BYTES, "one read takes in a whole batch");
const _: () = assert!(MAX_BATCH_BYTES <= MAX_DECOMPRESSED.max_output, "what may be written can be read");
const _: () = assert!(MAX_BATCH_BYTES <= MAX_DECOMPRESSED.ratio_free_bytes, "however well it compresses");
const _: () = assert!(MAX_BATCH_BYTES <= i32::MAX as usize, "the length of a batch has 32 bits");
const _: () = assert!(MAX_BATCH_RECORDS <= i32::MAX as usize, "the count of its records has 32 bits");

/// A batch, snapshot or control record that cannot be read.
#[derive(Debug)]
pub struct Unreadable(pub String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

fn unreadable(what: &str, cause: impl fmt::Display) -> Unreadable {
    Unreadable(format!("{what}: {cause}"))
}

/// What a leader writes first: that it leads, and in a dynamic quorum the voters if they are news.
pub(super) fn epoch_start_batch(
    leader_id: i32,
    voters: impl IntoIterator<Item = i32>,
    granting: impl IntoIterator<Item = i32>,
    news: Option<(i16, &VoterSet)>,
    now_ms: i64,
) -> Bytes {
    let voter = |voter_id| Voter { voter_id, ..Default::default() };
    let message = LeaderChangeMessage {
        version: 0,
        leader_id,
        voters: voters.into_iter().map(voter).collect(),
        granting_voters: granting.into_iter().map(voter).collect(),
    };
    let mut records = vec![(ControlType::LeaderChange, message.to_bytes(0))];
    records.extend(news.into_iter().flat_map(|(version, voters)| voter_records(version, Some(voters))));
    control_batch(BatchAttributes::default(), now_ms, &records)
}

/// A kraft.version and, where it has changed, the voters.
pub(super) fn kraft_version_batch(version: i16, voters: Option<&VoterSet>, now_ms: i64) -> Bytes {
    control_batch(BatchAttributes::default(), now_ms, &voter_records(version, voters))
}

/// New voters, at a kraft.version that stays.
pub(super) fn voters_batch(voters: &VoterSet, now_ms: i64) -> Bytes {
    let records = [(ControlType::KRaftVoters, voters.to_record().to_bytes(0))];
    control_batch(BatchAttributes::default(), now_ms, &records)
}

fn voter_records(version: i16, voters: Option<&VoterSet>) -> Vec<(ControlType, Bytes)> {
    let record = KRaftVersionRecord { version: 0, kraft_version: version };
    let mut records = vec![(ControlType::KRaftVersion, record.to_bytes(0))];
    records.extend(voters.map(|voters| (ControlType::KRaftVoters, voters.to_record().to_bytes(0))));
    records
}

/// What the quorum itself has to learn from a batch.
pub(super) enum ControlNews {
    KRaftVersion(i16),
    Voters(VoterSet),
}

/// The voters and versions that a batch announces, with their offsets.
pub(super) fn control_news(batch: &RecordBatch) -> Result<Vec<(i64, ControlNews)>, Unreadable> {
    let mut news = Vec::new();
    for record in batch.control_records().map_err(|error| unreadable("control batch", error))? {
        let mut value = Decoder::of(record.value.clone());
        match record.kind {
            ControlType::KRaftVersion => {
                let message = KRaftVersionRecord::decode(&mut value, 0);
                let message = message.map_err(|error| unreadable("kraft.version record", error))?;
                news.push((record.offset, ControlNews::KRaftVersion(message.kraft_version)));
            }
            ControlType::KRaftVoters => {
                let message = VotersRecord::decode(&mut value, 0)
                    .map_err(|error| unreadable("voters record", error))?;
                news.push((record.offset, ControlNews::Voters(VoterSet::from_record(&message))));
            }
            ControlType::Abort
            | ControlType::Commit
            | ControlType::LeaderChange
            | ControlType::SnapshotHeader
            | ControlType::SnapshotFooter
            | ControlType::Unknown(_) => {}
        }
    }
    Ok(news)
}

/// The values of a data batch with their offsets; a control batch has none.
pub fn data_records(batch: &RecordBatch) -> Result<Vec<(i64, Bytes)>, Unreadable> {
    if batch.is_control() {
        return Ok(Vec::new());
    }
    let records = batch.records(MAX_DECOMPRESSED).map_err(|error| unreadable("batch", error))?;
    let mut values = Vec::new();
    for record in records {
        let record = record.map_err(|error| unreadable("record", error))?;
        let value =
            record.value.ok_or_else(|| Unreadable(format!("record {} has no value", record.offset)))?;
        values.push((record.offset, value));
    }
    Ok(values)
}

/// One batch of metadata values, all at one timestamp.
pub fn data_batch(values: impl IntoIterator<Item = Bytes>, now_ms: i64) -> Bytes {
    let mut builder = RecordBatchBuilder::new(BatchAttributes::default());
    for value in values {
        builder.append(now_ms, None, Some(&value), &[]);
    }
    builder.build()
}

/// The parts of a snapshot that are not metadata values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotHead {
    /// The time of the last record that went into the snapshot.
    pub last_contained_timestamp_ms: i64,
    /// The level of kraft.version; 0: voters are configured.
    pub kraft_version: i16,
    /// Only with a dynamic quorum.
    pub voters: Option<VoterSet>,
}

/// A snapshot file: a control batch with header and voters, data batches, a footer. Offsets count from 0, the leader epoch is
/// that of the id.
pub fn encode_snapshot(
    id: OffsetAndEpoch,
    head: &SnapshotHead,
    values: impl IntoIterator<Item = Bytes>,
    now_ms: i64,
) -> Vec<Bytes> {
    let at =
        |base_offset| BatchAttributes { base_offset, leader_epoch: id.epoch, ..BatchAttributes::default() };
    let header =
        SnapshotHeaderRecord { version: 0, last_contained_log_timestamp: head.last_contained_timestamp_ms };
    let mut records = vec![(ControlType::SnapshotHeader, header.to_bytes(0))];
    if head.kraft_version > 0 {
        records.extend(voter_records(head.kraft_version, head.voters.as_ref()));
    }
    let mut next_offset = records.len() as i64;
    let mut parts = vec![control_batch(at(0), now_ms, &records)];
    let mut builder = RecordBatchBuilder::new(at(next_offset));
    for value in values {
        let full = builder.size_with(now_ms, None, Some(&value), &[]) > MAX_BATCH_BYTES;
        if full && !builder.is_empty() {
            parts.push(builder.build());
            builder = RecordBatchBuilder::new(at(next_offset));
        }
        builder.append(now_ms, None, Some(&value), &[]);
        next_offset += 1;
    }
    if !builder.is_empty() {
        parts.push(builder.build());
    }
    let footer = SnapshotFooterRecord { version: 0 }.to_bytes(0);
    parts.push(control_batch(at(next_offset), now_ms, &[(ControlType::SnapshotFooter, footer)]));
    parts
}

/// Reads a whole snapshot and hands its values to `each`. A file without header or footer is no snapshot.
pub fn decode_snapshot<E>(
    content: Bytes,
    mut each: impl FnMut(Bytes) -> Result<(), E>,
) -> Result<SnapshotHead, E>
where
    E: From<Unreadable>,
{
    let batches = RecordBatch::split(content).map_err(|error| unreadable("snapshot", error))?;
    let mut head = None;
    let mut has_footer = false;
    for (index, batch) in batches.iter().enumerate() {
        batch.verify_crc().map_err(|error| unreadable("snapshot", error))?;
        if index == 0 {
            head = Some(snapshot_head(batch)?);
        } else if batch.is_control() {
            let control = batch.control_records().map_err(|error| unreadable("snapshot", error))?;
            has_footer |= control.iter().any(|record| record.kind == ControlType::SnapshotFooter);
        }
        for (_, value) in data_records(batch)? {
            each(value)?;
        }
    }
    match head {
        Some(head) if has_footer => Ok(head),
        Some(_) | None => Err(E::from(Unreadable("the snapshot has no header or no footer".to_owned()))),
    }
}

fn snapshot_head(batch: &RecordBatch) -> Result<SnapshotHead, Unreadable> {
    let control = batch.control_records().map_err(|error| unreadable("snapshot header", error))?;
    let Some(first) = control.first().filter(|record| record.kind == ControlType::SnapshotHeader) else {
        return Err(Unreadable("the snapshot does not begin with a header".to_owned()));
    };
    let header = SnapshotHeaderRecord::decode(&mut Decoder::of(first.value.clone()), 0);
    let header = header.map_err(|error| unreadable("snapshot header", error))?;
    let timestamp = header.last_contained_log_timestamp;
    let mut head = SnapshotHead { last_contained_timestamp_ms: timestamp, ..SnapshotHead::default() };
    for (_, news) in control_news(batch)? {
        match news {
            ControlNews::KRaftVersion(version) => head.kraft_version = version,
            ControlNews::Voters(voters) => head.voters = Some(voters),
        }
    }
    Ok(head)
}
