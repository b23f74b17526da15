//! From a key to the shard that coordinates it (key -> internal topic -> partition -> shard), and the way there and back. Decides nothing
//! about what is coordinated.

use std::sync::Arc;

use coordinator::group::{Caller, partition_for};
use kraft::features::{GROUP_VERSION, STREAMS_VERSION};
use wire::ErrorCode;
use wire::codec::Message;
use wire::frame::encode_response;
use wire::topic::{CONSUMER_OFFSETS, SHARE_GROUP_STATE, TRANSACTION_STATE};

use super::kinds::{Asked, Kind};
use crate::call::Call;
use crate::command::Ask;
use crate::mailbox::{Answer, Dropped, reply};
use crate::rim::{Handling, Outcome};
use crate::views::{PartitionCell, Role, Views};

/// What a key names, by its code in FindCoordinator (KIP-98, KIP-932).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyType {
    Group = 0,
    Transaction = 1,
    /// `group:topic id:partition`.
    Share = 2,
}

impl KeyType {
    pub fn of_code(code: i8) -> Option<KeyType> {
        [KeyType::Group, KeyType::Transaction, KeyType::Share].into_iter().find(|known| *known as i8 == code)
    }

    /// The internal topic that coordinates such keys.
    pub fn topic(self) -> &'static str {
        match self {
            KeyType::Group => CONSUMER_OFFSETS,
            KeyType::Transaction => TRANSACTION_STATE,
            KeyType::Share => SHARE_GROUP_STATE,
        }
    }
}

/// The partition of its internal topic that a key of any type belongs to.
pub(crate) fn partition_of(key: &str, partitions: usize) -> i32 {
    partition_for(key, i32::try_from(partitions).unwrap_or(i32::MAX))
}

/// Who asks, as the coordinator wants to know it.
pub(crate) fn caller(call: &Call) -> Caller {
    Caller {
        api_version: call.api_version,
        client_id: call.client_id.as_ref().map(wire::Str::detached).unwrap_or_default(),
        client_host: wire::Str::from(&call.connection.peer().host),
    }
}

/// The same for a command whose caller nobody remembers: only the version matters, and nothing is copied.
pub(crate) fn passing_caller(call: &Call) -> Caller {
    Caller { api_version: call.api_version, ..Caller::default() }
}

/// Whether consumer groups are switched on: by the cluster's level and this broker's own file.
pub(crate) fn speaks_consumer_protocol(call: &Call) -> bool {
    call.node.image().features.level(GROUP_VERSION) >= 1 && call.node.config().consumer_protocol
}

/// Whether streams groups are: in the same two ways (KIP-1071).
pub(crate) fn speaks_streams_protocol(call: &Call) -> bool {
    call.node.image().features.level(STREAMS_VERSION) >= 1 && call.node.config().streams_protocol
}

/// The partition that coordinates a key; `None` while there is no such topic.
pub(crate) fn coordinator_of<M: Kind>(call: &Call, key: &str) -> Option<Arc<PartitionCell>> {
    coordinator_at::<M>(call.node.views(), key)
}

/// The same, by whoever has no call.
pub(crate) fn coordinator_at<M: Kind>(views: &Views, key: &str) -> Option<Arc<PartitionCell>> {
    let topic = views.by_name(M::TOPIC)?;
    topic.partition(partition_of(key, topic.partitions.len())).cloned()
}

/// The partitions of the internal topic that this node leads.
pub(crate) fn local_coordinators<M: Kind>(call: &Call) -> Vec<Arc<PartitionCell>> {
    let topic = call.node.views().by_name(M::TOPIC);
    let partitions = topic.iter().flat_map(|topic| &topic.partitions);
    partitions.filter(|cell| matches!(cell.role(), Role::Leader { .. })).cloned().collect()
}

/// Asks the coordinator of a key.
pub(crate) async fn ask<M: Kind>(call: &Call, key: &str, command: M::Command) -> M::Answer {
    match coordinator_of::<M>(call, key) {
        Some(cell) => ask_at::<M>(call, cell, command).await,
        None => M::refuse(&command, ErrorCode::NotCoordinator),
    }
}

/// Asks the coordinator of a key and makes an outcome of what it says, at once if it has said it by then. Nothing is made for the
/// case that nobody answers before it comes to that.
pub(crate) fn ask_promptly<M: Kind, R: Message + 'static>(
    call: &Call,
    key: &str,
    command: M::Command,
    respond: impl FnOnce(Result<M::Answer, ErrorCode>) -> R + Send + 'static,
) -> Handling {
    let (api_key, api_version, correlation_id) = (call.api_key, call.api_version, call.correlation_id);
    let outcome = move |answer: Result<M::Answer, ErrorCode>| {
        Outcome::Answer(encode_response(api_key, api_version, correlation_id, &respond(answer)))
    };
    let Some(cell) = coordinator_of::<M>(call, key) else {
        return Handling::ready(outcome(Err(ErrorCode::NotCoordinator)));
    };
    let mut answer = dispatch::<M>(call, cell, command);
    match answer.known() {
        Some(known) => Handling::ready(outcome(known.map_err(|Dropped| ErrorCode::NotCoordinator))),
        None => {
            Handling::running(
                async move { outcome(answer.await.map_err(|Dropped| ErrorCode::NotCoordinator)) },
            )
        }
    }
}

fn dispatch<M: Kind>(call: &Call, cell: Arc<PartitionCell>, command: M::Command) -> Answer<M::Answer> {
    let (reply, answer) = reply();
    let question = M::question(Asked { command, reply });
    call.node.ask(call.now_ms, Ask { cell, question });
    answer
}

/// Asks the coordinator on a partition. Dispatched at once, whether or not the answer is awaited.
pub(crate) fn ask_at<M: Kind>(
    call: &Call,
    cell: Arc<PartitionCell>,
    command: M::Command,
) -> impl Future<Output = M::Answer> + Send + use<M> {
    let refusal = M::refuse(&command, ErrorCode::NotCoordinator);
    let answer = dispatch::<M>(call, cell, command);
    async move { answer.await.unwrap_or(refusal) }
}
