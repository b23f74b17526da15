//! Loads at a fixed rate. Every time is counted from the moment a record was due, so that a broker that stands still pays for
//! the records it kept waiting.

use super::load::offset_behind;
use super::speak::{self, Batch, Connection};
use anyhow::{Result, bail, ensure};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What is sent: one record a request to partition 0.
#[derive(Clone, Copy)]
pub struct Pace {
    pub record_bytes: usize,
    pub per_second: u32,
    pub seconds: u32,
}

impl Pace {
    pub fn records(&self) -> u32 {
        self.per_second * self.seconds
    }

    pub fn due(&self, record: u32) -> Duration {
        Duration::from_secs_f64(f64::from(record) / f64::from(self.per_second))
    }
}

/// Requests that an unpaced sender would keep open at most.
pub const IN_FLIGHT: usize = 5;

/// Each record's answer before the next: every answer's time, sorted. A broker that cannot keep up is watched for three times the
/// time; its delays grow without end anyway.
pub fn answers(address: &str, topic: &str, pace: Pace) -> Result<Vec<Duration>> {
    exact_sleep()?;
    let mut connection = Connection::open(address)?;
    let frame = speak::produce(topic, 0, &Batch::plain(1, pace.record_bytes).bytes()?);
    let mut times = Vec::with_capacity(pace.records() as usize);
    let started = Instant::now();
    for record in 0..pace.records() {
        let due = started + pace.due(record);
        sleep_until(due);
        speak::produced(connection.call(&frame)?)?;
        times.push(due.elapsed());
        if started.elapsed().as_secs() > u64::from(3 * pace.seconds) {
            break;
        }
    }
    times.sort();
    Ok(times)
}

/// What a producer and a consumer of the same topic saw, sorted.
pub struct EndToEnd {
    /// From due to consumed.
    pub consumed: Vec<Duration>,
    /// From due to answered.
    pub answered: Vec<Duration>,
}

/// Up to [`IN_FLIGHT`] requests open, a consumer waiting at the other end. The topic is empty before: a record's offset says when it was due.
pub fn end_to_end(address: &str, topic: &str, pace: Pace) -> Result<EndToEnd> {
    let sender = Connection::open(address)?;
    let receiver = sender.split()?;
    let consumer = Connection::open(address)?;
    let answered_count = AtomicUsize::new(0);
    let started = Instant::now() + Duration::from_millis(100);
    std::thread::scope(|scope| {
        let sent = scope.spawn(|| send(sender, topic, pace, started, &answered_count));
        let answered = scope.spawn(|| receive(receiver, pace, started, &answered_count));
        let consumed = consume(consumer, topic, pace, started);
        sent.join().unwrap_or_else(|_| bail!("the sender panicked"))?;
        let answered = answered.join().unwrap_or_else(|_| bail!("the receiver panicked"))?;
        Ok(EndToEnd { consumed: consumed?, answered })
    })
}

fn send(
    mut connection: Connection,
    topic: &str,
    pace: Pace,
    started: Instant,
    answered: &AtomicUsize,
) -> Result<()> {
    exact_sleep()?;
    let frame = speak::produce(topic, 0, &Batch::plain(1, pace.record_bytes).bytes()?);
    for record in 0..pace.records() {
        sleep_until(started + pace.due(record));
        let since = Instant::now();
        while record as usize - answered.load(Ordering::Acquire) >= IN_FLIGHT {
            ensure!(since.elapsed() < Duration::from_secs(60), "no answer for a minute");
            std::thread::sleep(Duration::from_micros(20));
        }
        connection.send(&frame)?;
    }
    Ok(())
}

fn receive(
    mut connection: Connection,
    pace: Pace,
    started: Instant,
    answered: &AtomicUsize,
) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(pace.records() as usize);
    for record in 0..pace.records() {
        speak::produced(connection.receive()?)?;
        answered.fetch_add(1, Ordering::AcqRel);
        times.push((started + pace.due(record)).elapsed());
    }
    times.sort();
    Ok(times)
}

fn consume(mut connection: Connection, topic: &str, pace: Pace, started: Instant) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(pace.records() as usize);
    let mut offset = 0;
    while offset < i64::from(pace.records()) {
        ensure!(
            started.elapsed() < pace.due(pace.records()) + Duration::from_secs(60),
            "records are missing"
        );
        let answer = connection.call(&speak::fetch(topic, &[(0, offset)], 1 << 20))?;
        let now = Instant::now();
        speak::fetched(answer, |_, _, records| {
            let behind = offset_behind(records).unwrap_or(offset);
            for record in offset..behind {
                times.push(now.saturating_duration_since(started + pace.due(record as u32)));
            }
            offset = behind;
        })?;
    }
    times.sort();
    Ok(times)
}

pub fn sleep_until(due: Instant) {
    if let Some(wait) = due.checked_duration_since(Instant::now()) {
        std::thread::sleep(wait);
    }
}

/// Sleeps of this thread end when they should; the kernel would else add up to 50 µs to be able to wake several at once.
pub fn exact_sleep() -> Result<()> {
    Ok(rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?)
}
