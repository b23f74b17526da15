//! SCRAM (RFC 5802, RFC 7677): from a password to the keys that a cluster stores.
//!
//! Owns the mechanisms and the derivation; never keeps a password, never draws a salt.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// Fewer iterations than these Kafka takes for neither mechanism.
pub const MIN_ITERATIONS: i32 = 4096;

/// More iterations than these Kafka takes for neither mechanism: a client that logs in has to compute them.
pub const MAX_ITERATIONS: i32 = 16_384;

/// A hash function to run SCRAM with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// `SCRAM-SHA-256`, keys of 32 bytes.
    Sha256,
    /// `SCRAM-SHA-512`, keys of 64 bytes.
    Sha512,
}

/// What a server stores of a password: enough to check whoever claims to know it, too little to claim it.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// `StoredKey`: the hash of the client's key.
    pub stored: Vec<u8>,
    /// `ServerKey`: what the server signs with.
    pub server: Vec<u8>,
}

impl fmt::Debug for Keys {
    /// Keys never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys([hidden])")
    }
}

impl Mechanism {
    /// By its name in SASL, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "SCRAM-SHA-256" => Some(Self::Sha256),
            "SCRAM-SHA-512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Kafka's enum constant, which its refusals print.
    pub fn constant(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM_SHA_256",
            Self::Sha512 => "SCRAM_SHA_512",
        }
    }

    /// Its number in requests and in metadata records.
    pub fn id(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    /// The salted password, `Hi` of RFC 5802: PBKDF2 of one block. `iterations` below 1 count as 1; each costs one HMAC.
    pub fn salt(self, password: &[u8], salt: &[u8], iterations: i32) -> Vec<u8> {
        let mut last = self.hmac(password, &[salt, &[0, 0, 0, 1]]);
        let mut sum = last.clone();
        for _ in 1..iterations {
            last = self.hmac(password, &[&last]);
            sum.iter_mut().zip(&last).for_each(|(s, l)| *s ^= l);
        }
        sum
    }

    /// The keys of a salted password.
    pub fn keys(self, salted_password: &[u8]) -> Keys {
        let client = self.hmac(salted_password, &[b"Client Key"]);
        Keys { stored: self.hash(&client), server: self.hmac(salted_password, &[b"Server Key"]) }
    }

    /// What a client sends: its key, hidden behind the signature of all that was said.
    pub fn proof(self, salted_password: &[u8], signed: &[u8]) -> Vec<u8> {
        let client = self.hmac(salted_password, &[b"Client Key"]);
        let signature = self.hmac(&self.hash(&client), &[signed]);
        client.iter().zip(&signature).map(|(key, hidden)| key ^ hidden).collect()
    }

    /// Whether a proof shows the key whose hash is stored. It takes as long for a wrong one.
    pub fn is_proof(self, stored_key: &[u8], proof: &[u8], signed: &[u8]) -> bool {
        let signature = self.hmac(stored_key, &[signed]);
        let client: Vec<u8> = proof.iter().zip(&signature).map(|(proof, hidden)| proof ^ hidden).collect();
        let is_whole = proof.len() == signature.len();
        bool::from(self.hash(&client).ct_eq(stored_key)) & is_whole
    }

    /// What a server proves itself with.
    pub fn signature(self, server_key: &[u8], signed: &[u8]) -> Vec<u8> {
        self.hmac(server_key, &[signed])
    }

    fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        fn run<M: KeyInit + Mac>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
            // HMAC takes keys of any length.
            let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
            parts.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            Self::Sha256 => run::<Hmac<Sha256>>(key, parts),
            Self::Sha512 => run::<Hmac<Sha512>>(key, parts),
        }
    }

    fn hash(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base64::STANDARD;

    #[test]
    fn keys_are_those_of_the_example_of_rfc_7677() {
        let mechanism = Mechanism::named("SCRAM-SHA-256").expect("a mechanism");
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let keys = mechanism.keys(&mechanism.salt(b"pencil", &salt, MIN_ITERATIONS));
        assert_eq!(STANDARD.encode(&keys.stored), "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
        assert_eq!(STANDARD.encode(&keys.server), "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
    }

    #[test]
    fn keys_of_sha_512_are_those_that_kafka_derives() {
        let mechanism = Mechanism::named("SCRAM-SHA-512").expect("a mechanism");
        let keys = mechanism.keys(&mechanism.salt(b"YCE=", b"7q", 8192));
        assert!(STANDARD.encode(&keys.stored).starts_with("3FRtaSCJihITGucPFGVTWd1ti6hVFfSs"), "{keys:?}");
        assert!(STANDARD.encode(&keys.server).starts_with("jvWt261XNnW5yZlfC6KvV+2iASttbs7Q"), "{keys:?}");
        assert_eq!((keys.stored.len(), keys.server.len()), (64, 64));
    }
}
