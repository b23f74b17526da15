//! Commands about configurations: IncrementalAlterConfigs, AlterConfigs.

use crate::controller::decide::{Decide, Refused};
use crate::controller::decider::Decider;
use crate::controller::refusal::Refusal;
use wire::messages::alter_configs::{self, AlterConfigsRequest, AlterConfigsResponse};
use wire::messages::incremental_alter_configs::{
    self, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

impl Decide for IncrementalAlterConfigsRequest {
    type Answer = IncrementalAlterConfigsResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        Ok(decider.incremental_alter_configs(self))
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        let result = |resource: &incremental_alter_configs::AlterConfigsResource| {
            incremental_alter_configs::AlterConfigsResourceResponse {
                error_code: no.error_code,
                error_message: no.message.clone(),
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
            }
        };
        let responses = self.resources.iter().map(result).collect();
        IncrementalAlterConfigsResponse { responses, ..Default::default() }
    }
}

impl Decide for AlterConfigsRequest {
    type Answer = AlterConfigsResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        Ok(decider.alter_configs(self))
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        let result =
            |resource: &alter_configs::AlterConfigsResource| alter_configs::AlterConfigsResourceResponse {
                error_code: no.error_code,
                error_message: no.message.clone(),
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
            };
        let responses = self.resources.iter().map(result).collect();
        AlterConfigsResponse { responses, ..Default::default() }
    }
}
