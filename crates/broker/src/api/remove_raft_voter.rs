//! RemoveRaftVoter (KIP-853): a voter goes; the leader of the quorum decides, and answers when it is committed or took too long.

use wire::ErrorCode;
use wire::messages::remove_raft_voter::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};

use crate::call::Call;

pub(super) async fn handle(call: Call, request: RemoveRaftVoterRequest) -> RemoveRaftVoterResponse {
    let refused = |error: ErrorCode| RemoveRaftVoterResponse {
        error_code: error.code(),
        ..RemoveRaftVoterResponse::default()
    };
    if let Some(error) = call.refusal() {
        return refused(error);
    }
    let Some(answer) = call.node.ask_quorum(request).await else {
        return refused(ErrorCode::NotLeaderOrFollower);
    };
    // Who leads may be asked instead. A leader that stopped leading meanwhile has a message: what it began may yet be committed.
    if answer.error_code == ErrorCode::NotLeaderOrFollower.code() && answer.error_message.is_none() {
        call.has_moved();
    }
    answer
}
