//! The threads behind a node: its timers, its quorum, and a small pool for what blocks.
//!
//! Owns who runs a turn and when: a turn runs when it said it would be due, or when its bell rang; nothing polls.
//! A panic in any of these threads aborts the process: half-applied state must not go on serving.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use broker::Node;

use broker::limits::{COLD_READS_AT_ONCE, SYNCS_AT_ONCE};

use crate::bells::{Bell, Bells};
use crate::clock::Clock;
use crate::journey::Journey;

/// Blocking jobs at once: the syncs of a directory, cold reads, and two for deletions and the like. They are hired when all others
/// are at work, so that a quiet node has one.
const WORKERS_MAX: usize = 2 + SYNCS_AT_ONCE + COLD_READS_AT_ONCE;
const _: () =
    assert!(WORKERS_MAX > SYNCS_AT_ONCE + COLD_READS_AT_ONCE, "disks at work never keep everything waiting");

/// A turn that asks to be called again at once this often in a row is given a pause.
const RESTLESS_TURNS: u32 = 1_000;

/// The threads of one node, and how to end them.
pub struct NodeThreads {
    node: Node,
    clock: Arc<Clock>,
    bells: Arc<Bells>,
    stopping: Arc<AtomicBool>,
    /// Rung after every turn of the quorum: whoever waits for readiness or for the end of a shutdown looks again.
    pub turned: Arc<Bell>,
    threads: Vec<JoinHandle<()>>,
    workers: Arc<AtomicUsize>,
}

/// Ends the process if the thread panics.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            process::abort();
        }
    }
}

impl NodeThreads {
    /// Starts them.
    pub fn start(node: &Node, clock: &Arc<Clock>, bells: &Arc<Bells>) -> io::Result<Self> {
        let mut it = Self {
            node: node.clone(),
            clock: clock.clone(),
            bells: bells.clone(),
            stopping: Arc::default(),
            turned: Arc::default(),
            threads: Vec::new(),
            workers: Arc::default(),
        };
        let turned = it.turned.clone();
        it.turning("quorum", |bells| &bells.quorum, Node::quorum_turn, Some(turned))?;
        it.turning("node", |bells| &bells.turn, Node::turn, None)?;
        let pool = Pool {
            node: it.node.clone(),
            clock: it.clock.clone(),
            bells: it.bells.clone(),
            workers: it.workers.clone(),
        };
        pool.hire()?;
        Ok(it)
    }

    fn turning(
        &mut self,
        name: &str,
        bell: fn(&Bells) -> &Bell,
        turn: fn(&Node, i64) -> Option<i64>,
        turned: Option<Arc<Bell>>,
    ) -> io::Result<()> {
        let (node, clock, bells) = (self.node.clone(), self.clock.clone(), self.bells.clone());
        let stopping = self.stopping.clone();
        let run = move || {
            let _guard = AbortOnPanic;
            let mut restless = 0;
            while !stopping.load(Ordering::Acquire) {
                let due = turn(&node, clock.now_ms());
                if let Some(turned) = &turned {
                    turned.ring();
                }
                let wait = due.map(|due| u64::try_from(due.saturating_sub(clock.now_ms())).unwrap_or(0));
                restless = if wait == Some(0) { restless + 1 } else { 0 };
                let pause = if restless > RESTLESS_TURNS { 1 } else { 0 };
                if wait != Some(0) || pause > 0 {
                    bell(&bells).wait(wait.map(|ms| Duration::from_millis(ms.max(pause))));
                }
            }
        };
        self.threads.push(Builder::new().name(name.to_owned()).spawn(run)?);
        Ok(())
    }

    /// Ends the turns, then the pool once nothing is left to do.
    pub fn stop(self, journey: &Journey) {
        journey.waits_for("the metadata log's last flush");
        self.stopping.store(true, Ordering::Release);
        self.bells.turn.ring();
        self.bells.quorum.ring();
        for thread in self.threads {
            let _ = thread.join();
        }
        journey.waits_for("flushes and other work that had begun");
        while let Some(job) = self.node.work() {
            job.run(self.clock.now_ms());
        }
        self.bells.work.close();
        while self.workers.load(Ordering::Acquire) > 0 {
            self.turned.wait(Some(Duration::from_millis(1)));
        }
    }
}

/// What a worker needs to work and to hire another.
#[derive(Clone)]
struct Pool {
    node: Node,
    clock: Arc<Clock>,
    bells: Arc<Bells>,
    workers: Arc<AtomicUsize>,
}

/// Counts a worker out however it ends.
struct Hired(Arc<AtomicUsize>);

impl Drop for Hired {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Pool {
    fn hire(&self) -> io::Result<()> {
        if self.workers.fetch_add(1, Ordering::AcqRel) >= WORKERS_MAX {
            self.workers.fetch_sub(1, Ordering::AcqRel);
            return Ok(());
        }
        let hired = Hired(self.workers.clone());
        let pool = self.clone();
        let run = move || {
            let _hired = hired;
            let _guard = AbortOnPanic;
            pool.work();
        };
        Builder::new().name("worker".to_owned()).spawn(run).map(drop)
    }

    fn work(&self) {
        loop {
            let seen = self.bells.work.calls();
            while let Some(job) = self.node.work() {
                if !self.bells.work.anyone_idle() {
                    // A failure to start a thread is no failure of the job at hand.
                    let _ = self.hire();
                }
                job.run(self.clock.now_ms());
            }
            if !self.bells.work.wait(seen) {
                return;
            }
        }
    }
}
