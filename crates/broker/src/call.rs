//! One request on its way through the node, and how what a handler says becomes bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kraft::controller::{ControllerAnswer, ControllerCommand, Refusal};
use wire::codec::Message;
use wire::frame::encode_response;
use wire::{ApiKey, ErrorCode, Str};

use crate::connection::Connection;
use crate::node::Node;
use crate::quorum::protocol::QuorumRequest;
use crate::rim::{CloseReason, Outcome};

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

impl<M: Message> IntoAnswer for M {
    fn outcome(self, key: ApiKey, version: i16, correlation_id: i32) -> Outcome {
        Outcome::Answer(encode_response(key, version, correlation_id, &self))
    }
}
