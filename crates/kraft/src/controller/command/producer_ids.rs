//! The command about producer ids: AllocateProducerIds.

use crate::controller::Decider;
use crate::controller::command::{ControllerAnswer, Half, Refusal, Refused};
use wire::messages::allocate_producer_ids::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};

impl Half for &AllocateProducerIdsRequest {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        decider.allocate_producer_ids(self).map(ControllerAnswer::AllocateProducerIds)
    }

    fn refused(self, no: Refused) -> ControllerAnswer {
        ControllerAnswer::AllocateProducerIds(AllocateProducerIdsResponse {
            error_code: no.error_code,
            ..Default::default()
        })
    }
}
