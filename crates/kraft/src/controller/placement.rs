//! Which brokers get a new partition's replicas: striped over racks and brokers from a random start, so that leaders and
//! replicas spread evenly; fenced brokers only as followers of last resort. Owns no policy about who may be used.

use std::collections::BTreeMap;
use wire::Str;
use wire::random::SplitMix64;

/// A broker that may be used.
#[derive(Clone, Debug)]
pub(super) struct UsableBroker {
    pub id: i32,
    pub rack: Option<Str>,
    pub fenced: bool,
}

/// Replicas of `partitions` partitions, the leader first; or why they cannot be placed, in Kafka's words.
pub(super) fn place(
    rng: &mut SplitMix64,
    brokers: &[UsableBroker],
    partitions: usize,
    replication_factor: i16,
) -> Result<Vec<Vec<i32>>, String> {
    let Some(replicas) = usize::try_from(replication_factor).ok().filter(|count| *count > 0) else {
        let what = "the replication factor must be positive.";
        return Err(format!("Invalid replication factor {replication_factor}: {what}"));
    };
    if brokers.iter().all(|broker| broker.fenced) {
        return Err(
            "All brokers are currently fenced, or have all their log directories cordoned.".to_owned()
        );
    }
    if replicas > brokers.len() {
        return Err(format!(
            "The target replication factor of {replication_factor} cannot be reached because only {} broker(s) are registered \
             or some brokers have all their log directories cordoned.",
            brokers.len()
        ));
    }
    let mut racks = Racks::new(rng, brokers);
    Ok((0..partitions).map(|_| racks.place(rng, replicas)).collect())
}

/// A circle of brokers: each epoch starts one further.
#[derive(Default)]
struct Circle {
    brokers: Vec<i32>,
    index: usize,
    offset: usize,
    epoch: usize,
}

impl Circle {
    fn start(&mut self, rng: &mut SplitMix64) {
        self.brokers.sort_unstable();
        self.offset = rng.below(self.brokers.len() as u64) as usize;
    }

    fn next(&mut self, epoch: usize) -> Option<i32> {
        if self.brokers.is_empty() {
            return None;
        }
        if self.epoch != epoch {
            self.epoch = epoch;
            self.index = 0;
            self.offset = (self.offset + 1) % self.brokers.len();
        }
        if self.index >= self.brokers.len() {
            return None;
        }
        let broker = self.brokers.get((self.index + self.offset) % self.brokers.len()).copied();
        self.index += 1;
        broker
    }
}

#[derive(Default)]
struct Rack {
    fenced: Circle,
    unfenced: Circle,
}

/// All racks in a circle; brokers without a rack share one.
struct Racks {
    racks: Vec<Rack>,
    unfenced_brokers: usize,
    epoch: usize,
    offset: usize,
}

impl Racks {
    fn new(rng: &mut SplitMix64, brokers: &[UsableBroker]) -> Self {
        let mut racks: BTreeMap<Option<Str>, Rack> = BTreeMap::new();
        for broker in brokers {
            let rack = racks.entry(broker.rack.clone()).or_default();
            let circle = if broker.fenced { &mut rack.fenced } else { &mut rack.unfenced };
            circle.brokers.push(broker.id);
        }
        let mut racks: Vec<Rack> = racks.into_values().collect();
        for rack in &mut racks {
            rack.fenced.start(rng);
            rack.unfenced.start(rng);
        }
        let offset = rng.below(racks.len() as u64) as usize;
        Racks {
            unfenced_brokers: brokers.iter().filter(|broker| !broker.fenced).count(),
            racks,
            epoch: 0,
            offset,
        }
    }

    /// One partition. There is an unfenced broker, and there are enough brokers.
    fn place(&mut self, rng: &mut SplitMix64, replicas: usize) -> Vec<i32> {
        assert!(self.unfenced_brokers > 0, "nobody can lead, and the search for a leader would not end");
        if self.epoch == self.unfenced_brokers && self.unfenced_brokers > 1 {
            rng.shuffle(&mut self.racks);
            for rack in &mut self.racks {
                rng.shuffle(&mut rack.fenced.brokers);
                rng.shuffle(&mut rack.unfenced.brokers);
            }
            self.epoch = 0;
        }
        if self.offset == self.racks.len() {
            self.offset = 0;
        }
        let (epoch, count) = (self.epoch, self.racks.len());
        let mut placed = Vec::with_capacity(replicas);
        let mut leader_rack = self.offset;
        loop {
            if let Some(leader) = self.racks.get_mut(leader_rack).and_then(|rack| rack.unfenced.next(epoch)) {
                placed.push(leader);
                break;
            }
            leader_rack = (leader_rack + 1) % count;
        }
        // The leader's rack is passed over once, so that the second replica is elsewhere if there is an elsewhere.
        let mut passed_over = Some(leader_rack);
        let mut rack = self.offset;
        while placed.len() < replicas {
            if passed_over == Some(rack) {
                passed_over = None;
            } else if let Some(rack) = self.racks.get_mut(rack) {
                let next = rack.unfenced.next(epoch).or_else(|| rack.fenced.next(epoch));
                placed.extend(next);
            }
            rack = (rack + 1) % count;
        }
        self.epoch += 1;
        self.offset += 1;
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn broker(id: i32, rack: Option<&str>, fenced: bool) -> UsableBroker {
        UsableBroker { id, rack: rack.map(Str::from), fenced }
    }

    #[test]
    fn replicas_are_distinct_and_leaders_are_spread() {
        for seed in 0..50 {
            let brokers: Vec<_> = (0..5).map(|id| broker(id, None, false)).collect();
            let placed = place(&mut SplitMix64::new(seed), &brokers, 100, 3).unwrap_or_default();
            let mut leads = [0; 5];
            for replicas in &placed {
                assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), 3);
                leads[replicas[0] as usize] += 1;
            }
            assert_eq!(leads, [20; 5]);
        }
    }

    #[test]
    fn racks_are_covered_and_fenced_brokers_never_lead() {
        let brokers = [
            broker(0, Some("a"), false),
            broker(1, Some("a"), false),
            broker(2, Some("b"), true),
            broker(3, Some("c"), false),
        ];
        let rack = |id: &i32| brokers.iter().find(|b| b.id == *id).and_then(|b| b.rack.clone());
        for seed in 0..50 {
            for replicas in place(&mut SplitMix64::new(seed), &brokers, 20, 3).unwrap_or_default() {
                assert_ne!(replicas[0], 2);
                assert_eq!(replicas.iter().map(rack).collect::<BTreeSet<_>>().len(), 3, "{replicas:?}");
            }
        }
    }

    #[test]
    fn refuses_in_kafkas_words() {
        let brokers = [broker(1, None, false)];
        let refused = |brokers: &[UsableBroker], factor| {
            place(&mut SplitMix64::new(1), brokers, 1, factor).err().unwrap_or_default()
        };
        assert_eq!(
            refused(&brokers, 2),
            "The target replication factor of 2 cannot be reached because only 1 broker(s) are registered or some brokers \
             have all their log directories cordoned."
        );
        assert_eq!(
            refused(&[broker(1, None, true)], 1),
            "All brokers are currently fenced, or have all their log directories cordoned."
        );
    }
}
