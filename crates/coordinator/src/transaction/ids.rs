//! Producer ids that a coordinator may give away. They come from the host, which has blocks of them from the controller; a coordinator
//! keeps a few, says when it is short of them, and never waits.

use std::collections::VecDeque;
use std::ops::Range;

/// Fewer than these are few: more are asked for. One is enough for a producer that comes for the first time; two come at once rarely.
const FEW: i64 = 4;
/// After so long an answer that did not come is asked for again.
const ASK_AGAIN_MS: i64 = 1_000;

/// Ids that were granted and not used; what is left of them dies with leadership.
#[derive(Debug, Default)]
pub struct ProducerIds {
    /// Invariant: no empty range.
    ranges: VecDeque<Range<i64>>,
    /// Until then the last question may still be answered.
    asked_until_ms: Option<i64>,
}

impl ProducerIds {
    /// The next id, if there is one.
    pub fn take(&mut self) -> Option<i64> {
        let range = self.ranges.front_mut()?;
        let id = range.next();
        if range.is_empty() {
            self.ranges.pop_front();
        }
        id
    }

    /// The host gives these; nobody else has them.
    pub fn grant(&mut self, ids: Range<i64>) {
        self.asked_until_ms = None;
        if !ids.is_empty() && ids.start >= 0 {
            self.ranges.push_back(ids);
        }
    }

    /// Whether more are to be asked for now; says so once until they come, or for a while.
    pub fn should_ask(&mut self, now_ms: i64) -> bool {
        let left: i64 = self.ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum();
        let asked = self.asked_until_ms.is_some_and(|until_ms| now_ms < until_ms);
        if left >= FEW || asked {
            return false;
        }
        self.asked_until_ms = Some(now_ms.saturating_add(ASK_AGAIN_MS));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_is_given_once_and_more_are_asked_for_in_time() {
        let mut ids = ProducerIds::default();
        assert_eq!(ids.take(), None);
        assert!(ids.should_ask(0));
        assert!(!ids.should_ask(ASK_AGAIN_MS - 1), "the answer is on its way");
        assert!(ids.should_ask(ASK_AGAIN_MS), "the answer is lost");
        ids.grant(7..9);
        ids.grant(20..24);
        assert!(!ids.should_ask(5_000));
        assert_eq!([ids.take(), ids.take(), ids.take()], [Some(7), Some(8), Some(20)]);
        assert!(ids.should_ask(5_000));
        ids.grant(5..5);
        ids.grant(-1..3);
        assert_eq!([ids.take(), ids.take(), ids.take(), ids.take()], [Some(21), Some(22), Some(23), None]);
    }
}
