//! One request on its way through the node, and how what a handler says becomes bytes.

use wire::codec::Message;
use wire::frame::encode_response;
use wire::{ApiKey, Str};

use crate::connection::Connection;
use crate::node::Node;
use crate::rim::Outcome;

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
