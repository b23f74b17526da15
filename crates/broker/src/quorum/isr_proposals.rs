//! What this broker's partitions propose to the controller of their in-sync replicas (AlterPartition, KIP-497, 903), and what it said to
//! that. Pure: one request is under way at a time, with as many of
//! those that wait as one may name, in turn; what was not decided is sent again, what was is answered to
//! the shard once. The newest proposal of a partition counts: its leader makes no other while one is open, but for a change of
//! the image in between.

use std::collections::BTreeMap;
use std::ops::Bound;

use wire::ErrorCode;
use wire::messages::alter_partition::{
    AlterPartitionRequest, AlterPartitionResponse, AlterPartitionResponsePartitionData, BrokerState,
    PartitionData, TopicData,
};
use wire::topic::TopicIdPartition;

/// A leader wants its ISR to be this.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IsrProposal {
    /// Of which partition.
    pub key: TopicIdPartition,
    /// In which the proposing broker leads.
    pub leader_epoch: i32,
    /// The one that it would follow.
    pub partition_epoch: i32,
    /// Brokers and their epochs as they were when they were last heard of; -1 if they never were.
    pub isr: Vec<(i32, i64)>,
}

/// What became of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsrAnswer {
    /// Of which partition.
    pub key: TopicIdPartition,
    /// As proposed.
    pub leader_epoch: i32,
    /// As proposed.
    pub partition_epoch: i32,
    /// What became of it.
    pub outcome: IsrOutcome,
}

/// The controller's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IsrOutcome {
    /// The controller's word, newer than the proposal.
    Decided {
        /// As it is now.
        leader_epoch: i32,
        /// As it is now.
        partition_epoch: i32,
        /// As it is now.
        isr: Vec<i32>,
    },
    /// Nothing was changed: what was committed last holds, and something else may be proposed.
    Refused,
    /// The leader is not what it takes itself for: an image on its way says what it is.
    Outdated,
}

/// What the controller has not answered yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct IsrProposals {
    open: BTreeMap<TopicIdPartition, IsrProposal>,
    /// What was sent, if an answer to it is missing.
    sent: Option<Vec<IsrProposal>>,
    /// The last one that was sent: the next request begins behind it.
    last: Option<TopicIdPartition>,
    next_send_ms: i64,
}

/// Before what was refused as a whole is sent again (KIP-497: 50 ms).
const RETRY_MS: i64 = 50;

/// Partitions that one request names: with three replicas each about a third of a mebibyte, and as many records in one batch of the
/// controller. A broker that leads more lost a peer: it asks several times, each time when the last answer has come.
const PARTITIONS_PER_REQUEST: usize = 4_000;

impl IsrProposals {
    /// A leader proposes; what it proposed before is forgotten.
    pub fn add(&mut self, proposal: IsrProposal) {
        self.open.insert(proposal.key, proposal);
    }

    /// When [`IsrProposals::step`] has something to do.
    pub fn next_deadline(&self) -> Option<i64> {
        (self.sent.is_none() && !self.open.is_empty()).then_some(self.next_send_ms)
    }

    /// What is to be sent now by the broker of this epoch.
    pub fn step(&mut self, now_ms: i64, broker_id: i32, broker_epoch: i64) -> Option<AlterPartitionRequest> {
        if broker_epoch < 0 || self.next_deadline().is_none_or(|due_ms| now_ms < due_ms) {
            return None;
        }
        let mut topics: Vec<TopicData> = Vec::new();
        let sent = self.next_to_send();
        for proposal in &sent {
            if topics.last().is_none_or(|topic| topic.topic_id != proposal.key.topic_id) {
                topics.push(TopicData { topic_id: proposal.key.topic_id, partitions: Vec::new() });
            }
            let state = |&(id, epoch): &(i32, i64)| BrokerState {
                broker_id: id,
                broker_epoch: if id == broker_id { broker_epoch } else { epoch },
            };
            topics.last_mut()?.partitions.push(PartitionData {
                partition_index: proposal.key.partition,
                leader_epoch: proposal.leader_epoch,
                new_isr_with_epochs: proposal.isr.iter().map(state).collect(),
                partition_epoch: proposal.partition_epoch,
                ..PartitionData::default()
            });
        }
        self.last = sent.last().map(|proposal| proposal.key);
        self.sent = Some(sent);
        Some(AlterPartitionRequest { broker_id, broker_epoch, topics })
    }

    /// Those whose turn it is, from behind the last one on, and from the beginning again.
    fn next_to_send(&self) -> Vec<IsrProposal> {
        let behind = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let first = self.open.range((behind, Bound::Unbounded));
        let rest = self.last.into_iter().flat_map(|last| self.open.range(..=last));
        first.chain(rest).take(PARTITIONS_PER_REQUEST).map(|(_, proposal)| proposal.clone()).collect()
    }

    /// No answer will come, or none that decides anything: all of it is sent again.
    pub fn unanswered(&mut self, now_ms: i64) {
        self.sent = None;
        self.next_send_ms = now_ms.saturating_add(RETRY_MS);
    }

    /// What was decided, for the leaders; the rest is sent again.
    pub fn answered(&mut self, now_ms: i64, response: &AlterPartitionResponse) -> Vec<IsrAnswer> {
        let Some(sent) = self.sent.take() else { return Vec::new() };
        self.next_send_ms = now_ms;
        if ErrorCode::from_code(response.error_code) != ErrorCode::None {
            self.unanswered(now_ms);
            return Vec::new();
        }
        let mut lines: BTreeMap<TopicIdPartition, &AlterPartitionResponsePartitionData> = BTreeMap::new();
        for topic in &response.topics {
            let key = |line: &AlterPartitionResponsePartitionData| {
                TopicIdPartition::new(topic.topic_id, line.partition_index)
            };
            lines.extend(topic.partitions.iter().map(|line| (key(line), line)));
        }
        let mut answers = Vec::new();
        for proposal in sent {
            match lines.get(&proposal.key).and_then(|line| outcome(line)) {
                // An image came in between, and the leader has proposed something else since.
                _ if self.open.get(&proposal.key) != Some(&proposal) => {}
                None => self.next_send_ms = now_ms.saturating_add(RETRY_MS),
                Some(outcome) => {
                    self.open.remove(&proposal.key);
                    let IsrProposal { key, leader_epoch, partition_epoch, .. } = proposal;
                    answers.push(IsrAnswer { key, leader_epoch, partition_epoch, outcome });
                }
            }
        }
        answers
    }
}

/// `None` for what may be decided another time.
fn outcome(line: &AlterPartitionResponsePartitionData) -> Option<IsrOutcome> {
    match ErrorCode::from_code(line.error_code) {
        ErrorCode::None => Some(IsrOutcome::Decided {
            leader_epoch: line.leader_epoch,
            partition_epoch: line.partition_epoch,
            isr: line.isr.clone(),
        }),
        ErrorCode::OperationNotAttempted | ErrorCode::IneligibleReplica => Some(IsrOutcome::Refused),
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::UnknownTopicId
        | ErrorCode::FencedLeaderEpoch
        | ErrorCode::InvalidUpdateVersion
        | ErrorCode::InvalidRequest
        | ErrorCode::NewLeaderElected => Some(IsrOutcome::Outdated),
        // NOT_CONTROLLER among them: the one that was asked is behind, there is a newer one (KAFKA-14154).
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Uuid;
    use wire::messages::alter_partition::AlterPartitionResponseTopicData;

    const TOPIC: Uuid = Uuid::from_halves(1, 1);

    fn proposal(partition: i32, partition_epoch: i32, isr: &[(i32, i64)]) -> IsrProposal {
        let key = TopicIdPartition::new(TOPIC, partition);
        IsrProposal { key, leader_epoch: 4, partition_epoch, isr: isr.to_vec() }
    }

    fn answer(lines: &[(i32, ErrorCode)]) -> AlterPartitionResponse {
        let line = |&(partition_index, error): &(i32, ErrorCode)| AlterPartitionResponsePartitionData {
            partition_index,
            error_code: error.code(),
            leader_epoch: 4,
            partition_epoch: 8,
            isr: vec![1, 2],
            ..Default::default()
        };
        let partitions = lines.iter().map(line).collect();
        let topics = vec![AlterPartitionResponseTopicData { topic_id: TOPIC, partitions }];
        AlterPartitionResponse { topics, ..Default::default() }
    }

    #[test]
    fn all_that_waits_goes_in_one_request_with_the_epochs_of_the_brokers() {
        let mut proposals = IsrProposals::default();
        proposals.add(proposal(0, 7, &[(1, -1), (2, 30)]));
        proposals.add(proposal(3, 2, &[(1, -1)]));
        assert_eq!(proposals.step(0, 1, -1), None, "not registered yet");
        let request = proposals.step(0, 1, 50).unwrap();
        assert_eq!((request.broker_id, request.broker_epoch, request.topics.len()), (1, 50, 1));
        let isr = &request.topics[0].partitions[0].new_isr_with_epochs;
        assert_eq!(
            isr.iter().map(|it| (it.broker_id, it.broker_epoch)).collect::<Vec<_>>(),
            [(1, 50), (2, 30)]
        );
        proposals.add(proposal(5, 1, &[(1, -1)]));
        assert_eq!(proposals.step(0, 1, 50), None, "one at a time");
        let answers =
            proposals.answered(9, &answer(&[(0, ErrorCode::None), (3, ErrorCode::IneligibleReplica)]));
        let decided = IsrOutcome::Decided { leader_epoch: 4, partition_epoch: 8, isr: vec![1, 2] };
        assert_eq!((answers[0].partition_epoch, &answers[0].outcome), (7, &decided));
        assert_eq!(answers[1].outcome, IsrOutcome::Refused);
        assert_eq!(proposals.step(9, 1, 50).unwrap().topics[0].partitions[0].partition_index, 5);
    }

    #[test]
    fn s13_what_a_stale_controller_says_no_to_is_asked_again() {
        let mut proposals = IsrProposals::default();
        proposals.add(proposal(0, 7, &[(1, -1)]));
        let first = proposals.step(0, 1, 50).unwrap();
        assert_eq!(proposals.answered(10, &answer(&[(0, ErrorCode::NotController)])), []);
        assert_eq!(proposals.step(10, 1, 50), None);
        assert_eq!(proposals.step(10 + RETRY_MS, 1, 50), Some(first));
        let refused = AlterPartitionResponse {
            error_code: ErrorCode::StaleBrokerEpoch.code(),
            ..AlterPartitionResponse::default()
        };
        assert_eq!(proposals.answered(100, &refused), []);
        assert!(proposals.step(100 + RETRY_MS, 1, 60).is_some());
        let answers = proposals.answered(200, &answer(&[(0, ErrorCode::FencedLeaderEpoch)]));
        assert_eq!(answers[0].outcome, IsrOutcome::Outdated);
        assert_eq!(proposals.next_deadline(), None);
    }

    #[test]
    fn very_many_go_in_several_requests_and_none_starves() {
        let mut proposals = IsrProposals::default();
        let most = i32::try_from(PARTITIONS_PER_REQUEST).unwrap();
        (0..most + 10).for_each(|partition| proposals.add(proposal(partition, 7, &[(1, -1)])));
        let mut ask = |now_ms| -> Vec<i32> {
            let request = proposals.step(now_ms, 1, 50).unwrap();
            proposals.unanswered(now_ms);
            let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
            partitions.map(|partition| partition.partition_index).collect()
        };
        let (first, second) = (ask(0), ask(RETRY_MS));
        assert_eq!((first.len(), second.len()), (PARTITIONS_PER_REQUEST, PARTITIONS_PER_REQUEST));
        assert_eq!((first[0], second[0], second[10]), (0, most, 0));
    }

    #[test]
    fn an_answer_to_an_older_proposal_is_nobodys() {
        let mut proposals = IsrProposals::default();
        proposals.add(proposal(0, 7, &[(1, -1)]));
        proposals.step(0, 1, 50).unwrap();
        proposals.add(proposal(0, 9, &[(1, -1), (2, 3)]));
        assert_eq!(proposals.answered(10, &answer(&[(0, ErrorCode::InvalidUpdateVersion)])), []);
        assert_eq!(proposals.step(10, 1, 50).unwrap().topics[0].partitions[0].partition_epoch, 9);
    }
}
