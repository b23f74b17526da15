//! Who is in sync with a leader and what that makes of the high watermark. Pure: no log, no clock, no message.
//! KIP-497 (partition epoch), KIP-966 (min ISR gates the high watermark).
//!
//! Followers' progress is empty while the leader is the only replica; it fills when followers fetch.

/// The leader's bookkeeping of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InSyncReplicas {
    /// This broker.
    local: i32,
    /// As the committed image has it, but for what no image should have: holds `local`, and none that is not assigned.
    isr: Box<[i32]>,
    /// One per other assigned replica.
    followers: Vec<Follower>,
}

/// What a leader knows of a follower; unknown until its first fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Follower {
    broker_id: i32,
    /// First offset that it does not have.
    log_end_offset: i64,
}

impl InSyncReplicas {
    /// The leader's state at the start of an epoch: nothing is known of the others.
    pub fn new(local: i32, replicas: &[i32], isr: &[i32]) -> InSyncReplicas {
        let is_known = |id: &i32| *id == local || replicas.contains(id);
        let absent = (!isr.contains(&local)).then_some(local);
        let isr = InSyncReplicas {
            local,
            isr: isr.iter().copied().filter(is_known).chain(absent).collect(),
            followers: replicas
                .iter()
                .filter(|&&replica| replica != local)
                .map(|&broker_id| Follower { broker_id, log_end_offset: -1 })
                .collect(),
        };
        isr.check();
        isr
    }

    /// The image changed the ISR or the assignment within the epoch; known progress is kept.
    pub fn reassign(&mut self, replicas: &[i32], isr: &[i32]) {
        let known = std::mem::take(&mut self.followers);
        *self = InSyncReplicas::new(self.local, replicas, isr);
        for follower in &mut self.followers {
            if let Some(old) = known.iter().find(|old| old.broker_id == follower.broker_id) {
                *follower = *old;
            }
        }
    }

    /// Panics with the name of the invariant that is broken.
    fn check(&self) {
        assert!(self.isr.contains(&self.local), "isr: the leader is not in it");
        let is_assigned = |id: &i32| *id == self.local || self.followers.iter().any(|it| it.broker_id == *id);
        assert!(self.isr.iter().all(is_assigned), "isr: it holds one that is not assigned");
    }

    /// How many replicas are in sync.
    pub fn len(&self) -> usize {
        self.isr.len()
    }

    /// How many replicas are assigned.
    pub fn assigned(&self) -> usize {
        self.followers.len() + 1
    }

    /// True if no other replica is assigned.
    pub fn is_alone(&self) -> bool {
        self.followers.is_empty()
    }

    /// True if ours is the only copy that an acks=all answer rests on.
    pub fn holds_the_only_copy(&self) -> bool {
        self.isr.iter().all(|&replica| replica == self.local)
    }

    /// The offset below which every in-sync replica has everything; -1 while that is unknown.
    pub fn high_watermark(&self, local_log_end_offset: i64) -> i64 {
        self.followers
            .iter()
            .filter(|follower| self.isr.contains(&follower.broker_id))
            .map(|follower| follower.log_end_offset)
            .fold(local_log_end_offset, i64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alone_the_high_watermark_is_the_log_end() {
        let isr = InSyncReplicas::new(1, &[1], &[1]);
        assert_eq!(isr.high_watermark(42), 42);
        assert!(isr.is_alone() && isr.holds_the_only_copy());
    }

    #[test]
    fn an_image_that_no_controller_should_write_breaks_no_leader() {
        let isr = InSyncReplicas::new(1, &[1, 2], &[2, 3]);
        isr.check();
        assert_eq!((isr.len(), isr.assigned()), (2, 2));
    }

    #[test]
    fn one_that_is_not_assigned_is_seen_and_a_leader_that_is_not_in_it() {
        for (broken, name) in
            [(2, "isr: the leader is not in it"), (1, "isr: it holds one that is not assigned")]
        {
            let mut isr = InSyncReplicas::new(1, &[1, 2], &[1]);
            isr.isr = [broken, 7].into();
            let panic = std::panic::catch_unwind(|| isr.check()).unwrap_err();
            assert_eq!(panic.downcast_ref::<&str>(), Some(&name));
        }
    }

    #[test]
    fn an_unheard_in_sync_follower_holds_the_high_watermark_and_one_out_of_sync_does_not() {
        let mut isr = InSyncReplicas::new(1, &[1, 2, 3], &[1, 2]);
        assert_eq!(isr.high_watermark(42), -1);
        isr.reassign(&[1, 2, 3], &[1]);
        assert_eq!(isr.high_watermark(42), 42);
        assert!(!isr.is_alone() && isr.holds_the_only_copy());
        assert_eq!(isr.len(), 1);
    }
}
