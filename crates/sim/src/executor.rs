//! A small executor: tasks by number, those that are ready, and timers on the simulated clock. Who of the ready runs next
//! is the driver's draw. Never blocks, never reads a clock.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

/// A task: a client, a connection's serving side, the machine's fate.
pub type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The number of a task.
pub type TaskId = u64;

/// All tasks of a run.
#[derive(Default)]
pub struct Executor {
    tasks: BTreeMap<TaskId, (Task, Waker)>,
    last_id: TaskId,
    ready: Arc<Mutex<BTreeSet<TaskId>>>,
}

struct WakeTask {
    id: TaskId,
    ready: Arc<Mutex<BTreeSet<TaskId>>>,
}

impl Wake for WakeTask {
    fn wake(self: Arc<Self>) {
        self.ready.lock().insert(self.id);
    }
}

impl Executor {
    /// Adds a task, ready to run.
    pub fn spawn(&mut self, task: Task) {
        self.last_id += 1;
        let waker = Waker::from(Arc::new(WakeTask { id: self.last_id, ready: Arc::clone(&self.ready) }));
        self.tasks.insert(self.last_id, (task, waker));
        self.ready.lock().insert(self.last_id);
    }

    /// Names the tasks that can run, in order of their numbers.
    pub fn ready(&self, can: impl FnMut(TaskId)) {
        self.ready.lock().iter().copied().for_each(can);
    }

    /// Polls a task once.
    pub fn poll(&mut self, id: TaskId) {
        assert!(self.ready.lock().remove(&id), "executor: a task runs that nobody woke");
        let Some((task, waker)) = self.tasks.get_mut(&id) else { return };
        if let Poll::Ready(()) = task.as_mut().poll(&mut Context::from_waker(waker)) {
            self.tasks.remove(&id);
        }
    }
}

/// Who wants to be woken when.
#[derive(Debug, Default)]
pub struct Timers {
    by_time: BTreeMap<(i64, u64), Waker>,
    last: u64,
}

impl Timers {
    /// Wakes at this time.
    pub fn add(&mut self, at_ms: i64, waker: Waker) {
        self.last += 1;
        self.by_time.insert((at_ms, self.last), waker);
    }

    /// The next time at which somebody is woken.
    pub fn next_ms(&self) -> Option<i64> {
        self.by_time.keys().next().map(|(at_ms, _)| *at_ms)
    }

    /// Wakes all whose time has come.
    pub fn fire(&mut self, now_ms: i64) {
        while let Some(entry) = self.by_time.first_entry() {
            if entry.key().0 > now_ms {
                return;
            }
            entry.remove().wake();
        }
    }
}
