//! Commands about who may do what, who is who and who may use how much: CreateAcls, DeleteAcls, AlterUserScramCredentials,
//! AlterClientQuotas, and the three that change delegation tokens.

use crate::controller::decide::{Decide, Refused};
use crate::controller::decider::Decider;
use crate::controller::refusal::Refusal;
use wire::messages::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterClientQuotasResponseEntityData,
    AlterClientQuotasResponseEntryData, EntityData,
};
use wire::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, AlterUserScramCredentialsResult,
};
use wire::messages::create_acls::{AclCreationResult, CreateAclsRequest, CreateAclsResponse};
use wire::messages::create_delegation_token::{CreateDelegationTokenRequest, CreateDelegationTokenResponse};
use wire::messages::delete_acls::{DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse};
use wire::messages::expire_delegation_token::{ExpireDelegationTokenRequest, ExpireDelegationTokenResponse};
use wire::messages::renew_delegation_token::{RenewDelegationTokenRequest, RenewDelegationTokenResponse};
use wire::{ErrorCode, Str};

/// A request about a delegation token, and who asks.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenAsked<Q> {
    /// What is asked.
    pub request: Q,
    /// `User`
    pub principal_type: Str,
    /// Who is authenticated.
    pub principal_name: Str,
}

impl Decide for CreateAclsRequest {
    type Answer = CreateAclsResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.create_acls(self)
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        let result = AclCreationResult { error_code: no.error_code, error_message: no.message };
        CreateAclsResponse { results: vec![result; self.creations.len()], ..Default::default() }
    }
}

impl Decide for DeleteAclsRequest {
    type Answer = DeleteAclsResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        Ok(decider.delete_acls(self))
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        let result = DeleteAclsFilterResult {
            error_code: no.error_code,
            error_message: no.message,
            matching_acls: Vec::new(),
        };
        DeleteAclsResponse { filter_results: vec![result; self.filters.len()], ..Default::default() }
    }
}

impl Decide for AlterUserScramCredentialsRequest {
    type Answer = AlterUserScramCredentialsResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        Ok(decider.alter_user_scram_credentials(self))
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        // Each user once, as Kafka collects them.
        let named =
            self.deletions.iter().map(|one| &one.name).chain(self.upsertions.iter().map(|one| &one.name));
        let users: std::collections::BTreeSet<_> = named.collect();
        let result = |user: &wire::Str| AlterUserScramCredentialsResult {
            user: user.clone(),
            error_code: no.error_code,
            error_message: no.message.clone(),
        };
        let results = users.into_iter().map(result).collect();
        AlterUserScramCredentialsResponse { results, ..Default::default() }
    }
}

impl Decide for AlterClientQuotasRequest {
    type Answer = AlterClientQuotasResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        Ok(decider.alter_client_quotas(self))
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        let part = |part: &EntityData| AlterClientQuotasResponseEntityData {
            entity_type: part.entity_type.clone(),
            entity_name: part.entity_name.clone(),
        };
        let entry = |entity: &[EntityData]| AlterClientQuotasResponseEntryData {
            error_code: no.error_code,
            // Kafka has no other words for it here.
            error_message: Some(Str::from_static(ErrorCode::from_code(no.error_code).message())),
            entity: entity.iter().map(part).collect(),
        };
        let entries = self.entries.iter().map(|asked| entry(&asked.entity)).collect();
        AlterClientQuotasResponse { entries, ..Default::default() }
    }
}

impl Decide for TokenAsked<CreateDelegationTokenRequest> {
    type Answer = CreateDelegationTokenResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.create_delegation_token(self).map_err(Refusal::plain)
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        CreateDelegationTokenResponse { error_code: no.error_code, ..self.shape(ErrorCode::None) }
    }
}

impl Decide for TokenAsked<RenewDelegationTokenRequest> {
    type Answer = RenewDelegationTokenResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.renew_delegation_token(self).map_err(Refusal::plain)
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        RenewDelegationTokenResponse { error_code: no.error_code, ..Default::default() }
    }
}

impl Decide for TokenAsked<ExpireDelegationTokenRequest> {
    type Answer = ExpireDelegationTokenResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.expire_delegation_token(self).map_err(Refusal::plain)
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        ExpireDelegationTokenResponse { error_code: no.error_code, ..Default::default() }
    }
}
