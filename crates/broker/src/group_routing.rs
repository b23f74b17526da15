//! From a group to the shard that coordinates it: which partition of `__consumer_offsets`, who owns it, and the way there and
//! back. Decides nothing about groups.

use std::sync::Arc;

use coordinator::Machine;
use coordinator::group::{Caller, GroupAnswer, GroupCommand, GroupMachine, partition_for};
use wire::ErrorCode;
use wire::codec::Message;
use wire::frame::encode_response;
use wire::topic::CONSUMER_OFFSETS;

use crate::api::Call;
use crate::command::Group;
use crate::mailbox::{Answer, Dropped, reply};
use crate::rim::{Handling, Outcome};
use crate::views::{PartitionCell, Role};

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

/// The partition that coordinates a group; `None` while there is no offsets topic.
pub(crate) fn coordinator_of(call: &Call, group_id: &str) -> Option<Arc<PartitionCell>> {
    let topic = call.node.views().by_name(CONSUMER_OFFSETS)?;
    let partitions = i32::try_from(topic.partitions.len()).ok()?;
    topic.partition(partition_for(group_id, partitions)).cloned()
}

/// The partitions of the offsets topic that this node leads.
pub(crate) fn local_coordinators(call: &Call) -> Vec<Arc<PartitionCell>> {
    let topic = call.node.views().by_name(CONSUMER_OFFSETS);
    let partitions = topic.iter().flat_map(|topic| &topic.partitions);
    partitions.filter(|cell| matches!(cell.role(), Role::Leader { .. })).cloned().collect()
}

/// Asks the coordinator of a group.
pub(crate) async fn ask(call: &Call, group_id: &str, command: GroupCommand) -> GroupAnswer {
    match coordinator_of(call, group_id) {
        Some(cell) => ask_at(call, cell, command).await,
        None => GroupMachine::refuse(&command, ErrorCode::NotCoordinator),
    }
}

/// Asks the coordinator of a group and makes an outcome of what it says, at once if it has said it by then. Nothing is made for the
/// case that nobody answers before it comes to that.
pub(crate) fn ask_promptly<M: Message + 'static>(
    call: &Call,
    group_id: &str,
    command: GroupCommand,
    respond: impl FnOnce(Result<GroupAnswer, ErrorCode>) -> M + Send + 'static,
) -> Handling {
    let (api_key, api_version, correlation_id) = (call.api_key, call.api_version, call.correlation_id);
    let outcome = move |answer: Result<GroupAnswer, ErrorCode>| {
        Outcome::Answer(encode_response(api_key, api_version, correlation_id, &respond(answer)))
    };
    let Some(cell) = coordinator_of(call, group_id) else {
        return Handling::ready(outcome(Err(ErrorCode::NotCoordinator)));
    };
    let mut answer = dispatch(call, cell, command);
    match answer.known() {
        Some(known) => Handling::ready(outcome(known.map_err(|Dropped| ErrorCode::NotCoordinator))),
        None => {
            Handling::running(
                async move { outcome(answer.await.map_err(|Dropped| ErrorCode::NotCoordinator)) },
            )
        }
    }
}

fn dispatch(call: &Call, cell: Arc<PartitionCell>, command: GroupCommand) -> Answer<GroupAnswer> {
    let (reply, answer) = reply();
    call.node.ask_group(call.now_ms, Group { cell, command, reply });
    answer
}

/// Asks the coordinator on a partition. Dispatched at once, whether or not the answer is awaited.
pub(crate) fn ask_at(
    call: &Call,
    cell: Arc<PartitionCell>,
    command: GroupCommand,
) -> impl Future<Output = GroupAnswer> + Send + use<> {
    let refusal = GroupMachine::refuse(&command, ErrorCode::NotCoordinator);
    let answer = dispatch(call, cell, command);
    async move { answer.await.unwrap_or(refusal) }
}
