//! When a log is flushed besides for acks=all: `flush.messages`, `flush.ms`, and a segment that was just finished. Decides only; the
//! work goes to the directory's flusher like any other, and no turn waits for it.
//!
//! Where Kafka flushes before the append returns, the answer waits for the flush round instead: with `flush.messages` of N no
//! producer has been answered (acks 1 or all) while N records or more were unflushed. DIVERGES: Kafka looks at `flush.ms` only every
//! `log.flush.scheduler.interval.ms`, by default never; here it holds by itself, whatever that interval.
//!
//! Where answers rest on several copies in page caches (`log.flush.ack=auto`, `min.insync.replicas` of two and more), nobody waits for a
//! flush, and yet none of them may keep much that is not on its platter: a flush is due after so much, or so long.

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
    /// Others have what this log has: it is flushed behind the answers.
    behind: bool,
    /// The log's size when a flush was asked for last.
    asked_bytes: u64,
    /// The leader epochs are to be on disk, whether or not anything was written.
    epochs_due: bool,
}

/// Behind the answers a log is flushed at the latest after so long, and when so much was appended.
const BEHIND_MS: i64 = 250;
const BEHIND_BYTES: u64 = 8 << 20;

impl Flushing {
    pub fn new(recovery_point: i64) -> Flushing {
        Flushing {
            asked: recovery_point,
            first: 0,
            due: false,
            due_ms: None,
            behind: false,
            asked_bytes: 0,
            epochs_due: false,
        }
    }

    /// An epoch begins here: its checkpoint is written even if nothing is appended, and a disk that takes it no more is found out now.
    pub fn epoch_begins(&mut self) {
        self.epochs_due = true;
    }

    /// Whether the log is flushed behind the answers from now on.
    pub fn set_behind(&mut self, behind: bool) {
        self.behind = behind;
    }

    fn flush_ms(&self, log: &Log) -> i64 {
        let flush_ms = log.config().flush_ms;
        if self.behind { flush_ms.min(BEHIND_MS) } else { flush_ms }
    }

    /// The log was truncated: what lies beyond its end was never asked for.
    pub fn truncated(&mut self, log: &Log) {
        let end = log.log_end_offset();
        (self.asked, self.first) = (self.asked.min(log.recovery_point()).min(end), self.first.min(end));
        self.asked_bytes = self.asked_bytes.min(log.size_bytes());
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
        if self.behind {
            self.due |= log.size_bytes().saturating_sub(self.asked_bytes) >= BEHIND_BYTES;
        }
    }

    /// Whether answers wait for the flush of what lies below `first`.
    pub fn holds_answers(&self, log: &Log) -> bool {
        log.recovery_point() < self.first
    }

    /// Whether a flush has to be asked for, for the sake of `somebody` or because it is due; notes that it is.
    pub fn take(&mut self, log: &Log, somebody: bool) -> bool {
        let wanted = std::mem::take(&mut self.due) || somebody;
        let wanted = (wanted && log.log_end_offset() > self.asked) || std::mem::take(&mut self.epochs_due);
        if wanted {
            self.asked = log.log_end_offset();
            self.asked_bytes = log.size_bytes();
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
        let flush_ms = self.flush_ms(log);
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
            self.due |= self.flush_ms(log) != i64::MAX;
        }
    }
}
