//! RenewDelegationToken (KIP-48): a later end, for a token's owner and its renewers. A broker looks at how the client came and passes
//! it on; the controller decides.

use kraft::controller::{ControllerAnswer, ControllerCommand};
use wire::ErrorCode;
use wire::messages::renew_delegation_token::{RenewDelegationTokenRequest, RenewDelegationTokenResponse};

use crate::call::{Call, UnlessGone};
use crate::forwarding::{Here, ask};
use crate::security::delegation::{NO_TIME, asked};

pub(super) async fn handle(
    call: Call,
    request: RenewDelegationTokenRequest,
    way: Option<Here>,
) -> UnlessGone<RenewDelegationTokenResponse> {
    let peer = call.connection.peer();
    if !call.node.delegation().may_ask(peer) {
        let error_code = ErrorCode::DelegationTokenRequestNotAllowed.code();
        let refused =
            RenewDelegationTokenResponse { error_code, expiry_timestamp_ms: NO_TIME, ..Default::default() };
        return UnlessGone(Some(refused));
    }
    if let Some(here) = way {
        return UnlessGone(ask(&call, &request, here).await);
    }
    let command = ControllerCommand::RenewDelegationToken(asked(request, &peer.principal));
    let Some(ControllerAnswer::RenewDelegationToken(response)) = call.decided(command).await else {
        return UnlessGone(None);
    };
    if response.error_code == 0 {
        call.note_change(|| "a delegation token renewed".to_owned());
    }
    UnlessGone(Some(response))
}
