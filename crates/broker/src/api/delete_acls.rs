//! DeleteAcls at the controller (KIP-140, KIP-290).

use kraft::controller::{ControllerAnswer, ControllerCommand, Refusal};
use wire::ErrorCode;
use wire::messages::delete_acls::{DeleteAclsMatchingAcl, DeleteAclsRequest};

use crate::acl_requests::{are_known, before_patterns};
use crate::call::{Call, IntoAnswer};
use crate::rim::{CloseReason, Outcome};

pub(super) async fn handle(call: Call, mut request: DeleteAclsRequest) -> Outcome {
    for filter in &mut request.filters {
        let numbers = [
            filter.resource_type_filter,
            filter.pattern_type_filter,
            filter.operation,
            filter.permission_type,
        ];
        match before_patterns(call.api_version, filter.pattern_type_filter) {
            Some(pattern_type) if are_known(&numbers) => filter.pattern_type_filter = pattern_type,
            _ => return Outcome::Close(CloseReason::Malformed("a filter of unknown elements".into())),
        }
    }
    let command = ControllerCommand::DeleteAcls(request);
    let answer = match call.is_guarded() {
        true => call.decided(command).await,
        false => {
            let why = Refusal::new(ErrorCode::SecurityDisabled, "No Authorizer is configured.");
            Some(command.refused(&why))
        }
    };
    let Some(ControllerAnswer::DeleteAcls(response)) = answer else { return call.is_gone() };
    for acl in response.filter_results.iter().flat_map(|filter| &filter.matching_acls) {
        call.note_change(|| shown(acl));
    }
    response.outcome(call.api_key, call.api_version, call.correlation_id)
}

fn shown(acl: &DeleteAclsMatchingAcl) -> String {
    let DeleteAclsMatchingAcl {
        resource_type, resource_name, pattern_type, principal, host, operation, ..
    } = acl;
    let permission_type = acl.permission_type;
    format!(
        "acl deleted: resource_type={resource_type} name={resource_name} pattern_type={pattern_type} \
         principal={principal} host={host} operation={operation} permission_type={permission_type}"
    )
}
