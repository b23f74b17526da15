//! PushTelemetry (KIP-714): a client tells its figures.

use wire::messages::push_telemetry::{PushTelemetryRequest, PushTelemetryResponse};

use crate::call::Call;
use crate::telemetry::{Client, Push};

pub(super) async fn handle(call: Call, request: PushTelemetryRequest) -> PushTelemetryResponse {
    let client =
        Client { connection: &call.connection, client_id: call.client_id.as_deref().unwrap_or_default() };
    let push = Push {
        instance_id: request.client_instance_id,
        subscription_id: request.subscription_id,
        is_terminating: request.terminating,
        compression_type: request.compression_type,
        metrics: request.metrics,
    };
    let pushed = call.node.telemetry().push(call.now_ms, &call.node.image().configs, &client, &push);
    PushTelemetryResponse {
        error_code: pushed.err().map_or(0, |error| error.code()),
        ..PushTelemetryResponse::default()
    }
}
