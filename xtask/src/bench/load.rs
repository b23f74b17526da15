//! The loads: produce as fast as the broker answers, consume as fast as it sends, produce at a fixed rate. Each runs for a
//! bounded volume or time and says how long it took; what it cost the broker is read elsewhere.

use super::speak::{self, Connection};
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

/// What a produce or consume cell moves.
#[derive(Clone, Copy)]
pub struct Shape {
    pub record_bytes: usize,
    pub batch_bytes: usize,
    pub partitions: i32,
    pub connections: usize,
    /// Requests a connection keeps open.
    pub in_flight: usize,
    pub megabytes: usize,
}

impl Shape {
    /// Batches of 16 KiB over 16 partitions by 4 connections with 5 requests in flight each.
    pub fn even(record_bytes: usize, megabytes: usize) -> Shape {
        Shape { record_bytes, batch_bytes: 16_384, partitions: 16, connections: 4, in_flight: 5, megabytes }
    }

    /// Records of one batch.
    pub fn records(&self) -> usize {
        (self.batch_bytes / (self.record_bytes + 8)).max(1)
    }

    /// Batches over all connections.
    pub fn batches(&self) -> usize {
        self.megabytes * 1_000_000 / (self.records() * self.record_bytes)
    }
}

/// Produces the whole volume; the time from the first byte sent to the last answer.
pub fn produce(address: &str, topic: &str, shape: Shape) -> Result<Duration> {
    let batch = speak::batch(shape.records(), shape.record_bytes);
    let frames: Vec<Vec<u8>> = (0..shape.partitions).map(|p| speak::produce(topic, p, &batch)).collect();
    let each = shape.batches() / shape.connections;
    let started = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..shape.connections)
            .map(|worker| {
                let frames = &frames;
                scope.spawn(move || produce_on(address, frames, worker, each, shape.in_flight))
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| anyhow::bail!("a producer panicked")))
    })?;
    Ok(started.elapsed())
}

fn produce_on(address: &str, frames: &[Vec<u8>], worker: usize, many: usize, in_flight: usize) -> Result<()> {
    let mut connection = Connection::open(address)?;
    for n in 0..many + in_flight {
        if n >= in_flight.min(many) && n - in_flight.min(many) < many {
            speak::produced(connection.receive()?)?;
        }
        if n < many {
            connection.send(&frames[(n + worker) % frames.len()])?;
        }
    }
    Ok(())
}

/// Batches of one 1 KiB record, `each` consecutive partitions a request, over all partitions in turn, at least `many` of them;
/// how many it were and the time they took.
pub fn small_batches(
    address: &str,
    topic: &str,
    partitions: i32,
    each: i32,
    connections: usize,
    many: usize,
) -> Result<(usize, Duration)> {
    let batch = speak::batch(1, 1024);
    let starts = (0..partitions).step_by(each as usize);
    let frames: Vec<Vec<u8>> =
        starts.map(|first| speak::produce_to(topic, first..(first + each).min(partitions), &batch)).collect();
    let requests = many.div_ceil(each as usize).max(frames.len()).div_ceil(connections);
    let started = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..connections)
            .map(|worker| {
                let from = worker * frames.len() / connections;
                let frames = &frames;
                scope.spawn(move || produce_on(address, frames, from, requests, 5))
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| anyhow::bail!("a producer panicked")))
    })?;
    Ok((requests * connections * each as usize, started.elapsed()))
}

/// Reads every partition to its high watermark; the bytes of record batches read and the time it took.
pub fn consume(address: &str, topic: &str, partitions: i32) -> Result<(u64, Duration)> {
    let mut connection = Connection::open(address)?;
    let mut offsets: Vec<(i32, i64)> = (0..partitions).map(|p| (p, 0)).collect();
    let mut bytes = 0u64;
    let started = Instant::now();
    while !offsets.is_empty() {
        let mut next = Vec::with_capacity(offsets.len());
        let answer = connection.call(&speak::fetch(topic, &offsets))?;
        speak::fetched(answer, |partition, high_watermark, records| {
            bytes += records.len() as u64;
            let from = offsets.iter().find(|(p, _)| *p == partition).map_or(0, |(_, offset)| *offset);
            let offset = offset_behind(records).unwrap_or(from);
            if offset < high_watermark {
                next.push((partition, offset));
            }
        })?;
        // Those not reached keep their turn, those just read go to the end, as a fair client does.
        offsets = next;
    }
    Ok((bytes, started.elapsed()))
}

/// The offset behind the last whole batch.
fn offset_behind(mut records: &[u8]) -> Option<i64> {
    let mut behind = None;
    while records.len() >= 61 {
        let length = 12 + u32::from_be_bytes(records[8..12].try_into().ok()?) as usize;
        if records.len() < length {
            break;
        }
        let base = i64::from_be_bytes(records[..8].try_into().ok()?);
        behind = Some(base + i64::from(i32::from_be_bytes(records[23..27].try_into().ok()?)) + 1);
        records = &records[length..];
    }
    behind
}

/// Produces one record a request at `rate` a second for `seconds`; every answer's time since it was due, sorted.
pub fn at_rate(
    address: &str,
    topic: &str,
    record_bytes: usize,
    rate: u32,
    seconds: u32,
) -> Result<Vec<Duration>> {
    let mut connection = Connection::open(address)?;
    let frame = speak::produce(topic, 0, &speak::batch(1, record_bytes));
    let mut latencies = Vec::with_capacity((rate * seconds) as usize);
    let started = Instant::now();
    for n in 0..rate * seconds {
        let due = started + Duration::from_secs_f64(f64::from(n) / f64::from(rate));
        if let Some(wait) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(wait);
        }
        speak::produced(connection.call(&frame)?)?;
        latencies.push(due.elapsed());
    }
    latencies.sort();
    Ok(latencies)
}

/// Creates `many` topics, a hundred a request, and waits until Metadata shows all of them led.
pub fn topics(address: &str, many: usize) -> Result<(Duration, Duration)> {
    let mut connection = Connection::open(address)?;
    let names: Vec<String> = (0..many).map(|n| format!("many-{n}")).collect();
    let started = Instant::now();
    for some in names.chunks(100) {
        speak::created(connection.call(&speak::create_topics(some, 1))?)?;
    }
    loop {
        let (seen, led) = speak::described(connection.call(&speak::metadata(None))?)?;
        if led && seen >= many {
            break;
        }
        ensure!(started.elapsed() < Duration::from_secs(60), "only {seen} topics after a minute");
    }
    let created = started.elapsed();
    let asked = Instant::now();
    for _ in 0..10 {
        connection.call(&speak::metadata(None))?;
    }
    Ok((created, asked.elapsed() / 10))
}

/// Creates one topic and waits until all its partitions are led and readable.
pub fn create(address: &str, topic: &str, partitions: i32) -> Result<()> {
    let mut connection = Connection::open(address)?;
    speak::created(connection.call(&speak::create_topics(&[topic.to_owned()], partitions))?)?;
    wait_led(&mut connection, topic)?;
    // Kafka shows a leader a moment before it leads: the load begins when every partition can be read.
    let frame = speak::fetch(topic, &(0..partitions).map(|partition| (partition, 0)).collect::<Vec<_>>());
    let started = Instant::now();
    while let Err(refused) = speak::fetched(connection.call(&frame)?, |_, _, _| {}) {
        ensure!(started.elapsed() < Duration::from_secs(30), "{topic} cannot be read after 30 s: {refused}");
    }
    Ok(())
}

fn wait_led(connection: &mut Connection, topic: &str) -> Result<()> {
    let started = Instant::now();
    while !speak::described(connection.call(&speak::metadata(Some(&[topic])))?)?.1 {
        ensure!(started.elapsed() < Duration::from_secs(30), "{topic} has no leader after 30 s");
    }
    Ok(())
}

/// Connects as soon as somebody listens and waits for the first ApiVersions answer: when that was.
pub fn first_answer(address: &str, since: Instant) -> Result<(Connection, Duration)> {
    let limit = Duration::from_secs(60);
    let mut connection = loop {
        if let Ok(connection) = Connection::open(address) {
            break connection;
        }
        ensure!(since.elapsed() < limit, "nobody listens on {address} after a minute");
        std::thread::sleep(Duration::from_micros(200));
    };
    connection.call(&speak::api_versions())?;
    Ok((connection, since.elapsed()))
}

/// From the start to the first answer, and to the first accepted produce on a topic that does not exist yet.
pub fn first_produce(address: &str, since: Instant) -> Result<(Duration, Duration)> {
    let limit = Duration::from_secs(60);
    let (mut connection, answered) = first_answer(address, since)?;
    wait_led(&mut connection, "first")?;
    // A refusal right after the creation is one that every client repeats; only the accepted one counts.
    let frame = speak::produce("first", 0, &speak::batch(1, 100));
    while let Err(refused) = speak::produced(connection.call(&frame)?) {
        ensure!(since.elapsed() < limit, "{refused} for a minute");
    }
    Ok((answered, since.elapsed()))
}
