//! DescribeDelegationToken (KIP-48, KIP-373): tokens that are the client's own, that he had made or may renew, and those of others where an entry allows it;
//! of the others nothing is told, not even that they are there.

use kraft::image::DelegationToken;
use wire::messages::describe_delegation_token::{
    DescribeDelegationTokenRequest, DescribeDelegationTokenResponse, DescribedDelegationToken,
    DescribedDelegationTokenRenewer,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::security::authorizer::{Operation, Resource};

pub(super) fn handle(
    call: &Call,
    request: DescribeDelegationTokenRequest,
) -> DescribeDelegationTokenResponse {
    let refused = |error: ErrorCode| DescribeDelegationTokenResponse {
        error_code: error.code(),
        ..DescribeDelegationTokenResponse::default()
    };
    let (peer, delegation) = (call.connection.peer(), call.node.delegation());
    if !delegation.may_ask(peer) {
        return refused(ErrorCode::DelegationTokenRequestNotAllowed);
    }
    let Some(secret) = delegation.secret() else {
        return refused(ErrorCode::DelegationTokenAuthDisabled);
    };
    let named = |kind: &str, name: &str| Str::from(format!("{kind}:{name}"));
    let owners: Option<Vec<Str>> = request
        .owners
        .map(|owners| owners.iter().map(|one| named(&one.principal_type, &one.principal_name)).collect());
    let own = Str::from(peer.principal.to_string());
    let is_of = |token: &DelegationToken, who: &Str| {
        token.owner == *who || token.requester == *who || token.renewers.contains(who)
    };
    let is_told = |token: &DelegationToken| {
        owners.as_ref().is_none_or(|owners| owners.iter().any(|owner| is_of(token, owner)))
            && (is_of(token, &own)
                || call.may(Operation::Describe, Resource::DelegationToken(&token.token_id))
                || call.may(Operation::DescribeTokens, Resource::User(&token.owner)))
    };
    let image = call.node.image();
    let told = image.delegation_tokens.iter().filter(|token| is_told(token));
    let tokens = told.map(|token| described(token, secret.hmac(&token.token_id))).collect();
    DescribeDelegationTokenResponse { tokens, ..DescribeDelegationTokenResponse::default() }
}

fn described(token: &DelegationToken, hmac: Vec<u8>) -> DescribedDelegationToken {
    let (principal_type, principal_name) = parts(&token.owner);
    let (token_requester_principal_type, token_requester_principal_name) = parts(&token.requester);
    let renewer = |one: &Str| {
        let (principal_type, principal_name) = parts(one);
        DescribedDelegationTokenRenewer { principal_type, principal_name }
    };
    DescribedDelegationToken {
        principal_type,
        principal_name,
        token_requester_principal_type,
        token_requester_principal_name,
        issue_timestamp: token.issue_timestamp_ms,
        expiry_timestamp: token.expiration_timestamp_ms,
        max_timestamp: token.max_timestamp_ms,
        token_id: token.token_id.clone(),
        hmac: hmac.into(),
        renewers: token.renewers.iter().map(renewer).collect(),
    }
}

/// Type and name of a principal as records write it.
fn parts(principal: &Str) -> (Str, Str) {
    principal
        .split_once(':')
        .map_or_else(|| (Str::new(), principal.clone()), |(kind, name)| (Str::from(kind), Str::from(name)))
}
