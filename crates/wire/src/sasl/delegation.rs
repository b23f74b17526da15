//! The secret of delegation tokens (KIP-48): what a token's HMAC is, and the keys by which whoever has it logs in by SCRAM. Owns
//! `delegation.token.secret.key`, and shows it to nobody; who has which token is the image's affair.

use std::fmt;

use subtle::ConstantTimeEq;

use super::scram::{Keys, MIN_ITERATIONS, Mechanism as Hash};
use super::server::Credential;
use crate::base64::STANDARD;

/// What all nodes of a cluster sign tokens by.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(Vec<u8>);

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl TokenSecret {
    /// The text of `delegation.token.secret.key`.
    pub fn new(text: &str) -> TokenSecret {
        TokenSecret(text.as_bytes().to_vec())
    }

    /// The HMAC of a token, 64 bytes: whoever has it has the token.
    pub fn hmac(&self, token_id: &str) -> Vec<u8> {
        Hash::Sha512.signature(&self.0, token_id.as_bytes())
    }

    /// What proofs of this token's bearer are held against. It takes thousands of hashes.
    pub fn credential(&self, hash: Hash, token_id: &str, salt: &[u8]) -> Credential {
        // As Kafka: the password is the HMAC in base64.
        let password = STANDARD.encode(&self.hmac(token_id));
        let keys: Keys = hash.keys(&hash.salt(password.as_bytes(), salt, MIN_ITERATIONS));
        Credential { salt: salt.to_vec(), iterations: MIN_ITERATIONS, keys }
    }
}

/// Whether two HMACs are the same; it takes as long if they are not.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    bool::from(one.ct_eq(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hmac_is_that_of_java_and_shows_no_secret() {
        let secret = TokenSecret::new("key");
        let expected = "b42af09057bac1e2d41708e48a902e09b5ff7f12ab428a4fe86653c73dd248fb82f948a549f7b791a5b41915ee4d1ec3935357e4e2317250d0372afa2ebeeb3a";
        let hmac = secret.hmac("The quick brown fox jumps over the lazy dog");
        assert_eq!(hmac.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), expected);
        assert_eq!(format!("{secret:?}"), "[hidden]");
        assert!(is_same(b"a", b"a") && !is_same(b"a", b"b") && !is_same(b"a", b"aa"));
    }
}
