//! Delegation tokens (KIP-48, 373) as they are stored; the token's secret is derived, not stored.

use super::CowMap;
use super::contradiction::Contradiction;
use std::sync::Arc;
use wire::Str;
use wire::records::metadata::{DelegationTokenRecord, RemoveDelegationTokenRecord};

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationToken {
    /// Its name.
    pub token_id: Str,
    /// Whose rights it carries.
    pub owner: Str,
    /// Who had it made.
    pub requester: Str,
    /// Who beside the owner may renew it.
    pub renewers: Vec<Str>,
    /// When it was made.
    pub issue_timestamp_ms: i64,
    /// Beyond this it cannot be renewed.
    pub max_timestamp_ms: i64,
    /// Then it ends, unless it is renewed.
    pub expiration_timestamp_ms: i64,
}

impl DelegationToken {
    /// The record that makes this token what it is.
    pub(crate) fn to_record(&self) -> DelegationTokenRecord {
        DelegationTokenRecord {
            owner: self.owner.clone(),
            requester: self.requester.clone(),
            renewers: self.renewers.clone(),
            issue_timestamp: self.issue_timestamp_ms,
            max_timestamp: self.max_timestamp_ms,
            expiration_timestamp: self.expiration_timestamp_ms,
            token_id: self.token_id.clone(),
        }
    }
}

/// All tokens by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DelegationTokensImage {
    pub(super) tokens: CowMap<Str, Arc<DelegationToken>>,
}

impl DelegationTokensImage {
    /// The token of an id.
    pub fn get(&self, token_id: &str) -> Option<&Arc<DelegationToken>> {
        self.tokens.get(token_id)
    }

    /// All tokens.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<DelegationToken>> {
        self.tokens.values()
    }

    pub(super) fn set(&mut self, record: &DelegationTokenRecord) -> Result<(), Contradiction> {
        let token = DelegationToken {
            token_id: record.token_id.detached(),
            owner: record.owner.detached(),
            requester: record.requester.detached(),
            renewers: record.renewers.iter().map(Str::detached).collect(),
            issue_timestamp_ms: record.issue_timestamp,
            max_timestamp_ms: record.max_timestamp,
            expiration_timestamp_ms: record.expiration_timestamp,
        };
        self.tokens.insert(token.token_id.clone(), Arc::new(token));
        Ok(())
    }

    pub(super) fn remove(&mut self, record: &RemoveDelegationTokenRecord) -> Result<(), Contradiction> {
        self.tokens.remove(record.token_id.as_str());
        Ok(())
    }
}
