//! Why a member is refused, in Kafka's words: they are shown to people by its clients.

use wire::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatResponse;
use wire::{ErrorCode, Str};

/// A heartbeat that is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// What it hears.
    pub error: ErrorCode,
    /// And why.
    pub message: Option<Str>,
}

impl Refusal {
    /// With its reason.
    pub fn new(error: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal { error, message: Some(Str::from(message.into())) }
    }

    /// As it is answered.
    pub fn response(self) -> ConsumerGroupHeartbeatResponse {
        ConsumerGroupHeartbeatResponse {
            error_code: self.error.code(),
            error_message: self.message,
            ..ConsumerGroupHeartbeatResponse::default()
        }
    }

    pub(super) fn invalid(message: &str) -> Refusal {
        Refusal::new(ErrorCode::InvalidRequest, message)
    }

    pub(in super::super) fn group_not_found(group: &str) -> Refusal {
        Refusal::new(ErrorCode::GroupIdNotFound, format!("Group {group} not found."))
    }

    pub(super) fn unknown_member(group: &str, member: &str) -> Refusal {
        Refusal::new(ErrorCode::UnknownMemberId, format!("Member {member} is not a member of group {group}."))
    }

    pub(super) fn fenced(received: i32, known: i32) -> Refusal {
        let than = if received > known { "greater" } else { "smaller" };
        Refusal::new(
            ErrorCode::FencedMemberEpoch,
            format!(
                "The consumer group member has a {than} member epoch ({received}) than the one known by the group coordinator ({known}). The member must abandon all its partitions and rejoin."
            ),
        )
    }

    pub(in super::super) fn fenced_instance(member: &str, instance: &str, by: &str) -> Refusal {
        Refusal::new(
            ErrorCode::FencedInstanceId,
            format!("Static member {member} with instance id {instance} was fenced by member {by}."),
        )
    }

    pub(in super::super) fn unreleased_instance(member: &str, instance: &str, by: &str) -> Refusal {
        Refusal::new(
            ErrorCode::UnreleasedInstanceId,
            format!(
                "Static member {member} with instance id {instance} cannot join the group because the instance id is owned by {by} member."
            ),
        )
    }
}
