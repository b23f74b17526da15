//! Names of other nodes into addresses, off the lanes: the system's resolver may wait for the network. Threads are there only while there
//! are names to look up, and few of them; a name server that is silent holds up other names, never a lane.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread::Builder;

use parking_lot::Mutex;

/// Names looked up at once.
const LOOKUPS_AT_ONCE: usize = 4;

/// Names that wait; a node asks for those of its peers, and again only when an attempt has failed.
const WAITING_MAX: usize = 1_024;

type Told = Box<dyn FnOnce(io::Result<Vec<SocketAddr>>) + Send>;

/// Looks names up.
#[derive(Default)]
pub struct Resolver(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    names: VecDeque<(String, u16, Told)>,
    threads: usize,
}

/// The address that this text is, if it is one: it needs nobody to look it up.
pub fn numeric(host: &str, port: u16) -> Option<SocketAddr> {
    host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port))
}

impl Resolver {
    /// Looks up where a host is. `told` is called once, on another thread or, where none can be had, within this call.
    pub fn ask(
        &self,
        host: &str,
        port: u16,
        told: impl FnOnce(io::Result<Vec<SocketAddr>>) + Send + 'static,
    ) {
        let mut waiting = self.0.lock();
        if waiting.names.len() >= WAITING_MAX {
            drop(waiting);
            return told(Err(io::Error::other("too many names wait for the resolver")));
        }
        waiting.names.push_back((host.to_owned(), port, Box::new(told)));
        if waiting.threads < LOOKUPS_AT_ONCE {
            waiting.threads += 1;
            drop(waiting);
            let all = Arc::clone(&self.0);
            if let Err(error) = Builder::new().name("resolver".to_owned()).spawn(move || work(&all)) {
                self.no_thread(&error);
            }
        }
    }

    /// Whoever waits is told, unless another thread is there to serve him.
    fn no_thread(&self, error: &io::Error) {
        let mut waiting = self.0.lock();
        waiting.threads -= 1;
        if waiting.threads > 0 {
            return;
        }
        let names = std::mem::take(&mut waiting.names);
        drop(waiting);
        names.into_iter().for_each(|(_, _, told)| told(Err(io::Error::new(error.kind(), error.to_string()))));
    }
}

fn work(all: &Mutex<Waiting>) {
    loop {
        let mut waiting = all.lock();
        let Some((host, port, told)) = waiting.names.pop_front() else {
            waiting.threads -= 1;
            return;
        };
        drop(waiting);
        told((host.as_str(), port).to_socket_addrs().map(Iterator::collect));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_name_is_looked_up_and_a_number_is_not() {
        assert_eq!(numeric("::1", 7), Some("[::1]:7".parse().unwrap()));
        assert_eq!(numeric("127.0.0.1", 7), Some("127.0.0.1:7".parse().unwrap()));
        assert_eq!(numeric("localhost", 7), None);
        let (resolver, (tell, told)) = (Resolver::default(), channel());
        for _ in 0..100 {
            let tell = tell.clone();
            resolver.ask("localhost", 7, move |found| tell.send(found).unwrap());
        }
        for _ in 0..100 {
            let found = told.recv().unwrap().unwrap();
            assert!(!found.is_empty() && found.iter().all(|at| at.ip().is_loopback() && at.port() == 7));
        }
        resolver.ask("no such name.invalid", 7, move |found| tell.send(found).unwrap());
        assert!(told.recv().unwrap().is_err());
    }
}
