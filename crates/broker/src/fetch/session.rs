//! Incremental fetch sessions (KIP-227, with topic ids KIP-516). Owned by the connection that goes on with them; `session_cache.rs` knows
//! which that is. Pure bookkeeping: which partitions a fetch is about, and which of the answers the client has to see.

use std::collections::BTreeMap;

use smallvec::SmallVec;
use wire::fetch::ForgottenView;
use wire::hash::StableMap;
use wire::planted::{self, Bug};
use wire::{ErrorCode, Str, Uuid};

use crate::limits::{FETCH_SESSIONS_PER_CONNECTION, PARTITIONS_PER_FETCH_SESSION};

/// One partition that a fetch is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    /// Versions that name topics by id leave it empty; it is filled in once the id was known. A session remembers it: of a topic that is
    /// no more Kafka answers by its name. Never a slice of the request's buffer, which must not live as long as a session.
    pub topic: Str,
    /// Zero for versions that name topics by name.
    pub topic_id: Uuid,
    pub partition: i32,
    pub fetch_offset: i64,
    /// -1: the client does not say.
    pub current_leader_epoch: i32,
    /// -1: the client does not say (KIP-595 divergence, v12).
    pub last_fetched_epoch: i32,
    /// Where a follower's log begins; -1 for consumers.
    pub log_start_offset: i64,
    pub max_bytes: i32,
    /// Where its session keeps it; 0 outside of one.
    pub place: u64,
}

/// What most fetches are about is one partition.
pub(crate) type WantedList = SmallVec<[Wanted; 1]>;

/// A partition within a session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Id(Uuid, i32),
    Name(Str, i32),
}

impl Wanted {
    fn key(&self) -> Key {
        Key::of(&self.topic, self.topic_id, self.partition)
    }
}

impl Key {
    fn of(topic: &Str, topic_id: Uuid, partition: i32) -> Key {
        if topic_id.is_zero() { Key::Name(topic.clone(), partition) } else { Key::Id(topic_id, partition) }
    }
}

/// What a request says of its session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FetchAsked {
    pub session_id: i32,
    /// 0 begins a session, -1 wants none, anything else goes on with one.
    pub epoch: i32,
    /// Version 13 or later.
    pub uses_topic_ids: bool,
}

/// What the fetch is about.
#[derive(Debug, PartialEq)]
pub(crate) enum Plan {
    /// The session is not as the client thinks: nothing but this error is answered.
    Refused(ErrorCode),
    /// The session is not this connection's: it may be another's.
    Elsewhere(WantedList),
    /// As it stands in the request; no session results.
    Sessionless(WantedList),
    /// As it stands in the request; a session may result.
    Full(WantedList),
    /// Everything the session knows.
    Incremental { session_id: i32, wanted: WantedList },
}

/// What an answer for a partition looks like, as far as sessions care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered {
    pub has_records: bool,
    pub high_watermark: i64,
    pub log_start_offset: i64,
    pub is_error: bool,
    /// A diverging epoch or a preferred replica: told whatever else stands still.
    pub must_tell: bool,
}

impl Answered {
    /// After an error the high watermark counts as untold, so that the partition comes again when the error is gone; so it does after a
    /// divergence, of which a follower takes only where to cut (Kafka's leaders count it as told, and followers stay behind).
    fn told_high_watermark(&self) -> i64 {
        if self.is_error || self.must_tell { -1 } else { self.high_watermark }
    }
}

/// The sessions of one connection.
#[derive(Debug, Default)]
pub(crate) struct FetchSessions {
    sessions: Vec<Session>,
}

/// What a client is fetching, and what it was told of it.
#[derive(Debug)]
pub(crate) struct Session {
    id: i32,
    /// What the next request has to say.
    epoch: i32,
    uses_topic_ids: bool,
    /// In the order in which they are served: who got records goes to the back, so that none starves.
    order: BTreeMap<u64, Cached>,
    places: StableMap<Key, u64>,
    last_place: u64,
}

#[derive(Debug)]
struct Cached {
    wanted: Wanted,
    /// As last told; -1 makes sure that it is told again.
    high_watermark: i64,
    log_start_offset: i64,
}

const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;

fn next_epoch(epoch: i32) -> i32 {
    match epoch {
        FINAL_EPOCH => FINAL_EPOCH,
        i32::MAX => 1,
        epoch => epoch + 1,
    }
}

impl FetchSessions {
    /// What a request is about.
    pub fn plan(&mut self, asked: FetchAsked, wanted: WantedList, forgotten: &[ForgottenView<'_>]) -> Plan {
        let found =
            self.sessions.iter().position(|session| session.id == asked.session_id && session.id != 0);
        if asked.epoch == INITIAL_EPOCH || asked.epoch == FINAL_EPOCH {
            // A full request closes the session that it names.
            if let Some(at) = found {
                self.sessions.remove(at);
            }
            return if asked.epoch == FINAL_EPOCH { Plan::Sessionless(wanted) } else { Plan::Full(wanted) };
        }
        let Some((at, session)) = found.and_then(|at| Some((at, self.sessions.get_mut(at)?))) else {
            return Plan::Elsewhere(wanted);
        };
        if session.epoch != asked.epoch {
            return Plan::Refused(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.uses_topic_ids != asked.uses_topic_ids {
            return Plan::Refused(ErrorCode::FetchSessionTopicIdError);
        }
        session.update(&wanted, forgotten);
        if session.order.is_empty() {
            self.sessions.remove(at);
            return Plan::Sessionless(wanted);
        }
        session.epoch = next_epoch(session.epoch);
        if planted::has(Bug::LosesFromSession) && session.order.len() > 1 {
            session.order.pop_last();
        }
        let wanted = session.order.values().map(|cached| cached.wanted.clone()).collect();
        Plan::Incremental { session_id: session.id, wanted }
    }

    /// After a full fetch of few enough partitions: remembers it under `new_id`. Answers the session that gave way to it.
    pub fn begin(
        &mut self,
        new_id: i32,
        uses_topic_ids: bool,
        partitions: impl Iterator<Item = (Wanted, Answered)>,
    ) -> Option<Session> {
        let mut session = Session {
            id: new_id,
            epoch: next_epoch(INITIAL_EPOCH),
            uses_topic_ids,
            order: BTreeMap::new(),
            places: StableMap::default(),
            last_place: 0,
        };
        for (wanted, answered) in partitions {
            session.add(Cached {
                wanted,
                high_watermark: answered.told_high_watermark(),
                log_start_offset: answered.log_start_offset,
            });
        }
        self.adopt(session)
    }

    /// Goes on with a session that another connection began. Answers the one that gave way to it.
    pub fn adopt(&mut self, session: Session) -> Option<Session> {
        let is_full = self.sessions.len() >= FETCH_SESSIONS_PER_CONNECTION;
        let gone = is_full.then(|| self.sessions.remove(0));
        self.sessions.push(session);
        gone
    }

    /// The session ends here.
    pub fn remove(&mut self, id: i32) -> Option<Session> {
        let at = self.sessions.iter().position(|session| session.id == id)?;
        Some(self.sessions.remove(at))
    }

    pub fn into_all(self) -> Vec<Session> {
        self.sessions
    }

    /// After an incremental fetch: calls `tells` with those answers of which the client has to be told. The plan's partitions, or
    /// some of them, in its order.
    pub fn tell<'a, D>(
        &mut self,
        session_id: i32,
        answers: impl Iterator<Item = (&'a Wanted, D)>,
        answered: impl Fn(&D) -> Answered,
        mut tells: impl FnMut(&'a Wanted, D),
    ) {
        match self.sessions.iter_mut().find(|session| session.id == session_id) {
            Some(session) => session.tell(answers, answered, tells),
            None => answers.for_each(|(wanted, answer)| tells(wanted, answer)),
        }
    }

    #[cfg(test)]
    fn epoch(&self, session_id: i32) -> Option<i32> {
        self.sessions.iter().find(|session| session.id == session_id).map(|session| session.epoch)
    }
}

impl Session {
    pub fn id(&self) -> i32 {
        self.id
    }

    /// How many it remembers.
    pub fn partitions(&self) -> usize {
        self.order.len()
    }

    fn add(&mut self, cached: Cached) {
        let key = cached.wanted.key();
        match self.places.get(&key) {
            // Named twice in one request: the later one counts, in the earlier one's place.
            Some(&place) => self.put(place, cached),
            None => self.put_last(key, cached),
        }
    }

    fn put_last(&mut self, key: Key, cached: Cached) {
        self.last_place += 1;
        self.places.insert(key, self.last_place);
        self.put(self.last_place, cached);
    }

    fn put(&mut self, place: u64, mut cached: Cached) {
        cached.wanted.place = place;
        self.order.insert(place, cached);
    }

    fn update(&mut self, wanted: &[Wanted], forgotten: &[ForgottenView<'_>]) {
        for wanted in wanted {
            let place = self.places.get(&wanted.key()).copied();
            let full = self.order.len() >= PARTITIONS_PER_FETCH_SESSION;
            match place.and_then(|place| self.order.get_mut(&place)) {
                Some(cached) => {
                    let topic = cached.wanted.topic.clone();
                    cached.wanted = Wanted { topic, place: cached.wanted.place, ..wanted.clone() };
                }
                None if !full => {
                    self.add(Cached { wanted: wanted.clone(), high_watermark: -1, log_start_offset: -1 })
                }
                None => {}
            }
        }
        for forgotten in forgotten {
            let key = Key::of(&Str::from(forgotten.topic), forgotten.topic_id, forgotten.partition);
            if let Some(place) = self.places.remove(&key) {
                self.order.remove(&place);
            }
        }
    }

    /// Both are in the order of service: one walk, no look-ups.
    fn tell<'a, D>(
        &mut self,
        answers: impl Iterator<Item = (&'a Wanted, D)>,
        answered: impl Fn(&D) -> Answered,
        mut tells: impl FnMut(&'a Wanted, D),
    ) {
        let mut served: Vec<u64> = Vec::new();
        let mut walk = self.order.iter_mut();
        for (wanted, answer) in answers {
            let answered = answered(&answer);
            let cached =
                walk.by_ref().map(|(_, cached)| cached).find(|cached| cached.wanted.place == wanted.place);
            if answered.has_records {
                served.push(wanted.place);
            }
            if cached.is_none_or(|cached| cached.tells(wanted, answered)) {
                tells(wanted, answer);
            }
        }
        for place in served {
            if let Some(cached) = self.order.remove(&place) {
                self.put_last(cached.wanted.key(), cached);
            }
        }
    }
}

impl Cached {
    fn tells(&mut self, wanted: &Wanted, answered: Answered) -> bool {
        if self.wanted.topic.is_empty() {
            self.wanted.topic = wanted.topic.clone();
        }
        let tells = answered.has_records
            || answered.is_error
            || answered.must_tell
            || self.high_watermark != answered.high_watermark
            || self.log_start_offset != answered.log_start_offset;
        self.log_start_offset = answered.log_start_offset;
        self.high_watermark = answered.told_high_watermark();
        tells
    }
}

#[cfg(test)]
mod tests;
