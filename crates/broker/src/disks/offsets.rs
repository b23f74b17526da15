//! What the offset checkpoints of one directory say, gathered.

use log::Closed;
use log::directory::Offsets;

/// What the files of a directory will hold.
#[derive(Default)]
pub(crate) struct DirectoryOffsets {
    pub recovery_points: Offsets,
    pub log_starts: Offsets,
    pub high_watermarks: Offsets,
    pub cleaned: Offsets,
}

impl DirectoryOffsets {
    /// One partition's offsets.
    pub fn add(&mut self, name: (String, i32), log: Closed) {
        let Closed { recovery_point, log_start_offset: log_start, high_watermark, cleaned_offset } = log;
        if let Some(cleaned) = cleaned_offset {
            self.cleaned.insert(name.clone(), cleaned);
        }
        // Kafka leaves the default out of the log-start file.
        if log_start > 0 {
            self.log_starts.insert(name.clone(), log_start);
        }
        self.recovery_points.insert(name.clone(), recovery_point);
        self.high_watermarks.insert(name, high_watermark);
    }

    /// A log that is gone.
    pub fn remove(&mut self, name: &(String, i32)) {
        for offsets in
            [&mut self.recovery_points, &mut self.log_starts, &mut self.high_watermarks, &mut self.cleaned]
        {
            offsets.remove(name);
        }
    }

    /// A log start that was written meanwhile.
    pub fn raise_log_start(&mut self, name: &(String, i32), offset: i64) {
        let start = self.log_starts.entry(name.clone()).or_default();
        *start = offset.max(*start);
    }

    /// Those of another shard.
    pub fn extend(&mut self, other: DirectoryOffsets) {
        self.recovery_points.extend(other.recovery_points);
        self.log_starts.extend(other.log_starts);
        self.high_watermarks.extend(other.high_watermarks);
        self.cleaned.extend(other.cleaned);
    }
}
