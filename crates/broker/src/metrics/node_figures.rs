//! Figures that belong to the whole node: what its lanes measure, what passed through topics that are gone, what the images of the
//! cluster have brought.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use kraft::image::{Change, LeaderRecoveryState, TopicChange};
use parking_lot::Mutex;

use super::requests::RequestFigures;
use super::traffic::Passed;

/// Figures of the whole node.
#[derive(Default)]
pub(crate) struct NodeFigures {
    /// One for each thread that handles requests.
    lanes: Mutex<Vec<Arc<RequestFigures>>>,
    /// What passed through topics that were deleted.
    gone: Mutex<Passed>,
    /// Fetches that wait for records.
    pub waiting_fetches: AtomicI64,
    /// Written where images are published.
    isr_shrinks: AtomicU64,
    isr_expands: AtomicU64,
    unclean_elections: AtomicU64,
}

impl NodeFigures {
    /// For one more lane.
    pub fn lane(&self) -> Arc<RequestFigures> {
        let figures = Arc::new(RequestFigures::default());
        self.lanes.lock().push(Arc::clone(&figures));
        figures
    }

    /// Those of all lanes.
    pub fn lanes(&self) -> Vec<Arc<RequestFigures>> {
        self.lanes.lock().clone()
    }

    /// A topic was deleted: what passed through it still counts.
    pub fn gone(&self, passed: &Passed) {
        let mut gone = self.gone.lock();
        *gone = gone.plus(passed);
    }

    /// What passed through all of those.
    pub fn through_the_gone(&self) -> Passed {
        *self.gone.lock()
    }

    /// Partitions that this broker leads have another ISR; an election was unclean.
    pub fn image_changed(&self, node_id: i32, changes: &[TopicChange<'_>]) {
        for change in changes {
            let TopicChange::Changed(before, topic) = change else { continue };
            for partition in topic.partitions.changes_since(&before.partitions) {
                let Change::Changed(_, old, new) = partition else { continue };
                let is_unclean = new.leader_recovery_state != old.leader_recovery_state
                    && new.leader_recovery_state == LeaderRecoveryState::Recovering;
                self.unclean_elections.fetch_add(u64::from(is_unclean), Ordering::Relaxed);
                if new.leader != node_id {
                    continue;
                }
                let left = old.isr.iter().any(|one| !new.isr.contains(one));
                let came = new.isr.iter().any(|one| !old.isr.contains(one));
                self.isr_shrinks.fetch_add(u64::from(left), Ordering::Relaxed);
                self.isr_expands.fetch_add(u64::from(came), Ordering::Relaxed);
            }
        }
    }

    /// ISRs that lost a member, ISRs that gained one, unclean elections.
    pub fn of_images(&self) -> [u64; 3] {
        [&self.isr_shrinks, &self.isr_expands, &self.unclean_elections]
            .map(|counter| counter.load(Ordering::Relaxed))
    }
}
