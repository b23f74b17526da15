//! What must hold of a hosted machine whenever a call has ended, in release too. The list stands at [`Hosted`]. A dozen comparisons,
//! whatever the partition holds: commits and heartbeats pass here.

use super::{Hosted, Phase};
use crate::machine::Machine;

impl<M: Machine> Hosted<M> {
    /// Panics with the name of the invariant that is broken.
    pub(super) fn check(&self) {
        match self.phase {
            Phase::Loading => {
                assert!(self.soft.is_some(), "phase: its soft state went before it was closed");
                assert!(self.parked.is_empty(), "phase: somebody waits for one that loads");
                assert!(self.timers.is_empty(), "phase: a timer runs before it is open");
            }
            Phase::Open => {
                assert!(self.soft.is_some(), "phase: its soft state went before it was closed");
                assert!(self.high_watermark <= self.next_offset, "offsets: committed beyond the end");
            }
            Phase::Closed => {
                let kept = self.parked.len() + self.uncommitted.len() + self.timers.len();
                assert!(kept == 0 && self.soft.is_none(), "phase: something outlived its end");
            }
        }
        if let Some(first) = self.uncommitted.front() {
            assert!(first.offset >= self.high_watermark, "offsets: what is committed was not applied");
        }
        if let Some(last) = self.uncommitted.back() {
            assert!(last.offset < self.next_offset, "offsets: applied beyond the end");
        }
        if let (Some(first), Some(last)) = (self.parked.front(), self.parked.back()) {
            assert!(first.until > self.high_watermark, "parked: an answer is overdue");
            assert!(last.until <= self.next_offset, "parked: an answer waits for nothing");
        }
        assert!(self.timers.is_consistent(), "timers: a key has two places, or none");
        if self.phase == Phase::Open && self.is_settled() {
            assert!(self.pending.resembles(&self.committed), "twins: they differ with nothing in flight");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Ask, Rig};
    use super::super::{Applied, Change, OnceCommitted, Parked};
    use crate::machine::{Origin, Reply, ReplyToken};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn parked(until: i64) -> Parked<super::super::tests::Register> {
        let what = OnceCommitted::Answer(Reply { token: ReplyToken(1), answer: Ok(0) });
        Parked { until, deadline_ms: 0, what }
    }

    fn applied(offset: i64) -> Applied<super::super::tests::Register> {
        Applied { offset, change: Change::Record(Origin { offset, producer: None }, 1) }
    }

    /// An open register with one number committed and one in flight.
    fn rig() -> Rig {
        let mut rig = Rig::open();
        rig.ask(Ask::Add(vec![1]));
        rig.advance(1);
        rig.ask(Ask::Add(vec![2]));
        rig
    }

    #[test]
    fn every_broken_invariant_is_named() {
        type Case = (fn(&mut Rig), &'static str);
        let cases: &[Case] = &[
            (|_| {}, "nothing"),
            (|rig| rig.hosted.soft = None, "phase: its soft state went before it was closed"),
            (|rig| rig.hosted.phase = super::Phase::Loading, "phase: somebody waits for one that loads"),
            (
                |rig| {
                    rig.hosted.phase = super::Phase::Loading;
                    rig.hosted.parked.clear();
                    rig.hosted.timers.set(1, 1);
                },
                "phase: a timer runs before it is open",
            ),
            (|rig| rig.hosted.phase = super::Phase::Closed, "phase: something outlived its end"),
            (|rig| rig.hosted.high_watermark = 9, "offsets: committed beyond the end"),
            (
                |rig| rig.hosted.uncommitted.push_front(applied(0)),
                "offsets: what is committed was not applied",
            ),
            (|rig| rig.hosted.uncommitted.push_back(applied(9)), "offsets: applied beyond the end"),
            (|rig| rig.hosted.parked.push_front(parked(1)), "parked: an answer is overdue"),
            (|rig| rig.hosted.parked.push_back(parked(9)), "parked: an answer waits for nothing"),
            (
                |rig| {
                    rig.advance(2);
                    rig.hosted.pending.sum += 1;
                },
                "twins: they differ with nothing in flight",
            ),
        ];
        for (damage, name) in cases {
            let mut rig = rig();
            damage(&mut rig);
            let said = match catch_unwind(AssertUnwindSafe(|| rig.hosted.check())) {
                Ok(()) => "nothing".to_owned(),
                Err(panic) => {
                    panic.downcast_ref::<&str>().map_or_else(String::new, |text| (*text).to_owned())
                }
            };
            assert_eq!(said, *name);
        }
    }

    #[test]
    fn an_answer_never_overtakes_another() {
        let mut rig = rig();
        rig.hosted.parked.push_back(parked(9));
        let ask = catch_unwind(AssertUnwindSafe(|| rig.ask(Ask::Add(vec![3]))));
        assert!(ask.is_err(), "it waits for offset 3, behind one that waits for 9");
    }
}
