//! Offset indexes and time indexes: their entries, whether they look sound, and whether they agree with their log.

use super::printing::{Out, Wanted};
use super::segment::{Batches, base_offset};
use serde_json::json;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use wire::record_batch::RecordBatch;

/// (offset, position)
fn offset_entries(file: &Path) -> io::Result<Vec<(i64, u32)>> {
    let base = base_offset(file);
    let bytes = fs::read(file)?;
    let entries = bytes.chunks_exact(8).map(|entry| {
        let number = |at: usize| entry[at..at + 4].iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
        (base + i64::from(number(0)), number(4))
    });
    // The rest of a file that is still being written is zeros.
    let live = |(at, entry): &(usize, (i64, u32))| *at == 0 || entry.0 != base;
    Ok(entries
        .enumerate()
        .take_while(live)
        .map(|(_, entry)| entry)
        .filter(|entry| *entry != (base, 0))
        .collect())
}

/// (timestamp, offset)
fn time_entries(file: &Path) -> io::Result<Vec<(i64, i64)>> {
    let base = base_offset(file);
    let bytes = fs::read(file)?;
    let entries = bytes.chunks_exact(12).map(|entry| {
        let number = |from: usize, to: usize| {
            entry[from..to].iter().fold(0i64, |sum, byte| sum << 8 | i64::from(*byte))
        };
        (number(0, 8), base + number(8, 12))
    });
    let live = |(at, entry): &(usize, (i64, i64))| *at == 0 || entry.1 != base;
    Ok(entries
        .enumerate()
        .take_while(live)
        .map(|(_, entry)| entry)
        .filter(|entry| *entry != (0, base))
        .collect())
}

/// All batches of the log beside an index: (position, batch).
fn batches_beside(file: &Path) -> io::Result<Vec<(u64, RecordBatch)>> {
    let mut batches = Batches::open(&file.with_extension("log"))?;
    let mut all = Vec::new();
    loop {
        let position = batches.position;
        match batches.next_batch()? {
            Some(batch) => all.push((position, batch)),
            None => return Ok(all),
        }
    }
}

pub(super) fn dump_offsets(file: &Path, wanted: &Wanted, out: &mut Out) -> io::Result<()> {
    let entries = offset_entries(file)?;
    if entries.is_empty() && !wanted.json {
        return writeln!(out, "{} is empty.", file.display());
    }
    if wanted.sanity_only {
        return sanity(file, entries.is_sorted(), out);
    }
    let log = batches_beside(file)?;
    let mut mismatches = Vec::new();
    for (offset, position) in entries {
        let at = log.iter().find(|(start, _)| *start == u64::from(position));
        let found = at.map(|(_, batch)| batch.header().last_offset());
        if found != Some(offset) {
            mismatches.push((offset, found.unwrap_or(-1)));
        }
        if wanted.json {
            let line = json!({"file": file.display().to_string(), "offset": offset, "position": position,
                "matches_log": found == Some(offset)});
            writeln!(out, "{line}")?;
        } else if !wanted.verify_only {
            writeln!(out, "offset: {offset} position: {position}")?;
        }
    }
    out.flush()?;
    if !mismatches.is_empty() && !wanted.json {
        crate::failure::say(format_args!("Mismatches in :{}", file.display()));
        mismatches.iter().for_each(|(index, log)| {
            crate::failure::say(format_args!("  Index offset: {index}, log offset: {log}"))
        });
    }
    Ok(())
}

pub(super) fn dump_times(file: &Path, wanted: &Wanted, out: &mut Out) -> io::Result<()> {
    let entries = time_entries(file)?;
    if wanted.sanity_only {
        return sanity(file, entries.is_sorted(), out);
    }
    let log = batches_beside(file)?;
    let mut complaints = Vec::new();
    let mut previous = i64::MIN;
    for (timestamp, offset) in entries {
        let batch = log.iter().map(|(_, batch)| batch.header()).find(|header| header.last_offset() >= offset);
        let (found, stamp) = batch.map_or((-1, -1), |header| (header.last_offset(), header.max_timestamp));
        if found != offset {
            complaints.push(format!("Indexed offset: {offset}, found log offset: {found}"));
        }
        if stamp != timestamp {
            complaints.push(format!("  Index timestamp: {timestamp}, log timestamp: {stamp}"));
        }
        if timestamp < previous {
            complaints
                .push(format!("  Index timestamp: {timestamp}, Previously indexed timestamp: {previous}"));
        }
        previous = timestamp;
        if wanted.json {
            let line = json!({"file": file.display().to_string(), "timestamp": timestamp, "offset": offset,
                "matches_log": found == offset && stamp == timestamp});
            writeln!(out, "{line}")?;
        } else if !wanted.verify_only {
            writeln!(out, "timestamp: {timestamp} offset: {offset}")?;
        }
    }
    out.flush()?;
    if !complaints.is_empty() && !wanted.json {
        crate::failure::say(format_args!("Mismatches in :{}", file.display()));
        complaints.iter().for_each(|complaint| crate::failure::say(format_args!("{complaint}")));
    }
    Ok(())
}

/// What a broker asks at its start: a whole number of entries that only grow.
fn sanity(file: &Path, grows: bool, out: &mut Out) -> io::Result<()> {
    if !grows {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "its entries do not grow"));
    }
    writeln!(out, "{} passed sanity check.", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("ottla-dump-{}-{name}", std::process::id()));
        fs::write(&path, bytes).expect("the temporary directory is writable");
        path
    }

    #[test]
    fn entries_end_where_the_zeros_begin() {
        let mut bytes = Vec::new();
        for (offset, position) in [(5u32, 100u32), (9, 200), (0, 0), (0, 0)] {
            bytes.extend_from_slice(&offset.to_be_bytes());
            bytes.extend_from_slice(&position.to_be_bytes());
        }
        let path = file("a.index", &bytes);
        let entries = offset_entries(&path).expect("readable");
        assert_eq!(entries, [(5, 100), (9, 200)]);
        fs::remove_file(path).expect("it is ours");
    }
}
