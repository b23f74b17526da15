//! Breadth first: every state within the bounds once, and the way to the first one that breaks a rule.

use wire::hash::StableSet;

use super::books::Library;
use super::bounds::Bounds;
use super::rules::Broken;
use super::state::State;
use super::steps::{Around, Step, all};

/// What was looked at, and what was found.
#[derive(Debug)]
pub(super) struct Explored {
    pub states: usize,
    /// Steps that lead somewhere.
    pub steps: usize,
    /// Of the farthest state.
    pub depth: usize,
    /// Images of the controller, and its decisions.
    pub images: usize,
    pub decisions: usize,
    /// The rule, and the steps and states up to it, one to a line.
    pub found: Option<(Broken, Vec<String>)>,
}

/// How one state came out of another.
struct Node {
    parent: usize,
    step: Option<Step>,
}

/// Explores all that is within the bounds.
pub(super) fn explore(bounds: &Bounds) -> Explored {
    let mut library = Library::new(bounds);
    let steps = all(bounds);
    let first = State::first(bounds);
    let mut seen = StableSet::default();
    seen.insert(first.fingerprint());
    let mut nodes = vec![Node { parent: 0, step: None }];
    let mut ring = vec![(0, first)];
    let mut explored = Explored { states: 1, steps: 0, depth: 0, images: 0, decisions: 0, found: None };
    'search: while !ring.is_empty() && explored.depth < bounds.depth {
        let mut next = Vec::new();
        for (node, state) in std::mem::take(&mut ring) {
            for step in &steps {
                let mut around = Around { bounds, library: &mut library };
                let Some(outcome) = around.take(&state, *step) else { continue };
                explored.steps += 1;
                match outcome {
                    Ok(after) => {
                        if seen.insert(after.fingerprint()) {
                            next.push((nodes.len(), after));
                            nodes.push(Node { parent: node, step: Some(*step) });
                        }
                    }
                    Err(broken) => {
                        let mut way = way_to(&nodes, node);
                        way.push(*step);
                        explored.found = Some((broken, told(&mut around, &way)));
                        break 'search;
                    }
                }
            }
        }
        explored.depth += usize::from(!next.is_empty());
        ring = next;
    }
    explored.states = nodes.len();
    (explored.images, explored.decisions) = library.len();
    explored
}

fn way_to(nodes: &[Node], mut node: usize) -> Vec<Step> {
    let mut way = Vec::new();
    while let Some(step) = nodes[node].step {
        way.push(step);
        node = nodes[node].parent;
    }
    way.reverse();
    way
}

/// The steps once more, in words.
fn told(around: &mut Around<'_>, way: &[Step]) -> Vec<String> {
    let mut state = State::first(around.bounds);
    let mut lines = Vec::new();
    for step in way {
        lines.push(format!("{step:?}"));
        if let Some(Ok(after)) = around.take(&state, *step) {
            state = after;
        }
        let partition = state.partition(around.library);
        let logs: Vec<_> = state.machines.iter().map(|it| (&it.log.records, it.log.high_watermark)).collect();
        let kraft::image::PartitionImage { leader, isr, elr, last_known_elr, replicas, .. } = &partition;
        lines.push(format!(
            "    leader {leader}@{} isr {isr:?} elr {elr:?} last known {last_known_elr:?} of {replicas:?}, logs {logs:?}",
            partition.leader_epoch
        ));
    }
    lines
}
