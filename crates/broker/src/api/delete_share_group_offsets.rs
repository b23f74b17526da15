//! DeleteShareGroupOffsets (KIP-932): a share group without members forgets topics.

use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};
use wire::messages::delete_share_group_offsets::{
    DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse, DeleteShareGroupOffsetsResponseTopic,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::coordinators::routing::ask;
use crate::node::share_groups;
use crate::security::authorizer::{Operation, Resource};
use crate::share::settings::is_enabled;

pub(super) async fn handle(
    call: Call,
    mut request: DeleteShareGroupOffsetsRequest,
) -> DeleteShareGroupOffsetsResponse {
    if !is_enabled(&call.node.image()) {
        return refused(ErrorCode::UnsupportedVersion);
    }
    if let Err(error) = call.authorize(Operation::Delete, Resource::Group(&request.group_id)) {
        return refused(error);
    }
    if request.group_id.is_empty() {
        return refused(ErrorCode::InvalidGroupId);
    }
    let mut hidden = Vec::new();
    request.topics.retain(|topic| {
        match call.authorize(Operation::Read, Resource::Topic(&topic.topic_name)) {
            Ok(()) => true,
            Err(error) => {
                hidden.push(DeleteShareGroupOffsetsResponseTopic {
                    topic_name: topic.topic_name.clone(),
                    error_code: error.code(),
                    error_message: Some(Str::from_static(error.message())),
                    ..DeleteShareGroupOffsetsResponseTopic::default()
                });
                false
            }
        }
    });
    let group = request.group_id.clone();
    let command = GroupCommand::BeginDeletingShareOffsets { request: Box::new(request) };
    let begun = match ask::<GroupMachine>(&call, &group, command).await {
        GroupAnswer::DeletingShareState(begun) => *begun,
        _ => return refused(ErrorCode::UnknownServerError),
    };
    let unwanted = match begun {
        Ok(unwanted) => unwanted,
        Err(refusal) => {
            return DeleteShareGroupOffsetsResponse {
                error_code: refusal.error.code(),
                error_message: refusal.message,
                ..DeleteShareGroupOffsetsResponse::default()
            };
        }
    };
    let errors = share_groups::delete(&call.node, &unwanted).await;
    let (mut gone, mut failed) = (Vec::new(), Vec::new());
    for (topic_id, (topic_name, _)) in unwanted.topics {
        let answer = DeleteShareGroupOffsetsResponseTopic { topic_name, topic_id, ..Default::default() };
        match errors.get(&topic_id) {
            None => gone.push(answer),
            Some(error) => failed.push(DeleteShareGroupOffsetsResponseTopic {
                error_code: error.code(),
                error_message: Some(Str::from_static(error.message())),
                ..answer
            }),
        }
    }
    call.note_change(|| format!("deleted offsets of share group {group}"));
    let responses = hidden.into_iter().chain(gone).chain(unwanted.refused).chain(failed).collect();
    DeleteShareGroupOffsetsResponse { responses, ..DeleteShareGroupOffsetsResponse::default() }
}

fn refused(error: ErrorCode) -> DeleteShareGroupOffsetsResponse {
    DeleteShareGroupOffsetsResponse {
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
        ..DeleteShareGroupOffsetsResponse::default()
    }
}
