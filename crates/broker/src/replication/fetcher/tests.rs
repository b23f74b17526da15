use super::*;
use bytes::Bytes;
use wire::Uuid;
use wire::messages::fetch::FetchableTopicResponse;

const TERMS: FetchTerms = FetchTerms {
    node_id: 2,
    max_wait_ms: 500,
    min_bytes: 1,
    max_bytes: 10_000,
    partition_max_bytes: 1_000,
    backoff_ms: 100,
    timeout_ms: 30_000,
};
const TOPIC: Uuid = Uuid::from_halves(1, 1);

fn key(partition: i32) -> TopicIdPartition {
    TopicIdPartition::new(TOPIC, partition)
}

fn at(fetch_offset: i64) -> Position {
    Position { fetch_offset, last_fetched_epoch: 4, log_start_offset: 0 }
}

fn following(partition: i32, leader_epoch: i32, offset: i64) -> Following {
    let cell = Arc::new(PartitionCell::new(key(partition), 1));
    Following { cell, turn: 0, leader: 1, leader_epoch, position: at(offset) }
}

/// A fetcher for so many partitions, at offset 10 in epoch 4.
fn fetcher(partitions: i32) -> Fetcher {
    let mut fetcher = Fetcher::default();
    (0..partitions).for_each(|partition| fetcher.follow(&following(partition, 4, 10)));
    fetcher
}

/// Session, epoch, and (partition, offset) of what is asked, and what is forgotten.
type Asked = ((i32, i32), Vec<(i32, i64)>, Vec<i32>);

fn next(fetcher: &mut Fetcher, now_ms: i64) -> Option<Asked> {
    let (_, request) = fetcher.next(now_ms, 7, &TERMS)?;
    assert_eq!(request.replica_state, ReplicaState { replica_id: 2, replica_epoch: 7 });
    let asked = request.topics.iter().flat_map(|topic| &topic.partitions);
    let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| topic.partitions.clone());
    Some((
        (request.session_id, request.session_epoch),
        asked.map(|partition| (partition.partition, partition.fetch_offset)).collect(),
        forgotten.collect(),
    ))
}

fn data(partition_index: i32, error: ErrorCode) -> PartitionData {
    let records = Some(Bytes::from_static(b"records"));
    PartitionData {
        partition_index,
        error_code: error.code(),
        records,
        high_watermark: 3,
        ..Default::default()
    }
}

/// The leader answers in session 9; `taken` is given to one shard.
fn answer(fetcher: &mut Fetcher, now_ms: i64, partitions: Vec<PartitionData>) -> Taken {
    let topic = FetchableTopicResponse { topic_id: TOPIC, partitions, ..Default::default() };
    let response = FetchResponse { session_id: 9, responses: vec![topic], ..Default::default() };
    let taken = fetcher.answered(now_ms, fetcher.round, response, &TERMS);
    fetcher.taking(fetcher.round, usize::from(!taken.fetched.is_empty()));
    taken
}

fn done(fetcher: &mut Fetcher, now_ms: i64, outcomes: &[(i32, Outcome)]) {
    let outcomes: Vec<_> =
        outcomes.iter().map(|&(partition, outcome)| (key(partition), 4, outcome)).collect();
    fetcher.replicated(now_ms, fetcher.round, &outcomes, &TERMS);
}

#[test]
fn a_session_names_what_changed_and_one_fetch_is_on_its_way() {
    let mut fetcher = fetcher(3);
    assert_eq!(next(&mut fetcher, 0), Some(((0, 0), vec![(0, 10), (1, 10), (2, 10)], vec![])));
    assert_eq!(next(&mut fetcher, 0), None);
    let taken = answer(&mut fetcher, 5, vec![data(1, ErrorCode::None)]);
    assert_eq!((taken.fetched.len(), taken.fetched[0].fetch_offset), (1, 10));
    assert_eq!(next(&mut fetcher, 5), None, "the shard is at it");
    done(&mut fetcher, 6, &[(1, Outcome::At(at(20)))]);
    assert_eq!(next(&mut fetcher, 6), Some(((9, 1), vec![(1, 20)], vec![])));
    answer(&mut fetcher, 7, vec![]);
    assert_eq!(next(&mut fetcher, 7), Some(((9, 2), vec![], vec![])), "all as the session knows it");
}

#[test]
fn a_partition_that_fails_leaves_the_session_and_comes_back_alone() {
    let mut fetcher = fetcher(2);
    next(&mut fetcher, 0);
    let taken =
        answer(&mut fetcher, 5, vec![data(0, ErrorCode::NotLeaderOrFollower), data(1, ErrorCode::None)]);
    assert_eq!(taken.fetched.len(), 1);
    done(&mut fetcher, 5, &[(1, Outcome::Later)]);
    assert_eq!((next(&mut fetcher, 5), fetcher.next_ms()), (None, Some(105)));
    fetcher.follow(&following(1, 5, 10));
    assert_eq!(next(&mut fetcher, 6), Some(((9, 1), vec![(1, 10)], vec![0])));
    answer(&mut fetcher, 200, vec![]);
    assert_eq!(next(&mut fetcher, 200), Some(((9, 2), vec![(0, 10)], vec![])));
}

#[test]
fn what_came_for_another_epoch_or_another_place_is_dropped() {
    let mut fetcher = fetcher(2);
    next(&mut fetcher, 0);
    fetcher.follow(&following(0, 5, 10));
    fetcher.unfollow(&key(1));
    let taken = answer(&mut fetcher, 5, vec![data(0, ErrorCode::None), data(1, ErrorCode::None)]);
    assert!(taken.fetched.is_empty());
    assert_eq!(
        next(&mut fetcher, 6),
        Some(((9, 0), vec![(0, 10)], vec![])),
        "its high watermark is known to nobody"
    );
    answer(&mut fetcher, 7, vec![data(0, ErrorCode::None)]);
    // The outcome of the epoch before is nobody's.
    done(&mut fetcher, 8, &[(0, Outcome::At(at(99)))]);
    assert_eq!(next(&mut fetcher, 8), Some(((9, 1), vec![], vec![])));
}

/// Within a session a leader says a high watermark once.
#[test]
fn what_the_leader_said_and_the_replica_did_not_take_is_asked_for_anew() {
    // Whichever it begins with.
    let next = |fetcher: &mut Fetcher, now_ms| {
        let (session, mut asked, forgotten) = next(fetcher, now_ms)?;
        asked.sort_unstable();
        Some((session, asked, forgotten))
    };
    let all = |epoch| Some(((9, epoch), vec![(0, 10), (1, 10)], vec![]));
    let anew = |outcome: Outcome, partition| {
        let mut fetcher = fetcher(2);
        next(&mut fetcher, 0);
        answer(&mut fetcher, 1, vec![]);
        next(&mut fetcher, 2);
        answer(&mut fetcher, 3, vec![partition]);
        done(&mut fetcher, 4, &[(0, outcome)]);
        fetcher.follow(&following(0, 5, 10));
        next(&mut fetcher, 5)
    };
    assert_eq!(anew(Outcome::Missed(at(10)), data(0, ErrorCode::None)), all(0));
    assert_eq!(anew(Outcome::NotFollowed, data(0, ErrorCode::None)), all(0));
    let diverging_epoch = EpochEndOffset { epoch: 3, end_offset: 6 };
    let diverging = PartitionData { diverging_epoch, ..data(0, ErrorCode::None) };
    assert_eq!(anew(Outcome::At(at(10)), diverging), all(0), "the replica was cut");
    // Follows in the next epoch before what came is taken in, or even came.
    let mut fetcher = fetcher(2);
    next(&mut fetcher, 0);
    answer(&mut fetcher, 1, vec![data(0, ErrorCode::None)]);
    fetcher.follow(&following(0, 5, 10));
    done(&mut fetcher, 2, &[(0, Outcome::NotFollowed)]);
    assert_eq!(next(&mut fetcher, 3), all(0));
    fetcher.follow(&following(0, 6, 10));
    answer(&mut fetcher, 4, vec![data(0, ErrorCode::None)]);
    assert_eq!(next(&mut fetcher, 5), all(0));
    answer(&mut fetcher, 6, vec![]);
    assert_eq!(next(&mut fetcher, 7), Some(((9, 1), vec![], vec![])), "that is enough");
}

#[test]
fn an_answer_that_nobody_waits_for_is_dropped() {
    let mut fetcher = fetcher(1);
    next(&mut fetcher, 0);
    let (round, response) = (fetcher.round - 1, FetchResponse::default());
    fetcher.answered(5, round, response, &TERMS);
    assert_eq!(fetcher.flight, Flight::Asked);
    fetcher.unanswered(5, round, &TERMS);
    assert_eq!(fetcher.flight, Flight::Asked);
}

#[test]
fn a_leader_that_cannot_be_asked_is_left_alone_for_a_while_and_asked_for_all() {
    let mut fetcher = fetcher(2);
    next(&mut fetcher, 0);
    answer(&mut fetcher, 1, vec![]);
    next(&mut fetcher, 1);
    assert_eq!(fetcher.unanswered(2, fetcher.round, &TERMS).news, Some(false));
    assert_eq!((next(&mut fetcher, 101), fetcher.next_ms()), (None, Some(102)));
    assert_eq!(next(&mut fetcher, 102), Some(((9, 0), vec![(0, 10), (1, 10)], vec![])));
    assert_eq!(fetcher.unanswered(103, fetcher.round, &TERMS).news, None, "it was told");
    fetcher.wake();
    next(&mut fetcher, 104);
    assert_eq!(answer(&mut fetcher, 105, vec![]).news, Some(true));
}

#[test]
fn a_session_that_the_leader_forgot_is_begun_anew_at_once() {
    let mut fetcher = fetcher(1);
    next(&mut fetcher, 0);
    answer(&mut fetcher, 1, vec![]);
    next(&mut fetcher, 1);
    let error_code = ErrorCode::FetchSessionIdNotFound.code();
    fetcher.answered(2, fetcher.round, FetchResponse { error_code, ..Default::default() }, &TERMS);
    assert_eq!(next(&mut fetcher, 2), Some(((0, 0), vec![(0, 10)], vec![])));
}

#[test]
fn without_a_session_the_one_that_had_records_is_asked_for_last() {
    let mut fetcher = fetcher(3);
    next(&mut fetcher, 0);
    let partitions = vec![data(1, ErrorCode::None)];
    let topic = FetchableTopicResponse { topic_id: TOPIC, partitions, ..Default::default() };
    let response = FetchResponse { responses: vec![topic], ..Default::default() };
    fetcher.answered(1, fetcher.round, response, &TERMS);
    fetcher.taking(fetcher.round, 1);
    done(&mut fetcher, 1, &[(1, Outcome::At(at(20)))]);
    assert_eq!(next(&mut fetcher, 1), Some(((0, 0), vec![(2, 10), (0, 10), (1, 20)], vec![])));
}

#[test]
fn who_waits_for_a_flush_or_for_the_leaders_ends_is_not_asked_for() {
    let mut fetcher = fetcher(3);
    next(&mut fetcher, 0);
    let taken = answer(&mut fetcher, 5, vec![data(0, ErrorCode::OffsetOutOfRange), data(1, ErrorCode::None)]);
    assert_eq!(taken.out_of_range.len(), 1);
    done(&mut fetcher, 5, &[(1, Outcome::WhenFlushed)]);
    assert_eq!(next(&mut fetcher, 6), Some(((9, 1), vec![], vec![0, 1])));
    answer(&mut fetcher, 7, vec![]);
    fetcher.follow(&following(1, 4, 20));
    // Outside of a round.
    fetcher.replicated(8, 0, &[(key(0), 4, Outcome::At(at(50)))], &TERMS);
    assert_eq!(next(&mut fetcher, 9), Some(((9, 2), vec![(0, 50), (1, 20)], vec![])));
}

#[test]
fn a_diverging_epoch_is_no_records_and_a_replica_that_left_is_fetched_for_no_more() {
    let mut fetcher = fetcher(1);
    next(&mut fetcher, 0);
    let diverging_epoch = EpochEndOffset { epoch: 3, end_offset: 6 };
    let taken = answer(&mut fetcher, 5, vec![PartitionData { diverging_epoch, ..data(0, ErrorCode::None) }]);
    assert_eq!(taken.fetched[0].said, LeaderSaid::Diverging { epoch: 3, end_offset: 6 });
    done(&mut fetcher, 5, &[(0, Outcome::NotFollowed)]);
    assert!(fetcher.is_over());
}
