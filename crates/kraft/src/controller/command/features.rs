//! The command about features: UpdateFeatures.

use crate::controller::Decider;
use crate::controller::command::{ControllerAnswer, Half, Refusal, Refused};
use wire::messages::update_features::{UpdateFeaturesRequest, UpdateFeaturesResponse};

impl Half for (&UpdateFeaturesRequest, i16) {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        Ok(ControllerAnswer::UpdateFeatures(decider.update_features(self.0, self.1)))
    }

    fn refused(self, no: Refused) -> ControllerAnswer {
        ControllerAnswer::UpdateFeatures(UpdateFeaturesResponse {
            error_code: no.error_code,
            error_message: no.message,
            ..Default::default()
        })
    }
}
