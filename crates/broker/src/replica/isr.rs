//! Who is in sync with a leader and what that makes of the high watermark. Pure: no log, no clock, no message.
//! KIP-497 (partition epoch, proposals), KIP-903 (broker epochs), KIP-966 (min ISR gates the high watermark).
//!
//! What is proposed to the controller counts before it is decided, where it counts for safety: the high watermark waits for everyone
//! who is in the committed or in the proposed ISR (the maximal ISR), for nobody here knows which of the two a next leader will be
//! chosen from.

use wire::planted::{self, Bug};

/// The leader's bookkeeping of one partition in one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InSyncReplicas {
    /// This broker.
    local: i32,
    /// As it was committed last, but for what no image should have: holds `local`, and none that is not assigned.
    isr: Box<[i32]>,
    /// What the controller was asked for and has not answered; holds `local`, and none that is not assigned.
    proposed: Option<Box<[i32]>>,
    /// One per other assigned replica.
    followers: Vec<Follower>,
    /// Where the leader's log ended when it began to lead: who has not come so far has not seen this epoch.
    epoch_start_offset: i64,
}

/// What a leader knows of a follower; unknown until its first fetch in the leader's epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Follower {
    broker_id: i32,
    /// First offset that it does not have; -1 until it has said so in this epoch.
    log_end_offset: i64,
    /// First offset that it has; -1 until it has said so in this epoch.
    log_start_offset: i64,
    /// Of its registration when it fetched last (KIP-903); -1 until then.
    broker_epoch: i64,
    /// When it fetched last, and where the leader's log ended then.
    fetched_ms: i64,
    end_at_fetch: i64,
    /// When it had all that there was.
    caught_up_ms: i64,
    /// It is about to join: the high watermark waits for it, or under a steady flow it would never reach that.
    joins: bool,
}

/// What a follower says when it fetches.
#[derive(Debug, Clone, Copy)]
pub struct FollowerSays {
    /// Who it is.
    pub broker_id: i32,
    /// -1 where the version of the request has none.
    pub broker_epoch: i64,
    /// Where its log begins; -1 where the request does not say.
    pub log_start_offset: i64,
    /// Where it fetches: all below, it has.
    pub log_end_offset: i64,
    /// When.
    pub now_ms: i64,
}

/// What somebody who chooses among the replicas in sync has to know of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReplicaInSync {
    pub broker_id: i32,
    pub log_start_offset: i64,
    pub log_end_offset: i64,
    pub caught_up_ms: i64,
}

/// Who may be in an ISR: as the newest image has the brokers.
pub trait Eligible {
    /// Neither fenced nor leaving, and its registration is of that epoch (any, where it is -1).
    fn is_eligible(&self, broker_id: i32, broker_epoch: i64) -> bool;
}

/// Why a fetch is not taken for an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAFollower {
    /// No replica is assigned to that broker.
    Unassigned,
    /// A later incarnation of the broker has fetched before.
    StaleBrokerEpoch,
}

impl Follower {
    /// As it is in sync.
    pub(crate) fn in_sync(&self) -> ReplicaInSync {
        ReplicaInSync {
            broker_id: self.broker_id,
            log_start_offset: self.log_start_offset,
            log_end_offset: self.log_end_offset,
            caught_up_ms: self.caught_up_ms,
        }
    }
}

impl InSyncReplicas {
    /// The leader's state at the start of an epoch: nothing is known of the others. Those in the ISR have from now on their time to
    /// be heard of.
    pub fn new(local: i32, replicas: &[i32], isr: &[i32]) -> InSyncReplicas {
        InSyncReplicas::led_from(local, replicas, isr, (0, 0))
    }

    /// The same, of a log that ends at the offset at that time.
    pub fn led_from(
        local: i32,
        replicas: &[i32],
        isr: &[i32],
        (epoch_start_offset, now_ms): (i64, i64),
    ) -> InSyncReplicas {
        let unheard = |broker_id: i32| Follower {
            broker_id,
            log_end_offset: -1,
            log_start_offset: -1,
            broker_epoch: -1,
            fetched_ms: i64::MIN,
            end_at_fetch: i64::MAX,
            caught_up_ms: if isr.contains(&broker_id) { now_ms } else { i64::MIN },
            joins: false,
        };
        let others = replicas.iter().filter(|&&replica| replica != local);
        let mut led = InSyncReplicas {
            local,
            isr: Box::default(),
            proposed: None,
            followers: others.map(|&broker_id| unheard(broker_id)).collect(),
            epoch_start_offset,
        };
        led.isr = led.assigned_of(isr);
        led.check();
        led
    }

    /// Those of an ISR that may be in one.
    fn assigned_of(&self, isr: &[i32]) -> Box<[i32]> {
        let is_known = |id: &i32| *id == self.local || self.follower(*id).is_some();
        let absent = (!isr.contains(&self.local)).then_some(self.local);
        isr.iter().copied().filter(is_known).chain(absent).collect()
    }

    /// The image, or the controller's answer, changed the ISR or the assignment within the epoch: what was proposed is decided, known
    /// progress is kept.
    pub fn reassign(&mut self, replicas: &[i32], isr: &[i32], now_ms: i64) {
        let start = (self.epoch_start_offset, now_ms);
        let known =
            std::mem::replace(self, InSyncReplicas::led_from(self.local, replicas, isr, start)).followers;
        for follower in &mut self.followers {
            if let Some(old) = known.iter().find(|old| old.broker_id == follower.broker_id) {
                *follower = *old;
                follower.joins &= !self.isr.contains(&follower.broker_id);
            }
        }
    }

    /// The controller committed this ISR.
    pub fn decide(&mut self, isr: &[i32]) {
        self.proposed = None;
        self.isr = self.assigned_of(isr);
        for follower in &mut self.followers {
            follower.joins &= !self.isr.contains(&follower.broker_id);
        }
        self.check();
    }

    /// The controller refused what was proposed: what was committed last holds.
    pub fn roll_back(&mut self) {
        self.proposed = None;
    }

    /// Panics with the name of the invariant that is broken.
    pub fn check(&self) {
        let is_assigned = |id: &i32| *id == self.local || self.follower(*id).is_some();
        for isr in std::iter::once(&self.isr).chain(&self.proposed) {
            assert!(isr.contains(&self.local), "isr: the leader is not in it");
            assert!(isr.iter().all(is_assigned), "isr: it holds one that is not assigned");
        }
    }

    /// Panics with the name of the invariant that is broken, where the high watermark has just moved there: nothing is committed that
    /// one of the maximal ISR has not got.
    pub fn check_committed(&self, high_watermark: i64) {
        let has_less = |it: &Follower| self.is_in_maximal(it.broker_id) && it.log_end_offset < high_watermark;
        assert!(
            !self.followers.iter().any(has_less),
            "watermarks: a replica in sync has not got what is committed"
        );
    }

    fn follower(&self, broker_id: i32) -> Option<&Follower> {
        self.followers.iter().find(|follower| follower.broker_id == broker_id)
    }

    /// The followers of the committed ISR that were heard of in this epoch.
    pub fn heard_in_sync(&self) -> impl Iterator<Item = &Follower> {
        self.followers.iter().filter(|it| it.log_end_offset >= 0 && self.isr.contains(&it.broker_id))
    }

    /// Where the last replica of those that are alive begins; -1 while one of them has not said so in this epoch.
    pub fn low_watermark(&self, local_log_start_offset: i64, is_alive: impl Fn(i32) -> bool) -> i64 {
        let alive = self.followers.iter().filter(|follower| is_alive(follower.broker_id));
        alive.map(|follower| follower.log_start_offset).fold(local_log_start_offset, i64::min)
    }

    /// How many replicas are in sync; the leader is always one.
    #[allow(clippy::len_without_is_empty)]
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

    /// True while the controller has not answered.
    pub fn is_proposing(&self) -> bool {
        self.proposed.is_some()
    }

    /// True if ours is the only copy that an acks=all answer rests on.
    pub fn holds_the_only_copy(&self) -> bool {
        self.isr.iter().all(|&replica| replica == self.local)
    }

    /// The high watermark waits for it: it is in the committed or in the proposed ISR.
    pub fn is_in_maximal(&self, broker_id: i32) -> bool {
        self.isr.contains(&broker_id)
            || self.proposed.as_ref().is_some_and(|proposed| proposed.contains(&broker_id))
    }

    /// The offset below which every replica of the maximal ISR has everything; -1 while that is unknown, and while fewer than
    /// `min_insync_replicas` are in sync: what is committed then could be lost with them (KIP-966).
    pub fn high_watermark(&self, local_log_end_offset: i64, min_insync_replicas: usize) -> i64 {
        if self.followers.is_empty() || planted::has(Bug::CommitsItsOwnEnd) {
            return local_log_end_offset;
        }
        if self.isr.len() < min_insync_replicas.min(self.assigned()) {
            return -1;
        }
        let counts = |follower: &&Follower| follower.joins || self.is_in_maximal(follower.broker_id);
        self.followers
            .iter()
            .filter(counts)
            .map(|follower| follower.log_end_offset)
            .fold(local_log_end_offset, i64::min)
    }

    /// Who fetches may be a follower at all: an assigned one, of no incarnation before the last one that fetched.
    pub fn admits(&self, broker_id: i32, broker_epoch: i64) -> Result<(), NotAFollower> {
        let follower = self.follower(broker_id).ok_or(NotAFollower::Unassigned)?;
        if broker_epoch != -1 && follower.broker_epoch > broker_epoch {
            return Err(NotAFollower::StaleBrokerEpoch);
        }
        Ok(())
    }

    /// A follower fetches in the leader's epoch from where its log ends, so that it has everything below. Answers whether it has come
    /// further than was known.
    pub fn fetched(
        &mut self,
        says: FollowerSays,
        local_log_end_offset: i64,
        eligible: &dyn Eligible,
    ) -> Result<bool, NotAFollower> {
        self.admits(says.broker_id, says.broker_epoch)?;
        let is_in_sync = self.is_in_maximal(says.broker_id);
        let of = |it: &&mut Follower| it.broker_id == says.broker_id;
        let Some(follower) = self.followers.iter_mut().find(of) else { return Ok(false) };
        if says.log_end_offset >= local_log_end_offset {
            follower.caught_up_ms = follower.caught_up_ms.max(says.now_ms);
        } else if says.log_end_offset >= follower.end_at_fetch {
            // It has all that there was when it came the last time.
            follower.caught_up_ms = follower.caught_up_ms.max(follower.fetched_ms);
        }
        let moved = follower.log_end_offset != says.log_end_offset;
        follower.log_end_offset = says.log_end_offset;
        follower.log_start_offset = says.log_start_offset;
        follower.broker_epoch = says.broker_epoch;
        follower.fetched_ms = says.now_ms;
        follower.end_at_fetch = local_log_end_offset;
        follower.joins = !is_in_sync
            && follower.caught_up_ms != i64::MIN
            && eligible.is_eligible(says.broker_id, says.broker_epoch);
        Ok(moved)
    }

    /// The brokers changed, or time went by: who is about to join and may not, or has not been caught up for longer than `lag_ms`,
    /// holds nothing back any more. Answers whether there was such a one.
    pub fn review(&mut self, now_ms: i64, lag_ms: i64, eligible: &dyn Eligible) -> bool {
        let mut any = false;
        for follower in self.followers.iter_mut().filter(|follower| follower.joins) {
            let is_late = now_ms.saturating_sub(follower.caught_up_ms) > lag_ms;
            if is_late || !eligible.is_eligible(follower.broker_id, follower.broker_epoch) {
                follower.joins = false;
                any = true;
            }
        }
        any
    }

    /// Whether a follower has reached the high watermark and the start of the epoch, may be in the ISR and is not.
    pub fn may_expand(&self, broker_id: i32, high_watermark: i64, eligible: &dyn Eligible) -> bool {
        let Some(follower) = self.follower(broker_id) else { return false };
        let has_reached = follower.log_end_offset >= high_watermark.max(self.epoch_start_offset)
            || planted::has(Bug::JoinsTooEarly);
        self.proposed.is_none()
            && !self.isr.contains(&broker_id)
            && has_reached
            && eligible.is_eligible(broker_id, follower.broker_epoch)
    }

    /// The ISR with a follower of whom [`InSyncReplicas::may_expand`] says so. It is proposed from here on.
    pub fn expand(&mut self, broker_id: i32) -> &[i32] {
        self.propose(self.isr.iter().copied().chain([broker_id]).collect())
    }

    /// The ISR without those that have not had everything for longer than `lag_ms`. It is proposed from here on.
    pub fn shrink(&mut self, now_ms: i64, lag_ms: i64, local_log_end_offset: i64) -> Option<&[i32]> {
        if self.proposed.is_some() || self.isr.len() == 1 {
            return None;
        }
        let is_behind = |it: &Follower| {
            it.log_end_offset != local_log_end_offset && now_ms.saturating_sub(it.caught_up_ms) > lag_ms
        };
        let stays = |id: &&i32| **id == self.local || self.follower(**id).is_none_or(|it| !is_behind(it));
        let isr: Box<[i32]> = self.isr.iter().filter(stays).copied().collect();
        if isr.len() == self.isr.len() {
            return None;
        }
        Some(self.propose(isr))
    }

    fn propose(&mut self, isr: Box<[i32]>) -> &[i32] {
        #[cfg(test)]
        let isr = match crate::tests::planted::strikes(crate::tests::planted::Fault::IsrOfAStranger) {
            true => [&*isr, &[99]].concat().into(),
            false => isr,
        };
        self.proposed = Some(isr);
        self.check();
        self.proposed.as_deref().unwrap_or_default()
    }

    /// What is proposed: brokers, and their epochs when they fetched last (-1 for the leader and who never did).
    pub fn proposal(&self) -> Option<Vec<(i32, i64)>> {
        let epoch = |id: i32| self.follower(id).map_or(-1, |follower| follower.broker_epoch);
        self.proposed.as_ref().map(|isr| isr.iter().map(|&id| (id, epoch(id))).collect())
    }
}

#[cfg(test)]
mod tests;
