//! AddRaftVoter (KIP-853, KIP-1186): a voter comes; the leader of the quorum decides, and answers when it is committed or took too long.

use wire::ErrorCode;
use wire::messages::add_raft_voter::{AddRaftVoterRequest, AddRaftVoterResponse};

use crate::call::{Call, leads_elsewhere};

pub(super) async fn handle(call: Call, request: AddRaftVoterRequest) -> AddRaftVoterResponse {
    let refused = |error: ErrorCode| AddRaftVoterResponse {
        error_code: error.code(),
        ..AddRaftVoterResponse::default()
    };
    let is_elsewhere =
        |answer: &AddRaftVoterResponse| leads_elsewhere(answer.error_code, answer.error_message.as_ref());
    call.led(request, refused, is_elsewhere).await
}
