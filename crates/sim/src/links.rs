//! What lies between the machines: which directions are cut, how slow each is. Frames on their way wait where a direction is cut, as
//! TCP keeps sending; nothing is lost, reordered or doubled but by the end of a connection. Plain data: who waits is woken.

use std::collections::BTreeMap;
use std::task::Waker;

/// A direction: from this machine to that one.
pub type Direction = (usize, usize);

/// A direction that is cut.
#[derive(Debug, Clone, Copy)]
struct Cut {
    times: u32,
    since_ms: i64,
}

/// All directions.
#[derive(Default)]
pub struct Links {
    /// Several faults may cut one direction: it is whole when all have ended.
    cuts: BTreeMap<Direction, Cut>,
    /// What every frame takes longer, in milliseconds.
    slow: BTreeMap<Direction, i64>,
    waiting: Vec<Waker>,
}

impl Links {
    /// Nothing arrives in this direction any more.
    pub fn cut(&mut self, direction: Direction, now_ms: i64) {
        self.cuts.entry(direction).or_insert(Cut { times: 0, since_ms: now_ms }).times += 1;
    }

    /// Since when nothing arrives in it.
    pub fn cut_since(&self, direction: Direction) -> Option<i64> {
        self.cuts.get(&direction).map(|cut| cut.since_ms)
    }

    /// One of the cuts is over.
    pub fn mend(&mut self, direction: Direction) {
        if let Some(cut) = self.cuts.get_mut(&direction) {
            cut.times -= 1;
            if cut.times == 0 {
                self.cuts.remove(&direction);
                std::mem::take(&mut self.waiting).into_iter().for_each(Waker::wake);
            }
        }
    }

    /// Frames take so much longer; 0 ends it.
    pub fn slow_down(&mut self, direction: Direction, delay_ms: i64) {
        self.slow.insert(direction, delay_ms);
    }

    /// How much longer they take.
    pub fn delay_ms(&self, direction: Option<Direction>) -> i64 {
        direction.and_then(|direction| self.slow.get(&direction).copied()).unwrap_or(0)
    }

    /// True if nothing arrives in it; then who asks is woken when that may have changed. Clients reach everybody.
    pub fn holds_up(&mut self, direction: Option<Direction>, waker: &Waker) -> bool {
        let is_cut = direction.is_some_and(|direction| self.cuts.contains_key(&direction));
        if is_cut {
            self.waiting.push(waker.clone());
        }
        is_cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_is_whole_when_all_its_cuts_are_over_and_the_other_one_always_was() {
        let mut links = Links::default();
        let waker = Waker::noop();
        links.cut((0, 1), 5);
        links.cut((0, 1), 7);
        assert_eq!((links.cut_since((0, 1)), links.cut_since((1, 0))), (Some(5), None));
        links.mend((0, 1));
        assert!(links.holds_up(Some((0, 1)), waker));
        assert!(!links.holds_up(Some((1, 0)), waker));
        assert!(!links.holds_up(None, waker));
        links.mend((0, 1));
        links.mend((0, 1));
        assert!(!links.holds_up(Some((0, 1)), waker));
        links.slow_down((1, 0), 7);
        assert_eq!((links.delay_ms(Some((1, 0))), links.delay_ms(Some((0, 1)))), (7, 0));
    }
}
