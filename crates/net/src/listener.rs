//! A listening socket and the caps on who may connect.
//!
//! Owns binding (with address reuse, and an error that says what to try) and the counting of connections per process, per address and
//! per listener, and of new ones in a second (KIP-612). Never reads from a connection.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// Binds `addr` with SO_REUSEADDR; accepting never blocks.
pub fn bind(addr: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &addr)?;
    rustix::net::listen(&socket, i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(TcpListener::from(socket))
}

/// Caps on connections: of the process, of an address, of a listener.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// What the process can bear, whoever comes.
    pub most: usize,
    /// Connections by all listeners but those that are reserved.
    pub total: usize,
    /// Connections from one address.
    pub per_ip: usize,
    /// Addresses with a cap of their own.
    pub per_ip_overrides: BTreeMap<IpAddr, usize>,
    /// New connections in a second, by all listeners but those that are reserved.
    pub per_second: u32,
    /// Listeners that have limits of their own.
    pub of_listeners: BTreeMap<String, ListenerLimits>,
}

/// Caps on one listener's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Connections by it.
    pub connections: usize,
    /// New ones in a second.
    pub per_second: u32,
    /// Other nodes come by it: what clients fill leaves room here.
    pub is_reserved: bool,
}

/// A rate that nobody is held to.
pub const ANY_RATE: u32 = u32::MAX;

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            most: usize::MAX,
            total: usize::MAX,
            per_ip: usize::MAX,
            per_ip_overrides: BTreeMap::new(),
            per_second: ANY_RATE,
            of_listeners: BTreeMap::new(),
        }
    }
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self { connections: usize::MAX, per_second: ANY_RATE, is_reserved: false }
    }
}

impl ConnectionLimits {
    fn of(&self, listener: &str) -> ListenerLimits {
        self.of_listeners.get(listener).copied().unwrap_or_default()
    }
}

/// Why a connection was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The process has `max.connections`.
    TooMany,
    /// The address has `max.connections.per.ip`.
    TooManyFromAddress,
    /// The listener has `listener.name.LISTENER.max.connections`.
    TooManyByListener,
}

/// Counts live connections, and how fast they come.
#[derive(Debug, Default)]
pub struct Admission {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    limits: ConnectionLimits,
    all: usize,
    /// Without those by reserved listeners.
    total: usize,
    per_ip: BTreeMap<IpAddr, usize>,
    per_listener: BTreeMap<Arc<str>, usize>,
    pace: Pace,
    paces: BTreeMap<Arc<str>, Pace>,
}

/// A place among the connections; given back when dropped.
#[derive(Debug)]
pub struct Admitted {
    admission: Arc<Admission>,
    ip: IpAddr,
    listener: Arc<str>,
    /// It counts among all that are not reserved.
    is_counted: bool,
}

impl Admission {
    /// Other limits from now on.
    // DIVERGES: where more are connected than may be, Kafka closes those that were silent longest, and whoever comes to a full
    // node waits; here nobody is cut off in the middle of something, and whoever comes is refused until enough have left.
    pub fn limit(&self, limits: ConnectionLimits) {
        self.lock().limits = limits;
    }

    /// How long whoever waits at a listener waits still, in milliseconds; 0: the next one may come, and is counted as having come.
    pub fn pace_ms(&self, listener: &Arc<str>, now_ms: i64) -> i64 {
        let mut counts = self.lock();
        let own = counts.limits.of(listener);
        let all = if own.is_reserved { ANY_RATE } else { counts.limits.per_second };
        if own.per_second == ANY_RATE && all == ANY_RATE {
            return 0;
        }
        let counts = &mut *counts;
        let of_listener = counts.paces.entry(listener.clone()).or_default();
        let wait_ms = of_listener.wait_ms(own.per_second, now_ms).max(counts.pace.wait_ms(all, now_ms));
        if wait_ms == 0 {
            of_listener.take(own.per_second);
            counts.pace.take(all);
        }
        wait_ms
    }

    /// Takes a place for a connection from `ip` by a listener, or says why not.
    pub fn admit(self: &Arc<Self>, ip: IpAddr, listener: &Arc<str>) -> Result<Admitted, Refused> {
        let ip = ip.to_canonical();
        let mut counts = self.lock();
        let own = counts.limits.of(listener);
        if counts.all >= counts.limits.most || (!own.is_reserved && counts.total >= counts.limits.total) {
            return Err(Refused::TooMany);
        }
        if counts.per_listener.get(listener).copied().unwrap_or(0) >= own.connections {
            return Err(Refused::TooManyByListener);
        }
        let cap = counts.limits.per_ip_overrides.get(&ip).copied().unwrap_or(counts.limits.per_ip);
        let from_here = counts.per_ip.entry(ip).or_default();
        if *from_here >= cap {
            if *from_here == 0 {
                counts.per_ip.remove(&ip);
            }
            return Err(Refused::TooManyFromAddress);
        }
        *from_here += 1;
        *counts.per_listener.entry(listener.clone()).or_default() += 1;
        counts.all += 1;
        counts.total += usize::from(!own.is_reserved);
        let (admission, listener) = (self.clone(), listener.clone());
        Ok(Admitted { admission, ip, listener, is_counted: !own.is_reserved })
    }

    /// Live connections by listener.
    pub fn by_listener(&self) -> Vec<(String, usize)> {
        let counts = self.lock();
        let idle = counts.limits.of_listeners.keys().map(|name| (name.clone(), 0));
        let live = counts.per_listener.iter().map(|(name, count)| (name.to_string(), *count));
        idle.chain(live).collect::<BTreeMap<_, _>>().into_iter().collect()
    }

    /// Live connections.
    pub fn connections(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.lock();
        assert!(counts.all > 0 && (counts.total > 0 || !self.is_counted), "admission: more leave than came");
        counts.all -= 1;
        counts.total -= usize::from(self.is_counted);
        leave(&mut counts.per_ip, &self.ip);
        leave(&mut counts.per_listener, &self.listener);
    }
}

/// One fewer of them; nobody is not kept.
fn leave<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// How many may come, by a bucket that fills at the rate and holds one second's worth.
#[derive(Debug)]
struct Pace {
    /// Thousandths of connections.
    bucket: i64,
    filled_ms: i64,
}

/// One connection.
const ONE: i64 = 1_000;

impl Default for Pace {
    fn default() -> Self {
        // Full at its first use.
        Self { bucket: i64::MAX, filled_ms: i64::MIN }
    }
}

impl Pace {
    fn wait_ms(&mut self, per_second: u32, now_ms: i64) -> i64 {
        if per_second == ANY_RATE {
            return 0;
        }
        // A connection a second is a thousandth in a millisecond. A rate of none lets nobody in; it is looked at again all the same.
        let rate = i64::from(per_second);
        let grown = now_ms.saturating_sub(self.filled_ms).max(0).saturating_mul(rate);
        self.bucket = self.bucket.saturating_add(grown).min(rate.saturating_mul(ONE));
        self.filled_ms = self.filled_ms.max(now_ms);
        let missing = ONE - self.bucket;
        if missing <= 0 { 0 } else { (missing + rate - 1) / rate.max(1) }
    }

    fn take(&mut self, per_second: u32) {
        if per_second != ANY_RATE {
            self.bucket -= ONE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients() -> Arc<str> {
        Arc::from("CLIENTS")
    }

    #[test]
    fn caps_hold_per_process_and_per_address_and_places_come_back() {
        let a: IpAddr = [10, 0, 0, 1].into();
        let b: IpAddr = [10, 0, 0, 2].into();
        let overrides = BTreeMap::from([(b, 0)]);
        let limits = ConnectionLimits {
            total: 3,
            per_ip: 2,
            per_ip_overrides: overrides,
            ..ConnectionLimits::default()
        };
        let admission = Arc::new(Admission::default());
        admission.limit(limits);
        let first = admission.admit(a, &clients()).unwrap();
        let _second = admission.admit(a, &clients()).unwrap();
        assert_eq!(admission.admit(a, &clients()).unwrap_err(), Refused::TooManyFromAddress);
        assert_eq!(admission.admit(b, &clients()).unwrap_err(), Refused::TooManyFromAddress);
        let _third = admission.admit([10, 0, 0, 3].into(), &clients()).unwrap();
        assert_eq!(admission.admit([10, 0, 0, 4].into(), &clients()).unwrap_err(), Refused::TooMany);
        drop(first);
        assert_eq!(admission.connections(), 2);
        assert!(admission.admit(a, &clients()).is_ok());
    }

    #[test]
    fn a_limit_below_the_present_count_refuses_until_enough_have_left_and_a_wider_one_at_once() {
        let a: IpAddr = [10, 0, 0, 1].into();
        let admission = Arc::new(Admission::default());
        let mut places: Vec<Admitted> = (0..3).map(|_| admission.admit(a, &clients()).unwrap()).collect();
        admission.limit(ConnectionLimits { per_ip: 2, ..ConnectionLimits::default() });
        assert_eq!(
            (admission.admit(a, &clients()).unwrap_err(), admission.connections()),
            (Refused::TooManyFromAddress, 3)
        );
        places.truncate(1);
        places.push(admission.admit(a, &clients()).unwrap());
        assert_eq!(admission.admit(a, &clients()).unwrap_err(), Refused::TooManyFromAddress);
        admission.limit(ConnectionLimits { total: 2, ..ConnectionLimits::default() });
        assert_eq!(admission.admit(a, &clients()).unwrap_err(), Refused::TooMany);
        admission.limit(ConnectionLimits::default());
        assert!(admission.admit(a, &clients()).is_ok());
    }

    #[test]
    fn a_taken_port_is_an_error_and_a_freed_one_is_not() {
        let first = bind(([127, 0, 0, 1], 0).into(), 16).unwrap();
        let addr = first.local_addr().unwrap();
        assert_eq!(bind(addr, 16).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        bind(addr, 16).unwrap();
    }

    #[test]
    fn a_listener_has_its_own_cap_and_what_clients_fill_leaves_room_for_nodes() {
        let a: IpAddr = [10, 0, 0, 1].into();
        let nodes: Arc<str> = Arc::from("NODES");
        let few = ListenerLimits { connections: 1, ..ListenerLimits::default() };
        let reserved = ListenerLimits { is_reserved: true, ..ListenerLimits::default() };
        let of_listeners = BTreeMap::from([("FEW".to_owned(), few), ("NODES".to_owned(), reserved)]);
        let admission = Arc::new(Admission::default());
        admission.limit(ConnectionLimits { most: 4, total: 2, of_listeners, ..ConnectionLimits::default() });
        let few: Arc<str> = Arc::from("FEW");
        let _one = admission.admit(a, &few).unwrap();
        assert_eq!(admission.admit(a, &few).unwrap_err(), Refused::TooManyByListener);
        let second = admission.admit(a, &clients()).unwrap();
        assert_eq!(admission.admit(a, &clients()).unwrap_err(), Refused::TooMany);
        let _nodes = [admission.admit(a, &nodes).unwrap(), admission.admit(a, &nodes).unwrap()];
        assert_eq!(admission.admit(a, &nodes).unwrap_err(), Refused::TooMany, "there is room for no more");
        drop(second);
        assert!(admission.admit(a, &clients()).is_ok());
    }

    #[test]
    fn those_who_come_faster_than_they_may_wait() {
        let admission = Admission::default();
        assert_eq!(admission.pace_ms(&clients(), 0), 0);
        let slow = ListenerLimits { per_second: 2, ..ListenerLimits::default() };
        let nodes: Arc<str> = Arc::from("NODES");
        let reserved = ListenerLimits { is_reserved: true, ..ListenerLimits::default() };
        let of_listeners = BTreeMap::from([("SLOW".to_owned(), slow), ("NODES".to_owned(), reserved)]);
        admission.limit(ConnectionLimits { per_second: 4, of_listeners, ..ConnectionLimits::default() });
        let slow: Arc<str> = Arc::from("SLOW");
        let come = |listener: &Arc<str>, now_ms| admission.pace_ms(listener, now_ms);
        assert_eq!([come(&slow, 1_000), come(&slow, 1_000), come(&slow, 1_000)], [0, 0, 500]);
        assert_eq!([come(&slow, 1_499), come(&slow, 1_500), come(&slow, 1_500)], [1, 0, 500]);
        // All together have had three of four, and one has come back since.
        assert_eq!([come(&clients(), 1_500), come(&clients(), 1_500), come(&clients(), 1_500)], [0, 0, 0]);
        assert_eq!(come(&clients(), 1_500), 250);
        assert_eq!(come(&nodes, 1_500), 0);
        // A day's silence saves up no more than a second's worth; and a clock that stands still does no harm.
        let day = 86_400_000;
        assert_eq!((0..5).map(|_| come(&clients(), day)).filter(|wait| *wait == 0).count(), 4);
        assert_eq!(come(&clients(), 0), 250);
    }
}
