//! What all lanes of a node share.

use std::sync::Arc;

use broker::Node;
use net::listener::Admission;
use net::{Budget, FrameLimits};

use super::errands::{LinkTerms, Listens};
use super::refusals::Refusals;
use crate::clock::Clock;
use crate::guard::Patience;

/// What all lanes share.
pub struct Shared {
    /// Handles the requests.
    pub node: Node,
    /// Hears of the links to other nodes: the node, too.
    pub listens: Arc<dyn Listens>,
    /// What holds of them.
    pub links: LinkTerms,
    /// Tells the time.
    pub clock: Arc<Clock>,
    /// Caps on connections.
    pub admission: Arc<Admission>,
    /// Caps on received bytes.
    pub budget: Arc<Budget>,
    /// Caps on received bytes of all who have not said yet who they are.
    pub strangers: Arc<Budget>,
    /// Caps on a frame.
    pub limits: FrameLimits,
    /// Caps on silence.
    pub patience: Patience,
    /// Lines about those who are refused.
    pub refusals: Refusals,
}
