//! The replicated state of one `__share_group_state` partition and its soft state.
//!
//! Owns `apply`: the only way in which the state of share partitions comes, changes and goes. Decisions live in `decide.rs`.

use super::combine::{StateBatch, combine};
use super::config::ShareConfig;
use super::partition::SharePartition;
use super::records::{ShareRecord, ShareValue};
use crate::group::consumer::{ClusterView, NothingKnown};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::wall::Wall;

/// What is known of a share partition.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareState {
    /// Counts snapshots.
    pub snapshot_epoch: i32,
    /// Given by the group coordinator; grows when offsets are altered.
    pub state_epoch: i32,
    /// Of the partition's leader that read the state last; 0 where it was initialised since.
    pub leader_epoch: i32,
    /// The latest leader there was: those before it are fenced, also where the state was initialised since.
    pub latest_leader_epoch: i32,
    /// The same of states.
    pub latest_state_epoch: i32,
    /// The first record that is not done; −1 while nobody has said.
    pub start_offset: i64,
    /// Records from there on that are done; −1 where nobody has counted.
    pub delivery_complete_count: i32,
    /// Sorted, without overlap.
    pub batches: Vec<StateBatch>,
    /// When a write made the last snapshot, by the wall clock.
    pub create_timestamp_ms: i64,
    /// When the last snapshot was written, be it for nothing but its age.
    pub write_timestamp_ms: i64,
    /// Since the last snapshot.
    pub updates: i32,
    /// Of the last snapshot.
    pub snapshot_offset: i64,
}

/// What the partition's records add up to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShareMachine {
    /// Shared between the twins.
    pub(super) states: BTreeMap<SharePartition, Arc<ShareState>>,
    /// Where the snapshots are: what lies before the first of them nobody needs.
    snapshot_offsets: BTreeSet<i64>,
    /// Of the last tombstone, for a partition that has nothing else.
    tombstone_offset: i64,
}

/// What dies with leadership.
#[derive(Debug)]
pub struct ShareSoft {
    /// As configured.
    pub config: ShareConfig,
    pub(super) wall: Wall,
    /// The cluster as it is known now.
    pub view: Arc<dyn ClusterView>,
    /// What lies before this offset of the log is committed and redundant; whoever hosts the machine takes it after each step.
    pub trim: Option<i64>,
    pub(super) last_trim: i64,
}

impl ShareSoft {
    /// At the beginning of a term.
    pub fn new(config: ShareConfig, wall: Wall, view: Arc<dyn ClusterView>) -> ShareSoft {
        ShareSoft { config, wall, view, trim: None, last_trim: 0 }
    }
}

impl Default for ShareSoft {
    fn default() -> ShareSoft {
        ShareSoft::new(ShareConfig::default(), Wall::default(), Arc::new(NothingKnown))
    }
}

impl ShareMachine {
    /// What is known of a share partition.
    pub fn get(&self, of: &SharePartition) -> Option<&ShareState> {
        self.states.get(of).map(Arc::as_ref)
    }

    /// How many share partitions.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Everything before this offset is redundant.
    pub(super) fn redundant_before(&self) -> i64 {
        self.snapshot_offsets.first().copied().unwrap_or(self.tombstone_offset)
    }

    pub(super) fn apply_record(&mut self, offset: i64, record: &ShareRecord) {
        let ShareRecord { of, value } = record;
        match value {
            None => {
                if let Some(gone) = self.states.remove(of) {
                    self.snapshot_offsets.remove(&gone.snapshot_offset);
                }
                self.tombstone_offset = offset;
            }
            Some(ShareValue::Snapshot(value)) => {
                let before = self.states.get(of);
                let latest = |epoch: i32, of: fn(&ShareState) -> i32| {
                    before.map_or(epoch, |before| of(before).max(epoch))
                };
                let state = ShareState {
                    latest_leader_epoch: latest(value.leader_epoch, |before| before.latest_leader_epoch),
                    latest_state_epoch: latest(value.state_epoch, |before| before.latest_state_epoch),
                    snapshot_epoch: value.snapshot_epoch,
                    state_epoch: value.state_epoch,
                    leader_epoch: value.leader_epoch,
                    start_offset: value.start_offset,
                    delivery_complete_count: value.delivery_complete_count,
                    batches: value.batches.clone(),
                    create_timestamp_ms: value.create_timestamp_ms,
                    write_timestamp_ms: value.write_timestamp_ms,
                    updates: 0,
                    snapshot_offset: offset,
                };
                if let Some(before) = self.states.insert(of.clone(), Arc::new(state)) {
                    self.snapshot_offsets.remove(&before.snapshot_offset);
                }
                self.snapshot_offsets.insert(offset);
            }
            Some(ShareValue::Update(update)) => {
                let state = match self.states.get_mut(of) {
                    Some(state) => Arc::make_mut(state),
                    // Kafka's log may begin with one; nothing of ours does.
                    None => {
                        self.snapshot_offsets.insert(offset);
                        Arc::make_mut(self.states.entry(of.clone()).or_insert_with(|| {
                            Arc::new(ShareState::before_any_snapshot(update.snapshot_epoch, offset))
                        }))
                    }
                };
                if update.start_offset != -1 {
                    state.start_offset = update.start_offset;
                }
                if update.leader_epoch != -1 {
                    state.leader_epoch = update.leader_epoch;
                    state.latest_leader_epoch = state.latest_leader_epoch.max(update.leader_epoch);
                }
                state.delivery_complete_count = update.delivery_complete_count;
                state.batches = combine(&state.batches, update.batches.iter().copied(), state.start_offset);
                state.updates = state.updates.saturating_add(1);
            }
        }
    }
}

impl ShareState {
    fn before_any_snapshot(snapshot_epoch: i32, offset: i64) -> ShareState {
        ShareState {
            snapshot_epoch,
            state_epoch: 0,
            leader_epoch: 0,
            latest_leader_epoch: 0,
            latest_state_epoch: 0,
            start_offset: -1,
            delivery_complete_count: -1,
            batches: Vec::new(),
            create_timestamp_ms: 0,
            write_timestamp_ms: 0,
            updates: 0,
            snapshot_offset: offset,
        }
    }
}
