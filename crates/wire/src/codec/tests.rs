//! The codec on its own: limits, odd encodings that Kafka accepts, refusals, the rope.

use bytes::Bytes;

use super::*;
use crate::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use crate::messages::fetch::{FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData};
use crate::messages::metadata::MetadataRequest;
use crate::records::group::{ClassicMemberMetadata, ConsumerGroupMemberMetadataValue};
use crate::{Str, Uuid};

fn decode<M: Message>(bytes: &[u8], version: i16) -> Result<M, DecodeError> {
    M::decode(&mut Decoder::of(Bytes::copy_from_slice(bytes)), version)
}

#[test]
fn a_count_is_not_believed_beyond_the_bytes_that_follow() {
    // Metadata v12 with 2^32 - 2 topics: kills kafka-protocol 0.18 by an allocation of 300 GB.
    assert_eq!(decode::<MetadataRequest>(&[0xff, 0xff, 0xff, 0xff, 0x07], 12), Err(DecodeError::Truncated));
    assert_eq!(decode::<MetadataRequest>(&[0x7f, 0xff, 0xff, 0xff], 0), Err(DecodeError::Truncated));
}

#[test]
fn arrays_are_paid_from_the_budget() {
    let request =
        MetadataRequest { topics: Some(vec![Default::default(); 1000]), ..MetadataRequest::default() };
    let bytes = request.to_bytes(12);
    let with = |max_allocation_bytes| {
        let limits = DecodeLimits { max_allocation_bytes, ..DecodeLimits::for_frame(bytes.len()) };
        MetadataRequest::decode(&mut Decoder::new(bytes.clone(), limits), 12)
    };
    assert_eq!(with(1 << 20), Ok(request.clone()));
    assert_eq!(with(1 << 10), Err(DecodeError::TooLarge));
    let limits = DecodeLimits { max_array_elements: 999, ..DecodeLimits::for_frame(bytes.len()) };
    let refused = MetadataRequest::decode(&mut Decoder::new(bytes, limits), 12);
    assert_eq!(refused, Err(DecodeError::TooLarge));
}

#[test]
fn null_is_refused_where_the_version_has_none() {
    // Topics are nullable from version 1 on.
    assert_eq!(decode::<MetadataRequest>(&[0xff; 4], 1).map(|request| request.topics), Ok(None));
    assert_eq!(decode::<MetadataRequest>(&[0xff; 4], 0), Err(DecodeError::UnexpectedNull));
}

#[test]
fn null_is_written_as_empty_where_the_version_has_none() {
    let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
    assert_eq!(request.to_bytes(1)[..4], [0xff; 4]);
    assert_eq!(request.to_bytes(0)[..4], [0; 4]);
}

#[test]
fn unknown_tags_are_passed_over_and_sizes_must_hold() {
    let plain = FetchRequest::default().to_bytes(17);
    let body = &plain[..plain.len() - 1];
    let with_tags = |tags: &[u8]| decode::<FetchRequest>(&[body, tags].concat(), 17);
    assert_eq!(with_tags(&[1, 99, 3, 1, 2, 3]), Ok(FetchRequest::default()));
    let cluster = with_tags(&[2, 0, 3, 3, b'm', b'e', 99, 0]).map(|request| request.cluster_id);
    assert_eq!(cluster, Ok(Some(Str::from("me"))));
    assert_eq!(with_tags(&[1, 0, 4, 3, b'm', b'e', 0]), Err(DecodeError::InvalidTagSize));
    assert_eq!(with_tags(&[1, 0, 2, 3, b'm', b'e']), Err(DecodeError::InvalidTagSize));
    assert_eq!(with_tags(&[1, 99, 9, 1]), Err(DecodeError::Truncated));
    assert_eq!(with_tags(&[0x91, 0x4e]), Err(DecodeError::TooManyTags), "10,001 tags");
}

#[test]
fn a_tag_given_twice_counts_the_last_time() {
    let plain = FetchRequest::default().to_bytes(17);
    let twice = [&plain[..plain.len() - 1], &[2, 0, 2, 2, b'a', 0, 2, 2, b'b']].concat();
    assert_eq!(decode::<FetchRequest>(&twice, 17).map(|request| request.cluster_id), Ok(Some("b".into())));
}

#[test]
fn varints_are_read_as_kafka_reads_them() {
    let read = |bytes: &'static [u8]| Decoder::of(Bytes::from_static(bytes)).unsigned_varint();
    assert_eq!(read(&[0x7f]), Ok(127));
    assert_eq!(read(&[0x80, 0x01]), Ok(128));
    assert_eq!(read(&[0x80, 0x80, 0x00]), Ok(0), "padding is accepted");
    assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x7f]), Ok(u32::MAX), "high bits of the fifth byte fall off");
    assert_eq!(read(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00]), Err(DecodeError::InvalidVarint));
    assert_eq!(read(&[0x80]), Err(DecodeError::Truncated));
}

#[test]
fn strings_must_be_utf8_and_end_at_their_limit() {
    let read = |bytes: Vec<u8>| Decoder::of(Bytes::from(bytes)).nullable_string();
    assert_eq!(read(vec![0, 2, 0xc3, 0x28]), Ok(Some("\u{fffd}(".into())));
    let mut to = Encoder::new();
    to.nullable_string(Some(&"ä".repeat(20_000)));
    assert_eq!(read(to.into_bytes().to_vec()).map(|text| text.map(|text| text.len())), Ok(Some(32_766)));
    let mut flexible = Decoder::of(Bytes::from([&[0x81, 0x80, 0x02][..], &[b'x'; 0x8000]].concat()));
    flexible.set_flexible(true);
    assert_eq!(flexible.nullable_string(), Err(DecodeError::InvalidLength));
}

#[test]
fn records_travel_by_reference_in_both_directions() {
    let records = Bytes::from(vec![7; 5000]);
    let partition = PartitionData { records: Some(records.clone()), ..PartitionData::default() };
    let topic = FetchableTopicResponse {
        topic_id: Uuid([9; 16]),
        partitions: vec![partition.clone(), partition],
        ..FetchableTopicResponse::default()
    };
    let response = FetchResponse { responses: vec![topic], ..FetchResponse::default() };
    let mut to = Encoder::new();
    response.encode(&mut to, 17);
    let (length, chunks) = (to.length(), to.finish());
    assert_eq!(chunks.len(), 5);
    assert_eq!(chunks[1].as_ptr(), records.as_ptr());
    assert_eq!(chunks[3].as_ptr(), records.as_ptr());
    let frame = Bytes::from(chunks.concat());
    assert_eq!(frame.len(), length);
    let read = FetchResponse::decode(&mut Decoder::of(frame.clone()), 17).unwrap();
    assert_eq!(read, response);
    let slice = read.responses[0].partitions[0].records.as_ref().unwrap();
    assert!(frame.as_ptr_range().contains(&slice.as_ptr()));
}

#[test]
fn nullable_structs_have_one_mark_among_the_fields_and_another_in_a_tag() {
    let value = ConsumerGroupMemberMetadataValue { classic_member_metadata: None, ..Default::default() };
    let null = value.to_bytes(0);
    assert_eq!(null[null.len() - 4..], [1, 0, 1, 0], "one tag, number 0, of one byte: null");
    assert_eq!(decode(&null, 0), Ok(value.clone()));
    let member = ClassicMemberMetadata { session_timeout_ms: 5, ..ClassicMemberMetadata::default() };
    let value = ConsumerGroupMemberMetadataValue { classic_member_metadata: Some(member), ..value };
    assert_eq!(decode(&value.to_bytes(0), 0), Ok(value));
    let heartbeat = ConsumerGroupHeartbeatRequest::default();
    assert_eq!(decode(&heartbeat.to_bytes(0), 0), Ok(heartbeat));
}

#[test]
#[should_panic(expected = "FetchRequest has no version 99")]
fn writing_a_version_that_is_not_there_is_a_bug() {
    FetchRequest::default().to_bytes(99);
}

#[test]
fn reading_a_version_that_is_not_there_is_refused() {
    assert_eq!(decode::<FetchRequest>(&[], 3), Err(DecodeError::UnsupportedVersion));
    assert_eq!(decode::<FetchRequest>(&[], -1), Err(DecodeError::UnsupportedVersion));
}
