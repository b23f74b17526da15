//! GetTelemetrySubscriptions (KIP-714): which of its figures a client is to push, and how often.

use wire::messages::get_telemetry_subscriptions::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse,
};

use crate::call::Call;
use crate::telemetry::{ACCEPTED, Client};

pub(super) async fn handle(
    call: Call,
    request: GetTelemetrySubscriptionsRequest,
) -> GetTelemetrySubscriptionsResponse {
    let id = request.client_instance_id;
    let id = if id.is_zero() { call.node.new_uuid() } else { id };
    let client =
        Client { connection: &call.connection, client_id: call.client_id.as_deref().unwrap_or_default() };
    let telemetry = call.node.telemetry();
    let told = telemetry.subscribe(call.now_ms, &call.node.image().configs, &client, id);
    match told {
        Err(error) => GetTelemetrySubscriptionsResponse {
            error_code: error.code(),
            ..GetTelemetrySubscriptionsResponse::default()
        },
        Ok(told) => GetTelemetrySubscriptionsResponse {
            client_instance_id: id,
            subscription_id: told.subscription_id,
            accepted_compression_types: ACCEPTED.iter().map(|codec| codec.id().cast_signed()).collect(),
            push_interval_ms: i32::try_from(told.interval_ms).unwrap_or(i32::MAX),
            telemetry_max_bytes: telemetry.max_bytes,
            delta_temporality: true,
            requested_metrics: told.metrics,
            ..GetTelemetrySubscriptionsResponse::default()
        },
    }
}
