//! Looks at the nodes of a cluster: after every step at the one that did something, at the end at all of them. Compares with the oracle and
//! with one another through `invariants`; changes nothing.

use std::collections::BTreeMap;

use broker::views::{PartitionCell, Role};
use coordinator::group::partition_for;
use log::{LogView, ReadLimit};
use wire::record_batch::RecordBatch;
use wire::topic::{CONSUMER_OFFSETS, TopicIdPartition, TopicPartition};
use wire::{Str, Uuid};

use super::shape::Power;
use crate::clients::admin::topic_names;
use crate::invariants::{self, Checked, Violation};
use crate::world::World;

/// Bytes per read of the last comparison.
const READ_BYTES: u32 = 4_000;

/// A node did something.
pub fn step(world: &World, machine: usize) -> Checked {
    let (node, boot) = {
        let machine = world.machine_at(machine).borrow();
        let Some(node) = machine.node() else { return Ok(()) };
        (node, machine.boots())
    };
    let mut oracle = world.oracle.borrow_mut();
    let status = node.quorum_status();
    oracle.quorum(node.node_id(), &status)?;
    let changed = oracle.image(machine, boot, &node.image())?;
    drop(oracle);
    if status.is_active {
        leads_the_quorum(world, machine)?;
    }
    for key in changed {
        joined(world, key)?;
    }
    for (name, _) in world.model.borrow().standing_topics() {
        let Some(topic) = node.views().by_name(name) else { continue };
        for cell in &topic.partitions {
            if let Some([_, _, high_watermark, _]) = cell.offsets() {
                world.oracle.borrow_mut().is_committed(cell.key, high_watermark);
            }
            let Role::Leader { leader_epoch } = cell.role() else { continue };
            leader(world, (machine, boot), cell, leader_epoch)?;
        }
    }
    Ok(())
}

fn leader(world: &World, (machine, boot): (usize, u64), cell: &PartitionCell, leader_epoch: i32) -> Checked {
    world.oracle.borrow_mut().leader(machine, cell.key, leader_epoch)?;
    let Some(order) = cell.offsets() else { return Ok(()) };
    invariants::a_view_is_in_order(&cell.key, order)?;
    let [_, _, high_watermark, _] = order;
    if world.oracle.borrow_mut().high_watermark(cell.key, leader_epoch, boot, high_watermark)? {
        let newest = world.oracle.borrow().in_sync(&cell.key);
        for follower in newest.isr {
            in_sync(world, (cell.key, leader_epoch), follower, high_watermark)?;
        }
    }
    Ok(())
}

/// An in-sync set is new: whoever is in it has what its leader has called committed.
fn joined(world: &World, key: TopicIdPartition) -> Checked {
    let (newest, high_watermark) = {
        let oracle = world.oracle.borrow();
        let newest = oracle.in_sync(&key);
        let high_watermark = oracle.committed_in(key, newest.leader_epoch);
        (newest, high_watermark)
    };
    for follower in newest.isr {
        in_sync(world, (key, newest.leader_epoch), follower, high_watermark)?;
    }
    Ok(())
}

/// A leader of the quorum that no majority has been able to reach for twice the time it may take to notice leads no longer.
fn leads_the_quorum(world: &World, machine: usize) -> Checked {
    let limit_ms = 3 * world.shape.cluster.key("controller.quorum.fetch.timeout.ms") + 1_000;
    let long_ago_ms = world.now_ms() - limit_ms;
    if world.machine_at(machine).borrow().resumed_ms() > long_ago_ms {
        return Ok(());
    }
    let links = world.links.borrow();
    let voters = world.shape.cluster.roles.iter().enumerate().filter(|(_, roles)| roles.controller);
    let (mut all, mut heard) = (0, 0);
    for (voter, _) in voters {
        all += 1;
        let is_heard =
            voter == machine || links.cut_since((voter, machine)).is_none_or(|ms| ms > long_ago_ms);
        heard += usize::from(is_heard);
    }
    invariants::a_leader_that_nobody_reaches_resigns(machine, heard, all, limit_ms)
}

/// A record was acknowledged to whom asked for all: enough replicas have it, not counting those of which nothing can be seen.
pub fn acknowledged(world: &World, partition: &TopicPartition, end_offset: i64) -> Checked {
    let (mut key, mut lacking) = (None, Vec::new());
    for (index, machine) in world.machines.iter().enumerate() {
        let Some(node) = machine.borrow().node() else { continue };
        let Some(topic) = node.views().by_name(&partition.topic) else { continue };
        let Some(cell) = topic.partition(partition.partition) else { continue };
        key = Some(cell.key);
        let [.., log_end_offset] = cell.offsets().unwrap_or([i64::MAX; 4]);
        let is_known = cell.role() != Role::Absent && !may_have_lost(world, index);
        if is_known && log_end_offset < end_offset {
            lacking.push(node.node_id());
        }
    }
    let Some(key) = key else { return Ok(()) };
    let replicas = world.oracle.borrow().in_sync(&key).replicas;
    let wanted = usize::try_from(world.shape.cluster.min_insync_replicas).unwrap_or(1).min(replicas.len());
    let copies = replicas.iter().filter(|replica| !lacking.contains(replica)).count();
    invariants::acknowledged_records_have_enough_copies(partition, end_offset, copies, wanted)
}

/// Whether a machine coordinates the group by the newest metadata that anybody has shown. One that was replaced and has not heard of it
/// (cut off from everybody, or standing still until a moment ago) cannot know; what is written to it is acknowledged to nobody, but what it
/// is asked it answers from what was committed in its time, as Kafka's coordinators do.
pub fn coordinates(world: &World, machine: usize, group: &str) -> bool {
    let Some(node) = world.machine_at(machine).borrow().node() else { return false };
    let Some(topic) = node.views().by_name(CONSUMER_OFFSETS) else { return false };
    let many = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let Some(cell) = topic.partition(partition_for(group, many.max(1))) else { return false };
    let newest = world.oracle.borrow().in_sync(&cell.key).leader_epoch;
    matches!(cell.role(), Role::Leader { leader_epoch } if leader_epoch >= newest)
}

/// Its power may go, and with it what it had.
fn may_have_lost(world: &World, machine: usize) -> bool {
    match world.shape.cluster.power {
        Power::WeakEverywhere => true,
        Power::WeakAt(weak) => weak == machine,
        Power::Steady => false,
    }
}

/// A replica that is called in-sync holds what is committed: one that follows this leader, and has not lost its power.
fn in_sync(
    world: &World,
    (key, leader_epoch): (TopicIdPartition, i32),
    follower: i32,
    high_watermark: i64,
) -> Checked {
    let Some(index) = usize::try_from(follower).ok().and_then(|id| id.checked_sub(1)) else { return Ok(()) };
    if may_have_lost(world, index) {
        return Ok(());
    }
    let Some(machine) = world.machines.get(index) else { return Ok(()) };
    let Some(node) = machine.borrow().node() else { return Ok(()) };
    let topic = node.views().by_id(key.topic_id);
    let Some(cell) = topic.as_ref().and_then(|topic| topic.partition(key.partition)) else {
        return Ok(());
    };
    let follows = cell.role() == Role::Follower { leader_epoch };
    match cell.offsets().filter(|_| follows) {
        Some([.., log_end_offset]) => invariants::committed_records_are_on_all_in_sync_replicas(
            &key,
            high_watermark,
            follower,
            log_end_offset,
        ),
        None => Ok(()),
    }
}

/// All replicas of a partition, by node id: role and view.
type Replicas = BTreeMap<i32, (Role, LogView)>;

/// All replicas of all partitions of the workload, as their nodes have them.
fn replicas(world: &World) -> BTreeMap<(Str, Uuid, i32), Replicas> {
    let mut found: BTreeMap<(Str, Uuid, i32), Replicas> = BTreeMap::new();
    for machine in &world.machines {
        let Some(node) = machine.borrow().node() else { continue };
        for name in topic_names(world) {
            let Some(topic) = node.views().by_name(&name) else { continue };
            for (index, cell) in (0..).zip(&topic.partitions) {
                let Some(view) = cell.view().filter(|_| cell.role() != Role::Absent) else { continue };
                let key = (name.clone(), topic.id, index);
                found.entry(key).or_default().insert(node.node_id(), (cell.role(), view));
            }
        }
    }
    found
}

/// What is still to come until all replicas are in sync and at one end, in words.
pub fn unsettled(world: &World) -> Option<String> {
    let wanted = usize::try_from(world.shape.cluster.replication_factor).unwrap_or(0);
    let found = replicas(world);
    if found.len() != world.shape.topics * world.shape.partitions as usize {
        return Some(format!("{} partitions are shown", found.len()));
    }
    for ((topic, _, index), replicas) in &found {
        let ends: Vec<(i64, i64)> =
            replicas.values().map(|(_, view)| (view.high_watermark, view.log_end_offset)).collect();
        let leaders = replicas.values().filter(|(role, _)| matches!(role, Role::Leader { .. })).count();
        let first = ends.first().map(|(_, end)| *end).unwrap_or_default();
        let same = ends.iter().all(|ends| *ends == (first, first));
        if replicas.len() != wanted || leaders != 1 || !same {
            let nodes: Vec<i32> = replicas.keys().copied().collect();
            return Some(format!(
                "{topic}-{index} on {nodes:?}: {leaders} leaders, high watermarks and ends {ends:?}"
            ));
        }
        for machine in &world.machines {
            let Some(node) = machine.borrow().node() else { return Some("a node is down".to_owned()) };
            let image = node.image();
            let partition = image.topics.by_name(topic).map(|topic| topic.partitions.iter());
            let partition = partition.into_iter().flatten().find(|(number, _)| *number == index);
            let isr = partition.map_or(0, |(_, partition)| partition.isr.len());
            if isr != wanted {
                return Some(format!("{topic}-{index}: {isr} in sync for node {}", node.node_id()));
            }
        }
    }
    None
}

/// Where each partition ends.
pub fn ends(world: &World) -> BTreeMap<TopicPartition, i64> {
    let end = |((topic, _, index), replicas): ((Str, Uuid, i32), Replicas)| {
        let end = replicas.values().map(|(_, view)| view.high_watermark).max().unwrap_or(0);
        (TopicPartition { topic, partition: index }, end)
    };
    replicas(world).into_iter().map(end).collect()
}

/// At the end: all replicas hold the same bytes, epochs go up along each log, and nothing that was promised is missing.
pub fn logs(world: &World) -> Checked {
    for ((topic, _, index), replicas) in replicas(world) {
        let partition = TopicPartition { topic, partition: index };
        let mut one: Option<(i32, Vec<u8>)> = None;
        for (node_id, (_, view)) in &replicas {
            let bytes = committed(&partition, view)?;
            match &one {
                None => {
                    epochs(&partition, &bytes)?;
                    let mut model = world.model.borrow_mut();
                    crate::audit::one_partition(&mut model, &partition, view)?;
                    one = Some((*node_id, bytes));
                }
                Some((other, known)) => invariants::replicas_are_identical(
                    &partition,
                    view.log_start_offset,
                    (*other, known),
                    (*node_id, &bytes),
                )?,
            }
        }
    }
    Ok(())
}

/// The committed part of a log as it lies on the disk.
fn committed(partition: &TopicPartition, view: &LogView) -> Result<Vec<u8>, Violation> {
    let broken = |reason: String| {
        invariants::every_stored_batch_decodes(&format!("{partition:?}"), Err(reason)).map(|()| Vec::new())
    };
    let mut bytes = Vec::new();
    let mut from = view.log_start_offset;
    while from < view.high_watermark {
        match view.read(from, READ_BYTES, ReadLimit::HighWatermark, true) {
            Ok(fetched) if fetched.next_offset > from => {
                bytes.extend_from_slice(&fetched.records);
                from = fetched.next_offset;
            }
            Ok(_) => return broken(format!("nothing at {from}")),
            Err(refused) => return broken(format!("read at {from}: {refused:?}")),
        }
    }
    Ok(bytes)
}

fn epochs(partition: &TopicPartition, bytes: &[u8]) -> Checked {
    let batches = RecordBatch::split(bytes.to_vec().into());
    let broken =
        |reason: String| invariants::every_stored_batch_decodes(&format!("{partition:?}"), Err(reason));
    match batches {
        Ok(batches) => {
            let epochs: Vec<(i64, i32)> = batches
                .iter()
                .map(|batch| (batch.header().base_offset, batch.header().partition_leader_epoch))
                .collect();
            invariants::leader_epochs_never_go_back(partition, &epochs)
        }
        Err(error) => broken(format!("{error:?}")),
    }
}
