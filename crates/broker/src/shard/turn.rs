//! One turn of a shard: its time, and what it has come to want of others.

use crate::effect::Effect;

/// Carried through everything that the turn does.
pub(crate) struct Turn {
    pub now_ms: i64,
    /// In the order in which they were wished.
    pub effects: Vec<Effect>,
}

impl Turn {
    pub fn at(now_ms: i64) -> Turn {
        Turn { now_ms, effects: Vec::new() }
    }
}
