//! How far ahead of a reader the platter is asked. A reader that met the platter and goes on from there has the next window brought into
//! the page cache before it needs it; the window grows with what was taken and never far beyond it, so that a thousand slow readers
//! do not fill the memory with what they may never read. Owns the arithmetic; what is brought in is void of earlier checks
//! (`verified.rs`), and nothing here waits for it.

use crate::verified::PAGE_BYTES_MAX;
use std::ops::Range;

/// A window at least: less would cost more calls than it spares.
const WINDOW_BYTES_MIN: u32 = 128 << 10;

/// A window at most: some 8 ms of a fast disk, and more than a seek of a slow one is worth.
const WINDOW_BYTES_MAX: u32 = 8 << 20;

/// A window at most, in what the reader takes at once: a thousand readers by 64 KiB have 256 MiB ahead of them, together.
const WINDOW_READS_MAX: u32 = 4;

// The first page that comes with a window tells whether the reader came to where it is hot: half a window holds one at least.
const _: () = assert!(WINDOW_BYTES_MIN / 2 >= PAGE_BYTES_MAX && WINDOW_BYTES_MIN <= WINDOW_BYTES_MAX);

/// What one reader of a segment has ahead of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ahead {
    /// Everything before was asked for.
    until: u32,
    /// Bytes asked for at once; 0 as long as nothing was missing.
    window: u32,
}

fn window(bytes: u32) -> u32 {
    bytes.clamp(WINDOW_BYTES_MIN, WINDOW_BYTES_MAX)
}

impl Ahead {
    /// A reader at `position` missed some of `length` bytes. If it `goes_on` from where it was before, the next window is brought in
    /// together with them; one that is new has to show first that it goes on.
    pub fn missed(self, position: u32, length: u32, goes_on: bool) -> Ahead {
        let window = match self.window {
            0 => window(length),
            // It was asked for and is not there: it left the cache before its time, or the reader is faster than the disk, for whom
            // a smaller window is as good.
            asked if position < self.until => window(length.max(asked / 2)),
            asked => asked,
        };
        let behind = position.saturating_add(length);
        Ahead { until: if goes_on { behind.saturating_add(window) } else { behind }, window }
    }

    /// The same where nothing can be asked for: the next read of this reader will do so.
    pub fn noted(self, position: u32, length: u32) -> Ahead {
        Ahead { until: position, ..self.missed(position, length, false) }
    }

    /// The reader took `length` bytes up to `position` and found them there. Answers where the next window begins if it is time to ask
    /// for it: one comparison for a reader that has none.
    pub fn due(&self, position: u32, end: u32) -> Option<u32> {
        if self.window == 0 || position.saturating_add(self.window / 2) < self.until {
            return None;
        }
        let begins = self.until.max(position);
        (begins < end).then_some(begins)
    }

    /// The next window, from `begins` on, of a reader that took `length` bytes last.
    pub fn next(self, begins: u32, length: u32) -> Ahead {
        let most = window(length.saturating_mul(WINDOW_READS_MAX));
        let window = window(self.window.saturating_mul(2)).min(most);
        Ahead { until: begins.saturating_add(window), window }
    }

    /// Everything before was asked for.
    pub fn until(&self) -> u32 {
        self.until
    }
}

/// A walk through a segment by one of ours, piece after piece: recovery, compaction, whatever reads all of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Walk {
    /// Where the last piece ended.
    behind: u32,
    pub ahead: Ahead,
}

impl Walk {
    /// The next piece is to be read; answers whether it follows the last one. It begins with what was left over of that.
    pub fn step(&mut self, piece: &Range<u32>) -> bool {
        let goes_on = self.behind > 0 && piece.contains(&self.behind);
        if !goes_on {
            self.ahead = Ahead::default();
        }
        self.behind = piece.end;
        goes_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u32 = 1 << 10;
    const MIB: u32 = 1 << 20;
    const END: u32 = 1 << 30;

    /// Reads on by `length` until `reads` are over, everything there; the bytes ahead of the reader after each.
    fn ahead_of(mut ahead: Ahead, mut position: u32, length: u32, reads: u32) -> Vec<u32> {
        let mut found = Vec::new();
        for _ in 0..reads {
            position += length;
            if let Some(begins) = ahead.due(position, END) {
                ahead = ahead.next(begins, length);
            }
            found.push(ahead.until() - position);
        }
        found
    }

    #[test]
    fn a_reader_that_never_met_the_platter_has_nothing_ahead_and_a_new_one_only_what_it_takes() {
        assert_eq!(Ahead::default().due(5 * MIB, END), None);
        let new = Ahead::default().missed(10 * MIB, MIB, false);
        assert_eq!(new.until(), 11 * MIB);
        assert_eq!(new.due(11 * MIB, END), Some(11 * MIB), "its second read shows that it goes on");
        assert_eq!(new.due(11 * MIB, 11 * MIB), None, "not beyond the end");
    }

    #[test]
    fn the_window_grows_to_four_reads_and_no_further() {
        let first = Ahead::default().missed(0, MIB, true);
        assert_eq!(first.until(), 2 * MIB);
        let grown = ahead_of(first, 0, MIB, 20);
        assert!(grown.iter().skip(4).all(|&bytes| (MIB..=6 * MIB).contains(&bytes)), "{grown:?}");
        let slow = ahead_of(Ahead::default().missed(0, 64 * KIB, true), 0, 64 * KIB, 100);
        assert!(slow.iter().all(|&bytes| bytes <= 384 * KIB), "{slow:?}");
        let large = ahead_of(Ahead::default().missed(0, 16 * MIB, true), 0, 16 * MIB, 10);
        assert!(large.iter().all(|&bytes| bytes <= 16 * MIB), "{large:?}");
    }

    #[test]
    fn what_left_the_cache_before_it_was_used_is_not_asked_for_in_the_same_measure_again() {
        let mut ahead = Ahead { until: 20 * MIB, window: 4 * MIB };
        for (position, until) in [(17, 20), (18, 20), (19, 21)] {
            ahead = ahead.noted(position * MIB, MIB);
            assert_eq!(ahead.until(), position * MIB);
            ahead = ahead.missed(position * MIB, MIB, true);
            assert_eq!(ahead.until(), until * MIB);
        }
    }

    #[test]
    fn a_piece_that_does_not_follow_the_last_one_is_another_walk() {
        let mut walk = Walk::default();
        assert!(!walk.step(&(0..MIB)), "it has to show that it goes on");
        assert!(walk.step(&(MIB - 100..2 * MIB - 100)));
        walk.ahead = walk.ahead.missed(MIB - 100, MIB, true);
        assert!(walk.step(&(2 * MIB - 100..3 * MIB - 100)));
        assert_eq!(walk.ahead.until(), 3 * MIB - 100);
        assert!(!walk.step(&(50 * MIB..51 * MIB)));
        assert_eq!(walk.ahead, Ahead::default());
    }
}
