//! Delegation tokens at this node (KIP-48): who may ask about them, what a token's HMAC is, and whom a token logs in. Owns the secret that the
//! file has, and the keys of tokens that have logged in; the tokens themselves are the image's, and what becomes of them the controller's.

use std::collections::BTreeMap;

use kraft::controller::TokenAsked;
use kraft::image::DelegationToken;
use parking_lot::Mutex;
use wire::Str;
use wire::sasl::delegation::TokenSecret;
use wire::sasl::scram::Mechanism as Hash;
use wire::sasl::server::{Credential, Who};

use crate::connection::Peer;
use crate::security::principal::Principal;

/// Keys of as many tokens stand ready: each takes thousands of hashes.
const KEPT_MAX: usize = 4096;

/// What this node knows of tokens.
pub(crate) struct Delegation {
    secret: Option<TokenSecret>,
    /// Security protocols of all listeners, by name.
    protocols: BTreeMap<String, String>,
    /// Of this life of the node.
    salt: [u8; 16],
    /// By hash and token id.
    kept: Mutex<BTreeMap<(i8, Str), Credential>>,
}

impl Delegation {
    /// `secret`: `delegation.token.secret.key`, without which there are no tokens.
    pub fn new(secret: Option<&str>, protocols: BTreeMap<String, String>, salt: [u8; 16]) -> Delegation {
        let secret = secret.filter(|text| !text.is_empty()).map(TokenSecret::new);
        Delegation { secret, protocols, salt, kept: Mutex::default() }
    }

    /// The secret, where there are tokens.
    pub fn secret(&self) -> Option<&TokenSecret> {
        self.secret.as_ref()
    }

    /// Not who came by a token himself, nor where nobody is known or everybody can read what is said.
    pub fn may_ask(&self, peer: &Peer) -> bool {
        match self.protocols.get(&peer.listener).map(String::as_str) {
            _ if peer.principal.by_token => false,
            None | Some("PLAINTEXT") => false,
            Some("SSL") => !peer.principal.is_anonymous(),
            Some(_) => true,
        }
    }

    /// What a token's bearer is held against, and whose he is; `None` for a token that has ended, and without a secret.
    pub fn bearer(&self, hash: Hash, token: &DelegationToken, wall_ms: i64) -> Option<(Credential, Who)> {
        let secret = self.secret.as_ref()?;
        let expires_ms = token.expiration_timestamp_ms.min(token.max_timestamp_ms);
        let owner = Principal::parse(&token.owner).filter(|owner| Principal::user(&owner.name) == *owner)?;
        if expires_ms < wall_ms {
            return None;
        }
        let who = Who { username: owner.name.to_string(), by_token: true, expires_ms: Some(expires_ms) };
        let key = (hash.id(), token.token_id.clone());
        if let Some(kept) = self.kept.lock().get(&key) {
            return Some((kept.clone(), who));
        }
        let credential = secret.credential(hash, &token.token_id, &self.salt);
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT_MAX {
            kept.pop_first();
        }
        kept.insert(key, credential.clone());
        Some((credential, who))
    }
}

/// A request about tokens with the one who asks.
pub(crate) fn asked<Q>(request: Q, principal: &Principal) -> TokenAsked<Q> {
    TokenAsked { request, principal_type: principal.kind.clone(), principal_name: principal.name.clone() }
}

/// What Kafka says in the place of a time where there is none.
pub(crate) const NO_TIME: i64 = -1;

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(listener: &str, principal: Principal) -> Peer {
        let (listener, host) = (listener.to_owned(), "/127.0.0.1".to_owned());
        Peer { listener, controller: false, host, port: 0, principal }
    }

    #[test]
    fn tokens_are_for_whoever_is_known_and_overheard_by_nobody_and_came_without_one() {
        let names = ["PLAINTEXT", "SSL", "SASL_SSL", "SASL_PLAINTEXT"];
        let protocols = names.map(|name| (name.to_owned(), name.to_owned())).into_iter().collect();
        let delegation = Delegation::new(Some("secret"), protocols, [1; 16]);
        let may = |listener, principal| delegation.may_ask(&peer(listener, principal));
        let alice = || Principal::user("alice");
        assert_eq!(names.map(|name| may(name, alice())), [false, true, true, true]);
        assert!(!may("SSL", Principal::anonymous()) && !may("ELSE", alice()));
        let by_token = Principal { by_token: true, ..alice() };
        assert_eq!(names.map(|name| may(name, by_token.clone())), [false; 4]);
    }

    #[test]
    fn a_token_is_good_until_its_end_and_for_a_user_only() {
        let delegation = Delegation::new(Some("secret"), BTreeMap::new(), [1; 16]);
        let token = |owner: &str, expires: i64, max: i64| DelegationToken {
            token_id: "id".into(),
            owner: owner.into(),
            requester: "User:a".into(),
            renewers: Vec::new(),
            issue_timestamp_ms: 0,
            max_timestamp_ms: max,
            expiration_timestamp_ms: expires,
        };
        let bearer = |token: &DelegationToken| delegation.bearer(Hash::Sha256, token, 10).map(|(_, who)| who);
        let who = Who { username: "a:b".to_owned(), by_token: true, expires_ms: Some(10) };
        assert_eq!(bearer(&token("User:a:b", 10, 20)), Some(who.clone()));
        assert_eq!(bearer(&token("User:a:b", 20, 10)), Some(who));
        for bad in
            [token("User:a", 9, 20), token("User:a", 20, 9), token("Group:a", 20, 20), token("a", 20, 20)]
        {
            assert_eq!(bearer(&bad), None, "{bad:?}");
        }
        let disabled = Delegation::new(None, BTreeMap::new(), [1; 16]);
        assert!(disabled.bearer(Hash::Sha256, &token("User:a", 10, 20), 10).is_none());
    }
}
