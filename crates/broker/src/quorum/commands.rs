//! What passes into and out of the quorum's cell: what it is asked, who hears the answers, who carries what it sends. Plain data.

use std::sync::Arc;

use bytes::Bytes;
use kraft::controller::{ControllerAnswer, ControllerCommand};
use kraft::hosted::MetadataQuorum;
use kraft::image::MetadataImage;
use kraft::raft::{RaftRequest, RaftResponse};
use wire::messages::create_topics::CreatableTopic;
use wire::messages::envelope::EnvelopeRequest;
use wire::{ErrorCode, Str, Uuid};

use crate::mailbox::Reply;
use crate::peers::{NoAnswer, PeerRequest, Purpose};
use crate::quorum::assignments::Assignment;
use crate::quorum::image_delta::{Publication, Publisher};
use crate::quorum::isr_proposals::{IsrAnswer, IsrProposal};
use crate::quorum::lifecycle::Lifecycle;
use crate::quorum::probes::Probed;
use crate::quorum::way::Told;
use crate::rim::PeerAddress;

/// All that the quorum can be asked.
pub(crate) enum QuorumCommand {
    /// Something for the controller to decide, wherever it is.
    Propose(Box<ControllerCommand>, Reply<ControllerAnswer>),
    /// The same for the controller in this node only: if it does not lead, the command comes back.
    Decide(Box<ControllerCommand>, Reply<Result<ControllerAnswer, Box<ControllerCommand>>>),
    /// A client's request for the controller, wherever it is, until the deadline.
    Forward(EnvelopeRequest, i64, Reply<Forwarded>),
    /// Topics that no administrator asked for; nobody waits, so a refusal goes to the log.
    CreateUnasked(Vec<CreatableTopic>),
    /// A request of the quorum's own protocol.
    Request(Box<RaftRequest>, Reply<RaftResponse>),
    /// What became of one that this node sent.
    Heard(Heard),
    /// What became of one that this node sent to the controller.
    Told(Told),
    /// The connection is closed by which this incarnation of a broker sent its heartbeats to the controller in this node.
    BrokerHungUp { broker_id: i32, broker_epoch: i64 },
    /// A silent broker was asked whether it is still there.
    Probed(Probed),
    /// The connection is closed by which this broker sent its own.
    ControllerHungUp,
    /// These directories are dead.
    DirectoriesFailed(Vec<Uuid>),
    /// A replica lies in that log directory.
    Assign(Assignment),
    /// A leader wants another ISR.
    ProposeIsr(IsrProposal),
    /// Begin to leave.
    Leave,
}

/// What became of a client's request for the controller.
#[derive(Debug)]
pub(crate) enum Forwarded {
    /// The controller is in this node.
    Here,
    /// The controller's answer, a frame without its length.
    Answered(Bytes),
    /// No controller took it.
    Refused(ErrorCode),
}

/// The answer of another member, or why there is none.
pub(crate) struct Heard {
    pub from: i32,
    pub correlation_id: u64,
    pub response: Result<Box<RaftResponse>, NoAnswer>,
}

/// What a cell is made of.
pub(crate) struct Parts {
    pub node_id: i32,
    pub quorum: MetadataQuorum,
    pub publisher: Publisher,
    /// `None` on a node without the broker role.
    pub lifecycle: Option<Lifecycle>,
    /// The controller listener by which members of the quorum, and brokers, reach a controller.
    pub listener: Str,
    pub patience: Patience,
}

/// How long an answer from elsewhere is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// `controller.quorum.request.timeout.ms`
    pub quorum_ms: i64,
    /// `controller.socket.timeout.ms`
    pub controller_ms: i64,
    /// A heartbeat that took longer is sent anew, with what is so by then.
    pub heartbeat_ms: i64,
}

/// Who receives what a turn publishes, and carries what it sends.
pub(crate) trait Audience: Clone + Send + Sync + 'static {
    /// A new image: shards first, then the snapshot.
    fn publish(&self, now_ms: i64, image: &Arc<MetadataImage>, publication: Publication);
    /// The controller has decided about in-sync sets.
    fn isr_answered(&self, now_ms: i64, answers: Vec<IsrAnswer>);
    /// A request to another node.
    fn ask_peer(&self, now_ms: i64, to: &PeerAddress, purpose: Purpose, request: PeerRequest);
    /// A request to a broker, where brokers speak to each other; false if the image does not say where that is.
    fn ask_broker(&self, now_ms: i64, broker_id: i32, purpose: Purpose, request: PeerRequest) -> bool;
    /// Leaves a command in the mailbox and rings the quorum's bell.
    fn tell(&self, command: QuorumCommand);
}

/// How a node is received by the members of its quorum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reception {
    /// Why the controller did not take this broker's last registration.
    pub registration: Option<ErrorCode>,
    /// How many of them answered last that their cluster is another.
    pub strangers: usize,
}
