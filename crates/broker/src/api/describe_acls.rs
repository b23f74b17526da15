//! DescribeAcls (KIP-140, KIP-290): the entries that fit a filter, resource by resource.

use std::collections::BTreeMap;

use kraft::image::{AclFilter, AclImage};
use wire::messages::describe_acls::{
    AclDescription, DescribeAclsRequest, DescribeAclsResource, DescribeAclsResponse,
};
use wire::{ErrorCode, Str};

use crate::acl_requests::{are_known, before_patterns};
use crate::call::{Call, IntoAnswer};
use crate::rim::{CloseReason, Outcome};

pub(super) fn handle(call: &Call, request: DescribeAclsRequest) -> Outcome {
    let numbers = [
        request.resource_type_filter,
        request.pattern_type_filter,
        request.operation,
        request.permission_type,
    ];
    let pattern_type = match before_patterns(call.api_version, request.pattern_type_filter) {
        Some(pattern_type) if are_known(&numbers) => pattern_type,
        _ => return Outcome::Close(CloseReason::Malformed("a filter of unknown elements".into())),
    };
    let response = if call.is_guarded() {
        let filter = AclFilter {
            resource_type: request.resource_type_filter,
            resource_name: request.resource_name_filter,
            pattern_type,
            principal: request.principal_filter,
            host: request.host_filter,
            operation: request.operation,
            permission_type: request.permission_type,
        };
        DescribeAclsResponse { resources: found(call, &filter), ..DescribeAclsResponse::default() }
    } else {
        DescribeAclsResponse {
            error_code: ErrorCode::SecurityDisabled.code(),
            error_message: Some(Str::from_static("No Authorizer is configured on the broker")),
            ..DescribeAclsResponse::default()
        }
    };
    response.outcome(call.api_key, call.api_version, call.correlation_id)
}

fn found(call: &Call, filter: &AclFilter) -> Vec<DescribeAclsResource> {
    let image = call.node.image();
    let mut resources: BTreeMap<(i8, Str, i8), Vec<AclDescription>> = BTreeMap::new();
    for (_, acl) in image.acls.iter().filter(|(_, acl)| filter.matches(acl)) {
        let AclImage { resource_type, resource_name, pattern_type, .. } = &**acl;
        let described = AclDescription {
            principal: acl.principal.clone(),
            host: acl.host.clone(),
            operation: acl.operation,
            permission_type: acl.permission_type,
        };
        resources.entry((*resource_type, resource_name.clone(), *pattern_type)).or_default().push(described);
    }
    let resource = |((resource_type, resource_name, pattern_type), acls)| DescribeAclsResource {
        resource_type,
        resource_name,
        pattern_type,
        acls,
    };
    resources.into_iter().map(resource).collect()
}
