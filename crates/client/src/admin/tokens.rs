//! Delegation tokens (KIP-48, 373): made, shown, given a later end or none. Whoever has a token's HMAC has the token: it is shown only to whoever
//! asks for it.

use super::{Admin, Whom};
use crate::error::{Error, Result};
use std::fmt;
use wire::Str;
use wire::messages::create_delegation_token::{CreatableRenewers, CreateDelegationTokenRequest};
use wire::messages::describe_delegation_token::{
    DescribeDelegationTokenOwner, DescribeDelegationTokenRequest,
};
use wire::messages::expire_delegation_token::ExpireDelegationTokenRequest;
use wire::messages::renew_delegation_token::RenewDelegationTokenRequest;

/// A token; times are milliseconds since the epoch, principals `User:name`.
#[derive(Clone, PartialEq, Eq)]
pub struct DelegationToken {
    /// By which it logs in, as a user's name does.
    pub token_id: Str,
    /// Its password is this in base64.
    pub hmac: Vec<u8>,
    /// Whom it logs in.
    pub owner: String,
    /// Who had it made.
    pub requester: String,
    /// Who beside the owner may renew it.
    pub renewers: Vec<String>,
    /// When it was made.
    pub issued_ms: i64,
    /// It ends then, unless it is renewed.
    pub expires_ms: i64,
    /// It ends then.
    pub max_ms: i64,
}

impl fmt::Debug for DelegationToken {
    /// An HMAC never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DelegationToken({} of {}, [hidden])", self.token_id, self.owner)
    }
}

impl Admin {
    /// Makes a token, of the one who asks or of `owner`. `max_lifetime_ms`: `None` for as long as the cluster allows. A call that is tried again
    /// may have made another one before.
    pub async fn create_token(
        &self,
        owner: Option<&str>,
        renewers: &[String],
        max_lifetime_ms: Option<i64>,
    ) -> Result<DelegationToken> {
        let (owner_type, owner_name) = owner.map(parts).unzip();
        let renewer = |one: &String| {
            let (principal_type, principal_name) = parts(one);
            CreatableRenewers { principal_type, principal_name }
        };
        let request = CreateDelegationTokenRequest {
            owner_principal_type: owner_type,
            owner_principal_name: owner_name,
            renewers: renewers.iter().map(renewer).collect(),
            max_lifetime_ms: max_lifetime_ms.unwrap_or(-1),
        };
        self.ask(Whom::Anybody, &request, "create a delegation token", |answer| {
            Error::check(answer.error_code, None, || "create a delegation token".to_owned())?;
            Ok(DelegationToken {
                token_id: answer.token_id.detached(),
                hmac: answer.hmac.to_vec(),
                owner: format!("{}:{}", answer.principal_type, answer.principal_name),
                requester: format!(
                    "{}:{}",
                    answer.token_requester_principal_type, answer.token_requester_principal_name
                ),
                renewers: renewers.to_vec(),
                issued_ms: answer.issue_timestamp_ms,
                expires_ms: answer.expiry_timestamp_ms,
                max_ms: answer.max_timestamp_ms,
            })
        })
        .await
    }

    /// The tokens that one may see, or of these owners alone, by id. Cancel-safe.
    pub async fn describe_tokens(&self, owners: &[String]) -> Result<Vec<DelegationToken>> {
        let owner = |one: &String| {
            let (principal_type, principal_name) = parts(one);
            DescribeDelegationTokenOwner { principal_type, principal_name }
        };
        let owners = (!owners.is_empty()).then(|| owners.iter().map(owner).collect());
        let request = DescribeDelegationTokenRequest { owners };
        self.ask(Whom::Anybody, &request, "describe delegation tokens", |answer| {
            Error::check(answer.error_code, None, || "describe delegation tokens".to_owned())?;
            let token = |one: &wire::messages::describe_delegation_token::DescribedDelegationToken| {
                let renewers = one.renewers.iter();
                DelegationToken {
                    token_id: one.token_id.detached(),
                    hmac: one.hmac.to_vec(),
                    owner: format!("{}:{}", one.principal_type, one.principal_name),
                    requester: format!(
                        "{}:{}",
                        one.token_requester_principal_type, one.token_requester_principal_name
                    ),
                    renewers: renewers
                        .map(|who| format!("{}:{}", who.principal_type, who.principal_name))
                        .collect(),
                    issued_ms: one.issue_timestamp,
                    expires_ms: one.expiry_timestamp,
                    max_ms: one.max_timestamp,
                }
            };
            let mut tokens: Vec<DelegationToken> = answer.tokens.iter().map(token).collect();
            tokens.sort_by(|one, other| one.token_id.cmp(&other.token_id));
            Ok(tokens)
        })
        .await
    }

    /// Gives a token a later end and says which; `period_ms`: `None` for as long as the cluster allows.
    pub async fn renew_token(&self, token: &DelegationToken, period_ms: Option<i64>) -> Result<i64> {
        let request = RenewDelegationTokenRequest {
            hmac: token.hmac.clone().into(),
            renew_period_ms: period_ms.unwrap_or(-1),
        };
        self.ask(Whom::Anybody, &request, "renew a delegation token", |answer| {
            Error::check(answer.error_code, None, || {
                format!("renew the delegation token {}", token.token_id)
            })?;
            Ok(answer.expiry_timestamp_ms)
        })
        .await
    }

    /// Ends a token, at once or after a time, and says when.
    pub async fn expire_token(&self, token: &DelegationToken, after_ms: Option<i64>) -> Result<i64> {
        let request = ExpireDelegationTokenRequest {
            hmac: token.hmac.clone().into(),
            expiry_time_period_ms: after_ms.unwrap_or(-1),
        };
        self.ask(Whom::Anybody, &request, "expire a delegation token", |answer| {
            Error::check(answer.error_code, None, || {
                format!("expire the delegation token {}", token.token_id)
            })?;
            Ok(answer.expiry_timestamp_ms)
        })
        .await
    }
}

/// Type and name of `User:name`.
fn parts(principal: &str) -> (Str, Str) {
    let (kind, name) = principal.split_once(':').unwrap_or(("User", principal));
    (Str::from(kind), Str::from(name))
}
