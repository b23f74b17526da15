//! The admin: everything that changes or describes a cluster without producing or consuming. Each call finds the
//! right broker, retries what can be retried within `default.api.timeout.ms`, and keeps apart the failure of the
//! whole call from the refusal of one item.

mod brokers;
mod configs;
mod groups;
mod partitions;
mod quorum;
mod quotas;
mod records;
mod security;
mod share_groups;
mod streams_groups;
mod tokens;
mod topics;
mod transactions;

pub use brokers::{
    ApiRange, BrokerVersions, ClusterDescription, ClusterNode, LogDir, LogDirReplica, ProducerDescription,
};
pub use configs::{ConfigChange, ConfigEntry, ConfigResource, ConfigSource, ConfigSynonym, ResourceKind};
pub use groups::{GroupDescription, GroupEpochs, GroupListing, GroupMember, MemberTasks};
pub use partitions::{ElectionKind, Reassignment};
pub use quorum::{NewVoter, QuorumDescription, QuorumReplica};
pub use quotas::{QuotaChange, QuotaEntity, QuotaFilter};
pub use security::{AccessControlEntry, CredentialChange, CredentialDescription, EntryFilter};
pub use share_groups::ShareOffset;
pub use tokens::DelegationToken;
pub use topics::{CreatedTopic, NewTopic, PartitionElr, TopicDescription};
pub use transactions::{OpenTransaction, TransactionDescription, TransactionListing};

use crate::cluster::call::Call;
use crate::cluster::{Cluster, CoordinatorKind};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::time::Duration;
use wire::Str;

/// What an attempt has beyond the deadline of its call: where its own limit passes at the same moment, it names whoever kept silent.
const GRACE: Duration = Duration::from_millis(100);

/// One result per item that was asked for. Its error is the refusal of that item alone; what keeps the whole call from an answer is
/// the call's own error.
pub type Each<K, T> = BTreeMap<K, Result<T>>;

/// Administers a cluster; clones share its connections.
///
/// Every call fails with `Refused` where the cluster says no for good, `Timeout` where nobody could be asked or what can be retried
/// did not work within `default.api.timeout.ms` (with the last failure), `NoSuchNode` where the one broker that knows is not there,
/// `Unsupported` where it does not speak the API, and `Malformed` where its answer does not decode.
#[derive(Debug, Clone)]
pub struct Admin {
    cluster: Cluster,
    /// For one call with its retries: `default.api.timeout.ms`, or less.
    within: Duration,
}

/// Which broker a request is for.
#[derive(Debug, Clone, Copy)]
enum Whom<'a> {
    /// Any of them knows the answer.
    Anybody,
    /// Whoever leads the metadata quorum, or forwards to it.
    Controller,
    /// The broker of this id.
    Node(i32),
    /// The coordinator of this group.
    Coordinator(&'a str),
    /// The coordinator of this transactional id.
    TransactionCoordinator(&'a str),
}

impl Admin {
    pub(crate) fn new(cluster: Cluster) -> Admin {
        let within = cluster.options().api_timeout;
        Admin { cluster, within }
    }

    /// The same, whose calls try for so long at most: where a late answer is worth no more than none.
    pub fn trying_for(&self, limit: Duration) -> Admin {
        Admin { cluster: self.cluster.clone(), within: self.within.min(limit) }
    }

    /// How long a call may try.
    pub fn limit(&self) -> Duration {
        self.within
    }

    fn request_timeout_ms(&self) -> i32 {
        self.cluster.options().request_timeout.as_millis() as i32
    }

    /// Asks until there is an answer or the time is over; `read` gives an error to have the request sent again.
    async fn ask<R: Call, T>(
        &self,
        whom: Whom<'_>,
        request: &R,
        doing: &str,
        read: impl Fn(R::Answer) -> Result<T>,
    ) -> Result<T> {
        let mut attempts = self.cluster.attempts(self.within, doing);
        loop {
            let tried = tokio::time::timeout(attempts.left() + GRACE, self.ask_once(whom, request)).await;
            let Ok(tried) = tried else { return Err(attempts.over()) };
            let error = match tried.and_then(&read) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match (whom, error) {
                // The cluster was asked a moment ago: waiting would only keep the answer back.
                (Whom::Node(_), error @ Error::NoSuchNode { .. }) => return Err(error),
                (Whom::Controller, error) => {
                    attempts.failed(error).await?;
                    let _best_effort = self.cluster.refresh(self.cluster.metadata().version).await;
                }
                (
                    Whom::Anybody | Whom::Node(_) | Whom::Coordinator(_) | Whom::TransactionCoordinator(_),
                    error,
                ) => attempts.failed(error).await?,
            }
        }
    }

    async fn ask_once<R: Call>(&self, whom: Whom<'_>, request: &R) -> Result<R::Answer> {
        match whom {
            Whom::Anybody => self.cluster.call_any(request).await,
            Whom::Controller => self.cluster.call_controller(request).await,
            Whom::Node(node) => self.cluster.call_node(node, request).await,
            Whom::Coordinator(group_id) => {
                let node = self.cluster.find_coordinator(CoordinatorKind::Group, group_id).await?;
                self.cluster.call_node(node, request).await
            }
            Whom::TransactionCoordinator(transactional_id) => {
                let kind = CoordinatorKind::Transaction;
                let node = self.cluster.find_coordinator(kind, transactional_id).await?;
                self.cluster.call_node(node, request).await
            }
        }
    }

    /// All live brokers' ids.
    async fn nodes(&self) -> Result<Vec<i32>> {
        let metadata = self.cluster.refresh(self.cluster.metadata().version).await?;
        Ok(metadata.brokers.keys().copied().collect())
    }
}

/// The refusal of one item; retriable ones make the whole request go again.
fn item<K: Ord, T>(each: &mut Each<K, T>, key: K, outcome: Result<T>) -> Result<()> {
    match outcome {
        Err(error) if error.is_retriable() => Err(error),
        other => {
            each.insert(key, other);
            Ok(())
        }
    }
}

/// Empty as absent.
fn non_empty(text: &Option<Str>) -> Option<Str> {
    text.as_ref().filter(|text| !text.is_empty()).map(Str::detached)
}
