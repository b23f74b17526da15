//! What a turn of the quorum hands to its caller, as plain data.

use crate::controller::{ControllerAnswer, ControllerCommand};
use crate::image::MetadataImage;
use crate::raft::{Outgoing, RaftResponse, RefusedCut};
use std::sync::Arc;

/// Identifies a command or request whose answer comes later; the caller's own numbering.
pub type Token = u64;

/// What a turn wants done, in this order: publish the image, send the requests, send the answers, ask elsewhere.
#[derive(Debug, Default)]
pub struct Turn {
    /// The newest committed image, if it is a newer one.
    pub image: Option<Arc<MetadataImage>>,
    /// To peers.
    pub sends: Vec<Outgoing>,
    /// To commands, by the token they were proposed with.
    pub answers: Vec<(Token, ControllerAnswer)>,
    /// Commands that this node does not decide, by their tokens: it does not lead, or stopped leading before what it decided was
    /// committed, so that nobody knows yet whether it ever will be.
    pub moved: Vec<(Token, ControllerCommand)>,
    /// To requests of peers and observers.
    pub raft_answers: Vec<(Token, RaftResponse)>,
    /// The last answer of the leader that was refused, if there was one.
    pub refused: Option<RefusedCut>,
    /// When to call `turn` again at the latest.
    pub next_deadline_ms: i64,
}
