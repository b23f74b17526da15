//! Sessions as dialogue: what a client asks, what the plan is, which answers it sees.

use super::*;
use smallvec::smallvec;

fn wanted(partition: i32, fetch_offset: i64) -> Wanted {
    Wanted {
        topic: Str::from("t"),
        topic_id: Uuid::ZERO,
        partition,
        fetch_offset,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        log_start_offset: -1,
        max_bytes: 1000,
        place: 0,
    }
}

fn forgotten(partition: i32) -> ForgottenView<'static> {
    ForgottenView { topic: "t", topic_id: Uuid::ZERO, partition }
}

fn answered(high_watermark: i64, has_records: bool) -> Answered {
    Answered { has_records, high_watermark, log_start_offset: 0, is_error: false, must_tell: false }
}

fn asked(session_id: i32, epoch: i32) -> FetchAsked {
    FetchAsked { session_id, epoch, uses_topic_ids: false }
}

/// A session 77 over partitions 0 and 1 whose high watermarks (10) were told.
fn begun() -> FetchSessions {
    let mut sessions = FetchSessions::default();
    let first = [wanted(0, 0), wanted(1, 0)];
    assert!(matches!(sessions.plan(asked(0, 0), first.to_vec().into(), &[]), Plan::Full(_)));
    assert!(
        sessions.begin(77, false, first.into_iter().map(|wanted| (wanted, answered(10, true)))).is_none()
    );
    sessions
}

/// What the first session says to an answer for one of its partitions.
fn tells(sessions: &mut FetchSessions, partition: i32, answered: Answered) -> bool {
    let known = sessions.sessions[0].order.values().find(|cached| cached.wanted.partition == partition);
    let wanted = known.unwrap().wanted.clone();
    !told(sessions, &[(wanted, answered)]).is_empty()
}

/// The partitions of which the client is told, of these answers.
fn told(sessions: &mut FetchSessions, answers: &[(Wanted, Answered)]) -> Vec<i32> {
    let mut told = Vec::new();
    let answers = answers.iter().map(|(wanted, answered)| (wanted, *answered));
    sessions.tell(77, answers, |answered| *answered, |wanted, _| told.push(wanted.partition));
    told
}

fn partitions(plan: Plan) -> Vec<(i32, i64)> {
    match plan {
        Plan::Incremental { wanted, .. } => wanted.iter().map(|w| (w.partition, w.fetch_offset)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_incremental_fetch_is_about_all_that_the_session_knows() {
    let mut sessions = begun();
    assert_eq!(partitions(sessions.plan(asked(77, 1), smallvec![wanted(1, 5)], &[])), [(0, 0), (1, 5)]);
    let added = sessions.plan(asked(77, 2), smallvec![wanted(7, 0)], &[forgotten(0)]);
    assert_eq!(partitions(added), [(1, 5), (7, 0)]);
    assert_eq!(sessions.epoch(77), Some(3));
}

#[test]
fn only_news_is_told_and_who_got_records_goes_to_the_back() {
    let mut sessions = begun();
    sessions.plan(asked(77, 1), smallvec![], &[]);
    assert!(!tells(&mut sessions, 1, answered(10, false)));
    assert!(tells(&mut sessions, 0, answered(12, true)));
    assert_eq!(partitions(sessions.plan(asked(77, 2), smallvec![], &[])), [(1, 0), (0, 0)]);
    assert!(tells(&mut sessions, 1, answered(11, false)), "the high watermark moved");
}

#[test]
fn many_answers_are_held_against_the_session_in_one_walk() {
    let mut sessions = FetchSessions::default();
    let all: Vec<Wanted> = (0..9).map(|partition| wanted(partition, 0)).collect();
    sessions.begin(77, false, all.into_iter().map(|wanted| (wanted, answered(10, false))));
    let plan = |sessions: &mut FetchSessions, epoch| match sessions.plan(asked(77, epoch), smallvec![], &[]) {
        Plan::Incremental { wanted, .. } => wanted,
        other => panic!("{other:?}"),
    };
    let planned = plan(&mut sessions, 1);
    // One that is refused is told after all others, by a walk of its own.
    let (refused, read): (Vec<_>, Vec<_>) = planned.into_iter().partition(|wanted| wanted.partition == 3);
    let with_records = |wanted: Wanted| {
        let answer =
            if [2, 5].contains(&wanted.partition) { answered(11, true) } else { answered(10, false) };
        (wanted, answer)
    };
    let read: Vec<_> = read.into_iter().map(with_records).collect();
    assert_eq!(told(&mut sessions, &read), [2, 5]);
    let error = Answered { is_error: true, ..answered(-1, false) };
    let refused: Vec<_> = refused.into_iter().map(|wanted| (wanted, error)).collect();
    assert_eq!(told(&mut sessions, &refused), [3]);
    let order = plan(&mut sessions, 2);
    assert_eq!(order.iter().map(|w| w.partition).collect::<Vec<_>>(), [0, 1, 3, 4, 6, 7, 8, 2, 5]);
    let quiet: Vec<_> = order.into_iter().map(|wanted| (wanted, answered(10, false))).collect();
    // Whose high watermark was told with its records, and whose error is over.
    assert_eq!(told(&mut sessions, &quiet), [3, 2, 5]);
}

#[test]
fn an_error_is_told_each_time_and_its_end_too() {
    let mut sessions = begun();
    sessions.plan(asked(77, 1), smallvec![], &[]);
    let error = Answered { is_error: true, ..answered(-1, false) };
    assert!(tells(&mut sessions, 0, error));
    assert!(tells(&mut sessions, 0, error));
    assert!(tells(&mut sessions, 0, answered(10, false)));
    assert!(!tells(&mut sessions, 0, answered(10, false)));
}

/// A follower that is told where to cut takes over no high watermark with it.
#[test]
fn a_high_watermark_that_came_with_a_divergence_is_told_again() {
    let diverging = Answered { must_tell: true, ..answered(10, false) };
    let mut sessions = begun();
    sessions.plan(asked(77, 1), smallvec![], &[]);
    assert!(tells(&mut sessions, 0, diverging));
    assert!(tells(&mut sessions, 0, answered(10, false)));
    assert!(!tells(&mut sessions, 0, answered(10, false)));
    sessions.begin(78, false, [(wanted(0, 0), diverging)].into_iter());
    let Plan::Incremental { wanted, .. } = sessions.plan(asked(78, 1), smallvec![], &[]) else {
        unreachable!()
    };
    let mut told = 0;
    let answers = wanted.iter().map(|wanted| (wanted, answered(10, false)));
    sessions.tell(78, answers, |answered| *answered, |_, _| told += 1);
    assert_eq!(told, 1);
}

#[test]
fn a_session_that_is_not_what_the_client_thinks_is_refused() {
    let mut sessions = begun();
    assert_eq!(sessions.plan(asked(78, 1), smallvec![], &[]), Plan::Elsewhere(smallvec![]));
    assert_eq!(
        sessions.plan(asked(77, 2), smallvec![], &[]),
        Plan::Refused(ErrorCode::InvalidFetchSessionEpoch)
    );
    let by_id = FetchAsked { uses_topic_ids: true, ..asked(77, 1) };
    assert_eq!(sessions.plan(by_id, smallvec![], &[]), Plan::Refused(ErrorCode::FetchSessionTopicIdError));
    assert!(matches!(sessions.plan(asked(77, -1), smallvec![], &[]), Plan::Sessionless(_)));
    assert_eq!(sessions.plan(asked(77, 1), smallvec![], &[]), Plan::Elsewhere(smallvec![]));
}

#[test]
fn a_session_without_partitions_ends() {
    let mut sessions = begun();
    let all = [forgotten(0), forgotten(1)];
    assert_eq!(sessions.plan(asked(77, 1), smallvec![], &all), Plan::Sessionless(smallvec![]));
    assert_eq!(sessions.epoch(77), None);
}

#[test]
fn a_connection_keeps_few_sessions() {
    let mut sessions = FetchSessions::default();
    for id in 1..=10 {
        sessions.begin(id, false, [(wanted(0, 0), answered(0, false))].into_iter());
    }
    assert_eq!(sessions.sessions.len(), FETCH_SESSIONS_PER_CONNECTION);
    assert_eq!(sessions.epoch(10), Some(1));
}
