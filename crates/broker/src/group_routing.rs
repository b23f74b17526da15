//! From a group to the shard that coordinates it: which partition of `__consumer_offsets`, who owns it, and the way there and
//! back. Decides nothing about groups.

use std::sync::Arc;

use coordinator::Machine;
use coordinator::group::{Caller, GroupAnswer, GroupCommand, GroupMachine, partition_for};
use wire::ErrorCode;
use wire::topic::CONSUMER_OFFSETS;

use crate::api::Call;
use crate::command::{Command, Group};
use crate::mailbox::reply;
use crate::views::{PartitionCell, Role};

/// Who asks, as the coordinator wants to know it.
pub(crate) fn caller(call: &Call) -> Caller {
    Caller {
        api_version: call.api_version,
        client_id: call.client_id.as_ref().map(wire::Str::detached).unwrap_or_default(),
        client_host: wire::Str::from(&call.connection.peer().host),
    }
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

/// Asks the coordinator on a partition. Dispatched at once, whether or not the answer is awaited.
pub(crate) fn ask_at(
    call: &Call,
    cell: Arc<PartitionCell>,
    command: GroupCommand,
) -> impl Future<Output = GroupAnswer> + Send + use<> {
    let refusal = GroupMachine::refuse(&command, ErrorCode::NotCoordinator);
    let (reply, answer) = reply();
    let shard = cell.shard;
    call.node.submit_to(call.now_ms, shard, Command::Group(Box::new(Group { cell, command, reply })));
    async move { answer.await.unwrap_or(refusal) }
}
