//! Principals (KIP-11, KIP-590): who is at the other end of a connection, and how that travels in an envelope. Owns the type and its bytes;
//! never how anybody came to be one.

use std::fmt;

use bytes::Bytes;
use smallvec::SmallVec;
use wire::Str;
use wire::codec::{DecodeError, Decoder, Encoder};

/// Kafka's `KafkaPrincipal`. Fixed once a connection is authenticated, and the same after each re-authentication (KIP-368).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Principal {
    /// `User` of all that authenticate today.
    pub kind: Str,
    /// The name that the mechanism vouches for.
    pub name: Str,
    /// It logged in by a delegation token (KIP-48), which is not good for tokens.
    pub by_token: bool,
}

/// `User:name`.
pub(crate) struct Spelled(SmallVec<[u8; 64]>);

impl Spelled {
    /// The text.
    pub fn as_str(&self) -> &str {
        // Two texts and a colon are one.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The type of everybody who authenticates.
const USER: &str = "User";

/// Version of `DefaultPrincipalData`.
const VERSION: i16 = 0;

impl Principal {
    /// A user.
    pub fn user(name: &str) -> Principal {
        Principal { kind: Str::from(USER), name: Str::from(name), by_token: false }
    }

    /// Whoever is not authenticated: `User:ANONYMOUS`.
    pub fn anonymous() -> Principal {
        Principal::user("ANONYMOUS")
    }

    /// Nobody in particular.
    pub(crate) fn is_anonymous(&self) -> bool {
        self == &Principal::anonymous()
    }

    /// `User:alice`, as ACLs and `super.users` spell it; `None` without both parts.
    pub fn parse(text: &str) -> Option<Principal> {
        let (kind, name) = text.split_once(':')?;
        let whole = !kind.is_empty() && !name.is_empty();
        whole.then(|| Principal { kind: Str::from(kind), name: Str::from(name), by_token: false })
    }

    /// As entries spell it, without memory of its own where it is of a usual length: it is asked for with every request.
    pub(crate) fn spelled(&self) -> Spelled {
        let mut bytes = SmallVec::new();
        bytes.extend_from_slice(self.kind.as_bytes());
        bytes.push(b':');
        bytes.extend_from_slice(self.name.as_bytes());
        Spelled(bytes)
    }

    /// Version and message of Kafka's `DefaultPrincipalData`.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut to = Encoder::new();
        to.i16(VERSION);
        to.set_flexible(true);
        to.nullable_string(Some(&self.kind));
        to.nullable_string(Some(&self.name));
        to.i8(i8::from(self.by_token));
        to.unsigned_varint(0);
        to.into_bytes()
    }

    /// Out of what an envelope carries.
    pub(crate) fn from_bytes(bytes: &Bytes) -> Result<Principal, DecodeError> {
        let mut from = Decoder::of(bytes.clone());
        if from.i16()? != VERSION {
            return Err(DecodeError::InvalidLength);
        }
        from.set_flexible(true);
        let mut text = || from.nullable_string()?.ok_or(DecodeError::UnexpectedNull);
        let (kind, name) = (text()?.detached(), text()?.detached());
        Ok(Principal { kind, name, by_token: from.bool()? })
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_comes_back_as_it_went_and_nothing_else_is_one() {
        let alice = Principal::user("CN=a:b");
        let bytes = alice.to_bytes();
        assert_eq!(&bytes[..], b"\0\0\x05User\x07CN=a:b\0\0");
        assert_eq!(Principal::from_bytes(&bytes), Ok(alice.clone()));
        let by_token = Principal { by_token: true, ..alice };
        assert_eq!(Principal::from_bytes(&by_token.to_bytes()), Ok(by_token));
        for end in 0..bytes.len() - 1 {
            assert!(Principal::from_bytes(&bytes.slice(..end)).is_err(), "{end}");
        }
        assert!(
            Principal::from_bytes(&Bytes::from_static(b"\0\x01\x05User\x02a\0\0")).is_err(),
            "a later version"
        );
    }

    #[test]
    fn a_text_is_a_principal_only_with_both_parts() {
        assert_eq!(Principal::parse("User:CN=a:b"), Some(Principal::user("CN=a:b")));
        for text in ["", "alice", ":alice", "User:"] {
            assert_eq!(Principal::parse(text), None, "{text}");
        }
        for principal in [Principal::anonymous(), Principal::user(&"é".repeat(100))] {
            assert_eq!(principal.spelled().as_str(), principal.to_string());
        }
        assert_eq!(Principal::anonymous().to_string(), "User:ANONYMOUS");
    }
}
