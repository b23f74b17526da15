//! Commands about nodes: brokers and controllers register, speak and go.

use crate::controller::decide::{Decide, Refused};
use crate::controller::decider::Decider;
use crate::controller::refusal::Refusal;
use wire::messages::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use wire::messages::broker_registration::{BrokerRegistrationRequest, BrokerRegistrationResponse};
use wire::messages::controller_registration::{
    ControllerRegistrationRequest, ControllerRegistrationResponse,
};
use wire::messages::unregister_broker::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use wire::messages::unregister_controller::{UnregisterControllerRequest, UnregisterControllerResponse};

/// BrokerRegistration (KIP-631).
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterBroker {
    /// As the broker sent it.
    pub request: BrokerRegistrationRequest,
    /// From version 3 on, a broker says which epoch it last shut down cleanly with (KIP-966).
    pub api_version: i16,
}

impl Decide for RegisterBroker {
    type Answer = BrokerRegistrationResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.register_broker(&self.request, self.api_version)
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        BrokerRegistrationResponse { error_code: no.error_code, ..Default::default() }
    }

    fn is_bounded(&self) -> bool {
        false
    }
}

impl Decide for BrokerHeartbeatRequest {
    type Answer = BrokerHeartbeatResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.broker_heartbeat(self)
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        BrokerHeartbeatResponse { error_code: no.error_code, ..Default::default() }
    }

    fn is_bounded(&self) -> bool {
        false
    }
}

impl Decide for UnregisterBrokerRequest {
    type Answer = UnregisterBrokerResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.unregister_broker(self)
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        UnregisterBrokerResponse {
            error_code: no.error_code,
            error_message: no.message,
            ..Default::default()
        }
    }
}

impl Decide for ControllerRegistrationRequest {
    type Answer = ControllerRegistrationResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.register_controller(self)
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        ControllerRegistrationResponse {
            error_code: no.error_code,
            error_message: no.message,
            ..Default::default()
        }
    }
}

impl Decide for UnregisterControllerRequest {
    type Answer = UnregisterControllerResponse;

    fn decide(&self, decider: &mut Decider<'_>) -> Result<Self::Answer, Refusal> {
        decider.unregister_controller(self)
    }

    fn refused(&self, no: Refused) -> Self::Answer {
        UnregisterControllerResponse {
            error_code: no.error_code,
            error_message: no.message,
            ..Default::default()
        }
    }
}
