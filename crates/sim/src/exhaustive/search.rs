//! Breadth first: every state once, known again by its fingerprint. The first that breaks a rule is told with the way there, which is
//! a shortest one. At the end each state is followed along its healing moves: all have to end well, and none may go in a circle.

use wire::hash::StableMap;

use super::bounds::Bounds;
use super::controller::Asked;
use super::moves::{Move, Terms, first};
use super::state::State;

/// What was found.
#[derive(Debug, Clone)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Moves that were made from them.
    pub moves: usize,
    /// The longest of the shortest ways to a state.
    pub depth: usize,
    /// The first broken rule.
    pub found: Option<Found>,
}

/// A broken rule and the way there.
#[derive(Debug, Clone)]
pub struct Found {
    /// The rule, in words.
    pub what: String,
    /// Moves from the first state on.
    pub way: Vec<String>,
}

/// How a state was come by.
struct Node {
    from: u32,
    by: Move,
    /// Where its healing move leads; [`NOWHERE`] if there is none.
    heals_to: u32,
}

/// No state has this number: memory ends before.
const NOWHERE: u32 = u32::MAX;

struct Search {
    terms: Terms,
    known: StableMap<u64, u32>,
    nodes: Vec<Node>,
    moves: usize,
    /// Nothing is left to do there, and it is not well.
    unwell: Vec<(u32, String)>,
}

/// Explores all that the bounds allow.
pub fn explore(bounds: Bounds) -> Explored {
    let terms = Terms { bounds, controller: Asked::new(&bounds) };
    let start = first(&terms);
    let node = Node { from: 0, by: Move::Elects, heals_to: NOWHERE };
    let known = [(start.fingerprint(), 0)].into_iter().collect();
    let mut search = Search { terms, known, nodes: vec![node], moves: 0, unwell: Vec::new() };
    let mut depth = 0;
    let mut found = None;
    let mut layer = vec![(0, start)];
    while !layer.is_empty() && found.is_none() {
        match search.next_layer(layer) {
            Ok(next) => layer = next,
            Err((at, what)) => {
                found = Some(search.tell(at, what));
                break;
            }
        }
        depth += usize::from(!layer.is_empty());
    }
    let found = found.or_else(|| search.ends_badly().map(|(at, what)| search.tell(at, what)));
    Explored { states: search.nodes.len(), moves: search.moves, depth, found }
}

impl Search {
    /// All that follows from these states and is new.
    fn next_layer(&mut self, layer: Vec<(u32, State)>) -> Result<Vec<(u32, State)>, (u32, String)> {
        let mut next = Vec::new();
        for (at, state) in layer {
            let moves = state.moves(&self.terms);
            let healing = state.healing_move(&moves);
            if healing.is_none()
                && let Some(what) = state.is_unwell()
            {
                self.unwell.push((at, what));
            }
            for what in moves {
                let after = state.after(&self.terms, what);
                self.moves += 1;
                let new = self.nodes.len() as u32;
                let id = *self.known.entry(after.fingerprint()).or_insert(new);
                if healing == Some(what) {
                    self.nodes[at as usize].heals_to = id;
                }
                if id != new {
                    continue;
                }
                self.nodes.push(Node { from: at, by: what, heals_to: NOWHERE });
                if let Some(broken) = after.broken_rule(&self.terms, Some(&state)) {
                    return Err((new, broken));
                }
                next.push((new, after));
            }
        }
        Ok(next)
    }

    /// A state from which the cluster, left alone, does not get well.
    fn ends_badly(&self) -> Option<(u32, String)> {
        const UNSEEN: u8 = 0;
        const ON_THE_WAY: u8 = 1;
        const WELL: u8 = 2;
        if let Some(unwell) = self.unwell.first() {
            return Some(unwell.clone());
        }
        let mut seen = vec![UNSEEN; self.nodes.len()];
        for start in 0..self.nodes.len() {
            let (mut at, mut way) = (start, Vec::new());
            while seen[at] == UNSEEN {
                seen[at] = ON_THE_WAY;
                way.push(at);
                if self.nodes[at].heals_to == NOWHERE {
                    break;
                }
                at = self.nodes[at].heals_to as usize;
                if seen[at] == ON_THE_WAY {
                    return Some((at as u32, "healing goes in a circle".to_owned()));
                }
            }
            way.into_iter().for_each(|at| seen[at] = WELL);
        }
        None
    }

    fn tell(&self, mut at: u32, what: String) -> Found {
        let mut moves = Vec::new();
        while at != 0 {
            let node = &self.nodes[at as usize];
            moves.push(node.by);
            at = node.from;
        }
        let mut state = first(&self.terms);
        let mut way = vec![state.told()];
        for what in moves.into_iter().rev() {
            state = state.after(&self.terms, what);
            way.push(format!("{what:?}: {}", state.told()));
        }
        Found { what, way }
    }
}

impl State {
    /// In words.
    fn told(&self) -> String {
        let partition = &self.newest().partition;
        let mut words = format!(
            "leader {} epoch {} isr {:?} elr {:?} last {:?}",
            partition.leader, partition.leader_epoch, partition.isr, partition.elr, partition.last_known_elr
        );
        for broker in &self.brokers {
            let role = match &broker.role {
                super::state::Role::None => "-".to_owned(),
                super::state::Role::Follower { leader_epoch, leader } => {
                    format!("follows {leader} in {leader_epoch}")
                }
                super::state::Role::Leader(leader) => {
                    format!("leads in {}: {:?}", leader.leader_epoch, leader.isr.proposal())
                }
            };
            let up = if broker.is_up { "" } else { "down " };
            words += &format!(" | {up}{role} {:?}/{}", broker.log.records, broker.log.high_watermark);
        }
        words
    }
}
