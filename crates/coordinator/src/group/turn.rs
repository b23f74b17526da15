//! The working place of one decision: the two times, who asked, and what has been decided so far.

use super::answers;
use super::classic::Waiting;
use super::command::{GroupAnswer, GroupTimer};
use super::events::GroupEvent;
use super::records::GroupRecord;
use super::state::{GroupMachine, GroupSoft};
use crate::machine::{Decision, ReplyToken, TimerChange};
use wire::ErrorCode;
use wire::messages::join_group::JoinGroupResponse;
use wire::messages::sync_group::SyncGroupResponse;

/// The working place of one decision.
pub(crate) struct Turn {
    /// The node's own time: timers.
    pub now_ms: i64,
    /// The wall clock's: what is written, and what is compared with it.
    pub wall_ms: i64,
    pub token: Option<ReplyToken>,
    pub decision: Decision<GroupMachine>,
    pub events: Vec<GroupEvent>,
    /// The classic group that was asked for has become a consumer group.
    pub upgraded: bool,
}

impl Turn {
    pub fn new(soft: &GroupSoft, now_ms: i64, token: Option<ReplyToken>) -> Self {
        Turn {
            now_ms,
            wall_ms: soft.wall.at(now_ms),
            token,
            decision: Decision::default(),
            events: Vec::new(),
            upgraded: false,
        }
    }

    /// To the one who asked; waits for what this decision writes.
    pub fn answer(&mut self, answer: GroupAnswer) {
        if let Some(token) = self.token {
            self.decision.answer(token, answer);
        }
    }

    /// To the one who asked; leaves at once.
    pub fn refuse(&mut self, answer: GroupAnswer) {
        if let Some(token) = self.token {
            self.decision.refuse(token, answer);
        }
    }

    pub fn set_timer(&mut self, timer: GroupTimer, delay_ms: i64) {
        self.decision.set_timer(timer, self.now_ms.saturating_add(delay_ms));
    }

    /// The timer that there is stays as it is.
    pub fn set_timer_if_absent(&mut self, timer: GroupTimer, delay_ms: i64) {
        let deadline_ms = self.now_ms.saturating_add(delay_ms);
        self.decision.timers.push(TimerChange::SetIfAbsent { key: timer, deadline_ms });
    }

    pub fn cancel_timer(&mut self, timer: GroupTimer) {
        self.decision.cancel_timer(timer);
    }

    /// Nothing was decided after all.
    pub fn take_back(&mut self) {
        self.decision = Decision::default();
        self.events.clear();
        self.upgraded = false;
    }

    pub fn tell(&mut self, event: GroupEvent) {
        self.events.push(event);
    }

    pub fn write(&mut self, record: GroupRecord) {
        self.decision.records.push(record);
    }

    /// To a member whose JoinGroup waits; what tells of an error leaves at once.
    pub fn reply_join(&mut self, waiting: Waiting, response: JoinGroupResponse) {
        let refused = response.error_code != ErrorCode::None.code();
        let answer = GroupAnswer::Join(answers::join_in_version(response, waiting.api_version));
        self.reply(waiting.token, answer, refused);
    }

    /// To a member whose SyncGroup waits; what tells of an error leaves at once.
    pub fn reply_sync(&mut self, waiting: Waiting, response: SyncGroupResponse) {
        let refused = response.error_code != ErrorCode::None.code();
        self.reply(waiting.token, GroupAnswer::Sync(response), refused);
    }

    fn reply(&mut self, token: ReplyToken, answer: GroupAnswer, refused: bool) {
        if refused {
            self.decision.refuse(token, answer);
        } else {
            self.decision.answer(token, answer);
        }
    }
}
