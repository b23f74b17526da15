//! Reads that wait for a platter. They take a bounded part of the rim's pool, in the order in which they came, so that however many
//! consumers scan cold data, flushes find a worker and every connection gets its turn. Knows nothing of fetches.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::limits::COLD_READS_AT_ONCE;
use crate::rim::{Job, Rim};

/// The reads of a node.
pub(crate) struct ColdReads(Arc<Queue>);

struct Queue {
    rim: Arc<dyn Rim>,
    state: Mutex<Reads>,
}

#[derive(Default)]
struct Reads {
    waiting: VecDeque<Box<dyn FnOnce() + Send>>,
    /// Jobs that were handed out and are not over.
    running: usize,
}

impl ColdReads {
    pub fn new(rim: Arc<dyn Rim>) -> ColdReads {
        ColdReads(Arc::new(Queue { rim, state: Mutex::default() }))
    }

    /// Puts a read at the end.
    pub fn add(&self, read: impl FnOnce() + Send + 'static) {
        self.0.state.lock().waiting.push_back(Box::new(read));
        self.0.rim.call_workers();
    }

    /// The next read, if one more may run.
    pub fn take(&self) -> Option<Job> {
        let mut state = self.0.state.lock();
        if state.running >= COLD_READS_AT_ONCE {
            return None;
        }
        let read = state.waiting.pop_front()?;
        state.running += 1;
        let place = ReadPlace(Arc::clone(&self.0));
        Some(Job(Box::new(move |_| {
            read();
            drop(place);
        })))
    }
}

/// Given back however the job ends, run or not.
struct ReadPlace(Arc<Queue>);

impl Drop for ReadPlace {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.running -= 1;
        if !state.waiting.is_empty() {
            drop(state);
            self.0.rim.call_workers();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rim::Bells;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn so_many_run_at_once_and_one_that_is_dropped_makes_room() {
        let bells = Arc::new(Bells::default());
        let reads = ColdReads::new(Arc::clone(&bells) as Arc<dyn Rim>);
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 * COLD_READS_AT_ONCE {
            let done = Arc::clone(&done);
            reads.add(move || {
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        let mut jobs: Vec<Job> = std::iter::from_fn(|| reads.take()).collect();
        assert_eq!(jobs.len(), COLD_READS_AT_ONCE);
        assert!(bells.workers.swap(false, Ordering::SeqCst));
        drop(jobs.pop());
        assert!(bells.workers.swap(false, Ordering::SeqCst), "the next one is called for");
        let next = reads.take().expect("there is room");
        assert!(reads.take().is_none());
        next.run(0);
        jobs.into_iter().for_each(|job| job.run(0));
        while let Some(job) = reads.take() {
            job.run(0);
        }
        assert_eq!(done.load(Ordering::Relaxed), 3 * COLD_READS_AT_ONCE - 1);
    }
}
