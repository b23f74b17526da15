//! Requests as one lane has answered them: how many of each API and version, how long they took, how long the lane had nothing to do.
//! The lane is the only writer; times are split as Kafka splits them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use wire::ApiKey;

use super::histogram::{Distribution, Histogram, add};

/// Keys of APIs lie below it.
const API_KEYS: usize = 128;
/// The place of fetches by followers; those of consumers have the place of the key.
const FETCH_OF_FOLLOWERS: usize = API_KEYS;
/// What is no request of the protocol has no place.
const PLACES: usize = API_KEYS + 1;

/// Versions are counted one by one below it.
const VERSIONS: usize = 32;

/// A request that was answered, before anybody has looked at the clock.
#[derive(Clone, Copy, Debug)]
pub struct Finished {
    /// Which kind it was.
    pub kind: RequestKind,
    /// When the lane heard of it, microseconds of the node's own time.
    pub arrived_us: i64,
    /// When its handling began.
    pub begun_us: i64,
    /// When the lane was woken to end it; the same where it did not wait.
    pub resumed_us: i64,
}

/// API and version of a request, as the first bytes of its frame have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestKind {
    place: u16,
    version: u16,
}

impl RequestKind {
    /// Of a frame without its length prefix.
    pub fn of(frame: &[u8]) -> RequestKind {
        match frame {
            [key_high, key_low, version_high, version_low, ..] => RequestKind {
                place: u16::from_be_bytes([*key_high, *key_low]),
                version: u16::from_be_bytes([*version_high, *version_low]),
            },
            _ => RequestKind { place: u16::MAX, version: 0 },
        }
    }

    /// It was a replica's fetch.
    pub fn by_follower(self) -> RequestKind {
        RequestKind { place: FETCH_OF_FOLLOWERS as u16, ..self }
    }
}

/// The parts of a request's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Total,
    /// Until its turn came among those of its connection.
    RequestQueue,
    /// While the node worked on it.
    Local,
    /// While it waited for records, for replicas, for a disk, or for other nodes.
    Remote,
}

impl Part {
    /// In the order of the figures.
    pub const ALL: [Part; 4] = [Part::Total, Part::RequestQueue, Part::Local, Part::Remote];
}

struct OfApi {
    versions: [AtomicU64; VERSIONS],
    times: [Histogram; Part::ALL.len()],
}

impl Default for OfApi {
    fn default() -> OfApi {
        OfApi { versions: [const { AtomicU64::new(0) }; VERSIONS], times: Default::default() }
    }
}

/// What one lane has measured.
pub struct RequestFigures {
    /// By key; made when the first of them comes.
    by_api: Box<[OnceLock<Box<OfApi>>]>,
    idle_us: AtomicU64,
    busy_us: AtomicU64,
}

impl Default for RequestFigures {
    fn default() -> RequestFigures {
        RequestFigures {
            by_api: (0..PLACES).map(|_| OnceLock::new()).collect(),
            idle_us: AtomicU64::new(0),
            busy_us: AtomicU64::new(0),
        }
    }
}

impl RequestFigures {
    /// A request was answered. `ended_us`: when, where somebody has looked at the clock.
    pub fn finished(&self, one: &Finished, ended_us: Option<i64>) {
        let Some(place) = self.by_api.get(usize::from(one.kind.place)) else { return };
        let api = place.get_or_init(Box::default);
        if let Some(version) = api.versions.get(usize::from(one.kind.version)) {
            add(version, 1);
        }
        let Some(ended_us) = ended_us else { return };
        let span = |from: i64, to: i64| u64::try_from(to - from).unwrap_or(0);
        let spans = [
            span(one.arrived_us, ended_us),
            span(one.arrived_us, one.begun_us),
            span(one.resumed_us, ended_us),
            span(one.begun_us, one.resumed_us),
        ];
        for (histogram, span) in api.times.iter().zip(spans) {
            histogram.record(span);
        }
    }

    /// A round was measured: so long the lane worked, so long it waited for the kernel after that.
    pub fn measured(&self, busy_us: i64, idle_us: i64) {
        add(&self.busy_us, busy_us.max(0).unsigned_abs());
        add(&self.idle_us, idle_us.max(0).unsigned_abs());
    }
}

/// All requests of one name.
#[derive(Clone, Default)]
pub(crate) struct ApiTimes {
    /// How many, by version; versions without any are left out.
    pub versions: Vec<(usize, u64)>,
    /// In the order of [`Part::ALL`].
    pub times: [Distribution; Part::ALL.len()],
}

impl ApiTimes {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.versions.iter().map(|(_, count)| count).sum()
    }

    fn merge(&mut self, other: &ApiTimes) {
        for (version, count) in &other.versions {
            match self.versions.iter_mut().find(|(known, _)| known == version) {
                Some((_, sum)) => *sum += count,
                None => self.versions.push((*version, *count)),
            }
        }
        self.times.iter_mut().zip(&other.times).for_each(|(all, more)| all.merge(more));
    }
}

/// What all lanes have measured so far.
#[derive(Clone, Default)]
pub(crate) struct RequestTotals {
    /// By Kafka's name: `FetchConsumer` and `FetchFollower` beside `Fetch`.
    pub apis: Vec<(String, ApiTimes)>,
    pub idle_us: u64,
    pub busy_us: u64,
}

impl RequestTotals {
    /// Adds up what the lanes have.
    pub fn of(lanes: &[std::sync::Arc<RequestFigures>]) -> RequestTotals {
        let sum = |of: fn(&RequestFigures) -> &AtomicU64| {
            lanes.iter().map(|lane| of(lane).load(Ordering::Relaxed)).sum()
        };
        let mut totals = RequestTotals {
            apis: Vec::new(),
            idle_us: sum(|lane| &lane.idle_us),
            busy_us: sum(|lane| &lane.busy_us),
        };
        let mut fetches = ApiTimes::default();
        for place in 0..PLACES {
            let Some(name) = name_of(place) else { continue };
            let mut all = ApiTimes::default();
            for api in lanes.iter().filter_map(|lane| lane.by_api.get(place)?.get()) {
                all.merge(&ApiTimes::of(api));
            }
            if all.count() == 0 {
                continue;
            }
            if matches!(name.as_str(), "FetchConsumer" | "FetchFollower") {
                fetches.merge(&all);
            }
            totals.apis.push((name, all));
        }
        if fetches.count() > 0 {
            totals.apis.push(("Fetch".to_owned(), fetches));
        }
        totals
    }

    /// What has come since `older` was taken.
    pub fn since(&self, older: &RequestTotals) -> RequestTotals {
        let since = |(name, now): &(String, ApiTimes)| match older.api(name) {
            None => (name.clone(), now.clone()),
            Some(then) => {
                let both = now.times.iter().zip(&then.times);
                let mut times = ApiTimes { versions: now.versions.clone(), ..ApiTimes::default() };
                times.times.iter_mut().zip(both).for_each(|(one, (now, then))| *one = now.since(then));
                (name.clone(), times)
            }
        };
        RequestTotals {
            apis: self.apis.iter().map(since).collect(),
            idle_us: self.idle_us.saturating_sub(older.idle_us),
            busy_us: self.busy_us.saturating_sub(older.busy_us),
        }
    }

    /// The share of measured time in which lanes waited; `None` before any was measured.
    pub fn idle_share(&self) -> Option<f64> {
        let all = self.idle_us + self.busy_us;
        (all > 0).then(|| self.idle_us as f64 / all as f64)
    }

    /// Those of a name.
    pub fn api(&self, name: &str) -> Option<&ApiTimes> {
        self.apis.iter().find(|(known, _)| known == name).map(|(_, times)| times)
    }
}

impl ApiTimes {
    fn of(api: &OfApi) -> ApiTimes {
        let counts = api.versions.iter().map(|counter| counter.load(Ordering::Relaxed)).enumerate();
        let mut times =
            ApiTimes { versions: counts.filter(|(_, count)| *count > 0).collect(), ..Self::default() };
        for (histogram, all) in api.times.iter().zip(&mut times.times) {
            histogram.add_to(all);
        }
        times
    }
}

fn name_of(place: usize) -> Option<String> {
    if place == FETCH_OF_FOLLOWERS {
        return Some("FetchFollower".to_owned());
    }
    let key = ApiKey::from_i16(i16::try_from(place).ok()?)?;
    Some(if key == ApiKey::Fetch { "FetchConsumer".to_owned() } else { key.name().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn finished(frame: [u8; 4]) -> Finished {
        let kind = RequestKind::of(&frame);
        Finished { kind, arrived_us: 1_000, begun_us: 1_100, resumed_us: 1_500 }
    }

    #[test]
    fn requests_are_counted_by_name_and_version_and_their_time_is_split() {
        let lanes = [Arc::new(RequestFigures::default()), Arc::new(RequestFigures::default())];
        let produce = finished([0, 0, 0, 9]);
        lanes[0].finished(&produce, Some(1_700));
        lanes[1].finished(&produce, None);
        lanes[1].finished(&finished([0, 1, 0, 17]), Some(1_700));
        let follower = finished([0, 1, 0, 17]);
        lanes[1].finished(&Finished { kind: follower.kind.by_follower(), ..follower }, Some(1_700));
        // Neither a key nor a version that there is.
        lanes[0].finished(&finished([0x7f, 0, 0, 0]), Some(1_700));
        lanes[0].finished(&finished([0, 3, 0x7f, 0]), Some(1_700));
        let totals = RequestTotals::of(&lanes);
        let produces = totals.api("Produce").expect("counted");
        assert_eq!(produces.versions, [(9, 2)]);
        assert_eq!(produces.times.each_ref().map(|time| time.sum_us), [700, 100, 200, 400]);
        let count = |name| totals.api(name).map_or(0, ApiTimes::count);
        assert_eq!([count("Fetch"), count("FetchConsumer"), count("FetchFollower")], [2, 1, 1]);
        assert_eq!(totals.apis.len(), 4);
    }

    #[test]
    fn what_is_too_short_for_a_request_has_no_place() {
        assert_eq!(RequestKind::of(&[0, 3]).place, u16::MAX);
    }
}
