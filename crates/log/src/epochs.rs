//! The leader-epoch cache (KIP-101, KIP-279): which epoch began at which offset, kept in `leader-epoch-checkpoint`. Pure: the
//! file's text is `checkpoint.rs`, and the log decides when it is written.

use wire::planted::{self, Bug};

/// What a reader asks for that knows no epoch.
const NO_EPOCH: i32 = -1;

/// Epochs with their start offsets, both strictly increasing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochCache {
    entries: Vec<EpochEntry>,
}

/// One epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The leader's term.
    pub epoch: i32,
    /// Where it began.
    pub start_offset: i64,
}

impl EpochCache {
    /// Oldest first.
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The newest.
    pub fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    /// Whether `assign` would change anything.
    pub fn needs(&self, epoch: i32, start_offset: i64) -> bool {
        if epoch < 0 || start_offset < 0 {
            return false;
        }
        self.latest().is_none_or(|latest| epoch != latest.epoch || start_offset < latest.start_offset)
    }

    /// Notes that `epoch` begins at `start_offset`; entries it contradicts go. Answers whether anything changed.
    pub fn assign(&mut self, epoch: i32, start_offset: i64) -> bool {
        if !self.needs(epoch, start_offset) {
            return false;
        }
        let conflicts = |entry: &EpochEntry| entry.epoch >= epoch || entry.start_offset >= start_offset;
        while self.entries.last().is_some_and(conflicts) {
            self.entries.pop();
        }
        // What contradicts it is gone, and `end_offset` looks for epochs by halves.
        assert!(
            self.latest().is_none_or(|last| last.epoch < epoch && last.start_offset < start_offset),
            "epochs: they do not grow"
        );
        self.entries.push(EpochEntry { epoch, start_offset });
        true
    }

    /// OffsetForLeaderEpoch: the epoch answered for `epoch` and its end offset; `None` is Kafka's (-1, -1).
    pub fn end_offset(&self, epoch: i32, log_end_offset: i64) -> Option<(i32, i64)> {
        if epoch == NO_EPOCH {
            return None;
        }
        if self.latest().is_some_and(|latest| latest.epoch == epoch) {
            return Some((epoch, log_end_offset));
        }
        let above = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let higher = self.entries.get(above)?;
        let floor = above.checked_sub(1).and_then(|at| self.entries.get(at));
        Some((floor.map_or(epoch, |floor| floor.epoch), higher.start_offset))
    }

    /// The epoch under which `offset` was appended.
    pub fn epoch_for_offset(&self, offset: i64) -> Option<i32> {
        let above = self.entries.partition_point(|entry| entry.start_offset <= offset);
        above.checked_sub(1).and_then(|at| self.entries.get(at)).map(|entry| entry.epoch)
    }

    /// Drops epochs that begin at or after the new end.
    pub fn truncate_end(&mut self, end_offset: i64) -> bool {
        let before = self.entries.len();
        if planted::has(Bug::KeepsTruncatedEpochs) {
            return false;
        }
        self.entries.retain(|entry| entry.start_offset < end_offset);
        self.entries.len() != before
    }

    /// Drops epochs that ended before the new start; the one in force there now begins there.
    pub fn truncate_start(&mut self, start_offset: i64) -> bool {
        let gone = self.entries.partition_point(|entry| entry.start_offset <= start_offset);
        let Some(in_force) = gone.checked_sub(1).and_then(|at| self.entries.get(at)).copied() else {
            return false;
        };
        if gone == 1 && in_force.start_offset == start_offset {
            return false;
        }
        self.entries.drain(..gone);
        self.entries.insert(0, EpochEntry { epoch: in_force.epoch, start_offset });
        true
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: &[(i32, i64)]) -> EpochCache {
        let mut cache = EpochCache::default();
        for (epoch, start) in entries {
            cache.assign(*epoch, *start);
        }
        cache
    }

    #[test]
    fn end_offsets_follow_kip_279() {
        let cache = cache(&[(2, 10), (3, 20), (7, 30)]);
        assert_eq!(cache.end_offset(7, 99), Some((7, 99)));
        assert_eq!(cache.end_offset(3, 99), Some((3, 30)));
        assert_eq!(cache.end_offset(5, 99), Some((3, 30)));
        assert_eq!(cache.end_offset(1, 99), Some((1, 10)));
        assert_eq!(cache.end_offset(8, 99), None);
        assert_eq!(cache.end_offset(-1, 99), None);
        assert_eq!(cache.end_offset(-2, 99), Some((-2, 10)));
        assert_eq!(EpochCache::default().end_offset(0, 99), None);
    }

    #[test]
    fn a_new_epoch_drops_what_it_contradicts() {
        assert_eq!(cache(&[(1, 0), (2, 10), (3, 10)]).entries.len(), 2);
        assert_eq!(cache(&[(1, 0), (5, 10), (3, 20)]), cache(&[(1, 0), (3, 20)]));
        assert_eq!(cache(&[(1, 0), (1, 10)]), cache(&[(1, 0)]));
        assert_eq!(cache(&[(1, 5), (1, 2)]), cache(&[(1, 2)]));
    }

    #[test]
    fn both_ends_are_cut() {
        let mut cut = cache(&[(1, 0), (2, 10), (3, 20)]);
        assert!(cut.truncate_end(10));
        assert_eq!(cut, cache(&[(1, 0)]));
        let mut cut = cache(&[(1, 0), (2, 10), (3, 20)]);
        assert!(cut.truncate_start(15));
        assert_eq!(cut, cache(&[(2, 15), (3, 20)]));
        assert_eq!(
            (cut.epoch_for_offset(14), cut.epoch_for_offset(19), cut.epoch_for_offset(20)),
            (None, Some(2), Some(3))
        );
        assert!(!cut.truncate_start(15));
    }
}
