//! Bytes that mean harm: an error code or a close, never a panic, and the next client is served.

use super::*;
use wire::random::SplitMix64;

fn survives(node: &mut Harness, bytes: Bytes) -> &'static str {
    let mut handling = node.node.handle(&node.connection, bytes, node.now_ms);
    match Pin::new(&mut handling).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Outcome::Close(crate::CloseReason::Panicked)) => panic!("a handler panicked"),
        Poll::Ready(Outcome::Close(_) | Outcome::Farewell(..)) => "close",
        Poll::Ready(Outcome::Answer(_) | Outcome::Entered(_) | Outcome::Muted(_)) => "answer",
        Poll::Ready(Outcome::NoAnswer) => "nothing",
        Poll::Pending => "pending",
    }
}

#[test]
fn headers_of_every_api_and_version_followed_by_noise_harm_nobody() {
    let mut node = Harness::start();
    node.create("t", 1);
    super::groups::find_coordinator(&mut node, "g");
    let mut random = SplitMix64::new(11);
    for key in -1..100i16 {
        for version in -1..20i16 {
            for length in [0usize, 1, 7, 40, 300] {
                let mut frame = Vec::with_capacity(10 + length);
                frame.extend(key.to_be_bytes());
                frame.extend(version.to_be_bytes());
                frame.extend(7i32.to_be_bytes());
                frame.extend((-1i16).to_be_bytes());
                // Mostly small numbers: they get further into a message than noise does.
                frame.extend((0..length).map(|_| match random.below(4) {
                    0 => random.next_u64() as u8,
                    _ => random.below(3) as u8,
                }));
                survives(&mut node, Bytes::from(frame));
            }
        }
    }
    node.settle();
    assert_eq!(super::produce::produce(&mut node, "t", 0, 1, batch(&["a"])).error_code, 0);
}

#[test]
fn broken_copies_of_good_requests_harm_nobody() {
    let mut node = Harness::start();
    node.create("t", 1);
    super::groups::find_coordinator(&mut node, "g");
    let produce = frame(ApiKey::Produce, 9, &super::produce::request("t", 0, 1, batch(&["a", "b"])));
    let fetch = frame(ApiKey::Fetch, 12, &super::fetch::request("t", &[(0, 0)]));
    let mut random = SplitMix64::new(5);
    for good in [produce, fetch] {
        for _ in 0..3_000 {
            let mut bytes = good.to_vec();
            for _ in 0..=random.below(3) {
                let at = 8 + random.below(bytes.len() as u64 - 8) as usize;
                bytes[at] = random.next_u64() as u8;
            }
            bytes.truncate(bytes.len() - (random.below(8) as usize).min(bytes.len() - 10));
            survives(&mut node, Bytes::from(bytes));
        }
    }
    node.settle();
    assert_eq!(super::produce::produce(&mut node, "t", 0, 1, batch(&["a"])).error_code, 0);
}

#[test]
fn absurd_counts_are_closed_and_cost_nothing() {
    let mut node = Harness::start();
    // Metadata v1 with 2^31 - 1 topics; any negative count is null there, as Kafka reads it.
    for (count, outcome) in [(i32::MAX, "close"), (-5, "answer")] {
        let mut frame = vec![0, 3, 0, 1, 0, 0, 0, 7, 255, 255];
        frame.extend(count.to_be_bytes());
        assert_eq!(survives(&mut node, Bytes::from(frame)), outcome);
    }
}

#[test]
fn absurd_counts_of_tagged_fields_in_a_header_are_closed_and_cost_nothing() {
    let mut node = Harness::start();
    // ApiVersions v3, Metadata v9 and FetchSnapshot v0, nobody's client, and 2^32 - 1 tagged fields, alone and with some of them.
    for (key, version) in [(18, 3), (3, 9), (59, 0)] {
        for fields in [0, 3, 1_000] {
            let mut frame = vec![0, key, 0, version, 0, 0, 0, 7, 255, 255, 255, 255, 255, 255, 15];
            frame.extend([7, 1, 0].repeat(fields));
            assert_eq!(survives(&mut node, Bytes::from(frame)), "close", "API {key}, {fields} fields");
        }
    }
    assert_eq!(super::produce::produce(&mut node, "t", 0, 1, batch(&["a"])).error_code, 3);
}

#[test]
fn a_snapshot_of_nothing_is_answered() {
    let mut node = Harness::start();
    // FetchSnapshot v0: header, replica, no bytes, topics: none, absent, and one without partitions.
    for topics in [&[1u8, 0][..], &[0, 0], &[2, 2, b't', 1, 0, 0]] {
        let mut frame = vec![0, 59, 0, 0, 0, 0, 0, 7, 255, 255, 0, 255, 255, 255, 255, 0, 0, 0, 0];
        frame.extend(topics);
        survives(&mut node, Bytes::from(frame));
    }
    node.create("t", 1);
    assert_eq!(super::produce::produce(&mut node, "t", 0, 1, batch(&["a"])).error_code, 0);
}

#[test]
fn what_is_no_text_is_answered_all_the_same() {
    let mut node = Harness::start();
    let header = |key: u8, version: u8| [0, key, 0, version, 0, 0, 0, 7, 0, 2, 0xff, 0xfe];
    // The client's name before Metadata v1 for no topic, and before LeaveGroup v0 with two names; then a topic's name, which
    // Metadata reads where it lies, and a group's.
    for (key, version, body) in [
        (3, 1, &[0, 0, 0, 0][..]),
        (13, 0, &[0, 0, 0, 0]),
        (3, 1, &[0, 0, 0, 1, 0, 3, 0xff, b'a', 0xc3]),
        (13, 0, &[0, 2, 0xe2, 0x82, 0, 0]),
    ] {
        let frame = [&header(key, version), body].concat();
        assert_ne!(survives(&mut node, Bytes::from(frame)), "close", "API {key}, {body:?}");
    }
}
