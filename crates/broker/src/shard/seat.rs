//! A place in a shard: a replica and, while this broker leads it and something is to be coordinated there, its coordinator. Side by
//! side, so that each can be given the other without being taken out of its place.

use super::slots::Slots;
use crate::coordinators::coordinator::Coordinator;
use crate::replica::{Replica, ReplicaState};
use crate::share::hosting::Shares;
use crate::timers::TimerId;
use crate::views::PartitionCell;

pub(super) struct Seat {
    pub replica: Replica,
    /// The coordinator hosted on the replica, while this broker leads it.
    pub coordinator: Option<Coordinator>,
    /// The shard's timer for the coordinator's next deadline.
    pub armed: Option<TimerId>,
    /// What share groups see of the replica, while this broker leads it and some read it.
    pub shares: Option<Box<SeatedShares>>,
}

/// Share partitions, and the shard's timer for the first of their deadlines.
#[derive(Default)]
pub(super) struct SeatedShares {
    pub shares: Shares,
    pub armed: Option<TimerId>,
}

impl Seat {
    /// Panics with the name of the invariant that is broken. The list stands at [`super::Shard`] and at [`Replica`].
    pub fn check(&self) {
        if self.coordinator.is_some() {
            let follows = matches!(self.replica.state, ReplicaState::Follower { .. });
            assert!(!follows, "coordinator: it is where nothing is led");
        } else {
            assert!(self.armed.is_none(), "coordinator: a timer runs for none");
        }
        if self.shares.is_some() {
            let leads = matches!(self.replica.state, ReplicaState::Leader(_) | ReplicaState::Offline);
            assert!(leads, "shares: they are where nothing is led");
        }
        self.replica.check();
    }

    /// The same for what one append may change.
    pub fn check_appended(&self) {
        self.replica.check_appended();
    }

    /// The coordinator and the replica that it lives on.
    pub fn coordinated(&mut self) -> Option<(&mut Coordinator, &mut Replica)> {
        Some((self.coordinator.as_mut()?, &mut self.replica))
    }
}

/// By slot; a cell of `views` says which slot is its.
pub(super) struct Seats(Slots<Box<Seat>>);

impl Default for Seats {
    fn default() -> Seats {
        Seats(Slots::new("seats"))
    }
}

impl Seats {
    /// Gives a replica a slot.
    pub fn put(&mut self, replica: Replica) -> usize {
        self.0.put(Box::new(Seat { replica, coordinator: None, armed: None, shares: None }))
    }

    /// Takes a replica out; its slot is free for another. A coordinator must have been closed.
    pub fn take(&mut self, slot: usize) -> Option<Replica> {
        let seat = self.0.take(slot)?;
        assert!(seat.coordinator.is_none(), "coordinator: its replica leaves without it");
        assert!(seat.shares.is_none(), "shares: their replica leaves without them");
        Some(seat.replica)
    }

    /// Slots so far, taken or free.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn get(&self, slot: usize) -> Option<&Seat> {
        self.0.get(slot).map(Box::as_ref)
    }

    pub fn get_mut(&mut self, slot: usize) -> Option<&mut Seat> {
        self.0.get_mut(slot).map(Box::as_mut)
    }

    /// The seat that a cell points at, with its slot.
    pub fn behind(&mut self, cell: &PartitionCell) -> Option<(usize, &mut Seat)> {
        let slot = cell.slot()?;
        let seat = self.get_mut(slot).expect("seats: a cell points at nobody");
        assert!(std::ptr::eq(&*seat.replica.cell, cell), "seats: a cell points at another");
        Some((slot, seat))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Seat> {
        self.0.iter().map(Box::as_ref)
    }

    /// Those that are taken, with their slots.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Seat)> {
        self.0.iter_mut().map(|(slot, seat)| (slot, seat.as_mut()))
    }

    /// The end of the shard.
    pub fn drain(&mut self) -> impl Iterator<Item = Replica> {
        std::mem::take(self).0.into_taken().map(|seat| seat.replica)
    }
}
