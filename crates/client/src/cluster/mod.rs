//! The cluster as a client sees it: bootstrap, the metadata snapshot and its refreshing, a pool of connections for
//! short requests, coordinators. Retries live here, once. Never produces, consumes or decides what to ask.
//!
//! KIP-899 (bootstrap again when every known broker is gone), KIP-580 (backoff), KIP-699 (coordinators in batches).

pub(crate) mod attempts;
pub(crate) mod call;
pub(crate) mod connection;
mod log_in;
pub(crate) mod metadata;
pub(crate) mod pool;

use crate::error::{Error, Result};
use crate::options::{CONNECT_TIMEOUT, ClientOptions};
use arc_swap::ArcSwap;
use attempts::Attempts;
use call::Call;
use connection::Connection;
use metadata::{Metadata, Topic};
use parking_lot::Mutex;
use pool::Pool;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use wire::messages::find_coordinator::FindCoordinatorRequest;
use wire::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use wire::{ErrorCode, Str, Uuid};

/// How long a broker may be silent before the next one is asked too.
const HEAD_START: Duration = Duration::from_millis(500);
const _: () = assert!(HEAD_START.as_millis() < CONNECT_TIMEOUT.as_millis(), "the next one is asked in time");

/// What a coordinator coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoordinatorKind {
    /// A group.
    Group = 0,
    /// A transactional id.
    Transaction = 1,
}

/// A shared view of one cluster; clones are cheap.
#[derive(Debug, Clone)]
pub(crate) struct Cluster(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: ClientOptions,
    metadata: ArcSwap<Metadata>,
    interest: Mutex<Interest>,
    /// Held while asking for metadata, so that everybody who needs it shares one request.
    refreshing: tokio::sync::Mutex<()>,
    pool: Pool,
}

/// Which topics the snapshot should hold.
#[derive(Debug, Default, Clone)]
struct Interest {
    topics: BTreeSet<Str>,
    /// Whether asking may create (`allow.auto.create.topics`).
    may_create: bool,
}

impl Cluster {
    /// A view that has asked nobody yet.
    pub(crate) fn new(options: ClientOptions) -> Cluster {
        Cluster(Arc::new(Inner {
            options,
            metadata: ArcSwap::from_pointee(Metadata::empty(Instant::now())),
            interest: Mutex::default(),
            refreshing: tokio::sync::Mutex::new(()),
            pool: Pool::default(),
        }))
    }

    /// The shared options.
    pub(crate) fn options(&self) -> &ClientOptions {
        &self.0.options
    }

    /// The newest snapshot.
    pub(crate) fn metadata(&self) -> Arc<Metadata> {
        self.0.metadata.load_full()
    }

    /// Retries for an operation that may take `after`.
    pub(crate) fn attempts(&self, after: Duration, doing: impl Into<String>) -> Attempts {
        Attempts::new(&self.0.options, after, doing)
    }

    /// True when the snapshot is older than `metadata.max.age.ms`.
    pub(crate) fn is_stale(&self) -> bool {
        self.metadata().received.elapsed() >= self.0.options.metadata_max_age
    }

    /// From now on snapshots hold these topics too. `may_create` allows brokers to create them.
    pub(crate) fn add_interest<'a>(&self, topics: impl IntoIterator<Item = &'a Str>, may_create: bool) {
        let mut interest = self.0.interest.lock();
        interest.may_create |= may_create;
        for topic in topics {
            if !interest.topics.contains(topic) {
                interest.topics.insert(topic.detached());
            }
        }
    }

    /// HOST:PORT of a node.
    pub(crate) fn address_of(&self, node: i32) -> Option<String> {
        self.metadata().brokers.get(&node).map(metadata::Broker::address)
    }

    /// A snapshot newer than `seen`, asked for once however many ask. Cancel-safe.
    pub(crate) async fn refresh(&self, seen: u64) -> Result<Arc<Metadata>> {
        let _one_at_a_time = self.0.refreshing.lock().await;
        let known = self.metadata();
        if known.version > seen {
            return Ok(known);
        }
        let interest = self.0.interest.lock().clone();
        let topics = interest
            .topics
            .iter()
            .map(|name| MetadataRequestTopic { topic_id: Uuid::ZERO, name: Some(name.clone()) });
        let request = MetadataRequest {
            topics: Some(topics.collect()),
            allow_auto_topic_creation: interest.may_create,
            ..MetadataRequest::default()
        };
        let answer = self.call_any(&request).await?;
        let next = Arc::new(known.absorb(answer, true, Instant::now()));
        assert!(next.version > self.metadata().version, "a snapshot is only replaced by a newer one");
        self.0.metadata.store(next.clone());
        Ok(next)
    }

    /// A topic with at least one partition, asked for until it is there. Cancel-safe.
    pub(crate) async fn topic(&self, name: &Str, may_create: bool, within: Duration) -> Result<Arc<Topic>> {
        if let Some(known) = self.metadata().topics.get(name).filter(|_| !self.is_stale()) {
            return Ok(known.clone());
        }
        wire::topic::validate_name(name)
            .map_err(|_| Error::refused(ErrorCode::InvalidTopicException, format!("find topic {name:?}")))?;
        self.add_interest([name], may_create);
        let mut attempts = self.attempts(within, format!("find topic {name:?}"));
        let mut seen = self.metadata().version;
        loop {
            let error = match self.refresh(seen).await {
                Ok(metadata) => match metadata.topics.get(name) {
                    Some(topic) => return Ok(topic.clone()),
                    None => {
                        seen = metadata.version;
                        let code = metadata.topic_errors.get(name).copied();
                        let code = code.unwrap_or(ErrorCode::UnknownTopicOrPartition);
                        Error::refused(code, format!("find topic {name:?}"))
                    }
                },
                Err(error) => error,
            };
            attempts.failed(error).await?;
        }
    }

    /// A connection to any broker: a live one, else a known one, else a bootstrap address. Cancel-safe.
    pub(crate) async fn any_connection(&self) -> Result<Connection> {
        if let Some(live) = self.0.pool.any_live() {
            return Ok(live);
        }
        let metadata = self.metadata();
        let mut brokers = VecDeque::new();
        for broker in metadata.brokers.values() {
            brokers.push_back((broker.id, broker.address()));
        }
        for (index, address) in self.0.options.bootstrap.iter().enumerate() {
            brokers.push_back((-1 - index as i32, address.clone()));
        }
        self.first_to_answer(brokers).await
    }

    /// Asks one after the other, and does not wait long for one that is silent: the next is asked beside it.
    async fn first_to_answer(&self, mut brokers: VecDeque<(i32, String)>) -> Result<Connection> {
        let mut asked = JoinSet::new();
        let mut tried = Vec::new();
        loop {
            if let Some((node, address)) = brokers.pop_front() {
                let cluster = self.clone();
                asked.spawn(async move {
                    let outcome = cluster.0.pool.connection_to(cluster.options(), node, &address).await;
                    (address, outcome)
                });
            }
            let patience = if brokers.is_empty() { Duration::MAX } else { HEAD_START };
            match tokio::time::timeout(patience, asked.join_next()).await {
                Ok(Some(Ok((_, Ok(connection))))) => return Ok(connection),
                // Whoever is refused by one is refused by all.
                Ok(Some(Ok((_, Err(refused))))) if is_log_in(&refused) => return Err(refused),
                Ok(Some(Ok((address, Err(error))))) => tried.push((address, error)),
                Ok(Some(Err(_ended_with_the_runtime))) => {}
                Ok(None) => return Err(Error::NoBroker { tried }),
                Err(_silent) => {}
            }
        }
    }

    /// One try of a request that any broker can answer.
    pub(crate) async fn call_any<R: Call>(&self, request: &R) -> Result<R::Answer> {
        self.any_connection().await?.call(request, self.0.options.request_timeout).await
    }

    /// One try of a request to this node, by the connections for short requests.
    pub(crate) async fn call_node<R: Call>(&self, node: i32, request: &R) -> Result<R::Answer> {
        self.node_connection(node).await?.call(request, self.0.options.request_timeout).await
    }

    /// The connection for short requests to this node.
    pub(crate) async fn node_connection(&self, node: i32) -> Result<Connection> {
        if self.address_of(node).is_none() {
            self.refresh(self.metadata().version).await?;
        }
        self.connection(&self.0.pool, node).await
    }

    /// The connection to this node in a pool of somebody's own; the address comes from the newest snapshot. Cancel-safe.
    pub(crate) async fn connection(&self, pool: &Pool, node: i32) -> Result<Connection> {
        let address = self.address_of(node).ok_or_else(|| Error::NoSuchNode {
            node,
            known: self.metadata().brokers.keys().copied().collect(),
        })?;
        pool.connection_to(self.options(), node, &address).await
    }

    /// One try of a request to the controller (or the broker that forwards to it).
    pub(crate) async fn call_controller<R: Call>(&self, request: &R) -> Result<R::Answer> {
        let mut metadata = self.metadata();
        if metadata.controller_id.is_none() {
            metadata = self.refresh(metadata.version).await?;
        }
        match metadata.controller_id {
            Some(node) => self.call_node(node, request).await,
            None => self.call_any(request).await,
        }
    }

    /// One try to learn which node coordinates `key`.
    pub(crate) async fn find_coordinator(&self, kind: CoordinatorKind, key: &str) -> Result<i32> {
        let request = FindCoordinatorRequest {
            key: Str::from(key),
            key_type: kind as i8,
            coordinator_keys: vec![Str::from(key)],
        };
        let doing = || match kind {
            CoordinatorKind::Group => format!("find the coordinator of group {key:?}"),
            CoordinatorKind::Transaction => format!("find the coordinator of transactional id {key:?}"),
        };
        let answer = self.call_any(&request).await?;
        let node = match answer.coordinators.into_iter().next() {
            Some(found) => {
                Error::check(found.error_code, found.error_message.as_deref(), doing)?;
                found.node_id
            }
            None => {
                Error::check(answer.error_code, answer.error_message.as_deref(), doing)?;
                answer.node_id
            }
        };
        if self.address_of(node).is_none() {
            self.refresh(self.metadata().version).await?;
        }
        Ok(node)
    }
}

/// Whether this says that nobody of this name and password is let in.
fn is_log_in(error: &Error) -> bool {
    let codes = [
        ErrorCode::SaslAuthenticationFailed,
        ErrorCode::UnsupportedSaslMechanism,
        ErrorCode::IllegalSaslState,
    ];
    error.code().is_some_and(|code| codes.contains(&code)) || matches!(error, Error::Configuration { .. })
}
