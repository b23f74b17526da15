//! SaslAuthenticate of whoever is authenticated, or need not be: out of order. What comes in order, `security::sasl` answers.

use wire::messages::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use wire::{ErrorCode, Str};

use crate::call::Call;

pub(super) fn handle(_: &Call, _: SaslAuthenticateRequest) -> SaslAuthenticateResponse {
    let why = "SaslAuthenticate request received after successful authentication";
    SaslAuthenticateResponse {
        error_code: ErrorCode::IllegalSaslState.code(),
        error_message: Some(Str::from_static(why)),
        ..SaslAuthenticateResponse::default()
    }
}
