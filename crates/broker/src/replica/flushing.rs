//! When a log is flushed besides for acks=all: `flush.messages`, `flush.ms`, and a segment that was just finished. Decides only; the
//! work goes to the directory's flusher like any other, and no turn waits for it.
//!
//! Where Kafka flushes before the append returns, the answer waits for the flush round instead: with `flush.messages` of N no
//! producer has been answered (acks 1 or all) while N records or more were unflushed. DIVERGES: Kafka looks at `flush.ms` only every
//! `log.flush.scheduler.interval.ms`, by default never; here it holds by itself, whatever that interval.

use log::Log;

/// One replica's.
#[derive(Debug)]
pub(crate) struct Flushing {
    /// Everything below was handed to the flusher (or is flushed).
    asked: i64,
    /// An append reached `flush.messages`: what lies below is not answered before it is flushed.
    first: i64,
    /// A flush is due, whether or not somebody waits for it.
    due: bool,
    /// When `flush.ms` is over for the oldest record that nobody flushes; there is a timer for it.
    due_ms: Option<i64>,
}

impl Flushing {
    pub fn new(recovery_point: i64) -> Flushing {
        Flushing { asked: recovery_point, first: 0, due: false, due_ms: None }
    }

    /// Nothing was asked for that is not in the log: a flush of what comes there would be thought to be on its way.
    pub fn is_within(&self, log: &Log) -> bool {
        self.asked <= log.log_end_offset()
    }

    /// Something was appended; `finished`: to a new segment. As in Kafka, what is finished is flushed, so that a start after a crash
    /// need not read it.
    pub fn appended(&mut self, log: &Log, finished: bool) {
        if log.log_end_offset().saturating_sub(log.recovery_point()) >= log.config().flush_messages {
            self.first = log.log_end_offset();
            self.due = true;
        }
        self.due |= finished;
    }

    /// Whether answers wait for the flush of what lies below `first`.
    pub fn holds_answers(&self, log: &Log) -> bool {
        log.recovery_point() < self.first
    }

    /// Whether a flush has to be asked for, for the sake of `somebody` or because it is due; notes that it is.
    pub fn take(&mut self, log: &Log, somebody: bool) -> bool {
        let wanted = std::mem::take(&mut self.due) || somebody;
        let wanted = wanted && log.log_end_offset() > self.asked;
        if wanted {
            self.asked = log.log_end_offset();
        }
        wanted
    }

    /// The last flush round proved nothing: the next one is asked for the same again.
    pub fn again(&mut self, log: &Log) {
        self.asked = log.recovery_point();
        self.due = true;
    }

    /// When to come back for `flush.ms`, if there is no timer that comes in time.
    pub fn arm(&mut self, log: &Log, now_ms: i64) -> Option<i64> {
        let flush_ms = log.config().flush_ms;
        if flush_ms == i64::MAX || log.log_end_offset() <= self.asked {
            return None;
        }
        let due_ms = now_ms.saturating_add(flush_ms);
        if self.due_ms.is_some_and(|armed| armed <= due_ms) {
            return None;
        }
        self.due_ms = Some(due_ms);
        Some(due_ms)
    }

    /// A timer of [`Flushing::arm`] has come, maybe one that an earlier one made needless.
    pub fn time_is_up(&mut self, log: &Log, now_ms: i64) {
        if self.due_ms.is_some_and(|due_ms| due_ms <= now_ms) {
            self.due_ms = None;
            self.due |= log.config().flush_ms != i64::MAX;
        }
    }
}
