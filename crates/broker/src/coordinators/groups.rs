//! Consumer groups as a kind of coordinator: what their machine begins with, and the lines that tell of them.

use coordinator::group::{DeletedTopic, GroupAnswer, GroupCommand, GroupEvent, GroupMachine, GroupSoft};
use wire::topic::CONSUMER_OFFSETS;

use super::kinds::{Answers, Asked, Kind, Leaving, Opening, Question};
use crate::telling::Shown;

impl Kind for GroupMachine {
    const TOPIC: &'static str = CONSUMER_OFFSETS;

    fn empty() -> GroupMachine {
        GroupMachine::default()
    }

    fn soft(opening: &Opening<'_>) -> GroupSoft {
        let mut soft = GroupSoft::new(opening.groups.clone(), opening.seed).with_wall(opening.wall.clone());
        soft.config.max_batch_bytes = opening.max_batch_bytes;
        soft.view = opening.group_view.clone();
        soft
    }

    fn take_lines(soft: &mut GroupSoft, lines: &mut Vec<String>) {
        lines.extend(soft.events.drain(..).map(|event| line(&event)));
    }

    /// Their offsets go.
    fn topics_deleted(topics: &[DeletedTopic]) -> Option<GroupCommand> {
        Some(GroupCommand::TopicsDeleted { topics: topics.to_vec() })
    }

    fn question(asked: Asked<GroupMachine>) -> Question {
        Question::Group(asked)
    }

    fn answers(answers: &mut Answers) -> &mut Leaving<GroupAnswer> {
        &mut answers.groups
    }
}

fn line(event: &GroupEvent) -> String {
    match event {
        GroupEvent::GenerationBegun { group, generation, members, protocol, leader, reason } => {
            let (group, protocol, leader) = (Shown(group), Shown(protocol), Shown(leader));
            format!(
                "group {group}: generation {generation} with {members} members, protocol {protocol}, leader {leader}: {}",
                reason.text()
            )
        }
        GroupEvent::Emptied { group, generation } => {
            format!("group {}: empty since generation {generation}", Shown(group))
        }
        GroupEvent::ConsumerJoined { group, member_id, epoch } => {
            format!("group {}: a member joined, epoch {epoch}: {}", Shown(group), Shown(member_id))
        }
        GroupEvent::TargetComputed { group, epoch, members, assignor } => {
            format!("group {}: assignment of epoch {epoch} for {members} members by {assignor}", Shown(group))
        }
        GroupEvent::Migrated { group, to_consumer } => {
            let protocol = if *to_consumer { "consumer" } else { "classic" };
            format!("group {}: goes on with the {protocol} protocol", Shown(group))
        }
        GroupEvent::Departed { group, member_id, how } => {
            format!("group {}: {}: {}", Shown(group), how.text(), Shown(member_id))
        }
        GroupEvent::Deleted { group } => format!("group {} deleted", Shown(group)),
        GroupEvent::Expired { group } => {
            format!("group {} deleted: it is empty and its offsets have expired", Shown(group))
        }
    }
}
