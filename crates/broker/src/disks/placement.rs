//! Where a replica lives or shall live (KIP-112, KIP-858, KIP-1066): where it was found, else where somebody wished it, else where
//! the image says, else where fewest are. What may lie in a directory that cannot be read is never made anew elsewhere.

use std::sync::atomic::Ordering;

use log::{OpenMode, Removal};
use wire::Uuid;

use super::directories::{Directories, Directory};
use super::found::{FoundReplica, FutureFound, Placement};

impl Directories {
    /// Where a replica lives or shall live. What was not found at the start has nothing on disk that can be read.
    pub fn place(&self, topic: &str, partition: i32, wanted: Option<Uuid>) -> Placement {
        let wanted = wanted.filter(is_assigned);
        let home = wanted.and_then(|id| self.list.iter().position(|d| d.id == id && !d.is_failed()));
        // It is said to be in a directory that does not work: whatever else bears its name is older or incomplete.
        if wanted.is_some() && home.is_none() && self.any_failed() {
            return Placement::Nowhere;
        }
        let (currents, mut futures) = self.take_found(topic, partition);
        if !currents.is_empty() {
            return self.count(found(currents, home, futures));
        }
        if let Some(at) = futures.iter().position(|future| Some(future.directory) == home) {
            if self.any_failed() {
                return Placement::Nowhere;
            }
            return self.count(Placement::Promote(futures.swap_remove(at)));
        }
        // Nobody ever said where it is, and a directory cannot be looked into.
        if home.is_none() && self.any_failed() && !self.is_settled.load(Ordering::Acquire) {
            return Placement::Nowhere;
        }
        let preferred = self.take_preference(topic, partition);
        let preferred = preferred.filter(|index| self.list.get(*index).is_some_and(|d| !d.is_failed()));
        let chosen = preferred.or(home).or_else(|| self.emptiest());
        chosen.map_or(Placement::Nowhere, |directory| self.count(Placement::New { directory }))
    }

    fn take_preference(&self, topic: &str, partition: i32) -> Option<usize> {
        let mut preferred = self.preferred.lock();
        // Nearly always: a start places a hundred thousand partitions, and nobody wished anything.
        if preferred.is_empty() { None } else { preferred.remove(&(topic.to_owned(), partition)) }
    }

    /// The working directory with the fewest replicas; a cordoned one only where there is no other, as in Kafka.
    fn emptiest(&self) -> Option<usize> {
        let working = || self.list.iter().enumerate().filter(|(_, directory)| !directory.is_failed());
        let fewest = |(_, directory): &(usize, &Directory)| directory.replicas.load(Ordering::Relaxed);
        let open = working().filter(|(_, directory)| !directory.is_cordoned()).min_by_key(fewest);
        open.or_else(|| working().next()).map(|(index, _)| index)
    }

    fn count(&self, place: Placement) -> Placement {
        let directory = match &place {
            Placement::Found(found) => found.directory,
            Placement::Promote(future) => future.directory,
            Placement::New { directory } => *directory,
            Placement::Nowhere => return place,
        };
        self.list.get(directory).into_iter().for_each(Directory::replica_here);
        place
    }

    fn take_found(&self, topic: &str, partition: i32) -> (Vec<(usize, OpenMode)>, Vec<FutureFound>) {
        let (mut currents, mut futures) = (Vec::new(), Vec::new());
        for (directory, place) in self.list.iter().enumerate().filter(|(_, d)| !d.is_failed()) {
            let taken = place.found.lock().get_mut(topic).and_then(|found| found.remove(&partition));
            let Some(taken) = taken else { continue };
            currents.extend(taken.current.map(|mode| (directory, mode)));
            let future = |(path, mode)| FutureFound { directory, path, mode };
            futures.extend(taken.futures.into_iter().map(future));
        }
        (currents, futures)
    }
}

impl Directory {
    /// A future log that no move needs goes.
    pub fn discard_future(&self, path: &std::path::Path) -> Result<Removal, log::Fault> {
        self.log.discard(path, self.deletion_name())
    }
}

/// A directory of its own, not one of the reserved ids.
fn is_assigned(id: &Uuid) -> bool {
    ![Uuid::UNASSIGNED_DIRECTORY, Uuid::MIGRATING_DIRECTORY, Uuid::LOST_DIRECTORY].contains(id)
}

fn found(
    mut currents: Vec<(usize, OpenMode)>,
    home: Option<usize>,
    mut futures: Vec<FutureFound>,
) -> Placement {
    let at = currents.iter().position(|(index, _)| Some(*index) == home).unwrap_or(0);
    let (directory, mut mode) = currents.swap_remove(at);
    // The one that goes where the image says goes on.
    futures.sort_by_key(|future| Some(future.directory) != home);
    // A copy that took over, but for its name, may have been told of a later log start.
    let starts = futures.iter().map(|future| future.mode.log_start_offset);
    mode.log_start_offset = starts.fold(mode.log_start_offset, i64::max);
    Placement::Found(Box::new(FoundReplica { directory, mode, rival: currents.pop(), futures }))
}
