//! Commands about configurations: IncrementalAlterConfigs, AlterConfigs.

use crate::controller::Decider;
use crate::controller::command::{ControllerAnswer, Half, Refusal, Refused};
use wire::messages::alter_configs::{self, AlterConfigsRequest, AlterConfigsResponse};
use wire::messages::incremental_alter_configs::{
    self, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

impl Half for &IncrementalAlterConfigsRequest {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        Ok(ControllerAnswer::IncrementalAlterConfigs(decider.incremental_alter_configs(self)))
    }

    fn refused(self, no: Refused) -> ControllerAnswer {
        let result = |resource: &incremental_alter_configs::AlterConfigsResource| {
            incremental_alter_configs::AlterConfigsResourceResponse {
                error_code: no.error_code,
                error_message: no.message.clone(),
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
            }
        };
        let responses = self.resources.iter().map(result).collect();
        ControllerAnswer::IncrementalAlterConfigs(IncrementalAlterConfigsResponse {
            responses,
            ..Default::default()
        })
    }
}

impl Half for &AlterConfigsRequest {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        Ok(ControllerAnswer::AlterConfigs(decider.alter_configs(self)))
    }

    fn refused(self, no: Refused) -> ControllerAnswer {
        let result =
            |resource: &alter_configs::AlterConfigsResource| alter_configs::AlterConfigsResourceResponse {
                error_code: no.error_code,
                error_message: no.message.clone(),
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
            };
        let responses = self.resources.iter().map(result).collect();
        ControllerAnswer::AlterConfigs(AlterConfigsResponse { responses, ..Default::default() })
    }
}
