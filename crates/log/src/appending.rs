//! Appending: offsets, producer checks, roll, one vectored write, indexes. Whatever is refused leaves no trace; whatever fails on
//! disk poisons the log, for nobody knows what the page cache holds then. A full disk is different: the torn
//! bytes are cut and the log goes on when there is room.

use crate::append::{AppendOrigin, AppendRefused, Appended};
use crate::disk::FileHandle;
use crate::fault::Fault;
use crate::log::{Active, Log};
use crate::names;
use crate::producers::{IncomingBatch, Origin, Preparation, Prepared, Producers};
use crate::replicating::take_batch;
use crate::segment::Segment;
use bytes::Bytes;
use std::io::IoSlice;
use std::sync::Arc;
use wire::planted::{self, Bug};
use wire::record_batch::{
    BatchHeader, EndTransactionMarker, HEADER_BYTES, RecordBatch, ValidBatch, ValidBatches,
};

/// After so long without an append the page that the log ends in may have been written back and have left the cache. Before, not:
/// it is the newest there is.
const PAUSE_MS: i64 = 1_000;

/// A batch with its final header, ready to be written.
#[derive(Debug)]
struct Placed<'a> {
    header: BatchHeader,
    head: [u8; HEADER_BYTES],
    payload: &'a [u8],
    marker: Option<EndTransactionMarker>,
}

impl<'a> Placed<'a> {
    fn new(header: BatchHeader, payload: &'a [u8], marker: Option<EndTransactionMarker>) -> Placed<'a> {
        Placed { header, head: header.to_bytes(), payload, marker }
    }
}

impl Log {
    /// Appends validated batches: checks producer state, assigns offsets, patches base offset and leader epoch on the way to
    /// the file (one pwritev, the received bytes are not copied), updates producer state and indexes.
    pub fn append_as_leader(
        &mut self,
        batches: &ValidBatches,
        leader_epoch: i32,
        origin: AppendOrigin,
        now_ms: i64,
    ) -> Result<Appended, AppendRefused> {
        self.check_poison()?;
        let mut next_offset = self.log_end_offset;
        let mut place = |batch: &'_ ValidBatch| {
            let mut header = *batch.header();
            // The quorum numbers its batches itself and must agree with its log.
            if origin == AppendOrigin::RaftLeader
                && header.base_offset != 0
                && header.base_offset != next_offset
            {
                return Err(AppendRefused::OffsetsOutOfOrder {
                    expected: next_offset,
                    found: header.base_offset,
                });
            }
            header.base_offset = next_offset;
            header.partition_leader_epoch = leader_epoch;
            next_offset = header.next_offset();
            Ok(header)
        };
        match batches.batches() {
            // The usual case, without an allocation.
            [batch] => {
                let placed = [Placed::new(place(batch)?, batch.payload(), marker_of(batch)?)];
                self.append_placed(&placed, batches.log_append_time(), origin.into(), now_ms)
            }
            several => {
                let placed = several
                    .iter()
                    .map(|batch| Ok(Placed::new(place(batch)?, batch.payload(), marker_of(batch)?)))
                    .collect::<Result<Vec<_>, AppendRefused>>()?;
                self.append_placed(&placed, batches.log_append_time(), origin.into(), now_ms)
            }
        }
    }

    /// Appends replicated batches as they are, all or none; their offsets must continue the log. A torn batch at the end is left out.
    pub fn append_as_follower(&mut self, mut batches: Bytes, now_ms: i64) -> Result<Appended, AppendRefused> {
        self.check_poison()?;
        let (mut whole, mut next_offset) = (Vec::new(), self.log_end_offset);
        while let Some(batch) = take_batch(&mut batches, &mut next_offset)? {
            whole.push(batch);
        }
        self.append_batches(&whole, now_ms)
    }

    /// The same of batches that were looked at.
    pub(crate) fn append_batches(
        &mut self,
        batches: &[RecordBatch],
        now_ms: i64,
    ) -> Result<Appended, AppendRefused> {
        self.check_poison()?;
        let placed = batches
            .iter()
            .map(|batch| {
                let payload = batch.bytes().get(HEADER_BYTES..).unwrap_or_default();
                Ok(Placed::new(*batch.header(), payload, replicated_marker(batch)?))
            })
            .collect::<Result<Vec<_>, AppendRefused>>()?;
        self.append_placed(&placed, -1, Origin::Replication, now_ms)
    }

    fn append_placed(
        &mut self,
        placed: &[Placed<'_>],
        log_append_time: i64,
        origin: Origin,
        now_ms: i64,
    ) -> Result<Appended, AppendRefused> {
        let (Some(first), Some(last)) = (placed.first(), placed.last()) else {
            let end = self.log_end_offset;
            return Ok(self.appended(end, end - 1, -1, false));
        };
        let (base_offset, last_offset) = (first.header.base_offset, last.header.last_offset());
        let size: u64 = placed.iter().map(|batch| batch.header.size_in_bytes() as u64).sum();
        if size > u64::from(self.config.segment_bytes) {
            return Err(AppendRefused::BatchLargerThanSegment { size, limit: self.config.segment_bytes });
        }
        let prepared = match self.prepare_producers(placed, origin, now_ms)? {
            Preparation::Append(prepared) => prepared,
            Preparation::Duplicate(batch) => {
                // Kafka tells the batch's own time here, whatever the topic stamps.
                return Ok(self.appended(batch.first_offset(), batch.last_offset, batch.timestamp, true));
            }
        };
        let max_timestamp = placed.iter().map(|batch| batch.header.max_timestamp).max().unwrap_or(-1);
        let segment = self.segment_for(size, base_offset, last_offset, max_timestamp, now_ms)?;
        let pause = now_ms.saturating_sub(self.active.last_append_ms) > PAUSE_MS;
        self.active.last_append_ms = now_ms;
        self.write(&segment, placed, size, pause)?;
        self.account(&segment, placed, prepared).inspect_err(|fault| self.poison(fault))?;
        self.check_appended();
        Ok(self.appended(base_offset, last_offset, log_append_time, false))
    }

    fn appended(
        &self,
        base_offset: i64,
        last_offset: i64,
        log_append_time: i64,
        duplicate: bool,
    ) -> Appended {
        let log_start_offset = self.log_start_offset;
        Appended { base_offset, last_offset, log_append_time, log_start_offset, duplicate }
    }

    fn prepare_producers(
        &mut self,
        placed: &[Placed<'_>],
        origin: Origin,
        now_ms: i64,
    ) -> Result<Preparation, AppendRefused> {
        let forgets = origin == Origin::Replication && planted::has(Bug::ForgetsProducers);
        if forgets || !placed.iter().any(|batch| batch.header.has_producer_id()) {
            return Ok(Preparation::Append(Prepared::default()));
        }
        let verify = self.config.verify_transactions;
        let end = self.log_end_offset;
        let producers = self.producers.get_or_insert_with(|| Box::new(Producers::starting_at(end)));
        let incoming = |batch: &'_ Placed<'_>| (batch.header, batch.marker);
        match placed {
            [batch] => {
                let (header, marker) = incoming(batch);
                let only = [IncomingBatch { header: &header, base_offset: header.base_offset, marker }];
                producers.prepare(&only, origin, verify, now_ms)
            }
            several => {
                let all: Vec<IncomingBatch<'_>> = several
                    .iter()
                    .map(|batch| IncomingBatch {
                        header: &batch.header,
                        base_offset: batch.header.base_offset,
                        marker: batch.marker,
                    })
                    .collect();
                producers.prepare(&all, origin, verify, now_ms)
            }
        }
    }

    /// The segment that takes the append: the active one, a new one after a roll, or the first.
    fn segment_for(
        &mut self,
        size: u64,
        base_offset: i64,
        last_offset: i64,
        max_timestamp: i64,
        now_ms: i64,
    ) -> Result<Arc<Segment>, Fault> {
        if let Some(active) = self.segments.segments.last().cloned() {
            if !self.must_roll(&active, size, last_offset, max_timestamp, now_ms) {
                return Ok(active);
            }
            self.roll(base_offset, now_ms).map_err(|fault| self.fail(fault))
        } else {
            self.create_files(base_offset, now_ms).map_err(|fault| self.fail(fault))
        }
    }

    fn must_roll(
        &self,
        active: &Segment,
        size: u64,
        last_offset: i64,
        max_timestamp: i64,
        now_ms: i64,
    ) -> bool {
        if u64::from(active.size()) + size > u64::from(self.config.segment_bytes)
            || !active.holds(last_offset)
        {
            return true;
        }
        let waited = match self.active.first_timestamp {
            Some(first) if first >= 0 => max_timestamp.saturating_sub(first),
            Some(_) | None => now_ms.saturating_sub(self.active.created_ms),
        };
        let due = self.config.roll_ms().saturating_sub(self.jitter_ms(active.base_offset));
        (active.size() > 0 && waited > due)
            || active.read_indexes(|indexes| indexes.are_full(self.config.segment_index_bytes))
    }

    /// A stable share of `segment.jitter.ms` per segment, so that partitions made together do not roll together.
    fn jitter_ms(&self, base_offset: i64) -> i64 {
        let most = self.config.segment_jitter_ms.min(self.config.roll_ms());
        if most <= 0 {
            return 0;
        }
        let name = self.directory.as_os_str().as_encoded_bytes();
        let seed = u64::from(wire::crc32c(name)) ^ (base_offset as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (seed.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) as i64 % most
    }

    /// Seals the active segment and begins the next at `base_offset`.
    pub(crate) fn roll(&mut self, base_offset: i64, now_ms: i64) -> Result<Arc<Segment>, Fault> {
        if let Some(active) = self.segments.segments.last().cloned() {
            if self.seal(&active)? && !self.config.preallocate {
                // Zeros that came back in the middle of a log would be damage: Kafka looks at no segment whose successor begins at the
                // recovery point. So they are gone for good before the next one has a name. Little is left to sync where acks wait
                // for syncs, and elsewhere nothing is written ahead; Kafka's own preallocation is left as it is there.
                self.disk.sync(&active.log).inspect_err(|fault| self.poison(fault))?;
            }
            self.dirty.sealed(self.log_end_offset);
            self.take_snapshot()?;
            if self.recovery_point <= active.base_offset {
                // The name of this segment may never have been synced: a crash must not keep the next one and lose this one.
                self.disk.sync_directory(&self.directory)?;
            }
        }
        self.begin_segment(base_offset, now_ms)
    }

    /// The first append brings the directory, the partition's metadata and the first segment into being.
    fn create_files(&mut self, base_offset: i64, now_ms: i64) -> Result<Arc<Segment>, Fault> {
        // It may be there, left over from a first append that a full disk refused.
        self.disk.create_directory(&self.directory)?;
        self.dirty.parent();
        if let Some(topic_id) = self.topic_id {
            self.write_partition_metadata(topic_id)?;
        }
        let segment = self.begin_segment(base_offset, now_ms)?;
        if self.epochs.latest().is_some() {
            self.dirty.epochs();
        }
        Ok(segment)
    }

    /// It says whose records these are: durable before they are acknowledged, or a topic made again under the name of a deleted one
    /// would serve the old one's. There is but one metadata log: nobody has to wait for its file, and a torn one is written again.
    pub(crate) fn write_partition_metadata(&mut self, topic_id: wire::Uuid) -> Result<(), Fault> {
        let file = FileHandle::new(self.directory.join(names::PARTITION_METADATA));
        let text = crate::checkpoint::write_partition_metadata(topic_id);
        self.disk.create_empty(&file)?;
        self.disk.write_at(&file, 0, &mut [IoSlice::new(text.as_bytes())])?;
        self.disk.release(&file);
        match topic_id {
            wire::Uuid::METADATA_TOPIC_ID => self.dirty.cache(&file),
            _ => self.dirty.file(&file),
        }
        Ok(())
    }

    fn begin_segment(&mut self, base_offset: i64, now_ms: i64) -> Result<Arc<Segment>, Fault> {
        let segment = Arc::new(Segment::new(&self.directory, base_offset));
        // A file of that name may be left over from a crash.
        let made = self.disk.create_empty(&segment.log).and_then(|()| match self.config.preallocate {
            true => segment.preallocate(self.config.segment_bytes, &*self.disk),
            false => Ok(()),
        });
        if let Err(fault) = made {
            // On a full disk the active segment goes on: an empty one must not stay behind in its way.
            self.disk.remove(&segment.log).inspect_err(|fault| self.poison(fault))?;
            return Err(fault);
        }
        let mut segments = self.segments.segments.clone();
        // A roll of an empty segment replaces it: one name, one segment.
        if segments.last().is_some_and(|last| last.base_offset == base_offset) {
            segments.pop();
        }
        segments.push(segment.clone());
        self.set_segments(segments);
        self.active =
            Active { first_timestamp: None, created_ms: now_ms, last_append_ms: now_ms, unsealed: true };
        self.dirty.wrote(&segment);
        self.dirty.directory();
        Ok(segment)
    }

    /// One vectored write of all batches, headers patched on the way.
    fn write(
        &mut self,
        segment: &Arc<Segment>,
        placed: &[Placed<'_>],
        size: u64,
        pause: bool,
    ) -> Result<(), Fault> {
        let disk = &*self.disk;
        let written = segment.append(pause, |position| {
            match placed {
                [batch] => {
                    let mut slices = [IoSlice::new(&batch.head), IoSlice::new(batch.payload)];
                    disk.write_at(&segment.log, position, &mut slices)?;
                }
                several => {
                    let mut slices: Vec<IoSlice<'_>> = several
                        .iter()
                        .flat_map(|batch| [IoSlice::new(&batch.head), IoSlice::new(batch.payload)])
                        .collect();
                    // The kernel takes so many slices at once.
                    let mut at = position;
                    slices.chunks_mut(512).try_for_each(|chunk| {
                        let bytes: usize = chunk.iter().map(|slice| slice.len()).sum();
                        disk.write_at(&segment.log, at, chunk)?;
                        at += bytes as u64;
                        Ok(())
                    })?;
                }
            }
            Ok(size)
        });
        if let Err(fault) = written {
            return Err(self.undo_write(segment, fault));
        }
        self.dirty.wrote(segment);
        Ok(())
    }

    /// A full disk refused, or no descriptor was left: what was written of the batch is cut and the log stays good. Anything else poisons it.
    fn undo_write(&mut self, segment: &Arc<Segment>, fault: Fault) -> Fault {
        if fault.is_passing() && segment.cut(segment.size(), &*self.disk).is_ok() {
            return fault;
        }
        self.fail(fault)
    }

    pub(crate) fn fail(&mut self, fault: Fault) -> Fault {
        // Making files on a full disk leaves nothing that matters behind; the next append tries again.
        if !fault.is_passing() {
            self.poison(&fault);
        }
        fault
    }

    /// The bytes are in the file: offsets, epochs, indexes and producers follow.
    fn account(
        &mut self,
        segment: &Arc<Segment>,
        placed: &[Placed<'_>],
        prepared: Prepared,
    ) -> Result<(), Fault> {
        let mut position = segment.size();
        for batch in placed {
            position -= batch.header.size_in_bytes() as u32;
        }
        if position == 0 {
            self.active.first_timestamp = placed.iter().map(|batch| batch.header.max_timestamp).max();
        }
        self.active.unsealed = true;
        let interval = self.config.index_interval_bytes;
        for batch in placed {
            let header = &batch.header;
            self.assign_epoch(header.partition_leader_epoch, header.base_offset);
            self.log_end_offset = header.next_offset();
            let noted = segment.with_indexes(|indexes| {
                let (base_offset, last_offset) = (segment.base_offset, header.last_offset());
                indexes.appended(base_offset, last_offset, header, position, interval, &*self.disk)
            });
            match noted {
                // The entries stay in memory and go to the file when there is room again.
                Err(fault) if !fault.is_passing() => return Err(fault),
                Ok(()) | Err(_) => {}
            }
            position += header.size_in_bytes() as u32;
        }
        if let Some(producers) = &mut self.producers {
            let aborted = producers.commit(prepared, self.log_end_offset);
            producers.bound(self.config.max_producers);
            for transaction in aborted {
                segment.with_indexes(|indexes| {
                    self.dirty.file(&indexes.transactions.file);
                    indexes.transactions.push(transaction, &*self.disk)
                })?;
                self.dirty.directory();
            }
        }
        Ok(())
    }
}

/// The marker of a control batch that ends a transaction.
fn marker_of(batch: &ValidBatch) -> Result<Option<EndTransactionMarker>, AppendRefused> {
    if !batch.is_control() || !batch.is_transactional() {
        return Ok(None);
    }
    replicated_marker(&batch.to_batch())
}

pub(crate) fn replicated_marker(batch: &RecordBatch) -> Result<Option<EndTransactionMarker>, AppendRefused> {
    if !batch.is_control() || !batch.is_transactional() {
        return Ok(None);
    }
    let records = batch.control_records().map_err(AppendRefused::Invalid)?;
    match records.first() {
        Some(record) => record.end_transaction().map_err(AppendRefused::Invalid),
        None => Ok(None),
    }
}
