//! The view against the generated decoder.

use super::*;
use crate::Str;
use crate::codec::numbers::{Numbers, read_alike};
use crate::codec::{Decoder, Message};
use bytes::Bytes;

fn request(numbers: &mut Numbers) -> MetadataRequest {
    let topic = |numbers: &mut Numbers| MetadataRequestTopic {
        topic_id: Uuid::from_halves(numbers.below(9), numbers.below(9)),
        name: (numbers.below(5) > 0).then(|| Str::from(numbers.text())),
    };
    let count = numbers.below(5);
    let topics = (count < 4).then(|| (0..count).map(|_| topic(numbers)).collect());
    MetadataRequest {
        topics,
        allow_auto_topic_creation: numbers.below(2) == 0,
        include_cluster_authorized_operations: numbers.below(2) == 0,
        include_topic_authorized_operations: numbers.below(2) == 0,
    }
}

/// What of a generated message the view says.
fn view_of(request: &MetadataRequest) -> MetadataView<'_> {
    fn asked(topic: &MetadataRequestTopic) -> AskedTopic<'_> {
        AskedTopic { name: topic.name.as_deref(), id: topic.topic_id }
    }
    let &MetadataRequest {
        allow_auto_topic_creation,
        include_cluster_authorized_operations,
        include_topic_authorized_operations,
        ..
    } = request;
    MetadataView {
        topics: request.topics.as_ref().map(|topics| topics.iter().map(asked).collect()),
        allow_auto_topic_creation,
        include_cluster_authorized_operations,
        include_topic_authorized_operations,
    }
}

fn check(body: &[u8], version: i16) -> bool {
    let generated = MetadataRequest::decode(&mut Decoder::of(Bytes::copy_from_slice(body)), version);
    let view = MetadataView::parse(body, version);
    read_alike((body, version), &generated, &view, |generated, view| {
        assert_eq!(view_of(generated), *view, "version {version}");
    })
}

#[test]
fn says_what_the_generated_message_says_in_every_version() {
    let mut numbers = Numbers(1);
    for _ in 0..300 {
        let request = request(&mut numbers);
        for version in MetadataRequest::MIN_VERSION..=MetadataRequest::MAX_VERSION {
            assert!(check(&request.to_bytes(version), version));
        }
    }
}

#[test]
fn refuses_what_the_generated_decoder_refuses() {
    let mut numbers = Numbers(2);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..4000 {
        let version = numbers.below(14) as i16;
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
        let body = numbers.bytes(60);
        check(&body, numbers.below(14) as i16);
    }
}

#[test]
fn null_is_no_list_in_version_0_and_a_count_is_not_believed() {
    assert!(!check(&[0xff; 4], 0));
    assert!(check(&[0xff; 4], 1));
    assert!(!check(&[0x7f, 0xff, 0xff, 0xff], 1));
    assert!(!check(&[0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0, 0], 12));
}
