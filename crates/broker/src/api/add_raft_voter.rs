//! AddRaftVoter (KIP-853, KIP-1186): a voter comes; the leader of the quorum decides, and answers when it is committed or took too long.

use wire::ErrorCode;
use wire::messages::add_raft_voter::{AddRaftVoterRequest, AddRaftVoterResponse};

use crate::call::Call;

pub(super) async fn handle(call: Call, request: AddRaftVoterRequest) -> AddRaftVoterResponse {
    let refused = |error: ErrorCode| AddRaftVoterResponse {
        error_code: error.code(),
        ..AddRaftVoterResponse::default()
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
