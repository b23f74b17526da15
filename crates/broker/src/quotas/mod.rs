//! Client quotas in force (KIP-13, 55, 124, 219, 546): who is held to what, how fast each is over all lanes, and how long a client is held back. Owns
//! the measurements; which quotas there are says the image, and muting a connection is the rim's business. Who has no quota costs one look at
//! a flag. What shares a quota shares one measurement under a small lock, which only those take who are held to it.

mod precedence;
mod rate;

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kraft::image::ClientQuotasImage;
use parking_lot::Mutex;

pub(crate) use precedence::{Kind, Who};
pub use rate::Windows;

use rate::Rate;

/// A percent of one thread's time, in nanoseconds a second.
const PERCENT_NS: f64 = 10_000_000.0;

/// Measurements that are kept before anybody looks whether some are over. Twice as many as are left then are kept before the next look.
const METERS_KEPT: usize = 1_024;

/// One measurement, and what it is held to.
pub(crate) struct Meter {
    windows: Windows,
    /// So much a second, as the bits of an `f64`.
    limit: AtomicU64,
    rate: Mutex<Rate>,
    /// What its clients were told to wait, milliseconds, and how often.
    throttled_ms: AtomicU64,
    throttles: AtomicU64,
}

impl Meter {
    fn new(windows: Windows, limit: f64) -> Meter {
        let limit = AtomicU64::new(limit.to_bits());
        let (throttled_ms, throttles) = (AtomicU64::new(0), AtomicU64::new(0));
        Meter { windows, limit, rate: Mutex::default(), throttled_ms, throttles }
    }

    fn limit(&self) -> f64 {
        f64::from_bits(self.limit.load(Ordering::Relaxed))
    }

    /// So much came; how long whoever sent it is held back, in milliseconds.
    pub fn record(&self, amount: i64, now_ms: i64) -> i64 {
        let excess_ms = {
            let mut rate = self.rate.lock();
            rate.record(self.windows, amount, now_ms);
            rate.excess_ms(self.windows, self.limit(), now_ms)
        };
        if excess_ms > 0 {
            self.throttled_ms.fetch_add(excess_ms.unsigned_abs(), Ordering::Relaxed);
            self.throttles.fetch_add(1, Ordering::Relaxed);
        }
        excess_ms
    }

    /// It did not come after all.
    pub fn take_back(&self, amount: i64, now_ms: i64) {
        self.rate.lock().record(self.windows, -amount, now_ms);
    }

    /// The most that may come at once without being too much, whatever came before.
    pub fn most(&self) -> f64 {
        self.limit() * (self.windows.span_ms() - self.windows.length_ms) as f64 / 1_000.0
    }

    /// How fast it is, a second.
    pub fn rate(&self, now_ms: i64) -> f64 {
        let (sum, window_ms) = self.rate.lock().measure(self.windows, now_ms);
        sum as f64 * 1_000.0 / window_ms as f64
    }
}

/// Addresses that come within the windows, each with a quota: a third of a kilobyte each. Whoever has more addresses than this is refused at
/// those that are new.
const ADDRESSES_KEPT: usize = 65_536;

/// What somebody has used of a quota, in its unit.
pub(crate) struct Measured {
    pub kind: Kind,
    pub who: Who,
    pub per_second: f64,
    /// What those who share it were told to wait, and how often.
    pub throttled_ms: u64,
    pub throttles: u64,
}

/// What one client is held to. Partitions made and deleted are measured by the active controller, whose answer says how long to wait: whoever
/// has such a quota alone has none of these.
pub(crate) struct Meters {
    /// Bytes of requests.
    pub produce: Option<Arc<Meter>>,
    /// Bytes of answers.
    pub fetch: Option<Arc<Meter>>,
    /// Nanoseconds in which threads worked.
    pub request: Option<Arc<Meter>>,
}

/// What a connection knows of its client's quotas.
#[derive(Default)]
pub(crate) struct Seat(Option<Box<Known>>);

struct Known {
    /// Of the quotas that it was looked up in.
    generation: u64,
    client_id: Box<[u8]>,
    meters: Option<Arc<Meters>>,
}

/// The quotas of a node.
pub(crate) struct Quotas {
    windows: Windows,
    /// Some user or client has a quota.
    is_on: AtomicBool,
    /// Some address has one.
    limits_addresses: AtomicBool,
    /// Counts changes: what a connection knows of an older one is looked up again.
    generation: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    image: ClientQuotasImage,
    meters: BTreeMap<(Kind, Who), Arc<Meter>>,
    /// So many are kept before the next look.
    kept: usize,
    /// How fast connections come, by address.
    addresses: BTreeMap<IpAddr, Rate>,
}

impl Quotas {
    /// Nobody is held to anything. `windows`: `quota.window.*`.
    pub fn new(windows: Windows) -> Quotas {
        Quotas {
            windows,
            is_on: AtomicBool::new(false),
            limits_addresses: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            state: Mutex::new(State { kept: METERS_KEPT, ..State::default() }),
        }
    }

    /// An image is published. What was measured stays, and is held to the new limits from now on.
    pub fn publish(&self, quotas: &ClientQuotasImage) {
        let mut state = self.state.lock();
        if state.image == *quotas {
            return;
        }
        state.image = quotas.clone();
        state.meters.retain(|(kind, who), meter| {
            let same = |(now, limit): (Who, f64)| (now == *who).then_some(limit);
            let limit = precedence::limit(quotas, *kind, &who.user, &who.client_id).and_then(same);
            if let Some(limit) = limit {
                meter.limit.store((limit * unit(*kind)).to_bits(), Ordering::Relaxed);
            }
            limit.is_some()
        });
        let of_address = |entity: &kraft::image::QuotaEntity| entity.contains_key("ip");
        self.limits_addresses.store(quotas.iter().any(|(entity, _)| of_address(entity)), Ordering::Relaxed);
        self.is_on.store(quotas.iter().any(|(entity, _)| !of_address(entity)), Ordering::Relaxed);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Whether anybody is held to anything: one look for every request.
    pub fn are_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// What a client of a user is held to, if anything. Looked up once for a connection that keeps its client id.
    pub fn of(&self, seat: &mut Seat, user: &str, client_id: &[u8], now_ms: i64) -> Option<Arc<Meters>> {
        let generation = self.generation.load(Ordering::Acquire);
        match &seat.0 {
            Some(known) if known.generation == generation && *known.client_id == *client_id => {
                known.meters.clone()
            }
            _ => {
                let meters = self.meters(user, &String::from_utf8_lossy(client_id), now_ms).map(Arc::new);
                let client_id = client_id.into();
                seat.0 = Some(Box::new(Known { generation, client_id, meters: meters.clone() }));
                meters
            }
        }
    }

    fn meters(&self, user: &str, client_id: &str, now_ms: i64) -> Option<Meters> {
        let state = &mut *self.state.lock();
        let mutates = precedence::limit(&state.image, Kind::Mutation, user, client_id).is_some();
        let mut of = |kind: Kind| {
            let (who, limit) = precedence::limit(&state.image, kind, user, client_id)?;
            if state.meters.len() >= state.kept {
                let windows = self.windows;
                // Client ids are the clients' to choose.
                state.meters.retain(|_, meter| {
                    Arc::strong_count(meter) > 1 || !meter.rate.lock().is_over(windows, now_ms)
                });
                state.kept = METERS_KEPT.max(2 * state.meters.len());
            }
            let fresh = || Arc::new(Meter::new(self.windows, limit * unit(kind)));
            Some(state.meters.entry((kind, who)).or_insert_with(fresh).clone())
        };
        let (produce, fetch, request) = (of(Kind::Produce), of(Kind::Fetch), of(Kind::Request));
        let is_any = produce.is_some() || fetch.is_some() || request.is_some() || mutates;
        is_any.then_some(Meters { produce, fetch, request })
    }

    /// Who shares how many mutations a second with a client of a user; `None` where nothing limits them.
    pub fn mutations(&self, user: &str, client_id: &str) -> Option<(Who, f64)> {
        if !self.are_on() {
            return None;
        }
        precedence::limit(&self.state.lock().image, Kind::Mutation, user, client_id)
    }

    /// Whether one more connection may come from an address. One that may not is not counted (KIP-612).
    pub fn admit(&self, address: IpAddr, now_ms: i64) -> bool {
        if !self.limits_addresses.load(Ordering::Relaxed) {
            return true;
        }
        let state = &mut *self.state.lock();
        let address = address.to_canonical();
        let Some(limit) = precedence::connection_rate(&state.image, address) else { return true };
        let windows = self.windows;
        if state.addresses.len() >= ADDRESSES_KEPT {
            state.addresses.retain(|_, rate| !rate.is_over(windows, now_ms));
            if state.addresses.len() >= ADDRESSES_KEPT && !state.addresses.contains_key(&address) {
                return false;
            }
        }
        let rate = state.addresses.entry(address).or_default();
        rate.record(windows, 1, now_ms);
        let is_too_fast = rate.excess_ms(windows, limit, now_ms) > 0;
        if is_too_fast {
            rate.record(windows, -1, now_ms);
        }
        !is_too_fast
    }

    /// `quota.window.size.seconds`: the longest time that somebody is held back for the time of threads.
    pub fn window_ms(&self) -> i64 {
        self.windows.length_ms
    }

    /// Everything that is measured here.
    pub fn measured(&self, now_ms: i64) -> Vec<Measured> {
        let state = self.state.lock();
        let one = |((kind, who), meter): (&(Kind, Who), &Arc<Meter>)| Measured {
            kind: *kind,
            who: who.clone(),
            per_second: meter.rate(now_ms) / unit(*kind),
            throttled_ms: meter.throttled_ms.load(Ordering::Relaxed),
            throttles: meter.throttles.load(Ordering::Relaxed),
        };
        state.meters.iter().map(one).collect()
    }
}

/// How much of what a meter counts is one of what its quota says.
fn unit(kind: Kind) -> f64 {
    match kind {
        Kind::Request => PERCENT_NS,
        Kind::Produce | Kind::Fetch | Kind::Mutation => 1.0,
    }
}

#[cfg(test)]
mod tests;
