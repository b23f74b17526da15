//! A thousand consumers far behind, each of which takes a little from the disk and pauses, beside a producer: what their reads cost
//! the producer, and what the broker keeps in memory for them.

use super::cell::{Cell, Run};
use super::load::{self, Shape, offset_behind};
use super::measure::{percentile, resident_mb};
use super::paced::{self, Pace, sleep_until};
use super::speak::{self, Connection};
use super::storage::{drop_pages, read_bytes};
use anyhow::{Result, bail, ensure};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CONSUMERS: usize = 1000;
const PARTITIONS: usize = 16;
/// What a consumer takes at once, and how often.
const TAKES_BYTES: i32 = 64 << 10;
const PAUSE: Duration = Duration::from_secs(1);
/// Threads that play the consumers.
const THREADS: usize = 4;

/// 1,000 records a second alone, then beside consumers that begin all over a topic that is in no page cache.
pub fn consumers<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let broker = cell.start()?;
    load::create(&broker.address(), "busy", 1, &[])?;
    load::create(&broker.address(), "cold", PARTITIONS as i32, &[])?;
    load::produce(&broker.address(), "cold", Shape::sixteen(cell.options.megabytes))?;
    let address = broker.address();
    let mut all = open(&address)?;
    Ok(Box::new(move |_| {
        let pace = Pace { record_bytes: 1024, per_second: 1000, seconds: 4 };
        let alone = paced::answers(&address, "busy", pace)?;
        drop_pages(&broker.data()?, "cold-")?;
        let from_disk = read_bytes(&broker);
        let over = AtomicBool::new(false);
        let (beside, resident, taken) = std::thread::scope(|scope| {
            let workers: Vec<_> = all
                .chunks_mut(CONSUMERS / THREADS)
                .map(|own| scope.spawn(|| take_and_pause(own, &over)))
                .collect();
            let beside = paced::answers(&address, "busy", pace);
            let resident = resident_mb(broker.id());
            over.store(true, Ordering::Release);
            let taken = workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|_| bail!("a consumer panicked")));
            (beside, resident, taken.sum::<Result<usize>>())
        });
        let (beside, taken) = (beside?, taken? as f64);
        Ok(vec![
            ("produce p99 µs alone", percentile(&alone, 0.99)),
            ("produce p99 µs beside them", percentile(&beside, 0.99)),
            ("MB resident beside them", resident),
            ("MB they took", taken / 1e6),
            ("% of it from the disk", (read_bytes(&broker) - from_disk) / taken * 100.0),
        ])
    }))
}

/// One of the thousand.
struct Consumer {
    connection: Connection,
    partition: i32,
    offset: i64,
    /// A request is on its way.
    waits: bool,
}

/// Everybody begins somewhere else.
fn open(address: &str) -> Result<Vec<Consumer>> {
    let mut ends = [0; PARTITIONS];
    let all: Vec<(i32, i64)> = (0..PARTITIONS as i32).map(|partition| (partition, 0)).collect();
    let mut connection = Connection::open(address)?;
    speak::fetched(connection.call(&speak::fetch_now("cold", &all))?, |partition, high_watermark, _| {
        ends[partition as usize] = high_watermark;
    })?;
    let each = CONSUMERS.div_ceil(PARTITIONS) as i64;
    (0..CONSUMERS)
        .map(|number| {
            let partition = number % PARTITIONS;
            let offset = ends[partition] * (number / PARTITIONS) as i64 / each;
            let connection = Connection::open(address)?;
            Ok(Consumer { connection, partition: partition as i32, offset, waits: false })
        })
        .collect()
}

/// Each takes its answer and asks for more, one after the other within a pause's time. Answers the bytes of records.
fn take_and_pause(consumers: &mut [Consumer], over: &AtomicBool) -> Result<usize> {
    let mut taken = 0;
    let mut due = Instant::now();
    while !over.load(Ordering::Acquire) {
        for consumer in &mut *consumers {
            sleep_until(due);
            taken += consumer.take()?;
            let from = [(consumer.partition, consumer.offset)];
            consumer.connection.send(&speak::fetch("cold", &from, TAKES_BYTES))?;
            consumer.waits = true;
            due += PAUSE / (CONSUMERS / THREADS) as u32;
        }
    }
    for consumer in consumers {
        taken += consumer.take()?;
    }
    ensure!(taken > 0, "nothing was read");
    Ok(taken)
}

impl Consumer {
    /// Bytes of the answer that it waits for; at the end of the partition it begins anew.
    fn take(&mut self) -> Result<usize> {
        if !std::mem::take(&mut self.waits) {
            return Ok(0);
        }
        let mut taken = 0;
        speak::fetched(self.connection.receive()?, |_, high_watermark, records| {
            taken += records.len();
            self.offset = offset_behind(records).filter(|&offset| offset < high_watermark).unwrap_or(0);
        })?;
        Ok(taken)
    }
}
