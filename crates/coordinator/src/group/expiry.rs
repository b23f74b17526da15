//! Old offsets and empty groups: what may go, and when (KIP-211). Also where every deadline is told apart.
//!
//! A scan covers all groups in pieces, each a command of its own, so that no turn is long.

use super::classic::{ClassicGroup, ClassicState};
use super::command::GroupTimer;
use super::config::GroupConfig;
use super::events::{Departure, GroupEvent};
use super::offsets::CommittedOffset;
use super::records::GroupRecord;
use super::state::{Group, GroupMachine, GroupSoft};
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
            GroupTimer::Session { group, member_id } => match self.groups.get(&group) {
                Some(Group::Consumer(_)) => self.consumer_session_over(soft, turn, &group, &member_id),
                Some(Group::Share(_)) => self.share_session_over(soft, turn, &group, &member_id),
                Some(Group::Streams(_)) => self.streams_session_over(soft, turn, &group, &member_id),
                Some(Group::Classic(_)) | None => self.session_over(soft, turn, &group, &member_id),
            },
            GroupTimer::Revocation { group, member_id } => {
                self.revocation_over(soft, turn, &group, &member_id);
                self.streams_revocation_over(soft, turn, &group, &member_id);
            }
            GroupTimer::InitialRebalance { group } => self.streams_delay_over(soft, turn, &group),
            GroupTimer::ClassicJoin { group, member_id } => {
                self.fence_known(soft, turn, &group, &member_id, Departure::NotRejoined);
            }
            GroupTimer::ClassicSync { group, member_id } => {
                self.fence_known(soft, turn, &group, &member_id, Departure::NeverSynced);
            }
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
        // Share groups have no offsets here, and stay until they are deleted.
        if matches!(self.groups.get(group_id), Some(Group::Share(_))) {
            return 0;
        }
        match self.groups.get(group_id) {
            Some(Group::Consumer(group)) => {
                let in_use = |topic: &str| group.is_subscribed_to(topic);
                let (looked_at, all_expired) = self.expire_member_offsets(soft, turn, group_id, in_use);
                if group.is_empty() && all_expired {
                    turn.write_consumer_tombstones(group_id, group);
                    turn.tell(GroupEvent::Expired { group: group_id.clone() });
                    soft.consumer.remove(group_id);
                }
                return looked_at;
            }
            Some(Group::Streams(group)) => {
                let in_use = |topic: &str| group.is_subscribed_to(topic);
                let (looked_at, all_expired) = self.expire_member_offsets(soft, turn, group_id, in_use);
                if group.is_empty() && all_expired {
                    turn.write_streams_tombstones(soft, group_id);
                    turn.tell(GroupEvent::Expired { group: group_id.clone() });
                }
                return looked_at;
            }
            Some(Group::Share(_) | Group::Classic(_)) | None => {}
        }
        let (config, wall_ms) = (soft.config.clone(), turn.wall_ms);
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

    /// The same of a group whose coordinator knows what its members read: that stays. How many were looked at, and whether none is left.
    fn expire_member_offsets(
        &self,
        soft: &GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        in_use: impl Fn(&str) -> bool,
    ) -> (usize, bool) {
        let (expired, looked_at, all_expired) =
            self.old_offsets(&soft.config, turn.wall_ms, group_id, &Age::SinceCommit, in_use);
        for (topic, partition) in expired {
            turn.write(GroupRecord::offset_tombstone(group_id, &topic, partition));
        }
        (looked_at, all_expired)
    }

    /// What has expired, how many were looked at, and whether nothing would be left of the group.
    fn expired_offsets(
        &self,
        config: &GroupConfig,
        wall_ms: i64,
        group: &ClassicGroup,
    ) -> (Vec<(Str, i32)>, usize, bool) {
        match age_of(group) {
            Some(age) => {
                let in_use = |topic: &str| group.is_subscribed_to(topic);
                self.old_offsets(config, wall_ms, &group.id, &age, in_use)
            }
            None => {
                let has_none = self.offsets.of_group(&group.id).is_none();
                (Vec::new(), 0, has_none && !self.offsets.has_open_transactions(&group.id))
            }
        }
    }

    fn old_offsets(
        &self,
        config: &GroupConfig,
        wall_ms: i64,
        group_id: &Str,
        age: &Age,
        in_use: impl Fn(&str) -> bool,
    ) -> (Vec<(Str, i32)>, usize, bool) {
        let mut all_expired = !self.offsets.has_open_transactions(group_id);
        let Some(topics) = self.offsets.of_group(group_id) else { return (Vec::new(), 0, all_expired) };
        let mut expired = Vec::new();
        let mut looked_at = 0;
        for (topic, partitions) in topics {
            let in_use = in_use(topic);
            for offset in partitions {
                looked_at += 1;
                let old = !in_use && is_expired(config, wall_ms, age, offset);
                // What a transaction has staged would come back to a group that is gone (S21).
                if old && !self.offsets.is_unstable(group_id, topic, offset.partition) {
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
        TimerChange::Set { key, .. } | TimerChange::SetIfAbsent { key, .. } | TimerChange::Cancel { key } => {
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
