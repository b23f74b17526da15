//! How one lane reaches another: the letter box of each, and how many connections it has. Owns the choice of a lane for a new
//! connection and for a link to another node.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use broker::LinkId;

use super::doors::{Accepted, Door};
use super::errands::Errand;
use super::post::{Phase, Post};

/// How one lane reaches another.
pub struct Neighbours(Vec<Neighbour>);

struct Neighbour {
    post: Arc<Post>,
    connections: AtomicUsize,
}

impl Neighbours {
    /// So many lanes without connections.
    pub fn new(count: usize) -> io::Result<Self> {
        let neighbour = |_| Ok(Neighbour { post: Post::new()?, connections: AtomicUsize::new(0) });
        Ok(Self((0..count).map(neighbour).collect::<io::Result<_>>()?))
    }

    /// How many lanes there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Tells all lanes how far they are.
    pub fn announce(&self, phase: Phase) {
        self.0.iter().for_each(|lane| lane.post.deliver(|mail| mail.phase = phase));
    }

    /// The lane's letter box.
    pub fn post(&self, index: usize) -> Arc<Post> {
        self.0[index].post.clone()
    }

    /// Connections that the lane has, or is about to have.
    pub fn connections(&self, index: usize) -> &AtomicUsize {
        &self.0[index].connections
    }

    /// Gives a connection to the lane with the fewest.
    pub fn deal(&self, accepted: Accepted) {
        if let Some(lane) = self.0.iter().min_by_key(|lane| lane.connections.load(Ordering::Relaxed)) {
            lane.connections.fetch_add(1, Ordering::Relaxed);
            lane.post.deliver(|mail| mail.arrived.push(accepted));
        }
    }

    /// Has the first lane, which accepts for all, listen at one more.
    pub fn open(&self, door: Door) {
        if let Some(first) = self.0.first() {
            first.post.deliver(|mail| mail.doors.push(door));
        }
    }

    /// Sends an errand to the lane of its link: links come one after another, so that the lanes have equally many.
    pub fn send(&self, link: LinkId, errand: Errand) {
        let at = usize::try_from(link % self.0.len().max(1) as u64).unwrap_or(0);
        if let Some(lane) = self.0.get(at) {
            lane.post.deliver(|mail| mail.errands.push(errand));
        }
    }
}
