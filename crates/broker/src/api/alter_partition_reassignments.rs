//! AlterPartitionReassignments (KIP-455): other replicas for partitions; the controller decides.

use kraft::controller::{ControllerAnswer, ControllerCommand};
use wire::ErrorCode;
use wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};

use crate::call::Call;

pub(super) async fn handle(
    call: Call,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    match call.node.propose(ControllerCommand::AlterPartitionReassignments(request)).await {
        Ok(ControllerAnswer::AlterPartitionReassignments(response)) => response,
        Ok(_) | Err(_) => AlterPartitionReassignmentsResponse {
            error_code: ErrorCode::NotController.code(),
            ..AlterPartitionReassignmentsResponse::default()
        },
    }
}
