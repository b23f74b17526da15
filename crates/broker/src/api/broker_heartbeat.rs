//! BrokerHeartbeat (KIP-631): for the controller in this node. The connection by which a broker speaks is noted: when it is closed, the
//! controller hears of it (decision 0023).

use kraft::controller::{ControllerAnswer, ControllerCommand};
use wire::ErrorCode;
use wire::messages::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};

use crate::call::Call;
use crate::quorum::{Audience, QuorumCommand};

pub(super) async fn handle(call: Call, request: BrokerHeartbeatRequest) -> BrokerHeartbeatResponse {
    let (broker_id, broker_epoch) = (request.broker_id, request.broker_epoch);
    let command = ControllerCommand::BrokerHeartbeat(request);
    let Some(ControllerAnswer::BrokerHeartbeat(response)) = call.decided(command).await else {
        // The node goes away, and its controller with it.
        let error_code = ErrorCode::NotController.code();
        return BrokerHeartbeatResponse { error_code, ..BrokerHeartbeatResponse::default() };
    };
    if response.error_code == ErrorCode::None.code() {
        let node = call.node.clone();
        let hung_up = QuorumCommand::BrokerHungUp { broker_id, broker_epoch };
        call.connection.when_gone(move || node.tell(hung_up));
    }
    response
}
