//! DescribeQuorum (KIP-595, KIP-853): voters, observers and how far each has come; the quorum answers.

use kraft::raft::{RaftRequest, RaftResponse};
use wire::ErrorCode;
use wire::messages::describe_quorum::{DescribeQuorumRequest, DescribeQuorumResponse};

use super::Call;

pub(super) async fn handle(call: Call, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    match call.node.ask_quorum(RaftRequest::DescribeQuorum(request)).await {
        Ok(RaftResponse::DescribeQuorum(response)) => response,
        Ok(_) | Err(_) => DescribeQuorumResponse {
            error_code: ErrorCode::NotLeaderOrFollower.code(),
            ..DescribeQuorumResponse::default()
        },
    }
}
