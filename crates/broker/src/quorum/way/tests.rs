//! An errand ends once, follows the controller, and rests between tries.

use super::*;
use wire::codec::Message;
use wire::messages::allocate_producer_ids::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};

fn at(node_id: i32) -> Whereabouts {
    let listener = wire::Str::from_static("CONTROLLER");
    Whereabouts::At(PeerAddress { node_id, host: wire::Str::from_static("h"), port: 1, listener })
}

fn command() -> ControllerCommand {
    ControllerCommand::AllocateProducerIds(AllocateProducerIdsRequest::default())
}

/// One errand with number 7, given up at 1000.
fn way() -> Way {
    let mut way = Way::default();
    way.add(7, Errand::Command(Box::new(command())), Purpose::Controller, 1_000);
    way
}

/// The attempt that goes out now, and to whom.
fn sent(way: &mut Way, now_ms: i64, whereabouts: Whereabouts) -> Option<(u64, i32)> {
    match way.step(now_ms, whereabouts).pop() {
        Some(Step::Send { token: 7, attempt, to, .. }) => Some((attempt, to.node_id)),
        None => None,
        other => panic!("{other:?}"),
    }
}

fn told(attempt: u64, error: ErrorCode) -> Told {
    let answer = AllocateProducerIdsResponse { error_code: error.code(), ..Default::default() };
    Told { token: 7, attempt, outcome: Ok(PeerAnswer { api_version: 0, body: answer.to_bytes(0) }) }
}

fn lost(attempt: u64) -> Told {
    Told { token: 7, attempt, outcome: Err(NoAnswer::Lost) }
}

#[test]
fn it_is_tried_again_where_nobody_took_it_and_answered_once() {
    let mut way = way();
    assert_eq!(sent(&mut way, 0, Whereabouts::Unknown), None);
    assert_eq!(way.next_ms(), 1_000, "nothing to do but to wait");
    assert!(way.is_due(0, &at(1)));
    let first = sent(&mut way, 10, at(1)).unwrap();
    assert_eq!(first.1, 1);
    assert_eq!(way.told(20, told(first.0, ErrorCode::NotController)), None);
    assert_eq!((way.next_ms(), sent(&mut way, 20, at(1))), (20 + BACKOFF_MS, None), "it rests");
    let second = sent(&mut way, 20 + BACKOFF_MS, at(1)).unwrap();
    assert_eq!(way.told(90, told(first.0, ErrorCode::None)), None, "of an attempt that counts no more");
    assert!(matches!(way.told(90, told(second.0, ErrorCode::None)), Some((7, Brought::Answer(_)))));
    assert_eq!(way.told(91, told(second.0, ErrorCode::None)), None);
    assert_eq!(way.next_ms(), NEVER);
}

#[test]
fn it_follows_the_controller_at_once_and_waits_for_the_last_one_while_nobody_is_known() {
    let mut way = way();
    let first = sent(&mut way, 0, at(1)).unwrap();
    assert_eq!(sent(&mut way, 1, Whereabouts::Unknown), None, "the last one may still answer");
    assert_eq!(sent(&mut way, 2, at(1)), None, "and is not asked twice");
    let second = sent(&mut way, 3, at(2)).unwrap();
    assert_eq!(second.1, 2);
    assert_eq!(way.told(4, lost(first.0)), None);
    assert_eq!(sent(&mut way, 4, at(2)), None, "what was out with another says nothing of this one");
    assert!(
        matches!(&way.step(5, Whereabouts::Here)[..], [Step::Decide(7, decided)] if *decided == command())
    );
    way.moved(6, 7, command());
    assert!(sent(&mut way, 6, Whereabouts::Here).is_none(), "it rests");
    assert_eq!(sent(&mut way, 7, at(3)).unwrap().1, 3);
}

#[test]
fn it_is_late_at_its_deadline_wherever_it_is() {
    for whereabouts in [Whereabouts::Unknown, at(1)] {
        let mut way = way();
        way.step(0, whereabouts.clone());
        assert!(matches!(&way.step(1_000, whereabouts)[..], [Step::Late(7, _)]));
        assert_eq!(way.next_ms(), NEVER);
    }
}

#[test]
fn what_cannot_be_read_or_is_not_known_there_is_refused() {
    for (why, expected) in [
        (NoAnswer::Unsupported, ErrorCode::UnsupportedVersion),
        (NoAnswer::Malformed, ErrorCode::UnknownServerError),
    ] {
        let mut way = way();
        let (attempt, _) = sent(&mut way, 0, at(1)).unwrap();
        let brought = way.told(1, Told { token: 7, attempt, outcome: Err(why) });
        assert!(matches!(brought, Some((7, Brought::Refused(_, error))) if error == expected));
    }
    let mut way = way();
    let (attempt, _) = sent(&mut way, 0, at(1)).unwrap();
    let body = Bytes::from_static(b"\x01");
    let noise = Told { token: 7, attempt, outcome: Ok(PeerAnswer { api_version: 0, body }) };
    assert!(matches!(way.told(1, noise), Some((7, Brought::Refused(_, ErrorCode::UnknownServerError)))));
}
