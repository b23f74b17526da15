//! Where replicas go: striped over racks and brokers from a random start (KIP-36), brokers that are up before fenced ones. Pure
//! but for the dice; knows nothing of topics.

use super::command::Refusal;
use crate::image::{BrokerRegistration, MetadataImage};
use crate::rng::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::{ErrorCode, Str};

/// The usable brokers of one rack; those that are up first.
struct Rack {
    up: Vec<i32>,
    fenced: Vec<i32>,
}

/// Chooses `replication_factor` brokers for each of `partitions` partitions; the first of each leads.
pub(super) fn place(
    image: &MetadataImage,
    rng: &mut Rng,
    first_partition: i32,
    partitions: i32,
    replication_factor: i16,
) -> Result<Vec<Vec<i32>>, Refusal> {
    let usable: Vec<&Arc<BrokerRegistration>> =
        image.cluster.brokers().filter(|broker| !broker.in_controlled_shutdown).collect();
    check(&usable, replication_factor)?;
    let mut racks = racks_of(&usable, rng);
    // Existing partitions are taken as placed by the same stripes, so that a topic that grows stays balanced.
    let start = rng.below(usable.len() as u64) as usize + usize::try_from(first_partition).unwrap_or(0);
    let many = usize::try_from(partitions).unwrap_or(0);
    Ok((0..many)
        .map(|n| stripe(&mut racks, start + n, usize::from(replication_factor.unsigned_abs())))
        .collect())
}

fn check(usable: &[&Arc<BrokerRegistration>], replication_factor: i16) -> Result<(), Refusal> {
    let refuse = |why: String| {
        let what = format!("Unable to replicate the partition {replication_factor} time(s): {why}");
        Err(Refusal::new(ErrorCode::InvalidReplicationFactor, what))
    };
    if usable.iter().all(|broker| broker.fenced) {
        return refuse("All brokers are currently fenced.".to_owned());
    }
    if usable.len() < usize::from(replication_factor.unsigned_abs()) {
        return refuse(format!(
            "The target replication factor of {replication_factor} cannot be reached because only {} broker(s) are registered or some brokers have all their log directories cordoned.",
            usable.len()
        ));
    }
    if usable.iter().all(|broker| !broker.has_uncordoned_directory()) {
        return refuse(
            "All brokers are currently fenced or have all their log directories cordoned.".to_owned(),
        );
    }
    Ok(())
}

fn racks_of(usable: &[&Arc<BrokerRegistration>], rng: &mut Rng) -> Vec<Rack> {
    let mut by_name: BTreeMap<Option<Str>, Rack> = BTreeMap::new();
    for broker in usable.iter().filter(|broker| broker.has_uncordoned_directory()) {
        let rack = by_name.entry(broker.rack.clone()).or_insert(Rack { up: Vec::new(), fenced: Vec::new() });
        if broker.fenced { rack.fenced.push(broker.id) } else { rack.up.push(broker.id) }
    }
    let mut racks: Vec<Rack> = by_name.into_values().collect();
    for rack in &mut racks {
        rng.shuffle(&mut rack.up);
        rng.shuffle(&mut rack.fenced);
    }
    racks
}

/// One partition: rack after rack, in each rack broker after broker; a fenced broker only when nobody who is up is left.
fn stripe(racks: &mut [Rack], turn: usize, replicas: usize) -> Vec<i32> {
    let mut chosen: Vec<i32> = Vec::with_capacity(replicas);
    for fenced in [false, true] {
        let mut depth = 0;
        let deepest = racks.iter().map(|rack| rack.side(fenced).len()).max().unwrap_or(0);
        while depth < deepest && chosen.len() < replicas {
            for offset in 0..racks.len() {
                let Some(rack) = racks.get((turn + offset) % racks.len()) else { continue };
                let side = rack.side(fenced);
                // One step along the rack per round over all racks, so that its brokers take turns.
                let at = turn / racks.len() + depth;
                let broker = (depth < side.len()).then(|| side.get(at % side.len())).flatten();
                if let Some(broker) = broker.filter(|_| chosen.len() < replicas) {
                    chosen.push(*broker);
                }
            }
            depth += 1;
        }
    }
    chosen
}

impl Rack {
    fn side(&self, fenced: bool) -> &[i32] {
        if fenced { &self.fenced } else { &self.up }
    }
}
