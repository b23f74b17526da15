//! A member of a group of any protocol type, by the classic protocol: for programs that elect or share by a group what is not partitions
//! of topics (a schema registry's leader, the workers of a framework). The program says when it joins and heartbeats; consumers have
//! a task of their own for that. KIP-62, KIP-394.

use crate::cluster::call::Call;
use crate::cluster::pool::Pool;
use crate::cluster::{Cluster, CoordinatorKind};
use crate::error::{Error, Result};
use crate::group_offsets::coordinator_moved;
use bytes::Bytes;
use std::time::Duration;
use wire::messages::heartbeat::HeartbeatRequest;
use wire::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use wire::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use wire::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use wire::{ErrorCode, Str};

/// How much longer than the rebalance timeout an answer to JoinGroup may take.
const JOIN_GRACE: Duration = Duration::from_secs(5);

/// What a member is.
#[derive(Debug, Clone)]
pub struct MembershipOptions {
    /// The group.
    pub group_id: Str,
    /// What kind of group it is: `sr`, `connect`; never `consumer`.
    pub protocol_type: Str,
    /// The one protocol that it speaks.
    pub protocol: Str,
    /// After so long a silence it is taken for dead.
    pub session_timeout: Duration,
    /// How long a rebalance waits for it.
    pub rebalance_timeout: Duration,
}

/// A membership; at first of nobody.
#[derive(Debug)]
pub struct Membership {
    cluster: Cluster,
    options: MembershipOptions,
    /// Of its own: joins wait long and must not hold up anybody.
    pool: Pool,
    coordinator: Option<i32>,
    member_id: Str,
    generation: i32,
}

/// A round of the group that this member takes part in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Who it is.
    pub member_id: Str,
    /// What the group's leader made of everybody's metadata for it.
    pub assignment: Bytes,
}

/// Another member as the group's leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub member_id: Str,
    /// What it said of itself.
    pub metadata: Bytes,
}

impl Membership {
    pub(crate) fn new(cluster: Cluster, options: MembershipOptions) -> Membership {
        let (pool, member_id) = (Pool::default(), Str::default());
        Membership { cluster, options, pool, coordinator: None, member_id, generation: -1 }
    }

    /// Joins the group's next round. Whoever the group makes its leader is asked by `assign` what each member shall have. An error
    /// that is retriable means: join again after a pause. Not cancel-safe: a dropped call may leave a member that only its session ends.
    pub async fn join(
        &mut self,
        metadata: Bytes,
        assign: impl FnOnce(Vec<Candidate>) -> Vec<(Str, Bytes)>,
    ) -> Result<Joined> {
        let joined = self.join_round(metadata).await.inspect_err(|error| self.forget(error))?;
        self.generation = joined.generation_id;
        self.member_id = joined.member_id.detached();
        let assignments = if joined.leader == self.member_id && !joined.skip_assignment {
            let candidate = |member: wire::messages::join_group::JoinGroupResponseMember| Candidate {
                member_id: member.member_id.detached(),
                metadata: Bytes::copy_from_slice(&member.metadata),
            };
            let all = assign(joined.members.into_iter().map(candidate).collect());
            all.into_iter()
                .map(|(member_id, assignment)| SyncGroupRequestAssignment { member_id, assignment })
                .collect()
        } else {
            Vec::new()
        };
        let request = SyncGroupRequest {
            group_id: self.options.group_id.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: None,
            protocol_type: Some(self.options.protocol_type.clone()),
            protocol_name: Some(self.options.protocol.clone()),
            assignments,
        };
        let group = self.options.group_id.clone();
        let answer = self.call(&request, self.join_timeout()).await;
        let checked = answer.and_then(|answer| {
            Error::check(answer.error_code, None, || format!("sync with group {group:?}"))?;
            Ok(Bytes::copy_from_slice(&answer.assignment))
        });
        let assignment = checked.inspect_err(|error| self.forget(error))?;
        Ok(Joined { member_id: self.member_id.clone(), assignment })
    }

    async fn join_round(&mut self, metadata: Bytes) -> Result<JoinGroupResponse> {
        loop {
            let protocol =
                JoinGroupRequestProtocol { name: self.options.protocol.clone(), metadata: metadata.clone() };
            let request = JoinGroupRequest {
                group_id: self.options.group_id.clone(),
                session_timeout_ms: self.options.session_timeout.as_millis() as i32,
                rebalance_timeout_ms: self.options.rebalance_timeout.as_millis() as i32,
                member_id: self.member_id.clone(),
                group_instance_id: None,
                protocol_type: self.options.protocol_type.clone(),
                protocols: vec![protocol],
                reason: None,
            };
            let answer = self.call(&request, self.join_timeout()).await?;
            if ErrorCode::from_code(answer.error_code) == ErrorCode::MemberIdRequired {
                self.member_id = answer.member_id.detached();
                continue;
            }
            Error::check(answer.error_code, None, || format!("join group {:?}", self.options.group_id))?;
            return Ok(answer);
        }
    }

    /// Says that it is alive. `REBALANCE_IN_PROGRESS` and every other refusal mean: join again. Cancel-safe.
    pub async fn heartbeat(&mut self) -> Result<()> {
        let request = HeartbeatRequest {
            group_id: self.options.group_id.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: None,
        };
        let group = self.options.group_id.clone();
        let answer = self.call(&request, self.options.session_timeout).await;
        let checked = answer.and_then(|answer| {
            Error::check(answer.error_code, None, || format!("heartbeat to group {group:?}"))
        });
        checked.inspect_err(|error| self.forget(error))
    }

    /// Leaves, so that nobody waits for its session to end; trouble on the way is passed over.
    pub async fn leave(&mut self) {
        if self.member_id.is_empty() {
            return;
        }
        let member_id = std::mem::take(&mut self.member_id);
        let request = self.leaving(member_id);
        // A join that nobody waits for may still block the connection.
        self.pool = Pool::default();
        let left = tokio::time::timeout(JOIN_GRACE, self.call(&request, JOIN_GRACE)).await;
        if !matches!(left, Ok(Ok(_))) {
            tracing::debug!(group = %self.options.group_id, "could not leave; the session will run out");
        }
    }

    /// Takes another member out, for who knows that it is gone: the group need not wait for its session to end. One that is not in the
    /// group is none to take out. Cancel-safe: a dropped call may still be carried out.
    pub async fn expel(&mut self, member_id: &Str) -> Result<()> {
        let request = self.leaving(member_id.clone());
        let group = self.options.group_id.clone();
        let answer = self.call(&request, self.options.session_timeout).await;
        let checked = answer.and_then(|answer| {
            Error::check(answer.error_code, None, || format!("take {member_id} out of group {group:?}"))
        });
        checked.inspect_err(|error| self.forget_coordinator(error))
    }

    fn leaving(&self, member_id: Str) -> LeaveGroupRequest {
        let identity = MemberIdentity { member_id: member_id.clone(), group_instance_id: None, reason: None };
        LeaveGroupRequest { group_id: self.options.group_id.clone(), member_id, members: vec![identity] }
    }

    /// What an error makes wrong of what is known.
    fn forget(&mut self, error: &Error) {
        self.forget_coordinator(error);
        if let Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) = error.code() {
            self.member_id = Str::default();
            self.generation = -1;
        }
    }

    fn forget_coordinator(&mut self, error: &Error) {
        if coordinator_moved(error) {
            self.coordinator = None;
        }
    }

    fn join_timeout(&self) -> Duration {
        self.options.rebalance_timeout + JOIN_GRACE
    }

    async fn call<R: Call>(&mut self, request: &R, timeout: Duration) -> Result<R::Answer> {
        let node = match self.coordinator {
            Some(node) => node,
            None => {
                let found =
                    self.cluster.find_coordinator(CoordinatorKind::Group, &self.options.group_id).await?;
                self.coordinator = Some(found);
                found
            }
        };
        self.cluster.connection(&self.pool, node).await?.call(request, timeout).await
    }
}
