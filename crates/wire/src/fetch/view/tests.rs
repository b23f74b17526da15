//! The view against the generated decoder.

use super::*;
use crate::Str;
use crate::codec::numbers::{Numbers, read_alike};
use crate::codec::{Decoder, Message};
use crate::messages::fetch::ReplicaState;
use bytes::Bytes;

fn number(numbers: &mut Numbers) -> i32 {
    [-1, 0, 1, numbers.below(1 << 32) as u32 as i32][numbers.below(4) as usize]
}

fn id(numbers: &mut Numbers) -> Uuid {
    Uuid::from_halves(numbers.below(9), numbers.below(9))
}

fn partition(numbers: &mut Numbers) -> FetchPartition {
    FetchPartition {
        partition: number(numbers),
        current_leader_epoch: number(numbers),
        fetch_offset: i64::from(number(numbers)) << numbers.below(30),
        last_fetched_epoch: number(numbers),
        log_start_offset: i64::from(number(numbers)),
        partition_max_bytes: number(numbers),
        replica_directory_id: id(numbers),
        high_watermark: if numbers.below(2) == 0 { i64::MAX } else { i64::from(number(numbers)) },
    }
}

fn request(numbers: &mut Numbers) -> FetchRequest {
    let mut topics = Vec::new();
    for _ in 0..numbers.below(4) {
        let partitions = (0..numbers.below(5)).map(|_| partition(numbers)).collect();
        topics.push(FetchTopic { topic: Str::from(numbers.text()), topic_id: id(numbers), partitions });
    }
    let mut forgotten_topics_data = Vec::new();
    for _ in 0..numbers.below(3) {
        let partitions = (0..numbers.below(4)).map(|_| number(numbers)).collect();
        let (topic, topic_id) = (Str::from(numbers.text()), id(numbers));
        forgotten_topics_data.push(ForgottenTopic { topic, topic_id, partitions });
    }
    let replica = numbers.below(3) == 0;
    FetchRequest {
        replica_id: number(numbers),
        max_wait_ms: number(numbers),
        min_bytes: number(numbers),
        max_bytes: number(numbers),
        isolation_level: numbers.below(3) as i8 - 1,
        session_id: number(numbers),
        session_epoch: number(numbers),
        topics,
        forgotten_topics_data,
        rack_id: Str::from(numbers.text()),
        cluster_id: (numbers.below(3) == 0).then(|| Str::from(numbers.text())),
        replica_state: if replica {
            ReplicaState { replica_id: number(numbers), replica_epoch: 7 }
        } else {
            ReplicaState::default()
        },
    }
}

/// What of a generated message the view says.
fn view_of(request: &FetchRequest) -> FetchView<'_> {
    let mut partitions = SmallVec::new();
    for topic in &request.topics {
        partitions.extend(topic.partitions.iter().map(|partition| WantedView {
            topic: &topic.topic,
            topic_id: topic.topic_id,
            partition: partition.partition,
            current_leader_epoch: partition.current_leader_epoch,
            fetch_offset: partition.fetch_offset,
            last_fetched_epoch: partition.last_fetched_epoch,
            log_start_offset: partition.log_start_offset,
            max_bytes: partition.partition_max_bytes,
        }));
    }
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics_data {
        forgotten.extend(topic.partitions.iter().map(|&partition| ForgottenView {
            topic: &topic.topic,
            topic_id: topic.topic_id,
            partition,
        }));
    }
    let &FetchRequest {
        max_wait_ms, min_bytes, max_bytes, isolation_level, session_id, session_epoch, ..
    } = request;
    // A version has one of the two.
    let replica_id = match request.replica_state.replica_id {
        -1 => request.replica_id,
        named => named,
    };
    FetchView {
        replica_id,
        replica_epoch: request.replica_state.replica_epoch,
        max_wait_ms,
        min_bytes,
        max_bytes,
        isolation_level,
        session_id,
        session_epoch,
        rack_id: &request.rack_id,
        partitions,
        forgotten,
    }
}

fn check(body: &[u8], version: i16) -> bool {
    let generated = FetchRequest::decode(&mut Decoder::of(Bytes::copy_from_slice(body)), version);
    let view = FetchView::parse(body, version);
    read_alike((body, version), &generated, &view, |generated, view| {
        assert_eq!(view_of(generated), *view, "version {version}");
    })
}

#[test]
fn says_what_the_generated_message_says_in_every_version() {
    let mut numbers = Numbers(1);
    for _ in 0..300 {
        let request = request(&mut numbers);
        for version in FetchRequest::MIN_VERSION..=FetchRequest::MAX_VERSION {
            assert!(check(&request.to_bytes(version), version));
        }
    }
}

#[test]
fn refuses_what_the_generated_decoder_refuses() {
    let mut numbers = Numbers(2);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..4000 {
        let version = FetchRequest::MIN_VERSION + numbers.below(15) as i16;
        let mut body = request(&mut numbers).to_bytes(version).to_vec();
        numbers.damage(&mut body, usize::MAX);
        if check(&body, version) { read += 1 } else { refused += 1 }
    }
    assert!(read > 400 && refused > 400, "{read} read, {refused} refused");
}

#[test]
fn random_bytes_are_read_alike() {
    let mut numbers = Numbers(3);
    for _ in 0..20_000 {
        let body = numbers.bytes(90);
        check(&body, FetchRequest::MIN_VERSION + numbers.below(15) as i16);
    }
}

#[test]
fn a_known_tag_must_be_as_long_as_it_says_and_an_unknown_one_may_be_anything() {
    let plain = FetchRequest::default().to_bytes(15);
    let with = |tags: &[u8]| [&plain[..plain.len() - 1], tags].concat();
    let replica = [0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9, 0];
    assert!(check(&with(&[&[1, 1, 13][..], &replica].concat()), 15));
    assert!(!check(&with(&[&[1, 1, 14][..], &replica, &[0]].concat()), 15));
    assert!(!check(&with(&[&[1, 1, 12][..], &replica].concat()), 15));
    assert!(check(&with(&[2, 0, 1, 0, 77, 2, 5, 5]), 15));
    assert!(!check(&with(&[1, 0, 2, 0, 0]), 15));
}

#[test]
fn a_count_is_not_believed() {
    let head = [0; 25];
    assert!(!check(&[&head[..25], &[0x7f, 0xff, 0xff, 0xff]].concat(), 7));
    assert!(!check(&[&head[..25], &[0xff, 0xff, 0xff, 0xff, 0x07]].concat(), 12));
}
