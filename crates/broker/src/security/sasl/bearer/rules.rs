//! What a listener asks of tokens: `sasl.oauthbearer.*`, and the claims held against it. Owns the rules as the file has them; a listener that
//! could not check a token is not made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;
use wire::sasl::server::{Mechanism, Who};

use crate::config::{OfListener, list};

/// Where the keys come from.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// `sasl.oauthbearer.jwks.endpoint.url`: of `file`, `http` or `https`; it stands in the list of allowed ones.
    pub url: String,
    /// `sasl.oauthbearer.jwks.endpoint.refresh.ms`
    pub refresh_ms: u64,
    /// `sasl.oauthbearer.jwks.endpoint.retry.backoff.ms`
    pub backoff_ms: u64,
    /// `sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms`
    pub backoff_max_ms: u64,
    /// `ssl.*` of the JAAS entry: whom a URL of `https` is believed by, and the key that is shown to it. They hold passwords.
    pub tls: BTreeMap<String, String>,
}

impl fmt::Debug for Source {
    /// Passwords never reach a log, nor what stands in a query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.split('?').next().unwrap_or_default())
    }
}

/// Who signs tokens.
#[derive(Debug)]
pub(super) enum Signed {
    /// Whoever has one of the keys that are found here.
    By(Source),
    /// Nobody: everybody is who he says he is.
    Nobody,
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) signed: Signed,
    issuer: Option<String>,
    audience: BTreeSet<String>,
    skew_ms: i64,
    scope_claim: String,
    subject_claim: String,
}

const URL: &str = "sasl.oauthbearer.jwks.endpoint.url";
const ALLOWED_URLS: &str = "sasl.oauthbearer.allowed.urls";
const UNSECURED: &str = "sasl.oauthbearer.allow.unsecured.tokens";
const ISSUER: &str = "sasl.oauthbearer.expected.issuer";
const AUDIENCE: &str = "sasl.oauthbearer.expected.audience";
const ANY_ISSUER: &str = "sasl.oauthbearer.allow.unverified.issuer";
const ANY_AUDIENCE: &str = "sasl.oauthbearer.allow.unverified.audience";

impl Rules {
    pub(super) fn read(of: &OfListener<'_>, options: &BTreeMap<String, String>) -> Result<Rules, String> {
        let text = |key: &str| {
            let value = of.of_mechanism(Mechanism::OauthBearer.name(), key);
            value.filter(|value| !value.is_empty())
        };
        let flag = |key: &str| text(key).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let number = |key: &str| text(key).and_then(|value| value.parse().ok()).unwrap_or(0);
        let issuer = text(ISSUER).map(str::to_owned);
        let audience: BTreeSet<String> =
            list(text(AUDIENCE).unwrap_or_default()).into_iter().map(str::to_owned).collect();
        let signed = match (text(URL), flag(UNSECURED)) {
            (Some(_), true) => {
                return Err(format!(
                    "{UNSECURED} lets everybody in, and {URL} says who signs: one of them is not meant"
                ));
            }
            (None, true) => Signed::Nobody,
            (None, false) => {
                return Err(format!(
                    "it offers OAUTHBEARER, and nothing says who signs tokens: {URL} is not set"
                ));
            }
            (Some(url), false) => {
                is_allowed(url, &list(text(ALLOWED_URLS).unwrap_or_default()))?;
                // A URL alone would let in whoever has a token of this issuer, whomever it is for.
                if audience.is_empty() && !flag(ANY_AUDIENCE) {
                    return Err(unchecked("audience (\"aud\")", AUDIENCE, ANY_AUDIENCE));
                }
                if issuer.is_none() && !flag(ANY_ISSUER) {
                    return Err(unchecked("issuer (\"iss\")", ISSUER, ANY_ISSUER));
                }
                Signed::By(Source {
                    url: url.to_owned(),
                    refresh_ms: number("sasl.oauthbearer.jwks.endpoint.refresh.ms"),
                    backoff_ms: number("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms"),
                    backoff_max_ms: number("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms"),
                    tls: options.clone().into_iter().filter(|(key, _)| key.starts_with("ssl.")).collect(),
                })
            }
        };
        let owned = |key: &str| text(key).unwrap_or_default().to_owned();
        Ok(Rules {
            signed,
            issuer,
            audience,
            skew_ms: i64::try_from(number("sasl.oauthbearer.clock.skew.seconds")).unwrap_or(0) * 1000,
            scope_claim: owned("sasl.oauthbearer.scope.claim.name"),
            subject_claim: owned("sasl.oauthbearer.sub.claim.name"),
        })
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let mut found = Vec::new();
        if matches!(self.signed, Signed::Nobody) {
            found.push(format!("{UNSECURED}: everybody is let in as whoever he says he is; for tests only"));
            return found;
        }
        if self.issuer.is_none() {
            found.push(format!(
                "{ANY_ISSUER}: tokens of any issuer are taken, if one of the keys has signed them"
            ));
        }
        if self.audience.is_empty() {
            found.push(format!("{ANY_AUDIENCE}: tokens are taken that were made for somebody else"));
        }
        found
    }

    /// Whom the claims name, if they are good at this time of the wall clock.
    pub(super) fn check(&self, claims: &Value, wall_ms: i64) -> Result<Who, String> {
        if let Some(expected) = &self.issuer
            && claims.get("iss").and_then(Value::as_str) != Some(expected)
        {
            return Err(format!("its issuer (iss) is not {expected}"));
        }
        if !self.audience.is_empty() && !is_for(claims.get("aud"), &self.audience) {
            return Err("its audience (aud) is none of those expected here".to_owned());
        }
        let Some(expires_ms) = date(claims, "exp")? else {
            return Err("it says not when it ends (exp)".to_owned());
        };
        // A token that nobody signed need not say when nobody did.
        if date(claims, "iat")?.is_none() && !matches!(self.signed, Signed::Nobody) {
            return Err("it says not since when it is (iat)".to_owned());
        }
        if wall_ms.saturating_sub(self.skew_ms) >= expires_ms {
            return Err("it has expired (exp)".to_owned());
        }
        if date(claims, "nbf")?.is_some_and(|begins_ms| wall_ms.saturating_add(self.skew_ms) < begins_ms) {
            return Err("it is not good yet (nbf)".to_owned());
        }
        check_scope(claims.get(&self.scope_claim))?;
        match claims.get(&self.subject_claim).and_then(Value::as_str).map(str::trim) {
            Some(username) if !username.is_empty() => {
                Ok(Who { username: username.to_owned(), by_token: false, expires_ms: Some(expires_ms) })
            }
            _ => Err(format!("it names nobody ({})", self.subject_claim)),
        }
    }
}

/// Kafka has a system property for this, and none is allowed where it is not set.
fn is_allowed(url: &str, allowed: &[&str]) -> Result<(), String> {
    const SCHEMES: [&str; 3] = ["file://", "http://", "https://"];
    if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(format!("{URL}={url} begins with none of {}", SCHEMES.join(", ")));
    }
    if allowed.contains(&url) {
        return Ok(());
    }
    Err(format!(
        "{URL}={url} is not among {ALLOWED_URLS} (Kafka's system property org.apache.kafka.sasl.oauthbearer.allowed.urls)"
    ))
}

fn unchecked(what: &str, key: &str, otherwise: &str) -> String {
    format!(
        "tokens for others would be let in, for their {what} could not be checked: set {key}, or {otherwise}=true"
    )
}

fn is_for(audience: Option<&Value>, expected: &BTreeSet<String>) -> bool {
    match audience {
        Some(Value::String(one)) => expected.contains(one),
        Some(Value::Array(several)) => {
            several.iter().filter_map(Value::as_str).any(|one| expected.contains(one))
        }
        Some(_) | None => false,
    }
}

/// Seconds since the Unix epoch, perhaps with a fraction, in milliseconds.
fn date(claims: &Value, claim: &str) -> Result<Option<i64>, String> {
    /// The year 33658: what comes later is no date.
    const SECONDS_MAX: f64 = 1e12;
    match claims.get(claim).map(Value::as_f64) {
        None => Ok(None),
        Some(Some(seconds)) if (0.0..=SECONDS_MAX).contains(&seconds) => Ok(Some((seconds * 1000.0) as i64)),
        Some(_) => Err(format!("its {claim} is no date")),
    }
}

/// A text, or texts that are not empty and differ; nothing here looks for one of them.
fn check_scope(scope: Option<&Value>) -> Result<(), String> {
    let Some(Value::Array(scopes)) = scope else {
        return match scope {
            Some(Value::String(text)) if text.trim().is_empty() => Err("its scope is empty".to_owned()),
            _ => Ok(()),
        };
    };
    let mut seen = BTreeSet::new();
    for scope in scopes {
        match scope.as_str().map(str::trim) {
            Some(text) if !text.is_empty() && seen.insert(text) => {}
            _ => return Err("its scopes are not texts that differ".to_owned()),
        }
    }
    Ok(())
}
