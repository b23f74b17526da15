//! Group commit: one flush round of a log directory covers everything that became dirty while the last one ran
//! (RELIABILITY: `log.flush.ack`). Owns the list of dirty logs; the blocking part is a job for the rim's pool.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use log::{FlushOutcome, FlushWork};
use wire::topic::TopicIdPartition;

use crate::effect::DirtyLog;
use crate::mailbox::Mailbox;
use crate::views::PartitionCell;

/// The flusher of one log directory.
#[derive(Default)]
pub(crate) struct Flusher {
    dirty: Mailbox<DirtyLog>,
    /// A job is out; it goes on until nothing is dirty.
    running: AtomicBool,
}

impl Flusher {
    /// Adds a log. True if the caller has to send a job on its way.
    pub fn add(&self, dirty: DirtyLog) -> bool {
        self.dirty.push(dirty);
        !self.running.swap(true, Ordering::AcqRel)
    }

    /// One round: syncs all that is dirty by now. `None` when nothing is: the job is over.
    pub fn round(&self) -> Option<Vec<(Arc<PartitionCell>, FlushOutcome)>> {
        loop {
            let logs = self.take();
            if !logs.is_empty() {
                let (cells, works): (Vec<_>, Vec<_>) =
                    logs.into_values().map(|dirty| (dirty.cell, dirty.work)).unzip();
                return Some(cells.into_iter().zip(FlushWork::run_all(&works)).collect());
            }
            self.running.store(false, Ordering::Release);
            // Whoever added in between saw a running job and relies on it.
            if self.dirty.is_empty() || self.running.swap(true, Ordering::AcqRel) {
                return None;
            }
        }
    }

    /// The newest work of a log covers its older ones.
    fn take(&self) -> BTreeMap<TopicIdPartition, DirtyLog> {
        let mut batch = Default::default();
        self.dirty.drain(&mut batch, usize::MAX);
        batch.into_iter().map(|dirty| (dirty.cell.key, dirty)).collect()
    }
}
