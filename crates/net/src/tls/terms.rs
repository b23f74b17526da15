//! What one listener, or one client, has for TLS at the moment: its keys open, its trust read, all that they ask in rustls's terms. Replaced as a
//! whole; a connection keeps what it began with.

use std::fmt;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::UnbufferedClientConnection;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{default_provider, sign};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::UnbufferedServerConnection;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, InconsistentKeys, ServerConfig, SignatureScheme, StreamOwned};

use super::mapping::Mapping;
use super::options::{ClientAuth, TlsOptions};
use super::store::{OpenKey, revocation_lists};
use super::stream::TlsStream;
use super::verify::{Clients, Servers, Trusted};
use super::x509::Certificate;
use crate::stream::Stream;

/// Sessions that a listener remembers, so that whoever comes again needs no signature.
const SESSIONS_MAX: usize = 1024;

/// TLS of a listener.
pub struct ServerTls {
    now: ArcSwap<ServerNow>,
}

struct ServerNow {
    config: Arc<ServerConfig>,
    mapping: Arc<Mapping>,
    certificate: Certificate,
}

/// TLS of a client.
pub struct ClientTls {
    now: ArcSwap<ClientNow>,
}

struct ClientNow {
    config: Arc<ClientConfig>,
    certificate: Option<Certificate>,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerTls({})", self.now.load().certificate.subject)
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}

impl ServerTls {
    /// Reads keys and trust. The error is a sentence.
    pub fn open(options: &TlsOptions) -> Result<ServerTls, String> {
        server_now(options).map(|now| ServerTls { now: ArcSwap::from_pointee(now) })
    }

    /// Reads them again, for connections from now on. On an error all stays as it was.
    pub fn reload(&self, options: &TlsOptions) -> Result<(), String> {
        let next = server_now(options)?;
        may_replace(&self.now.load().certificate, &next.certificate, options)?;
        self.now.store(Arc::new(next));
        Ok(())
    }

    /// The certificate that is shown.
    pub fn certificate(&self) -> Certificate {
        self.now.load().certificate.clone()
    }

    /// A connection that came in.
    pub fn accept<S: Stream>(&self, socket: S) -> Result<TlsStream<S>, rustls::Error> {
        let now = self.now.load();
        let session = UnbufferedServerConnection::new(now.config.clone())?;
        Ok(TlsStream::of_server(socket, session, now.mapping.clone()))
    }
}

impl ClientTls {
    /// Reads trust, and the key if there is one. The error is a sentence.
    pub fn open(options: &TlsOptions) -> Result<ClientTls, String> {
        client_now(options).map(|now| ClientTls { now: ArcSwap::from_pointee(now) })
    }

    /// Reads them again, for connections from now on. On an error all stays as it was.
    pub fn reload(&self, options: &TlsOptions) -> Result<(), String> {
        let next = client_now(options)?;
        if let (Some(before), Some(after)) = (&self.now.load().certificate, &next.certificate) {
            may_replace(before, after, options)?;
        }
        self.now.store(Arc::new(next));
        Ok(())
    }

    /// A connection to a host.
    pub fn connect<S: Stream>(&self, socket: S, host: &str) -> Result<TlsStream<S>, rustls::Error> {
        let session = UnbufferedClientConnection::new(self.now.load().config.clone(), name_of(host)?)?;
        Ok(TlsStream::of_client(socket, session))
    }

    /// The same over a carrier that blocks.
    pub fn over<S: io::Read + io::Write>(
        &self,
        carrier: S,
        host: &str,
    ) -> Result<impl io::Read + io::Write, rustls::Error> {
        let session = ClientConnection::new(self.now.load().config.clone(), name_of(host)?)?;
        Ok(StreamOwned::new(session, carrier))
    }
}

fn name_of(host: &str) -> Result<ServerName<'static>, rustls::Error> {
    ServerName::try_from(host.to_owned())
        .map_err(|_| rustls::Error::General(format!("{host:?} is no name of a host")))
}

/// Who is known by a certificate is not to become somebody else by a slip (KIP-978).
fn may_replace(before: &Certificate, after: &Certificate, options: &TlsOptions) -> Result<(), String> {
    if before.subject != after.subject && !options.may_change_name {
        return Err(format!(
            "Keystore DistinguishedName does not match:  existing={{DN='{}'}}, new={{DN='{}'}}; ssl.allow.dn.changes=true allows it",
            before.subject, after.subject
        ));
    }
    let is_kept = |name: &Vec<u8>| after.names.raw.contains(name);
    if !before.names.raw.iter().all(is_kept) && !options.may_change_alternatives {
        return Err(format!(
            "Keystore SubjectAltNames do not match: the new certificate of {} has not all names of the one before; \
             ssl.allow.san.changes=true allows it",
            after.subject
        ));
    }
    Ok(())
}

fn provider(options: &TlsOptions) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { cipher_suites: options.suites.clone(), ..default_provider() })
}

fn unusable(error: &rustls::Error) -> String {
    format!("ssl.enabled.protocols and ssl.cipher.suites leave nothing to speak: {error}")
}

fn trusted(options: &TlsOptions) -> Result<Option<Trusted>, String> {
    let Some(source) = &options.trust else { return Ok(None) };
    let revoked = options.revoked.as_deref().map(revocation_lists).transpose()?;
    Trusted::new(source.read()?, revoked.unwrap_or_default()).map(Some)
}

fn server_now(options: &TlsOptions) -> Result<ServerNow, String> {
    let Some(source) = &options.key else {
        return Err("it has no key: ssl.keystore.location is not set, nor is ssl.keystore.key".to_owned());
    };
    let keys = source.read()?.into_iter().map(Key::new).collect::<Result<Vec<Key>, String>>()?;
    let certificate = keys.first().map(|key| key.certificate.clone()).ok_or("it has no key")?;
    let provider = provider(options);
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_protocol_versions(&options.versions).map_err(|error| unusable(&error))?;
    let builder = match (options.client_auth, trusted(options)?) {
        (ClientAuth::None, _) => builder.with_no_client_auth(),
        // DIVERGES: Kafka asks Java's own list of public authorities then, and any of their customers is let in.
        (ClientAuth::Requested | ClientAuth::Required, None) => {
            return Err("ssl.client.auth asks for certificates, and no trust store says whose: ssl.truststore.location".to_owned());
        }
        (asked, Some(trusted)) => {
            let clients = Clients::new(trusted, provider, asked == ClientAuth::Required)?;
            builder.with_client_cert_verifier(Arc::new(clients))
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(Keys(keys)));
    config.session_storage = rustls::server::ServerSessionMemoryCache::new(SESSIONS_MAX);
    Ok(ServerNow { config: Arc::new(config), mapping: Arc::new(options.mapping.clone()), certificate })
}

fn client_now(options: &TlsOptions) -> Result<ClientNow, String> {
    let key = match &options.key {
        Some(source) => source.read()?.into_iter().next().map(Key::new).transpose()?,
        None => None,
    };
    let provider = provider(options);
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder.with_protocol_versions(&options.versions).map_err(|error| unusable(&error))?;
    let trusted = if options.verifies { trusted(options)? } else { None };
    let servers = Servers::new(trusted, provider, options.verifies_host)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(servers));
    let certificate = key.as_ref().map(|key| key.certificate.clone());
    let config = match key {
        Some(key) => {
            builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key.certified)))
        }
        None => builder.with_no_client_auth(),
    };
    Ok(ClientNow { config: Arc::new(config), certificate })
}

/// A key that signs, and for whom.
struct Key {
    certificate: Certificate,
    certified: Arc<CertifiedKey>,
}

impl Key {
    fn new(open: OpenKey) -> Result<Key, String> {
        let OpenKey { alias, key, chain } = open;
        let first = chain.first().ok_or_else(|| format!("the key {alias} has no certificate"))?;
        let certificate =
            Certificate::read(first).map_err(|bad| format!("the certificate of the key {alias}: {bad}"))?;
        let key = sign::any_supported_type(&key).map_err(|_| {
            format!(
                "the key {alias} cannot be used: RSA (2048 bits and more), EC (P-256, P-384) and Ed25519 can"
            )
        })?;
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) | Ok(()) => {
                Ok(Key { certificate, certified: Arc::new(certified) })
            }
            Err(_) => Err(format!(
                "the private key {alias} is not that of its certificate ({})",
                certificate.subject
            )),
        }
    }

    fn can_sign(&self, schemes: &[SignatureScheme]) -> bool {
        self.certified.key.choose_scheme(schemes).is_some()
    }
}

/// The keys of a listener: whoever names a host (SNI) is shown the certificate that is for it, if there is one, else the first of a kind that
/// the other side can check.
struct Keys(Vec<Key>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl ResolvesServerCert for Keys {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let usable = || self.0.iter().filter(|key| key.can_sign(client_hello.signature_schemes()));
        let named =
            client_hello.server_name().and_then(|host| usable().find(|key| key.certificate.is_for(host)));
        named.or_else(|| usable().next()).map(|key| key.certified.clone())
    }
}
