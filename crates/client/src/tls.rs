//! TLS of a client: `ssl.*` in Java's and librdkafka's spelling, and the connection terms that follow. Owns passwords and keys, and shows them to
//! nobody; files are read with the first connection, once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use net::tls::{ClientTls, KeySource, TlsOptions, TrustSource};

use crate::error::{self, Error};
use crate::properties::parse_bool;

/// What is obeyed; the first part is Java's, the second librdkafka's alone.
const OBEYED: &[&str] = &[
    "ssl.cipher.suites",
    "ssl.enabled.protocols",
    "ssl.endpoint.identification.algorithm",
    "ssl.engine.factory.class",
    "ssl.key.password",
    "ssl.keymanager.algorithm",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.protocol",
    "ssl.provider",
    "ssl.secure.random.implementation",
    "ssl.trustmanager.algorithm",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
    "enable.ssl.certificate.verification",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.crl.location",
    "ssl.key.location",
    "ssl.key.pem",
];

/// The properties of TLS as they were given.
#[derive(Clone, Default)]
pub(crate) struct TlsProperties {
    given: BTreeMap<String, String>,
    opened: Arc<OnceLock<error::Result<Arc<ClientTls>>>>,
}

impl fmt::Debug for TlsProperties {
    /// Passwords and keys never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsProperties({} [hidden])", self.given.len())
    }
}

impl TlsProperties {
    /// Sets one property. False: it is none of these.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> error::Result<bool> {
        if !OBEYED.contains(&key) {
            return Ok(false);
        }
        if key == "enable.ssl.certificate.verification" {
            parse_bool(key, value)?;
        }
        self.given.insert(key.to_owned(), value.trim().to_owned());
        self.opened = Arc::default();
        Ok(true)
    }

    /// The terms of connections.
    pub(crate) fn open(&self) -> error::Result<Arc<ClientTls>> {
        let open = || {
            let wrong = |why: String| Error::configuration("security.protocol", format!("no TLS: {why}"));
            let options = self.options().map_err(wrong)?;
            ClientTls::open(&options).map(Arc::new).map_err(wrong)
        };
        self.opened.get_or_init(open).clone()
    }

    fn options(&self) -> Result<TlsOptions, String> {
        let given = |key: &str| self.given.get(key).filter(|value| !value.is_empty()).cloned();
        let algorithm =
            self.given.get("ssl.endpoint.identification.algorithm").map_or("https", String::as_str);
        let mut options = TlsOptions::read(&given)?.identify_by(algorithm)?;
        if let Some(trust) = librdkafkas_trust(&given) {
            options.trust = Some(trust);
        }
        if let Some(key) = librdkafkas_key(&given)? {
            options.key = Some(key);
        }
        options.verifies = given("enable.ssl.certificate.verification").is_none_or(|value| value != "false");
        options.trust.get_or_insert(TrustSource::System);
        Ok(options)
    }
}

fn librdkafkas_trust(given: &impl Fn(&str) -> Option<String>) -> Option<TrustSource> {
    match (given("ssl.ca.location"), given("ssl.ca.pem")) {
        (Some(probe), _) if probe == "probe" => Some(TrustSource::System),
        (Some(location), _) => Some(TrustSource::PemFile { location }),
        (None, Some(certificates)) => Some(TrustSource::Pem { certificates }),
        (None, None) => None,
    }
}

fn librdkafkas_key(given: &impl Fn(&str) -> Option<String>) -> Result<Option<KeySource>, String> {
    let key_password = given("ssl.key.password");
    let files = (given("ssl.certificate.location"), given("ssl.key.location"));
    let texts = (given("ssl.certificate.pem"), given("ssl.key.pem"));
    match (files, texts) {
        ((Some(certificates), Some(key)), (None, None)) => {
            Ok(Some(KeySource::PemFiles { certificates, key, key_password }))
        }
        ((None, None), (Some(certificates), Some(key))) => {
            Ok(Some(KeySource::Pem { certificates, key, key_password }))
        }
        ((None, None), (None, None)) => Ok(None),
        _halves => Err(
            "a certificate and its key belong together: ssl.certificate.location and ssl.key.location, or \
                        ssl.certificate.pem and ssl.key.pem"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Result<TlsOptions, String> {
        let mut properties = TlsProperties::default();
        for (key, value) in pairs {
            assert!(properties.set(key, value).unwrap(), "{key}");
        }
        assert!(!format!("{properties:?}").contains("secret"));
        properties.options()
    }

    #[test]
    fn both_spellings_name_keys_and_trust() {
        let java = options(&[
            ("ssl.truststore.location", "/t"),
            ("ssl.truststore.password", "secret"),
            ("ssl.keystore.location", "/k"),
            ("ssl.keystore.password", "secret"),
        ]);
        assert_eq!(java.unwrap().files(), ["/k", "/t"]);
        let other = options(&[
            ("ssl.ca.location", "/t"),
            ("ssl.certificate.location", "/c"),
            ("ssl.key.location", "/k"),
            ("ssl.endpoint.identification.algorithm", "none"),
            ("enable.ssl.certificate.verification", "false"),
        ]);
        let other = other.unwrap();
        assert_eq!(
            (other.files(), other.verifies_host, other.verifies),
            (vec!["/c".into(), "/k".into(), "/t".into()], false, false)
        );
        let nothing = options(&[]).unwrap();
        assert!(nothing.verifies && nothing.verifies_host && nothing.trust == Some(TrustSource::System));
        assert!(options(&[("ssl.key.location", "/k")]).is_err());
        assert_eq!(options(&[("ssl.crl.location", "/r")]).unwrap().files(), ["/r"]);
        assert!(TlsProperties::default().set("ssl.sigalgs.list", "/x").is_ok_and(|known| !known));
    }
}
