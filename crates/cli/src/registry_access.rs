//! Where a schema registry is and how it is asked, for every command that does. Owns the arguments, and what a registry's refusal is to a person.

use crate::args::duration;
use crate::failure::{Exit, Failure};
use ::schema::rest::{Fault, Registry};
use clap::Args;
use net::tls::{ClientTls, KeySource, TlsOptions, TrustSource};
use std::sync::Arc;
use std::time::Duration;

/// For a whole answer of a registry.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How to reach a registry.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Schema registry")]
pub struct AccessArgs {
    /// Registries to ask: any that speaks Confluent's REST API; else $OTTLA_SCHEMA_REGISTRY
    #[arg(long, global = true, value_name = "URL,...")]
    schema_registry: Option<String>,
    /// Name and password; else $OTTLA_SCHEMA_REGISTRY_AUTH, which nobody sees in a list of processes
    #[arg(long, global = true, value_name = "NAME:PASSWORD")]
    schema_registry_auth: Option<String>,
    /// Whose certificates are trusted (PEM); the system's without it
    #[arg(long, global = true, value_name = "FILE")]
    schema_registry_ca: Option<String>,
    /// A certificate of one's own (PEM)
    #[arg(long, global = true, value_name = "FILE", requires = "schema_registry_key")]
    schema_registry_cert: Option<String>,
    /// And its key (PEM)
    #[arg(long, global = true, value_name = "FILE", requires = "schema_registry_cert")]
    schema_registry_key: Option<String>,
    /// How long the registry may keep silent; 30s without it
    #[arg(long, global = true, value_name = "TIME", value_parser = duration)]
    schema_registry_timeout: Option<Duration>,
}

impl AccessArgs {
    /// The registry that is meant, or where ours listens.
    pub fn open(&self) -> Result<Registry, Failure> {
        let named = |variable: &str| std::env::var(variable).ok().filter(|text| !text.trim().is_empty());
        let addresses = self.schema_registry.clone().or_else(|| named("OTTLA_SCHEMA_REGISTRY"));
        let addresses = addresses.unwrap_or_else(|| "http://localhost:8081".to_owned());
        let user = self.schema_registry_auth.clone().or_else(|| named("OTTLA_SCHEMA_REGISTRY_AUTH"));
        let timeout = self.schema_registry_timeout.unwrap_or(TIMEOUT);
        Registry::new(&addresses, user.as_deref(), || self.tls(), timeout).map_err(|why| {
            Failure::usage("the schema registry cannot be asked", why)
                .try_this("--schema-registry http://HOST:8081")
        })
    }

    fn tls(&self) -> Result<Arc<ClientTls>, String> {
        let nothing = |_key: &str| None;
        let mut options = TlsOptions::read(&nothing)?.identify_by("https")?;
        options.trust = Some(match &self.schema_registry_ca {
            Some(location) => TrustSource::PemFile { location: location.clone() },
            None => TrustSource::System,
        });
        if let (Some(certificates), Some(key)) = (&self.schema_registry_cert, &self.schema_registry_key) {
            let (certificates, key) = (certificates.clone(), key.clone());
            options.key = Some(KeySource::PemFiles { certificates, key, key_password: None });
        }
        ClientTls::open(&options).map(Arc::new)
    }
}

/// A reference of a schema, as it is written on a command line.
#[derive(Debug, Clone)]
pub struct ReferenceArg(pub ::schema::rest::Reference);

/// `NAME=SUBJECT:VERSION`.
pub fn reference(text: &str) -> Result<ReferenceArg, String> {
    let wrong = || "write NAME=SUBJECT:VERSION, such as common.proto=common-value:3".to_owned();
    let (name, place) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(wrong)?;
    let (subject, version) =
        place.rsplit_once(':').filter(|(subject, _)| !subject.is_empty()).ok_or_else(wrong)?;
    let version = if version == "latest" { -1 } else { version.parse().map_err(|_| wrong())? };
    Ok(ReferenceArg(::schema::rest::Reference {
        name: name.to_owned(),
        subject: subject.to_owned(),
        version,
    }))
}

/// What was attempted and what came of it.
pub fn failed(what: impl std::fmt::Display, fault: &Fault) -> Failure {
    let (exit, hint) = match fault {
        Fault::Refused { status: 404, .. } => (Exit::NotFound, "ottla schema list"),
        Fault::Refused { status: 401 | 403, .. } => (Exit::Denied, "--schema-registry-auth NAME:PASSWORD"),
        Fault::Refused { status: 409, .. } => {
            (Exit::Failed, "ottla schema check, which names every difference")
        }
        Fault::Refused { .. } | Fault::Malformed(_) => (Exit::Failed, "the registry's own log"),
        Fault::Unreachable(_) => {
            (Exit::Timeout, "--schema-registry http://HOST:8081, where a registry listens")
        }
    };
    Failure::new(what, fault).exit(exit).try_this(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_name_a_version_of_a_subject() {
        let read = |text: &str| reference(text).map(|one| (one.0.name, one.0.subject, one.0.version));
        assert_eq!(read("a.proto=:.ctx:s:3"), Ok(("a.proto".to_owned(), ":.ctx:s".to_owned(), 3)));
        assert_eq!(read("n=s:latest"), Ok(("n".to_owned(), "s".to_owned(), -1)));
        assert!(["", "a", "a=b", "=b:1", "a=:1", "a=b:x"].iter().all(|bad| read(bad).is_err()));
    }
}
