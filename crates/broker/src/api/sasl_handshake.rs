//! SaslHandshake of whoever is authenticated, or need not be: out of order. What comes in order, `security::sasl` answers.

use wire::ErrorCode;
use wire::messages::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};

use crate::call::Call;

pub(super) fn handle(_: &Call, _: SaslHandshakeRequest) -> SaslHandshakeResponse {
    SaslHandshakeResponse {
        error_code: ErrorCode::IllegalSaslState.code(),
        ..SaslHandshakeResponse::default()
    }
}
