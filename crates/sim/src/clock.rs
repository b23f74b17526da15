//! A computer's clock: how fast it runs, and what its wall clock says beside. The run has one time; a node hears its own computer's.

use wire::wall::Wall;

/// A clock.
#[derive(Debug, Default)]
pub struct Clock {
    /// So many thousandths fast (or slow, below 0).
    drift: i64,
    /// May be wrong and put right.
    pub wall: Wall,
}

const START_MS: i64 = crate::START_MS;

/// Beyond it nothing is a time of a run.
const FAR_MS: i64 = 1 << 50;

impl Clock {
    /// A clock that runs so many thousandths fast.
    pub fn drifting(drift: i64) -> Clock {
        assert!(drift > -1_000, "clock: it goes back");
        Clock { drift, wall: Wall::default() }
    }

    /// What it shows at this time of the run.
    pub fn shows(&self, now_ms: i64) -> i64 {
        START_MS + (now_ms - START_MS) * (1_000 + self.drift) / 1_000
    }

    /// The first time of the run at which it shows so much.
    pub fn when(&self, shown_ms: i64) -> i64 {
        if self.drift == 0 || !(START_MS..FAR_MS).contains(&shown_ms) {
            return shown_ms;
        }
        let rate = 1_000 + self.drift;
        START_MS + ((shown_ms - START_MS) * 1_000 + rate - 1) / rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_has_come_when_it_is_looked_at_and_not_before() {
        for drift in [-200, -7, 0, 1, 30, 500] {
            let clock = Clock::drifting(drift);
            for shown_ms in (START_MS..START_MS + 20_000).step_by(37) {
                let when_ms = clock.when(shown_ms);
                assert!(clock.shows(when_ms) >= shown_ms, "{drift} {shown_ms}");
                assert!(shown_ms == START_MS || clock.shows(when_ms - 1) < shown_ms, "{drift} {shown_ms}");
            }
        }
    }
}
