//! RemoveRaftVoter (KIP-853): a voter goes; the leader of the quorum decides, and answers when it is committed or took too long.

use wire::ErrorCode;
use wire::messages::remove_raft_voter::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};

use crate::call::{Call, leads_elsewhere};

pub(super) async fn handle(call: Call, request: RemoveRaftVoterRequest) -> RemoveRaftVoterResponse {
    let refused = |error: ErrorCode| RemoveRaftVoterResponse {
        error_code: error.code(),
        ..RemoveRaftVoterResponse::default()
    };
    let is_elsewhere =
        |answer: &RemoveRaftVoterResponse| leads_elsewhere(answer.error_code, answer.error_message.as_ref());
    call.led(request, refused, is_elsewhere).await
}
