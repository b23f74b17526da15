//! Delegation tokens at the controller (KIP-48, 373): which token records a request deserves, and which tokens have had their time. What is
//! written lets nobody in: a token's HMAC is derived from its id by a secret that stands in the file of each node. Who may ask is asked by the
//! handler; whose a token is, here.

use super::command::TokenAsked;
use super::decider::Decider;
use super::options::TokenOptions;
use super::soft::Hmacs;
use crate::image::DelegationToken;
use std::sync::Arc;
use wire::messages::create_delegation_token::{CreateDelegationTokenRequest, CreateDelegationTokenResponse};
use wire::messages::expire_delegation_token::{ExpireDelegationTokenRequest, ExpireDelegationTokenResponse};
use wire::messages::renew_delegation_token::{RenewDelegationTokenRequest, RenewDelegationTokenResponse};
use wire::records::metadata::{DelegationTokenRecord, RemoveDelegationTokenRecord};
use wire::sasl::delegation::is_same;
use wire::{ErrorCode, Str};

/// Records of one sweep.
const SWEPT_MAX: usize = 1000;

/// What Kafka says in the place of a time where there is none.
const NO_TIME: i64 = -1;

/// The one type of principals that may renew.
const USER: &str = "User";

impl Decider<'_> {
    /// A new token, of the one who asks or of another.
    pub(super) fn create_delegation_token(
        &mut self,
        asked: &TokenAsked<CreateDelegationTokenRequest>,
    ) -> Result<CreateDelegationTokenResponse, ErrorCode> {
        let options = self.token_options()?;
        let request = &asked.request;
        let longest = options.max_lifetime_ms;
        let lifetime_ms =
            if request.max_lifetime_ms > 0 { request.max_lifetime_ms.min(longest) } else { longest };
        let now_ms = self.at.wall_ms;
        let max_timestamp_ms = now_ms.saturating_add(lifetime_ms);
        let expiration_timestamp_ms = max_timestamp_ms.min(now_ms.saturating_add(options.expiry_time_ms));
        if request.renewers.iter().any(|renewer| renewer.principal_type != USER) {
            return Err(ErrorCode::InvalidPrincipalType);
        }
        let renewer = |(kind, name): (&Str, &Str)| Str::from(format!("{kind}:{name}"));
        let renewers = request.renewers.iter().map(|one| renewer((&one.principal_type, &one.principal_name)));
        let token = DelegationToken {
            token_id: Str::from(self.soft.fresh_id().to_string()),
            owner: asked.owner(),
            requester: asked.principal(),
            renewers: renewers.collect(),
            issue_timestamp_ms: now_ms,
            max_timestamp_ms,
            expiration_timestamp_ms,
        };
        let answer = CreateDelegationTokenResponse {
            issue_timestamp_ms: now_ms,
            expiry_timestamp_ms: expiration_timestamp_ms,
            max_timestamp_ms,
            token_id: token.token_id.clone(),
            hmac: options.secret.hmac(&token.token_id).into(),
            ..asked.shape(ErrorCode::None)
        };
        self.write_token(&token, expiration_timestamp_ms);
        Ok(answer)
    }

    /// A later end, for its owner and its renewers.
    pub(super) fn renew_delegation_token(
        &mut self,
        asked: &TokenAsked<RenewDelegationTokenRequest>,
    ) -> Result<RenewDelegationTokenResponse, ErrorCode> {
        let options = self.token_options()?;
        let token = self.token_of(&options, &asked.request.hmac)?;
        self.check_alive(&token)?;
        check_may_renew(&token, &asked.principal())?;
        let (period_ms, longest) = (asked.request.renew_period_ms, options.expiry_time_ms);
        let period_ms = if period_ms > 0 { period_ms.min(longest) } else { longest };
        let expiry_timestamp_ms = token.max_timestamp_ms.min(self.at.wall_ms.saturating_add(period_ms));
        self.write_token(&token, expiry_timestamp_ms);
        Ok(RenewDelegationTokenResponse { expiry_timestamp_ms, ..Default::default() })
    }

    /// Another end, or its end.
    pub(super) fn expire_delegation_token(
        &mut self,
        asked: &TokenAsked<ExpireDelegationTokenRequest>,
    ) -> Result<ExpireDelegationTokenResponse, ErrorCode> {
        let options = self.token_options()?;
        let token = self.token_of(&options, &asked.request.hmac)?;
        check_may_renew(&token, &asked.principal())?;
        let (period_ms, now_ms) = (asked.request.expiry_time_period_ms, self.at.wall_ms);
        let expiry_timestamp_ms = if period_ms < 0 {
            self.write(RemoveDelegationTokenRecord { token_id: token.token_id.clone() }, 0);
            now_ms
        } else {
            self.check_alive(&token)?;
            let expiry_timestamp_ms = token.max_timestamp_ms.min(now_ms.saturating_add(period_ms));
            self.write_token(&token, expiry_timestamp_ms);
            expiry_timestamp_ms
        };
        Ok(ExpireDelegationTokenResponse { expiry_timestamp_ms, ..Default::default() })
    }

    /// Takes away tokens that have had their time. True: there are more.
    pub(super) fn sweep_delegation_tokens(&mut self) -> bool {
        let now_ms = self.at.wall_ms;
        let over = self.image().delegation_tokens.iter().filter(|token| is_over(token, now_ms));
        let ids: Vec<Str> = over.take(SWEPT_MAX).map(|token| token.token_id.clone()).collect();
        let is_more = ids.len() == SWEPT_MAX;
        for token_id in ids {
            self.write(RemoveDelegationTokenRecord { token_id }, 0);
        }
        is_more
    }

    fn token_options(&self) -> Result<TokenOptions, ErrorCode> {
        let options = self.options.delegation_tokens.clone().ok_or(ErrorCode::DelegationTokenAuthDisabled)?;
        if self.metadata_version.has_delegation_tokens() {
            Ok(options)
        } else {
            Err(ErrorCode::UnsupportedVersion)
        }
    }

    fn token_of(&mut self, options: &TokenOptions, hmac: &[u8]) -> Result<Arc<DelegationToken>, ErrorCode> {
        let tokens = &self.image().delegation_tokens;
        let Hmacs(known) = &mut self.soft.hmacs;
        known.retain(|token_id, _| tokens.get(token_id).is_some());
        let mut found = None;
        for token in tokens.iter() {
            let own = match known.get(&token.token_id) {
                Some(own) => own,
                None => known
                    .entry(token.token_id.clone())
                    .or_insert_with(|| options.secret.hmac(&token.token_id)),
            };
            if is_same(own, hmac) {
                found = Some(token.clone());
            }
        }
        found.ok_or(ErrorCode::DelegationTokenNotFound)
    }

    fn check_alive(&self, token: &DelegationToken) -> Result<(), ErrorCode> {
        if is_over(token, self.at.wall_ms) { Err(ErrorCode::DelegationTokenExpired) } else { Ok(()) }
    }

    fn write_token(&mut self, token: &DelegationToken, expiration_timestamp: i64) {
        let record = DelegationTokenRecord { expiration_timestamp, ..token.to_record() };
        self.write(record, 0);
    }
}

fn is_over(token: &DelegationToken, now_ms: i64) -> bool {
    token.max_timestamp_ms < now_ms || token.expiration_timestamp_ms < now_ms
}

fn check_may_renew(token: &DelegationToken, principal: &Str) -> Result<(), ErrorCode> {
    if token.owner == *principal || token.renewers.contains(principal) {
        return Ok(());
    }
    Err(ErrorCode::DelegationTokenOwnerMismatch)
}

impl<Q> TokenAsked<Q> {
    /// Who asks, as records name principals.
    pub fn principal(&self) -> Str {
        Str::from(format!("{}:{}", self.principal_type, self.principal_name))
    }
}

impl TokenAsked<CreateDelegationTokenRequest> {
    /// Whose the token is to be.
    pub fn owner(&self) -> Str {
        let (kind, name) = self.owner_parts();
        Str::from(format!("{kind}:{name}"))
    }

    fn owner_parts(&self) -> (Str, Str) {
        let request = &self.request;
        match &request.owner_principal_name {
            Some(name) if !name.is_empty() => {
                (request.owner_principal_type.clone().unwrap_or_default(), name.clone())
            }
            Some(_) | None => (self.principal_type.clone(), self.principal_name.clone()),
        }
    }

    /// An answer with the names in it that each one has.
    pub fn shape(&self, error: ErrorCode) -> CreateDelegationTokenResponse {
        let (principal_type, principal_name) = self.owner_parts();
        CreateDelegationTokenResponse {
            error_code: error.code(),
            principal_type,
            principal_name,
            token_requester_principal_type: self.principal_type.clone(),
            token_requester_principal_name: self.principal_name.clone(),
            issue_timestamp_ms: NO_TIME,
            expiry_timestamp_ms: NO_TIME,
            max_timestamp_ms: NO_TIME,
            ..Default::default()
        }
    }
}
