//! The second half of a cleaning: what stays of a group of segments goes to one new segment, named `.cleaned` until it is whole and
//! on the platter, then `.swap`: from then on a start completes the exchange.

use super::bookmark::{Bookmark, unreadable};
use super::filter::{self, Kept};
use super::outcome::CleanStop;
use super::round::Round;
use crate::disk::FileHandle;
use crate::fault::Fault;
use crate::names;
use crate::scan::Step;
use crate::segment::Segment;
use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;
use wire::record_batch::{BatchHeader, RecordBatch};

/// Bytes collected before they are written in one call.
const WRITE_BYTES: usize = 1 << 20;

/// A group being copied.
#[derive(Debug)]
pub(super) struct Copying {
    group: Vec<Arc<Segment>>,
    /// Index of the source being read, and where in it; `None` at its beginning.
    at: usize,
    bookmark: Option<Bookmark>,
    cleaned: Arc<Segment>,
    out: Vec<u8>,
    /// The batches in `out`.
    headers: Vec<BatchHeader>,
}

/// A new segment and those it replaces.
#[derive(Debug)]
pub(super) struct CleanedGroup {
    pub sources: Vec<Arc<Segment>>,
    pub cleaned: Arc<Segment>,
}

impl Copying {
    /// Makes the new segment's file.
    pub fn begin(round: &Round, group: Vec<Arc<Segment>>) -> Result<Copying, CleanStop> {
        let base_offset = group.first().map_or(0, |first| first.base_offset);
        let cleaned = Arc::new(Segment::with_suffix(&round.directory, base_offset, names::CLEANED_SUFFIX));
        round.guard.writes(Some(Arc::clone(&cleaned)));
        round.guard.step(|| {
            // An earlier try may have left files of these names.
            cleaned.files().iter().try_for_each(|file| round.disk.remove(file))?;
            round.disk.create(&cleaned.log)
        })?;
        Ok(Copying { group, at: 0, bookmark: None, cleaned, out: Vec::new(), headers: Vec::new() })
    }

    /// Copies on until `left` bytes are used up; true when the new segment is whole, durable and named `.swap`.
    pub fn run(&mut self, round: &mut Round, left: &mut u64) -> Result<bool, CleanStop> {
        let disk = Arc::clone(&round.disk);
        while let Some(segment) = self.group.get(self.at).cloned() {
            let next_base = round.base_after(&segment);
            let bookmark = match self.bookmark.take() {
                Some(bookmark) => bookmark,
                None => {
                    let aborted = round.view.aborted_transactions(segment.base_offset, next_base)?;
                    round.transactions.add(aborted);
                    Bookmark::beginning(&segment)
                }
            };
            let mut scanner = bookmark.scanner(&*disk, &segment).up_to(next_base);
            loop {
                match scanner.step()? {
                    Step::Batch { header, bytes, .. } => {
                        *left = left.saturating_sub(header.size_in_bytes() as u64);
                        self.copy_batch(round, &RecordBatch::parse(bytes)?)?;
                    }
                    Step::End => break,
                    Step::Bad { what } => return Err(unreadable(&segment, scanner.position(), &what)),
                }
                if *left == 0 {
                    self.bookmark = Some(Bookmark::of(scanner));
                    return Ok(false);
                }
            }
            self.at += 1;
        }
        self.write(round)?;
        self.finish(round)?;
        Ok(true)
    }

    pub fn into_group(self) -> CleanedGroup {
        CleanedGroup { sources: self.group, cleaned: self.cleaned }
    }

    fn copy_batch(&mut self, round: &mut Round, batch: &RecordBatch) -> Result<(), CleanStop> {
        let verdict = filter::decide(batch, &round.map, &mut round.transactions, &round.rules)?;
        let figures = &mut round.figures;
        figures.read_bytes += batch.size_in_bytes() as u64;
        figures.records_read += verdict.records_read;
        figures.records_kept += verdict.records_kept;
        self.keep(batch, &verdict.kept)?;
        if let Some(aborted) = verdict.aborted {
            round.guard.step(|| {
                self.cleaned.with_indexes(|indexes| indexes.transactions.push(aborted, &*round.disk))
            })?;
        }
        if self.out.len() >= WRITE_BYTES { self.write(round) } else { Ok(()) }
    }

    fn keep(&mut self, batch: &RecordBatch, kept: &Kept) -> Result<(), CleanStop> {
        let bytes: &[u8] = match kept {
            Kept::Nothing => return Ok(()),
            Kept::Whole => batch.bytes(),
            Kept::Rewritten(bytes) => bytes,
            Kept::Header(bytes) => bytes,
        };
        self.headers.push(BatchHeader::parse(bytes)?);
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn write(&mut self, round: &mut Round) -> Result<(), CleanStop> {
        let (cleaned, start) = (&self.cleaned, self.cleaned.size());
        let end = u64::from(start) + self.out.len() as u64;
        let fits = |header: &BatchHeader| cleaned.holds(header.last_offset());
        let end = match u32::try_from(end) {
            Ok(end) if end <= i32::MAX as u32 && self.headers.iter().all(fits) => end,
            Ok(_) | Err(_) => {
                return Err(CleanStop::Unreadable(format!(
                    "what is left of {} fits no segment",
                    cleaned.base_offset
                )));
            }
        };
        let interval = round.config.index_interval_bytes;
        round.guard.step(|| {
            round.disk.write_at(&cleaned.log, u64::from(start), &mut [IoSlice::new(&self.out)])?;
            let mut position = start;
            for header in &self.headers {
                let (base, last) = (cleaned.base_offset, header.last_offset());
                cleaned.with_indexes(|indexes| {
                    indexes.appended(base, last, header, position, interval, &*round.disk)
                })?;
                position += header.size_in_bytes() as u32;
            }
            Ok(())
        })?;
        cleaned.set_size(end);
        round.figures.written_bytes += self.out.len() as u64;
        self.out.clear();
        self.headers.clear();
        Ok(())
    }

    /// Whole and on the platter first, then the name that says so, then that name on the platter.
    fn finish(&self, round: &Round) -> Result<(), CleanStop> {
        round.guard.step(|| self.cleaned.seal(&*round.disk))?;
        for file in self.cleaned.files() {
            if_there(round.disk.sync(&file))?;
        }
        round.guard.step(|| {
            self.cleaned.files().iter().rev().try_for_each(|file| {
                if_there(round.disk.rename(file, &renamed(file, names::CLEANED_SUFFIX, names::SWAP_SUFFIX)))
            })
        })?;
        round.disk.sync_directory(&round.directory)?;
        Ok(())
    }
}

/// A segment without aborted transactions has no index of them.
pub(super) fn if_there(result: Result<(), Fault>) -> Result<(), Fault> {
    match result {
        Err(fault) if fault.is_not_found() => Ok(()),
        other => other,
    }
}

/// A file's name with another ending.
pub(super) fn renamed(file: &FileHandle, old: &str, new: &str) -> PathBuf {
    let path = file.path();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let plain = name.strip_suffix(old).unwrap_or(name);
    path.with_file_name(format!("{plain}{new}"))
}
