//! Tokens of every kind, good and otherwise, against a listener's rules and a set of keys.

mod signed;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use wire::base64::URL_SAFE;
use wire::random::SplitMix64;
use wire::sasl::jaas::Contexts;

use self::signed::{CLAIMS, JWKS, SIGNED};
use super::*;
use crate::config::BrokerFile;
use crate::security::sasl::SaslTerms;

/// Within the time of the tokens.
const NOW_MS: i64 = 1_800_000_000_000;

const GOOD: [(&str, &str); 5] = [
    ("sasl.enabled.mechanisms", "OAUTHBEARER"),
    ("sasl.oauthbearer.jwks.endpoint.url", "file:///keys"),
    ("sasl.oauthbearer.allowed.urls", "https://x/y,file:///keys"),
    ("sasl.oauthbearer.expected.issuer", "issuer"),
    ("sasl.oauthbearer.expected.audience", "kafka,else"),
];

/// What a listener is with `GOOD` and these lines; a line that is empty takes one away.
fn read(lines: &[(&str, &str)]) -> Result<Arc<Verifier>, String> {
    let mut values: std::collections::BTreeMap<String, String> =
        GOOD.iter().chain(lines).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    values.retain(|_, value| !value.is_empty());
    let terms = SaslTerms::read(&BrokerFile::checked(values), "CLIENTS", &Contexts::new(), [1; 32])?;
    Ok(terms.verifier().unwrap().clone())
}

fn verifier(lines: &[(&str, &str)]) -> Arc<Verifier> {
    let verifier = read(lines).unwrap();
    verifier.trust(Jwks::parse(JWKS.as_bytes()).unwrap());
    verifier
}

fn encoded(header: &serde_json::Value, claims: &str) -> String {
    format!("{}.{}", URL_SAFE.encode(header.to_string().as_bytes()), URL_SAFE.encode(claims.as_bytes()))
}

fn token(at: usize) -> String {
    let (alg, kid, signature) = SIGNED[at];
    let header = kid.map_or(json!({ "alg": alg }), |kid| json!({ "alg": alg, "kid": kid }));
    format!("{}.{signature}", encoded(&header, CLAIMS))
}

#[test]
fn every_algorithm_names_the_bearer_and_one_changed_bit_nobody() {
    let verifier = verifier(&[]);
    let mut random = SplitMix64::new(5);
    for (at, (alg, ..)) in SIGNED.iter().enumerate() {
        let token = token(at);
        let who = verifier.verify(&token, NOW_MS).unwrap_or_else(|why| panic!("{alg}: {why}"));
        assert_eq!((who.username.as_str(), who.expires_ms), ("alice", Some(2_000_000_000_000)));
        for _ in 0..40 {
            let mut bytes = token.clone().into_bytes();
            // The last character of a part has bits that say nothing.
            let place = random.below(bytes.len() as u64 - 1) as usize;
            if bytes[place] == b'.' || bytes[place + 1] == b'.' {
                continue;
            }
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(changed == token || verifier.verify(&changed, NOW_MS).is_err(), "{alg} at {place}");
        }
    }
}

#[test]
fn a_token_that_nobody_signed_or_the_wrong_one_is_refused() {
    let verifier = verifier(&[]);
    let (_, _, signature) = SIGNED[0];
    let with =
        |header: serde_json::Value, signature: &str| format!("{}.{signature}", encoded(&header, CLAIMS));
    let modulus = serde_json::from_str::<serde_json::Value>(JWKS).unwrap()["keys"][0]["n"].to_string();
    let secret = wire::sasl::scram::Mechanism::Sha256;
    let hs256 = |key: &[u8]| {
        let signed = encoded(&json!({"alg": "HS256", "kid": "rsa"}), CLAIMS);
        format!("{signed}.{}", URL_SAFE.encode(&secret.signature(key, signed.as_bytes())))
    };
    let cases = [
        (with(json!({"alg": "none"}), ""), "signed by none"),
        (with(json!({"alg": "None"}), signature), "signed by None"),
        (hs256(modulus.as_bytes()), "signed by HS256"),
        (hs256(b"secret"), "signed by HS256"),
        (with(json!({"alg": "RS256", "kid": "else"}), signature), "no key for RS256 with kid else"),
        (with(json!({"alg": "RS256", "kid": "p256"}), signature), "no key for RS256 with kid p256"),
        (with(json!({"alg": "RS256", "kid": "enc"}), signature), "no key for RS256 with kid enc"),
        (with(json!({"alg": "RS256", "kid": 7}), signature), "kid is no text"),
        (with(json!({"alg": "RS256"}), signature), "signature is wrong"),
        (with(json!({"alg": "RS256", "kid": "rsa", "crit": []}), signature), "crit"),
        (with(json!({"kid": "rsa"}), signature), "no alg"),
        (with(json!(["RS256"]), signature), "header"),
        (with(json!({"alg": "RS256", "kid": "rsa"}), ""), "signature is wrong"),
        ("a.b".to_owned(), "three parts"),
        ("a.b.c.d".to_owned(), "three parts"),
        ("...".to_owned(), "three parts"),
        ("..".to_owned(), "header"),
    ];
    for (token, expected) in cases {
        let why = verifier.verify(&token, NOW_MS).unwrap_err();
        assert!(why.contains(expected), "{expected}: {why}");
    }
}

#[test]
fn claims_are_held_against_what_the_listener_asks() {
    let refused = |lines: &[(&str, &str)], now_ms| verifier(lines).verify(&token(0), now_ms).unwrap_err();
    let expires_ms = 2_000_000_000_000;
    assert!(refused(&[], expires_ms + 30_000).contains("expired"));
    assert!(verifier(&[]).verify(&token(0), expires_ms + 29_999).is_ok(), "clocks differ by 30 s");
    let exact = [("sasl.oauthbearer.clock.skew.seconds", "0")];
    assert!(refused(&exact, expires_ms).contains("expired"));
    assert!(refused(&[("sasl.oauthbearer.expected.issuer", "issuer2")], NOW_MS).contains("iss"));
    assert!(refused(&[("sasl.oauthbearer.expected.audience", "kafk")], NOW_MS).contains("aud"));
    assert!(refused(&[("sasl.oauthbearer.sub.claim.name", "email")], NOW_MS).contains("email"));
    let by_issuer = verifier(&[("listener.name.clients.oauthbearer.sasl.oauthbearer.sub.claim.name", "iss")]);
    assert_eq!(by_issuer.verify(&token(0), NOW_MS).unwrap().username, "issuer");
    let open = verifier(&[
        ("sasl.oauthbearer.expected.issuer", ""),
        ("sasl.oauthbearer.expected.audience", ""),
        ("sasl.oauthbearer.allow.unverified.issuer", "true"),
        ("sasl.oauthbearer.allow.unverified.audience", "true"),
    ]);
    assert!(open.verify(&token(0), NOW_MS).is_ok());
    assert_eq!(open.warnings().len(), 2);
}

const UNSECURED: [(&str, &str); 2] =
    [("sasl.oauthbearer.jwks.endpoint.url", ""), ("sasl.oauthbearer.allow.unsecured.tokens", "true")];

#[test]
fn unsecured_tokens_are_let_in_only_where_that_was_asked_for_and_their_claims_must_be_good_still() {
    let verifier = read(&UNSECURED).unwrap();
    assert!(verifier.source().is_none() && verifier.warnings()[0].contains("everybody"));
    let of =
        |claims: serde_json::Value| format!("{}.", encoded(&json!({"alg": "none"}), &claims.to_string()));
    let good = json!({"sub": " bob ", "exp": 1_900_000_000.5, "iss": "issuer", "aud": "else"});
    assert_eq!(
        verifier.verify(&of(good.clone()), NOW_MS).map(|who| (who.username, who.expires_ms)),
        Ok(("bob".to_owned(), Some(1_900_000_000_500)))
    );
    assert!(verifier.verify(&token(0), NOW_MS).unwrap_err().contains("it is signed"));
    let changes = [
        (json!({"exp": null}), "exp is no date"),
        (json!({"exp": "soon"}), "exp is no date"),
        (json!({"exp": -1}), "exp is no date"),
        (json!({"exp": 1e300}), "exp is no date"),
        (json!({"exp": 1_700_000_000}), "expired"),
        (json!({"nbf": 1_800_000_031}), "not good yet"),
        (json!({"iat": "x"}), "iat is no date"),
        (json!({"sub": " "}), "names nobody"),
        (json!({"sub": ["bob"]}), "names nobody"),
        (json!({"aud": ["x", 7]}), "aud"),
        (json!({"aud": {"kafka": 1}}), "aud"),
        (json!({"iss": ["issuer"]}), "iss"),
        (json!({"scope": ["a", "a"]}), "scopes"),
        (json!({"scope": ["a", 7]}), "scopes"),
        (json!({"scope": " "}), "scope is empty"),
    ];
    for (change, expected) in changes {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let why = verifier.verify(&of(claims), NOW_MS).unwrap_err();
        assert!(why.contains(expected), "{change}: {why}");
    }
    for claims in ["", "[]", "{", "\"x\"", "{\"exp\":1", "nul"] {
        let token = format!("{}.", encoded(&json!({"alg": "none"}), claims));
        assert!(verifier.verify(&token, NOW_MS).unwrap_err().contains("claims"), "{claims}");
    }
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(300_000), "]".repeat(300_000));
    assert!(verifier.verify(&format!("{}.", encoded(&json!({"alg": "none"}), &deep)), NOW_MS).is_err());
}

#[test]
fn a_listener_that_could_not_check_a_token_is_not_made() {
    let cases: [(&[(&str, &str)], &str); 7] = [
        (&[("sasl.oauthbearer.jwks.endpoint.url", "")], "nothing says who signs"),
        (&[("sasl.oauthbearer.allowed.urls", "")], "not among sasl.oauthbearer.allowed.urls"),
        (&[("sasl.oauthbearer.allowed.urls", "file:///keys/")], "not among sasl.oauthbearer.allowed.urls"),
        (&[("sasl.oauthbearer.jwks.endpoint.url", "ftp://x")], "begins with none of"),
        (&[("sasl.oauthbearer.expected.issuer", "")], "allow.unverified.issuer"),
        (&[("sasl.oauthbearer.expected.audience", "")], "allow.unverified.audience"),
        (&[("sasl.oauthbearer.allow.unsecured.tokens", "true")], "one of them is not meant"),
    ];
    for (lines, expected) in cases {
        let why = read(lines).unwrap_err();
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn before_there_are_keys_nobody_is_let_in_and_an_unknown_one_is_told_of() {
    let verifier = read(&[]).unwrap();
    assert!(verifier.verify(&token(0), NOW_MS).unwrap_err().contains("not known yet"));
    let rung = Arc::new(AtomicU32::new(0));
    let bell = rung.clone();
    verifier.on_unknown_key(move || {
        bell.fetch_add(1, Ordering::Relaxed);
    });
    let mut keys: serde_json::Value = serde_json::from_str(JWKS).unwrap();
    keys["keys"].as_array_mut().unwrap().remove(0);
    verifier.trust(Jwks::parse(keys.to_string().as_bytes()).unwrap());
    assert!(verifier.verify(&token(0), NOW_MS).unwrap_err().contains("no key"));
    assert!(verifier.verify(&token(6), NOW_MS).is_ok());
    assert_eq!(rung.load(Ordering::Relaxed), 1);
    verifier.trust(Jwks::parse(JWKS.as_bytes()).unwrap());
    assert!(verifier.verify(&token(0), NOW_MS).is_ok());
    assert_eq!(rung.load(Ordering::Relaxed), 1);
}

#[test]
fn a_set_of_keys_is_read_or_refused_whole() {
    assert_eq!(Jwks::parse(JWKS.as_bytes()).map(|keys| keys.len()), Ok(3));
    let short = json!({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}).to_string();
    let many = json!({ "keys": vec![json!({}); 257] }).to_string();
    for bad in ["", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[]}", "{\"keys\":[1,null,\"x\"]}", &short, &many]
    {
        assert!(Jwks::parse(bad.as_bytes()).is_err(), "{}", bad.get(..40).unwrap_or(bad));
    }
    let mut random = SplitMix64::new(9);
    for _ in 0..2_000 {
        let mut bytes = JWKS.as_bytes().to_vec();
        for _ in 0..=random.below(3) {
            let place = random.below(bytes.len() as u64) as usize;
            bytes[place] = random.below(256) as u8;
        }
        bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
        if let Ok(keys) = Jwks::parse(&bytes) {
            assert!(!keys.is_empty());
        }
    }
}

#[test]
fn whatever_comes_as_a_token_ends_without_a_panic_and_names_nobody() {
    let (signed, open) = (verifier(&[]), read(&UNSECURED).unwrap());
    let pieces =
        [".", "e30", "eyJhbGciOiJub25lIn0", "eyJhbGciOiJSUzI1NiJ9", "AAAA", "=", "-_", "W10", "{}", "\u{e4}"];
    let mut random = SplitMix64::new(21);
    for _ in 0..20_000 {
        let token: String =
            (0..random.below(8)).map(|_| pieces[random.below(pieces.len() as u64) as usize]).collect();
        assert!(signed.verify(&token, NOW_MS).is_err() && open.verify(&token, NOW_MS).is_err(), "{token}");
    }
}
