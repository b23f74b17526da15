//! What became of the records that went into the map, by their offsets: two bits for each, so that most of the second pass needs
//! neither a key nor a look at the map, which is far away in memory. Knows nothing for certain but what it was told: where it has no
//! room or offsets do not grow, the map is asked.

use std::ops::RangeInclusive;

/// Offsets of one word.
const WORD_OFFSETS: u64 = 64;
const WORD_BYTES: u64 = 16;

const _: () = assert!(WORD_OFFSETS == u64::BITS as u64 && WORD_BYTES == size_of::<Word>() as u64);

/// What is known of the record at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The map has it.
    Newest,
    /// The map had it, and has a newer one of its key.
    Superseded,
    Unknown,
}

/// 64 offsets.
#[derive(Clone, Copy, Debug, Default)]
struct Word {
    written: u64,
    superseded: u64,
}

#[derive(Debug)]
pub(crate) struct Standings {
    /// The offset of the first bit.
    first_offset: i64,
    words: Vec<Word>,
    most_words: usize,
    /// The last offset that was told.
    last_offset: i64,
}

impl Standings {
    /// Knows nothing, and has no room before `bound` gives it some.
    pub fn new(first_offset: i64) -> Standings {
        Standings {
            first_offset,
            words: Vec::new(),
            most_words: 0,
            last_offset: first_offset.saturating_sub(1),
        }
    }

    /// From now on takes no more memory than this, which is no more than before.
    pub fn bound(&mut self, bytes: u64) {
        self.most_words = usize::try_from(bytes / WORD_BYTES).unwrap_or(usize::MAX);
        if self.words.len() > self.most_words {
            self.words.truncate(self.most_words);
            self.words.shrink_to_fit();
        }
    }

    /// The record at `offset` is the newest of its key, in the place of the one at `older` (-1 if there was none).
    pub fn written(&mut self, offset: i64, older: i64) {
        if offset <= self.last_offset {
            // Two records at one offset, in a batch that no broker wrote: offsets do not tell records apart.
            self.bound(0);
        }
        self.last_offset = self.last_offset.max(offset);
        // Whether or not there is room for the newer one.
        if let Some((at, bit)) = self.place(older)
            && let Some(word) = self.words.get_mut(at)
        {
            word.superseded |= bit;
        }
        let Some((at, bit)) = self.place(offset).filter(|(at, _)| *at < self.most_words) else { return };
        if at >= self.words.len() {
            self.make_room(at + 1);
        }
        if let Some(word) = self.words.get_mut(at) {
            word.written |= bit;
        }
    }

    pub fn of(&self, offset: i64) -> Standing {
        let word = self.place(offset).and_then(|(at, bit)| Some((self.words.get(at)?, bit)));
        match word {
            Some((word, bit)) if word.superseded & bit != 0 => Standing::Superseded,
            Some((word, bit)) if word.written & bit != 0 => Standing::Newest,
            Some(_) | None => Standing::Unknown,
        }
    }

    /// How many records at these offsets are known to be superseded.
    pub fn superseded(&self, offsets: RangeInclusive<i64>) -> u64 {
        let (from, to) = ((*offsets.start()).max(self.first_offset), *offsets.end());
        let (Some((first, from)), Some((last, to))) = (self.place(from), self.place(to)) else { return 0 };
        let words = self.words.get(first..self.words.len().min(last.saturating_add(1))).unwrap_or_default();
        let mut count = 0;
        for (at, word) in (first..).zip(words) {
            // Bits from the first offset on, and up to the last.
            let low = if at == first { !(from - 1) } else { u64::MAX };
            let high = if at == last { to | (to - 1) } else { u64::MAX };
            count += u64::from((word.superseded & low & high).count_ones());
        }
        count
    }

    /// The word of an offset, and its bit there.
    fn place(&self, offset: i64) -> Option<(usize, u64)> {
        let distance = u64::try_from(offset.checked_sub(self.first_offset)?).ok()?;
        Some((usize::try_from(distance / WORD_OFFSETS).ok()?, 1 << (distance % WORD_OFFSETS)))
    }

    /// By doubling, but never beyond what is allowed.
    fn make_room(&mut self, words: usize) {
        let wanted = words.max(self.words.len().saturating_mul(2)).min(self.most_words);
        self.words.reserve_exact(wanted.saturating_sub(self.words.len()));
        self.words.resize(words, Word::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_known_and_nothing_else() {
        let mut standings = Standings::new(1000);
        standings.bound(1 << 10);
        // Every third offset is a record; each takes the place of the one before, but for every tenth.
        let mut older = -1;
        for offset in (1000..2000i64).step_by(3) {
            standings.written(offset, older);
            older = if offset % 10 == 0 { -1 } else { offset };
        }
        for offset in 900..2100 {
            let expected = match offset {
                1000..2000 if offset % 3 != 1 => Standing::Unknown,
                1999 => Standing::Newest,
                1000..2000 if offset % 10 == 0 => Standing::Newest,
                1000..2000 => Standing::Superseded,
                _ => Standing::Unknown,
            };
            assert_eq!(standings.of(offset), expected, "{offset}");
        }
        for (from, to) in [(1000, 1000), (900, 1063), (1063, 1064), (1001, 1999), (0, i64::MAX), (1500, 1499)]
        {
            let counted =
                (from.max(900)..=to.min(2100)).filter(|at| standings.of(*at) == Standing::Superseded);
            assert_eq!(standings.superseded(from..=to), counted.count() as u64, "{from} {to}");
        }
        assert_eq!(standings.superseded(i64::MIN..=999), 0);
    }

    #[test]
    fn memory_is_bounded_and_what_does_not_fit_is_unknown() {
        let mut standings = Standings::new(0);
        standings.bound(4 * WORD_BYTES);
        for offset in 0..1000 {
            standings.written(offset, offset - 1);
        }
        assert_eq!((standings.words.len(), standings.words.capacity()), (4, 4));
        let known =
            |standings: &Standings| (0..1000).filter(|at| standings.of(*at) != Standing::Unknown).count();
        assert_eq!(known(&standings), 256);
        // The one that took the last one's place did not fit.
        assert_eq!(standings.of(255), Standing::Superseded);
        standings.bound(2 * WORD_BYTES + 1);
        assert_eq!((known(&standings), standings.words.capacity()), (128, 2));
    }

    #[test]
    fn two_records_at_one_offset_make_all_unknown() {
        let mut standings = Standings::new(0);
        standings.bound(1 << 10);
        for (offset, older) in [(5, -1), (6, 5), (6, 6), (7, 6)] {
            standings.written(offset, older);
        }
        assert!((0..10).all(|offset| standings.of(offset) == Standing::Unknown));
        assert_eq!(standings.superseded(0..=10), 0);
    }
}
