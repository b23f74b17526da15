//! The keys that an issuer signs by (RFC 7517): which of them are used here, and whether one of them made a signature. Owns the public keys;
//! secrets that both sides share are none, so that no public key can be taken for one.

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value;
use wire::base64::URL_SAFE;

/// More than these no issuer has.
const KEYS_MAX: usize = 256;

/// Bytes of the shortest modulus of RSA: 2,048 bits.
const MODULUS_BYTES_MIN: usize = 256;

/// How tokens may be signed. There is no algorithm without a public key among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
}

impl Algorithm {
    const ALL: [(Algorithm, &str); 8] = [
        (Self::Rs256, "RS256"),
        (Self::Rs384, "RS384"),
        (Self::Rs512, "RS512"),
        (Self::Ps256, "PS256"),
        (Self::Ps384, "PS384"),
        (Self::Ps512, "PS512"),
        (Self::Es256, "ES256"),
        (Self::Es384, "ES384"),
    ];

    pub(super) fn named(name: &str) -> Option<Algorithm> {
        Self::ALL.iter().find(|(_, own)| *own == name).map(|(algorithm, _)| *algorithm)
    }
}

/// Public keys of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwks {
    keys: Vec<Key>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    /// `kid`
    id: Option<String>,
    /// The one algorithm that it is for, if one is named.
    only: Option<String>,
    public: Public,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Public {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
}

impl Jwks {
    /// Reads a set. Keys of kinds that are not used here are passed over; a set without any other is none.
    pub fn parse(bytes: &[u8]) -> Result<Jwks, String> {
        let whole: Value =
            serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON ({error})"))?;
        let Some(entries) = whole.get("keys").and_then(Value::as_array) else {
            return Err("it is no set of keys: a JSON object with an array `keys`".to_owned());
        };
        if entries.len() > KEYS_MAX {
            return Err(format!("it has {} keys, more than {KEYS_MAX}", entries.len()));
        }
        let keys: Vec<Key> = entries.iter().filter_map(key).collect();
        if keys.is_empty() {
            return Err(format!(
                "none of its {} keys can sign: RSA of 2,048 bits and more, P-256 and P-384 can, for `use` sig",
                entries.len()
            ));
        }
        Ok(Jwks { keys })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// There are none; never so for a set that was read.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether one of the keys that may have signed this did; `None` where none may have.
    pub(super) fn is_signature(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
        signed: &[u8],
        signature: &[u8],
    ) -> Option<bool> {
        let mut may = self.keys.iter().filter(|key| key.is_for(algorithm, id)).peekable();
        may.peek()?;
        Some(may.any(|key| key.public.has_signed(algorithm, signed, signature)))
    }
}

impl Key {
    fn is_for(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        let named = self.only.as_deref().is_none_or(|only| Algorithm::named(only) == Some(algorithm));
        let of_kind = matches!(
            (&self.public, algorithm),
            (
                Public::Rsa { .. },
                Algorithm::Rs256
                    | Algorithm::Rs384
                    | Algorithm::Rs512
                    | Algorithm::Ps256
                    | Algorithm::Ps384
                    | Algorithm::Ps512
            ) | (Public::P256(_), Algorithm::Es256)
                | (Public::P384(_), Algorithm::Es384)
        );
        named && of_kind && id.is_none_or(|id| self.id.as_deref() == Some(id))
    }
}

impl Public {
    fn has_signed(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let rsa: &RsaParameters = match (self, algorithm) {
            (Public::P256(point), Algorithm::Es256) => {
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                return key.verify(signed, signature).is_ok();
            }
            (Public::P384(point), Algorithm::Es384) => {
                let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point);
                return key.verify(signed, signature).is_ok();
            }
            (_, Algorithm::Es256 | Algorithm::Es384) => return false,
            (_, Algorithm::Rs256) => &RSA_PKCS1_2048_8192_SHA256,
            (_, Algorithm::Rs384) => &RSA_PKCS1_2048_8192_SHA384,
            (_, Algorithm::Rs512) => &RSA_PKCS1_2048_8192_SHA512,
            (_, Algorithm::Ps256) => &RSA_PSS_2048_8192_SHA256,
            (_, Algorithm::Ps384) => &RSA_PSS_2048_8192_SHA384,
            (_, Algorithm::Ps512) => &RSA_PSS_2048_8192_SHA512,
        };
        match self {
            Public::Rsa { modulus, exponent } => {
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(rsa, signed, signature).is_ok()
            }
            Public::P256(_) | Public::P384(_) => false,
        }
    }
}

fn key(entry: &Value) -> Option<Key> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let number = |name: &str| {
        let bytes = URL_SAFE.decode(text(name)?)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.get(zeros..).map(<[u8]>::to_vec)
    };
    let point = |length: usize| {
        let [x, y] = [number("x")?, number("y")?];
        let mut point = vec![4];
        for part in [x, y] {
            point.extend(std::iter::repeat_n(0, length.checked_sub(part.len())?));
            point.extend(part);
        }
        Some(point)
    };
    if text("use").is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let public = match (text("kty")?, text("crv")) {
        ("RSA", _) => {
            let (modulus, exponent) = (number("n")?, number("e")?);
            if modulus.len() < MODULUS_BYTES_MIN || exponent.is_empty() {
                return None;
            }
            Public::Rsa { modulus, exponent }
        }
        ("EC", Some("P-256")) => Public::P256(point(32)?),
        ("EC", Some("P-384")) => Public::P384(point(48)?),
        (_, _) => return None,
    };
    let owned = |name: &str| text(name).map(str::to_owned);
    Some(Key { id: owned("kid"), only: owned("alg"), public })
}
