//! Parked acks: what an acks=all produce still waits for. Released in order of offset when replication (and, where it is
//! asked for, the flush) has passed, or by the request's deadline. Never touches a log.

use std::collections::{BTreeMap, VecDeque};

use crate::mailbox::Reply;
use crate::timers::TimerId;
use smallvec::SmallVec;
use wire::ErrorCode;
use wire::produce::{AnswerLine, Produced};

/// In the order of the entries asked for.
pub(crate) type AppendResults = SmallVec<[(AnswerLine, Produced); 1]>;

/// Identifies a parked produce within its shard.
pub(crate) type ProduceId = u64;

/// One partition's parked acks, lowest offset first.
#[derive(Debug, Default)]
pub(crate) struct PendingAcks {
    queue: VecDeque<Parked>,
}

/// One batch of one produce.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parked {
    /// Released when everything below is safe.
    pub offset: i64,
    pub produce: ProduceId,
    /// Its place in the produce's results.
    pub index: usize,
}

impl PendingAcks {
    /// Parks a batch. Offsets come in order, but for a duplicate of an earlier batch.
    pub fn park(&mut self, parked: Parked) {
        let after = self.queue.partition_point(|other| other.offset <= parked.offset);
        self.queue.insert(after, parked);
    }

    /// True if nobody waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next batch whose offset is safe.
    pub fn release(&mut self, safe_offset: i64) -> Option<Parked> {
        match self.queue.front() {
            Some(parked) if parked.offset <= safe_offset => self.queue.pop_front(),
            Some(_) | None => None,
        }
    }

    /// Panics with the name of the invariant that is broken: everything below `safe_offset` was released, and the log ends at
    /// `log_end_offset`.
    pub fn check(&self, safe_offset: i64, log_end_offset: i64) {
        if let (Some(first), Some(last)) = (self.queue.front(), self.queue.back()) {
            assert!(first.offset <= last.offset, "acks: they are out of order");
            assert!(first.offset > safe_offset, "acks: one is overdue");
            assert!(last.offset <= log_end_offset, "acks: one waits for what was not appended");
        }
    }

    /// Any batch, safe or not: the leader steps down or its directory died.
    pub fn pop(&mut self) -> Option<Parked> {
        self.queue.pop_front()
    }
}

/// What of a produce is not safe yet.
pub(crate) struct Parking {
    pub produce: ProduceId,
    pub count: usize,
    /// Some of it waits for other brokers, and not for a flush alone.
    pub waits_for_replicas: bool,
    pub deadline_ms: i64,
}

/// The produces of a shard that have parked batches. Every parked batch is of one of them, or of one that timed out, and is counted.
#[derive(Debug, Default)]
pub(crate) struct PendingProduces {
    produces: BTreeMap<ProduceId, PendingProduce>,
    last_id: ProduceId,
    /// Parked batches of `produces`.
    parked: usize,
    /// Parked batches of those that timed out: they stand in their queues until their offset is safe.
    abandoned: usize,
}

struct PendingProduce {
    results: AppendResults,
    parked: usize,
    reply: Reply<AppendResults>,
    timer: TimerId,
}

impl std::fmt::Debug for PendingProduce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingProduce").field("parked", &self.parked).finish_non_exhaustive()
    }
}

/// A produce whose last batch was settled.
pub(crate) struct Settled {
    pub results: AppendResults,
    pub reply: Reply<AppendResults>,
    pub timer: TimerId,
}

impl PendingProduces {
    /// The id that the next parked produce will have.
    /// Produces that wait.
    pub fn len(&self) -> usize {
        self.produces.len()
    }

    pub fn next_id(&self) -> ProduceId {
        self.last_id + 1
    }

    /// Parks a produce under [`PendingProduces::next_id`] with `parked` of its results noted as REQUEST_TIMED_OUT.
    pub fn park(
        &mut self,
        results: AppendResults,
        parked: usize,
        reply: Reply<AppendResults>,
        timer: TimerId,
    ) {
        assert!(parked > 0, "produces: one waits for nothing");
        self.last_id += 1;
        self.parked += parked;
        self.produces.insert(self.last_id, PendingProduce { results, parked, reply, timer });
        self.check();
    }

    /// One of its batches is settled with this code. A produce already timed out is gone.
    pub fn settle(&mut self, parked: Parked, error: ErrorCode) -> Option<Settled> {
        let Some(produce) = self.produces.get_mut(&parked.produce) else {
            assert!(self.abandoned > 0, "produces: a parked batch is of none");
            self.abandoned -= 1;
            return None;
        };
        self.parked -= 1;
        if let Some((_, result)) = produce.results.get_mut(parked.index) {
            result.error = error;
        }
        produce.parked -= 1;
        if produce.parked > 0 {
            return None;
        }
        let settled = self.produces.remove(&parked.produce).map(PendingProduce::settled);
        self.check();
        settled
    }

    /// The deadline has come: what is still parked says REQUEST_TIMED_OUT, as it was noted when it was parked.
    pub fn expire(&mut self, id: ProduceId) -> Option<Settled> {
        let produce = self.produces.remove(&id)?;
        self.parked -= produce.parked;
        self.abandoned += produce.parked;
        self.check();
        Some(produce.settled())
    }

    /// Panics with the name of the invariant that is broken.
    fn check(&self) {
        assert!(self.produces.is_empty() == (self.parked == 0), "produces: parked batches are miscounted");
    }
}

impl PendingProduce {
    fn settled(self) -> Settled {
        Settled { results: self.results, reply: self.reply, timer: self.timer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::reply;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn parked(offset: i64) -> Parked {
        Parked { offset, produce: 1, index: 0 }
    }

    #[test]
    fn what_stands_in_the_wrong_place_is_named() {
        let said = |offsets: [i64; 2]| {
            let acks = PendingAcks { queue: offsets.map(parked).into() };
            let panic = catch_unwind(AssertUnwindSafe(|| acks.check(5, 9))).err()?;
            panic.downcast_ref::<&str>().map(|text| (*text).to_owned())
        };
        assert_eq!(said([6, 9]), None);
        assert_eq!(said([9, 6]).as_deref(), Some("acks: they are out of order"));
        assert_eq!(said([5, 9]).as_deref(), Some("acks: one is overdue"));
        assert_eq!(said([6, 10]).as_deref(), Some("acks: one waits for what was not appended"));
    }

    #[test]
    fn batches_of_a_produce_that_timed_out_are_settled_once_and_no_more() {
        let mut produces = PendingProduces::default();
        produces.park(AppendResults::new(), 3, reply().0, (1, 1));
        assert!(produces.settle(parked(1), ErrorCode::None).is_none());
        assert!(produces.expire(1).is_some());
        for _ in 0..2 {
            assert!(produces.settle(parked(1), ErrorCode::None).is_none());
        }
        assert!(catch_unwind(AssertUnwindSafe(|| produces.settle(parked(1), ErrorCode::None))).is_err());
    }
}
