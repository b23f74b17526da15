//! All fetchers of a node, by leader and number. Owns which of them fetches for which replica; one lock, held for the bookkeeping of one
//! answer at most, never while something is sent or taken in.
//!
//! Whoever begins to follow a leader, or goes on after a flush, does not wait for a fetch that waits there for news of others: the fetch
//! is called back, by one for nothing over a connection of its own, and the next one asks for all. Acks rest on it; after the death of a
//! leader, and at the first write to a new topic, half a second each would.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::Mutex;
use wire::messages::fetch::{FetchRequest, FetchResponse, ReplicaState};
use wire::topic::TopicIdPartition;

use super::fetcher::{FetchTerms, Fetcher, Taken};
use super::following::{Fetched, FetcherId, Following, LeaderSaid, Outcome, Replicated};
use super::throttle::Throttles;
use crate::config::BrokerLayers;
use crate::timers::NEVER;
use crate::views::Views;

/// Those of a node.
pub(crate) struct Fetchers {
    terms: FetchTerms,
    held: Mutex<Held>,
    /// When [`Fetchers::due`] has something to send; written under the lock.
    next_ms: AtomicI64,
    throttles: Throttles,
    /// The node stops: nothing is asked any more.
    is_closed: AtomicBool,
}

struct Held {
    /// `num.replica.fetchers`
    per_leader: usize,
    fetchers: BTreeMap<FetcherId, Fetcher>,
    /// Who follows whom, and who fetches for it.
    following: BTreeMap<TopicIdPartition, (FetcherId, Following)>,
    /// Leaders whose fetchers are away, and have more to ask.
    calls: BTreeSet<i32>,
}

/// Before a broker that was not registered looks again whether it is.
const REGISTRATION_PAUSE_MS: i64 = 20;

/// A fetch to be sent.
pub(crate) struct Due {
    pub fetcher: FetcherId,
    pub round: u64,
    pub request: FetchRequest,
}

/// What is to be sent.
#[derive(Default)]
pub(crate) struct AllDue {
    pub fetches: Vec<Due>,
    /// To be called back: whatever waits at these leaders. They are told by [`Fetchers::call`].
    pub calls: BTreeSet<i32>,
}

impl Fetchers {
    pub fn new(terms: FetchTerms, layers: &BrokerLayers<'_>) -> Fetchers {
        let held = Held {
            per_leader: per_leader(layers),
            fetchers: BTreeMap::new(),
            following: BTreeMap::new(),
            calls: BTreeSet::new(),
        };
        Fetchers {
            terms,
            held: Mutex::new(held),
            next_ms: AtomicI64::new(NEVER),
            throttles: Throttles::new(layers),
            is_closed: AtomicBool::new(false),
        }
    }

    /// How fast replicas may be brought up, here and from here.
    pub fn throttles(&self) -> &Throttles {
        &self.throttles
    }

    fn is_throttled(&self, views: &Views, key: &TopicIdPartition) -> bool {
        let topic = views.by_id(key.topic_id);
        topic.is_some_and(|it| it.settings.load().follower_throttled.holds(key.partition, self.terms.node_id))
    }

    /// What came for throttled replicas counts, whether they are in sync or not.
    fn record(&self, now_ms: i64, views: &Views, fetched: &[Fetched]) {
        let throttle = &self.throttles.follower;
        if !throttle.is_on() {
            return;
        }
        let bytes = |fetched: &Fetched| match &fetched.said {
            LeaderSaid::Records { records, .. } => records.len() as u64,
            LeaderSaid::Diverging { .. } | LeaderSaid::OutOfRange { .. } => 0,
        };
        let throttled = fetched.iter().filter(|it| self.is_throttled(views, &it.cell.key));
        throttle.record(throttled.map(bytes).sum(), now_ms);
    }

    /// How long an answer is waited for.
    pub fn timeout_ms(&self) -> i64 {
        self.terms.timeout_ms
    }

    /// When [`Fetchers::due`] has something to send.
    pub fn next_ms(&self) -> i64 {
        self.next_ms.load(Ordering::SeqCst)
    }

    /// Nothing is asked any more.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.next_ms.store(NEVER, Ordering::SeqCst);
    }

    fn promise(&self, held: &Held) {
        let next_ms = held.fetchers.values().filter_map(Fetcher::next_ms).min().unwrap_or(NEVER);
        let next_ms = if held.calls.is_empty() { next_ms } else { i64::MIN };
        let next_ms = if self.is_closed.load(Ordering::SeqCst) { NEVER } else { next_ms };
        self.next_ms.store(next_ms, Ordering::SeqCst);
    }

    /// The broker's own values changed. With another number of fetchers, whoever is fetched for by the wrong one changes.
    pub fn configure(&self, layers: &BrokerLayers<'_>) {
        self.throttles.configure(layers);
        let per_leader = per_leader(layers);
        let mut held = self.held.lock();
        if std::mem::replace(&mut held.per_leader, per_leader) == per_leader {
            return;
        }
        let all: Vec<Following> = held.following.values().map(|(_, following)| following.clone()).collect();
        // Where they are by now, their shards know: what is fetched from elsewhere is dropped there, and told where to go on.
        all.into_iter().for_each(|following| held.follow(following));
        self.promise(&held);
    }

    /// A replica follows a leader, or goes on after a flush.
    pub fn follow(&self, following: Following) {
        let mut held = self.held.lock();
        held.follow(following);
        self.promise(&held);
    }

    /// A replica follows nobody, as of its shard's turn of this number; one that has begun to follow in a later turn goes on.
    pub fn unfollow(&self, key: &TopicIdPartition, turn: u64) {
        let mut held = self.held.lock();
        held.unfollow(key, turn);
        self.promise(&held);
    }

    /// Brokers came or went: whoever could not be asked is tried at once.
    pub fn brokers_changed(&self) {
        let mut held = self.held.lock();
        held.fetchers.values_mut().for_each(Fetcher::wake);
        self.promise(&held);
    }

    /// What is to be sent now by the broker of this epoch. Nothing before it is registered (KIP-903): what an earlier incarnation had
    /// could bring the replica into an ISR.
    pub fn due(&self, now_ms: i64, broker_epoch: i64, views: &Views) -> AllDue {
        if self.next_ms() > now_ms {
            return AllDue::default();
        }
        if broker_epoch < 0 {
            self.next_ms.store(now_ms.saturating_add(REGISTRATION_PAUSE_MS), Ordering::SeqCst);
            return AllDue::default();
        }
        let mut held = self.held.lock();
        let mut due = AllDue::default();
        if !self.is_closed.load(Ordering::SeqCst) {
            held.fetchers.retain(|_, fetcher| !fetcher.is_over());
            let held_until_ms = self.throttles.follower.closed_until(now_ms);
            for (id, fetcher) in &mut held.fetchers {
                if let Some(until_ms) = held_until_ms {
                    fetcher.hold_back(until_ms, |key| self.is_throttled(views, key));
                }
                if let Some((round, request)) = fetcher.next(now_ms, broker_epoch, &self.terms) {
                    due.fetches.push(Due { fetcher: *id, round, request });
                }
            }
            due.calls = std::mem::take(&mut held.calls);
        }
        self.promise(&held);
        due
    }

    /// What calls back a fetch that waits: one for nothing (Kafka's leaders answer it as such).
    pub fn call(&self, broker_epoch: i64) -> FetchRequest {
        let replica_state = ReplicaState { replica_id: self.terms.node_id, replica_epoch: broker_epoch };
        FetchRequest { session_epoch: -1, replica_state, ..FetchRequest::default() }
    }

    /// An answer, or `None`. Whoever takes in what it means says so for every shard; `shards` tells how many there are.
    pub fn answered(
        &self,
        now_ms: i64,
        (id, round): (FetcherId, u64),
        response: Option<FetchResponse>,
        views: &Views,
    ) -> Taken {
        let mut held = self.held.lock();
        let Some(fetcher) = held.fetchers.get_mut(&id) else { return Taken::default() };
        let taken = match response {
            Some(response) => fetcher.answered(now_ms, round, response, &self.terms),
            None => fetcher.unanswered(now_ms, round, &self.terms),
        };
        self.record(now_ms, views, &taken.fetched);
        let mut shards: Vec<usize> = taken.fetched.iter().map(|fetched| fetched.cell.shard).collect();
        shards.sort_unstable();
        shards.dedup();
        fetcher.taking(round, shards.len());
        self.promise(&held);
        taken
    }

    /// A shard has taken in what came for it.
    pub fn replicated(&self, now_ms: i64, replicated: &Replicated) {
        let mut held = self.held.lock();
        if let Some(fetcher) = held.fetchers.get_mut(&replicated.fetcher) {
            fetcher.replicated(now_ms, replicated.round, &replicated.outcomes, &self.terms);
        }
        for (key, leader_epoch, outcome) in &replicated.outcomes {
            let follows = held.following.get(key).is_some_and(|(_, it)| it.leader_epoch == *leader_epoch);
            if follows && *outcome == Outcome::NotFollowed {
                held.following.remove(key);
            }
        }
        self.promise(&held);
    }
}

fn per_leader(layers: &BrokerLayers<'_>) -> usize {
    let number = layers.number("num.replica.fetchers").and_then(|number| usize::try_from(number).ok());
    number.unwrap_or(1).max(1)
}

impl Held {
    fn follow(&mut self, following: Following) {
        let key = following.cell.key;
        let index = usize::try_from(key.partition).unwrap_or(0).wrapping_add(usize::from(key.topic_id.0[15]));
        let id = FetcherId { leader: following.leader, index: index % self.per_leader };
        match self.following.get(&key) {
            Some((_, known)) if known.turn > following.turn => return,
            Some((before, _)) if *before != id => {
                let before = *before;
                if let Some(fetcher) = self.fetchers.get_mut(&before) {
                    fetcher.unfollow(&key);
                }
            }
            Some(_) | None => {}
        }
        let fetcher = self.fetchers.entry(id).or_default();
        fetcher.follow(&following);
        if fetcher.is_called_back() {
            self.calls.insert(id.leader);
        }
        self.following.insert(key, (id, following));
    }

    fn unfollow(&mut self, key: &TopicIdPartition, turn: u64) {
        if self.following.get(key).is_some_and(|(_, following)| following.turn > turn) {
            return;
        }
        if let Some((id, _)) = self.following.remove(key)
            && let Some(fetcher) = self.fetchers.get_mut(&id)
        {
            fetcher.unfollow(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{BrokerFile, Values};
    use crate::replica::follower::Position;
    use crate::views::PartitionCell;
    use wire::Uuid;

    fn fetchers() -> Fetchers {
        let (none, file) = (Values::new(), BrokerFile::default());
        let layers = BrokerLayers { per_broker: &none, cluster_wide: &none, file: file.values() };
        let terms = FetchTerms {
            node_id: 2,
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: 1_000,
            partition_max_bytes: 1_000,
            backoff_ms: 100,
            timeout_ms: 30_000,
        };
        Fetchers::new(terms, &layers)
    }

    /// In the turn that has the epoch's number.
    fn following(partition: i32, leader: i32, leader_epoch: i32) -> Following {
        let turn = leader_epoch as u64;
        let key = TopicIdPartition::new(Uuid::from_halves(1, 1), partition);
        let position = Position { fetch_offset: 0, last_fetched_epoch: -1, log_start_offset: 0 };
        Following { cell: Arc::new(PartitionCell::new(key, 1)), turn, leader, leader_epoch, position }
    }

    /// Leaders that are fetched from now, with how many partitions are asked for.
    fn due(fetchers: &Fetchers) -> Vec<(i32, usize)> {
        let asked = |due: &Due| due.request.topics.iter().map(|topic| topic.partitions.len()).sum();
        let due = fetchers.due(0, 1, &Views::default());
        due.fetches.iter().map(|due| (due.fetcher.leader, asked(due))).collect()
    }

    #[test]
    fn whoever_follows_anew_does_not_wait_for_a_fetch_that_waits() {
        let fetchers = fetchers();
        fetchers.follow(following(0, 1, 4));
        assert_eq!(due(&fetchers), [(1, 1)]);
        fetchers.follow(following(1, 1, 4));
        fetchers.follow(following(2, 3, 4));
        let due_now = fetchers.due(0, 1, &Views::default());
        assert_eq!(due_now.calls, BTreeSet::from([1]));
        assert_eq!(due_now.fetches.iter().map(|due| due.fetcher.leader).collect::<Vec<_>>(), [3]);
        fetchers.follow(following(3, 1, 4));
        assert_eq!(fetchers.next_ms(), NEVER, "it is called back already");
        let fetcher = FetcherId { leader: 1, index: 0 };
        fetchers.answered(0, (fetcher, 1), Some(FetchResponse::default()), &Views::default());
        assert_eq!(due(&fetchers), [(1, 3)], "all that came meanwhile");
        fetchers.follow(following(4, 1, 4));
        let calls = fetchers.due(0, 1, &Views::default()).calls;
        assert_eq!(calls, BTreeSet::from([1]), "the next fetch that waits");
        assert_eq!(fetchers.next_ms(), NEVER);
    }

    #[test]
    fn s09_nothing_is_fetched_before_the_broker_is_registered() {
        let fetchers = fetchers();
        fetchers.follow(following(0, 1, 4));
        let due = |now_ms, epoch| fetchers.due(now_ms, epoch, &Views::default()).fetches.len();
        assert_eq!(due(0, -1), 0);
        assert_eq!(fetchers.next_ms(), REGISTRATION_PAUSE_MS);
        assert_eq!(due(REGISTRATION_PAUSE_MS, 7), 1);
    }

    #[test]
    fn a_replica_is_fetched_for_by_one_fetcher_as_its_latest_turn_wished_it() {
        let fetchers = fetchers();
        fetchers.follow(following(0, 1, 4));
        fetchers.follow(following(0, 3, 5));
        fetchers.follow(following(0, 1, 4));
        let key = following(0, 3, 5).cell.key;
        fetchers.unfollow(&key, 4);
        assert_eq!(due(&fetchers), [(3, 1)]);
        fetchers.unfollow(&key, 5);
        fetchers.close();
        fetchers.follow(following(1, 3, 5));
        assert_eq!(due(&fetchers), []);
    }
}
