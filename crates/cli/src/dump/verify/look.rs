//! One look at a file or a segment: what was found and how much was read.

use std::io;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};

/// Findings listed of one segment, about 200 bytes each: one with more is a ruin, and its last line says so.
const LISTED_MAX: usize = 1000;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes are not what was written.
    Damage,
    /// The newest segment ends within a batch: a write in flight or what a crash left, which the next start cuts.
    TornTail,
    /// Too large to be looked at.
    Unchecked,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub file: PathBuf,
    /// How grave.
    pub kind: Kind,
    /// Where in the file, in bytes.
    pub position: Option<u64>,
    /// The first offset that it concerns.
    pub offset: Option<i64>,
    /// In words.
    pub what: String,
}

/// How much was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files, whole or in part.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Good batches.
    pub batches: u64,
    /// Records of those.
    pub records: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.batches += other.batches;
        self.records += other.records;
    }
}

/// One look at something.
#[derive(Debug, Default)]
pub struct Look {
    /// What was found, in the order of the files.
    pub findings: Vec<Finding>,
    /// What was read.
    pub counts: Counts,
}

impl Look {
    /// Keeps a finding, unless there are too many.
    pub fn find(
        &mut self,
        file: &Path,
        kind: Kind,
        position: Option<u64>,
        offset: Option<i64>,
        what: String,
    ) {
        let mut finding = Finding { file: file.to_owned(), kind, position, offset, what };
        if self.findings.len() >= LISTED_MAX {
            return;
        }
        if self.findings.len() + 1 == LISTED_MAX {
            finding.what.push_str("; what lies behind it is not listed");
        }
        self.findings.push(finding);
    }

    /// Bytes are not what was written.
    pub fn damage(
        &mut self,
        file: &Path,
        position: Option<u64>,
        offset: Option<i64>,
        what: impl Into<String>,
    ) {
        self.find(file, Kind::Damage, position, offset, what.into());
    }

    /// A file that is gone was deleted by its node; any other refusal is told.
    pub fn unless_gone<T>(&mut self, file: &Path, result: io::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.damage(file, None, None, format!("cannot be read: {error}"));
                None
            }
        }
    }
}
