//! Old offsets and empty groups: what may go, and when (KIP-211). Also where every deadline is told apart.
//!
//! A scan covers all groups in pieces, each a command of its own, so that no turn is long.

use super::classic::{ClassicGroup, ClassicState};
use super::command::GroupTimer;
use super::config::GroupConfig;
use super::events::GroupEvent;
use super::offsets::CommittedOffset;
use super::records::GroupRecord;
use super::state::{GroupMachine, GroupSoft};
use super::turn::Turn;
use std::ops::Bound::{Excluded, Unbounded};
use wire::Str;

/// Groups and offsets that one piece of the scan may look at: a few milliseconds.
const MAX_GROUPS_PER_PIECE: usize = 1_000;
const MAX_OFFSETS_PER_PIECE: usize = 50_000;

/// From when an offset's age counts.
enum Age {
    /// While the group is empty: since it became so; an older record does not say when.
    SinceEmpty(Option<i64>),
    SinceCommit,
}

impl GroupMachine {
    pub(super) fn timer_fired(&self, soft: &mut GroupSoft, turn: &mut Turn, timer: GroupTimer) {
        match timer {
            GroupTimer::Session { group, member_id } => self.session_over(soft, turn, &group, &member_id),
            GroupTimer::Join { group } => self.join_phase_over(soft, turn, &group),
            GroupTimer::Sync { group } => self.sync_phase_over(soft, turn, &group),
            GroupTimer::Expiry { after } => self.expire(soft, turn, after.as_ref()),
        }
    }

    fn expire(&self, soft: &mut GroupSoft, turn: &mut Turn, after: Option<&Str>) {
        turn.decision.may_split = true;
        let from = after.cloned().map_or(Unbounded, Excluded);
        let mut offsets = 0;
        let groups = self.groups.range::<Str, _>((from, Unbounded));
        for (seen, (group_id, _)) in groups.enumerate() {
            if seen == MAX_GROUPS_PER_PIECE || offsets > MAX_OFFSETS_PER_PIECE {
                // `after` is the last group that was looked at.
                return;
            }
            offsets += self.expire_group(soft, turn, group_id);
            let next = GroupTimer::Expiry { after: Some(group_id.clone()) };
            turn.decision.timers.retain(|change| !is_expiry(change));
            turn.set_timer(next, 1);
        }
        turn.decision.timers.retain(|change| !is_expiry(change));
        let interval_ms = soft.config.offsets_retention_check_interval_ms;
        turn.set_timer(GroupTimer::Expiry { after: None }, interval_ms);
    }

    /// Writes tombstones for what has expired; returns how many offsets were looked at.
    fn expire_group(&self, soft: &mut GroupSoft, turn: &mut Turn, group_id: &Str) -> usize {
        let (config, wall_ms) = (soft.config, turn.wall_ms);
        let (expired, looked_at, all_expired, is_empty) = self
            .look(soft, group_id, |group| {
                let (expired, looked_at, all) = self.expired_offsets(&config, wall_ms, group);
                (expired, looked_at, all, group.is_empty())
            })
            .unwrap_or_default();
        for (topic, partition) in expired {
            turn.write(GroupRecord::offset_tombstone(group_id, &topic, partition));
        }
        if is_empty && all_expired {
            turn.write(GroupRecord::group_tombstone(group_id));
            turn.tell(GroupEvent::Expired { group: group_id.clone() });
            soft.classic.remove(group_id);
        } else if soft
            .classic
            .get(group_id)
            .is_some_and(|group| group.is_empty() && !group.has_pending_members())
        {
            // Persisted as it is, and nobody waits: it need not be alive.
            soft.classic.remove(group_id);
        }
        looked_at
    }

    /// What has expired, how many were looked at, and whether nothing would be left of the group.
    fn expired_offsets(
        &self,
        config: &GroupConfig,
        wall_ms: i64,
        group: &ClassicGroup,
    ) -> (Vec<(Str, i32)>, usize, bool) {
        let mut all_expired = !self.offsets.has_open_transactions(&group.id);
        let Some(topics) = self.offsets.of_group(&group.id) else { return (Vec::new(), 0, all_expired) };
        let Some(age) = age_of(group) else { return (Vec::new(), 0, false) };
        let mut expired = Vec::new();
        let mut looked_at = 0;
        for (topic, partitions) in topics {
            let in_use = group.is_subscribed_to(topic);
            for offset in partitions {
                looked_at += 1;
                let old = !in_use && is_expired(config, wall_ms, &age, offset);
                // What a transaction has staged would come back to a group that is gone (S21).
                if old && !self.offsets.is_unstable(&group.id, topic, offset.partition) {
                    expired.push((topic.clone(), offset.partition));
                } else {
                    all_expired = false;
                }
            }
        }
        (expired, looked_at, all_expired)
    }
}

fn is_expiry(change: &crate::machine::TimerChange<GroupTimer>) -> bool {
    use crate::machine::TimerChange;
    match change {
        TimerChange::Set { key, .. } | TimerChange::Cancel { key } => {
            matches!(key, GroupTimer::Expiry { .. })
        }
    }
}

/// `None` while no offset of the group may expire.
fn age_of(group: &ClassicGroup) -> Option<Age> {
    if group.protocol_type.is_none() {
        return Some(Age::SinceCommit);
    }
    match group.state() {
        ClassicState::Empty => Some(Age::SinceEmpty(group.state_timestamp_ms)),
        // Topics that nobody subscribes to any more.
        ClassicState::Stable if group.uses_consumer_protocol() && group.subscribed_topics().is_some() => {
            Some(Age::SinceCommit)
        }
        ClassicState::Stable | ClassicState::PreparingRebalance | ClassicState::CompletingRebalance => None,
    }
}

fn is_expired(config: &GroupConfig, wall_ms: i64, age: &Age, offset: &CommittedOffset) -> bool {
    if let Some(at_ms) = offset.expire_timestamp_ms() {
        return wall_ms >= at_ms;
    }
    let since_ms = match age {
        Age::SinceEmpty(Some(at_ms)) => *at_ms,
        Age::SinceEmpty(None) | Age::SinceCommit => offset.commit_timestamp_ms,
    };
    wall_ms.saturating_sub(since_ms) >= config.offsets_retention_ms
}
