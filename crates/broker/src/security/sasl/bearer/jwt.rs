//! A signed JWT in its short form (RFC 7515): three parts, the last over the first two. Owns the way from its text to claims that somebody
//! vouches for; what they must say is the rules' business. Nothing of the claims is looked at before the signature is found good.

use serde_json::Value;
use wire::base64::URL_SAFE;

use super::jwks::{Algorithm, Jwks};

/// Longer headers nobody writes.
const HEADER_BYTES_MAX: usize = 8 * 1024;

/// Why a token is not good.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// No key that is known may have signed it; the issuer may have a new one.
    UnknownKey(String),
    /// Anything else.
    Wrong(String),
}

impl From<&str> for Bad {
    fn from(why: &str) -> Bad {
        Bad::Wrong(why.to_owned())
    }
}

struct Parts<'a> {
    /// What is signed: header and claims as they came.
    signed: &'a str,
    header: Value,
    claims: &'a str,
    signature: &'a str,
}

/// The claims of a token that one of these keys has signed.
pub(super) fn signed(token: &str, keys: &Jwks) -> Result<Value, Bad> {
    let parts = parts(token)?;
    let name = algorithm(&parts.header)?;
    let Some(algorithm) = Algorithm::named(name) else {
        return Err(Bad::Wrong(format!("it is signed by {}, which no key here does", short(name))));
    };
    let id = match parts.header.get("kid") {
        None => None,
        Some(Value::String(id)) => Some(id.as_str()),
        Some(_) => return Err("its kid is no text".into()),
    };
    let signature = URL_SAFE.decode(parts.signature).ok_or("its signature is no base64")?;
    match keys.is_signature(algorithm, id, parts.signed.as_bytes(), &signature) {
        Some(true) => claims(&parts),
        Some(false) => Err("its signature is wrong".into()),
        None => {
            let id = id.map_or("that has no kid".to_owned(), |id| format!("with kid {}", short(id)));
            Err(Bad::UnknownKey(format!("there is no key for {name} {id}")))
        }
    }
}

/// The claims of a token that nobody has signed, and that says so.
pub(super) fn unsecured(token: &str) -> Result<Value, Bad> {
    let parts = parts(token)?;
    if algorithm(&parts.header)? != "none" || !parts.signature.is_empty() {
        return Err(
            "it is signed, and nothing says by whom it may be: only unsecured tokens are let in".into()
        );
    }
    claims(&parts)
}

fn parts(token: &str) -> Result<Parts<'_>, Bad> {
    const THREE: &str = "it has not three parts";
    let (signed, signature) = token.rsplit_once('.').ok_or(THREE)?;
    let (header, claims) = signed.split_once('.').filter(|(_, claims)| !claims.contains('.')).ok_or(THREE)?;
    if header.len() > HEADER_BYTES_MAX {
        return Err("its header is too long".into());
    }
    let header = object(header, "header")?;
    if header.get("crit").is_some() {
        return Err("its header has a part that must be understood and is not (crit)".into());
    }
    Ok(Parts { signed, header, claims, signature })
}

fn algorithm(header: &Value) -> Result<&str, Bad> {
    header.get("alg").and_then(Value::as_str).ok_or_else(|| "its header names no alg".into())
}

fn claims(parts: &Parts<'_>) -> Result<Value, Bad> {
    object(parts.claims, "claims")
}

fn object(text: &str, what: &str) -> Result<Value, Bad> {
    let bytes = URL_SAFE.decode(text).ok_or_else(|| Bad::Wrong(format!("its {what} are no base64")))?;
    // The reader stops at a depth of 128.
    match serde_json::from_slice(&bytes) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) | Err(_) => Err(Bad::Wrong(format!("its {what} are no JSON object"))),
    }
}

/// A text that a stranger chose, for a line of a log.
fn short(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}
