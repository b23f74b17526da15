//! PLAIN (RFC 4616): a name and a password in one message. Owns its text and Kafka's words for what is wrong with it.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What a client says of itself.
#[derive(PartialEq, Eq)]
pub struct Claim<'a> {
    /// Who it is.
    pub username: &'a str,
    /// What proves it.
    pub password: &'a str,
}

/// Kafka's answer to a name that is not there and to a password that is wrong: the same.
pub const INVALID: &str = "Authentication failed: Invalid username or password";

/// Reads the client's message; the error is Kafka's sentence, which goes to the client.
pub fn read(message: &[u8]) -> Result<Claim<'_>, String> {
    let text = std::str::from_utf8(message)
        .map_err(|_| "Authentication failed: the SASL/PLAIN response is no UTF-8".to_owned())?;
    let tokens: Vec<&str> = text.splitn(4, '\0').collect();
    let [authorization, username, password] = tokens.as_slice() else {
        return Err(format!("Invalid SASL/PLAIN response: expected 3 tokens, got {}", tokens.len()));
    };
    if username.is_empty() {
        return Err("Authentication failed: username not specified".to_owned());
    }
    if password.is_empty() {
        return Err("Authentication failed: password not specified".to_owned());
    }
    if !authorization.is_empty() && authorization != username {
        let why =
            "Authentication failed: Client requested an authorization id that is different from username";
        return Err(why.to_owned());
    }
    Ok(Claim { username, password })
}

/// Whether the password is the user's. It takes as long for one who is not there, whatever the lengths.
pub fn is_right(known: Option<&str>, claimed: &str) -> bool {
    let (expected, claimed) = (Sha256::digest(known.unwrap_or("nobody")), Sha256::digest(claimed));
    bool::from(expected.ct_eq(&claimed)) & known.is_some()
}

/// The client's message.
pub fn message(username: &str, password: &str) -> Vec<u8> {
    [&b"\0"[..], username.as_bytes(), b"\0", password.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written_and_anything_else_refused() {
        let message = message("ali", "se:cret");
        let claim = read(&message).map(|claim| (claim.username, claim.password));
        assert_eq!(claim, Ok(("ali", "se:cret")));
        assert!(read(b"ali\0ali\0x").is_ok());
        let refused: [&[u8]; 7] = [b"", b"ali", b"\0ali", b"\0\0x", b"\0ali\0", b"bob\0ali\0x", b"\0a\0b\0c"];
        for bad in refused {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert!(read(&[0, 0xff, 0, 1]).is_err());
    }

    #[test]
    fn nobody_has_a_password() {
        assert!(is_right(Some("x"), "x"));
        assert!(!is_right(Some("x"), "y") && !is_right(None, "nobody") && !is_right(Some("x"), "xx"));
    }
}
