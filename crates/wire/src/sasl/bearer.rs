//! OAUTHBEARER (RFC 7628, KIP-255, KIP-342): the message by which a client hands over a token, and the answer to one that is not good.
//! Owns their text; what is in a token, and who signed it, is not looked at here.

use std::collections::BTreeMap;

use super::scram_text::{name_of, saslname};

/// What a client says of itself.
#[derive(PartialEq, Eq)]
pub(super) struct ClientFirst<'a> {
    /// Whom it wants to be; it must be who the token says.
    pub authorization: Option<String>,
    /// The token, of characters that a JWT has.
    pub token: &'a str,
}

/// The answer to a token that is not good: it says no more, whatever is wrong. The client acknowledges it, and is refused.
pub(super) const INVALID_TOKEN: &str = r#"{"status":"invalid_token"}"#;

/// By which a client acknowledges that answer.
pub(super) const ACKNOWLEDGED: &[u8] = b"\x01";

/// Divides pairs.
const SEPARATOR: char = '\u{1}';

/// What holds the token; no extension has this name.
const AUTH: &str = "auth";

pub(super) fn client_first(message: &[u8]) -> Option<ClientFirst<'_>> {
    let behind = std::str::from_utf8(message).ok()?.strip_prefix("n,")?;
    let (authorization, pairs) = behind.split_once(',')?;
    let authorization = match authorization.strip_prefix("a=") {
        Some(name) => Some(name_of(name)?),
        None if authorization.is_empty() => None,
        None => return None,
    };
    let pairs = pairs.strip_prefix(SEPARATOR)?.strip_suffix(SEPARATOR)?;
    let mut token = None;
    for pair in pairs.split_terminator(SEPARATOR) {
        let (key, value) = pair.split_once('=')?;
        if !is_key(key) || !is_value(value) {
            return None;
        }
        if key == AUTH && token.replace(bearer(value)?).is_some() {
            return None;
        }
    }
    pairs.ends_with(SEPARATOR).then_some(())?;
    token.map(|token| ClientFirst { authorization, token })
}

/// The client's message. `extensions` must be [`are_extensions`].
pub(super) fn message(
    token: &str,
    authorization: Option<&str>,
    extensions: &BTreeMap<String, String>,
) -> Vec<u8> {
    let authorization = authorization.map(|name| format!("a={}", saslname(name))).unwrap_or_default();
    let mut text = format!("n,{authorization},{SEPARATOR}{AUTH}=Bearer {token}{SEPARATOR}");
    for (key, value) in extensions {
        text.push_str(&format!("{key}={value}{SEPARATOR}"));
    }
    text.push(SEPARATOR);
    text.into_bytes()
}

/// Whether these may go with a token (KIP-342): names are letters, values are printable, and none is `auth`.
pub fn are_extensions(extensions: &BTreeMap<String, String>) -> bool {
    extensions.iter().all(|(key, value)| key != AUTH && is_key(key) && is_value(value))
}

/// Whether a text can be a token.
pub fn is_token(text: &str) -> bool {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(may_be)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && is_token(token)).then_some(token)
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_value(value: &str) -> bool {
    let may_be = |byte: u8| matches!(byte, 0x20..=0x7e | b'\t' | b'\r' | b'\n');
    !value.is_empty() && value.bytes().all(may_be)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let extensions = [("traceId".to_owned(), "a b=c".to_owned())].into_iter().collect();
        assert!(are_extensions(&extensions));
        let written = message("a.b-c_.d", Some("b=,x"), &extensions);
        assert_eq!(written, b"n,a=b=3D=2Cx,\x01auth=Bearer a.b-c_.d\x01traceId=a b=c\x01\x01");
        let first = client_first(&written).unwrap();
        assert_eq!((first.token, first.authorization.as_deref()), ("a.b-c_.d", Some("b=,x")));
        assert_eq!(message("t", None, &BTreeMap::new()), b"n,,\x01auth=Bearer t\x01\x01");
        // What librdkafka and others write differently.
        assert!(client_first(b"n,,\x01auth=bearer   t\x01\x01").is_some_and(|first| first.token == "t"));
        assert!(client_first(b"n,,\x01x=y\x01auth=Bearer t\x01\x01").is_some());
    }

    #[test]
    fn anything_else_is_refused() {
        let bad: [&[u8]; 17] = [
            b"",
            b"n,,",
            b"n,,\x01",
            b"n,,\x01\x01",
            b"n,,\x01auth=Bearer t\x01",
            b"n,,\x01auth=Bearer t",
            b"n,,auth=Bearer t\x01\x01",
            b"y,,\x01auth=Bearer t\x01\x01",
            b"n,x,\x01auth=Bearer t\x01\x01",
            b"n,a=,\x01auth=Bearer t\x01\x01",
            b"n,,\x01auth=Basic t\x01\x01",
            b"n,,\x01auth=Bearer t t\x01\x01",
            b"n,,\x01auth=Bearer \x01\x01",
            b"n,,\x01auth=Bearer t\x01auth=Bearer u\x01\x01",
            b"n,,\x01auth=Bearer t\x01e1=x\x01\x01",
            b"n,,\x01auth=Bearer t\x01e=\x01\x01",
            b"n,,\x01auth=Bearer t\xff\x01\x01",
        ];
        for bad in bad {
            assert!(client_first(bad).is_none(), "{}", bad.escape_ascii());
        }
        for (key, value) in [("auth", "x"), ("", "x"), ("a1", "x"), ("a", ""), ("a", "\u{1}")] {
            assert!(!are_extensions(&[(key.to_owned(), value.to_owned())].into_iter().collect()), "{key}");
        }
    }
}
