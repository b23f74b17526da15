//! DescribeGroups, ListGroups, DeleteGroups: groups as administrators see them (KIP-518, KIP-848 types, KIP-1043).
//!
//! Existence is read from committed state, phases and members from whoever is alive.

use super::classic::{CONSUMER_PROTOCOL_TYPE, ClassicGroup, ClassicState};
use super::command::{Caller, GroupAnswer};
use super::consumer::ConsumerGroup;
use super::events::GroupEvent;
use super::records::GroupRecord;
use super::refuse;
use super::share::ShareGroup;
use super::state::{Group, GroupMachine, GroupSoft};
use super::streams::StreamsGroup;
use super::turn::Turn;
use std::collections::BTreeSet;
use wire::codec::Message;
use wire::messages::delete_groups::DeletableGroupResult;
use wire::messages::describe_groups::{DescribeGroupsRequest, DescribedGroup, DescribedGroupMember};
use wire::messages::list_groups::ListedGroup;
use wire::{ErrorCode, Str};

/// From this version on DescribeGroups says that a group does not exist (KIP-1043).
const GROUP_ID_NOT_FOUND_SINCE: i16 = 6;

const _: () = assert!(GROUP_ID_NOT_FOUND_SINCE <= DescribeGroupsRequest::MAX_VERSION);
const CLASSIC_TYPE: &str = "classic";
const CONSUMER_TYPE: &str = "consumer";
/// Of share groups the protocol type is the same.
const SHARE_TYPE: &str = "share";
/// Of streams groups, too.
const STREAMS_TYPE: &str = "streams";

impl GroupMachine {
    pub(super) fn describe_groups(
        &self,
        soft: &GroupSoft,
        caller: &Caller,
        groups: &[Str],
    ) -> Vec<DescribedGroup> {
        let described = groups.iter().map(|group_id| {
            let found = match self.groups.get(group_id) {
                Some(Group::Classic(_)) => self.look(soft, group_id, describe),
                Some(Group::Consumer(_) | Group::Share(_) | Group::Streams(_)) => {
                    return not_found(group_id, caller.api_version, "is not a classic group.");
                }
                None => None,
            };
            found.unwrap_or_else(|| not_found(group_id, caller.api_version, "not found."))
        });
        described.collect()
    }

    pub(super) fn list_groups(
        &self,
        soft: &GroupSoft,
        states: &[Str],
        types: &[Str],
    ) -> Result<Vec<ListedGroup>, ErrorCode> {
        let states: BTreeSet<String> =
            states.iter().map(|name| name.to_lowercase().trim().to_owned()).collect();
        let wants = |kind: &str| types.is_empty() || types.iter().any(|name| name.eq_ignore_ascii_case(kind));
        let (classic, consumer) = (wants(CLASSIC_TYPE), wants(CONSUMER_TYPE));
        let (share, streams) = (wants(SHARE_TYPE), wants(STREAMS_TYPE));
        let listed = self.groups.iter().filter_map(|(group_id, group)| match group {
            Group::Classic(_) if classic => self.look(soft, group_id, list),
            Group::Consumer(group) if consumer => Some(list_consumer(group_id, group)),
            Group::Share(group) if share => Some(list_share(group_id, group)),
            Group::Streams(group) if streams => Some(list_streams(group_id, group)),
            Group::Classic(_) | Group::Consumer(_) | Group::Share(_) | Group::Streams(_) => None,
        });
        let wanted = |group: &ListedGroup| {
            states.is_empty() || states.contains(filter_name(&group.group_state).as_str())
        };
        Ok(listed.filter(wanted).collect())
    }

    pub(super) fn delete_groups(&self, soft: &mut GroupSoft, turn: &mut Turn, groups: &[Str]) {
        let is_empty = |soft: &GroupSoft, group_id: &Str| match self.groups.get(group_id) {
            Some(Group::Consumer(group)) => Some(group.is_empty()),
            Some(Group::Share(group)) => Some(group.is_empty()),
            Some(Group::Streams(group)) => Some(group.is_empty()),
            Some(Group::Classic(_)) | None => self.look(soft, group_id, ClassicGroup::is_empty),
        };
        let results = groups.iter().map(|group_id| match is_empty(soft, group_id) {
            None => refuse::deleted(group_id, ErrorCode::GroupIdNotFound),
            Some(false) => refuse::deleted(group_id, ErrorCode::NonEmptyGroup),
            Some(true) => {
                self.delete_group(soft, turn, group_id);
                turn.tell(GroupEvent::Deleted { group: group_id.clone() });
                soft.classic.remove(group_id);
                soft.consumer.remove(group_id);
                soft.share.remove(group_id);
                DeletableGroupResult { group_id: group_id.clone(), ..DeletableGroupResult::default() }
            }
        });
        let results = results.collect();
        // DIVERGES: Kafka writes all tombstones in one batch and fails when they do not fit; they need no such unity.
        turn.decision.may_split = true;
        turn.answer(GroupAnswer::Delete(results));
    }

    fn delete_group(&self, soft: &mut GroupSoft, turn: &mut Turn, group_id: &Str) {
        let group_id = group_id.detached();
        for (topic, partitions) in self.offsets.of_group(&group_id).into_iter().flatten() {
            for offset in partitions {
                turn.write(GroupRecord::offset_tombstone(&group_id, topic, offset.partition));
            }
        }
        for (topic, partition) in self.offsets.unstable_partitions(&group_id) {
            if self.offsets.get(&group_id, topic, *partition).is_none() {
                turn.write(GroupRecord::offset_tombstone(&group_id, topic, *partition));
            }
        }
        match self.groups.get(&group_id) {
            Some(Group::Consumer(group)) => turn.write_consumer_tombstones(&group_id, group),
            Some(Group::Share(_)) => turn.write_share_tombstones(&group_id),
            Some(Group::Streams(_)) => turn.write_streams_tombstones(soft, &group_id),
            Some(Group::Classic(_)) | None => turn.write(GroupRecord::group_tombstone(&group_id)),
        }
    }
}

fn describe(group: &ClassicGroup) -> DescribedGroup {
    let stable = group.state() == ClassicState::Stable;
    let protocol = group.protocol_name.clone().filter(|_| stable);
    let members = group.members.values().map(|member| DescribedGroupMember {
        member_id: member.id.clone(),
        group_instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        // What members say is only agreed upon in a stable group.
        member_metadata: protocol.as_ref().map(|name| member.metadata_of(Some(name))).unwrap_or_default(),
        member_assignment: member.assignment.clone(),
    });
    DescribedGroup {
        group_id: group.id.clone(),
        group_state: Str::from_static(group.state().name()),
        protocol_type: group.protocol_type.clone().unwrap_or_default(),
        protocol_data: protocol.clone().unwrap_or_default(),
        members: members.collect(),
        ..DescribedGroup::default()
    }
}

fn not_found(group_id: &Str, api_version: i16, why: &str) -> DescribedGroup {
    let dead = DescribedGroup {
        group_id: group_id.clone(),
        group_state: Str::from_static("Dead"),
        ..DescribedGroup::default()
    };
    if api_version < GROUP_ID_NOT_FOUND_SINCE {
        return dead;
    }
    DescribedGroup {
        error_code: ErrorCode::GroupIdNotFound.code(),
        error_message: Some(Str::from(format!("Group {group_id} {why}"))),
        ..dead
    }
}

fn list_consumer(group_id: &Str, group: &ConsumerGroup) -> ListedGroup {
    ListedGroup {
        group_id: group_id.clone(),
        protocol_type: Str::from_static(CONSUMER_PROTOCOL_TYPE),
        group_state: Str::from_static(group.state().name()),
        group_type: Str::from_static(CONSUMER_TYPE),
    }
}

fn list_share(group_id: &Str, group: &ShareGroup) -> ListedGroup {
    ListedGroup {
        group_id: group_id.clone(),
        protocol_type: Str::from_static(SHARE_TYPE),
        group_state: Str::from_static(group.state()),
        group_type: Str::from_static(SHARE_TYPE),
    }
}

fn list_streams(group_id: &Str, group: &StreamsGroup) -> ListedGroup {
    ListedGroup {
        group_id: group_id.clone(),
        protocol_type: Str::from_static(STREAMS_TYPE),
        group_state: Str::from_static(group.state()),
        group_type: Str::from_static(STREAMS_TYPE),
    }
}

/// What a filter calls a state.
fn filter_name(state: &str) -> String {
    match state {
        "NotReady" => "not_ready".to_owned(),
        other => other.to_lowercase(),
    }
}

fn list(group: &ClassicGroup) -> ListedGroup {
    ListedGroup {
        group_id: group.id.clone(),
        protocol_type: group.protocol_type.clone().unwrap_or_default(),
        group_state: Str::from_static(group.state().name()),
        group_type: Str::from_static(CLASSIC_TYPE),
    }
}
