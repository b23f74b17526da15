//! The command about producer ids: AllocateProducerIds.

use crate::controller::decide::{Decide, Refused};
use crate::controller::decider::Decider;
use crate::controller::refusal::Refusal;
use wire::messages::allocate_producer_ids::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};

impl Decide for AllocateProducerIdsRequest {
    type Answer = AllocateProducerIdsResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.allocate_producer_ids(self)
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        AllocateProducerIdsResponse { error_code: no.error_code, ..Default::default() }
    }
}
