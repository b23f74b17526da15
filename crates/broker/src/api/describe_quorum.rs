//! DescribeQuorum (KIP-595, KIP-853): voters, observers and how far each has come; the quorum answers.

use wire::ErrorCode;
use wire::messages::describe_quorum::{DescribeQuorumRequest, DescribeQuorumResponse};

use crate::call::Call;

pub(super) async fn handle(call: Call, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    let gone = || DescribeQuorumResponse {
        error_code: ErrorCode::NotLeaderOrFollower.code(),
        ..DescribeQuorumResponse::default()
    };
    call.node.describe_quorum(request).await.unwrap_or_else(gone)
}
