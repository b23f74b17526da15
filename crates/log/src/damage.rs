//! What of a segment turned out to be damaged: remembered, so that a reader who comes again costs one look at the place and not a walk
//! over the segment, and so that each place is told of once. A hint like the indexes: whoever uses it looks at the bytes again.

use parking_lot::Mutex;

/// Offsets without a good batch between two good ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DamagedRange {
    /// The first offset that cannot be read.
    pub offset: i64,
    /// The first one behind it that can, or where the segment ends.
    pub next_offset: i64,
    /// Where the first bad byte is looked for.
    pub position: u32,
}

/// Places remembered of a segment, 24 bytes each: a segment with more of them is a ruin, and its readers pay for it.
const RANGES_MAX: usize = 256;

/// The damaged ranges of a segment.
#[derive(Debug, Default)]
pub(crate) struct Damage(Mutex<Vec<DamagedRange>>);

impl Damage {
    /// The range that holds an offset.
    pub fn holding(&self, offset: i64) -> Option<DamagedRange> {
        let ranges = self.0.lock();
        ranges.iter().find(|range| (range.offset..range.next_offset).contains(&offset)).copied()
    }

    /// Remembers a range; true if nothing was known of its place, so that somebody is to be told.
    pub fn note(&self, range: DamagedRange) -> bool {
        let mut ranges = self.0.lock();
        if let Some(known) = ranges.iter_mut().find(|known| known.position == range.position) {
            *known = range;
            return false;
        }
        if ranges.len() >= RANGES_MAX {
            return false;
        }
        ranges.push(range);
        true
    }

    /// The bytes are good again: the disk had misread them.
    pub fn healed(&self, range: DamagedRange) {
        self.0.lock().retain(|known| known.position != range.position);
    }

    /// What was found where may be somewhere else now.
    pub fn forget(&self) {
        self.0.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_news_once_and_a_segment_full_of_them_stays_bounded() {
        let damage = Damage::default();
        let range = |n: u32| DamagedRange {
            offset: i64::from(n) * 10,
            next_offset: i64::from(n) * 10 + 5,
            position: n * 100,
        };
        assert!(damage.note(range(1)));
        assert!(!damage.note(range(1)));
        assert_eq!(damage.holding(14), Some(range(1)));
        assert_eq!((damage.holding(9), damage.holding(15)), (None, None));
        damage.healed(range(1));
        assert_eq!(damage.holding(14), None);
        let told = (0..1000).filter(|&n| damage.note(range(n))).count();
        assert_eq!((told, damage.0.lock().len()), (RANGES_MAX, RANGES_MAX));
        damage.forget();
        assert!(damage.note(range(1)));
    }
}
