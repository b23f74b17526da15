//! The network threads: one per core, each with its connections, its links to other nodes, an event loop of its own, and its watch.
//!
//! The first lane accepts for all and deals each connection to the lane that has the fewest. A connection stays on its
//! lane for life, and its requests are handled there; so does a link, and what comes on it. Why no runtime: decision 0016.

mod doors;
mod errands;
mod lane;
mod link;
mod links;
mod neighbours;
mod pauses;
mod post;
mod refusals;
mod resolver;
mod service;
mod shared;
mod strangers;
mod way_out;

use std::io;
use std::process;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

pub use doors::{Door, DoorGuard};
pub use errands::{LinkTerms, Listens};
use lane::Lane;
use neighbours::Neighbours;
use post::Phase;
pub use refusals::Refusals;
pub use shared::Shared;
pub use way_out::WayOut;

/// The running lanes.
pub struct RunningLanes {
    all: Arc<Neighbours>,
    threads: Vec<JoinHandle<()>>,
}

impl RunningLanes {
    /// Starts the lanes of this way out; nobody can come in yet.
    pub fn start(way_out: &WayOut, shared: &Arc<Shared>) -> io::Result<Self> {
        let all = way_out.lanes();
        let mut threads = Vec::new();
        for index in 0..all.count() {
            let lane = Lane::new(all.clone(), index, shared.clone())?;
            let run = move || {
                if let Err(error) = lane.run() {
                    // Its connections would hang for ever.
                    tracing::error!("net-{index}: cannot wait for the kernel: {error}");
                    process::abort();
                }
            };
            threads.push(Builder::new().name(format!("net-{index}")).spawn(run)?);
        }
        Ok(Self { all: all.clone(), threads })
    }

    /// Whoever knocks at these doors comes in from now on.
    pub fn open(&self, doors: impl IntoIterator<Item = Door>) {
        doors.into_iter().for_each(|door| self.all.open(door));
    }

    /// Closes the doors; links to other nodes live on.
    pub fn drain(&self) {
        self.all.announce(Phase::Draining);
    }

    /// Closes every connection and link, and ends the threads.
    pub fn stop(self) {
        self.all.announce(Phase::Stopped);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
