//! Followers' fetches that wait here for news, by broker. A follower that has more to ask of this leader while its fetch waits says so by
//! a fetch for nothing (`replication/fetchers.rs`): what waits is answered as it is, and the next one asks for all. Owns who waits; what
//! is answered is the fetch's.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::watch::Watch;

/// Those of a node. Bounded by the brokers of the cluster and the fetches that they have under way: callers know both.
#[derive(Debug, Default)]
pub(crate) struct ParkedFetches(Mutex<BTreeMap<i32, Parked>>);

#[derive(Debug, Default)]
struct Parked {
    watches: Vec<Arc<Watch>>,
    /// Called back before it waited: its next fetch does not wait.
    is_called: bool,
}

impl ParkedFetches {
    /// A fetch of a broker begins to wait.
    pub fn park(&self, broker_id: i32, watch: &Arc<Watch>) {
        let mut parked = self.0.lock();
        let parked = parked.entry(broker_id).or_default();
        if std::mem::take(&mut parked.is_called) {
            return watch.call_back();
        }
        parked.watches.retain(|watch| !watch.is_over());
        parked.watches.push(Arc::clone(watch));
    }

    /// The broker has more to ask.
    pub fn call_back(&self, broker_id: i32) {
        let mut parked = self.0.lock();
        let parked = parked.entry(broker_id).or_default();
        let waiting = std::mem::take(&mut parked.watches);
        parked.is_called = waiting.iter().all(|watch| watch.is_over());
        waiting.iter().for_each(|watch| watch.call_back());
    }
}

#[cfg(test)]
mod tests {
    use super::super::watch::watch;
    use super::*;

    #[test]
    fn whoever_waits_is_called_back_and_nobody_else() {
        let parked = ParkedFetches::default();
        let ((first, _held_1), (second, _held_2)) = (watch(1), watch(1));
        parked.park(1, &first);
        parked.park(2, &second);
        parked.call_back(1);
        assert_eq!([first.is_called_back(), second.is_called_back()], [true, false]);
        let (next, _held_3) = watch(1);
        parked.park(1, &next);
        assert!(!next.is_called_back());
    }

    #[test]
    fn a_call_that_overtakes_the_fetch_is_kept_for_it() {
        let parked = ParkedFetches::default();
        let (over, held) = watch(1);
        parked.park(1, &over);
        drop(held);
        parked.call_back(1);
        let ((next, _held_1), (behind, _held_2)) = (watch(1), watch(1));
        parked.park(1, &next);
        parked.park(1, &behind);
        assert_eq!([next.is_called_back(), behind.is_called_back()], [true, false]);
    }
}
