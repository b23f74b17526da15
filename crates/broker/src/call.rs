//! One request on its way through the node, and how what a handler says becomes bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kraft::controller::{ControllerAnswer, ControllerCommand, MutationQuota, Refusal};
use wire::codec::Message;
use wire::frame::encode_response;
use wire::{ApiKey, ErrorCode, Str};

use crate::connection::Connection;
use crate::metered::Metered;
use crate::node::Node;
use crate::operations;
use crate::quorum::protocol::QuorumRequest;
use crate::quotas::Who;
use crate::rim::{CloseReason, Outcome};
use crate::security::audit::Asked;
use crate::security::authorizer::{Asker, Authorizer, Operation, Resource, ResourceKind, Rule};

/// What a handler is given besides the request.
#[derive(Clone)]
pub(crate) struct Call {
    pub node: Node,
    pub connection: Connection,
    pub api_key: ApiKey,
    pub api_version: i16,
    pub correlation_id: i32,
    /// What the client calls itself, for those handlers that wait: the others do not ask.
    pub client_id: Option<Str>,
    /// It calls itself what Kafka's own administrators do.
    pub is_admin_client: bool,
    pub now_ms: i64,
    /// What it costs, where the client is held to something.
    pub metered: Option<Arc<Metered>>,
    pub verdict: Verdict,
}

/// Whose word the answer is, where the controller is asked.
#[derive(Clone)]
pub(crate) enum Verdict {
    /// That of the controller in this node, also that it is not the active one.
    Final,
    /// The same, but if it is not the active one the answer is nobody's: the request goes on to whoever is.
    UnlessMoved(Arc<AtomicBool>),
    /// No controller took the request: the handler only puts the refusal into the shape of its answer.
    Refused(ErrorCode),
}

/// What the one at the other end may do. Without an authorizer everybody may do everything, and nothing is looked up.
impl Call {
    /// Whether somebody decides what the client may do.
    pub fn is_guarded(&self) -> bool {
        self.node.guard().is_some()
    }

    /// Whether the client may do this; if not, what it hears, and the audit notes it.
    pub fn authorize(&self, operation: Operation, resource: Resource<'_>) -> Result<(), ErrorCode> {
        match self.node.guard() {
            None => Ok(()),
            Some(guard) => self.judged(guard, operation, resource),
        }
    }

    #[inline(never)]
    fn judged(
        &self,
        guard: &Authorizer,
        operation: Operation,
        resource: Resource<'_>,
    ) -> Result<(), ErrorCode> {
        let rule = self.rule(guard, operation, resource);
        if rule.allows() {
            return Ok(());
        }
        self.node.audit().denied(self.now_ms, self.asked(), operation, resource, &rule);
        match rule {
            // Kafka has no code for it either; whoever asks tries again.
            Rule::NotReady => Err(ErrorCode::UnknownServerError),
            _ => Err(resource.refusal()),
        }
    }

    /// The same where the client did not ask for it by name: what it may not see is left out, and nobody notes it.
    pub fn may(&self, operation: Operation, resource: Resource<'_>) -> bool {
        self.node.guard().is_none_or(|guard| self.rule(guard, operation, resource).allows())
    }

    /// Whether there is any resource of a type that the client may do this to.
    pub fn may_any(&self, operation: Operation, kind: ResourceKind) -> bool {
        self.node.guard().is_none_or(|guard| {
            let image = self.node.image();
            let acls = self.node.is_ready().then_some(&image.acls);
            guard.may_any(acls, self.asker(), operation, kind)
        })
    }

    /// The operations that the client may do to a resource, as bits (KIP-430).
    pub fn operations(&self, resource: Resource<'_>) -> i32 {
        let all = operations::of(resource.kind());
        if !self.is_guarded() {
            return operations::bits(all);
        }
        let allowed: Vec<Operation> = all.iter().copied().filter(|one| self.may(*one, resource)).collect();
        operations::bits(&allowed)
    }

    /// Those to the cluster: none for whoever may not describe it.
    pub fn cluster_operations(&self) -> i32 {
        match self.authorize(Operation::Describe, Resource::Cluster) {
            Ok(()) => self.operations(Resource::Cluster),
            Err(_) => 0,
        }
    }

    /// Notes a change that was carried out: who made it. Where nobody says who he is and everybody may do everything, that says nothing.
    pub fn note_change(&self, what: impl FnOnce() -> String) {
        if self.is_guarded() || !self.connection.peer().principal.is_anonymous() {
            self.node.audit().changed(self.now_ms, self.asked(), &what());
        }
    }

    fn rule(&self, guard: &Authorizer, operation: Operation, resource: Resource<'_>) -> Rule {
        let image = self.node.image();
        let acls = self.node.is_ready().then_some(&image.acls);
        guard.rule(acls, self.asker(), operation, resource)
    }

    fn asker(&self) -> Asker<'_> {
        let peer = self.connection.peer();
        Asker { principal: &peer.principal, host: &peer.host }
    }

    fn asked(&self) -> Asked<'_> {
        let listener = &self.connection.peer().listener;
        Asked { asker: self.asker(), listener, api_key: self.api_key, correlation_id: self.correlation_id }
    }
}

impl Call {
    /// What the controller in this node decides; `None` if the node goes away.
    pub async fn decided(&self, command: ControllerCommand) -> Option<ControllerAnswer> {
        if let Some(error) = self.refusal() {
            return Some(command.refused(&Refusal::plain(error)));
        }
        match self.node.decide(command).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(command)) => {
                self.has_moved();
                Some(command.refused(&Refusal::not_controller()))
            }
            Err(_) => None,
        }
    }

    /// What the quorum answers, if its leader is in this node. `refused` has the shape of a refusal; `is_elsewhere` says of an answer that
    /// it is nobody's, for somebody else leads.
    pub async fn led<Q: QuorumRequest>(
        &self,
        request: Q,
        refused: impl Fn(ErrorCode) -> Q::Answer,
        is_elsewhere: impl Fn(&Q::Answer) -> bool,
    ) -> Q::Answer {
        if let Some(error) = self.refusal() {
            return refused(error);
        }
        let Some(answer) = self.node.ask_quorum(request).await else {
            return refused(ErrorCode::NotLeaderOrFollower);
        };
        if is_elsewhere(&answer) {
            self.has_moved();
        }
        answer
    }

    /// How many partitions the client may have made and deleted; `None`: any number. In versions before `strict_since` it only waits.
    pub fn mutation_quota(&self, strict_since: i16) -> Option<MutationQuota> {
        let user = &self.connection.peer().principal.name;
        let client_id = self.client_id.as_deref().unwrap_or_default();
        let (Who { user, client_id }, per_second) = self.node.quotas().mutations(user, client_id)?;
        let burst = per_second * self.node.config().mutation_burst_seconds;
        Some(MutationQuota {
            user,
            client_id,
            per_second,
            burst,
            is_strict: self.api_version >= strict_since,
        })
    }

    /// Why nobody is asked any more.
    pub fn refusal(&self) -> Option<ErrorCode> {
        match self.verdict {
            Verdict::Refused(error) => Some(error),
            Verdict::Final | Verdict::UnlessMoved(_) => None,
        }
    }

    /// The controller in this node is not the active one.
    pub fn has_moved(&self) {
        if let Verdict::UnlessMoved(moved) = &self.verdict {
            moved.store(true, Ordering::SeqCst);
        }
    }

    /// The node goes away before there is an answer.
    pub fn is_gone(&self) -> Outcome {
        Outcome::Close(CloseReason::Stopping)
    }
}

/// Whether this answer to a change of voters says that who leads may be asked instead. A leader that stopped leading meanwhile has a
/// message: what it began may yet be committed.
pub(crate) fn leads_elsewhere(error_code: i16, message: Option<&Str>) -> bool {
    error_code == ErrorCode::NotLeaderOrFollower.code() && message.is_none()
}

/// What can be made an outcome.
pub(crate) trait IntoAnswer {
    fn outcome(self, key: ApiKey, version: i16, correlation_id: i32) -> Outcome;
}

impl IntoAnswer for Outcome {
    fn outcome(self, _: ApiKey, _: i16, _: i32) -> Outcome {
        self
    }
}

/// An answer, unless the node goes away before there is one.
pub(crate) struct UnlessGone<M>(pub Option<M>);

impl<M: Message> IntoAnswer for UnlessGone<M> {
    fn outcome(self, key: ApiKey, version: i16, correlation_id: i32) -> Outcome {
        match self.0 {
            Some(answer) => answer.outcome(key, version, correlation_id),
            None => Outcome::Close(CloseReason::Stopping),
        }
    }
}

impl<M: Message> IntoAnswer for M {
    fn outcome(self, key: ApiKey, version: i16, correlation_id: i32) -> Outcome {
        Outcome::Answer(encode_response(key, version, correlation_id, &self))
    }
}
