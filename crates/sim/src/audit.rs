//! Looks at the whole node at once: every partition's log as readers see it, the image, every file. Compares with the model
//! through `invariants`; changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use broker::Node;
use broker::views::Role;
use bytes::Bytes;
use log::{Disk, LogView, ReadLimit, SimDisk};
use wire::compress::DecompressLimit;
use wire::record_batch::RecordBatch;
use wire::topic::TopicPartition;

use crate::host::DIRECTORY;
use crate::invariants::{self, Checked, Violation};
use crate::model::{Model, TopicFate};
use crate::world::World;

/// Bytes per read: small, so that an audit reads as consumers do, in many pieces.
const READ_BYTES: u32 = 700;

/// After every step: the high watermarks, and the order within each view.
pub fn watermarks(node: &Node, model: &mut Model) -> Checked {
    let Model { topics, high_watermarks, .. } = model;
    // By name: walking all views costs more than the step that is checked.
    let names = topics.iter().filter(|(_, fate)| matches!(fate, TopicFate::Created(_)));
    for topic in names.filter_map(|(name, _)| node.views().by_name(name)) {
        for cell in &topic.partitions {
            let Some(order) = cell.offsets() else { continue };
            invariants::a_view_is_in_order(&cell.key, order)?;
            let [_, _, high_watermark, _] = order;
            let before = high_watermarks.insert(cell.key, high_watermark).unwrap_or(0);
            invariants::high_watermarks_never_go_back(&cell.key, before, high_watermark)?;
        }
    }
    Ok(())
}

/// True when every partition of every topic that must exist is led.
pub fn everything_is_led(node: &Node, model: &Model) -> bool {
    model.standing_topics().all(|(name, _)| {
        let Some(topic) = node.views().by_name(name) else { return false };
        topic
            .partitions
            .iter()
            .all(|cell| matches!(cell.role(), Role::Leader { .. }) && cell.view().is_some())
    })
}

/// Every partition, read from its start to its high watermark.
pub fn partitions(world: &World, node: &Node) -> Checked {
    let mut model = world.model.borrow_mut();
    for topic in node.views().all() {
        if topic.name.starts_with("__") {
            continue;
        }
        for (index, cell) in (0..).zip(&topic.partitions) {
            let Some(view) = cell.view() else { continue };
            let partition = TopicPartition { topic: topic.name.clone(), partition: index };
            one_partition(&mut model, &partition, &view)?;
        }
    }
    Ok(())
}

/// A log as readers see it, against what was promised.
pub fn one_partition(model: &mut Model, partition: &TopicPartition, view: &LogView) -> Checked {
    let start = view.log_start_offset;
    let log = read_all(partition, view)?;
    let offsets: Vec<i64> = log.keys().copied().collect();
    invariants::offsets_are_dense(partition, start, view.high_watermark, &offsets)?;
    let known = model.partition(partition);
    for (offset, value) in &log {
        invariants::a_record_once_read_never_changes(partition, known, *offset, value)?;
        invariants::nothing_is_invented(partition, *offset, value)?;
    }
    invariants::nothing_is_deleted_unasked(partition, known, start)?;
    invariants::what_was_deleted_stays_deleted(partition, known, start)?;
    invariants::no_acked_record_is_lost(partition, known, start, &log)?;
    invariants::idempotent_records_stand_once_and_in_order(partition, &log)?;
    for (offset, value) in &log {
        model.read(partition, *offset, value);
    }
    Ok(())
}

fn read_all(partition: &TopicPartition, view: &LogView) -> Result<BTreeMap<i64, Bytes>, Violation> {
    let broken =
        |reason: String| invariants::every_stored_batch_decodes(&format!("{partition:?}"), Err(reason));
    let mut log = BTreeMap::new();
    let mut from = view.log_start_offset;
    while from < view.high_watermark {
        let fetched = view.read(from, READ_BYTES, ReadLimit::HighWatermark, true);
        let fetched = match fetched {
            Ok(fetched) if fetched.next_offset > from => fetched,
            Ok(_) => {
                broken(format!("nothing to read at {from}, high watermark {}", view.high_watermark))?;
                return Ok(log);
            }
            Err(refused) => {
                broken(format!("read at {from}: {refused:?}"))?;
                return Ok(log);
            }
        };
        match records(fetched.records) {
            Ok(records) => log.extend(records.into_iter().filter(|(offset, _)| *offset >= from)),
            Err(reason) => broken(reason)?,
        }
        from = fetched.next_offset;
    }
    Ok(log)
}

/// The records of some batches: offset and value.
pub fn records(batches: Bytes) -> Result<Vec<(i64, Bytes)>, String> {
    let mut found = Vec::new();
    for batch in RecordBatch::split(batches).map_err(|error| format!("{error:?}"))? {
        batch.verify_crc().map_err(|error| format!("{error:?}"))?;
        for record in batch.records(DecompressLimit::default()).map_err(|error| format!("{error:?}"))? {
            let record = record.map_err(|error| format!("{error:?}"))?;
            found.push((record.offset, record.value.unwrap_or_default()));
        }
    }
    Ok(found)
}

/// In which epoch the last batch was written.
pub fn last_leader_epoch(batches: Bytes) -> Option<i32> {
    let batches = RecordBatch::split(batches).ok()?;
    batches.last().map(|batch| batch.header().partition_leader_epoch)
}

/// What of the image has to outlive everything: topics, ids, partitions, replicas, configurations.
pub fn image_of(node: &Node) -> BTreeSet<String> {
    let image = node.image();
    let mut lines = BTreeSet::new();
    for topic in image.topics.iter_by_name() {
        lines.insert(format!("topic {} {:?}", topic.name, topic.id));
        for (index, partition) in topic.partitions.iter() {
            let (replicas, directories) = (&partition.replicas, &partition.directories);
            lines.insert(format!("partition {} {index} {replicas:?} {directories:?}", topic.name));
        }
    }
    for (resource, configs) in image.configs.iter() {
        lines.insert(format!("configuration {resource:?} {configs:?}"));
    }
    lines
}

/// After a clean stop: every batch of every segment on the disk.
pub fn files(disk: &SimDisk) -> Checked {
    let mut directories = vec![PathBuf::from(DIRECTORY)];
    while let Some(directory) = directories.pop() {
        for entry in disk.list(&directory).unwrap_or_default() {
            let path = directory.join(&entry.name);
            if entry.is_directory {
                directories.push(path);
            } else if entry.name.ends_with(".log") {
                invariants::every_stored_batch_decodes(&path.display().to_string(), file(disk, &path))?;
            }
        }
    }
    Ok(())
}

fn file(disk: &SimDisk, path: &Path) -> Result<(), String> {
    let bytes = disk.read_file(path).map_err(|fault| fault.to_string())?;
    for batch in RecordBatch::split(bytes).map_err(|error| format!("{error:?}"))? {
        batch.verify_crc().map_err(|error| format!("{error:?}"))?;
        for record in batch.records(DecompressLimit::default()).map_err(|error| format!("{error:?}"))? {
            record.map_err(|error| format!("{error:?}"))?;
        }
    }
    Ok(())
}
