//! Bringing producer state back: the newest sound snapshot, then the log's batches from there. Also fills the transaction index
//! of what a recovery scanned anew. Snapshots are caches: a bad one is deleted and an older one taken.

use crate::disk::FileHandle;
use crate::fault::Fault;
use crate::log::Log;
use crate::names;
use crate::open::RecoveryReport;
use crate::producers::{IncomingBatch, Origin, Preparation, Producers};
use crate::scan::{Scanner, Step};
use crate::segment::Segment;
use crate::snapshot;
use crate::source::Source;
use bytes::Bytes;
use std::sync::Arc;
use wire::record_batch::{BatchHeader, RecordBatch};

impl Log {
    /// After opening. `replay_from` is the first offset that recovery scanned: snapshots beyond it may speak of bytes that are
    /// gone, and the transaction index is made again from there.
    pub(crate) fn load_producers(
        &mut self,
        replay_from: i64,
        report: &mut RecoveryReport,
    ) -> Result<(), Fault> {
        let limit = replay_from.min(self.log_end_offset);
        for stale in self.snapshots.split_off(&(limit.saturating_add(1))) {
            self.delete_snapshot(stale)?;
        }
        if replay_from != i64::MAX {
            for segment in &self.segments.segments {
                segment.with_indexes(|indexes| indexes.transactions.truncate(replay_from, &*self.disk))?;
            }
        }
        let from = self.load_snapshot(report)?;
        self.replay(from, replay_from)?;
        self.delete_stray_snapshots()
    }

    /// After a truncation: the state of the log's new end.
    pub(crate) fn reload_producers(&mut self) -> Result<(), Fault> {
        if self.producers.is_none() && self.snapshots.is_empty() {
            return Ok(());
        }
        let mut report = RecoveryReport::default();
        let from = self.load_snapshot(&mut report)?;
        self.replay(from, i64::MAX)?;
        if let Some(producers) = &mut self.producers {
            producers.replicated_to(self.high_watermark);
        }
        Ok(())
    }

    /// Takes the newest sound snapshot; answers the offset it speaks of (or the log's beginning).
    fn load_snapshot(&mut self, report: &mut RecoveryReport) -> Result<i64, Fault> {
        self.producers = None;
        while let Some(offset) = self.snapshots.last().copied() {
            let path = names::segment_file(&self.directory, offset, names::SNAPSHOT);
            match snapshot::read(&self.disk.read_file(&path)?, offset) {
                Some(producers) => {
                    if producers.len() > 0 {
                        self.producers = Some(Box::new(producers));
                    }
                    return Ok(offset);
                }
                None => {
                    report.rebuilt.push(format!("{offset:020}.{}", names::SNAPSHOT));
                    self.delete_snapshot(offset)?;
                }
            }
        }
        Ok(self.segments.segments.first().map_or(self.log_end_offset, |segment| segment.base_offset))
    }

    /// Feeds the log's batches from `from` to its end to the producer state; aborted transactions that ended at or after
    /// `index_from` go to the transaction index.
    fn replay(&mut self, from: i64, index_from: i64) -> Result<(), Fault> {
        if from >= self.log_end_offset {
            return Ok(());
        }
        let list = self.segments.clone();
        let ends = list.segments.iter().skip(1).map(|next| next.base_offset).chain([self.log_end_offset]);
        for (segment, end) in list.segments.iter().zip(ends).skip(list.floor(from).unwrap_or(0)) {
            let position =
                segment.position_hint(from, Source::of(&*self.disk))?.map_or(0, |entry| entry.position);
            let disk = self.disk.clone();
            // A base offset is not under the CRC: one that reaches beyond the log must not become a producer's.
            let mut scanner =
                Scanner::new(&*disk, segment, position.min(segment.size()), segment.base_offset).up_to(end);
            loop {
                match scanner.step()? {
                    Step::Batch { header, .. } if header.base_offset < from => {}
                    Step::Batch { header, bytes, .. } => {
                        self.replay_batch(segment, &header, bytes, index_from)?
                    }
                    Step::End => break,
                    // Recovery has reported it; what follows still counts.
                    Step::Bad { .. } => {
                        if !scanner.resync()? {
                            break;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn replay_batch(
        &mut self,
        segment: &Arc<Segment>,
        header: &BatchHeader,
        bytes: Bytes,
        index_from: i64,
    ) -> Result<(), Fault> {
        if !header.has_producer_id() {
            return Ok(());
        }
        // A marker that says nothing, under a good CRC, ends nothing: no reason to have the log offline.
        let marker = match header.is_control() {
            true => RecordBatch::parse(bytes)
                .ok()
                .and_then(|batch| crate::appending::replicated_marker(&batch).ok().flatten()),
            false => None,
        };
        let producers =
            self.producers.get_or_insert_with(|| Box::new(Producers::starting_at(header.base_offset)));
        let batch = IncomingBatch { header, base_offset: header.base_offset, marker };
        // Replication refuses nothing and knows no duplicates.
        if let Ok(Preparation::Append(prepared)) = producers.prepare(&[batch], Origin::Replication, false, 0)
        {
            for transaction in producers.commit(prepared, header.next_offset()) {
                if transaction.last_offset >= index_from {
                    segment.with_indexes(|indexes| {
                        self.dirty.file(&indexes.transactions.file);
                        indexes.transactions.push(transaction, &*self.disk)
                    })?;
                    self.dirty.directory();
                }
            }
        }
        Ok(())
    }

    /// Keeps the snapshots that belong to a segment's beginning, and the newest.
    fn delete_stray_snapshots(&mut self) -> Result<(), Fault> {
        let newest = self.snapshots.last().copied();
        let belongs = |offset: &i64| {
            Some(*offset) == newest
                || self.segments.segments.iter().any(|segment| segment.base_offset == *offset)
        };
        let strays: Vec<i64> = self.snapshots.iter().copied().filter(|offset| !belongs(offset)).collect();
        for stray in strays {
            self.delete_snapshot(stray)?;
        }
        Ok(())
    }

    fn delete_snapshot(&mut self, offset: i64) -> Result<(), Fault> {
        self.snapshots.remove(&offset);
        self.disk.remove(&FileHandle::new(names::segment_file(&self.directory, offset, names::SNAPSHOT)))
    }
}
