//! Frames of persisted records, with bytes from the reference.

use bytes::Bytes;

use super::group::{GroupKey, GroupMetadataKey, GroupMetadataValue, GroupValue};
use super::metadata::{MetadataRecord, RemoveTopicRecord};
use crate::Uuid;
use crate::codec::DecodeError;

fn uuid(last: u8) -> Uuid {
    let mut uuid = Uuid::ZERO;
    uuid.0[15] = last;
    uuid
}

#[test]
fn a_metadata_record_has_three_varints_before_it() {
    let record = MetadataRecord::from(RemoveTopicRecord { topic_id: uuid(1) });
    let bytes = record.encode();
    assert_eq!(bytes[..3], [1, 9, 0]);
    assert_eq!(bytes.len(), 3 + 16 + 1);
    assert_eq!(MetadataRecord::decode(bytes.clone()), Ok(record));
    let longer = Bytes::from([&bytes[..], &[55]].concat());
    assert_eq!(MetadataRecord::decode(longer), Err(DecodeError::TrailingBytes));
}

#[test]
fn unknown_metadata_records_are_told_by_type_and_version() {
    let decode = |bytes: &'static [u8]| MetadataRecord::decode(Bytes::from_static(bytes));
    assert_eq!(decode(&[1, 99, 3, 0]), Err(DecodeError::UnknownRecord { api_key: 99, version: 3 }));
    assert_eq!(decode(&[1, 9, 5, 0]), Err(DecodeError::UnknownRecord { api_key: 9, version: 5 }));
    assert_eq!(decode(&[2, 9, 0]), Err(DecodeError::UnsupportedVersion), "another frame version");
    assert_eq!(decode(&[]), Err(DecodeError::Truncated));
    assert_eq!(decode(&[1, 0xff, 0xff, 0x7f, 0]), Err(DecodeError::InvalidLength));
}

#[test]
fn a_group_record_is_read_as_the_reference_reads_it() {
    // GroupCoordinatorRecordSerde of 4.4.0 reads these as GroupMetadata of "g"; it does not mind the last two bytes.
    let key = Bytes::from_static(&[0, 2, 0, 1, b'g', 9, 9]);
    let value = [0, 0, 0, 1, b'p', 0, 0, 0, 1, 0, 1, b'q', 0, 1, b'l', 0, 0, 0, 0, 7, 7];
    let key = GroupKey::decode(key).unwrap();
    assert_eq!(key, GroupKey::GroupMetadata(GroupMetadataKey { group: "g".into() }));
    let value = GroupValue::decode(key.kind(), Bytes::copy_from_slice(&value)).unwrap();
    let expected = GroupMetadataValue {
        protocol_type: "p".into(),
        generation: 1,
        protocol: Some("q".into()),
        leader: Some("l".into()),
        ..GroupMetadataValue::default()
    };
    assert_eq!(value, GroupValue::from(expected));
    assert_eq!(value.latest_version(), 4);
    assert_eq!(GroupValue::decode(2, value.encode(4)), Ok(value));
}

#[test]
fn unknown_group_records_are_told_by_their_type() {
    let unknown = GroupKey::decode(Bytes::from_static(&[0, 99, 0, 1, b'g']));
    assert_eq!(unknown, Err(DecodeError::UnknownRecord { api_key: 99, version: 0 }));
    let newer = GroupValue::decode(2, Bytes::from_static(&[0, 77]));
    assert_eq!(newer, Err(DecodeError::UnknownRecord { api_key: 2, version: 77 }));
}
