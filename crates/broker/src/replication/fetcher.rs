//! One fetcher: what is asked of one leader for some of this node's replicas, one fetch at a time (KIP-227 from the client's side, by
//! topic ids). Pure: says what to send next and what an answer means; it appends nothing and knows no clock.
//!
//! A partition is *ready* (a part of the next fetch), *delayed* (its leader's answer was of no use: it comes again alone), or *waits*
//! (for a flush, or for where the leader's log begins and ends). Only those that are ready are in the fetch session. What comes for a
//! partition that follows in another epoch by now, or goes on elsewhere, is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::fetch::{
    EpochEndOffset, FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic, PartitionData,
    ReplicaState,
};
use wire::topic::TopicIdPartition;

use super::following::{Fetched, Following, LeaderSaid, Outcome};
use crate::replica::follower::Position;
use crate::views::PartitionCell;

/// What every fetch of a node says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FetchTerms {
    pub node_id: i32,
    /// `replica.fetch.wait.max.ms`
    pub max_wait_ms: i32,
    /// `replica.fetch.min.bytes`
    pub min_bytes: i32,
    /// `replica.fetch.response.max.bytes`
    pub max_bytes: i32,
    /// `replica.fetch.max.bytes`
    pub partition_max_bytes: i32,
    /// `replica.fetch.backoff.ms`
    pub backoff_ms: i64,
    /// `replica.socket.timeout.ms`
    pub timeout_ms: i64,
}

/// The partitions that one leader is asked for by one fetcher.
///
/// Invariants, checked in release where they change:
/// - **flight**: one fetch is on its way, or its answer is being taken in, never two;
/// - **session**: what is asked within one is ready, and is what the replica said last.
#[derive(Debug, Default)]
pub(crate) struct Fetcher {
    partitions: BTreeMap<TopicIdPartition, Entry>,
    /// 0 without a session.
    session_id: i32,
    /// 0 asks for all, and for a session.
    session_epoch: i32,
    /// Something of an answer was dropped, and the session's leader thinks that it is known here: a high watermark that moves no more would
    /// not be told again. The next fetch asks for all.
    has_missed: bool,
    /// Ready, and the session does not know it as it is.
    changed: BTreeSet<TopicIdPartition>,
    /// In the leader's session, and not to be.
    forgotten: BTreeSet<TopicIdPartition>,
    delayed: BTreeSet<(i64, TopicIdPartition)>,
    /// Counts fetches.
    round: u64,
    /// The last one that was called back.
    called_back: u64,
    flight: Flight,
    /// Nothing is sent before: the leader could not be asked.
    rests_until_ms: i64,
    /// Where a fetch without a session begins, so that none starves.
    first: Option<TopicIdPartition>,
    /// The last fetch failed.
    fails: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Flight {
    #[default]
    Idle,
    Asked,
    /// So many shards have not taken in yet what came for them.
    Taking(usize),
}

#[derive(Debug)]
struct Entry {
    cell: Arc<PartitionCell>,
    leader_epoch: i32,
    position: Position,
    /// The leader's, when it answered last; unknown before.
    high_watermark: i64,
    state: State,
    /// As it was asked, if what is asked now is in a fetch on its way or in the session.
    asked: Option<(i32, Position)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Delayed(i64),
    Waits,
}

/// What an answer means.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// For the shards.
    pub fetched: Vec<Fetched>,
    /// Of these it has to be asked where the leader's logs begin and end: with the epoch, and where they fetched.
    pub out_of_range: Vec<(Arc<PartitionCell>, i32, i64)>,
    /// The leader answers again, or does not any more.
    pub news: Option<bool>,
}

impl Fetcher {
    /// A replica follows, or goes on.
    pub fn follow(&mut self, following: &Following) {
        let key = following.cell.key;
        let known = self.partitions.get(&key).filter(|known| known.leader_epoch == following.leader_epoch);
        let entry = Entry {
            high_watermark: known.map_or(i64::MAX, |known| known.high_watermark),
            cell: Arc::clone(&following.cell),
            leader_epoch: following.leader_epoch,
            position: following.position,
            state: State::Ready,
            asked: None,
        };
        if let Some(old) = self.partitions.insert(key, entry)
            && let State::Delayed(due_ms) = old.state
        {
            self.delayed.remove(&(due_ms, key));
        }
        self.forgotten.remove(&key);
        self.changed.insert(key);
    }

    /// A replica follows another leader, or none. True if it was here.
    pub fn unfollow(&mut self, key: &TopicIdPartition) -> bool {
        self.leaves_session(key);
        match self.partitions.remove(key) {
            Some(Entry { state: State::Delayed(due_ms), .. }) => self.delayed.remove(&(due_ms, *key)),
            Some(_) => true,
            None => false,
        }
    }

    /// Nobody is fetched for, and nothing is on its way.
    pub fn is_over(&self) -> bool {
        self.partitions.is_empty() && self.flight == Flight::Idle
    }

    /// True once for a fetch that is on its way, maybe for as long as the leader has nothing new: there is more to ask.
    pub fn is_called_back(&mut self) -> bool {
        self.flight == Flight::Asked && std::mem::replace(&mut self.called_back, self.round) != self.round
    }

    /// Replicas that the throttle is meant for and that are behind are not asked for before that time. Only between two fetches.
    pub fn hold_back(&mut self, until_ms: i64, is_throttled: impl Fn(&TopicIdPartition) -> bool) {
        if self.flight != Flight::Idle {
            return;
        }
        let comes_before = |state| match state {
            State::Ready => true,
            State::Delayed(due_ms) => due_ms < until_ms,
            State::Waits => false,
        };
        let is_behind = |entry: &Entry| entry.position.fetch_offset < entry.high_watermark;
        let is_held = |(key, entry): (&TopicIdPartition, &Entry)| {
            (comes_before(entry.state) && is_behind(entry) && is_throttled(key)).then_some(*key)
        };
        let held: Vec<TopicIdPartition> = self.partitions.iter().filter_map(is_held).collect();
        held.iter().for_each(|key| self.delay(key, until_ms));
    }

    /// When [`Fetcher::next`] has something to send.
    pub fn next_ms(&self) -> Option<i64> {
        if self.flight != Flight::Idle {
            return None;
        }
        let due = match self.has_ready() {
            true => Some(i64::MIN),
            false => self.delayed.first().map(|(due_ms, _)| *due_ms),
        };
        due.map(|due_ms| due_ms.max(self.rests_until_ms))
    }

    /// The leader may answer again: nothing is waited for any more.
    pub fn wake(&mut self) {
        self.rests_until_ms = i64::MIN;
    }

    fn has_ready(&self) -> bool {
        self.partitions.len() > self.delayed.len()
            && self.partitions.values().any(|entry| entry.state == State::Ready)
    }

    /// The next fetch and its number, if one is to be sent now.
    pub fn next(
        &mut self,
        now_ms: i64,
        broker_epoch: i64,
        terms: &FetchTerms,
    ) -> Option<(u64, FetchRequest)> {
        if self.flight != Flight::Idle || now_ms < self.rests_until_ms {
            return None;
        }
        while let Some((due_ms, key)) = self.delayed.first().copied().filter(|(due_ms, _)| *due_ms <= now_ms)
        {
            self.delayed.remove(&(due_ms, key));
            if let Some(entry) = self.partitions.get_mut(&key) {
                entry.state = State::Ready;
                self.forgotten.remove(&key);
                self.changed.insert(key);
            }
        }
        if !self.has_ready() {
            return None;
        }
        if std::mem::take(&mut self.has_missed) {
            self.session_epoch = 0;
        }
        let is_full = self.session_epoch == 0;
        let (wanted, forgotten) = if is_full { (self.all(), Vec::new()) } else { self.changes() };
        let topics = wanted.iter().filter_map(|key| self.ask(key, terms)).collect::<Vec<_>>();
        self.flight = Flight::Asked;
        self.round += 1;
        let request = FetchRequest {
            max_wait_ms: terms.max_wait_ms,
            min_bytes: terms.min_bytes,
            max_bytes: terms.max_bytes,
            session_id: self.session_id,
            session_epoch: self.session_epoch,
            topics: by_topic(topics),
            forgotten_topics_data: forgotten_by_topic(&forgotten),
            replica_state: ReplicaState { replica_id: terms.node_id, replica_epoch: broker_epoch },
            ..FetchRequest::default()
        };
        Some((self.round, request))
    }

    /// All that are ready, beginning where the last answer ended.
    fn all(&mut self) -> Vec<TopicIdPartition> {
        self.changed.clear();
        self.forgotten.clear();
        for entry in self.partitions.values_mut() {
            entry.asked = None;
        }
        let ready = |(key, entry): (&TopicIdPartition, &Entry)| (entry.state == State::Ready).then_some(*key);
        let mut all: Vec<TopicIdPartition> = self.partitions.iter().filter_map(ready).collect();
        let first = self.first.map_or(0, |first| all.partition_point(|key| *key <= first));
        all.rotate_left(first);
        all
    }

    fn changes(&mut self) -> (Vec<TopicIdPartition>, Vec<TopicIdPartition>) {
        let changed = std::mem::take(&mut self.changed).into_iter().collect();
        (changed, std::mem::take(&mut self.forgotten).into_iter().collect())
    }

    fn ask(
        &mut self,
        key: &TopicIdPartition,
        terms: &FetchTerms,
    ) -> Option<(TopicIdPartition, FetchPartition)> {
        let entry = self.partitions.get_mut(key)?;
        assert!(entry.state == State::Ready, "session: one is asked for that is not ready");
        entry.asked = Some((entry.leader_epoch, entry.position));
        let Position { fetch_offset, last_fetched_epoch, log_start_offset } = entry.position;
        let asked = FetchPartition {
            partition: key.partition,
            current_leader_epoch: entry.leader_epoch,
            fetch_offset,
            last_fetched_epoch,
            log_start_offset,
            partition_max_bytes: terms.partition_max_bytes,
            ..FetchPartition::default()
        };
        Some((*key, asked))
    }

    /// No answer came, or none that can be read.
    pub fn unanswered(&mut self, now_ms: i64, round: u64, terms: &FetchTerms) -> Taken {
        if self.flight != Flight::Asked || self.round != round {
            return Taken::default();
        }
        self.flight = Flight::Idle;
        self.session_epoch = 0;
        self.rests_until_ms = now_ms.saturating_add(terms.backoff_ms);
        let news = (!std::mem::replace(&mut self.fails, true)).then_some(false);
        Taken { news, ..Taken::default() }
    }

    /// An answer came. Whoever takes it in says so ([`Fetcher::taking`], [`Fetcher::replicated`]).
    pub fn answered(
        &mut self,
        now_ms: i64,
        round: u64,
        response: FetchResponse,
        terms: &FetchTerms,
    ) -> Taken {
        if self.flight != Flight::Asked || self.round != round {
            return Taken::default();
        }
        let was_full = self.session_epoch == 0;
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {}
            ErrorCode::FetchSessionIdNotFound
            | ErrorCode::InvalidFetchSessionEpoch
            | ErrorCode::FetchSessionTopicIdError
                if !was_full =>
            {
                // The leader has forgotten it: all is asked for anew, at once.
                self.flight = Flight::Idle;
                (self.session_id, self.session_epoch) = (0, 0);
                return Taken::default();
            }
            _ => return self.unanswered(now_ms, round, terms),
        }
        self.flight = Flight::Idle;
        if was_full {
            self.session_id = response.session_id.max(0);
        }
        self.session_epoch = match (self.session_id, self.session_epoch) {
            (0, _) => 0,
            (_, i32::MAX) => 1,
            (_, epoch) => epoch + 1,
        };
        let news = std::mem::replace(&mut self.fails, false).then_some(true);
        let mut taken = Taken { news, ..Taken::default() };
        for topic in response.responses {
            for data in topic.partitions {
                let key = TopicIdPartition::new(topic.topic_id, data.partition_index);
                self.take(now_ms, key, data, terms, &mut taken);
            }
        }
        taken
    }

    fn take(
        &mut self,
        now_ms: i64,
        key: TopicIdPartition,
        data: PartitionData,
        terms: &FetchTerms,
        taken: &mut Taken,
    ) {
        let Some(entry) = self.partitions.get_mut(&key) else { return };
        // Of another epoch, or of where it fetched before: nobody asks for that any more.
        if entry.asked != Some((entry.leader_epoch, entry.position)) || entry.state != State::Ready {
            self.has_missed = true;
            return;
        }
        if data.error_code == ErrorCode::None.code() {
            entry.high_watermark = data.high_watermark;
        }
        let (cell, leader_epoch) = (Arc::clone(&entry.cell), entry.leader_epoch);
        let fetch_offset = entry.position.fetch_offset;
        let said = match ErrorCode::from_code(data.error_code) {
            ErrorCode::None if data.diverging_epoch.end_offset >= 0 => {
                // A replica that is cut first takes over nothing else.
                self.has_missed = true;
                let EpochEndOffset { epoch, end_offset } = data.diverging_epoch;
                LeaderSaid::Diverging { epoch, end_offset }
            }
            ErrorCode::None => LeaderSaid::Records {
                records: data.records.unwrap_or_default(),
                high_watermark: data.high_watermark,
                log_start_offset: data.log_start_offset,
            },
            ErrorCode::OffsetOutOfRange => {
                self.waits(&key);
                return taken.out_of_range.push((cell, leader_epoch, fetch_offset));
            }
            // It leads no longer, or not yet, or knows less or more than this node: an image on its way says what is.
            _ => return self.delay(&key, now_ms.saturating_add(terms.backoff_ms)),
        };
        if matches!(&said, LeaderSaid::Records { records, .. } if !records.is_empty()) {
            self.first = Some(key);
        }
        taken.fetched.push(Fetched { cell, leader_epoch, fetch_offset, said });
    }

    /// What came is given to so many shards.
    pub fn taking(&mut self, round: u64, shards: usize) {
        if self.round == round && shards > 0 {
            assert!(self.flight == Flight::Idle, "flight: two answers are taken in at once");
            self.flight = Flight::Taking(shards);
            #[cfg(test)]
            if crate::tests::planted::strikes(crate::tests::planted::Fault::TakenTwice) {
                self.taking(round, shards);
            }
        }
    }

    /// A shard has taken in what came for it in that round; 0 stands for what belongs to none.
    pub fn replicated(
        &mut self,
        now_ms: i64,
        round: u64,
        outcomes: &[(TopicIdPartition, i32, Outcome)],
        terms: &FetchTerms,
    ) {
        for (key, leader_epoch, outcome) in outcomes {
            self.has_missed |= matches!(outcome, Outcome::Missed(_) | Outcome::NotFollowed);
            let of_this = |entry: &&mut Entry| entry.leader_epoch == *leader_epoch;
            let Some(entry) = self.partitions.get_mut(key).filter(of_this) else { continue };
            match *outcome {
                Outcome::At(position) | Outcome::Missed(position) => {
                    let is_known = entry.asked == Some((entry.leader_epoch, position));
                    entry.position = position;
                    if entry.state != State::Ready || !is_known {
                        self.becomes_ready(key);
                    }
                }
                Outcome::Later => self.delay(key, now_ms.saturating_add(terms.backoff_ms)),
                Outcome::WhenFlushed => self.waits(key),
                Outcome::NotFollowed => drop(self.unfollow(key)),
            }
        }
        if let Flight::Taking(shards) = self.flight
            && self.round == round
        {
            self.flight = if shards > 1 { Flight::Taking(shards - 1) } else { Flight::Idle };
        }
    }

    fn becomes_ready(&mut self, key: &TopicIdPartition) {
        let Some(entry) = self.partitions.get_mut(key) else { return };
        if let State::Delayed(due_ms) = std::mem::replace(&mut entry.state, State::Ready) {
            self.delayed.remove(&(due_ms, *key));
        }
        self.forgotten.remove(key);
        self.changed.insert(*key);
    }

    fn delay(&mut self, key: &TopicIdPartition, due_ms: i64) {
        self.leaves_session(key);
        let Some(entry) = self.partitions.get_mut(key) else { return };
        if let State::Delayed(before_ms) = std::mem::replace(&mut entry.state, State::Delayed(due_ms)) {
            self.delayed.remove(&(before_ms, *key));
        }
        self.delayed.insert((due_ms, *key));
    }

    fn waits(&mut self, key: &TopicIdPartition) {
        self.leaves_session(key);
        let Some(entry) = self.partitions.get_mut(key) else { return };
        if let State::Delayed(due_ms) = std::mem::replace(&mut entry.state, State::Waits) {
            self.delayed.remove(&(due_ms, *key));
        }
    }

    /// The leader is told with the next fetch; without a session there is nothing to tell.
    fn leaves_session(&mut self, key: &TopicIdPartition) {
        self.changed.remove(key);
        if let Some(entry) = self.partitions.get_mut(key)
            && entry.asked.take().is_some()
            && self.session_epoch != 0
        {
            self.forgotten.insert(*key);
        }
    }
}

/// Neighbours of one topic share an entry.
fn by_topic(partitions: Vec<(TopicIdPartition, FetchPartition)>) -> Vec<FetchTopic> {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for (key, partition) in partitions {
        match topics.last_mut().filter(|topic| topic.topic_id == key.topic_id) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(FetchTopic {
                topic_id: key.topic_id,
                partitions: vec![partition],
                ..FetchTopic::default()
            }),
        }
    }
    topics
}

fn forgotten_by_topic(keys: &[TopicIdPartition]) -> Vec<ForgottenTopic> {
    let topic = |keys: &[TopicIdPartition]| ForgottenTopic {
        topic_id: keys.first().map(|key| key.topic_id).unwrap_or_default(),
        partitions: keys.iter().map(|key| key.partition).collect(),
        ..ForgottenTopic::default()
    };
    keys.chunk_by(|a, b| a.topic_id == b.topic_id).map(topic).collect()
}

#[cfg(test)]
mod tests;
