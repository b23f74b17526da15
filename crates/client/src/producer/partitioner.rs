//! Which partition a record goes to. Keyed records: murmur2 as Java does, or CRC-32 as librdkafka's
//! `consistent_random` does. Records without a key: sticky (KIP-480, KIP-794): stay on one partition for a batch's
//! worth of bytes, then move to another at random.

use std::collections::BTreeMap;
use std::sync::Arc;
use wire::Str;
use wire::random::SplitMix64;

/// A user's own choice of partition.
pub trait PartitionChoice: Send + Sync {
    /// The partition, below `partitions`; `None` leaves it to the sticky choice.
    fn partition(&self, topic: &str, key: Option<&[u8]>, partitions: i32) -> Option<i32>;
}

/// How partitions are chosen.
#[derive(Clone, Default)]
pub enum Partitioner {
    /// Java's default: murmur2 of the key, sticky without one.
    #[default]
    Murmur2,
    /// librdkafka's default: CRC-32 of the key, sticky without one (or with an empty one).
    ConsistentRandom,
    /// In turn, whatever the key.
    RoundRobin,
    /// The user's own.
    Custom(Arc<dyn PartitionChoice>),
}

impl std::fmt::Debug for Partitioner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Partitioner::Murmur2 => "Murmur2",
            Partitioner::ConsistentRandom => "ConsistentRandom",
            Partitioner::RoundRobin => "RoundRobin",
            Partitioner::Custom(_) => "Custom",
        })
    }
}

/// The state of partitioning for one producer: turns and sticky choices per topic.
#[derive(Debug)]
pub(crate) struct Chooser {
    partitioner: Partitioner,
    topics: BTreeMap<Str, TopicState>,
    /// Bytes after which a sticky choice is made anew.
    sticky_bytes: usize,
    random: SplitMix64,
}

#[derive(Debug, Default)]
struct TopicState {
    turn: u32,
    /// Invariant: below the partition count that it was chosen with.
    sticky: Option<i32>,
    /// Bytes sent since `sticky` was chosen.
    stuck_bytes: usize,
}

impl Chooser {
    /// `sticky_bytes` is normally the batch size.
    pub(crate) fn new(partitioner: Partitioner, sticky_bytes: usize, seed: u64) -> Chooser {
        Chooser { partitioner, topics: BTreeMap::new(), sticky_bytes, random: SplitMix64::new(seed) }
    }

    /// The partition of a record. `has_leader` tells which partitions can take records now; while none can, all count
    /// as available. `partitions` must be positive.
    pub(crate) fn choose(
        &mut self,
        topic: &Str,
        key: Option<&[u8]>,
        size: usize,
        partitions: i32,
        has_leader: &dyn Fn(i32) -> bool,
    ) -> i32 {
        let chosen = match (&self.partitioner, key) {
            (Partitioner::Murmur2, Some(key)) => Some(murmur2_partition(key, partitions)),
            (Partitioner::ConsistentRandom, Some(key)) if !key.is_empty() => {
                Some(crc32_partition(key, partitions))
            }
            (Partitioner::Murmur2 | Partitioner::ConsistentRandom, None | Some(_)) => None,
            (Partitioner::RoundRobin, _) => Some(self.next_turn(topic, partitions, has_leader)),
            (Partitioner::Custom(custom), key) => {
                custom.partition(topic, key, partitions).filter(|chosen| (0..partitions).contains(chosen))
            }
        };
        chosen.unwrap_or_else(|| self.stick(topic, size, partitions, has_leader))
    }

    fn state(&mut self, topic: &Str) -> &mut TopicState {
        if !self.topics.contains_key(topic) {
            self.topics.insert(topic.detached(), TopicState::default());
        }
        self.topics.get_mut(topic).expect("inserted above")
    }

    fn next_turn(&mut self, topic: &Str, partitions: i32, has_leader: &dyn Fn(i32) -> bool) -> i32 {
        let state = self.state(topic);
        let turn = state.turn;
        state.turn = turn.wrapping_add(1);
        pick(partitions, has_leader, u64::from(turn))
    }

    fn stick(&mut self, topic: &Str, size: usize, partitions: i32, has_leader: &dyn Fn(i32) -> bool) -> i32 {
        let (limit, random) = (self.sticky_bytes, self.random.next_u64());
        let state = self.state(topic);
        let usable = |chosen: i32| has_leader(chosen) || !(0..partitions).any(has_leader);
        let goes_on = |chosen: i32| state.stuck_bytes < limit && chosen < partitions && usable(chosen);
        let chosen = match state.sticky.filter(|&chosen| goes_on(chosen)) {
            Some(chosen) => chosen,
            None => {
                state.stuck_bytes = 0;
                pick(partitions, has_leader, random)
            }
        };
        state.sticky = Some(chosen);
        state.stuck_bytes += size;
        chosen
    }
}

/// The `n`th available partition, counting round.
fn pick(partitions: i32, has_leader: &dyn Fn(i32) -> bool, n: u64) -> i32 {
    let available: Vec<i32> = (0..partitions).filter(|&index| has_leader(index)).collect();
    match available.len() {
        0 => (n % partitions as u64) as i32,
        count => available[(n % count as u64) as usize],
    }
}

/// Java's `toPositive(murmur2(key)) % partitions`.
pub fn murmur2_partition(key: &[u8], partitions: i32) -> i32 {
    (wire::murmur2(key) & 0x7fff_ffff) % partitions
}

/// librdkafka's `consistent`: the CRC-32 (of zip, not Castagnoli) of the key.
pub fn crc32_partition(key: &[u8], partitions: i32) -> i32 {
    (crc32(key) % partitions as u32) as i32
}

/// Bit by bit: keys are short and this partitioner is rare; a table would be longer than the function.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests;
