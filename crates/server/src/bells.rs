//! The bells through which a node calls its rim, and how the rim's threads wait for them; what it wants of other nodes goes on to the
//! lanes.
//!
//! Ringing costs one atomic while the thread is awake and a wake-up only when it sleeps; any number of rings before the
//! thread looks count as one. Never runs anything itself.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::lanes::WayOut;
use crate::logs;

/// One thread's bell.
#[derive(Debug, Default)]
pub struct Bell {
    rung: AtomicBool,
    door: Mutex<()>,
    sound: Condvar,
}

impl Bell {
    /// Wakes the thread that waits, or lets its next wait return at once.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // Taking the lock means that the sleeper is either not yet looking or already waiting for the sound.
            drop(self.door.lock());
            self.sound.notify_one();
        }
    }

    /// Waits for a ring, at most for `limit`.
    pub fn wait(&self, limit: Option<Duration>) {
        let mut door = self.door.lock();
        while !self.rung.swap(false, Ordering::AcqRel) {
            match limit {
                None => self.sound.wait(&mut door),
                Some(limit) => {
                    if self.sound.wait_for(&mut door, limit).timed_out() {
                        self.rung.store(false, Ordering::Release);
                        return;
                    }
                }
            }
        }
    }
}

/// The workers' bell: every ring may need another worker.
#[derive(Debug, Default)]
pub struct WorkBell {
    calls: AtomicU64,
    state: Mutex<Workers>,
    sound: Condvar,
}

#[derive(Debug, Default)]
struct Workers {
    idle: usize,
    closed: bool,
}

impl WorkBell {
    /// There is work.
    pub fn ring(&self) {
        self.calls.fetch_add(1, Ordering::AcqRel);
        if self.state.lock().idle > 0 {
            self.sound.notify_one();
        }
    }

    /// Lets every worker go home.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.sound.notify_all();
    }

    /// Calls so far; remember it before looking for work.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Acquire)
    }

    /// Waits until there were more calls than `seen`. False: go home.
    pub fn wait(&self, seen: u64) -> bool {
        let mut state = self.state.lock();
        state.idle += 1;
        while self.calls() == seen && !state.closed {
            self.sound.wait(&mut state);
        }
        state.idle -= 1;
        !state.closed
    }

    /// Whether a further call would find a worker waiting.
    pub fn anyone_idle(&self) -> bool {
        self.state.lock().idle > 0
    }
}

/// The bells of a running process.
pub struct Bells {
    /// The node's thread.
    pub turn: Bell,
    /// The quorum's thread.
    pub quorum: Bell,
    /// The worker pool.
    pub work: WorkBell,
    way_out: WayOut,
    started: Instant,
}

impl Bells {
    /// Silent bells, and a way to other nodes.
    pub fn new(way_out: &WayOut) -> Arc<Self> {
        let (turn, quorum, work) = (Bell::default(), Bell::default(), WorkBell::default());
        Arc::new(Self { turn, quorum, work, way_out: way_out.clone(), started: Instant::now() })
    }
}

impl broker::Rim for Bells {
    fn call_turn(&self) {
        self.turn.ring();
    }

    fn call_quorum(&self) {
        self.quorum.ring();
    }

    fn call_workers(&self) {
        self.work.ring();
    }

    fn halt(&self, reason: &str) {
        tracing::error!("{reason}");
        logs::say("error: the node had to stop");
        logs::say(&format!("  why: {reason}"));
        logs::say("  try: look at the disk of the directory named above, then start again");
        process::exit(1);
    }

    fn stopwatch_us(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    fn connect(&self, link: broker::LinkId, to: &broker::PeerAddress) {
        self.way_out.connect(link, to);
    }

    fn send(&self, link: broker::LinkId, frame: Vec<bytes::Bytes>) {
        self.way_out.send(link, frame);
    }

    fn disconnect(&self, link: broker::LinkId) {
        self.way_out.disconnect(link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_before_the_wait_is_not_lost_and_counts_once() {
        let bell = Bell::default();
        bell.ring();
        bell.ring();
        bell.wait(None);
        bell.wait(Some(Duration::from_millis(1)));
    }

    #[test]
    fn a_ring_wakes_a_sleeper_whenever_it_comes() {
        let (there, back) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
        let (a, b) = (there.clone(), back.clone());
        let other = std::thread::spawn(move || {
            for _ in 0..10_000 {
                a.wait(None);
                b.ring();
            }
        });
        for _ in 0..10_000 {
            there.ring();
            back.wait(None);
        }
        other.join().unwrap();
    }

    #[test]
    fn workers_hear_calls_made_while_they_looked_elsewhere() {
        let bell = WorkBell::default();
        let seen = bell.calls();
        bell.ring();
        assert!(bell.wait(seen));
        bell.close();
        assert!(!bell.wait(bell.calls()));
    }
}
