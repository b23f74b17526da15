//! Share state as a kind of coordinator (KIP-932): what its machine begins with, and where its log is cut off.

use coordinator::group::DeletedTopic;
use coordinator::share::{ShareAnswer, ShareCommand, ShareMachine, ShareSoft};
use wire::topic::SHARE_GROUP_STATE;

use super::kinds::{Answers, Asked, Kind, Leaving, Opening, Question};

impl Kind for ShareMachine {
    const TOPIC: &'static str = SHARE_GROUP_STATE;

    fn empty() -> ShareMachine {
        ShareMachine::default()
    }

    fn soft(opening: &Opening<'_>) -> ShareSoft {
        ShareSoft::new(opening.shares, opening.wall.clone(), opening.group_view.clone())
    }

    /// Nothing that it does is more than its caller's business.
    fn take_lines(_soft: &mut ShareSoft, _lines: &mut Vec<String>) {}

    fn take_trim(soft: &mut ShareSoft) -> Option<i64> {
        soft.trim.take()
    }

    /// Their state goes.
    fn topics_deleted(topics: &[DeletedTopic]) -> Option<ShareCommand> {
        Some(ShareCommand::TopicsDeleted { topics: topics.iter().map(|topic| topic.id).collect() })
    }

    fn question(asked: Asked<ShareMachine>) -> Question {
        Question::Share(asked)
    }

    fn answers(answers: &mut Answers) -> &mut Leaving<ShareAnswer> {
        &mut answers.shares
    }
}
