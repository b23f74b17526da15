//! Retention *chooses*: which segments of a log may go, by time, size and log start offset (`choose` is pure). A removal is data
//! too: the log renames files out of the way at once, the janitor deletes them when they are due.

use crate::config::LogConfig;
use crate::disk::{Disk, FileHandle};
use crate::fault::Fault;
use std::path::PathBuf;
use std::sync::Arc;

/// A segment as retention sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFacts {
    /// First offset after it.
    pub next_offset: i64,
    /// Bytes of its batches.
    pub bytes: u64,
    /// Largest timestamp of its records; -1 if they have none.
    pub max_timestamp: i64,
}

/// A log as retention sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogFacts {
    /// The first offset that may be read.
    pub log_start_offset: i64,
    /// Nothing at or above it may go.
    pub high_watermark: i64,
}

/// How many of the oldest segments may go now. The last one is the active segment; if it may go too, the log rolls first.
pub fn choose(segments: &[SegmentFacts], log: LogFacts, config: &LogConfig, now_ms: i64) -> usize {
    // Only what is below the high watermark may go; an empty active segment is kept (one that compaction emptied is not).
    let last = segments.len().saturating_sub(1);
    let deletable = segments
        .iter()
        .enumerate()
        .take_while(|(at, segment)| {
            segment.next_offset <= log.high_watermark && (segment.bytes > 0 || *at < last)
        })
        .count();
    let Some(deletable) = segments.get(..deletable) else { return 0 };
    let below_start =
        deletable.iter().take_while(|segment| segment.next_offset <= log.log_start_offset).count();
    if !config.delete {
        return below_start;
    }
    let expired = |segment: &&SegmentFacts| {
        segment.max_timestamp >= 0 && now_ms.saturating_sub(segment.max_timestamp) > config.retention_ms
    };
    let by_time = match config.retention_ms {
        ..0 => 0,
        // An empty segment has no age of its own: it goes with the next expired one.
        0.. => {
            let goes = deletable.iter().take_while(|segment| segment.bytes == 0 || expired(segment)).count();
            let last_expired = deletable.iter().take(goes).rposition(|segment| segment.bytes > 0);
            last_expired.map_or(0, |last| last + 1)
        }
    };
    below_start.max(by_time).max(by_size(segments, deletable, config.retention_bytes))
}

/// Oldest segments that can go without the log falling below `retention.bytes`.
fn by_size(segments: &[SegmentFacts], deletable: &[SegmentFacts], retention_bytes: i64) -> usize {
    let Ok(retained) = u64::try_from(retention_bytes) else { return 0 };
    let total: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let mut surplus = total.saturating_sub(retained);
    let fits = |segment: &&SegmentFacts| {
        let goes = surplus >= segment.bytes;
        surplus = surplus.saturating_sub(segment.bytes);
        goes
    };
    deletable.iter().take_while(fits).count()
}

/// A deletion whose files are already renamed out of the way (`.deleted` or `-delete`), to run when due.
#[derive(Clone, Debug)]
pub struct Removal {
    pub(crate) disk: Arc<dyn Disk>,
    /// Not before so long from now: readers may still hold the files (`file.delete.delay.ms`).
    pub delay_ms: i64,
    pub(crate) files: Vec<FileHandle>,
    pub(crate) directory: Option<PathBuf>,
}

impl Removal {
    /// A `-delete` directory that a stop left behind, due at once.
    pub fn of_directory(disk: Arc<dyn Disk>, directory: PathBuf) -> Removal {
        Removal { disk, delay_ms: 0, files: Vec::new(), directory: Some(directory) }
    }

    /// Deletes the files (and the directory). Blocking; for the janitor.
    pub fn run(&self) -> Result<(), Fault> {
        // The `.deleted` names must not go before they are durable: a start after a power loss needs them to tell a
        // deletion that was kept in part from a log with a hole.
        let parent = self.files.first().and_then(|file| file.path().parent().map(PathBuf::from));
        if let Some(parent) = parent.filter(|parent| self.disk.exists(parent)) {
            self.disk.sync_directory(&parent)?;
        }
        for file in &self.files {
            self.disk.remove(file)?;
        }
        match &self.directory {
            Some(directory) => self.disk.remove_directory(directory),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(facts: &[(i64, u64, i64)]) -> Vec<SegmentFacts> {
        facts
            .iter()
            .map(|(next_offset, bytes, max_timestamp)| SegmentFacts {
                next_offset: *next_offset,
                bytes: *bytes,
                max_timestamp: *max_timestamp,
            })
            .collect()
    }

    #[track_caller]
    fn check(facts: &[(i64, u64, i64)], log: (i64, i64), change: impl Fn(&mut LogConfig), expected: usize) {
        let mut config = LogConfig { retention_ms: -1, ..LogConfig::default() };
        change(&mut config);
        let log = LogFacts { log_start_offset: log.0, high_watermark: log.1 };
        assert_eq!(choose(&segments(facts), log, &config, 1000), expected);
    }

    const THREE: [(i64, u64, i64); 3] = [(10, 100, 100), (20, 100, 500), (30, 50, 900)];

    #[test]
    fn nothing_goes_without_a_reason() {
        check(&THREE, (0, 30), |_| {}, 0);
        check(&[], (0, 0), |_| {}, 0);
    }

    #[test]
    fn old_segments_go_by_their_newest_record() {
        check(&THREE, (0, 30), |config| config.retention_ms = 600, 1);
        check(&THREE, (0, 30), |config| config.retention_ms = 0, 3);
        check(&THREE, (0, 19), |config| config.retention_ms = 0, 1);
        check(&[(10, 100, -1)], (0, 30), |config| config.retention_ms = 0, 0);
    }

    #[test]
    fn segments_that_compaction_emptied_hold_nothing_back() {
        let facts = [(10, 0, -1), (20, 100, 500), (30, 0, -1), (40, 50, 900), (40, 0, -1)];
        check(&facts, (0, 40), |config| config.retention_ms = 400, 2);
        check(&facts, (0, 40), |config| config.retention_ms = 50, 4);
        check(&facts, (0, 40), |config| config.retention_ms = 600, 0);
        check(&facts, (0, 40), |config| config.retention_bytes = 50, 3);
        check(&facts, (15, 40), |_| {}, 1);
    }

    #[test]
    fn size_keeps_at_least_what_it_says() {
        check(&THREE, (0, 30), |config| config.retention_bytes = 150, 1);
        check(&THREE, (0, 30), |config| config.retention_bytes = 151, 0);
        check(&THREE, (0, 30), |config| config.retention_bytes = 50, 2);
        check(&THREE, (0, 30), |config| config.retention_bytes = 0, 3);
    }

    #[test]
    fn the_log_start_frees_what_lies_below_even_when_compacted() {
        check(&THREE, (20, 30), |config| config.delete = false, 2);
        check(&THREE, (19, 30), |config| config.delete = false, 1);
        check(&THREE, (0, 30), |config| (config.delete, config.retention_ms) = (false, 0), 0);
    }
}
