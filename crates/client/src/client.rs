//! `Client`: one view of one cluster, from which producers, consumers and admins are made. They share its metadata.

use crate::admin::Admin;
use crate::cluster::Cluster;
use crate::consumer::ConsumerBuilder;
use crate::error::Result;
use crate::membership::{Membership, MembershipOptions};
use crate::options::{ClientOptions, parse_bootstrap};
use crate::producer::ProducerBuilder;
use crate::properties::Properties;
use crate::share::{ShareConsumer, ShareConsumerOptions};
use wire::Str;

/// A connection to a cluster; clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    cluster: Cluster,
}

impl Client {
    /// Connects to the first of the bootstrap addresses that answers. Cancel-safe.
    pub async fn connect(bootstrap: &str) -> Result<Client> {
        let options = ClientOptions { bootstrap: parse_bootstrap(bootstrap)?, ..ClientOptions::default() };
        Client::with_options(options).await
    }

    /// Connects with Java's (or librdkafka's) properties; those that are not the client's own are passed over, for
    /// `ProducerOptions::set` and its like. Cancel-safe.
    pub async fn from_properties(properties: &Properties) -> Result<Client> {
        let mut options = ClientOptions::default();
        options.set_all(properties)?;
        Client::with_options(options).await
    }

    /// Connects with these options. Cancel-safe.
    pub async fn with_options(options: ClientOptions) -> Result<Client> {
        let cluster = Cluster::new(options);
        cluster.any_connection().await?;
        Ok(Client { cluster })
    }

    /// Administers the cluster.
    pub fn admin(&self) -> Admin {
        Admin::new(self.cluster.clone())
    }

    /// A member of a group, to be configured.
    pub fn consumer(&self, group_id: impl Into<Str>) -> ConsumerBuilder {
        ConsumerBuilder::new(self.cluster.clone(), Some(group_id.into()))
    }

    /// A member of a share group, which reads these topics together with whoever else is one. Starts at once, in the current tokio runtime.
    pub fn share_consumer<T: Into<Str>>(
        &self,
        options: ShareConsumerOptions,
        topics: impl IntoIterator<Item = T>,
    ) -> Result<ShareConsumer> {
        ShareConsumer::start(self.cluster.clone(), options, topics.into_iter().map(Into::into).collect())
    }

    /// A reader of chosen partitions without a group, to be configured.
    pub fn reader(&self) -> ConsumerBuilder {
        ConsumerBuilder::new(self.cluster.clone(), None)
    }

    /// A member of a group that shares something else than partitions of topics.
    pub fn membership(&self, options: MembershipOptions) -> Membership {
        Membership::new(self.cluster.clone(), options)
    }

    /// A producer of transactions, to be configured and built by `build_transactional`.
    pub fn transactional(&self, transactional_id: impl Into<Str>) -> ProducerBuilder {
        self.producer().transactional_id(transactional_id)
    }

    /// A producer to be configured.
    pub fn producer(&self) -> ProducerBuilder {
        ProducerBuilder::new(self.cluster.clone())
    }
}
