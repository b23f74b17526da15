//! Where readers of a log stopped: the few that go on in turn need no index to find their place again.

use crate::ahead::Ahead;
use crate::segment::Segment;
use crate::verified::Age;
use parking_lot::Mutex;
use std::collections::VecDeque;

/// Where readers stopped, and will go on: saves them the index. As good as having walked there, for only checked batches lead
/// here; a reader that finds another one at work does without.
#[derive(Debug, Default)]
pub(crate) struct Trails(Mutex<VecDeque<Trail>>);

#[derive(Clone, Copy, Debug)]
struct Trail {
    segment: i64,
    offset: i64,
    end: TrailEnd,
}

/// Readers of one partition that go on in turn; a trail is 32 bytes.
const TRAILS_MAX: usize = 64;

/// Where a reader goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrailEnd {
    pub position: u32,
    /// Of the segment's `verified` when the batch before was seen to end here.
    pub age: Age,
    /// How far ahead of the reader the platter was asked.
    pub ahead: Ahead,
}

impl Trails {
    /// Takes the trail of the reader that goes on at `offset`: where the batch after the last one before begins. Who takes it leaves
    /// another one, or the same.
    pub fn take(&self, segment: &Segment, offset: i64) -> Option<TrailEnd> {
        let mut trails = self.0.try_lock()?;
        let at = trails.iter().rposition(|trail| trail.is_at(segment, offset))?;
        trails.remove(at).map(|trail| trail.end)
    }

    /// Where such a trail ends; it stays.
    pub fn position(&self, segment: &Segment, offset: i64) -> Option<u32> {
        let trails = self.0.try_lock()?;
        trails.iter().rev().find(|trail| trail.is_at(segment, offset)).map(|trail| trail.end.position)
    }

    /// The batches up to `offset` were read and good; the reader's trail goes on from here.
    pub fn leave(&self, segment: &Segment, offset: i64, end: TrailEnd) {
        let Some(mut trails) = self.0.try_lock() else { return };
        if trails.len() >= TRAILS_MAX {
            trails.pop_front();
        }
        trails.push_back(Trail { segment: segment.base_offset, offset, end });
    }
}

impl Trail {
    fn is_at(&self, segment: &Segment, offset: i64) -> bool {
        self.offset == offset && self.segment == segment.base_offset
    }
}
