//! Who is in sync with a leader and what that makes of the high watermark. Pure: no log, no clock, no message.
//! KIP-497 (partition epoch), KIP-966 (min ISR gates the high watermark).
//!
//! Followers' progress is empty while the leader is the only replica; it fills when followers fetch.

/// The leader's bookkeeping of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InSyncReplicas {
    /// This broker.
    local: i32,
    /// As the committed image has it; holds `local` while it leads.
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
        InSyncReplicas {
            local,
            isr: isr.into(),
            followers: replicas
                .iter()
                .filter(|&&replica| replica != local)
                .map(|&broker_id| Follower { broker_id, log_end_offset: -1 })
                .collect(),
        }
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
    fn an_unheard_in_sync_follower_holds_the_high_watermark_and_one_out_of_sync_does_not() {
        let mut isr = InSyncReplicas::new(1, &[1, 2, 3], &[1, 2]);
        assert_eq!(isr.high_watermark(42), -1);
        isr.reassign(&[1, 2, 3], &[1]);
        assert_eq!(isr.high_watermark(42), 42);
        assert!(!isr.is_alone() && isr.holds_the_only_copy());
        assert_eq!(isr.len(), 1);
    }
}
