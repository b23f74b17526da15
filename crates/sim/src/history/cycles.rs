//! Transactions that read from one another in a circle: components of the graph of who read whose values, each with its shortest
//! circle. Linear but for that circle.

use std::collections::VecDeque;

use super::ops::{History, Kind, Outcome, Place};
use super::verdict::{Anomaly, Verdict};
use super::versions::{NONE, Versions, at};

/// Looks for circles among transactions.
pub fn cycles(history: &History, versions: &Versions, verdict: &mut Verdict) {
    let graph = Graph::of(history, versions);
    for component in graph.components() {
        if component.len() < 2 {
            continue;
        }
        let circle = component.first().map(|node| graph.circle(*node)).unwrap_or_default();
        verdict.found(Anomaly::G1c, circle.len() as u64, || {
            let name = |node: &u32| {
                let place = at(&graph.places, *node);
                let process = history.ops.get(place as usize).map_or(0, |op| op.process);
                format!("operation {place} of process {process}")
            };
            let names: Vec<String> = circle.iter().map(name).collect();
            format!("each read what the next one sent: {}", names.join(", "))
        });
    }
}

/// Only operations that both send and read can be in a circle: those are its nodes.
struct Graph {
    places: Vec<Place>,
    /// For each node the nodes whose values it read.
    edges: Vec<Vec<u32>>,
}

impl Graph {
    fn of(history: &History, versions: &Versions) -> Graph {
        let mut node_of = vec![NONE; history.ops.len()];
        let mut places: Vec<Place> = Vec::new();
        for ((place, op), node) in (0..).zip(&history.ops).zip(&mut node_of) {
            let both = op.sends().next().is_some() && op.polled().next().is_some();
            if both && op.kind == Kind::Transaction && op.outcome != Outcome::Fail {
                *node = places.len() as u32;
                places.push(place);
            }
        }
        let edges = places.iter().map(|&place| {
            let Some(op) = history.ops.get(place as usize) else { return Vec::new() };
            let writer = |value| at(&versions.writer, value);
            let from = op.polled().map(|polled| writer(polled.value)).filter(|writer| *writer != place);
            let mut list: Vec<u32> =
                from.map(|writer| at(&node_of, writer)).filter(|node| *node != NONE).collect();
            list.sort_unstable();
            list.dedup();
            list
        });
        let edges = edges.collect();
        Graph { places, edges }
    }

    fn next(&self, node: u32) -> &[u32] {
        self.edges.get(node as usize).map_or(&[], Vec::as_slice)
    }

    /// Strongly connected components, by Tarjan's algorithm without recursion.
    fn components(&self) -> Vec<Vec<u32>> {
        let many = self.places.len();
        let mut walk = Walk { index: vec![NONE; many], low: vec![NONE; many], ..Walk::default() };
        for root in 0..many as u32 {
            if at(&walk.index, root) == NONE {
                walk.from(self, root);
            }
        }
        walk.components
    }

    /// The shortest way from a node back to itself.
    fn circle(&self, start: u32) -> Vec<u32> {
        let mut from = vec![NONE; self.places.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for &next in self.next(node) {
                if next == start {
                    let mut circle = vec![node];
                    let mut back = node;
                    while back != start {
                        back = at(&from, back);
                        circle.push(back);
                    }
                    circle.reverse();
                    return circle;
                }
                if at(&from, next) == NONE {
                    if let Some(slot) = from.get_mut(next as usize) {
                        *slot = node;
                    }
                    queue.push_back(next);
                }
            }
        }
        Vec::new()
    }
}

#[derive(Default)]
struct Walk {
    index: Vec<u32>,
    low: Vec<u32>,
    next_index: u32,
    on_stack: Vec<bool>,
    stack: Vec<u32>,
    components: Vec<Vec<u32>>,
}

impl Walk {
    fn from(&mut self, graph: &Graph, root: u32) {
        self.on_stack.resize(graph.places.len(), false);
        let mut calls: Vec<(u32, usize)> = Vec::new();
        self.enter(root, &mut calls);
        while let Some((node, edge)) = calls.last_mut() {
            let node = *node;
            let next = graph.next(node).get(*edge).copied();
            *edge += 1;
            match next {
                Some(next) if at(&self.index, next) == NONE => self.enter(next, &mut calls),
                Some(next) => {
                    if self.on_stack.get(next as usize).copied().unwrap_or(false) {
                        self.lower(node, at(&self.index, next));
                    }
                }
                None => {
                    calls.pop();
                    if at(&self.low, node) == at(&self.index, node) {
                        self.close(node);
                    }
                    if let Some((caller, _)) = calls.last() {
                        self.lower(*caller, at(&self.low, node));
                    }
                }
            }
        }
    }

    fn enter(&mut self, node: u32, calls: &mut Vec<(u32, usize)>) {
        for list in [&mut self.index, &mut self.low] {
            list.get_mut(node as usize).into_iter().for_each(|slot| *slot = self.next_index);
        }
        self.next_index += 1;
        self.on_stack.get_mut(node as usize).into_iter().for_each(|on| *on = true);
        self.stack.push(node);
        calls.push((node, 0));
    }

    fn lower(&mut self, node: u32, to: u32) {
        self.low.get_mut(node as usize).into_iter().for_each(|low| *low = to.min(*low));
    }

    /// All above this node on the stack are one component with it.
    fn close(&mut self, root: u32) {
        let mut component = Vec::new();
        while let Some(node) = self.stack.pop() {
            self.on_stack.get_mut(node as usize).into_iter().for_each(|on| *on = false);
            component.push(node);
            if node == root {
                break;
            }
        }
        component.reverse();
        self.components.push(component);
    }
}
