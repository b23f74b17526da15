//! Where a follower's log parts from its leader's, found by leader epochs (KIP-101, 279, 320, 595). Pure: what a log knows of an epoch (the
//! newest epoch not after it, and where that ended) is asked of the log before.

/// Where a follower fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowerAt {
    /// The epoch it follows; -1 where it says none.
    pub leader_epoch: i32,
    /// First offset that it does not have.
    pub fetch_offset: i64,
    /// Of the last record it has; -1 where it says none.
    pub last_fetched_epoch: i32,
    /// Where its log begins; -1 where it says none.
    pub log_start_offset: i64,
}

impl FollowerAt {
    /// Whether a log that ends there has what the leader's never had, or lost. `known` is what the leader's log says of the last
    /// fetched epoch.
    pub fn has_diverged(&self, known: Option<(i32, i64)>) -> bool {
        self.last_fetched_epoch >= 0
            && known.is_none_or(|(epoch, end_offset)| {
                epoch < self.last_fetched_epoch || end_offset < self.fetch_offset
            })
    }
}

/// Where a follower's log is cut whose leader said that `epoch` ended at `end_offset` there. `own` is what the follower's log says of that
/// epoch, `own_end` where it ends.
pub fn truncation_target((epoch, end_offset): (i32, i64), own: Option<(i32, i64)>, own_end: i64) -> i64 {
    let target = match own {
        _ if epoch < 0 => end_offset,
        // This log does not know that epoch: it goes back to the end of the one before, and asks again (KIP-279).
        Some((own_epoch, own_offset)) if own_epoch != epoch => own_offset,
        Some((_, own_offset)) => own_offset.min(end_offset),
        None => end_offset,
    };
    target.clamp(0, own_end)
}
