//! The first half of a cleaning: every key of the dirty part with its newest offset. Records of aborted transactions do not count.
//! Ends early when the map is full: then this round cleans so far, and the next begins there.

use super::choice::CleanCandidate;
use super::filter::{control_of, each_record};
use super::transactions::CleanedTransactions;
use super::work::{CleanStop, CleanWork};
use crate::disk::Disk;
use crate::scan::{Scanner, Step};
use crate::segment::Segment;
use crate::source::Source;
use crate::view::LogView;
use bytes::Bytes;
use std::sync::Arc;
use wire::compress::DecompressLimit;
use wire::record_batch::RecordBatch;

/// Where in a segment a slice of work ended.
#[derive(Debug)]
pub(super) struct Place {
    position: u32,
    next_offset: i64,
    /// What was read from there on: the next slice need not read it again.
    ahead: Bytes,
}

impl Place {
    pub fn beginning(segment: &Segment) -> Place {
        Place { position: 0, next_offset: segment.base_offset, ahead: Bytes::new() }
    }

    pub fn of(scanner: Scanner<'_>) -> Place {
        Place { position: scanner.position(), next_offset: scanner.next_offset, ahead: scanner.into_ahead() }
    }

    pub fn scanner<'a>(self, disk: &'a dyn Disk, segment: &'a Segment) -> Scanner<'a> {
        Scanner::new(disk, segment, self.position, self.next_offset).with_ahead(self.ahead)
    }
}

/// A walk over the dirty segments.
#[derive(Debug)]
pub(super) struct Mapping {
    dirty: Vec<Arc<Segment>>,
    /// Index of the segment being read, and where in it.
    at: usize,
    place: Option<Place>,
    transactions: CleanedTransactions,
    begun: bool,
}

impl Mapping {
    pub fn new(view: &LogView, candidate: &CleanCandidate) -> Mapping {
        let all = &view.segments.segments;
        let first = view.segments.floor(candidate.first_dirty_offset).unwrap_or(0);
        let dirty = all.iter().skip(first);
        let dirty = dirty.take_while(|segment| segment.base_offset < candidate.first_uncleanable_offset);
        Mapping {
            dirty: dirty.cloned().collect(),
            at: 0,
            place: None,
            transactions: CleanedTransactions::default(),
            begun: false,
        }
    }
}

impl CleanWork {
    /// Reads on until `left` bytes are used up; true when the map is complete (or full).
    pub(super) fn map_slice(&mut self, mapping: &mut Mapping, left: &mut u64) -> Result<bool, CleanStop> {
        let (first_dirty, end) = (self.candidate.first_dirty_offset, self.candidate.first_uncleanable_offset);
        if !std::mem::replace(&mut mapping.begun, true) {
            mapping.transactions.add(self.view.aborted_transactions(first_dirty, end)?);
        }
        let disk = Arc::clone(&self.disk);
        while let Some(segment) = mapping.dirty.get(mapping.at).cloned() {
            let next_base = mapping.dirty.get(mapping.at + 1).map_or(end, |next| next.base_offset);
            let place = match mapping.place.take() {
                Some(place) => place,
                None => {
                    let hint = segment.position_hint(first_dirty, Source::of(&*disk))?;
                    let position = hint.map_or(0, |entry| entry.position).min(segment.size());
                    Place { position, ..Place::beginning(&segment) }
                }
            };
            let mut scanner = place.scanner(&*disk, &segment).up_to(next_base);
            loop {
                match scanner.step()? {
                    Step::Batch { header, bytes, .. } => {
                        self.figures_mut().mapped_bytes += header.size_in_bytes() as u64;
                        *left = left.saturating_sub(header.size_in_bytes() as u64);
                        let batch = RecordBatch::parse(bytes)?;
                        if !self.map_batch(&mut mapping.transactions, &batch)? {
                            return Ok(true);
                        }
                    }
                    Step::End => break,
                    Step::Bad { what } => return Err(unreadable(&segment, scanner.position(), &what)),
                }
                if *left == 0 {
                    mapping.place = Some(Place::of(scanner));
                    return Ok(false);
                }
            }
            self.map.latest_offset = next_base - 1;
            mapping.at += 1;
        }
        Ok(true)
    }

    /// False when the map is full.
    fn map_batch(
        &mut self,
        transactions: &mut CleanedTransactions,
        batch: &RecordBatch,
    ) -> Result<bool, CleanStop> {
        let first_dirty = self.candidate.first_dirty_offset;
        let mut room = true;
        if batch.is_control() {
            transactions.on_control(batch, control_of(batch)?);
        } else if !transactions.on_data(batch) {
            let data = batch.decompressed(DecompressLimit::default())?;
            each_record(batch, &data, |record| {
                let offset = batch.base_offset.wrapping_add(i64::from(record.offset_delta));
                if let Some(key) = record.key
                    && offset >= first_dirty
                {
                    room = self.map.note(key, offset);
                }
                room
            })?;
            room = room && self.map.settle();
        }
        if room && batch.last_offset() >= first_dirty {
            self.map.latest_offset = batch.last_offset();
        }
        Ok(room)
    }
}

pub(super) fn unreadable(segment: &Segment, position: u32, what: &str) -> CleanStop {
    CleanStop::Unreadable(format!("{} at {position}: {what}", segment.log.path().display()))
}
