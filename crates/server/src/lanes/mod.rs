//! The network threads: one per core, each with its connections, an event loop of its own, and its watch.
//!
//! The first lane accepts for all and deals each connection to the lane that has the fewest. A connection stays on its
//! lane for life, and its requests are handled there. Why no runtime: decision 0016.

mod doors;
mod lane;
mod neighbours;
mod post;
mod refusals;
mod service;
mod shared;

use std::io;
use std::process;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

pub use doors::Door;
use lane::Lane;
use neighbours::Neighbours;
use post::Phase;
pub use refusals::Refusals;
pub use shared::Shared;

/// The running lanes.
pub struct RunningLanes {
    all: Arc<Neighbours>,
    threads: Vec<JoinHandle<()>>,
}

impl RunningLanes {
    /// Starts `count` lanes; the first listens at the doors.
    pub fn start(doors: Vec<Door>, shared: &Arc<Shared>, count: usize) -> io::Result<Self> {
        let all = Arc::new(Neighbours::new(count.max(1))?);
        let mut doors = Some(doors);
        let mut threads = Vec::new();
        for index in 0..all.count() {
            let lane = Lane::new(all.clone(), index, shared.clone(), doors.take().unwrap_or_default())?;
            let run = move || {
                if let Err(error) = lane.run() {
                    // Its connections would hang for ever.
                    tracing::error!("net-{index}: cannot wait for the kernel: {error}");
                    process::abort();
                }
            };
            threads.push(Builder::new().name(format!("net-{index}")).spawn(run)?);
        }
        Ok(Self { all, threads })
    }

    /// Closes the doors.
    pub fn drain(&self) {
        self.all.announce(Phase::Draining);
    }

    /// Closes every connection and ends the threads.
    pub fn stop(self) {
        self.all.announce(Phase::Stopped);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}
