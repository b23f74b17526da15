//! DescribeQuorum (KIP-595, KIP-853): voters, observers and how far each has come; the leader of the quorum answers.

use wire::ErrorCode;
use wire::messages::describe_quorum::{DescribeQuorumRequest, DescribeQuorumResponse};

use crate::call::Call;

pub(super) async fn handle(call: Call, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    let refused = |error: ErrorCode| DescribeQuorumResponse {
        error_code: error.code(),
        ..DescribeQuorumResponse::default()
    };
    let is_elsewhere = |answer: &DescribeQuorumResponse| {
        let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.any(|partition| partition.error_code == ErrorCode::NotLeaderOrFollower.code())
    };
    call.led(request, refused, is_elsewhere).await
}
