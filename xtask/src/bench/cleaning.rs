//! Compaction through a whole broker: ten million keyed records of 100 bytes over a million keys are produced under `cleanup.policy=delete`,
//! then the policy turns to `compact`. Both brokers hold the keys in one map and clean everything but the active segment in one
//! round; the time is from the changed policy to the cleaner's checkpoint.

use super::cell::{Cell, Run};
use super::load;
use super::measure::cpu_seconds;
use super::speak::{self, Batch, Connection};
use crate::process::pause;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::{Duration, Instant};

const RECORDS: u64 = 10_000_000;
const KEYS: u64 = 1_000_000;
/// A batch of some 16 KiB.
const A_BATCH: u64 = 140;

const BROKER: &[(&str, &str)] = &[("log.cleaner.backoff.ms", "100"), ("log.cleaner.threads", "1")];
const TOPIC: &[(&str, &str)] =
    &[("cleanup.policy", "delete"), ("segment.bytes", "104857600"), ("min.cleanable.dirty.ratio", "0.01")];

pub fn compaction<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    Ok(Box::new(move |_| {
        let broker = cell.start_with(BROKER)?;
        let address = broker.address();
        load::create(&address, "keyed", 1, TOPIC)?;
        let since = Instant::now();
        fill(&address)?;
        let filled = since.elapsed();
        let folder = broker.data()?.join("keyed-0");
        let segments = segments(&folder)?;
        let (active, _) = *segments.last().context("a segment")?;
        let closed: u64 = segments.iter().filter(|(base, _)| *base < active).map(|(_, bytes)| bytes).sum();
        let mut connection = Connection::open(&address)?;
        let before = cpu_seconds(broker.id());
        speak::altered(connection.call(&speak::alter_topic("keyed", "cleanup.policy", "compact"))?)?;
        let since = Instant::now();
        while cleaned_to(&broker.data()?)? < active {
            ensure!(since.elapsed() < Duration::from_secs(300), "not cleaned after five minutes");
            pause(Duration::from_millis(20));
        }
        let took = since.elapsed().as_secs_f64();
        let cpu = cpu_seconds(broker.id()) - before;
        // What was replaced may be deleted later under another name; only segments count.
        let left: u64 =
            self::segments(&folder)?.iter().filter(|(base, _)| *base < active).map(|(_, bytes)| bytes).sum();
        Ok(vec![
            ("s to fill", filled.as_secs_f64()),
            ("s to clean", took),
            ("MB/s of log", closed as f64 / 1e6 / took),
            ("CPU-s/GB", cpu / (closed as f64 / 1e9)),
            ("MB before", closed as f64 / 1e6),
            ("MB after", left as f64 / 1e6),
        ])
    }))
}

/// Every key ten times, far from its other times.
fn fill(address: &str) -> Result<()> {
    let mut connection = Connection::open(address)?;
    let batches = RECORDS.div_ceil(A_BATCH);
    let (mut sent, mut answered) = (0, 0);
    while answered < batches {
        while sent < batches && sent - answered < 5 {
            let keys = (sent * A_BATCH..(sent + 1) * A_BATCH).map(|n| (n * 7919) % KEYS).collect();
            let batch = Batch { keys, ..Batch::plain(A_BATCH as usize, 92) };
            connection.send(&speak::produce("keyed", 0, &batch.bytes()?))?;
            sent += 1;
        }
        speak::produced(connection.receive()?)?;
        answered += 1;
    }
    Ok(())
}

/// Base offset and length of every segment, in order.
fn segments(folder: &Path) -> Result<Vec<(i64, u64)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(base) = name.strip_suffix(".log").and_then(|base| base.parse().ok()) {
            // One that the cleaner has just renamed counts for nothing.
            found.push((base, entry.metadata().map_or(0, |metadata| metadata.len())));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The offset in the cleaner's checkpoint, 0 before there is one.
fn cleaned_to(data: &Path) -> Result<i64> {
    let text = std::fs::read_to_string(data.join("cleaner-offset-checkpoint")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("keyed 0 "));
    line.map_or(Ok(0), |offset| offset.parse().context("cleaner-offset-checkpoint"))
}
