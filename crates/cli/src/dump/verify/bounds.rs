//! What a segment and its indexes are held against: which offsets may be there, and the batches as they come by.

/// Which offsets may be in a segment.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The first offset: the segment's name.
    pub base: i64,
    /// Where the next segment begins; `None` for the one that is written to.
    pub next_base: Option<i64>,
    /// A log, and not a snapshot of one file.
    pub is_log: bool,
}

impl Bounds {
    /// A node may be writing to it.
    pub fn is_active(&self) -> bool {
        self.is_log && self.next_base.is_none()
    }

    /// Whether an offset may be in it.
    pub fn hold(&self, offset: i64) -> bool {
        let relative = offset.checked_sub(self.base);
        let is_near = relative.is_some_and(|relative| (0..=i64::from(i32::MAX)).contains(&relative));
        is_near && self.next_base.is_none_or(|next| offset < next)
    }
}

/// What of a batch its indexes are held against.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Where it begins in the file, in bytes.
    pub position: u64,
    /// Its first offset.
    pub base_offset: i64,
    /// Its last offset.
    pub last_offset: i64,
    /// In milliseconds since the epoch.
    pub max_timestamp: i64,
}
