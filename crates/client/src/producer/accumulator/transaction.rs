//! What a transaction changes for waiting records: they share one fate. One that is lost dooms all of it, and its end brings the epoch
//! under which the next begins (KIP-890); nobody counts an epoch up by himself.

use super::Accumulator;
use crate::error::{Error, Result};

impl Accumulator {
    /// Fails while the open transaction can only be aborted, with the reason.
    pub(crate) fn fate(&self) -> Result<()> {
        self.doomed.clone().map_or(Ok(()), Err)
    }

    pub(super) fn is_doomed(&self) -> bool {
        self.doomed.is_some()
    }

    /// A record of the transaction is lost; the first reason counts. Without transactions it is that record's affair.
    pub(super) fn doom(&mut self, error: &Error) {
        if self.options.attributes.transactional {
            self.doomed.get_or_insert_with(|| error.clone());
        }
    }

    /// What waits goes with what is lost.
    pub(super) fn give_up_what_is_doomed(&mut self) {
        if let Some(error) = self.doomed.clone() {
            self.fail_all(&error);
        }
    }

    /// Gives up what waits, and what is in flight as soon as it lands: the transaction will be aborted.
    pub(crate) fn doom_all(&mut self, error: &Error) {
        self.doom(error);
        self.give_up_what_is_doomed();
    }

    /// The next transaction goes under this producer id and epoch; partitions count from 0 again. All records of the last one have been
    /// decided.
    pub(crate) fn begin_under(&mut self, producer_id: i64, epoch: i16) {
        let idle = |queue: &super::Queue| queue.is_drained() && queue.in_flight.is_empty();
        assert!(self.queues.values().flatten().all(idle), "epoch: records of the last transaction wait");
        self.queues.clear();
        self.active.clear();
        self.doomed = None;
        self.set_identity(producer_id, epoch);
    }
}

#[cfg(test)]
mod tests {
    use crate::producer::accumulator::AccumulatorOptions;
    use crate::producer::accumulator::tests::{Harness, only, options, show};
    use wire::ErrorCode;
    use wire::record_batch::BatchAttributes;

    fn transactional() -> Harness {
        let attributes = BatchAttributes { transactional: true, ..BatchAttributes::default() };
        Harness::new(AccumulatorOptions { attributes, ..options() })
    }

    #[test]
    fn batches_say_that_they_belong_to_a_transaction() {
        let mut h = transactional();
        h.batches(&["a"]);
        let mut batch = only(h.drain());
        let header = wire::record_batch::BatchHeader::parse(&batch.encode()).expect("a batch");
        assert!(header.is_transactional());
    }

    #[test]
    fn one_lost_record_dooms_the_others() {
        let mut h = transactional();
        h.batches(&["a", "b", "c"]);
        let first = only(h.drain());
        let second = only(h.drain());
        assert!(h.accumulator.fate().is_ok());
        h.refused(first, ErrorCode::TransactionAbortable);
        assert_eq!(h.accumulator.fate().expect_err("doomed").code(), Some(ErrorCode::TransactionAbortable));
        assert_eq!(h.outcomes(), "! ? !", "what waits goes with it, what is in flight when it lands");
        h.refused(second, ErrorCode::NotLeaderOrFollower);
        assert_eq!(h.outcomes(), "! ! !", "nothing is tried again");
        assert!(h.accumulator.is_empty());
    }

    #[test]
    fn nobody_begins_an_epoch_within_a_transaction() {
        for code in [ErrorCode::OutOfOrderSequenceNumber, ErrorCode::InvalidProducerEpoch] {
            let mut h = transactional();
            h.batches(&["a"]);
            let mut batch = only(h.drain());
            assert_eq!(show(&mut batch), "a@0:0");
            h.refused(batch, code);
            h.wait(100);
            assert!(h.drain().is_empty(), "{code:?}");
            assert_eq!(h.accumulator.fate().expect_err("doomed").code(), Some(code));
        }
    }

    #[test]
    fn a_gap_behind_a_batch_that_is_tried_again_dooms_nothing() {
        let mut h = transactional();
        h.batches(&["a", "b"]);
        let (first, second) = (only(h.drain()), only(h.drain()));
        h.refused(first, ErrorCode::NotEnoughReplicas);
        h.gap(second);
        let first = h.next("a@0:0");
        h.stored(first, 0);
        let second = h.next("b@0:1");
        h.stored(second, 1);
        assert_eq!(h.outcomes(), "0 1");
        assert!(h.accumulator.fate().is_ok());
    }

    #[test]
    fn a_lost_answer_is_asked_for_again_under_the_same_epoch() {
        let mut h = transactional();
        h.all_lost(&["a"]);
        let again = h.next("a@0:0");
        h.refused(again, ErrorCode::DuplicateSequenceNumber);
        assert_eq!(h.outcomes(), "-1");
        assert!(h.accumulator.fate().is_ok());
    }

    #[test]
    fn the_end_gives_the_next_epoch_and_a_fresh_count() {
        let mut h = transactional();
        h.batches(&["a", "b"]);
        let first = only(h.drain());
        h.refused(first, ErrorCode::TransactionAbortable);
        h.accumulator.begin_under(77, 1);
        assert!(h.accumulator.fate().is_ok());
        h.batches(&["c"]);
        assert_eq!(show(&mut only(h.drain())), "c@1:0");
    }

    #[test]
    #[should_panic(expected = "epoch: records of the last transaction wait")]
    fn no_epoch_begins_while_records_of_the_last_are_on_their_way() {
        let mut h = transactional();
        h.batches(&["a"]);
        let _in_flight = only(h.drain());
        h.accumulator.begin_under(77, 1);
    }

    #[test]
    fn without_transactions_a_lost_record_is_its_own_affair() {
        let mut h = Harness::new(options());
        h.batches(&["a", "b"]);
        let (first, second) = (only(h.drain()), only(h.drain()));
        h.refused(first, ErrorCode::InvalidRecord);
        h.stored(second, 0);
        assert!(h.accumulator.fate().is_ok());
        assert_eq!(h.outcomes(), "! 0");
    }
}
