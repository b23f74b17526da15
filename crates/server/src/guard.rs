//! What watches connections from outside: idle ones, half frames held open.
//!
//! A connection notes its progress as it goes; its lane looks at the notes now and then, with one timer for all, armed only while it
//! has connections.

/// What a connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// `connections.max.idle.ms`; negative: for ever.
    pub idle_ms: i64,
    /// Time for a whole frame, beyond what `frame_bytes_per_second` grants.
    pub frame_ms: i64,
    /// The slowest honest sender of a large frame.
    pub frame_bytes_per_second: i64,
    /// Time for a stranger to say and prove who it is.
    // DIVERGES: Kafka gives it as long as anybody may be idle (connections.max.idle.ms).
    pub entry_ms: i64,
}

impl Patience {
    /// When the first of several connections may be due at the earliest.
    pub fn shortest_ms(&self) -> i64 {
        let idle_ms = if self.idle_ms < 0 { i64::MAX } else { self.idle_ms };
        idle_ms.min(self.frame_ms).min(self.entry_ms)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self { idle_ms: 600_000, frame_ms: 30_000, frame_bytes_per_second: 1024, entry_ms: 30_000 }
    }
}

/// A connection's notes about itself.
#[derive(Debug, Default)]
pub struct Notes {
    /// Last time bytes moved in either direction.
    last_moved_ms: i64,
    /// When the incomplete frame at hand began.
    partial_since_ms: Option<i64>,
    /// Bytes of that frame received.
    partial_bytes: usize,
    /// Requests are being handled: silence is ours, not the peer's.
    busy: bool,
    /// When it has to be authenticated, while it is not.
    enter_by_ms: Option<i64>,
}

/// What the watch decides about one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Look again then.
    LookAgainAt(i64),
    /// Close it.
    TooIdle,
    /// Close it.
    TooSlow,
    /// Close it.
    NeverEntered,
}

impl Notes {
    /// Fresh notes of a connection accepted at `now_ms`.
    pub fn new(now_ms: i64) -> Self {
        Self { last_moved_ms: now_ms, ..Self::default() }
    }

    /// It is a stranger, and not for longer than this.
    pub fn must_enter_by(&mut self, enter_by_ms: i64) {
        self.enter_by_ms = Some(enter_by_ms);
    }

    /// It has not said yet who it is, and has to.
    pub fn is_stranger(&self) -> bool {
        self.enter_by_ms.is_some()
    }

    /// It is authenticated.
    pub fn has_entered(&mut self) {
        self.enter_by_ms = None;
    }

    /// Bytes moved.
    pub fn moved(&mut self, now_ms: i64) {
        self.last_moved_ms = now_ms;
    }

    /// The state after a turn of the connection.
    pub fn settle(&mut self, busy: bool, partial_bytes: usize, now_ms: i64) {
        self.busy = busy;
        if partial_bytes == 0 {
            self.partial_since_ms = None;
        } else if self.partial_since_ms.is_none() || partial_bytes < self.partial_bytes {
            // A new frame has begun.
            self.partial_since_ms = Some(now_ms);
        }
        self.partial_bytes = partial_bytes;
    }

    /// Judges the connection.
    pub fn judge(&self, patience: &Patience, now_ms: i64) -> Verdict {
        let mut next = now_ms + patience.frame_ms;
        if let Some(due) = self.enter_by_ms {
            if now_ms >= due {
                return Verdict::NeverEntered;
            }
            next = next.min(due);
        }
        // While requests are being handled we ourselves may have stopped reading: no blame.
        if self.busy {
            return Verdict::LookAgainAt(next);
        }
        if let Some(since) = self.partial_since_ms {
            let received = self.partial_bytes as i64;
            let earned = received.saturating_mul(1_000) / patience.frame_bytes_per_second.max(1);
            let due = since.saturating_add(patience.frame_ms).saturating_add(earned);
            if now_ms >= due {
                return Verdict::TooSlow;
            }
            next = next.min(due);
        }
        if patience.idle_ms >= 0 {
            let due = self.last_moved_ms.saturating_add(patience.idle_ms);
            if now_ms >= due {
                return Verdict::TooIdle;
            }
            next = next.min(due);
        }
        Verdict::LookAgainAt(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { idle_ms: 600_000, frame_ms: 30_000, frame_bytes_per_second: 1024, entry_ms: 30_000 };

    #[test]
    fn silence_ends_after_the_idle_time_unless_we_are_busy() {
        let mut notes = Notes::new(1_000);
        notes.settle(false, 0, 1_000);
        assert_eq!(notes.judge(&PATIENCE, 580_000), Verdict::LookAgainAt(601_000));
        assert_eq!(notes.judge(&PATIENCE, 601_000), Verdict::TooIdle);
        notes.settle(true, 0, 1_000);
        assert!(matches!(notes.judge(&PATIENCE, 601_000), Verdict::LookAgainAt(_)));
        let forever = Patience { idle_ms: -1, ..PATIENCE };
        notes.settle(false, 0, 1_000);
        assert!(matches!(notes.judge(&forever, i64::MAX / 2), Verdict::LookAgainAt(_)));
    }

    #[test]
    fn a_stranger_has_its_time_however_busy_it_is() {
        let mut notes = Notes::new(0);
        notes.must_enter_by(30_000);
        notes.settle(true, 0, 29_000);
        assert_eq!(notes.judge(&PATIENCE, 29_000), Verdict::LookAgainAt(30_000));
        assert_eq!(notes.judge(&PATIENCE, 30_000), Verdict::NeverEntered);
        notes.has_entered();
        assert!(matches!(notes.judge(&PATIENCE, 30_000), Verdict::LookAgainAt(_)));
    }

    #[test]
    fn half_a_frame_is_given_its_time_and_a_drip_is_not() {
        let mut notes = Notes::new(0);
        notes.settle(false, 3, 1_000);
        assert_eq!(notes.judge(&PATIENCE, 2_000), Verdict::LookAgainAt(31_002));
        // One byte a second keeps the connection active but does not buy time.
        for second in 2..31 {
            notes.moved(second * 1_000);
            notes.settle(false, 3 + second as usize, second * 1_000);
        }
        assert_eq!(notes.judge(&PATIENCE, 31_100), Verdict::TooSlow);
        // 100 KiB received have earned another 100 s.
        notes.settle(false, 100 << 10, 32_000);
        assert!(matches!(notes.judge(&PATIENCE, 130_000), Verdict::LookAgainAt(_)));
        notes.settle(false, 0, 140_000);
        notes.settle(false, 9, 150_000);
        assert!(matches!(notes.judge(&PATIENCE, 170_000), Verdict::LookAgainAt(_)));
    }
}
