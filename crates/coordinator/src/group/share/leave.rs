//! How members of a share group go: they leave, or they are not heard of. Whoever goes makes the group's next epoch. And how a group ends.

use super::super::command::GroupTimer;
use super::super::consumer::refusal::Refusal;
use super::super::events::{Departure, GroupEvent};
use super::super::state::{Group, GroupMachine, GroupSoft};
use super::super::turn::Turn;
use super::group::ShareGroup;
use super::heard::ShareHeartbeatAnswer;
use super::heartbeat::{epoch_record, is_no_share_group};
use super::member::record;
use super::records::ShareGroupChange;
use super::roster::Roster;
use wire::messages::share_group_heartbeat::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use wire::records::group::ShareGroupTargetAssignmentMetadataValue;
use wire::{ErrorCode, Str};

impl GroupMachine {
    pub(super) fn share_leave(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        request: &ShareGroupHeartbeatRequest,
    ) -> Result<ShareHeartbeatAnswer, Refusal> {
        let (group_id, member_id) = (request.group_id.detached(), request.member_id.detached());
        let group = match self.groups.get(&group_id) {
            Some(Group::Share(group)) => group,
            None if !self.exists(soft, &group_id) => return Err(Refusal::group_not_found(&group_id)),
            Some(Group::Classic(_) | Group::Consumer(_) | Group::Streams(_)) | None => {
                return Err(is_no_share_group(&group_id));
            }
        };
        if !group.members.contains_key(&member_id) {
            return Err(Refusal::new(
                ErrorCode::UnknownMemberId,
                format!("Member {member_id} is not a member of group {group_id}."),
            ));
        }
        fence_member(soft, turn, group, &group_id, &member_id, Departure::Left);
        let response = ShareGroupHeartbeatResponse {
            member_id: Some(member_id),
            member_epoch: request.member_epoch,
            ..ShareGroupHeartbeatResponse::default()
        };
        Ok(ShareHeartbeatAnswer { response, initialize: None })
    }

    /// A member was not heard of for its session timeout.
    pub(in super::super) fn share_session_over(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group_id: &Str,
        member_id: &Str,
    ) {
        if let Some(Group::Share(group)) = self.groups.get(group_id)
            && group.members.contains_key(member_id)
        {
            fence_member(soft, turn, group, group_id, member_id, Departure::SessionEnded);
        }
    }

    /// Every member of a group that was loaded has its whole session before it.
    pub(in super::super) fn open_share_groups(&self, soft: &GroupSoft, turn: &mut Turn) {
        for (group_id, group) in &self.groups {
            let Group::Share(group) = group else { continue };
            let timeout_ms = i64::from(soft.share_session_timeout_ms(group_id));
            for member_id in group.members.keys() {
                let (group, member_id) = (group_id.clone(), member_id.clone());
                turn.set_timer(GroupTimer::Session { group, member_id }, timeout_ms);
            }
        }
    }
}

fn fence_member(
    soft: &mut GroupSoft,
    turn: &mut Turn,
    group: &ShareGroup,
    group_id: &Str,
    member_id: &Str,
    how: Departure,
) {
    let own = || member_id.clone();
    turn.write(record(group_id, ShareGroupChange::Current { member_id: own(), value: None }));
    turn.write(record(group_id, ShareGroupChange::Target { member_id: own(), value: None }));
    turn.write(record(group_id, ShareGroupChange::Member { member_id: own(), value: None }));
    let hash = Roster::without(group, member_id).metadata_hash(soft);
    let epoch = group.epoch.saturating_add(1);
    turn.write(epoch_record(group_id, epoch, hash));
    turn.tell(GroupEvent::Departed { group: group_id.clone(), member_id: own(), how });
    if group.members.len() == 1 {
        // The next member does not wait for the interval between assignments.
        let value =
            ShareGroupTargetAssignmentMetadataValue { assignment_epoch: epoch, assignment_timestamp: 0 };
        turn.write(record(group_id, ShareGroupChange::TargetMetadata { value: Some(value) }));
        turn.tell(GroupEvent::Emptied { group: group_id.clone(), generation: epoch });
    }
    turn.cancel_timer(GroupTimer::Session { group: group_id.clone(), member_id: own() });
}

impl Turn {
    /// The end of a share group without members.
    pub(in super::super) fn write_share_tombstones(&mut self, group_id: &Str) {
        for change in [
            ShareGroupChange::TargetMetadata { value: None },
            ShareGroupChange::Topics { value: None },
            ShareGroupChange::Group { value: None },
        ] {
            self.write(record(group_id, change));
        }
    }
}
