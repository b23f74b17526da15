//! CreateAcls and DeleteAcls (KIP-140, 290, 801): which records they deserve. Who may ask is not asked here.

use super::decider::Decider;
use super::refusal::Refusal;
use crate::features::MetadataVersion;
use crate::image::{AclFilter, AclImage, LITERAL, PREFIXED};
use crate::raft::MAX_BATCH_RECORDS;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use wire::address_range::AddressRange;
use wire::messages::create_acls::{AclCreation, AclCreationResult, CreateAclsRequest, CreateAclsResponse};
use wire::messages::delete_acls::{
    DeleteAclsFilter, DeleteAclsFilterResult, DeleteAclsMatchingAcl, DeleteAclsRequest, DeleteAclsResponse,
};
use wire::records::metadata::{AccessControlEntryRecord, RemoveAccessControlEntryRecord};
use wire::{ErrorCode, Uuid};

/// The one resource of type cluster.
const CLUSTER_NAME: &str = "kafka-cluster";
/// Kafka's number of its type.
const CLUSTER: i8 = 4;

/// From topics to users.
const RESOURCE_TYPES: RangeInclusive<i8> = 2..=7;
/// From all of them to TwoPhaseCommit.
const OPERATIONS: RangeInclusive<i8> = 2..=15;

impl Decider<'_> {
    pub(super) fn create_acls(&mut self, request: &CreateAclsRequest) -> Result<CreateAclsResponse, Refusal> {
        if request.creations.iter().any(is_a_filter) {
            // Kafka falls over it, and says so of all.
            return Err(Refusal::silent(ErrorCode::UnknownServerError));
        }
        self.atomic = true;
        let mut written: BTreeSet<AclImage> = BTreeSet::new();
        let mut results = Vec::with_capacity(request.creations.len());
        for creation in &request.creations {
            results.push(match valid(creation, self.metadata_version) {
                Err(refusal) => {
                    AclCreationResult { error_code: refusal.error.code(), error_message: refusal.text() }
                }
                Ok(acl) => {
                    if !self.image().acls.contains(&acl) && written.insert(acl.clone()) {
                        let record = self.record_of(acl);
                        self.write(record, 0);
                    }
                    AclCreationResult::default()
                }
            });
            if self.records.len() > MAX_BATCH_RECORDS {
                return Err(Refusal::new(
                    ErrorCode::InvalidRequest,
                    "Unable to perform excessively large batch operation.",
                ));
            }
        }
        Ok(CreateAclsResponse { results, ..Default::default() })
    }

    fn record_of(&mut self, acl: AclImage) -> AccessControlEntryRecord {
        AccessControlEntryRecord {
            id: self.soft.fresh_id(),
            resource_type: acl.resource_type,
            resource_name: acl.resource_name,
            pattern_type: acl.pattern_type,
            principal: acl.principal,
            host: acl.host,
            operation: acl.operation,
            permission_type: acl.permission_type,
        }
    }

    pub(super) fn delete_acls(&mut self, request: &DeleteAclsRequest) -> DeleteAclsResponse {
        self.atomic = true;
        let mut gone: BTreeSet<Uuid> = BTreeSet::new();
        let mut filter_results = Vec::with_capacity(request.filters.len());
        for asked in &request.filters {
            let filter = filter(asked);
            let found = self.image().acls.iter().filter(|(_, acl)| filter.matches(acl));
            let found: Vec<(Uuid, Arc<AclImage>)> = found.map(|(id, acl)| (id, Arc::clone(acl))).collect();
            let new = found.iter().filter(|(id, _)| !gone.contains(id)).count();
            if gone.len() + new > MAX_BATCH_RECORDS {
                let what =
                    format!("Cannot remove more than {MAX_BATCH_RECORDS} acls in a single delete operation.");
                filter_results.push(DeleteAclsFilterResult {
                    error_code: ErrorCode::InvalidRequest.code(),
                    error_message: Some(what.into()),
                    matching_acls: Vec::new(),
                });
                continue;
            }
            gone.extend(found.iter().map(|(id, _)| *id));
            filter_results.push(DeleteAclsFilterResult {
                error_code: ErrorCode::None.code(),
                error_message: None,
                matching_acls: found.iter().map(|(_, acl)| told(acl)).collect(),
            });
        }
        for id in gone {
            self.write(RemoveAccessControlEntryRecord { id }, 0);
        }
        DeleteAclsResponse { filter_results, ..Default::default() }
    }
}

fn told(acl: &AclImage) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl {
        error_code: ErrorCode::None.code(),
        error_message: None,
        resource_type: acl.resource_type,
        resource_name: acl.resource_name.clone(),
        pattern_type: acl.pattern_type,
        principal: acl.principal.clone(),
        host: acl.host.clone(),
        operation: acl.operation,
        permission_type: acl.permission_type,
    }
}

fn filter(asked: &DeleteAclsFilter) -> AclFilter {
    AclFilter {
        resource_type: asked.resource_type_filter,
        resource_name: asked.resource_name_filter.clone(),
        pattern_type: asked.pattern_type_filter,
        principal: asked.principal_filter.clone(),
        host: asked.host_filter.clone(),
        operation: asked.operation,
        permission_type: asked.permission_type,
    }
}

/// Says ANY or MATCH, which only filters may.
fn is_a_filter(asked: &AclCreation) -> bool {
    let numbers = [asked.resource_type, asked.resource_pattern_type, asked.operation, asked.permission_type];
    numbers.contains(&AclFilter::ANY) || asked.resource_pattern_type == AclFilter::MATCH
}

/// The entry that is asked for, if Kafka takes such; first what its door looks at, then what its controller does.
fn valid(asked: &AclCreation, version: MetadataVersion) -> Result<AclImage, Refusal> {
    let invalid = |what: String| Err(Refusal::new(ErrorCode::InvalidRequest, what));
    if asked.resource_type == CLUSTER && asked.resource_name != CLUSTER_NAME {
        return invalid(format!("The only valid name for the CLUSTER resource is {CLUSTER_NAME}"));
    }
    if asked.resource_name.is_empty() {
        return invalid("Invalid empty resource name".to_owned());
    }
    if !RESOURCE_TYPES.contains(&asked.resource_type) {
        return invalid("Invalid resourceType UNKNOWN".to_owned());
    }
    if !matches!(asked.resource_pattern_type, LITERAL | PREFIXED) {
        return invalid("Invalid patternType UNKNOWN".to_owned());
    }
    if !OPERATIONS.contains(&asked.operation) {
        return invalid("Invalid operation UNKNOWN".to_owned());
    }
    if !matches!(asked.permission_type, 2 | 3) {
        return invalid("Invalid permissionType UNKNOWN".to_owned());
    }
    check_host(&asked.host, version)?;
    if !asked.principal.contains(':') {
        return invalid(format!(
            "Could not parse principal from `{}` (no colon is present separating the principal type from the principal name)",
            asked.principal
        ));
    }
    Ok(AclImage {
        resource_type: asked.resource_type,
        resource_name: asked.resource_name.clone(),
        pattern_type: asked.resource_pattern_type,
        principal: asked.principal.clone(),
        host: asked.host.clone(),
        operation: asked.operation,
        permission_type: asked.permission_type,
    })
}

fn check_host(host: &str, version: MetadataVersion) -> Result<(), Refusal> {
    if host.is_empty() {
        return Err(Refusal::new(ErrorCode::InvalidRequest, "Host pattern cannot be null or empty"));
    }
    if !host.contains('/') {
        return Ok(());
    }
    if !version.has_address_ranges() {
        let what = "CIDR-based ACL host patterns require metadata version 4.4-IV1 or higher.";
        return Err(Refusal::new(ErrorCode::UnsupportedVersion, what));
    }
    match AddressRange::parse(host) {
        Ok(_) => Ok(()),
        Err(why) => {
            Err(Refusal::new(ErrorCode::InvalidRequest, format!("Invalid CIDR notation '{host}': {why}")))
        }
    }
}
