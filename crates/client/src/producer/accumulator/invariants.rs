//! What must hold of a partition's batches whenever something has become of one, in release too. The list stands at [`Accumulator`].
//! Looks at the ends of the queues and at what is in flight, never at a whole queue.

use super::{Accumulator, MAX_IN_FLIGHT_PER_PARTITION, Queue};
use wire::topic::TopicPartition;

impl Accumulator {
    /// Panics with the name of the invariant that is broken.
    pub(super) fn check(&self, target: &TopicPartition) {
        let Some(queue) = self.queue(target) else { return };
        queue.check();
        assert!(queue.is_drained() || self.active.contains(target), "active: batches wait unseen");
    }

    /// The same of all partitions once nothing is counted any more.
    pub(super) fn check_empty(&self) {
        let drained = |target: &TopicPartition| self.queue(target).is_none_or(Queue::is_drained);
        assert!(self.active.iter().all(drained), "buffered: batches wait that are not counted");
    }

    fn queue(&self, target: &TopicPartition) -> Option<&Queue> {
        self.queues.get(&target.topic)?.get(usize::try_from(target.partition).ok()?)
    }
}

impl Queue {
    fn check(&self) {
        assert!(self.in_flight.len() <= MAX_IN_FLIGHT_PER_PARTITION, "in flight: too many batches");
        if let (Some(first), Some(second)) = (self.closed.front(), self.closed.get(1)) {
            assert!(first.serial < second.serial, "order: a batch overtakes another");
            let numbered = first.sequence().is_some() || second.sequence().is_none();
            assert!(numbered, "sequence: a later batch has one, an earlier one has none");
        }
        if let (Some(last), Some(open)) = (self.closed.back(), &self.open) {
            assert!(last.serial < open.serial, "order: a batch overtakes another");
        }
        if let Some(open) = &self.open {
            assert!(open.attempts == 0 && open.sequence().is_none(), "open: it was sent already");
        }
        let doubtful = self.unproven.iter().all(|batch| batch.maybe_written && batch.sequence().is_some());
        assert!(doubtful, "unproven: what is certain needs no proof");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::producer::accumulator::tests::options;
    use crate::producer::batch::{Batch, Sequence};
    use crate::producer::delivery::Outcome;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use wire::record_batch::BatchAttributes;

    fn target() -> TopicPartition {
        TopicPartition::new("t", 0)
    }

    fn batch(serial: u64) -> Batch {
        Batch::new(target(), BatchAttributes::default(), serial, 0)
    }

    fn numbered(serial: u64) -> Batch {
        let mut batch = batch(serial);
        batch.stamp(Sequence { producer_id: 1, epoch: 0, base: 0 });
        batch
    }

    /// What `check` says of a queue after the damage.
    fn said(active: bool, damage: fn(&mut Queue)) -> String {
        let mut accumulator = Accumulator::new(options());
        let mut queue = Queue::default();
        damage(&mut queue);
        accumulator.queues.insert(target().topic, vec![queue]);
        if active {
            accumulator.active.insert(target());
        }
        match catch_unwind(AssertUnwindSafe(|| accumulator.check(&target()))) {
            Ok(()) => "nothing".to_owned(),
            Err(panic) => {
                panic.downcast_ref::<&str>().map_or("no text".to_owned(), |text| (*text).to_owned())
            }
        }
    }

    #[test]
    fn every_broken_invariant_is_named() {
        type Case = (fn(&mut Queue), &'static str);
        let cases: &[Case] = &[
            (|_| {}, "nothing"),
            (|q| q.closed.extend([numbered(1), batch(2)]), "nothing"),
            (
                |q| (0..6).for_each(|_| q.in_flight.push(Outcome::new(target()))),
                "in flight: too many batches",
            ),
            (|q| q.closed.extend([batch(2), batch(1)]), "order: a batch overtakes another"),
            (
                |q| {
                    q.closed.push_back(batch(2));
                    q.open = Some(batch(1));
                },
                "order: a batch overtakes another",
            ),
            (
                |q| q.closed.extend([batch(1), numbered(2)]),
                "sequence: a later batch has one, an earlier one has none",
            ),
            (|q| q.open = Some(numbered(1)), "open: it was sent already"),
            (|q| q.unproven.push(numbered(1)), "unproven: what is certain needs no proof"),
        ];
        for (damage, name) in cases {
            assert_eq!(said(true, *damage), *name);
        }
        assert_eq!(said(false, |q| q.closed.push_back(batch(1))), "active: batches wait unseen");
    }

    #[test]
    #[should_panic(expected = "buffered: batches wait that are not counted")]
    fn what_is_not_counted_is_not_lost() {
        let mut accumulator = Accumulator::new(options());
        let queue = Queue { open: Some(batch(1)), ..Queue::default() };
        accumulator.queues.insert(target().topic, vec![queue]);
        accumulator.active.insert(target());
        assert!(accumulator.is_empty());
    }
}
