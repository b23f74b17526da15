//! Measures one log alone: appends of produced batches with their validation, and reads with their CRC checks.
//! `throughput DIR [BATCH_BYTES] [TOTAL_MIB]`; build it optimised. A floor for the broker, not a benchmark of it.

use log::{AppendOrigin, Log, LogConfig, OpenMode, ReadLimit, RealDisk};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use wire::compress::Compression;
use wire::record_batch::{RecordBatchBuilder, validate_produce};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let directory = PathBuf::from(words.next().ok_or("throughput DIR [BATCH_BYTES] [TOTAL_MIB]")?);
    let batch_bytes: usize = words.next().map_or(Ok(16 << 10), |word| word.parse())?;
    let total_mib: usize = words.next().map_or(Ok(512), |word| word.parse())?;

    let mut builder = RecordBatchBuilder::with_compression(Compression::None);
    while builder.size_in_bytes() < batch_bytes {
        builder.append(1_700_000_000_000, None, Some(&[b'v'; 100]), &[]);
    }
    let batch = builder.build();
    let config = Arc::new(LogConfig { timestamp_after_max_ms: i64::MAX, ..LogConfig::default() });
    let rules = config.produce_rules();
    let path = directory.join("throughput-0");
    let mut log = Log::open(Arc::new(RealDisk::default()), path, config, OpenMode::default(), 0)?;

    let rounds = (total_mib << 20) / batch.len();
    let start = now();
    for _ in 0..rounds {
        let valid = validate_produce(batch.clone(), &rules, 0)?;
        log.append_as_leader(&valid, 0, AppendOrigin::Client, 0)?;
        log.view();
    }
    report("append", start, rounds, batch.len());

    let view = log.view();
    let (mut next, mut reads, mut bytes) = (0, 0, 0);
    let start = now();
    while next < view.log_end_offset {
        let fetched = view.read(next, 1 << 20, ReadLimit::LogEnd, true)?;
        next = fetched.next_offset;
        reads += 1;
        bytes += fetched.records.len();
    }
    report("read 1 MiB", start, reads, bytes / reads.max(1));

    let start = now();
    let few = rounds.min(100_000);
    for round in 0..few as i64 {
        let records = round * i64::from(builder.record_count());
        view.read(records, 1, ReadLimit::LogEnd, true)?;
    }
    report("read one batch", start, few, batch.len());
    Ok(())
}

/// The only clock of this crate: a measurement needs one.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}

fn report(what: &str, start: Instant, rounds: usize, bytes: usize) {
    let seconds = start.elapsed().as_secs_f64();
    let nanoseconds = seconds * 1e9 / rounds as f64;
    let mib = (rounds * bytes) as f64 / seconds / (1 << 20) as f64;
    println!("{what}: {nanoseconds:.0} ns each, {mib:.0} MiB/s ({rounds} of {bytes} bytes)");
}
