//! What the coordinators of transactions on this node want, carried out: producer ids, and the markers that end transactions, here and on
//! other brokers. Decides nothing: what a marker's outcome means, and when it is asked for again, is the coordinator's.

use std::collections::BTreeMap;
use std::sync::Arc;

use coordinator::TransactionMarker;
use coordinator::group::GroupAnswer;
use coordinator::transaction::{
    MarkerOutcome, MarkersAnswer, MarkersWish, TransactionCommand, TransactionWish,
};
use kraft::controller::{ControllerAnswer, ControllerCommand};
use kraft::image::NO_LEADER;
use log::AppendOrigin;
use wire::messages::allocate_producer_ids::AllocateProducerIdsRequest;
use wire::messages::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use wire::produce::AnswerLine;
use wire::record_batch::{EndTransactionMarker, end_transaction_batch, validate_internal};
use wire::topic::CONSUMER_OFFSETS;
use wire::{ApiKey, ErrorCode, Str};

use super::Node;
use super::asking::PATIENCE_MS;
use crate::command::{Append, AppendEntry, Ask, Command};
use crate::coordinators::kinds::{Asked, GroupMarker, Question};
use crate::mailbox::{Reply, call_back, reply};
use crate::peers::Purpose;
use crate::quorum::QuorumCommand;
use crate::views::PartitionCell;

/// So many producer ids a coordinator is given at once.
const IDS_AT_ONCE: u32 = 10;

/// One marker for one partition of this node.
pub(crate) struct Mark {
    pub marker: TransactionMarker,
    /// By which level of `transaction.version` the transaction was ended.
    pub transaction_version: i8,
}

/// Partitions by topic, and with each topic once.
type Topics = BTreeMap<Str, Vec<i32>>;

impl Node {
    pub(super) fn transactions(&self, now_ms: i64, home: &Arc<PartitionCell>, wishes: Vec<TransactionWish>) {
        for wish in wishes {
            match wish {
                TransactionWish::ProducerIds => self.grant_producer_ids(now_ms, home),
                TransactionWish::Markers(wish) => self.send_markers(now_ms, home, wish),
            }
        }
    }

    fn tell_transactions(&self, now_ms: i64, home: &Arc<PartitionCell>, command: TransactionCommand) {
        // Should it not be heard, the coordinator asks again.
        let question = Question::Transaction(Asked { command, reply: reply().0 });
        self.ask(now_ms, Ask { cell: Arc::clone(home), question });
    }

    fn grant_producer_ids(&self, now_ms: i64, home: &Arc<PartitionCell>) {
        let ids = self.0.producer_ids.take_some(IDS_AT_ONCE);
        if !ids.is_empty() {
            return self.tell_transactions(now_ms, home, TransactionCommand::ProducerIdsGranted { ids });
        }
        let mut short = self.0.short_of_ids.lock();
        short.push(Arc::clone(home));
        if short.len() > 1 {
            return;
        }
        drop(short);
        let request =
            AllocateProducerIdsRequest { broker_id: self.node_id(), broker_epoch: self.broker_epoch() };
        let node = self.clone();
        let reply = call_back(move |answer| {
            let homes = std::mem::take(&mut *node.0.short_of_ids.lock());
            // Without a block they ask again after a while.
            if let Ok(ControllerAnswer::AllocateProducerIds(block)) = answer
                && block.error_code == ErrorCode::None.code()
                && block.producer_id_len > 0
            {
                let first = node.0.producer_ids.refill(block.producer_id_start, block.producer_id_len);
                let (now_ms, mut first) = (node.latest_ms(), Some(first..first.saturating_add(1)));
                for home in homes {
                    let ids = first.take().unwrap_or_else(|| node.0.producer_ids.take_some(IDS_AT_ONCE));
                    node.tell_transactions(now_ms, &home, TransactionCommand::ProducerIdsGranted { ids });
                }
            }
        });
        let command = ControllerCommand::AllocateProducerIds(request);
        self.0.quorum.post(QuorumCommand::Propose(Box::new(command), reply));
        self.0.rim.call_quorum();
    }

    /// Finds who leads each partition, and sends the markers there.
    fn send_markers(&self, now_ms: i64, home: &Arc<PartitionCell>, wish: MarkersWish) {
        let (mut nowhere, mut here, mut elsewhere) = (Vec::new(), Vec::new(), BTreeMap::<i32, Topics>::new());
        {
            let image = self.image();
            for (topic, number) in wish.partitions.iter() {
                let known = image.topics.by_name(topic).and_then(|known| known.partition(number));
                match known.map(|partition| partition.leader) {
                    None => nowhere.push((topic.clone(), number, MarkerOutcome::Gone)),
                    Some(NO_LEADER) => nowhere.push((topic.clone(), number, MarkerOutcome::NotReached)),
                    Some(leader) if leader == self.node_id() => here.push((topic.clone(), number)),
                    Some(leader) => {
                        elsewhere.entry(leader).or_default().entry(topic.clone()).or_default().push(number);
                    }
                }
            }
        }
        let wish = Arc::new(wish);
        if !nowhere.is_empty() {
            self.marked(now_ms, home, &wish, nowhere);
        }
        for (topic, number) in here {
            self.mark_here(now_ms, home, &wish, topic, number);
        }
        for (broker, topics) in elsewhere {
            self.mark_at(now_ms, home, &wish, broker, topics);
        }
    }

    fn mark_here(
        &self,
        now_ms: i64,
        home: &Arc<PartitionCell>,
        wish: &Arc<MarkersWish>,
        topic: Str,
        number: i32,
    ) {
        let mark = Mark { marker: marker_of(wish), transaction_version: wish.transaction_version };
        let (node, home, wish, name) = (self.clone(), Arc::clone(home), Arc::clone(wish), topic.clone());
        let reply = call_back(move |answer| {
            let outcome = answer.map_or(MarkerOutcome::NotReached, MarkerOutcome::Answered);
            node.marked(node.latest_ms(), &home, &wish, vec![(topic, number, outcome)]);
        });
        self.mark(now_ms, &name, number, &mark, reply);
    }

    fn mark_at(
        &self,
        now_ms: i64,
        home: &Arc<PartitionCell>,
        wish: &Arc<MarkersWish>,
        broker: i32,
        topics: Topics,
    ) {
        let request = WriteTxnMarkersRequest {
            markers: vec![WritableTxnMarker {
                producer_id: wish.producer.producer_id,
                producer_epoch: wish.producer.producer_epoch,
                transaction_result: wish.commit,
                topics: topics
                    .iter()
                    .map(|(name, numbers)| WritableTxnMarkerTopic {
                        name: name.clone(),
                        partition_indexes: numbers.clone(),
                    })
                    .collect(),
                coordinator_epoch: wish.coordinator_epoch,
                transaction_version: wish.transaction_version,
            }],
        };
        let (node, home, wish) = (self.clone(), Arc::clone(home), Arc::clone(wish));
        let reply = call_back(move |answer| {
            let response = answer.ok().and_then(|answer: Result<WriteTxnMarkersResponse, _>| answer.ok());
            let outcomes = outcomes(topics, wish.producer.producer_id, response.as_ref());
            node.marked(node.latest_ms(), &home, &wish, outcomes);
        });
        self.ask_broker(now_ms, broker, Purpose::Transactions, ApiKey::WriteTxnMarkers, request, reply);
    }

    fn marked(
        &self,
        now_ms: i64,
        home: &Arc<PartitionCell>,
        wish: &MarkersWish,
        outcomes: Vec<(Str, i32, MarkerOutcome)>,
    ) {
        let answer = MarkersAnswer {
            transactional_id: wish.transactional_id.clone(),
            producer: wish.producer,
            coordinator_epoch: wish.coordinator_epoch,
            outcomes,
        };
        self.tell_transactions(now_ms, home, TransactionCommand::MarkersAnswered(answer));
    }

    /// Writes a marker to a partition that this node leads; answered when it is committed there.
    pub(crate) fn mark(&self, now_ms: i64, topic: &str, number: i32, mark: &Mark, reply: Reply<ErrorCode>) {
        let views = self.views().by_name(topic);
        let Some(cell) = views.and_then(|views| views.partition(number).cloned()) else {
            return reply.send(ErrorCode::UnknownTopicOrPartition);
        };
        let Mark { marker, transaction_version } = *mark;
        let is_later = transaction_version >= 2;
        if topic == CONSUMER_OFFSETS {
            let reply = call_back(move |answer| reply.send(group_said(answer.ok())));
            let question = Question::GroupMarker(GroupMarker { marker, is_later, reply });
            return self.ask(now_ms, Ask { cell, question });
        }
        let end = EndTransactionMarker { commit: marker.commit, coordinator_epoch: marker.coordinator_epoch };
        let producer = marker.producer;
        let batch =
            end_transaction_batch(producer.producer_id, producer.producer_epoch, self.wall_ms(now_ms), end);
        let Ok(batches) = validate_internal(batch) else {
            return reply.send(ErrorCode::UnknownServerError);
        };
        let append = Append {
            entries: vec![AppendEntry { cell: Arc::clone(&cell), batches, place: AnswerLine::default() }],
            origin: if is_later { AppendOrigin::LaterMarker } else { AppendOrigin::Coordinator },
            all: true,
            deadline_ms: now_ms.saturating_add(PATIENCE_MS),
        };
        let reply = call_back(move |answer: Result<crate::replica::pending::AppendResults, _>| {
            let said = answer.ok().and_then(|results| results.first().map(|(_, produced)| produced.error));
            reply.send(said.unwrap_or(ErrorCode::NotLeaderOrFollower));
        });
        self.submit(now_ms, &cell, Command::Append(append, reply));
    }
}

fn marker_of(wish: &MarkersWish) -> TransactionMarker {
    TransactionMarker {
        producer: wish.producer,
        commit: wish.commit,
        coordinator_epoch: wish.coordinator_epoch,
    }
}

/// What the coordinator of groups says of a marker, as the coordinator of transactions wants to know it: one that is not there (yet)
/// leads nothing.
fn group_said(answer: Option<GroupAnswer>) -> ErrorCode {
    match answer {
        Some(GroupAnswer::Marker(
            ErrorCode::CoordinatorNotAvailable
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::NotCoordinator,
        ))
        | None => ErrorCode::NotLeaderOrFollower,
        Some(GroupAnswer::Marker(error)) => error,
        Some(_) => ErrorCode::UnknownServerError,
    }
}

/// What a broker said of each partition that it was asked for; of what it does not speak of nothing is known.
fn outcomes(
    topics: Topics,
    producer_id: i64,
    response: Option<&WriteTxnMarkersResponse>,
) -> Vec<(Str, i32, MarkerOutcome)> {
    let mut said = BTreeMap::new();
    let markers = response.into_iter().flat_map(|response| &response.markers);
    for marker in markers.filter(|marker| marker.producer_id == producer_id) {
        for topic in &marker.topics {
            for partition in &topic.partitions {
                said.insert((&topic.name, partition.partition_index), partition.error_code);
            }
        }
    }
    let outcome = |name: &Str, number: i32| match said.get(&(name, number)) {
        Some(&code) => MarkerOutcome::Answered(ErrorCode::from_code(code)),
        None => MarkerOutcome::NotReached,
    };
    let all = topics.iter().flat_map(|(name, numbers)| numbers.iter().map(move |&number| (name, number)));
    all.map(|(name, number)| (name.clone(), number, outcome(name, number))).collect()
}
