//! Collects a consumer's options, then starts it and its tasks.

use super::positions::Positions;
use super::shared::{Identity, SharedConsumer, Subscription};
use super::{
    Consumer, ConsumerHandle, ConsumerOptions, OffsetReset, RebalanceListener, assignor::Assignor, fetcher,
    group,
};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::offsets::IsolationLevel;
use crate::task;
use parking_lot::Mutex;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize};
use std::time::Instant;
use tokio::sync::{Notify, mpsc, oneshot};
use wire::Str;
use wire::topic::TopicPartition;

/// Collects options, then starts the consumer.
#[must_use]
pub struct ConsumerBuilder {
    cluster: Cluster,
    options: ConsumerOptions,
    topics: BTreeSet<Str>,
    partitions: Vec<TopicPartition>,
    listener: Option<Arc<dyn RebalanceListener>>,
}

impl ConsumerBuilder {
    pub(crate) fn new(cluster: Cluster, group_id: Option<Str>) -> ConsumerBuilder {
        let options = ConsumerOptions { group_id, ..ConsumerOptions::default() };
        ConsumerBuilder { cluster, options, topics: BTreeSet::new(), partitions: Vec::new(), listener: None }
    }

    /// All options at once; the group of `Client::consumer` stays unless they name another.
    pub fn options(mut self, options: ConsumerOptions) -> ConsumerBuilder {
        let group_id = self.options.group_id.take();
        self.options = options;
        self.options.group_id = self.options.group_id.take().or(group_id);
        self
    }

    /// Subscribes: the group shares these topics' partitions among its members.
    pub fn topics<T: Into<Str>>(mut self, topics: impl IntoIterator<Item = T>) -> ConsumerBuilder {
        self.topics.extend(topics.into_iter().map(Into::into));
        self
    }

    /// Reads exactly these partitions, whoever else does.
    pub fn partitions(mut self, partitions: impl IntoIterator<Item = TopicPartition>) -> ConsumerBuilder {
        self.partitions.extend(partitions);
        self
    }

    /// Hears of rebalances.
    pub fn on_rebalance(mut self, listener: Arc<dyn RebalanceListener>) -> ConsumerBuilder {
        self.listener = Some(listener);
        self
    }

    /// Where to begin without a committed offset.
    pub fn offset_reset(mut self, reset: OffsetReset) -> ConsumerBuilder {
        self.options.offset_reset = reset;
        self
    }

    /// Whether delivered positions are committed by themselves.
    pub fn auto_commit(mut self, auto_commit: bool) -> ConsumerBuilder {
        self.options.auto_commit = auto_commit;
        self
    }

    /// The assignors to offer, the preferred one first.
    pub fn assignors(mut self, assignors: impl IntoIterator<Item = Assignor>) -> ConsumerBuilder {
        self.options.assignors = assignors.into_iter().collect();
        self
    }

    /// A static member's name.
    pub fn instance_id(mut self, instance_id: impl Into<Str>) -> ConsumerBuilder {
        self.options.instance_id = Some(instance_id.into());
        self
    }

    /// Which records are seen.
    pub fn isolation(mut self, isolation: IsolationLevel) -> ConsumerBuilder {
        self.options.isolation = isolation;
        self
    }

    /// A property in Kafka's spelling.
    pub fn property(mut self, key: &str, value: &str) -> Result<ConsumerBuilder> {
        if !self.options.set(key, value)? {
            return Err(Error::configuration(key, "not a property of consumers"));
        }
        Ok(self)
    }

    /// Starts the consumer and its tasks, in the current tokio runtime. Joins the group in the background, served by
    /// `next` and `poll`.
    pub fn build(self) -> Result<Consumer> {
        let wrong = |key: &str, why: &str| Error::configuration(key, why);
        if !self.topics.is_empty() && !self.partitions.is_empty() {
            return Err(wrong("topics", "subscribe to topics or read chosen partitions, not both"));
        }
        if !self.topics.is_empty() && self.options.group_id.is_none() {
            return Err(wrong("group.id", "a subscription needs a group"));
        }
        if self.options.assignors.is_empty() {
            return Err(wrong("partition.assignment.strategy", "at least one assignor is needed"));
        }
        if self.options.heartbeat_interval >= self.options.session_timeout {
            return Err(wrong("heartbeat.interval.ms", "it must be below session.timeout.ms"));
        }
        let may_create = self.options.allow_auto_create_topics;
        self.cluster.add_interest(&self.topics, may_create);
        self.cluster.add_interest(self.partitions.iter().map(|target| &target.topic), may_create);
        let subscribes = !self.topics.is_empty();
        let shared = Arc::new(SharedConsumer {
            cluster: self.cluster,
            options: self.options,
            positions: Mutex::new(Positions::default()),
            subscription: Mutex::new(Subscription { topics: self.topics, version: 1 }),
            subscription_changed: Notify::new(),
            identity: Mutex::new(Identity::none()),
            ready: Mutex::new(VecDeque::new()),
            ready_notify: Notify::new(),
            fetch_wake: Notify::new(),
            buffered: AtomicUsize::new(0),
            started: Instant::now(),
            last_poll_ms: AtomicI64::new(0),
            in_poll: AtomicBool::new(false),
            polled: Notify::new(),
            committing: tokio::sync::Mutex::new(()),
            progress: Default::default(),
            closing: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        });
        let handle = ConsumerHandle { shared: shared.clone() };
        handle.assign(self.partitions);
        task::spawn(fetcher::run(shared.clone()));
        let (events_in, events) = mpsc::unbounded_channel();
        let leave = match (&shared.options.group_id, subscribes) {
            (Some(group_id), true) => {
                let (leave, leaving) = oneshot::channel();
                task::spawn(group::run(shared.clone(), group_id.clone(), events_in, leaving));
                Some(leave)
            }
            (Some(_) | None, _) => None,
        };
        Ok(Consumer {
            handle,
            reading: None,
            events,
            unfinished: None,
            listener: self.listener,
            last_auto_commit: Instant::now(),
            leave,
        })
    }
}
