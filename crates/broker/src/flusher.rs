//! Group commit: one sync of a log covers everything that was appended to it while its last one ran (RELIABILITY:
//! `log.flush.ack`). Several logs of a directory are synced at once, for the file system joins their commits; one log is never
//! synced twice at once. Owns the list of dirty logs; the blocking part are jobs for the rim's pool.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use log::{FlushOutcome, FlushWork};
use parking_lot::Mutex;
use wire::topic::TopicIdPartition;

use crate::effect::DirtyLog;
use crate::views::PartitionCell;

/// Syncs of one directory under way at once. One after the other, sixteen logs waited sixteen commits for their turn (decision
/// 0009); the rim's pool has more threads than these.
const SYNCS_AT_ONCE: usize = 4;

/// The flusher of one log directory.
#[derive(Default)]
pub(crate) struct Flusher {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The newest work of a log covers its older ones.
    dirty: BTreeMap<TopicIdPartition, DirtyLog>,
    /// The keys of `dirty`, longest waiting first.
    order: VecDeque<TopicIdPartition>,
    /// Being synced, or synced and on the way to their shard.
    busy: BTreeSet<TopicIdPartition>,
    /// Jobs that are out; each goes on until nothing is left to take.
    jobs: usize,
}

impl State {
    /// A job's share of the logs that wait and are not being synced, longest waiting first: one of a few, a fourth of many.
    fn take_share(&mut self) -> Vec<DirtyLog> {
        let share = self.order.len().div_ceil(SYNCS_AT_ONCE);
        let mut taken = Vec::with_capacity(share);
        let mut passed = VecDeque::new();
        while taken.len() < share
            && let Some(key) = self.order.pop_front()
        {
            if self.busy.contains(&key) {
                passed.push_back(key);
            } else if let Some(dirty) = self.dirty.remove(&key) {
                self.busy.insert(key);
                taken.push(dirty);
            }
        }
        // Those being synced by another job keep their place.
        passed.append(&mut self.order);
        self.order = passed;
        taken
    }
}

impl Flusher {
    /// Adds a log. True if the caller has to send a job on its way.
    pub fn add(&self, dirty: DirtyLog) -> bool {
        let mut state = self.state.lock();
        let key = dirty.cell.key;
        let waits_already = state.dirty.insert(key, dirty).is_some();
        if !waits_already {
            state.order.push_back(key);
        }
        // A log that is being synced is taken again by the job that has it.
        let wanted = !waits_already && state.jobs < SYNCS_AT_ONCE && !state.busy.contains(&key);
        state.jobs += usize::from(wanted);
        wanted
    }

    /// Syncs a share of the dirty logs; `done` are those that this job synced before, whose shards have heard of it. Nothing
    /// when none is left to take: the job is over.
    pub fn round(&self, done: &[TopicIdPartition]) -> Vec<(Arc<PartitionCell>, FlushOutcome)> {
        let taken = {
            let mut state = self.state.lock();
            for key in done {
                state.busy.remove(key);
            }
            let taken = state.take_share();
            state.jobs -= usize::from(taken.is_empty());
            taken
        };
        let (cells, works): (Vec<_>, Vec<_>) =
            taken.into_iter().map(|dirty| (dirty.cell, dirty.work)).unzip();
        cells.into_iter().zip(FlushWork::run_all(&works)).collect()
    }
}
