//! Who has come in and not said who it is, in the order in which they came. Owns their number, which has a bound.

use std::collections::VecDeque;
use std::sync::Arc;

use super::post::Bell;

/// Connections of a node that may be on their way through authentication at once: a log-in takes some milliseconds.
// DIVERGES: Kafka lets as many in as there may be connections.
pub const STRANGERS_MAX: usize = 2_000;

/// Those of one lane. Some have entered or left since; that is found out when there are too many.
pub struct Strangers {
    waiting: VecDeque<(usize, Arc<Bell>)>,
    most: usize,
}

impl Strangers {
    /// So many at once.
    pub fn new(most: usize) -> Strangers {
        Strangers { waiting: VecDeque::new(), most: most.max(1) }
    }

    /// One more, by its place; the bell tells it from whoever has the place later. Who has to go for it: the one that came first of those
    /// who are strangers still.
    pub fn take(
        &mut self,
        place: usize,
        bell: Arc<Bell>,
        is_still: impl Fn(usize, &Arc<Bell>) -> bool,
    ) -> Option<usize> {
        // Mostly those who came first have entered first.
        while self.waiting.front().is_some_and(|(place, bell)| !is_still(*place, bell)) {
            self.waiting.pop_front();
        }
        if self.waiting.len() >= self.most {
            self.waiting.retain(|(place, bell)| is_still(*place, bell));
        }
        let leaves = if self.waiting.len() >= self.most { self.waiting.pop_front() } else { None };
        self.waiting.push_back((place, bell));
        leaves.map(|(place, _)| place)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::lanes::post::Post;

    #[test]
    fn the_one_that_said_nothing_for_longest_goes_and_nobody_who_has_entered() {
        let post = Post::new().unwrap();
        let mut strangers = Strangers::new(3);
        let mut entered = BTreeSet::from([1, 2]);
        let mut come = |place: usize, entered: &BTreeSet<usize>| {
            strangers.take(place, Bell::new(post.clone(), place), |place, _| !entered.contains(&place))
        };
        assert_eq!([0, 1, 2, 3, 4].map(|place| come(place, &entered)), [None; 5]);
        // 0, 3 and 4 wait.
        assert_eq!(come(5, &entered), Some(0));
        entered.extend([4]);
        assert_eq!(come(6, &entered), None);
        assert_eq!((come(7, &entered), come(8, &entered)), (Some(3), Some(5)));
        entered.extend([6, 7, 8]);
        assert_eq!([9, 10, 11].map(|place| come(place, &entered)), [None; 3]);
    }
}
