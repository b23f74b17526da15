//! Keys and trusted certificates out of files and texts: PEM, PKCS#12, JKS, whichever the bytes are. Owns reading them once; errors are sentences
//! that name the file and never a password.

use std::fmt;
use std::path::Path;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

use super::der::{BadDer, Der, tag, value};
use super::entry::{Entry, StoreFault};
use super::pbe::{self, Locked};
use super::pem;
use super::x509::Certificate;
use super::{jks, pkcs12};

/// No store is larger; who names another file by mistake does not fill the memory.
const STORE_BYTES_MAX: u64 = 16 << 20;

/// Where a key and its certificates are.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// PKCS#12 or JKS.
    Store {
        /// The file.
        location: String,
        /// Opens it.
        password: Option<String>,
        /// Opens the key, if that is another one.
        key_password: Option<String>,
    },
    /// A PEM file with both.
    PemFile {
        /// The file.
        location: String,
        /// Opens the key, if it is encrypted.
        key_password: Option<String>,
    },
    /// PEM files, one for each (librdkafka's).
    PemFiles {
        /// The file of the certificates.
        certificates: String,
        /// The file of the key.
        key: String,
        /// Opens the key, if it is encrypted.
        key_password: Option<String>,
    },
    /// PEM texts.
    Pem {
        /// The certificates.
        certificates: String,
        /// The key.
        key: String,
        /// Opens the key, if it is encrypted.
        key_password: Option<String>,
    },
}

/// Where trusted certificates are.
#[derive(Clone, PartialEq, Eq)]
pub enum TrustSource {
    /// PKCS#12 or JKS.
    Store {
        /// The file.
        location: String,
        /// Opens it; JKS is not authenticated without one.
        password: Option<String>,
    },
    /// A PEM file.
    PemFile {
        /// The file.
        location: String,
    },
    /// A PEM text.
    Pem {
        /// The certificates.
        certificates: String,
    },
    /// What this machine trusts.
    System,
}

/// A key, open, and its certificates.
pub struct OpenKey {
    /// Its name in the store.
    pub alias: String,
    /// The key.
    pub key: PrivateKeyDer<'static>,
    /// Its certificate first.
    pub chain: Vec<Vec<u8>>,
}

impl KeySource {
    /// The files that it is read from.
    pub fn files(&self) -> Vec<&str> {
        match self {
            KeySource::Store { location, .. } | KeySource::PemFile { location, .. } => vec![location],
            KeySource::PemFiles { certificates, key, .. } => vec![certificates, key],
            KeySource::Pem { .. } => Vec::new(),
        }
    }

    /// All keys that it holds, at least one.
    pub fn read(&self) -> Result<Vec<OpenKey>, String> {
        let keys = match self {
            KeySource::Store { location, password, key_password } => {
                let said =
                    |fault: &dyn fmt::Display| format!("the key store {location} cannot be read: {fault}");
                let entries = entries(location, password.as_deref()).map_err(|fault| said(&fault))?;
                let key_password = key_password.as_ref().or(password.as_ref()).map_or("", String::as_str);
                open(entries, key_password).map_err(|why| said(&why))?
            }
            KeySource::PemFile { location, key_password } => {
                let text = text(location)?;
                let key = of_pem(&text, &text, key_password.as_deref());
                vec![key.map_err(|why| format!("the key store {location} cannot be read: {why}"))?]
            }
            KeySource::PemFiles { certificates, key, key_password } => {
                let opened = of_pem(&text(certificates)?, &text(key)?, key_password.as_deref());
                vec![opened.map_err(|why| format!("{certificates} and {key} cannot be read: {why}"))?]
            }
            KeySource::Pem { certificates, key, key_password } => {
                let opened = of_pem(certificates, key, key_password.as_deref());
                vec![
                    opened
                        .map_err(|why| format!("the certificate chain and its key cannot be read: {why}"))?,
                ]
            }
        };
        match keys.iter().find(|key| key.chain.is_empty()) {
            Some(bare) => Err(format!("the key {} has no certificate", bare.alias)),
            None if keys.is_empty() => Err(format!("{} holds no private key", self.files().join(", "))),
            None => Ok(keys),
        }
    }
}

impl TrustSource {
    /// The files that it is read from.
    pub fn files(&self) -> Vec<&str> {
        match self {
            TrustSource::Store { location, .. } | TrustSource::PemFile { location } => vec![location],
            TrustSource::Pem { .. } | TrustSource::System => Vec::new(),
        }
    }

    /// All certificates that it trusts, at least one.
    pub fn read(&self) -> Result<Vec<Vec<u8>>, String> {
        let (shown, found) = match self {
            TrustSource::Store { location, password } => {
                let entries = entries(location, password.as_deref());
                let entries =
                    entries.map_err(|fault| format!("the trust store {location} cannot be read: {fault}"))?;
                // As Java: certificates, and the own one of each key.
                let trusted = entries.into_iter().filter_map(|entry| match entry {
                    Entry::Trusted { certificate, .. } => Some(certificate),
                    Entry::Key { chain, .. } => chain.into_iter().next(),
                });
                (format!("the trust store {location}"), trusted.collect())
            }
            TrustSource::PemFile { location } => {
                let found = certificates(&text(location)?);
                let found =
                    found.map_err(|why| format!("the trust store {location} cannot be read: {why}"))?;
                (format!("the trust store {location}"), found)
            }
            TrustSource::Pem { certificates: text } => {
                let shown = "the text of trusted certificates".to_owned();
                (
                    shown,
                    certificates(text)
                        .map_err(|why| format!("the trusted certificates cannot be read: {why}"))?,
                )
            }
            TrustSource::System => ("this machine's list of certificates".to_owned(), systems()?),
        };
        let found: Vec<Vec<u8>> = found;
        if found.is_empty() {
            return Err(format!(
                "{shown} holds no trusted certificate (of PKCS12 those count that keytool -importcert marked as trusted)"
            ));
        }
        match found.iter().position(|one| Certificate::read(one).is_err()) {
            Some(at) => Err(format!("{shown}: its certificate {} is damaged", at + 1)),
            None => Ok(found),
        }
    }
}

/// The lists of revoked certificates in a PEM file, at least one.
pub fn revocation_lists(location: &str) -> Result<Vec<Vec<u8>>, String> {
    let said = |why: &str| format!("the lists of revoked certificates in {location} cannot be read: {why}");
    let blocks = pem::blocks(&text(location)?).map_err(|why| said(&why))?;
    let lists = blocks.into_iter().filter(|block| block.label == "X509 CRL");
    let found: Vec<Vec<u8>> = lists.map(|block| block.bytes).collect();
    if found.is_empty() { Err(said("it has no block X509 CRL")) } else { Ok(found) }
}

/// The bytes of a file, if it is not absurdly large.
fn bytes(location: &str) -> Result<Vec<u8>, String> {
    let failed = |why: &dyn fmt::Display| format!("cannot read {location}: {why}");
    let size = std::fs::metadata(Path::new(location)).map_err(|error| failed(&error))?.len();
    if size > STORE_BYTES_MAX {
        return Err(failed(&"it is larger than any key store"));
    }
    std::fs::read(location).map_err(|error| failed(&error))
}

fn text(location: &str) -> Result<String, String> {
    let bytes = bytes(location)?;
    if !bytes.is_ascii() {
        return Err(format!(
            "{location} is no PEM file (ssl.keystore.type and ssl.truststore.type say what a file is)"
        ));
    }
    String::from_utf8(bytes).map_err(|_| format!("{location} is no text"))
}

/// Java reads either kind under either name, for the first bytes say which it is.
fn entries(location: &str, password: Option<&str>) -> Result<Vec<Entry>, StoreFault> {
    let bytes = bytes(location).map_err(StoreFault::Damaged)?;
    entries_of(&bytes, password)
}

pub(super) fn entries_of(bytes: &[u8], password: Option<&str>) -> Result<Vec<Entry>, StoreFault> {
    match bytes.first_chunk::<4>() {
        Some(&jks::MAGIC) => jks::entries(bytes, password),
        Some(&jks::MAGIC_OF_JCEKS) => Err(jks::is_not_read("JCEKS")),
        Some(b"----") => Err(StoreFault::Damaged("it is a PEM file, whose type is PEM".to_owned())),
        _other => pkcs12::entries(bytes, password),
    }
}

fn open(entries: Vec<Entry>, password: &str) -> Result<Vec<OpenKey>, String> {
    let mut opened = Vec::new();
    for entry in entries {
        let Entry::Key { alias, encrypted, key, chain } = entry else { continue };
        let key = if encrypted {
            unlock(&key, password).map_err(|why| format!("its key {alias}: {why}"))?
        } else {
            key
        };
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(whole_ec_key(key, &chain)));
        opened.push(OpenKey { alias, key, chain });
    }
    Ok(opened)
}

fn unlock(key: &[u8], password: &str) -> Result<Vec<u8>, String> {
    pbe::private_key(key, password).map_err(|locked| match locked {
        Locked::WrongPassword => "the key's password is wrong".to_owned(),
        Locked::Unknown(why) => {
            format!("{why}: openssl pkcs8 -topk8 -v2 aes-256-cbc makes a readable key of it")
        }
        Locked::Damaged => BadDer.to_string(),
    })
}

fn of_pem(certificate_text: &str, key_text: &str, password: Option<&str>) -> Result<OpenKey, String> {
    let chain = certificates(certificate_text)?;
    let blocks = pem::blocks(key_text)?;
    let mut keys = blocks.into_iter().filter(|block| block.label.ends_with("PRIVATE KEY"));
    let Some(block) = keys.next() else { return Err("there is no private key in it".to_owned()) };
    if keys.next().is_some() {
        return Err("there is more than one private key in it".to_owned());
    }
    let key = match block.label.as_str() {
        "PRIVATE KEY" => PrivatePkcs8KeyDer::from(whole_ec_key(block.bytes, &chain)).into(),
        "ENCRYPTED PRIVATE KEY" => {
            let Some(password) = password else {
                return Err("its private key is encrypted, and there is no ssl.key.password".to_owned());
            };
            PrivatePkcs8KeyDer::from(whole_ec_key(unlock(&block.bytes, password)?, &chain)).into()
        }
        "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(block.bytes).into(),
        "EC PRIVATE KEY" => PrivateSec1KeyDer::from(block.bytes).into(),
        other => return Err(format!("its {other} is of no kind that is read here")),
    };
    Ok(OpenKey { alias: "kafka".to_owned(), key, chain })
}

fn certificates(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let is_one = |label: &str| matches!(label, "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE");
    let blocks = pem::blocks(text)?;
    let found: Vec<_> = blocks.into_iter().filter(|one| is_one(&one.label)).map(|one| one.bytes).collect();
    if found.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(found) }
}

/// Java leaves the public key out of keys on elliptic curves, and the signer here wants it: the certificate has it. Whether they fit is
/// looked at later, as of every key.
fn whole_ec_key(key: Vec<u8>, chain: &[Vec<u8>]) -> Vec<u8> {
    let certificate = chain.first().and_then(|first| Certificate::read(first).ok());
    let whole =
        certificate.and_then(|certificate| with_public_key(&key, &certificate.public_key).ok().flatten());
    whole.unwrap_or(key)
}

/// `None`: it is no such key, or has what it needs.
fn with_public_key(key: &[u8], public_key: &[u8]) -> Result<Option<Vec<u8>>, BadDer> {
    const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    let mut info = Der::new(key).sequence()?;
    let version = info.any()?;
    let algorithm = info.any()?;
    let mut of_algorithm = Der::new(algorithm.content);
    if of_algorithm.expect(tag::OID)? != EC {
        return Ok(None);
    }
    let mut private = info.inside(tag::OCTET_STRING)?.sequence()?;
    let (one, secret) = (private.any()?, private.any()?);
    private.optional(tag::context(0))?;
    if private.optional(tag::context(1))?.is_some() {
        return Ok(None);
    }
    let mut public = Der::new(public_key).sequence()?;
    public.sequence()?;
    let point = value(tag::context(1), &[public.any()?.whole]);
    let private = value(tag::SEQUENCE, &[one.whole, secret.whole, &point]);
    let private = value(tag::OCTET_STRING, &[&private]);
    Ok(Some(value(tag::SEQUENCE, &[version.whole, algorithm.whole, &private])))
}

/// Where Linux distributions and others keep what they trust.
const SYSTEMS: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

fn systems() -> Result<Vec<Vec<u8>>, String> {
    let named = std::env::var("SSL_CERT_FILE").ok();
    let first =
        named.as_deref().into_iter().chain(SYSTEMS.iter().copied()).find(|path| Path::new(path).exists());
    let Some(path) = first else {
        return Err("no trusted certificates are given, and this machine has no list of them".to_owned());
    };
    let text = String::from_utf8_lossy(&bytes(path)?).into_owned();
    certificates(&text).map_err(|why| format!("{path}: {why}"))
}
