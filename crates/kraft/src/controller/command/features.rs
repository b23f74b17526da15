//! The command about features: UpdateFeatures.

use crate::controller::decide::{Decide, Refused};
use crate::controller::decider::Decider;
use crate::controller::refusal::Refusal;
use wire::messages::update_features::{UpdateFeaturesRequest, UpdateFeaturesResponse};

/// UpdateFeatures (KIP-584, 1022).
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateFeatures {
    /// Features and levels.
    pub request: UpdateFeaturesRequest,
    /// Up to version 1 the answer repeats every feature.
    pub api_version: i16,
}

impl Decide for UpdateFeatures {
    type Answer = UpdateFeaturesResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        Ok(decider.update_features(&self.request, self.api_version))
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        UpdateFeaturesResponse { error_code: no.error_code, error_message: no.message, ..Default::default() }
    }
}
