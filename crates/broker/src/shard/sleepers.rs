//! What a shard knows of its partitions that sleep (`asleep.rs`): a few words each.

use std::sync::Arc;

use log::{Fault, LogView, OpenMode};

use super::slots::Slots;
use crate::views::{PartitionCell, TopicViews};

/// A partition without a replica in memory. Its leader epoch is in the cell's role.
pub(super) struct Asleep {
    pub cell: Arc<PartitionCell>,
    pub topic: Arc<TopicViews>,
    /// Index of the log directory where its log will be.
    pub directory: u32,
    pub partition_epoch: i32,
    /// How to open what was found on disk; nothing if nothing is there.
    pub found: Option<Box<OpenMode>>,
}

/// All of a shard, by place; a cell of `views` says which place is its.
pub(super) struct Sleepers {
    places: Slots<Asleep>,
    /// The shared view of the newest epoch; topics that were made together share their epochs.
    pub view: Option<(i32, Arc<LogView>)>,
    /// Those before this place were opened; nothing when all were.
    pub opening_at: Option<usize>,
    /// What happened to logs that were opened; carried out at the end of the turn.
    pub faults: Vec<(usize, Fault)>,
}

impl Default for Sleepers {
    fn default() -> Sleepers {
        Sleepers { places: Slots::new("sleepers"), view: None, opening_at: None, faults: Vec::new() }
    }
}

impl Sleepers {
    /// Gives a partition a place.
    pub fn put(&mut self, asleep: Asleep) -> usize {
        let place = self.places.put(asleep);
        self.check();
        place
    }

    /// Takes a partition out: it wakes, or is nothing any more.
    pub fn take(&mut self, cell: &PartitionCell) -> Option<Asleep> {
        let asleep = self.places.take(cell.asleep()?)?;
        assert!(std::ptr::eq(&*asleep.cell, cell), "sleepers: a cell points at another");
        self.check();
        Some(asleep)
    }

    /// Places so far, taken or free.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The one at a place.
    pub fn get(&self, place: usize) -> Option<&Asleep> {
        self.places.get(place)
    }

    /// The one that a cell points at.
    pub fn of_cell(&mut self, cell: &PartitionCell) -> Option<&mut Asleep> {
        self.places.get_mut(cell.asleep()?)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Asleep> {
        self.places.iter()
    }

    /// The end of the shard.
    pub fn drain(&mut self) -> impl Iterator<Item = Asleep> {
        std::mem::take(self).places.into_taken()
    }

    /// Panics with the name of the invariant that is broken.
    fn check(&self) {
        assert!(
            self.opening_at.is_none_or(|at| at < self.places.len()),
            "sleepers: the next to be opened is none"
        );
    }
}
