//! A listening socket and the caps on who may connect.
//!
//! Owns binding (with address reuse, and an error that says what to try) and the counting of connections per
//! process and per address. Never reads from a connection.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

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

/// `max.connections`, `max.connections.per.ip` and its overrides.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// Connections of the whole process.
    pub total: usize,
    /// Connections from one address.
    pub per_ip: usize,
    /// Addresses with a cap of their own.
    pub per_ip_overrides: BTreeMap<IpAddr, usize>,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { total: usize::MAX, per_ip: usize::MAX, per_ip_overrides: BTreeMap::new() }
    }
}

/// Why a connection was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The process has `max.connections`.
    TooMany,
    /// The address has `max.connections.per.ip`.
    TooManyFromAddress,
}

/// Counts live connections.
#[derive(Debug, Default)]
pub struct Admission {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    limits: ConnectionLimits,
    total: usize,
    per_ip: BTreeMap<IpAddr, usize>,
}

/// A place among the connections; given back when dropped.
#[derive(Debug)]
pub struct Admitted {
    admission: Arc<Admission>,
    ip: IpAddr,
}

impl Admission {
    /// Other limits from now on.
    // DIVERGES: where more are connected than may be, Kafka closes those that were silent longest, and whoever comes to a full
    // node waits; here nobody is cut off in the middle of something, and whoever comes is refused until enough have left.
    pub fn limit(&self, limits: ConnectionLimits) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).limits = limits;
    }

    /// Takes a place for a connection from `ip`, or says why not.
    pub fn admit(self: &Arc<Self>, ip: IpAddr) -> Result<Admitted, Refused> {
        let ip = ip.to_canonical();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.total >= counts.limits.total {
            return Err(Refused::TooMany);
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
        counts.total += 1;
        Ok(Admitted { admission: self.clone(), ip })
    }

    /// Live connections.
    pub fn connections(&self) -> usize {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(counts.total > 0, "admission: more leave than came");
        counts.total -= 1;
        if let Some(n) = counts.per_ip.get_mut(&self.ip) {
            *n -= 1;
            if *n == 0 {
                counts.per_ip.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_hold_per_process_and_per_address_and_places_come_back() {
        let a: IpAddr = [10, 0, 0, 1].into();
        let b: IpAddr = [10, 0, 0, 2].into();
        let limits = ConnectionLimits { total: 3, per_ip: 2, per_ip_overrides: BTreeMap::from([(b, 0)]) };
        let admission = Arc::new(Admission::default());
        admission.limit(limits);
        let first = admission.admit(a).unwrap();
        let _second = admission.admit(a).unwrap();
        assert_eq!(admission.admit(a).unwrap_err(), Refused::TooManyFromAddress);
        assert_eq!(admission.admit(b).unwrap_err(), Refused::TooManyFromAddress);
        let _third = admission.admit([10, 0, 0, 3].into()).unwrap();
        assert_eq!(admission.admit([10, 0, 0, 4].into()).unwrap_err(), Refused::TooMany);
        drop(first);
        assert_eq!(admission.connections(), 2);
        assert!(admission.admit(a).is_ok());
    }

    #[test]
    fn a_limit_below_the_present_count_refuses_until_enough_have_left_and_a_wider_one_at_once() {
        let a: IpAddr = [10, 0, 0, 1].into();
        let admission = Arc::new(Admission::default());
        let mut places: Vec<Admitted> = (0..3).map(|_| admission.admit(a).unwrap()).collect();
        admission.limit(ConnectionLimits { per_ip: 2, ..ConnectionLimits::default() });
        assert_eq!(
            (admission.admit(a).unwrap_err(), admission.connections()),
            (Refused::TooManyFromAddress, 3)
        );
        places.truncate(1);
        places.push(admission.admit(a).unwrap());
        assert_eq!(admission.admit(a).unwrap_err(), Refused::TooManyFromAddress);
        admission.limit(ConnectionLimits { total: 2, ..ConnectionLimits::default() });
        assert_eq!(admission.admit(a).unwrap_err(), Refused::TooMany);
        admission.limit(ConnectionLimits::default());
        assert!(admission.admit(a).is_ok());
    }

    #[test]
    fn a_taken_port_is_an_error_and_a_freed_one_is_not() {
        let first = bind(([127, 0, 0, 1], 0).into(), 16).unwrap();
        let addr = first.local_addr().unwrap();
        assert_eq!(bind(addr, 16).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        bind(addr, 16).unwrap();
    }
}
