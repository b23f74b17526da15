//! One turn of a shard: its time, and what it has come to want of others.

use crate::effect::Effect;

/// Carried through everything that the turn does.
pub(crate) struct Turn {
    pub now_ms: i64,
    /// Which of the shard's turns: effects are carried out after it, and may be overtaken by those of the next.
    pub number: u64,
    /// In the order in which they were wished.
    pub effects: Vec<Effect>,
}

impl Turn {
    pub fn new(number: u64, now_ms: i64) -> Turn {
        Turn { now_ms, number, effects: Vec::new() }
    }
}
