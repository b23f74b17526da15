//! SCRAM credentials (KIP-554, 900) as they are stored: salted and hashed, never a password.

use super::CowMap;
use super::contradiction::Contradiction;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use wire::Str;
use wire::records::metadata::{RemoveUserScramCredentialRecord, UserScramCredentialRecord};

/// What a server needs to verify a user.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential {
    /// Drawn for each credential.
    pub salt: Bytes,
    /// H(HMAC(salted password, "Client Key")), RFC 5802.
    pub stored_key: Bytes,
    /// HMAC(salted password, "Server Key"), RFC 5802.
    pub server_key: Bytes,
    /// Of the hash, over the password.
    pub iterations: i32,
}

impl fmt::Debug for ScramCredential {
    /// Keys never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramCredential(iterations={}, [hidden])", self.iterations)
    }
}

/// All credentials by mechanism (1 SCRAM-SHA-256, 2 SCRAM-SHA-512) and user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScramImage {
    credentials: CowMap<(i8, Str), Arc<ScramCredential>>,
}

impl ScramImage {
    /// The credential of a user for a mechanism.
    pub fn get(&self, mechanism: i8, user: &Str) -> Option<&Arc<ScramCredential>> {
        self.credentials.get(&(mechanism, user.clone()))
    }

    /// All credentials: mechanism, user, credential.
    pub fn iter(&self) -> impl Iterator<Item = (i8, &Str, &Arc<ScramCredential>)> {
        self.credentials.iter().map(|((mechanism, user), credential)| (*mechanism, user, credential))
    }

    pub(super) fn set(&mut self, record: &UserScramCredentialRecord) -> Result<(), Contradiction> {
        let credential = ScramCredential {
            salt: Bytes::copy_from_slice(&record.salt),
            stored_key: Bytes::copy_from_slice(&record.stored_key),
            server_key: Bytes::copy_from_slice(&record.server_key),
            iterations: record.iterations,
        };
        self.credentials.insert((record.mechanism, record.name.detached()), Arc::new(credential));
        Ok(())
    }

    pub(super) fn remove(&mut self, record: &RemoveUserScramCredentialRecord) -> Result<(), Contradiction> {
        self.credentials.remove(&(record.mechanism, record.name.clone()));
        Ok(())
    }
}
