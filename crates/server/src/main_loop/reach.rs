//! Whether anybody listens where the configuration says: members of the quorum while this node waits for one of them (a wrong address would
//! otherwise look like a node that is not started yet), and this node itself where it tells clients that it is. Connects and hangs up,
//! on threads of its own; never says a word of the protocol, and keeps nobody waiting.

use std::collections::BTreeMap;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// How long a connection may take: members of a quorum are near each other.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// Between two rounds; the first begins after one, since most waits are over by then.
const ROUND: Duration = Duration::from_secs(3);

/// Host and port of a member.
pub type Address = (String, u16);

/// Looks until it is dropped.
#[derive(Debug)]
pub struct Members {
    state: Arc<State>,
    looking: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    unreached: Mutex<BTreeMap<Address, String>>,
    is_over: AtomicBool,
}

impl Members {
    /// Begins to look. Without a thread nobody is ever found unreached.
    pub fn look(addresses: Vec<Address>) -> Members {
        let state = Arc::new(State::default());
        let seen = state.clone();
        let look = move || {
            while seen.rest() {
                for address in &addresses {
                    if seen.is_over.load(Ordering::Acquire) {
                        return;
                    }
                    let outcome = reach(address);
                    let mut unreached = seen.unreached.lock();
                    match outcome {
                        Ok(()) => unreached.remove(address),
                        Err(why) => unreached.insert(address.clone(), why),
                    };
                }
            }
        };
        let looking = std::thread::Builder::new().name("members".to_owned()).spawn(look).ok();
        Members { state, looking }
    }

    /// Why nobody was reached at this address in the last round; `None` where somebody was, and before the first.
    pub fn unreached(&self, host: &str, port: u16) -> Option<String> {
        self.state.unreached.lock().get(&(host.to_owned(), port)).cloned()
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Release);
        if let Some(looking) = self.looking.take() {
            // Not waited for: it may be within a name server that is silent.
            looking.thread().unpark();
        }
    }
}

impl State {
    /// Waits for the next round; false if there is none.
    fn rest(&self) -> bool {
        let end = std::time::Instant::now() + ROUND;
        loop {
            if self.is_over.load(Ordering::Acquire) {
                return false;
            }
            let Some(left) = end.checked_duration_since(std::time::Instant::now()) else { return true };
            std::thread::park_timeout(left);
        }
    }
}

/// Warns of addresses that clients are told and that do not lead here, as far as this machine can tell.
pub fn look_at_advertised(advertised: Vec<(String, Address)>) {
    let look = move || {
        for (name, address) in advertised {
            let Err(why) = reach(&address) else { continue };
            let (host, port) = address;
            tracing::warn!(
                "{name} is advertised as {host}:{port}, and seen from this machine that leads nowhere ({why}): unless something forwards it, \
                 clients connect once and then find nobody; advertised.listeners={name}://HOST:PORT says where they reach this node"
            );
        }
    };
    // Without a thread there is only no warning.
    let _looking = std::thread::Builder::new().name("advertised".to_owned()).spawn(look);
}

fn reach((host, port): &Address) -> Result<(), String> {
    let found = (host.as_str(), *port).to_socket_addrs();
    let addresses: Vec<_> = found.map_err(|_| "no such name".to_owned())?.collect();
    let mut why = "no such name".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
            Ok(_hung_up_again) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                why = "nobody listens there".to_owned();
            }
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => why = "no answer".to_owned(),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn who_listens_is_reached_and_who_does_not_is_told_apart() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = |host: &str| (host.to_owned(), port);
        assert_eq!(reach(&address("127.0.0.1")), Ok(()));
        drop(listener);
        assert_eq!(reach(&address("127.0.0.1")), Err("nobody listens there".to_owned()));
        assert_eq!(reach(&address("no.such.host.invalid")), Err("no such name".to_owned()));
    }
}
