//! How fast a log is compacted: `cargo run --profile quick -p ottla-log --example compaction [DIRECTORY] [MILLION RECORDS]`.
//! Ten million records of 100 bytes over a million keys by default, in batches of 200, on the real disk; then one cleaning.

use log::{AppendOrigin, CleanStep, Disk, Log, LogConfig, MapBounds, OpenMode, RealDisk};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use wire::record_batch::{BatchAttributes, RecordBatchBuilder, validate_internal};

const KEYS: u64 = 1_000_000;
const BATCH: u64 = 200;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let home = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from).join("ottla-compaction");
    let records = arguments.next().map_or(Ok(10), |text| text.parse::<u64>())? * 1_000_000;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
    disk.remove_directory(&home)?;
    let config = Arc::new(LogConfig { compact: true, delete: false, ..LogConfig::default() });
    let mut log = Log::open(Arc::clone(&disk), home.join("bench-0"), config, OpenMode::default(), 0)?;

    let began = now();
    let (mut number, mut state) = (0u64, 1u64);
    while number < records {
        let mut builder = RecordBatchBuilder::new(BatchAttributes::default());
        for _ in 0..BATCH {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = format!("key-{:012}", (state >> 33) % KEYS);
            builder.append(1, Some(key.as_bytes()), Some(&[b'x'; 84]), &[]);
        }
        log.append_as_leader(&validate_internal(builder.build())?, 0, AppendOrigin::Client, 0)?;
        number += BATCH;
    }
    log.advance_high_watermark(log.log_end_offset());
    // Age rolls the active segment; here a batch far later does.
    let mut last = RecordBatchBuilder::new(BatchAttributes::default());
    last.append(1 << 40, Some(b"last"), Some(b"closes"), &[]);
    log.append_as_leader(&validate_internal(last.build())?, 0, AppendOrigin::Client, 0)?;
    log.flush()?;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let before = log.size_bytes();
    println!(
        "{records} records, {:.0} MB written in {:.1} s",
        megabytes(before),
        began.elapsed().as_secs_f64()
    );

    let began = now();
    let mut rounds = 0;
    while let Some(candidate) = log.clean_candidate(0)? {
        rounds += 1;
        let bounds = MapBounds { bytes: 128 << 20, load_factor: 0.9 };
        let mut work = log.begin_cleaning(candidate, bounds, 42, 0);
        loop {
            match work.run(4 << 20) {
                CleanStep::More => {}
                CleanStep::TakeIn => {
                    log.take_in(&mut work)?;
                }
                CleanStep::Done => break log.cleaning_done(&work),
                CleanStep::Stopped(stop) => return Err(format!("{stop:?}").into()),
            }
        }
        println!("{:?}", work.figures());
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "compacted {:.0} MB to {:.0} MB in {seconds:.1} s, {rounds} round(s): {:.0} MB/s of log",
        megabytes(before),
        megabytes(log.size_bytes()),
        megabytes(before) / seconds
    );
    disk.remove_directory(&home)?;
    Ok(())
}

/// A measurement needs a clock.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
