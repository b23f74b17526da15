//! The computers of a run, each with a fresh, formatted disk.

use super::shape::ClusterShape;
use crate::clock::Clock;
use crate::host::Host;
use crate::machine::Machine;
use crate::random::Random;

/// Those of a cluster, or the only one.
pub fn machines(shape: &ClusterShape, random: &mut Random) -> Result<Vec<Machine>, log::Fault> {
    if !shape.is_plural() {
        return Ok(vec![Machine::new(random.next(), Host::alone(), Clock::default())?]);
    }
    let numbered = || (1..).zip(&shape.roles).map(|(id, roles)| (id, *roles));
    let voters: Vec<i32> = numbered().filter(|(_, roles)| roles.controller).map(|(id, _)| id).collect();
    let mut machines = Vec::new();
    for (node_id, roles) in numbered() {
        let rack = (shape.racks > 0).then(|| format!("rack{}", machines.len() % shape.racks));
        let clock = Clock::drifting(random.between(-shape.drift, shape.drift + 1));
        let host = Host::of_cluster(node_id, roles, rack, &voters);
        machines.push(Machine::new(random.next(), host, clock)?);
    }
    Ok(machines)
}
