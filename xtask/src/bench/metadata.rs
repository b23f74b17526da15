//! What a partition weighs in the metadata quorum: bytes in its log and in a snapshot, memory of the image, the start from a
//! snapshot. Constants for the arithmetic of large clusters.

use super::cell::{Cell, Run};
use super::load::{self, first_answer};
use super::measure::{cpu_seconds, resident_mb};
use super::scale::fill;
use super::speak::{self, Batch};
use crate::process::pause;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 100_000;
/// Small enough that the last snapshot holds nearly all of them.
const SETTINGS: &[(&str, &str)] = &[("metadata.log.max.record.bytes.between.snapshots", "500000")];

pub fn weight<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    Ok(Box::new(move |_| {
        let mut broker = cell.start_with(SETTINGS)?;
        let (memory, cpu) = (resident_mb(broker.id()), cpu_seconds(broker.id()));
        fill(&broker, PARTITIONS)?;
        let spent = cpu_seconds(broker.id()) - cpu;
        pause(Duration::from_secs(2));
        let grown = resident_mb(broker.id()) - memory;
        let folder = broker.data()?.join("__cluster_metadata-0");
        let (log, snapshot) = (size_of(&folder, "log", true)?, size_of(&folder, "checkpoint", false)?);
        ensure!(snapshot > 0.0, "no snapshot was written");
        broker.kill()?;
        let since = Instant::now();
        broker.launch(cell.workspace)?;
        let (mut connection, _) = first_answer(&broker.address(), since)?;
        load::accepted(&mut connection, &speak::produce("existing-0", 7, &Batch::plain(1, 100).bytes()?))?;
        let each = f64::from(PARTITIONS);
        Ok(vec![
            ("bytes a partition in the log", log / each),
            ("bytes a partition in a snapshot", snapshot / each),
            ("KB a partition in memory", grown * 1024.0 / each),
            ("CPU µs to create a partition", spent * 1e6 / each),
            ("ms to start from the snapshot", since.elapsed().as_secs_f64() * 1e3),
        ])
    }))
}

/// Bytes of all the files of a kind, or of the largest.
fn size_of(folder: &Path, kind: &str, all: bool) -> Result<f64> {
    let (mut sum, mut largest) = (0.0, 0.0_f64);
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == kind) {
            let bytes = entry.metadata().map_or(0.0, |metadata| metadata.len() as f64);
            sum += bytes;
            largest = largest.max(bytes);
        }
    }
    Ok(if all { sum } else { largest })
}
