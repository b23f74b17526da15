//! Whom a certificate is believed: the chain to a trusted one, as Java's PKIX has it. A certificate that is trusted itself is believed as it
//! is, within its time, even where it calls itself an authority or has another's signature.
//!
//! Where there are lists of revoked certificates (RFC 5280, 5), each certificate of a chain needs a list of its authority that is in its time
//! and does not name it: without one nobody is believed. Who is trusted itself is taken out of the trust store, as in Java.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};

use super::x509::Certificate;

/// Trusted certificates.
#[derive(Debug, Clone)]
pub struct Trusted {
    roots: Arc<RootCertStore>,
    /// The same, as they stand.
    as_they_stand: Arc<Vec<Vec<u8>>>,
    /// Lists of revoked certificates; without any nobody asks.
    revoked: Vec<CertificateRevocationListDer<'static>>,
}

impl Trusted {
    /// These are; at least one can vouch for others, unless one of `revoked` takes that back.
    pub fn new(certificates: Vec<Vec<u8>>, revoked: Vec<Vec<u8>>) -> Result<Trusted, String> {
        let mut roots = RootCertStore::empty();
        for bytes in &certificates {
            roots
                .add(CertificateDer::from(bytes.as_slice()))
                .map_err(|error| format!("a trusted certificate cannot be used: {error}"))?;
        }
        let revoked = revoked.into_iter().map(CertificateRevocationListDer::from).collect();
        Ok(Trusted { roots: Arc::new(roots), as_they_stand: Arc::new(certificates), revoked })
    }

    /// It is trusted itself; `Err` outside of its time.
    fn knows(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Result<bool, Error> {
        if !self.as_they_stand.iter().any(|known| known.as_slice() == certificate.as_ref()) {
            return Ok(false);
        }
        let read = Certificate::read(certificate).map_err(|_| bad(CertificateError::BadEncoding))?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        // DIVERGES: Java believes a trusted certificate after its end, too.
        if now > read.not_after {
            return Err(bad(CertificateError::Expired));
        }
        if now < read.not_before {
            return Err(bad(CertificateError::NotValidYet));
        }
        Ok(true)
    }
}

/// Whatever else may be wrong with it: nobody but itself has signed it.
fn or_own_issuer(certificate: &CertificateDer<'_>, error: Error) -> Error {
    let is_own = Certificate::read(certificate).is_ok_and(|read| read.is_self_issued());
    if is_own { bad(CertificateError::UnknownIssuer) } else { error }
}

fn bad(why: CertificateError) -> Error {
    Error::InvalidCertificate(why)
}

/// Looks at certificates of clients.
#[derive(Debug)]
pub struct Clients {
    chains: Arc<dyn ClientCertVerifier>,
    trusted: Trusted,
}

impl Clients {
    /// Those whom somebody trusted vouches for; `required`: everybody has to have one.
    pub fn new(trusted: Trusted, provider: Arc<CryptoProvider>, required: bool) -> Result<Clients, String> {
        let builder = WebPkiClientVerifier::builder_with_provider(trusted.roots.clone(), provider);
        let builder = if required { builder } else { builder.allow_unauthenticated() };
        let builder = builder.with_crls(trusted.revoked.iter().cloned()).enforce_revocation_expiration();
        let chains = builder.build().map_err(|error| unusable(&error))?;
        Ok(Clients { chains, trusted })
    }
}

impl ClientCertVerifier for Clients {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        self.chains.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.trusted.knows(end_entity, now)? {
            return Ok(ClientCertVerified::assertion());
        }
        let verified = self.chains.verify_client_cert(end_entity, intermediates, now);
        verified.map_err(|error| or_own_issuer(end_entity, error))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

fn unusable(error: &rustls::client::VerifierBuilderError) -> String {
    match error {
        rustls::client::VerifierBuilderError::InvalidCrl(why) => {
            format!("a list of revoked certificates cannot be used: {why:?}")
        }
        other => format!("nobody can be trusted by this trust store: {other}"),
    }
}

/// Looks at certificates of servers.
pub struct Servers {
    /// `None`: at no certificate at all.
    trusted: Option<Trusted>,
    /// Where there are lists of revoked certificates: holds chains against them, and then the host, which is looked at here.
    unrevoked: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    verifies_host: bool,
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Servers(trusted {}, host {})", self.trusted.is_some(), self.verifies_host)
    }
}

impl Servers {
    /// Those whom somebody trusted vouches for, under the name that was asked for if `verifies_host`.
    pub fn new(
        trusted: Option<Trusted>,
        provider: Arc<CryptoProvider>,
        verifies_host: bool,
    ) -> Result<Servers, String> {
        let with_lists = |trusted: &Trusted| {
            WebPkiServerVerifier::builder_with_provider(trusted.roots.clone(), provider.clone())
                .with_crls(trusted.revoked.iter().cloned())
                .enforce_revocation_expiration()
                .build()
                .map_err(|error| unusable(&error))
        };
        let unrevoked =
            trusted.as_ref().filter(|trusted| !trusted.revoked.is_empty()).map(with_lists).transpose()?;
        Ok(Servers { trusted, unrevoked, provider, verifies_host })
    }

    /// Whether somebody trusted vouches for it and has not taken that back.
    fn is_vouched_for(
        &self,
        trusted: &Trusted,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let Some(unrevoked) = &self.unrevoked else {
            let parsed = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            return verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &trusted.roots,
                intermediates,
                now,
                algorithms,
            );
        };
        match unrevoked.verify_server_cert(end_entity, intermediates, server_name, &[], now) {
            // The name is the last that it looks at: all else is good.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trusted) = &self.trusted else { return Ok(ServerCertVerified::assertion()) };
        if !trusted.knows(end_entity, now)? {
            self.is_vouched_for(trusted, end_entity, intermediates, server_name, now)
                .map_err(|error| or_own_issuer(end_entity, error))?;
        }
        if self.verifies_host {
            is_for(end_entity, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// By an alternative name; as Java, by the common name where there is none for hosts.
fn is_for(end_entity: &CertificateDer<'_>, server_name: &ServerName<'_>) -> Result<(), Error> {
    let by_alternatives =
        ParsedCertificate::try_from(end_entity).and_then(|parsed| verify_server_name(&parsed, server_name));
    let Err(refused) = by_alternatives else { return Ok(()) };
    let by_common = || {
        let ServerName::DnsName(host) = server_name else { return false };
        Certificate::read(end_entity)
            .is_ok_and(|read| read.names.dns.is_empty() && read.is_for(host.as_ref()))
    };
    if by_common() { Ok(()) } else { Err(refused) }
}
