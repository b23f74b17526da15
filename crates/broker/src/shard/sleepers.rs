//! What a shard knows of its partitions that sleep (`asleep.rs`): a few words each.

use std::sync::Arc;

use log::{Fault, LogView, OpenMode};

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

/// All of a shard, by place; a cell of `views` says which place is its. Every place is either taken or free.
#[derive(Default)]
pub(super) struct Sleepers {
    list: Vec<Option<Asleep>>,
    free: Vec<usize>,
    asleep: usize,
    /// The shared view of the newest epoch; topics that were made together share their epochs.
    pub view: Option<(i32, Arc<LogView>)>,
    /// Those before this place were opened; nothing when all were.
    pub opening_at: Option<usize>,
    /// What happened to logs that were opened; carried out at the end of the turn.
    pub faults: Vec<(usize, Fault)>,
}

impl Sleepers {
    /// Gives a partition a place.
    pub fn put(&mut self, asleep: Asleep) -> usize {
        self.asleep += 1;
        match self.free.pop() {
            Some(place) => {
                assert!(self.list[place].is_none(), "sleepers: a free place is taken");
                self.list[place] = Some(asleep);
                self.check();
                place
            }
            None => {
                self.list.push(Some(asleep));
                self.check();
                self.list.len() - 1
            }
        }
    }

    /// Takes a partition out: it wakes, or is nothing any more.
    pub fn take(&mut self, cell: &PartitionCell) -> Option<Asleep> {
        let place = cell.asleep()?;
        let asleep = self.list.get_mut(place)?.take()?;
        assert!(std::ptr::eq(&*asleep.cell, cell), "sleepers: a cell points at another");
        self.asleep -= 1;
        self.free.push(place);
        self.check();
        Some(asleep)
    }

    /// Places so far, taken or free.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The one at a place.
    pub fn get(&self, place: usize) -> Option<&Asleep> {
        self.list.get(place)?.as_ref()
    }

    /// The one that a cell points at.
    pub fn of_cell(&mut self, cell: &PartitionCell) -> Option<&mut Asleep> {
        self.list.get_mut(cell.asleep()?)?.as_mut()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Asleep> {
        self.list.iter().flatten()
    }

    /// The end of the shard.
    pub fn drain(&mut self) -> impl Iterator<Item = Asleep> {
        std::mem::take(self).list.into_iter().flatten()
    }

    /// Panics with the name of the invariant that is broken.
    fn check(&self) {
        assert!(
            self.asleep + self.free.len() == self.list.len(),
            "sleepers: a place is neither free nor taken"
        );
        assert!(
            self.opening_at.is_none_or(|at| at < self.list.len()),
            "sleepers: the next to be opened is none"
        );
    }
}
