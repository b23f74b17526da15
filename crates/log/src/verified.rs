//! What of a segment needs no second CRC: the ranges that this process wrote or checked since it opened the log and that have not
//! left the page cache since. In memory only. Forgotten as a whole as soon as any byte of the segment has to come from the platter
//! again, and when the segment is cut: what comes from a disk is checked before it is served, every time. Where bytes are asked for
//! ahead of a reader, it is known which: only what is said of those is forgotten.

use parking_lot::Mutex;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

/// Readers at several places of a segment each have their range; more than these merge as they meet, or begin anew.
const RANGES_MAX: usize = 4;

/// Bytes that the kernel reads again when a write begins within them.
const PAGE_BYTES: u32 = 4096;

/// The most that one page of a file system may have, and with it what comes along with a byte that is asked for.
pub(crate) const PAGE_BYTES_MAX: u32 = 64 << 10;

// A large page is made of small ones, and a range that is cut in two has room for both halves.
const _: () = assert!(PAGE_BYTES.is_power_of_two() && PAGE_BYTES_MAX.is_multiple_of(PAGE_BYTES));
const _: () = assert!(RANGES_MAX >= 2);

/// The ranges of one segment.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    /// How often anything was forgotten. Who read bytes before may not vouch for them afterwards.
    age: AtomicU32,
    ranges: Mutex<Ranges>,
}

#[derive(Debug, Default)]
struct Ranges {
    /// Disjoint, none touches another, in no order.
    good: Vec<Range<u32>>,
    /// Who is asking the platter ahead right now. As long as anybody is, nothing is added: it might leave the cache and come back
    /// with what was asked for.
    asking: u32,
}

/// A moment in the life of the ranges; taken before the bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age(u32);

impl Verified {
    pub fn age(&self) -> Age {
        Age(self.age.load(Ordering::Acquire))
    }

    /// Up to where the bytes from `position` on are good, if nothing was forgotten since `age`; `position` itself if they are not.
    /// Asked after the bytes were read from the cache: asked before, they could have left it and come back in between.
    pub fn good_until(&self, position: u32, age: Age) -> u32 {
        let ranges = self.ranges.lock();
        if self.age() != age {
            return position;
        }
        ranges.good.iter().find(|range| range.contains(&position)).map_or(position, |range| range.end)
    }

    /// Bytes that were read (from wherever) after `age` passed every check.
    pub fn add(&self, range: Range<u32>, age: Age) {
        let mut ranges = self.ranges.lock();
        if self.age() == age && ranges.asking == 0 && !range.is_empty() {
            unite(&mut ranges.good, range);
        }
    }

    /// Lets bytes be asked for ahead of their readers; `ask` answers whether any will come from the platter. What is said of them
    /// is void before the first one can come, and nobody who read before vouches for anything afterwards: all that comes is on its
    /// way by then.
    pub fn bring_in(&self, bytes: Range<u32>, ask: impl FnOnce() -> bool) -> bool {
        let start = bytes.start - bytes.start % PAGE_BYTES_MAX;
        let end = bytes.end.checked_next_multiple_of(PAGE_BYTES_MAX).unwrap_or(u32::MAX);
        let (taken, age) = {
            let mut ranges = self.ranges.lock();
            ranges.asking += 1;
            (take_out(&mut ranges.good, start..end), self.age())
        };
        let comes = ask();
        let mut ranges = self.ranges.lock();
        ranges.asking -= 1;
        if comes {
            self.age.fetch_add(1, Ordering::AcqRel);
        } else if ranges.asking == 0 && self.age() == age {
            taken.into_iter().for_each(|range| unite(&mut ranges.good, range));
        }
        comes
    }

    /// Checked bytes were appended. After a `pause` the page that they begin in may have left the cache and come back for
    /// this write, with what stands in it before them.
    pub fn appended(&self, range: Range<u32>, age: Age, pause: bool) {
        let mut ranges = self.ranges.lock();
        if pause {
            let page = range.start - range.start % PAGE_BYTES;
            ranges.good.retain_mut(|good| {
                good.end = good.end.min(page.max(good.start));
                good.start < good.end
            });
        }
        if self.age() == age && ranges.asking == 0 {
            unite(&mut ranges.good, range);
        }
    }

    /// Bytes come from the platter again, or others take their place.
    pub fn forget(&self) {
        let mut ranges = self.ranges.lock();
        self.age.fetch_add(1, Ordering::AcqRel);
        ranges.good = Vec::new();
    }
}

/// Takes a part out of ranges, and answers what was in it.
fn take_out(ranges: &mut Vec<Range<u32>>, part: Range<u32>) -> Vec<Range<u32>> {
    let mut taken = Vec::new();
    for range in std::mem::take(ranges) {
        let inside = range.start.max(part.start)..range.end.min(part.end);
        if inside.is_empty() {
            ranges.push(range);
            continue;
        }
        // A range that is cut in two may be one too many; `unite` lets the smallest go.
        for rest in [range.start..inside.start, inside.end..range.end] {
            if !rest.is_empty() {
                unite(ranges, rest);
            }
        }
        taken.push(inside);
    }
    taken
}

/// Adds a range to others; of too many the smallest goes.
fn unite(ranges: &mut Vec<Range<u32>>, new: Range<u32>) {
    let touches = |range: &Range<u32>| range.start <= new.end && new.start <= range.end;
    let mut touched = ranges.iter_mut().filter(|range| touches(range));
    if let Some(first) = touched.next() {
        if touched.next().is_none() {
            *first = first.start.min(new.start)..first.end.max(new.end);
            return;
        }
    } else if ranges.len() < RANGES_MAX {
        ranges.push(new);
        return;
    }
    let mut whole = new.clone();
    ranges.retain(|range| {
        let apart = !touches(range);
        if !apart {
            whole = whole.start.min(range.start)..whole.end.max(range.end);
        }
        apart
    });
    if ranges.len() >= RANGES_MAX
        && let Some(smallest) =
            (0..ranges.len()).min_by_key(|&at| ranges.get(at).map_or(0, |range| range.end - range.start))
    {
        ranges.swap_remove(smallest);
    }
    ranges.push(whole);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(verified: &Verified) -> Vec<Range<u32>> {
        let mut ranges = verified.ranges.lock().good.clone();
        ranges.sort_by_key(|range| range.start);
        ranges
    }

    fn only(verified: &Verified) -> Range<u32> {
        let ranges = good(verified);
        assert_eq!(ranges.len(), 1, "{ranges:?}");
        ranges[0].clone()
    }

    #[test]
    fn ranges_that_meet_become_one_and_of_too_many_the_smallest_goes() {
        let verified = Verified::default();
        let age = verified.age();
        for range in [0..10, 20..30, 10..20, 40..50, 35..60, 100..101, 200..300] {
            verified.add(range, age);
        }
        assert_eq!(good(&verified), [0..30, 35..60, 100..101, 200..300]);
        verified.add(400..500, age);
        assert_eq!(good(&verified), [0..30, 35..60, 200..300, 400..500]);
        verified.add(25..250, age);
        assert_eq!(good(&verified), [0..300, 400..500]);
        assert_eq!(verified.good_until(299, age), 300);
        assert_eq!(verified.good_until(300, age), 300);
    }

    #[test]
    fn who_read_before_everything_was_forgotten_vouches_for_nothing() {
        let verified = Verified::default();
        let before = verified.age();
        verified.add(0..100, before);
        verified.forget();
        assert_eq!(verified.good_until(0, verified.age()), 0);
        verified.add(0..100, before);
        verified.appended(100..200, before, false);
        assert_eq!(good(&verified), []);
        verified.add(0..100, verified.age());
        assert_eq!(verified.good_until(0, verified.age()), 100);
        assert_eq!(verified.good_until(0, before), 0);
    }

    #[test]
    fn a_write_after_a_pause_takes_the_page_it_begins_in_for_unread() {
        let verified = Verified::default();
        let age = verified.age();
        verified.appended(0..5_000, age, false);
        verified.appended(5_000..9_000, age, false);
        verified.appended(9_000..10_000, age, true);
        assert_eq!(good(&verified), [0..8_192, 9_000..10_000]);
        verified.appended(10_000..11_000, age, true);
        assert_eq!(good(&verified), [0..8_192, 10_000..11_000]);
    }
    #[test]
    fn what_is_asked_for_ahead_is_void_before_it_can_come_and_whoever_read_before_is_too_late() {
        const K: u32 = 1 << 10;
        let verified = Verified::default();
        let before = verified.age();
        verified.add(0..1_000 * K, before);
        let asked = verified.bring_in(200 * K..300 * K, || {
            assert_eq!(good(&verified), [0..192 * K, 320 * K..1_000 * K], "whole pages, however large");
            assert_eq!(verified.good_until(0, before), 192 * K, "the rest is as good as it was");
            verified.add(150 * K..400 * K, before);
            verified.appended(1_000 * K..1_001 * K, before, false);
            true
        });
        assert!(asked);
        assert_eq!(good(&verified), [0..192 * K, 320 * K..1_000 * K]);
        verified.add(200 * K..300 * K, before);
        let after = verified.age();
        assert_eq!(verified.good_until(200 * K, after), 200 * K);
        verified.add(192 * K..320 * K, after);
        assert_eq!(verified.good_until(0, after), 1_000 * K);
        assert!(!verified.bring_in(0..u32::MAX, || false));
        assert_eq!(only(&verified), 0..1_000 * K, "nothing came");
        assert_eq!(verified.age(), after);
        verified.bring_in(0..10, || {
            assert!(!verified.bring_in(0..10, || false));
            true
        });
        assert_eq!(only(&verified), 64 * K..1_000 * K, "what one puts back, another may have asked for");
    }

    #[test]
    fn a_write_after_a_pause_has_its_page_unread_even_if_bytes_are_asked_for_meanwhile() {
        let verified = Verified::default();
        let age = verified.age();
        verified.appended(0..200_000, age, false);
        verified.bring_in(0..10, || {
            verified.appended(200_000..201_000, age, true);
            true
        });
        assert_eq!(only(&verified), 65_536..196_608);
    }
}
