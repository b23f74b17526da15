//! A producer that never gives up: one record after the other to one partition, acks=all, whoever leads it. When a connection closes, an
//! answer is an error or none comes in a second, it asks the nodes for Metadata at once and then after 100, 200, 400, 800, 1,000 …
//! ms, as librdkafka and Java's client do (KIP-580), and sends the same record again. Every record has a number, so that in the end somebody
//! can look whether all that were acknowledged are there.

use super::load::behind_first;
use super::speak::cluster::Described;
use super::speak::{self, Batch, Connection};
use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two records while all is well.
const INTERVAL: Duration = Duration::from_millis(2);
/// How long an answer is waited for.
const REQUEST_LIMIT: Duration = Duration::from_secs(1);
const RETRY_BACKOFF: Duration = Duration::from_millis(100);
const RETRY_BACKOFF_MOST: Duration = Duration::from_secs(1);
/// Record values.
const BYTES: usize = 100;

/// When each record was acknowledged, in order; record 0 first.
pub struct Acks(Vec<Instant>);

impl Acks {
    /// How long nobody was served: the longest time between two answers, from the last one before `event` on.
    pub fn longest_gap(&self, event: Instant) -> Duration {
        let at = self.0.partition_point(|ack| *ack <= event).saturating_sub(1);
        let pairs = self.0[at..].iter().zip(self.0[at..].iter().skip(1));
        pairs.map(|(before, after)| *after - *before).max().unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Where the records go.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// All nodes, down or not.
    pub nodes: &'a [String],
    pub topic: &'a str,
    pub partition: i32,
    /// The time that record 0 carries; each has a millisecond more than the one before: its number.
    pub epoch_ms: i64,
}

/// Produces until it is told to stop, and then until the record it is at is acknowledged.
pub fn produce(target: Target<'_>, stop: &AtomicBool) -> Result<Acks> {
    let mut acks = Acks(Vec::new());
    let mut client = Client { target, leader: None, asked: 0, failed: 0 };
    while !stop.load(Ordering::Acquire) {
        let number = acks.0.len() as i64;
        let batch = Batch { timestamp_ms: Some(target.epoch_ms + number), ..Batch::plain(1, BYTES) };
        let frame = speak::produce(target.topic, target.partition, &batch.bytes()?);
        let since = Instant::now();
        while let Err(refused) = client.try_once(&frame) {
            client.leader = None;
            ensure!(since.elapsed() < Duration::from_secs(180), "no ack for three minutes: {refused:#}");
        }
        client.failed = 0;
        acks.0.push(Instant::now());
        std::thread::sleep(INTERVAL);
    }
    Ok(acks)
}

struct Client<'a> {
    target: Target<'a>,
    leader: Option<Connection>,
    /// Which node was asked last: the next is another one.
    asked: usize,
    /// Attempts since the last ack.
    failed: u32,
}

impl Client<'_> {
    fn try_once(&mut self, frame: &[u8]) -> Result<()> {
        if self.leader.is_none() {
            self.back_off();
            self.leader = Some(self.find()?);
        }
        let Some(leader) = &mut self.leader else { return Ok(()) };
        speak::produced(leader.call(frame)?)
    }

    /// Nothing before the first try, then longer and longer.
    fn back_off(&mut self) {
        let tries = self.failed;
        self.failed += 1;
        if tries > 0 {
            std::thread::sleep((RETRY_BACKOFF * 2u32.pow((tries - 1).min(10))).min(RETRY_BACKOFF_MOST));
        }
    }

    /// Asks one node after the other until one answers, then connects to the leader it names.
    fn find(&mut self) -> Result<Connection> {
        let mut said = Described::default();
        for _ in self.target.nodes {
            self.asked = (self.asked + 1) % self.target.nodes.len();
            if let Ok(described) = describe(&self.target.nodes[self.asked], self.target.topic) {
                said = described;
                break;
            }
        }
        let (_, address) = said
            .leader(self.target.partition)
            .ok_or_else(|| anyhow::anyhow!("nobody says who leads the partition"))?;
        Connection::open_within(address, REQUEST_LIMIT)
    }
}

fn describe(address: &str, topic: &str) -> Result<Described> {
    let mut connection = Connection::open_within(address, REQUEST_LIMIT)?;
    Described::read(connection.call(&speak::metadata(Some(&[topic])))?)
}

/// Reads the whole partition: how many of the acknowledged records are not there. Records that were sent twice count once.
pub fn lost(target: Target<'_>, acks: &Acks) -> Result<usize> {
    let described =
        target.nodes.iter().find_map(|node| describe(node, target.topic).ok()).unwrap_or_default();
    let (_, address) = described
        .leader(target.partition)
        .ok_or_else(|| anyhow::anyhow!("nobody leads {}-{}", target.topic, target.partition))?;
    let mut connection = Connection::open(address)?;
    let mut there: BTreeSet<i64> = BTreeSet::new();
    let mut offset = 0;
    loop {
        let mut behind = offset;
        let mut end = 0;
        let frame = speak::fetch(target.topic, &[(target.partition, offset)], 1 << 20);
        speak::fetched(connection.call(&frame)?, |_, high_watermark, records| {
            end = high_watermark;
            for (next, time) in batches(records) {
                there.insert(time - target.epoch_ms);
                behind = next;
            }
        })?;
        ensure!(behind > offset || behind >= end, "the partition cannot be read behind {offset} of {end}");
        offset = behind;
        if offset >= end {
            break;
        }
    }
    let numbers = 0..acks.len() as i64;
    Ok(numbers.filter(|number| !there.contains(number)).count())
}

/// Of each whole batch the offset behind it and its base timestamp.
fn batches(mut records: &[u8]) -> Vec<(i64, i64)> {
    let mut found = Vec::new();
    while let Some(behind) = behind_first(records) {
        let time: [u8; 8] = records[27..35].try_into().expect("eight bytes");
        found.push((behind.offset, i64::from_be_bytes(time)));
        records = &records[behind.bytes..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_begins_with_the_last_ack_before_the_event() {
        let zero = Instant::now();
        let at = |ms: u64| zero + Duration::from_millis(ms);
        let acks = Acks([0, 10, 20, 520, 530, 1530].map(at).to_vec());
        assert_eq!(acks.longest_gap(at(25)), Duration::from_secs(1));
        assert_eq!(acks.longest_gap(at(535)), Duration::from_secs(1));
        assert_eq!(acks.longest_gap(at(2000)), Duration::ZERO);
    }

    #[test]
    fn a_record_is_known_by_the_time_it_carries() {
        let batch = |time| Batch { timestamp_ms: Some(time), ..Batch::plain(1, 10) }.bytes().unwrap();
        let mut both = [batch(7), batch(9)].concat();
        assert_eq!(batches(&both).iter().map(|one| one.1).collect::<Vec<_>>(), [7, 9]);
        both.pop();
        assert_eq!(batches(&both).len(), 1);
    }
}
