//! The way to the state of share partitions, wherever its coordinator is (KIP-932): here it is a command to the shard, elsewhere one of the
//! five requests of share state. Asks again while that may help; decides nothing about the state.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use coordinator::Machine;
use coordinator::share::{ShareAnswer, ShareCommand, ShareMachine, partition_for};
use wire::codec::Message;
use wire::messages::delete_share_group_state as delete;
use wire::messages::initialize_share_group_state as initialize;
use wire::messages::read_share_group_state as read;
use wire::messages::read_share_group_state_summary as summary;
use wire::messages::write_share_group_state as write;
use wire::topic::SHARE_GROUP_STATE;
use wire::{ApiKey, ErrorCode, Uuid};

use super::Node;
use crate::call::Call;
use crate::command::Ask;
use crate::coordinators::internal_topics::creation_of;
use crate::coordinators::kinds::{Asked, Question};
use crate::mailbox::reply;
use crate::peers::{NoAnswer, Purpose};
use crate::security::authorizer::{Operation, Resource};
use crate::views::PartitionCell;

pub(crate) use coordinator::share::SharePartition;

/// How often a coordinator that is not there yet is asked again, and the first pause; each is twice the one before: about six seconds.
const TRIES: u32 = 8;
const PAUSE_MS: i64 = 50;

/// The state of a share partition, for the leader of the partition in this epoch; leaders of earlier ones are fenced from then on.
pub(crate) async fn read(
    node: &Node,
    of: &SharePartition,
    leader_epoch: i32,
) -> Result<read::PartitionResult, ErrorCode> {
    let command = ShareCommand::Read { of: of.clone(), leader_epoch };
    match ask_until_answered(node, of, command).await {
        ShareAnswer::Read(answer) => known(answer.error_code, answer),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

/// Tells what is new of a share partition. Once this is `Ok` it is committed.
pub(crate) async fn write(
    node: &Node,
    of: &SharePartition,
    state: write::PartitionData,
) -> Result<(), ErrorCode> {
    let command = ShareCommand::Write { of: of.clone(), data: state };
    match ask_until_answered(node, of, command).await {
        ShareAnswer::Write(answer) => known(answer.error_code, ()),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

/// How far the group is in a share partition.
pub(crate) async fn summary(node: &Node, of: &SharePartition) -> Result<summary::PartitionResult, ErrorCode> {
    match ask_until_answered(node, of, ShareCommand::Summary { of: of.clone() }).await {
        ShareAnswer::Summary(answer) => known(answer.error_code, answer),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

/// The group begins here in a share partition, in this state epoch.
pub(crate) async fn initialize(
    node: &Node,
    of: &SharePartition,
    state_epoch: i32,
    start_offset: i64,
) -> Result<(), ErrorCode> {
    let data = initialize::PartitionData { partition: of.partition, state_epoch, start_offset };
    let command = ShareCommand::Initialize { of: of.clone(), data };
    match ask_until_answered(node, of, command).await {
        ShareAnswer::Initialize(answer) => known(answer.error_code, ()),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

/// The group has nothing to do with a share partition any more.
pub(crate) async fn delete(node: &Node, of: &SharePartition) -> Result<(), ErrorCode> {
    match ask_until_answered(node, of, ShareCommand::Delete { of: of.clone() }).await {
        ShareAnswer::Delete(answer) => known(answer.error_code, ()),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

fn known<T>(error_code: i16, known: T) -> Result<T, ErrorCode> {
    match ErrorCode::from_code(error_code) {
        ErrorCode::None => Ok(known),
        error => Err(error),
    }
}

/// The partition of the state topic as this node sees it, led here or not; `None` without the topic.
fn local_cell(node: &Node, of: &SharePartition) -> Option<Arc<PartitionCell>> {
    let topic = node.views().by_name(SHARE_GROUP_STATE)?;
    let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    topic.partition(partition_for(of, partitions.max(1))).cloned()
}

/// Asks the coordinator on this node once: dispatched at once, whether or not the answer is awaited.
fn ask_here(
    node: &Node,
    of: &SharePartition,
    command: ShareCommand,
) -> impl Future<Output = ShareAnswer> + Send + use<> {
    let not_here = <ShareMachine as Machine>::refuse(&command, ErrorCode::NotCoordinator);
    let answer = local_cell(node, of).map(|cell| {
        let (reply, answer) = reply();
        let question = Question::Share(Asked { command, reply });
        node.ask(node.latest_ms(), Ask { cell, question });
        answer
    });
    async move {
        match answer {
            Some(answer) => answer.await.unwrap_or(not_here),
            None => not_here,
        }
    }
}

/// Answers, by topic and partition.
pub(crate) type Answered = BTreeMap<Uuid, BTreeMap<i32, ShareAnswer>>;

/// What another broker asks of coordinators on this one: all of them before the first answer is awaited.
pub(crate) async fn answer_each(call: &Call, asked: Vec<(SharePartition, ShareCommand)>) -> Answered {
    let mut answers = Answered::new();
    let allowed = call.authorize(Operation::ClusterAction, Resource::Cluster);
    let mut waiting = Vec::new();
    for (of, command) in asked {
        match allowed {
            Ok(()) => waiting.push((of.topic_id, of.partition, ask_here(&call.node, &of, command))),
            Err(error) => {
                let refused = coordinator::share::refused(&command, error);
                answers.entry(of.topic_id).or_default().insert(of.partition, refused);
            }
        }
    }
    for (topic_id, partition, answer) in waiting {
        answers.entry(topic_id).or_default().insert(partition, answer.await);
    }
    answers
}

async fn ask_until_answered(node: &Node, of: &SharePartition, command: ShareCommand) -> ShareAnswer {
    let mut pause_ms = PAUSE_MS;
    for _ in 1..TRIES {
        let answer = ask_once(node, of, &command).await;
        if !passes(&answer) {
            return answer;
        }
        let now_ms = node.latest_ms();
        if node.at(now_ms, now_ms.saturating_add(pause_ms)).await.is_err() {
            return answer;
        }
        pause_ms *= 2;
    }
    ask_once(node, of, &command).await
}

/// Whether the same question may be answered better later. A write that was not heard of is asked again, too: the same state twice is the
/// same state.
fn passes(answer: &ShareAnswer) -> bool {
    let error_code = match answer {
        ShareAnswer::Initialize(answer) => answer.error_code,
        ShareAnswer::Read(answer) => answer.error_code,
        ShareAnswer::Summary(answer) => answer.error_code,
        ShareAnswer::Write(answer) => answer.error_code,
        ShareAnswer::Delete(answer) => answer.error_code,
        ShareAnswer::Done => return false,
    };
    matches!(
        ErrorCode::from_code(error_code),
        ErrorCode::NotCoordinator
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::NetworkException
    )
}

async fn ask_once(node: &Node, of: &SharePartition, command: &ShareCommand) -> ShareAnswer {
    let refused = |error| <ShareMachine as Machine>::refuse(command, error);
    match leader(node, of) {
        Err(error) => refused(error),
        Ok(leader) if leader == node.node_id() => ask_here(node, of, command.clone()).await,
        Ok(leader) => match ask_there(node, leader, of, command).await {
            Ok(answer) => answer,
            Err(error) => refused(error),
        },
    }
}

/// The broker that coordinates a share partition. Without the topic there is none, and it is sent on its way.
fn leader(node: &Node, of: &SharePartition) -> Result<i32, ErrorCode> {
    let image = node.image();
    let Some(topic) = image.topics.by_name(SHARE_GROUP_STATE) else {
        node.create_unasked(vec![creation_of(SHARE_GROUP_STATE, node.config())]);
        return Err(ErrorCode::CoordinatorNotAvailable);
    };
    let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let partition = topic.partition(partition_for(of, partitions.max(1)));
    let leader = partition.map(|partition| partition.leader).filter(|leader| *leader >= 0);
    leader.ok_or(ErrorCode::CoordinatorNotAvailable)
}

/// Asks the coordinator on another broker. Of what is not answered for this very partition nothing is known.
async fn ask_there(
    node: &Node,
    leader: i32,
    of: &SharePartition,
    command: &ShareCommand,
) -> Result<ShareAnswer, ErrorCode> {
    let (group_id, topic_id, partition) = (of.group.clone(), of.topic_id, of.partition);
    match command {
        ShareCommand::Initialize { data, .. } => {
            let topics = vec![initialize::InitializeStateData { topic_id, partitions: vec![data.clone()] }];
            let request = initialize::InitializeShareGroupStateRequest { group_id, topics };
            let api_key = ApiKey::InitializeShareGroupState;
            let response: initialize::InitializeShareGroupStateResponse =
                question(node, leader, api_key, request).await?;
            let topics = response.results.into_iter().map(|topic| (topic.topic_id, topic.partitions));
            only(topic_id, topics, |result| result.partition == partition).map(ShareAnswer::Initialize)
        }
        ShareCommand::Read { leader_epoch, .. } => {
            let leader_epoch = *leader_epoch;
            let partitions = vec![read::PartitionData { partition, leader_epoch }];
            let topics = vec![read::ReadStateData { topic_id, partitions }];
            let request = read::ReadShareGroupStateRequest { group_id, topics };
            let response: read::ReadShareGroupStateResponse =
                question(node, leader, ApiKey::ReadShareGroupState, request).await?;
            let topics = response.results.into_iter().map(|topic| (topic.topic_id, topic.partitions));
            only(topic_id, topics, |result| result.partition == partition).map(ShareAnswer::Read)
        }
        ShareCommand::Summary { .. } => {
            let partitions = vec![summary::PartitionData { partition, leader_epoch: -1 }];
            let topics = vec![summary::ReadStateSummaryData { topic_id, partitions }];
            let request = summary::ReadShareGroupStateSummaryRequest { group_id, topics };
            let response: summary::ReadShareGroupStateSummaryResponse =
                question(node, leader, ApiKey::ReadShareGroupStateSummary, request).await?;
            let topics = response.results.into_iter().map(|topic| (topic.topic_id, topic.partitions));
            only(topic_id, topics, |result| result.partition == partition).map(ShareAnswer::Summary)
        }
        ShareCommand::Write { data, .. } => {
            let topics = vec![write::WriteStateData { topic_id, partitions: vec![data.clone()] }];
            let request = write::WriteShareGroupStateRequest { group_id, topics };
            let response: write::WriteShareGroupStateResponse =
                question(node, leader, ApiKey::WriteShareGroupState, request).await?;
            let topics = response.results.into_iter().map(|topic| (topic.topic_id, topic.partitions));
            only(topic_id, topics, |result| result.partition == partition).map(ShareAnswer::Write)
        }
        ShareCommand::Delete { .. } => {
            let topics = vec![delete::DeleteStateData {
                topic_id,
                partitions: vec![delete::PartitionData { partition }],
            }];
            let request = delete::DeleteShareGroupStateRequest { group_id, topics };
            let response: delete::DeleteShareGroupStateResponse =
                question(node, leader, ApiKey::DeleteShareGroupState, request).await?;
            let topics = response.results.into_iter().map(|topic| (topic.topic_id, topic.partitions));
            only(topic_id, topics, |result| result.partition == partition).map(ShareAnswer::Delete)
        }
        ShareCommand::TopicsDeleted { .. } | ShareCommand::Prune { .. } | ShareCommand::Fired(_) => {
            Err(ErrorCode::InvalidRequest)
        }
    }
}

fn only<R>(
    topic_id: Uuid,
    topics: impl Iterator<Item = (Uuid, Vec<R>)>,
    is_it: impl Fn(&R) -> bool,
) -> Result<R, ErrorCode> {
    let mut results = topics.filter(|(id, _)| *id == topic_id).flat_map(|(_, results)| results);
    results.find(|result| is_it(result)).ok_or(ErrorCode::UnknownServerError)
}

async fn question<A: Message + Send + 'static>(
    node: &Node,
    leader: i32,
    api_key: ApiKey,
    request: impl Message + Send + 'static,
) -> Result<A, ErrorCode> {
    let now_ms = node.latest_ms();
    let answer = node.question_broker::<A>(now_ms, leader, Purpose::ShareState, api_key, request);
    match answer.await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(NoAnswer::Unsupported)) => Err(ErrorCode::UnsupportedVersion),
        Ok(Err(
            NoAnswer::Unreachable
            | NoAnswer::Refused
            | NoAnswer::Lost
            | NoAnswer::TimedOut
            | NoAnswer::Malformed,
        ))
        | Err(_) => Err(ErrorCode::NetworkException),
    }
}
