//! Where schemas are read from: a registry by its REST API, or the topic that one keeps them in. Owns how the second is opened.

use crate::args::ConnectArgs;
use crate::connect::{Cluster, block_on};
use crate::failure::Failure;
use crate::schema_registry;
use ::registry::Snapshot;
use ::schema::json::Json;
use ::schema::percent::percent_encoded;
use ::schema::rest::{Fault, Registered, Registry};

/// Whoever answers the questions of a registry that change nothing.
pub trait Source {
    /// GET.
    fn get(&self, path: &str) -> Result<Json, Fault>;

    /// A version of a subject, those that were deleted softly among them.
    fn version(&self, subject: &str, version: &str) -> Result<Registered, Fault> {
        let path = format!("/subjects/{}/versions/{version}?deleted=true", percent_encoded(subject));
        Registered::of(self.get(&path)?)
    }
}

impl Source for Registry {
    fn get(&self, path: &str) -> Result<Json, Fault> {
        Registry::get(self, path)
    }
}

impl Source for Snapshot {
    fn get(&self, path: &str) -> Result<Json, Fault> {
        Snapshot::get(self, path).map_err(|refusal| Fault::Refused {
            status: refusal.status,
            code: refusal.code.into(),
            message: refusal.message,
        })
    }
}

/// The topic of a registry, whichever wrote it, as it is now.
pub fn topic(name: &str, connection: &ConnectArgs) -> Result<Snapshot, Failure> {
    let client = Cluster::new(connection)?.client_options()?;
    block_on(async { Snapshot::read(client, name).await.map_err(schema_registry::failed) })
}
