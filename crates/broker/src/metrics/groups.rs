//! Groups and how far they are behind, in records and in seconds. The coordinators say what was committed; the log of the partition says
//! what is there and when the first record that was not read yet was written. A partition that has no replica here is not told of: the
//! broker that has both tells it.

use std::sync::Arc;

use coordinator::group::{GroupAnswer, GroupCommand, GroupFigures, GroupMachine};
use log::ReadLimit;
use wire::Str;
use wire::hash::StableMap;

use crate::command::Ask;
use crate::coordinators::kinds::{Asked, Kind};
use crate::mailbox::reply;
use crate::node::Node;
use crate::views::Role;

/// How far one group is in one partition.
pub(crate) struct Position {
    pub group: usize,
    pub topic: Str,
    pub partition: i32,
    pub committed: i64,
    /// `None` without a replica here.
    pub lag: Option<Lag>,
}

/// What was not read yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lag {
    pub records: i64,
    /// How long the first of them has been there; 0 without any. `None` where its time cannot be told.
    pub seconds: Option<f64>,
}

/// All groups that this node coordinates, and where they are.
#[derive(Default)]
pub(crate) struct GroupsFound {
    pub groups: Vec<GroupFigures>,
    pub positions: Vec<Position>,
    /// Positions beyond the bound.
    pub left_out: usize,
}

/// When records were written that some group has not read yet: they do not change, and reading them costs.
#[derive(Default)]
pub(crate) struct KnownTimes(StableMap<(Str, Str, i32), (i64, i64)>);

/// Asks all coordinators of groups here; they are asked at once and answer in their shards.
pub(crate) async fn ask(node: &Node, now_ms: i64) -> Vec<GroupFigures> {
    let Some(topic) = node.views().by_name(GroupMachine::TOPIC) else { return Vec::new() };
    let led = topic.partitions.iter().filter(|cell| matches!(cell.role(), Role::Leader { .. }));
    let asked: Vec<_> = led
        .map(|cell| {
            let (reply, answer) = reply();
            let question = GroupMachine::question(Asked { command: GroupCommand::Figures, reply });
            node.ask(now_ms, Ask { cell: Arc::clone(cell), question });
            answer
        })
        .collect();
    let mut groups = Vec::new();
    for answer in asked {
        if let Ok(GroupAnswer::Figures(figures)) = answer.await {
            groups.extend(figures);
        }
    }
    groups.sort_by(|one: &GroupFigures, other| one.group_id.cmp(&other.group_id));
    groups
}

impl GroupsFound {
    /// Measures the lag of the first so many positions.
    pub fn of(
        node: &Node,
        wall_ms: i64,
        mut groups: Vec<GroupFigures>,
        most: usize,
        known: &mut KnownTimes,
    ) -> GroupsFound {
        let mut before = std::mem::take(&mut known.0);
        let mut positions = Vec::new();
        let mut left_out = 0;
        for (at, group) in groups.iter_mut().enumerate() {
            for (topic, partition, committed) in std::mem::take(&mut group.offsets) {
                if positions.len() >= most {
                    left_out += 1;
                    continue;
                }
                let key = (group.group_id.clone(), topic.clone(), partition);
                let remembered = before.remove(&key).filter(|(offset, _)| *offset == committed);
                let (lag, written_ms) = measure(node, wall_ms, (&topic, partition, committed), remembered);
                if let Some(written_ms) = written_ms {
                    known.0.insert(key, (committed, written_ms));
                }
                positions.push(Position { group: at, topic, partition, committed, lag });
            }
        }
        GroupsFound { groups, positions, left_out }
    }
}

/// The lag of a position, and when its first record was written.
fn measure(
    node: &Node,
    wall_ms: i64,
    (topic, partition, committed): (&Str, i32, i64),
    remembered: Option<(i64, i64)>,
) -> (Option<Lag>, Option<i64>) {
    let Some(cell) = node.views().by_name(topic).and_then(|topic| topic.partition(partition).cloned()) else {
        return (None, None);
    };
    if !matches!(cell.role(), Role::Leader { .. } | Role::Follower { .. }) {
        return (None, None);
    }
    // A log that sleeps is opened: what it holds may not have been read for long.
    node.open_log(node.latest_ms(), &cell);
    let Some(view) = cell.view() else { return (None, None) };
    // What retention has taken is not there to be read.
    let records = (view.high_watermark - committed.max(view.log_start_offset)).max(0);
    if records == 0 {
        return (Some(Lag { records, seconds: Some(0.0) }), None);
    }
    let remembered =
        remembered.filter(|_| committed >= view.log_start_offset).map(|(_, written_ms)| written_ms);
    let written_ms =
        remembered.or_else(|| view.timestamp_at(committed, ReadLimit::HighWatermark).ok().flatten());
    let seconds = written_ms.map(|written_ms| (wall_ms - written_ms).max(0) as f64 / 1_000.0);
    (Some(Lag { records, seconds }), written_ms)
}
