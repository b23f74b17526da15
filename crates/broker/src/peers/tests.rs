//! A node's ways out against a rim that only notes.

use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use wire::frame::{HeaderView, encode_response};
use wire::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use wire::messages::vote::{VoteRequest, VoteResponse};
use wire::{ApiKey, Str};

use super::*;
use crate::rim::{Bells, Outward};

type Ends = mpsc::Receiver<(i64, Result<i16, NoAnswer>)>;

struct Bench {
    bells: Arc<Bells>,
    peers: Peers,
}

fn bench() -> Bench {
    let bells = Arc::new(Bells::default());
    Bench { peers: Peers::new(Arc::clone(&bells) as Arc<dyn Rim>, 7, Logins::default()), bells }
}

fn node(port: u16) -> PeerAddress {
    PeerAddress { node_id: 2, host: Str::from("there"), port, listener: Str::from("CONTROLLER") }
}

impl Bench {
    fn ask(&self, now_ms: i64, port: u16, deadline_ms: i64) -> Ends {
        let (tell, ends) = mpsc::channel();
        let done = move |now_ms, outcome: Result<PeerAnswer, NoAnswer>| {
            let _ = tell.send((now_ms, outcome.map(|answer| answer.api_version)));
        };
        let request = PeerRequest::new(ApiKey::Vote, VoteRequest::default(), deadline_ms, done);
        self.peers.ask(now_ms, &node(port), Purpose::Quorum, request);
        ends
    }

    fn done(&self) -> Vec<Outward> {
        self.bells.outward.lock().drain(..).collect()
    }

    /// The header of the one frame that was sent.
    fn sent(&self) -> (ApiKey, i16, i32) {
        match self.done().as_slice() {
            [Outward::Send(_, frame)] => {
                let frame = frame.concat();
                let header = HeaderView::parse(&frame[4..]).unwrap();
                (header.api_key, header.api_version, header.correlation_id)
            }
            other => panic!("{other:?}"),
        }
    }

    /// The peer knows Vote in these versions.
    fn greeted(&self, link: LinkId, min_version: i16, max_version: i16) {
        let api = ApiVersion { api_key: ApiKey::Vote.key(), min_version, max_version };
        let answer = ApiVersionsResponse { api_keys: vec![api], ..ApiVersionsResponse::default() };
        let frame = encode_response(ApiKey::ApiVersions, 3, 0, &answer).into_chunks().concat();
        self.peers.received(1, link, Bytes::from(frame).slice(4..));
    }

    fn answered(&self, link: LinkId, version: i16, correlation_id: i32) {
        let frame = encode_response(ApiKey::Vote, version, correlation_id, &VoteResponse::default());
        self.peers.received(2, link, Bytes::from(frame.into_chunks().concat()).slice(4..));
    }
}

#[test]
fn a_request_waits_for_the_greeting_and_goes_out_in_the_newest_common_version() {
    let bench = bench();
    let ends = bench.ask(0, 9, 100);
    assert!(matches!(&bench.done()[..], [Outward::Connect(1, to)] if *to == node(9)));
    bench.peers.opened(1, 1);
    assert_eq!(bench.sent(), (ApiKey::ApiVersions, 3, 0));
    bench.greeted(1, 0, 1);
    assert_eq!(bench.sent(), (ApiKey::Vote, 1, 1));
    bench.answered(1, 1, 1);
    assert_eq!(ends.try_recv(), Ok((2, Ok(1))));
    let again = bench.ask(3, 9, 100);
    assert_eq!(bench.sent(), (ApiKey::Vote, 1, 2), "the same connection");
    bench.answered(1, 1, 77);
    assert!(again.try_recv().is_err(), "an answer to nothing is nobody's");
    assert_eq!(bench.peers.closed(4, 1, false), Some((2, Purpose::Quorum)));
    assert_eq!(again.try_recv(), Ok((4, Err(NoAnswer::Lost))));
    let again = bench.ask(5, 9, 100);
    assert!(matches!(&bench.done()[..], [Outward::Connect(2, _)]), "it was there a moment ago");
    assert_eq!(bench.peers.closed(6, 2, true), None, "it was never open");
    assert_eq!(again.try_recv(), Ok((6, Err(NoAnswer::Refused))));
    assert_eq!(bench.ask(7, 9, 100).try_recv(), Ok((7, Err(NoAnswer::Refused))), "it rests");
    assert_eq!(bench.done().len(), 0);
    let _later = bench.ask(6 + RECONNECT_PAUSE_MS, 9, 100);
    assert!(matches!(&bench.done()[..], [Outward::Connect(3, _)]));
}

#[test]
fn what_the_peer_does_not_know_is_not_sent_and_what_is_late_ends_its_connection() {
    let bench = bench();
    let ends = bench.ask(0, 9, 100);
    bench.peers.opened(0, 1);
    bench.done();
    bench.greeted(1, 90, 91);
    assert_eq!(ends.try_recv(), Ok((1, Err(NoAnswer::Unsupported))));
    assert!(bench.done().is_empty());
    let moved = bench.ask(1, 10, 50);
    assert!(matches!(&bench.done()[..], [Outward::Disconnect(1), Outward::Connect(2, to)] if to.port == 10));
    bench.peers.turn(49);
    assert!(moved.try_recv().is_err());
    assert_eq!(bench.peers.next_ms(), 50);
    bench.peers.turn(50);
    assert_eq!(moved.try_recv(), Ok((50, Err(NoAnswer::TimedOut))));
    assert!(matches!(&bench.done()[..], [Outward::Disconnect(2)]));
    assert_eq!(bench.peers.next_ms(), NEVER);
    bench.peers.closed(51, 2, false);
    bench.peers.received(51, 2, Bytes::from_static(b"\0"));
}

#[test]
fn one_that_cannot_be_reached_or_read_fails_whoever_waits_once() {
    let bench = bench();
    let ends = bench.ask(0, 9, 100);
    bench.peers.closed(3, 1, false);
    assert_eq!(ends.try_recv(), Ok((3, Err(NoAnswer::Unreachable))));
    let ends = bench.ask(100, 9, 200);
    bench.peers.opened(101, 2);
    bench.done();
    bench.peers.received(102, 2, Bytes::from_static(b"\0\0"));
    assert_eq!(ends.try_recv(), Ok((102, Err(NoAnswer::Unreachable))));
    assert!(matches!(&bench.done()[..], [Outward::Disconnect(2)]));
    let ends: Vec<Ends> = (0..=REQUESTS_PER_LINK).map(|_| bench.ask(300, 9, 400)).collect();
    assert_eq!(ends[REQUESTS_PER_LINK].try_recv(), Ok((300, Err(NoAnswer::Unreachable))));
    assert!(ends[0].try_recv().is_err());
    bench.peers.close(301);
    assert_eq!(ends[0].try_recv(), Ok((301, Err(NoAnswer::Unreachable))));
}
