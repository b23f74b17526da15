//! AlterClientQuotas at the controller (KIP-546).

use kraft::controller::{ControllerAnswer, ControllerCommand};
use wire::messages::alter_client_quotas::{AlterClientQuotasRequest, AlterClientQuotasResponse, EntryData};

use crate::call::{Call, UnlessGone};

pub(super) async fn handle(
    call: Call,
    request: AlterClientQuotasRequest,
) -> UnlessGone<AlterClientQuotasResponse> {
    let (asked, validate_only) = (request.entries.clone(), request.validate_only);
    let command = ControllerCommand::AlterClientQuotas(request);
    let Some(ControllerAnswer::AlterClientQuotas(response)) = call.decided(command).await else {
        return UnlessGone(None);
    };
    if !validate_only && response.entries.iter().all(|entry| entry.error_code == 0) {
        asked.iter().for_each(|entry| call.note_change(|| shown(entry)));
    }
    UnlessGone(Some(response))
}

fn shown(entry: &EntryData) -> String {
    let part = |part: &wire::messages::alter_client_quotas::EntityData| {
        format!("{} {}", part.entity_type, part.entity_name.as_deref().unwrap_or("<default>"))
    };
    let entity: Vec<String> = entry.entity.iter().map(part).collect();
    let op = |op: &wire::messages::alter_client_quotas::OpData| match op.remove {
        true => format!("{} removed", op.key),
        false => format!("{}={}", op.key, op.value),
    };
    let ops: Vec<String> = entry.ops.iter().map(op).collect();
    format!("quota of {} changed: {}", entity.join(", "), ops.join(", "))
}
