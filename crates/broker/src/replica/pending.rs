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

/// The produces of a shard that have parked batches.
#[derive(Debug, Default)]
pub(crate) struct PendingProduces {
    produces: BTreeMap<ProduceId, PendingProduce>,
    last_id: ProduceId,
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
        self.last_id += 1;
        self.produces.insert(self.last_id, PendingProduce { results, parked, reply, timer });
    }

    /// One of its batches is settled with this code. A produce already timed out is gone.
    pub fn settle(&mut self, parked: Parked, error: ErrorCode) -> Option<Settled> {
        let produce = self.produces.get_mut(&parked.produce)?;
        if let Some((_, result)) = produce.results.get_mut(parked.index) {
            result.error = error;
        }
        produce.parked -= 1;
        if produce.parked > 0 {
            return None;
        }
        self.produces.remove(&parked.produce).map(PendingProduce::settled)
    }

    /// The deadline has come: what is still parked says REQUEST_TIMED_OUT, as it was noted when it was parked.
    pub fn expire(&mut self, id: ProduceId) -> Option<Settled> {
        self.produces.remove(&id).map(PendingProduce::settled)
    }
}

impl PendingProduce {
    fn settled(self) -> Settled {
        Settled { results: self.results, reply: self.reply, timer: self.timer }
    }
}
