//! One batch in, what stays of it out: the newest record of each key, tombstones until their horizon, markers while their data
//! lives (KIP-98, KIP-354, KIP-534). Pure; byte for byte what Kafka's cleaner leaves.

use super::offset_map::OffsetMap;
use super::transactions::{CleanedTransactions, Control};
use crate::transactions::AbortedTransaction;
use wire::compress::DecompressLimit;
use wire::hash::StableMap;
use wire::planted::{self, Bug};
use wire::record_batch::{BatchError, CompactedBatch, HEADER_BYTES, RecordBatch, RecordRef, empty_batch};

/// The last thing that a producer wrote, by which its sequence is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastWritten {
    /// The last offset of its last data batch.
    Data(i64),
    /// Nothing but a marker of this epoch.
    Marker(i16),
}

/// What decides about batches, fixed for one cleaning.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The time of this cleaning.
    pub now_ms: i64,
    pub delete_retention_ms: i64,
    /// The batch that ends here stays, if only as a header: the log must not end before it.
    pub high_watermark: i64,
    pub producers: StableMap<i64, LastWritten>,
}

/// What stays of a batch.
#[derive(Debug)]
pub(crate) enum Kept {
    Whole,
    Rewritten(Vec<u8>),
    Header([u8; HEADER_BYTES]),
    Nothing,
}

/// A batch's fate.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub kept: Kept,
    pub records_read: u64,
    pub records_kept: u64,
    /// To be noted in the new segment's transaction index.
    pub aborted: Option<AbortedTransaction>,
}

/// What a control batch is.
pub(crate) fn control_of(batch: &RecordBatch) -> Result<Control, BatchError> {
    let records = batch.control_records()?;
    let Some(first) = records.first() else { return Ok(Control::Empty) };
    Ok(match first.end_transaction()? {
        Some(marker) if marker.commit => Control::Commit,
        Some(_) => Control::Abort,
        None => Control::Other,
    })
}

/// Calls `visit` with every record of a batch (`data`: its records, decompressed) until it says false.
pub(crate) fn each_record<'a>(
    batch: &RecordBatch,
    data: &'a [u8],
    mut visit: impl FnMut(RecordRef<'a>) -> bool,
) -> Result<(), BatchError> {
    let mut rest = data;
    for _ in 0..batch.record_count {
        if !visit(RecordRef::take(&mut rest)?) {
            return Ok(());
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(BatchError::Record("batch holds more records than it counts")) }
}

/// Decides about one batch; batches come in the order of the log.
pub(crate) fn decide(
    batch: &RecordBatch,
    map: &OffsetMap,
    transactions: &mut CleanedTransactions,
    rules: &Rules,
) -> Result<Verdict, BatchError> {
    let horizon = batch.delete_horizon_ms();
    let (mut aborted, mut marker_of_nothing) = (None, false);
    let goes = if batch.is_control() {
        let fate = transactions.on_control(batch, control_of(batch)?);
        aborted = fate.aborted;
        marker_of_nothing = fate.may_go;
        fate.may_go && horizon.is_some_and(|horizon| horizon <= rules.now_ms)
    } else {
        transactions.on_data(batch)
    };
    let keeps_place = is_last_of_producer(batch, rules) || batch.next_offset() == rules.high_watermark;
    let total = u64::try_from(batch.record_count).unwrap_or(0);
    let verdict = |kept, records_read, records_kept| Verdict { kept, records_read, records_kept, aborted };
    let empty = || if keeps_place { Kept::Header(empty_batch(batch)) } else { Kept::Nothing };
    if goes {
        return Ok(verdict(empty(), 0, 0));
    }
    // The first pass has read them all: they need not even be decompressed again.
    if !batch.is_control() && total > 0 && map.supersedes_all(batch.base_offset..=batch.last_offset(), total)
    {
        return Ok(verdict(empty(), total, 0));
    }
    let data = batch.decompressed(DecompressLimit::default())?;
    let mut stays = Vec::new();
    each_record(batch, &data, |record| {
        if batch.is_control() || retained(batch, &record, map, rules) {
            stays.push(record);
        }
        true
    })?;
    let left = stays.len() as u64;
    if stays.is_empty() {
        return Ok(verdict(empty(), total, 0));
    }
    let tombstones = stays.iter().any(|record| record.value.is_none());
    let sets_horizon = horizon.is_none() && (tombstones || marker_of_nothing);
    if left == total && !sets_horizon {
        return Ok(verdict(Kept::Whole, total, total));
    }
    let horizon = match sets_horizon {
        true => Some(rules.now_ms.saturating_add(rules.delete_retention_ms)),
        false => horizon,
    };
    let mut rewritten = CompactedBatch::new(batch, horizon);
    stays.iter().for_each(|record| rewritten.push(record));
    Ok(verdict(Kept::Rewritten(rewritten.build()?), total, left))
}

fn is_last_of_producer(batch: &RecordBatch, rules: &Rules) -> bool {
    if !batch.has_producer_id() {
        return false;
    }
    match rules.producers.get(&batch.producer_id) {
        Some(LastWritten::Data(offset)) => batch.last_offset() == *offset,
        Some(LastWritten::Marker(epoch)) => batch.is_control() && batch.producer_epoch == *epoch,
        None => false,
    }
}

fn retained(batch: &RecordBatch, record: &RecordRef<'_>, map: &OffsetMap, rules: &Rules) -> bool {
    let offset = batch.base_offset.wrapping_add(i64::from(record.offset_delta));
    if offset > map.latest_offset {
        return true;
    }
    // A record without a key has no place in a compacted log (older data, from before the topic was compacted).
    let Some(key) = record.key else { return false };
    let expired = || batch.delete_horizon_ms().is_some_and(|horizon| rules.now_ms >= horizon);
    if planted::has(Bug::CleansTheLast) {
        return false;
    }
    !map.is_superseded(key, offset) && (record.value.is_some() || !expired())
}
