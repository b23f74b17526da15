//! CreateDelegationToken (KIP-48, KIP-373): for oneself, or for whom an entry allows. A broker looks at how the client came and passes it on; the
//! controller makes the token.

use kraft::controller::{ControllerAnswer, ControllerCommand};
use wire::ErrorCode;
use wire::messages::create_delegation_token::{CreateDelegationTokenRequest, CreateDelegationTokenResponse};

use crate::call::{Call, UnlessGone};
use crate::forwarding::{Here, ask};
use crate::security::authorizer::{Operation, Resource};
use crate::security::delegation::asked;

pub(super) async fn handle(
    call: Call,
    request: CreateDelegationTokenRequest,
    way: Option<Here>,
) -> UnlessGone<CreateDelegationTokenResponse> {
    let peer = call.connection.peer();
    let asked = asked(request, &peer.principal);
    let refused = |error| UnlessGone(Some(asked.shape(error)));
    if !call.node.delegation().may_ask(peer) {
        return refused(ErrorCode::DelegationTokenRequestNotAllowed);
    }
    let owner = asked.owner();
    if owner != asked.principal() && call.authorize(Operation::CreateTokens, Resource::User(&owner)).is_err()
    {
        return refused(ErrorCode::DelegationTokenAuthorizationFailed);
    }
    if let Some(here) = way {
        return UnlessGone(ask(&call, &asked.request, here).await);
    }
    let command = ControllerCommand::CreateDelegationToken(asked);
    let Some(ControllerAnswer::CreateDelegationToken(response)) = call.decided(command).await else {
        return UnlessGone(None);
    };
    if response.error_code == 0 {
        call.note_change(|| format!("delegation token {} of {owner} created", response.token_id));
    }
    UnlessGone(Some(response))
}
