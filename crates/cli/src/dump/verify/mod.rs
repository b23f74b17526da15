//! `ottla dump --verify`: reads every byte that a node would trust and says what is damaged. Owns which files are looked at, in
//! which order, and the words of the report; never writes. A running node's directory gives no false alarm: whatever is found is
//! looked for a second time, and only what both looks saw is told.
//!
//! What no file can show is not found: a segment that is gone as a whole leaves a gap as compaction does.

mod bounds;
mod index;
mod look;
mod segment;
mod small;
mod window;

use super::printing::Out;
use crate::failure::Failure;
use look::{Counts, Finding, Kind, Look};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// A write of a running node that the first look saw half done is over by the second.
const SECOND_LOOK: Duration = Duration::from_millis(200);

/// A node's directory, a partition's in it.
const DEPTH: usize = 2;

/// Looks at every path and prints the report; damage is a failure.
pub(super) fn run<'a>(
    paths: impl Iterator<Item = &'a PathBuf>,
    json: bool,
    out: &mut Out,
) -> Result<(), Failure> {
    let mut report = Report { out, json, counts: Counts::default(), damaged: 0, torn: 0, unchecked: 0 };
    for path in paths {
        let missing = |error: io::Error| crate::connect::unreadable(path, &error);
        if fs::metadata(path).map_err(missing)?.is_dir() {
            fs::read_dir(path).map_err(missing)?;
            directory(path, DEPTH, &mut report)?;
        } else {
            file(path, &mut report)?;
        }
    }
    report.close()
}

/// Everything in a directory, by name.
fn directory(path: &Path, depth: usize, report: &mut Report<'_>) -> io::Result<()> {
    let mut names = BTreeSet::new();
    let listed = fs::read_dir(path).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>()
    });
    let mut look = Look::default();
    names.extend(look.unless_gone(path, listed).into_iter().flatten());
    report.tell(look)?;
    let bases: BTreeSet<i64> = names.iter().filter_map(|name| segment_base(Path::new(name))).collect();
    for &base in &bases {
        report.confirmed(|| segment::look(path, base, newer(&names, base)))?;
    }
    for name in &names {
        let inside = path.join(name);
        if inside.is_dir() {
            // A node deletes those while it runs.
            if depth > 1 && !name.to_string_lossy().ends_with("-delete") {
                directory(&inside, depth - 1, report)?;
            }
        } else if segment_base(&inside).is_none() {
            report.confirmed(|| small::look(&inside))?;
        }
    }
    Ok(())
}

/// One file; one of a segment stands for the segment.
fn file(path: &Path, report: &mut Report<'_>) -> io::Result<()> {
    let Some(base) = segment_base(path) else {
        return report.confirmed(|| small::look(path));
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: BTreeSet<_> = fs::read_dir(parent)?.flatten().map(|entry| entry.file_name()).collect();
    report.confirmed(|| segment::look(parent, base, newer(&names, base)))
}

/// The offset of a segment by the name of one of its files.
fn segment_base(file: &Path) -> Option<i64> {
    let name = file.file_name()?.to_str()?;
    let (digits, kind) = name.split_once('.')?;
    let is_segment = matches!(kind, "log" | "index" | "timeindex" | "txnindex");
    let is_number = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_segment && is_number { digits.parse().ok() } else { None }
}

/// Where the next segment begins; `None`: this is the one that is written to.
fn newer(names: &BTreeSet<std::ffi::OsString>, base: i64) -> Option<i64> {
    let logs = names.iter().map(Path::new).filter(|name| name.extension().is_some_and(|kind| kind == "log"));
    logs.filter_map(segment_base).filter(|other| *other > base).min()
}

/// What is printed, and what it adds up to.
struct Report<'a> {
    out: &'a mut Out,
    json: bool,
    counts: Counts,
    damaged: u64,
    torn: u64,
    unchecked: u64,
}

impl Report<'_> {
    /// Looks, and where something is found looks again.
    fn confirmed(&mut self, look: impl Fn() -> Look) -> io::Result<()> {
        let mut seen = look();
        if !seen.findings.is_empty() {
            thread::sleep(SECOND_LOOK);
            let again = look();
            seen.findings.retain(|finding| again.findings.contains(finding));
        }
        self.tell(seen)
    }

    fn tell(&mut self, look: Look) -> io::Result<()> {
        self.counts += look.counts;
        for finding in look.findings {
            let kind = match finding.kind {
                Kind::Damage => {
                    self.damaged += 1;
                    "damage"
                }
                Kind::TornTail => {
                    self.torn += 1;
                    "torn_tail"
                }
                Kind::Unchecked => {
                    self.unchecked += 1;
                    "unchecked"
                }
            };
            let Finding { file, position, offset, what, .. } = finding;
            if self.json {
                let line = json!({"file": file.display().to_string(), "kind": kind, "position": position,
                    "offset": offset, "what": what});
                writeln!(self.out, "{line}")?;
                continue;
            }
            write!(self.out, "{}: {}", file.display(), kind.replace('_', " "))?;
            if let Some(position) = position {
                write!(self.out, " at position {position}")?;
            }
            if let Some(offset) = offset {
                write!(self.out, ", offset {offset}")?;
            }
            writeln!(self.out, ": {what}")?;
        }
        self.out.flush()
    }

    fn close(self) -> Result<(), Failure> {
        let Report { out, json, counts, damaged, torn, unchecked } = self;
        if json {
            let line = json!({"files": counts.files, "bytes": counts.bytes, "batches": counts.batches,
                "records": counts.records, "damaged": damaged, "torn_tails": torn, "unchecked": unchecked});
            writeln!(out, "{line}")?;
        } else {
            writeln!(
                out,
                "read {} in {}, {} with {}: {} damaged, {}, {} unchecked",
                counted(counts.bytes, "byte"),
                counted(counts.files, "file"),
                counts.batches.to_string() + if counts.batches == 1 { " batch" } else { " batches" },
                counted(counts.records, "record"),
                if damaged == 0 { "nothing".to_owned() } else { damaged.to_string() },
                counted(torn, "torn tail"),
                unchecked,
            )?;
        }
        out.flush()?;
        if counts.files == 0 && damaged == 0 && unchecked == 0 {
            let why = "none of these files is one of a log directory, of a partition or of a segment";
            return Err(Failure::new("nothing was verified", why)
                .try_this("a log directory, a partition's directory in it, or a segment's .log"));
        }
        match damaged {
            0 => Ok(()),
            _ => Err(Failure::new(
                format!("found damage in {}", counted(damaged, "place")),
                "these bytes are not what was written; each line above names one",
            )
            .try_this(
                "a copy of these files from another replica; consumers can go on behind the named offsets",
            )),
        }
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
