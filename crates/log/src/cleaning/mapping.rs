//! The first half of a cleaning: every key of the dirty part with its newest offset. Records of aborted transactions do not count.
//! Ends early when the map is full: then this round cleans so far, and the next begins there.

use super::bookmark::{Bookmark, unreadable};
use super::choice::CleanCandidate;
use super::filter::{control_of, each_record};
use super::outcome::CleanStop;
use super::round::Round;
use super::transactions::CleanedTransactions;
use crate::scan::Step;
use crate::segment::Segment;
use crate::source::Source;
use crate::view::LogView;
use std::sync::Arc;
use wire::compress::DecompressLimit;
use wire::record_batch::RecordBatch;

/// A walk over the dirty segments.
#[derive(Debug)]
pub(super) struct Mapping {
    dirty: Vec<Arc<Segment>>,
    /// Index of the segment being read, and where in it.
    at: usize,
    bookmark: Option<Bookmark>,
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
            bookmark: None,
            transactions: CleanedTransactions::default(),
            begun: false,
        }
    }

    /// Reads on until `left` bytes are used up; true when the map is complete (or full).
    pub fn run(&mut self, round: &mut Round, left: &mut u64) -> Result<bool, CleanStop> {
        let (first_dirty, end) =
            (round.candidate.first_dirty_offset, round.candidate.first_uncleanable_offset);
        if !std::mem::replace(&mut self.begun, true) {
            self.transactions.add(round.view.aborted_transactions(first_dirty, end)?);
        }
        let disk = Arc::clone(&round.disk);
        while let Some(segment) = self.dirty.get(self.at).cloned() {
            let next_base = self.dirty.get(self.at + 1).map_or(end, |next| next.base_offset);
            let bookmark = match self.bookmark.take() {
                Some(bookmark) => bookmark,
                None => {
                    let hint = segment.position_hint(first_dirty, Source::of(&*disk))?;
                    let position = hint.map_or(0, |entry| entry.position).min(segment.size());
                    Bookmark::at(&segment, position)
                }
            };
            let mut scanner = bookmark.scanner(&*disk, &segment).up_to(next_base);
            loop {
                match scanner.step()? {
                    Step::Batch { header, bytes, .. } => {
                        round.figures.mapped_bytes += header.size_in_bytes() as u64;
                        *left = left.saturating_sub(header.size_in_bytes() as u64);
                        let batch = RecordBatch::parse(bytes)?;
                        if !map_batch(round, &mut self.transactions, &batch)? {
                            return Ok(true);
                        }
                    }
                    Step::End => break,
                    Step::Bad { what } => return Err(unreadable(&segment, scanner.position(), &what)),
                }
                if *left == 0 {
                    self.bookmark = Some(Bookmark::of(scanner));
                    return Ok(false);
                }
            }
            round.map.latest_offset = next_base - 1;
            self.at += 1;
        }
        Ok(true)
    }
}

/// False when the map is full.
fn map_batch(
    round: &mut Round,
    transactions: &mut CleanedTransactions,
    batch: &RecordBatch,
) -> Result<bool, CleanStop> {
    let first_dirty = round.candidate.first_dirty_offset;
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
                room = round.map.note(key, offset);
            }
            room
        })?;
        room = room && round.map.settle();
    }
    if room && batch.last_offset() >= first_dirty {
        round.map.latest_offset = batch.last_offset();
    }
    Ok(room)
}
