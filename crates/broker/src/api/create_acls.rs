//! CreateAcls at the controller (KIP-140, KIP-290).

use kraft::controller::{ControllerAnswer, ControllerCommand, Refusal};
use kraft::image::LITERAL;
use wire::ErrorCode;
use wire::messages::create_acls::{AclCreation, CreateAclsRequest};

use crate::acl_requests::are_known;
use crate::call::{Call, IntoAnswer};
use crate::rim::{CloseReason, Outcome};

pub(super) async fn handle(call: Call, request: CreateAclsRequest) -> Outcome {
    let is_legible = |acl: &AclCreation| {
        are_known(&[acl.resource_type, acl.resource_pattern_type, acl.operation, acl.permission_type])
            && (call.api_version > 0 || acl.resource_pattern_type == LITERAL)
    };
    if !request.creations.iter().all(is_legible) {
        return Outcome::Close(CloseReason::Malformed("an entry of unknown elements".into()));
    }
    let asked = request.creations.clone();
    let command = ControllerCommand::CreateAcls(request);
    let answer = match call.is_guarded() {
        true => call.decided(command).await,
        false => {
            let why = Refusal::new(ErrorCode::SecurityDisabled, "No Authorizer is configured.");
            Some(command.refused(&why))
        }
    };
    let Some(ControllerAnswer::CreateAcls(response)) = answer else { return call.is_gone() };
    for (acl, _) in asked.iter().zip(&response.results).filter(|(_, result)| result.error_code == 0) {
        call.note_change(|| shown(acl));
    }
    response.outcome(call.api_key, call.api_version, call.correlation_id)
}

fn shown(acl: &AclCreation) -> String {
    let AclCreation {
        resource_type,
        resource_name,
        resource_pattern_type,
        principal,
        host,
        operation,
        permission_type,
    } = acl;
    format!(
        "acl created: resource_type={resource_type} name={resource_name} pattern_type={resource_pattern_type} \
         principal={principal} host={host} operation={operation} permission_type={permission_type}"
    )
}
