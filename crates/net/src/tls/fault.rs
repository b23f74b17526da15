//! Why a TLS connection does not come about or ends, in words: what is wrong, and what to try.

use std::fmt;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFault {
    /// A sentence.
    pub why: String,
    /// What may help; empty where that is plain.
    pub hint: &'static str,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, " (try: {})", self.hint) }
    }
}

impl std::error::Error for TlsFault {}

impl TlsFault {
    /// The fault inside of an error of a stream, if it is one.
    pub fn of(error: &std::io::Error) -> Option<&TlsFault> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }

    /// No rule of `ssl.principal.mapping.rules` is for the certificate.
    pub(super) fn no_rule(name: &str) -> TlsFault {
        let name: String = name.chars().take(256).flat_map(char::escape_default).collect();
        TlsFault {
            why: format!("no rule is for its certificate, {name}"),
            hint: "DEFAULT as the last of ssl.principal.mapping.rules",
        }
    }

    /// What the bytes that came speak, where they are no TLS.
    pub(super) fn foreign(first: &[u8]) -> Option<TlsFault> {
        // Records of TLS are of four kinds; an old hello (SSL 2) begins with its length.
        let [kind, rest @ ..] = first else { return None };
        if (0x14..=0x17).contains(kind) && rest.first().is_none_or(|major| *major == 3) {
            return None;
        }
        let speaks = if first.starts_with(b"GET ") || first.starts_with(b"POST") || first.starts_with(b"HTTP")
        {
            "HTTP"
        } else {
            "no TLS, perhaps plaintext Kafka"
        };
        Some(TlsFault {
            why: format!("the other side speaks {speaks}, and this connection is for TLS"),
            hint: "security.protocol=SSL or SASL_SSL on the client, or the port of a plaintext listener",
        })
    }
}

impl From<&Error> for TlsFault {
    fn from(error: &Error) -> TlsFault {
        let (why, hint) = match error {
            Error::InvalidCertificate(why) => of_certificate(why),
            Error::InvalidCertRevocationList(_) => (
                format!("a list of revoked certificates is not good: {error}"),
                "openssl crl -text -noout -in LIST, of what stands in ssl.crl.location",
            ),
            Error::NoCertificatesPresented => (
                "the other side shows no certificate".to_owned(),
                "ssl.keystore.location on the client, for ssl.client.auth is required",
            ),
            Error::AlertReceived(alert) => of_alert(*alert),
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => {
                ("the other side does not speak TLS".to_owned(), "the port and the protocol of the listener")
            }
            Error::PeerIncompatible(
                PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::Tls13RequiredForQuic
                | PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::SupportedVersionsExtensionRequired,
            ) => ("both sides have no version of TLS in common".to_owned(), "ssl.enabled.protocols of both"),
            Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon) => (
                "both sides have no cipher suite in common".to_owned(),
                "ssl.cipher.suites of both, and the kind of the key",
            ),
            other => (other.to_string(), ""),
        };
        TlsFault { why, hint }
    }
}

fn of_certificate(why: &CertificateError) -> (String, &'static str) {
    let said = |text: &str| format!("the other side's certificate {text}");
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            (said("has expired"), "a new certificate there, and the clocks of both")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (said("is not valid yet"), "the clocks of both")
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            said("is signed by nobody who is trusted here"),
            "the certificate of its authority in ssl.truststore.location (ssl.ca.location)",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            said("is for another host name"),
            "the name that the certificate has, or an alternative name in a new certificate",
        ),
        CertificateError::Revoked => (said("was revoked"), "a new certificate there"),
        CertificateError::UnknownRevocationStatus => (
            said("is of an authority without a list of revoked certificates here"),
            "the list of that authority in ssl.crl.location",
        ),
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => (
            said("cannot be held against a list of revoked certificates, for the list's time is over"),
            "a new list of the authority in ssl.crl.location, and the clock",
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
            said("is for another purpose (extended key usage)"),
            "serverAuth and clientAuth in a new certificate",
        ),
        other => (said(&format!("is not good: {other:?}")), "openssl x509 -text -in CERTIFICATE"),
    }
}

fn of_alert(alert: AlertDescription) -> (String, &'static str) {
    let said = |text: &str| format!("the other side refused: {text}");
    match alert {
        AlertDescription::CertificateRequired => (
            said("it asks for a certificate, and none was shown"),
            "ssl.keystore.location (ssl.certificate.location, ssl.key.location)",
        ),
        AlertDescription::UnknownCA
        | AlertDescription::CertificateUnknown
        | AlertDescription::BadCertificate
        | AlertDescription::DecryptError => (
            said("it does not trust the certificate that was shown"),
            "the authority of that certificate in the other side's trust store",
        ),
        AlertDescription::CertificateExpired => {
            (said("the certificate that was shown has expired"), "a new certificate")
        }
        AlertDescription::CertificateRevoked => {
            (said("the certificate that was shown was revoked"), "a new certificate")
        }
        AlertDescription::HandshakeFailure => (
            said("nothing in common (cipher suites, kinds of keys, or a certificate is missing)"),
            "ssl.cipher.suites of both, and the key store of the client",
        ),
        AlertDescription::ProtocolVersion => {
            (said("no version of TLS in common"), "ssl.enabled.protocols of both")
        }
        other => (said(&format!("alert {other:?}")), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks_something_else_is_told_so() {
        for (bytes, foreign) in [
            (&[0x16, 3, 1, 2][..], false),
            (&[0x15, 3, 3], false),
            (&[0x16], false),
            (b"GET / HTTP/1.1", true),
            (&[0, 0, 0, 30, 0, 18], true),
            (&[0x16, 0, 0, 1], true),
        ] {
            assert_eq!(TlsFault::foreign(bytes).is_some(), foreign, "{bytes:?}");
        }
    }
}
