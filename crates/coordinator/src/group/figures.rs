//! Every group as a figure: its state, its members, what it has committed. For whoever measures lag; tells nobody's names but the group's.

use super::classic::ClassicGroup;
use super::command::GroupFigures;
use super::offsets::TopicOffsets;
use super::state::{Group, GroupMachine, GroupSoft};
use wire::Str;

impl GroupMachine {
    pub(super) fn figures(&self, soft: &GroupSoft) -> Vec<GroupFigures> {
        let of = |(group_id, group): (&Str, &Group)| {
            let (group_type, state, members) = match group {
                Group::Consumer(group) => ("consumer", group.state().name(), group.members.len()),
                Group::Share(group) => ("share", group.state(), group.members.len()),
                Group::Streams(group) => ("streams", group.state(), group.members.len()),
                Group::Classic(_) => {
                    let see = |group: &ClassicGroup| (group.state().name(), group.members.len());
                    let (state, members) = self.look(soft, group_id, see)?;
                    ("classic", state, members)
                }
            };
            let offsets = self.offsets.of_group(group_id).map(committed).unwrap_or_default();
            Some(GroupFigures { group_id: group_id.clone(), group_type, state, members, offsets })
        };
        self.groups.iter().filter_map(of).collect()
    }
}

fn committed(topics: &TopicOffsets) -> Vec<(Str, i32, i64)> {
    let of = |(topic, partitions): (&Str, &Vec<super::offsets::CommittedOffset>)| {
        let topic = topic.clone();
        partitions.iter().map(move |one| (topic.clone(), one.partition, one.offset)).collect::<Vec<_>>()
    };
    topics.iter().flat_map(of).collect()
}
