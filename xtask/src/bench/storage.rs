//! The disk's part: reading what is in no page cache while others produce, and starting on very many segments after `kill -9`.

use super::cell::{Cell, Run};
use super::contender::Running;
use super::load::{self, Shape, first_answer};
use super::measure::percentile;
use super::paced::{self, Pace};
use super::speak::{self, Batch, Connection};
use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// 1,000 records a second while nobody reads, then while a consumer reads another topic from the disk again and again.
pub fn cold_read<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let broker = cell.start()?;
    load::create(&broker.address(), "busy", 1, &[])?;
    load::create(&broker.address(), "cold", 16, &[])?;
    load::produce(&broker.address(), "cold", Shape::sixteen(cell.options.megabytes))?;
    Ok(Box::new(move |_| {
        let pace = Pace { record_bytes: 1024, per_second: 1000, seconds: 2 };
        let address = broker.address();
        let alone = paced::answers(&address, "busy", pace)?;
        let over = AtomicBool::new(false);
        let from_disk = read_bytes(&broker);
        let (beside, read) = std::thread::scope(|scope| {
            let reader = scope.spawn(|| read_cold(&broker, &over));
            let beside = paced::answers(&address, "busy", pace);
            over.store(true, Ordering::Release);
            (beside, reader.join().unwrap_or_else(|_| anyhow::bail!("the reader panicked")))
        });
        let (beside, (bytes, took)) = (beside?, read?);
        Ok(vec![
            ("cold read MB/s", bytes as f64 / 1e6 / took.as_secs_f64()),
            ("% of it from the disk", (read_bytes(&broker) - from_disk) / bytes as f64 * 100.0),
            ("produce p99 µs alone", percentile(&alone, 0.99)),
            ("produce p99 µs beside it", percentile(&beside, 0.99)),
        ])
    }))
}

/// Reads the topic to its end until the others are done, each time with its pages dropped before.
fn read_cold(broker: &Running, over: &AtomicBool) -> Result<(usize, Duration)> {
    let (mut bytes, mut took) = (0, Duration::ZERO);
    while !over.load(Ordering::Acquire) {
        drop_pages(&broker.data()?, "cold-")?;
        let done = load::consume(&broker.address(), "cold", 16, 1 << 20)?;
        bytes += done.payload_bytes;
        took += done.took;
    }
    Ok((bytes, took))
}

/// Takes every segment of a topic out of the page cache; what is not yet on the disk goes there first.
pub fn drop_pages(data: &Path, topic: &str) -> Result<()> {
    for path in segments(data, topic)? {
        let file = File::open(&path)?;
        file.sync_data()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}

/// Bytes that the broker had to read from the disk itself.
pub fn read_bytes(broker: &Running) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{}/io", broker.id())).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("read_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(f64::NAN)
}

/// Every segment below the folders whose names begin like this.
fn segments(data: &Path, topic: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(data).with_context(|| data.display().to_string())? {
        let folder = folder?.path();
        if folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(topic)) {
            let files = std::fs::read_dir(&folder)?.map(|file| anyhow::Ok(file?.path()));
            let files = files.collect::<Result<Vec<_>>>()?;
            found.extend(files.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "log")));
        }
    }
    Ok(found)
}

/// Partitions, and segments in each: a batch is a second younger than the one before, and a segment may be 100 ms old.
const SEGMENTS: (i32, i64) = (10, 1000);

/// `kill -9` and start with ten thousand segments.
pub fn many_segments<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let (partitions, each) = SEGMENTS;
    let mut broker = cell.start()?;
    let settings = [("segment.ms", "100")];
    load::create(&broker.address(), "rolled", partitions, &settings)?;
    let mut connection = Connection::open(&broker.address())?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as i64;
    for second in 0..each {
        let timestamp_ms = Some(now - (each - second) * 1000);
        let batch = Batch { timestamp_ms, ..Batch::plain(1, 1024) }.bytes()?;
        load::accepted(&mut connection, &speak::produce_to("rolled", 0..partitions, &batch))?;
    }
    let made = segments(&broker.data()?, "rolled-")?.len();
    ensure!(made as i64 >= i64::from(partitions) * each, "only {made} segments were made");
    Ok(Box::new(move |_| {
        broker.kill()?;
        let since = Instant::now();
        broker.launch(cell.workspace)?;
        let (mut connection, _) = first_answer(&broker.address(), since)?;
        let batch = Batch::plain(1, 1024).bytes()?;
        load::accepted(&mut connection, &speak::produce_to("rolled", 0..partitions, &batch))?;
        Ok(vec![("ms to accepted produce", since.elapsed().as_secs_f64() * 1e3)])
    }))
}
