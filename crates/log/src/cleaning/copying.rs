//! The second half of a cleaning: what stays of a group of segments goes to one new segment, named `.cleaned` until it is whole and
//! on the platter, then `.swap`: from then on a start completes the exchange.

use super::filter::{self, Kept};
use super::mapping::{Place, unreadable};
use super::work::{CleanStop, CleanWork};
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
    place: Option<Place>,
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
    pub fn into_group(self) -> CleanedGroup {
        CleanedGroup { sources: self.group, cleaned: self.cleaned }
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
}

impl CleanWork {
    pub(super) fn begin_copying(&mut self, group: Vec<Arc<Segment>>) -> Result<Copying, CleanStop> {
        let base_offset = group.first().map_or(0, |first| first.base_offset);
        let cleaned = Arc::new(Segment::with_suffix(&self.directory, base_offset, names::CLEANED_SUFFIX));
        self.guard.writes(Some(Arc::clone(&cleaned)));
        self.guard.step(|| {
            // An earlier try may have left files of these names.
            cleaned.files().iter().try_for_each(|file| self.disk.remove(file))?;
            self.disk.create(&cleaned.log)
        })?;
        Ok(Copying { group, at: 0, place: None, cleaned, out: Vec::new(), headers: Vec::new() })
    }

    /// Copies on until `left` bytes are used up; true when the new segment is whole, durable and named `.swap`.
    pub(super) fn copy_slice(&mut self, copying: &mut Copying, left: &mut u64) -> Result<bool, CleanStop> {
        let disk = Arc::clone(&self.disk);
        while let Some(segment) = copying.group.get(copying.at).cloned() {
            let next_base = self.base_after(&segment);
            let place = match copying.place.take() {
                Some(place) => place,
                None => {
                    let aborted = self.view.aborted_transactions(segment.base_offset, next_base)?;
                    self.transactions.add(aborted);
                    Place::beginning(&segment)
                }
            };
            let mut scanner = place.scanner(&*disk, &segment).up_to(next_base);
            loop {
                match scanner.step()? {
                    Step::Batch { header, bytes, .. } => {
                        *left = left.saturating_sub(header.size_in_bytes() as u64);
                        self.copy_batch(copying, &RecordBatch::parse(bytes)?)?;
                    }
                    Step::End => break,
                    Step::Bad { what } => return Err(unreadable(&segment, scanner.position(), &what)),
                }
                if *left == 0 {
                    copying.place = Some(Place::of(scanner));
                    return Ok(false);
                }
            }
            copying.at += 1;
        }
        self.write(copying)?;
        self.finish(&copying.cleaned)?;
        Ok(true)
    }

    fn copy_batch(&mut self, copying: &mut Copying, batch: &RecordBatch) -> Result<(), CleanStop> {
        let verdict = filter::decide(batch, &self.map, &mut self.transactions, &self.rules)?;
        let figures = self.figures_mut();
        figures.read_bytes += batch.size_in_bytes() as u64;
        figures.records_read += verdict.records_read;
        figures.records_kept += verdict.records_kept;
        copying.keep(batch, &verdict.kept)?;
        if let Some(aborted) = verdict.aborted {
            self.guard.step(|| {
                copying.cleaned.with_indexes(|indexes| indexes.transactions.push(aborted, &*self.disk))
            })?;
        }
        if copying.out.len() >= WRITE_BYTES { self.write(copying) } else { Ok(()) }
    }

    fn write(&mut self, copying: &mut Copying) -> Result<(), CleanStop> {
        let (cleaned, start) = (&copying.cleaned, copying.cleaned.size());
        let end = u64::from(start) + copying.out.len() as u64;
        let fits = |header: &BatchHeader| cleaned.holds(header.last_offset());
        let end = match u32::try_from(end) {
            Ok(end) if end <= i32::MAX as u32 && copying.headers.iter().all(fits) => end,
            Ok(_) | Err(_) => {
                return Err(CleanStop::Unreadable(format!(
                    "what is left of {} fits no segment",
                    cleaned.base_offset
                )));
            }
        };
        let interval = self.config.index_interval_bytes;
        self.guard.step(|| {
            self.disk.write_at(&cleaned.log, u64::from(start), &mut [IoSlice::new(&copying.out)])?;
            let mut position = start;
            for header in &copying.headers {
                let (base, last) = (cleaned.base_offset, header.last_offset());
                cleaned.with_indexes(|indexes| {
                    indexes.appended(base, last, header, position, interval, &*self.disk)
                })?;
                position += header.size_in_bytes() as u32;
            }
            Ok(())
        })?;
        cleaned.set_size(end);
        self.figures_mut().written_bytes += copying.out.len() as u64;
        copying.out.clear();
        copying.headers.clear();
        Ok(())
    }

    /// Whole and on the platter first, then the name that says so, then that name on the platter.
    fn finish(&self, cleaned: &Segment) -> Result<(), CleanStop> {
        self.guard.step(|| cleaned.seal(&*self.disk))?;
        for file in cleaned.files() {
            if_there(self.disk.sync(&file))?;
        }
        self.guard.step(|| {
            cleaned.files().iter().rev().try_for_each(|file| {
                if_there(self.disk.rename(file, &renamed(file, names::CLEANED_SUFFIX, names::SWAP_SUFFIX)))
            })
        })?;
        self.disk.sync_directory(&self.directory)?;
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
