//! The consumer: records out, positions kept, groups joined. Owns what the program touches; fetching and membership
//! are tasks of their own. Delivered positions and fetched positions are two things: only the first are committed.

pub mod assignor;
mod builder;
mod fetcher;
mod group;
mod handle;
mod options;
pub(crate) mod positions;
pub(crate) mod protocol;
pub(crate) mod records;
mod shared;

pub use builder::ConsumerBuilder;
pub use handle::{ConsumerHandle, GroupMembership};
pub use options::{ConsumerOptions, OffsetReset, parse_iso_duration};

use crate::error::Result;
use crate::record::ConsumerRecord;
use group::GroupEvent;
use positions::Position;
use records::{ReadRules, Reader};
use shared::{Buffered, Ready};
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use wire::topic::TopicPartition;

/// A future of a [`RebalanceListener`].
pub type ListenerFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Hears of partitions that come and go, from within `next` and `poll`. It may commit, seek and pause through the
/// handle. When the program drops `next` half-way through, the listener hears of the same partitions again.
pub trait RebalanceListener: Send + Sync {
    /// These have come, in addition to those held already.
    fn assigned<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        let _ = (consumer, partitions);
        Box::pin(std::future::ready(()))
    }

    /// These will go; committing is still possible.
    fn revoked<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        let _ = (consumer, partitions);
        Box::pin(std::future::ready(()))
    }

    /// These are gone: somebody else may have them already.
    fn lost<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        self.revoked(consumer, partitions)
    }
}

/// Reads records. One task polls; everybody else uses the [`ConsumerHandle`] that it derefs to. Dropping it leaves
/// the group without committing; `close` commits first.
pub struct Consumer {
    handle: ConsumerHandle,
    reading: Option<(Reader, Buffered)>,
    events: mpsc::UnboundedReceiver<GroupEvent>,
    /// An event whose handling was interrupted.
    unfinished: Option<GroupEvent>,
    listener: Option<Arc<dyn RebalanceListener>>,
    last_auto_commit: Instant,
    leave: Option<oneshot::Sender<oneshot::Sender<()>>>,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("group", &self.handle.shared.options.group_id)
            .finish_non_exhaustive()
    }
}

impl Deref for Consumer {
    type Target = ConsumerHandle;

    fn deref(&self) -> &ConsumerHandle {
        &self.handle
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.handle.shared.closing.store(true, Ordering::Release);
        self.handle.shared.fetch_wake.notify_one();
    }
}

impl Consumer {
    /// A handle for other tasks: positions, seeks, pauses, commits.
    pub fn handle(&self) -> ConsumerHandle {
        self.handle.clone()
    }

    /// The next record, waited for as long as it takes; its position counts as delivered from now on, and is committed
    /// by the call after this one at the earliest. An error is told once and reading goes on behind it: what the group or a partition
    /// was refused for good, or bytes that do not decode (`Malformed`, which are met again unless somebody seeks). `None` after
    /// `stop`. Cancel-safe: a record is handed out or kept.
    pub async fn next(&mut self) -> Option<Result<ConsumerRecord>> {
        let _in_poll = self.handle.shared.enter_poll();
        self.auto_commit();
        loop {
            if self.handle.shared.stopped.swap(false, Ordering::AcqRel) {
                return None;
            }
            self.serve_group().await;
            if let Some(record) = self.take_record() {
                return Some(record);
            }
            self.handle.shared.ready_notify.notified().await;
        }
    }

    /// What has come within `timeout`: as soon as there is anything, up to `max.poll.records` of it. An error is told
    /// once, after what came before it. Cancel-safe.
    pub async fn poll(&mut self, timeout: Duration) -> Result<Vec<ConsumerRecord>> {
        let deadline = tokio::time::Instant::now() + timeout;
        let first = match tokio::time::timeout_at(deadline, self.next()).await {
            Ok(Some(first)) => first?,
            Ok(None) | Err(_) => return Ok(Vec::new()),
        };
        let mut records = vec![first];
        while records.len() < self.handle.shared.options.max_poll_records {
            match self.take_record() {
                Some(Ok(record)) => records.push(record),
                Some(Err(error)) => {
                    self.handle.shared.ready.lock().push_front(Ready::Failed(error));
                    break;
                }
                None => break,
            }
        }
        Ok(records)
    }

    /// Commits what was delivered (with auto commit), leaves the group and ends. Cancel-safe.
    pub async fn close(mut self) -> Result<()> {
        let committed = if self.commits_by_itself() { self.handle.commit().await } else { Ok(()) };
        if let Some(leave) = self.leave.take() {
            let (left, has_left) = oneshot::channel();
            if leave.send(left).is_ok() {
                let _ = has_left.await;
            }
        }
        committed
    }

    fn commits_by_itself(&self) -> bool {
        self.handle.shared.options.auto_commit && self.handle.shared.options.group_id.is_some()
    }

    /// Commits in the background when it is time to.
    fn auto_commit(&mut self) {
        if !self.commits_by_itself()
            || self.last_auto_commit.elapsed() < self.handle.shared.options.auto_commit_interval
        {
            return;
        }
        self.last_auto_commit = Instant::now();
        let handle = self.handle.clone();
        let delivered = handle.delivered();
        tokio::spawn(async move {
            if let Err(error) = handle.commit_offsets(&delivered).await {
                tracing::warn!(%error, "auto commit failed");
            }
        });
    }

    /// The next record that is here already.
    fn take_record(&mut self) -> Option<Result<ConsumerRecord>> {
        loop {
            if let Some((reader, _buffered)) = &mut self.reading {
                match reader.next_record() {
                    Some(Ok(record)) => return Some(Ok(record)),
                    Some(Err(error)) => {
                        let target = reader.target().clone();
                        self.reading = None;
                        self.handle.read_again(&target);
                        return Some(Err(error));
                    }
                    None => self.reading = None,
                }
            }
            let rules = ReadRules {
                check_crcs: self.handle.shared.options.check_crcs,
                isolation: self.handle.shared.options.isolation,
            };
            let next = self.handle.shared.ready.lock().pop_front()?;
            match next {
                Ready::Failed(error) => return Some(Err(error)),
                Ready::Fetched(fetched, buffered) => {
                    self.reading = Some((Reader::new(fetched, rules), buffered))
                }
            }
        }
    }

    /// Handles what the group wants; nothing is delivered meanwhile.
    async fn serve_group(&mut self) {
        loop {
            if self.unfinished.is_none() {
                self.unfinished = self.events.try_recv().ok();
            }
            let Some(event) = &self.unfinished else { return };
            let listener = self.listener.clone();
            match event {
                GroupEvent::Revoked(partitions, _) => {
                    if self.commits_by_itself()
                        && let Err(error) = self.handle.commit().await
                    {
                        tracing::warn!(%error, "the commit before a revocation failed");
                    }
                    if let Some(listener) = listener {
                        listener.revoked(&self.handle, partitions).await;
                    }
                    self.handle.shared.positions.lock().remove(partitions);
                }
                GroupEvent::Lost(partitions, _) => {
                    if let Some(listener) = listener {
                        listener.lost(&self.handle, partitions).await;
                    }
                    self.handle.shared.positions.lock().remove(partitions);
                }
                GroupEvent::Assigned(partitions, _) => {
                    let shared = &self.handle.shared;
                    shared.positions.lock().add(partitions.iter().cloned(), &Position::Committed);
                    if let Some(listener) = listener {
                        listener.assigned(&self.handle, partitions).await;
                    }
                    shared.fetch_wake.notify_one();
                }
            }
            match self.unfinished.take() {
                Some(
                    GroupEvent::Revoked(_, done) | GroupEvent::Lost(_, done) | GroupEvent::Assigned(_, done),
                ) => {
                    let _ = done.send(());
                }
                None => return,
            }
        }
    }
}
