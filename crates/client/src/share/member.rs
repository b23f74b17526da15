//! The membership of a share consumer: a task of its own that heartbeats (KIP-932), so that a program may work for as long as it likes. Says
//! what is assigned; fetches nothing.

use super::hands::Place;
use crate::cluster::pool::Pool;
use crate::cluster::{Cluster, CoordinatorKind};
use crate::error::{Error, Result};
use crate::group_offsets::coordinator_moved;
use crate::options::random_seed;
use crate::standstill::Progress;
use net::Backoff;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use wire::messages::share_group_heartbeat::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use wire::{ErrorCode, Str, Uuid};

/// Of members that join, and of those that leave.
const JOINING: i32 = 0;
const LEAVING: i32 = -1;

/// A coordinator's interval is taken within these bounds.
const INTERVAL: std::ops::RangeInclusive<u64> = 10..=600_000;

/// How long leaving may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// What the task and the consumer share.
#[derive(Debug)]
pub(super) struct Membership {
    pub cluster: Cluster,
    pub group_id: Str,
    pub member_id: Str,
    pub topics: Vec<Str>,
    pub progress: Progress,
    state: Mutex<State>,
    /// The assignment has changed, or the membership has ended.
    pub changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    assigned: BTreeSet<Place>,
    /// Why the group refuses this member for good; told once.
    refusal: Option<Error>,
}

impl Membership {
    /// A member with a fresh id.
    pub fn new(cluster: Cluster, group_id: Str, topics: Vec<Str>) -> Membership {
        let mut id = None;
        while id.is_none() {
            id = Uuid::from_random((u128::from(random_seed()) << 64) | u128::from(random_seed()));
        }
        Membership {
            cluster,
            group_id,
            member_id: Str::from(id.unwrap_or(Uuid::ZERO).to_string()),
            topics,
            progress: Progress::default(),
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// What this member may fetch from.
    pub fn assigned(&self) -> BTreeSet<Place> {
        self.state.lock().assigned.clone()
    }

    /// Why the membership has ended, once.
    pub fn take_refusal(&self) -> Option<Error> {
        self.state.lock().refusal.take()
    }

    fn assign(&self, assigned: BTreeSet<Place>) {
        let mut state = self.state.lock();
        if state.assigned != assigned {
            state.assigned = assigned;
            drop(state);
            self.changed.notify_one();
        }
    }
}

/// Heartbeats until told to leave, or the consumer is gone.
pub(super) async fn run(membership: Arc<Membership>, leave: oneshot::Receiver<oneshot::Sender<()>>) {
    let mut task = Task { membership, pool: Pool::default(), coordinator: None, epoch: JOINING };
    let left = tokio::select! {
        left = leave => left.ok(),
        () = task.live() => None,
    };
    // A heartbeat that nobody waits for any more may still be on its way.
    task.pool = Pool::default();
    if task.epoch != JOINING {
        let _best_effort = tokio::time::timeout(LEAVE_WITHIN, task.beat(LEAVING)).await;
    }
    if let Some(left) = left {
        let _ = left.send(());
    }
}

struct Task {
    membership: Arc<Membership>,
    /// Of its own: nobody else's request holds a heartbeat up.
    pool: Pool,
    coordinator: Option<i32>,
    epoch: i32,
}

impl Task {
    /// Stays a member. Ends when the group refuses it for good.
    async fn live(&mut self) {
        let options = self.membership.cluster.options();
        let mut backoff = Backoff::new(options.retry_backoff, options.retry_backoff_max, random_seed());
        loop {
            let wait = match self.beat(self.epoch).await {
                Ok(answer) => {
                    backoff.reset();
                    self.membership.progress.succeeded();
                    self.take_in(answer)
                }
                Err(error) => {
                    tracing::debug!(group = %self.membership.group_id, %error, "a heartbeat failed");
                    if coordinator_moved(&error) {
                        self.coordinator = None;
                    }
                    match error.code() {
                        Some(
                            ErrorCode::UnknownMemberId
                            | ErrorCode::FencedMemberEpoch
                            | ErrorCode::GroupIdNotFound,
                        ) if self.epoch != JOINING => {
                            self.epoch = JOINING;
                            self.membership.assign(BTreeSet::new());
                        }
                        _ if error.is_retriable() => self.membership.progress.failed(error),
                        _ => {
                            self.membership.state.lock().refusal = Some(error);
                            self.membership.assign(BTreeSet::new());
                            self.membership.changed.notify_one();
                            self.epoch = JOINING;
                            return;
                        }
                    }
                    backoff.next_wait()
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn beat(&mut self, epoch: i32) -> Result<ShareGroupHeartbeatResponse> {
        let membership = self.membership.clone();
        let cluster = &membership.cluster;
        let node = match self.coordinator {
            Some(node) => node,
            None => cluster.find_coordinator(CoordinatorKind::Group, &membership.group_id).await?,
        };
        self.coordinator = Some(node);
        let joins = epoch == JOINING;
        let request = ShareGroupHeartbeatRequest {
            group_id: membership.group_id.clone(),
            member_id: membership.member_id.clone(),
            member_epoch: epoch,
            rack_id: cluster.options().rack.as_deref().filter(|_| joins).map(Str::from),
            subscribed_topic_names: joins.then(|| membership.topics.clone()),
        };
        let timeout = cluster.options().request_timeout;
        let answer = cluster.connection(&self.pool, node).await?.call(&request, timeout).await?;
        let doing = || format!("be a member of share group {:?}", membership.group_id);
        Error::check(answer.error_code, answer.error_message.as_deref(), doing)?;
        Ok(answer)
    }

    /// Answers when the next heartbeat is due.
    fn take_in(&mut self, answer: ShareGroupHeartbeatResponse) -> Duration {
        self.epoch = answer.member_epoch.max(JOINING);
        if let Some(assignment) = answer.assignment {
            let places = assignment.topic_partitions.into_iter().flat_map(|topic| {
                let id = topic.topic_id;
                topic.partitions.into_iter().map(move |partition| (id, partition))
            });
            self.membership.assign(places.collect());
        }
        let interval = u64::try_from(answer.heartbeat_interval_ms).unwrap_or(0);
        Duration::from_millis(interval.clamp(*INTERVAL.start(), *INTERVAL.end()))
    }
}
