//! TLS on any carrier: key stores, what a listener or a client asks of the other side, and the stream itself.
//!
//! Keys, certificates and passwords are read here, and shown to nobody.

mod carrier;
mod der;
mod entry;
mod fault;
mod files;
mod jks;
mod mapping;
mod options;
mod pbe;
mod pem;
mod pkcs12;
mod store;
mod stream;
mod terms;
mod verify;
mod x509;

pub use carrier::Carrier;
pub use fault::TlsFault;
pub use files::KeyFiles;
pub use options::{ClientAuth, TlsOptions};
pub use store::{KeySource, TrustSource};
pub use stream::TlsStream;
pub use terms::{ClientTls, ServerTls};
pub use x509::Certificate;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
