//! What must hold of a shard whenever a turn has ended, in release too. The list stands at [`Shard`]. Looks at what the turn touched and
//! at counts: a shard may own a hundred thousand partitions.

use super::Shard;
use super::seat::Seat;
use crate::replica::ReplicaState;

impl Shard {
    /// Panics with the name of the invariant that is broken; of a seat that the turn has settled.
    pub(super) fn check_seat(&self, slot: usize) {
        // Deleted in this turn.
        let Some(Seat { replica, coordinator, armed }) = self.seats.get(slot) else { return };
        assert!(replica.cell.slot() == Some(slot), "seats: a cell points elsewhere");
        assert!(replica.cell.shard == self.around.index, "seats: a partition is another shard's");
        if coordinator.is_some() {
            assert!(
                !matches!(replica.state, ReplicaState::Follower { .. }),
                "coordinator: it is where nothing is led"
            );
        } else {
            assert!(armed.is_none(), "coordinator: a timer runs for none");
        }
        replica.check();
    }

    /// The same of the shard as a whole.
    pub(super) fn check(&self) {
        assert!(self.unsettled.is_empty(), "settled: the turn left something");
        self.seats.check();
        self.sleepers.check();
        self.produces.check();
        self.timers.check();
    }
}
