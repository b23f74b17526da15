//! What must hold of a node's metadata quorum whenever a turn has ended, in release too. The list stands at [`MetadataQuorum`].

use super::MetadataQuorum;

impl MetadataQuorum {
    /// Panics with the name of the invariant that is broken. A dozen comparisons.
    pub(super) fn check(&self) {
        let log_end = self.raft.log().end_offset();
        assert!(self.committed.next_offset <= log_end, "committed: it holds what is not in the log");
        let high_watermark = self.raft.high_watermark();
        assert!(
            high_watermark.is_none_or(|offset| self.committed.next_offset <= offset),
            "committed: it holds what is not committed"
        );
        self.committed.replay.check();
        let stable = self.committed.replay.stable().provenance;
        assert!(stable.last_offset < self.committed.next_offset, "committed: it holds more than it has read");
        assert!(self.image.provenance == stable, "committed: something else is published");
        assert!(self.fault.is_none(), "fault: it is not told");
        if let Some(active) = &self.active {
            assert!(self.controller.is_some(), "active: without a controller");
            active.check(&self.committed, &self.raft);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::active::tests::Damage;
    use crate::raft::control::data_batch;
    use crate::raft::{SharedLog, StorageFault};
    use crate::testing::One;
    use bytes::Bytes;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn every_broken_invariant_is_named() {
        type Case = (fn(&mut One), &'static str);
        let cases: &[Case] = &[
            (|_| {}, "nothing"),
            (|one| one.quorum.committed.next_offset = 99, "committed: it holds what is not in the log"),
            (
                |one| {
                    let Some(end) = one.quorum.raft.high_watermark() else { panic!("nothing is committed") };
                    let batch = data_batch([Bytes::new()], 1_000);
                    let appended = one.quorum.raft.append(1_000, batch);
                    appended.unwrap_or_else(|fault| panic!("{fault}")).unwrap_or_else(|no| panic!("{no:?}"));
                    one.quorum.committed.next_offset = end + 1;
                },
                "committed: it holds what is not committed",
            ),
            (|one| one.quorum.committed.next_offset = 1, "committed: it holds more than it has read"),
            (|one| one.quorum.fault = Some(StorageFault::new("test", "planted")), "fault: it is not told"),
            (|one| one.quorum.image = Default::default(), "committed: something else is published"),
            (|one| one.quorum.controller = None, "active: without a controller"),
            (|one| Damage::Epoch.inflict(&mut one.quorum), "active: it does not lead its epoch"),
            (|one| Damage::Later.inflict(&mut one.quorum), "pending: it is of a later epoch"),
            (|one| Damage::Ahead.inflict(&mut one.quorum), "pending: it holds what is not in the log"),
            (|one| Damage::Behind.inflict(&mut one.quorum), "pending: it lacks what is committed"),
            (|one| Damage::Tail.inflict(&mut one.quorum), "pending: the tail ends elsewhere"),
            (|one| Damage::Order.inflict(&mut one.quorum), "pending: the tail is out of order"),
            (|one| Damage::Twin.inflict(&mut one.quorum), "pending: the twins differ"),
            (|one| Damage::NoTail.inflict(&mut one.quorum), "pending: what is in flight is in no tail"),
            (|one| Damage::Late.inflict(&mut one.quorum), "pending: the tail is committed"),
            (|one| Damage::Overdue.inflict(&mut one.quorum), "parked: an answer is overdue"),
            (|one| Damage::Never.inflict(&mut one.quorum), "parked: an answer waits for nothing"),
        ];
        for (damage, name) in cases {
            let mut one = One::open(SharedLog::default(), 1_000).unwrap_or_else(|error| panic!("{error}"));
            one.turn();
            let said = match catch_unwind(AssertUnwindSafe(|| {
                damage(&mut one);
                one.quorum.check();
            })) {
                Ok(()) => "nothing".to_owned(),
                Err(panic) => {
                    panic.downcast_ref::<&str>().map_or_else(String::new, |text| (*text).to_owned())
                }
            };
            assert_eq!(said, *name);
        }
    }
}
