//! What interrupted work leaves in a partition's directory, put in order before its segments are looked at: deleted and temporary
//! files go, a half-done swap of compacted segments (ours or Kafka's) is completed, orphaned companions go.

use crate::disk::{DirectoryEntry, Disk, FileHandle};
use crate::fault::Fault;
use crate::names;
use crate::scan::{Scanner, Step};
use crate::segment::{FoundFiles, Segment};
use std::collections::BTreeMap;
use std::path::Path;

/// What is left after tidying up.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub segments: BTreeMap<i64, FoundFiles>,
    pub snapshots: Vec<i64>,
    pub has_epochs: bool,
    pub has_partition_metadata: bool,
}

/// Tidies a partition's directory up and lists it. `dense`: the log is not compacted, batches follow without a gap.
pub(crate) fn tidy(disk: &dyn Disk, directory: &Path, dense: bool) -> Result<Found, Fault> {
    let mut entries = disk.list(directory)?;
    let leftover = |entry: &DirectoryEntry| {
        [names::DELETED_SUFFIX, names::CLEANED_SUFFIX, names::SWAP_SUFFIX, names::TEMPORARY_SUFFIX]
            .iter()
            .any(|suffix| entry.name.ends_with(suffix))
    };
    if entries.iter().any(leftover) {
        if dense {
            finish_deletion(disk, directory, &entries)?;
        }
        settle(disk, directory, &entries)?;
        disk.sync_directory(directory)?;
        entries = disk.list(directory)?;
    }
    let mut found = Found::default();
    for entry in entries.iter().filter(|entry| !entry.is_directory) {
        match names::parse_segment_file(&entry.name) {
            Some((offset, names::LOG)) => found.segments.entry(offset).or_default().log = entry.length,
            Some((offset, names::SNAPSHOT)) => found.snapshots.push(offset),
            Some(_) | None => {}
        }
        found.has_epochs |= entry.name == names::LEADER_EPOCHS;
        found.has_partition_metadata |= entry.name == names::PARTITION_METADATA;
    }
    for entry in entries.iter().filter(|entry| !entry.is_directory) {
        let Some((offset, kind)) = names::parse_segment_file(&entry.name) else { continue };
        if !matches!(kind, names::OFFSET_INDEX | names::TIME_INDEX | names::TRANSACTION_INDEX) {
            continue;
        }
        let Some(files) = found.segments.get_mut(&offset) else {
            disk.remove(&FileHandle::new(directory.join(&entry.name)))?;
            continue;
        };
        match kind {
            names::OFFSET_INDEX => files.offsets = Some(entry.length),
            names::TIME_INDEX => files.times = Some(entry.length),
            _ => files.transactions = Some(entry.length),
        }
    }
    Ok(found)
}

/// Retention and DeleteRecords rename the oldest segments, and a power loss may keep any of the renames. Where a `.deleted`
/// segment fills a gap, those before it were to go as well: taken for a log with a hole, what follows (and was acknowledged)
/// would be cut. A gap tells this from a truncation, after which `.deleted` segments lie within or behind the data.
fn finish_deletion(disk: &dyn Disk, directory: &Path, entries: &[DirectoryEntry]) -> Result<(), Fault> {
    let log_of = |name: &str| match names::parse_segment_file(name) {
        Some((offset, names::LOG)) => Some(offset),
        Some(_) | None => None,
    };
    let present: BTreeMap<i64, u64> =
        entries.iter().filter_map(|entry| Some((log_of(&entry.name)?, entry.length))).collect();
    let mut deleted: Vec<i64> =
        entries.iter().filter_map(|entry| log_of(entry.name.strip_suffix(names::DELETED_SUFFIX)?)).collect();
    deleted.sort_unstable();
    for gone in deleted.into_iter().rev() {
        let Some((below, length)) = present.range(..gone).next_back() else { continue };
        if present.range(gone..).next().is_none() || end_of(disk, directory, *below, *length)? > gone {
            continue;
        }
        for entry in entries {
            if names::parse_segment_file(&entry.name).is_some_and(|(offset, _)| offset < gone) {
                disk.remove(&FileHandle::new(directory.join(&entry.name)))?;
            }
        }
        // Before the `.deleted` files go: they are what tells a deletion from a loss.
        return disk.sync_directory(directory);
    }
    Ok(())
}

/// The first offset after a segment's good batches.
fn end_of(disk: &dyn Disk, directory: &Path, offset: i64, length: u64) -> Result<i64, Fault> {
    let segment = Segment::new(directory, offset);
    segment.set_size(u32::try_from(length).unwrap_or(u32::MAX));
    let mut scanner = Scanner::new(disk, &segment, 0, offset);
    while matches!(scanner.step()?, Step::Batch { .. }) {}
    Ok(scanner.next_offset)
}

fn settle(disk: &dyn Disk, directory: &Path, entries: &[DirectoryEntry]) -> Result<(), Fault> {
    let remove = |name: &str| disk.remove(&FileHandle::new(directory.join(name)));
    let offset_of = |name: &str| names::parse_segment_file(name).map(|(offset, _)| offset);
    // A swap that still has `.cleaned` files beside it had not begun for those offsets.
    let cleaned = entries.iter().filter(|entry| entry.name.ends_with(names::CLEANED_SUFFIX));
    let first_cleaned = cleaned.filter_map(|entry| offset_of(&entry.name)).min().unwrap_or(i64::MAX);
    let mut swaps = Vec::new();
    for entry in entries.iter().filter(|entry| !entry.is_directory) {
        let name = entry.name.as_str();
        if name.ends_with(names::SWAP_SUFFIX) {
            match offset_of(name) {
                Some(offset) if offset < first_cleaned => swaps.push((offset, entry)),
                Some(_) | None => remove(name)?,
            }
        } else if name.ends_with(names::DELETED_SUFFIX) && names::parse_segment_file(name).is_none() {
            // A snapshot of the metadata log on its way out: its owner's.
        } else if [names::DELETED_SUFFIX, names::CLEANED_SUFFIX, names::TEMPORARY_SUFFIX]
            .iter()
            .any(|suffix| name.ends_with(suffix))
        {
            remove(name)?;
        }
    }
    let Some(first) = swaps.iter().map(|(offset, _)| *offset).min() else { return Ok(()) };
    let is_data = |name: &str| name.ends_with(&format!("{}{}", names::LOG, names::SWAP_SUFFIX));
    let mut end = first;
    for (offset, entry) in &swaps {
        if is_data(&entry.name) {
            end = end.max(end_of_swap(disk, directory, *offset, entry)?);
        }
    }
    let bases: Vec<i64> =
        swaps.iter().filter(|(_, entry)| is_data(&entry.name)).map(|(offset, _)| *offset).collect();
    for entry in entries.iter().filter(|entry| !entry.name.ends_with(names::SWAP_SUFFIX)) {
        // A new segment may be empty; what it replaces goes with all its companions nevertheless.
        let replaced = offset_of(&entry.name)
            .is_some_and(|offset| (first..end).contains(&offset) || bases.contains(&offset));
        if replaced && !entry.name.ends_with(names::SNAPSHOT) {
            remove(&entry.name)?;
        }
    }
    // The old names go before the new ones come: another crash must not leave both.
    disk.sync_directory(directory)?;
    for (_, entry) in &swaps {
        let target = entry.name.strip_suffix(names::SWAP_SUFFIX).unwrap_or(&entry.name);
        disk.rename(&FileHandle::new(directory.join(&entry.name)), &directory.join(target))?;
    }
    disk.sync_directory(directory)
}

/// The first offset after a swapped-in segment.
fn end_of_swap(disk: &dyn Disk, directory: &Path, offset: i64, entry: &DirectoryEntry) -> Result<i64, Fault> {
    let segment = Segment::new(directory, offset);
    segment.log.moved_to(directory.join(&entry.name));
    segment.set_size(u32::try_from(entry.length).unwrap_or(u32::MAX));
    let mut scanner = Scanner::new(disk, &segment, 0, offset);
    while matches!(scanner.step()?, Step::Batch { .. }) {}
    Ok(scanner.next_offset)
}
