//! The view against the generated decoder.

use super::*;
use crate::Str;
use crate::codec::numbers::{Numbers, read_alike};
use crate::codec::{Decoder, Message};
use bytes::Bytes;

fn partition(numbers: &mut Numbers) -> PartitionProduceData {
    let length = [0, 1, 61, 126, 127, 128, 5000][numbers.below(7) as usize];
    let records = Bytes::from(vec![numbers.below(256) as u8; length]);
    let records = if numbers.below(9) == 0 { None } else { Some(records) };
    PartitionProduceData { index: numbers.below(1 << 32) as u32 as i32, records }
}

fn request(numbers: &mut Numbers) -> ProduceRequest {
    let mut topics = Vec::new();
    for _ in 0..numbers.below(4) {
        let partition_data = (0..numbers.below(5)).map(|_| partition(numbers)).collect();
        let topic_id = Uuid::from_halves(numbers.below(9), numbers.below(9));
        topics.push(TopicProduceData { name: Str::from(numbers.text()), topic_id, partition_data });
    }
    let transactional_id = if numbers.below(2) == 0 { None } else { Some(Str::from(numbers.text())) };
    let acks = numbers.below(4) as i16 - 2;
    ProduceRequest { transactional_id, acks, timeout_ms: numbers.below(1 << 31) as i32, topic_data: topics }
}

/// What the view says, in the words of the generated message.
fn spelled_out(view: &ProduceView<'_>) -> ProduceRequest {
    let partition = |partition: &PartitionView<'_>| PartitionProduceData {
        index: partition.index,
        records: partition.records.map(Bytes::copy_from_slice),
    };
    let topic = |topic: &TopicView<'_>| TopicProduceData {
        name: Str::from(topic.name),
        topic_id: topic.id,
        partition_data: topic.partitions.iter().map(partition).collect(),
    };
    ProduceRequest {
        transactional_id: view.transactional_id.map(Str::from),
        acks: view.acks,
        timeout_ms: view.timeout_ms,
        topic_data: view.topics.iter().map(topic).collect(),
    }
}

fn check(body: &[u8], version: i16) -> bool {
    let generated = ProduceRequest::decode(&mut Decoder::of(Bytes::copy_from_slice(body)), version);
    let view = ProduceView::parse(body, version);
    read_alike((body, version), &generated, &view, |generated, view| {
        assert_eq!(*generated, spelled_out(view), "version {version}");
    })
}

#[test]
fn says_what_the_generated_message_says_in_every_version() {
    let mut numbers = Numbers(1);
    for _ in 0..300 {
        let request = request(&mut numbers);
        for version in ProduceRequest::MIN_VERSION..=ProduceRequest::MAX_VERSION {
            assert!(check(&request.to_bytes(version), version));
        }
    }
}

#[test]
fn refuses_what_the_generated_decoder_refuses() {
    let mut numbers = Numbers(2);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..2000 {
        let version = ProduceRequest::MIN_VERSION + numbers.below(11) as i16;
        let mut body = request(&mut numbers).to_bytes(version).to_vec();
        // Near the front, where lengths, counts and tags are.
        numbers.damage(&mut body, 80);
        if check(&body, version) { read += 1 } else { refused += 1 }
    }
    assert!(read > 200 && refused > 200, "{read} read, {refused} refused");
}

#[test]
fn random_bytes_are_read_alike() {
    let mut numbers = Numbers(3);
    for _ in 0..20_000 {
        let body = numbers.bytes(60);
        check(&body, ProduceRequest::MIN_VERSION + numbers.below(11) as i16);
    }
}

#[test]
fn unknown_tags_are_passed_over_at_every_level() {
    let tag = [1, 77, 2, 5, 5];
    let mut body = vec![0, 0, 1, 0, 0, 0, 9, 2, 2, b't', 2, 0, 0, 0, 3, 4, 1, 2, 3];
    for _ in 0..3 {
        body.extend_from_slice(&tag);
    }
    assert!(check(&body, 9) && check(&body, 12));
    body.truncate(body.len() - 1);
    assert!(!check(&body, 12));
}

#[test]
fn a_count_is_not_believed() {
    assert!(!check(&[0, 0, 1, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0x07], 9));
    assert!(!check(&[0xff, 0xff, 0, 1, 0, 0, 0, 9, 0x7f, 0xff, 0xff, 0xff], 3));
}
