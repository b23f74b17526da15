//! Where a consumer stands in each of its partitions: what it has been given, what it fetches next, what it must
//! still find out. Pure.

use super::options::OffsetReset;
use crate::error::Error;
use crate::offsets::OffsetSpec;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering};
use wire::topic::TopicPartition;

/// A position that records are delivered from. SharedConsumer by the state, the fetched data and the reader, so that a
/// delivery costs two stores and no lock. A seek makes a new one and lets go of the old one.
#[derive(Debug)]
pub(crate) struct Cursor {
    live: AtomicBool,
    /// The next offset to be delivered.
    offset: AtomicI64,
    /// The epoch of the last record delivered, -1 if unknown.
    leader_epoch: AtomicI32,
}

impl Cursor {
    pub(crate) fn new(offset: i64, leader_epoch: i32) -> Arc<Cursor> {
        Arc::new(Cursor {
            live: AtomicBool::new(true),
            offset: AtomicI64::new(offset),
            leader_epoch: AtomicI32::new(leader_epoch),
        })
    }

    /// False after a seek, a pause or a revocation: what was fetched for it must not be delivered.
    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Ordering::Acquire)
    }

    pub(crate) fn offset(&self) -> i64 {
        self.offset.load(Ordering::Acquire)
    }

    pub(crate) fn leader_epoch(&self) -> i32 {
        self.leader_epoch.load(Ordering::Acquire)
    }

    /// Everything before `offset` is delivered.
    pub(crate) fn advance(&self, offset: i64, leader_epoch: i32) {
        self.leader_epoch.store(leader_epoch, Ordering::Release);
        self.offset.store(offset, Ordering::Release);
    }
}

/// What is known of a partition's position.
#[derive(Debug, Clone)]
pub(crate) enum Position {
    /// The group's committed offset must be asked for.
    Committed,
    /// An offset must be asked for by time.
    Reset(OffsetSpec),
    /// There is no position and none to be found; told once, then nothing happens until a seek.
    Lost,
    /// Known.
    At(Arc<Cursor>),
}

/// One assigned partition.
#[derive(Debug)]
pub(crate) struct Assigned {
    pub(crate) position: Position,
    /// The next offset to fetch; at or beyond the cursor.
    pub(crate) fetch_offset: i64,
    pub(crate) paused: bool,
    /// A request that will settle `position` is under way.
    pub(crate) asking: bool,
    /// Given in the answer to the last fetch; -1 before.
    pub(crate) high_watermark: i64,
}

/// All assigned partitions.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    partitions: BTreeMap<TopicPartition, Assigned>,
}

impl Positions {
    /// Adds partitions at `position`; those already there stay as they are.
    pub(crate) fn add(&mut self, targets: impl IntoIterator<Item = TopicPartition>, position: &Position) {
        for target in targets {
            let fresh = || Assigned {
                position: position.clone(),
                fetch_offset: -1,
                paused: false,
                asking: false,
                high_watermark: -1,
            };
            self.partitions.entry(target).or_insert_with(fresh);
        }
    }

    /// Lets go of partitions.
    pub(crate) fn remove<'a>(&mut self, targets: impl IntoIterator<Item = &'a TopicPartition>) {
        for target in targets {
            if let Some(assigned) = self.partitions.remove(target) {
                assigned.kill();
            }
        }
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        self.partitions.values().for_each(Assigned::kill);
        self.partitions.clear();
    }

    /// The partitions, in order.
    pub(crate) fn assigned(&self) -> Vec<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    pub(crate) fn get(&self, target: &TopicPartition) -> Option<&Assigned> {
        self.partitions.get(target)
    }

    pub(crate) fn get_mut(&mut self, target: &TopicPartition) -> Option<&mut Assigned> {
        self.partitions.get_mut(target)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &Assigned)> {
        self.partitions.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&TopicPartition, &mut Assigned)> {
        self.partitions.iter_mut()
    }

    /// Delivered positions, for committing.
    pub(crate) fn delivered(&self) -> BTreeMap<TopicPartition, (i64, i32)> {
        let known = self.partitions.iter().filter_map(|(target, assigned)| match &assigned.position {
            Position::At(cursor) => Some((target.clone(), (cursor.offset(), cursor.leader_epoch()))),
            Position::Committed | Position::Reset(_) | Position::Lost => None,
        });
        known.collect()
    }

    /// Moves a partition. False: it is not assigned.
    pub(crate) fn seek(&mut self, target: &TopicPartition, position: Position) -> bool {
        let Some(assigned) = self.partitions.get_mut(target) else { return false };
        assigned.kill();
        assigned.asking = false;
        assigned.position = position;
        if let Position::At(cursor) = &assigned.position {
            assigned.fetch_offset = cursor.offset();
        }
        true
    }

    /// Stops delivering and forgets what was fetched and not delivered. False: it is not assigned.
    pub(crate) fn pause(&mut self, target: &TopicPartition) -> bool {
        let Some(assigned) = self.partitions.get_mut(target) else { return false };
        assigned.paused = true;
        if let Position::At(cursor) = &assigned.position {
            let again = Cursor::new(cursor.offset(), cursor.leader_epoch());
            assigned.kill();
            assigned.fetch_offset = again.offset();
            assigned.position = Position::At(again);
        }
        true
    }

    /// Goes on delivering. False: it is not assigned.
    pub(crate) fn resume(&mut self, target: &TopicPartition) -> bool {
        let Some(assigned) = self.partitions.get_mut(target) else { return false };
        assigned.paused = false;
        true
    }
}

impl Assigned {
    fn kill(&self) {
        if let Position::At(cursor) = &self.position {
            cursor.live.store(false, Ordering::Release);
        }
    }

    /// The cursor, if the position is known.
    pub(crate) fn cursor(&self) -> Option<&Arc<Cursor>> {
        match &self.position {
            Position::At(cursor) => Some(cursor),
            Position::Committed | Position::Reset(_) | Position::Lost => None,
        }
    }

    /// The position was found.
    pub(crate) fn found(&mut self, offset: i64, leader_epoch: i32) {
        self.position = at(offset, leader_epoch);
        self.fetch_offset = offset;
        self.asking = false;
    }
}

/// The position of a known offset.
pub(crate) fn at(offset: i64, leader_epoch: i32) -> Position {
    Position::At(Cursor::new(offset, leader_epoch))
}

/// Where to go when there is no position: a position to be asked for, or the error to tell.
pub(crate) fn reset_position(
    reset: OffsetReset,
    target: &TopicPartition,
    now_ms: i64,
) -> Result<Position, Error> {
    match reset {
        OffsetReset::Earliest => Ok(Position::Reset(OffsetSpec::Earliest)),
        OffsetReset::Latest => Ok(Position::Reset(OffsetSpec::Latest)),
        OffsetReset::ByDuration(back) => {
            Ok(Position::Reset(OffsetSpec::Timestamp((now_ms - back.as_millis() as i64).max(0))))
        }
        OffsetReset::None => {
            let code = wire::ErrorCode::OffsetOutOfRange;
            let message = Some("there is no valid position and auto.offset.reset is none".to_owned());
            Err(Error::Refused { code, doing: format!("find a position in {target}"), message })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> TopicPartition {
        TopicPartition::new("t", 0)
    }

    fn at_offset(offset: i64) -> Positions {
        let mut positions = Positions::default();
        positions.add([target()], &Position::Committed);
        positions.get_mut(&target()).expect("assigned").found(offset, 3);
        positions
    }

    #[test]
    fn a_seek_makes_fetched_data_stale() {
        let mut positions = at_offset(5);
        let old = positions.get(&target()).and_then(Assigned::cursor).expect("known").clone();
        assert!(positions.seek(&target(), at(9, -1)));
        assert!(!old.is_live());
        let assigned = positions.get(&target()).expect("assigned");
        assert_eq!((assigned.fetch_offset, assigned.cursor().expect("known").offset()), (9, 9));
    }

    #[test]
    fn a_pause_goes_back_to_what_was_delivered() {
        let mut positions = at_offset(5);
        positions.get_mut(&target()).expect("assigned").fetch_offset = 100;
        positions.get(&target()).and_then(Assigned::cursor).expect("known").advance(7, 4);
        assert!(positions.pause(&target()) && positions.resume(&target()));
        let assigned = positions.get(&target()).expect("assigned");
        assert_eq!(assigned.fetch_offset, 7);
        assert_eq!(positions.delivered(), BTreeMap::from([(target(), (7, 4))]));
    }

    #[test]
    fn adding_again_changes_nothing_and_removing_stops_delivery() {
        let mut positions = at_offset(5);
        positions.add([target()], &Position::Committed);
        let cursor = positions.get(&target()).and_then(Assigned::cursor).expect("still known").clone();
        positions.remove([&target()]);
        assert!(!cursor.is_live() && positions.assigned().is_empty());
    }
}
