//! Loads as fast as the broker answers: produce, consume, create. Each runs for a bounded volume and says how long it took and how many
//! requests it were; what that cost the broker is read elsewhere. Loads at a fixed rate are in `paced`.

use super::speak::{self, Batch, Connection};
use anyhow::{Result, bail, ensure};
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
    pub lz4: bool,
}

/// What a load came to.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    pub took: Duration,
    pub requests: usize,
    pub records: usize,
    /// Values of records.
    pub payload_bytes: usize,
    /// Record batches as they travel.
    pub batch_bytes: usize,
}

impl Done {
    pub fn mb_per_second(&self) -> f64 {
        self.payload_bytes as f64 / 1e6 / self.took.as_secs_f64()
    }
}

impl Shape {
    /// Batches of 16 KiB of 1 KB records over 16 partitions by 4 connections with 5 requests in flight each.
    pub fn sixteen(megabytes: usize) -> Shape {
        let (record_bytes, batch_bytes) = (1024, 16_384);
        Shape {
            record_bytes,
            batch_bytes,
            partitions: 16,
            connections: 4,
            in_flight: 5,
            megabytes,
            lz4: false,
        }
    }

    /// The same from one connection to one partition.
    pub fn single(megabytes: usize) -> Shape {
        Shape { partitions: 1, connections: 1, ..Shape::sixteen(megabytes) }
    }

    /// Records of one batch.
    pub fn records(&self) -> usize {
        (self.batch_bytes.saturating_sub(61) / (self.record_bytes + 10)).max(1)
    }
}

/// Produces the whole volume; each connection has partitions of its own.
pub fn produce(address: &str, topic: &str, shape: Shape) -> Result<Done> {
    let records = shape.records();
    let batch = Batch { lz4: shape.lz4, ..Batch::plain(records, shape.record_bytes) }.bytes()?;
    let workers: Vec<Worker> = (0..shape.connections)
        .map(|worker| {
            // With fewer partitions than connections several share one.
            let own = (worker as i32 % shape.partitions..shape.partitions).step_by(shape.connections);
            let frames = own.map(|partition| speak::produce(topic, partition, &batch)).collect();
            Worker { address: address.to_owned(), frames }
        })
        .collect();
    from_workers(&workers, shape, records, batch.len())
}

/// The same to a cluster: `leaders` says which partitions are whose, by address; each connection goes to one node and has
/// partitions of its own there.
pub fn produce_led(leaders: &[(i32, String)], topic: &str, shape: Shape) -> Result<Done> {
    let records = shape.records();
    let batch = Batch::plain(records, shape.record_bytes).bytes()?;
    let mut addresses: Vec<&String> = leaders.iter().map(|(_, address)| address).collect();
    addresses.sort();
    addresses.dedup();
    let mut workers: Vec<Worker> = Vec::new();
    for address in &addresses {
        let own: Vec<i32> = leaders.iter().filter(|one| one.1 == **address).map(|one| one.0).collect();
        let connections = (shape.connections / addresses.len()).clamp(1, own.len());
        for worker in 0..connections {
            let some = own.iter().skip(worker).step_by(connections);
            let frames = some.map(|partition| speak::produce(topic, *partition, &batch)).collect();
            workers.push(Worker { address: (*address).clone(), frames });
        }
    }
    from_workers(&workers, shape, records, batch.len())
}

/// The volume of a shape, in equal parts.
fn from_workers(workers: &[Worker], shape: Shape, records: usize, batch_bytes: usize) -> Result<Done> {
    let batches = shape.megabytes * 1_000_000 / (records * shape.record_bytes);
    let requests = batches.div_ceil(workers.len());
    let took = from_all(workers, requests, shape.in_flight)?;
    let requests = requests * workers.len();
    Ok(Done {
        took,
        requests,
        records: requests * records,
        payload_bytes: requests * records * shape.record_bytes,
        batch_bytes: requests * batch_bytes,
    })
}

/// Batches over many partitions, `each` consecutive partitions a request, at least `batches` of them in whole rounds.
pub fn produce_wide(
    address: &str,
    topic: &str,
    partitions: i32,
    each: i32,
    batch: &Batch,
    batches: usize,
) -> Result<Done> {
    let bytes = batch.bytes()?;
    let starts: Vec<i32> = (0..partitions).step_by(each as usize).collect();
    let connections = 4.min(starts.len());
    let workers: Vec<Worker> = (0..connections)
        .map(|worker| {
            let own = starts.iter().skip(worker).step_by(connections);
            let to = |first: &i32| *first..(first + each).min(partitions);
            let frames = own.map(|first| speak::produce_to(topic, to(first), &bytes)).collect();
            Worker { address: address.to_owned(), frames }
        })
        .collect();
    let longest = workers.iter().map(|worker| worker.frames.len()).max().unwrap_or(1);
    let requests = (batches / each as usize).div_ceil(connections).next_multiple_of(longest);
    let took = from_all(&workers, requests, 5)?;
    let requests = requests * connections;
    let records = requests * each as usize * batch.records;
    Ok(Done {
        took,
        requests,
        records,
        payload_bytes: records * batch.value_bytes,
        batch_bytes: requests * each as usize * bytes.len(),
    })
}

/// A connection's end, and what it sends in turn.
struct Worker {
    address: String,
    frames: Vec<Vec<u8>>,
}

/// A thread and a connection each, sending `requests` of its frames in turn.
fn from_all(workers: &[Worker], requests: usize, in_flight: usize) -> Result<Duration> {
    let barrier = std::sync::Barrier::new(workers.len() + 1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = workers
            .iter()
            .map(|own| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let connection = Connection::open(&own.address);
                    barrier.wait();
                    send_all(connection?, &own.frames, requests, in_flight)
                })
            })
            .collect();
        barrier.wait();
        let started = Instant::now();
        for worker in workers {
            worker.join().unwrap_or_else(|_| bail!("a producer panicked"))?;
        }
        Ok(started.elapsed())
    })
}

/// Sends as many as may be open, then takes every answer that is there before it sends again.
pub fn send_all(
    mut connection: Connection,
    frames: &[Vec<u8>],
    requests: usize,
    in_flight: usize,
) -> Result<()> {
    let (mut sent, mut answered) = (0, 0);
    while answered < requests {
        while sent < requests && sent - answered < in_flight {
            connection.send(&frames[sent % frames.len()])?;
            sent += 1;
        }
        loop {
            speak::produced(connection.receive()?)?;
            answered += 1;
            if answered == sent || !connection.has_answer() {
                break;
            }
        }
    }
    Ok(())
}

/// Reads every partition to its high watermark over one connection, `most_bytes` per partition and fetch.
pub fn consume(address: &str, topic: &str, partitions: i32, most_bytes: i32) -> Result<Done> {
    let mut connection = Connection::open(address)?;
    let mut offsets: Vec<(i32, i64)> = (0..partitions).map(|partition| (partition, 0)).collect();
    let (mut bytes, mut records_seen, mut requests) = (0, 0, 0);
    let started = Instant::now();
    while !offsets.is_empty() {
        let mut next = Vec::with_capacity(offsets.len());
        let answer = connection.call(&speak::fetch(topic, &offsets, most_bytes))?;
        requests += 1;
        speak::fetched(answer, |partition, high_watermark, records| {
            bytes += records.len();
            let from = offsets.iter().find(|(known, _)| *known == partition).map_or(0, |(_, offset)| *offset);
            let behind = offset_behind(records).unwrap_or(from);
            records_seen += (behind - from) as usize;
            if behind < high_watermark {
                next.push((partition, behind));
            }
        })?;
        // Those not reached keep their turn, those just read go to the end, as a fair client does.
        offsets = next;
    }
    let took = started.elapsed();
    Ok(Done { took, requests, records: records_seen, payload_bytes: bytes, batch_bytes: bytes })
}

/// The offset behind the last whole batch.
pub fn offset_behind(mut records: &[u8]) -> Option<i64> {
    let mut behind = None;
    while let Some(first) = behind_first(records) {
        behind = Some(first.offset);
        records = &records[first.bytes..];
    }
    behind
}

/// Where a batch ends.
pub struct Behind {
    pub offset: i64,
    pub bytes: usize,
}

/// The end of the first batch, if it is there, whole.
pub fn behind_first(records: &[u8]) -> Option<Behind> {
    let bytes = 12 + u32::from_be_bytes(records.get(8..12)?.try_into().ok()?) as usize;
    if records.len() < bytes.max(61) {
        return None;
    }
    let base = i64::from_be_bytes(records[..8].try_into().ok()?);
    let last = i32::from_be_bytes(records[23..27].try_into().ok()?);
    Some(Behind { offset: base + i64::from(last) + 1, bytes })
}

/// Creates one topic and waits until all its partitions are led and readable.
pub fn create(address: &str, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<()> {
    let mut connection = Connection::open(address)?;
    create_led(&mut connection, topic, partitions, settings)?;
    // Kafka shows a leader a moment before it leads: the load begins when every partition can be read.
    let all: Vec<(i32, i64)> = (0..partitions).map(|partition| (partition, 0)).collect();
    let started = Instant::now();
    for some in all.chunks(1000) {
        let frame = speak::fetch_now(topic, some);
        while let Err(refused) = speak::fetched(connection.call(&frame)?, |_, _, _| {}) {
            ensure!(
                started.elapsed() < Duration::from_secs(30),
                "{topic} cannot be read after 30 s: {refused}"
            );
        }
    }
    Ok(())
}

/// Creates one topic and waits until Metadata shows all its partitions led.
pub fn create_led(
    connection: &mut Connection,
    topic: &str,
    partitions: i32,
    settings: &[(&str, &str)],
) -> Result<()> {
    speak::created(connection.call(&speak::create_topics(&[topic.to_owned()], partitions, settings))?)?;
    wait_led(connection, topic)
}

fn wait_led(connection: &mut Connection, topic: &str) -> Result<()> {
    let started = Instant::now();
    while !speak::described(connection.call(&speak::metadata(Some(&[topic])))?)?.1 {
        ensure!(started.elapsed() < Duration::from_secs(60), "{topic} has no leader after a minute");
    }
    Ok(())
}

/// Connects as soon as somebody listens and waits for the first ApiVersions answer: when that was.
pub fn first_answer(address: &str, since: Instant) -> Result<(Connection, Duration)> {
    let limit = Duration::from_secs(120);
    let mut connection = loop {
        if let Ok(connection) = Connection::open(address) {
            break connection;
        }
        ensure!(since.elapsed() < limit, "nobody listens on {address} after two minutes");
        std::thread::sleep(Duration::from_micros(200));
    };
    connection.call(&speak::api_versions())?;
    Ok((connection, since.elapsed()))
}

/// From the start to the first answer, and to the first accepted produce on a topic that does not exist yet.
pub fn first_produce(address: &str, since: Instant) -> Result<(Duration, Duration)> {
    let (mut connection, answered) = first_answer(address, since)?;
    wait_led(&mut connection, "first")?;
    let frame = speak::produce("first", 0, &Batch::plain(1, 100).bytes()?);
    accepted(&mut connection, &frame)?;
    Ok((answered, since.elapsed()))
}

/// Repeats a produce until it is accepted: a refusal right after a start or a creation is one that every client repeats.
pub fn accepted(connection: &mut Connection, frame: &[u8]) -> Result<()> {
    let since = Instant::now();
    while let Err(refused) = speak::produced(connection.call(frame)?) {
        ensure!(since.elapsed() < Duration::from_secs(120), "{refused} for two minutes");
    }
    Ok(())
}
