//! Where a start or a stop is: what it does now, since when, and whether somebody wants it to give up. Whoever watches (`signals.rs`) can
//! say so while the journey itself waits for a disk, a lock or the network. Never waits for anything.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A start or a stop under way.
#[derive(Debug)]
pub struct Journey {
    step: Mutex<Step>,
    wanted_back: AtomicBool,
}

#[derive(Debug)]
struct Step {
    what: String,
    since: Instant,
}

impl Default for Journey {
    fn default() -> Self {
        Self {
            step: Mutex::new(Step { what: "the first step".to_owned(), since: Instant::now() }),
            wanted_back: AtomicBool::new(false),
        }
    }
}

impl Journey {
    /// The next step: what everybody waits for while it lasts. The same again is no step.
    pub fn waits_for(&self, what: impl Into<String>) {
        let (mut step, what) = (self.step.lock(), what.into());
        if step.what != what {
            *step = Step { what, since: Instant::now() };
        }
    }

    /// What it waits for, and for how long already.
    pub fn step(&self) -> (String, Duration) {
        let step = self.step.lock();
        (step.what.clone(), step.since.elapsed())
    }

    /// A start is to be given up at its next step.
    pub fn turn_back(&self) {
        self.wanted_back.store(true, Ordering::Release);
    }

    /// Whether it is.
    pub fn is_wanted_back(&self) -> bool {
        self.wanted_back.load(Ordering::Acquire)
    }
}
