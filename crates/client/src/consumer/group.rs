//! A member of a group by the classic protocol: a task of its own that finds the coordinator, joins, assigns as
//! leader, heartbeats, leaves. Everything that the program must see (revocations, assignments) goes to `poll` as an
//! event and is waited for, while heartbeats go on.
//!
//! KIP-62 (heartbeats apart from polling), KIP-345 (static members), KIP-394 (member id required), KIP-429
//! (cooperative), KIP-800 (reasons), KIP-814 (static leaders skip assigning).

use super::assignor::{Assignor, PartitionCounts, RebalanceProtocol, common_protocol};
use super::protocol::{
    PROTOCOL_TYPE, decode_assignment, decode_members, encode_assignments, encode_subscription,
    partition_counts,
};
use super::shared::{Identity, SharedConsumer};
use crate::cluster::CoordinatorKind;
use crate::cluster::call::Call;
use crate::cluster::connection::Connection;
use crate::cluster::pool::Pool;
use crate::error::{Error, Result};
use crate::group_offsets::coordinator_moved;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use wire::messages::heartbeat::HeartbeatRequest;
use wire::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use wire::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use wire::messages::sync_group::SyncGroupRequest;
use wire::topic::TopicPartition;
use wire::{ErrorCode, Str};

/// How much longer than the rebalance timeout an answer to JoinGroup may take.
const JOIN_GRACE: Duration = Duration::from_secs(5);

/// What `poll` must do for the group, and say when it is done.
#[derive(Debug)]
pub(super) enum GroupEvent {
    /// Commit, tell the listener, let go.
    Revoked(Vec<TopicPartition>, oneshot::Sender<()>),
    /// Tell the listener, let go; committing is too late.
    Lost(Vec<TopicPartition>, oneshot::Sender<()>),
    /// Take over, tell the listener.
    Assigned(Vec<TopicPartition>, oneshot::Sender<()>),
}

/// The membership's task. `leave` asks it to end.
pub(super) async fn run(
    shared: Arc<SharedConsumer>,
    group_id: Str,
    events: mpsc::UnboundedSender<GroupEvent>,
    leave: oneshot::Receiver<oneshot::Sender<()>>,
) {
    let mut member = MemberTask {
        shared,
        group_id,
        events,
        pool: Pool::default(),
        coordinator: None,
        identity: Identity::none(),
        owned: BTreeSet::new(),
        leading: None,
        subscribed: 0,
    };
    let left = tokio::select! {
        left = leave => left.ok(),
        () = member.live() => None,
    };
    member.leave("the consumer is being closed").await;
    if let Some(left) = left {
        let _ = left.send(());
    }
}

/// The task of being a member.
struct MemberTask {
    shared: Arc<SharedConsumer>,
    group_id: Str,
    events: mpsc::UnboundedSender<GroupEvent>,
    /// Of its own: joins wait long and must not hold up anybody.
    pool: Pool,
    coordinator: Option<i32>,
    identity: Identity,
    /// Partitions that `poll` holds for the group.
    owned: BTreeSet<TopicPartition>,
    /// As leader: the partition counts that the assignment was made from.
    leading: Option<PartitionCounts>,
    /// The version of the subscription that was joined with.
    subscribed: u64,
}

impl MemberTask {
    /// Joins and stays, again and again. Ends only by being dropped.
    async fn live(&mut self) {
        let mut backoff = self.shared.backoff();
        loop {
            self.wait_for_poll().await;
            match self.rebalance().await {
                Ok(Rebalanced::Stable) => {
                    self.shared.progress.succeeded();
                    backoff.reset();
                    self.stay().await;
                }
                Ok(Rebalanced::Again) => {}
                Err(error) => {
                    self.failed(error).await;
                    tokio::time::sleep(backoff.next_wait()).await;
                }
            }
        }
    }

    /// A program that no longer polls would only hold up the others.
    async fn wait_for_poll(&self) {
        while self.shared.is_silent() {
            self.shared.polled.notified().await;
        }
    }

    async fn rebalance(&mut self) -> Result<Rebalanced> {
        let shared = self.shared.clone();
        if common_protocol(&shared.options.assignors) == RebalanceProtocol::Eager && !self.owned.is_empty() {
            let revoked = std::mem::take(&mut self.owned);
            self.ask_program(|done| GroupEvent::Revoked(revoked.into_iter().collect(), done)).await;
        }
        let joined = self.join().await?;
        let protocol = joined.protocol_name.clone().unwrap_or_default();
        let assignor = Assignor::from_name(&protocol).ok_or_else(|| Error::Refused {
            code: ErrorCode::InconsistentGroupProtocol,
            doing: format!("join group {:?}", self.group_id),
            message: Some(format!("the group uses the unknown protocol {protocol:?}")),
        })?;
        let is_leader = joined.leader == self.identity.member_id;
        let assignments = if is_leader && !joined.skip_assignment {
            self.assign(assignor, joined).await?
        } else {
            self.leading = None;
            Vec::new()
        };
        let request = SyncGroupRequest {
            group_id: self.group_id.clone(),
            generation_id: self.identity.generation,
            member_id: self.identity.member_id.clone(),
            group_instance_id: shared.options.instance_id.clone(),
            protocol_type: Some(PROTOCOL_TYPE.into()),
            protocol_name: Some(protocol),
            assignments,
        };
        let answer = self.call(&request, self.join_timeout()).await?;
        Error::check(answer.error_code, None, || format!("sync with group {:?}", self.group_id))?;
        let assigned = decode_assignment(answer.assignment)?;
        Ok(self.take_over(assigned).await)
    }

    async fn join(&mut self) -> Result<JoinGroupResponse> {
        let (shared, doing) = (self.shared.clone(), format!("join group {:?}", self.group_id));
        let (topics, version) = shared.subscription();
        self.subscribed = version;
        loop {
            let owned: Vec<TopicPartition> = self.owned.iter().cloned().collect();
            let rack = shared.cluster.options().rack.as_deref();
            let protocols = shared.options.assignors.iter().map(|&assignor| JoinGroupRequestProtocol {
                name: assignor.name().into(),
                metadata: encode_subscription(assignor, &topics, &owned, self.identity.generation, rack),
            });
            let request = JoinGroupRequest {
                group_id: self.group_id.clone(),
                session_timeout_ms: shared.options.session_timeout.as_millis() as i32,
                rebalance_timeout_ms: shared.options.max_poll_interval.as_millis() as i32,
                member_id: self.identity.member_id.clone(),
                group_instance_id: shared.options.instance_id.clone(),
                protocol_type: PROTOCOL_TYPE.into(),
                protocols: protocols.collect(),
                reason: Some("rebalance".into()),
            };
            let answer = self.call(&request, self.join_timeout()).await?;
            if ErrorCode::from_code(answer.error_code) == ErrorCode::MemberIdRequired {
                self.identity.member_id = answer.member_id.detached();
                continue;
            }
            Error::check(answer.error_code, None, || doing.clone())?;
            self.identity =
                Identity { generation: answer.generation_id, member_id: answer.member_id.detached() };
            return Ok(answer);
        }
    }

    /// As leader: who gets what.
    async fn assign(
        &mut self,
        assignor: Assignor,
        joined: JoinGroupResponse,
    ) -> Result<Vec<wire::messages::sync_group::SyncGroupRequestAssignment>> {
        let members = decode_members(assignor, joined.members)?;
        let topics: BTreeSet<&Str> = members.iter().flat_map(|member| &member.topics).collect();
        let cluster = &self.shared.cluster;
        cluster.add_interest(topics.iter().copied(), self.shared.options.allow_auto_create_topics);
        let mut metadata = cluster.metadata();
        if cluster.is_stale() || !topics.iter().all(|&topic| metadata.topics.contains_key(topic)) {
            metadata = cluster.refresh(metadata.version).await?;
        }
        let counts =
            partition_counts(&members, |topic| metadata.topics.get(topic).map(|t| t.partition_count()));
        let assignment = assignor.assign(&members, &counts);
        self.leading = Some(counts);
        Ok(encode_assignments(&assignment))
    }

    /// Tells the program what goes and what comes. What goes needs another round, in which others get it.
    async fn take_over(&mut self, assigned: BTreeSet<TopicPartition>) -> Rebalanced {
        *self.shared.identity.lock() = self.identity.clone();
        let revoked: Vec<TopicPartition> = self.owned.difference(&assigned).cloned().collect();
        let added: Vec<TopicPartition> = assigned.difference(&self.owned).cloned().collect();
        let again = !revoked.is_empty();
        if again {
            self.ask_program(|done| GroupEvent::Revoked(revoked, done)).await;
        }
        self.owned = assigned;
        self.ask_program(|done| GroupEvent::Assigned(added, done)).await;
        if again { Rebalanced::Again } else { Rebalanced::Stable }
    }

    /// Heartbeats until the group needs this member to join again.
    async fn stay(&mut self) {
        let shared = self.shared.clone();
        let mut next = Instant::now() + shared.options.heartbeat_interval;
        loop {
            if shared.subscription().1 != self.subscribed {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(next) => next = Instant::now() + shared.options.heartbeat_interval,
                () = shared.subscription_changed.notified() => continue,
            }
            if shared.is_silent() {
                tracing::warn!(group = %self.group_id, "no poll for max.poll.interval.ms, leaving the group");
                self.leave("the program does not poll").await;
                return self.lose().await;
            }
            if let Err(error) = self.heartbeat().await {
                return self.failed(error).await;
            }
            if self.partitions_changed().await {
                return;
            }
        }
    }

    /// One heartbeat. Trouble on the way is no reason to join again: the session may outlast it.
    async fn heartbeat(&mut self) -> Result<()> {
        let request = HeartbeatRequest {
            group_id: self.group_id.clone(),
            generation_id: self.identity.generation,
            member_id: self.identity.member_id.clone(),
            group_instance_id: self.shared.options.instance_id.clone(),
        };
        let deadline = self.shared.options.session_timeout.min(self.shared.cluster.options().request_timeout);
        let answer = self.call(&request, deadline).await;
        let doing = || format!("heartbeat to group {:?}", self.group_id);
        match answer.and_then(|answer| Error::check(answer.error_code, None, doing)) {
            Err(error) if coordinator_moved(&error) => {
                tracing::debug!(%error, "a heartbeat failed");
                self.coordinator = None;
                Ok(())
            }
            other => other,
        }
    }

    /// As leader: new partitions or topics need a new assignment.
    async fn partitions_changed(&mut self) -> bool {
        let cluster = &self.shared.cluster;
        if cluster.is_stale()
            && let Err(error) = cluster.refresh(cluster.metadata().version).await
        {
            tracing::debug!(%error, "no metadata for the group");
        }
        let Some(counts) = &self.leading else { return false };
        let metadata = cluster.metadata();
        let changed = |(topic, count): (&Str, &i32)| {
            metadata.topics.get(topic).is_some_and(|known| known.partition_count() != *count)
        };
        let (topics, _version) = self.shared.subscription();
        counts.iter().any(changed)
            || topics.iter().any(|topic| !counts.contains_key(topic) && metadata.topics.contains_key(topic))
    }

    /// Puts a failure where it belongs: nowhere (join again), into lost partitions, or before the program.
    async fn failed(&mut self, error: Error) {
        if coordinator_moved(&error) {
            tracing::debug!(%error, "the coordinator has moved");
            self.shared.progress.failed(error);
            self.coordinator = None;
            return;
        }
        match error.code() {
            Some(ErrorCode::RebalanceInProgress) => {}
            Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => {
                tracing::info!(group = %self.group_id, %error, "joining anew");
                self.lose().await;
            }
            Some(ErrorCode::FencedInstanceId) => {
                self.shared.tell(error);
                self.lose().await;
                // Another process has this instance id: fighting over it helps nobody.
                std::future::pending::<()>().await;
            }
            Some(_) | None => {
                if error.is_retriable() {
                    tracing::debug!(%error, "joining again");
                    self.shared.progress.failed(error);
                } else {
                    self.shared.tell(error);
                }
            }
        }
    }

    /// This member is out; what it held belongs to others by now.
    async fn lose(&mut self) {
        self.identity = Identity::none();
        *self.shared.identity.lock() = Identity::none();
        let lost = std::mem::take(&mut self.owned);
        if !lost.is_empty() {
            self.ask_program(|done| GroupEvent::Lost(lost.into_iter().collect(), done)).await;
        }
    }

    /// Sends an event to `poll` and waits until it is handled; heartbeats go on meanwhile.
    async fn ask_program(&mut self, event: impl FnOnce(oneshot::Sender<()>) -> GroupEvent) {
        let (done, mut handled) = oneshot::channel();
        if self.events.send(event(done)).is_err() {
            return;
        }
        self.shared.ready_notify.notify_one();
        loop {
            tokio::select! {
                _ = &mut handled => return,
                () = tokio::time::sleep(self.shared.options.heartbeat_interval) => {}
            }
            if self.identity.generation >= 0
                && !self.shared.is_silent()
                && let Err(error) = self.heartbeat().await
            {
                tracing::debug!(%error, "a heartbeat during a rebalance");
            }
        }
    }

    /// Says goodbye, unless the member is static and may come back.
    async fn leave(&mut self, reason: &str) {
        if self.identity.member_id.is_empty() || self.shared.options.instance_id.is_some() {
            return;
        }
        let identity = MemberIdentity {
            member_id: self.identity.member_id.clone(),
            group_instance_id: None,
            reason: Some(reason.into()),
        };
        let request = LeaveGroupRequest {
            group_id: self.group_id.clone(),
            member_id: self.identity.member_id.clone(),
            members: vec![identity],
        };
        let deadline = self.shared.cluster.options().request_timeout.min(JOIN_GRACE);
        // A connection may still be busy with a join that nobody waits for: leave on a fresh one.
        self.pool = Pool::default();
        let left = tokio::time::timeout(deadline, self.call(&request, deadline)).await;
        if !matches!(left, Ok(Ok(_))) {
            tracing::debug!(group = %self.group_id, "could not leave; the session will run out");
        }
    }

    fn join_timeout(&self) -> Duration {
        (self.shared.options.max_poll_interval + JOIN_GRACE)
            .max(self.shared.cluster.options().request_timeout)
    }

    async fn call<R: Call>(&mut self, request: &R, timeout: Duration) -> Result<R::Answer> {
        let connection = self.connection().await?;
        connection.call(request, timeout).await.inspect_err(|error| {
            tracing::debug!(%error, "a request to the coordinator failed");
        })
    }

    async fn connection(&mut self) -> Result<Connection> {
        let node = match self.coordinator {
            Some(node) => node,
            None => {
                let found =
                    self.shared.cluster.find_coordinator(CoordinatorKind::Group, &self.group_id).await?;
                self.coordinator = Some(found);
                found
            }
        };
        self.shared.cluster.connection(&self.pool, node).await
    }
}

enum Rebalanced {
    /// Everybody has what it should have.
    Stable,
    /// Partitions were given up: the next round hands them over.
    Again,
}
