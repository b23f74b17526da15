//! Commands about who may do what and who is who: CreateAcls, DeleteAcls, AlterUserScramCredentials.

use crate::controller::decide::{Decide, Refused};
use crate::controller::decider::Decider;
use crate::controller::refusal::Refusal;
use wire::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, AlterUserScramCredentialsResult,
};
use wire::messages::create_acls::{AclCreationResult, CreateAclsRequest, CreateAclsResponse};
use wire::messages::delete_acls::{DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse};

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
