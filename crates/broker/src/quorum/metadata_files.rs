//! The files of `__cluster_metadata-0`, read before anything is touched: does this release understand all of it, and may this node
//! live on it? A start that must not go on leaves the directory as it was.
//!
//! Owns the reading and its reasons for a refusal. Never writes.

use std::path::Path;

use kraft::features::{Feature, KRAFT_VERSION, METADATA_VERSION};
use kraft::hosted::inspect::Inspection;
use kraft::raft::OffsetAndEpoch;
use kraft::raft::quorum_state::ElectionState;
use log::Disk;

/// The directory of the metadata log below a log directory.
pub const METADATA_LOG: &str = "__cluster_metadata-0";

/// Snapshot, log and quorum-state, as a start would read them; nothing where there is no metadata yet. The error says what cannot
/// be read and why.
pub fn read(disk: &dyn Disk, log_directory: &Path) -> Result<Option<Inspection>, String> {
    let directory = log_directory.join(METADATA_LOG);
    if !disk.exists(&directory) {
        return Ok(None);
    }
    read_directory(disk, &directory).map(Some).map_err(|why| format!("{}: {why}", directory.display()))
}

fn read_directory(disk: &dyn Disk, directory: &Path) -> Result<Inspection, String> {
    let failed = |fault: log::Fault| fault.to_string();
    let entries = disk.list(directory).map_err(failed)?;
    let newest = entries.iter().filter_map(|entry| snapshot_id(&entry.name)).max();
    let snapshot = match newest {
        None => None,
        Some((offset, epoch)) => {
            let path = directory.join(format!("{offset:020}-{epoch:010}.checkpoint"));
            Some((OffsetAndEpoch::new(offset, epoch), disk.read_file(&path).map_err(failed)?))
        }
    };
    let mut inspection = Inspection::new(snapshot).map_err(|error| error.to_string())?;
    let segments: Vec<i64> = entries.iter().filter_map(|entry| segment_offset(&entry.name)).collect();
    for (at, offset) in segments.iter().enumerate() {
        // One that ends before the snapshot has nothing to say.
        if segments.get(at + 1).is_some_and(|next| *next <= inspection.end_offset()) {
            continue;
        }
        let bytes = disk.read_file(&directory.join(format!("{offset:020}.log"))).map_err(failed)?;
        inspection.segment(bytes).map_err(|error| error.to_string())?;
    }
    let state = directory.join("quorum-state");
    if disk.exists(&state) {
        let content = disk.read_file(&state).map_err(failed)?;
        ElectionState::from_json(&content).map_err(|error| error.to_string())?;
    }
    Ok(inspection)
}

/// `<offset, 20 digits>-<epoch, 10 digits>.checkpoint`
fn snapshot_id(name: &str) -> Option<(i64, i32)> {
    let (offset, epoch) = name.strip_suffix(".checkpoint")?.split_once('-')?;
    (offset.len() == 20 && epoch.len() == 10).then_some(())?;
    Some((offset.parse().ok()?, epoch.parse().ok()?))
}

/// `<offset, 20 digits>.log`
fn segment_offset(name: &str) -> Option<i64> {
    name.strip_suffix(".log").filter(|digits| digits.len() == 20)?.parse().ok()
}

/// Why a node must not live on what was read; nothing if it may. Who votes is no matter of this: a node that does not may still follow.
pub fn obstacles(inspection: &Inspection) -> Vec<String> {
    let mut found = Vec::new();
    let highest = Feature::named(KRAFT_VERSION).map_or(0, Feature::latest);
    if inspection.kraft_version() > highest {
        let level = inspection.kraft_version();
        found.push(format!("{KRAFT_VERSION} is at level {level}, this release knows up to {highest}"));
    }
    for (name, level) in inspection.image().features.iter() {
        // Its levels were checked when its record was read.
        if name.as_str() == METADATA_VERSION {
            continue;
        }
        match Feature::named(name) {
            None => found.push(format!("the feature {name} (level {level}) is unknown to this release")),
            Some(feature) if level > feature.latest() => {
                let latest = feature.latest();
                found.push(format!(
                    "the feature {name} is at level {level}, this release knows up to {latest}"
                ));
            }
            Some(_) => {}
        }
    }
    found
}
