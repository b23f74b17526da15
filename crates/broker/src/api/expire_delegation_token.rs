//! ExpireDelegationToken (KIP-48): another end, or its end at once, for a token's owner and its renewers. A broker looks at how the client came and passes
//! it on; the controller decides.

use kraft::controller::{ControllerAnswer, ControllerCommand};
use wire::ErrorCode;
use wire::messages::expire_delegation_token::{ExpireDelegationTokenRequest, ExpireDelegationTokenResponse};

use crate::call::{Call, UnlessGone};
use crate::forwarding::{Here, ask};
use crate::security::delegation::{NO_TIME, asked};

pub(super) async fn handle(
    call: Call,
    request: ExpireDelegationTokenRequest,
    way: Option<Here>,
) -> UnlessGone<ExpireDelegationTokenResponse> {
    let peer = call.connection.peer();
    if !call.node.delegation().may_ask(peer) {
        let error_code = ErrorCode::DelegationTokenRequestNotAllowed.code();
        let refused =
            ExpireDelegationTokenResponse { error_code, expiry_timestamp_ms: NO_TIME, ..Default::default() };
        return UnlessGone(Some(refused));
    }
    if let Some(here) = way {
        return UnlessGone(ask(&call, &request, here).await);
    }
    let command = ControllerCommand::ExpireDelegationToken(asked(request, &peer.principal));
    let Some(ControllerAnswer::ExpireDelegationToken(response)) = call.decided(command).await else {
        return UnlessGone(None);
    };
    if response.error_code == 0 {
        call.note_change(|| "a delegation token ended or given another end".to_owned());
    }
    UnlessGone(Some(response))
}
