//! Share groups on a whole node: records that several members share, locks that end, members whose connections break, a node that loses power
//! in the middle, a log that begins later, a leader that is no more.

use wire::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use wire::messages::share_acknowledge::{
    AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch, ShareAcknowledgeRequest,
    ShareAcknowledgeResponse,
};
use wire::messages::share_fetch::{FetchPartition, FetchTopic, ShareFetchRequest, ShareFetchResponse};
use wire::messages::update_features::{FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse};

use super::produce::produce;
use super::*;
use crate::node::share_state::{SharePartition, initialize, read};

const LOCK_MS: i64 = 15_000;

/// A node with a topic of one partition, which the group `g` reads from the start.
pub(super) struct Shared {
    pub node: Harness,
    pub topic_id: Uuid,
}

impl Shared {
    pub fn start() -> Shared {
        Shared::from(0)
    }

    fn from(start_offset: i64) -> Shared {
        Shared::with(start_offset, &[])
    }

    pub fn with(start_offset: i64, settings: &[(&str, &str)]) -> Shared {
        let own = [
            ("share.coordinator.state.topic.num.partitions", "2"),
            ("share.coordinator.state.topic.replication.factor", "1"),
            ("share.coordinator.state.topic.min.isr", "1"),
            ("group.share.record.lock.duration.ms", "15000"),
        ];
        let mut node = Harness::with(&[&own[..], settings].concat());
        let topic_id = node.create("t", 1);
        let of = SharePartition { group: "g".into(), topic_id, partition: 0 };
        let (begun, done) = (node.node.clone(), Arc::new(AtomicUsize::new(0)));
        let told = Arc::clone(&done);
        node.node.in_background(async move {
            initialize(&begun, &of, 0, start_offset).await.expect("the coordinator takes it");
            told.store(1, Ordering::SeqCst);
        });
        for _ in 0..100 {
            node.settle();
            if done.load(Ordering::SeqCst) == 1 {
                return Shared { node, topic_id };
            }
            node.advance(100);
        }
        panic!("the state of the share partition is not there");
    }

    fn request(&self, member: &str, epoch: i32) -> ShareFetchRequest {
        let partitions = vec![FetchPartition::default()];
        ShareFetchRequest {
            group_id: Some("g".into()),
            member_id: Some(member.into()),
            share_session_epoch: epoch,
            max_records: 500,
            batch_size: 500,
            topics: vec![FetchTopic { topic_id: self.topic_id, partitions }],
            ..ShareFetchRequest::default()
        }
    }

    /// Fetches until the share partition is loaded, and answers what was acquired.
    pub fn fetch(&mut self, member: &str, epoch: i32) -> Vec<(i64, i64, i16)> {
        let request = ShareFetchRequest { max_wait_ms: 100, min_bytes: 1, ..self.request(member, epoch) };
        acquired(&self.finish(&request))
    }

    /// What a member is given first once the node has lost its power and is there again.
    fn after_power_is_lost(self) -> Vec<(i64, i64, i16)> {
        let Shared { node, topic_id } = self;
        let mut shared = Shared { node: node.crash(Survival::Nothing), topic_id };
        let fetched = (0..20).map(|_| shared.fetch("m", 0)).find(|got| !got.is_empty());
        fetched.unwrap_or_default()
    }

    /// Asks and lets time pass until there is an answer.
    fn finish(&mut self, request: &ShareFetchRequest) -> ShareFetchResponse {
        let mut begun = self.node.begin(ApiKey::ShareFetch, 2, request);
        for _ in 0..100 {
            if let Some(answer) = begun.answer::<ShareFetchResponse>() {
                return answer;
            }
            self.node.settle();
            if let Some(answer) = begun.answer::<ShareFetchResponse>() {
                return answer;
            }
            self.node.advance(10);
        }
        panic!("the fetch never ends");
    }

    pub fn say(&mut self, member: &str, epoch: i32, range: (i64, i64), types: &[i8]) -> i16 {
        let request = self.saying(member, epoch, range, types);
        let answer: ShareAcknowledgeResponse = self.node.ask(ApiKey::ShareAcknowledge, 2, &request);
        assert_eq!(answer.error_code, 0, "{answer:?}");
        answer.responses[0].partitions[0].error_code
    }

    pub fn saying(
        &self,
        member: &str,
        epoch: i32,
        range: (i64, i64),
        types: &[i8],
    ) -> ShareAcknowledgeRequest {
        let batch = AcknowledgementBatch {
            first_offset: range.0,
            last_offset: range.1,
            acknowledge_types: types.to_vec(),
        };
        let partition = AcknowledgePartition { partition_index: 0, acknowledgement_batches: vec![batch] };
        ShareAcknowledgeRequest {
            group_id: Some("g".into()),
            member_id: Some(member.into()),
            share_session_epoch: epoch,
            is_renew_ack: types.contains(&4),
            topics: vec![AcknowledgeTopic { topic_id: self.topic_id, partitions: vec![partition] }],
        }
    }
}

fn acquired(answer: &ShareFetchResponse) -> Vec<(i64, i64, i16)> {
    assert_eq!(answer.error_code, 0, "{answer:?}");
    let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
    let ranges = partitions.flat_map(|partition| {
        assert_eq!(partition.error_code, 0, "{partition:?}");
        &partition.acquired_records
    });
    ranges.map(|range| (range.first_offset, range.last_offset, range.delivery_count)).collect()
}

#[test]
fn members_share_the_records_and_what_is_accepted_is_gone() {
    let mut shared = Shared::start();
    produce(&mut shared.node, "t", 0, -1, batch(&["a", "b"]));
    assert_eq!(shared.fetch("m", 0), [(0, 1, 1)]);
    produce(&mut shared.node, "t", 0, -1, batch(&["c"]));
    assert_eq!(shared.fetch("n", 0), [(2, 2, 1)], "what another holds it does not get");
    assert_eq!(shared.say("m", 1, (0, 1), &[1, 2]), 0);
    assert_eq!(shared.fetch("n", 1), [(1, 1, 2)], "what was released comes again");
    assert_eq!(shared.say("m", 2, (1, 1), &[1]), ErrorCode::InvalidRecordState.code());
    assert_eq!(shared.say("n", 2, (1, 2), &[1]), 0);
    assert_eq!(shared.fetch("m", 3), []);
}

#[test]
fn a_fetch_waits_for_records_and_for_what_is_released() {
    let mut shared = Shared::start();
    assert_eq!(shared.fetch("m", 0), []);
    let request = ShareFetchRequest { max_wait_ms: 60_000, min_bytes: 1, ..shared.request("m", 1) };
    let mut waiting = shared.node.begin(ApiKey::ShareFetch, 2, &request);
    assert!(waiting.poll().is_none());
    produce(&mut shared.node, "t", 0, -1, batch(&["a"]));
    let answer: ShareFetchResponse = waiting.answer().expect("there is a record");
    assert_eq!((acquired(&answer), answer.acquisition_lock_timeout_ms), (vec![(0, 0, 1)], 15_000));
    let request = ShareFetchRequest { max_wait_ms: 60_000, min_bytes: 1, ..shared.request("n", 0) };
    let mut waiting = shared.node.begin(ApiKey::ShareFetch, 2, &request);
    assert!(waiting.poll().is_none());
    assert_eq!(shared.say("m", 2, (0, 0), &[2]), 0);
    shared.node.settle();
    assert_eq!(acquired(&waiting.answer().expect("it was released")), [(0, 0, 2)]);
}

#[test]
fn a_lock_ends_by_itself_and_not_while_it_is_renewed() {
    let mut shared = Shared::start();
    produce(&mut shared.node, "t", 0, -1, batch(&["a", "b"]));
    assert_eq!(shared.fetch("m", 0), [(0, 1, 1)]);
    let request = ShareFetchRequest { max_wait_ms: 60_000, min_bytes: 1, ..shared.request("n", 0) };
    let mut waiting = shared.node.begin(ApiKey::ShareFetch, 2, &request);
    assert!(waiting.poll().is_none());
    shared.node.advance(LOCK_MS - 100);
    assert_eq!(shared.say("m", 1, (0, 0), &[4]), 0);
    shared.node.advance(200);
    assert_eq!(acquired(&waiting.answer().expect("a lock is over")), [(1, 1, 2)]);
    shared.node.advance(LOCK_MS);
    assert_eq!(shared.say("m", 2, (0, 0), &[1]), ErrorCode::InvalidRecordState.code());
}

#[test]
fn a_connection_that_breaks_leaves_what_its_member_held() {
    let mut shared = Shared::start();
    produce(&mut shared.node, "t", 0, -1, batch(&["a"]));
    assert_eq!(shared.fetch("m", 0), [(0, 0, 1)]);
    shared.node.reconnect();
    shared.node.settle();
    assert_eq!(shared.fetch("n", 0), [(0, 0, 2)], "it comes at once, and counts");
    let gone: ShareFetchResponse = shared.finish(&shared.request("m", 1));
    assert_eq!(gone.error_code, ErrorCode::ShareSessionNotFound.code());
}

#[test]
fn what_was_accepted_stays_so_and_what_was_not_comes_again_after_power_is_lost() {
    let mut shared = Shared::start();
    for value in ["a", "b", "c"] {
        produce(&mut shared.node, "t", 0, -1, batch(&[value]));
    }
    assert_eq!(shared.fetch("m", 0), [(0, 2, 1)]);
    assert_eq!(shared.say("m", 1, (0, 0), &[1]), 0);
    assert_eq!(shared.say("m", 2, (2, 2), &[1]), 0);
    assert_eq!(shared.after_power_is_lost(), [(1, 1, 1)]);
}

/// A group that begins at the end of the log begins there for good.
#[test]
fn where_a_group_begins_is_stored_before_it_is_given_anything() {
    let mut shared = Shared::from(-1);
    produce(&mut shared.node, "t", 0, -1, batch(&["before"]));
    assert_eq!(shared.fetch("m", 0), []);
    produce(&mut shared.node, "t", 0, -1, batch(&["after"]));
    assert_eq!(shared.fetch("m", 1), [(1, 1, 1)]);
    assert_eq!(shared.after_power_is_lost(), [(1, 1, 1)]);
}

#[test]
fn sessions_are_followed_by_their_epochs() {
    let mut shared = Shared::start();
    let error = |answer: ShareFetchResponse| ErrorCode::from_code(answer.error_code);
    let unknown = shared.finish(&shared.request("m", 1));
    assert_eq!(error(unknown), ErrorCode::ShareSessionNotFound);
    shared.fetch("m", 0);
    let ahead = shared.finish(&shared.request("m", 3));
    assert_eq!(error(ahead), ErrorCode::InvalidShareSessionEpoch);
    let nobody = shared.finish(&ShareFetchRequest { member_id: None, ..shared.request("m", 0) });
    assert_eq!(error(nobody), ErrorCode::InvalidRequest);
    let ended = shared.finish(&shared.request("m", -1));
    assert_eq!(error(ended), ErrorCode::None);
    let again = shared.finish(&shared.request("m", -1));
    assert_eq!(error(again), ErrorCode::ShareSessionNotFound);
}

#[test]
fn a_cluster_without_share_groups_says_so() {
    let mut node = Harness::start();
    let update = FeatureUpdateKey {
        feature: "share.version".into(),
        max_version_level: 0,
        upgrade_type: 2,
        ..FeatureUpdateKey::default()
    };
    let request = UpdateFeaturesRequest { feature_updates: vec![update], ..UpdateFeaturesRequest::default() };
    let updated: UpdateFeaturesResponse = node.ask(ApiKey::UpdateFeatures, 2, &request);
    assert_eq!(updated.error_code, 0, "{updated:?}");
    let request = ShareFetchRequest {
        group_id: Some("g".into()),
        member_id: Some("m".into()),
        ..ShareFetchRequest::default()
    };
    let answer: ShareFetchResponse = node.ask(ApiKey::ShareFetch, 2, &request);
    assert_eq!(answer.error_code, ErrorCode::UnsupportedVersion.code());
}

/// KAFKA-17002
#[test]
fn s45_state_of_a_deposed_leader_is_fenced() {
    let mut shared = Shared::start();
    produce(&mut shared.node, "t", 0, -1, batch(&["a"]));
    assert_eq!(shared.fetch("m", 0), [(0, 0, 1)]);
    // Another leader reads the state: this one is none any more, whether it knows it or not.
    let of = SharePartition { group: "g".into(), topic_id: shared.topic_id, partition: 0 };
    let next = shared.node.node.clone();
    shared.node.node.in_background(async move {
        read(&next, &of, 1).await.expect("it is there");
    });
    shared.node.settle();
    assert_eq!(shared.say("m", 1, (0, 0), &[1]), ErrorCode::NotLeaderOrFollower.code());
    let answer =
        shared.finish(&ShareFetchRequest { max_wait_ms: 100, min_bytes: 1, ..shared.request("m", 2) });
    let partition = answer.responses.iter().flat_map(|topic| &topic.partitions).next().expect("it is told");
    assert_eq!(partition.error_code, ErrorCode::NotLeaderOrFollower.code());
    assert!(partition.acquired_records.is_empty());
}

#[test]
fn a_log_that_begins_later_is_read_from_there() {
    let mut shared = Shared::start();
    produce(&mut shared.node, "t", 0, -1, batch(&["a", "b"]));
    produce(&mut shared.node, "t", 0, -1, batch(&["c"]));
    assert_eq!(shared.fetch("m", 0), [(0, 2, 1)]);
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset: 2 }];
    let topics = vec![DeleteRecordsTopic { name: "t".into(), partitions }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 1_000 };
    let deleted: DeleteRecordsResponse = shared.node.ask(ApiKey::DeleteRecords, 2, &request);
    assert_eq!(deleted.topics[0].partitions[0].error_code, 0);
    assert_eq!(shared.fetch("n", 0), []);
    assert_eq!(shared.say("m", 1, (0, 2), &[1]), 0, "what is gone is past");
    produce(&mut shared.node, "t", 0, -1, batch(&["d"]));
    assert_eq!(shared.fetch("n", 1), [(3, 3, 1)]);
}
