//! The `ssl.*` keys of one listener or client, read from their texts: what is said is in force afterwards, or a sentence says why not. Java's
//! spelling here; whoever speaks another translates it. Never opens a file.

use rustls::crypto::ring::{ALL_CIPHER_SUITES, cipher_suite};
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use super::mapping::Mapping;
use super::store::{KeySource, TrustSource};

/// Whether a client shows a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// It is not asked.
    None,
    /// It is asked and may refuse; what it shows is good.
    Requested,
    /// It has to.
    Required,
}

/// What is asked of one side of connections.
#[derive(Clone)]
pub struct TlsOptions {
    /// Its own key.
    pub key: Option<KeySource>,
    /// Whom it trusts.
    pub trust: Option<TrustSource>,
    /// `ssl.crl.location`: a file of lists of revoked certificates. Whatever an authority vouched for must be on none of them, and each
    /// authority's list must be there and in its time.
    pub revoked: Option<String>,
    /// `ssl.client.auth`
    pub client_auth: ClientAuth,
    /// `ssl.enabled.protocols`
    pub versions: Vec<&'static SupportedProtocolVersion>,
    /// `ssl.cipher.suites`
    pub suites: Vec<SupportedCipherSuite>,
    /// `ssl.endpoint.identification.algorithm`: the other side's certificate is for the host that was asked.
    pub verifies_host: bool,
    /// False: nobody looks at the other side's certificate (librdkafka's `enable.ssl.certificate.verification`).
    pub verifies: bool,
    /// `ssl.principal.mapping.rules`
    pub mapping: Mapping,
    /// `ssl.allow.dn.changes`
    pub may_change_name: bool,
    /// `ssl.allow.san.changes`
    pub may_change_alternatives: bool,
}

/// Asks for keys of Java's by their names, without a prefix.
type Asked<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Java's names of its own parts, which are not here: other values would promise something else.
const JAVAS: &[(&str, &[&str])] = &[
    ("ssl.protocol", &["TLS", "TLSv1.2", "TLSv1.3"]),
    ("ssl.keymanager.algorithm", &["SunX509", "PKIX", "NewSunX509"]),
    ("ssl.trustmanager.algorithm", &["PKIX", "SunX509", "X509"]),
    ("ssl.secure.random.implementation", &["SHA1PRNG", "NativePRNG", "NativePRNGNonBlocking", "DRBG"]),
    ("ssl.provider", &[]),
    ("ssl.engine.factory.class", &["org.apache.kafka.common.security.ssl.DefaultSslEngineFactory"]),
];

impl TlsOptions {
    /// Reads what is set. The error names the key, and never a password.
    pub fn read(asked: Asked<'_>) -> Result<TlsOptions, String> {
        let asked =
            &|name: &str| asked(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        for (name, harmless) in JAVAS {
            let value = asked(name);
            if let Some(value) =
                value.filter(|value| !harmless.iter().any(|one| one.eq_ignore_ascii_case(value)))
            {
                return Err(format!("{name}={value}: TLS is not Java's here, and this is not in force"));
            }
        }
        let yes = |name: &str| asked(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let rules = asked("ssl.principal.mapping.rules");
        Ok(TlsOptions {
            key: key(asked)?,
            trust: trust(asked)?,
            revoked: asked("ssl.crl.location"),
            client_auth: client_auth(asked("ssl.client.auth").as_deref())?,
            versions: versions(asked("ssl.enabled.protocols").as_deref())?,
            suites: suites(asked("ssl.cipher.suites").as_deref())?,
            // An empty value switches it off, and is a value.
            verifies_host: true,
            verifies: true,
            mapping: Mapping::read(rules.as_deref().unwrap_or_default())?,
            may_change_name: yes("ssl.allow.dn.changes"),
            may_change_alternatives: yes("ssl.allow.san.changes"),
        })
    }

    /// Takes `ssl.endpoint.identification.algorithm`: `https`, or empty (librdkafka: `none`) for no look at host names.
    pub fn identify_by(mut self, algorithm: &str) -> Result<TlsOptions, String> {
        self.verifies_host = match algorithm.trim().to_ascii_lowercase().as_str() {
            "https" => true,
            "" | "none" => false,
            other => {
                return Err(format!(
                    "ssl.endpoint.identification.algorithm={other}: https is known here, and none at all"
                ));
            }
        };
        Ok(self)
    }

    /// Files whose change means other keys or other trust.
    pub fn files(&self) -> Vec<String> {
        let of_key = self.key.iter().flat_map(KeySource::files);
        let of_others = self.trust.iter().flat_map(TrustSource::files).chain(self.revoked.as_deref());
        of_key.chain(of_others).map(str::to_owned).collect()
    }
}

fn key(asked: Asked<'_>) -> Result<Option<KeySource>, String> {
    let kind = asked("ssl.keystore.type").unwrap_or_else(|| "JKS".to_owned());
    let is_pem = is_pem("ssl.keystore.type", &kind)?;
    let (location, password) = (asked("ssl.keystore.location"), asked("ssl.keystore.password"));
    let key_password = asked("ssl.key.password");
    let refused = |why: &str| Err(why.to_owned());
    match (asked("ssl.keystore.key"), asked("ssl.keystore.certificate.chain")) {
        (Some(_), _) if !is_pem => {
            Err(format!("SSL private key can be specified only for PEM, but key store type is {kind}."))
        }
        (Some(_), None) => refused("SSL private key is specified, but certificate chain is not specified."),
        (Some(_), Some(_)) if location.is_some() => {
            refused("Both SSL key store location and separate private key are specified.")
        }
        (Some(_), Some(_)) if password.is_some() => refused(
            "SSL key store password cannot be specified with PEM format, only key password may be specified.",
        ),
        (Some(key), Some(certificates)) => Ok(Some(KeySource::Pem { certificates, key, key_password })),
        (None, Some(_)) => refused("SSL certificate chain is specified, but private key is not specified"),
        (None, None) => match (location, password) {
            (Some(_), Some(_)) if is_pem => refused(
                "SSL key store password cannot be specified with PEM format, only key password may be specified",
            ),
            (Some(location), None) if is_pem => Ok(Some(KeySource::PemFile { location, key_password })),
            (None, Some(_)) => {
                refused("SSL key store is not specified, but key store password is specified.")
            }
            (Some(_), None) => {
                refused("SSL key store is specified, but key store password is not specified.")
            }
            (Some(location), password @ Some(_)) => {
                Ok(Some(KeySource::Store { location, password, key_password }))
            }
            (None, None) => Ok(None),
        },
    }
}

fn trust(asked: Asked<'_>) -> Result<Option<TrustSource>, String> {
    let kind = asked("ssl.truststore.type").unwrap_or_else(|| "JKS".to_owned());
    let is_pem = is_pem("ssl.truststore.type", &kind)?;
    let (location, password) = (asked("ssl.truststore.location"), asked("ssl.truststore.password"));
    let refused = |why: &str| Err(why.to_owned());
    match (asked("ssl.truststore.certificates"), location) {
        (Some(_), _) if !is_pem => Err(format!(
            "SSL trust store certs can be specified only for PEM, but trust store type is {kind}."
        )),
        (Some(_), Some(_)) => {
            refused("Both SSL trust store location and separate trust certificates are specified.")
        }
        (_, _) if is_pem && password.is_some() => {
            refused("SSL trust store password cannot be specified for PEM format.")
        }
        (Some(certificates), None) => Ok(Some(TrustSource::Pem { certificates })),
        (None, Some(location)) if is_pem => Ok(Some(TrustSource::PemFile { location })),
        (None, Some(location)) => Ok(Some(TrustSource::Store { location, password })),
        (None, None) if password.is_some() => {
            refused("SSL trust store is not specified, but trust store password is specified.")
        }
        (None, None) => Ok(None),
    }
}

fn is_pem(name: &str, kind: &str) -> Result<bool, String> {
    match kind.to_ascii_uppercase().as_str() {
        "PEM" => Ok(true),
        "JKS" | "PKCS12" => Ok(false),
        _other => Err(format!("{name}={kind}: PEM, PKCS12 and JKS are read here")),
    }
}

fn client_auth(text: Option<&str>) -> Result<ClientAuth, String> {
    match text {
        None | Some("none") => Ok(ClientAuth::None),
        Some("requested") => Ok(ClientAuth::Requested),
        Some("required") => Ok(ClientAuth::Required),
        Some(other) => Err(format!("ssl.client.auth={other}: it is none, requested or required")),
    }
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ':']).map(str::trim).filter(|entry| !entry.is_empty())
}

fn versions(text: Option<&str>) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let Some(text) = text else { return Ok(vec![&TLS13, &TLS12]) };
    let mut versions = Vec::new();
    for name in entries(text) {
        versions.push(match name {
            "TLSv1.2" => &TLS12,
            "TLSv1.3" => &TLS13,
            old => {
                return Err(format!(
                    "ssl.enabled.protocols: {old} is not spoken here, TLSv1.2 and TLSv1.3 are"
                ));
            }
        });
    }
    Ok(versions)
}

/// Names of Java (IANA) and of OpenSSL.
const SUITES: &[(SupportedCipherSuite, &str, &str)] = &[
    (cipher_suite::TLS13_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
    (cipher_suite::TLS13_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
    (
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
    ),
    (
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
    ),
    (
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
    ),
    (
        cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    ),
    (
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
    ),
    (
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ),
    (
        cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ),
];

fn suites(text: Option<&str>) -> Result<Vec<SupportedCipherSuite>, String> {
    let Some(text) = text else { return Ok(ALL_CIPHER_SUITES.to_vec()) };
    let mut suites = Vec::new();
    for name in entries(text) {
        let Some((suite, _, _)) = SUITES.iter().find(|(_, java, openssl)| *java == name || *openssl == name)
        else {
            let known: Vec<&str> = SUITES.iter().map(|(_, java, _)| *java).collect();
            return Err(format!(
                "ssl.cipher.suites: {name} is not spoken here; these are: {}",
                known.join(", ")
            ));
        };
        suites.push(*suite);
    }
    Ok(suites)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<TlsOptions, String> {
        let find =
            |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        TlsOptions::read(&find)
    }

    #[test]
    fn what_does_not_go_together_is_refused_and_no_password_is_said() {
        let pem = ("ssl.keystore.type", "PEM");
        let secret = ("ssl.keystore.password", "secret");
        let cases: [&[(&str, &str)]; 16] = [
            &[("ssl.keystore.key", "k")],
            &[pem, ("ssl.keystore.key", "k")],
            &[
                pem,
                ("ssl.keystore.key", "k"),
                ("ssl.keystore.certificate.chain", "c"),
                ("ssl.keystore.location", "/x"),
            ],
            &[pem, ("ssl.keystore.key", "k"), ("ssl.keystore.certificate.chain", "c"), secret],
            &[pem, ("ssl.keystore.certificate.chain", "c")],
            &[pem, ("ssl.keystore.location", "/x"), secret],
            &[secret],
            &[("ssl.keystore.location", "/x")],
            &[("ssl.keystore.type", "BCFKS")],
            &[("ssl.truststore.certificates", "c")],
            &[("ssl.truststore.password", "secret")],
            &[
                ("ssl.truststore.type", "PEM"),
                ("ssl.truststore.location", "/x"),
                ("ssl.truststore.password", "secret"),
            ],
            &[("ssl.client.auth", "maybe")],
            &[("ssl.enabled.protocols", "TLSv1.1,TLSv1.2")],
            &[("ssl.cipher.suites", "TLS_RSA_WITH_AES_128_CBC_SHA")],
            &[("ssl.provider", "BCFIPS")],
        ];
        for pairs in cases {
            let why = read(pairs).err().unwrap_or_default();
            assert!(!why.is_empty() && !why.contains("secret"), "{pairs:?} {why}");
        }
    }

    #[test]
    fn what_is_said_is_taken() {
        let taken = read(&[
            ("ssl.keystore.location", "/k"),
            ("ssl.keystore.password", "p"),
            ("ssl.truststore.location", "/t"),
            ("ssl.crl.location", "/r"),
            ("ssl.client.auth", "required"),
            ("ssl.enabled.protocols", "TLSv1.3"),
            ("ssl.cipher.suites", "TLS_AES_128_GCM_SHA256, ECDHE-RSA-AES256-GCM-SHA384"),
            ("ssl.endpoint.identification.algorithm", ""),
        ])
        .unwrap();
        assert_eq!(
            (taken.files(), taken.client_auth),
            (vec!["/k".to_owned(), "/t".to_owned(), "/r".to_owned()], ClientAuth::Required)
        );
        assert_eq!((taken.versions.len(), taken.suites.len()), (1, 2));
        let nothing = read(&[]).unwrap();
        assert!(nothing.key.is_none() && nothing.trust.is_none() && nothing.versions.len() == 2);
        assert!(nothing.clone().identify_by("HTTPS").unwrap().verifies_host);
        assert!(!nothing.clone().identify_by("").unwrap().verifies_host);
        assert!(nothing.identify_by("ldaps").is_err());
    }
}
