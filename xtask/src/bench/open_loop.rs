//! A load at a fixed rate on a cluster: records due one after the other, to its partitions in turn, sent to whoever leads. Sent as
//! clients without linger do: what is due goes at once in one request a node, and what becomes due while so many requests are open
//! travels together. Every time counts from when its record was due; those of a topic's first second are left out, in which its files
//! are made and everybody meets everybody.

use super::load::offset_behind;
use super::paced::{IN_FLIGHT, Pace, exact_sleep};
use super::speak::{self, Batch, Connection};
use anyhow::{Result, bail};
use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Records of a batch at most, as in 16 KiB of 1 KiB each.
const A_BATCH: u32 = 15;
/// What is due before is sent and not told of.
const WARM_UP: Duration = Duration::from_secs(1);
/// Who has not got everything so long after the last record was due cannot keep up.
const LATE: Duration = Duration::from_secs(1);

/// What was seen, sorted.
pub struct Seen {
    /// From due to answered.
    pub answered: Vec<Duration>,
    /// From due to consumed.
    pub consumed: Vec<Duration>,
    /// Whether everything was consumed within a second after the last record was due.
    pub sustained: bool,
}

/// A topic under load: which partition is whose, and when its records are due.
#[derive(Clone, Copy)]
struct Load<'a> {
    topic: &'a str,
    partitions: u32,
    pace: Pace,
    started: Instant,
    /// Nobody waits longer.
    end: Instant,
}

impl Load<'_> {
    /// When the record of this offset of a partition was due.
    fn due(&self, partition: u32, offset: u32) -> Instant {
        self.started + self.pace.due(partition + offset * self.partitions)
    }

    /// How many records of a partition there will be.
    fn all(&self, partition: u32) -> u32 {
        self.share(partition, self.pace.records())
    }

    /// How many are due now.
    fn due_now(&self, partition: u32) -> u32 {
        let Some(elapsed) = Instant::now().checked_duration_since(self.started) else { return 0 };
        let due = (elapsed.as_secs_f64() * f64::from(self.pace.per_second)) as u32 + 1;
        self.share(partition, due.min(self.pace.records()))
    }

    /// Of the first records of all, those of one partition.
    fn share(&self, partition: u32, records: u32) -> u32 {
        records.saturating_sub(partition).div_ceil(self.partitions)
    }
}

/// Runs a load on an empty topic whose partitions are numbered from 0; `leaders` has each one's leader.
pub fn run(leaders: &[(i32, String)], topic: &str, pace: Pace) -> Result<Seen> {
    let started = Instant::now() + Duration::from_millis(200);
    let end = started + pace.due(pace.records()) * 2 + Duration::from_secs(5);
    let load = Load { topic, partitions: leaders.len() as u32, pace, started, end };
    let mut nodes: Vec<&String> = leaders.iter().map(|(_, address)| address).collect();
    nodes.sort();
    nodes.dedup();
    let own = |node: &str| {
        let led = leaders.iter().filter(|(_, address)| address == node);
        led.map(|(partition, _)| *partition as u32).collect::<Vec<u32>>()
    };
    let batches = (1..=A_BATCH).map(|many| Batch::plain(many as usize, pace.record_bytes).bytes());
    let batches = batches.collect::<Result<Vec<_>>>()?;
    let (mut answered, mut consumed) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| -> Result<()> {
        let mut threads = Vec::new();
        for node in nodes {
            let (batches, partitions) = (&batches, own(node));
            let (sends, reads) = (partitions.clone(), partitions);
            let sender = scope.spawn(move || send(Connection::open(node)?, load, &sends, batches));
            let reader = scope.spawn(move || consume(Connection::open(node)?, load, &reads));
            threads.push((sender, reader));
        }
        for (sender, reader) in threads {
            answered.extend(sender.join().unwrap_or_else(|_| bail!("a sender panicked"))?);
            consumed.extend(reader.join().unwrap_or_else(|_| bail!("a consumer panicked"))?);
        }
        Ok(())
    })?;
    let last = pace.due(pace.records()) + LATE;
    let sustained = consumed.iter().all(|(_, at)| at.duration_since(started) <= last);
    let times = |seen: Vec<(Instant, Instant)>| {
        let warm = seen.into_iter().filter(|(due, _)| *due >= started + WARM_UP);
        let mut times: Vec<Duration> = warm.map(|(due, at)| at.saturating_duration_since(due)).collect();
        times.sort();
        times
    };
    Ok(Seen { answered: times(answered), consumed: times(consumed), sustained })
}

/// When a record was due and when something was seen of it. What was never seen counts as seen at the end: it is that late at least.
type Times = Vec<(Instant, Instant)>;

fn send(
    mut connection: Connection,
    load: Load<'_>,
    partitions: &[u32],
    batches: &[Vec<u8>],
) -> Result<Times> {
    exact_sleep()?;
    let mut next = vec![0u32; partitions.len()];
    let mut open: VecDeque<Vec<(u32, Range<u32>)>> = VecDeque::new();
    let mut times = Vec::new();
    let whole = |next: &[u32]| partitions.iter().zip(next).all(|(one, next)| *next == load.all(*one));
    while (!whole(&next) || !open.is_empty()) && Instant::now() < load.end {
        if open.len() < IN_FLIGHT {
            let request = take_due(load, partitions, &mut next);
            if !request.is_empty() {
                let bytes = |range: &Range<u32>| batches[range.len() - 1].as_slice();
                let parts: Vec<(i32, &[u8])> =
                    request.iter().map(|(one, range)| (*one as i32, bytes(range))).collect();
                connection.send(&speak::produce_batches(load.topic, &parts))?;
                open.push_back(request);
            }
        }
        if !connection.has_answer() {
            let soonest = partitions.iter().zip(&next).filter(|(one, next)| **next < load.all(**one));
            let soonest = soonest.map(|(one, next)| load.due(*one, *next)).min();
            let until = if open.len() < IN_FLIGHT { soonest.unwrap_or(load.end) } else { load.end };
            let wait = until.min(load.end).saturating_duration_since(Instant::now());
            if !connection.arrives_within(wait)? {
                continue;
            }
        }
        while connection.has_answer() {
            speak::produced(connection.receive()?)?;
            let now = Instant::now();
            let request = open.pop_front().unwrap_or_default();
            for (one, range) in request {
                times.extend(range.map(|offset| (load.due(one, offset), now)));
            }
        }
    }
    for (one, next) in partitions.iter().zip(&next) {
        times.extend((*next..load.all(*one)).map(|offset| (load.due(*one, offset), load.end)));
    }
    for (one, range) in open.into_iter().flatten() {
        times.extend(range.map(|offset| (load.due(one, offset), load.end)));
    }
    Ok(times)
}

/// What is due of each partition, a batch at most.
fn take_due(load: Load<'_>, partitions: &[u32], next: &mut [u32]) -> Vec<(u32, Range<u32>)> {
    let mut taken = Vec::new();
    for (one, next) in partitions.iter().zip(next) {
        let until = load.due_now(*one).min(*next + A_BATCH);
        if until > *next {
            taken.push((*one, *next..until));
            *next = until;
        }
    }
    taken
}

fn consume(mut connection: Connection, load: Load<'_>, partitions: &[u32]) -> Result<Times> {
    let mut offsets: Vec<(i32, i64)> = partitions.iter().map(|one| (*one as i32, 0)).collect();
    let mut times = Vec::new();
    let whole = |offsets: &[(i32, i64)]| {
        offsets.iter().all(|(one, offset)| *offset == i64::from(load.all(*one as u32)))
    };
    while !whole(&offsets) && Instant::now() < load.end {
        let answer = connection.call(&speak::fetch(load.topic, &offsets, 1 << 20))?;
        let now = Instant::now();
        speak::fetched(answer, |partition, _, records| {
            let Some((_, offset)) = offsets.iter_mut().find(|(one, _)| *one == partition) else { return };
            let behind = offset_behind(records).unwrap_or(*offset);
            let due = |offset: i64| load.due(partition as u32, offset as u32);
            times.extend((*offset..behind).map(|offset| (due(offset), now)));
            *offset = behind;
        })?;
    }
    for (one, offset) in offsets {
        let missing = offset as u32..load.all(one as u32);
        times.extend(missing.map(|offset| (load.due(one as u32, offset), load.end)));
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_of_one_partition_and_due_in_turn() {
        let pace = Pace { record_bytes: 1, per_second: 10, seconds: 1 };
        let started = Instant::now();
        let load = Load { topic: "t", partitions: 3, pace, started, end: started };
        assert_eq!([0, 1, 2].map(|one| load.all(one)), [4, 3, 3]);
        assert_eq!([0, 1, 2].map(|one| load.share(one, 1)), [1, 0, 0]);
        assert_eq!(load.due(1, 2), started + Duration::from_millis(700));
    }
}
