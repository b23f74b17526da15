//! Commands about nodes: brokers and controllers register, speak and go.

use crate::controller::Decider;
use crate::controller::command::{ControllerAnswer, Half, Refusal, Refused};
use wire::messages::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use wire::messages::broker_registration::{BrokerRegistrationRequest, BrokerRegistrationResponse};
use wire::messages::controller_registration::{
    ControllerRegistrationRequest, ControllerRegistrationResponse,
};
use wire::messages::unregister_broker::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use wire::messages::unregister_controller::{UnregisterControllerRequest, UnregisterControllerResponse};

impl Half for (&BrokerRegistrationRequest, i16) {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        decider.register_broker(self.0, self.1).map(ControllerAnswer::RegisterBroker)
    }

    fn refused(self, no: Refused) -> ControllerAnswer {
        ControllerAnswer::RegisterBroker(BrokerRegistrationResponse {
            error_code: no.error_code,
            ..Default::default()
        })
    }
}

impl Half for &BrokerHeartbeatRequest {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        decider.broker_heartbeat(self).map(ControllerAnswer::BrokerHeartbeat)
    }

    fn refused(self, no: Refused) -> ControllerAnswer {
        ControllerAnswer::BrokerHeartbeat(BrokerHeartbeatResponse {
            error_code: no.error_code,
            ..Default::default()
        })
    }
}

impl Half for &UnregisterBrokerRequest {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        decider.unregister_broker(self).map(ControllerAnswer::UnregisterBroker)
    }

    fn refused(self, no: Refused) -> ControllerAnswer {
        ControllerAnswer::UnregisterBroker(UnregisterBrokerResponse {
            error_code: no.error_code,
            error_message: no.message,
            ..Default::default()
        })
    }
}

impl Half for &ControllerRegistrationRequest {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        decider.register_controller(self).map(ControllerAnswer::RegisterController)
    }

    fn refused(self, no: Refused) -> ControllerAnswer {
        ControllerAnswer::RegisterController(ControllerRegistrationResponse {
            error_code: no.error_code,
            error_message: no.message,
            ..Default::default()
        })
    }
}

impl Half for &UnregisterControllerRequest {
    fn decide(self, decider: &mut Decider<'_>) -> Result<ControllerAnswer, Refusal> {
        decider.unregister_controller(self).map(ControllerAnswer::UnregisterController)
    }

    fn refused(self, no: Refused) -> ControllerAnswer {
        ControllerAnswer::UnregisterController(UnregisterControllerResponse {
            error_code: no.error_code,
            error_message: no.message,
            ..Default::default()
        })
    }
}
