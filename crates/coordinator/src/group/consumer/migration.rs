//! Groups that go from one protocol to the other while their members are running (`group.consumer.migration.policy`).

use super::super::state::{GroupMachine, GroupSoft};
use super::super::turn::Turn;
use super::group::ConsumerGroup;
use super::member::ConsumerMember;
use super::refusal::Refusal;
use std::collections::BTreeSet;
use std::sync::Arc;
use wire::{ErrorCode, Str};

impl GroupMachine {
    pub(super) fn upgrade(
        &self,
        _soft: &mut GroupSoft,
        _turn: &mut Turn,
        group_id: &Str,
    ) -> Result<Arc<ConsumerGroup>, Refusal> {
        let message = format!("Group {group_id} is not a consumer group.");
        Err(Refusal::new(ErrorCode::GroupIdNotFound, message))
    }

    pub(super) fn downgrade(
        &self,
        _soft: &mut GroupSoft,
        _turn: &mut Turn,
        _group_id: &Str,
        _group: &ConsumerGroup,
        _gone: &BTreeSet<Str>,
        _joining: Option<&ConsumerMember>,
    ) -> bool {
        false
    }
}
